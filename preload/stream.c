/* SPDX-License-Identifier: MIT */
#include "preload/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "preload/answer.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/hear.h"
#include "preload/late.h"
#include "preload/outgate.h"
#include "preload/piece.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/recv.h"
#include "preload/send.h"
#include "preload/silence.h"
#include "preload/table.h"
#include "preload/waker.h"

bool stream_free(struct io *io)
{
	struct conn *c = io->conn = table_get(io->fd);
	bool in = io_is_in(io);

	if (!c || !conn_is_free(c) || (io->flags & (in ? IO_BESIDE | MSG_TRUNC : IO_BESIDE)) || !io_is_sound(io))
		return false;
	if (in)
		return true;
	io_set_sending(io, true);
	io->began_ns = clock_now_ns();
	return true;
}

static void sent(struct conn *c, struct io *io, ssize_t r, int error)
{
	books_send_over(c, io->fd, r, error);
	if (r > 0)
		books_sent(c, io, 0, (size_t)r, io->began_ns, clock_now_ns());
}

/* A receive whose connection may have become subject to a fault meanwhile. Enters and leaves locked. */
static ssize_t received(struct conn *c, struct io *io, ssize_t r, int error)
{
	if (r <= 0 || c->role != JOURNAL_SERVER || !conn_is_behind(c) || c->gated || (io->flags & MSG_PEEK))
		return books_received(c, io, io_total(io), r, error);
	return late_received(c, io, r);
}

void stream_over(struct io *io)
{
	struct conn *c = io->conn;

	if (io->sending)
		io_set_sending(io, false);
	io->conn = NULL;
	conn_put(c);
}

ssize_t stream_freed(struct io *io, ssize_t r)
{
	struct conn *c = io->conn;
	int error = errno;

	if ((r >= 0 || !is_transient(error)) && conn_lock(c)) {
		if (io_is_in(io)) {
			r = received(c, io, r, error);
			error = errno;
		} else {
			sent(c, io, r, error);
		}
		conn_unlock(c);
	}
	stream_over(io);
	errno = error;
	return r;
}

ssize_t stream_gated(struct io *io)
{
	if (!io_is_sound(io))
		return -2;
	return io_is_in(io) ? recv_gated(io->conn, io) : send_gated(io->conn, io);
}

void stream_cancelled(void *arg)
{
	struct io *io = arg;

	locks_unwind(io->locks);
	stream_over(io);
}

ssize_t stream_late(struct conn *c, struct io *io, ssize_t r)
{
	int error;	/* a server's connection is made: none */

	if (c->role != JOURNAL_SERVER || (io->flags & (MSG_PEEK | IO_BESIDE)) || !blocking_enter(c, io->fd, io->flags, SO_RCVTIMEO, &error))
		return r;
	r = late_received(c, io, r);
	conn_unlock(c);
	return r;
}

bool stream_readable(struct conn *c, int fd, int *n)
{
	uint64_t now = clock_now_ns();
	struct iovec iov[2];
	size_t limit = 0;
	int there = 0;

	if (!c->gated || !conn_lock(c))
		return false;
	gate_tick(c, fd, now);
	if (c->kept_len) {
		limit = c->kept_len;
		there = (int)limit;
	} else if (gate_answer_ready(c, now) && answer_make(c, conn_head(c))) {
		limit = answer_iov(c, conn_head(c), iov) - conn_head(c)->answer_at;
		there = (int)limit;
	} else if (!gate_hidden(c, now) && !conn_is_read_out(c)) {
		/* Counted before the gate is asked: what comes in between is not judged yet. */
		there = (int)raw_unread(fd);
		if (there && gate_readable(c, fd, clock_now_ns()))
			limit = c->dead ? 0 : gate_limit(c, fd);
	}
	*n = limit < (size_t)there ? (int)limit : there;
	conn_unlock(c);
	return true;
}

void stream_ask_error(int fd)
{
	struct conn *c = TABLE_GET(fd);

	if (c && c->gated && conn_lock(c)) {
		hear(c, fd, clock_now_ns());
		conn_unlock(c);
	}
	conn_put(c);
}

/* The end of an answer that was swallowed goes nowhere either. *out: whether the program's own direction is shut now. */
static int shut(struct conn *c, int fd, int how, bool *out)
{
	uint32_t id = 0;
	int r;

	if (how != SHUT_RD && silence_fault(c, &id))
		return how == SHUT_RDWR ? real.shutdown(fd, SHUT_RD) : 0;
	r = real.shutdown(fd, how);
	*out = r == 0 && how != SHUT_RD;
	return r;
}

/* Whether an answer has come that the program does not know of. */
static bool holds_answer(struct conn *c, int fd, uint64_t now)
{
	const struct exchange *x = c->role == JOURNAL_CLIENT && c->gated && !c->dead ? conn_head(c) : NULL;

	return x && (gate_hidden(c, now) || (x->gate == GATE_ARMED && raw_unread(fd)));
}

/* The program reads no more, and what is in flight ends. */
static void shut_in(struct conn *c, int fd, int how)
{
	uint64_t now = clock_now_ns();

	c->deaf |= holds_answer(c, fd, now);
	if (how == SHUT_RDWR || c->role == JOURNAL_CLIENT)	/* a server may read no more and still answer */
		exchange_end_by_close(c, JOURNAL_CLOSED, now);
	c->shut_in = true;
	epoll_refresh(c, now);
	waker_wake_all(c);
}

/* What was held goes out, under the lock. */
static void send_held(struct conn *c, int fd)
{
	if (c->owner_pid != guest_pid())
		return;	/* (held by the parent of a fork: the parent sends it) */
	outgate_flush(c, clock_now_ns());
	if (c->held_len)
		piece_flush(c, fd);
}

/* Whether some of a request had not left before. */
static bool flush_to_shut(struct conn *c, int fd, int how)
{
	bool unasked;

	if (!conn_lock(c))
		return false;
	unasked = c->outbox_len != 0;
	if (how != SHUT_RD)
		send_held(c, fd);
	conn_unlock(c);
	return unasked;
}

int stream_shutdown(struct conn *c, int fd, int how)
{
	bool out = false, unasked = flush_to_shut(c, fd, how);
	int r, error;

	r = shut(c, fd, how, &out);
	error = errno;
	if (r == 0 && conn_lock(c)) {
		c->shut_out |= out;
		c->deaf |= unasked && how != SHUT_WR;
		if (how != SHUT_WR)
			shut_in(c, fd, how);
		conn_unlock(c);
	}
	errno = error;
	return r;
}

void stream_pass(struct conn *c, int fd)
{
	uint64_t now = clock_now_ns();

	if (!conn_lock(c))
		return;
	c->passed = true;
	outgate_flush(c, now);
	if (c->held_len)
		piece_release(c, fd, now);
	conn_unlock(c);
}

/* An answer that is ours to give ends with the process that gives it: who was passed the connection, and waits, sees it fail. */
static void strand(struct conn *c, int fd)
{
	bool ours = false;

	for (uint32_t i = 0; i < c->count; i++)
		ours |= conn_nth(c, i)->swallowed;
	if (!ours || c->dead)
		return;
	cut_reset(c, fd, ECONNRESET);
	exchange_end_all(c, ECONNRESET, clock_now_ns());
}

void stream_flush(struct conn *c, int fd)
{
	if (!conn_lock(c))
		return;
	send_held(c, fd);
	if (c->passed && c->owner_pid == guest_pid())
		strand(c, fd);
	conn_unlock(c);
}

static void flush(struct conn *c)
{
	int fd;

	if (!conn_lock(c))
		return;
	fd = c->held_len ? c->held_fd : c->outbox_fd;
	if ((c->held_len || c->outbox_len) && conn_is_at(c, fd))
		send_held(c, fd);
	conn_unlock(c);
}

void stream_flush_all(void)
{
	conn_each(flush);
}
