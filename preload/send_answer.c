/* SPDX-License-Identifier: MIT */
#include "preload/send_answer.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/outwait.h"
#include "preload/real.h"
#include "preload/send.h"
#include "preload/strike.h"
#include "preload/traffic.h"

/* How many of the next n bytes of the call belong to x's answer and come before the place where a fault cuts it. */
static size_t answer_extent(struct conn *c, const struct exchange *x, const struct io *io, size_t at, size_t n)
{
	struct http1 p;
	enum http1_event e = HTTP1_MORE;
	struct iovec v;
	size_t seen = 0, room = n;

	traffic_expect_answer(c, x);
	p = c->answers;
	while (!c->opaque && seen < room && io_slice(io, at + seen, n - seen, &v, 1)) {
		size_t used = 0;

		do {
			used += http1_feed(&p, (char *)v.iov_base + used, v.iov_len - used, &e);
		} while (e == HTTP1_HEAD || e == HTTP1_INTERIM);
		seen += used;
		if (e == HTTP1_OPAQUE)
			traffic_turn_opaque(c, NULL, 0);	/* from here on its bytes are counted as they are */
		else if (e != HTTP1_MORE)
			room = seen;
	}
	return exchange_cut_room(c, x) < room ? (size_t)exchange_cut_room(c, x) : room;
}

/* Sends some of the call's k bytes from at on; enters and leaves locked. As send; *all: whether it was all that was asked of the kernel. */
static ssize_t send_slice(struct conn *c, struct io *io, size_t at, size_t k, uint64_t t0, bool *all)
{
	struct iovec v[IO_PIECES];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)io_slice(io, at, k, v, IO_PIECES)};
	size_t asked = 0;
	ssize_t r;
	int error;

	for (size_t i = 0; i < m.msg_iovlen; i++)
		asked += v[i].iov_len;
	conn_unlock(c);
	r = real.sendmsg(io->fd, &m, io->flags);
	error = errno;
	*all = r >= 0 && (size_t)r == asked;
	if (!conn_lock(c))
		return r;
	error = books_send_over(c, io->fd, r, error);
	if (r > 0) {
		outgate_took(c, (size_t)r, at + (size_t)r == io_total(io));
		books_sent(c, io, at, (size_t)r, t0, clock_now_ns());
	}
	errno = error;
	return r;
}

/* A reset waits for what is to leave before it (cut.c): a blocking send takes the time that a slow reader takes. */
static void await_reader(struct conn *c, const struct io *io)
{
	bool wait = c->cut == CUT_RST && blocking_allowed(io->fd, io->flags);
	uint64_t limit = wait ? blocking_limit(io->fd, SO_SNDTIMEO, clock_now_ns()) : FOREVER;

	while (wait && c->cut == CUT_RST) {
		wait = blocking_hold(c, io->fd, c->cut_ns, limit) == 0;
		gate_tick(c, io->fd, clock_now_ns());
	}
}

/* The answers in the parts that their rates let out, up to where they are cut; the rest is taken and goes nowhere. Enters and
 * leaves locked. */
static ssize_t send_parts(struct conn *c, struct io *io, uint64_t t0)
{
	size_t n = io_total(io), done = 0;
	bool all = true;
	ssize_t r = 0;

	while (done < n && all && !c->sink && !c->dead) {
		size_t k = n - done;
		int error = outwait_pace(c, io->fd, io->flags, &k);
		struct exchange *x = conn_head(c);

		if (error) {
			r = fail(error);
			break;
		}
		k = x ? answer_extent(c, x, io, done, k) : k;
		if (!k)
			exchange_cut(c, x, t0);
		r = k ? send_slice(c, io, done, k, t0, &all) : 0;
		done += r > 0 ? (size_t)r : 0;
		if (all)
			cut_when_due(c, io->fd, clock_now_ns());
	}
	await_reader(c, io);
	gate_tick(c, io->fd, clock_now_ns());
	if (c->sink || (c->dead && r >= 0))
		return (ssize_t)n;
	return done ? (ssize_t)done : r;
}

static bool takes_parts(const struct verdict *v)
{
	return v->cut_bytes != NO_CUT || v->bytes_per_s;
}

ssize_t send_answer(struct conn *c, struct io *io, uint64_t t0)
{
	struct exchange *x = conn_head(c);
	ssize_t r;

	if (c->sink)
		return (ssize_t)io_total(io);
	gate_answer_begins(c, io->fd);
	if (strike_is_due(x, PAGE_CALL_SEND))
		return strike(c, x, io->fd, t0);
	if (x && x->mute) {
		books_sent(c, io, 0, io_total(io), t0, t0);
		return (ssize_t)io_total(io);
	}
	for (unsigned i = 0; i < c->count; i++)
		if (takes_parts(&conn_nth(c, i)->verdict))
			return send_parts(c, io, t0);
	r = send_plain(c, io, t0);
	gate_tick(c, io->fd, clock_now_ns());
	return r;
}
