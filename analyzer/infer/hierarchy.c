/* SPDX-License-Identifier: MIT */
/*
 * Timeouts of layers that call one another. A request of the parent edge makes its server call over the child edge; with T their timeouts (of
 * waiting for answers: the most frequent mode that is not of connects), m the child's attempts, g its waits between them:
 *
 *   inversion        T_parent < T_child, and calls were seen to go on after the parent had given up (orphan work: their time after that)
 *   retries          k T_child + g_1 + ... + g_(k-1) <= T_parent only for k < m
 *   no timeout       somebody waited 10 s or more for an answer, and nobody gave up
 *   equal            T_parent = T_child, but for the inexactness of timers: both expire at once, and who asked learns nothing
 *   not propagated   a call began after the parent had given up
 *
 * m is what the retry policy says, else the most attempts that a request of the child edge was seen to have.
 *
 * When a parent gave up is what its client's own attempt says, found by the two ends of its connection; of clients that nobody recorded, when the
 * server saw them go.
 */
#include "analyzer/infer/hierarchy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"
#include "base/grow.h"
#include "base/hash.h"

#define NO_TIMEOUT_MS 10000.0
#define WENT_ON_NS (20 * NS_PER_MS)	/* to be cancelled takes a moment */
#define BEGAN_NS (5 * NS_PER_MS)
#define SAME_PORT 64		/* abandoned attempts of one pair of addresses that are looked at */

struct left {		/* an attempt that its client gave up */
	uint32_t attempt, next;	/* next: of the same two addresses, an earlier one; MODEL_NONE */
};

struct pair {		/* of a parent edge and a child edge */
	uint32_t parent, child;
	struct orphans {	/* calls that went on, or began, after their parent had been given up */
		uint64_t count, parent_witness, child_witness;
		double ms, longest_ms;
	} went_on, began;
};

struct layers {
	struct measure *m;
	uint32_t closed, peer_close, reset;	/* names */
	uint32_t *caller;	/* per connection: of a server's, the edge that its client calls over; owned */
	struct map edges;	/* both addresses of a client's connection -> its edge */
	struct map lefts_at;	/* both addresses -> latest of lefts */
	struct left *lefts;	/* owned */
	size_t left_count, left_room;
	struct map pairs_at;	/* parent and child -> pair */
	struct pair *pairs;	/* owned */
	size_t pair_count, pair_room;
};

static struct model *run_of(const struct layers *l)
{
	return &l->m->r->model;
}

static uint64_t ends_key(uint32_t local, uint32_t peer)
{
	return hash_mix((uint64_t)local << 32 | peer);
}

/* ---- who calls over which connection, and who gave up ---- */

static bool gave_up(const struct layers *l, const struct model_exchange *x, const struct model_connection *c)
{
	if (x->outcome != MODEL_INDETERMINATE || !x->ended_ns || x->error != l->closed)
		return false;
	return x->role != MODEL_CLIENT || (c->end != l->peer_close && c->end != l->reset);
}

static int note_left(struct layers *l, uint64_t ends, uint32_t attempt)
{
	if (SPILL_GROW(l->lefts, l->left_count, l->left_room))
		return -ENOMEM;
	l->lefts[l->left_count] = (struct left){attempt, map_get(&l->lefts_at, ends)};
	return map_put(&l->lefts_at, ends, (uint32_t)l->left_count++);
}

static int note_attempt(struct layers *l, uint32_t i)
{
	const struct model_exchange *x = &run_of(l)->exchanges[i];
	const struct model_connection *c;
	uint64_t ends;

	if (x->role != MODEL_CLIENT || x->edge == MODEL_NONE || x->connection == MODEL_NONE)
		return 0;
	c = &run_of(l)->connections[x->connection];
	if (!c->local || !c->peer)
		return 0;
	ends = ends_key(c->local, c->peer);
	if (map_get(&l->edges, ends) == MAP_NONE && map_put(&l->edges, ends, x->edge))
		return -ENOMEM;
	return gave_up(l, x, c) ? note_left(l, ends, i) : 0;
}

static int find_callers(struct layers *l)
{
	struct model *run = run_of(l);

	for (uint32_t i = 0; i < run->exchange_count; i++)
		if (note_attempt(l, i))
			return -ENOMEM;
	l->caller = spill_realloc(NULL, (run->connection_count + 1) * sizeof(*l->caller));
	if (!l->caller)
		return -ENOMEM;
	for (size_t i = 0; i < run->connection_count; i++) {
		const struct model_connection *c = &run->connections[i];

		l->caller[i] = c->role == MODEL_SERVER && c->local && c->peer ? map_get(&l->edges, ends_key(c->peer, c->local)) : MAP_NONE;
	}
	return 0;
}

/* The edge over which an inbound request came. */
static uint32_t parent_edge(const struct layers *l, const struct model_exchange *y)
{
	if (y->edge != MODEL_NONE)
		return y->edge;
	return y->connection == MODEL_NONE ? MODEL_NONE : l->caller[y->connection];
}

/* Its client's own attempt, when that was given up; else MODEL_NONE. */
static uint32_t left_attempt(const struct layers *l, const struct model_exchange *y)
{
	const struct model_connection *c = y->connection == MODEL_NONE ? NULL : &run_of(l)->connections[y->connection];
	uint32_t at = c && c->local && c->peer && l->left_count ? map_get(&l->lefts_at, ends_key(c->peer, c->local)) : MAP_NONE;

	for (int looked = 0; at != MAP_NONE && looked < SAME_PORT; at = l->lefts[at].next, looked++) {
		const struct model_exchange *x = &run_of(l)->exchanges[l->lefts[at].attempt];

		if (x->started_ns <= y->started_ns + NS_PER_MS && x->ended_ns >= y->started_ns)
			return l->lefts[at].attempt;
	}
	return MODEL_NONE;
}

/* When an inbound request was given up by who asked; 0: it was not. *attempt: that, on the parent edge. */
static uint64_t left_at(const struct layers *l, uint32_t inbound, uint32_t *attempt)
{
	const struct model_exchange *y = &run_of(l)->exchanges[inbound];
	const struct model_connection *c = y->connection == MODEL_NONE ? NULL : &run_of(l)->connections[y->connection];

	*attempt = left_attempt(l, y);
	if (*attempt != MODEL_NONE)
		return run_of(l)->exchanges[*attempt].ended_ns;
	*attempt = inbound;
	return y->edge != MODEL_NONE && c && gave_up(l, y, c) && (c->end == l->peer_close || c->end == l->reset) ? y->ended_ns : 0;
}

/* ---- pairs of edges, and what went on ---- */

static struct pair *pair_of(struct layers *l, uint32_t parent, uint32_t child)
{
	uint64_t key = (uint64_t)parent << 32 | child;
	uint32_t at = map_get(&l->pairs_at, key);

	if (at != MAP_NONE)
		return &l->pairs[at];
	if (GROW(l->pairs, l->pair_count, l->pair_room))
		return NULL;
	if (map_put(&l->pairs_at, key, (uint32_t)l->pair_count))
		return NULL;
	l->pairs[l->pair_count] = (struct pair){.parent = parent, .child = child};
	return &l->pairs[l->pair_count++];
}

static void add_orphan(struct orphans *o, const struct model_exchange *parent, const struct model_exchange *child, uint64_t from_ns, uint64_t end_ns)
{
	double lasted = (double)(end_ns - child->started_ns) / NS_PER_MS;

	if (!o->count++ || lasted > o->longest_ms) {
		o->parent_witness = (uint64_t)parent->id;
		o->child_witness = (uint64_t)child->id;
		o->longest_ms = lasted;
	}
	o->ms += (double)(end_ns - from_ns) / NS_PER_MS;
}

static void weigh_child(const struct layers *l, struct pair *p, uint32_t attempt, uint64_t left_ns, const struct model_exchange *child)
{
	const struct model_exchange *parent = &run_of(l)->exchanges[attempt];
	uint64_t end_ns = child->ended_ns ? child->ended_ns : run_of(l)->ended_ns;

	if (end_ns < child->started_ns)
		return;
	if (child->started_ns > left_ns + BEGAN_NS)
		add_orphan(&p->began, parent, child, child->started_ns, end_ns);
	else if (end_ns > left_ns + WENT_ON_NS)
		add_orphan(&p->went_on, parent, child, left_ns, end_ns);
}

static int look_at(struct layers *l, uint32_t inbound)
{
	struct chains_span children = chains_of(&l->m->chains.by_parent, inbound);
	const struct model_exchange *y = &run_of(l)->exchanges[inbound];
	uint32_t parent = children.n ? parent_edge(l, y) : MODEL_NONE, attempt = MODEL_NONE;
	uint64_t left_ns;

	if (parent == MODEL_NONE || !measure_counts(l->m, y->started_ns))
		return 0;
	left_ns = left_at(l, inbound, &attempt);
	for (size_t k = 0; k < children.n; k++) {
		const struct model_exchange *child = &run_of(l)->exchanges[children.members[k]];
		struct pair *p = pair_of(l, parent, child->edge);

		if (!p)
			return -ENOMEM;
		if (left_ns)
			weigh_child(l, p, attempt, left_ns, child);
	}
	return 0;
}

/* ---- what does not fit ---- */

/* The timeout of waiting for answers; NULL: none was seen. */
static const struct policy_timeout_mode *answer_timeout(const struct layers *l, uint32_t edge)
{
	const struct policy_timeout *t = &l->m->r->edges[edge].timeout;

	for (unsigned i = 0; t->known && i < t->mode_count; i++)
		if (t->modes[i].kind != TIMEOUT_CONNECT)
			return &t->modes[i];
	return NULL;
}

static int add(struct layers *l, const struct policy_hierarchy *h)
{
	struct result *r = l->m->r;
	struct policy_hierarchy *all = realloc(r->hierarchies, (r->hierarchy_count + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	r->hierarchies = all;
	all[r->hierarchy_count++] = *h;
	return 0;
}

static struct policy_hierarchy misfit(const struct layers *l, const struct pair *p, enum policy_misfit what)
{
	const struct policy_timeout_mode *parent = answer_timeout(l, p->parent), *child = answer_timeout(l, p->child);

	return (struct policy_hierarchy){
		.what = what, .parent = p->parent, .child = p->child, .parent_ms = parent ? parent->ms : NAN, .child_ms = child ? child->ms : NAN,
		.orphan_ms = p->went_on.ms + p->began.ms, .parent_witness = parent ? parent->witness : 0, .child_witness = child ? child->witness : 0};
}

static int judge_inversion(struct layers *l, const struct pair *p)
{
	struct policy_hierarchy h = misfit(l, p, MISFIT_INVERSION);
	double child_ms = isnan(h.child_ms) ? p->went_on.longest_ms : h.child_ms;

	if (!p->went_on.count || isnan(h.parent_ms) || child_ms <= h.parent_ms || clusters_same(child_ms, h.parent_ms))
		return 0;
	h.orphan_ms = p->went_on.ms;
	h.count = p->went_on.count;
	h.parent_witness = p->went_on.parent_witness;
	h.child_witness = p->went_on.child_witness;
	return add(l, &h);
}

unsigned hierarchy_fits(const struct policy_retry *r, unsigned attempts, double child_ms, double parent_ms)
{
	double spent = 0;

	for (unsigned k = 0; k < attempts; k++) {
		if (k && r->known && r->gap_count) {
			double wait = r->gaps[k - 1 < r->gap_count ? k - 1 : r->gap_count - 1].p50;

			spent += isnan(wait) ? 0 : wait;
		}
		spent += child_ms;
		if (spent > parent_ms)
			return k;
	}
	return attempts;
}

static unsigned attempts_of(const struct result_edge *e, const struct policy_retry *retry)
{
	uint32_t seen = e->whole.chain.used ? e->whole.chain.cells[e->whole.chain.used - 1].value : 0;

	if (!retry->known || !retry->max_attempts)
		return e->whole.linked ? seen : 0;
	return retry->max_attempts;
}

static int judge_retries(struct layers *l, const struct pair *p)
{
	const struct result_edge *child = &l->m->r->edges[p->child];
	const struct policy_retry *retry = result_seen_retry(l->m->r, child);
	struct policy_hierarchy h = misfit(l, p, MISFIT_RETRIES);

	if (isnan(h.parent_ms) || isnan(h.child_ms))
		return 0;
	h.attempts = attempts_of(child, retry);
	h.fits = hierarchy_fits(retry, h.attempts, h.child_ms, h.parent_ms);
	h.count = p->went_on.count + p->began.count;
	if (!h.fits || h.fits >= h.attempts)	/* 0: an inversion, said as such */
		return 0;
	return add(l, &h);
}

static int judge_equal(struct layers *l, const struct pair *p)
{
	struct policy_hierarchy h = misfit(l, p, MISFIT_EQUAL);

	if (isnan(h.parent_ms) || isnan(h.child_ms) || !clusters_same(h.parent_ms, h.child_ms))
		return 0;
	h.count = 1;
	return add(l, &h);
}

static int judge_propagation(struct layers *l, const struct pair *p)
{
	struct policy_hierarchy h = misfit(l, p, MISFIT_NOT_PROPAGATED);

	if (!p->began.count)
		return 0;
	h.orphan_ms = p->began.ms;
	h.count = p->began.count;
	h.parent_witness = p->began.parent_witness;
	h.child_witness = p->began.child_witness;
	return add(l, &h);
}

/* How many attempts of an edge took so long that somebody should have given up. */
static uint64_t count_long(const struct layers *l, uint32_t edge)
{
	struct chains_span s = chains_of(&l->m->chains.by_edge, edge);
	uint64_t n = 0;

	for (size_t k = 0; k < s.n; k++) {
		const struct model_exchange *x = &run_of(l)->exchanges[s.members[k]];
		uint64_t end = x->ended_ns ? x->ended_ns : run_of(l)->ended_ns;

		n += end > x->started_ns && (double)(end - x->started_ns) >= NO_TIMEOUT_MS * NS_PER_MS;
	}
	return n;
}

static int judge_none(struct layers *l, uint32_t edge)
{
	const struct policy_timeout *t = &l->m->r->edges[edge].timeout;
	struct policy_hierarchy h = {.what = MISFIT_NONE, .parent = MODEL_NONE, .child = edge, .parent_ms = NAN, .child_ms = NAN, .orphan_ms = NAN,
				     .child_witness = t->longest_witness};

	if (l->m->graph.edges[edge].external || !t->known || answer_timeout(l, edge) || !(t->longest_ms >= NO_TIMEOUT_MS))
		return 0;
	h.count = count_long(l, edge);
	return add(l, &h);
}

static int judge_pairs(struct layers *l)
{
	static int (*const judges[])(struct layers *, const struct pair *) = {
		judge_inversion, judge_retries, judge_equal, judge_propagation};

	for (size_t k = 0; k < sizeof(judges) / sizeof(judges[0]); k++)
		for (size_t i = 0; i < l->pair_count; i++)
			if (judges[k](l, &l->pairs[i]))
				return -ENOMEM;
	for (uint32_t e = 0; e < l->m->r->edge_count; e++)
		if (judge_none(l, e))
			return -ENOMEM;
	return 0;
}

int measure_hierarchy(struct measure *m)
{
	struct layers l = {.m = m};
	const struct texts *names = &m->r->model.names;
	int err;

	l.closed = texts_find(names, "closed");
	l.peer_close = texts_find(names, "peer_close");
	l.reset = texts_find(names, "reset");
	err = find_callers(&l);
	for (uint32_t i = 0; !err && i < m->r->model.exchange_count; i++)
		if (m->r->model.exchanges[i].role == MODEL_SERVER)
			err = look_at(&l, i);
	if (!err)
		err = judge_pairs(&l);
	spill_free(l.caller);
	spill_free(l.lefts);
	free(l.pairs);
	map_free(&l.edges);
	map_free(&l.lefts_at);
	map_free(&l.pairs_at);
	return err;
}
