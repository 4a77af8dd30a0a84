/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "analyzer/stats/metric.h"
#include "analyzer/stats/show.h"
#include "analyzer/stats/stats.h"
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

/* ---- shares and counts ---- */

static int spans(struct stats_interval i, double low, double high, double tolerance)
{
	int near_low = close_to(i.low, low, tolerance), near_high = isinf(high) ? isinf(i.high) : close_to(i.high, high, tolerance);

	return i.known && near_low && near_high;
}

/* Reference: Newcombe, Stat. Med. 1998, 17:873, table II, method 10. */
static void newcombe_is_that_of_his_table(void)
{
	ok(spans(stats_newcombe(56, 70, 48, 80), 0.0524, 0.3339, 5e-5), "56/70 - 48/80: 0.0524 to 0.3339");
	ok(spans(stats_newcombe(9, 10, 3, 10), 0.1705, 0.8090, 5e-5), "9/10 - 3/10: 0.1705 to 0.8090");
	ok(spans(stats_newcombe(5, 56, 0, 29), -0.0381, 0.1926, 5e-5), "5/56 - 0/29: -0.0381 to 0.1926");
	ok(spans(stats_newcombe(10, 10, 0, 20), 0.6791, 1, 5e-5), "10/10 - 0/20: 0.6791 to 1");
	ok(!stats_newcombe(1, 2, 0, 0).known && !stats_newcombe(0, 0, 1, 2).known, "nothing on one side: no interval");
}

/* References: Newcombe, Stat. Med. 1998, 17:857, table I, method 5; Garwood's table; R's poisson.test example. */
static void exact_intervals_of_counts(void)
{
	ok(spans(stats_clopper_pearson(81, 263), 0.2527, 0.3676, 5e-5), "81 of 263: 0.2527 to 0.3676");
	ok(spans(stats_clopper_pearson(15, 148), 0.0578, 0.1617, 5e-5), "15 of 148: 0.0578 to 0.1617");
	ok(spans(stats_clopper_pearson(0, 20), 0, 0.1684, 5e-5), "0 of 20: 0 to 0.1684");
	ok(spans(stats_clopper_pearson(1, 29), 0.0009, 0.1776, 5e-5), "1 of 29: 0.0009 to 0.1776");
	ok(stats_clopper_pearson(7, 7).high == 1 && !stats_clopper_pearson(0, 0).known, "all reach 1, none of none has no interval");
	ok(spans(stats_clopper_pearson(500000, 1000000), 0.49902, 0.50098, 1e-5), "half of a million: 0.49902 to 0.50098");
	ok(spans(stats_poisson(0), 0, 3.6889, 5e-5), "no event: 0 to 3.6889");
	ok(spans(stats_poisson(5), 1.6235, 11.6683, 5e-5), "5 events: 1.6235 to 11.6683");
	ok(spans(stats_poisson(10), 4.7954, 18.3904, 5e-5), "10 events: 4.7954 to 18.3904");
	ok(spans(stats_poisson(1000000), 998041, 1001962, 1), "a million: 998041 to 1001962");
	ok(spans(stats_poisson(100000000), 1e8 - 1e4 * STATS_Z, 1e8 + 1e4 * STATS_Z, 1e-3), "a hundred million: by the normal distribution");
	ok(spans(stats_rate_ratio(11, 800, 21, 3011), 0.8584264, 4.2772659, 5e-6), "11 in 800 against 21 in 3011: 0.858 to 4.277");
	ok(spans(stats_rate_ratio(0, 1, 5, 1), 0, 1.0915, 5e-4), "none against 5: 0 to 1.09");
	ok(spans(stats_rate_ratio(5, 1, 0, 1), 0.9162, INFINITY, 5e-4), "5 against none: 0.916 and without limit");
	ok(!stats_rate_ratio(0, 1, 0, 1).known, "no event at all has no ratio");
}

/* ---- two samples ---- */

static struct samples sorted(double *values, size_t n)
{
	struct samples s = {.values = values, .n = n};

	samples_sort(&s);
	return s;
}

/* Reference: Hollander and Wolfe 1973, p. 69 (permeability of membranes), as R's wilcox.test gives it. */
static void shift_of_membranes(void)
{
	double at_term[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, early[] = {1.15, 0.88, 0.90, 0.74, 1.21};
	struct samples x = sorted(at_term, 10), y = sorted(early, 5);
	struct stats_shift s = stats_shift(&x, &y), back = stats_shift(&y, &x);

	ok(close_to(s.value, 0.305, 1e-9), "the median difference is 0.305");
	ok(spans(s.interval, -0.15, 0.76, 1e-9), "between -0.15 and 0.76");
	ok(close_to(s.p, 0.2544, 5e-5), "p is 0.2544");
	ok(close_to(stats_a12(&x, &y), 0.7, 1e-12), "A12 is 35 of 50");
	ok(close_to(back.value, -0.305, 1e-9) && spans(back.interval, -0.76, 0.15, 1e-9) && close_to(back.p, s.p, 1e-12),
	   "the other way round is the mirror image");
}

/* The least p of two groups of n that do not overlap: 2 / C(2n, n). */
static void few_runs_can_not_prove_much(void)
{
	static const double least[] = {1, 1.0 / 3, 0.1, 2.0 / 70, 2.0 / 252, 2.0 / 924};
	double low[6] = {1, 2, 3, 4, 5, 6}, high[6] = {11, 12, 13, 14, 15, 16};

	for (size_t n = 1; n <= 6; n++) {
		struct samples x = ramp(low, n), y = {.values = high, .n = n, .sorted = true};
		struct stats_shift s = stats_shift(&y, &x);

		ok(close_to(s.p, least[n - 1], 1e-9), "%d against %d: p is at least %.4f", (int)n, (int)n, least[n - 1]);
		ok(s.interval.known == (n >= 4), "and there is %s interval", n >= 4 ? "an" : "no");
	}
}

/* By hand: 3 wins twice against 2; 2 and 3 meet their like once and twice. Two 1, two 2, three 3, two 5: 6 + 6 + 24 + 6 = 42. */
static void ties_are_halves(void)
{
	double a[] = {1, 1, 2, 3, 3}, b[] = {2, 3, 4, 5, 5}, sigma = sqrt(25.0 / 12 * (11 - 42.0 / 90));
	struct samples x = sorted(a, 5), y = sorted(b, 5);

	ok(close_to(stats_a12(&x, &y), 3.5 / 25, 1e-12), "2 won and 3 tied of 25: A12 is 0.14");
	ok(close_to(stats_shift(&x, &y).p, erfc((12.5 - 3.5 - 0.5) / sigma / M_SQRT2), 1e-12), "p with the correction for ties");
}

static void large_samples_agree_with_the_normal_distribution(void)
{
	double a[40], b[40];
	struct samples x, y;
	struct stats_shift s;

	for (int i = 0; i < 40; i++) {
		a[i] = i + 0.25;
		b[i] = i + 5;
	}
	x = sorted(a, 40);
	y = sorted(b, 40);
	s = stats_shift(&x, &y);
	ok(close_to(s.value, -4.75, 1e-9), "40 against 40, moved by 4.75: that is the shift");
	ok(s.interval.known && s.interval.low < -9 && s.interval.low > -11 && s.interval.high > 0 && s.interval.high < 2,
	   "and its interval is as wide as 40 against 40 allow");
}

static void nothing_has_no_shift(void)
{
	double one[] = {1, 2, 3, 4};
	struct samples x = {.sorted = true}, y = ramp(one, 4);
	struct stats_shift s = stats_shift(&x, &y);

	ok(isnan(s.value) && isnan(s.p) && !s.interval.known && isnan(stats_a12(&y, &x)), "nothing against something can not be told");
	s = stats_shift(&y, &y);
	ok(s.value == 0 && s.p == 1 && stats_a12(&y, &y) == 0.5, "a sample does not differ from itself");
}

/* Reference: Fisher, The Design of Experiments, 1935: Darwin's maize; 863 of 32768 ways reach the sum in one direction. */
static void signs_of_darwins_maize(void)
{
	double d[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}, many[60];
	struct stats_random r = {3};

	ok(close_to(stats_sign_flip(&r, d, 15), 2 * 863.0 / 32768, 1e-12), "Darwin's maize: 1726 of 32768 ways");
	for (int i = 0; i < 60; i++)
		many[i] = d[i % 15] / 4;
	ok(stats_sign_flip(&r, many, 60) < 0.002, "four times the same is hardly chance");
	for (int i = 0; i < 60; i++)
		many[i] = i % 2 ? 1 : -1;
	ok(stats_sign_flip(&r, many, 60) == 1, "as much up as down is");
	ok(isnan(stats_sign_flip(&r, d, 0)), "nothing has no p");
}

static void holm_steps_down(void)
{
	double p[] = {0.01, 0.04, 0.03, 0.005}, all[] = {0.9, 0.8};

	ok(!stats_holm(p, 4), "four p-values");
	ok(close_to(p[0], 0.03, 1e-12) && close_to(p[1], 0.06, 1e-12) && close_to(p[2], 0.06, 1e-12) && close_to(p[3], 0.02, 1e-12),
	   "0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02");
	ok(!stats_holm(all, 2) && all[0] == 1 && all[1] == 1, "none is above 1");
}

/* ---- censored times ---- */

static void kaplan_meier_of(const double *times, size_t n, struct stats_time *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (struct stats_time){fabs(times[i]), times[i] < 0};
}

/* Reference: Freireich et al. 1963 (remission of leukaemia, weeks), the textbook example; intervals as SAS' LIFETEST gives them. */
static void kaplan_meier_of_the_textbook(void)
{
	static const double drug[] = {6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35},
			    placebo[] = {1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23};
	struct stats_time times[21];
	struct stats_survival s;
	double se;

	kaplan_meier_of(drug, 21, times);
	s = stats_kaplan_meier(times, 21);
	is_int(s.events, 9, "9 of 21 relapsed");
	ok(close_to(s.median, 23, 0), "the median is 23 weeks");
	ok(spans(s.interval, 13, INFINITY, 0), "at least 13, without an upper limit");
	ok(close_to(stats_survival_at(times, 21, 6, &se), 0.857, 5e-4) && close_to(se, 0.0764, 5e-5), "S(6) is 0.857, its error 0.0764");
	ok(close_to(stats_survival_at(times, 21, 10, &se), 0.753, 5e-4) && close_to(se, 0.0963, 5e-5), "S(10) is 0.753, 0.0963");
	ok(close_to(stats_survival_at(times, 21, 40, &se), 0.448, 5e-4) && close_to(se, 0.1346, 5e-5), "S(40) is 0.448, 0.1346");
	kaplan_meier_of(placebo, 21, times);
	s = stats_kaplan_meier(times, 21);
	ok(close_to(s.median, 8, 0) && spans(s.interval, 4, 11, 0), "without the drug 8 weeks, 4 to 11");
}

static void few_or_unfinished_times(void)
{
	struct stats_time times[6];
	struct stats_survival s = stats_kaplan_meier(times, 0);

	ok(isnan(s.median) && !s.interval.known, "no time has no median");
	kaplan_meier_of((double[]){5, 3, 4}, 3, times);
	s = stats_kaplan_meier(times, 3);
	ok(s.median == 4 && !s.interval.known, "3, 4, 5: 4, and no interval");
	kaplan_meier_of((double[]){1, 3}, 2, times);
	ok(stats_kaplan_meier(times, 2).median == 2, "1 and 3: 2");
	kaplan_meier_of((double[]){1, -3, -3}, 3, times);
	ok(isnan(stats_kaplan_meier(times, 3).median), "two of three unfinished: not reached");
	kaplan_meier_of((double[]){1, 2, 3, 4, 5, 6}, 6, times);
	s = stats_kaplan_meier(times, 6);
	ok(s.median == 3.5 && spans(s.interval, 1, 6, 0), "1 to 6: 3.5, between the extremes");
}

/* Up to 1 s; every other one may be given up before. */
static void many_times(void)
{
	enum { N = 20000 };
	static struct stats_time times[N], again[N];
	struct stats_random r = {23};
	struct stats_survival s;
	bool same = true;
	double median;

	for (int i = 0; i < N; i++) {
		double took = stats_uniform(&r), patience = i % 2 ? 0.9 * stats_uniform(&r) : 1;

		times[i] = again[i] = (struct stats_time){took < patience ? took : patience, took > patience};
	}
	median = stats_survival_median(times, N);
	s = stats_kaplan_meier(again, N);
	for (int i = 1; i < N; i++)
		same &= times[i].time >= times[i - 1].time;
	ok(same && close_to(median, 0.5, 0.02), "of 20,000 times, many of them cut, the median is 0.5 s");
	ok(median == s.median && spans(s.interval, median - 0.01, median + 0.01, 0.01), "and the estimate with its interval is the same");
}

/* ---- series ---- */

/* The mean of 400 values that each keep 0.8 of the one before (variance 1 / 0.36): its standard error is 5 / 20, a quarter; 0.083 were they independent. */
static void blocks_keep_what_neighbours_share(void)
{
	struct stats_random r = {17};
	double values[400], ones[400];
	struct stats_interval loose, kept;
	int covered = 0;
	const int runs = 60;
	size_t length = 0;

	for (int k = 0; k < runs; k++) {
		values[0] = stats_normal(&r) / 0.6;
		for (int i = 1; i < 400; i++)
			values[i] = 0.8 * values[i - 1] + stats_normal(&r);
		length = stats_block_length(values, 400, 5);
		kept = stats_block_ratio(&r, values, NULL, 400, length);
		covered += kept.low <= 0 && kept.high >= 0;
	}
	ok(covered >= 48, "an interval of blocks holds the mean of a series with memory (%d of %d)", covered, runs);
	loose = stats_block_ratio(&r, values, NULL, 400, 1);
	ok(kept.high - kept.low > 1.8 * (loose.high - loose.low), "and is wider than one of single values");
	ok(length > 5 && length <= 133, "the block is as long as the memory (%d)", (int)length);
	for (int i = 0; i < 400; i++)
		ones[i] = 2;
	kept = stats_block_ratio(&r, ones, NULL, 400, 5);
	ok(kept.known && kept.low == 2 && kept.high == 2, "a constant has an interval of no width");
	kept = stats_block_ratio(&r, values, values, 400, 5);
	ok(close_to(kept.low, 1, 1e-9) && close_to(kept.high, 1, 1e-9), "a series over itself is 1");
	ok(!stats_block_ratio(&r, ones, NULL, 14, 5).known && !stats_block_ratio(&r, ones, NULL, 14, 0).known,
	   "two blocks, or blocks of nothing, tell nothing");
	is_int(stats_block_length(ones, 400, 5), 5, "a constant has no memory");
	is_int(stats_block_length(ones, 2, 5), 1, "a block is at most a third of the series");
}

/* Hollander, Wolfe: Nonparametric Statistical Methods, example 3.1 (Hamilton depression scale factor, 9 patients). */
static void signed_ranks(void)
{
	static const double d[] = {-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010};
	static const double five[] = {1, 2, 3, 4, 5}, six[] = {1, 2, 3, 4, 5, 6.5}, even[] = {-1, 1, -2, 2, 3, -3};
	struct stats_shift s = stats_paired(d, 9);

	ok(close_to(s.value, -0.46, 1e-9), "the pseudo-median of the published example");
	ok(close_to(s.p, 0.0390625, 1e-9), "its exact two-sided p: 20 of 512");
	ok(s.interval.known, "and its interval");
	ok(close_to(s.interval.low, -0.786, 1e-9), "from -0.786");
	ok(close_to(s.interval.high, -0.010, 1e-9), "to -0.010");
	ok(!stats_paired(five, 5).interval.known, "5 differences have no interval");
	ok(close_to(stats_paired(five, 5).p, 0.0625, 1e-9), "and reach 2 of 32 at best");
	s = stats_paired(six, 6);
	ok(s.interval.known && s.interval.low == 1 && s.interval.high == 6.5, "6 have one: from the least to the largest");
	ok(close_to(s.p, 0.03125, 1e-9), "and reach 2 of 64");
	ok(stats_paired(even, 6).p > 0.9, "as much up as down is nothing");
	ok(isnan(stats_paired(six, 0).value) && isnan(stats_paired(six, 0).p), "no difference says nothing");
}

/* Beyond 60 differences the chance is the normal one: 38 of the smallest of 61 are negative. */
static void many_signed_ranks(void)
{
	const double sigma = sqrt(61.0 * 62 * 123 / 24);
	double d[61];

	for (int i = 0; i < 61; i++)
		d[i] = (i < 38 ? -1 : 1) * (i + 1);
	ok(close_to(stats_paired(d, 61).p, erfc((61.0 * 62 / 4 - 38.0 * 39 / 2 - 0.5) / sigma / M_SQRT2), 1e-12), "61 differences: the normal chance");
	ok(stats_paired(d, 61).interval.known, "and an interval");
}

/* One that outweighs all others decides, wherever it stands; no difference at all is reached in all ways. */
static void signs_of_unlike_sizes(void)
{
	double first[21] = {100}, last[21], none[21] = {0};
	struct stats_random r = {3};

	for (int i = 0; i < 20; i++)
		first[i + 1] = last[i] = i % 2 ? 1 : -1;
	last[20] = 100;
	ok(stats_sign_flip(&r, first, 21) > 0.5 && stats_sign_flip(&r, last, 21) > 0.5, "one large among 20 small says little");
	ok(stats_sign_flip(&r, none, 21) == 1 && stats_sign_flip(&r, none, 20) == 1, "no difference is no effect");
}

/* The first of 300 is 1000, the others 1: more than a twentieth of the draws are without it, so the lower end is 1, widened from the mean. */
static void few_blocks_are_widened_from_the_mean(void)
{
	const double mean = 1299.0 / 300, wider = (1 + (STATS_Z * STATS_Z + 1) / (4 * 299.0)) * sqrt(300 / 299.0);
	struct stats_random r = {5};
	double values[300];

	for (int i = 0; i < 300; i++)
		values[i] = i ? 1 : 1000;
	ok(close_to(stats_block_ratio(&r, values, NULL, 300, 1).low, mean - (mean - 1) * wider, 1e-9), "the lower end of blocks");
}

/* Figures as people read them: so many decimals as tell something. */
static void figures_are_shown(void)
{
	static const struct { double ms; const char *ms_text, *duration; } times[] = {
		{NAN, "-", "-"}, {0, "0.00", "0 ms"}, {0.999, "1.00", "1.00 ms"}, {1, "1.00", "1.00 ms"}, {9.99, "9.99", NULL}, {9.996, "10.0", NULL},
		{99.94, "99.9", NULL}, {99.96, "100", NULL}, {250, "250", "250 ms"},
	};
	static const struct { double value; const char *factor, *share; } figures[] = {
		{0, "0.00x", "0.0 %"}, {0.0994, "0.099x", "9.9 %"}, {0.0996, "0.10x", "10.0 %"}, {0.0005, "0.00050x", "0.050 %"}, {0.001, "0.0010x", "0.1 %"},
		{0.99996, "1.00x", "99.996 %"}, {0.999, "1.00x", "99.9 %"}, {1, "1.00x", "100.0 %"}, {2.5, "2.50x", "250.0 %"},
	};
	const struct metric within = {0.5, 0.25, 0.75, 9, "wilson", true, true}, exact = {1, 1, 1, 9, "exact", true, true};
	const struct metric open = {1, 1, 1, 9, "none", true, false};
	char buf[64];

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		is_str(show_ms(times[i].ms, buf), times[i].ms_text, "%g ms", times[i].ms);
		if (times[i].duration)
			is_str(show_duration(times[i].ms, buf), times[i].duration, "%g ms as a duration", times[i].ms);
	}
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		const struct metric m = metric_plain(figures[i].value, 9, "none");

		is_str(show_factor(&m, buf), figures[i].factor, "%g as a factor", m.value);
		is_str(show_share(&m, buf), figures[i].share, "%g as a share", m.value);
	}
	is_str(show_bounds(&within, true, buf), "25.0..75.0", "bounds of a share");
	is_str(show_bounds(&within, false, buf), "0.25..0.75", "and of a figure");
	is_str(show_bounds(&exact, true, buf), "exact", "what is exact");
	is_str(show_bounds(&open, true, buf), "", "without bounds");
}

int main(void)
{
	figures_are_shown();
	many_signed_ranks();
	signs_of_unlike_sizes();
	few_blocks_are_widened_from_the_mean();
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
	newcombe_is_that_of_his_table();
	exact_intervals_of_counts();
	shift_of_membranes();
	few_runs_can_not_prove_much();
	ties_are_halves();
	large_samples_agree_with_the_normal_distribution();
	nothing_has_no_shift();
	signs_of_darwins_maize();
	holm_steps_down();
	kaplan_meier_of_the_textbook();
	few_or_unfinished_times();
	many_times();
	blocks_keep_what_neighbours_share();
	signed_ranks();
	return tap_done();
}
