/* SPDX-License-Identifier: MIT */
#include "analyzer/face/report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include "analyzer/face/json.h"
#include "analyzer/face/policy_json.h"
#include "base/clock.h"

/* As it is: 64 bits do not fit a double. */
static void add_seed(cJSON *o, const char *seed)
{
	if (*seed && !seed[strspn(seed, "0123456789")])
		cJSON_AddRawToObject(o, "seed", seed);
	else
		cJSON_AddNullToObject(o, "seed");
}

static cJSON *run(const struct result *r)
{
	const struct texts *names = &r->model.names;
	cJSON *o = cJSON_CreateObject(), *sources = cJSON_Parse(texts_text(names, r->model.sources));

	if (!cJSON_IsArray(sources)) {
		cJSON_Delete(sources);
		sources = cJSON_CreateArray();
	}
	json_text(o, "file", r->file);
	json_text(o, "started", texts_text(names, r->model.started));
	json_number(o, "duration_s", r->duration_s);
	add_seed(o, texts_text(names, r->model.seed));
	cJSON_AddItemToObject(o, "sources", sources);
	json_text(o, "host", texts_text(names, r->model.host));
	return o;
}

static cJSON *verdict(const struct result *r)
{
	cJSON *o = cJSON_CreateObject();

	json_text(o, "status", verdict_name(r->verdict));
	cJSON_AddItemToObject(o, "reasons", json_texts((const char *const *)r->reasons, r->reason_count));
	json_number(o, "slo", r->slo);
	return o;
}

/* The faults whose span meets a window. */
static cJSON *window_faults(const struct result *r, const struct timeline_window *w)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < r->model.fault_count; i++) {
		const struct timeline_span *s = &r->timeline.spans[i];

		if (w->kind == TIMELINE_FAULT && s->hits && s->from_ns < w->to_ns && s->to_ns >= w->from_ns)
			cJSON_AddItemToArray(list, cJSON_CreateString(r->faults[i].name));
	}
	return list;
}

static cJSON *windows(const struct result *r)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < r->timeline.window_count; i++) {
		const struct timeline_window *w = &r->timeline.windows[i];
		uint64_t to = w->to_ns > r->model.ended_ns ? r->model.ended_ns : w->to_ns;
		cJSON *o = cJSON_CreateObject();

		json_text(o, "name", timeline_name(w->kind));
		json_number(o, "from_s", (double)(w->from_ns - r->model.started_ns) / NS_PER_S);
		json_number(o, "to_s", (double)(to - r->model.started_ns) / NS_PER_S);
		cJSON_AddItemToObject(o, "faults", window_faults(r, w));
		json_number(o, "demand", (double)w->demand);
		json_number(o, "logical", (double)w->logical);
		json_number(o, "attempts", (double)w->attempts);
		json_number(o, "answers", (double)w->answers);
		json_number(o, "censored", (double)w->censored);
		cJSON_AddItemToArray(list, o);
	}
	return list;
}

static bool has_window(const struct result *r, enum timeline_kind kind)
{
	for (size_t i = 0; i < r->timeline.window_count; i++)
		if (r->timeline.windows[i].kind == kind)
			return true;
	return false;
}

static cJSON *latency(const struct latency *l)
{
	cJSON *o = cJSON_CreateObject();

	json_number(o, "mean", l->mean);
	json_number(o, "p50", l->p50);
	json_number(o, "p90", l->p90);
	json_number(o, "p95", l->p95);
	json_number(o, "p99", l->p99);
	json_number(o, "max", l->max);
	return o;
}

static void add_load(cJSON *o, const struct result_load *l)
{
	json_number(o, "requests", (double)l->requests);
	json_number(o, "ok", (double)l->ok);
	json_number(o, "degraded", (double)l->degraded);
	json_number(o, "failed", (double)l->failed);
	json_metric(o, "success", &l->success);
	cJSON_AddItemToObject(o, "latency_ms", latency(&l->latency));
	json_number(o, "throughput_rps", l->throughput_rps);
}

static cJSON *service(const struct result *r, const struct result_service *s)
{
	cJSON *o = cJSON_CreateObject(), *pids = cJSON_AddArrayToObject(o, "pids"), *by_window;

	json_text(o, "name", s->name);
	for (size_t i = 0; i < s->pid_count; i++)
		cJSON_AddItemToArray(pids, cJSON_CreateNumber((double)s->pids[i]));
	add_load(o, &s->whole);
	cJSON_AddItemToObject(o, "shedding", policy_json_shedding(&s->shedding));
	cJSON_AddItemToObject(o, "fallback", policy_json_fallback(r, &s->fallback));
	by_window = cJSON_AddObjectToObject(o, "by_window");
	for (int k = 0; k < TIMELINE_KINDS; k++)
		if (has_window(r, k))
			add_load(cJSON_AddObjectToObject(by_window, timeline_name(k)), &s->window[k]);
	return o;
}

static void add_cohort(cJSON *o, const struct result_cohort *c)
{
	json_number(o, "logical", c->linked ? (double)c->logical : NAN);
	json_number(o, "attempts", (double)c->attempts);
	json_number(o, "delivered", (double)c->delivered);
	json_metric(o, "amplification", &c->amplification);
	json_metric(o, "amplification_delivered", &c->amplification_delivered);
	json_metric(o, "success", &c->success);
}

/* A part of a run: what was asked for against what was tried and answered. */
static void add_demand(cJSON *o, const struct result_cohort *c)
{
	json_number(o, "demand", c->linked ? (double)c->demand : NAN);
	json_number(o, "answers", c->linked ? (double)c->succeeded : NAN);
	json_number(o, "censored", c->linked ? (double)c->censored : NAN);
	json_metric(o, "amplification_demand", &c->amplification_demand);
}

static cJSON *statuses(const struct tally *t)
{
	cJSON *o = cJSON_CreateObject();
	char status[16];

	for (size_t i = 0; i < t->used; i++) {
		snprintf(status, sizeof(status), "%u", t->cells[i].value);
		json_number(o, status, (double)t->cells[i].count);
	}
	return o;
}

static cJSON *errors(const struct result *r, const struct tally *t)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < t->used; i++)
		json_number(o, texts_text(&r->model.names, t->cells[i].value), (double)t->cells[i].count);
	return o;
}

static cJSON *outcomes(const struct result_edge *e)
{
	cJSON *o = cJSON_CreateObject();

	json_number(o, "ok", (double)e->outcomes[MODEL_OK]);
	json_number(o, "failed", (double)e->outcomes[MODEL_FAILED]);
	json_number(o, "indeterminate", (double)e->outcomes[MODEL_INDETERMINATE]);
	json_number(o, "not_sent", (double)e->outcomes[MODEL_NOT_SENT]);
	return o;
}

/* What is not called a retry though it follows another attempt. */
static cJSON *excluded(const struct result_edge *e)
{
	cJSON *o = cJSON_CreateObject();

	json_number(o, "redirects", (double)e->excluded.redirects);
	json_number(o, "challenges", (double)e->excluded.challenges);
	json_number(o, "hedges", e->hedging.known ? (double)e->hedging.hedged : 0);
	json_number(o, "polls", (double)e->excluded.polls);
	json_number(o, "reconnects", (double)e->excluded.reconnects);
	return o;
}

/* Attempts per request. */
static cJSON *chain(const struct result_cohort *c, const struct metric *exhausted_share)
{
	cJSON *o, *counts;

	if (!c->linked || !c->chain.n)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "p50", tally_percentile(&c->chain, 0.5));
	json_number(o, "p95", tally_percentile(&c->chain, 0.95));
	json_number(o, "max", tally_percentile(&c->chain, 1));
	json_metric(o, "exhausted_share", exhausted_share);
	counts = cJSON_AddArrayToObject(o, "counts");
	for (size_t i = 0; i < c->chain.used; i++)
		json_row(counts, (double[]){c->chain.cells[i].value, (double)c->chain.cells[i].count}, 2);
	return o;
}

static cJSON *edge(const struct result *r, const struct result_edge *e)
{
	cJSON *o = cJSON_CreateObject(), *by_window;

	json_text(o, "client", e->client);
	json_text(o, "server", e->server);
	json_text(o, "destination", e->destination == MODEL_NONE ? NULL : r->destinations[e->destination].name);
	json_text(o, "protocol", e->protocol);
	cJSON_AddBoolToObject(o, "root", e->root);
	add_cohort(o, &e->whole);
	json_metric(o, "amplification_demand", &e->amplification_demand);
	json_metric(o, "attempt_success", &e->attempt_success);
	json_number(o, "peak_attempts_per_s", e->peak_attempts_per_s);
	json_number(o, "rate_amplification", e->rate_amplification);
	json_number(o, "rate_amplification_s", e->rate_amplification_s);
	json_number(o, "orphan_retries", (double)e->orphan_retries);
	json_metric(o, "retry_yield", &e->retry_yield);
	json_metric(o, "wasted_work", &e->wasted_work);
	json_number(o, "excess_failure", e->excess_failure);
	cJSON_AddItemToObject(o, "chain", chain(&e->whole, &e->exhausted_share));
	json_text(o, "linking", e->linking);
	json_number(o, "false_link_rate", e->false_link_rate);
	cJSON_AddItemToObject(o, "excluded", excluded(e));
	cJSON_AddItemToObject(o, "outcomes", outcomes(e));
	cJSON_AddItemToObject(o, "statuses", statuses(&e->statuses));
	cJSON_AddItemToObject(o, "errors", errors(r, &e->errors));
	cJSON_AddItemToObject(o, "latency_ms", latency(&e->latency));
	by_window = cJSON_AddObjectToObject(o, "by_window");
	for (int k = 0; k < TIMELINE_KINDS; k++)
		if (has_window(r, k)) {
			cJSON *part = cJSON_AddObjectToObject(by_window, timeline_name(k));

			add_cohort(part, &e->window[k]);
			add_demand(part, &e->window[k]);
		}
	cJSON_AddItemToObject(o, "retry", policy_json_retry(r, &e->retry));
	cJSON_AddItemToObject(o, "timeout", policy_json_timeout(&e->timeout));
	cJSON_AddItemToObject(o, "breaker", policy_json_breaker(&e->breaker));
	json_text(o, "breaker_ruled_out", e->breaker.ruled_out);
	cJSON_AddItemToObject(o, "bulkhead", policy_json_bulkhead(&e->bulkhead));
	cJSON_AddItemToObject(o, "no_bulkhead", policy_json_flood(&e->bulkhead.flood));
	cJSON_AddItemToObject(o, "idempotency", policy_json_idempotency(&e->idempotency));
	cJSON_AddItemToObject(o, "hedging", policy_json_hedging(&e->hedging));
	return o;
}

/* What is asked of several servers, as one. */
static cJSON *destination(const struct result *r, const struct result_destination *d)
{
	cJSON *o = cJSON_CreateObject(), *servers, *by_window;

	json_text(o, "client", d->client);
	json_text(o, "name", d->name);
	servers = cJSON_AddArrayToObject(o, "servers");
	for (size_t i = 0; i < d->edge_count; i++)
		cJSON_AddItemToArray(servers, cJSON_CreateString(r->edges[d->edges[i]].server));
	cJSON_AddBoolToObject(o, "root", d->root);
	json_number(o, "hops", (double)d->hops);
	add_cohort(o, &d->whole);
	json_number(o, "max_attempts_seen", d->whole.linked && d->whole.chain.n ? tally_percentile(&d->whole.chain, 1) : NAN);
	json_metric(o, "retry_yield", &d->retry_yield);
	cJSON_AddItemToObject(o, "chain", chain(&d->whole, &d->exhausted_share));
	json_text(o, "linking", d->linking);
	by_window = cJSON_AddObjectToObject(o, "by_window");
	for (int k = 0; k < TIMELINE_KINDS; k++)
		if (has_window(r, k))
			add_cohort(cJSON_AddObjectToObject(by_window, timeline_name(k)), &d->window[k]);
	cJSON_AddItemToObject(o, "retry", policy_json_retry(r, &d->retry));
	cJSON_AddItemToObject(o, "breaker", policy_json_breaker(&d->breaker));
	return o;
}

static cJSON *path(const struct result_path *p)
{
	cJSON *o = cJSON_CreateObject();

	json_text(o, "root", p->root);
	json_text(o, "leaf", p->leaf);
	json_metric(o, "amplification", &p->amplification);
	json_number(o, "raw", p->raw);
	json_number(o, "baseline", p->baseline);
	json_number(o, "bound", p->bound);
	cJSON_AddBoolToObject(o, "bound_at_least", p->bound_at_least);
	json_number(o, "product", p->product);
	json_number(o, "hops", p->hops);
	return o;
}

/* What the lag was waited for. */
static cJSON *lag(const struct result_recovery *r)
{
	cJSON *o;

	if (isnan(r->lag_rest_ms))
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "breaker_ms", r->lag_breaker_ms);
	json_number(o, "backoff_ms", r->lag_backoff_ms);
	json_number(o, "drain_ms", r->lag_drain_ms);
	json_number(o, "rest_ms", r->lag_rest_ms);
	return o;
}

static cJSON *recovery(const struct result_recovery *r)
{
	cJSON *o = cJSON_CreateObject();

	json_text(o, "fault", r->fault);
	json_number(o, "impact_ms", r->impact_ms);
	json_number(o, "mttr_ms", r->mttr_ms);
	json_number(o, "recovery_lag_ms", r->recovery_lag_ms);
	cJSON_AddBoolToObject(o, "censored", r->censored);
	json_number(o, "observed_ms", r->observed_ms);
	json_number(o, "good_ms", r->good_ms);
	json_number(o, "lost_goodput", r->lost_goodput);
	json_number(o, "users_p95_ms", r->took_ms);
	json_number(o, "baseline_p95_ms", r->usual_ms);
	cJSON_AddBoolToObject(o, "slowed", result_slowed(r));
	cJSON_AddBoolToObject(o, "unsure", r->unsure);
	json_text(o, "label", r->label);
	json_number(o, "cycle", r->number ? r->number : NAN);
	json_number(o, "first_exit_ms", r->first_exit_ms);
	json_number(o, "flaps", r->flaps);
	json_number(o, "half_recovery_ms", r->half_recovery_ms);
	json_number(o, "overshoot", r->overshoot);
	cJSON_AddItemToObject(o, "lag", lag(r));
	json_number(o, "load_ratio", r->load_ratio);
	json_number(o, "load_amplification", r->load_amplification);
	json_number(o, "capacity_rps", r->capacity_rps);
	json_number(o, "margin", r->margin);
	return o;
}

static cJSON *fault(const struct result_fault *f)
{
	cJSON *o = cJSON_CreateObject(), *error;

	json_text(o, "name", f->name);
	json_number(o, "matched", (double)f->matched);
	json_number(o, "fired", (double)f->fired);
	json_number(o, "first_s", f->first_s);
	json_number(o, "last_s", f->last_s);
	error = cJSON_AddObjectToObject(o, "delay_error_ms");
	json_number(error, "p50", samples_percentile(&f->delay_error_ms, 0.5));
	json_number(error, "p99", samples_percentile(&f->delay_error_ms, 0.99));
	return o;
}

static cJSON *losses(const struct result *r)
{
	cJSON *o = cJSON_CreateObject();
	char key[256];

	for (size_t i = 0; i < r->loss_count; i++) {
		snprintf(key, sizeof(key), "%s.%s", r->losses[i].source, r->losses[i].reason);
		json_number(o, key, (double)r->losses[i].count);
	}
	return o;
}

static cJSON *quality(const struct result *r)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToObject(o, "lost", losses(r));
	cJSON_AddItemToObject(o, "uncovered", json_texts((const char *const *)r->uncovered, r->uncovered_count));
	json_number(o, "false_link_rate", r->false_link_rate);
	cJSON_AddItemToObject(o, "notes", json_texts((const char *const *)r->notes, r->note_count));
	return o;
}

#define ADD_ROWS(o, key, count, row) \
	do { \
		cJSON *rows_ = cJSON_AddArrayToObject(o, key); \
		for (size_t i = 0; i < (count); i++) \
			cJSON_AddItemToArray(rows_, row); \
	} while (0)

cJSON *report_tree(const struct result *r)
{
	struct metric success = result_success_of_users(r);
	cJSON *o = cJSON_CreateObject();

	json_text(o, "schema", "aftershock/report/1");
	cJSON_AddItemToObject(o, "run", run(r));
	cJSON_AddItemToObject(o, "verdict", verdict(r));
	cJSON_AddItemToObject(o, "windows", windows(r));
	json_metric(o, "success_of_users", &success);
	json_number(o, "degraded_of_users", (double)result_degraded_of_users(r));
	ADD_ROWS(o, "services", r->service_count, service(r, &r->services[i]));
	ADD_ROWS(o, "edges", r->edge_count, edge(r, &r->edges[i]));
	ADD_ROWS(o, "destinations", r->destination_count, destination(r, &r->destinations[i]));
	ADD_ROWS(o, "backpressure", r->backpressure_count, policy_json_backpressure(r, &r->backpressures[i]));
	ADD_ROWS(o, "end_to_end", r->path_count, path(&r->paths[i]));
	ADD_ROWS(o, "recovery", r->recovery_count, recovery(&r->recoveries[i]));
	json_metric(o, "mttr_ms", &r->mttr_ms);
	json_number(o, "recovered", (double)r->recovered_count);
	ADD_ROWS(o, "faults", r->fault_count, fault(&r->faults[i]));
	ADD_ROWS(o, "hierarchy", r->hierarchy_count, policy_json_hierarchy(r, &r->hierarchies[i]));
	ADD_ROWS(o, "findings", r->finding_count, finding_json(&r->findings[i]));
	cJSON_AddItemToObject(o, "data_quality", quality(r));
	return o;
}

int report_json(const struct result *r, FILE *out)
{
	return json_print(report_tree(r), out);
}
