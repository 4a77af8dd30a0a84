/* SPDX-License-Identifier: MIT */
#include "demos/service/values.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MAX 1e15		/* below it, all whole numbers are exact in a double and have at most 15 digits */
#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

typedef void put_text(FILE *out, const char *text);

/* One member of a name. */
static const cJSON *member_of(const cJSON *value, const char *key, size_t length)
{
	const cJSON *item;
	char *end;
	unsigned long index;

	if (cJSON_IsArray(value)) {
		index = strtoul(key, &end, 10);
		return length && strspn(key, "0123456789") == length && index <= INT_MAX ? cJSON_GetArrayItem(value, (int)index) : NULL;
	}
	if (!cJSON_IsObject(value))
		return NULL;
	cJSON_ArrayForEach(item, value)
		if (!strncmp(item->string, key, length) && !item->string[length])
			return item;
	return NULL;
}

const cJSON *values_at(const cJSON *values, const char *name, size_t length)
{
	const char *end = name + length;

	while (values) {
		const char *dot = memchr(name, '.', (size_t)(end - name));

		values = member_of(values, name, (size_t)((dot ? dot : end) - name));
		if (!dot)
			return values;
		name = dot + 1;
	}
	return NULL;
}

static void put_plain(FILE *out, const char *text)
{
	fputs(text, out);
}

static void put_encoded(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		fprintf(out, strchr(UNRESERVED, *p) ? "%c" : "%%%02X", *p);
}

static bool put_value(FILE *out, const cJSON *value, put_text *put)
{
	char number[32], *text;

	if (!value || cJSON_IsNull(value))
		return true;
	if (cJSON_IsString(value)) {
		put(out, value->valuestring);
		return true;
	}
	if (cJSON_IsNumber(value) && value->valuedouble == floor(value->valuedouble) && fabs(value->valuedouble) < WHOLE_MAX) {
		snprintf(number, sizeof(number), "%.0f", value->valuedouble);
		put(out, number);
		return true;
	}
	text = cJSON_PrintUnformatted(value);
	if (text)
		put(out, text);
	cJSON_free(text);
	return text;
}

/* The next ${...} at or after `text`: where it begins, and its name; NULL when there is none that is closed. */
static const char *next_name(const char *text, const char **name, size_t *length)
{
	const char *begin = strstr(text, "${"), *end = begin ? strchr(begin, '}') : NULL;

	if (!end)
		return NULL;
	*name = begin + 2;
	*length = (size_t)(end - *name);
	return begin;
}

static char *fill(const cJSON *values, const char *template, put_text *put)
{
	const char *name, *begin;
	char *text = NULL;
	size_t length, size;
	FILE *out = open_memstream(&text, &size);
	bool is_whole = out;

	if (!out)
		return NULL;
	for (; is_whole && (begin = next_name(template, &name, &length)); template = name + length + 1) {
		fwrite(template, 1, (size_t)(begin - template), out);
		is_whole = put_value(out, values_at(values, name, length), put);
	}
	fputs(template, out);
	is_whole = !ferror(out) && is_whole;
	if (!fclose(out) && is_whole)
		return text;
	free(text);
	return NULL;
}

char *values_text(const cJSON *values, const char *template)
{
	return fill(values, template, put_plain);
}

char *values_url(const cJSON *values, const char *template)
{
	return fill(values, template, put_encoded);
}

static cJSON *string_tree(const cJSON *values, const char *template)
{
	const char *name, *begin;
	const cJSON *value;
	cJSON *copy;
	size_t length;
	char *text;

	begin = next_name(template, &name, &length);
	if (begin == template && !name[length + 1]) {
		value = values_at(values, name, length);
		return value ? cJSON_Duplicate(value, true) : cJSON_CreateNull();
	}
	text = values_text(values, template);
	copy = text ? cJSON_CreateString(text) : NULL;
	free(text);
	return copy;
}

static bool add_child(cJSON *parent, const char *key, cJSON *child)
{
	if (child && (key ? cJSON_AddItemToObject(parent, key, child) : cJSON_AddItemToArray(parent, child)))
		return true;
	cJSON_Delete(child);
	return false;
}

cJSON *values_tree(const cJSON *values, const cJSON *template)
{
	const cJSON *item;
	cJSON *copy;

	if (cJSON_IsString(template))
		return string_tree(values, template->valuestring);
	if (!cJSON_IsObject(template) && !cJSON_IsArray(template))
		return cJSON_Duplicate(template, false);
	copy = cJSON_IsObject(template) ? cJSON_CreateObject() : cJSON_CreateArray();
	cJSON_ArrayForEach(item, template)
		if (!copy || !add_child(copy, item->string, values_tree(values, item))) {
			cJSON_Delete(copy);
			return NULL;
		}
	return copy;
}

bool values_mention(const cJSON *tree, const char *text)
{
	const cJSON *item;

	if (cJSON_IsString(tree))
		return strstr(tree->valuestring, text);
	cJSON_ArrayForEach(item, tree)
		if (values_mention(item, text))
			return true;
	return false;
}

static bool text_names(const char *text, bool (*accepts)(void *context, const char *name, size_t length), void *context)
{
	const char *begin, *name;
	size_t length;

	for (; (begin = next_name(text, &name, &length)); text = name + length + 1)
		if (!accepts(context, name, length))
			return false;
	begin = strstr(text, "${");
	return !begin || accepts(context, begin, 0);
}

bool values_names(const cJSON *template, bool (*accepts)(void *context, const char *name, size_t length), void *context)
{
	const cJSON *item;

	if (cJSON_IsString(template))
		return text_names(template->valuestring, accepts, context);
	cJSON_ArrayForEach(item, template)
		if (!values_names(item, accepts, context))
			return false;
	return true;
}
