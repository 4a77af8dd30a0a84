/* SPDX-License-Identifier: MIT */
/*
 * A growing set of measurements (ms), and exact order statistics of it. Not thread-safe.
 * Percentiles are nearest-rank: the smallest measurement that at least that share does not exceed.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_SAMPLES_H
#define AFTERSHOCK_ANALYZER_READ_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

struct samples {
	double *values;		/* owned */
	size_t n, room;
	bool sorted;
};

/* A zeroed struct samples is empty. */
void samples_free(struct samples *s);

/* 0 or -ENOMEM. */
int samples_add(struct samples *s, double value);

/* Makes *to a copy of from (to is overwritten, not freed). 0 or -ENOMEM. */
int samples_copy(struct samples *to, const struct samples *from);

/* Ascending; does nothing when they are already. */
void samples_sort(struct samples *s);

/* share in 0..1 of sorted samples; NAN when there are none. */
double samples_percentile(const struct samples *s, double share);

/* NAN when there are none. */
double samples_mean(const struct samples *s);

#endif
