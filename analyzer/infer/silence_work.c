/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_work.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/infer/silence_demand.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"
#include "base/grow.h"

#define EVEN 5
#define SLACK_NS (2 * NS_PER_MS)	/* from an answer on the wire to the client's count of it, while other requests are in work */
#define LATE_NS (20 * NS_PER_MS)	/* for its turn, and to connect, a call's thread waits no longer, nor to count its end */
#define COLD_NS (500 * NS_PER_MS)	/* a program's first calls load code: it may notice answers that much later */
#define COLD_SLACK_NS (100 * NS_PER_MS)

/* ---- completions ---- */

/* By time; what ended at once in order of start. */
static int list_ends(struct silence_work *w)
{
	struct radix_item *order = spill_realloc(NULL, (w->in->n + 1) * sizeof(*order));

	w->ends = spill_realloc(NULL, (w->in->n + 1) * sizeof(*w->ends));
	for (size_t i = 0; order && i < w->in->n; i++)
		if (w->in->attempts[i].end_ns)
			order[w->ended++] = (struct radix_item){w->in->attempts[i].end_ns, (uint32_t)i};
	if (!order || !w->ends || radix_sort(order, w->ended)) {
		spill_free(order);
		return -ENOMEM;
	}
	for (size_t i = 0; i < w->ended; i++)
		w->ends[i] = (struct silence_end){.at_ns = order[i].key, .attempt = order[i].value};
	spill_free(order);
	return 0;
}

static void note_longest(struct silence_work *w, const struct silence_end *e)
{
	if (e->run <= w->s->longest_run)
		return;
	w->s->longest_run = e->run;
	w->s->longest_ns = e->at_ns - w->failing_since_ns;
	w->s->longest_at = e->attempt;
	w->longest_end = (size_t)(e - w->ends);
}

/* By half of its failures at least so much of its time must be over. */
static bool is_even(const struct silence_work *w)
{
	uint64_t since = w->ends[w->longest_end].at_ns - w->s->longest_ns;

	return (w->ends[w->longest_end - w->s->longest_run / 2].at_ns - since) * EVEN >= w->s->longest_ns;
}

static int order_ends(struct silence_work *w)
{
	struct silence_end so_far = {0};

	if (list_ends(w))
		return -ENOMEM;
	for (size_t i = 0; i < w->ended; i++) {
		struct silence_end *e = &w->ends[i];
		bool failed = w->in->attempts[e->attempt].failed, counts = w->in->attempts[e->attempt].counts;

		if (counts && failed && !so_far.run)
			w->failing_since_ns = e->at_ns;
		e->run = so_far.run = failed ? so_far.run + counts : 0;
		e->failed = so_far.failed += failed && counts;
		e->ok = so_far.ok += !failed;
		note_longest(w, e);
	}
	w->s->longest_even = w->s->longest_run && is_even(w);
	return 0;
}

/* Calls in work at the start of attempt i, with it; *ended: how many were over. */
static size_t in_work_at_start(const struct silence_work *w, size_t i, size_t *ended)
{
	*ended = w->ended ? times_near(&w->ends->at_ns, sizeof(*w->ends), w->ended, w->in->attempts[i].start_ns, ended) : 0;
	return i + 1 > *ended ? i + 1 - *ended : 0;
}

/* The most calls in work at once; *times: how often a start made them so many. */
static size_t find_most(const struct silence_work *w, size_t *times)
{
	size_t ended = 0, most = 0;

	*times = 0;
	for (size_t i = 0; i < w->in->n; i++) {
		size_t now = in_work_at_start(w, i, &ended);

		*times = now > most ? 1 : *times + (now == most);
		most = now > most ? now : most;
	}
	return most;
}

/* When as many as ever are in work: from each start that makes them so many to the next end. */
static int find_full(struct silence_work *w, const struct silence_work *of)
{
	size_t ended = 0, times;

	w->places = find_most(of, &times);
	w->full_from = spill_realloc(NULL, (times + 1) * sizeof(*w->full_from));
	w->full_to = spill_realloc(NULL, (times + 1) * sizeof(*w->full_to));
	if (!w->full_from || !w->full_to)
		return -ENOMEM;
	for (size_t i = 0; i < of->in->n; i++) {
		if (in_work_at_start(of, i, &ended) < w->places)
			continue;
		w->full_from[w->fulls] = of->in->attempts[i].start_ns;
		w->full_to[w->fulls++] = ended < of->ended ? of->ends[ended].at_ns : UINT64_MAX;
	}
	return 0;
}

int silence_work_init(struct silence_work *w)
{
	const struct silence_input attempts = {.attempts = w->in->work, .n = w->in->work_n};
	struct silence_work of = {.in = &attempts};
	int err = order_ends(w);
	size_t times;

	if (err)
		return err;
	w->most = find_most(w, &times);
	if (!w->in->work)
		return find_full(w, w);
	err = list_ends(&of);
	if (!err)
		err = find_full(w, &of);
	spill_free(of.ends);
	return err;
}

void silence_work_free(struct silence_work *w)
{
	spill_free(w->ends);
	spill_free(w->full_from);
	spill_free(w->full_to);
	spill_free(w->taken);
	spill_free(w->given_back);
}

size_t silence_ended_by(const struct silence_work *w, uint64_t t)
{
	size_t near = w->ended / 2;

	return w->ended ? times_near(&w->ends->at_ns, sizeof(*w->ends), w->ended, t, &near) : 0;
}

size_t silence_ended_before(const struct silence_work *w, uint64_t t)
{
	return w->ended ? times_before(&w->ends->at_ns, sizeof(*w->ends), w->ended, t) : 0;
}

struct silence_end silence_so_far(const struct silence_work *w, size_t n)
{
	return n ? w->ends[n - 1] : (struct silence_end){0};
}

size_t silence_in_work(const struct silence_work *w, size_t begun, uint64_t t)
{
	size_t ended = silence_ended_by(w, t);

	return begun > ended ? begun - ended : 0;
}

size_t silence_in_work_at(const struct silence_work *w, uint64_t t)
{
	size_t near = w->in->n / 2;

	return silence_in_work(w, w->in->n ? times_near(&w->in->attempts->start_ns, sizeof(*w->in->attempts), w->in->n, t, &near) : 0, t);
}

bool silence_was_full(const struct silence_work *w, uint64_t from, uint64_t to)
{
	size_t n = times_upto(w->full_from, w->fulls, to);

	return n && w->full_to[n - 1] > from;
}

/* ---- one gap ---- */

/* `by` earlier; not before 0. */
static uint64_t earlier(uint64_t t, uint64_t by)
{
	return t > by ? t - by : 0;
}

/* When the client had counted completion i, at the latest. */
static uint64_t counted_by(const struct silence_work *w, size_t i)
{
	uint64_t end = w->ends[i].at_ns, counted = w->in->attempts[w->ends[i].attempt].counted_ns;

	if (w->most < 2)
		return end;
	return !counted ? end + SLACK_NS : counted < end + LATE_NS ? counted : end + LATE_NS;
}

uint32_t silence_late_before(const struct silence_work *w, size_t n, size_t from)
{
	uint64_t at = w->ends[n - 1].at_ns;
	uint32_t late = 0;

	for (size_t i = n - 1; i > from && w->ends[i - 1].at_ns + LATE_NS >= at; i--)
		late += w->in->attempts[w->ends[i - 1].attempt].failed && counted_by(w, i - 1) >= at;
	return late;
}

uint32_t silence_early_behind(const struct silence_work *w, size_t n, size_t to)
{
	uint64_t by = counted_by(w, n - 1);
	uint32_t early = 0;

	for (size_t i = n; i < to && w->ends[i].at_ns <= by; i++)
		early += w->in->attempts[w->ends[i].attempt].failed;
	return early;
}

uint64_t silence_let_through_ns(const struct silence_work *w, size_t i)
{
	const struct silence_attempt *a = &w->in->attempts[i];
	uint64_t asked = a->asked_ns > earlier(a->start_ns, LATE_NS) ? a->asked_ns : earlier(a->start_ns, LATE_NS);
	bool alone = silence_in_work(w, i, a->start_ns) == 0 && silence_callers_at(w, a->start_ns) < 2 &&
		     (!a->asked_ns || silence_ended_by(w, asked) == silence_ended_by(w, a->start_ns));
	uint64_t known = alone ? a->start_ns : earlier(a->start_ns, SLACK_NS);

	if (a->start_ns - w->in->attempts[0].start_ns < COLD_NS)
		return earlier(a->start_ns, COLD_SLACK_NS);
	return !alone && a->asked_ns && asked < known ? asked : known;
}

struct silence_gap *silence_add(struct silences *s)
{
	if (GROW(s->gaps, s->count, s->room))
		return NULL;
	return &s->gaps[s->count++];
}

bool silence_is_unresolved(const struct silence_work *w, uint64_t from, uint64_t to)
{
	size_t i = times_before(w->in->unresolved, sizeof(*w->in->unresolved), w->in->unresolved_count, from);

	return i < w->in->unresolved_count && w->in->unresolved[i] <= to;
}

void silence_find_trip(const struct silence_work *w, struct silence_gap *g)
{
	size_t n = silence_ended_by(w, g->decided_ns), first = silence_ended_by(w, silence_let_through_ns(w, g->before));

	g->trip = SIZE_MAX;
	for (size_t i = n; i > 0 && (i > first || (g->trip == SIZE_MAX && i + SILENCE_RECENT > first)); i--) {
		if (!w->in->attempts[w->ends[i - 1].attempt].failed)
			continue;
		if (g->trip == SIZE_MAX) {
			g->trip = w->ends[i - 1].attempt;
			g->trip_late_ns = w->ends[i - 1].at_ns;
		}
		g->trip_early_ns = w->ends[i - 1].at_ns;
	}
}
