/* SPDX-License-Identifier: MIT */
/* The guest's memory of resolved names: what it knows, what it forgets, what that means for faults on hosts. */
#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include "base/hash.h"
#include "plan/plan.h"
#include "preload/guest.h"
#include "preload/names.h"
#include "tests/lib/tap.h"

#define THREADS 4
#define EACH 5000

static struct page page;
struct guest guest = {.page = &page};

void guest_lost(enum page_loss what)
{
	atomic_fetch_add(&page.lost[what], 1);
}

static struct addr end_of(const char *ip, uint16_t port)
{
	unsigned char bytes[16];
	struct addr a;
	int family = strchr(ip, ':') ? ADDR_IP6 : ADDR_IP4;

	inet_pton(family == ADDR_IP6 ? AF_INET6 : AF_INET, ip, bytes);
	addr_from_ip(&a, family, bytes, port);
	return a;
}

static uint64_t hash(const char *name)
{
	return host_hash(name, strlen(name));
}

static const struct page_fault *fault(const char *spec)
{
	struct plan p;

	plan_init(&p);
	memset(&page, 0, sizeof(page));
	if (plan_add_spec(&p, spec) || plan_compile(&p, &page)) {
		printf("Bail out! %s: %s\n", spec, p.error);
		exit(1);
	}
	plan_clear(&p);
	return &page.faults[0];
}

static void test_knowing(void)
{
	struct addr a = end_of("10.0.0.1", 80), b = end_of("10.0.0.2", 80), same = end_of("10.0.0.1", 81), six = end_of("fd00::1", 80);
	struct addr none = {.family = ADDR_NONE};

	ok(!names_know(hash("api.test"), &a), "nothing is known at first");
	names_learn(hash("api.test"), &a);
	ok(names_know(hash("api.test"), &a) && names_know(hash("api.test"), &same), "an address is known, on any port");
	ok(!names_know(hash("api.test"), &b) && !names_know(hash("other.test"), &a), "another address, another name are not");
	names_learn(hash("api.test"), &six);
	names_learn(hash("other.test"), &a);
	ok(names_know(hash("api.test"), &six) && names_know(hash("api.test"), &a) && names_know(hash("other.test"), &a),
	   "a name has several addresses, an address several names");
	names_learn(hash("api.test"), &none);
	ok(!names_know(hash("api.test"), &none) && !names_know(0, &a), "no address, and no name, are never known");
}

static void test_matching(void)
{
	const struct page_fault *f = fault("to=api.test:80 delay=1s");
	struct authority none = {0}, api = {hash("api.test"), 0, 0}, other = {hash("other.test"), 0, 0}, stranger = {hash("x.test"), 0, 0};
	struct addr a = end_of("10.0.0.1", 80), b = end_of("10.0.0.2", 80);

	ok(names_match(f, PAGE_TO, &a, &none), "a resolved address is the host while nothing is asked for");
	ok(names_match(f, PAGE_TO, &a, &stranger), "and for a request for a host that nobody resolved: it is a proxy");
	ok(!names_match(f, PAGE_TO, &a, &other), "but not for one for another name of that address");
	ok(names_match(f, PAGE_TO, &b, &api) && !names_match(f, PAGE_TO, &b, &none), "elsewhere it is what is asked for");
	ok(!names_match(f, PAGE_AT, &a, &none) && names_match(f, PAGE_AT, &a, &api), "a server's own address is not what it resolved");
	ok(names_may_match(f, PAGE_TO, &b), "any connection may carry a request for the host");
	f = fault("to=api.test:80 refuse=true");
	ok(names_may_match(f, PAGE_TO, &a) && !names_may_match(f, PAGE_TO, &b), "a connect is to a resolved address or not");
	f = fault("to=10.0.0.2 refuse=true");
	ok(names_match(f, PAGE_TO, &b, &other) && !names_may_match(f, PAGE_TO, &b), "faults on addresses do not ask for names");
	f = fault("to=localhost delay=1s");
	a = end_of("127.0.0.1", 80);
	names_learn(hash("other.test"), &a);
	ok(names_match(f, PAGE_TO, &a, &other), "localhost is any loopback address, whatever is asked for there");
}

static void *learn(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg * EACH;
	struct addr a = end_of("10.0.0.1", 80);
	uintptr_t known = 0;

	for (uint64_t i = 1; i <= EACH; i++) {
		names_learn(hash_mix(first + i), &a);
		known += names_know(hash_mix(first + i), &a);
	}
	return (void *)known;
}

static void test_bounds(void)
{
	struct addr a = end_of("10.0.0.1", 80);
	pthread_t threads[THREADS];
	uintptr_t known = 0, still = 0;
	void *each;

	fault("to=10.0.0.1 delay=1s");
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, learn, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &each);
		known += (uintptr_t)each;
	}
	ok(known > THREADS * EACH * 99 / 100, "what was just learnt is known (%zu of %d)", (size_t)known, THREADS * EACH);
	for (uint64_t i = 1; i <= THREADS * EACH; i++)
		still += names_know(hash_mix(i), &a);
	ok(still > 3000 && still <= 4096, "of many names the newest are kept (%zu)", (size_t)still);
	is_int(page.lost[PAGE_LOST_NAME], 0, "forgetting is no loss where no fault is on a host");
	fault("to=api.test delay=1s");
	learn(NULL);
	ok(page.lost[PAGE_LOST_NAME] > EACH / 2, "and is counted where one is");
}

int main(void)
{
	test_knowing();
	test_matching();
	test_bounds();
	return tap_done();
}
