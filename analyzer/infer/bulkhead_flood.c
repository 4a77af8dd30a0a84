/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/bulkhead_flood.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "analyzer/stats/stats.h"

#define GROWN 3
#define IN_WORK_MIN 4
#define SLOW_TIMES 3
#define SLOW_MS 50
#define BEFORE_MIN 10
#define OTHERS_MIN 5
#define FAILED_MORE 0.2
#define RARE 100
#define FLOODS_MAX 64

struct route {			/* requests of one method and path to the caller */
	uint64_t all, bad;	/* bad: that called a server which was slow or hit */
	uint64_t before;	/* in the baseline */
};

struct crossing {		/* while one caller's routes are looked at */
	const struct flood_edges *f;
	const struct measure *m;
	uint32_t service;
	struct map at;		/* target -> route */
	struct route *routes;	/* owned */
	uint32_t count, room;
	struct samples took[2];	/* ms, of other routes: baseline, fault */
	uint64_t asked[2], failed[2];
	uint64_t slowest;	/* row id under the fault */
	double slowest_ms;
};

/* 0 the baseline, 1 the fault, -1 neither. */
static int side(const struct measure *m, uint64_t t)
{
	enum timeline_kind kind = timeline_at(&m->r->timeline, t);

	return !measure_counts(m, t) ? -1 : kind == TIMELINE_BASELINE ? 0 : kind == TIMELINE_FAULT ? 1 : -1;
}

static bool grew(double before_ms, double now_ms)
{
	return now_ms >= SLOW_TIMES * before_ms && now_ms >= before_ms + SLOW_MS;
}

/* What never ended was there to the end of the run. */
static double took_ms(const struct measure *m, const struct model_exchange *x)
{
	return x->ended_ns ? model_took_ms(x) : model_ms(x->started_ns, m->r->model.ended_ns);
}

/* ---- which servers were slow ---- */

/* Of what was given up it is known that it would have taken longer. Where too many were, the median of what they all took. */
static double median_ms(struct stats_time *took, size_t n)
{
	double median = stats_survival_median(took, n);	/* which sorts them */

	return isnan(median) && n ? took[(n - 1) / 2].time : median;
}

static int weigh_edge(struct flood_edges *f, const struct measure *m, uint32_t edge)
{
	struct chains_span rows = chains_of(&m->chains.by_edge, edge);
	struct stats_time *took[2] = {spill_realloc(NULL, (rows.n + 1) * sizeof(**took)), spill_realloc(NULL, (rows.n + 1) * sizeof(**took))};
	size_t n[2] = {0, 0};
	int err = took[0] && took[1] ? 0 : -ENOMEM;

	for (size_t i = 0; i < rows.n && !err; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[rows.members[i]];
		int at = side(m, x->started_ns);

		f->bad[edge] |= x->fault != MODEL_NONE;
		if (at >= 0)
			took[at][n[at]++] = (struct stats_time){took_ms(m, x), x->outcome == MODEL_INDETERMINATE || !x->ended_ns};
	}
	if (!err) {
		f->before_ms[edge] = median_ms(took[0], n[0]);
		f->fault_ms[edge] = median_ms(took[1], n[1]);
		f->bad[edge] |= grew(f->before_ms[edge], f->fault_ms[edge]);
	}
	spill_free(took[0]);
	spill_free(took[1]);
	return err;
}

int flood_open(struct flood_edges *f, const struct measure *m)
{
	size_t n = m->r->edge_count;
	int err = 0;

	*f = (struct flood_edges){calloc(n + 1, sizeof(*f->before_ms)), calloc(n + 1, sizeof(*f->fault_ms)), calloc(n + 1, sizeof(*f->bad)), 0};
	if (!f->before_ms || !f->fault_ms || !f->bad)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !err; i++)
		err = weigh_edge(f, m, i);
	return err;
}

void flood_close(struct flood_edges *f)
{
	free(f->before_ms);
	free(f->fault_ms);
	free(f->bad);
	*f = (struct flood_edges){0};
}

/* ---- how many were in work at once ---- */

static int find_most(const struct measure *m, uint32_t edge, unsigned most[2])
{
	struct chains_span rows = chains_of(&m->chains.by_edge, edge);
	uint64_t *ends = spill_realloc(NULL, (rows.n + 1) * sizeof(*ends));
	size_t n = 0, over = 0;

	if (!ends)
		return -ENOMEM;
	for (size_t i = 0; i < rows.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[rows.members[i]];

		ends[n++] = x->ended_ns > x->started_ns ? x->ended_ns : x->ended_ns ? x->started_ns : UINT64_MAX;
	}
	times_sort(ends, n);
	for (size_t i = 0; i < rows.n; i++) {
		uint64_t t = m->r->model.exchanges[rows.members[i]].started_ns;
		int at = side(m, t);

		while (over < n && ends[over] <= t)
			over++;
		if (at >= 0 && i + 1 > over && i + 1 - over > most[at])
			most[at] = (unsigned)(i + 1 - over);
	}
	spill_free(ends);
	return 0;
}

/* On the average: the time of the calls that began in these windows over the time of the windows (Little's law). */
static double mean_in_work(const struct measure *m, uint32_t edge, int at)
{
	struct chains_span rows = chains_of(&m->chains.by_edge, edge);
	double sum = 0, seconds = measure_seconds(m, at ? TIMELINE_FAULT : TIMELINE_BASELINE);

	for (size_t i = 0; i < rows.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[rows.members[i]];

		if (side(m, x->started_ns) == at)
			sum += took_ms(m, x) / 1e3;
	}
	return seconds > 0 ? sum / seconds : NAN;
}

/* ---- the caller's other routes ---- */

static struct route *route_of(struct crossing *c, uint64_t target)
{
	uint32_t at = map_get(&c->at, target);

	if (at != MAP_NONE)
		return &c->routes[at];
	if (c->count == c->room) {
		uint32_t room = c->room ? 2 * c->room : 16;
		struct route *routes = realloc(c->routes, room * sizeof(*routes));

		if (!routes)
			return NULL;
		c->routes = routes;
		c->room = room;
	}
	c->routes[c->count] = (struct route){0};
	return map_put(&c->at, target, c->count) ? NULL : &c->routes[c->count++];
}

static bool calls_bad(const struct crossing *c, uint32_t inbound)
{
	struct chains_span calls = chains_of(&c->m->chains.by_parent, inbound);

	for (size_t i = 0; i < calls.n; i++) {
		uint32_t edge = c->m->r->model.exchanges[calls.members[i]].edge;

		if (edge != MODEL_NONE && c->f->bad[edge])
			return true;
	}
	return false;
}

static int learn_routes(struct crossing *c)
{
	const struct model *run = &c->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *y = &run->exchanges[i];
		struct route *route;

		if (y->role != MODEL_SERVER || y->process == MODEL_NONE || run->processes[y->process].service != c->service)
			continue;
		route = route_of(c, y->target);
		if (!route)
			return -ENOMEM;
		route->all++;
		route->bad += calls_bad(c, i);
		route->before += side(c->m, y->started_ns) == 0;
	}
	return 0;
}

static bool is_other(const struct crossing *c, const struct model_exchange *x)
{
	uint32_t at = x->target ? map_get(&c->at, x->target) : MAP_NONE;
	const struct route *route = at == MAP_NONE ? NULL : &c->routes[at];

	return route && route->before >= BEFORE_MIN && route->bad * RARE < route->all && x->fault == MODEL_NONE;
}

static int add_others(struct crossing *c, uint32_t edge)
{
	struct chains_span rows = chains_of(&c->m->chains.by_edge, edge);
	int err = 0;

	for (size_t i = 0; i < rows.n && !err; i++) {
		const struct model_exchange *x = &c->m->r->model.exchanges[rows.members[i]];
		int at = side(c->m, x->started_ns);
		double took = took_ms(c->m, x);

		if (at < 0 || !is_other(c, x))
			continue;
		c->asked[at]++;
		c->failed[at] += model_failed(x);
		err = samples_add(&c->took[at], took);
		if (at == 1 && took > c->slowest_ms) {
			c->slowest_ms = took;
			c->slowest = (uint64_t)x->id;
		}
	}
	return err;
}

static bool did_badly(struct crossing *c)
{
	double before = (double)c->failed[0] / (double)c->asked[0], now = (double)c->failed[1] / (double)c->asked[1];

	samples_sort(&c->took[0]);
	samples_sort(&c->took[1]);
	return c->asked[0] >= BEFORE_MIN && c->asked[1] >= OTHERS_MIN &&
	       (now >= before + FAILED_MORE || grew(samples_percentile(&c->took[0], 0.95), samples_percentile(&c->took[1], 0.5)));
}

/* Of calls to what was bad nearly all must be laid to a request: any route may have made the others. */
static bool is_told(const struct flood_edges *f, const struct measure *m, uint32_t service)
{
	uint64_t calls = 0, unlaid = 0;

	for (uint32_t e = 0; e < m->r->edge_count; e++) {
		struct chains_span rows = chains_of(&m->chains.by_edge, e);

		if (!f->bad[e] || m->graph.edges[e].client != service)
			continue;
		calls += rows.n;
		for (size_t i = 0; i < rows.n; i++)
			unlaid += m->r->model.exchanges[rows.members[i]].parent == MODEL_NONE;
	}
	return unlaid * RARE <= calls;
}

static int look(struct crossing *c, struct policy_flood *flood)
{
	int err = learn_routes(c);

	for (uint32_t e = 0; e < c->m->r->edge_count && !err; e++)
		if (c->m->graph.edges[e].server == c->service)
			err = add_others(c, e);
	if (err || !did_badly(c))
		return err;
	flood->known = true;
	flood->others = c->asked[1];
	flood->others_failed = c->failed[1];
	flood->others_ms = samples_percentile(&c->took[1], 0.5);
	flood->others_before_ms = samples_percentile(&c->took[0], 0.5);
	flood->witness = c->slowest;
	return 0;
}

int flood_find(struct flood_edges *f, struct measure *m, uint32_t edge)
{
	struct policy_flood *flood = &m->r->edges[edge].bulkhead.flood;
	struct crossing c = {.f = f, .m = m, .service = m->graph.edges[edge].client};
	unsigned most[2] = {0, 0};
	int err = 0;

	*flood = (struct policy_flood){.call_ms = f->fault_ms[edge], .call_before_ms = f->before_ms[edge]};
	if (!grew(f->before_ms[edge], f->fault_ms[edge]))
		return 0;
	err = find_most(m, edge, most);
	flood->in_work_before = mean_in_work(m, edge, 0);
	flood->in_work = mean_in_work(m, edge, 1);
	flood->most_before = most[0];
	flood->most = most[1];
	if (!err && flood->in_work >= GROWN * flood->in_work_before && most[1] >= IN_WORK_MIN && f->looked++ < FLOODS_MAX &&
	    is_told(f, m, c.service))
		err = look(&c, flood);
	map_free(&c.at);
	free(c.routes);
	samples_free(&c.took[0]);
	samples_free(&c.took[1]);
	return err;
}
