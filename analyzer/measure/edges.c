/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/measure/cohort.h"

struct workbench {	/* what is needed of an edge only while it is measured */
	uint64_t retries, saved;	/* attempts after the first; requests that succeeded with one */
	uint64_t troubled, exhausted;	/* requests whose first attempt failed; those that had failed when they ended */
	struct samples starts;	/* ns since the run's start, ascending */
	struct tally protocols;	/* names */
};

static void add_retries(const struct measure *m, struct workbench *w, const struct link_logical *q)
{
	bool troubled = link_failed_first(q, &m->r->model);

	w->retries += link_retries(q);
	w->saved += q->ok && troubled;
	if (troubled && q->ended_ns) {
		w->troubled++;
		w->exhausted += !q->ok;
	}
}

static int add_logicals(struct measure *m, struct workbench *benches)
{
	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];
		struct result_edge *e = &m->r->edges[q->edge];

		if (!measure_counts(m, q->started_ns))
			continue;
		if (cohort_add(&e->whole, q) || cohort_add(&e->window[timeline_at(&m->r->timeline, q->started_ns)], q))
			return -ENOMEM;
		add_retries(m, &benches[q->edge], q);
	}
	return 0;
}

static int add_attempt(struct measure *m, struct result_edge *e, struct workbench *w, const struct model_exchange *x)
{
	e->outcomes[x->outcome]++;
	e->attempts_ok += x->outcome == MODEL_OK;
	if (x->status && tally_add(&e->statuses, x->status, 1))
		return -ENOMEM;
	if (x->error && tally_add(&e->errors, x->error, 1))
		return -ENOMEM;
	if (tally_add(&w->protocols, x->protocol, 1))
		return -ENOMEM;
	if (samples_add(&w->starts, (double)x->started_ns - (double)m->r->model.started_ns))
		return -ENOMEM;
	return measure_latency(&e->latency, x);
}

/* Attempts count with their request: one that spills over the end of the range is in, one of an earlier request out. */
static int add_attempts(struct measure *m, struct workbench *benches)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (x->edge == MODEL_NONE || !measure_counts(m, m->link.logicals[x->logical].started_ns))
			continue;
		if (add_attempt(m, &m->r->edges[x->edge], &benches[x->edge], x))
			return -ENOMEM;
	}
	return 0;
}

/* The most starts within any 1 s. */
static double peak(const struct samples *starts)
{
	size_t most = 0;

	for (size_t first = 0, next = 0; next < starts->n; next++) {
		while (starts->values[next] - starts->values[first] >= (double)NS_PER_S)
			first++;
		most = next - first + 1 > most ? next - first + 1 : most;
	}
	return (double)most;
}

/* What most attempts spoke, of those of which it is known. */
static const char *protocol(const struct measure *m, const struct tally *protocols)
{
	const char *most = "unknown";
	uint64_t count = 0;

	for (size_t i = 0; i < protocols->used; i++) {
		const char *text = measure_text(m, protocols->cells[i].value);

		if (*text && strcmp(text, "unknown") && protocols->cells[i].count > count) {
			most = text;
			count = protocols->cells[i].count;
		}
	}
	return most;
}

static void settle_edge(struct measure *m, size_t i, struct workbench *w)
{
	struct result_edge *e = &m->r->edges[i];
	bool linked = m->link.tiers[i] != LINK_AGGREGATE;

	cohort_settle(&e->whole, linked);
	for (int k = 0; k < TIMELINE_KINDS; k++)
		cohort_settle(&e->window[k], linked);
	e->linking = link_tier_name(m->link.tiers[i]);
	e->protocol = protocol(m, &w->protocols);
	e->attempt_success = metric_share(e->attempts_ok, e->whole.attempts);
	e->peak_attempts_per_s = peak(&w->starts);
	e->retry_yield = linked ? metric_share(w->saved, w->retries) : metric_unknown("aggregate");
	e->exhausted_share = linked ? metric_share(w->exhausted, w->troubled) : metric_unknown("aggregate");
	latency_settle(&e->latency);
}

int measure_edges(struct measure *m)
{
	struct workbench *benches = calloc(m->graph.count + 1, sizeof(*benches));
	int err;

	m->r->edges = calloc(m->graph.count + 1, sizeof(*m->r->edges));
	if (!benches || !m->r->edges) {
		free(benches);
		return -ENOMEM;
	}
	m->r->edge_count = m->graph.count;
	for (size_t i = 0; i < m->graph.count; i++) {
		m->r->edges[i].client = measure_text(m, m->graph.edges[i].client);
		m->r->edges[i].server = measure_text(m, m->graph.edges[i].server);
		m->r->edges[i].root = graph_is_root(&m->graph, m->graph.edges[i].client);
	}
	err = add_logicals(m, benches) || add_attempts(m, benches) ? -ENOMEM : 0;
	for (size_t i = 0; i < m->graph.count; i++) {
		settle_edge(m, i, &benches[i]);
		samples_free(&benches[i].starts);
		tally_free(&benches[i].protocols);
	}
	free(benches);
	return err;
}
