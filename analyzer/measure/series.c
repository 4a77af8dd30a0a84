/* SPDX-License-Identifier: MIT */
/*
 * An edge, or a destination, in steps of time: what started in each, how long it took, how much was open at once. One walk over its attempts in the
 * order of their start, and one over their ends, sorted; a step's durations are sorted on their own.
 */
#include "analyzer/measure/series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "analyzer/measure/demand.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"

#define STEP_MIN_NS (NS_PER_S / 10)
#define POINTS_WANTED 50

struct strip {		/* one edge, or one destination, being laid out */
	struct measure *m;
	struct series *s;
	uint32_t edge;		/* or pool (measure.h) */
	struct chains_span attempts, requests;
	const struct link_logical *logicals;	/* that requests are of */
	const struct policy_breaker *breaker;
	uint64_t step_ns;
	uint64_t *starts, *ends;	/* of the attempts that count: as they are, ascending; open: UINT64_MAX; owned */
	size_t n;
	struct samples took;	/* of the step at hand, ms; owned */
};

void series_free(struct series *s)
{
	free(s->points);
	*s = (struct series){0};
}

uint64_t series_step_ns(uint64_t duration_ns, size_t points)
{
	static const uint64_t factors[] = {1, 2, 5};
	uint64_t least = duration_ns ? (duration_ns - 1) / points + 1 : 1, wanted = duration_ns / POINTS_WANTED;

	wanted = wanted > NS_PER_S ? NS_PER_S : wanted < STEP_MIN_NS ? STEP_MIN_NS : wanted;
	least = least > wanted ? least : wanted;
	for (uint64_t decade = STEP_MIN_NS; decade <= UINT64_MAX / 10; decade *= 10)
		for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++)
			if (decade * factors[i] >= least)
				return decade * factors[i];
	return UINT64_MAX;
}

/* The step that holds this instant, which in the last may be its end; NULL outside the run. */
static struct series_point *point_at(const struct strip *p, uint64_t at_ns)
{
	const struct model *run = &p->m->r->model;
	uint64_t i = (at_ns - run->started_ns) / p->step_ns;

	if (at_ns < run->started_ns || at_ns > run->ended_ns)
		return NULL;
	return &p->s->points[i < p->s->count ? i : p->s->count - 1];
}

/* ---- requests ---- */

static void count_requests(struct strip *p)
{
	for (size_t i = 0; i < p->requests.n; i++) {
		const struct link_logical *q = &p->logicals[p->requests.members[i]];
		struct series_point *at = point_at(p, q->started_ns);

		if (!at || !measure_counts(p->m, q->started_ns))
			continue;
		at->logical++;
		at->good += q->ok;
		at->failed += !q->ok;
	}
}

/* ---- attempts: how many, and how long they took ---- */

static void settle_step(struct strip *p, struct series_point *at)
{
	samples_sort(&p->took);
	at->p50_ms = samples_percentile(&p->took, 0.5);
	at->p95_ms = samples_percentile(&p->took, 0.95);
	at->p99_ms = samples_percentile(&p->took, 0.99);
	p->took.n = 0;
	p->took.sorted = false;
}

static int add_attempt(struct strip *p, struct series_point *at, const struct model_exchange *x)
{
	at->attempts++;
	p->starts[p->n] = x->started_ns;
	p->ends[p->n++] = x->ended_ns ? x->ended_ns : UINT64_MAX;
	return x->ended_ns ? samples_add(&p->took, model_took_ms(x)) : 0;
}

static int count_attempts(struct strip *p)
{
	struct series_point *now = NULL;

	for (size_t i = 0; i < p->attempts.n; i++) {
		const struct model_exchange *x = &p->m->r->model.exchanges[p->attempts.members[i]];
		struct series_point *at = point_at(p, x->started_ns);

		if (!at || !measure_counts(p->m, p->m->link.logicals[x->logical].started_ns))
			continue;
		if (now && at != now)
			settle_step(p, now);
		now = at;
		if (add_attempt(p, at, x))
			return -ENOMEM;
	}
	if (now)
		settle_step(p, now);
	return 0;
}

/* ---- in flight ---- */

static uint32_t open_at(size_t started, size_t ended)
{
	return started > ended ? (uint32_t)(started - ended) : 0;
}

/* An attempt that ends as another starts is not open with it. */
static void count_in_flight(struct strip *p)
{
	uint64_t border = p->m->r->model.started_ns;
	size_t started = 0, ended = 0;

	times_sort(p->ends, p->n);
	for (size_t i = 0; i < p->s->count; i++, border += p->step_ns) {
		uint32_t most;

		while (ended < p->n && p->ends[ended] <= border)
			ended++;
		most = open_at(started, ended);
		for (; started < p->n && (p->starts[started] - border < p->step_ns || i + 1 == p->s->count); started++) {
			while (ended < p->n && p->ends[ended] <= p->starts[started])
				ended++;
			most = open_at(started + 1, ended) > most ? open_at(started + 1, ended) : most;
		}
		p->s->points[i].in_flight = most;
	}
}

/* ---- what was shed, and by an open breaker ---- */

/* Of the same calls as demand.c counts. */
static int count_shed(struct strip *p, struct demand_book *book)
{
	struct demands d;
	int err = demand_of(&d, book, p->m, p->edge);

	for (size_t i = 0; i < d.n && !err && d.nested; i++) {
		struct series_point *at = point_at(p, d.of[i].at_ns);

		if (at && demand_shed(&d.of[i]) && timeline_at(&p->m->r->timeline, d.of[i].at_ns) != TIMELINE_BASELINE)
			at->shed++;
	}
	demand_free(&d);
	return err;
}

static void mark_open(struct strip *p, const struct policy_open *o)
{
	uint64_t start = p->m->r->model.started_ns, from = o->from_ns > start ? o->from_ns - start : 0;

	if (o->to_ns <= o->from_ns || o->to_ns <= start)
		return;
	for (uint64_t i = from / p->step_ns; i <= (o->to_ns - start) / p->step_ns && i < p->s->count; i++)
		p->s->points[i].open = true;
}

/* ---- one, all ---- */

static int begin_strip(struct strip *p, uint64_t duration_ns)
{
	struct series *s = p->s;

	s->count = (size_t)(duration_ns ? (duration_ns - 1) / p->step_ns + 1 : 1);
	s->step_s = (double)p->step_ns / NS_PER_S;
	s->points = calloc(s->count, sizeof(*s->points));
	p->starts = spill_realloc(NULL, (p->attempts.n + 1) * sizeof(*p->starts));
	p->ends = spill_realloc(NULL, (p->attempts.n + 1) * sizeof(*p->ends));
	if (!s->points || !p->starts || !p->ends)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		s->points[i].p50_ms = s->points[i].p95_ms = s->points[i].p99_ms = NAN;
	return 0;
}

static int lay_out(struct strip *p, struct demand_book *book, uint64_t duration_ns)
{
	int err = begin_strip(p, duration_ns);

	if (!err)
		err = count_attempts(p);
	if (!err) {
		count_requests(p);
		count_in_flight(p);
		for (size_t i = 0; p->breaker->known && i < p->breaker->span_count; i++)
			mark_open(p, &p->breaker->spans[i]);
		err = count_shed(p, book);
	}
	spill_free(p->starts);
	spill_free(p->ends);
	samples_free(&p->took);
	return err;
}

/* The breaker of its destination keeps calls from it, too. */
static struct strip of_edge(struct measure *m, uint32_t edge)
{
	struct result_edge *e = &m->r->edges[edge];

	return (struct strip){.m = m, .s = &e->series, .edge = edge, .attempts = chains_of(&m->chains.by_edge, edge),
			      .requests = chains_of(&m->chains.requests, edge), .logicals = m->link.logicals, .breaker = result_breaker_of(m->r, e)};
}

static struct strip of_destination(struct measure *m, size_t at)
{
	struct result_destination *d = &m->r->destinations[at];

	return (struct strip){.m = m, .s = &d->series, .edge = measure_pool(m, at), .attempts = chains_of(&m->chains.by_edge, measure_pool(m, at)),
			      .requests = chains_of(&m->chains.wholes, at), .logicals = m->wholes, .breaker = &d->breaker};
}

int measure_series(struct measure *m)
{
	uint64_t duration_ns = m->r->model.ended_ns - m->r->model.started_ns, step_ns;
	size_t edges = m->r->edge_count, all = edges + m->r->destination_count, points = all ? SERIES_POINTS_ALL / all : SERIES_POINTS_MAX;
	struct demand_book book = {0};
	int err = 0;

	if (!m->options.charts)
		return 0;
	points = points > SERIES_POINTS_MAX ? SERIES_POINTS_MAX : points < POINTS_WANTED ? POINTS_WANTED : points;
	step_ns = series_step_ns(duration_ns, points);
	for (size_t i = 0; i < all && !err; i++) {
		struct strip p = i < edges ? of_edge(m, (uint32_t)i) : of_destination(m, i - edges);

		p.step_ns = step_ns;
		err = lay_out(&p, &book, duration_ns);
	}
	demand_close(&book);
	return err;
}
