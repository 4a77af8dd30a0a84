/* SPDX-License-Identifier: MIT */
/*
 * One effect for each idempotency key. A job is all that was asked of a service under one key, method and path, of one edge or of all.
 *
 *   duplicates  attempts of a job that reached the service, beyond the first
 *   conflicts   answers of 409 or 422
 *   mismatched  good answers (2xx) that differ from the job's first one in status or size. When all do by the same size, that is the
 *               mark of a replay, not another answer
 *   violations  jobs with two effects: calls that change something (POST, PATCH; PUT and DELETE mean the same when done twice), were well answered,
 *               ask for the same of the same server and were made for different requests of the job; calls that carry the same key of their own
 *               are one. Or with two good answers of equal status and another size
 *   lost        jobs that were well answered without an effect, where at least 90 % of 5 or more have one
 *
 * Which request of a service made a call is a guess where it works on many at once (nest.h): with no more effects in all than jobs done, two of one job
 * prove nothing. Effects are seen of recorded services only, and not those in a database.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"
#include "base/hash.h"

#define USUAL_SHARE 0.9
#define USUAL_MIN 5
#define REPLAYS_MIN 2

struct keyed {		/* an attempt with a key */
	uint64_t target, key;
	uint32_t edge, exchange;
};

struct effect {		/* a call that changed something, made for a request with a key */
	uint64_t job, what;	/* what: server, method and path */
	uint64_t scope;		/* what, of all jobs that ask for the same */
	uint64_t op;		/* the key that it carries, else its logical request: calls of one are one */
	uint32_t inbound;
};

struct job {		/* as its service saw it */
	uint64_t kind;		/* of the same service, method and path */
	uint64_t witness;
	bool succeeded, effect, twice;
};

struct ledger {
	struct measure *m;
	struct keyed *keyed;	/* by edge, method and path, key; owned */
	struct effect *effects;	/* owned */
	struct job *jobs;	/* owned */
	size_t keyed_count, keyed_room, effect_count, effect_room, job_count, job_room;
	struct map job_at;	/* service, method, path and key -> job */
	struct map done_at;	/* service, method and path -> jobs done */
	struct map ops_at;	/* scope -> effects */
};

static const struct model_exchange *exchange(const struct ledger *l, uint32_t i)
{
	return &l->m->r->model.exchanges[i];
}

static bool is_success(const struct model_exchange *x)
{
	return x->outcome == MODEL_OK && x->status >= 200 && x->status < 300;
}

/* ---- what services did ---- */

static struct job *job_of(struct ledger *l, uint64_t id, uint64_t kind)
{
	uint32_t at = map_get(&l->job_at, id);

	if (at != MAP_NONE)
		return &l->jobs[at];
	if (SPILL_GROW(l->jobs, l->job_count, l->job_room) || map_put(&l->job_at, id, (uint32_t)l->job_count))
		return NULL;
	l->jobs[l->job_count] = (struct job){.kind = kind};
	return &l->jobs[l->job_count++];
}

static uint64_t kind_of(uint32_t service, uint64_t target)
{
	return hash_pair(service, target);
}

static int count_up(struct map *m, uint64_t key)
{
	uint32_t n = map_get(m, key);

	return map_put(m, key, n == MAP_NONE ? 1 : n + 1);
}

static bool changes_something(const struct ledger *l, const struct model_exchange *x)
{
	const char *method = measure_text(l->m, x->method);

	return x->outcome == MODEL_OK && x->status < 400 && (!strcmp(method, "POST") || !strcmp(method, "PATCH"));
}

static int note_effect(struct ledger *l, uint64_t job, uint64_t kind, uint32_t inbound, uint32_t call)
{
	const struct model_exchange *x = exchange(l, call);
	uint64_t what = hash_pair(x->edge, x->target);

	if (!changes_something(l, x))
		return 0;
	if (SPILL_GROW(l->effects, l->effect_count, l->effect_room))
		return -ENOMEM;
	l->effects[l->effect_count++] = (struct effect){
		.job = job, .what = what, .scope = hash_pair(kind, what), .inbound = inbound,
		.op = x->idempotency_key ? hash_mix(x->idempotency_key) : x->logical};
	return 0;
}

static int note_inbound(struct ledger *l, uint32_t i)
{
	const struct model_exchange *y = exchange(l, i);
	struct chains_span calls = chains_of(&l->m->chains.by_parent, i);
	uint64_t kind = kind_of(l->m->r->model.processes[y->process].service, y->target), id = hash_pair(kind, y->idempotency_key);
	struct job *j = job_of(l, id, kind);

	if (!j || (is_success(y) && !j->succeeded && count_up(&l->done_at, kind)))
		return -ENOMEM;
	j->succeeded |= is_success(y);
	for (size_t k = 0; k < calls.n; k++)
		if (note_effect(l, id, kind, i, calls.members[k]))
			return -ENOMEM;
	return 0;
}

static int note_attempt(struct ledger *l, uint32_t i)
{
	const struct model_exchange *x = exchange(l, i);

	if (SPILL_GROW(l->keyed, l->keyed_count, l->keyed_room))
		return -ENOMEM;
	l->keyed[l->keyed_count++] = (struct keyed){x->target, x->idempotency_key, x->edge, i};
	return 0;
}

static int collect(struct ledger *l)
{
	const struct model *run = &l->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (!x->idempotency_key || !measure_counts(l->m, x->started_ns))
			continue;
		if (x->edge != MODEL_NONE && note_attempt(l, i))
			return -ENOMEM;
		if (x->role == MODEL_SERVER && x->process != MODEL_NONE && note_inbound(l, i))
			return -ENOMEM;
	}
	return 0;
}

#define ORDER(a, b, field) \
	do { \
		if ((a)->field != (b)->field) \
			return (a)->field < (b)->field ? -1 : 1; \
	} while (0)

static int by_job(const void *a, const void *b)
{
	const struct effect *x = a, *y = b;

	ORDER(x, y, job);
	ORDER(x, y, what);
	ORDER(x, y, op);
	ORDER(x, y, inbound);
	return 0;
}

/* Distinct effects among n that a job had on one thing; *requests: for at least two of its requests. */
static size_t count_ops(const struct effect *e, size_t n, bool *several)
{
	size_t ops = 0;

	*several = false;
	for (size_t i = 0; i < n; i++) {
		ops += !i || e[i].op != e[i - 1].op;
		*several |= e[i].inbound != e[0].inbound;
	}
	return ops;
}

static void note_twice(struct ledger *l, const struct effect *e, size_t n, size_t ops)
{
	struct job *j = &l->jobs[map_get(&l->job_at, e->job)];
	uint32_t done = map_get(&l->done_at, j->kind), all = map_get(&l->ops_at, e->scope), latest = e->inbound;

	if (ops < 2 || all <= (done == MAP_NONE ? 0 : done))
		return;
	for (size_t i = 0; i < n; i++)
		latest = e[i].inbound > latest ? e[i].inbound : latest;
	j->twice = true;
	j->witness = (uint64_t)exchange(l, latest)->id;
}

/* A job with an effect is done, whether its client learned of it or not. */
static int note_done(struct ledger *l, struct job *j)
{
	bool first = !j->effect && !j->succeeded;

	j->effect = true;
	return first ? count_up(&l->done_at, j->kind) : 0;
}

/* Walks over groups of effects of one job on one thing. Pass 0 counts them, pass 1 judges. */
static int walk_effects(struct ledger *l, int pass)
{
	for (size_t from = 0, to; from < l->effect_count; from = to) {
		const struct effect *e = &l->effects[from];
		bool several;
		size_t ops;

		for (to = from + 1; to < l->effect_count && l->effects[to].job == e->job && l->effects[to].what == e->what;)
			to++;
		ops = count_ops(e, to - from, &several);
		if (note_done(l, &l->jobs[map_get(&l->job_at, e->job)]))
			return -ENOMEM;
		for (size_t k = 0; !pass && k < ops; k++)
			if (count_up(&l->ops_at, e->scope))
				return -ENOMEM;
		if (pass && several)
			note_twice(l, e, to - from, ops);
	}
	return 0;
}

/* ---- what clients saw ---- */

struct bill {		/* of one edge, while its jobs are gone through */
	struct policy_idempotency *p;
	uint64_t done, with_effect;
	uint64_t resized;	/* jobs with good answers of equal status and another size */
	uint64_t resized_witness;
	uint64_t replays, marked;	/* good answers after a job's first; those that differ from it by the same size */
	int64_t mark;
};

static int by_edge(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	ORDER(x, y, edge);
	ORDER(x, y, target);
	ORDER(x, y, key);
	ORDER(x, y, exchange);
	return 0;
}

static bool was_delivered(const struct model_exchange *x)
{
	return x->role == MODEL_SERVER || (x->sent && !x->synthetic);
}

/* Compares a good answer with the first of its job. Whether its size alone is another. */
static bool compare(struct bill *b, const struct model_exchange *first, const struct model_exchange *x)
{
	int64_t more = (int64_t)x->bytes_in - (int64_t)first->bytes_in;
	bool sized = x->bytes_in && first->bytes_in && more;

	if (!b->replays++)
		b->mark = more;
	b->marked += sized && more == b->mark && x->status == first->status;
	b->p->mismatched += sized || x->status != first->status;
	return sized && x->status == first->status;
}

static void go_through(struct ledger *l, struct bill *b, const struct keyed *k, size_t n)
{
	const struct model_exchange *first = NULL;
	uint64_t delivered = 0, other = 0;
	uint32_t at = map_get(&l->job_at, hash_pair(kind_of(l->m->graph.edges[k->edge].server, k->target), k->key));
	const struct job *j = at == MAP_NONE ? NULL : &l->jobs[at];

	for (size_t i = 0; i < n; i++) {
		const struct model_exchange *x = exchange(l, k[i].exchange);

		delivered += was_delivered(x);
		b->p->conflicts += x->status == 409 || x->status == 422;
		if (!is_success(x))
			continue;
		if (first && compare(b, first, x))
			other = (uint64_t)x->id;
		first = first ? first : x;
	}
	b->p->keys++;
	b->p->duplicates += delivered > 1 ? delivered - 1 : 0;
	b->done += first && j;
	b->with_effect += first && j && j->effect;
	if (j && j->twice) {
		b->p->violations++;
		b->p->witness = b->p->witness ? b->p->witness : j->witness;
	} else if (other) {
		b->resized++;
		b->resized_witness = b->resized_witness ? b->resized_witness : other;
	}
}

static void settle(struct bill *b)
{
	struct policy_idempotency *p = b->p;

	p->known = p->keys > 0;
	if (b->marked == b->replays && b->replays >= REPLAYS_MIN) {
		p->mismatched = 0;
	} else {
		p->violations += b->resized;
		p->witness = p->witness ? p->witness : b->resized_witness;
	}
	if (b->done >= USUAL_MIN && (double)b->with_effect >= USUAL_SHARE * (double)b->done)
		p->lost = b->done - b->with_effect;
}

static void go_through_edges(struct ledger *l)
{
	struct bill b = {0};

	for (size_t from = 0, to; from < l->keyed_count; from = to) {
		const struct keyed *k = &l->keyed[from];

		if (b.p != &l->m->r->edges[k->edge].idempotency)
			b = (struct bill){.p = &l->m->r->edges[k->edge].idempotency};
		for (to = from + 1; to < l->keyed_count && l->keyed[to].edge == k->edge && l->keyed[to].target == k->target &&
				    l->keyed[to].key == k->key;)
			to++;
		go_through(l, &b, k, to - from);
		if (to == l->keyed_count || l->keyed[to].edge != k->edge)
			settle(&b);
	}
}

int measure_idempotency(struct measure *m)
{
	struct ledger l = {.m = m};
	int err = collect(&l);

	if (l.keyed)
		qsort(l.keyed, l.keyed_count, sizeof(*l.keyed), by_edge);
	if (l.effects)
		qsort(l.effects, l.effect_count, sizeof(*l.effects), by_job);
	for (int pass = 0; pass < 2 && !err; pass++)
		err = walk_effects(&l, pass);
	if (!err)
		go_through_edges(&l);
	spill_free(l.keyed);
	spill_free(l.effects);
	spill_free(l.jobs);
	map_free(&l.job_at);
	map_free(&l.done_at);
	map_free(&l.ops_at);
	return err;
}
