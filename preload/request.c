/* SPDX-License-Identifier: MIT */
#include "preload/request.h"

#include "record/protocol.h"
#include "preload/exchange.h"
#include "preload/outgoing.h"
#include "preload/traffic.h"
#include "preload/verdict.h"

bool request_begins(const struct conn *c)
{
	const struct exchange *x = c->count ? conn_nth(c, c->count - 1) : NULL;

	if (!x)
		return true;
	if (!x->head_passed)
		return false;
	if (c->opaque)
		return x->last_ns && !protocol_is_veiled(c->protocol);
	return x->request_done;
}

struct beginning {	/* of a request that goes out: as much of its head as lies in one piece */
	char *raw, *copy;	/* raw may be in the program's buffer; copy: of the pool, or NULL */
	size_t len;
	struct http1 p;
	enum http1_event e;
};

/* Looks at what goes out from at on; copied: in all its pieces. */
static void beginning_look(struct beginning *b, struct conn *c, const struct io *io, size_t at, size_t n, bool copied)
{
	struct iovec first;

	if (!copied && io_slice(io, at, n, &first, 1) == 1) {
		b->raw = first.iov_base;
		b->len = first.iov_len;
	} else {
		b->copy = b->raw = pool_take();
		b->len = b->copy ? outgoing_gather(c, io, at, n, b->copy, CONN_BUFFER_BYTES) : 0;
	}
	b->p = c->requests;
	if (!c->opaque && b->len)
		http1_feed(&b->p, b->raw, b->len, &b->e);
}

/* Decides the request that begins so, unless the one before it has had it looked at (conn.next), and begins its exchange. */
static void begin_decided(struct conn *c, const struct beginning *b, uint64_t t0)
{
	const struct http1_head *head = b->e == HTTP1_HEAD ? &b->p.head : NULL;
	struct verdict v;

	c->patience_ns = 0;
	if (c->next_judged)
		v = c->next;
	else
		verdict_exchange(c, head, b->raw, b->len, t0, &v);
	c->next_judged = false;
	if (!head && b->e != HTTP1_MORE)
		traffic_turn_opaque(c, b->raw, b->len);
	exchange_begin(c, head, &v, t0);
}

/* The request that begins here was found to pass untouched when it was to leave with the one before it. */
static bool is_judged(const struct conn *c)
{
	return c->judged_bytes && !c->opaque;
}

bool request_begin(struct conn *c, const struct io *io, size_t at, size_t n, uint64_t t0)
{
	struct beginning b = {.e = HTTP1_OPAQUE};
	bool held;

	c->asked_fd = io->fd;
	if (is_judged(c)) {
		exchange_begin(c, NULL, NULL, t0);
		return true;
	}
	beginning_look(&b, c, io, at, n, c->held_len != 0);
	if (b.e == HTTP1_MORE && !b.copy && b.len < n)	/* the head goes on in the next vector */
		beginning_look(&b, c, io, at, n, true);
	held = b.e == HTTP1_MORE && !c->next_judged && verdict_awaits_head(c, b.raw, b.len) && outgoing_hold_back(c, io, at, n);
	if (!held)
		begin_decided(c, &b, t0);
	pool_give(b.copy);
	return !held;
}
