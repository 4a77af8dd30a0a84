/* SPDX-License-Identifier: MIT */
#include "analyzer/result.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "analyzer/stats.h"

#define BOOTSTRAP_MIN 5	/* logical requests; an interval from fewer would be fiction */

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
}

void result_free(struct result *r)
{
	for (size_t i = 0; i < r->service_count; i++)
		service_free(&r->services[i]);
	for (size_t i = 0; i < r->edge_count; i++)
		edge_free(&r->edges[i]);
	for (size_t i = 0; i < r->fault_count; i++) {
		samples_free(&r->faults[i].delay_error_ms);
		samples_free(&r->faults[i].achieved_ms);
	}
	free(r->services);
	free(r->edges);
	free(r->paths);
	free(r->recoveries);
	free(r->faults);
	free(r->losses);
	free_list(r->reasons, r->reason_count);
	free_list(r->uncovered, r->uncovered_count);
	free_list(r->notes, r->note_count);
	timeline_free(&r->timeline);
	model_free(&r->model);
	*r = (struct result){0};
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

struct metric metric_unknown(const char *method)
{
	return (struct metric){.method = method};
}

struct metric metric_plain(double value, uint64_t n, const char *method)
{
	return (struct metric){.value = value, .n = n, .method = method, .known = true};
}

struct metric metric_exact(double value, uint64_t n)
{
	return (struct metric){value, value, value, n, "exact", true, true};
}

struct metric metric_share(uint64_t k, uint64_t n)
{
	struct stats_interval i = stats_wilson(k, n);

	if (!n)
		return metric_unknown("wilson");
	return (struct metric){(double)k / (double)n, i.low, i.high, n, "wilson", true, true};
}

struct metric metric_mean(const struct tally *t, uint64_t seed)
{
	struct stats_random random = {seed};
	double draws[STATS_RESAMPLES];
	struct stats_interval i;

	if (!t->n)
		return metric_unknown("none");
	if (t->used == 1)
		return metric_exact((double)t->sum / (double)t->n, t->n);
	if (t->n < BOOTSTRAP_MIN)
		return metric_plain((double)t->sum / (double)t->n, t->n, "counts");
	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = stats_resample_mean(&random, t);
	i = stats_middle(draws, STATS_RESAMPLES);
	return (struct metric){(double)t->sum / (double)t->n, i.low, i.high, t->n, "bootstrap", true, true};
}

void latency_settle(struct latency *l)
{
	samples_sort(&l->samples);
	l->mean = samples_mean(&l->samples);
	l->p50 = samples_percentile(&l->samples, 0.5);
	l->p90 = samples_percentile(&l->samples, 0.9);
	l->p95 = samples_percentile(&l->samples, 0.95);
	l->p99 = samples_percentile(&l->samples, 0.99);
	l->max = samples_percentile(&l->samples, 1);
}
