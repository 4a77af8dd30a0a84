/* SPDX-License-Identifier: MIT */
/*
 * The statistics behind intervals and comparisons. All intervals are 95 % and two-sided, all p-values two-sided. Random numbers come
 * from a generator that the caller seeds, so the same data always gives the same interval. Pure but for the generator's state, and but
 * for what is said to be sorted in place; what too few data can not tell is unknown, or NAN.
 * Values are finite. Samples are sorted where they are const.
 *
 * Shares and counts: stats_counts.c. Two samples, paired differences, several p-values: stats_ranks.c. Censored times: stats_survival.c.
 */
#ifndef AFTERSHOCK_ANALYZER_STATS_STATS_H
#define AFTERSHOCK_ANALYZER_STATS_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/read/samples.h"
#include "analyzer/read/tally.h"

#define STATS_RESAMPLES 2000
#define STATS_Z 1.959963984540054	/* 97.5 % point of the normal distribution */

struct stats_random {
	uint64_t state;
};

struct stats_interval {
	double low, high;	/* -INFINITY, INFINITY: no limit on that side */
	bool known;		/* false: too few data for an interval; low and high are 0 */
};

/* Uniform in [0, 1). */
double stats_uniform(struct stats_random *r);

/* Standard normal. */
double stats_normal(struct stats_random *r);

/* How many of n independent trials of probability p succeed. By inversion; normal where n p (1-p) is above 200. */
uint64_t stats_binomial(struct stats_random *r, uint64_t n, double p);

/* Gamma of this shape (at least 0.5) and scale 1 (Marsaglia, Tsang: TOMS 2000). */
double stats_gamma(struct stats_random *r, double shape);

/* A share that k of n successes speak for: Beta(k + 1/2, n - k + 1/2), Jeffreys' posterior, which no count makes certain. */
double stats_share(struct stats_random *r, uint64_t k, uint64_t n);

/* Wilson's score interval of k successes in n trials (Wilson 1927); unknown for n = 0. */
struct stats_interval stats_wilson(uint64_t k, uint64_t n);

/* The mean of one resample, with replacement, of what t counted. t->n must not be 0. */
double stats_resample_mean(struct stats_random *r, const struct tally *t);

/*
 * One draw of where the true percentile lies in s (sorted, not empty): how many measurements are below it is
 * binomial(n, share), so the middle 95 % of draws is the distribution-free interval between order statistics.
 */
double stats_resample_percentile(struct stats_random *r, const struct samples *s, double share);

/* Smallest sample for which the 95 % interval of a percentile is finite on both sides: 6, 72 and 368 for p50, p95, p99. */
uint64_t stats_percentile_needs(double share);

/* The middle 95 % of n draws, which are sorted in place. */
struct stats_interval stats_middle(double *draws, unsigned n);

/*
 * sum of over / sum of under (NULL: their number, so a mean), of a series whose neighbours depend on one another (a value a second): the
 * moving-block bootstrap (Kuensch, Ann. Stat. 1989) with blocks of that many values. Widened for few blocks, unknown for fewer than three. Draws in which
 * `under` is 0 do not count.
 */
struct stats_interval stats_block_ratio(struct stats_random *r, const double *over, const double *under, size_t n, size_t block);

/* Twice the lag at which the series' autocorrelation is first not above 0, at least `least`, at most a third of it (at least 1). */
size_t stats_block_length(const double *values, size_t n, size_t least);

/* ---- shares and counts ---- */

/* Exact interval of k successes in n trials (Clopper, Pearson 1934); unknown for n = 0. */
struct stats_interval stats_clopper_pearson(uint64_t k, uint64_t n);

/* k1/n1 - k2/n2 by squared and added Wilson intervals (Newcombe, Stat. Med. 1998, method 10); unknown when either n is 0. */
struct stats_interval stats_newcombe(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2);

/* Exact interval of the mean of which k events were counted (Garwood 1936). */
struct stats_interval stats_poisson(uint64_t k);

/*
 * (k1/t1) / (k2/t2) of events counted in the times t1 and t2 (above 0): given their sum, k1 is binomial (Przyborowski, Wilenski 1940).
 * high is INFINITY for k2 = 0; unknown without any event.
 */
struct stats_interval stats_rate_ratio(uint64_t k1, double t1, uint64_t k2, double t2);

/* ---- two samples ---- */

struct stats_shift {	/* x - y */
	double value;	/* Hodges and Lehmann's estimate: the median of all differences; NAN without any */
	struct stats_interval interval;	/* Moses' from the Mann-Whitney distribution; unknown below 4 against 4 or the like */
	double p;	/* Mann-Whitney: exact without ties up to n m = 400, else normal with corrections for ties and continuity; NAN without data */
};

struct stats_shift stats_shift(const struct samples *x, const struct samples *y);

/* Chance that a value of x is above one of y, ties half (Vargha, Delaney 2000): .5 alike; .56, .64, .71 small, medium, large. NAN without data. */
double stats_a12(const struct samples *x, const struct samples *y);

/*
 * The same of n paired differences, by signed ranks: the interval is unknown below 6, as no arrangement of 5 signs is rare enough. Exact up to 60
 * (ties count half), then normal. Quadratic: for runs, not for requests.
 */
struct stats_shift stats_paired(const double *differences, size_t n);

/*
 * Chance that paired differences without any effect (each as likely the other way round) are this far from 0 in their mean: all ways of
 * signs up to n = 20, else 20000 random ones. NAN for n = 0.
 */
double stats_sign_flip(struct stats_random *r, const double *differences, size_t n);

/* Makes n p-values those that hold together (Holm 1979), each in its place. 0 or -ENOMEM. */
int stats_holm(double *p, size_t n);

/* ---- times some of which are only known to be longer (recoveries that the run did not see) ---- */

struct stats_time {
	double time;
	bool censored;	/* at least `time` */
};

struct stats_survival {		/* of the median (Kaplan, Meier 1958) */
	double median;		/* NAN: not reached, or no time at all */
	struct stats_interval interval;	/* Brookmeyer and Crowley's, log-log; unknown for fewer than 6 times; high INFINITY: not reached */
	size_t n, events;	/* events: not censored */
};

/* Sorts them in place. */
struct stats_survival stats_kaplan_meier(struct stats_time *times, size_t n);

/* Its median alone, which takes a fraction of the time. Sorts them in place. */
double stats_survival_median(struct stats_time *times, size_t n);

/* Share of times above t, of sorted ones; *se (NULL: not wanted) its standard error (Greenwood 1926). 1 for n = 0. */
double stats_survival_at(const struct stats_time *times, size_t n, double t, double *se);

#endif
