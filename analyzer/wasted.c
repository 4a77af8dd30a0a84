/* SPDX-License-Identifier: MIT */
/*
 * Work that a server did for nobody: time of the requests that it ended after the client had given the attempt up, over the time of all. Needs both
 * ends recorded: the exchanges of the two ends of one connection are matched in order of their start, a server's request with the last attempt that
 * had begun before it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "base/hash.h"

#define SKEW_NS (100 * NS_PER_US)	/* witnesses of two processes may note one instant that far apart */

struct end {	/* an exchange at one end of a connection */
	uint64_t wire;		/* connections with the same ends have the same */
	uint64_t started_ns;
	uint32_t exchange;
	uint8_t role;
};

struct work {	/* of the callees of an edge */
	double all_ns, wasted_ns;
	uint64_t requests;
};

static uint64_t wire_of(uint32_t client, uint32_t server)
{
	uint64_t h = hash_mix((uint64_t)client << 32 | server);

	return h ? h : 1;
}

/* 0: its ends are not known. */
static uint64_t wire(const struct model *m, const struct model_exchange *x)
{
	const struct model_connection *c = x->connection == MODEL_NONE ? NULL : &m->connections[x->connection];

	if (!c || !c->local || !c->peer || x->role == MODEL_NO_ROLE)
		return 0;
	return x->role == MODEL_CLIENT ? wire_of(c->local, c->peer) : wire_of(c->peer, c->local);
}

/* The clients' ends of wires that have a server's end too. */
static int find_wires(const struct model *m, struct map *servers)
{
	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];

		if (c->role == MODEL_SERVER && c->local && c->peer && map_put(servers, wire_of(c->peer, c->local), 1))
			return -ENOMEM;
	}
	return 0;
}

static size_t collect(const struct model *m, const struct map *servers, struct end *ends)
{
	size_t n = 0;

	for (uint32_t i = 0; i < m->exchange_count; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint64_t key = wire(m, x);

		if (!key || map_get(servers, key) == MAP_NONE || (x->role == MODEL_CLIENT && x->edge == MODEL_NONE))
			continue;
		if (ends)
			ends[n] = (struct end){key, x->started_ns + (x->role == MODEL_SERVER ? SKEW_NS : 0), i, x->role};
		n++;
	}
	return n;
}

static int by_wire(const void *a, const void *b)
{
	const struct end *x = a, *y = b;

	if (x->wire != y->wire)
		return x->wire < y->wire ? -1 : 1;
	if (x->started_ns != y->started_ns)
		return x->started_ns < y->started_ns ? -1 : 1;
	return (x->role > y->role) - (x->role < y->role);
}

static void count(struct measure *m, struct work *works, const struct model_exchange *attempt, const struct model_exchange *served)
{
	struct work *w = &works[attempt->edge];
	double took;

	if (!served->ended_ns || !measure_counts(m, m->link.logicals[attempt->logical].started_ns))
		return;
	took = (double)(served->ended_ns - served->started_ns);
	w->requests++;
	w->all_ns += took;
	if (model_failed(attempt) && attempt->ended_ns && attempt->ended_ns + SKEW_NS < served->ended_ns)
		w->wasted_ns += took;
}

static void match(struct measure *m, struct work *works, const struct end *ends, size_t n)
{
	const struct model_exchange *x = m->r->model.exchanges;
	uint32_t attempt = MODEL_NONE;

	for (size_t i = 0; i < n; i++) {
		if (i && ends[i].wire != ends[i - 1].wire)
			attempt = MODEL_NONE;
		if (ends[i].role == MODEL_CLIENT) {
			attempt = ends[i].exchange;
		} else if (attempt != MODEL_NONE) {
			count(m, works, &x[attempt], &x[ends[i].exchange]);
			attempt = MODEL_NONE;
		}
	}
}

int measure_wasted(struct measure *m)
{
	const struct model *run = &m->r->model;
	struct work *works = calloc(m->r->edge_count + 1, sizeof(*works));
	struct map servers = {0};
	struct end *ends = NULL;
	size_t n = 0;
	int err = works ? find_wires(run, &servers) : -ENOMEM;

	if (!err) {
		n = collect(run, &servers, NULL);
		ends = malloc((n + 1) * sizeof(*ends));
		err = ends ? 0 : -ENOMEM;
	}
	if (!err) {
		collect(run, &servers, ends);
		qsort(ends, n, sizeof(*ends), by_wire);
		match(m, works, ends, n);
	}
	for (size_t e = 0; e < m->r->edge_count && !err; e++)
		m->r->edges[e].wasted_work = works[e].all_ns > 0 ? metric_plain(works[e].wasted_ns / works[e].all_ns, works[e].requests, "time")
								 : metric_unknown("the server was not recorded");
	map_free(&servers);
	free(ends);
	free(works);
	return err;
}
