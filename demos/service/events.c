/* SPDX-License-Identifier: MIT */
#include "demos/service/events.h"

#include <stdbool.h>
#include <string.h>

static bool may_follow(const cJSON *after, const char *type)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, after)
		if (cJSON_IsString(item) && !strcmp(item->valuestring, type ? type : ""))
			return true;
	return !after;
}

/* The version is looked at first: who has seen something else can not know what may follow. */
enum events_verdict events_judge(const struct events_last *last, int64_t seen, const cJSON *after)
{
	if (seen != EVENTS_ANY && seen != last->version)
		return EVENTS_CONFLICT;
	return may_follow(after, last->type) ? EVENTS_FOLLOWS : EVENTS_OUT_OF_PLACE;
}

/* One member of a patch that is an object. False without memory. */
static bool fold_member(cJSON *state, const cJSON *patch)
{
	cJSON *old, *folded;

	if (cJSON_IsNull(patch)) {
		cJSON_DeleteItemFromObjectCaseSensitive(state, patch->string);
		return true;
	}
	old = cJSON_DetachItemFromObjectCaseSensitive(state, patch->string);
	folded = events_fold(old, patch);
	if (folded && cJSON_AddItemToObject(state, patch->string, folded))
		return true;
	cJSON_Delete(folded);
	return false;
}

/* Recursion is as deep as the data, which cJSON's parser limits (CJSON_NESTING_LIMIT). */
cJSON *events_fold(cJSON *state, const cJSON *data)
{
	const cJSON *member;

	if (!cJSON_IsObject(data)) {
		cJSON_Delete(state);
		return cJSON_Duplicate(data, true);
	}
	if (!cJSON_IsObject(state)) {
		cJSON_Delete(state);
		state = cJSON_CreateObject();
	}
	cJSON_ArrayForEach(member, data)
		if (!state || !fold_member(state, member)) {
			cJSON_Delete(state);
			return NULL;
		}
	return state;
}
