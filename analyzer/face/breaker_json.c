/* SPDX-License-Identifier: MIT */
#include "analyzer/face/json.h"
#include "analyzer/face/policy_json.h"

static void add_range(cJSON *o, const char *key, double low, double high)
{
	cJSON *range = cJSON_AddObjectToObject(o, key);

	json_number(range, "low", low);
	json_number(range, "high", high);
}

static void add_rules(cJSON *o, const struct policy_breaker *p)
{
	cJSON *threshold = cJSON_AddObjectToObject(o, "threshold");

	json_number(threshold, "low", p->threshold_low);
	json_number(threshold, "high", p->threshold_high);
	json_number(threshold, "share_low", p->share_low);
	json_number(threshold, "share_high", p->share_high);
	json_text(threshold, "kind", policy_threshold_name(p->threshold));
	add_range(o, "open_ms", p->open_low_ms, p->open_high_ms);
	json_number(o, "open_growth", p->open_growth);
	json_number(o, "half_open_probes", p->half_open_probes);
	cJSON_AddBoolToObject(o, "half_open_at_least", p->probes_at_least);
	json_number(o, "close_after", p->close_after);
	json_text(o, "reopen", p->reopen);
	json_text(o, "counts", p->counts);
}

static void add_effects(cJSON *o, const struct policy_breaker *p)
{
	json_number(o, "time_to_open_ms", p->time_to_open_ms);
	json_number(o, "doomed", (double)p->doomed);
	json_number(o, "shed", (double)p->shed);
	json_metric(o, "shed_efficacy", &p->shed_efficacy);
	json_number(o, "leak", (double)p->leak);
	json_number(o, "collateral", (double)p->collateral);
	json_number(o, "recovery_tax_ms", p->recovery_tax_ms);
	json_number(o, "recovery_tax", (double)p->recovery_tax);
	json_number(o, "false_opens", p->false_opens);
	json_number(o, "expected_false_opens_every", p->expected_false_opens_every);
	json_number(o, "flaps_per_min", p->flaps_per_min);
	json_number(o, "latency_saved_ms", p->latency_saved_ms);
	json_number(o, "waited", (double)p->waited);
	json_number(o, "waited_ms", p->waited_ms);
}

cJSON *policy_json_breaker(const struct policy_breaker *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	cJSON_AddBoolToObject(o, "absent", p->absent);
	json_number(o, "outage_attempts", (double)p->outage_attempts);
	json_number(o, "opens", p->opens);
	json_number(o, "reopens", p->reopens);
	add_rules(o, p);
	add_effects(o, p);
	cJSON_AddBoolToObject(o, "ejects", p->ejects);
	json_text(o, "confidence", policy_confidence_name(p->confidence));
	json_text(o, "alike", p->alike);
	json_id(o, "witness", p->witness);
	return o;
}

cJSON *policy_json_bulkhead(const struct policy_bulkhead *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "width", p->width);
	json_text(o, "mode", policy_bulkhead_mode_name(p->mode));
	cJSON_AddItemToObject(o, "candidates", json_texts(p->candidates, p->candidate_count));
	cJSON_AddBoolToObject(o, "moving", p->moving);
	json_number(o, "low", p->low);
	json_number(o, "high", p->high);
	json_number(o, "little", p->little);
	json_number(o, "rejected", (double)p->rejected);
	json_number(o, "asked", (double)p->asked);
	json_number(o, "stopped", (double)p->stopped);
	json_number(o, "wait_ms", p->wait_ms);
	json_text(o, "confidence", policy_confidence_name(p->confidence));
	json_id(o, "witness", p->witness);
	return o;
}

cJSON *policy_json_flood(const struct policy_flood *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "in_work", p->in_work);
	json_number(o, "in_work_before", p->in_work_before);
	json_number(o, "most", p->most);
	json_number(o, "most_before", p->most_before);
	json_number(o, "call_ms", p->call_ms);
	json_number(o, "call_before_ms", p->call_before_ms);
	json_number(o, "others", (double)p->others);
	json_number(o, "others_failed", (double)p->others_failed);
	json_number(o, "others_ms", p->others_ms);
	json_number(o, "others_before_ms", p->others_before_ms);
	json_id(o, "witness", p->witness);
	return o;
}
