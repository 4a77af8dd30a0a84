/* SPDX-License-Identifier: MIT */
#include "analyzer/face/json.h"
#include "analyzer/face/policy_json.h"

cJSON *finding_json(const struct finding *f)
{
	cJSON *o = cJSON_CreateObject(), *evidence;

	json_text(o, "code", f->code);
	json_text(o, "severity", severity_name(f->severity));
	json_text(o, "where", f->where);
	json_text(o, "message", f->message);
	evidence = cJSON_AddObjectToObject(o, "evidence");
	for (size_t i = 0; i < f->evidence_count; i++)
		json_number(evidence, f->evidence[i].key, f->evidence[i].value);
	json_id(o, "witness", f->witness);
	json_text(o, "fix", f->fix);
	return o;
}
