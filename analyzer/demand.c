/* SPDX-License-Identifier: MIT */
/*
 * Demand of an edge: its logical requests, and the calls that a breaker or bulkhead shed. A call was shed when an
 * inbound request of the caller made none though requests for the same method and path make one in the healthy
 * baseline (at least 95 % of them, of 3 or more). Without a baseline, or where attempts can not be laid to inbound
 * requests, demand is what was tried.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

#define NORMAL_SHARE 0.95
#define NORMAL_MIN 3

struct habit {	/* what inbound requests of one method and path do in the baseline */
	uint64_t requests, calls;
};

struct habits {
	struct map rows;	/* target -> index */
	struct habit *of;	/* owned */
	uint32_t count;
};

/* Per edge: whether each of its attempts is laid to an inbound request. NULL without memory. */
static bool *find_nested(const struct measure *m)
{
	const struct model *run = &m->r->model;
	bool *nested = calloc(m->graph.count + 1, sizeof(*nested));

	for (size_t e = 0; nested && e < m->graph.count; e++)
		nested[e] = !m->graph.edges[e].external;
	for (size_t i = 0; nested && i < run->exchange_count; i++)
		if (run->exchanges[i].edge != MODEL_NONE && run->exchanges[i].parent == MODEL_NONE)
			nested[run->exchanges[i].edge] = false;
	return nested;
}

static void mark_callers(const struct measure *m, uint32_t edge, bool *called)
{
	const struct model *run = &m->r->model;

	memset(called, 0, run->exchange_count * sizeof(*called));
	for (size_t i = 0; i < run->exchange_count; i++)
		if (run->exchanges[i].edge == edge)
			called[run->exchanges[i].parent] = true;
}

static bool asks_caller(const struct measure *m, const struct model_exchange *x, uint32_t edge)
{
	return x->role == MODEL_SERVER && x->process != MODEL_NONE && measure_counts(m, x->started_ns) &&
	       m->r->model.processes[x->process].service == m->graph.edges[edge].client;
}

static struct habit *habit(struct habits *h, uint64_t target)
{
	uint32_t at = map_get(&h->rows, target);
	struct habit *of;

	if (at != MAP_NONE)
		return &h->of[at];
	of = realloc(h->of, (h->count + 1) * sizeof(*of));
	if (!of)
		return NULL;
	h->of = of;
	of[h->count] = (struct habit){0};
	return map_put(&h->rows, target, h->count) ? NULL : &of[h->count++];
}

static int learn(const struct measure *m, uint32_t edge, const bool *called, struct habits *h)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		struct habit *of;

		if (!asks_caller(m, x, edge) || timeline_at(&m->r->timeline, x->started_ns) != TIMELINE_BASELINE)
			continue;
		of = habit(h, x->target);
		if (!of)
			return -ENOMEM;
		of->requests++;
		of->calls += called[i];
	}
	return 0;
}

static uint64_t count_shed(const struct measure *m, uint32_t edge, const bool *called, const struct habits *h)
{
	const struct model *run = &m->r->model;
	uint64_t shed = 0;

	for (size_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint32_t at = asks_caller(m, x, edge) && !called[i] ? map_get(&h->rows, x->target) : MAP_NONE;

		if (at != MAP_NONE && timeline_at(&m->r->timeline, x->started_ns) != TIMELINE_BASELINE)
			shed += h->of[at].requests >= NORMAL_MIN &&
				(double)h->of[at].calls >= NORMAL_SHARE * (double)h->of[at].requests;
	}
	return shed;
}

/* The calls of a nested edge that were shed; whether that can be told at all in *told. */
static int find_shed(const struct measure *m, uint32_t edge, bool *called, uint64_t *shed, bool *told)
{
	struct habits h = {0};
	int err;

	mark_callers(m, edge, called);
	err = learn(m, edge, called, &h);
	*told = h.count > 0;
	*shed = err ? 0 : count_shed(m, edge, called, &h);
	map_free(&h.rows);
	free(h.of);
	return err;
}

static void settle(struct result_edge *e, uint64_t shed, bool told)
{
	e->demand = e->whole.logical + shed;
	e->amplification_demand = e->whole.amplification;
	if (!e->whole.linked)
		return;
	if (shed)
		e->amplification_demand =
			metric_plain((double)e->whole.attempts / (double)e->demand, e->demand, "counts, shed calls inferred");
	else if (!told)
		e->amplification_demand.method = "no baseline of inbound requests: demand is what was tried";
}

int measure_demand(struct measure *m)
{
	bool *called = calloc(m->r->model.exchange_count + 1, sizeof(*called)), *nested = find_nested(m);
	int err = called && nested ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->r->edge_count && !err; i++) {
		uint64_t shed = 0;
		bool told = false;

		if (nested[i])
			err = find_shed(m, i, called, &shed, &told);
		settle(&m->r->edges[i], shed, told);
	}
	free(called);
	free(nested);
	return err;
}
