/* SPDX-License-Identifier: MIT */
/*
 * After how many attempts waits repeat (analyzer/infer/period.h). By how much they must differ to show it rests on all of the arithmetic: that is found by
 * halving, and held from both sides.
 */
#include <math.h>
#include <stdbool.h>

#include "analyzer/infer/period.h"
#include "tests/lib/tap.h"

#define MOST 30000

/* Runs of waits of 100 ms, each longer times `factor` where `longer` of its number within a request says so. */
struct shape {
	const char *sentence;
	unsigned runs, n;	/* waits of each run */
	unsigned period;	/* every so many waits one is longer; 0: they grow from one to the next */
	unsigned cap;		/* growing ones do so up to this number */
	unsigned cycle;		/* growing ones begin anew after so many waits; 0: never */
	double wobble;		/* all: longer by up to that share, without order */
	double least;		/* the least factor that shows it, between 1 and 30; 0: none does */
	unsigned found;
};

static double wait_of(const struct shape *s, size_t k, double factor)
{
	size_t number = s->cycle ? k % s->cycle : k;
	double ms = 100 * (1 + s->wobble * fmod(0.618034 * (double)k, 1));

	if (s->period)
		return k % s->period == s->period - 1 ? ms * factor : ms;
	return ms * pow(factor, number < s->cap ? number : s->cap);
}

static unsigned find(const struct shape *s, double factor)
{
	static double ms[MOST];
	static size_t begins[1000];

	for (unsigned i = 0; i < s->runs; i++) {
		begins[i + 1] = begins[i] + s->n;
		for (unsigned k = 0; k < s->n; k++)
			ms[begins[i] + k] = wait_of(s, k, factor);
	}
	return period_find(&(struct period_waits){ms, begins, s->runs});
}

static const struct shape shapes[] = {
	{"three_waits_of_which_one_differs_by_a_half_repeat_after_two", 1, 3, .period = 2, .least = 1.478342, .found = 2},
	{"of_two_waits_nothing_is_said", 1, 2, .period = 2},
	{"ten_show_a_difference_of_15_percent", 1, 10, .period = 2, .least = 1.145974, .found = 2},
	{"twenty_of_10_percent", 1, 20, .period = 2, .least = 1.094667, .found = 2},
	{"and_more_where_they_vary", 1, 21, .period = 2, .wobble = 0.2, .least = 1.118002, .found = 2},
	{"one_in_five_must_be_longer_by_20_percent", 1, 20, .period = 5, .least = 1.197738, .found = 5},
	{"of_nine_by_a_half", 1, 9, .period = 5, .least = 1.470326, .found = 5},
	{"eight_are_too_few_for_that", 1, 8, .period = 5},
	{"up_to_32_waits_are_a_period", 1, 63, .period = 32, .least = 3.537474, .found = 32},
	{"which_two_of_them_show_better", 1, 64, .period = 32, .least = 2.465002, .found = 32},
	{"of_33_it_is_not_looked_for", 1, 66, .period = 33},
	{"two_runs_tell_as_much_as_one_of_their_length", 2, 10, .period = 5, .least = 1.197738, .found = 5},
	{"three_runs_of_two_periods", 3, 10, .period = 5, .least = 1.154591, .found = 5},
	{"and_of_four_that_vary", 3, 20, .period = 5, .wobble = 0.2, .least = 1.044500, .found = 5},
	{"of_many_waits_4_percent_show", 1, 300, .period = 3, .wobble = 0.2, .least = 1.043623, .found = 3},
	{"three_requests_that_wait_longer_each_time", 1, 12, .cap = 3, .cycle = 4, .least = 1.079773, .found = 4},
	{"four_that_do_so_twice", 1, 20, .cap = 2, .cycle = 5, .least = 1.094366, .found = 5},
	{"and_vary", 1, 20, .cap = 2, .cycle = 5, .wobble = 0.2, .least = 1.077605, .found = 5},
	{"two_runs_of_two_of_them", 2, 8, .cap = 9, .cycle = 4, .least = 1.066399, .found = 4},
	{"two_that_rise_may_be_one_that_does", 1, 6, .cap = 2, .cycle = 3, .wobble = 0.2, .least = 1.247889, .found = 3},
	{"up_to_a_cap", 1, 12, .cap = 2, .cycle = 6, .wobble = 0.2, .least = 1.215337, .found = 6},
	{"in_two_runs_as_well", 2, 12, .cap = 9, .cycle = 6, .wobble = 0.2, .least = 1.064555, .found = 6},
	{"four_runs", 4, 8, .cap = 9, .cycle = 4, .least = 1.044809, .found = 4},
};

/* The least factor that shows a period. */
static double least(const struct shape *s)
{
	double low = 1, high = 30;

	for (int k = 0; k < 50; k++) {
		double middle = (low + high) / 2;

		if (find(s, middle))
			high = middle;
		else
			low = middle;
	}
	return high;
}

static void check_least(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *s = &shapes[i];
		double got = least(s);

		if (!ok(s->found ? fabs(got - s->least) < 2e-6 && find(s, got) == s->found : !find(s, 30), "%s", s->sentence))
			printf("# %.6f finds %u\n", got, find(s, got));
	}
}

static void check_growth(void)
{
	for (unsigned n = 3; n <= 80; n++) {
		const struct shape s = {"", 1, n, .cap = n};

		if (find(&s, 1.3))
			ok(false, "%u_waits_that_grow_repeat_after_%u", n, find(&s, 1.3));
	}
	ok(!find(&(struct shape){"", 1, 80, .cap = 32}, 1.3), "what_grows_up_to_a_cap_does_not_repeat");
	ok(!find(&(struct shape){"", 9, 5, .cap = 5}, 1.3), "nor_what_grows_in_each_run_anew");
}

int main(void)
{
	check_least();
	check_growth();
	return tap_done();
}
