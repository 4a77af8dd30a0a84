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

/* What a header says, at 1000 ms of the clock. */
static const struct {
	const char *header;
	uint64_t left_ms;	/* UINT64_MAX: it never ends */
} headers[] = {
	{NULL, UINT64_MAX}, {"", UINT64_MAX}, {"250", 250}, {"0", 0}, {"007", 7}, {"3600000000", 3600000000}, {"3600000001", UINT64_MAX},
	{"99999999999999999999999999", UINT64_MAX}, {"-1", UINT64_MAX}, {" 5", UINT64_MAX}, {"5 ", UINT64_MAX}, {"2.5", UINT64_MAX}, {"soon", UINT64_MAX},
};

static void check_headers(void)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		const char *shown = headers[i].header ? headers[i].header : "none";
		struct deadline given;
		uint64_t left_ns;

		deadline_read(&given, headers[i].header, 1000 * MS);
		left_ns = deadline_left_ns(&given, 1000 * MS);
		is_int(left_ns == UINT64_MAX ? left_ns : left_ns / MS, headers[i].left_ms, "header: %s", shown);
		is_int(deadline_is_over(&given, 1000 * MS), headers[i].left_ms == 0, "over at once: %s", shown);
		is_int(deadline_is_over(&given, 1000 * MS + 300 * MS), headers[i].left_ms <= 300, "over 300 ms later: %s", shown);
	}
}

/* A call of 500 ms an attempt, 1200 ms in all, made for somebody who waits for outer_ms. */
static const struct {
	const char *sentence, *outer_ms;
	unsigned gone_ms, may_take_ms;
} nested[] = {
	{"who_waits_for_ever_changes_nothing", NULL, 0, 500},
	{"nor_who_waits_longer_than_the_call", "5000", 900, 300},
	{"an_attempt_ends_with_who_waits_for_it", "200", 0, 200},
	{"and_none_begins_after_that", "200", 200, 0},
	{"who_has_no_time_left_gets_none", "0", 0, 0},
};

static void check_nested(void)
{
	struct deadline_policy policy = {500 * MS, 1200 * MS};

	for (size_t i = 0; i < sizeof(nested) / sizeof(*nested); i++) {
		struct deadline call, outer;

		deadline_read(&outer, nested[i].outer_ms, 77 * MS);
		deadline_begin(&call, &policy, 77 * MS);
		deadline_within(&call, &outer);
		is_int(deadline_attempt_ns(&call, (77 + nested[i].gone_ms) * MS) / MS, nested[i].may_take_ms, "%s", nested[i].sentence);
	}
}

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
	check_headers();
	check_nested();
	return tap_done();
}
