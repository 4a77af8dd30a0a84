/* SPDX-License-Identifier: MIT */
/*
 * Who calls whom: the edges between services, and which edge each attempt belongs to.
 *
 * An attempt is a client-role exchange; its edge goes from its process's service to the service that was recorded
 * listening at the peer's address, else to that address itself. Requests that arrive at a recorded server from a
 * client that was not recorded make an edge from "external". Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_GRAPH_H
#define AFTERSHOCK_ANALYZER_LINK_GRAPH_H

#include <stdbool.h>
#include "analyzer/read/model.h"

#define GRAPH_EXTERNAL "external"

struct graph_edge {
	uint32_t client, server;	/* names */
	bool external;			/* its attempts are the server's inbound exchanges */
	uint64_t attempts;
};

struct graph {
	struct graph_edge *edges;	/* owned */
	size_t count, room;
	bool *called, *calls;		/* by name: it is the server, the client of an edge to another; owned */
	size_t name_count;
};

/* Fills a zeroed graph and every exchange's `edge`. 0 or -ENOMEM. */
int graph_build(struct graph *g, struct model *m);
void graph_free(struct graph *g);

/* Its last step: brings the edges into the order in which a reader follows them, from who is called by nobody inwards, a caller's busiest
 * edge first and behind it those of its server. 0 or -ENOMEM. */
int graph_order(struct graph *g, struct model *m);

/* Whether nobody recorded calls this service (or it is "external"): what users see begins there. */
static inline bool graph_is_root(const struct graph *g, uint32_t service)
{
	return !g->called[service];
}

/* Whether this service calls nobody. */
static inline bool graph_is_leaf(const struct graph *g, uint32_t service)
{
	return !g->calls[service];
}

/* Sets lit[name] of every service that can be reached from `from` over edges; lit holds g->name_count falses. */
void graph_reach(const struct graph *g, uint32_t from, bool *lit);

#endif
