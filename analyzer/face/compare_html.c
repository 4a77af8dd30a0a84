/* SPDX-License-Identifier: MIT */
/*
 * The page of a comparison: its JSON, as `compare`, and beside it, row by row, where the gates that concern a row stand on the axis of ratios: the
 * bound itself for one against base, the bound over base's value for one of new alone.
 */
#include "analyzer/compare/compare.h"

#include <math.h>
#include "analyzer/face/json.h"
#include "analyzer/face/page.h"

static double margin(const struct gate *g, const struct compare_row *r)
{
	if (g->relative)
		return g->bound;
	return r->base.known && r->base.value > 0 ? g->bound / r->base.value : NAN;
}

static cJSON *margins(const struct compare *c, const struct compare_row *r)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < c->gate_count; i++) {
		const struct gate *g = &c->gates[i];
		cJSON *o;

		if (g->metric != r->metric || !gate_concerns(g, r->where))
			continue;
		o = cJSON_CreateObject();
		json_text(o, "text", g->text);
		cJSON_AddBoolToObject(o, "at_least", g->at_least);
		json_number(o, "ratio", margin(g, r));
		cJSON_AddItemToArray(list, o);
	}
	return list;
}

int compare_html(const struct compare *c, FILE *out)
{
	cJSON *o = cJSON_CreateObject(), *charts, *rows;

	cJSON_AddItemToObject(o, "compare", compare_tree(c));
	charts = cJSON_AddObjectToObject(o, "charts");
	json_number(charts, "gates", (double)c->gate_count);
	rows = cJSON_AddArrayToObject(charts, "margins");
	for (size_t i = 0; i < c->row_count; i++)
		cJSON_AddItemToArray(rows, margins(c, &c->rows[i]));
	return page_write(o, out);
}
