/* SPDX-License-Identifier: MIT */
#include "preload/books.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/failure.h"
#include "preload/hold.h"
#include "preload/raw.h"
#include "preload/traffic.h"

#define SENDER_NOTE_NS (10 * NS_PER_MS)	/* how long a reader lets a sender on the same connection do its books */

/* The kernel's error, or the one a fault put in its place. */
static int shown_error(struct conn *c, int error)
{
	int swap = c->swap_error;

	if (!swap || error == EPIPE || is_transient(error))
		return error;
	c->swap_error = 0;
	return swap;
}

/* ---- out ---- */

void books_sent(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0, uint64_t now)
{
	if (c->role == JOURNAL_CLIENT)
		traffic_request_iov(c, io_pieces(io), (int)io->count, at, n, t0, now);
	else
		traffic_answer_iov(c, io_pieces(io), (int)io->count, at, n, t0, now);
}

void books_sent_unseen(struct conn *c, size_t n, uint64_t t0)
{
	if (c->role == JOURNAL_CLIENT)
		traffic_request_bytes(c, NULL, n, t0, clock_now_ns());
	else
		traffic_answer_bytes(c, NULL, n, t0, clock_now_ns());
}

/* A call of the program failed for good. When that is how it learns of its connect (ab does), the connect failed. */
static void broken(struct conn *c, int fd, int error)
{
	if (c->connecting && !c->dialling)
		conn_connected(c, fd, error, clock_now_ns());
	else
		traffic_socket_error(c, error, clock_now_ns());
}

int books_send_over(struct conn *c, int fd, ssize_t r, int error)
{
	bool refused = error == EPIPE && c->shut_out;	/* says nothing of what is still to be read */

	if (r < 0 && !is_transient(error) && error != ENOTCONN && !refused)
		broken(c, fd, error = shown_error(c, error));
	if (r > 0 && c->connecting)
		conn_connected(c, fd, 0, clock_now_ns());
	return error;
}

/* ---- in ---- */

/* The bytes are there from the call's return on: what it waited for them is no part of an exchange. */
static void note_received(struct conn *c, struct io *io, size_t n, uint64_t now)
{
	bool seen = !(io->flags & MSG_TRUNC);	/* on TCP that throws the bytes away (tcp(7)) */

	if (c->role == JOURNAL_CLIENT && seen)
		traffic_answer_iov(c, io_pieces(io), (int)io->count, io->done, n, now, now);
	else if (c->role == JOURNAL_CLIENT)
		traffic_answer_bytes(c, NULL, n, now, now);
	else if (seen)
		traffic_request_iov(c, io_pieces(io), (int)io->count, io->done, n, now, now);
	else
		traffic_request_bytes(c, NULL, n, now, now);
}

void books_took(struct conn *c, struct io *io, size_t n, bool dry, uint64_t now)
{
	struct exchange *x = conn_head(c);
	uint64_t serial = x ? x->serial : 0;

	note_received(c, io, n, now);
	x = conn_head(c);
	if (x && x->serial == serial && c->role == JOURNAL_CLIENT)
		hold_took(x, io->fd, n, dry, now);
	cut_when_due(c, io->fd, now);
}

/* An answer with no request in the books, while another thread is between its send and its note of it: lets that thread go first. A
 * send that blocks (a large body, answered early) is not waited for longer than a moment. */
static void let_sender_note(struct conn *c)
{
	uint64_t end = 0;

	while (c->role == JOURNAL_CLIENT && !c->count && atomic_load(&c->sending)) {
		uint64_t now = clock_now_ns();

		end = end ? end : now + SENDER_NOTE_NS;
		if (now > end)
			return;
		conn_unlock(c);
		raw_yield();
		conn_lock(c);
	}
}

ssize_t books_received(struct conn *c, struct io *io, size_t asked, ssize_t r, int error)
{
	uint64_t now;

	if (r >= 0)
		let_sender_note(c);
	now = clock_now_ns();
	if (r > 0 && conn_is_read_out(c))
		r = 0;	/* another thread read up to the end meanwhile: these bytes lie behind it */
	if (r > 0 && !(io->flags & MSG_PEEK))
		books_took(c, io, (size_t)r, (size_t)r < asked, now);
	if (r >= 0 && c->connecting)
		conn_connected(c, io->fd, 0, now);
	if (r == 0 && io_total(io) && c->dead && c->swap_error) {	/* the kernel has no error for it (cut_reset()) */
		r = -1;
		error = EPROTO;	/* any error that shown_error() replaces */
	}
	if (r == 0 && io_total(io))
		traffic_peer_eof(c, now);
	if (r < 0) {
		error = shown_error(c, error);
		if (!is_transient(error) && error != ENOTCONN)
			broken(c, io->fd, error);
	}
	epoll_refresh(c, now);
	errno = error;
	return r;
}
