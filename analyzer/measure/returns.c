/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/returns.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/map.h"
#include "base/hash.h"

#define PLACEBO_MAX 0.05
#define BINS 65		/* powers of two of nanoseconds, and 0 */

enum { FROM_END, FROM_START, CLOCKS };	/* a client may wait between its requests, or begin one every so often */

struct pace {		/* of a destination: how soon the same is asked again after a success */
	uint64_t successes, after[CLOCKS][BINS];
};

struct walk {
	struct measure *m;
	const struct hops *h;
	const struct link_logical *wholes;
	struct pace *paces;	/* owned; per destination */
	struct map asked;	/* thread and request: the latest attempt */
	struct map visits;	/* whole request and edge, or what is below: the latest attempt */
};

/* In place of an edge, of which there are fewer. */
enum { LATEST = MODEL_NONE, ROUND = MODEL_NONE - 1 };	/* attempt of the whole request; the first since it returned */

static int bin(uint64_t ns)
{
	return ns ? 64 - __builtin_clzll(ns) : 0;
}

/* Its destination, where only its thread says which request it is for; else MODEL_NONE. */
static uint32_t unnamed(const struct walk *w, const struct model_exchange *x)
{
	if (x->logical == MODEL_NONE || x->edge == MODEL_NONE || x->idempotency_key || x->parent != MODEL_NONE || x->correlation)
		return MODEL_NONE;
	return w->m->r->edges[x->edge].destination;
}

static int look_at_pace(struct walk *w, uint32_t i)
{
	const struct model_exchange *all = w->m->r->model.exchanges, *x = &all[i], *y;
	uint32_t d = unnamed(w, x), before;
	uint64_t who;

	if (d == MODEL_NONE)
		return 0;
	who = hash_pair(hash_pair(hash_pair(x->process, x->tid), x->target), x->fingerprint);
	before = map_get(&w->asked, who);
	y = before == MAP_NONE ? NULL : &all[before];
	w->paces[d].successes += !model_failed(x);
	if (y && !model_failed(y) && y->ended_ns && y->ended_ns <= x->started_ns) {
		w->paces[d].after[FROM_END][bin(x->started_ns - y->ended_ns)]++;
		w->paces[d].after[FROM_START][bin(x->started_ns - y->started_ns)]++;
	}
	return map_put(&w->asked, who, i);
}

static bool usual(const struct pace *p, int clock, uint64_t ns)
{
	uint64_t sooner = 0;

	for (int b = 0; b <= bin(ns) + 1 && b < BINS; b++)
		sooner += p->after[clock][b];
	return (double)sooner > PLACEBO_MAX * (double)p->successes;
}

/* Whether the client's next request may come then. Attempts that overlap are of one. */
static bool may_be_next(const struct pace *p, const struct model_exchange *round, const struct model_exchange *last, const struct model_exchange *x)
{
	if (!last->ended_ns || last->ended_ns > x->started_ns)
		return false;
	return !p->successes || usual(p, FROM_END, x->started_ns - last->ended_ns) || usual(p, FROM_START, x->started_ns - round->started_ns);
}

static int look_at_visit(struct walk *w, uint32_t i)
{
	const struct model_exchange *all = w->m->r->model.exchanges, *x = &all[i];
	uint32_t d = unnamed(w, x), q = d == MODEL_NONE ? MODEL_NONE : w->h->request[x->logical], last, round, here;

	if (d == MODEL_NONE || w->wholes[q].attempts == w->m->link.logicals[q].attempts || !measure_counts(w->m, w->wholes[q].started_ns))
		return 0;
	last = map_get(&w->visits, hash_pair(q, LATEST));
	round = map_get(&w->visits, hash_pair(q, ROUND));
	here = map_get(&w->visits, hash_pair(q, x->edge));
	if (last == MAP_NONE || round == MAP_NONE) {
		round = i;
	} else if (all[last].edge != x->edge && here != MAP_NONE && here >= round) {
		w->m->r->destinations[d].returns += may_be_next(&w->paces[d], &all[round], &all[last], x);
		round = i;
	}
	return map_put(&w->visits, hash_pair(q, LATEST), i) || map_put(&w->visits, hash_pair(q, ROUND), round) ||
			       map_put(&w->visits, hash_pair(q, x->edge), i) ?
		       -ENOMEM : 0;
}

int returns_count(struct measure *m, const struct hops *h, const struct link_logical *wholes)
{
	struct walk w = {.m = m, .h = h, .wholes = wholes, .paces = calloc(m->r->destination_count + 1, sizeof(*w.paces))};
	int err = w.paces ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->r->model.exchange_count && !err; i++)
		err = look_at_pace(&w, i);
	for (uint32_t i = 0; i < m->r->model.exchange_count && !err; i++)
		err = look_at_visit(&w, i);
	map_free(&w.asked);
	map_free(&w.visits);
	free(w.paces);
	return err;
}
