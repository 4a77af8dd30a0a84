/* SPDX-License-Identifier: MIT */
/* A plan as canonical JSON: keys in the order of the table, numbers as numbers where the text is one. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "plan/fault.h"

const char *fault_number_text(double x, char *out, size_t size)
{
	for (int digits = 0; digits < 20; digits++) {
		snprintf(out, size, "%.*f", digits, x);
		if (strtod(out, NULL) == x)
			return out;
	}
	snprintf(out, size, "%.17g", x);
	return out;
}

/* A JSON number when the key takes one and the text is one, else the text. */
static bool add_number(cJSON *object, const struct fault_key *key, const char *text)
{
	char canonical[400], *end;
	double x = strtod(text, &end);

	if (!(key->types & FAULT_NUMBER) || *end)
		return false;
	return cJSON_AddRawToObject(object, key->name, fault_number_text(x, canonical, sizeof(canonical)));
}

static bool add_list(cJSON *object, const char *name, const char *lines)
{
	cJSON *list = cJSON_AddArrayToObject(object, name);

	for (const char *line = lines; list && line;) {
		size_t n = strcspn(line, "\n");
		char *text = strndup(line, n);
		cJSON *item = text ? cJSON_CreateString(text) : NULL;

		free(text);
		if (!item)
			return false;
		cJSON_AddItemToArray(list, item);
		line = line[n] ? line + n + 1 : NULL;
	}
	return list;
}

static bool add_key(cJSON *object, const struct fault_key *key, const char *text)
{
	if (key->types & FAULT_BOOL)
		return cJSON_AddBoolToObject(object, key->name, !strcmp(text, "true"));
	if (key->types & FAULT_LIST && strchr(text, '\n'))
		return add_list(object, key->name, text);
	return add_number(object, key, text) || cJSON_AddStringToObject(object, key->name, text);
}

static cJSON *fault_object(const struct plan_fault *f)
{
	cJSON *object = cJSON_CreateObject();

	for (int k = 0; object && k < FAULT_KEYS; k++) {
		if (f->text[k] && !add_key(object, &fault_keys[k], f->text[k])) {
			cJSON_Delete(object);
			return NULL;
		}
	}
	return object;
}

/* Prints and frees object. */
static char *print(cJSON *object)
{
	char *text = object ? cJSON_PrintUnformatted(object) : NULL;

	cJSON_Delete(object);
	return text;
}

char *plan_fault_json(const struct plan *p, unsigned index)
{
	return index < p->fault_count ? print(fault_object(&p->faults[index])) : NULL;
}

static bool add_seed(cJSON *root, uint64_t seed)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)seed);
	return seed <= FAULT_COUNT_MAX ? cJSON_AddRawToObject(root, "seed", digits)
				       : cJSON_AddStringToObject(root, "seed", digits);
}

char *plan_json(const struct plan *p)
{
	cJSON *root = cJSON_CreateObject(), *list;
	bool whole = root && (!p->seed_given || add_seed(root, p->seed));

	list = whole ? cJSON_AddArrayToObject(root, "faults") : NULL;
	whole = list;
	for (unsigned i = 0; whole && i < p->fault_count; i++) {
		cJSON *object = fault_object(&p->faults[i]);

		whole = object && cJSON_AddItemToArray(list, object);
	}
	if (whole)
		return print(root);
	cJSON_Delete(root);
	return NULL;
}
