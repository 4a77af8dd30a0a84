/* SPDX-License-Identifier: MIT */
/*
 * What a breaker did for the calls that were doomed, and what it cost the others.
 *
 *   doomed      demands while the server was out (breaker_bad.h; without a fault: from the first failure before it opened to the last failure),
 *               times the share of attempts that failed then; shed efficacy and leak (attempts then, once it had opened) from the same window
 *   collateral  what it shed and would have been answered, as the share of attempts tells that were: while the server was out, and while a fault
 *               that hits less than half of the calls was there, without the recovery tax
 *   recovery tax    what it shed from when the fault cleared until it had closed, or the next fault came; a fault that hits less than half of the
 *               calls, there all the time, neither hides another's clearing nor is one, if there is another: of opens that this fault's failures
 *               brought about, and of those that half-open calls then brought about again.
 */
#include <math.h>
#include "analyzer/infer/breaker_scene.h"
#include "analyzer/measure.h"

/* Requests shed in what [from, to] and [first, last] have in common. */
static uint64_t shed_in(const struct breaker_view *v, uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	from = from < first ? first : from;
	to = to > last ? last : to;
	for (size_t i = from <= to ? breaker_view_demand_at(v, from) : v->demand_count; i < v->demand_count && v->demands[i].at_ns <= to; i++)
		n += v->demands[i].shed;
	return n;
}

/* By pace they lie evenly. */
static uint64_t paced_in(const struct silence_gap *g, uint64_t from, uint64_t to)
{
	double span = (double)(g->last_shed_ns - g->first_shed_ns);

	from = from < g->first_shed_ns ? g->first_shed_ns : from;
	to = to > g->last_shed_ns ? g->last_shed_ns : to;
	if (from > to || g->last_shed_ns < g->first_shed_ns)
		return 0;
	return span > 0 ? (uint64_t)llround((double)g->shed * (double)(to - from) / span) : g->shed;
}

/* What a silence, and half-open behind it, shed in [from, to]. */
static uint64_t shed_between(const struct breaker_view *v, const struct silence_gap *g, uint64_t from, uint64_t to)
{
	if (v->s.paced)
		return paced_in(g, from, to);
	return shed_in(v, g->first_shed_ns, g->last_shed_ns, from, to) + shed_in(v, g->refused_first_ns, g->refused_last_ns, from, to);
}

/* When it let calls through again, all of them as far as is known. */
static uint64_t closed_ns(const struct breaker_view *v, const struct silence_gap *g)
{
	uint64_t end = g->after < v->in.n ? v->attempts[g->after].start_ns : v->in.end_ns;

	return g->refused_last_ns > end ? g->refused_last_ns : end;
}

static void add_tax(const struct breaker_scene *c, const struct breaker_view *v, const struct silence_gap *g, const struct silence_gap *root)
{
	struct policy_breaker *p = c->p;
	const struct breaker_bad *bad = &c->bad;
	uint64_t end = closed_ns(v, g);

	for (size_t i = 0; i < bad->out_n; i++) {
		const struct breaker_span *s = &bad->out[i];
		uint64_t until = i + 1 < bad->out_n ? bad->out[i + 1].from_ns - 1 : UINT64_MAX, to = end < until ? end : until;

		if (!s->cleared || v->attempts[root->trip].start_ns > s->to_ns || s->to_ns >= to || g->trip_late_ns > until)
			continue;
		p->recovery_tax += shed_between(v, g, s->to_ns + 1, until);
		p->recovery_tax_ms = isnan(p->recovery_tax_ms) || model_ms(s->to_ns, to) > p->recovery_tax_ms ? model_ms(s->to_ns, to) : p->recovery_tax_ms;
	}
}

/* Where no fault tells: few had failed, and the first call after it did not. */
static bool is_false(const struct breaker_scene *c, const struct breaker_view *v, const struct silence_gap *g)
{
	size_t from = g->before + 1 > 20 ? g->before + 1 - 20 : 0, failed = 0;

	if (c->bad.faults)
		return !breaker_bad_at(&c->bad, g->trip_late_ns) && !breaker_bad_at(&c->bad, v->attempts[g->trip].start_ns);
	for (size_t i = from; i <= g->before; i++)
		failed += v->attempts[i].failed;
	if (g->after < v->in.n && v->attempts[g->after].failed)
		return false;
	return failed * 2 < g->before + 1 - from;
}

static void add_first(struct breaker_scene *c, const struct breaker_view *v, const struct silence_gap *g)
{
	uint64_t began = v->attempts[g->trip].end_ns;

	if (c->effects.first_ns && c->effects.first_ns <= g->trip_late_ns)
		return;
	c->effects.first_ns = g->trip_late_ns;
	for (size_t i = g->before + 1; i > 0; i--) {
		const struct silence_attempt *a = &v->attempts[i - 1];

		if (c->bad.n && a->start_ns < c->bad.of[0].from_ns)
			break;
		if (!c->bad.n && !a->failed)
			break;
		if (a->failed && a->end_ns)
			began = a->end_ns;
	}
	c->p->time_to_open_ms = model_ms(began, g->trip_late_ns);
}

static uint64_t shed_while(const struct breaker_view *v, const struct silence_gap *g, const struct breaker_span *of, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += shed_between(v, g, of[i].from_ns, of[i].to_ns);
	return sum;
}

void breaker_effects_add(struct breaker_scene *c, const struct breaker_view *v, const struct silence_gap *g, const struct silence_gap *root)
{
	uint64_t end = g->after < v->in.n ? v->attempts[g->after].start_ns : v->in.end_ns;
	struct breaker_effects *e = &c->effects;
	uint64_t tax = c->p->recovery_tax, out, beside;

	c->p->shed += g->shed + g->refused;
	e->shed_ms += v->s.paced ? 0 : g->shed_ms + g->refused_ms;
	e->last_ns = end > e->last_ns ? end : e->last_ns;
	add_tax(c, v, g, root);
	tax = c->p->recovery_tax - tax;
	if (g == v->s.gaps)
		add_first(c, v, g);
	c->p->false_opens += g->fresh && is_false(c, v, g);
	out = shed_while(v, g, c->bad.out, c->bad.out_n);
	beside = shed_while(v, g, c->bad.of, c->bad.n) - out;
	e->out.shed += out;
	e->bad.shed += beside > tax ? beside - tax : 0;
}

/* Which of the sums an instant belongs to; NULL: all was well. */
static struct breaker_while *during(struct breaker_scene *c, uint64_t t)
{
	if (breaker_out_at(&c->bad, t))
		return &c->effects.out;
	return breaker_bad_at(&c->bad, t) ? &c->effects.bad : NULL;
}

void breaker_effects_add_bad(struct breaker_scene *c, const struct breaker_view *v)
{
	struct breaker_effects *e = &c->effects;
	struct breaker_while *w;

	for (size_t i = 0; i < v->in.n; i++) {
		const struct silence_attempt *a = &v->attempts[i];

		e->failed += a->failed && a->end_ns;
		e->failed_ms += a->failed && a->end_ns ? model_ms(a->start_ns, a->end_ns) : 0;
		w = during(c, a->start_ns);
		if (!w)
			continue;
		w->passed++;
		w->failed += a->failed;
		w->asked += v->s.paced;
		c->p->leak += w == &e->out && v->s.count && a->start_ns > v->s.gaps[0].trip_late_ns;
	}
	for (size_t i = 0; i < v->demand_count; i++) {
		w = v->demands[i].shed ? NULL : during(c, v->demands[i].call_ns);
		if (w)
			w->asked++;
	}
}

/* Calls between two false opens if failures are independent: (1 - p^c) / ((1 - p) p^c). */
static double expected_false_opens(const struct breaker_scene *c)
{
	const struct model *run = &c->m->r->model;
	struct chains_span rows = chains_of(&c->m->chains.by_edge, c->edge);
	double n = 0, failed = 0, p, threshold = round((c->p->threshold_low + c->p->threshold_high) / 2), power, calls;

	for (size_t i = 0; i < rows.n && c->bad.faults; i++) {
		const struct model_exchange *x = &run->exchanges[rows.members[i]];

		if (measure_counts(c->m, x->started_ns) && timeline_at(&c->m->r->timeline, x->started_ns) == TIMELINE_BASELINE) {
			n++;
			failed += model_failed(x);
		}
	}
	if (!n || !failed || failed == n || !(threshold >= 1))
		return NAN;
	p = failed / n;
	power = pow(p, threshold);
	calls = (1 - power) / ((1 - p) * power);
	return isfinite(calls) ? calls : NAN;
}

static double failing(const struct breaker_while *w)
{
	return w->passed ? (double)w->failed / (double)w->passed : 1;
}

void breaker_effects_settle(struct breaker_scene *c)
{
	const struct breaker_effects *e = &c->effects;
	struct policy_breaker *p = c->p;
	uint64_t asked = e->out.asked + e->out.shed;
	double minutes = e->last_ns > e->first_ns ? (double)(e->last_ns - e->first_ns) / NS_PER_S / 60 : 0;

	p->doomed = (uint64_t)llround(failing(&e->out) * (double)asked);
	p->collateral = (uint64_t)llround((1 - failing(&e->out)) * (double)e->out.shed + (1 - failing(&e->bad)) * (double)e->bad.shed);
	p->shed_efficacy = asked ? metric_share(e->out.shed, asked) : metric_unknown("nothing was asked while the server was bad");
	if (p->ejects) {	/* another server answered */
		p->collateral = p->recovery_tax = 0;
		p->recovery_tax_ms = NAN;
	}
	p->flaps_per_min = minutes > 0 ? p->opens / minutes : NAN;
	p->latency_saved_ms = NAN;
	if (e->failed && p->shed)
		p->latency_saved_ms = e->failed_ms / (double)e->failed * (double)p->shed - e->shed_ms;
	p->waited_ms = p->waited ? e->waited_ms / (double)p->waited : NAN;
	p->expected_false_opens_every = expected_false_opens(c);
}
