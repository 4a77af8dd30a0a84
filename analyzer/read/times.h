/* SPDX-License-Identifier: MIT */
/*
 * Instants (or lengths of time, any unit) in ascending order, by the million: sorting them, and how many have passed: what began less what ended is in
 * work. Not thread-safe for one array.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_TIMES_H
#define AFTERSHOCK_ANALYZER_READ_TIMES_H

#include <stddef.h>
#include <stdint.h>

/* Puts n of them in ascending order. */
void times_sort(uint64_t *times, size_t n);

/* How many of n ascending times are at t or before. */
size_t times_upto(const uint64_t *times, size_t n, uint64_t t);

static inline uint64_t times_at(const uint64_t *first, size_t stride, size_t i)
{
	return *(const uint64_t *)((const char *)first + i * stride);
}

/*
 * How many of n ascending instants, `stride` bytes apart, are at or before t. *near: where to look first, the answer afterwards; for those that
 * ask in about the order of time it takes no longer whatever n is.
 */
static inline size_t times_near(const uint64_t *first, size_t stride, size_t n, uint64_t t, size_t *near)
{
	size_t low = *near < n ? *near : n, high = low;

	for (size_t step = 1; low > 0 && times_at(first, stride, low - 1) > t; step *= 2) {
		high = low - 1;
		low = low > step ? low - step : 0;
	}
	for (size_t step = 1; high < n && times_at(first, stride, high) <= t; step *= 2) {
		low = high + 1;
		high = n - high > step ? high + step : n;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (times_at(first, stride, middle) <= t)
			low = middle + 1;
		else
			high = middle;
	}
	return *near = low;
}

/* How many of n ascending instants, `stride` bytes apart, are before t: the index of the first that is not. first may be NULL for n = 0. */
static inline size_t times_before(const uint64_t *first, size_t stride, size_t n, uint64_t t)
{
	size_t near = n / 2;

	return n && t ? times_near(first, stride, n, t - 1, &near) : 0;
}

#endif
