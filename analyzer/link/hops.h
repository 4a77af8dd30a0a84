/* SPDX-License-Identifier: MIT */
/*
 * Hops: a request that failed at one server and was tried again at another (nginx's next upstream, HAProxy's redispatch, a client with a list of
 * addresses). Logical requests (link.h) are of one edge; a hop goes from an attempt that failed to the next of the same client that asks the
 * same of another server, and makes both logical requests one. Both attempts are for one intent when they
 *
 *   have the same idempotency key, or were made for the same inbound request, or have the same correlation id, or else
 *   ran one after another on the same thread of a process that serves nobody, where threads say who calls (crowd.h)
 *
 * A client that asks several servers anyway (scatter, health checks, a round of shards) does so after successes too: the placebo. Hops from an
 * edge stand when at most a twentieth of its successes are followed so: those within 20 ms and those that waited longer are judged each by
 * itself; those from a connect that failed, by whatever another server is asked after a success. An edge without any success is judged
 * by all of its client's, of which there must be 10. Where there are not, hops by ids and inbound requests stand, and those by threads where both
 * servers are addresses of one resolved name.
 *
 * Where they do not stand, a client that goes from server to server whatever they answer asks the first again in between, too: what links only time
 * made there (link.h) may be its next request as well as a retry.
 *
 * Edges with hops between them are one destination, and so are those that a client chooses between (balance.h). A connect that failed names no request:
 * it joins what the same intent tries next.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_HOPS_H
#define AFTERSHOCK_ANALYZER_LINK_HOPS_H

#include "analyzer/link/chains.h"
#include "analyzer/link/link.h"

#define HOPS_AT_ONCE_NS (20 * NS_PER_MS)	/* behind a failure another server is asked at once */

struct hops {
	uint32_t *request;		/* per logical request: the first of those that are one with it; owned */
	uint32_t *destination;		/* per edge: the smallest edge of its destination; its own: it is one by itself; owned */
	uint32_t *name;			/* per edge: the resolved name that its server is an address of; 0 none; owned */
	uint64_t (*tiers)[LINK_TIERS];	/* per edge: hops to it by what joins them; owned */
	uint64_t *astray;		/* per edge: links by time between whose attempts another server was asked the same, by no hop that stands; owned */
	uint64_t count;			/* of hops */
};

/* Fills a zeroed struct; to be freed also after an error. Needs chains->by_parent. 0 or -ENOMEM. O(n) over attempts. */
int hops_build(struct hops *h, const struct link *l, const struct model *m, const struct graph *g, const struct chains *chains);
void hops_free(struct hops *h);

/* Takes back what time alone joined, on edges that are of no destination, where most of those links are astray: they are aggregate then. 0 or -ENOMEM. */
int hops_doubt(const struct hops *h, struct link *l, const struct graph *g);

#endif
