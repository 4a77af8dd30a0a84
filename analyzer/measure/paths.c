/* SPDX-License-Identifier: MIT */
/*
 * End to end: attempts at a leaf per request of a root, through several hops. Its product of the hops' own amplifications need not be the same, as
 * layers fail together; its bound is what their retry policies allow. Attempts count with the window in which their request began. Intervals come
 * from moving blocks of seconds.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/stats/stats.h"

#define SECONDS_MAX (1u << 20)
#define BLOCKS_MIN 10	/* seconds that an interval needs */
#define HOPS_MAX 64	/* a way that still grows then has no bound: no design is that deep, a circle is deeper */
#define PATHS_MAX 256	/* roots times leaves: beyond, nobody reads them */

/* Requests that a root starts, or attempts that arrive at a leaf, in windows of one kind. */
static uint64_t count_requests(const struct measure *m, uint32_t root, enum timeline_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].client == root)
			sum += m->r->edges[i].window[kind].logical;
	return sum;
}

static uint64_t count_attempts(const struct measure *m, uint32_t leaf, enum timeline_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].server == leaf)
			sum += m->r->edges[i].window[kind].attempts;
	return sum;
}

/* Attempts per request of the root in windows of one kind, second by second: how exactly it is known. */
struct flow {
	double *attempts, *requests;	/* owned, one block */
	size_t n;
	double ratio;			/* NAN: no request */
	uint64_t count;			/* requests */
};

/* Adds the requests (by_attempts: their attempts) of an edge to the seconds in which they began. */
static void add_edge(const struct measure *m, size_t edge, bool by_attempts, enum timeline_kind kind, double *seconds, size_t n)
{
	struct chains_span requests = chains_of(&m->chains.requests, edge);

	for (size_t i = 0; i < requests.n; i++) {
		const struct link_logical *q = &m->link.logicals[requests.members[i]];
		uint64_t start = m->r->model.started_ns, at = q->started_ns < start ? 0 : (q->started_ns - start) / NS_PER_S;

		if (at < n && measure_counts(m, q->started_ns) && timeline_at(&m->r->timeline, q->started_ns) == kind)
			seconds[at] += by_attempts ? q->attempts : 1;
	}
}

static size_t count_seconds(const struct measure *m)
{
	uint64_t seconds = (m->r->model.ended_ns - m->r->model.started_ns) / NS_PER_S + 1;

	return m->r->model.ended_ns < m->r->model.started_ns || seconds > SECONDS_MAX ? 0 : (size_t)seconds;
}

/* asked: requests of the root by the second. */
static int measure_flow(const struct measure *m, uint32_t root, uint32_t leaf, enum timeline_kind kind, const double *asked, struct flow *f)
{
	f->count = count_requests(m, root, kind);
	f->ratio = f->count ? (double)count_attempts(m, leaf, kind) / (double)f->count : NAN;
	f->n = count_seconds(m);
	f->attempts = calloc(2 * f->n + 1, sizeof(double));
	if (!f->attempts)
		return -ENOMEM;
	f->requests = f->attempts + f->n;
	memcpy(f->requests, asked, f->n * sizeof(double));
	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].server == leaf)
			add_edge(m, i, true, kind, f->attempts, f->n);
	return 0;
}

/* Seconds in which something was asked come first then. */
static size_t squeeze(struct flow *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!f->requests[i] && !f->attempts[i])
			continue;
		f->requests[kept] = f->requests[i];
		f->attempts[kept++] = f->attempts[i];
	}
	return kept;
}

/* How far the logarithm of the ratio may be off, down (sign -1) or up; NAN: too short to tell. */
static void bound_flow(struct flow *f, double off[2])
{
	struct stats_random random = {f->count};
	size_t n = squeeze(f);
	struct stats_interval i = {0};

	if (n >= BLOCKS_MIN)
		i = stats_block_ratio(&random, f->attempts, f->requests, n, stats_block_length(f->attempts, n, 1));
	off[0] = i.known && i.low > 0 ? log(f->ratio / i.low) : NAN;
	off[1] = i.known ? log(i.high / f->ratio) : NAN;
}

/* (attempts at the leaf per request of the root) under the fault, over the same in the baseline. */
static struct metric amplification(struct flow *fault, struct flow *base)
{
	double off[2], base_off[2] = {0, 0}, over = isnan(base->ratio) || base->ratio == 0 ? 1 : base->ratio;
	struct metric ratio;

	if (!fault->count)
		return metric_unknown("no request under a fault");
	ratio = metric_plain(fault->ratio / over, fault->count, over == base->ratio ? "attempts per request against the baseline"
										    : "attempts per request, no baseline");
	bound_flow(fault, off);
	if (over == base->ratio)
		bound_flow(base, base_off);
	ratio.low = ratio.value * exp(-hypot(off[0], base_off[1]));
	ratio.high = ratio.value * exp(hypot(off[1], base_off[0]));
	ratio.bounded = isfinite(ratio.low) && isfinite(ratio.high);
	return ratio;
}

/* ---- the worst way ---- */

struct way {	/* to a service, from the root */
	double bound, product;	/* bound 0: not reached */
	unsigned hops;
	bool at_least;
};

static double limit(const struct result_edge *e, bool *at_least)
{
	const struct tally *chain = &e->whole.chain;

	*at_least = !e->retry.known || !e->retry.max_attempts || e->retry.unbounded;
	if (!*at_least)
		return e->retry.max_attempts;
	return chain->used && e->whole.linked ? fmax(1, chain->cells[chain->used - 1].value) : 1;
}

static struct way extend(const struct measure *m, const struct way *w, size_t edge)
{
	const struct result_edge *e = &m->r->edges[edge];
	const struct metric *a = e->window[TIMELINE_FAULT].logical ? &e->window[TIMELINE_FAULT].amplification : &e->whole.amplification;
	bool at_least;
	struct way longer = {.bound = w->bound * limit(e, &at_least), .hops = w->hops + 1};

	longer.at_least = w->at_least || at_least;
	longer.product = a->known ? w->product * a->value : NAN;
	return longer;
}

struct ways {	/* by name */
	bool *lit;	/* reached from the root */
	bool *direct;	/* called by the root itself */
	unsigned *roots;	/* how many roots reach it */
	bool *done;
	struct way *worst;	/* from the root */
	bool endless;		/* some way runs in a circle */
	size_t n;
	double *asked[TIMELINE_KINDS];	/* requests of the root by the second, in windows of each kind */
};

/* Walks outwards until no way grows. */
static void find_worst(const struct measure *m, struct ways *w, uint32_t root)
{
	w->endless = true;
	memset(w->worst, 0, w->n * sizeof(*w->worst));
	w->worst[root] = (struct way){.bound = 1, .product = 1};
	for (size_t round = 0; w->endless && round <= HOPS_MAX; round++) {
		w->endless = false;
		for (size_t i = 0; i < m->graph.count; i++) {
			const struct graph_edge *g = &m->graph.edges[i];
			struct way longer = extend(m, &w->worst[g->client], i);

			if (longer.bound <= w->worst[g->server].bound || g->server == root)
				continue;
			w->worst[g->server] = longer;
			w->endless = true;
		}
	}
}

static int fill_path(const struct measure *m, struct ways *w, uint32_t root, uint32_t leaf, struct result_path *p)
{
	enum timeline_kind kind = measure_seconds(m, TIMELINE_FAULT) > 0 ? TIMELINE_FAULT : TIMELINE_BASELINE;
	struct flow fault = {0}, base = {0};
	const struct way *way = &w->worst[leaf];
	int err = measure_flow(m, root, leaf, TIMELINE_FAULT, w->asked[TIMELINE_FAULT], &fault) ||
		  measure_flow(m, root, leaf, TIMELINE_BASELINE, w->asked[TIMELINE_BASELINE], &base) ? -ENOMEM : 0;

	if (!err) {
		p->amplification = amplification(&fault, &base);
		p->raw = kind == TIMELINE_FAULT ? fault.ratio : base.ratio;
		p->baseline = base.ratio;
		p->bound = w->endless ? NAN : way->bound;
		p->bound_at_least = way->at_least;
		p->product = w->endless ? NAN : way->product;
		p->hops = way->hops;
	}
	free(fault.attempts);
	free(base.attempts);
	return err;
}

static int add_path(struct measure *m, struct ways *w, uint32_t root, uint32_t leaf)
{
	struct result_path *paths = realloc(m->r->paths, (m->r->path_count + 1) * sizeof(*paths)), *p;
	int err;

	if (!paths)
		return -ENOMEM;
	m->r->paths = paths;
	p = &paths[m->r->path_count++];
	*p = (struct result_path){.root = measure_text(m, root), .leaf = measure_text(m, leaf), .amplification = metric_unknown("none")};
	err = fill_path(m, w, root, leaf, p);
	if (w->roots[leaf] != 1) {
		p->amplification = metric_unknown("several roots reach it");
		p->raw = p->baseline = NAN;
	}
	return err;
}

static void light(const struct measure *m, struct ways *w, uint32_t root)
{
	memset(w->lit, 0, w->n);
	memset(w->direct, 0, w->n);
	graph_reach(&m->graph, root, w->lit);
	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].client == root)
			w->direct[m->graph.edges[i].server] = true;
}

static void count_asked(const struct measure *m, struct ways *w, uint32_t root)
{
	size_t n = count_seconds(m);

	for (int kind = 0; kind < TIMELINE_KINDS; kind++) {
		memset(w->asked[kind], 0, n * sizeof(double));
		for (size_t i = 0; i < m->graph.count; i++)
			if (m->graph.edges[i].client == root)
				add_edge(m, i, false, kind, w->asked[kind], n);
	}
}

/* Calls fn for each root, once, with what it reaches lit. */
static int each_root(struct measure *m, struct ways *w, int (*fn)(struct measure *m, struct ways *w, uint32_t root))
{
	int err = 0;

	memset(w->done, 0, w->n);
	for (size_t i = 0; i < m->graph.count && !err; i++) {
		uint32_t root = m->graph.edges[i].client;

		if (w->done[root] || !graph_is_root(&m->graph, root))
			continue;
		w->done[root] = true;
		light(m, w, root);
		err = fn(m, w, root);
	}
	return err;
}

static int count_root(struct measure *m, struct ways *w, uint32_t root)
{
	for (size_t i = 0; i < w->n; i++)
		w->roots[i] += w->lit[i];
	return 0;
}

static int add_paths(struct measure *m, struct ways *w, uint32_t root)
{
	int err = 0;

	if (m->r->path_count == PATHS_MAX)
		return 0;
	count_asked(m, w, root);
	find_worst(m, w, root);
	for (uint32_t leaf = 0; leaf < w->n && m->r->path_count < PATHS_MAX && !err; leaf++)
		if (w->lit[leaf] && !w->direct[leaf] && graph_is_leaf(&m->graph, leaf))
			err = add_path(m, w, root, leaf);
	return err;
}

int measure_paths(struct measure *m)
{
	size_t n = m->graph.name_count, seconds = count_seconds(m);
	struct ways w = {calloc(n, sizeof(bool)), calloc(n, sizeof(bool)), calloc(n, sizeof(unsigned)), calloc(n, sizeof(bool)),
			 calloc(n, sizeof(struct way)), false, n, {NULL}};
	int err = w.lit && w.direct && w.roots && w.done && w.worst ? 0 : -ENOMEM;

	for (int kind = 0; kind < TIMELINE_KINDS && !err; kind++) {
		w.asked[kind] = malloc((seconds + 1) * sizeof(double));
		err = w.asked[kind] ? 0 : -ENOMEM;
	}
	if (!err)
		err = each_root(m, &w, count_root);
	if (!err)
		err = each_root(m, &w, add_paths);
	if (!err && m->r->path_count == PATHS_MAX)
		err = result_say(&m->r->notes, &m->r->note_count, "Of the ways from roots to leaves only the first %d are shown.", PATHS_MAX);
	for (int kind = 0; kind < TIMELINE_KINDS; kind++)
		free(w.asked[kind]);
	free(w.worst);
	free(w.lit);
	free(w.direct);
	free(w.roots);
	free(w.done);
	return err;
}
