/* SPDX-License-Identifier: MIT */
/*
 * When requests are to begin, whatever becomes of those before: at a constant rate, or as a Poisson process (independent gaps with
 * an exponential distribution, as many users who do not know of each other make them). A moment is counted from the first, never
 * from when its predecessor really began, so the schedule does not drift.
 *
 * Pure: no clock. The same seed gives the same moments everywhere. Not thread-safe.
 */
#ifndef DEMOS_LOAD_ARRIVALS_H
#define DEMOS_LOAD_ARRIVALS_H

#include <stdint.h>

enum arrivals_kind { ARRIVALS_CONSTANT, ARRIVALS_POISSON, ARRIVALS_KINDS };

/* "constant", "poisson". */
extern const char *const arrivals_names[ARRIVALS_KINDS];

struct arrivals {
	enum arrivals_kind kind;
	double rate;			/* per second, > 0 */
	uint64_t random;		/* state of the generator */
	uint64_t count;			/* given out so far */
	double at_s;			/* poisson: the last one */
};

void arrivals_init(struct arrivals *a, enum arrivals_kind kind, double rate, uint64_t seed);

/* The next moment, in ns from the beginning; never before the one given out last. Constant: the first is at 0. */
uint64_t arrivals_next_ns(struct arrivals *a);

#endif
