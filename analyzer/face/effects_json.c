/* SPDX-License-Identifier: MIT */
#include "analyzer/face/policy_json.h"

#include "analyzer/face/json.h"

cJSON *policy_json_idempotency(const struct policy_idempotency *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "keys", (double)p->keys);
	json_number(o, "duplicates", (double)p->duplicates);
	json_number(o, "violations", (double)p->violations);
	json_number(o, "lost", (double)p->lost);
	json_number(o, "conflicts", (double)p->conflicts);
	json_number(o, "mismatched", (double)p->mismatched);
	json_id(o, "witness", p->witness);
	return o;
}

cJSON *policy_json_hedging(const struct policy_hedging *p)
{
	cJSON *o, *delay;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "hedged", (double)p->hedged);
	json_number(o, "wins", (double)p->wins);
	json_number(o, "cancelled", (double)p->cancelled);
	delay = cJSON_AddObjectToObject(o, "delay_ms");
	json_number(delay, "p50", p->delay_ms);
	json_number(delay, "low", p->delay_low_ms);
	json_number(delay, "high", p->delay_high_ms);
	json_metric(o, "share", &p->share);
	return o;
}

cJSON *policy_json_shedding(const struct policy_shedding *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "shed", (double)p->shed);
	json_metric(o, "share", &p->share);
	json_number(o, "latency_ms", p->latency_ms);
	json_number(o, "success_latency_ms", p->success_latency_ms);
	json_number(o, "collapse", p->collapse);
	json_number(o, "told", (double)p->told);
	json_id(o, "witness", p->witness);
	return o;
}

cJSON *policy_json_backpressure(const struct result *r, const struct policy_backpressure *p)
{
	cJSON *o = cJSON_CreateObject(), *by_window;

	json_text(o, "service", texts_text(&r->model.names, p->service));
	json_number(o, "sends", (double)p->sends);
	json_number(o, "refused", (double)p->refused);
	json_number(o, "slow", (double)p->slow);
	json_number(o, "slow_ms", p->slow_ms);
	json_number(o, "seconds", (double)p->seconds);
	by_window = cJSON_AddObjectToObject(o, "by_window");
	for (int k = 0; k < TIMELINE_KINDS; k++)
		json_number(by_window, timeline_name(k), (double)p->by_window[k]);
	return o;
}

/* The server of an edge, as the service that calls it knows it. */
static const char *server(const struct result *r, uint32_t edge)
{
	return edge < r->edge_count ? r->edges[edge].server : NULL;
}

cJSON *policy_json_fallback(const struct result *r, const struct policy_fallback *p)
{
	cJSON *o;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_number(o, "degraded", (double)p->degraded);
	json_number(o, "failed", (double)p->failed);
	json_text(o, "dependency", server(r, p->dependency));
	cJSON_AddBoolToObject(o, "distinct", p->distinct);
	json_id(o, "witness", p->witness);
	return o;
}
