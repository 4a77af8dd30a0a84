/* SPDX-License-Identifier: MIT */
#include "analyzer/analyze.h"

#include <pthread.h>
#include <stdio.h>
#include "analyzer/link/closes.h"
#include "analyzer/link/oneway.h"
#include "analyzer/link/pauses.h"
#include "analyzer/measure.h"
#include "analyzer/read/progress.h"
#include "analyzer/read/spill.h"

double measure_seconds(const struct measure *m, enum timeline_kind kind)
{
	const struct timeline *t = &m->r->timeline;
	uint64_t sum = 0;

	for (size_t i = 0; i < t->window_count; i++) {
		uint64_t from = t->windows[i].from_ns, to = t->windows[i].to_ns;

		from = from < m->from_ns ? m->from_ns : from;
		to = to > m->to_ns ? m->to_ns : to;
		if (from < to && (kind == TIMELINE_KINDS || t->windows[i].kind == kind))
			sum += to - from;
	}
	return (double)sum / NS_PER_S;
}

int measure_latency(struct latency *l, const struct model_exchange *x)
{
	return x->ended_ns ? samples_add(&l->samples, model_took_ms(x)) : 0;
}

static void choose_range(struct measure *m)
{
	const struct model *run = &m->r->model;

	m->from_ns = isnan(m->options.from_s) ? 0 : run->started_ns + (uint64_t)(m->options.from_s * NS_PER_S);
	m->to_ns = isnan(m->options.to_s) ? UINT64_MAX : run->started_ns + (uint64_t)(m->options.to_s * NS_PER_S);
	m->r->duration_s = (double)(run->ended_ns - run->started_ns) / NS_PER_S;
}

/* The rows are measured: what remains of the model are its names and the run's own facts. */
static void drop_rows(struct model *m)
{
	spill_free(m->exchanges);
	spill_free(m->connections);
	spill_free(m->injections);
	m->exchanges = NULL;
	m->connections = NULL;
	m->injections = NULL;
}

typedef int (*step)(struct measure *);

/* Steps that need those above them; and on another thread others, which need nothing of these, write nothing that these read, and say nothing. */
struct stage {
	step steps[8], beside[8];	/* NULL behind the last */
};

/* What tells of breakers, and what needs them. */
static const struct stage before_breakers[] = {
	{{measure_edges}, {measure_services}},
	{{measure_destinations, measure_pools, measure_excluded}, {NULL}},
	{{measure_retries}, {measure_demand}},
	{{measure_wasted, measure_breakers}, {NULL}},
};
static const struct stage behind_breakers[] = {
	{{measure_retries_again, measure_retries_elsewhere, measure_amplification, measure_paths}, {NULL}},
	{{measure_bulkheads, measure_fallbacks},
	 {measure_timeouts, measure_hierarchy, measure_idempotency, measure_hedging, measure_shedding, measure_backpressure}},
	{{measure_recovery, measure_faults, measure_series, measure_exemplars, measure_quality, measure_findings, measure_verdict}, {NULL}},
};
#define STAGES(table) (sizeof(table) / sizeof((table)[0]))

struct lane {		/* the steps of a stage that one thread takes */
	struct measure *m;
	const step *steps;
	int err;
};

static void *take_lane(void *context)
{
	struct lane *l = context;

	for (const step *s = l->steps; *s && !l->err; s++)
		l->err = (*s)(l->m);
	progress_add(1);
	return NULL;
}

static int take(struct measure *m, const struct stage *stages, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct lane here = {m, stages[i].steps, 0}, beside = {m, stages[i].beside, 0};
		pthread_t thread;
		bool apart = *beside.steps && spill_is_roomy() && !pthread_create(&thread, NULL, take_lane, &beside);

		take_lane(&here);
		if (apart)
			pthread_join(thread, NULL);
		else
			take_lane(&beside);
		err = here.err ? here.err : beside.err;
	}
	return err;
}

static int find_links(struct measure *m)
{
	int err = graph_build(&m->graph, &m->r->model);

	if (!err)
		err = oneway_settle(m);
	if (!err)
		err = link_build(&m->link, &m->r->model, &m->graph);
	if (!err)
		err = chains_build(&m->chains, m);
	if (!err)
		err = closes_date(m);
	return err;
}

static int find_breakers(struct measure *m)
{
	int err = hops_build(&m->hops, &m->link, &m->r->model, &m->graph, &m->chains);

	if (!err)
		err = hops_doubt(&m->hops, &m->link, &m->graph);
	return err ? err : take(m, before_breakers, STAGES(before_breakers));
}

/* What was measured of requests that lay across the pauses of a breaker is measured again of those that they really were. */
static int find_breakers_again(struct measure *m, size_t notes)
{
	int err;

	demand_clear(m);
	hops_free(&m->hops);
	chains_free(&m->chains);
	spill_free(m->wholes);
	m->wholes = NULL;
	result_forget(m->r, notes);
	err = chains_build(&m->chains, m);
	return err ? err : find_breakers(m);
}

static int measure_all(struct measure *m)
{
	bool parted = false;
	size_t notes;
	int err;

	progress_begin("analyzing", 2 * (STAGES(before_breakers) + STAGES(behind_breakers)));
	err = find_links(m);
	notes = m->r->note_count;
	choose_range(m);
	if (!err)
		err = timeline_build(&m->r->timeline, &m->r->model);
	if (!err)
		err = find_breakers(m);
	if (!err)
		err = pauses_part(m, &parted);
	if (!err && parted)
		err = find_breakers_again(m, notes);
	if (!err)
		err = take(m, behind_breakers, STAGES(behind_breakers));
	progress_end();
	return err;
}

int analyze(struct result *r, const char *path, const struct analyze_options *options, char *error, unsigned error_size)
{
	struct measure m = {.r = r, .options = *options, .path = path};
	int err = model_load(&r->model, path, error, error_size);

	if (err) {
		progress_end();
		return err;
	}
	r->slo = options->slo;
	r->fail_on = options->fail_on;
	r->file = texts_text(&r->model.names, texts_add(&r->model.names, path));
	err = measure_all(&m);
	demand_clear(&m);
	graph_free(&m.graph);
	link_free(&m.link);
	chains_free(&m.chains);
	hops_free(&m.hops);
	spill_free(m.wholes);
	drop_rows(&r->model);
	if (err) {
		snprintf(error, error_size, "%s: not enough memory to analyze it", path);
		result_free(r);
	}
	return err;
}
