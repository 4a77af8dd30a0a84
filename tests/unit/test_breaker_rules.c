/* SPDX-License-Identifier: MIT */
/* What opens a breaker, when its server was bad, and whether it is another's (breaker_threshold.h, breaker_bad.h, breaker_explained.h), as arithmetic. */
#include <math.h>
#include <string.h>
#include "analyzer/infer/breaker_bad.h"
#include "analyzer/infer/breaker_explained.h"
#include "analyzer/infer/breaker_threshold.h"
#include "tests/lib/tap.h"

static void bad_times_have_ends(void)
{
	struct breaker_span of[] = {{100, 200, true}, {300, 400, true}};
	struct breaker_bad bad = {.of = of, .n = 2};
	static const struct { uint64_t at; bool bad; } cases[] = {{99, false}, {100, true}, {200, true}, {201, false}, {299, false}, {300, true}, {400, true},
								  {401, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(breaker_bad_at(&bad, cases[i].at), cases[i].bad, "bad from 100 to 200 and from 300 to 400: at %d %s", (int)cases[i].at,
		       cases[i].bad ? "it was" : "not");
}

/*
 * Calls of 2 ns every 10, as 'x' (failed), '.' (succeeded) and 'X' (failed, and its end is 3 after its start); opens after some of them, each with what
 * it follows: a half-open call, or not. When it is said to have been bad.
 */
struct guess {
	const char *calls;
	struct { size_t before, trip; bool half_open; } opens[3];	/* before 0: none */
	struct breaker_span bad[2];	/* to 0: none */
	const char *sentence;
};

static void check_guess(const struct guess *c)
{
	struct silence_attempt a[40];
	struct silence_gap gaps[3];
	struct silence_input in = {.attempts = a, .n = strlen(c->calls)};
	struct silences s = {.gaps = gaps};
	struct breaker_bad bad = {0};
	size_t want = 0;
	bool right = true;

	for (size_t i = 0; i < in.n; i++)
		a[i] = (struct silence_attempt){.start_ns = 10 * i + 100, .end_ns = 10 * i + 102 + (c->calls[i] == 'X' ? 31 : 0), .failed = c->calls[i] != '.'};
	for (; s.count < 3 && c->opens[s.count].before; s.count++)
		gaps[s.count] = (struct silence_gap){.before = c->opens[s.count].before, .after = c->opens[s.count].before + 1,
						     .trip = c->opens[s.count].trip, .fresh = !c->opens[s.count].half_open};
	ok(!breaker_bad_guess(&bad, &in, &s), "there_is_memory");
	for (; want < 2 && c->bad[want].to_ns; want++)
		right &= want < bad.n && bad.of[want].from_ns == c->bad[want].from_ns && bad.of[want].to_ns == c->bad[want].to_ns;
	if (!ok(right && bad.n == want && bad.out_n == want && !memcmp(bad.of, bad.out, want * sizeof(*bad.of)) && !bad.faults, "%s", c->sentence))
		printf("# %zu: %d..%d, %d..%d\n", bad.n, bad.n ? (int)bad.of[0].from_ns : 0, bad.n ? (int)bad.of[0].to_ns : 0,
		       bad.n > 1 ? (int)bad.of[1].from_ns : 0, bad.n > 1 ? (int)bad.of[1].to_ns : 0);
	s.count = 0;
	ok(!breaker_bad_guess(&bad, &in, &s) && bad.n == want, "it_is_guessed_once");
	breaker_bad_free(&bad);
}

static void when_it_was_bad_without_a_fault(void)
{
	static const struct guess cases[] = {
		{"...xxx.........", {{5, 5, false}}, {{130, 152, false}}, "from_the_first_failure_in_a_row_to_the_last"},
		{"xxx.........", {{2, 2, false}}, {{100, 122, false}}, "or_the_first_of_all"},
		{"...xxxx.........x.........", {{5, 5, false}}, {{130, 262, false}}, "nine_successes_in_a_row_do_not_end_it"},
		{"...xxxx..........x..", {{5, 5, false}}, {{130, 162, false}}, "ten_do"},
		{"...xxx.....x....x..........", {{5, 5, false}}, {{130, 262, false}}, "not_ten_in_all"},
		{"...xxx..........x", {{5, 5, false}}, {{130, 152, false}}, "those_right_behind_it_too"},
		{"...xXxx.........", {{5, 5, false}}, {{130, 173, false}}, "to_the_latest_end"},
		{"..x.............", {{3, 2, false}}, {{120, 122, false}}, "the_failure_that_opened_it_may_lie_before_a_success"},
		{"..xx............", {{3, 2, false}}, {{120, 132, false}}, "the_first_may_be_earlier_than_that"},
		{"...xxx..........xxx.........", {{5, 5, false}, {18, 18, false}}, {{130, 152, false}, {260, 282, false}}, "two_opens_are_two_bad_times"},
		{"...xxx..x.........", {{5, 5, false}, {8, 8, true}}, {{130, 182, false}}, "not_where_a_half_open_call_failed"},
		{"...xxx..........x.........", {{5, 5, true}, {16, 16, true}}, {{130, 152, false}}, "the_first_is_always_one"},
		{"...xxx....xxx.........", {{5, 5, false}, {12, 12, false}}, {{130, 222, false}}, "two_that_meet_are_one"},
		{"............", {{5, 5, false}}, {{150, 152, false}}, "a_failure_that_is_none_is_all_that_there_is"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_guess(&cases[i]);
}

/* Opens of which each took `low` to `high` failures in a row; before the last, `failed` and a run of `longest` that did not open it. */
struct opens {
	unsigned n;
	uint32_t low[3], high[3], longest, failed;
	enum policy_threshold rule;
	double threshold_low, threshold_high;
	const char *what;
};

static void what_opens_it(void)
{
	static const struct opens cases[] = {
		{1, {5}, {5}, 4, 11, THRESHOLD_UNKNOWN, 5, 5, "once after 5: in a row or not can not be told"},
		{1, {5}, {5}, 5, 11, THRESHOLD_RATE, NAN, NAN, "5 in a row had not opened it before, and 11 failed in all: their share does"},
		{1, {5}, {5}, 5, 10, THRESHOLD_UNKNOWN, 5, 5, "of no more than twice as many that can not be said"},
		{2, {4, 6}, {5, 7}, 3, 7, THRESHOLD_RATE, NAN, NAN, "once after 4 to 5, once after 6 to 7: no number, so a share"},
		{2, {4, 5}, {6, 7}, 3, 7, THRESHOLD_UNKNOWN, 5, 6, "4 to 6 and 5 to 7 leave 5 to 6"},
		{2, {4, 6}, {6, 7}, 3, 7, THRESHOLD_UNKNOWN, 6, 6, "4 to 6 and 6 to 7 leave 6"},
		{3, {5, 5, 5}, {5, 5, 5}, 4, 10, THRESHOLD_CONSECUTIVE, 5, 5, "three times after 5, though 10 had failed: 5 in a row"},
		{3, {5, 5, 5}, {5, 5, 5}, 5, 10, THRESHOLD_UNKNOWN, 5, 5, "the same, but 5 in a row had left it closed: not in a row"},
		{3, {5, 5, 5}, {5, 5, 5}, 4, 9, THRESHOLD_UNKNOWN, 5, 5, "with 9 failures, a share of them may do as well"},
		{2, {5, 5}, {5, 5}, 4, 10, THRESHOLD_UNKNOWN, 5, 5, "twice is no rule"},
		{3, {5, 5, 4}, {5, 5, 5}, 4, 10, THRESHOLD_UNKNOWN, 5, 5, "nor are three of which one is not sure of its number"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct opens *c = &cases[i];
		struct breaker_threshold t;
		struct policy_breaker p = {.threshold = THRESHOLD_UNKNOWN};

		breaker_threshold_init(&t);
		for (unsigned k = 0; k < c->n; k++)
			breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .run_low = c->low[k], .run_high = c->high[k], .longest_run = c->longest,
									.failed = c->failed, .share_low = 0.5, .share_high = 0.6});
		breaker_threshold_add(&t, &(struct silence_gap){.run_low = 1, .run_high = 1, .longest_run = 99, .failed = 99});
		breaker_threshold_settle(&t, &p);
		is_int(p.threshold, c->rule, "%s", c->what);
		ok((p.threshold_low == c->threshold_low || (isnan(p.threshold_low) && isnan(c->threshold_low))) &&
			   (p.threshold_high == c->threshold_high || (isnan(p.threshold_high) && isnan(c->threshold_high))),
		   "%s: %g to %g", c->what, p.threshold_low, p.threshold_high);
		ok(p.share_low == 0.5 && p.share_high == 0.6, "%s: when their share was 0.5 to 0.6", c->what);
	}
}

/* Of ten times that a breaker was open for 1000 ns, another's covers so much, in so many of them its calls come back first. */
static bool explained(int covered, int first, uint32_t process)
{
	struct policy_open mine[10], others[10];

	for (int i = 0; i < 10; i++) {
		uint64_t at = 10000 * (uint64_t)(i + 1);
		bool before = i < first;

		mine[i] = (struct policy_open){at, at + 1000, 1};
		others[i] = (struct policy_open){before ? at - 1 : at + 1000 - (uint64_t)covered, before ? at + (uint64_t)covered : at + 1500, process};
	}
	return breaker_is_explained(&(struct policy_breaker){.spans = mine, .span_count = 10}, &(struct policy_breaker){.spans = others, .span_count = 10});
}

/* Ranges that meet, and what they span. */
static void ranges_meet(void)
{
	static const struct { double low[3], high[3], got_low, got_high; bool meets; const char *sentence; } cases[] = {
		{{1, 2, 3}, {9, 8, 7}, 3, 7, true, "each_within_the_one_before"}, {{3, 2, 1}, {7, 8, 9}, 3, 7, true, "and_around_it"},
		{{1, 3, 2}, {5, 9, 3}, 3, 3, true, "in_one_point"}, {{1, 4, 2}, {3, 9, 5}, 1, 9, false, "not_at_all_they_span_all"},
		{{4, 1, 2}, {9, 3, 5}, 1, 9, false, "in_another_order_too"}, {{5, 5, 5}, {5, 5, 5}, 5, 5, true, "equal_ones"},
	};
	struct breaker_range r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double low, high;

		breaker_range_init(&r);
		for (int k = 0; k < 3; k++)
			breaker_range_add(&r, cases[i].low[k], cases[i].high[k]);
		breaker_range_read(&r, &low, &high);
		ok(low == cases[i].got_low && high == cases[i].got_high && breaker_range_meets(&r) == cases[i].meets, "ranges_meet_%s: %g to %g",
		   cases[i].sentence, low, high);
	}
	breaker_range_init(&r);
	ok(!breaker_range_meets(&r), "none_meets_nothing");
}

/* The largest of what several opens say counts, and what cannot be told does not. */
static void what_opens_say_together(void)
{
	struct breaker_threshold t;
	struct policy_breaker p = {.threshold = THRESHOLD_UNKNOWN};

	breaker_threshold_init(&t);
	breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .run_low = 4, .run_high = 5, .longest_run = 3, .failed = 9, .share_low = 0.5,
							.share_high = 0.5});
	breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .run_low = 5, .run_high = 5, .longest_run = 2, .failed = 7, .share_low = 0.6,
							.share_high = 0.5});
	breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .run_low = 5, .run_high = 5, .longest_run = 1, .failed = 8, .share_low = NAN,
							.share_high = NAN});
	ok(t.sure == 3 && t.agreeing == 2 && t.longest_run == 3 && t.most_failed == 9, "three_opens_of_which_two_tell_their_number");
	ok(t.share.low == 0.5 && t.share.high == 0.5, "the_share_of_one_is_told_at_a_point");
	breaker_threshold_add(&t, &(struct silence_gap){.run_low = 1, .run_high = 1, .longest_run = 10, .failed = 99});
	breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .longest_run = 10, .failed = 99});
	ok(t.sure == 3 && t.longest_run == 3 && t.most_failed == 9, "what_is_not_sure_or_has_no_number_says_nothing");
	breaker_threshold_settle(&t, &p);
	ok(p.threshold == THRESHOLD_UNKNOWN && p.threshold_low == 5 && p.threshold_high == 5, "two_that_agree_are_no_rule");
	t.agreeing = 3;
	t.most_failed = 10;
	breaker_threshold_settle(&t, &p);
	is_int(p.threshold, THRESHOLD_CONSECUTIVE, "three_are");
	breaker_threshold_init(&t);
	p.threshold = THRESHOLD_UNKNOWN;
	breaker_threshold_settle(&t, &p);
	ok(p.threshold == THRESHOLD_UNKNOWN && isnan(p.threshold_low), "none_says_nothing");
	t.sure = 1;
	breaker_threshold_settle(&t, &p);
	is_int(p.threshold, THRESHOLD_UNKNOWN, "one_does_not_disagree_with_itself");
}

/* Where another's spans lie beside, in other processes and several within one. */
static void others_that_explain(void)
{
	static const struct { struct policy_open mine[2], others[4]; size_t mine_n, others_n; bool is; const char *sentence; } cases[] = {
		{{{100, 200, 1}}, {{10, 20, 1}, {100, 190, 1}}, 1, 2, true, "one_that_was_over_before_is_no_matter"},
		{{{100, 200, 2}}, {{100, 190, 1}, {100, 190, 2}}, 1, 2, true, "nor_is_one_of_another_process"},
		{{{100, 200, 1}}, {{100, 190, 2}}, 1, 1, false, "which_explains_nothing"},
		{{{100, 200, 2}}, {{100, 190, 1}}, 1, 1, false, "of_a_process_before_it_either"},
		{{{100, 200, 1}}, {{90, 140, 1}, {150, 190, 1}}, 1, 2, true, "two_together_cover_it"},
		{{{100, 200, 1}}, {{90, 140, 1}, {160, 190, 1}}, 1, 2, false, "less_of_two_does_not"},
		{{{100, 200, 1}}, {{90, 190, 1}, {200, 250, 1}}, 1, 2, true, "one_that_begins_as_it_ends_is_no_part_of_it"},
		{{{100, 200, 1}}, {{90, 190, 1}, {199, 250, 1}}, 1, 2, false, "one_that_begins_before_is_the_last"},
		{{{100, 200, 1}}, {{50, 200, 1}}, 1, 1, false, "calls_that_come_back_together_are_not_explained"},
		{{{100, 200, 1}}, {{50, 199, 1}}, 1, 1, true, "those_that_come_back_later_are"},
		{{{100, 200, 1}, {300, 400, 1}}, {{50, 390, 1}}, 2, 1, false, "of_two_spans_both_must_end_behind"},
		{{{100, 200, 1}, {300, 400, 1}}, {{50, 199, 1}, {260, 399, 1}}, 2, 2, true, "as_these_do"},
		{{{100, 200, 1}, {300, 310, 1}}, {{100, 190, 1}}, 2, 1, false, "one_alone_is_half_of_two"},
		{{{100, 200, 1}, {200, 300, 1}}, {{90, 100, 1}, {100, 199, 1}, {200, 299, 1}}, 2, 3, true, "what_ended_as_it_began_covers_nothing"},
		{{{100, 100, 1}}, {{50, 90, 1}}, 1, 1, false, "what_took_no_time_is_nobodys"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policy_open mine[2], others[4];
		const struct policy_breaker b = {.spans = mine, .span_count = cases[i].mine_n}, a = {.spans = others, .span_count = cases[i].others_n};

		memcpy(mine, cases[i].mine, sizeof(mine));
		memcpy(others, cases[i].others, sizeof(others));
		is_int(breaker_is_explained(&b, &a), cases[i].is, "%s", cases[i].sentence);
	}
}

static void whose_it_is(void)
{
	ok(explained(800, 8, 1), "open with another's for 800 of each 1000 ns, which ended first 8 times of 10: it is the other's");
	ok(!explained(799, 8, 1), "for 799 it is not");
	ok(!explained(800, 7, 1), "nor where the other's ended first 7 times");
	ok(!explained(999, 10, 2), "nor is it that of another process");
	ok(!breaker_is_explained(&(struct policy_breaker){0}, &(struct policy_breaker){0}), "one that was never open is nobody's");
}

int main(void)
{
	bad_times_have_ends();
	when_it_was_bad_without_a_fault();
	what_opens_it();
	ranges_meet();
	what_opens_say_together();
	others_that_explain();
	whose_it_is();
	return tap_done();
}
