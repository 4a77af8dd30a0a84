/* SPDX-License-Identifier: MIT */
/*
 * The retries of each edge and of each destination, from requests to what they were worth.
 *
 *   excess failure  failures beyond those of independent attempts: p from A = (1 - p^m) / (1 - p), then (1 - success) - p^m
 */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/pauses.h"
#include "analyzer/read/spill.h"

#define EXCESS_MIN 10
#define AT_ONCE_NS (5 * NS_PER_MS)	/* a connection whose request follows so soon was opened for it; pools open them ahead too */

/* When a connection was opened for this attempt: it is the first on it, and did not wait for it. 0: that was not so. */
static uint64_t opened_for(const struct model *run, const struct model_exchange *x)
{
	const struct model_connection *c = x->connection == MODEL_NONE ? NULL : &run->connections[x->connection];

	if (!c || c->first != (uint32_t)(x - run->exchanges) || c->connected_ns < c->opened_ns || c->connected_ns > x->started_ns)
		return 0;
	return x->started_ns - c->connected_ns <= AT_ONCE_NS ? c->opened_ns : 0;
}

double retry_gap_ms(const struct retries *r, const struct model_exchange *x, const struct model_exchange *y)
{
	uint64_t opened = opened_for(&r->m->r->model, y), start = opened > x->ended_ns ? opened : y->started_ns;

	return x->ended_ns && start > x->ended_ns ? (double)(start - x->ended_ns) / NS_PER_MS : 0;
}

double retry_took_ms(const struct retries *r, const struct retry_request *q)
{
	const struct model_exchange *first = retry_begin(r, q, 0), *last = retry_attempt(r, q, q->n - 1);

	return last->ended_ns > first->started_ns ? (double)(last->ended_ns - first->started_ns) / NS_PER_MS : 0;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void retry_sort(uint32_t *attempts, size_t n)
{
	qsort(attempts, n, sizeof(*attempts), ascending);
}

/* ---- what the retries were worth ---- */

static void measure_yield(struct retries *r)
{
	uint64_t retries = 0, good = 0;

	for (size_t i = 0; i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n; k++) {
			retries++;
			good += !model_failed(retry_attempt(r, &r->requests[i], k));
		}
	r->p->yield = metric_share(good, retries);
}

/* p for which m attempts that fail independently make this many attempts per request. */
static double failing_share(double amplification, unsigned m)
{
	double low = 0, high = 1;

	for (int i = 0; i < 60; i++) {
		double p = (low + high) / 2, sum = 0, power = 1;

		for (unsigned k = 0; k < m; k++, power *= p)
			sum += power;
		*(sum < amplification ? &low : &high) = p;
	}
	return low;
}

static void measure_excess(struct retries *r)
{
	const struct result_cohort *c = r->window[TIMELINE_FAULT].logical >= EXCESS_MIN ? &r->window[TIMELINE_FAULT] : r->whole;
	double a = c->logical ? (double)c->attempts / (double)c->logical : 0;

	if (r->begins || r->p->max_attempts < 2 || r->p->max_attempts > 100 || r->p->unbounded || c->logical < EXCESS_MIN || a > r->p->max_attempts)
		return;
	r->p->excess_failure = 1 - (double)c->succeeded / (double)c->logical -
			       pow(failing_share(a, r->p->max_attempts), r->p->max_attempts);
}

/* ---- one edge, or one destination ---- */

static void nothing_known(struct policy_retry *p)
{
	p->deadline_ms = p->base_ms = p->multiplier = p->cap_ms = p->added_ms = p->step_ms = NAN;
	p->base_low_ms = p->base_high_ms = p->bic_margin = p->retry_after_cap_ms = p->other_share_high = NAN;
	p->herd_preservation = p->storm_amplification = p->storm_seconds = p->budget_ratio = p->excess_failure = NAN;
	p->exhausted_share = metric_unknown("wilson");
	p->yield = metric_unknown("wilson");
	p->jitter_low = metric_unknown("quantiles");
	p->herding = metric_unknown("morisita");
}

/*
 * Attempts without waits between them, joined by time alone, may be a loop's requests: how many belong together can not be told. Nor can it
 * where requests are tangled, unless all have the same number.
 */
static void doubt_length(struct retries *r)
{
	struct policy_retry *p = r->p;
	bool loop = p->unbounded && r->temporal && p->backoff == BACKOFF_NONE, differ = p->tangled && isnan(p->other_share_high);

	if (!loop && !differ)
		return;
	p->unbounded = p->budget = false;
	p->max_attempts = 0;
	p->deadline_ms = p->budget_ratio = NAN;
}

static int say_what_is_unsure(struct result *x, const struct policy_retry *p, const char *client, const char *server)
{
	if (p->mixed)
		return result_say(&x->notes, &x->note_count, "requests of %s to %s do not share one retry policy: several clients or settings are at work",
				  client, server);
	if (p->tangled)
		return result_say(&x->notes, &x->note_count,
				  "%s sends the same request to %s several times at once: which retry belongs to which is a guess", client, server);
	return 0;
}

static int judge(struct retries *r)
{
	static int (*const steps[])(struct retries *) = {retry_misuse, retry_reactions, retry_lengths, retry_waits, retry_rate};
	int err = retry_collect(r);

	if (!err && !r->count) {
		err = retry_misuse(r);
		r->p->known = r->p->pointless.count > 0;
	}
	if (err || !r->count)
		return err;
	r->p->known = true;
	r->p->failed_requests = r->count;
	retry_ends(r);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
		err = steps[i](r);
	doubt_length(r);
	measure_yield(r);
	measure_excess(r);
	return err;
}

/* 0 or -ENOMEM. */
static int judge_or_say(struct retries *r, const char *client, const char *server)
{
	int err = r->temporal ? retry_polls(r) : 0;

	if (err > 0)
		return result_say(&r->m->r->notes, &r->m->r->note_count,
				  "%s calls %s again as soon after a success as after a failure: that is polling, or a loop, and not judged as retries",
				  client, server) ?
			       -ENOMEM : 0;
	if (!err)
		err = judge(r);
	spill_free(r->attempts);
	spill_free(r->begins);
	spill_free(r->hidden);
	spill_free(r->requests);
	return err;
}

static int measure_edge(struct measure *m, uint32_t edge)
{
	struct result_edge *e = &m->r->edges[edge];
	struct retries r = {.m = m, .p = &e->retry, .edge = edge, .destination = MODEL_NONE, .all = chains_of(&m->chains.by_edge, edge),
			    .asked = chains_of(&m->chains.requests, edge), .whole = &e->whole, .window = e->window,
			    .median_ms = e->latency.p50, .temporal = m->link.tiers[edge] == LINK_TEMPORAL};

	nothing_known(r.p);
	if (m->graph.edges[edge].external || m->link.tiers[edge] == LINK_AGGREGATE)
		return 0;
	return judge_or_say(&r, e->client, e->server);
}

int measure_retries(struct measure *m)
{
	int err = 0;

	for (uint32_t e = 0; e < m->r->edge_count && !err; e++)
		err = measure_edge(m, e);
	return err;
}

/* Whether its breaker ended requests, or time alone joined attempts. */
static bool may_read_otherwise(const struct measure *m, uint32_t edge)
{
	const struct policy_breaker *b = &m->r->edges[edge].breaker;

	return b->span_count && (m->link.tiers[edge] == LINK_TEMPORAL || policy_breaker_asks_attempts(b));
}

int measure_retries_again(struct measure *m)
{
	int err = 0;

	for (uint32_t i = 0; i < m->r->edge_count && !err; i++) {
		struct result_edge *e = &m->r->edges[i];

		if (e->retry.known && may_read_otherwise(m, i)) {
			policy_retry_free(&e->retry);
			err = measure_edge(m, i);
		}
		if (e->retry.known && e->breaker.alike && pauses_across(m, i))
			e->retry.alike = "the pauses of a circuit breaker";
		err = err ? err : say_what_is_unsure(m->r, &e->retry, e->client, e->server);
	}
	return err;
}

/* The slowest of its servers counts. */
static double median_ms(const struct measure *m, const struct result_destination *d)
{
	double ms = NAN;

	for (size_t i = 0; i < d->edge_count; i++)
		ms = fmax(ms, m->r->edges[d->edges[i]].latency.p50);
	return ms;
}

static int measure_destination(struct measure *m, uint32_t at)
{
	struct result_destination *d = &m->r->destinations[at];
	struct retries r = {.m = m, .p = &d->retry, .edge = (uint32_t)d->edges[0], .destination = at, .all = chains_of(&m->chains.by_edge, measure_pool(m, at)),
			    .asked = chains_of(&m->chains.wholes, at), .whole = &d->whole, .window = d->window, .median_ms = median_ms(m, d),
			    .temporal = !strcmp(d->linking, link_tier_name(LINK_TEMPORAL))};
	int err;

	nothing_known(r.p);
	if (!strcmp(d->linking, link_tier_name(LINK_AGGREGATE)))
		return 0;
	err = judge_or_say(&r, d->client, d->name);
	return err ? err : say_what_is_unsure(m->r, r.p, d->client, d->name);
}

int measure_retries_elsewhere(struct measure *m)
{
	int err = 0;

	for (uint32_t d = 0; d < m->r->destination_count && !err; d++)
		err = measure_destination(m, d);
	return err;
}
