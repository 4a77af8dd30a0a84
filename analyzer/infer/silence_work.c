/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_work.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/grow.h"

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
	return 0;
}

static void find_most(struct silence_work *w)
{
	size_t near = 0;

	for (size_t i = 0; i < w->in->n; i++) {
		size_t ended = w->ended ? times_near(&w->ends->at_ns, sizeof(*w->ends), w->ended, w->in->attempts[i].start_ns, &near) : 0;
		size_t now = i + 1 > ended ? i + 1 - ended : 0;

		w->most = now > w->most ? now : w->most;
	}
}

int silence_work_init(struct silence_work *w)
{
	int err = order_ends(w);

	if (!err)
		find_most(w);
	return err;
}

void silence_work_free(struct silence_work *w)
{
	spill_free(w->ends);
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

/* ---- one gap ---- */

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
	size_t n = silence_ended_by(w, g->decided_ns), first = silence_ended_by(w, w->in->attempts[g->before].start_ns);

	g->trip = SIZE_MAX;
	for (size_t i = n; i > 0 && (i > first || g->trip == SIZE_MAX) && i + SILENCE_RECENT > n; i--) {
		if (!w->in->attempts[w->ends[i - 1].attempt].failed)
			continue;
		if (g->trip == SIZE_MAX) {
			g->trip = w->ends[i - 1].attempt;
			g->trip_late_ns = w->ends[i - 1].at_ns;
		}
		g->trip_early_ns = w->ends[i - 1].at_ns;
	}
}
