/* SPDX-License-Identifier: MIT */
/*
 * Answers that were good though something they normally need was not to be had: degraded ones (a fallback, a cache, a default).
 *
 * What is needed: edges that at least 95 % of a service's good answers to this method and path called (3 or more of them); in the healthy baseline,
 * or in the whole run when fewer than 3 of the service's are there; what was under way as the baseline ended tells nothing. Where most answers are
 * to paths that hardly ever come again (an id in them), such a path is judged by all of the service's answers (20 or more); of any other path that
 * the baseline does not know nothing is known. It was not to be had when all that was asked of it for this request had failed by then, or, outside the
 * baseline, when it was not asked and its last attempt until then had failed (a breaker).
 *
 * Not degraded: another server gave what was asked (same method and path: a failover), a call that the answer did not wait for, an answer of status
 * 400 and above. Only what a service calls itself counts, not what those call in turn: their answers were good.
 *
 * distinct: at least half of the degraded answers have a size that no healthy answer to the same has: one for which no call had failed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "base/hash.h"

#define NORMAL_SHARE 0.95
#define NORMAL_MIN 3
#define SERVICE_MIN 20
#define CALLS_MAX 256		/* of one request that are looked at */
#define LOOK_BACK 64		/* attempts without an end that are passed over */

struct need {		/* an edge that answers of a habit called */
	uint32_t edge, next;	/* next: of the same habit; MODEL_NONE */
	uint64_t calls;
};

struct habit {		/* good answers of a service to a method and path, or to all */
	uint64_t answers;
	uint64_t requests;	/* to them in the whole run, good or not */
	uint64_t rare;		/* of all: answers to methods and paths that have fewer than NORMAL_MIN */
	uint32_t needs;		/* the first; MODEL_NONE */
	uint32_t smallest, largest;	/* bytes of them; smallest above largest: not known */
};

struct kitchen {
	struct measure *m;
	struct map service_at;	/* service name -> row of the result */
	struct map habit_at;	/* service and target -> habit */
	struct habit *habits;	/* owned */
	struct need *needs;	/* owned */
	struct map need_at;	/* habit and edge -> need */
	size_t habit_count, habit_room, need_count, need_room;
	uint32_t *seen_for;	/* per edge: the last inbound exchange that was seen to call it; owned */
	struct map blamed[2];	/* row of a service and edge -> failed answers without it, good ones */
	uint64_t *off_size;	/* per service: degraded answers of another size than healthy ones; owned */
	uint64_t *calm;		/* per service: good answers of the baseline; owned */
};

static const struct model_exchange *exchange(const struct kitchen *k, uint32_t i)
{
	return &k->m->r->model.exchanges[i];
}

/* What was asked for a request. */
static struct chains_span calls_of(const struct kitchen *k, uint32_t inbound)
{
	struct chains_span s = chains_of(&k->m->chains.by_parent, inbound);

	return (struct chains_span){s.members, s.n < CALLS_MAX ? s.n : CALLS_MAX};
}

static uint32_t service_of(const struct kitchen *k, const struct model_exchange *x)
{
	return x->process == MODEL_NONE ? 0 : k->m->r->model.processes[x->process].service;
}

/* ---- what is normally needed ---- */

static struct habit *habit(struct kitchen *k, uint32_t service, uint64_t target, bool add)
{
	uint64_t key = hash_mix(hash_mix(service) ^ target);
	uint32_t at = map_get(&k->habit_at, key);

	if (at != MAP_NONE || !add)
		return at == MAP_NONE ? NULL : &k->habits[at];
	if (k->habit_count == k->habit_room) {
		size_t room = k->habit_room ? k->habit_room * 2 : 16;
		struct habit *habits = realloc(k->habits, room * sizeof(*habits));

		if (!habits)
			return NULL;
		k->habits = habits;
		k->habit_room = room;
	}
	if (map_put(&k->habit_at, key, (uint32_t)k->habit_count))
		return NULL;
	k->habits[k->habit_count] = (struct habit){.needs = MODEL_NONE, .smallest = UINT32_MAX};
	return &k->habits[k->habit_count++];
}

static int note_call(struct kitchen *k, struct habit *h, uint32_t edge)
{
	uint64_t key = (uint64_t)(h - k->habits) << 32 | edge;
	uint32_t at = map_get(&k->need_at, key);

	if (at != MAP_NONE) {
		k->needs[at].calls++;
		return 0;
	}
	if (k->need_count == k->need_room) {
		size_t room = k->need_room ? k->need_room * 2 : 16;
		struct need *needs = realloc(k->needs, room * sizeof(*needs));

		if (!needs)
			return -ENOMEM;
		k->needs = needs;
		k->need_room = room;
	}
	k->needs[k->need_count] = (struct need){edge, h->needs, 1};
	h->needs = (uint32_t)k->need_count;
	return map_put(&k->need_at, key, (uint32_t)k->need_count++);
}

/* Leaves in each habit what is nearly always called. */
static void keep_needs(struct kitchen *k)
{
	for (size_t i = 0; i < k->habit_count; i++) {
		struct habit *h = &k->habits[i];
		uint32_t kept = MODEL_NONE, next;

		for (uint32_t n = h->needs; n != MODEL_NONE; n = next) {
			next = k->needs[n].next;
			if ((double)k->needs[n].calls < NORMAL_SHARE * (double)h->answers)
				continue;
			k->needs[n].next = kept;
			kept = n;
		}
		h->needs = kept;
	}
}

static bool is_good(const struct model_exchange *y)
{
	return y->outcome == MODEL_OK && y->status < 400 && y->ended_ns;
}

static int note_answer(struct kitchen *k, struct habit *h, uint32_t inbound)
{
	const struct model_exchange *y = exchange(k, inbound);
	struct chains_span calls = calls_of(k, inbound);
	bool whole = true;

	if (!h)
		return -ENOMEM;
	h->answers++;
	for (size_t i = 0; i < calls.n; i++)
		whole &= !model_failed(exchange(k, calls.members[i]));
	if (y->bytes_in && whole) {
		h->smallest = y->bytes_in < h->smallest ? y->bytes_in : h->smallest;
		h->largest = y->bytes_in > h->largest ? y->bytes_in : h->largest;
	}
	for (size_t i = 0; i < calls.n; i++) {
		uint32_t edge = exchange(k, calls.members[i])->edge;

		if (k->seen_for[edge] == inbound)
			continue;
		k->seen_for[edge] = inbound;
		if (note_call(k, h, edge))
			return -ENOMEM;
	}
	for (size_t i = 0; i < calls.n; i++)
		k->seen_for[exchange(k, calls.members[i])->edge] = MODEL_NONE;
	return 0;
}

static bool is_inbound(const struct kitchen *k, const struct model_exchange *y)
{
	return y->role == MODEL_SERVER && y->process != MODEL_NONE && measure_counts(k->m, y->started_ns);
}

static bool is_calm(const struct kitchen *k, const struct model_exchange *y)
{
	const struct timeline *t = &k->m->r->timeline;

	return is_good(y) && timeline_at(t, y->started_ns) == TIMELINE_BASELINE && timeline_at(t, y->ended_ns) == TIMELINE_BASELINE;
}

static void count_calm(struct kitchen *k)
{
	const struct model *run = &k->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *y = &run->exchanges[i];
		uint32_t at = is_inbound(k, y) && is_calm(k, y) ? map_get(&k->service_at, service_of(k, y)) : MAP_NONE;

		if (at != MAP_NONE)
			k->calm[at]++;
	}
}

static bool teaches(const struct kitchen *k, const struct model_exchange *y)
{
	uint32_t at = map_get(&k->service_at, service_of(k, y));

	return at != MAP_NONE && (k->calm[at] < NORMAL_MIN ? is_good(y) : is_calm(k, y));
}

static int learn(struct kitchen *k)
{
	const struct model *run = &k->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *y = &run->exchanges[i];
		uint32_t service = service_of(k, y);
		struct habit *own;

		if (!is_inbound(k, y) || !y->ended_ns || !run->processes[y->process].outbound)
			continue;
		own = habit(k, service, y->target, true);
		if (!own)
			return -ENOMEM;
		own->requests++;
		if (teaches(k, y) && (note_answer(k, own, i) || note_answer(k, habit(k, service, 0, true), i)))
			return -ENOMEM;
	}
	return 0;
}

/* How many answers of each service are to paths that hardly ever come again. */
static void count_rare(struct kitchen *k)
{
	const struct model *run = &k->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *y = &run->exchanges[i];
		struct habit *all;

		if (!is_inbound(k, y) || !teaches(k, y) || !run->processes[y->process].outbound)
			continue;
		all = habit(k, service_of(k, y), 0, false);
		if (all)
			all->rare += habit(k, service_of(k, y), y->target, false)->answers < NORMAL_MIN;
	}
}

/* What is known of the needs of such a request; NULL: nothing. */
static const struct habit *known_habit(struct kitchen *k, const struct model_exchange *y)
{
	const struct habit *own = habit(k, service_of(k, y), y->target, false), *all;

	if (!own || own->answers >= NORMAL_MIN)
		return own;
	all = habit(k, service_of(k, y), 0, false);
	return all && all->answers >= SERVICE_MIN && all->rare * 2 >= all->answers && own->requests < NORMAL_MIN ? all : NULL;
}

/* ---- what was not to be had ---- */

/* Whether another server gave what this call had asked for. */
static bool failed_over(const struct kitchen *k, const struct chains_span *calls, const struct model_exchange *y, const struct model_exchange *x)
{
	uint64_t target = model_headless(x) ? y->target : x->target;

	for (size_t i = 0; i < calls->n; i++) {
		const struct model_exchange *other = exchange(k, calls->members[i]);

		if (other->outcome == MODEL_OK && other->target == target && other->ended_ns > x->started_ns && target)
			return true;
	}
	return false;
}

/* Whether all that was asked of an edge for a request had failed before it was answered, and nobody else stood in; *asked: whether anything was. */
static bool had_failed(const struct kitchen *k, uint32_t inbound, uint32_t edge, bool *asked)
{
	const struct model_exchange *y = exchange(k, inbound);
	struct chains_span calls = calls_of(k, inbound);
	const struct model_exchange *failed = NULL;

	*asked = false;
	for (size_t i = 0; i < calls.n; i++) {
		const struct model_exchange *x = exchange(k, calls.members[i]);

		if (x->edge != edge)
			continue;
		*asked = true;
		if (x->outcome == MODEL_OK || x->lost || !x->ended_ns || x->ended_ns > y->ended_ns)
			return false;
		failed = x;
	}
	return failed && !failed_over(k, &calls, y, failed);
}

/* Whether the last attempt on an edge that ended before then had failed. */
static bool is_out(const struct kitchen *k, uint32_t edge, uint64_t at_ns)
{
	struct chains_span s = chains_of(&k->m->chains.by_edge, edge);
	size_t low = 0, high = s.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (exchange(k, s.members[middle])->started_ns < at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t looked = 0; low-- > 0 && looked < LOOK_BACK; looked++) {
		const struct model_exchange *x = exchange(k, s.members[low]);

		if (x->ended_ns && x->ended_ns <= at_ns)
			return model_failed(x);
	}
	return false;
}

/* The edge that a request did without, or failed for; MODEL_NONE. */
static uint32_t missing_edge(struct kitchen *k, uint32_t inbound)
{
	const struct model_exchange *y = exchange(k, inbound);
	const struct habit *h = known_habit(k, y);
	bool healthy = timeline_at(&k->m->r->timeline, y->started_ns) == TIMELINE_BASELINE, asked;

	for (uint32_t i = h ? h->needs : MODEL_NONE; i != MODEL_NONE; i = k->needs[i].next) {
		const struct need *n = &k->needs[i];

		if (had_failed(k, inbound, n->edge, &asked))
			return n->edge;
		if (!asked && !healthy && is_out(k, n->edge, y->ended_ns))
			return n->edge;
	}
	return MODEL_NONE;
}

/* ---- the answers of each service ---- */

static void degrade(struct result_load *l)
{
	l->ok--;
	l->degraded++;
}

static int blame(struct map *blamed, uint32_t at, uint32_t edge)
{
	uint64_t key = (uint64_t)at << 32 | edge;
	uint32_t times = map_get(blamed, key);

	return map_put(blamed, key, times == MAP_NONE ? 1 : times + 1);
}

static void note_degraded(struct kitchen *k, uint32_t at, const struct model_exchange *y)
{
	struct result_service *s = &k->m->r->services[at];
	const struct habit *h = known_habit(k, y);

	if (!s->fallback.degraded++)
		s->fallback.witness = (uint64_t)y->id;
	degrade(&s->whole);
	degrade(&s->window[timeline_at(&k->m->r->timeline, y->started_ns)]);
	k->off_size[at] += y->bytes_in && h->smallest <= h->largest && (y->bytes_in < h->smallest || y->bytes_in > h->largest);
}

static void note_failed(struct policy_fallback *f, const struct model_exchange *y)
{
	if (!f->failed++)
		f->failed_witness = (uint64_t)y->id;
}

static int judge(struct kitchen *k, uint32_t inbound)
{
	const struct model_exchange *y = exchange(k, inbound);
	uint32_t at = is_inbound(k, y) && y->ended_ns ? map_get(&k->service_at, service_of(k, y)) : MAP_NONE, edge;

	if (at == MAP_NONE || !k->m->r->model.processes[y->process].outbound)
		return 0;
	edge = missing_edge(k, inbound);
	if (edge == MODEL_NONE)
		return 0;
	if (!is_good(y) && !model_failed(y))
		return 0;
	if (is_good(y))
		note_degraded(k, at, y);
	else
		note_failed(&k->m->r->services[at].fallback, y);
	return blame(&k->blamed[is_good(y)], at, edge);
}

/* The edge that the failed, or good, answers of each service did without most often. most: room for a number per service. */
static void find_most(const struct kitchen *k, bool good, uint32_t *most)
{
	memset(most, 0, k->m->r->service_count * sizeof(*most));
	for (size_t c = 0; c < k->blamed[good].size; c++) {
		const struct map_cell *cell = &k->blamed[good].cells[c];
		uint64_t at = cell->key >> 32;
		uint32_t *edge;

		if (cell->value == MAP_NONE || cell->value < most[at])
			continue;
		edge = good ? &k->m->r->services[at].fallback.dependency : &k->m->r->services[at].fallback.failed_for;
		if (cell->value > most[at] || (uint32_t)cell->key < *edge)
			*edge = (uint32_t)cell->key;
		most[at] = cell->value;
	}
}

static void settle(struct kitchen *k)
{
	for (size_t i = 0; i < k->m->r->service_count; i++) {
		struct policy_fallback *f = &k->m->r->services[i].fallback;

		f->known = f->degraded > 0;
		f->dependency = f->failed_for = MODEL_NONE;
		f->distinct = f->degraded && k->off_size[i] * 2 >= f->degraded;
	}
	for (int good = 0; good < 2; good++)
		find_most(k, good, k->seen_for);	/* which is not needed any more */
}

static int furnish(struct kitchen *k)
{
	struct result *r = k->m->r;

	k->seen_for = malloc((r->edge_count + r->service_count + 1) * sizeof(*k->seen_for));
	k->off_size = calloc(r->service_count + 1, sizeof(*k->off_size));
	k->calm = calloc(r->service_count + 1, sizeof(*k->calm));
	if (!k->seen_for || !k->off_size || !k->calm)
		return -ENOMEM;
	for (size_t e = 0; e < r->edge_count; e++)
		k->seen_for[e] = MODEL_NONE;
	for (size_t i = 0; i < r->service_count; i++)
		if (map_put(&k->service_at, texts_find(&r->model.names, r->services[i].name), (uint32_t)i))
			return -ENOMEM;
	return 0;
}

int measure_fallbacks(struct measure *m)
{
	struct kitchen k = {.m = m};
	int err = furnish(&k);

	if (!err) {
		count_calm(&k);
		err = learn(&k);
	}
	if (!err) {
		keep_needs(&k);
		count_rare(&k);
	}
	for (uint32_t i = 0; i < m->r->model.exchange_count && !err; i++)
		err = judge(&k, i);
	if (!err)
		settle(&k);
	map_free(&k.service_at);
	map_free(&k.habit_at);
	map_free(&k.need_at);
	map_free(&k.blamed[0]);
	map_free(&k.blamed[1]);
	free(k.habits);
	free(k.needs);
	free(k.seen_for);
	free(k.off_size);
	free(k.calm);
	return err;
}
