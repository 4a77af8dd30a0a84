/* SPDX-License-Identifier: MIT */
/*
 * A result in the text format of OpenMetrics 1.0, for a push gateway or a node exporter's textfile: families by table, each with its unit and a line of
 * help, then "# EOF". Base units: seconds, ratios. What is not known has no sample. Names in labels are escaped like on a terminal, then as the
 * format asks.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/face/face.h"
#include "analyzer/face/report.h"

#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))
#define PREFIX "aftershock_"

struct writer {
	FILE *out;
	int err;
};

static void label(struct writer *w, const char *name, const char *value, bool more)
{
	char *safe = face_escape(value);

	if (!safe)
		w->err = -ENOMEM;
	fprintf(w->out, "%s=\"", name);
	for (const char *p = safe ? safe : ""; *p; p++) {
		if (*p == '\\' || *p == '"')
			fputc('\\', w->out);
		fputc(*p, w->out);
	}
	fputs(more ? "\"," : "\"", w->out);
	free(safe);
}

static void family(struct writer *w, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(w->out, "# TYPE " PREFIX "%s %s\n", name, type);
	if (unit)
		fprintf(w->out, "# UNIT " PREFIX "%s %s\n", name, unit);
	fprintf(w->out, "# HELP " PREFIX "%s %s\n", name, help);
}

static void edge_labels(struct writer *w, const struct result_edge *e, bool more)
{
	label(w, "client", e->client, true);
	label(w, "server", e->server, more);
}

/* Its families have names of their own: a sum over servers must not count them again. */
static void destination_labels(struct writer *w, const struct result_destination *d, bool more)
{
	label(w, "client", d->client, true);
	label(w, "destination", d->name, more);
}

/* ---- of an edge, or a destination, in each window ---- */

struct cohort_family {
	const char *name, *type, *unit, *help;
	double (*value)(const struct result_cohort *c);
};

static double of(const struct metric *m)
{
	return m->known ? m->value : NAN;
}

static double requests(const struct result_cohort *c)
{
	return c->linked ? (double)c->logical : NAN;
}

static double attempts(const struct result_cohort *c)
{
	return (double)c->attempts;
}

static double delivered(const struct result_cohort *c)
{
	return (double)c->delivered;
}

static double amplification(const struct result_cohort *c)
{
	return of(&c->amplification);
}

static double success(const struct result_cohort *c)
{
	return of(&c->success);
}

static const struct cohort_family cohorts[] = {
	{"requests", "gauge", NULL, "Logical requests that started in this window.", requests},
	{"attempts", "gauge", NULL, "Attempts that these requests took.", attempts},
	{"delivered_attempts", "gauge", NULL, "Attempts that reached a server.", delivered},
	{"amplification_ratio", "gauge", "ratio", "Attempts per logical request.", amplification},
	{"success_ratio", "gauge", "ratio", "Logical requests that succeeded.", success},
};

static void cohort_sample(struct writer *w, const struct cohort_family *x, const struct result_edge *e, const struct result_destination *d,
			  const struct result_cohort *c, const char *window)
{
	double value = x->value(c);

	if (!isfinite(value))
		return;
	fprintf(w->out, PREFIX "%s%s{", d ? "destination_" : "", x->name);
	if (d)
		destination_labels(w, d, true);
	else
		edge_labels(w, e, true);
	fprintf(w->out, "window=\"%s\"} %.10g\n", window, value);
}

static void cohort_samples(struct writer *w, const struct result *r, const struct cohort_family *x, const struct result_edge *e,
			   const struct result_destination *d)
{
	const struct result_cohort *windows = d ? d->window : e->window;

	cohort_sample(w, x, e, d, d ? &d->whole : &e->whole, "run");
	for (int k = 0; k < TIMELINE_KINDS && r->timeline.window_count > 1; k++)
		if (windows[k].attempts)
			cohort_sample(w, x, e, d, &windows[k], timeline_name(k));
}

static void print_cohorts(struct writer *w, const struct result *r)
{
	for (size_t i = 0; i < COUNT(cohorts); i++) {
		family(w, cohorts[i].name, cohorts[i].type, cohorts[i].unit, cohorts[i].help);
		for (size_t e = 0; e < r->edge_count; e++)
			cohort_samples(w, r, &cohorts[i], &r->edges[e], NULL);
	}
}

static void print_destination_cohorts(struct writer *w, const struct result *r)
{
	char name[64];

	for (size_t i = 0; i < COUNT(cohorts); i++) {
		snprintf(name, sizeof(name), "destination_%s", cohorts[i].name);
		family(w, name, cohorts[i].type, cohorts[i].unit, cohorts[i].help);
		for (size_t d = 0; d < r->destination_count; d++)
			cohort_samples(w, r, &cohorts[i], NULL, &r->destinations[d]);
	}
}

/* ---- of an edge ---- */

struct edge_family {
	const char *name, *unit, *help;
	double (*value)(const struct result_edge *e);
};

static double peak(const struct result_edge *e)
{
	return e->peak_attempts_per_s;
}

static double demand(const struct result_edge *e)
{
	return of(&e->amplification_demand);
}

static double max_attempts(const struct policy_retry *p)
{
	return p->known && p->max_attempts ? p->max_attempts : NAN;
}

static double backoff_base(const struct policy_retry *p)
{
	return p->known ? p->base_ms / 1000 : NAN;
}

static double edge_max_attempts(const struct result_edge *e)
{
	return max_attempts(&e->retry);
}

static double edge_backoff_base(const struct result_edge *e)
{
	return backoff_base(&e->retry);
}

static double timeout(const struct result_edge *e)
{
	return e->timeout.known && e->timeout.mode_count ? e->timeout.modes[0].ms / 1000 : NAN;
}

static double opens(const struct result_edge *e)
{
	return e->breaker.known ? e->breaker.opens : NAN;
}

static double violations(const struct result_edge *e)
{
	return e->idempotency.known ? (double)e->idempotency.violations : NAN;
}

static const struct edge_family edges[] = {
	{"peak_attempts", NULL, "The most attempts that started within one second.", peak},
	{"demand_amplification_ratio", "ratio", "Attempts per request that normally causes a call, calls that were shed included.", demand},
	{"retry_max_attempts", NULL, "Attempts after which the client gives a request up, as its traffic tells.", edge_max_attempts},
	{"retry_base_seconds", "seconds", "Median wait before the first retry that waits.", edge_backoff_base},
	{"timeout_seconds", "seconds", "The client's most frequent timeout, as its traffic tells.", timeout},
	{"breaker_opens", NULL, "How often the client's circuit breaker opened.", opens},
	{"idempotency_violations", NULL, "Idempotency keys whose request took effect more than once.", violations},
};

static void print_edges(struct writer *w, const struct result *r)
{
	for (size_t i = 0; i < COUNT(edges); i++) {
		family(w, edges[i].name, "gauge", edges[i].unit, edges[i].help);
		for (size_t e = 0; e < r->edge_count; e++) {
			double value = edges[i].value(&r->edges[e]);

			if (!isfinite(value))
				continue;
			fprintf(w->out, PREFIX "%s{", edges[i].name);
			edge_labels(w, &r->edges[e], false);
			fprintf(w->out, "} %.10g\n", value);
		}
	}
}

static void quantile(struct writer *w, const struct result_edge *e, const char *q, double ms)
{
	fputs(PREFIX "attempt_latency_seconds{", w->out);
	edge_labels(w, e, true);
	fprintf(w->out, "quantile=\"%s\"} %.10g\n", q, ms / 1000);
}

static void print_latency(struct writer *w, const struct result *r)
{
	family(w, "attempt_latency_seconds", "summary", "seconds", "How long attempts took that ended.");
	for (size_t i = 0; i < r->edge_count; i++) {
		const struct result_edge *e = &r->edges[i];

		if (!isfinite(e->latency.max))
			continue;
		quantile(w, e, "0.5", e->latency.p50);
		quantile(w, e, "0.9", e->latency.p90);
		quantile(w, e, "0.95", e->latency.p95);
		quantile(w, e, "0.99", e->latency.p99);
		quantile(w, e, "1.0", e->latency.max);
	}
}

/* ---- of a destination ---- */

struct destination_family {
	const char *name, *unit, *help;
	double (*value)(const struct result_destination *d);
};

static double servers(const struct result_destination *d)
{
	return (double)d->edge_count;
}

static double went_on(const struct result_destination *d)
{
	return d->whole.linked ? (double)d->hops : NAN;
}

static double destination_max_attempts(const struct result_destination *d)
{
	return max_attempts(&d->retry);
}

static double destination_backoff_base(const struct result_destination *d)
{
	return backoff_base(&d->retry);
}

static double servers_per_attempt(const struct result_destination *d)
{
	return d->retry.known && d->retry.servers ? d->retry.servers : NAN;
}

static double destination_opens(const struct result_destination *d)
{
	return d->breaker.known ? d->breaker.opens : NAN;
}

static const struct destination_family destinations[] = {
	{"destination_servers", NULL, "Servers that the client tries one after another, or chooses between.", servers},
	{"destination_hops", NULL, "Logical requests that went on at another server.", went_on},
	{"destination_retry_max_attempts", NULL, "Attempts, at whatever server, after which the client gives a request up.", destination_max_attempts},
	{"destination_retry_base_seconds", "seconds", "Median wait before the first retry that waits.", destination_backoff_base},
	{"destination_retry_servers", NULL, "Servers that each attempt tries.", servers_per_attempt},
	{"destination_breaker_opens", NULL, "How often the client's circuit breaker around all servers opened.", destination_opens},
};

static void print_destinations(struct writer *w, const struct result *r)
{
	print_destination_cohorts(w, r);
	for (size_t i = 0; i < COUNT(destinations); i++) {
		family(w, destinations[i].name, "gauge", destinations[i].unit, destinations[i].help);
		for (size_t d = 0; d < r->destination_count; d++) {
			double value = destinations[i].value(&r->destinations[d]);

			if (!isfinite(value))
				continue;
			fprintf(w->out, PREFIX "%s{", destinations[i].name);
			destination_labels(w, &r->destinations[d], false);
			fprintf(w->out, "} %.10g\n", value);
		}
	}
}

/* ---- of faults, of the whole ---- */

/* Two faults may have one name: a family with one label set twice is refused, so the fault's number is a label too. */
static void print_faults(struct writer *w, const struct result *r)
{
	family(w, "fault_hits", "gauge", NULL, "Exchanges that the fault hit.");
	for (size_t i = 0; i < r->fault_count; i++) {
		fputs(PREFIX "fault_hits{", w->out);
		label(w, "fault", r->faults[i].name, true);
		fprintf(w->out, "number=\"%zu\"} %llu\n", i + 1, (unsigned long long)r->faults[i].fired);
	}
}

static void recovery_sample(struct writer *w, const struct result *r, size_t i, const char *name, double ms)
{
	if (!isfinite(ms))
		return;
	fprintf(w->out, PREFIX "%s{", name);
	label(w, "fault", r->recoveries[i].fault, true);
	fprintf(w->out, "number=\"%zu\"} %.10g\n", i + 1, ms / 1000);
}

static void print_recovery(struct writer *w, const struct result *r)
{
	family(w, "time_to_recovery_seconds", "gauge", "seconds", "From what users first felt of a fault to when they had recovered.");
	for (size_t i = 0; i < r->recovery_count; i++)
		if (!r->recoveries[i].censored)
			recovery_sample(w, r, i, "time_to_recovery_seconds", r->recoveries[i].mttr_ms);
	family(w, "recovery_lag_seconds", "gauge", "seconds", "From when a fault had cleared to when users had recovered.");
	for (size_t i = 0; i < r->recovery_count; i++)
		if (!r->recoveries[i].censored)
			recovery_sample(w, r, i, "recovery_lag_seconds", r->recoveries[i].recovery_lag_ms);
	family(w, "unrecovered_seconds", "gauge", "seconds", "How long at least users were hurt by a fault from which no recovery was seen.");
	for (size_t i = 0; i < r->recovery_count; i++)
		if (r->recoveries[i].censored)
			recovery_sample(w, r, i, "unrecovered_seconds", r->recoveries[i].observed_ms);
}

static void print_findings(struct writer *w, const struct result *r)
{
	size_t of_severity[SEVERITIES] = {0};

	for (size_t i = 0; i < r->finding_count; i++)
		of_severity[r->findings[i].severity]++;
	family(w, "findings", "gauge", NULL, "What should be changed, by severity.");
	for (int s = 0; s < SEVERITIES; s++)
		fprintf(w->out, PREFIX "findings{severity=\"%s\"} %zu\n", severity_name((enum severity)s), of_severity[s]);
}

static void print_run(struct writer *w, const struct result *r)
{
	static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_VACUOUS};

	family(w, "run", "info", NULL, "The run that these figures are of.");
	fputs(PREFIX "run_info{", w->out);
	label(w, "file", r->file, true);
	label(w, "host", texts_text(&r->model.names, r->model.host), true);
	label(w, "started", texts_text(&r->model.names, r->model.started), false);
	fputs("} 1\n", w->out);
	family(w, "verdict", "stateset", NULL, "What the run came to.");
	for (size_t i = 0; i < COUNT(verdicts); i++)
		fprintf(w->out, PREFIX "verdict{" PREFIX "verdict=\"%s\"} %d\n", verdict_name(verdicts[i]), verdicts[i] == r->verdict);
	family(w, "run_duration_seconds", "gauge", "seconds", "How long the run took.");
	fprintf(w->out, PREFIX "run_duration_seconds %.10g\n", r->duration_s);
}

int report_openmetrics(const struct result *r, FILE *out)
{
	struct writer w = {.out = out};

	print_run(&w, r);
	print_cohorts(&w, r);
	print_edges(&w, r);
	print_latency(&w, r);
	print_destinations(&w, r);
	print_faults(&w, r);
	print_recovery(&w, r);
	print_findings(&w, r);
	fputs("# EOF\n", out);
	return w.err ? w.err : fflush(out) || ferror(out) ? -EIO : 0;
}
