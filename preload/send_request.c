/* SPDX-License-Identifier: MIT */
#include "preload/send_request.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/epoll.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/outgoing.h"
#include "preload/outwait.h"
#include "preload/piece.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/request.h"
#include "preload/send.h"
#include "preload/strike.h"
#include "preload/waker.h"

/* The call as it is, on a descriptor that is c's no more. Enters and leaves locked. */
static ssize_t send_elsewhere(struct conn *c, struct io *io)
{
	ssize_t r;
	int error;

	conn_unlock(c);
	r = io_call(io);
	error = errno;
	conn_lock(c);
	errno = error;
	return r;
}

/* The request is ours to swallow: takes what is there of it. */
static size_t swallow(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0)
{
	size_t moved = outgoing_consume(c, io, at, outgoing_extent(c, io, at, n, false), t0, clock_now_ns());

	gate_tick(c, io->fd, clock_now_ns());
	waker_wake_all(c);
	return moved;
}

/* Puts the message's bytes [at, at + k - held) behind the held ones into the outbox, as many as fit; returns how many of the call's. */
static size_t into_outbox(struct conn *c, struct exchange *x, struct io *io, size_t at, size_t k, uint64_t t0)
{
	size_t taken = outgate_put(c, io->fd, c->held, k < c->held_len ? k : c->held_len), moved;
	struct iovec v;

	while (taken < k && !outgate_hidden(c) && io_slice(io, at + taken - c->held_len, k - taken, &v, 1))
		taken += outgate_put(c, io->fd, v.iov_base, v.iov_len);
	moved = outgoing_consume(c, io, at, taken, t0, clock_now_ns());
	if (x)
		outgate_account(x, taken);
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	return moved;
}

/* Sends [at, at + *k - held) behind the held bytes, or what fits of it (*k); enters and leaves locked. Result as of send; how many of the
 * call's bytes went in *moved. */
static ssize_t send_part(struct conn *c, struct io *io, size_t at, size_t *k, uint64_t t0, size_t *moved)
{
	struct iovec v[IO_PIECES + 1];
	struct msghdr m = {0};
	ssize_t r;
	int error;

	*moved = 0;
	if (!c->held_len && !at && *k == io_total(io)) {
		r = send_plain(c, io, t0);
		*moved = r > 0 ? (size_t)r : 0;
		return r;
	}
	*k = outgoing_part(c, io, at, *k, v, &m);
	conn_unlock(c);
	r = real.sendmsg(io->fd, &m, io->flags);
	error = errno;
	if (!conn_lock(c))
		return r;
	error = books_send_over(c, io->fd, r, error);
	if (r > 0)
		*moved = outgoing_consume(c, io, at, (size_t)r, t0, clock_now_ns());
	errno = error;
	return r;
}

/* Several messages, of which nothing is to be done to any, leave in one piece, as the program sent them: one by one they would meet
 * Nagle's algorithm. Only what the socket has room for, so that they are in the books, which the lock keeps, before an answer can
 * be read. one: length of the first; *left: what the kernel did not take; *moved: how many of the call's bytes it took. False: nothing of
 * the kind was done. */
static bool send_together(struct conn *c, struct io *io, size_t at, size_t n, size_t one, uint64_t t0, size_t *left, size_t *moved)
{
	size_t k;
	struct iovec v[IO_PIECES + 1];
	struct msghdr m = {0};
	long r;

	if (c->opaque || one == c->held_len + n || (io->msg && io->msg->msg_controllen))
		return false;
	k = outgoing_extent(c, io, at, n, true);
	if (k <= one)
		return false;
	k = outgoing_part(c, io, at, k, v, &m);
	r = raw_sendmsg(io->fd, &m, io->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r <= 0)
		return false;
	books_send_over(c, io->fd, r, 0);
	*moved = outgoing_consume(c, io, at, (size_t)r, t0, clock_now_ns());
	*left = k - (size_t)r;
	return true;
}

struct sending {		/* one send under way */
	struct conn *c;
	struct io *io;
	uint64_t t0;
	size_t n, done;		/* bytes of the call; those that have moved */
};

/* What the call returns that can not go on: what has moved, else -1 with this errno. */
static ssize_t sent_or(const struct sending *s, int error)
{
	return s->done ? (ssize_t)s->done : fail(error);
}

/* Whether the send may go on once the request that begins here, if one does, has begun. False: *r is the result. */
static bool admit_request(struct sending *s, ssize_t *r)
{
	struct conn *c = s->c;

	if (!request_begins(c))
		return true;
	if (!s->done && !conn_is_at(c, s->io->fd)) {	/* once an exchange, before a fault could touch it */
		*r = send_elsewhere(c, s->io);
		return false;
	}
	*r = (ssize_t)s->n;
	return request_begin(c, s->io, s->done, s->n - s->done, s->t0);
}

/* Sends x's k bytes, by themselves or with those of the requests behind it. True to go on; false: *r is the result. */
static bool send_message(struct sending *s, size_t k, ssize_t *r)
{
	size_t left, moved;

	if (send_together(s->c, s->io, s->done, s->n - s->done, k, s->t0, &left, &moved)) {
		s->done += moved;
		if (!left || blocking_allowed(s->io->fd, s->io->flags))
			return true;
		*r = sent_or(s, EAGAIN);
		return false;
	}
	*r = send_part(s->c, s->io, s->done, &k, s->t0, &moved);
	s->done += moved;
	if (*r >= 0 && (size_t)*r == k)
		return true;
	*r = sent_or(s, *r < 0 ? errno : EAGAIN);
	return false;
}

/* One turn: of one request what may move now. True to go on; false: *r is the result. */
static bool send_turn(struct sending *s, ssize_t *r)
{
	struct conn *c = s->c;
	struct io *io = s->io;
	struct exchange *x;
	size_t k;

	if (!admit_request(s, r))
		return false;
	x = conn_tail(c);
	if (strike_is_due(x, PAGE_CALL_SEND) && !x->head_passed) {
		*r = s->done ? (ssize_t)s->done : strike(c, x, io->fd, s->t0);
		return false;
	}
	if (x && x->swallowed && !x->request_done) {
		s->done += swallow(c, io, s->done, s->n - s->done, s->t0);
		return true;
	}
	k = outgoing_extent(c, io, s->done, s->n - s->done, false);
	if (outgate_holds(c, x, clock_now_ns())) {
		bool whole = io->msg && io->msg->msg_controllen;	/* goes with descriptors, which no buffer holds */
		int error = outwait_room(c, io->fd, io->flags, whole);

		if (error) {
			*r = sent_or(s, error);
			return false;
		}
		if (outgate_holds(c, x, clock_now_ns()) && !whole) {
			s->done += into_outbox(c, x, io, s->done, k, s->t0);
			return true;
		}
	}
	return send_message(s, k, r);
}

ssize_t send_request(struct conn *c, struct io *io, uint64_t t0)
{
	struct sending s = {.c = c, .io = io, .t0 = t0, .n = io_total(io)};
	ssize_t r;

	outgate_tick(c, io->fd, t0);
	piece_take(c, t0);
	while (s.done < s.n && !c->dead && !c->sink)
		if (!send_turn(&s, &r))
			return r;
	if (c->sink)
		return (ssize_t)s.n;
	return s.done ? (ssize_t)s.done : send_plain(c, io, t0);
}
