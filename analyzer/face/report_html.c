/* SPDX-License-Identifier: MIT */
/*
 * The page of a report: the report JSON, as `report`, and beside it what only charts need and policies in words, as `charts`. Columns rather than
 * rows, so that names are written once; a column of nothing but zeros or unknowns is left out.
 */
#include "analyzer/face/report.h"

#include <math.h>
#include <stdlib.h>
#include "analyzer/face/json.h"
#include "analyzer/face/page.h"
#include "analyzer/face/policy_text.h"

#define BINS_PER_DECADE 12	/* of durations: each 21 % longer than the one before */
#define BINS_MAX 240

/* ---- an edge, a destination over time ---- */

struct column {
	const char *name;
	double (*of)(const struct series_point *p);
};

#define FIELD(name, expression) \
	static double column_##name(const struct series_point *p) { return (double)(expression); }
FIELD(logical, p->logical)
FIELD(attempts, p->attempts)
FIELD(good, p->good)
FIELD(failed, p->failed)
FIELD(shed, p->shed)
FIELD(in_flight, p->in_flight)
FIELD(p50, p->p50_ms)
FIELD(p95, p->p95_ms)
FIELD(p99, p->p99_ms)
FIELD(open, p->open)

static const struct column columns[] = {
	{"logical", column_logical}, {"attempts", column_attempts}, {"good", column_good}, {"failed", column_failed},
	{"shed", column_shed}, {"in_flight", column_in_flight}, {"p50", column_p50}, {"p95", column_p95}, {"p99", column_p99},
	{"open", column_open},
};

static void add_column(cJSON *o, const struct column *c, const struct series *s)
{
	bool says = false;
	cJSON *list;

	for (size_t i = 0; i < s->count && !says; i++)
		says = c->of(&s->points[i]) > 0;
	if (!says)
		return;
	list = cJSON_AddArrayToObject(o, c->name);
	for (size_t i = 0; i < s->count; i++)
		cJSON_AddItemToArray(list, json_element(c->of(&s->points[i])));
}

static cJSON *series(const struct series *s)
{
	cJSON *o = cJSON_CreateObject();

	json_number(o, "step_s", s->step_s);
	json_number(o, "count", (double)s->count);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		add_column(o, &columns[i], s);
	return o;
}

/* ---- distributions ---- */

/* [from_ms, to_ms, count] of durations in bins of equal ratio. l's samples are sorted. */
static cJSON *durations(const struct latency *l)
{
	cJSON *list = cJSON_CreateArray();
	const struct samples *s = &l->samples;
	double low = s->n ? fmax(samples_percentile(s, 0), 1e-3) : 1;
	int bin = (int)floor(log10(low) * BINS_PER_DECADE);

	for (size_t i = 0, bins = 0; i < s->n && bins < BINS_MAX; bin++, bins++) {
		double to = pow(10, (double)(bin + 1) / BINS_PER_DECADE);
		size_t first = i;

		while (i < s->n && (s->values[i] < to || bins + 1 == BINS_MAX))
			i++;
		json_row(list, (double[]){pow(10, (double)bin / BINS_PER_DECADE), to, (double)(i - first)}, 3);
	}
	return list;
}

/* [attempts, requests] */
static cJSON *chain_lengths(const struct result_cohort *c)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; c->linked && i < c->chain.used; i++)
		json_row(list, (double[]){c->chain.cells[i].value, (double)c->chain.cells[i].count}, 2);
	return list;
}

/* [k, p5, p50, p95, fitted low, fitted high, n] */
static cJSON *gaps(const struct policy_retry *p)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < p->gap_count; i++) {
		const struct policy_gap *g = &p->gaps[i];

		json_row(list, (double[]){g->k, g->p5, g->p50, g->p95, g->fitted_low, g->fitted_high, (double)g->n}, 7);
	}
	return list;
}

/* ---- policies in words ---- */

/* Adds [kind, words] to list, of what `say` prints; nothing when it prints nothing. */
#define ADD_WORDS(list, kind, say) \
	do { \
		char *words_ = NULL; \
		size_t size_ = 0; \
		FILE *out = open_memstream(&words_, &size_); \
		if (out) { \
			say; \
			fclose(out); \
		} \
		if (size_) \
			cJSON_AddItemToArray(list, json_texts((const char *const[]){kind, words_}, 2)); \
		free(words_); \
	} while (0)

/* Whether it is told of the destination that the edge is a server of, not of the edge. */
static bool is_shared(const struct result *r, const struct result_edge *e, int kind)
{
	return (kind == POLICY_RETRY && result_retry_of(r, e) != &e->retry) || (kind == POLICY_BREAKER && result_breaker_of(r, e) != &e->breaker);
}

static cJSON *words(const struct result *r, const struct result_edge *e, bool shared)
{
	cJSON *list = cJSON_CreateArray();

	for (int k = 0; k < POLICY_KINDS; k++)
		if (is_shared(r, e, k) == shared)
			ADD_WORDS(list, policy_kind_name(k), policy_text(r, e, k, out));
	return list;
}

static cJSON *service_words(const struct result *r, const struct result_service *s)
{
	cJSON *list = cJSON_CreateArray();

	ADD_WORDS(list, "shedding", policy_text_shedding(&s->shedding, out));
	ADD_WORDS(list, "fallback", policy_text_fallback(r, &s->fallback, out));
	return list;
}

static cJSON *edge(const struct result *r, const struct result_edge *e)
{
	static const struct policy_retry nothing;
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToObject(o, "policy", words(r, e, false));
	cJSON_AddItemToObject(o, "series", series(&e->series));
	cJSON_AddItemToObject(o, "durations_ms", durations(&e->latency));
	cJSON_AddItemToObject(o, "chain", chain_lengths(&e->whole));
	cJSON_AddItemToObject(o, "gaps_ms", gaps(is_shared(r, e, POLICY_RETRY) ? &nothing : &e->retry));
	return o;
}

static cJSON *destination(const struct result *r, const struct result_destination *d)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToObject(o, "policy", words(r, &r->edges[d->edges[0]], true));
	cJSON_AddItemToObject(o, "series", series(&d->series));
	cJSON_AddArrayToObject(o, "durations_ms");
	cJSON_AddItemToObject(o, "chain", chain_lengths(&d->whole));
	cJSON_AddItemToObject(o, "gaps_ms", gaps(&d->retry));
	return o;
}

/* ---- single requests ---- */

static cJSON *attempt(const struct result *r, const struct exemplar_attempt *x)
{
	static const char *const outcomes[MODEL_OUTCOMES] = {"ok", "failed", "indeterminate", "not_sent"};
	cJSON *o = cJSON_CreateObject();

	json_number(o, "id", (double)x->id);
	json_number(o, "depth", x->depth);
	json_number(o, "edge", x->edge < r->edge_count ? x->edge : NAN);
	cJSON_AddItemToObject(o, "from_ms", json_element(x->from_ms));
	cJSON_AddItemToObject(o, "to_ms", json_element(x->to_ms));
	json_number(o, "status", x->status ? x->status : NAN);
	json_text(o, "error", x->error ? texts_text(&r->model.names, x->error) : NULL);
	json_text(o, "outcome", x->outcome < MODEL_OUTCOMES ? outcomes[x->outcome] : NULL);
	cJSON_AddBoolToObject(o, "synthetic", x->synthetic);
	return o;
}

static cJSON *exemplar(const struct result *r, const struct exemplar *e)
{
	cJSON *o = cJSON_CreateObject(), *why = cJSON_AddArrayToObject(o, "why"), *attempts = cJSON_AddArrayToObject(o, "attempts");

	for (int k = 0; k < EXEMPLAR_KINDS; k++)
		if (e->kinds & 1u << k)
			cJSON_AddItemToArray(why, cJSON_CreateString(exemplar_kind_name(k)));
	json_text(o, "request", e->request);
	json_number(o, "at_s", e->at_s);
	json_number(o, "left_out", (double)e->left_out);
	for (size_t i = 0; i < e->count; i++)
		cJSON_AddItemToArray(attempts, attempt(r, &e->attempts[i]));
	return o;
}

int report_html(const struct result *r, FILE *out)
{
	cJSON *o = cJSON_CreateObject(), *charts, *edges, *destinations, *services, *exemplars;

	cJSON_AddItemToObject(o, "report", report_tree(r));
	charts = cJSON_AddObjectToObject(o, "charts");
	edges = cJSON_AddArrayToObject(charts, "edges");
	for (size_t i = 0; i < r->edge_count; i++)
		cJSON_AddItemToArray(edges, edge(r, &r->edges[i]));
	destinations = cJSON_AddArrayToObject(charts, "destinations");
	for (size_t i = 0; i < r->destination_count; i++)
		cJSON_AddItemToArray(destinations, destination(r, &r->destinations[i]));
	services = cJSON_AddArrayToObject(charts, "services");
	for (size_t i = 0; i < r->service_count; i++)
		cJSON_AddItemToArray(services, service_words(r, &r->services[i]));
	exemplars = cJSON_AddArrayToObject(charts, "exemplars");
	for (size_t i = 0; i < r->exemplar_count; i++)
		cJSON_AddItemToArray(exemplars, exemplar(r, &r->exemplars[i]));
	return page_write(o, out);
}
