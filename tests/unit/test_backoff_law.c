/* SPDX-License-Identifier: MIT */
/* Laws of waits without jitter: from waits made by hand to the laws that they follow, each bound from both sides. */
#include <math.h>

#include "analyzer/infer/backoff_law.h"
#include "tests/lib/tap.h"

#define WAITS 8

static bool is_near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) < 1e-4 * fabs(b) + 1e-9;
}

#define FIXED(ms) {BACKOFF_FIXED, ms, NAN, NAN, NAN}
#define LINEAR(first, step, cap) {BACKOFF_LINEAR, first, step, NAN, cap}
#define EXPONENTIAL(first, times, cap) {BACKOFF_EXPONENTIAL, first, NAN, times, cap}

/* Each wait was seen 10^8 times, so that its median may be off by 1 ms (1.0004), or by 1.5 % from 67 ms on. */
static const struct story {
	const char *sentence;
	double waits[WAITS];
	unsigned found;
	struct law_fit fits[2];
} stories[] = {
	{"without_waits_there_is_no_law", {0}, 0, {{0}}},
	{"one_wait_may_be_of_any", {100}, 3, {FIXED(100), {BACKOFF_LINEAR, 100, NAN, NAN, NAN}}},
	{"two_alike_are_fixed", {100, 104}, 1, {FIXED(102)}},
	{"by_a_twentieth", {100, 105.2}, 2, {LINEAR(100, 5.2, NAN), EXPONENTIAL(100, 1.052, NAN)}},
	{"two_that_grow_may_be_of_either", {100, 200}, 2, {LINEAR(100, 100, NAN), EXPONENTIAL(100, 2, NAN)}},
	{"as_people_set_the_ratio", {100, 203}, 2, {LINEAR(100, 103, NAN), EXPONENTIAL(100, 2, NAN)}},
	{"two_that_shrink_are_of_none", {200, 100}, 0, {{0}}},
	{"three_alike_are_fixed", {100, 100, 105}, 1, {FIXED(102.5)}},
	{"the_first_may_be_late", {111.4, 100, 100}, 1, {FIXED(100)}},
	{"by_what_a_runtime_takes_to_begin", {111.6, 100, 100}, 0, {{0}}},
	{"or_a_little_early", {95, 100, 100}, 1, {FIXED(100)}},
	{"and_not_more", {94.9, 100, 100}, 2, {{BACKOFF_LINEAR, 94.9, NAN, NAN, 100}, {BACKOFF_EXPONENTIAL, 94.9, NAN, NAN, 100}}},
	{"equal_differences_are_linear", {100, 200, 300, 400}, 1, {LINEAR(100, 100, NAN)}},
	{"of_more_than_a_twentieth", {100, 105.1, 110.2}, 1, {LINEAR(100, 5.1, NAN)}},
	{"not_of_that", {100, 105, 110}, 0, {{0}}},
	{"from_another_first_wait", {100, 250, 400, 550}, 1, {LINEAR(100, 150, NAN)}},
	{"equal_ratios_are_exponential", {100, 200, 400, 800}, 1, {EXPONENTIAL(100, 2, NAN)}},
	{"by_what_people_set", {100, 151, 228}, 1, {EXPONENTIAL(101.3333, 1.5, NAN)}},
	{"or_by_anything_else", {100, 220, 484}, 1, {EXPONENTIAL(100, 2.2, NAN)}},
	{"up_to_a_cap", {100, 200, 400, 500, 500}, 1, {EXPONENTIAL(100, 2, 500)}},
	{"linear_too", {100, 200, 300, 350, 350}, 1, {LINEAR(100, 100, 350)}},
	{"two_that_grow_up_to_a_cap_may_be_of_either", {100, 200, 250, 250}, 2, {LINEAR(100, 100, 250), EXPONENTIAL(100, 2, 250)}},
	{"of_one_below_a_cap_nothing_is_known_but_that", {100, 250, 250}, 2, {LINEAR(100, NAN, 250), EXPONENTIAL(100, NAN, 250)}},
	{"the_last_may_be_cut_once", {100, 201, 404, 500}, 1, {EXPONENTIAL(101, 2, 500)}},
	{"linear_ones_as_well", {100, 200, 300, 320}, 1, {LINEAR(100, 100, 320)}},
	{"behind_three_waits_not_two", {100, 200, 250}, 0, {{0}}},
	{"a_median_may_be_off_by_1_ms", {10, 20, 30, 40.9}, 1, {LINEAR(10.225, 10.225, NAN)}},
	{"a_second_of_four_too", {10, 20.9, 30, 40}, 1, {LINEAR(10, 10, NAN)}},
	{"by_no_more", {10, 21.2, 30, 40}, 0, {{0}}},
	{"long_ones_by_a_hundredth_and_a_half", {1000, 2000, 3044, 4000}, 1, {LINEAR(1000, 1000, NAN)}},
	{"and_no_more_than_that", {1000, 2000, 3046, 4000}, 0, {{0}}},
	{"waits_that_come_and_go_are_of_none", {100, 300, 200, 400}, 0, {{0}}},
};

static void check_stories(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		struct law_point w[WAITS];
		struct law_fit fits[LAWS] = {{0}};
		size_t n = 0;
		bool right;
		unsigned found;

		for (; n < WAITS && s->waits[n] > 0; n++)
			w[n] = (struct law_point){s->waits[n], 100000000};
		found = law_find(fits, w, n);
		right = found == s->found;
		for (unsigned i = 0; i < found && i < 2; i++)
			right &= fits[i].family == s->fits[i].family && is_near(fits[i].first_ms, s->fits[i].first_ms) &&
				 is_near(fits[i].step_ms, s->fits[i].step_ms) && is_near(fits[i].multiplier, s->fits[i].multiplier) &&
				 is_near(fits[i].cap_ms, s->fits[i].cap_ms);
		if (!ok(right, "%s", s->sentence))
			for (unsigned i = 0; i < found; i++)
				printf("# %d: %g, step %g, times %g, cap %g\n", fits[i].family, fits[i].first_ms, fits[i].step_ms, fits[i].multiplier,
				       fits[i].cap_ms);
	}
}

/* Wait k of a law; and what is off by chance where few were seen. */
static void check_waits(void)
{
	const struct law_fit linear = LINEAR(100, 50, 220), doubled = EXPONENTIAL(100, 2, NAN), fixed = FIXED(70);
	struct law_fit fits[LAWS];

	ok(law_wait(&linear, 1) == 100 && law_wait(&linear, 3) == 200 && law_wait(&linear, 4) == 220, "linear waits up to their cap");
	ok(law_wait(&doubled, 1) == 100 && law_wait(&doubled, 4) == 800, "exponential ones");
	ok(law_wait(&fixed, 1) == 70 && law_wait(&fixed, 9) == 70, "fixed ones");
	is_int(law_find(fits, (struct law_point[]){{10, 4}, {23, 4}, {30, 4}, {40, 4}}, 4), 1, "of four seen each a median may be off by 3 ms");
	is_int(law_find(fits, (struct law_point[]){{10, 4}, {17, 4}, {30, 4}, {40, 4}}, 4), 1, "on either side");
	is_int(law_find(fits, (struct law_point[]){{10, 4}, {23.1, 4}, {30, 4}, {40, 4}}, 4), 0, "and not by more");
	is_int(law_find(fits, (struct law_point[]){{10, 4}, {20, 4}, {22.9, 1000000}}, 3), 2, "so two at the end may be one, by how often the first was seen");
	is_int(law_find(fits, (struct law_point[]){{10, 4}, {20, 0}, {30, 4}}, 3), 0, "one that was not seen makes no law");
	is_int(law_find(fits, (struct law_point[]){{0, 4}, {10, 4}, {20, 4}}, 3), 0, "nor does one of no length");
}

/* Ratios that people set are told though each wait is half a percent late. */
static void check_ratios(void)
{
	static const double nice[] = {1.1, 1.2, 1.25, 1.3, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 10};

	for (size_t i = 0; i < sizeof(nice) / sizeof(*nice); i++) {
		const double r = nice[i] * 1.005;
		struct law_fit fits[LAWS];
		unsigned n = law_find(fits, (struct law_point[]){{1000, 9}, {1000 * r, 9}, {1000 * r * r, 9}}, 3);

		ok(n && fits[n - 1].family == BACKOFF_EXPONENTIAL && fits[n - 1].multiplier == nice[i], "%g is told of waits that grow by %g", nice[i], r);
	}
}

int main(void)
{
	check_ratios();
	check_stories();
	check_waits();
	return tap_done();
}
