/* SPDX-License-Identifier: MIT */
#include "analyzer/result.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 30		/* of neighbours, to see whether they are alike */
#define BLOCK_MIN 20
#define SLOWED_MS 50.0

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

static void cohort_free(struct result_cohort *c)
{
	tally_free(&c->chain);
	tally_free(&c->chain_delivered);
}

static void service_free(struct result_service *s)
{
	free(s->pids);
	samples_free(&s->whole.latency.samples);
	for (int k = 0; k < TIMELINE_KINDS; k++)
		samples_free(&s->window[k].latency.samples);
}

static void edge_free(struct result_edge *e)
{
	cohort_free(&e->whole);
	for (int k = 0; k < TIMELINE_KINDS; k++)
		cohort_free(&e->window[k]);
	tally_free(&e->statuses);
	tally_free(&e->errors);
	samples_free(&e->latency.samples);
	policy_retry_free(&e->retry);
	policy_breaker_free(&e->breaker);
	series_free(&e->series);
}

static void destination_free(struct result_destination *d)
{
	cohort_free(&d->whole);
	for (int k = 0; k < TIMELINE_KINDS; k++)
		cohort_free(&d->window[k]);
	policy_retry_free(&d->retry);
	policy_breaker_free(&d->breaker);
	series_free(&d->series);
	free(d->name);
	free(d->edges);
}

void result_forget(struct result *r, size_t notes)
{
	for (size_t i = 0; i < r->service_count; i++)
		service_free(&r->services[i]);
	for (size_t i = 0; i < r->edge_count; i++)
		edge_free(&r->edges[i]);
	for (size_t i = 0; i < r->destination_count; i++)
		destination_free(&r->destinations[i]);
	free(r->services);
	free(r->edges);
	free(r->destinations);
	r->services = NULL;
	r->edges = NULL;
	r->destinations = NULL;
	r->service_count = r->edge_count = r->destination_count = 0;
	while (r->note_count > notes)
		free(r->notes[--r->note_count]);
}

void result_free(struct result *r)
{
	result_forget(r, 0);
	for (size_t i = 0; i < r->fault_count; i++) {
		samples_free(&r->faults[i].delay_error_ms);
		samples_free(&r->faults[i].achieved_ms);
	}
	free(r->paths);
	free(r->recoveries);
	free(r->faults);
	free(r->losses);
	free(r->hierarchies);
	free(r->backpressures);
	for (size_t i = 0; i < r->finding_count; i++)
		finding_free(&r->findings[i]);
	free(r->findings);
	for (size_t i = 0; i < r->exemplar_count; i++)
		exemplar_free(&r->exemplars[i]);
	free(r->exemplars);
	free_list(r->reasons, r->reason_count);
	free_list(r->uncovered, r->uncovered_count);
	free_list(r->notes, r->note_count);
	timeline_free(&r->timeline);
	model_free(&r->model);
	*r = (struct result){0};
}

bool result_slowed(const struct result_recovery *r)
{
	return r->took_ms > 2 * r->usual_ms && r->took_ms - r->usual_ms >= SLOWED_MS;
}

int result_say(char ***list, size_t *count, const char *format, ...)
{
	char **longer = realloc(*list, (*count + 1) * sizeof(**list));
	va_list ap;
	int n;

	if (!longer)
		return -ENOMEM;
	*list = longer;
	va_start(ap, format);
	n = vasprintf(&longer[*count], format, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	(*count)++;
	return 0;
}

struct metric result_success_of_users(const struct result *r)
{
	uint64_t good = 0, all = 0;

	for (size_t i = 0; i < r->edge_count; i++) {
		const struct result_cohort *c = result_seen(r, &r->edges[i]);

		if (r->edges[i].root && c) {
			good += c->succeeded;
			all += c->linked ? c->logical : c->attempts;
		}
	}
	return metric_share(good, all);
}

/* Whether most of what it is asked comes from users: a probe of a service behind others is none of theirs. */
static bool is_entry(const struct result *r, const struct result_service *s)
{
	uint64_t asked = 0;

	for (size_t i = 0; i < r->edge_count; i++)
		asked += r->edges[i].root && !strcmp(r->edges[i].server, s->name) ? r->edges[i].whole.attempts : 0;
	return asked && asked * 2 >= s->whole.requests;
}

uint64_t result_degraded_of_users(const struct result *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->service_count; i++)
		n += is_entry(r, &r->services[i]) ? r->services[i].whole.degraded : 0;
	return n;
}

static const struct result_destination *destination_of(const struct result *r, const struct result_edge *e)
{
	return r->destination_count && e->destination != MODEL_NONE ? &r->destinations[e->destination] : NULL;
}

static bool is_first(const struct result *r, const struct result_destination *d, const struct result_edge *e)
{
	return &r->edges[d->edges[0]] == e;
}

const struct result_cohort *result_seen(const struct result *r, const struct result_edge *e)
{
	const struct result_destination *d = destination_of(r, e);

	return !d ? &e->whole : is_first(r, d, e) ? &d->whole : NULL;
}

const struct policy_retry *result_retry_of(const struct result *r, const struct result_edge *e)
{
	const struct result_destination *d = destination_of(r, e);

	return d && d->retry.known ? &d->retry : &e->retry;
}

const struct policy_breaker *result_breaker_of(const struct result *r, const struct result_edge *e)
{
	const struct result_destination *d = destination_of(r, e);

	return d && d->breaker.known ? &d->breaker : &e->breaker;
}

const struct policy_retry *result_seen_retry(const struct result *r, const struct result_edge *e)
{
	static const struct policy_retry nothing;
	const struct policy_retry *p = result_retry_of(r, e);

	return p == &e->retry || is_first(r, destination_of(r, e), e) ? p : &nothing;
}

const struct policy_breaker *result_seen_breaker(const struct result *r, const struct result_edge *e)
{
	const struct policy_breaker *p = result_breaker_of(r, e);

	return p == &e->breaker || is_first(r, destination_of(r, e), e) ? p : &e->breaker;
}

static const struct { const char *name; int status; } verdicts[] = {
	[VERDICT_PASS] = {"pass", 0}, [VERDICT_FAIL] = {"fail", 1},
	[VERDICT_INCONCLUSIVE] = {"inconclusive", 3}, [VERDICT_VACUOUS] = {"vacuous", 3},
};

const char *verdict_name(enum verdict v)
{
	return verdicts[v].name;
}

int verdict_status(enum verdict v)
{
	return verdicts[v].status;
}

/*
 * The variance of the share below `limit` between blocks of neighbours, against what independent ones would have (the design effect of a cluster
 * sample: Kish 1965). 1 when there are too few for blocks.
 */
static double inflation(const struct samples *s, double limit)
{
	size_t length = s->n / BLOCKS;
	double mean = 0, square = 0, share;

	if (length < BLOCK_MIN)
		return 1;
	for (size_t b = 0; b < BLOCKS; b++) {
		size_t below = 0;

		for (size_t i = b * length; i < (b + 1) * length; i++)
			below += s->values[i] <= limit;
		share = (double)below / (double)length;
		mean += share / BLOCKS;
		square += share * share / BLOCKS;
	}
	if (mean <= 0 || mean >= 1)
		return 1;
	return fmax(1, (square - mean * mean) * BLOCKS / (BLOCKS - 1) * (double)length / (mean * (1 - mean)));
}

/* Before they are sorted; the copy tells where the percentiles are. */
static void measure_inflation(struct latency *l)
{
	static const double shares[] = {0.5, 0.95, 0.99};
	struct samples copy = {0};

	for (int k = 0; k < 3; k++)
		l->inflation[k] = 1;
	if (l->samples.sorted || l->samples.n < BLOCKS * BLOCK_MIN || samples_copy(&copy, &l->samples))
		return;
	samples_sort(&copy);
	for (int k = 0; k < 3; k++)
		l->inflation[k] = inflation(&l->samples, samples_percentile(&copy, shares[k]));
	samples_free(&l->samples);
	l->samples = copy;
}

void latency_settle(struct latency *l)
{
	measure_inflation(l);
	samples_sort(&l->samples);
	l->mean = samples_mean(&l->samples);
	l->p50 = samples_percentile(&l->samples, 0.5);
	l->p90 = samples_percentile(&l->samples, 0.9);
	l->p95 = samples_percentile(&l->samples, 0.95);
	l->p99 = samples_percentile(&l->samples, 0.99);
	l->max = samples_percentile(&l->samples, 1);
}

struct metric result_seen_success(const struct result *r, const struct result_edge *e)
{
	const struct result_cohort *c = result_seen(r, e);

	if (!c)
		return metric_unknown("seen at the first server of its destination");
	return c->linked ? c->success : metric_share(c->succeeded, c->attempts);
}

const char *result_seen_server(const struct result *r, const struct result_edge *e)
{
	const struct result_destination *d = destination_of(r, e);

	return d ? d->name : e->server;
}
