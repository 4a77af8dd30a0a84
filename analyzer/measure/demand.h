/* SPDX-License-Identifier: MIT */
/*
 * What was asked of an edge's client, request by request: whether it called the edge for it, and whether such requests normally do. Not thread-safe.
 *
 * A request asked when an attempt of the edge is laid to it (parent); where not every attempt is, when an attempt of its process started while it
 * was in work. Requests of its method and path normally ask when at least 95 % of 3 or more did while the edge was well: its ten latest answers were
 * successes (where that never was: the latest) and less than half of the most calls that were ever in work were, or may have been. Kinds of
 * less than 3 in all (paths with a number of their own in them) count as one.
 *
 * One that did not ask, and for which a call at another server failed, or that did not come so far (forerunners.h), says nothing of this edge.
 *
 * A request that should have asked and did not was turned down when it was answered within half of the median time of its process's requests that asked
 * (at least 2 ms): one whose answer took longer may have had a call that is laid to another, and waited for that. Where each thread of the process has
 * one request in work at a time no call is laid to another: then it was turned down however late.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_DEMAND_H
#define AFTERSHOCK_ANALYZER_MEASURE_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct measure;

struct demand {
	uint64_t at_ns, end_ns;	/* of the inbound request; end 0: never answered */
	uint64_t call_ns;	/* its first attempt; 0: it did not ask */
	uint32_t row, process;	/* indices of the model */
	bool well, hardly;	/* the edge was well; its latest answer at least was a success */
	bool elsewhere;		/* it did not ask, and a call that it made at another server failed, or was spared: that is why, or may be */
	bool expected;		/* requests like it normally ask */
	bool at_once;		/* answered too soon for a call */
};

struct demand_book {		/* inbound requests by process; a zeroed one is filled when an edge needs it, and serves the next ones */
	uint32_t *rows;		/* owned; of a process in order of start, processes behind one another */
	size_t *begins;		/* owned; of process i: begins[i] to begins[i + 1] */
	uint64_t *called;	/* owned; per exchange, zero between two edges */
};

struct demands {		/* of one edge */
	struct demand *of;	/* owned; by process, then in order of start */
	size_t n;
	bool nested;		/* every attempt is laid to a request */
	bool told;		/* some of it was well before any fault */
	bool kept;		/* of is the shelf's */
	uint64_t normal, normal_asked;	/* requests of kinds that normally ask, seen while the edge was well; those that did */
};

struct demand_shelf {		/* what measure_demand() found, for the steps behind it, which only read it: of some edges or all */
	struct demands *of;	/* owned; per edge */
	size_t rows;
};

void demand_close(struct demand_book *b);

/* Empties m's shelf. */
void demand_clear(struct measure *m);

/* Fills *d; n is 0 where nothing was asked of the client. 0 or -ENOMEM. A book serves one thread. */
int demand_of(struct demands *d, struct demand_book *b, const struct measure *m, uint32_t edge);
void demand_free(struct demands *d);

/* Whether it should have asked and did not. */
static inline bool demand_shed(const struct demand *d)
{
	return d->expected && !d->call_ns;
}

static inline bool demand_turned_down(const struct demand *d)
{
	return demand_shed(d) && d->at_once;
}

#endif
