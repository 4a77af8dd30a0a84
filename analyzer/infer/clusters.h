/* SPDX-License-Identifier: MIT */
/*
 * Values of which many are nearly equal: one setting explains them (a timeout, the delay of a hedge), though others lie
 * between and beside. A window is as wide as timers and schedulers are inexact: 2 % of its value, at least 10; of fewer than 10 values,
 * some of which are a program's first, 10 %, at least 20. Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_CLUSTERS_H
#define AFTERSHOCK_ANALYZER_INFER_CLUSTERS_H

#include <stdbool.h>
#include <stddef.h>

#define CLUSTERS_MIN 5	/* members that make a cluster by themselves; fewer, when they are half of all */
#define CLUSTERS_MAX 8

struct cluster {
	size_t first, n;	/* sorted[first] to sorted[first + n] exclusive */
	size_t tail;		/* values that follow closely: late timers; not in n */
};

/*
 * The clusters of n values (ascending, none below 0), most members first; at most `room` (up to CLUSTERS_MAX). A cluster has five times
 * and five more than what its surroundings would put there by chance. How many were found.
 */
unsigned clusters_find(const double *sorted, size_t n, struct cluster *found, unsigned room);

/* Whether two values are the same but for the inexactness of timers: within 1 %, or 5. */
bool clusters_same(double a, double b);

#endif
