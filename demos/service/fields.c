/* SPDX-License-Identifier: MIT */
#include "demos/service/fields.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SHOWN 60	/* characters of a refused value */
#define NS_PER_MS 1e6

__attribute__((format(printf, 2, 3))) static void say(struct fields *f, const char *format, ...)
{
	size_t used = strlen(f->why);
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->why + used, sizeof(f->why) - used, format, ap);
	va_end(ap);
}

int fields_refuse(struct fields *f, const cJSON *value, const char *wanted, ...)
{
	char text[256], *shown = value ? cJSON_PrintUnformatted(value) : NULL;
	va_list ap;

	if (!f->why[0]) {
		va_start(ap, wanted);
		vsnprintf(text, sizeof(text), wanted, ap);
		va_end(ap);
		say(f, "%s must be %s", f->place[0] ? f->place : "the whole", text);
		if (shown)
			say(f, ", not %.*s%s", VALUE_SHOWN, shown, strlen(shown) > VALUE_SHOWN ? "..." : "");
	}
	cJSON_free(shown);
	return -EINVAL;
}

size_t fields_down(struct fields *f, const char *key, int index)
{
	size_t mark = strlen(f->place), room = sizeof(f->place) - mark;

	if (key)
		snprintf(f->place + mark, room, "%s%s", mark ? "." : "", key);
	else
		snprintf(f->place + mark, room, "[%d]", index);
	return mark;
}

void fields_up(struct fields *f, size_t mark)
{
	f->place[mark] = '\0';
}

void *fields_list(struct fields *f, const cJSON *value, bool is_named, size_t extra, size_t size, unsigned *count)
{
	void *list;

	if (is_named ? !cJSON_IsObject(value) : !cJSON_IsArray(value)) {
		fields_refuse(f, value, is_named ? "an object" : "an array");
		return NULL;
	}
	list = calloc((size_t)cJSON_GetArraySize(value) + extra + 1, size);
	if (list)
		*count = (unsigned)cJSON_GetArraySize(value);
	else
		fields_refuse(f, NULL, "smaller (out of memory)");
	return list;
}

int fields_member(struct fields *f, const cJSON *set, const cJSON *item, size_t *mark)
{
	*mark = fields_down(f, item->string, 0);
	if (!item->string[0] || cJSON_GetObjectItemCaseSensitive(set, item->string) != item)
		return fields_refuse(f, NULL, item->string[0] ? "given once" : "a set without an empty name");
	return 0;
}

static int unknown_key(struct fields *f, const struct field *table, const char *key)
{
	say(f, "unknown key \"%.40s\"%s%s; known are", key, f->place[0] ? " in " : "", f->place);
	for (const struct field *t = table; t->key; t++)
		say(f, "%s %s", t == table ? "" : ",", t->key);
	return -EINVAL;
}

static bool is_known(const struct field *table, const char *key)
{
	while (table->key && strcmp(table->key, key))
		table++;
	return table->key;
}

static int read_one(struct fields *f, const cJSON *object, const struct field *field, char *into)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field->key);
	size_t mark = fields_down(f, field->key, 0);
	int err = 0;

	if (value)
		err = field->read(f, field, value, into + field->offset);
	else if (field->required)
		err = fields_refuse(f, NULL, "given");
	fields_up(f, mark);
	return err;
}

/* Each key is one of the table's and given once. */
static int check_keys(struct fields *f, const cJSON *object, const struct field *table)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, object) {
		if (!is_known(table, value->string))
			return unknown_key(f, table, value->string);
		if (cJSON_GetObjectItemCaseSensitive(object, value->string) != value) {
			fields_down(f, value->string, 0);
			return fields_refuse(f, NULL, "given once");
		}
	}
	return 0;
}

int fields_read(struct fields *f, const cJSON *object, const struct field *table, void *into)
{
	int err;

	if (!cJSON_IsObject(object))
		return fields_refuse(f, object, "an object");
	err = check_keys(f, object, table);
	for (; !err && table->key; table++)
		err = read_one(f, object, table, into);
	return err;
}

cJSON *fields_parse(struct fields *f, const char *text, const struct field *table, void *into)
{
	cJSON *tree = cJSON_ParseWithOpts(text, NULL, true);

	if (tree && !fields_read(f, tree, table, into))
		return tree;
	if (!tree)
		snprintf(f->why, sizeof(f->why), "the body is not JSON");
	cJSON_Delete(tree);
	return NULL;
}

static bool fits(const struct field *field, const cJSON *value, bool whole)
{
	double x = cJSON_IsNumber(value) ? value->valuedouble : NAN;

	return x >= field->low && x <= field->high && (!whole || x == floor(x));
}

int fields_string(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsString(value) || !value->valuestring[0])
		return fields_refuse(f, value, "a string that is not empty");
	*(const char **)into = value->valuestring;
	return 0;
}

int fields_text(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsString(value))
		return fields_refuse(f, value, "a string");
	*(const char **)into = value->valuestring;
	return 0;
}

int fields_ms(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!fits(field, value, false))
		return fields_refuse(f, value, "a number of milliseconds from %.10g to %.10g", field->low, field->high);
	*(uint64_t *)into = (uint64_t)(value->valuedouble * NS_PER_MS);
	return 0;
}

int fields_count(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!fits(field, value, true))
		return fields_refuse(f, value, "a whole number from %.10g to %.10g", field->low, field->high);
	*(unsigned *)into = (unsigned)value->valuedouble;
	return 0;
}

int fields_number(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!fits(field, value, false))
		return fields_refuse(f, value, "a number from %.10g to %.10g", field->low, field->high);
	*(double *)into = value->valuedouble;
	return 0;
}

int fields_bool(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsBool(value))
		return fields_refuse(f, value, "true or false");
	*(bool *)into = cJSON_IsTrue(value);
	return 0;
}

int fields_name(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	char known[200] = "";

	for (unsigned i = 0; field->names[i]; i++) {
		if (cJSON_IsString(value) && !strcmp(value->valuestring, field->names[i])) {
			*(unsigned *)into = i;
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "", field->names[i]);
	}
	return fields_refuse(f, value, "one of %s", known);
}
