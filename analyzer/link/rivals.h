/* SPDX-License-Identifier: MIT */
/*
 * Rivals: two attempts of one process that ask the same over two connections at the same time, at one server or at two, of which one was given up as
 * the other was answered. The one given up neither failed nor met a timeout: nobody waited for it any more.
 *
 * Where the inbound request or the id of both is known it is the same. A timer that happens to fire then is told apart by number: there are three
 * pairs of a process at least, and what was given up of an edge was mostly so; then others may come as late as where it is known. Of many in flight
 * that ask the same only neighbours are compared. One may win against several.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_RIVALS_H
#define AFTERSHOCK_ANALYZER_LINK_RIVALS_H

#include <stdbool.h>
#include "analyzer/link/graph.h"
#include "analyzer/read/model.h"
#include "base/clock.h"

#define RIVALS_APART_NS (5 * NS_PER_MS)	/* between an attempt and its hedge, at least: who asks twice at once wants two answers */

struct rival {
	uint32_t first, second;	/* exchange indices, in order of start */
};

struct rivals {
	struct rival *of;	/* owned; in order of `first` */
	size_t count, room;
};

/* Fills a zeroed struct, and `lost` of exchanges. Needs `edge`, and `parent` of what is known. To be freed also after an error. 0 or -ENOMEM. O(n). */
int rivals_build(struct rivals *r, struct model *m, const struct graph *g);
void rivals_free(struct rivals *r);

/* The second of the pair that i is the first of; MODEL_NONE: it is none. */
uint32_t rivals_second(const struct rivals *r, uint32_t i);

#endif
