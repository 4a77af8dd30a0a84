/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence.h"

#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/silence_demand.h"
#include "analyzer/infer/silence_pace.h"
#include "analyzer/infer/silence_probes.h"
#include "analyzer/infer/silence_waits.h"
#include "analyzer/infer/silence_work.h"
#include "analyzer/stats/stats.h"
#include "base/clock.h"

#define CHANCE 1e-3
#define NEED_MIN 3
#define TRIFLE 50		/* one in so many requests that were shed */
#define SURE_SUCCESSES 10	/* of a breaker that has closed again, before its failures are counted from nothing */

void silence_free(struct silences *s)
{
	free(s->gaps);
	*s = (struct silences){0};
}

uint64_t silence_shed(const struct silences *s)
{
	uint64_t shed = 0;

	for (size_t i = 0; i < s->count; i++)
		shed += s->gaps[i].shed;
	return shed;
}

unsigned silence_need(uint64_t asked, uint64_t n)
{
	double rho = stats_wilson(asked, n).low;
	double need = rho > 0 && rho < 1 ? ceil(log(CHANCE) / log1p(-rho)) : rho >= 1 ? 1 : 1e9;

	return need < NEED_MIN ? NEED_MIN : need > 1e9 ? (unsigned)1e9 : (unsigned)need;
}

/* Silences after successes too, which are no trifle beside the others: something that has nothing to do with failures. */
static void rule_out(struct silence_work *w)
{
	struct silences *s = w->s;

	if (w->after_success * 4u > s->count && (s->paced || w->shed_after_success * TRIFLE >= silence_shed(s))) {
		s->count = 0;
		s->unsure = true;
		s->ruled_out = "calls stopped though none had failed: a rate limiter, or work that does not always call";
	} else if (!s->count && w->unresolved) {
		s->ruled_out = "the server's name could not be resolved";
	} else if (!s->count && w->full) {
		s->ruled_out = "as many calls were in work as ever: a full bulkhead, or calls that hang";
	} else if (!s->count && w->slow) {
		s->ruled_out = "the process did not answer fast either: it hung, was stopped or ended";
	}
}

/* Of completions base + 1 to n, over the windows that end with the last and are longer than the longest run that did not open it. */
static void find_shares(const struct silence_work *w, struct silence_gap *g, size_t base, size_t n)
{
	uint32_t all = silence_so_far(w, n).failed;

	g->share_low = g->share_high = NAN;
	for (size_t from = n > g->longest_run ? n - g->longest_run - 1 : 0; from + 1 > base && from < n; from--) {
		double share = (double)(all - silence_so_far(w, from).failed) / (double)(n - from);

		g->share_low = fmin(g->share_low, share);
		g->share_high = fmax(g->share_high, share);
		if (!from)
			break;
	}
}

/* The end of the longest run of failures up to completions from to n: what was in work may end well when it is open already. */
static size_t longest_between(const struct silence_work *w, size_t from, size_t n)
{
	size_t top = n;

	for (size_t i = n; i > from; i--)
		top = silence_so_far(w, i).run > silence_so_far(w, top).run ? i : top;
	return top;
}

/*
 * Failures in a row up to completions start and top, of those behind base. A client may have counted a success in another order than it came: failures
 * just before the success that the run follows may be of the run, those just behind it may not.
 */
static void count_run(const struct silence_work *w, struct silence_gap *g, size_t base, size_t start, size_t top)
{
	uint32_t high = silence_so_far(w, top).run, low = silence_so_far(w, start).run;

	g->run_high = high < top - base ? high + (high ? silence_late_before(w, top - high, base) : 0) : (uint32_t)(top - base);
	g->run_low = 1 + (low < start - base ? low - (low ? silence_early_behind(w, start - low, start) : 0) : (uint32_t)(start - base));
	g->run_low = g->run_low > g->run_high ? g->run_high : g->run_low;
}

/* What passed between the silence before (whose first attempt is `first`) and this one. */
static void count_passed(const struct silence_work *w, struct silence_gap *g, size_t first, bool ever)
{
	size_t base = ever ? 0 : silence_ended_before(w, w->in->attempts[first].start_ns);
	size_t shed = silence_ended_by(w, g->decided_ns), start = silence_ended_by(w, silence_let_through_ns(w, g->before)), top;

	start = start < base ? base : start;
	g->passed = g->before + 1 - first;
	g->passed_failed = silence_so_far(w, shed).failed - silence_so_far(w, base).failed;
	g->failed = g->passed_failed;
	g->fresh = ever || silence_so_far(w, shed).ok > silence_so_far(w, base).ok;
	g->sure = ever || silence_so_far(w, shed).ok >= silence_so_far(w, base).ok + SURE_SUCCESSES;
	top = longest_between(w, start, shed);
	count_run(w, g, base, start, top);
	for (size_t i = base; i + g->run_high < top; i++) {
		uint32_t run = w->ends[i].run > i - base + 1 ? (uint32_t)(i - base + 1) : w->ends[i].run;	/* not of before the silence */

		g->longest_run = run > g->longest_run ? run : g->longest_run;
	}
	find_shares(w, g, base, silence_ended_by(w, g->trip_late_ns));
}

static void describe(struct silence_work *w)
{
	w->s->trickle = w->s->count > 0;
	for (size_t i = 0; i < w->s->count; i++) {
		struct silence_gap *g = &w->s->gaps[i];

		count_passed(w, g, i ? w->s->gaps[i - 1].after : 0, !i);
	}
	for (size_t i = 0; i < w->s->count; i++) {
		size_t after = w->s->gaps[i].after, next = i + 1 < w->s->count ? w->s->gaps[i + 1].before : w->in->n;

		for (size_t k = after; k < next && k < after + SILENCE_RECENT; k++)
			w->s->closed |= !w->in->attempts[k].failed && w->in->attempts[k].end_ns;
		w->s->trickle &= w->s->gaps[i].passed == 1;
	}
}

int silence_find(struct silences *s, const struct silence_input *in)
{
	struct silence_work w = {.in = in, .s = s};
	int err;

	*s = (struct silences){.paced = !in->demands, .probes = {.permits = NAN, .close_after = NAN, .at_least = true}};
	err = silence_work_init(&w);
	if (!err)
		err = in->demands ? silence_find_by_demand(&w) : silence_find_by_pace(&w);
	if (!err) {
		s->most = w.most;
		rule_out(&w);
		describe(&w);
		if (s->count)
			silence_rule_out_pauses(&w);
		if (s->paced && s->count)
			silence_rule_out_waits(&w);
		if (s->count)
			silence_find_probes(&w);
	}
	silence_work_free(&w);
	return err;
}
