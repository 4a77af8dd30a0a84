/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/given_up_reasons.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/read/spill.h"

#define AT_ONCE_NS (10 * NS_PER_MS)
#define BUSY_PER_S 50		/* ends of calls in a process: above, two at once are chance */
#define AROUND_NS (100 * NS_PER_MS)
#define AROUND_MAX 6		/* the same, within 100 ms before and after */
#define SIBLINGS 256

struct ending {		/* of a call without known parent, in a process of few calls */
	uint32_t process, exchange;
	uint64_t at_ns;
};

struct reasons {
	struct given_up *g;
	struct ending *endings;		/* by process, then time; owned */
	size_t ending_count;
};

/* ---- with what it ended ---- */

/* The request it was made for was given up by who asked: it ended with that. */
static bool ended_with_parent(const struct reasons *w, const struct model_exchange *x)
{
	const struct model_exchange *p = x->parent == MODEL_NONE ? NULL : given_up_exchange(w->g, x->parent);

	if (!p || p->outcome != MODEL_INDETERMINATE || p->error != w->g->closed || p->first_byte_ns || p->status)
		return false;	/* not given up, or what answered it did not notice */
	return p->ended_ns && given_up_apart(p->ended_ns, x->ended_ns) <= GIVEN_UP_TOGETHER_NS;
}

/* Whether x ended because s did: both in work, s answered or failed an instant before, or had been given up after a longer wait. */
static bool ended_with(const struct reasons *w, uint32_t i, uint32_t sibling)
{
	const struct model_exchange *x = given_up_exchange(w->g, i), *s = given_up_exchange(w->g, sibling);
	double waited, longer;

	if (i == sibling || s->role != MODEL_CLIENT || !s->ended_ns || s->started_ns >= x->ended_ns || s->ended_ns <= x->started_ns)
		return false;
	if (s->ended_ns > x->ended_ns + NS_PER_MS || s->ended_ns + AT_ONCE_NS < x->ended_ns)
		return false;
	if (w->g->marks[sibling] == WAITED)
		return true;
	waited = model_ms(given_up_start(w->g, i), x->ended_ns);
	longer = model_ms(given_up_start(w->g, sibling), s->ended_ns);
	return longer > waited && !clusters_same(longer, waited);
}

static bool ended_with_sibling(const struct reasons *w, uint32_t i)
{
	struct chains_span s = chains_of(&w->g->m->chains.by_parent, given_up_exchange(w->g, i)->parent);

	for (size_t k = 0; k < s.n && k < SIBLINGS; k++)
		if (ended_with(w, i, s.members[k]))
			return true;
	return false;
}

/* The first of the endings of a process at or after an instant. */
static size_t ending_after(const struct reasons *w, uint32_t process, uint64_t at_ns)
{
	size_t low = 0, high = w->ending_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct ending *e = &w->endings[middle];

		if (e->process < process || (e->process == process && e->at_ns < at_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The same for calls whose parent is not known, in a process that makes few. */
static bool ended_with_neighbour(const struct reasons *w, uint32_t i)
{
	const struct model_exchange *x = given_up_exchange(w->g, i);
	size_t from = ending_after(w, x->process, x->ended_ns > AROUND_NS ? x->ended_ns - AROUND_NS : 0);
	size_t to = ending_after(w, x->process, x->ended_ns + AROUND_NS + 1);

	for (size_t k = from; k < to && to - from <= AROUND_MAX; k++)
		if (ended_with(w, i, w->endings[k].exchange))
			return true;
	return false;
}

/* ---- endings of calls whose parent is not known ---- */

static int by_process(const void *a, const void *b)
{
	const struct ending *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

static bool is_orphan(const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->process != MODEL_NONE && x->parent == MODEL_NONE && x->ended_ns;
}

/* Endings of processes that gave something up and make few calls. */
static int collect_endings(struct reasons *w)
{
	const struct model *run = &w->g->m->r->model;
	uint64_t *ends = calloc(run->process_count + 1, sizeof(*ends));
	bool *cut = calloc(run->process_count + 1, sizeof(*cut));
	double most = BUSY_PER_S * fmax(1, w->g->m->r->duration_s);
	size_t total = 0;

	for (size_t i = 0; ends && cut && i < run->exchange_count; i++) {
		if (!is_orphan(&run->exchanges[i]))
			continue;
		ends[run->exchanges[i].process]++;
		cut[run->exchanges[i].process] |= w->g->marks[i] == CUT;
	}
	for (size_t p = 0; ends && cut && p < run->process_count; p++) {
		cut[p] = cut[p] && (double)ends[p] <= most;
		total += cut[p] ? ends[p] : 0;
	}
	w->endings = ends && cut ? spill_realloc(NULL, (total + 1) * sizeof(*w->endings)) : NULL;
	for (uint32_t i = 0; w->endings && i < run->exchange_count; i++)
		if (is_orphan(&run->exchanges[i]) && cut[run->exchanges[i].process])
			w->endings[w->ending_count++] = (struct ending){run->exchanges[i].process, i, run->exchanges[i].ended_ns};
	free(ends);
	free(cut);
	if (!w->endings)
		return -ENOMEM;
	qsort(w->endings, w->ending_count, sizeof(*w->endings), by_process);
	return 0;
}

/* ---- the whole ---- */

/* What ended with something else was not cut by a timer, but waited so long. In two walks: a verdict does not change the next one's. */
static int judge_reasons(struct reasons *w)
{
	const struct model *run = &w->g->m->r->model;
	uint32_t *others = spill_realloc(NULL, (run->exchange_count + 1) * sizeof(*others));
	size_t n = 0;

	for (uint32_t i = 0; others && i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (w->g->marks[i] != CUT || x->role != MODEL_CLIENT)
			continue;
		if (ended_with_parent(w, x) || (x->parent != MODEL_NONE ? ended_with_sibling(w, i) : ended_with_neighbour(w, i)))
			others[n++] = i;
	}
	for (size_t k = 0; k < n; k++)
		w->g->marks[others[k]] = EXPLAINED;
	spill_free(others);
	return others ? 0 : -ENOMEM;
}

int given_up_explain(struct given_up *g)
{
	struct reasons w = {.g = g};
	int err = collect_endings(&w);

	if (!err)
		err = judge_reasons(&w);
	spill_free(w.endings);
	return err;
}
