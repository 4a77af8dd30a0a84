/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include "base/hash.h"
#include "record/ledger.h"
#include "record/names.h"

static uint64_t key_of(const struct journal_record *rec)
{
	uint64_t key = hash_mix(rec->exchange ^ hash_mix((uint64_t)rec->inject.fault_id << 32 | rec->inject.action));

	return key ? key : 1;
}

static void dirty(struct recorder *r, struct injection *i)
{
	if (i->dirty)
		return;
	i->dirty = true;
	TAILQ_INSERT_TAIL(&r->dirty_injections, i, dirt);
}

static void unlink_exchange(struct injection *i)
{
	if (i->exchange)
		LIST_REMOVE(i, of_exchange);
	i->exchange = NULL;
}

static void forget(struct recorder *r, struct injection *i)
{
	unlink_exchange(i);
	index_remove(&r->injections, i->key);
	TAILQ_REMOVE(&r->all_injections, i, all);
	if (i->dirty)
		TAILQ_REMOVE(&r->dirty_injections, i, dirt);
	r->injection_count--;
	free(i);
}

static struct injection *injection_new(struct recorder *r, uint64_t key)
{
	struct injection *i;

	if (r->injection_count >= LEDGER_PENDING_MAX)
		injections_write(r);
	i = ledger_new(r, sizeof(*i));
	if (!i || index_put(&r->injections, key, i)) {
		free(i);
		return NULL;
	}
	i->key = key;
	i->id = ++r->injection_ids;
	i->achieved_ns = UINT64_MAX;
	TAILQ_INSERT_TAIL(&r->all_injections, i, all);
	r->injection_count++;
	return i;
}

/* The exchange need not have been told of yet; its row's id is only written once it was. */
static void attach(struct recorder *r, struct injection *i, int witness, uint64_t serial)
{
	i->exchange = exchange_of(r, witness, serial);
	if (!i->exchange)
		return;
	LIST_INSERT_HEAD(&i->exchange->injections, i, of_exchange);
	if (!i->exchange->begun && !i->exchange->ended)
		return;
	i->exchange_id = i->exchange->id;
	i->exchange->answered_by_us |= i->what.action == LEDGER_ACTION_STATUS && i->exchange->x.role == JOURNAL_CLIENT;
}

void injection_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct injection *i = index_get(&r->injections, key_of(rec));
	const struct process *p = process_of(r, rec->pid);
	bool known = i;

	if (!known)
		i = injection_new(r, key_of(rec));
	if (!i)
		return;
	if (!known || journal_kind(rec) == JOURNAL_INJECT) {
		i->what = rec->inject;
		i->at_ns = rec->at_ns;
		i->process_id = p ? p->id : 0;
	}
	if (journal_kind(rec) == JOURNAL_ACHIEVED)
		i->achieved_ns = rec->inject.achieved_ns;
	if (!known)
		attach(r, i, witness, rec->exchange);
	dirty(r, i);
}

void injections_of_exchange_known(struct recorder *r, struct exchange *e)
{
	struct injection *i;

	LIST_FOREACH (i, &e->injections, of_exchange) {
		if (i->exchange_id != e->id)
			dirty(r, i);
		i->exchange_id = e->id;
	}
}

void injections_release(struct recorder *r, struct exchange *e)
{
	struct injection *i;

	while ((i = LIST_FIRST(&e->injections))) {
		unlink_exchange(i);
		dirty(r, i);
	}
}

static void injection_write(struct recorder *r, const struct injection *i)
{
	struct row_injection row = {
		.id = i->id, .exchange_id = i->exchange_id, .process_id = i->process_id, .fault_id = i->what.fault_id,
		.at_ns = i->at_ns, .ordinal = i->what.ordinal, .intended_ns = i->what.intended_ns, .achieved_ns = i->achieved_ns,
		.action = names_action(i->what.action),
	};

	store_injection(r->store, &row);
}

void injections_write(struct recorder *r)
{
	struct injection *i;

	while ((i = TAILQ_FIRST(&r->dirty_injections))) {
		TAILQ_REMOVE(&r->dirty_injections, i, dirt);
		i->dirty = false;
		injection_write(r, i);
		if (i->achieved_ns != UINT64_MAX && !i->exchange)
			forget(r, i);
	}
	while (r->injection_count >= LEDGER_PENDING_MAX)
		forget(r, TAILQ_FIRST(&r->all_injections));
}

void injection_free_all(struct recorder *r)
{
	struct injection *i;

	while ((i = TAILQ_FIRST(&r->all_injections)))
		forget(r, i);
}
