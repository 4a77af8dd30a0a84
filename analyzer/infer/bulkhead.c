/* SPDX-License-Identifier: MIT */
/*
 * Limits on the calls that each process of an edge's client has in work at once, from what they did to requests that came while it was full
 * (plateau.h). Of several processes the one speaks of which most is known; where they differ, low and high tell. What such a limit is (a
 * bulkhead, a pool of connections or workers) traffic does not tell: it lists what it may be.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/bulkhead_flood.h"
#include "analyzer/infer/plateau.h"
#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "analyzer/measure/demand.h"
#include "analyzer/read/spill.h"

#define OFFERED_ENOUGH 1.5	/* times the width: the level stayed though more was offered */
#define CERTAIN 20		/* requests turned down */
#define LITTLE_SLACK 1.05

static void name_candidates(struct policy_bulkhead *b)
{
	static const char *const waiting[] = {"bulkhead", "connection pool", "worker pool"}, *const rejecting[] = {"bulkhead", "connection pool"};

	if (b->moving) {
		b->candidates[b->candidate_count++] = "adaptive concurrency limit";
		return;
	}
	for (size_t i = 0; b->mode == BULKHEAD_QUEUE && i < sizeof(waiting) / sizeof(waiting[0]); i++)
		b->candidates[b->candidate_count++] = waiting[i];
	for (size_t i = 0; b->mode == BULKHEAD_REJECT && i < sizeof(rejecting) / sizeof(rejecting[0]); i++)
		b->candidates[b->candidate_count++] = rejecting[i];
	if (b->width == 1)
		b->candidates[b->candidate_count++] = "single thread";
}

static enum policy_confidence confidence(const struct plateau *p)
{
	if (p->moving)
		return CONFIDENCE_LOW;
	if (p->waits)
		return p->offered >= OFFERED_ENOUGH ? CONFIDENCE_HIGH : CONFIDENCE_LOW;
	return p->turned_down >= CERTAIN ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM;
}

static void absorb(struct policy_bulkhead *b, const struct plateau *p, uint64_t *most)
{
	uint64_t weight = p->waited + p->turned_down;
	unsigned low = b->known && b->low < p->low ? b->low : p->low, high = b->known && b->high > p->high ? b->high : p->high;

	if (!p->known || (!p->moving && p->little > LITTLE_SLACK * p->width))
		return;
	if (!b->known || weight > *most) {
		*most = weight;
		b->width = p->width;
		b->mode = p->waits ? BULKHEAD_QUEUE : BULKHEAD_REJECT;
		b->moving = p->moving;
		b->little = p->little;
		b->confidence = confidence(p);
	}
	b->known = true;
	b->rejected += p->turned_down;
	b->low = low;
	b->high = high;
}

/* Whether a limit stopped this request: turned it away, or let it wait. */
static bool is_stopped(const struct demand *d, const struct plateau *p)
{
	return p->waits ? d->call_ns > d->at_ns && d->call_ns - d->at_ns > p->usual_ns :
			  demand_turned_down(d);
}

/* What a fault kept from the service at its own side, or answered for it, did not wait for a place. */
static bool is_kept_back(const struct measure *m, const struct demand *d)
{
	return m->r->model.exchanges[d->row].fault != MODEL_NONE;
}

/* Of the fault's requests, or of all without a fault. */
static int count_stopped(struct measure *m, struct policy_bulkhead *b, const struct demand *d, size_t n, const struct plateau *p, struct samples *waits)
{
	bool fault = measure_seconds(m, TIMELINE_FAULT) > 0;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (is_kept_back(m, &d[i]) || (!d[i].expected && !d[i].call_ns) || (fault && timeline_at(&m->r->timeline, d[i].at_ns) != TIMELINE_FAULT))
			continue;
		b->asked++;
		if (!is_stopped(&d[i], p))
			continue;
		if (!b->stopped++)
			b->witness = (uint64_t)m->r->model.exchanges[d[i].row].id;
		err = d[i].call_ns ? samples_add(waits, model_ms(d[i].at_ns, d[i].call_ns)) : 0;
	}
	return err;
}

static int gather_calls(const struct measure *m, struct chains_span rows, struct plateau_call **calls, size_t *n)
{
	*calls = spill_realloc(NULL, (rows.n + 1) * sizeof(**calls));
	*n = 0;
	if (!*calls)
		return -ENOMEM;
	for (size_t i = 0; i < rows.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[rows.members[i]];

		if (measure_counts(m, x->started_ns))
			(*calls)[(*n)++] = (struct plateau_call){x->started_ns, x->ended_ns};
	}
	return 0;
}

static int judge_process(struct measure *m, struct policy_bulkhead *b, const struct demands *d, size_t first, size_t last, const struct crew *crew,
			 uint64_t *most, struct samples *waits)
{
	struct plateau_demand *demands = spill_realloc(NULL, (last - first + 1) * sizeof(*demands));
	struct plateau_call *calls = NULL;
	struct plateau p;
	size_t n, count = 0;
	int err = demands ? gather_calls(m, crew_process(crew, d->of[first].process), &calls, &n) : -ENOMEM;

	for (size_t i = first; i < last && !err; i++)
		if (!is_kept_back(m, &d->of[i]))
			demands[count++] = (struct plateau_demand){d->of[i].at_ns, d->of[i].end_ns, d->of[i].call_ns, demand_turned_down(&d->of[i])};
	if (!err && n)
		err = plateau_find(&p, calls, n, demands, count, d->nested);
	if (!err && n)
		absorb(b, &p, most);
	if (!err && n && p.known)
		err = count_stopped(m, b, d->of + first, last - first, &p, waits);
	spill_free(demands);
	spill_free(calls);
	return err;
}

static int judge_edge(struct measure *m, uint32_t edge, struct demand_book *book, struct flood_edges *floods)
{
	struct policy_bulkhead *b = &m->r->edges[edge].bulkhead;
	struct demands d;
	struct crew crew = {0};
	struct samples waits = {0};
	uint64_t most = 0;
	int err = demand_of(&d, book, m, edge);

	*b = (struct policy_bulkhead){.little = NAN, .wait_ms = NAN, .call_ms = floods->fault_ms[edge], .call_before_ms = floods->before_ms[edge]};
	if (!err && d.n)
		err = crew_of(&crew, m, chains_of(&m->chains.by_edge, edge));
	for (size_t first = 0, last; first < d.n && !err; first = last) {
		for (last = first; last < d.n && d.of[last].process == d.of[first].process;)
			last++;
		err = judge_process(m, b, &d, first, last, &crew, &most, &waits);
	}
	samples_sort(&waits);
	b->wait_ms = samples_percentile(&waits, 0.5);
	if (b->known)
		name_candidates(b);
	else if (!err)
		err = flood_find(floods, m, edge);
	samples_free(&waits);
	crew_free(&crew);
	demand_free(&d);
	return err;
}

int measure_bulkheads(struct measure *m)
{
	struct demand_book book = {0};
	struct flood_edges floods;
	int err = flood_open(&floods, m);

	for (uint32_t i = 0; i < m->r->edge_count && !err; i++)
		if (!m->graph.edges[i].external)
			err = judge_edge(m, i, &book, &floods);
	flood_close(&floods);
	demand_close(&book);
	return err;
}
