/* SPDX-License-Identifier: MIT */
#include "preload/recv.h"

#include <errno.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "preload/answer.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/cancel.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/hear.h"
#include "preload/inwait.h"
#include "preload/strike.h"
#include "preload/traffic.h"

/* The call as it is, or cut to limit bytes. Enters and leaves locked. */
static ssize_t recv_plain(struct conn *c, struct io *io, size_t limit)
{
	size_t asked = io_total(io) < limit ? io_total(io) : limit;
	ssize_t r;
	int error;

	conn_unlock(c);
	r = io->done || limit < io_total(io) ? io_call_cut(io, asked) : io_call(io);
	error = errno;
	if (!conn_lock(c))
		return r;
	return books_received(c, io, asked, r, error);
}

/* n bytes of an answer of ours are the program's. */
static void answer_taken(struct conn *c, struct exchange *x, int fd, const struct iovec from[2], size_t n, uint64_t now)
{
	size_t at = x->answer_at;
	bool last = at + n == from[0].iov_len + from[1].iov_len, closes = answer_closes(x);

	if (!at && (x->verdict.actions & PAGE_DELAY))
		exchange_achieved(c, x, PAGE_DELAY, now);
	if (!at)
		exchange_achieved(c, x, PAGE_STATUS, now);
	x->answer_at += (uint32_t)n;
	traffic_answer_iov(c, from, 2, at, n, now, now);
	if (last && closes) {
		c->cut = CUT_FIN;	/* the program reads the end of the stream next, and what it sends goes nowhere */
		cut_when_due(c, fd, now);
	}
	epoll_refresh(c, now);
}

/* Copies the answer of ours that is due into the call's buffers. */
static ssize_t recv_answer(struct conn *c, struct exchange *x, struct io *io, uint64_t now)
{
	struct iovec from[2];
	size_t n;

	if (!answer_make(c, x)) {	/* nothing is left to answer with: the connection breaks, as with a server that restarts */
		cut_reset(c, io->fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now);
		epoll_refresh(c, now);
		return fail(ECONNRESET);
	}
	answer_iov(c, x, from);
	n = io_fill(io, from, x->answer_at);
	io_report_nothing(io);
	if (!(io->flags & MSG_PEEK))
		answer_taken(c, x, io->fd, from, n, now);
	return (ssize_t)n;
}

/* The program may read: as much as it may. Enters and leaves locked. */
static ssize_t recv_visible(struct conn *c, struct io *io)
{
	struct exchange *x = c->role == JOURNAL_SERVER ? conn_tail(c) : NULL;
	size_t limit;
	ssize_t r;

	if (strike_is_due(x, PAGE_CALL_RECV) && !x->head_passed)
		return strike(c, x, io->fd, clock_now_ns());
	limit = gate_limit(c, io->fd);
	r = recv_plain(c, io, limit);
	if (r > 0 && (size_t)r == limit && (c->role == JOURNAL_CLIENT || c->opaque || c->more_behind))
		epoll_rearm(c);	/* who takes a short read for an empty socket waits for the next edge */
	return r;
}

static int take_late_error(struct conn *c)
{
	int error = c->late_error;

	c->late_error = 0;
	traffic_socket_error(c, error, clock_now_ns());
	return error;
}

/* One turn of the receive loop: false when done (*r is the result), true to look again. Enters and leaves locked. */
static bool recv_step(struct conn *c, struct io *io, struct blocking *b, ssize_t *r)
{
	uint64_t now = clock_now_ns();
	int error;

	if (c->kept_len) {
		*r = hear_recv(c, io);
	} else if (conn_is_read_out(c)) {
		io_report_nothing(io);
		*r = 0;
	} else if (c->dead && c->late_error) {
		*r = fail(take_late_error(c));
	} else if (c->dead || c->connecting) {
		*r = recv_plain(c, io, SIZE_MAX);
	} else if (gate_answer_ready(c, now)) {
		*r = recv_answer(c, conn_head(c), io, now);
	} else {
		error = inwait_turn(c, io->fd, b);
		if (error == INWAIT_AGAIN)
			return true;
		*r = error ? fail(error) : c->late_error ? fail(take_late_error(c)) : recv_visible(c, io);
	}
	return false;
}

ssize_t recv_parts(struct conn *c, struct io *io)
{
	struct blocking b = {.fd = io->fd, .may = !(io->flags & MSG_DONTWAIT)};
	bool all = (io->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && blocking_may(&b);
	ssize_t r = 0;

	io->flags &= all ? ~MSG_WAITALL : ~0;
	do {
		while (recv_step(c, io, &b, &r))
			;
		io->done += r > 0 ? (size_t)r : 0;
	} while (all && r > 0 && io_total(io) && !inwait_rest(c, io->fd, &b));
	if (r < 0 && io->done && !is_transient(errno))
		c->late_error = errno;	/* the next call's */
	return io->done ? (ssize_t)io->done : r;
}

/* Urgent data travels with the answer that is held. */
static ssize_t recv_beside(struct conn *c, struct io *io)
{
	bool hidden = false;

	if (conn_lock(c)) {
		hidden = (io->flags & MSG_OOB) && gate_hidden(c, clock_now_ns());
		conn_unlock(c);
	}
	return hidden ? fail(EINVAL) : io_call(io);	/* none has come yet (tcp_recv_urg() of the kernel) */
}

static void cancelled_give(void *buffer)
{
	pool_give(buffer);
}

/* The errno of a part behind others is the next call's, if it is for good. */
static void keep_error(struct conn *c, int error)
{
	if (is_transient(error) || !conn_lock(c))
		return;
	c->late_error = error;
	conn_unlock(c);
}

/* The bytes are to be followed, which takes a place where they are: in parts as large as that, when all are to be waited for. */
static ssize_t discard_parts(struct conn *c, const struct io *io, char *gone)
{
	size_t n = io_total(io), done = 0, part;
	bool all = (io->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL;
	ssize_t r;

	do {
		part = n - done < CONN_BUFFER_BYTES ? n - done : CONN_BUFFER_BYTES;
		r = recv_gated(c, &(struct io){.op = IO_RECV, .fd = io->fd, .flags = io->flags & ~MSG_TRUNC, .count = 1, .one = {gone, part}});
		done += r > 0 ? (size_t)r : 0;
	} while (all && r > 0 && (size_t)r == part && done < n);
	if (r < 0 && done)
		keep_error(c, errno);
	return done ? (ssize_t)done : r;
}

/* MSG_TRUNC: TCP discards the bytes instead of delivering them (tcp(7)). */
static ssize_t recv_discard(struct conn *c, struct io *io)
{
	char *gone = pool_take();
	ssize_t r;

	if (!gone)
		return io_call(io);
	CANCEL_BEGIN(cancelled_give, gone);
	r = discard_parts(c, io, gone);
	CANCEL_END;
	if (r >= 0)
		io_report_nothing(io);
	pool_give(gone);
	return r;
}

ssize_t recv_gated(struct conn *c, struct io *io)
{
	ssize_t r;
	int error;

	if (io->flags & IO_BESIDE)
		return recv_beside(c, io);
	if ((io->flags & MSG_TRUNC) && c->peer.family != ADDR_UNIX)
		return recv_discard(c, io);
	if (!blocking_enter(c, io->fd, io->flags, SO_RCVTIMEO, &error))
		return io_call(io);
	if (error)
		r = fail(error);
	else if (!c->gated || (!io_total(io) && io->op >= IO_READ))	/* read of nothing returns at once, recv of nothing waits */
		r = recv_plain(c, io, SIZE_MAX);
	else
		r = recv_parts(c, io);
	conn_unlock(c);
	return r;
}
