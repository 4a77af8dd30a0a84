/* SPDX-License-Identifier: MIT */
#include "analyzer/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/analyze.h"
#include "analyzer/figure.h"

#define SEED 0x636f6d7061726531ull	/* any constant */

#define NOTE(c, ...) result_say(&(c)->notes, &(c)->note_count, __VA_ARGS__)
#define REASON(c, ...) result_say(&(c)->reasons, &(c)->reason_count, __VA_ARGS__)

struct place {	/* what is compared: the same thing in every run */
	enum figure_kind kind;
	const char *a, *b;	/* edge: client and server; else its name */
	bool only;		/* edge: the server is the only address that the client calls, where it was met first */
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

static struct figure_place find(const struct result *r, const struct place *p)
{
	struct figure_place at = {0};

	if (p->kind == FIGURE_EDGE)
		at.edge = find_edge(r, p);
	for (size_t i = 0; p->kind == FIGURE_SERVICE && i < r->service_count; i++)
		if (!strcmp(r->services[i].name, p->a) && r->services[i].whole.requests)
			at.service = &r->services[i];
	for (size_t i = 0; p->kind == FIGURE_FAULT && i < r->recovery_count; i++)
		if (!strcmp(r->recoveries[i].fault, p->a))
			at.recovery = &r->recoveries[i];
	return at;
}

static bool is_there(const struct figure_place *at)
{
	return at->edge || at->service || at->recovery;
}

static bool on_side(const struct compare_side *s, const struct place *p)
{
	for (size_t i = 0; i < s->count; i++) {
		struct figure_place at = find(&s->runs[i], p);

		if (is_there(&at))
			return true;
	}
	return false;
}

/* Whether all runs know the edge's server by the same name. */
static bool same_server(const struct compare_side *s, const struct place *p)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct result_edge *e = find_edge(&s->runs[i], p);

		if (e && strcmp(e->server, p->b))
			return false;
	}
	return true;
}

static int name_place(struct compare *c, struct place *p)
{
	bool same = p->kind != FIGURE_EDGE || (same_server(&c->base, p) && same_server(&c->fresh, p));

	if (result_say(&c->places, &c->place_count, p->kind == FIGURE_EDGE ? "%s -> %s" : "%s", p->a, same && p->b ? p->b : "*"))
		return -ENOMEM;
	p->label = c->places[c->place_count - 1];
	return 0;
}

/* ---- figures of a side ---- */

struct estimate {
	struct metric metric;
	bool drawn;	/* draws are filled: what the figure may really be */
	double draws[STATS_RESAMPLES];
};

static double median(const struct samples *s)
{
	return s->n ? (s->values[(s->n - 1) / 2] + s->values[s->n / 2]) / 2 : NAN;
}

/* The median of a resample of runs; room holds as many values. */
static double draw_median(const struct samples *s, double *room, struct stats_random *r)
{
	struct samples resample = {.values = room, .n = s->n};

	for (size_t i = 0; i < s->n; i++)
		room[i] = s->values[(size_t)(stats_uniform(r) * (double)s->n)];
	samples_sort(&resample);
	return median(&resample);
}

static int draw_medians(struct estimate *e, const struct samples *s, struct stats_random *r)
{
	double *room = calloc(s->n + STATS_RESAMPLES, sizeof(*room));
	struct stats_interval i;

	if (!room)
		return -ENOMEM;
	for (int k = 0; k < STATS_RESAMPLES; k++)
		e->draws[k] = draw_median(s, room, r);
	memcpy(room, e->draws, sizeof(e->draws));
	i = stats_middle(room, STATS_RESAMPLES);
	free(room);
	e->metric.low = i.low;
	e->metric.high = i.high;
	e->metric.bounded = e->drawn = true;
	return 0;
}

static void settle_exact(struct estimate *e, double value, uint64_t n)
{
	e->metric = metric_exact(value, n);
	e->drawn = true;
	for (int k = 0; k < STATS_RESAMPLES; k++)
		e->draws[k] = value;
}

/* The values of a figure in all runs, ascending; *exact: each is an exact count. Short when some run can not tell. */
static int collect(const struct compare_side *s, const struct place *p, enum gate_metric metric, struct samples *values,
		   bool *exact)
{
	*exact = true;
	for (size_t i = 0; i < s->count; i++) {
		struct figure_place at = find(&s->runs[i], p);
		struct metric m = is_there(&at) ? figure_of(metric, &at) : metric_unknown("not there");

		if (!m.known)
			continue;
		*exact = *exact && !strcmp(m.method, "exact");
		if (samples_add(values, m.value))
			return -ENOMEM;
	}
	samples_sort(values);
	return 0;
}

/* Several runs: the run is the unit. */
static int estimate_runs(struct estimate *e, const struct compare_side *s, const struct place *p, enum gate_metric metric,
			 struct stats_random *r)
{
	struct samples values = {0};
	bool exact;
	int err = collect(s, p, metric, &values, &exact);

	e->metric = metric_plain(median(&values), values.n, "median of runs");
	if (values.n < s->count)
		e->metric = metric_unknown("not every run can tell");
	else if (exact && values.n && values.values[0] == values.values[values.n - 1])
		settle_exact(e, values.values[0], values.n);
	else if (!err && values.n >= COMPARE_RUNS_MIN)
		err = draw_medians(e, &values, r);
	samples_free(&values);
	return err;
}

/* One run: its requests are the unit. */
static void estimate_run(struct estimate *e, const struct result *run, const struct place *p, enum gate_metric metric,
			 struct stats_random *r, bool draw)
{
	struct figure_place at = find(run, p);

	e->metric = is_there(&at) ? figure_of(metric, &at) : metric_unknown("not there");
	e->drawn = draw && e->metric.known && figure_draws(metric, &at);
	for (int k = 0; e->drawn && k < STATS_RESAMPLES; k++)
		e->draws[k] = figure_draw(metric, &at, r);
}

static int estimate_side(struct estimate *e, const struct compare_side *s, const struct place *p, enum gate_metric metric,
			 struct stats_random *r, bool single)
{
	e->drawn = false;
	if (s->count != 1)
		return estimate_runs(e, s, p, metric, r);
	estimate_run(e, &s->runs[0], p, metric, r, single);
	return 0;
}

/* ---- ratio and significance ---- */

static struct metric ratio_of(const struct estimate *base, const struct estimate *fresh)
{
	struct metric m = metric_unknown("ratio");
	double draws[STATS_RESAMPLES];
	struct stats_interval i;

	if (!base->metric.known || !fresh->metric.known || base->metric.value == 0)
		return m;
	m = metric_plain(fresh->metric.value / base->metric.value, base->metric.n + fresh->metric.n, "ratio");
	if (!base->drawn || !fresh->drawn)
		return m;
	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = base->draws[k] > 0 ? fresh->draws[k] / base->draws[k] : INFINITY;
	i = stats_middle(draws, STATS_RESAMPLES);
	m.low = i.low;
	m.high = i.high;
	m.bounded = isfinite(i.high);
	m.method = i.low == i.high ? "exact" : "bootstrap";
	return m;
}

static enum compare_significance significance(const struct estimate *base, const struct estimate *fresh)
{
	double draws[STATS_RESAMPLES];
	struct stats_interval i;

	if (!base->drawn || !fresh->drawn)
		return COMPARE_UNKNOWN;
	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = fresh->draws[k] - base->draws[k];
	i = stats_middle(draws, STATS_RESAMPLES);
	return i.low > 0 || i.high < 0 ? COMPARE_DIFFERS : COMPARE_SAME;
}

/* ---- rows ---- */

static int apply_gates(struct compare *c, struct compare_row *row, bool *gated)
{
	*gated = false;
	for (size_t i = 0; i < c->gate_count; i++) {
		const struct gate *g = &c->gates[i];
		enum gate_outcome outcome;

		if (g->metric != row->metric || !gate_concerns(g, row->where))
			continue;
		*gated = true;
		outcome = gate_decide(g, &row->fresh, &row->ratio);
		row->gate = outcome > row->gate ? outcome : row->gate;
		if (outcome != GATE_PASS && REASON(c, "gate %s: %s at %s", g->text, gate_outcome_name(outcome), row->where))
			return -ENOMEM;
	}
	return 0;
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

static int add_row(struct compare *c, const struct place *p, enum gate_metric metric)
{
	struct compare_row row = {.metric = metric, .where = p->label};
	struct stats_random random = {SEED};
	struct estimate *e = calloc(2, sizeof(*e));
	bool single = c->base.count == 1 && c->fresh.count == 1, gated;
	int err = e ? estimate_side(&e[0], &c->base, p, metric, &random, single) : -ENOMEM;

	if (!err)
		err = estimate_side(&e[1], &c->fresh, p, metric, &random, single);
	if (!err) {
		row.base = e[0].metric;
		row.fresh = e[1].metric;
		row.ratio = ratio_of(&e[0], &e[1]);
		row.significance = significance(&e[0], &e[1]);
		err = apply_gates(c, &row, &gated);
	}
	if (!err && (gated || row.base.known || row.fresh.known))
		err = keep_row(c, &row);
	free(e);
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

		if (is_there(&at))
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

static int note_runs(struct compare *c)
{
	size_t few = c->base.count < c->fresh.count ? c->base.count : c->fresh.count;

	if (c->base.count == 1 && c->fresh.count == 1)
		return NOTE(c, "between-run variance unknown: one run a side; intervals are within the run");
	if (few < COMPARE_RUNS_MIN)
		return NOTE(c, "too few runs for intervals: %zu against %zu, %d a side are needed", c->base.count, c->fresh.count,
			    COMPARE_RUNS_MIN);
	return 0;
}

/* Every gate must have met a row. */
static int check_gates(const struct compare *c, char *error, unsigned error_size)
{
	for (size_t i = 0; i < c->gate_count; i++) {
		bool met = false;

		for (size_t k = 0; k < c->row_count; k++)
			met |= c->rows[k].metric == c->gates[i].metric && gate_concerns(&c->gates[i], c->rows[k].where);
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
	if (note_runs(c) || visit_side(c, false) || visit_side(c, true) || judge(c)) {
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
	free_texts(c->places, c->place_count);
	free_texts(c->reasons, c->reason_count);
	free_texts(c->notes, c->note_count);
	*c = (struct compare){0};
}
