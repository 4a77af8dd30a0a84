/* SPDX-License-Identifier: MIT */
/*
 * Breakers, from silences (silence.h): of each process of an edge's client by itself, since breakers are of an instance; what they tell is put
 * together for the edge.
 *
 *   threshold   failures that it took, between those that had ended when the last call was let through, plus one, and those that had ended when
 *               the first was not: calls in work when it opens end later. All opens' intervals meet in it, else it spans them.
 *   kind        consecutive: three opens agree on one number and some failures between them, mixed with successes, did not open it;
 *               rate: opens disagree, or a run as long among many failures did not open it. Where outcomes do not tell: unknown.
 *   share       of failures when it opened, in any window that ends then: what a rule by their share saw, whatever its window. Where that may be a
 *               tenth or more, such a rule is as likely as a number of failures, unless the kind is known: no high confidence.
 *   open time   longer than from the failure that opened it to the last request shed, at most to the first call let through.
 *   shed        requests that came while it was open, and those that it turned away half-open while its calls were in work.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/breaker_explained.h"
#include "analyzer/infer/breaker_scene.h"
#include "analyzer/infer/silence.h"
#include "analyzer/infer/unresolved.h"
#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "analyzer/measure/demand.h"
#include "analyzer/read/spill.h"

#define OUTAGE_ATTEMPTS 50	/* failed in a row: a breaker would have opened */
#define OUTAGE_NS NS_PER_S
#define SHARE_TRIFLE 0.1	/* a breaker that opens at a lower share of failures would open all the time */
#define GROWS 1.2		/* times longer each time it stays open: by design */
#define OPEN_RANGE 1.5
#define ENOUGH_SHED 10		/* for one open and close to be certain */

/* What is not told. */
static struct policy_breaker unknown(void)
{
	return (struct policy_breaker){
		.threshold_low = NAN, .threshold_high = NAN, .share_low = NAN, .share_high = NAN, .open_low_ms = NAN, .open_high_ms = NAN, .open_growth = NAN,
		.half_open_probes = NAN, .close_after = NAN, .time_to_open_ms = NAN, .recovery_tax_ms = NAN, .expected_false_opens_every = NAN,
		.flaps_per_min = NAN, .latency_saved_ms = NAN, .waited_ms = NAN, .shed_efficacy = metric_unknown("no breaker was seen"),
	};
}

/* How long it was open at least. A server that is back is chosen again by and by: the last choices that fell on others say nothing. */
static double open_least_ms(const struct breaker_view *v, const struct silence_gap *g)
{
	double ms = model_ms(g->trip_late_ns, g->last_shed_ns), choices = (double)g->shed;

	return !v->ejects ? ms : choices > v->in.need ? ms * (choices - v->in.need) / choices : 0;
}

static void add_open_time(struct breaker_scene *c, const struct breaker_view *v, size_t i)
{
	const struct silence_gap *g = &v->s.gaps[i], *before = i ? g - 1 : NULL;
	double to = g->after < v->in.n ? model_ms(g->trip_early_ns, v->attempts[g->after].start_ns) : INFINITY;

	breaker_range_add(&c->open, open_least_ms(v, g), to);
	if (before && !g->fresh && isfinite(to) && model_ms(before->trip_early_ns, v->attempts[before->after].start_ns) > 0) {
		c->growth += log(to / model_ms(before->trip_early_ns, v->attempts[before->after].start_ns));
		c->grown++;
	}
}

static int add_span(struct policy_breaker *p, uint32_t process, uint64_t from_ns, uint64_t to_ns)
{
	struct policy_open *longer = realloc(p->spans, (p->span_count + 1) * sizeof(*longer));

	if (!longer)
		return -ENOMEM;
	p->spans = longer;
	longer[p->span_count++] = (struct policy_open){from_ns, to_ns > from_ns ? to_ns : from_ns, process};
	return 0;
}

static int add_gap(struct breaker_scene *c, const struct breaker_view *v, size_t i, const struct silence_gap *root)
{
	const struct silence_gap *g = &v->s.gaps[i];

	c->p->opens++;
	c->p->reopens += !g->fresh;
	breaker_threshold_add(&c->threshold, g);
	add_open_time(c, v, i);
	breaker_effects_add(c, v, g, root);
	return add_span(c->p, v->process, g->trip_late_ns, g->after < v->in.n ? v->attempts[g->after].start_ns : v->in.end_ns);
}

/* Requests that are tried several times each look like half-open calls one behind another, and the other way round. */
static void add_unit(struct breaker_scene *c, const struct breaker_view *v)
{
	uint32_t attempts = v->most_attempts > v->s.probes.in_a_row ? v->most_attempts : v->s.probes.in_a_row;

	if (v->joined || attempts < 2)
		return;
	c->unit.attempts = attempts > c->unit.attempts ? attempts : c->unit.attempts;
	c->unit.in_work = v->s.most > c->unit.in_work ? v->s.most : c->unit.in_work;
}

static void add_probes(struct breaker_scene *c, const struct breaker_view *v)
{
	struct policy_breaker *p = c->p;
	const struct silence_probes *q = &v->s.probes;

	add_unit(c, v);
	if (!v->joined && q->in_a_row)
		return;
	if (!isnan(q->permits) && (isnan(p->half_open_probes) || (p->probes_at_least && (!q->at_least || q->permits > p->half_open_probes)))) {
		p->half_open_probes = q->permits;
		p->probes_at_least = q->at_least;
	}
	p->close_after = isnan(p->close_after) ? q->close_after : p->close_after;
	p->reopen = p->reopen ? p->reopen : q->reopen;
}

static void note_outage(struct breaker_scene *c, const struct breaker_view *v)
{
	struct policy_breaker *p = c->p;

	if (v->s.count || v->s.unsure || v->s.longest_run < OUTAGE_ATTEMPTS || v->s.longest_ns < OUTAGE_NS || !v->s.longest_even)
		return;
	if (v->s.longest_run <= p->outage_attempts)
		return;
	p->outage_attempts = v->s.longest_run;
	if (!p->opens)
		p->witness = (uint64_t)v->m->r->model.exchanges[v->attempts[v->s.longest_at].row].id;
}

static int absorb(struct breaker_scene *c, const struct breaker_view *v)
{
	size_t root = 0;
	int err = 0;

	if (v->s.ruled_out)
		c->p->ruled_out = v->s.ruled_out;
	note_outage(c, v);
	if (!v->s.count)
		return 0;
	if (!c->p->opens)
		c->p->witness = (uint64_t)c->m->r->model.exchanges[v->attempts[v->s.gaps[0].trip].row].id;
	err = breaker_bad_guess(&c->bad, &v->in, &v->s);
	c->paced += v->s.paced;
	c->alike |= v->s.paced && v->s.alike;
	c->trickle |= !v->s.paced && v->s.trickle && !v->s.closed;
	c->closed += v->s.closed;
	c->p->ejects |= v->ejects;
	c->agreed |= v->s.agreed && v->s.waited;
	c->p->waited += v->s.waited;
	c->effects.waited_ms += v->s.waited_ms;
	for (size_t i = 0; i < v->s.count && !err; i++) {
		root = v->s.gaps[i].fresh ? i : root;
		err = add_gap(c, v, i, &v->s.gaps[root]);
	}
	add_probes(c, v);
	breaker_effects_add_bad(c, v);
	return err;
}

/* ---- the whole ---- */

/* Whether its rules are told apart: a share that is no trifle explains it as well as a number, and open times that do not agree are none. */
static bool is_settled(const struct breaker_scene *c)
{
	const struct policy_breaker *p = c->p;
	bool number = p->threshold == THRESHOLD_CONSECUTIVE || (p->threshold == THRESHOLD_UNKNOWN && !(p->share_low >= SHARE_TRIFLE));
	bool open = breaker_range_meets(&c->open) || p->open_growth >= GROWS || !(p->open_high_ms > OPEN_RANGE * fmax(p->open_low_ms, 1));

	return (number || p->threshold == THRESHOLD_RATE) && open;
}

static enum policy_confidence confidence(const struct breaker_scene *c)
{
	if (c->p->alike || c->unit.attempts)
		return CONFIDENCE_LOW;
	if (c->paced)
		return c->p->threshold_low > 1 ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
	if (c->closed && !c->agreed && is_settled(c) && (c->p->opens > 1 || c->p->shed >= ENOUGH_SHED))
		return CONFIDENCE_HIGH;
	return c->closed || c->p->opens > 1 || c->p->shed >= ENOUGH_SHED ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

/*
 * One half-open call that fails and opens it again is an attempt: a request would be tried again. Else what it counts may be requests, fewer than the
 * attempts that failed, of which some were not the last of a request in work.
 */
static void settle_unit(struct breaker_scene *c)
{
	struct policy_breaker *p = c->p;
	double begun = c->unit.attempts ? (double)(c->unit.in_work - 1) * (c->unit.attempts - 1) : 0;

	if (p->reopens && p->reopen && !strcmp(p->reopen, "any failure") && breaker_range_meets(&c->open))
		c->unit.attempts = 0;
	if (c->unit.attempts && c->cuts.uncut < 2)
		p->threshold_low = isnan(p->threshold_low) ? NAN : fmax(1, ceil((p->threshold_low - begun) / c->unit.attempts));
	else
		c->unit.attempts = 0;
}

/*
 * It opened several times and was never seen to close, no one open time explains its pauses, and more had to fail than it ever turned away: so look
 * the overflowing queues of a caller that is overloaded by its own retries.
 */
static bool turned_little_away(const struct breaker_scene *c)
{
	double low, high;

	breaker_range_read(&c->open, &low, &high);
	if (c->p->opens < 2 || c->closed || (breaker_range_meets(&c->open) && low > 0))
		return false;
	return (double)c->p->shed < c->p->threshold_low;
}

static void settle(struct breaker_scene *c)
{
	struct policy_breaker *p = c->p;

	if (!p->opens) {
		p->absent = p->known = p->outage_attempts > 0;
		p->confidence = CONFIDENCE_MEDIUM;
		return;
	}
	breaker_threshold_settle(&c->threshold, p);
	if (turned_little_away(c)) {
		policy_breaker_free(p);
		*p = unknown();
		p->ruled_out = "its pauses have no length in common, and more failed before them than they kept back: a caller that is overloaded";
		return;
	}
	p->known = true;
	p->outage_attempts = 0;
	p->ruled_out = NULL;
	settle_unit(c);
	breaker_range_read(&c->open, &p->open_low_ms, &p->open_high_ms);
	p->open_growth = c->grown ? exp(c->growth / (double)c->grown) : NAN;
	p->counts = c->cuts.cut ? "attempts" : c->cuts.uncut > 1 ? "requests" : NULL;
	p->paced = c->paced;
	if (c->alike)
		p->alike = "a client that waits after each failure";
	else if (c->paced && p->opens == 1)
		p->alike = "a client that pauses by itself";
	else if (c->trickle)
		p->alike = "a rate limiter";
	breaker_effects_settle(c);
	p->confidence = confidence(c);
}

static int judge_process(struct breaker_scene *c, uint32_t process, struct chains_span rows, const struct unresolved *unresolved)
{
	struct breaker_view v = {.m = c->m, .edge = c->edge, .process = process, .rows = rows, .cuts = &c->cuts,
				 .in = {.need = 1, .end_ns = c->m->r->model.ended_ns}};
	uint64_t *times = NULL;
	int err = unresolved_times(unresolved, process, &times, &v.in.unresolved_count);

	v.in.unresolved = times;
	if (!err)
		err = breaker_view_find(&v, &c->demands);
	if (!err)
		err = absorb(c, &v);
	breaker_view_free(&v);
	spill_free(times);
	return err;
}

static bool ever_failed(const struct measure *m, struct chains_span rows)
{
	for (size_t i = 0; i < rows.n; i++)
		if (model_failed(&m->r->model.exchanges[rows.members[i]]))
			return true;
	return false;
}

static int by_process(const void *left, const void *right)
{
	const struct policy_open *a = left, *b = right;

	return a->process != b->process ? (a->process > b->process) - (a->process < b->process) : (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

static int judge_edge(struct measure *m, uint32_t edge, struct demand_book *book, const struct unresolved *unresolved)
{
	struct policy_breaker *p = &m->r->edges[edge].breaker;
	struct breaker_scene c = {.m = m, .edge = edge, .p = p};
	struct crew crew = {0};
	int err;

	*p = unknown();
	if (!ever_failed(m, chains_of(&m->chains.by_edge, edge)))
		return 0;
	breaker_threshold_init(&c.threshold);
	breaker_range_init(&c.open);
	err = breaker_bad_find(&c.bad, m, edge) || demand_of(&c.demands, book, m, edge) || crew_of(&crew, m, chains_of(&m->chains.by_edge, edge)) ? -ENOMEM : 0;
	for (uint32_t i = 0; i < crew.count && !err; i++)
		if (crew.processes[i] != MODEL_NONE)
			err = judge_process(&c, crew.processes[i], crew_part(&crew, i), unresolved);
	if (!err)
		settle(&c);
	if (p->span_count)
		qsort(p->spans, p->span_count, sizeof(*p->spans), by_process);
	crew_free(&crew);
	demand_free(&c.demands);
	breaker_bad_free(&c.bad);
	return err;
}

/* Whether the breaker of another server of the same client explains its silences. A balancer's other servers answer: that stops no request. */
static bool is_anothers(const struct measure *m, uint32_t edge)
{
	for (uint32_t i = 0; i < m->r->edge_count; i++) {
		const struct policy_breaker *a = &m->r->edges[i].breaker;

		if (i != edge && m->graph.edges[i].client == m->graph.edges[edge].client && a->opens && !a->ejects &&
		    breaker_is_explained(&m->r->edges[edge].breaker, a))
			return true;
	}
	return false;
}

static void drop_explained(struct measure *m)
{
	for (uint32_t i = 0; i < m->r->edge_count; i++) {
		struct policy_breaker *p = &m->r->edges[i].breaker;

		if (!p->opens || p->ejects || !is_anothers(m, i))
			continue;
		policy_breaker_free(p);
		*p = unknown();
		p->ruled_out = "another server is asked first, and its breaker was open then";
	}
}

static bool any_has_its_own(const struct result *r, const struct result_destination *d)
{
	for (size_t i = 0; i < d->edge_count; i++)
		if (r->edges[d->edges[i]].breaker.opens)
			return true;
	return false;
}

/* What was seen of a server alone was only a part of it. */
static void take_over(struct result *r, struct result_destination *d, const struct policy_breaker *p)
{
	d->breaker = *p;
	for (size_t i = 0; i < d->edge_count; i++) {
		struct policy_breaker *own = &r->edges[d->edges[i]].breaker;

		policy_breaker_free(own);
		*own = unknown();
		own->ruled_out = "there is one breaker around all servers of the destination";
	}
}

/* One breaker around all servers of a destination: each of them alone has only a part of what it counts, and of what is asked. */
static int judge_destination(struct measure *m, size_t at, struct demand_book *book, const struct unresolved *unresolved)
{
	struct result_destination *d = &m->r->destinations[at];
	struct policy_breaker *p = &m->r->edges[measure_pool(m, at)].breaker;
	int err = any_has_its_own(m->r, d) ? 0 : judge_edge(m, measure_pool(m, at), book, unresolved);

	d->breaker = unknown();
	if (!err && p->opens)
		take_over(m->r, d, p);
	else
		policy_breaker_free(p);
	return err;
}

int measure_breakers(struct measure *m)
{
	struct demand_book book = {0};
	struct unresolved unresolved = {0};
	int err = unresolved_find(&unresolved, m);

	for (uint32_t i = 0; i < m->r->edge_count && !err; i++)
		if (!m->graph.edges[i].external)
			err = judge_edge(m, i, &book, &unresolved);
	if (!err)
		drop_explained(m);
	for (size_t i = 0; i < m->r->destination_count && !err; i++)
		err = judge_destination(m, i, &book, &unresolved);
	unresolved_free(&unresolved);
	demand_close(&book);
	return err;
}
