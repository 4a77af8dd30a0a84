/* SPDX-License-Identifier: MIT */
#include "analyzer/finding.h"

#include <stdlib.h>
#include "analyzer/json.h"
#include "analyzer/policy_json.h"

void finding_free(struct finding *f)
{
	free(f->where);
	free(f->message);
	free(f->fix);
	*f = (struct finding){0};
}

const char *severity_name(enum severity s)
{
	static const char *const names[SEVERITIES] = {"info", "medium", "high", "critical"};

	return names[s];
}

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
	if (f->witness)
		json_number(o, "witness", (double)f->witness);
	else
		cJSON_AddNullToObject(o, "witness");
	json_text(o, "fix", f->fix);
	return o;
}
