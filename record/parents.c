/* SPDX-License-Identifier: MIT */
/*
 * Which inbound exchange of a process an outbound one was made for, told as soon as it begins: the latest one with the same request
 * id, else the only one in work on its thread, else none (the analyzer, which sees the whole run, may know more). Each witness
 * has its own view of that. Threads say nothing in a process whose answers come from other threads than had read the requests
 * (goroutines, tasks that a pool's threads share): runfile_hands_over().
 *
 * A desk holds what came in on one thread, or with one id, lately: the newest few, and how many older ones are in work still. The
 * order of the two ends does not matter: a child takes its parent's row when it is stored itself, or when the parent leaves memory.
 *
 * Invariant: e->desks[k] is set while a place of that desk points to e, or e is among its `hidden`.
 */
#include <stdlib.h>
#include "base/hash.h"
#include "record/ledger.h"
#include "record/runfile.h"

#define PLACES 4
#define AFTERMATH_NS (5 * NS_PER_MS)	/* an answered request's id still names what follows from it */
#define KEEP_PASSES 10			/* flushes that a desk without anything in work is kept */

enum { THREAD, ID };

struct place {		/* an inbound exchange; started_ns 0: free */
	uint64_t started_ns, ended_ns;	/* 0: in work */
	int64_t id;
	struct exchange *exchange;	/* while in memory */
};

struct desk {
	uint64_t key, used_pass;
	unsigned users, hidden;	/* exchanges that point here; those of them that have no place any more and are in work */
	uint64_t forgotten_ns;	/* the latest end of one that has no place any more: what began before that may have been within it */
	TAILQ_ENTRY(desk) used;
	struct place places[PLACES];
};

/* ---- desks ---- */

static uint64_t key_of(const struct exchange *e, int kind)
{
	uint64_t what = kind == THREAD ? e->tid : e->x.correlation, key;

	if (!what)
		return 0;
	key = hash_mix(what ^ hash_mix((uint64_t)e->process->id << 2 | (uint64_t)kind << 1 | e->witness));
	return key ? key : 1;
}

static void desk_free(struct recorder *r, struct desk *d)
{
	index_remove(&r->desks, d->key);
	TAILQ_REMOVE(&r->all_desks, d, used);
	free(d);
}

static void desk_use(struct recorder *r, struct desk *d)
{
	if (d->used_pass == r->pass)
		return;
	d->used_pass = r->pass;
	TAILQ_REMOVE(&r->all_desks, d, used);
	TAILQ_INSERT_TAIL(&r->all_desks, d, used);
}

static struct desk *desk_new(struct recorder *r, uint64_t key)
{
	struct desk *d = TAILQ_FIRST(&r->all_desks);

	if (r->desks.count >= LEDGER_DESKS_MAX && !d->users)
		desk_free(r, d);
	if (r->desks.count >= LEDGER_DESKS_MAX)
		return NULL;
	d = ledger_new(r, sizeof(*d));
	if (!d || index_put(&r->desks, key, d)) {
		free(d);
		return NULL;
	}
	d->key = key;
	d->used_pass = r->pass;
	TAILQ_INSERT_TAIL(&r->all_desks, d, used);
	return d;
}

void parents_sweep(struct recorder *r)
{
	struct desk *d;

	while ((d = TAILQ_FIRST(&r->all_desks)) && d->used_pass + KEEP_PASSES < r->pass) {
		if (d->users)
			desk_use(r, d);
		else
			desk_free(r, d);
	}
}

void parents_free_all(struct recorder *r)
{
	struct desk *d;

	while ((d = TAILQ_FIRST(&r->all_desks)))
		desk_free(r, d);
	index_clear(&r->desks);
}

/* ---- what comes in ---- */

/* Whether a should go before b: the longest over, else the oldest. */
static bool goes_first(const struct place *a, const struct place *b)
{
	if (!a->ended_ns != !b->ended_ns)
		return a->ended_ns;
	return a->ended_ns ? a->ended_ns < b->ended_ns : a->started_ns < b->started_ns;
}

static void forget(struct desk *d, uint64_t ended_ns)
{
	d->forgotten_ns = ended_ns > d->forgotten_ns ? ended_ns : d->forgotten_ns;
}

static struct place *make_place(struct desk *d, int kind)
{
	struct place *p = &d->places[0];

	for (unsigned i = 0; i < PLACES; i++) {
		if (!d->places[i].started_ns)
			return &d->places[i];
		p = goes_first(&d->places[i], p) ? &d->places[i] : p;
	}
	if (!p->ended_ns) {
		d->hidden++;
		return p;
	}
	forget(d, p->ended_ns);
	if (p->exchange) {
		p->exchange->desks[kind] = NULL;
		d->users--;
	}
	return p;
}

static struct place *place_of(struct desk *d, const struct exchange *e)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (d->places[i].exchange == e)
			return &d->places[i];
	return NULL;
}

static void enter(struct recorder *r, struct exchange *e, int kind)
{
	uint64_t key = e->desks[kind] || e->known_on[kind] ? 0 : key_of(e, kind);
	struct desk *d = key ? index_get(&r->desks, key) : NULL;

	if (key && !d)
		d = desk_new(r, key);
	if (!d)
		return;
	desk_use(r, d);
	*make_place(d, kind) = (struct place){e->x.started_ns ? e->x.started_ns : 1, 0, e->id, e};
	d->users++;
	e->desks[kind] = d;
	e->known_on[kind] = true;
}

static void over(struct exchange *e, int kind)
{
	struct desk *d = e->desks[kind];
	struct place *p = d ? place_of(d, e) : NULL;

	if (p) {
		p->ended_ns = e->x.ended_ns > p->started_ns ? e->x.ended_ns : p->started_ns;
	} else if (d) {
		forget(d, e->x.ended_ns);
		d->hidden--;
		d->users--;
		e->desks[kind] = NULL;
	}
}

/* It leaves memory: its place is kept for what is told late. */
static void leave(struct exchange *e, int kind)
{
	struct desk *d = e->desks[kind];
	struct place *p;

	over(e, kind);
	if (!e->desks[kind])
		return;
	p = place_of(d, e);
	p->id = e->id;
	p->exchange = NULL;
	d->users--;
	e->desks[kind] = NULL;
}

/* ---- what goes out ---- */

static void unlink_parent(struct exchange *e)
{
	if (e->parent)
		LIST_REMOVE(e, of_parent);
	e->parent = NULL;
}

static void set_parent(struct exchange *e, struct exchange *parent, int64_t id, enum parent_tier tier)
{
	unlink_parent(e);
	e->parent = parent;
	e->parent_id = id;
	e->parent_tier = tier;
	if (parent)
		LIST_INSERT_HEAD(&parent->children, e, of_parent);
}

static bool in_work(const struct place *p, uint64_t at_ns, uint64_t aftermath_ns)
{
	return p->started_ns && p->started_ns <= at_ns && (!p->ended_ns || p->ended_ns + aftermath_ns >= at_ns);
}

static const struct place *latest_of_id(const struct desk *d, uint64_t at_ns)
{
	const struct place *latest = NULL;

	for (const struct place *p = d->places; p < d->places + PLACES; p++)
		if (in_work(p, at_ns, AFTERMATH_NS) && (!latest || p->started_ns > latest->started_ns))
			latest = p;
	return latest;
}

static const struct place *only_on_thread(const struct desk *d, uint64_t at_ns)
{
	const struct place *only = NULL;
	unsigned n = d->hidden + (d->forgotten_ns >= at_ns);

	for (const struct place *p = d->places; p < d->places + PLACES; p++) {
		if (in_work(p, at_ns, 0)) {
			only = p;
			n++;
		}
	}
	return n == 1 ? only : NULL;
}

static const struct desk *desk_for(const struct recorder *r, const struct exchange *e, int kind)
{
	uint64_t key = key_of(e, kind);

	return key ? index_get(&r->desks, key) : NULL;
}

/* Counts an answer of its process. */
static void note_answer(struct exchange *e)
{
	if (e->counted || !e->ended || !e->x.first_byte_ns || !e->x.answer_tid)
		return;
	e->counted = true;
	e->process->answered++;
	e->process->handed += exchange_was_handed(e);
}

static bool hands_over(const struct exchange *e)
{
	return e->process && runfile_hands_over(e->process->handed, e->process->answered);
}

/* Beside the kernel's witness the library tells only of what a fault could match: it can not know what else is in work on a thread. */
static bool sees_all(const struct recorder *r, const struct exchange *e)
{
	return e->witness == EBPF || !r->ebpf;
}

/* Its thread is asked with the first word of it, while all that is in work there is known. */
static void find_parent(struct recorder *r, struct exchange *e)
{
	const struct desk *id = desk_for(r, e, ID), *thread = e->known_on[THREAD] || !sees_all(r, e) || hands_over(e) ? NULL : desk_for(r, e, THREAD);
	const struct place *named = id ? latest_of_id(id, e->x.started_ns) : NULL;
	const struct place *around = thread && !named ? only_on_thread(thread, e->x.started_ns) : NULL;

	e->known_on[THREAD] = true;
	if (named)
		set_parent(e, named->exchange, named->id, PARENT_ID);
	else if (around)
		set_parent(e, around->exchange, around->id, PARENT_NESTING);
}

/* ---- the interface ---- */

void parents_hear(struct recorder *r, struct exchange *e)
{
	if (!e->process)
		return;
	if (e->x.role == JOURNAL_SERVER) {
		e->process->serves = true;
		note_answer(e);
		for (int kind = THREAD; kind <= ID; kind++) {
			enter(r, e, kind);
			if (e->ended)
				over(e, kind);
		}
	} else if (e->process->serves && e->parent_tier != PARENT_ID) {
		find_parent(r, e);
	}
}

void parents_merge(struct exchange *to, struct exchange *from)
{
	if (from->parent_tier && to->parent_tier != PARENT_ID)
		set_parent(to, from->parent, from->parent_id, from->parent_tier);
}

int64_t parents_row(struct recorder *r, const struct exchange *e)
{
	struct exchange *p = e->parent;

	if (e->parent_tier == PARENT_NESTING && hands_over(e))	/* as has turned out since */
		return 0;
	if (!p)
		return e->parent_id;
	if (!p->twin && p->connection)
		join_connection(r, p->connection);
	return p->twin && p->witness == EBPF ? p->twin->id : p->id;
}

const char *parents_tier(const struct exchange *e)
{
	static const char *const names[] = {[PARENT_NESTING] = "nesting", [PARENT_ID] = "id"};

	return e->parent_tier ? names[e->parent_tier] : NULL;
}

void parents_leave(struct exchange *e)
{
	struct exchange *child;

	for (int kind = THREAD; kind <= ID; kind++)
		leave(e, kind);
	while ((child = LIST_FIRST(&e->children))) {
		unlink_parent(child);
		child->parent_id = e->id;
	}
	unlink_parent(e);
}
