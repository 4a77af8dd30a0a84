/* SPDX-License-Identifier: MIT */
/*
 * Attempts that were given up: ended by their client before their answer was complete. An attempt was given up when its client closed the
 * connection, or saw a timer of its socket run out. Of clients that nobody recorded the server's view is taken.
 *
 * Given up, but not by a timer of its own (given_up_reasons.h): with the request it was made for, because another call for the same request
 * was answered or failed, several at once as the process's last act, at its end or the run's, by a fault that forges the error, by the kernel's
 * own end of connecting.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_GIVEN_UP_H
#define AFTERSHOCK_ANALYZER_INFER_GIVEN_UP_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/measure.h"

#define GIVEN_UP_TOGETHER_NS (20 * NS_PER_MS)

enum mark { WAITED, CUT, EXPLAINED, SPOILED };	/* explained: cut for another reason; spoiled: nobody knows how long its client would have waited */

struct given_up {
	struct measure *m;
	uint32_t closed, timed_out;	/* names of errors */
	uint32_t opaque, unknown;	/* names of protocols */
	uint32_t alien_ends[6];		/* names of how connections end that the client did not */
	bool *forges, *trickles, *hides;	/* per fault; hides: what the peer does comes late or not at all, its close too; owned */
	uint64_t *last_ns;		/* per process: when it was last seen to do anything; owned */
	uint8_t *marks;			/* per exchange: enum mark; owned */
};

/* Marks all exchanges of m's run. 0 or -ENOMEM; to be freed also then. */
int given_up_find(struct given_up *g, struct measure *m);
void given_up_free(struct given_up *g);

static inline const struct model_exchange *given_up_exchange(const struct given_up *g, uint32_t i)
{
	return &g->m->r->model.exchanges[i];
}

/* NULL: not known. */
static inline const struct model_connection *given_up_connection(const struct given_up *g, const struct model_exchange *x)
{
	return x->connection == MODEL_NONE ? NULL : &g->m->r->model.connections[x->connection];
}

/* Whether only the server's side of its edge was recorded. */
static inline bool given_up_is_external(const struct given_up *g, const struct model_exchange *x)
{
	return x->edge != MODEL_NONE && g->m->graph.edges[x->edge].external;
}

static inline uint64_t given_up_apart(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns;
}

/* When an attempt began: with its connect, when one was made for it. */
uint64_t given_up_start(const struct given_up *g, uint32_t i);

#endif
