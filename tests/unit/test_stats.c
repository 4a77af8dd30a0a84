/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "analyzer/stats.h"
#include "tests/lib/tap.h"

static int close_to(double got, double want, double tolerance)
{
	if (fabs(got - want) <= tolerance)
		return 1;
	printf("# got %.9g, want %.9g\n", got, want);
	return 0;
}

static struct samples ramp(double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		values[i] = (double)(i + 1);
	return (struct samples){.values = values, .n = n, .sorted = true};
}

static void percentiles_are_nearest_rank(void)
{
	double values[100];
	struct samples s = ramp(values, 100);

	ok(samples_percentile(&s, 0.5) == 50, "p50 of 1..100 is 50");
	ok(samples_percentile(&s, 0.95) == 95, "p95 of 1..100 is 95");
	ok(samples_percentile(&s, 0.99) == 99, "p99 of 1..100 is 99");
	ok(samples_percentile(&s, 1) == 100, "the largest is the percentile of 1");
	ok(samples_percentile(&s, 0) == 1, "the smallest is the percentile of 0");
	ok(samples_percentile(&s, 0.07) == 7, "p7 is 7, though 0.07 * 100 is above 7 in binary");
	s = ramp(values, 1);
	ok(samples_percentile(&s, 0.5) == 1 && samples_percentile(&s, 0.99) == 1, "one measurement is all its percentiles");
	s.n = 0;
	ok(isnan(samples_percentile(&s, 0.5)) && isnan(samples_mean(&s)), "nothing has no percentile and no mean");
}

/* Reference: Newcombe, Stat. Med. 1998, table I, method 3 (score without continuity correction). */
static void wilson_is_that_of_the_literature(void)
{
	struct stats_interval i = stats_wilson(81, 263);

	ok(close_to(i.low, 0.2553, 5e-5) && close_to(i.high, 0.3662, 5e-5), "81 of 263: 0.2553 to 0.3662");
	i = stats_wilson(15, 148);
	ok(close_to(i.low, 0.0624, 5e-5) && close_to(i.high, 0.1605, 5e-5), "15 of 148: 0.0624 to 0.1605");
	i = stats_wilson(0, 20);
	ok(i.low == 0 && close_to(i.high, 0.1611, 5e-5), "0 of 20: 0 to 0.1611");
	i = stats_wilson(1, 29);
	ok(close_to(i.low, 0.0061, 5e-5) && close_to(i.high, 0.1718, 5e-5), "1 of 29: 0.0061 to 0.1718");
	i = stats_wilson(5, 5);
	ok(i.high == 1, "5 of 5 reach 1 exactly");
	ok(!stats_wilson(0, 0).known, "0 of 0 has no interval");
}

static void binomial_has_its_mean_and_spread(uint64_t n, double p)
{
	struct stats_random r = {n};
	double sum = 0, squares = 0, mean = (double)n * p, variance = mean * (1 - p);
	const int draws = 20000;

	for (int i = 0; i < draws; i++) {
		double k = (double)stats_binomial(&r, n, p);

		sum += k;
		squares += (k - mean) * (k - mean);
	}
	ok(close_to(sum / draws, mean, 5 * sqrt(variance / draws) + 1e-12), "binomial(%d, %g) has mean %g", (int)n, p, mean);
	ok(close_to(squares / draws, variance, variance * 0.06 + 1e-12), "and variance %g", variance);
}

static void gamma_has_its_mean(double shape)
{
	struct stats_random r = {99};
	double sum = 0;
	const int draws = 20000;

	for (int i = 0; i < draws; i++)
		sum += stats_gamma(&r, shape);
	ok(close_to(sum / draws, shape, 5 * sqrt(shape / draws)), "gamma(%g) has mean %g", shape, shape);
}

static void tally_counts(void)
{
	struct tally t = {0};

	tally_add(&t, 3, 2);
	tally_add(&t, 1, 1);
	tally_add(&t, 3, 1);
	tally_add(&t, 2, 0);
	is_int(t.used, 2, "a value counted no times has no cell");
	is_int(t.cells[0].value, 1, "cells ascend");
	is_int(t.cells[1].count, 3, "counts of a value add up");
	is_int(t.n, 4, "n is all counts");
	is_int(t.sum, 10, "the sum weighs values by their counts: 3 * 3 + 1");
	tally_free(&t);
}

/* 100 requests with one attempt, 100 with three: mean 2, standard error of a resample 1 / sqrt(200). */
static void resampled_means_spread_as_theory_says(void)
{
	struct tally t = {0};
	struct stats_random r = {5}, again = {5};
	double draws[STATS_RESAMPLES];
	struct stats_interval i;

	tally_add(&t, 1, 100);
	tally_add(&t, 3, 100);
	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = stats_resample_mean(&r, &t);
	ok(draws[0] == stats_resample_mean(&again, &t), "the same seed draws the same");
	i = stats_middle(draws, STATS_RESAMPLES);
	ok(close_to(i.low, 2 - STATS_Z / sqrt(200), 0.02), "the lower end is 1.96 standard errors below the mean");
	ok(close_to(i.high, 2 + STATS_Z / sqrt(200), 0.02), "the upper end as much above");
	tally_free(&t);
}

/* Order statistics for p99 of 1000: ranks 983 to 997 (the exact binomial interval). */
static void percentile_draws_span_the_order_statistics(void)
{
	static double values[1000], draws[20000];
	struct samples s = ramp(values, 1000);
	struct stats_random r = {11};
	struct stats_interval i;

	for (int k = 0; k < 20000; k++)
		draws[k] = stats_resample_percentile(&r, &s, 0.99);
	i = stats_middle(draws, 20000);
	ok(close_to(i.low, 984, 1.5) && close_to(i.high, 997, 1.5), "95 %% of the draws of p99 of 1..1000 lie within 984 and 997");
	is_int(stats_percentile_needs(0.5), 6, "p50 needs 6 measurements for an interval");
	is_int(stats_percentile_needs(0.95), 72, "p95 needs 72");
	is_int(stats_percentile_needs(0.99), 368, "p99 needs 368");
	is_int(stats_percentile_needs(0.999), 3688, "p99.9 needs 3688");
}

int main(void)
{
	percentiles_are_nearest_rank();
	wilson_is_that_of_the_literature();
	binomial_has_its_mean_and_spread(10, 0.3);
	binomial_has_its_mean_and_spread(700, 0.5);
	binomial_has_its_mean_and_spread(100000, 0.9);
	binomial_has_its_mean_and_spread(1000000, 1e-6);
	gamma_has_its_mean(0.5);
	gamma_has_its_mean(3.5);
	gamma_has_its_mean(400);
	tally_counts();
	resampled_means_spread_as_theory_says();
	percentile_draws_span_the_order_statistics();
	return tap_done();
}
