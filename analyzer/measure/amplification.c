/* SPDX-License-Identifier: MIT */
/*
 * What retries cost on an edge and what they are worth, beyond the counts of edges.c: intervals that hold when requests are coupled, attempts per
 * demand with shed calls, the rate of attempts over that of first attempts, and whether failures come one by one or together.
 *
 *   coupled    a budget, a breaker or an overload makes neighbouring requests alike: then the squared deviations of whole seconds exceed those of
 *              single requests (design effect) by more than chance, and intervals come from moving blocks of seconds, not from single requests
 *   together   attempts that fail independently with p make A = (1 - p^m) / (1 - p) attempts of at most m, and p^m requests fail. What fails
 *              beyond that hit the same overload again
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/pauses.h"
#include "analyzer/measure.h"
#include "analyzer/stats/stats.h"

#define SEED 0x616d706c69667931ull
#define SECONDS_MAX (1u << 20)	/* twelve days; a longer run has no blocks */
#define BLOCKS_LEAST 8		/* one outage in a run has a memory as long as the run: fewer blocks would tell nothing */
#define BLOCKS_MIN 10		/* seconds with requests that show whether they are coupled */
#define TOGETHER_MIN 30		/* requests that show whether they fail together */
#define NOTE(m, ...) result_say(&(m)->r->notes, &(m)->r->note_count, __VA_ARGS__)

struct seconds {	/* of an edge, or of those of its requests that began in some window */
	double *requests, *attempts, *delivered;	/* by the second in which the request began; owned */
	double *firsts, *starts;	/* first attempts, attempts, by the second in which they began; owned */
	size_t n;
};

static int take_room(const struct measure *m, struct seconds *s)
{
	uint64_t run = (m->r->model.ended_ns - m->r->model.started_ns) / NS_PER_S + 2;

	s->n = run > SECONDS_MAX || m->r->model.ended_ns < m->r->model.started_ns ? 0 : (size_t)run;
	s->requests = malloc((s->n + 1) * 5 * sizeof(double));
	if (!s->requests)
		return -ENOMEM;
	s->attempts = s->requests + s->n;
	s->delivered = s->attempts + s->n;
	s->firsts = s->delivered + s->n;
	s->starts = s->firsts + s->n;
	return 0;
}

/* The second of an instant; SIZE_MAX: outside. */
static size_t second_of(const struct measure *m, const struct seconds *s, uint64_t at_ns)
{
	uint64_t start = m->r->model.started_ns, second = at_ns < start ? SIZE_MAX : (at_ns - start) / NS_PER_S;

	return second < s->n ? (size_t)second : SIZE_MAX;
}

/* ---- intervals ---- */

/* Of an edge's requests; kind TIMELINE_KINDS: of all. */
static void fill(const struct measure *m, size_t edge, enum timeline_kind kind, struct seconds *s)
{
	struct chains_span requests = chains_of(&m->chains.requests, edge);

	memset(s->requests, 0, 3 * s->n * sizeof(double));
	for (size_t i = 0; i < requests.n; i++) {
		const struct link_logical *q = &m->link.logicals[requests.members[i]];
		size_t at = second_of(m, s, q->started_ns);

		if (at == SIZE_MAX || !measure_counts(m, q->started_ns) ||
		    (kind != TIMELINE_KINDS && timeline_at(&m->r->timeline, q->started_ns) != kind))
			continue;
		s->requests[at]++;
		s->attempts[at] += q->attempts;
		s->delivered[at] += q->delivered;
	}
}

/* Leaves only the seconds in which something was asked: an idle one is no observation. */
static size_t squeeze(struct seconds *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->requests[i])
			continue;
		s->requests[kept] = s->requests[i];
		s->attempts[kept] = s->attempts[i];
		s->delivered[kept++] = s->delivered[i];
	}
	return kept;
}

/* Whether requests of one second are more alike than chance makes them. */
static bool coupled(const struct seconds *s, size_t n, const struct tally *chain)
{
	double mean = chain->n ? (double)chain->sum / (double)chain->n : 0, single = 0, whole = 0;

	for (size_t i = 0; i < chain->used; i++)
		single += (double)chain->cells[i].count * pow(chain->cells[i].value - mean, 2);
	for (size_t i = 0; i < n; i++)
		whole += pow(s->attempts[i] - mean * s->requests[i], 2);
	return n >= BLOCKS_MIN && single > 0 && whole > single * (1 + 2.5 * sqrt(2 / (double)n));
}

static void widen(struct metric *metric, const double *over, double least, const struct seconds *s, size_t n, uint64_t seed)
{
	struct stats_random random = {seed};
	size_t most = n / BLOCKS_LEAST > 1 ? n / BLOCKS_LEAST : 1, block = stats_block_length(over, n, 1);
	struct stats_interval i = stats_block_ratio(&random, over, s->requests, n, block < most ? block : most);

	if (!metric->known || !i.known)
		return;
	metric->low = fmax(i.low, least);
	metric->high = i.high;
	metric->bounded = true;
	metric->method = "block bootstrap";
}

/* Whether the requests of this cohort were found coupled, or are taken to be. */
static bool judge_cohort(struct measure *m, size_t edge, enum timeline_kind kind, struct seconds *s, bool taken)
{
	struct result_edge *e = &m->r->edges[edge];
	struct result_cohort *c = kind == TIMELINE_KINDS ? &e->whole : &e->window[kind];
	size_t n;

	if (!c->linked || c->chain.used < 2)
		return false;
	fill(m, edge, kind, s);
	n = squeeze(s);
	if (!taken && !coupled(s, n, &c->chain))
		return false;
	widen(&c->amplification, s->attempts, 1, s, n, SEED);
	widen(&c->amplification_delivered, s->delivered, 0, s, n, SEED + 1);
	return true;
}

static void judge_cohorts(struct measure *m, size_t edge, struct seconds *s)
{
	bool any = false;

	for (int kind = 0; kind < TIMELINE_KINDS; kind++)
		any |= judge_cohort(m, edge, kind, s, false);
	if (any)
		judge_cohort(m, edge, TIMELINE_KINDS, s, true);
}

/* ---- what may be no retry ---- */

static void lower(struct metric *metric, double attempts, size_t requests)
{
	if (!metric->known || !requests)
		return;
	metric->high = metric->bounded ? metric->high : metric->value;
	metric->low = fmin(metric->bounded ? metric->low : metric->value, attempts / (double)requests);
	metric->bounded = true;
	metric->method = METRIC_READINGS;
}

/* Where what followed a pause of the breaker may as well have been another request, there may have been as many more. */
static void allow_for_pauses(struct measure *m, size_t edge)
{
	struct result_edge *e = &m->r->edges[edge];
	struct chains_span requests = chains_of(&m->chains.requests, edge);
	size_t more[TIMELINE_KINDS + 1] = {0};

	for (size_t i = 0; i < requests.n && e->retry.alike; i++) {
		uint64_t at = m->link.logicals[requests.members[i]].started_ns;
		size_t n = measure_counts(m, at) ? pauses_within(m, requests.members[i]) : 0;

		more[timeline_at(&m->r->timeline, at)] += n;
		more[TIMELINE_KINDS] += n;
	}
	for (int kind = 0; kind <= TIMELINE_KINDS; kind++) {
		struct result_cohort *c = kind == TIMELINE_KINDS ? &e->whole : &e->window[kind];

		if (!more[kind])
			continue;
		lower(&c->amplification, (double)c->attempts, c->logical + more[kind]);
		lower(&c->amplification_delivered, (double)c->delivered, c->logical + more[kind]);
	}
}

/* Shed calls are demand without any attempt. */
static int bound_demand(struct result_edge *e)
{
	struct tally t = {0};
	struct metric bounded;
	int err;

	if (!e->amplification_demand.known || e->amplification_demand.bounded || e->demand <= e->whole.chain.n)
		return 0;
	err = tally_copy(&t, &e->whole.chain) || tally_add(&t, 0, e->demand - t.n) ? -ENOMEM : 0;
	bounded = err ? (struct metric){0} : metric_mean(&t, SEED + 2);
	if (!err && bounded.bounded) {
		e->amplification_demand.low = bounded.low;
		e->amplification_demand.high = bounded.high;
		e->amplification_demand.bounded = true;
		e->amplification_demand.method = "bootstrap, shed calls inferred";
	}
	tally_free(&t);
	return err;
}

/* ---- rates ---- */

/* Attempts over first attempts, second by second; attempts of seconds without any first are orphans. */
static void rate(const struct measure *m, size_t edge, struct seconds *s)
{
	struct result_edge *e = &m->r->edges[edge];
	struct chains_span attempts = chains_of(&m->chains.by_edge, edge);

	memset(s->firsts, 0, 2 * s->n * sizeof(double));
	for (size_t i = 0; i < attempts.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[attempts.members[i]];
		size_t at = second_of(m, s, x->started_ns);

		if (at == SIZE_MAX || !measure_counts(m, m->link.logicals[x->logical].started_ns))
			continue;
		s->starts[at]++;
		s->firsts[at] += m->link.logicals[x->logical].first == attempts.members[i];
	}
	for (size_t i = 0; i < s->n; i++) {
		if (!s->firsts[i]) {
			e->orphan_retries += (uint64_t)s->starts[i];
		} else if (isnan(e->rate_amplification) || s->starts[i] / s->firsts[i] > e->rate_amplification) {
			e->rate_amplification = s->starts[i] / s->firsts[i];
			e->rate_amplification_s = (double)i;
		}
	}
}

/* ---- one by one, or together ---- */

/* The p of A = (1 - p^m) / (1 - p) = 1 + p + ... + p^(m-1). */
static double failure_share(double amplification, unsigned most)
{
	double low = 0, high = 1;

	for (int i = 0; i < 60; i++) {
		double p = (low + high) / 2, sum = 0, power = 1;

		for (unsigned k = 0; k < most; k++, power *= p)
			sum += power;
		if (sum < amplification)
			low = p;
		else
			high = p;
	}
	return (low + high) / 2;
}

static int judge_failures(struct measure *m, struct result_edge *e)
{
	const struct result_cohort *c = e->window[TIMELINE_FAULT].logical >= TOGETHER_MIN ? &e->window[TIMELINE_FAULT] : &e->whole;
	unsigned most = e->retry.max_attempts;
	double expected, highest;

	e->excess_failure = NAN;
	if (!e->retry.known || e->retry.unbounded || most < 2 || most > 100 || !c->amplification.known || c->logical < TOGETHER_MIN)
		return 0;
	expected = pow(failure_share(c->amplification.value, most), most);
	highest = pow(failure_share(c->amplification.bounded ? c->amplification.high : c->amplification.value, most), most);
	e->excess_failure = e->retry.excess_failure = 1 - c->success.value - expected;
	if (1 - c->success.high <= highest)
		return 0;
	return NOTE(m, "%s -> %s: %.1f %% of requests failed where attempts that fail independently leave %.1f %%: retries hit the same overload",
		    e->client, e->server, (1 - c->success.value) * 100, expected * 100);
}

int measure_amplification(struct measure *m)
{
	struct seconds s = {0};
	int err = take_room(m, &s);

	for (size_t i = 0; i < m->r->edge_count && !err; i++) {
		struct result_edge *e = &m->r->edges[i];

		e->rate_amplification = e->rate_amplification_s = NAN;
		if (e->whole.linked) {
			judge_cohorts(m, i, &s);
			allow_for_pauses(m, i);
			rate(m, i, &s);
		}
		err = bound_demand(e) || judge_failures(m, e) ? -ENOMEM : 0;
		if (e->retry.known && !e->retry.yield.method)
			e->retry.yield = e->retry_yield;
	}
	free(s.requests);
	return err;
}
