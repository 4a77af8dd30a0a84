/* SPDX-License-Identifier: MIT */
#include "demos/service/step_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config.h"
#include "demos/service/request.h"
#include "demos/service/service.h"
#include "demos/service/values.h"

int step_store_link(struct fields *f, struct step_store *at, const struct store_kind *kind)
{
	const struct config *config = f->context;

	for (unsigned i = 0; i < config->store_count; i++)
		if (!strcmp(config->stores[i].name, at->name)) {
			at->index = i;
			if (config->stores[i].kind == kind)
				return 0;
			return fields_refuse(f, NULL, "at a store of %s, which \"%.40s\" is not", kind->key, at->name);
		}
	return fields_refuse(f, NULL, "at one of stores, not \"%.40s\"", at->name);
}

bool step_store_text(const cJSON *values, const cJSON *template, char **text)
{
	cJSON *tree = values_tree(values, template);
	bool is_null = cJSON_IsNull(tree);

	*text = NULL;
	if (tree && !is_null)
		*text = cJSON_IsString(tree) ? strdup(tree->valuestring) : cJSON_PrintUnformatted(tree);
	cJSON_Delete(tree);
	return is_null || *text;
}

enum step_end step_store_failed(struct request *r, const struct step_store *at, enum store_end end, const char *why)
{
	if (at->is_optional) {
		request_degrade(r, at->name);
		return STEP_GOES_ON;
	}
	request_fail(r, store_meanings[end].status, "%.60s: %s%s%.120s", at->name, store_meanings[end].name, why[0] ? ": " : "", why);
	return STEP_ENDS;
}

enum step_end step_store_missing(struct request *r, const struct step_store *at, unsigned status)
{
	request_fail(r, status, "%.60s: nothing there", at->name);
	return STEP_ENDS;
}
