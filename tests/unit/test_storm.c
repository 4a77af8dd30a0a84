/* SPDX-License-Identifier: MIT */
/* Storms, bursts and budgets of retries (analyzer/infer/storm.h), second by second: each bound from both sides. */
#include <math.h>

#include "analyzer/infer/storm.h"
#include "tests/lib/tap.h"

#define ROWS 6
#define MOST 20000

/* In each of the seconds [from, to): first attempts, retries, and how many of these succeed. */
struct row {
	int from, to, firsts, retries, good;
};

static struct storm_attempt list[MOST];
static size_t n;

static void add(double at_ms, bool retry, bool is_good)
{
	if (n < MOST)
		list[n++] = (struct storm_attempt){at_ms, retry, is_good};
}

static struct storm storm_of(const struct row *rows, double base)
{
	struct storm s = {0};

	n = 0;
	for (int i = 0; i < ROWS; i++)
		for (int t = rows[i].from; t < rows[i].to; t++) {
			for (int k = 0; k < rows[i].firsts; k++)
				add(1000 * t + k * 400.0 / rows[i].firsts, false, true);
			for (int k = 0; k < rows[i].retries; k++)
				add(1000 * t + 500 + k * 499.0 / rows[i].retries, true, k < rows[i].good);
		}
	storm_measure(&s, list, n, 10, base);
	return s;
}

static bool is_near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) < 1e-9;
}

static const struct {
	const char *sentence;
	struct row rows[ROWS];
	double base;		/* first attempts a second in the baseline */
	double seconds, amplification;	/* 0: no storm */
} storms[] = {
	{"three_seconds_of_two_attempts_for_each_request_are_a_storm", {{0, 3, 10, 10, 0}}, NAN, 3, 2},
	{"two_seconds_are_none", {{0, 2, 10, 10, 0}}, NAN, 0, 0},
	{"fewer_attempts_are_none", {{0, 5, 10, 9, 0}}, NAN, 0, 0},
	{"one_retry_in_ten_may_succeed", {{0, 3, 10, 10, 1}}, NAN, 3, 2},
	{"but_not_two_in_nineteen", {{0, 3, 10, 19, 2}}, NAN, 0, 0},
	{"without_retries_there_is_none", {{0, 5, 20, 0, 0}}, NAN, 0, 0},
	{"it_may_be_of_retries_alone", {{0, 3, 0, 10, 0}}, NAN, 3, NAN},
	{"and_of_one_request", {{0, 1, 1, 9, 0}, {1, 3, 0, 10, 0}}, NAN, 3, 30},
	{"ten_attempts_a_second_are_enough", {{0, 3, 5, 5, 0}}, NAN, 3, 2},
	{"on_the_average", {{0, 2, 5, 5, 0}, {2, 3, 4, 6, 0}}, NAN, 3, 30.0 / 14},
	{"nine_and_two_thirds_are_not", {{0, 2, 5, 5, 0}, {2, 3, 4, 5, 0}}, NAN, 0, 0},
	{"99_percent_of_seconds_with_20_on_average_have_31", {{0, 3, 15, 16, 0}}, 20, 0, 0},
	{"so_that_32_are_more", {{0, 3, 16, 16, 0}}, 20, 3, 2},
	{"a_baseline_of_none_makes_nothing_usual", {{0, 3, 5, 5, 0}}, 0, 3, 2},
	{"553_of_500", {{0, 3, 200, 353, 0}}, 500, 0, 0},
	{"554_are_more", {{0, 3, 200, 354, 0}}, 500, 3, 554.0 / 200},
	{"570_of_501", {{0, 3, 200, 370, 0}}, 501, 0, 0},
	{"571_are_more", {{0, 3, 200, 371, 0}}, 501, 3, 571.0 / 200},
	{"the_longest_counts", {{0, 3, 10, 20, 0}, {4, 8, 10, 10, 0}, {9, 12, 10, 30, 0}}, NAN, 4, 2},
	{"of_equally_long_ones_the_first", {{0, 3, 10, 20, 0}, {4, 7, 10, 10, 0}}, NAN, 3, 3},
	{"a_second_without_anything_parts_them", {{0, 2, 10, 10, 0}, {3, 5, 10, 10, 0}}, NAN, 0, 0},
	{"and_a_thousand", {{0, 2, 10, 10, 0}, {1002, 1004, 10, 10, 0}}, NAN, 0, 0},
	{"a_calm_second_too", {{0, 2, 10, 10, 0}, {2, 3, 10, 0, 0}, {3, 5, 10, 10, 0}}, NAN, 0, 0},
	{"what_was_before_it_does_not_count_for_it", {{0, 2, 10, 30, 0}, {2, 3, 10, 0, 0}, {3, 6, 10, 10, 0}}, NAN, 3, 2},
	{"one_attempt_is_more_than_none", {{0, 2, 5, 15, 0}, {2, 3, 0, 1, 0}}, NAN, 3, 4.1},
	{"it_begins_with_the_first_attempt", {{0, 1, 0, 1, 0}, {1, 3, 10, 10, 0}}, NAN, 3, 41.0 / 20},
	{"late_in_the_run_a_second_without_anything_parts_them_too", {{20, 22, 10, 10, 0}, {23, 25, 10, 10, 0}}, NAN, 0, 0},
	{"it_may_begin_late", {{10, 12, 10, 0, 0}, {12, 16, 10, 10, 0}}, NAN, 4, 2},
};

static void check_storms(void)
{
	for (size_t i = 0; i < sizeof(storms) / sizeof(*storms); i++) {
		struct storm s = storm_of(storms[i].rows, storms[i].base);
		bool is = storms[i].seconds > 0;

		if (!ok(s.storm == is && (!is || (s.seconds == storms[i].seconds && is_near(s.amplification, storms[i].amplification))), "%s",
			storms[i].sentence))
			printf("# %d, %g s, %g\n", s.storm, s.seconds, s.amplification);
	}
}

static const struct {
	const char *sentence;
	struct row rows[ROWS];
	double peak, over_s;
} budgets[] = {
	{"a_fifth_of_100_is_the_budget", {{0, 3, 100, 20, 20}}, 0.2, 0},
	{"more_is_over_it", {{0, 3, 100, 21, 21}}, 0.21, 3},
	{"nine_retries_a_second_nobody_minds", {{0, 3, 10, 9, 9}}, 0.9, 0},
	{"ten_are_minded", {{0, 3, 10, 10, 10}}, 1, 3},
	{"retries_alone_are_over_any_budget", {{0, 4, 0, 10, 10}}, 0, 4},
	{"of_one_request_too", {{0, 1, 1, 10, 10}}, 10, 1},
	{"the_share_is_that_of_ten_seconds", {{0, 1, 100, 0, 0}, {9, 10, 0, 20, 20}}, 0.2, 0},
	{"of_no_more", {{0, 1, 100, 0, 0}, {10, 11, 0, 20, 20}}, 0, 1},
	{"nor_of_eleven", {{0, 1, 100, 0, 0}, {11, 12, 0, 20, 20}}, 0, 1},
	{"nor_of_twelve", {{0, 1, 100, 0, 0}, {12, 13, 0, 20, 20}}, 0, 1},
	{"nor_of_thirty", {{0, 1, 100, 0, 0}, {30, 31, 0, 20, 20}}, 0, 1},
	{"retries_too_are_forgotten_after_ten", {{0, 1, 10, 40, 40}, {9, 10, 10, 0, 0}, {10, 11, 10, 30, 30}}, 4, 1},
	{"and_in_each_second_they_are_new", {{0, 11, 10, 10, 10}}, 1, 11},
	{"the_longest_time_over_it_counts", {{0, 4, 100, 40, 40}, {5, 7, 100, 50, 50}}, 260.0 / 600, 4},
	{"a_second_of_few_parts_it", {{0, 2, 10, 10, 10}, {2, 3, 10, 9, 9}, {3, 4, 10, 10, 10}}, 1, 2},
	{"and_one_of_none", {{0, 2, 10, 10, 10}, {3, 4, 10, 10, 10}}, 1, 2},
	{"or_a_hundred", {{0, 2, 10, 10, 10}, {102, 103, 10, 10, 10}}, 1, 2},
};

static void check_budgets(void)
{
	for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
		struct storm s = storm_of(budgets[i].rows, NAN);

		if (!ok(is_near(s.budget_peak, budgets[i].peak) && s.budget_over_s == budgets[i].over_s, "%s", budgets[i].sentence))
			printf("# %g, over it %g s\n", s.budget_peak, s.budget_over_s);
	}
}

/* So many retries at that time, ms, one each 0.1 ms; n below 0: first attempts. */
struct crowd {
	int n;
	double at;
};

static const struct {
	const char *sentence;
	struct crowd crowds[ROWS];
	double median, base;
	int bursts, peak;
} bursts[] = {
	{"five_retries_at_once_are_a_burst", {{5, 1000}}, 10, NAN, 1, 5},
	{"four_are_none", {{4, 1000}}, 10, NAN, 0, 0},
	{"in_the_first_tenth_of_a_second_too", {{5, 0}}, 10, NAN, 1, 5},
	{"first_attempts_are_none", {{-9, 1000}, {4, 1010}}, 10, NAN, 0, 0},
	{"retries_within_a_tenth_of_a_second_are_at_once", {{3, 1000}, {2, 1099}}, 10, NAN, 1, 5},
	{"not_those_of_another", {{3, 1000}, {2, 1100}}, 10, NAN, 0, 0},
	{"or_within_twice_what_an_attempt_takes", {{3, 1000}, {2, 1199}}, 100, NAN, 1, 5},
	{"but_not_longer", {{3, 1000}, {2, 1200}}, 100, NAN, 0, 0},
	{"much_longer", {{3, 1200}, {2, 1400}}, 100, NAN, 0, 0},
	{"what_is_not_known_is_short", {{3, 1000}, {2, 1100}}, NAN, NAN, 0, 0},
	{"side_by_side_they_are_one", {{5, 1000}, {6, 1100}, {7, 1200}}, 10, NAN, 1, 18},
	{"a_tenth_of_a_second_between_makes_them_two", {{5, 1000}, {6, 1200}}, 10, NAN, 2, 6},
	{"the_largest_counts", {{9, 1000}, {6, 1200}, {2, 1300}, {5, 1400}}, 10, NAN, 3, 9},
	{"of_two_side_by_side_and_one_later", {{5, 1000}, {6, 1100}, {10, 1300}}, 10, NAN, 2, 11},
	{"where_2_are_usual_8_are_one", {{8, 1000}}, 10, 20, 1, 8},
	{"and_7_none", {{7, 1000}}, 10, 20, 0, 0},
	{"5_are_never_usual", {{5, 1000}}, 10, 1, 1, 5},
};

static void check_bursts(void)
{
	for (size_t i = 0; i < sizeof(bursts) / sizeof(*bursts); i++) {
		struct storm s = {0};

		n = 0;
		for (int c = 0; c < ROWS; c++)
			for (int k = 0; k < abs(bursts[i].crowds[c].n); k++)
				add(bursts[i].crowds[c].at + 0.1 * k, bursts[i].crowds[c].n > 0, false);
		storm_measure(&s, list, n, bursts[i].median, bursts[i].base);
		if (!ok((int)s.bursts == bursts[i].bursts && (int)s.burst_peak == bursts[i].peak, "%s", bursts[i].sentence))
			printf("# %d, of %d\n", (int)s.bursts, (int)s.burst_peak);
	}
}

static void check_nothing(void)
{
	struct storm s = {0};

	storm_measure(&s, NULL, 0, NAN, NAN);
	ok(!s.storm && !s.bursts && s.budget_peak == 0 && s.budget_over_s == 0, "of_nothing_nothing_is_said");
}

int main(void)
{
	check_storms();
	check_budgets();
	check_bursts();
	check_nothing();
	return tap_done();
}
