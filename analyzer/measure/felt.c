/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/felt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/samples.h"
#include "analyzer/read/times.h"
#include "analyzer/stats/stats.h"

#define BASELINE_MIN 5		/* requests that make a baseline */
#define SECONDS_MAX (1l << 21)	/* three weeks; a damaged file may claim centuries */
#define CALM_MIN_NS NS_PER_S
#define TOOK_MIN 20		/* requests of which 95 of 100 are told */
#define TOOK_MOST 100000	/* of more, every second, third ... is looked at */
#define HEALTHY 0.95		/* of the baseline's share; of all requests when there is no baseline */
#define LEAST 0.05		/* of what users ask: less is the probes and scrapes that are left when they have gone */

uint64_t felt_start(const struct felt *f, long i)
{
	uint64_t clear = f->episode->to_ns, apart = (uint64_t)labs(i - f->zero) * NS_PER_S, start = f->m->r->model.started_ns;
	uint64_t at = i >= f->zero ? clear + apart : clear > apart ? clear - apart : 0;

	return at < start ? start : at;
}

/* The first request that began then or later. */
static size_t first_request(const struct link *l, uint64_t at_ns)
{
	return l->count ? times_before(&l->logicals->started_ns, sizeof(*l->logicals), l->count, at_ns) : 0;
}

/* ---- which edges ---- */

/* The service whose answers the fault spoiled, for an exchange that it hit. */
static uint32_t hit_service(const struct measure *m, const struct model_exchange *x)
{
	if (x->edge != MODEL_NONE)
		return m->graph.edges[x->edge].server;
	return x->process == MODEL_NONE ? 0 : m->r->model.processes[x->process].service;
}

static void mark_hit(const struct measure *m, uint32_t fault, bool *hit)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->injection_count; i++)
		if (run->injections[i].fault == fault && run->injections[i].exchange != MODEL_NONE)
			hit[hit_service(m, &run->exchanges[run->injections[i].exchange])] = true;
}

/* Spreads `hit` from servers to their clients. */
static void spread_back(const struct graph *g, bool *hit)
{
	for (bool grew = true; grew;) {
		grew = false;
		for (size_t e = 0; e < g->count; e++) {
			grew |= hit[g->edges[e].server] && !hit[g->edges[e].client];
			hit[g->edges[e].client] |= hit[g->edges[e].server];
		}
	}
}

static int find_edges(struct felt *f, uint32_t fault)
{
	const struct graph *g = &f->m->graph;
	bool *hit = calloc(g->name_count, sizeof(*hit));

	f->entry = calloc(g->count + 1, sizeof(*f->entry));
	f->struck = calloc(g->count + 1, sizeof(*f->struck));
	if (!hit || !f->entry || !f->struck) {
		free(hit);
		return -ENOMEM;
	}
	mark_hit(f->m, fault, hit);
	for (size_t e = 0; e < g->count; e++)
		f->struck[e] = hit[g->edges[e].server];
	spread_back(g, hit);
	for (size_t e = 0; e < g->count; e++)
		f->entry[e] = graph_is_root(g, g->edges[e].client) && hit[g->edges[e].server];
	free(hit);
	return 0;
}

/* ---- how long requests took ---- */

static int add_took(struct samples *s, const struct link *l, size_t request)
{
	const struct link_logical *q = &l->logicals[request];

	if (q->ended_ns <= q->started_ns || request % (1 + l->count / TOOK_MOST))
		return 0;
	return samples_add(s, model_ms(q->started_ns, q->ended_ns));
}

/* Of most of them; frees s. */
static double settle_took(struct samples *s)
{
	double ms = NAN;

	if (s->n >= TOOK_MIN) {
		samples_sort(s);
		ms = samples_percentile(s, 0.95);
	}
	samples_free(s);
	return ms;
}

/* ---- what it is measured against ---- */

bool felt_has_baseline(const struct felt *f)
{
	return f->base >= BASELINE_MIN;
}

bool felt_calm(const struct felt *f, uint64_t at_ns)
{
	if (f->calm_to_ns)
		return at_ns >= f->calm_from_ns && at_ns < f->calm_to_ns;
	return measure_counts(f->m, at_ns) && timeline_at(&f->m->r->timeline, at_ns) == TIMELINE_BASELINE;
}

static int count_baseline(struct felt *f)
{
	const struct measure *m = f->m;
	struct samples took = {0};
	double seconds = f->calm_to_ns ? (double)(f->calm_to_ns - f->calm_from_ns) / NS_PER_S : measure_seconds(m, TIMELINE_BASELINE);
	uint64_t good = 0, attempts = 0;
	int err = 0;

	f->base = 0;
	f->usual_ms = 0;
	for (size_t i = f->calm_to_ns ? first_request(&m->link, f->calm_from_ns) : 0; i < m->link.count && !err; i++) {
		const struct link_logical *q = &m->link.logicals[i];

		if (f->calm_to_ns && q->started_ns >= f->calm_to_ns)
			break;
		if (!(f->entry[q->edge] || f->struck[q->edge]) || !felt_calm(f, q->started_ns))
			continue;
		if (f->entry[q->edge] && !q->partial) {
			f->base++;
			good += q->ok;
			err = add_took(&took, &m->link, i);
		}
		attempts += f->struck[q->edge] ? q->attempts : 0;
	}
	f->mu = felt_has_baseline(f) ? (double)good / (double)f->base : 1;
	f->load = felt_has_baseline(f) && seconds > 0 ? (double)f->base / seconds : NAN;
	f->attempts = felt_has_baseline(f) && seconds > 0 ? (double)attempts / seconds : NAN;
	f->took_ms = settle_took(&took);
	return err;
}

/* Whether another fault was there all through the episode, and before and after it. */
static bool is_background(const struct felt *f, uint32_t fault)
{
	const struct timeline_span *s = &f->m->r->timeline.spans[fault];

	return fault != f->episode->fault && s->hits && s->from_ns < f->episode->from_ns && s->to_ns > f->episode->to_ns;
}

/* The time in which the faults of the background were there and no other had come yet; empty, 0, 0, when there is none to speak of. */
static void find_calm(const struct felt *f, uint64_t *from_ns, uint64_t *to_ns)
{
	const struct timeline_span *spans = f->m->r->timeline.spans;
	size_t faults = f->m->r->model.fault_count;
	uint64_t from = 0, to = f->episode->from_ns;

	for (uint32_t i = 0; i < faults; i++)
		if (is_background(f, i) && spans[i].from_ns > from)
			from = spans[i].from_ns;
	for (uint32_t i = 0; from && i < faults; i++)
		if (!is_background(f, i) && spans[i].hits && spans[i].to_ns >= from && spans[i].from_ns < to)
			to = spans[i].from_ns;
	from = from && from < f->m->from_ns ? f->m->from_ns : from;
	to = to > f->m->to_ns ? f->m->to_ns : to;
	*from_ns = *to_ns = 0;
	if (from && to >= from + CALM_MIN_NS) {
		*from_ns = from;
		*to_ns = to;
	}
}

/* A fault in front of the background of another is measured against that background: what the other did, it did before. */
static int choose_baseline(struct felt *f)
{
	uint64_t from_ns, to_ns;
	int err;

	find_calm(f, &from_ns, &to_ns);
	if (f->is_based && from_ns == f->asked_from_ns && to_ns == f->asked_to_ns)
		return 0;
	f->is_based = true;
	f->asked_from_ns = f->calm_from_ns = from_ns;
	f->asked_to_ns = f->calm_to_ns = to_ns;
	err = count_baseline(f);
	if (err || !to_ns || felt_has_baseline(f))
		return err;
	f->calm_from_ns = f->calm_to_ns = 0;	/* nobody asked anything then */
	return count_baseline(f);
}

int felt_fault(struct felt *f, struct measure *m, uint32_t fault)
{
	struct felt before = *f;

	free(before.entry);
	free(before.struck);
	*f = (struct felt){.m = m, .seconds = before.seconds, .room = before.room};
	return find_edges(f, fault);
}

/* ---- the seconds of an episode ---- */

static long whole_seconds(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t seconds = to_ns > from_ns ? (to_ns - from_ns) / NS_PER_S : 0;

	return seconds > SECONDS_MAX ? SECONDS_MAX : (long)seconds;
}

/* NULL: outside. */
static struct felt_second *second_of(struct felt *f, uint64_t at_ns)
{
	int64_t since = (int64_t)(at_ns - f->episode->to_ns);
	long at = f->zero + (long)(since >= 0 ? since / (int64_t)NS_PER_S : -((-since - 1) / (int64_t)NS_PER_S) - 1);

	return at < 0 || at >= f->count ? NULL : &f->seconds[at];
}

static int count_requests(struct felt *f)
{
	const struct link *l = &f->m->link;
	struct samples took = {0};
	int err = 0;

	for (size_t i = first_request(l, felt_start(f, 0)); i < l->count && l->logicals[i].started_ns < f->until_ns && !err; i++) {
		const struct link_logical *q = &l->logicals[i];
		struct felt_second *s = f->entry[q->edge] && !q->partial && measure_counts(f->m, q->started_ns) ? second_of(f, q->started_ns) : NULL;

		if (!s)
			continue;
		s->n++;
		s->ok += q->ok;
		if (!q->ok && !s->first_failed_ns)
			s->first_failed_ns = q->started_ns;
		if (q->started_ns >= f->episode->from_ns && q->started_ns <= f->episode->to_ns)
			err = add_took(&took, l, i);
	}
	f->episode_took_ms = settle_took(&took);
	return err;
}

static void count_attempts(struct felt *f)
{
	const struct model *run = &f->m->r->model;

	for (size_t i = model_first_from(run, felt_start(f, 0)); i < run->exchange_count && run->exchanges[i].started_ns < f->until_ns; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		struct felt_second *s = x->edge != MODEL_NONE && f->struck[x->edge] ? second_of(f, x->started_ns) : NULL;

		if (!s)
			continue;
		s->attempts++;
		s->firsts += measure_begins(f->m, (uint32_t)i);
	}
}

/* Cleared; the room of those before is used again, for a damaged file has many of three weeks. */
static int make_seconds(struct felt *f)
{
	size_t bytes = (size_t)f->count * sizeof(*f->seconds);

	if (f->count > f->room) {
		free(f->seconds);
		f->seconds = malloc(bytes);
		f->room = f->seconds ? f->count : 0;
	}
	if (!f->seconds)
		return -ENOMEM;
	memset(f->seconds, 0, bytes);
	return 0;
}

/* A program that was asked much in the baseline may be asked little ever since: then what the bad seconds were asked is what users ask. */
static double least_asked(const struct felt *f)
{
	double asked = 0, bad = 0;

	for (long i = 0; i < f->count; i++)
		if (felt_bad(f, i)) {
			asked += f->seconds[i].n;
			bad++;
		}
	return isnan(f->load) || !bad ? 0 : LEAST * fmin(f->load, asked / bad);
}

int felt_episode(struct felt *f, const struct timeline_episode *e, uint64_t until_ns)
{
	uint64_t end = f->m->r->model.ended_ns;
	int err;

	f->episode = e;
	err = choose_baseline(f);
	f->until_ns = until_ns < end ? until_ns : end + 1;
	f->zero = whole_seconds(e->from_ns, e->to_ns) + 1;
	f->count = f->zero + whole_seconds(e->to_ns, f->until_ns) + (until_ns < end ? 0 : 1);	/* the run's last second need not be whole */
	if (err || make_seconds(f) || count_requests(f))
		return -ENOMEM;
	count_attempts(f);
	f->least = least_asked(f);
	return 0;
}

void felt_free(struct felt *f)
{
	free(f->entry);
	free(f->struck);
	free(f->seconds);
	*f = (struct felt){0};
}

/* ---- good and bad ---- */

/* What share of n requests is good enough. sigma: from the share shrunk towards one half (Agresti, Coull), as a baseline
 * without any failure does not prove that there are none. */
static double theta(const struct felt *f, uint64_t n)
{
	double shrunk, sigma;

	if (!isnan(f->m->options.slo))
		return f->m->options.slo;
	if (!felt_has_baseline(f))
		return HEALTHY;
	shrunk = (f->mu * (double)f->base + 2) / ((double)f->base + 4);
	sigma = sqrt(shrunk * (1 - shrunk) / (double)n);
	return fmax(HEALTHY * f->mu, f->mu - 3 * sigma);
}

bool felt_bad(const struct felt *f, long i)
{
	const struct felt_second *s = &f->seconds[i];

	return s->n && stats_wilson(s->ok, s->n).high < theta(f, s->n);
}

bool felt_good(const struct felt *f, long i)
{
	const struct felt_second *s = &f->seconds[i];

	return s->n && s->n >= f->least && (double)s->ok / s->n >= theta(f, s->n);
}

bool felt_holds(const struct felt *f, long i)
{
	uint64_t n = 0, ok = 0;

	if (i + FELT_HOLD_S > f->count || felt_start(f, i + FELT_HOLD_S) > f->m->r->model.ended_ns)
		return false;
	for (long k = i; k < i + FELT_HOLD_S; k++) {
		if (felt_bad(f, k))
			return false;
		n += f->seconds[k].n;
		ok += f->seconds[k].ok;
	}
	return !n || (double)ok / (double)n >= theta(f, n);
}
