/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/compare.h"

#include "analyzer/face/json.h"

static cJSON *files(const struct compare_side *s)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < s->count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(s->runs[i].file));
	return list;
}

static cJSON *row(const struct compare_row *r)
{
	cJSON *o = cJSON_CreateObject();

	json_text(o, "name", gate_metric_name(r->metric));
	json_text(o, "where", r->where);
	json_metric(o, "base", &r->base);
	json_metric(o, "new", &r->fresh);
	json_metric(o, "ratio", &r->ratio);
	json_number(o, "p", r->p);
	json_number(o, "a12", r->a12);
	if (r->significance == COMPARE_UNKNOWN)
		cJSON_AddNullToObject(o, "significant");
	else
		cJSON_AddBoolToObject(o, "significant", r->significance == COMPARE_DIFFERS);
	json_text(o, "gate", gate_outcome_name(r->gate));
	return o;
}

static cJSON *test(const struct compare *c, const struct compare_test *t)
{
	cJSON *o = cJSON_CreateObject();

	json_text(o, "gate", t->gate->text);
	json_text(o, "where", c->rows[t->row].where);
	json_text(o, "outcome", gate_outcome_name(t->outcome));
	json_number(o, "p", t->p);
	json_number(o, "p_adjusted", t->adjusted);
	return o;
}

cJSON *compare_tree(const struct compare *c)
{
	cJSON *o = cJSON_CreateObject(), *rows, *tests, *verdict;

	json_text(o, "schema", "aftershock/compare/1");
	cJSON_AddItemToObject(o, "base", files(&c->base));
	cJSON_AddItemToObject(o, "new", files(&c->fresh));
	rows = cJSON_AddArrayToObject(o, "metrics");
	for (size_t i = 0; i < c->row_count; i++)
		cJSON_AddItemToArray(rows, row(&c->rows[i]));
	tests = cJSON_AddArrayToObject(o, "gates");
	for (size_t i = 0; i < c->test_count; i++)
		cJSON_AddItemToArray(tests, test(c, &c->tests[i]));
	cJSON_AddBoolToObject(o, "paired", c->paired);
	verdict = cJSON_AddObjectToObject(o, "verdict");
	json_text(verdict, "status", verdict_name(c->verdict));
	cJSON_AddItemToObject(verdict, "reasons", json_texts((const char *const *)c->reasons, c->reason_count));
	cJSON_AddItemToObject(o, "notes", json_texts((const char *const *)c->notes, c->note_count));
	return o;
}

int compare_json(const struct compare *c, FILE *out)
{
	return json_print(compare_tree(c), out);
}
