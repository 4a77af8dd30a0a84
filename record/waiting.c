/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that are over and wait: for the other witness's view of them, where it can have one. Bounded: of too many the oldest
 * are stored as they stand, and what the other witness then says of them is dropped, so that none is stored twice.
 * And exchanges that are under way, or wait, for more than two flushes: they are in the file as they stand, whatever comes.
 */
#include "record/ledger.h"

void exchange_stop_waiting(struct recorder *r, struct exchange *e)
{
	if (!e->waiting)
		return;
	TAILQ_REMOVE(&r->waiting, e, wait);
	r->waiting_count--;
	e->waiting = false;
}

/*
 * Whether the other witness has nothing to say of what goes on there. Of every act that the kernel saw the library has told by the next
 * flush, so a connection that it did not mention is none of its (no fault could match it, or it is not in that process).
 */
static bool seen_by_one(const struct exchange *e)
{
	const struct connection *c = e->connection;

	if (e->witness == EBPF)
		return !c || !(c->sources & RECORDER_SHIM);
	return c && (c->peer.family == ADDR_UNIX || c->peer.family == ADDR_NAME);
}

static bool ripe(const struct recorder *r, const struct exchange *e)
{
	uint64_t age = r->now_ns > e->heard_ns ? r->now_ns - e->heard_ns : 0;

	if (e->twin && e->twin->ended)
		return true;
	if (e->twin && e->witness == EBPF)
		return false;	/* the library still holds the answer back from the program: its end is the end */
	if (!e->twin && seen_by_one(e))
		return r->pass >= e->ended_pass + LEDGER_PASSES;
	return age >= LEDGER_TWIN_NS;
}

/* The one after e in the waiting list that survives storing e: its twin goes with it. */
static struct exchange *next_waiting(struct exchange *e)
{
	struct exchange *next = TAILQ_NEXT(e, wait);

	return next && next == e->twin ? TAILQ_NEXT(next, wait) : next;
}

static void store_ripe(struct recorder *r)
{
	struct exchange *e, *next;

	r->round++;
	TAILQ_FOREACH (e, &r->waiting, wait) {
		if (!e->twin && e->connection)
			join_connection(r, e->connection);
	}
	for (e = TAILQ_FIRST(&r->waiting); e; e = next) {
		next = next_waiting(e);
		if (ripe(r, e))
			exchange_store(r, e);
	}
}

/* ---- too many ---- */

/* Stored as it stands, its twin or not; one that comes later is owed to this row. */
static void give_up(struct recorder *r, struct exchange *e)
{
	struct connection *c = e->connection;
	int other = !e->witness;

	r->overflow += e->twin != NULL;
	if (c && !e->twin) {
		c->owed[other]++;
		c->owed_until_ns[other] = e->x.started_ns;
	}
	exchange_store(r, e);
}

bool exchange_was_given_up(struct recorder *r, struct exchange *e)
{
	struct connection *c = e->connection;

	if (!c->owed[e->witness] || e->answered_by_us)
		return false;
	if (e->x.started_ns > c->owed_until_ns[e->witness] + LEDGER_SLACK_NS) {
		c->owed[e->witness] = 0;	/* what is owed still, the other witness never saw */
		return false;
	}
	c->owed[e->witness]--;
	r->overflow++;
	return true;
}

/* A quarter at a time, so that the many that wait are not looked through for each that comes. */
static void make_room(struct recorder *r)
{
	store_ripe(r);
	if (r->waiting_count < LEDGER_WAITING_MAX)
		return;
	while (r->waiting_count > LEDGER_WAITING_MAX / 4 * 3)
		give_up(r, TAILQ_FIRST(&r->waiting));
}

void exchange_wait(struct recorder *r, struct exchange *e)
{
	if (e->waiting)
		return;
	e->heard_ns = r->now_ns;
	e->ended_pass = r->pass;
	e->waiting = true;
	TAILQ_INSERT_TAIL(&r->waiting, e, wait);
	if (++r->waiting_count >= LEDGER_WAITING_MAX)
		make_room(r);
}

/* ---- each flush ---- */

/* What only an injection was told of, and nothing more. */
static void free_placeholders(struct recorder *r)
{
	struct exchange *e, *next;

	for (e = TAILQ_FIRST(&r->all_exchanges); e; e = next) {
		next = TAILQ_NEXT(e, all);
		if (r->now_ns - e->heard_ns < LEDGER_LINGER_NS)
			return;
		if (!e->begun && !e->ended)
			exchange_free(r, e);
	}
}

static void store_all(struct recorder *r)
{
	struct exchange *e;

	while ((e = TAILQ_FIRST(&r->all_exchanges)))
		exchange_store_open(r, e);
}

void exchanges_settle(struct recorder *r, bool final)
{
	store_ripe(r);
	if (final)
		store_all(r);
	else
		free_placeholders(r);
}

void exchanges_show(struct recorder *r)
{
	for (struct exchange *e; (e = r->unshown) && e->begun_pass + LEDGER_PASSES <= r->pass;) {
		r->unshown = TAILQ_NEXT(e, all);
		exchange_show(r, e);
	}
}
