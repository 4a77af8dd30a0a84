/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_waits.h"

#include <math.h>

#define STEP_MIN 3		/* attempts right behind a gap that can be in step */
#define STEP_AFTER 64
#define DUE_LOOKED 8
#define STEP_BEFORE 256		/* attempts before it that are looked at */
#define PACE_BETWEEN 3		/* times its pace: neither at its pace nor silent */
#define PACE_LONGER 2		/* times the longer of its intervals */
#define PACE_STRAY 10		/* of so many intervals one may be that long by chance */
#define STRAY_MIN 5		/* and of so many, on a busy machine */
#define NEAR_LOOKED 16		/* intervals right before a gap */
#define NEAR_LONGER 2		/* of them so long: seldom by chance */
#define GROWTH 1.25

/* ---- a pause of the process ---- */

/* Failures in a row from `first` on: a breaker whose half-open calls fail does not let the next ones pass. */
static size_t failures_from(const struct silence_work *w, size_t first)
{
	size_t n = 0;

	while (first + n < w->in->n && w->in->attempts[first + n].failed)
		n++;
	return n;
}

/* Silences after which failures went on for longer than it took to open. */
void silence_rule_out_pauses(struct silence_work *w)
{
	struct silences *s = w->s;
	uint32_t most = 0;
	size_t pauses = 0;

	for (size_t i = 0; i < s->count; i++)
		most = s->gaps[i].fresh && s->gaps[i].run_high > most ? s->gaps[i].run_high : most;
	for (size_t i = 0; i < s->count; i++) {
		const struct silence_gap *g = &s->gaps[i];
		size_t n = failures_from(w, g->after), room = (i + 1 < s->count ? g[1].before + 1 : w->in->n) - g->after;

		pauses += (n < room ? n : room) > most + w->most;
	}
	if (pauses * 4 >= s->count && pauses) {
		s->count = 0;
		s->ruled_out = "calls went on failing after it: a pause of the process";
	}
}

/* ---- a wait of a retry loop ---- */

static double length(const struct silence_work *w, const struct silence_gap *g)
{
	return g->after < w->in->n ? (double)(w->in->attempts[g->after].start_ns - g->trip_late_ns) : NAN;
}

/*
 * Calls that follow a failure neither at the pace nor silent: waits that grow, or are random, in all the failures before the gap or in those right
 * before it, when others of several callers have ended and the waits of the last ones show.
 */
static bool waits_before(const struct silence_work *w, const struct silence_gap *g, size_t first)
{
	uint64_t most = PACE_BETWEEN * w->s->pace_ns > PACE_LONGER * w->longer_ns ? PACE_BETWEEN * w->s->pace_ns : PACE_LONGER * w->longer_ns;

	size_t looked = 0, longer = 0, near = 0;

	for (size_t i = g->before; i > first && g->before - i + 1 < g->run_high; i--, looked++) {
		longer += w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns > most;
		near = looked < NEAR_LOOKED ? longer : near;
	}
	return longer > (looked >= STRAY_MIN && looked < PACE_STRAY ? 1 : looked / PACE_STRAY) || near >= NEAR_LONGER;
}

/* Whether a request that had been tried before the gap is tried again by attempt i. */
static bool goes_on(const struct silence_work *w, const struct silence_gap *g, size_t i)
{
	size_t stop = g->before + 1 > STEP_BEFORE ? g->before + 1 - STEP_BEFORE : 0;

	for (size_t k = g->before + 1; k-- > stop;)
		if (w->in->attempts[k].request == w->in->attempts[i].request)
			return true;
	return false;
}

/*
 * Whether what comes first behind the gap, and most of what comes right behind that, are retries of requests that were there before it, at the time
 * that their policy has them: then they made the gap, and calls that a breaker let pass would have come at its time, not at theirs.
 */
static bool is_due(const struct silence_work *w, const struct silence_gap *g)
{
	size_t n = 0, due = 0;

	for (size_t i = g->after; i < w->in->n && n < DUE_LOOKED; i++, n++) {
		bool on = w->in->attempts[i].due && goes_on(w, g, i);

		if (!n && !on)
			return false;
		due += on;
	}
	return due * 2 > n;
}

/*
 * Whether several requests wait in step: what comes right behind the gap, before one of them can have been a probe, are mostly further attempts of
 * requests that were there before it.
 */
static bool in_step(const struct silence_work *w, const struct silence_gap *g)
{
	uint64_t first = g->after < w->in->n ? w->in->attempts[g->after].start_ns : 0;
	uint64_t until = first + (first - w->in->attempts[g->before].start_ns) / 10;
	size_t n = 0, on = 0;
	bool several = false;

	for (size_t i = g->after; first && i < w->in->n && n < STEP_AFTER && w->in->attempts[i].start_ns <= until; i++) {
		n++;
		on += goes_on(w, g, i);
		several |= w->in->attempts[i].request != w->in->attempts[g->after].request;
	}
	return several && n >= STEP_MIN && on * 2 > n;
}

void silence_rule_out_waits(struct silence_work *w)
{
	struct silences *s = w->s;
	size_t waits = 0, grown = 0, pairs = 0, more = 0, steps = 0, due = 0;
	uint32_t least = UINT32_MAX;
	bool first_failure = true;

	for (size_t i = 0; i < s->count; i++) {
		const struct silence_gap *g = &s->gaps[i];

		waits += waits_before(w, g, i ? s->gaps[i - 1].after : 0);
		steps += in_step(w, g);
		due += is_due(w, g);
		if (g->fresh) {
			least = g->run_high < least ? g->run_high : least;
			first_failure &= g->run_low <= 1;
			continue;
		}
		pairs++;
		grown += length(w, g) > GROWTH * length(w, &s->gaps[i - 1]);
		more += g->passed_failed > least;	/* half-open lets fewer pass than closed: these are the next request's */
	}
	if (w->in->work)	/* whole requests: they are not tried again */
		steps = due = waits = more = pairs = 0;
	s->alike = first_failure;
	if (steps * 2 >= s->count) {
		s->count = 0;
		s->ruled_out = "requests that began together wait in step before they are tried again";
	} else if (due * 2 >= s->count) {
		s->count = 0;
		s->ruled_out = "requests that were there before it came back when their own waits were over";
	} else if (waits * 4 >= s->count || (more && more * 20 >= s->count) || (first_failure && pairs && grown * 2 >= pairs)) {
		s->count = 0;
		s->ruled_out = "the client waits between retries";
	} else if (w->after_success) {
		s->count = 0;
		s->ruled_out = "the client also pauses when nothing has failed";
	}
}
