/* SPDX-License-Identifier: MIT */
/*
 * How many calls of one process to one server are in work at once when it lets no more in: the level at which requests are turned down or made to
 * wait. Pure. Times are ns of the run's clock.
 *
 * A request waited when it called later than requests do that come while few calls are in work (twice their median, at least 1 ms); who was turned
 * down is told (demand.h). One level for 95 % of at least 20 of them that waited, or 5 that were turned down (a place is taken before its call starts
 * and given back after it ended: as long as its request is there), and never more calls in work than that, is a limit; where requests wait, the level
 * must also hold for 90 % of the time in which they do, or 85 % where it is more than one (a call that ends makes room for the next). A level that
 * moves by steps of one is an adaptive limit; where requests wait, most of them must begin in turn, as another call ends and not as one more: who waits
 * for a processor begins at any time.
 *
 * A client that limits itself (ten threads, each with one call) turns nobody down and lets nobody wait: it has no such level.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_PLATEAU_H
#define AFTERSHOCK_ANALYZER_INFER_PLATEAU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plateau_call {		/* in order of start */
	uint64_t start_ns, end_ns;	/* end 0: not known */
};

struct plateau_demand {		/* in order of arrival */
	uint64_t at_ns, end_ns, call_ns;	/* end 0: never answered; call 0: none */
	bool turned_down;	/* it should have called, did not, and had no other's call to wait for (demand.h) */
};

struct plateau {
	bool known, waits, moving;
	unsigned width, low, high;	/* moving: the latest, the 5th and the 95th percentile; else all the same */
	uint64_t turned_down, waited;
	uint64_t usual_ns;	/* a request whose call comes later than this waited */
	double offered;		/* the most calls in work and waiting at once over the width: 1 and below says nothing */
	double little;		/* calls in work on the average from the first to the last of those requests */
};

/*
 * can_wait: call_ns is the request's own call, not just some call of its time. 0 or -ENOMEM. O(n log n).
 */
int plateau_find(struct plateau *p, const struct plateau_call *calls, size_t n, const struct plateau_demand *demands, size_t demand_count,
		 bool can_wait);

#endif
