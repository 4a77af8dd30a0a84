/* SPDX-License-Identifier: MIT */
/*
 * The statistics behind intervals: Wilson's score interval, the bootstrap of a mean of whole numbers, the
 * distribution of a sample percentile. All intervals are 95 %. Random numbers come from a generator that the
 * caller seeds, so the same data always gives the same interval. Pure but for the generator's state.
 */
#ifndef AFTERSHOCK_ANALYZER_STATS_H
#define AFTERSHOCK_ANALYZER_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/samples.h"
#include "analyzer/tally.h"

#define STATS_RESAMPLES 2000
#define STATS_Z 1.959963984540054	/* 97.5 % point of the normal distribution */

struct stats_random {
	uint64_t state;
};

struct stats_interval {
	double low, high;
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

#endif
