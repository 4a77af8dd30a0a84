/* SPDX-License-Identifier: MIT */
/* One figure of a report, with what is known of its exactness. */
#ifndef AFTERSHOCK_ANALYZER_STATS_METRIC_H
#define AFTERSHOCK_ANALYZER_STATS_METRIC_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/read/tally.h"

/* The method of an interval from one reading of the data to another where the data can not tell which is right. */
#define METRIC_READINGS "readings"

/* Without `known` the data can not tell its value; without `bounded`, how exact it is. */
struct metric {
	double value, low, high;
	uint64_t n;
	const char *method;	/* static text; never NULL once it is filled */
	bool known, bounded;
};

/* A metric that the data can not tell; one without interval; one from an exact count. */
struct metric metric_unknown(const char *method);
struct metric metric_plain(double value, uint64_t n, const char *method);
struct metric metric_exact(double value, uint64_t n);

/* k of n with Wilson's interval; unknown for n = 0. */
struct metric metric_share(uint64_t k, uint64_t n);

/*
 * The mean of what t counted (attempts per request): exact when all are equal, else with the 95 % bootstrap interval
 * over requests (percentiles of a ratio are the same on a log scale); without interval below 5. seed: see stats.h.
 */
struct metric metric_mean(const struct tally *t, uint64_t seed);

#endif
