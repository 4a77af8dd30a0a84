/* SPDX-License-Identifier: MIT */
/*
 * From attempts to logical requests: which attempts serve one intent of the caller. Four tiers, best first:
 *
 *   id         the same idempotency key (always one request), or the same correlation id and the one before failed
 *   nesting    caused by the same inbound request, same method, path and fingerprint, and the one before failed
 *   temporal   the same process and thread, same method, path and fingerprint, and the one before failed at most
 *              60 s (plus its Retry-After) earlier; never across two inbound requests, never across two ids
 *   aggregate  only counts: the client was not recorded and its requests carry no ids
 *
 * Attempts that were surely made for different inbound requests are never one request, whatever ids they share: their repetition is somebody's further out.
 * A second attempt at the same server that is made while the first is on its way (rivals.h), 5 ms later at least, is of its request: a hedge.
 * A failed attempt has at most one successor: of those it may have, the one whose start follows closest; an attempt
 * has at most one predecessor. Threads do not count where they are not known, where one flow of calls moves between
 * them (model_hops), or where an inbound request spans both attempts. A success is never followed by a retry, so
 * healthy polling is never joined; nor is one when another server has answered the same since, on the same thread (hops.h).
 * An attempt that ended before its request's head was known (a refused connect) joins whatever the same caller tries next.
 *
 * What only time joins is then cut where another request of many in flight at once explains it as well (crowd.h), and where the client's own rhythm
 * says that it is its next request (rhythm.h). Where nothing can tell the two apart, none is joined, and the edge's tier is aggregate: unless
 * such links are fewer than those that stand, or than a hundredth of the attempts of a crowd's edge.
 *
 * Answers that send a request elsewhere or ask for credentials (3xx, 401, 407) are answers, what follows them is no retry.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_LINK_H
#define AFTERSHOCK_ANALYZER_LINK_LINK_H

#include "analyzer/link/crowd.h"
#include "analyzer/link/graph.h"
#include "analyzer/link/rhythm.h"
#include "analyzer/link/rivals.h"
#include "analyzer/read/model.h"

enum link_tier { LINK_ID, LINK_NESTING, LINK_TEMPORAL, LINK_AGGREGATE, LINK_TIERS };

struct link_logical {
	uint64_t started_ns;	/* of its first attempt */
	uint64_t ended_ns;	/* of `last`; 0: still open */
	uint32_t first, last;	/* exchange indices; last: of those that were not lost, if any */
	uint32_t edge;
	uint32_t attempts;	/* at least 1 */
	uint32_t delivered;	/* attempts whose request reached the peer */
	uint32_t lost;		/* attempts that were given up as another was answered (rivals.h): neither failures nor retried */
	uint8_t tier;		/* enum link_tier: the weakest that joined its attempts; of a single one, the best that could */
	bool ok;		/* its last attempt, or with an idempotency key any, succeeded */
	bool partial;		/* it went on at another server (hops.h): not a request of users by itself; filled by destinations.c */
};

struct link {
	struct link_logical *logicals;	/* owned; in order of start */
	size_t count;
	uint8_t *tiers;		/* per edge: enum link_tier that most of its requests rest on; owned */
	uint64_t *polls;	/* per edge: attempts that follow a failure at the client's own pace: no retries; owned */
	struct rhythm_blind *blind;	/* per edge: waits that are not seen therefore; owned */
	uint64_t *reconnects;	/* per edge: first tries on connections that the server was closing: no attempts (reconnects.h); owned */
	struct rivals rivals;
	bool *undecided;	/* per edge: whether most of those may as well be retries; owned */
	struct crowd *crowds;	/* per edge: owned */
	bool *crowded;		/* per edge: whether its tier is aggregate because of them; owned */
};

/* Fills a zeroed link, every attempt's `logical` and, where it is certain, `parent`. 0 or -ENOMEM. */
int link_build(struct link *l, struct model *m, const struct graph *g);
void link_free(struct link *l);

/* Adds its next attempt, exchange i, to a request of which nothing but its beginning, its edge and its tier were known at first. */
void link_extend(struct link_logical *q, const struct model *m, uint32_t i);

/* Fills the tier that each edge rests on: of its joined requests, or when none was joined of all, the most frequent. 0 or -ENOMEM. */
int link_choose_tiers(struct link *l, const struct graph *g);

/* Attempts after the first, without hedges. */
static inline uint32_t link_retries(const struct link_logical *q)
{
	return q->attempts > q->lost + 1 ? q->attempts - q->lost - 1 : 0;
}

static inline bool link_failed_first(const struct link_logical *q, const struct model *m)
{
	return model_failed(&m->exchanges[q->first]) && !m->exchanges[q->first].lost;
}

/* "id", "nesting", "temporal", "aggregate". */
const char *link_tier_name(enum link_tier tier);

#endif
