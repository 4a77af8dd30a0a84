/* SPDX-License-Identifier: MIT */
/*
 * How often each whole number occurred: attempts per logical request, statuses, errors. Cells are kept in
 * ascending order of value, so a million chains of three lengths are three cells. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_TALLY_H
#define AFTERSHOCK_ANALYZER_READ_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct tally_cell {
	uint32_t value;
	uint64_t count;		/* not 0 */
};

struct tally {
	struct tally_cell *cells;	/* owned */
	size_t used, room;
	uint64_t n;		/* sum of counts */
	uint64_t sum;		/* sum of value * count */
};

/* A zeroed struct tally is empty. */
void tally_free(struct tally *t);

/* Counts value `times` more often. 0 or -ENOMEM. */
int tally_add(struct tally *t, uint32_t value, uint64_t times);

/* The smallest value that at least this share (0..1) of what was counted does not exceed; 0 when nothing was. */
uint32_t tally_percentile(const struct tally *t, double share);

/* Makes *to a copy of from (to is overwritten, not freed). 0 or -ENOMEM. */
int tally_copy(struct tally *to, const struct tally *from);

#endif
