/* SPDX-License-Identifier: MIT */
#include "analyzer/face/json.h"

#include <errno.h>
#include <math.h>

void json_number(cJSON *object, const char *key, double value)
{
	if (!isfinite(value))
		cJSON_AddNullToObject(object, key);
	else
		cJSON_AddNumberToObject(object, key, fabs(value) < 1e9 ? round(value * 1e6) / 1e6 : value);
}

void json_id(cJSON *object, const char *key, uint64_t id)
{
	json_number(object, key, id ? (double)id : NAN);
}

cJSON *json_element(double value)
{
	return isfinite(value) ? cJSON_CreateNumber(fabs(value) < 1e12 ? round(value * 1e3) / 1e3 : value) : cJSON_CreateNull();
}

void json_row(cJSON *list, const double *values, size_t n)
{
	cJSON *row = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(row, json_element(values[i]));
	cJSON_AddItemToArray(list, row);
}

void json_text(cJSON *object, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

void json_metric(cJSON *object, const char *key, const struct metric *m)
{
	cJSON *o = cJSON_AddObjectToObject(object, key);

	json_number(o, "value", m->known ? m->value : NAN);
	json_number(o, "low", m->bounded ? m->low : NAN);	/* a recovery that was not seen has no value, but is at least so long */
	json_number(o, "high", m->bounded ? m->high : NAN);
	json_number(o, "n", (double)m->n);
	json_text(o, "method", m->method);
}

cJSON *json_texts(const char *const *texts, size_t n)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
	return list;
}

int json_print(cJSON *o, FILE *out)
{
	char *text = cJSON_Print(o);
	int err = !text ? -ENOMEM : fputs(text, out) < 0 || fputc('\n', out) < 0 || fflush(out) ? -EIO : 0;

	cJSON_free(text);
	cJSON_Delete(o);
	return err;
}
