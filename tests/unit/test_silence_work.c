/* SPDX-License-Identifier: MIT */
/* What had ended, was in work, was counted and had been let through by an instant (analyzer/infer/silence_work.h), each bound from both sides. */
#include <math.h>
#include <string.h>
#include "analyzer/infer/silence_demand.h"
#include "analyzer/infer/silence_work.h"
#include "base/clock.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 64

struct call {		/* ms; end 0: not known; `failed` 2: and it is not the last of its request; start 0 behind the first: no more calls */
	double start, end;
	int failed;
	double asked, counted;
};

struct bench {
	struct silence_attempt a[MOST];
	struct silence_demand d[MOST];
	struct silence_input in;
	struct silences s;
	struct silence_work w;
};

/* Ready to be asked; to be put away. */
static void set_up(struct bench *b, const struct call *calls, size_t n)
{
	*b = (struct bench){.in = {.attempts = b->a, .n = n, .need = 3, .end_ns = MS(10000)}};
	for (size_t i = 0; i < n; i++)
		b->a[i] = (struct silence_attempt){.start_ns = MS(calls[i].start), .end_ns = MS(calls[i].end), .failed = calls[i].failed,
						   .counts = calls[i].failed != 2, .asked_ns = MS(calls[i].asked), .counted_ns = MS(calls[i].counted)};
	b->w = (struct silence_work){.in = &b->in, .s = &b->s};
	ok(!silence_work_init(&b->w), "there_is_memory");
}

#define SET_UP(b, ...) set_up((b), (const struct call[]){__VA_ARGS__}, sizeof((const struct call[]){__VA_ARGS__}) / sizeof(struct call))

static void put_away(struct bench *b)
{
	silence_work_free(&b->w);
	silence_free(&b->s);
}

static void what_had_ended(void)
{
	struct bench b;

	SET_UP(&b, {10, 40, 1, 0, 0}, {20, 30, 1, 0, 0}, {25, 0, 1, 0, 0}, {35, 50, 0, 0, 0}, {45, 60, 1, 0, 0}, {46, 61, 2, 0, 0}, {47, 62, 1, 0, 0});
	is_int((long long)b.w.ended, 6, "what_has_no_end_has_not_ended");
	ok(b.w.ends[0].attempt == 1 && b.w.ends[1].attempt == 0, "ends_are_in_order");
	ok(silence_ended_by(&b.w, MS(30)) == 1 && silence_ended_by(&b.w, MS(30) - 1) == 0, "what_ends_at_an_instant_has_ended_by_it");
	ok(silence_ended_before(&b.w, MS(30)) == 0 && silence_ended_before(&b.w, MS(30) + 1) == 1, "and_not_before_it");
	is_int(silence_so_far(&b.w, 2).run, 2, "two_failures_in_a_row");
	ok(!silence_so_far(&b.w, 3).run && silence_so_far(&b.w, 3).ok == 1, "a_success_ends_them");
	is_int(silence_so_far(&b.w, 6).run, 2, "one_that_does_not_count_is_none_of_them_and_does_not_end_them");
	ok(silence_so_far(&b.w, 6).failed == 4 && silence_so_far(&b.w, 6).ok == 1, "four_failed_and_one_did_not");
	ok(!silence_so_far(&b.w, 0).failed && !silence_so_far(&b.w, 0).at_ns, "of_none_nothing_is_known");
	ok(b.s.longest_run == 2 && b.s.longest_at == 0 && b.s.longest_ns == MS(10), "the_first_of_the_longest_runs_is_told");
	put_away(&b);
	SET_UP(&b, {10, 0, 0, 0, 0});
	ok(!silence_ended_by(&b.w, MS(99)) && !silence_ended_before(&b.w, MS(99)) && !b.s.longest_even, "where_nothing_ends_nothing_has_ended");
	put_away(&b);
	SET_UP(&b, {10, 11, 2, 0, 0}, {20, 21, 1, 0, 0}, {30, 31, 1, 0, 0});
	ok(b.s.longest_run == 2 && b.s.longest_ns == MS(10), "a_run_begins_with_the_first_that_counts");
	put_away(&b);
}

/* Four failures from 100 to 200 ms, behind a success. */
static void a_run_that_goes_on(void)
{
	static const struct { double second; bool even; } cases[] = {{120, true}, {119.9, false}, {180, true}};
	struct bench b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		SET_UP(&b, {1, 2, 0, 0, 0}, {99, 100, 1, 0, 0}, {100, cases[i].second, 1, 0, 0}, {101, 190, 1, 0, 0}, {102, 200, 1, 0, 0},
		       {103, 300, 0, 0, 0}, {104, 301, 1, 0, 0});
		is_int(b.s.longest_even, cases[i].even, "half_of_them_at_%g_ms_of_100: a fifth of the time must be over", cases[i].second - 100);
		put_away(&b);
	}
}

static void what_is_in_work(void)
{
	struct bench b;

	SET_UP(&b, {10, 30, 0, 0, 0}, {20, 40, 0, 0, 0}, {30, 0, 0, 0, 0}, {35, 50, 0, 0, 0});
	is_int((long long)b.w.most, 3, "three_at_once");
	ok(silence_in_work_at(&b.w, MS(10)) == 1 && silence_in_work_at(&b.w, MS(10) - 1) == 0, "from_its_start");
	ok(silence_in_work_at(&b.w, MS(30)) == 2 && silence_in_work_at(&b.w, MS(30) - 1) == 2, "to_its_end");
	ok(silence_in_work(&b.w, 1, MS(29)) == 1 && silence_in_work(&b.w, 1, MS(30)) == 0 && silence_in_work(&b.w, 1, MS(45)) == 0, "of_the_first");
	ok(!silence_was_full(&b.w, 1, MS(35) - 1) && silence_was_full(&b.w, 1, MS(35)), "it_was_full_when_three_were");
	ok(silence_was_full(&b.w, MS(40) - 1, MS(60)) && !silence_was_full(&b.w, MS(40), MS(60)), "until_one_had_ended");
	put_away(&b);
	SET_UP(&b, {10, 30, 0, 0, 0}, {20, 0, 0, 0, 0});
	ok(silence_was_full(&b.w, MS(29), MS(29)) && !silence_was_full(&b.w, MS(31), MS(31)), "two_at_once");
	put_away(&b);
	SET_UP(&b, {10, 0, 0, 0, 0}, {20, 0, 0, 0, 0});
	ok(silence_was_full(&b.w, MS(9000), MS(9001)), "where_none_ends_it_stays_full");
	put_away(&b);
	SET_UP(&b, {10, 15, 0, 0, 0}, {20, 25, 0, 0, 0}, {30, 35, 0, 0, 0});
	ok(silence_was_full(&b.w, MS(12), MS(12)) && silence_was_full(&b.w, MS(32), MS(32)) && !silence_was_full(&b.w, MS(26), MS(29)), "full_three_times");
	ok(b.w.fulls == 3 && b.w.places == 1, "with_one_place");
	put_away(&b);
}

/* Whole requests of one call each, and the attempts that they are made of. */
static void what_fills_a_bulkhead(void)
{
	const struct silence_attempt work[] = {{.start_ns = MS(10), .end_ns = MS(14)}, {.start_ns = MS(12), .end_ns = MS(15)},
					       {.start_ns = MS(20), .end_ns = MS(21)}};
	struct bench b;

	SET_UP(&b, {10, 30, 0, 0, 0});
	silence_work_free(&b.w);
	b.in.work = work;
	b.in.work_n = 3;
	b.w = (struct silence_work){.in = &b.in, .s = &b.s};
	ok(!silence_work_init(&b.w), "there_is_memory");
	ok(b.w.most == 1 && b.w.places == 2 && b.w.fulls == 1, "of_requests_one_is_in_work_of_attempts_two");
	ok(silence_was_full(&b.w, MS(12), MS(13)) && !silence_was_full(&b.w, MS(14), MS(20)), "it_is_full_of_attempts");
	put_away(&b);
}

/* A success at 100 ms, a failure that ended at another time, whose client counted it when; whether two calls are ever in work at once. */
static void what_is_counted_in_another_order(void)
{
	static const struct { double end, counted; bool two; uint32_t late; const char *sentence; } before[] = {
		{99, 0, true, 1, "a_failure_1_ms_before_may_be_counted_behind"}, {98, 0, true, 1, "2_ms_too"}, {97.9, 0, true, 0, "not_more"},
		{80, 100, true, 1, "20_ms_where_its_client_was_slow"}, {79.9, 100, true, 0, "not_more_than_that"}, {80, 99.9, true, 0, "nor_where_it_was_not"},
		{80, 200, true, 1, "as_slow_as_that_or_slower"}, {99, 0, false, 0, "never_where_one_is_in_work_at_a_time"},
		{99, 99.5, true, 0, "not_where_it_is_known_that_it_was_before"},
	};
	static const struct { double end, counted; bool two; uint32_t early; const char *sentence; } behind[] = {
		{101, 0, true, 1, "a_failure_1_ms_behind_may_be_counted_before"}, {102, 0, true, 1, "2_ms_too"}, {102.1, 0, true, 0, "not_more"},
		{120, 120, true, 1, "20_ms_where_its_client_was_slow"}, {120.1, 200, true, 0, "not_more_than_that"},
		{119, 118.9, true, 0, "nor_where_it_was_not"}, {101, 0, false, 0, "never_where_one_is_in_work_at_a_time"},
	};
	struct bench b;

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		SET_UP(&b, {10, 15, 1, 0, 0}, {20, before[i].two ? 31 : 21, 0, 0, 0}, {30, 32, 0, 0, 0}, {40, before[i].end, 1, 0, before[i].counted},
		       {99.95, 100, 0, 0, 0});
		is_int(silence_late_before(&b.w, 5, 0), before[i].late, "%s", before[i].sentence);
		is_int(silence_late_before(&b.w, 5, 4), 0, "%s: none of those that are not asked for", before[i].sentence);
		put_away(&b);
	}
	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
		SET_UP(&b, {20, behind[i].two ? 31 : 21, 0, 0, 0}, {30, 32, 0, 0, 0}, {99, 100, 0, 0, behind[i].counted},
		       {100.1, behind[i].end, 1, 0, 0}, {200, 201, 1, 0, 0});
		is_int(silence_early_behind(&b.w, 3, 5), behind[i].early, "%s", behind[i].sentence);
		is_int(silence_early_behind(&b.w, 3, 3), 0, "%s: none of those that are not asked for", behind[i].sentence);
		put_away(&b);
	}
	SET_UP(&b, {20, 31, 0, 0, 0}, {30, 32, 0, 0, 0}, {98, 99, 0, 0, 0}, {98.5, 99.5, 1, 0, 0}, {99, 99.6, 1, 0, 0}, {99.4, 100, 0, 0, 0},
	       {99.6, 100.5, 1, 0, 0}, {99.7, 100.6, 0, 0, 0}, {99.8, 100.7, 1, 0, 0});
	is_int(silence_late_before(&b.w, 6, 0), 2, "each_failure_before_counts_and_no_success");
	is_int(silence_early_behind(&b.w, 6, 9), 2, "each_failure_behind_too");
	put_away(&b);
}

/* A call that starts at 1000 ms, beside what: when it was let through. */
static void when_it_was_let_through(void)
{
	static const struct { double first, other_end, asked, through; const char *sentence; } cases[] = {
		{10, 900, 0, 1000, "alone_when_it_starts"}, {10, 1000, 0, 1000, "alone_as_the_other_ends"}, {10, 1000.1, 0, 998, "beside_another_2_ms_before"},
		{10, 900, 990, 1000, "alone_though_it_asked_before"}, {10, 990, 990, 1000, "nothing_having_ended_since_it_asked"},
		{10, 990.1, 990, 990, "something_having_ended_since_when_it_asked"}, {10, 1100, 990, 990, "beside_another_when_it_asked"},
		{10, 1100, 999, 998, "or_2_ms_before"}, {10, 1100, 980, 980, "20_ms_before_where_it_asked_then"},
		{10, 1100, 970, 980, "not_longer"}, {500, 900, 0, 1000, "500_ms_after_the_first_call_as_ever"},
		{500.1, 900, 0, 900, "sooner_100_ms_before"}, {500.1, 1100, 990, 900, "sooner_whatever_is_known"},
	};
	struct bench b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		SET_UP(&b, {cases[i].first, cases[i].other_end, 0, 0, 0}, {1000, 1010, 0, cases[i].asked, 0});
		if (silence_let_through_ns(&b.w, 1) != MS(cases[i].through))
			printf("# %.6f\n", (double)silence_let_through_ns(&b.w, 1) / NS_PER_MS);
		ok(silence_let_through_ns(&b.w, 1) == MS(cases[i].through), "%s", cases[i].sentence);
		put_away(&b);
	}
	SET_UP(&b, {50, 60, 0, 0, 0});
	ok(silence_let_through_ns(&b.w, 0) == 0, "not_before_the_clock_began");
	put_away(&b);
}

static void names_that_are_not_resolved(void)
{
	static const uint64_t at[] = {100, 200};
	struct silence_input in = {.unresolved = at, .unresolved_count = 2};
	const struct silence_work w = {.in = &in};

	ok(silence_is_unresolved(&w, 100, 100) && silence_is_unresolved(&w, 50, 100) && silence_is_unresolved(&w, 150, 250), "within_the_bounds");
	ok(!silence_is_unresolved(&w, 50, 99) && !silence_is_unresolved(&w, 101, 199) && !silence_is_unresolved(&w, 201, 300), "not_beyond_them");
}

/* Calls of 1 ms every 20, 'x' failed; the last was let through at its start. What failed while it was in work, and in the last ten before that. */
static void which_failure_opened_it(void)
{
	static const struct { const char *calls; double decided; size_t trip, early; const char *sentence; } cases[] = {
		{"...................................x", 5000, 35, 35, "the_last"},
		{"..................................x.", 5000, 34, 34, "one_before_it_where_it_succeeds"},
		{".................................xxx", 5000, 35, 35, "only_the_last_where_that_fails_too"},
		{".........................x..........", 5000, 25, 25, "one_of_the_last_ten"},
		{"........................x...........", 5000, SIZE_MAX, 0, "none_before_those"},
		{".........................x.x.......", 5000, 27, 27, "the_latest_of_several"},
		{"...................................x", 701, 35, 35, "that_had_ended_when_it_was_decided"},
		{"..................................xx", 700.9, 34, 34, "not_one_that_had_not"},
		{"....................................", 5000, SIZE_MAX, 0, "none_where_none_failed"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct call calls[MOST];
		struct silence_gap g = {.decided_ns = MS(cases[i].decided), .trip = 7};
		size_t n = strlen(cases[i].calls);
		struct bench b;

		for (size_t k = 0; k < n; k++)
			calls[k] = (struct call){20 * (double)k, 20 * (double)k + 1, cases[i].calls[k] == 'x', 0, 0};
		set_up(&b, calls, n);
		g.before = n - 1;
		silence_find_trip(&b.w, &g);
		if (!ok(g.trip == cases[i].trip && (g.trip == SIZE_MAX || (g.trip_late_ns == b.a[g.trip].end_ns &&
			g.trip_early_ns == b.a[cases[i].early].end_ns)),
			"%s", cases[i].sentence))
			printf("# %zu, %.3f to %.3f\n", g.trip, (double)g.trip_early_ns / NS_PER_MS, (double)g.trip_late_ns / NS_PER_MS);
		put_away(&b);
	}
}

/* Three failures end while the last call, which was let through at 998 ms, is in work. */
static void between_which_failures_it_opened(void)
{
	struct silence_gap g = {.before = 4, .decided_ns = MS(1030)};
	struct bench b;

	SET_UP(&b, {10, 11, 0, 0, 0}, {900, 998, 1, 0, 0}, {910, 1005, 1, 0, 0}, {920, 1010, 0, 0, 0}, {1000, 1020, 1, 0, 0});
	silence_find_trip(&b.w, &g);
	ok(g.trip == 4 && g.trip_late_ns == MS(1020) && g.trip_early_ns == MS(1005), "from_the_first_that_ended_after_it_was_let_through_to_the_last");
	put_away(&b);
	SET_UP(&b, {10, 11, 0, 0, 0}, {900, 998.1, 1, 0, 0}, {910, 1005, 1, 0, 0}, {920, 1010, 0, 0, 0}, {1000, 1020, 1, 0, 0});
	silence_find_trip(&b.w, &g);
	ok(g.trip == 4 && g.trip_early_ns == MS(998.1), "one_that_ended_behind_that_is_the_first");
	put_away(&b);
}

/* ---- what was turned down ---- */

/* Answers usually take `usual` ms, waits between attempts `waits`; one takes `took`, and a call is in work until then or not. */
static void when_it_was_turned_down(void)
{
	static const struct { double usual, waits, took; bool beside; double by; const char *sentence; } cases[] = {
		{5, 0, 50, false, 50, "an_answer_within_50_ms_is_fast"}, {5, 0, 50.1, false, 0, "a_later_one_is_not"},
		{20, 0, 60, false, 60, "three_times_the_usual_is"}, {20, 0, 60.1, false, 0, "more_is_not"},
		{5, 150, 200, false, 5, "one_that_took_its_waits_and_50_ms_was_turned_down_as_it_usually_is_answered"},
		{5, 150, 200.1, false, 0, "more_than_that_is_slow"}, {5, 150, 200, true, 0, "so_it_is_beside_a_call"},
		{5, 0, 40, true, 40, "a_fast_one_is_not"},
		{5, 0, -1, false, 0, "one_without_an_end_tells_nothing"}, {5, 0, 0, false, 0.000001, "one_that_took_no_time_is_as_fast_as_can_be"},
	};
	struct bench b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct silence_demand d = {.at_ns = MS(1000), .end_ns = cases[i].took < 0 ? 0 : MS(1000 + cases[i].took), .shed = true};
		uint64_t by;

		SET_UP(&b, {10, 11, 0, 0, 0}, {1000, cases[i].beside ? 1101 : 1000.01, 0, 0, 0});
		b.w.usual_ns = MS(cases[i].usual);
		b.w.waits_ns = MS(cases[i].waits);
		by = silence_turned_down_ns(&b.w, &d);
		ok(by == (cases[i].by > 0 ? MS(1000) + (cases[i].took > 0 ? MS(cases[i].by) : 0) : 0), "%s", cases[i].sentence);
		put_away(&b);
	}
}

static void who_calls(void)
{
	uint64_t taken[] = {10, 20}, given_back[] = {20, 30};
	const struct silence_work w = {.taken = taken, .given_back = given_back, .holders = 2};
	static const unsigned want[][2] = {{9, 0}, {10, 1}, {19, 1}, {20, 1}, {29, 1}, {30, 0}};

	for (size_t i = 0; i < 6; i++)
		is_int((long long)silence_callers_at(&w, want[i][0]), want[i][1], "from_10_to_20_and_from_20_to_30_one_calls: at_%u", want[i][0]);
	ok(!silence_callers_at(&(struct silence_work){.holders = 0}, 15), "without_demand_nobody_is_known");
}

static void how_many_make_a_silence(void)
{
	static const struct { uint64_t asked, n; unsigned need; } cases[] = {{0, 0, 1000000000}, {0, 10, 1000000000}, {1000, 1000, 3}, {100, 1000, 80},
									      {20, 20, 4}, {50, 100, 14}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(silence_need(cases[i].asked, cases[i].n), cases[i].need, "%d_of_%d_ask", (int)cases[i].asked, (int)cases[i].n);
}

int main(void)
{
	what_had_ended();
	a_run_that_goes_on();
	what_is_in_work();
	what_fills_a_bulkhead();
	what_is_counted_in_another_order();
	when_it_was_let_through();
	names_that_are_not_resolved();
	which_failure_opened_it();
	between_which_failures_it_opened();
	when_it_was_turned_down();
	who_calls();
	how_many_make_a_silence();
	return tap_done();
}
