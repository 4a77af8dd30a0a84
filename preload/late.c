/* SPDX-License-Identifier: MIT */
#include "preload/late.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/exchange.h"
#include "preload/gate.h"
#include "preload/outgoing.h"
#include "preload/recv.h"
#include "preload/traffic.h"
#include "preload/verdict.h"

/* Decides the request whose bytes are the r that were received, when it can be told from them: its whole head is there, and nothing
 * behind it. The exchange has begun then. */
static bool decide_late(struct conn *c, const struct io *io, size_t r, uint64_t now)
{
	struct http1 p = c->requests;
	enum http1_event e = HTTP1_OPAQUE;
	const char *raw = io_pieces(io)->iov_base;
	size_t len = io_pieces(io)->iov_len < r ? io_pieces(io)->iov_len : r, head;
	struct verdict v;

	head = c->opaque ? 0 : http1_feed(&p, raw, len, &e);
	if (e == HTTP1_HEAD && outgoing_extent(c, io, 0, r, false) < r)
		return false;
	if (e != HTTP1_HEAD && e != HTTP1_OPAQUE)
		return false;
	verdict_exchange(c, e == HTTP1_HEAD ? &p.head : NULL, raw, c->opaque ? len : head, now, &v);
	if (e == HTTP1_OPAQUE)
		traffic_turn_opaque(c, raw, len);
	exchange_begin(c, e == HTTP1_HEAD ? &p.head : NULL, &v, now);
	return true;
}

/* Waits for the end of what holds the request that the program is about to get. */
static void wait_late(struct conn *c, int fd)
{
	for (;;) {
		uint64_t now = clock_now_ns();

		gate_tick(c, fd, now);
		if (!gate_hidden(c, now) || blocking_hold(c, fd, gate_deadline(c), FOREVER))
			return;
	}
}

ssize_t late_received(struct conn *c, struct io *io, ssize_t r)
{
	bool begins = c->role == JOURNAL_SERVER && (c->opaque || http1_idle(&c->requests)) && blocking_allowed(io->fd, io->flags);
	struct exchange *x;

	conn_follow_locked(c, io->fd);
	if (!c->gated || !begins || !decide_late(c, io, (size_t)r, clock_now_ns()))
		return books_received(c, io, io_total(io), r, 0);
	r = books_received(c, io, io_total(io), r, 0);
	x = conn_tail(c);
	if (!x || !x->synthetic) {
		wait_late(c, io->fd);
		return r;
	}
	gate_tick(c, io->fd, clock_now_ns());	/* answers it when it is whole */
	return recv_parts(c, io);
}
