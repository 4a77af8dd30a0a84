/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include "analyzer/face/json.h"
#include "analyzer/face/policy_json.h"

static cJSON *candidate_names(const struct policy_retry *p)
{
	cJSON *list = cJSON_CreateArray();

	for (unsigned i = 0; i < p->candidate_count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(policy_backoff_name(p->candidates[i].family)));
	return list;
}

/* Of each candidate, in the same order; null where it has none. */
static cJSON *candidate_multipliers(const struct policy_retry *p)
{
	cJSON *list = cJSON_CreateArray();

	for (unsigned i = 0; i < p->candidate_count; i++)
		cJSON_AddItemToArray(list, json_element(p->candidates[i].multiplier));
	return list;
}

/* [k, p5, p50, p95, n] */
static cJSON *gaps(const struct policy_retry *p)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < p->gap_count; i++) {
		const struct policy_gap *g = &p->gaps[i];

		json_row(list, (double[]){g->k, g->p5, g->p50, g->p95, (double)g->n}, 5);
	}
	return list;
}

/* [k, low, high]: the fan that the policy draws, where it has one. */
static cJSON *fan(const struct policy_retry *p)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < p->gap_count; i++) {
		const struct policy_gap *g = &p->gaps[i];

		if (!isnan(g->fitted_low) && !isnan(g->fitted_high))
			json_row(list, (double[]){g->k, g->fitted_low, g->fitted_high}, 3);
	}
	return list;
}

static cJSON *range(double low, double high)
{
	cJSON *list = cJSON_CreateArray();

	cJSON_AddItemToArray(list, json_element(low));
	cJSON_AddItemToArray(list, json_element(high));
	return list;
}

static cJSON *jitter(const struct policy_retry *p)
{
	cJSON *o = cJSON_CreateObject();

	json_metric(o, "low_ratio", &p->jitter_low);
	cJSON_AddItemToObject(o, "names", json_texts(p->jitter_names, p->jitter_name_count));
	json_number(o, "added_ms", p->added_ms);
	return o;
}

/* {"503": n, "ECONNREFUSED": n}; without zeros. */
static cJSON *reactions(const struct result *r, const struct policy_retry *p, bool retried)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < p->reaction_count; i++) {
		const struct policy_reaction *a = &p->reactions[i];
		uint64_t n = retried ? a->retried : a->not_retried;
		char status[16];

		snprintf(status, sizeof(status), "%u", a->status);
		if (n)
			json_number(o, a->status ? status : a->error ? texts_text(&r->model.names, a->error) : "no answer", (double)n);
	}
	return o;
}

static cJSON *methods(const struct result *r, const struct policy_retry *p)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < p->method_count; i++) {
		cJSON *m = cJSON_AddObjectToObject(o, texts_text(&r->model.names, p->methods[i].method));

		json_number(m, "retried", (double)p->methods[i].retried);
		json_number(m, "not_retried", (double)p->methods[i].not_retried);
	}
	return o;
}

static void add_misuse(cJSON *o, const char *key, const struct policy_misuse *m)
{
	cJSON *misuse = cJSON_AddObjectToObject(o, key);

	json_number(misuse, "count", (double)m->count);
	json_id(misuse, "witness", m->witness);
}

static void add_backoff(cJSON *o, const struct policy_retry *p)
{
	json_text(o, "backoff", policy_backoff_name(p->backoff));
	cJSON_AddItemToObject(o, "candidates", candidate_names(p));
	cJSON_AddItemToObject(o, "candidate_multipliers", candidate_multipliers(p));
	json_text(o, "confidence", policy_confidence_name(p->confidence));
	json_text(o, "alike", p->alike);
	json_number(o, "bic_margin", p->bic_margin);
	cJSON_AddBoolToObject(o, "mixed", p->mixed);
	cJSON_AddBoolToObject(o, "tangled", p->tangled);
	json_number(o, "chains", (double)p->chains);
	json_number(o, "base_ms", p->base_ms);
	cJSON_AddItemToObject(o, "base_range_ms", range(p->base_low_ms, p->base_high_ms));
	json_number(o, "multiplier", p->multiplier);
	json_number(o, "step_ms", p->step_ms);
	json_number(o, "cap_ms", p->cap_ms);
	json_text(o, "cap_acts", isnan(p->cap_ms) ? NULL : p->cap_before_jitter ? "before jitter" : "after jitter");
	cJSON_AddBoolToObject(o, "skip_first", p->skip_first);
	cJSON_AddItemToObject(o, "jitter", jitter(p));
	cJSON_AddItemToObject(o, "gaps_ms", gaps(p));
	cJSON_AddItemToObject(o, "fitted_ms", fan(p));
}

static void add_attempts(cJSON *o, const struct policy_retry *p)
{
	json_number(o, "servers_per_attempt", p->servers > 1 ? p->servers : 1);
	json_number(o, "max_attempts", p->max_attempts ? p->max_attempts : NAN);
	json_number(o, "other_share_high", p->other_share_high);
	cJSON_AddBoolToObject(o, "unbounded", p->unbounded);
	json_number(o, "deadline_ms", p->deadline_ms);
	json_number(o, "failed_requests", (double)p->failed_requests);
	json_number(o, "exhausted", (double)p->exhausted);
	json_metric(o, "exhausted_share", &p->exhausted_share);
	json_metric(o, "yield", &p->yield);
	json_number(o, "excess_failure", p->excess_failure);
}

static cJSON *budget(const struct policy_retry *p)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "inferred", p->budget);
	json_number(o, "ratio", p->budget_ratio);
	json_number(o, "peak_ratio", p->budget_peak);
	json_number(o, "over_s", p->budget_over_s);
	return o;
}

cJSON *policy_json_retry(const struct result *r, const struct policy_retry *p)
{
	cJSON *o, *misuse, *asked;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	add_attempts(o, p);
	add_backoff(o, p);
	cJSON_AddItemToObject(o, "retried", reactions(r, p, true));
	cJSON_AddItemToObject(o, "not_retried", reactions(r, p, false));
	cJSON_AddItemToObject(o, "methods", methods(r, p));
	json_text(o, "retry_after", policy_retry_after_name(p->retry_after));
	asked = cJSON_AddObjectToObject(o, "retry_after_waits");
	json_number(asked, "seen", (double)p->retry_after_seen);
	json_number(asked, "kept", (double)p->retry_after_kept);
	json_number(asked, "cap_ms", p->retry_after_cap_ms);
	json_metric(o, "herding", &p->herding);
	json_number(o, "herd_preservation", p->herd_preservation);
	cJSON_AddBoolToObject(o, "storm", p->storm);
	json_number(o, "storm_amplification", p->storm_amplification);
	json_number(o, "storm_seconds", p->storm_seconds);
	json_number(o, "bursts", (double)p->bursts);
	json_number(o, "burst_peak", (double)p->burst_peak);
	cJSON_AddItemToObject(o, "budget", budget(p));
	misuse = cJSON_AddObjectToObject(o, "misuse");
	add_misuse(misuse, "pointless", &p->pointless);
	add_misuse(misuse, "unsafe_indeterminate", &p->unsafe_indeterminate);
	add_misuse(misuse, "unsafe_failed", &p->unsafe_failed);
	add_misuse(misuse, "new_key", &p->new_key);
	return o;
}
