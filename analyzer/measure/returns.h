/* SPDX-License-Identifier: MIT */
/*
 * Returns: attempts at a server that their request (hops.h) had left for another. A client that goes through its servers twice has them, and so
 * has one whose request failed everywhere and that asks for the same again: without ids its thread joins both, and a request that failed seems
 * one that went on. A return says the former where it comes sooner than the client's next request does: after no more than a twentieth of the
 * successes on a thread the same was asked again within twice the time, from the end of the success or from its start. Else it may be either.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_RETURNS_H
#define AFTERSHOCK_ANALYZER_MEASURE_RETURNS_H

#include "analyzer/link/hops.h"
#include "analyzer/measure.h"

/*
 * Fills `returns` of every destination: those that may be either. wholes: per logical request that is the first of those that are one
 * (h->request), what it came to; others are not read. 0 or -ENOMEM. O(n) over attempts.
 */
int returns_count(struct measure *m, const struct hops *h, const struct link_logical *wholes);

#endif
