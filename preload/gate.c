/* SPDX-License-Identifier: MIT */
#include "preload/gate.h"

#include "base/clock.h"
#include "record/protocol.h"
#include "preload/attempt.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/hold.h"
#include "preload/intake.h"
#include "preload/outgate.h"
#include "preload/piece.h"
#include "preload/raw.h"
#include "preload/traffic.h"
#include "preload/waker.h"

/* The exchange that governs input. */
static struct exchange *subject(struct conn *c)
{
	if (!c->gated)
		return NULL;
	return c->role == JOURNAL_CLIENT ? conn_head(c) : conn_tail(c);
}

/* Faults that ended let go of what they hold. */
static void lapse_all(struct conn *c, uint64_t now_ns)
{
	for (unsigned i = 0; i < c->count && !c->dead; i++) {
		struct exchange *x = conn_nth(c, i);

		if (x->verdict.actions)
			exchange_lapse(x, now_ns);
	}
}

bool gate_holds(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling == DIAL_HELD || c->dialling == DIAL_NOWHERE || c->outbox_len)
		return true;
	return x && !c->dead && (hold_is(x) || (x->gate == GATE_ANSWER && x->until_ns != FOREVER)) && now_ns < x->until_ns;
}

bool gate_readable(struct conn *c, int fd, uint64_t now_ns)
{
	struct exchange *x = subject(c);
	bool visible;

	if (c->dialling && !attempt_look(c, fd, now_ns)) {
		epoll_refresh(c, now_ns);
		return false;
	}
	if (!c->gated || c->dead || c->connecting)
		return true;
	lapse_all(c, now_ns);
	if (c->role == JOURNAL_SERVER && c->cut == CUT_ENDED) {
		if (raw_unread(fd))
			cut_reset(c, fd, ECONNRESET);	/* so does a peer that is told more after it closed */
		visible = true;
	} else if (c->role == JOURNAL_SERVER) {
		visible = intake_look(c, fd, now_ns);
	} else {
		if (x && x->gate == GATE_ARMED)
			hold_begin(c, x, fd, now_ns);
		if (x && hold_due(x, now_ns))
			hold_release(c, x, fd, now_ns);
		x = subject(c);
		if (x && x->gate == GATE_OPEN && hold_earned(x, now_ns))
			hold_pace(x, fd, now_ns);
		visible = !x || x->gate == GATE_OPEN;
	}
	epoll_refresh(c, now_ns);
	return visible;
}

/* Client with several requests in flight of which a later one is not plain: reads must end with this answer. */
static bool must_stop(const struct conn *c)
{
	for (unsigned i = 1; i < c->count; i++)
		if (conn_nth(c, i)->gate != GATE_OPEN)
			return true;
	return false;
}

static uint64_t client_limit(struct conn *c, const struct exchange *x, int fd)
{
	uint64_t limit = exchange_cut_room(c, x), end;
	enum http1_event e;

	if (hold_throttles(x) && x->grant < limit)
		limit = x->grant;
	if (c->opaque || !(must_stop(c) || (x->verdict.actions & PAGE_TRUNCATE)))
		return limit;
	traffic_expect_answer(c, x);
	end = intake_left(c, &c->answers, fd, &e);
	if (e == HTTP1_OPAQUE)
		traffic_turn_opaque(c, NULL, 0);	/* from here on its bytes are counted as they are */
	if (e == HTTP1_OPAQUE)
		end = exchange_cut_room(c, x);
	return end < limit ? end : limit;
}

size_t gate_limit(struct conn *c, int fd)
{
	struct exchange *x = conn_head(c);
	uint64_t limit = SIZE_MAX;

	if (c->dead)
		return SIZE_MAX;	/* looking would take the error that the program is to see */
	if (c->role == JOURNAL_SERVER && !c->opaque)
		limit = intake_limit(c, fd);
	else if (c->role == JOURNAL_SERVER && c->unread)
		limit = c->unread;
	else if (c->role == JOURNAL_CLIENT && x)
		limit = client_limit(c, x, fd);
	return limit > SIZE_MAX ? SIZE_MAX : limit ? (size_t)limit : 1;
}

bool gate_end_is_later(struct conn *c, int fd)
{
	const struct exchange *x = c->role == JOURNAL_CLIENT && c->gated && !c->dead && !c->connecting ? conn_head(c) : NULL;
	uint64_t bytes = x ? raw_unread(fd) : 0;

	return bytes && (gate_limit(c, fd) < bytes || exchange_cut_room(c, x) <= bytes);
}

bool gate_hidden(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling == DIAL_HELD)
		return true;
	if (c->dead)
		return false;
	if (now_ns < c->look_ns)
		return true;
	if (!x)
		return false;
	if (c->role == JOURNAL_SERVER && x->synthetic && c->count > 1)
		return true;
	return x->gate == GATE_ANSWER || (hold_is(x) && now_ns < x->until_ns);
}

bool gate_answer_ready(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	return x && !c->dead && x->gate == GATE_ANSWER && now_ns >= x->until_ns;
}

uint64_t gate_deadline(struct conn *c)
{
	struct exchange *x = subject(c);
	uint64_t until = x && !c->dead && (hold_is(x) || x->gate == GATE_ANSWER) ? x->until_ns : FOREVER;

	if (c->look_ns && c->look_ns < until)
		until = c->look_ns;
	if (attempt_deadline(c) < until)
		until = attempt_deadline(c);
	if (outgate_deadline(c) < until)
		until = outgate_deadline(c);
	if (c->cut == CUT_RST && c->cut_ns < until)
		until = c->cut_ns;
	return c->patience_ns && !c->dead && c->patience_ns < until ? c->patience_ns : until;
}

static void surrender(struct exchange *x)
{
	if (x->synthetic)
		return;
	x->gate = GATE_OPEN;
	x->verdict = (struct verdict){.cut_bytes = NO_CUT};
	x->mute = false;
}

void gate_surrender(struct conn *c, int fd)
{
	if (!conn_lock(c))
		return;
	intake_restore(c, fd);
	for (unsigned i = 0; i < c->count; i++)
		surrender(conn_nth(c, i));
	c->next_judged = c->hup_hidden = c->sink = false;
	c->look_ns = c->patience_ns = c->paced_ns = 0;
	c->cut = CUT_NOT;
	c->dialling = DIAL_PLAIN;
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	conn_follow_locked(c, fd);
	conn_unlock(c);
}

/* A protocol that is not framed: what comes while the program still answers, which nobody can tell, is its next turn when it asks for it. */
static bool is_between_turns(const struct conn *c, const struct exchange *x)
{
	return c->opaque && !intake_under_way(c, x);
}

void gate_answer_begins(struct conn *c, int fd)
{
	const struct exchange *x = conn_head(c);

	if (c->role == JOURNAL_SERVER && c->opaque && x && x->head_passed && !x->last_ns)
		c->unread = (uint32_t)raw_unread(fd);
}

void gate_tick(struct conn *c, int fd, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling)
		attempt_look(c, fd, now_ns);
	lapse_all(c, now_ns);
	outgate_tick(c, fd, now_ns);
	if (c->role == JOURNAL_CLIENT && c->patience_ns && now_ns >= c->patience_ns && !c->outbox_len)
		piece_release(c, fd, now_ns);
	if (c->cut == CUT_RST)
		cut_when_due(c, fd, now_ns);
	else if ((x || c->look_ns || c->patience_ns) && !c->dead && c->role == JOURNAL_SERVER && !is_between_turns(c, x))
		intake_look(c, fd, now_ns);
	else if (x && hold_due(x, now_ns))
		hold_release(c, x, fd, now_ns);
	else
		hold_look(c, fd, now_ns);
	epoll_refresh(c, now_ns);
}
