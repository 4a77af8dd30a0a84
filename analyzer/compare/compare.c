/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/analyze.h"
#include "analyzer/compare/design.h"
#include "analyzer/compare/estimate.h"

#define ALPHA 0.05

#define NOTE(c, ...) result_say(&(c)->notes, &(c)->note_count, __VA_ARGS__)
#define REASON(c, ...) result_say(&(c)->reasons, &(c)->reason_count, __VA_ARGS__)

struct place {	/* what is compared: the same thing in every run */
	enum figure_kind kind;
	const char *a, *b;	/* edge, destination: client and server or name; else its name */
	bool only;		/* edge: the server is the only address that the client calls, destination: its only one, where it was met first */
	const char *label;
};

/* ---- the same place in different runs ---- */

/* Whether a server is known by its address only, which may be another in the next run. */
static bool is_address(const char *server)
{
	const char *colon = strrchr(server, ':');

	return !strncmp(server, "unix:", 5) || (colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")]);
}

/* The edge from client to the only address that it calls; NULL when it calls none or several. */
static const struct result_edge *only_address(const struct result *r, const char *client)
{
	const struct result_edge *only = NULL;
	unsigned addresses = 0;

	for (size_t i = 0; i < r->edge_count; i++) {
		if (strcmp(r->edges[i].client, client) || !is_address(r->edges[i].server))
			continue;
		addresses++;
		only = &r->edges[i];
	}
	return addresses == 1 ? only : NULL;
}

/* The edge by its names; for the only address of a client, whatever that is in this run. */
static const struct result_edge *find_edge(const struct result *r, const struct place *p)
{
	for (size_t i = 0; i < r->edge_count; i++)
		if (!strcmp(r->edges[i].client, p->a) && !strcmp(r->edges[i].server, p->b))
			return &r->edges[i];
	return p->only ? only_address(r, p->a) : NULL;
}

/* The destination of client alone; NULL when it has none or several. */
static const struct result_destination *only_destination(const struct result *r, const char *client)
{
	const struct result_destination *only = NULL;

	for (size_t i = 0; i < r->destination_count; i++) {
		if (strcmp(r->destinations[i].client, client))
			continue;
		if (only)
			return NULL;
		only = &r->destinations[i];
	}
	return only;
}

static const struct result_destination *find_destination(const struct result *r, const struct place *p)
{
	for (size_t i = 0; i < r->destination_count; i++)
		if (!strcmp(r->destinations[i].client, p->a) && !strcmp(r->destinations[i].name, p->b))
			return &r->destinations[i];
	return p->only ? only_destination(r, p->a) : NULL;
}

static struct figure_place find(const struct result *r, const struct place *p)
{
	struct figure_place at = {0};

	if (p->kind == FIGURE_DESTINATION)
		at.destination = find_destination(r, p);
	if (p->kind == FIGURE_EDGE)
		at.edge = find_edge(r, p);
	for (size_t i = 0; p->kind == FIGURE_SERVICE && i < r->service_count; i++)
		if (!strcmp(r->services[i].name, p->a) && r->services[i].whole.requests)
			at.service = &r->services[i];
	for (size_t i = r->recovery_count; p->kind == FIGURE_FAULT && i-- > 0;)	/* those of one fault lie together */
		if (!strcmp(r->recoveries[i].fault, p->a)) {
			at.recovery = &r->recoveries[i];
			at.recovery_count++;
		}
	return at;
}

static bool on_side(const struct compare_side *s, const struct place *p)
{
	for (size_t i = 0; i < s->count; i++) {
		struct figure_place at = find(&s->runs[i], p);

		if (figure_is_there(&at))
			return true;
	}
	return false;
}

/* Whether all runs know the edge's server, the destination, by the same name. */
static bool same_server(const struct compare_side *s, const struct place *p)
{
	for (size_t i = 0; i < s->count; i++) {
		struct figure_place at = find(&s->runs[i], p);

		if ((at.edge && strcmp(at.edge->server, p->b)) || (at.destination && strcmp(at.destination->name, p->b)))
			return false;
	}
	return true;
}

static int name_place(struct compare *c, struct place *p)
{
	const char *server = !p->b || (same_server(&c->base, p) && same_server(&c->fresh, p)) ? p->b : p->kind == FIGURE_EDGE ? "*" : "* (several servers)";

	if (server ? result_say(&c->places, &c->place_count, "%s -> %s", p->a, server) : result_say(&c->places, &c->place_count, "%s", p->a))
		return -ENOMEM;
	p->label = c->places[c->place_count - 1];
	return 0;
}

/* ---- gates ---- */

/* What each gate says of a row; the verdict waits for all of them (settle_tests()). */
static int add_tests(struct compare *c, const struct compare_row *row, const struct estimate *e)
{
	for (size_t i = 0; i < c->gate_count; i++) {
		const struct gate *g = &c->gates[i];
		struct compare_test *longer;

		if (g->metric != row->metric || !gate_concerns(g, row->where))
			continue;
		longer = realloc(c->tests, (c->test_count + 1) * sizeof(*longer));
		if (!longer)
			return -ENOMEM;
		c->tests = longer;
		longer[c->test_count++] = (struct compare_test){g, c->row_count, gate_decide(g, &row->fresh, &row->ratio), estimate_chance(e, g), NAN, false};
	}
	return 0;
}

/* Holm over all that were declared: with ten gates, one in ten would regress by chance each second time. */
static int adjust(struct compare *c)
{
	double *p = calloc(c->test_count + 1, sizeof(*p));
	size_t n = 0;
	int err;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < c->test_count; i++)
		if (!isnan(c->tests[i].p))
			p[n++] = c->tests[i].p;
	err = stats_holm(p, n);
	n = 0;
	for (size_t i = 0; i < c->test_count && !err; i++)
		if (!isnan(c->tests[i].p))
			c->tests[i].adjusted = p[n++];
	free(p);
	return err;
}

static int settle_tests(struct compare *c)
{
	if (adjust(c))
		return -ENOMEM;
	for (size_t i = 0; i < c->test_count; i++) {
		struct compare_test *t = &c->tests[i];
		struct compare_row *row = &c->rows[t->row];

		t->chance = t->outcome == GATE_REGRESS && t->adjusted >= ALPHA;
		if (t->chance)
			t->outcome = GATE_INCONCLUSIVE;
		row->gate = t->outcome > row->gate ? t->outcome : row->gate;
		if (t->outcome != GATE_PASS && REASON(c, "gate %s: %s at %s%s", t->gate->text, gate_outcome_name(t->outcome), row->where,
						      t->chance ? ", as of so many gates one is missed by chance: more runs would tell" : ""))
			return -ENOMEM;
	}
	return 0;
}

/* ---- rows ---- */

static enum compare_significance significance(const struct estimate *e)
{
	return isnan(e->p) ? COMPARE_UNKNOWN : e->p < ALPHA ? COMPARE_DIFFERS : COMPARE_SAME;
}

static int keep_row(struct compare *c, const struct compare_row *row)
{
	struct compare_row *rows = realloc(c->rows, (c->row_count + 1) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	c->rows = rows;
	rows[c->row_count++] = *row;
	return 0;
}

/* The place in each run of a side; NULL without memory. */
static struct figure_place *find_all(const struct compare_side *s, const struct place *p)
{
	struct figure_place *at = calloc(s->count + 1, sizeof(*at));

	for (size_t i = 0; at && i < s->count; i++)
		at[i] = find(&s->runs[i], p);
	return at;
}

static int add_estimate(struct compare *c, const struct place *p, enum gate_metric metric, const struct estimate *e)
{
	struct compare_row row = {metric, p->label, e->base.metric, e->fresh.metric, e->ratio, e->p, e->a12, significance(e), GATE_NONE};
	size_t before = c->test_count;

	if (add_tests(c, &row, e))
		return -ENOMEM;
	if (c->test_count == before && !row.base.known && !row.fresh.known && !row.base.bounded && !row.fresh.bounded)
		return 0;
	return keep_row(c, &row);
}

static int add_row(struct compare *c, const struct place *p, enum gate_metric metric)
{
	struct figure_place *base = find_all(&c->base, p), *fresh = find_all(&c->fresh, p);
	struct estimate e = {0};
	int err = -ENOMEM;

	if (base && fresh)
		err = estimate_make(&e, metric, (struct estimate_input){base, c->base.count}, (struct estimate_input){fresh, c->fresh.count}, c->paired);
	if (!err)
		err = add_estimate(c, p, metric, &e);
	estimate_free(&e);
	free(base);
	free(fresh);
	return err;
}

static int add_rows(struct compare *c, const struct place *p)
{
	int err = 0;

	for (int metric = 0; metric < GATE_METRICS && !err; metric++) {
		if (figure_exists(metric, p->kind))
			err = add_row(c, p, metric);
	}
	return err;
}

/* ---- places ---- */

/* The i-th thing of a kind in a run; false behind the last. */
static bool nth(const struct result *r, enum figure_kind kind, size_t i, struct place *p)
{
	*p = (struct place){.kind = kind};
	if (kind == FIGURE_EDGE && i < r->edge_count) {
		p->a = r->edges[i].client;
		p->b = r->edges[i].server;
		p->only = only_address(r, p->a) == &r->edges[i];
	} else if (kind == FIGURE_DESTINATION && i < r->destination_count) {
		p->a = r->destinations[i].client;
		p->b = r->destinations[i].name;
		p->only = only_destination(r, p->a) != NULL;
	} else if (kind == FIGURE_SERVICE && i < r->service_count) {
		p->a = r->services[i].name;
	} else if (kind == FIGURE_FAULT && i < r->recovery_count) {
		p->a = r->recoveries[i].fault;
	}
	return p->a != NULL;
}

/* Whether a place was met in a run before (of the same side), or in this run under another name. */
static bool met_before(const struct compare_side *s, size_t run, const struct place *p)
{
	for (size_t i = 0; i < run; i++) {
		struct figure_place at = find(&s->runs[i], p);

		if (figure_is_there(&at))
			return true;
	}
	return false;
}

/* Compares what is new with this place of a side, or notes that the other side lacks it. */
static int visit(struct compare *c, bool fresh_side, size_t run, struct place *p)
{
	const struct compare_side *side = fresh_side ? &c->fresh : &c->base, *other = fresh_side ? &c->base : &c->fresh;

	if (met_before(side, run, p) || !on_side(side, p))
		return 0;
	if (on_side(other, p))
		return fresh_side ? 0 : name_place(c, p) || add_rows(c, p) ? -ENOMEM : 0;
	return NOTE(c, "only in %s: %s%s%s", fresh_side ? "new" : "base", p->a, p->b ? " -> " : "", p->b ? p->b : "");
}

static int visit_side(struct compare *c, bool fresh_side)
{
	const struct compare_side *side = fresh_side ? &c->fresh : &c->base;
	struct place p;

	for (int kind = 0; kind < FIGURE_KINDS; kind++)
		for (size_t run = 0; run < side->count; run++)
			for (size_t i = 0; nth(&side->runs[run], kind, i, &p); i++)
				if (visit(c, fresh_side, run, &p))
					return -ENOMEM;
	return 0;
}

/* ---- verdict ---- */

static void raise(struct compare *c, enum verdict v)
{
	if (c->verdict == VERDICT_PASS)
		c->verdict = v;
}

static int judge_runs(struct compare *c, const struct compare_side *s, enum verdict v)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->runs[i].verdict != v)
			continue;
		raise(c, v);
		if (REASON(c, "%s is %s: %s", s->runs[i].file, verdict_name(v), s->runs[i].reasons[0]))
			return -ENOMEM;
	}
	return 0;
}

static bool any_gate(const struct compare *c, enum gate_outcome outcome)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (c->rows[i].gate == outcome)
			return true;
	return false;
}

static int judge(struct compare *c)
{
	if (judge_runs(c, &c->base, VERDICT_INCONCLUSIVE) || judge_runs(c, &c->fresh, VERDICT_INCONCLUSIVE))
		return -ENOMEM;
	if (any_gate(c, GATE_REGRESS))
		raise(c, VERDICT_FAIL);
	if (judge_runs(c, &c->base, VERDICT_VACUOUS) || judge_runs(c, &c->fresh, VERDICT_VACUOUS))
		return -ENOMEM;
	if (any_gate(c, GATE_INCONCLUSIVE))
		raise(c, VERDICT_INCONCLUSIVE);
	if (c->row_count)
		return 0;
	raise(c, VERDICT_VACUOUS);
	if (REASON(c, "nothing to compare: no edge, service or fault has the same name in both"))
		return -ENOMEM;
	return 0;
}

/* Every gate must have met a row. */
static int check_gates(const struct compare *c, char *error, unsigned error_size)
{
	for (size_t i = 0; i < c->gate_count; i++) {
		bool met = false;

		for (size_t k = 0; k < c->test_count; k++)
			met |= c->tests[k].gate == &c->gates[i];
		if (met)
			continue;
		snprintf(error, error_size, "gate '%s' concerns nothing that both sides have; without --gate, compare lists what there is",
			 c->gates[i].text);
		return -EINVAL;
	}
	return 0;
}

int compare_add(struct compare_side *side, const char *path, char *error, unsigned error_size)
{
	struct result *runs = realloc(side->runs, (side->count + 1) * sizeof(*runs));
	int err;

	if (!runs) {
		snprintf(error, error_size, "not enough memory for so many runs");
		return -ENOMEM;
	}
	side->runs = runs;
	runs[side->count] = (struct result){0};
	err = analyze(&runs[side->count], path, &ANALYZE_EVERYTHING, error, error_size);
	side->count += !err;
	return err;
}

int compare_run(struct compare *c, char *error, unsigned error_size)
{
	int err = design_look(c);

	if (!err)
		err = visit_side(c, false) || visit_side(c, true) || settle_tests(c) || judge(c) ? -ENOMEM : 0;
	if (err) {
		snprintf(error, error_size, "not enough memory to compare the runs");
		return -ENOMEM;
	}
	return check_gates(c, error, error_size);
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void free_side(struct compare_side *s)
{
	for (size_t i = 0; i < s->count; i++)
		result_free(&s->runs[i]);
	free(s->runs);
}

void compare_free(struct compare *c)
{
	free_side(&c->base);
	free_side(&c->fresh);
	free(c->rows);
	free(c->tests);
	free_texts(c->places, c->place_count);
	free_texts(c->reasons, c->reason_count);
	free_texts(c->notes, c->note_count);
	*c = (struct compare){0};
}
