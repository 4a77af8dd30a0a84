/* SPDX-License-Identifier: MIT */
#include "analyzer/link/rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/spill.h"
#include "base/clock.h"

#define TOGETHER_NS (5 * NS_PER_MS)
#define KNOWN_NS (25 * NS_PER_MS)	/* the same, of attempts that are known to be of one request: a busy machine is late with it */
#define NEIGHBOURS 4
#define PAIRS_MIN 3

struct group {		/* attempts of a process that ask the same: the latest of them */
	uint32_t latest[NEIGHBOURS];	/* index + 1; 0 none */
};

struct work {
	struct rivals *r;
	struct model *m;
	uint32_t closed;		/* name of an error */
	struct map index;		/* process and request -> its group */
	struct group *groups;		/* owned */
	size_t count, room;
	uint64_t *cuts, *found;		/* per edge: attempts given up; those of them that lost; owned */
	uint64_t *pairs;		/* per process; owned */
};

static bool is_cut(const struct work *w, const struct model_exchange *x)
{
	return x->outcome == MODEL_INDETERMINATE && x->error == w->closed && x->ended_ns && x->fault == MODEL_NONE;
}

static bool concerned(const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->edge != MODEL_NONE && x->process != MODEL_NONE && x->target && x->fingerprint && x->ended_ns;
}

static int find_groups(struct work *w)
{
	for (size_t i = 0; i < w->m->exchange_count; i++) {
		const struct model_exchange *x = &w->m->exchanges[i];

		if (!concerned(x) || !is_cut(w, x))
			continue;
		w->cuts[x->edge]++;
		if (map_get(&w->index, model_request(x)) != MAP_NONE)
			continue;
		if (SPILL_GROW(w->groups, w->count, w->room))
			return -ENOMEM;
		w->groups[w->count] = (struct group){{0}};
		if (map_put(&w->index, model_request(x), (uint32_t)w->count++))
			return -ENOMEM;
	}
	return 0;
}

/* Whether l was given up as v was answered well. */
static bool lost_to(const struct work *w, const struct model_exchange *l, const struct model_exchange *v)
{
	uint64_t late = l->correlation || l->parent != MODEL_NONE ? KNOWN_NS : TOGETHER_NS;

	return is_cut(w, l) && v->outcome == MODEL_OK && l->ended_ns + NS_PER_MS >= v->ended_ns && l->ended_ns <= v->ended_ns + late;
}

/* x began first. */
static bool are_rivals(const struct work *w, const struct model_exchange *x, const struct model_exchange *y)
{
	if (y->started_ns >= x->ended_ns || x->connection == y->connection || x->target != y->target || x->fingerprint != y->fingerprint)
		return false;
	if (x->parent != y->parent || x->correlation != y->correlation || x->process != y->process)
		return false;
	return lost_to(w, x, y) || lost_to(w, y, x);
}

static int compare(struct work *w, struct group *g, uint32_t i)
{
	struct model_exchange *y = &w->m->exchanges[i];

	for (int k = 0; k < NEIGHBOURS && g->latest[k]; k++) {
		struct model_exchange *x = &w->m->exchanges[g->latest[k] - 1], *loser = is_cut(w, x) ? x : y;

		if (loser->lost || !are_rivals(w, x, y))
			continue;
		if (SPILL_GROW(w->r->of, w->r->count, w->r->room))
			return -ENOMEM;
		w->r->of[w->r->count++] = (struct rival){g->latest[k] - 1, i};
		loser->lost = true;
		w->found[loser->edge]++;
		w->pairs[loser->process]++;
		if (loser == y)
			break;
	}
	memmove(&g->latest[1], &g->latest[0], sizeof(g->latest) - sizeof(g->latest[0]));
	g->latest[0] = i + 1;
	return 0;
}

static int find_pairs(struct work *w)
{
	int err = 0;

	for (uint32_t i = 0; w->count && i < w->m->exchange_count && !err; i++) {
		uint32_t at = concerned(&w->m->exchanges[i]) ? map_get(&w->index, model_request(&w->m->exchanges[i])) : MAP_NONE;

		if (at != MAP_NONE)
			err = compare(w, &w->groups[at], i);
	}
	return err;
}

static int by_first(const void *a, const void *b)
{
	const struct rival *x = a, *y = b;

	return x->first != y->first ? (x->first < y->first ? -1 : 1) : x->second < y->second ? -1 : x->second > y->second;
}

static void keep_proven(struct work *w)
{
	struct rivals *r = w->r;
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct model_exchange *x = &w->m->exchanges[r->of[i].first], *y = &w->m->exchanges[r->of[i].second], *loser = is_cut(w, x) ? x : y;

		if (w->pairs[loser->process] >= PAIRS_MIN && w->found[loser->edge] * 2 >= w->cuts[loser->edge])
			r->of[kept++] = r->of[i];
		else
			loser->lost = false;
	}
	r->count = kept;
	if (kept)
		qsort(r->of, kept, sizeof(*r->of), by_first);
}

int rivals_build(struct rivals *r, struct model *m, const struct graph *g)
{
	struct work w = {.r = r, .m = m, .closed = texts_add(&m->names, "closed"), .cuts = calloc(g->count + 1, sizeof(*w.cuts)),
			 .found = calloc(g->count + 1, sizeof(*w.found)), .pairs = calloc(m->process_count + 1, sizeof(*w.pairs))};
	int err = w.closed != MAP_NONE && w.cuts && w.found && w.pairs ? find_groups(&w) : -ENOMEM;

	if (!err)
		err = find_pairs(&w);
	if (!err)
		keep_proven(&w);
	map_free(&w.index);
	spill_free(w.groups);
	free(w.cuts);
	free(w.found);
	free(w.pairs);
	return err;
}

uint32_t rivals_second(const struct rivals *r, uint32_t i)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->of[middle].first < i)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->count && r->of[low].first == i ? r->of[low].second : MODEL_NONE;
}

void rivals_free(struct rivals *r)
{
	spill_free(r->of);
	*r = (struct rivals){0};
}
