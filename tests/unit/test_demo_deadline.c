/* SPDX-License-Identifier: MIT */
/* The demos' deadlines, by table under a fake clock: how long an attempt may take, and which wait still fits. */
#include "demos/service/deadline.h"
#include "tests/lib/tap.h"

#define MS 1000000ull

static const struct {
	const char *sentence;
	unsigned attempt_ms, total_ms;	/* the policy */
	unsigned gone_ms;		/* since the call began */
	unsigned may_take_ms;		/* an attempt that begins then */
	unsigned wait_ms;
	int fits;			/* that wait */
} table[] = {
	{"without_a_total_an_attempt_has_its_own_time", 500, 0, 0, 500, 3600000, 1},
	{"... at_any_time", 500, 0, 86400000, 500, 3600000, 1},
	{"a_total_not_near_changes_nothing", 500, 1200, 0, 500, 100, 1},
	{"an_attempt_may_end_just_with_the_call", 500, 1200, 700, 500, 499, 1},
	{"less_is_left_than_an_attempt_may_take", 500, 1200, 900, 300, 299, 1},
	{"a_wait_that_takes_all_that_is_left_does_not_fit", 500, 1200, 900, 300, 300, 0},
	{"a_wait_that_takes_more_does_not_fit", 500, 1200, 900, 300, 301, 0},
	{"no_attempt_begins_when_the_time_is_over", 500, 1200, 1200, 0, 0, 0},
	{"nor_later", 500, 1200, 5000, 0, 0, 0},
	{"a_total_shorter_than_an_attempt_holds", 500, 200, 0, 200, 0, 1},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct deadline_policy policy = {table[i].attempt_ms * MS, table[i].total_ms * MS};
		uint64_t began_ns = 77 * MS, now_ns = began_ns + table[i].gone_ms * MS;
		struct deadline call;

		deadline_begin(&call, &policy, began_ns);
		is_int(deadline_attempt_ns(&call, now_ns) / MS, table[i].may_take_ms, "%s", table[i].sentence);
		is_int(deadline_allows(&call, now_ns, table[i].wait_ms * MS), table[i].fits, "%s: a wait of %u ms", table[i].sentence,
		       table[i].wait_ms);
	}
	{
		struct deadline_policy policy = {5, UINT64_MAX - 1};
		struct deadline call;

		deadline_begin(&call, &policy, 10);
		is_int(deadline_attempt_ns(&call, 20), 5, "a_total_beyond_the_clock_does_not_wrap_around");
	}
	return tap_done();
}
