/* SPDX-License-Identifier: MIT */
#include "analyzer/link/rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/spill.h"
#include "base/clock.h"

#define TOGETHER_NS (5 * NS_PER_MS)
#define KNOWN_NS (25 * NS_PER_MS)	/* the same, where the second began later: it is of the first's request, or the client is proven to ask twice */
#define NEIGHBOURS 4	/* of many in flight that ask the same; */
#define NEIGHBOURS_MOST 32	/* ... where those prove that a client does so */
#define PAIRS_MIN 3

struct group {		/* attempts of a process that ask the same: the latest of them */
	uint32_t latest[NEIGHBOURS_MOST];	/* index + 1; 0 none */
};

struct work {
	struct rivals *r;
	struct model *m;
	uint32_t closed;		/* name of an error */
	struct map index;		/* process and request -> its group */
	struct map pair_of;		/* loser -> its pair */
	size_t edges;
	struct group *groups;		/* owned */
	size_t count, room;
	uint64_t *cuts, *found;		/* per edge: attempts given up; those of them that lost; owned */
	uint64_t *pairs;		/* per process; owned */
	int reach;			/* neighbours that are compared */
	bool *proven;			/* per edge: most that were given up lost; owned */
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

static bool is_childs(const struct model_exchange *x)
{
	return x->parent != MODEL_NONE && !x->guessed;
}

/* Whether l was given up as v was answered well. */
static bool lost_to(const struct work *w, const struct model_exchange *l, const struct model_exchange *v)
{
	uint64_t apart = l->started_ns > v->started_ns ? l->started_ns - v->started_ns : v->started_ns - l->started_ns;
	bool known = l->correlation || is_childs(l) || w->proven[l->edge];
	uint64_t late = apart >= TOGETHER_NS && known ? KNOWN_NS : TOGETHER_NS;

	return is_cut(w, l) && v->outcome == MODEL_OK && l->ended_ns + NS_PER_MS >= v->ended_ns && l->ended_ns <= v->ended_ns + late;
}

/* Inbound requests or ids that differ say that these are two requests. */
static bool told_apart(const struct model_exchange *x, const struct model_exchange *y)
{
	return (is_childs(x) && is_childs(y) && x->parent != y->parent) || x->correlation != y->correlation || x->process != y->process;
}

/* x began first. */
static bool are_rivals(const struct work *w, const struct model_exchange *x, const struct model_exchange *y)
{
	if (y->started_ns >= x->ended_ns || x->connection == y->connection || x->target != y->target || x->fingerprint != y->fingerprint)
		return false;
	return !told_apart(x, y) && (lost_to(w, x, y) || lost_to(w, y, x));
}

static uint64_t apart_ns(const struct work *w, uint32_t a, uint32_t b)
{
	uint64_t x = w->m->exchanges[a].ended_ns, y = w->m->exchanges[b].ended_ns;

	return x > y ? x - y : y - x;
}

/* One loses once: to the one that was answered closest to its end. */
static int add_pair(struct work *w, uint32_t first, uint32_t second)
{
	bool first_lost = is_cut(w, &w->m->exchanges[first]);
	uint32_t loser = first_lost ? first : second, winner = first_lost ? second : first, at = map_get(&w->pair_of, loser);
	struct model_exchange *l = &w->m->exchanges[loser];
	struct rival *before;

	if (at != MAP_NONE) {
		before = &w->r->of[at];
		if (apart_ns(w, loser, winner) < apart_ns(w, before->first, before->second))
			*before = (struct rival){first, second};
		return 0;
	}
	if (SPILL_GROW(w->r->of, w->r->count, w->r->room) || map_put(&w->pair_of, loser, (uint32_t)w->r->count))
		return -ENOMEM;
	w->r->of[w->r->count++] = (struct rival){first, second};
	w->found[l->edge]++;
	w->pairs[l->process]++;
	return 0;
}

static int compare(struct work *w, struct group *g, uint32_t i)
{
	const struct model_exchange *y = &w->m->exchanges[i];
	int err = 0;

	for (int k = 0; k < w->reach && g->latest[k] && !err; k++) {
		const struct model_exchange *x = &w->m->exchanges[g->latest[k] - 1];

		if (are_rivals(w, x, y) && (w->reach == NEIGHBOURS || w->proven[is_cut(w, x) ? x->edge : y->edge]))
			err = add_pair(w, g->latest[k] - 1, i);
	}
	memmove(&g->latest[1], &g->latest[0], sizeof(g->latest) - sizeof(g->latest[0]));
	g->latest[0] = i + 1;
	return err;
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

static bool is_proven(const struct work *w, const struct model_exchange *loser)
{
	return w->pairs[loser->process] >= PAIRS_MIN && w->found[loser->edge] * 2 >= w->cuts[loser->edge];
}

static void keep_proven(struct work *w)
{
	struct rivals *r = w->r;
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct model_exchange *first = &w->m->exchanges[r->of[i].first];
		struct model_exchange *loser = is_cut(w, first) ? first : &w->m->exchanges[r->of[i].second];

		loser->lost = is_proven(w, loser);
		w->proven[loser->edge] |= loser->lost;
		if (loser->lost)
			r->of[kept++] = r->of[i];
	}
	r->count = kept;
	if (kept)
		qsort(r->of, kept, sizeof(*r->of), by_first);
}

/* All pairs; of what is proven there will be the same, or better ones. */
static void forget(struct work *w)
{
	for (size_t i = 0; i < w->r->count; i++)
		w->m->exchanges[w->r->of[i].first].lost = w->m->exchanges[w->r->of[i].second].lost = false;
	w->r->count = 0;
	map_free(&w->pair_of);
	memset(w->found, 0, w->edges * sizeof(*w->found));
	memset(w->pairs, 0, w->m->process_count * sizeof(*w->pairs));
}

/* Those that have more between them, too, where it is known that a client asks twice. */
static int look_further(struct work *w)
{
	int err;

	w->reach = NEIGHBOURS_MOST;
	for (size_t i = 0; i < w->count; i++)
		w->groups[i] = (struct group){{0}};
	forget(w);
	err = find_pairs(w);
	if (!err)
		keep_proven(w);
	return err;
}

int rivals_build(struct rivals *r, struct model *m, const struct graph *g)
{
	struct work w = {.r = r, .m = m, .closed = texts_find(&m->names, "closed"), .edges = g->count, .reach = NEIGHBOURS,
			 .cuts = calloc(g->count + 1, sizeof(*w.cuts)), .found = calloc(g->count + 1, sizeof(*w.found)),
			 .pairs = calloc(m->process_count + 1, sizeof(*w.pairs)), .proven = calloc(g->count + 1, sizeof(*w.proven))};
	int err = w.cuts && w.found && w.pairs && w.proven ? find_groups(&w) : -ENOMEM;

	if (!err)
		err = find_pairs(&w);
	if (!err)
		keep_proven(&w);
	if (!err && r->count)
		err = look_further(&w);
	map_free(&w.index);
	map_free(&w.pair_of);
	spill_free(w.groups);
	free(w.cuts);
	free(w.found);
	free(w.pairs);
	free(w.proven);
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
