/* SPDX-License-Identifier: MIT */
#include "analyzer/face/policy_json.h"

#include <math.h>
#include "analyzer/face/json.h"

static cJSON *mode(const struct policy_timeout_mode *m)
{
	cJSON *o = cJSON_CreateObject();

	json_number(o, "ms", m->ms);
	json_number(o, "low_ms", m->low_ms);
	json_number(o, "high_ms", m->high_ms);
	json_number(o, "n", (double)m->n);
	json_text(o, "kind", policy_timeout_kind_name(m->kind));
	json_id(o, "witness", m->witness);
	return o;
}

cJSON *policy_json_timeout(const struct policy_timeout *p)
{
	cJSON *o, *modes;

	if (!p->known)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	modes = cJSON_AddArrayToObject(o, "modes");
	for (unsigned i = 0; i < p->mode_count; i++)
		cJSON_AddItemToArray(modes, mode(&p->modes[i]));
	json_number(o, "longest_ms", p->longest_ms);
	json_id(o, "longest_witness", p->longest_witness);
	json_number(o, "abandoned", (double)p->abandoned);
	return o;
}

static cJSON *edge_name(const struct result *r, uint32_t edge)
{
	cJSON *o;

	if (edge >= r->edge_count)
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	json_text(o, "client", r->edges[edge].client);
	json_text(o, "server", r->edges[edge].server);
	return o;
}

cJSON *policy_json_hierarchy(const struct result *r, const struct policy_hierarchy *p)
{
	bool retries = p->what == MISFIT_RETRIES;
	cJSON *o = cJSON_CreateObject();

	json_text(o, "code", policy_misfit_name(p->what));
	cJSON_AddItemToObject(o, "parent", edge_name(r, p->parent));
	cJSON_AddItemToObject(o, "child", edge_name(r, p->child));
	json_number(o, "parent_ms", p->parent_ms);
	json_number(o, "child_ms", p->child_ms);
	json_number(o, "fits", retries ? p->fits : NAN);
	json_number(o, "attempts", retries ? p->attempts : NAN);
	json_number(o, "orphan_ms", p->orphan_ms);
	json_number(o, "count", (double)p->count);
	json_id(o, "parent_witness", p->parent_witness);
	json_id(o, "child_witness", p->child_witness);
	return o;
}
