/* SPDX-License-Identifier: MIT */
/* How a client goes on: from steps behind successes and failures to the pace they have, each bound of it from both sides. */
#include <math.h>

#include "analyzer/link/lanes.h"
#include "tests/lib/tap.h"

#define ROWS 6

/* n steps: an attempt of took_ms, and the next one gap_ms behind its end, by_ms more from step to step. */
struct row {
	unsigned n;
	double took_ms, gap_ms, by_ms;
	bool failed;
	uint32_t tid;	/* 0: each is of a thread of its own */
};

/* Behind successes, behind failures; of one thread. */
#define W(n, took, gap, by) {n, took, gap, by, false, 0}
#define F(n, took, gap, by) {n, took, gap, by, true, 0}
#define WT(tid, n, took, gap, by) {n, took, gap, by, false, tid}
#define FT(tid, n, took, gap, by) {n, took, gap, by, true, tid}

static unsigned errors;

static void add_row(struct lane *l, const struct row *r)
{
	static uint32_t others = 1000;

	for (unsigned i = 0; i < r->n; i++) {
		struct model_exchange a = {.started_ns = 1000 * NS_PER_S, .tid = r->tid ? r->tid : others++, .outcome = r->failed ? MODEL_FAILED : MODEL_OK};
		struct model_exchange b = {.tid = a.tid};

		a.ended_ns = a.started_ns + (uint64_t)llround(r->took_ms * NS_PER_MS);
		b.started_ns = (uint64_t)((int64_t)a.ended_ns + llround((r->gap_ms + i * r->by_ms) * NS_PER_MS));
		errors += lane_add(l, &a, &b) != 0;
	}
}

static void add_rows(struct lane *l, const struct row *rows)
{
	for (size_t i = 0; i < ROWS; i++)
		add_row(l, &rows[i]);
	errors += lane_settle(l) != 0;
}

static bool is_near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) < 1e-6;
}

#define NONE {false, false, 0, 0, NAN, NAN}

static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	struct { bool known, tight; double low_ms, high_ms, own_low_ms, own_high_ms; } pace;
} stories[] = {
	{"two_steps_show_nothing", {W(2, 1, 1, 0)}, NONE},
	{"three_at_once_show_that_there_is_no_pause", {W(3, 1, 1, 0)}, {true, true, -4, 6, NAN, NAN}},
	{"three_of_less_than_20_ms_too", {W(3, 1, 19.9, 0)}, {true, true, 14.9, 24.9, NAN, NAN}},
	{"three_of_20_ms_show_nothing", {W(3, 1, 20, 0)}, NONE},
	{"nor_four", {W(4, 1, 20, 0)}, NONE},
	{"nor_four_of_which_one_took_20_ms", {W(3, 1, 1, 0), W(1, 1, 20, 0)}, NONE},
	{"five_of_20_ms_are_a_pace", {W(5, 1, 20, 0)}, {true, false, 15, 25, NAN, NAN}},
	{"its_bounds_are_5_ms_wider", {W(5, 1, 50, 0)}, {true, false, 45, 55, NAN, NAN}},
	{"or_a_tenth_where_that_is_more", {W(5, 1, 60, 0)}, {true, false, 54, 66, NAN, NAN}},
	{"a_pace_is_steady_when_its_longest_step_is_four_times_its_shortest", {W(4, 1, 20, 0), W(1, 1, 90, 0)}, {true, false, 15, 95, NAN, NAN}},
	{"and_not_when_it_is_more", {W(4, 1, 20, 0), W(1, 1, 90.1, 0)}, {false, false, 15, 95.1, NAN, NAN}},
	{"one_step_of_twenty_may_be_longer", {W(19, 1, 20, 0), W(1, 1, 2000, 0)}, {true, false, 15, 25, NAN, NAN}},
	{"but_not_two", {W(18, 1, 20, 0), W(2, 1, 2000, 0)}, {false, false, 15, 2005, NAN, NAN}},
	{"who_goes_on_at_once_may_take_40_ms_now_and_then", {W(3, 1, 1, 0), W(2, 1, 39.9, 0)}, {true, true, -4, 44.9, NAN, NAN}},
	{"and_not_more", {W(3, 1, 1, 0), W(2, 1, 40, 0)}, {false, true, -4, 45, NAN, NAN}},
	{"one_of_twenty_pairs_may_overlap", {W(19, 1, 50, 0), W(1, 1, -0.5, 0)}, {true, false, 45, 55, NAN, NAN}},
	{"of_nineteen_it_is_one_too_many", {W(18, 1, 50, 0), W(1, 1, -0.5, 0)}, NONE},
	{"who_begins_as_the_other_ends_does_not_overlap", {W(5, 1, 0, 0)}, {true, true, -5, 5, NAN, NAN}},

	/* a wait of its own before retries, within a wide pace: 19 steps of 100 to 1000 ms, so within 90 ms */
	{"half_of_eight_waits_close_together_are_one", {W(19, 0, 100, 50), F(8, 0, 300, 0)}, {false, false, 45, 1055, 299, 305}},
	{"of_seven_they_are_not", {W(19, 0, 100, 50), F(7, 0, 300, 0)}, {false, false, -482.5, 1582.5, NAN, NAN}},
	{"those_beyond_the_pace_do_not_count", {W(19, 0, 100, 50), F(7, 0, 300, 0), F(2, 0, 1056, 0), F(2, 0, 44, 0)},
	 {false, false, -482.5, 1582.5, NAN, NAN}},
	{"those_at_its_bounds_do", {W(19, 0, 100, 50), F(6, 0, 300, 0), F(1, 0, 1055, 0), F(1, 0, 45, 0)},
	 {false, false, 45, 1055, 299, 305}},
	{"the_half_that_is_closest_lies_within_a_tenth", {W(19, 0, 100, 50), F(4, 0, 300, 30), F(4, 0, 500, 100)}, {false, false, 45, 1055, 209, 485}},
	{"and_not_within_more", {W(19, 0, 100, 50), F(4, 0, 300, 30.5), F(4, 0, 500, 100)}, {false, false, -482.5, 1582.5, NAN, NAN}},
	{"of_nine_half_are_five", {W(19, 0, 100, 50), F(4, 0, 300, 0), F(5, 0, 500, 100)}, {false, false, -482.5, 1582.5, NAN, NAN}},
	{"the_last_half_may_be_the_closest", {W(19, 0, 100, 50), F(4, 0, 100, 100), F(4, 0, 900, 10)}, {false, false, 45, 1055, 869, 965}},
	{"of_two_halves_as_close_it_is_the_first", {W(19, 0, 100, 50), F(4, 0, 300, 0), F(4, 0, 500, 0)}, {false, false, 45, 1055, 299, 305}},
	{"those_too_soon_for_the_pace_are_not_of_the_half", {W(19, 0, 100, 50), F(2, 0, 44, 0), F(4, 0, 300, 0), F(4, 0, 500, 100)},
	 {false, false, 45, 1055, 299, 305}},
	{"where_the_pace_is_10_ms_wide_a_wait_can_be_told", {W(11, 0, 100, 1), F(8, 0, 105, 0)}, {true, false, 89.5, 120.5, 104, 110}},
	{"where_it_is_less_it_cannot", {W(11, 0, 100, 0.99), F(8, 0, 105, 0)}, {true, false, 29.3075, 180.5925, NAN, NAN}},

	/* those that are late: on time within 90 and 110 ms, by a clock 35 to 165 */
	{"when_six_of_ten_are_on_time_the_others_are_late", {W(5, 0, 100, 0), F(6, 0, 100, 0), F(4, 0, 150, 0)}, {true, false, 35, 165, NAN, NAN}},
	{"of_eleven_it_is_too_few", {W(5, 0, 100, 0), F(6, 0, 100, 0), F(5, 0, 150, 0)}, {true, false, 90, 110, NAN, NAN}},
	{"five_on_time_are_enough", {W(5, 0, 100, 0), F(5, 0, 100, 0)}, {true, false, 35, 165, NAN, NAN}},
	{"four_are_not", {W(5, 0, 100, 0), F(4, 0, 100, 0)}, {true, false, 90, 110, NAN, NAN}},
	{"at_the_bounds_is_on_time", {W(5, 10, 100, 0), F(3, 40, 90, 0), F(2, 40, 110, 0)}, {true, false, 90, 165, NAN, NAN}},
	{"beyond_them_is_not", {W(5, 0, 100, 0), F(4, 0, 110, 0), F(1, 0, 110.1, 0)}, {true, false, 90, 110, NAN, NAN}},
	{"what_is_far_off_is_not_late", {W(5, 0, 100, 0), F(6, 0, 100, 0), F(4, 0, 165, 0), F(9, 0, 165.1, 0)}, {true, false, 35, 165, NAN, NAN}},
	{"what_is_just_late_is", {W(5, 0, 100, 0), F(6, 0, 100, 0), F(5, 0, 165, 0)}, {true, false, 90, 110, NAN, NAN}},
	{"nor_what_is_far_too_soon", {W(5, 0, 100, 0), F(6, 50, 50, 0), F(4, 0, 35, 0), F(9, 0, 34.9, 0)}, {true, false, 35, 165, NAN, NAN}},
	{"what_is_less_so_makes_up_for_one_that_was_late", {W(5, 0, 100, 0), F(6, 50, 50, 0), F(5, 0, 35, 0)}, {true, false, 90, 110, NAN, NAN}},
	{"without_a_clock_none_is_too_soon", {W(5, 10, 100, 0), F(6, 40, 100, 0), F(4, 40, 160, 0)}, {true, false, 90, 165, NAN, NAN}},
	{"who_goes_on_at_once_is_never_late", {W(5, 0, 1, 0), F(6, 0, 1, 0)}, {true, true, -4, 6, NAN, NAN}},
};

static void check_story(const struct story *s)
{
	struct lane l = {.pairs = 0};
	const struct pace *p = &l.pace;
	double low = s->pace.low_ms, high = s->pace.high_ms;

	add_rows(&l, s->rows);
	if (!ok(p->known == s->pace.known && p->tight == s->pace.tight && is_near(p->low_ms, low) && is_near(p->high_ms, high) &&
		(is_near(p->own_low_ms, s->pace.own_low_ms) || (!low && !high)) && (is_near(p->own_high_ms, s->pace.own_high_ms) || (!low && !high)), "%s",
		s->sentence))
		printf("# known %d, tight %d, %g..%g, own %g..%g, by start %d\n", p->known, p->tight, p->low_ms, p->high_ms, p->own_low_ms, p->own_high_ms,
		       p->by_start);
	lane_free(&l);
}

/* Steps that crowd around the wait as well: 10 of 19 at 300 ms (room 90 ms, so a wait is told within 1 ms of them), or within 180 ms. */
static const struct {
	const char *sentence;
	struct row rows[ROWS];
	bool own;
} crowded[] = {
	{"a_wait_as_most_steps_is_none_of_its_own", {W(10, 0, 300, 0), W(9, 0, 100, 112.5), F(8, 0, 300, 0)}, false},
	{"nor_one_1_ms_longer", {W(10, 0, 300, 0), W(9, 0, 100, 112.5), F(8, 0, 301, 0)}, false},
	{"but_one_that_is_longer_still", {W(10, 0, 300, 0), W(9, 0, 100, 112.5), F(8, 0, 301.1, 0)}, true},
	{"nor_one_1_ms_shorter", {W(10, 0, 300, 0), W(9, 0, 100, 112.5), F(8, 0, 299, 0)}, false},
	{"but_one_that_is_shorter_still", {W(10, 0, 300, 0), W(9, 0, 100, 112.5), F(8, 0, 298.9, 0)}, true},
	{"steps_within_twice_as_much_crowd", {W(10, 0, 300, 20), W(1, 0, 100, 0), W(8, 0, 650, 50), F(8, 0, 400, 0)}, false},
	{"those_within_more_do_not", {W(10, 0, 300, 20.2), W(1, 0, 100, 0), W(8, 0, 650, 50), F(8, 0, 400, 0)}, true},
	{"of_a_clock_it_is_none_where_most_steps_are_as_long_from_the_end", {W(17, 4, 30, 0), W(3, 10, 36, 0), F(8, 2, 30, 0)}, false},
	{"but_one_unlike_them", {W(17, 4, 30, 0), W(3, 10, 36, 0), F(8, 2, 37, 0)}, true},
};

/* Whether steps go from start to start. Successes take 10 ms and come 100 ms later (90 to 110 from the end, 99 to 121 from the start) but for the first. */
static const struct {
	const char *sentence;
	struct row rows[ROWS];
	bool by_start;
} clocks[] = {
	{"steps_that_vary_less_from_start_to_start_are_a_clocks", {W(5, 10, 90, 0), W(5, 50, 50, 0)}, true},
	{"those_that_vary_less_from_the_end_are_not", {W(5, 10, 90, 0), W(5, 50, 90, 0)}, false},
	{"a_quarter_less_is_not_less", {W(5, 50, 60, 0), W(5, 40, 100, 0)}, false},
	{"more_than_a_quarter_is", {W(5, 50, 60, 0), W(5, 39.9, 100, 0)}, true},
	{"as_wide_and_failures_say_a_clock", {W(5, 10, 60, 0), W(5, 25, 100, 0), F(5, 60, 40, 0)}, true},
	{"wider_and_they_are_not_asked", {W(5, 10, 60, 0), W(5, 25.1, 100, 0), F(5, 60, 40, 0)}, false},
	{"without_failures_it_is_none", {W(5, 10, 100, 0)}, false},
	{"nor_for_who_goes_on_at_once", {W(5, 10, 19.9, 0), W(5, 50, 19.9, 0), F(5, 100, 50, 0)}, false},
	{"of_20_ms_it_may_be_a_clock", {W(2, 12, 18, 0), W(5, 10, 20, 0), W(2, 8, 22, 0)}, true},
	{"as_many_steps_right_from_the_start_are_a_clock", {W(5, 10, 100, 0), F(5, 50, 60, 0), F(5, 30, 100, 0)}, true},
	{"fewer_are_not", {W(5, 10, 100, 0), F(5, 50, 60, 0), F(6, 30, 100, 0)}, false},
	{"the_latest_of_a_clock_is_right", {W(5, 10, 100, 0), F(5, 50, 71, 0), F(5, 30, 100, 0)}, true},
	{"and_the_soonest", {W(5, 10, 100, 0), F(1, 50, 49, 0), F(4, 50, 60, 0), F(5, 30, 100, 0)}, true},
	{"one_of_ten_may_be_too_soon_for_it", {W(5, 10, 100, 0), F(9, 50, 60, 0), F(1, 0, 95, 0)}, true},
	{"but_not_two_in_ten", {W(5, 10, 100, 0), F(8, 50, 60, 0), F(2, 0, 95, 0)}, false},
	{"unless_they_are_wrong_from_the_end_too", {W(5, 10, 100, 0), F(5, 50, 60, 0), F(5, 0, 50, 0)}, true},
};

/* Whether failures change nothing, in clients without a steady pace. */
static const struct {
	const char *sentence;
	struct row rows[ROWS];
	bool careless;
} cares[] = {
	{"of_22_and_22_alike_steps_it_can_be_told", {W(22, 0, 10, 10), F(22, 0, 10, 10)}, true},
	{"and_of_64_and_64", {W(64, 0, 10, 10), F(64, 0, 10, 10)}, true},
	{"of_21_it_cannot", {W(21, 0, 10, 10), F(21, 0, 10, 10)}, false},
	{"ten_of_22_may_differ", {W(22, 0, 10, 10), F(10, 0, 5, 0), F(12, 0, 110, 10)}, true},
	{"eleven_may_not", {W(22, 0, 10, 10), F(11, 0, 5, 0), F(11, 0, 120, 10)}, false},
	{"nor_may_they_be_longer", {W(22, 0, 10, 10), F(11, 0, 500, 0), F(11, 0, 10, 10)}, false},
	{"nor_all_of_them_behind_eleven", {W(22, 0, 10, 10), F(11, 0, 115, 0.05), F(11, 0, 125, 10)}, false},
	{"two_of_46_pairs_may_overlap", {W(22, 0, 10, 10), F(22, 0, 10, 10), W(2, 1, -0.5, 0)}, true},
	{"but_not_three_of_47", {W(22, 0, 10, 10), F(22, 0, 10, 10), W(3, 1, -0.5, 0)}, false},
	{"three_of_60_may_overlap", {W(28, 0, 10, 10), F(29, 0, 10, 10), W(3, 1, -0.5, 0)}, true},
	{"a_thread_of_its_own_pace_is_compared_with_itself", {WT(1, 9, 0, 5, 10), FT(1, 8, 0, 10, 10), WT(2, 9, 0, 1000, 100),
							      FT(2, 8, 0, 1050, 100)}, true},
	{"not_of_seven_failures", {WT(1, 9, 0, 5, 10), FT(1, 7, 0, 10, 10), WT(2, 9, 0, 1000, 100), FT(2, 7, 0, 1050, 100)}, false},
	{"of_eleven_steps_it_can_be_told", {WT(1, 11, 0, 5, 8), FT(1, 8, 0, 10, 10)}, true},
	{"of_ten_it_cannot", {WT(1, 10, 0, 5, 8.9), FT(1, 8, 0, 10, 10)}, false},
	{"who_waits_longer_after_a_failure_cares", {WT(1, 9, 0, 5, 10), FT(1, 8, 0, 100, 10), WT(2, 9, 0, 1000, 100),
						    FT(2, 8, 0, 2000, 100)}, false},
	{"and_who_waits_less", {WT(1, 9, 0, 100, 50), FT(1, 8, 0, 10, 10), WT(2, 9, 0, 1000, 500), FT(2, 8, 0, 100, 100)}, false},
	{"seven_of_18_steps_may_be_shorter_than_any_behind_a_failure", {WT(1, 7, 0, 5, 0), WT(1, 8, 0, 45, 0), WT(1, 3, 0, 85, 0), FT(1, 8, 0, 10, 10)}, true},
	{"eight_may_not", {WT(1, 8, 0, 5, 0), WT(1, 7, 0, 45, 0), WT(1, 3, 0, 85, 0), FT(1, 8, 0, 10, 10)}, false},
	{"all_may_be_longer_than_two_of_eight", {WT(1, 11, 0, 25, 0), WT(1, 7, 0, 205, 0), FT(1, 8, 0, 10, 10)}, true},
	{"but_not_than_three", {WT(1, 13, 0, 35, 0), WT(1, 5, 0, 205, 0), FT(1, 8, 0, 10, 10)}, false},
};

#define EACH(table, field, get)                                       \
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) { \
		struct lane l = {.pairs = 0};                         \
		add_rows(&l, table[i].rows);                          \
		is_int(get, table[i].field, "%s", table[i].sentence); \
		lane_free(&l);                                        \
	}

static void check_keeps(void)
{
	static const struct { double took_ms, gap_ms; bool by_start, keeps; const char *sentence; } cases[] = {
		{10, 90, false, true, "the_shortest_step_keeps_the_pace"}, {10, 110, false, true, "and_the_longest"},
		{10, 89.9, false, false, "a_shorter_one_does_not"}, {10, 110.1, false, false, "nor_a_longer_one"},
		{10, 80, true, true, "by_a_clock_it_counts_from_the_start"}, {10, 100.1, true, false, "and_ends_sooner"},
		{10, 100, false, false, "not_after_the_wait_that_is_of_failures"}, {10, 104, false, false, "up_to_its_end"},
		{10, 99.9, false, true, "before_it"}, {10, 104.1, false, true, "and_behind_it"}, {5, 100, true, false, "with_a_clock_too"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct pace p = {.known = true, .by_start = cases[i].by_start, .low_ms = 90, .high_ms = 110, .own_low_ms = 100, .own_high_ms = 104};
		const struct model_exchange a = {.started_ns = NS_PER_S, .ended_ns = NS_PER_S + (uint64_t)(cases[i].took_ms * NS_PER_MS)};
		const struct model_exchange b = {.started_ns = a.ended_ns + (uint64_t)llround(cases[i].gap_ms * NS_PER_MS)};

		is_int(pace_keeps(&p, &a, &b), cases[i].keeps, "%s", cases[i].sentence);
	}
}

static void check_ranks(void)
{
	static const double ranks[] = {0.5 / 9, 1.5 / 9, 1.5 / 9, 4.5 / 9, 8.5 / 9, 0.5 / 10, 9.5 / 10};
	static const struct row rows[ROWS] = {FT(1, 8, 0, 10, 10), WT(1, 3, 0, 5, 7.5), WT(1, 2, 0, 45, 900), FT(2, 9, 0, 200, 0), WT(2, 2, 0, 200, 0.1),
					      FT(3, 7, 0, 10, 10)};
	struct lane l = {.pairs = 0};
	double sum = 0, want = 0;

	add_rows(&l, rows);
	is_int(l.ranks.n, 7, "each_step_behind_a_success_has_a_rank_among_eight_behind_failures");
	for (size_t i = 0; i < 7; i++) {
		want += ranks[i] * ranks[i];
		sum += l.ranks.n == 7 ? l.ranks.values[i] * l.ranks.values[i] : 0;
	}
	ok(is_near(sum, want) && l.ranks.n && is_near(l.ranks.values[6], 9.5 / 10), "between_0_and_1_by_how_many_are_shorter");
	lane_free(&l);
}

static void check_counts(void)
{
	const struct model_exchange open = {.started_ns = 1}, next = {.started_ns = 2};
	struct lane l = {.pairs = 0};

	lane_add(&l, &open, &next);
	ok(l.pairs == 1 && l.overlaps == 1 && !l.well.ends.n, "what_has_not_ended_overlaps");
	for (unsigned i = 0; i < 5; i++)
		add_row(&l, &(struct row)W(1000, 1, 50, 0));
	is_int(l.well.ends.n, 4096, "of_many_steps_4096_are_kept");
	is_int(l.well.starts.n, 4096, "from_the_start_too");
	for (unsigned i = 0; i < 5; i++)
		add_row(&l, &(struct row)F(1000, 1, 50, 0));
	is_int(l.failed.ends.n, 4096, "and_as_many_behind_failures");
	is_int(l.step_count, 8192, "and_both_by_thread");
	is_int(l.pairs, 10001, "all_pairs_are_counted");
	is_int(errors, 0, "and_no_more_is_no_error");
	lane_free(&l);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	EACH(crowded, own, !isnan(l.pace.own_low_ms));
	EACH(clocks, by_start, l.pace.by_start);
	EACH(cares, careless, lane_is_careless(&l));
	check_keeps();
	check_ranks();
	check_counts();
	return tap_done();
}
