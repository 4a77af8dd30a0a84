/* SPDX-License-Identifier: MIT */
/*
 * Work that a server did for nobody: time of the requests that it ended after the client had given the attempt up, over the time of all. Needs both
 * ends recorded: the exchanges of the two ends of one connection are matched in order of their start, a server's request with the last attempt that
 * had begun before it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

#define SKEW_NS (100 * NS_PER_US)	/* witnesses of two processes may note one instant that far apart */

struct wire {	/* a connection that was seen at both ends: the exchange at each that has no match yet, MODEL_NONE none */
	uint32_t attempt, served;
};

struct work {	/* of the callees of an edge */
	double all_ns, wasted_ns;
	uint64_t requests;
};

static uint64_t ends_of(uint32_t client, uint32_t server)
{
	return (uint64_t)client << 32 | server;
}

/* Numbers the connections that have a server's end; connections with the same ends, one after the other, are one. */
static int find_wires(const struct model *m, struct map *wires, uint32_t *count)
{
	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];
		uint64_t ends = ends_of(c->peer, c->local);

		if (c->role != MODEL_SERVER || !c->local || !c->peer || map_get(wires, ends) != MAP_NONE)
			continue;
		if (map_put(wires, ends, (*count)++))
			return -ENOMEM;
	}
	return 0;
}

/* The wire of each connection; MAP_NONE: it was not seen at its server. */
static void place(const struct model *m, const struct map *wires, uint32_t *wire_of)
{
	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];

		wire_of[i] = MAP_NONE;
		if (c->local && c->peer && c->role != MODEL_NO_ROLE)
			wire_of[i] = map_get(wires, c->role == MODEL_CLIENT ? ends_of(c->local, c->peer) : ends_of(c->peer, c->local));
	}
}

static void count(struct measure *m, struct work *works, const struct model_exchange *attempt, struct model_exchange *served)
{
	struct work *w = &works[attempt->edge];
	double took;

	served->unwanted = model_failed(attempt) && attempt->ended_ns && (!served->ended_ns || attempt->ended_ns + SKEW_NS < served->ended_ns);
	if (!served->ended_ns || !measure_counts(m, m->link.logicals[attempt->logical].started_ns))
		return;
	took = (double)(served->ended_ns - served->started_ns);
	w->requests++;
	w->all_ns += took;
	w->wasted_ns += served->unwanted ? took : 0;
}

/* A server may be seen to begin a little before its client. */
static void match(struct measure *m, struct work *works, struct wire *w, uint32_t i)
{
	struct model_exchange *all = m->r->model.exchanges, *x = &all[i];

	if (x->role == MODEL_SERVER && w->attempt != MODEL_NONE) {
		count(m, works, &all[w->attempt], x);
		w->attempt = MODEL_NONE;
	} else if (x->role == MODEL_SERVER) {
		w->served = i;
	} else if (w->served != MODEL_NONE && x->started_ns - all[w->served].started_ns <= SKEW_NS) {
		count(m, works, x, &all[w->served]);
		w->served = MODEL_NONE;
	} else {
		w->attempt = i;
		w->served = MODEL_NONE;
	}
}

static void match_all(struct measure *m, struct work *works, struct wire *wires, const uint32_t *wire_of)
{
	const struct model *run = &m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint32_t wire = x->connection == MODEL_NONE ? MAP_NONE : wire_of[x->connection];

		if (wire != MAP_NONE && (x->role == MODEL_SERVER || (x->role == MODEL_CLIENT && x->edge != MODEL_NONE)))
			match(m, works, &wires[wire], i);
	}
}

int measure_wasted(struct measure *m)
{
	const struct model *run = &m->r->model;
	struct work *works = calloc(m->r->edge_count + 1, sizeof(*works));
	uint32_t *wire_of = spill_realloc(NULL, (run->connection_count + 1) * sizeof(*wire_of)), n = 0;
	struct wire *wires = NULL;
	struct map numbers = {0};
	int err = works && wire_of ? find_wires(run, &numbers, &n) : -ENOMEM;

	if (!err) {
		wires = spill_realloc(NULL, (n + 1) * sizeof(*wires));
		err = wires ? 0 : -ENOMEM;
	}
	if (!err) {
		memset(wires, 0xff, (n + 1) * sizeof(*wires));	/* MODEL_NONE */
		place(run, &numbers, wire_of);
		match_all(m, works, wires, wire_of);
	}
	for (size_t e = 0; e < m->r->edge_count && !err; e++)
		m->r->edges[e].wasted_work = works[e].all_ns > 0 ? metric_plain(works[e].wasted_ns / works[e].all_ns, works[e].requests, "time")
								 : metric_unknown("the server was not recorded");
	map_free(&numbers);
	spill_free(wires);
	spill_free(wire_of);
	free(works);
	return err;
}
