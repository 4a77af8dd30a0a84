/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_probes.h"

#include <math.h>
#include "analyzer/infer/silence_demand.h"
#include "analyzer/read/times.h"
#include "base/clock.h"

#define HALF_OPEN_MOST 1000	/* calls that are looked at for when it closed */

/* The first demand at or after t. */
static size_t demand_at(const struct silence_input *in, uint64_t t)
{
	return in->demands ? times_before(&in->demands->at_ns, sizeof(*in->demands), in->demand_count, t) : 0;
}

/* Requests that came and were turned down within that time: behind it, it may have been open again. */
static size_t shed_within(const struct silence_work *w, uint64_t from, uint64_t to)
{
	const struct silence_input *in = w->in;
	size_t n = 0;

	for (size_t i = demand_at(in, from); i < in->demand_count && in->demands[i].at_ns <= to; i++) {
		uint64_t by = in->demands[i].shed ? silence_turned_down_ns(w, &in->demands[i]) : 0;

		n += by && by <= to;
	}
	return n;
}

/* Attempts from `first` on that started before it ended; *most: how many of them were in work at once. */
static size_t together(const struct silence_work *w, size_t first, size_t *most)
{
	const struct silence_input *in = w->in;
	size_t n = 0, before = silence_in_work(w, first, in->attempts[first].start_ns);

	*most = 0;
	for (; first + n < in->n && in->attempts[first + n].start_ns < in->attempts[first].end_ns; n++) {
		size_t now = n < HALF_OPEN_MOST ? silence_in_work(w, first + n + 1, in->attempts[first + n].start_ns) : 0;

		*most = now > before + *most ? now - before : *most;
	}
	return n;
}

/*
 * Some breakers let so many calls in at once, others so many in all before they judge. Where a call ended while the first was still in work, and another
 * came in its place, one can not be told from the other: then it is as many as were in work at once, or more. So it is where silences do not agree.
 */
static void find_permits(const struct silence_work *w)
{
	struct silence_probes *p = &w->s->probes;
	const struct silence_input *in = w->in;
	double seen = NAN, least = NAN;
	size_t told = 0, agree = 0;

	for (size_t i = 0; i < w->s->count; i++) {
		size_t first = w->s->gaps[i].after, n, most;

		if (first >= in->n || !in->attempts[first].end_ns)
			continue;
		n = together(w, first, &most);
		seen = fmax(seen, (double)most);
		if (n != most || !in->demands || !shed_within(w, in->attempts[first].start_ns, in->attempts[first].end_ns))
			continue;
		told++;
		agree = !((double)n >= least) ? 1 : agree + ((double)n == least);
		least = fmin(least, (double)n);
	}
	p->at_least = !told || agree * 4 < told * 3;
	p->permits = told ? least : seen;
}

/* The last request shed before t, if it is not before from; else from. */
static uint64_t last_shed(const struct silence_input *in, uint64_t from, uint64_t t)
{
	size_t i = demand_at(in, t);

	while (i > 0 && in->demands[i - 1].at_ns > from && !in->demands[i - 1].shed)
		i--;
	return i > 0 && in->demands[i - 1].at_ns > from ? in->demands[i - 1].at_ns : from;
}

/* It closed between the last request that was shed and the first time that more calls were in work than half-open lets pass. */
static double successes_to_close(const struct silence_work *w, size_t first)
{
	const struct silence_input *in = w->in;
	struct silence_end base = silence_so_far(w, silence_ended_before(w, in->attempts[first].start_ns));

	for (size_t i = first; i < in->n && i < first + HALF_OPEN_MOST; i++) {
		size_t ended = silence_ended_by(w, in->attempts[i].start_ns);
		uint32_t most = silence_so_far(w, ended).ok - base.ok, least;

		if (silence_so_far(w, ended).failed != base.failed)
			return NAN;
		if (!most || (double)silence_in_work(w, i + 1, in->attempts[i].start_ns) <= w->s->probes.permits)
			continue;
		least = silence_so_far(w, silence_ended_by(w, last_shed(in, in->attempts[first].start_ns, in->attempts[i].start_ns))).ok - base.ok + 1;
		return least == most ? most : NAN;
	}
	return NAN;
}

/*
 * What half-open turned away behind a gap: until the next gap, until more pass than half-open lets (a request asks though all its calls are in work),
 * or until so many ask in a row that nothing is turned away any more.
 */
static void find_refused(const struct silence_work *w, struct silence_gap *g, uint64_t to)
{
	const struct silence_input *in = w->in;
	double permits = w->s->probes.permits, row = 0, enough = fmax(in->need, 2 * permits);

	g->refused_first_ns = UINT64_MAX;
	if (g->after >= in->n || isnan(permits))
		return;
	for (size_t i = demand_at(in, in->attempts[g->after].start_ns); i < in->demand_count && in->demands[i].at_ns < to; i++) {
		const struct silence_demand *d = &in->demands[i];
		uint64_t end = d->end_ns > d->at_ns ? d->end_ns : d->at_ns;
		double now = (double)silence_in_work_at(w, d->at_ns), then = (double)silence_in_work_at(w, end);

		if (!d->shed && (now >= permits || ++row >= enough))
			break;
		if (!d->shed)
			continue;
		row = 0;
		if (!silence_turned_down_ns(w, d) || fmax(now, then) < 1 || fmin(now, then) > permits)
			continue;
		g->refused_first_ns = g->refused++ ? g->refused_first_ns : d->at_ns;
		g->refused_last_ns = d->at_ns;
		g->refused_ms += (double)(end - d->at_ns) / NS_PER_MS;
	}
}

static void find_rules(const struct silence_work *w)
{
	struct silence_probes *p = &w->s->probes;
	uint32_t least = UINT32_MAX, most = 0, needed = 0, closed = 0;

	p->close_after = NAN;
	for (size_t i = 0; i < w->s->count; i++) {
		const struct silence_gap *g = &w->s->gaps[i];

		if (g->after < w->in->n && !p->at_least) {
			double n = successes_to_close(w, g->after);

			p->close_after = isnan(p->close_after) || n < p->close_after ? n : p->close_after;
		}
		if (g->fresh && g->run_high > closed)
			closed = g->run_high;
		if (g->fresh || !g->passed_failed)
			continue;
		least = g->passed_failed < least ? g->passed_failed : least;
		most = g->passed_failed > most ? g->passed_failed : most;
		needed = g->run_low > needed ? g->run_low : needed;
	}
	if (most == 1) {
		p->reopen = "any failure";
	} else if (most > 1 && least == most && needed == most && most != closed) {	/* as many as when closed: it knows no half-open */
		p->reopen = "ratio";
		p->in_a_row = p->permits > 1 ? 0 : most;
		p->permits = fmax(p->permits, most);
		p->at_least = false;
	}
}

void silence_find_probes(struct silence_work *w)
{
	struct silences *s = w->s;

	find_permits(w);
	for (size_t i = 0; i < s->count; i++)
		find_refused(w, &s->gaps[i], i + 1 < s->count ? s->gaps[i + 1].first_shed_ns : UINT64_MAX);
	find_rules(w);
}
