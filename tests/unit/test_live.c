/* SPDX-License-Identifier: MIT */
/* Changing the faults of a page: what a reader may hold on to, and for how long. */
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "plan/live.h"
#include "plan/plan.h"
#include "tests/lib/tap.h"

static struct page page;
static uint64_t now, retry;

static uint64_t live(void)
{
	return page_live(&page, page_version(&page));
}

/* Puts a fault as `fault set` does, and starts it; its slot or -errno. */
static int set(const char *spec)
{
	struct plan p;
	int slot;

	plan_init(&p);
	if (plan_add_spec(&p, spec) || plan_check(&p)) {
		printf("Bail out! %s: %s\n", spec, p.error);
		exit(1);
	}
	slot = live_put(&page, &p, 0, now, &retry);
	if (slot >= 0)
		live_start(&page, (unsigned)slot, now);
	plan_clear(&p);
	return slot;
}

static void fresh(const char *spec)
{
	struct plan p;

	plan_init(&p);
	memset(&page, 0, sizeof(page));
	now = 100 * NS_PER_S;
	page.started_ns = now;
	if ((spec && plan_add_spec(&p, spec)) || plan_compile(&p, &page))
		exit(1);
	plan_clear(&p);
}

static void test_switching(void)
{
	uint64_t before;
	char name[65];
	int b;

	fresh("name=a to=:80 status=503");
	ok(live() == 1 && live_find(&page, "a") == 0 && live_find(&page, "b") == -ENOENT, "a plan's faults are on from the start");
	before = page_version(&page);
	b = set("name=b to=:81 status=429 body=hello");
	ok(b == 1 && live() == 3 && page_version(&page) == before + 1, "setting one more is one change of the version");
	ok(page_live(&page, before) == 1, "who has loaded the version before still finds its faults");
	is_str(live_name(&page, 1, name, sizeof(name)), "b", "it is listed by its name");
	live_switch(&page, 0, false);
	ok(live() == 2 && live_find(&page, "a") == 0 && live_state(&page, 0, now) == LIVE_OFF, "off, it is listed still");
	live_switch(&page, 0, true);
	is_int(live_state(&page, 0, now), LIVE_ON, "and comes on again");
	live_retire(&page, 1, now);
	ok(live() == 2 && live_find(&page, "a") == -ENOENT && page.faults[0].id == 1, "retired, it is gone; its slot is as it was");
}

static void test_states(void)
{
	fresh("name=w to=:80 status=503 from=2s for=3s");
	is_int(live_state(&page, 0, now + 1 * NS_PER_S), LIVE_WAITING, "before its window a fault waits");
	is_int(live_state(&page, 0, now + 2 * NS_PER_S), LIVE_ON, "in it, it is on");
	is_int(live_state(&page, 0, now + 5 * NS_PER_S), LIVE_ENDED, "after it, it has ended");
}

static void test_rest(void)
{
	struct page_fault old;
	int first, slot = 0;

	fresh(NULL);
	first = set("name=x to=:80 status=503 body=first");
	old = page.faults[first];
	for (int i = 1; i < PAGE_FAULT_MAX; i++)
		slot = set("name=x to=:80 status=503 body=other");
	ok(slot == PAGE_FAULT_MAX - 1 && live() == 1ull << 63, "a fault that is replaced takes a new slot each time");
	is_int(set("name=x to=:80 status=503"), -EAGAIN, "when none is left those replaced must rest");
	ok(retry == now + PAGE_REST_NS, "until 2 s after they left");
	ok(!memcmp(page.text + old.body.at, "first", 5) && page.faults[first].id == old.id, "their texts are untouched till then");
	now = retry;
	slot = set("name=x to=:80 status=429");
	ok(slot >= 0 && slot < 63 && page.faults[slot].id == 65, "then a slot is used again, under an id that never was");
	is_int(live(), 1ll << slot, "and the mask has that one only");
}

static void test_full(void)
{
	char spec[64];

	fresh(NULL);
	for (int i = 0; i < PAGE_FAULT_MAX; i++) {
		snprintf(spec, sizeof(spec), "name=f%d to=:80 delay=1s", i);
		set(spec);
	}
	ok(live() == UINT64_MAX && set("name=more to=:80 delay=1s") == -ENOSPC, "64 faults at once, and no more");
}

static void test_texts(void)
{
	static char spec[60100];
	int a, b;

	fresh(NULL);
	a = snprintf(spec, sizeof(spec), "name=big to=:80 status=503 body=");
	memset(spec + a, 'a', 30000);
	spec[a + 30000] = '\0';
	ok(set("name=one to=:80 status=503 body=small") == 0 && set(spec) == 1, "a large text fits beside a small one");
	memcpy(spec + 5, "two", 3);
	ok(set(spec) == 2, "and a second one");
	memcpy(spec + 5, "hug", 3);
	is_int(set(spec), -E2BIG, "a third does not");
	live_retire(&page, 2, now);
	is_int(set(spec), -EAGAIN, "but has to wait when the first was cleared");
	now += PAGE_REST_NS;
	b = set(spec);
	ok(b >= 0 && page.faults[b].body.at < 30100 && page.faults[b].body.len == 30000, "and then gets its place");
	ok(!memcmp(page.text + page.faults[0].body.at, "small", 5) && page.text[page.faults[2].body.at + 29999] == 'a',
	   "between texts that stay what they are");
}

static void test_shift(void)
{
	struct plan p;
	char *json;

	plan_init(&p);
	plan_add_spec(&p, "name=s to=:80 status=503 from=2s for=3s");
	plan_shift(&p, 1500 * NS_PER_MS + 999);
	json = plan_fault_json(&p, 0);
	is_str(json,
	       "{\"name\":\"s\",\"to\":\":80\",\"from\":\"3500ms\",\"for\":\"3s\",\"status\":503}", "a window counted from now is told from the run's start");
	free(json);
	plan_clear(&p);
}

int main(void)
{
	test_switching();
	test_states();
	test_rest();
	test_full();
	test_texts();
	test_shift();
	return tap_done();
}
