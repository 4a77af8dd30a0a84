/* SPDX-License-Identifier: MIT */
#include "preload/send.h"

#include <errno.h>
#include <poll.h>
#include "base/clock.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/hear.h"
#include "preload/raw.h"
#include "preload/send_answer.h"
#include "preload/send_request.h"

ssize_t send_plain(struct conn *c, struct io *io, uint64_t t0)
{
	ssize_t r;
	int error;

	io_set_sending(io, true);
	conn_unlock(c);
	r = io_call(io);
	error = errno;
	if (conn_lock(c)) {
		error = books_send_over(c, io->fd, r, error);
		if (r > 0)
			books_sent(c, io, 0, (size_t)r, t0, clock_now_ns());
	}
	io_set_sending(io, false);
	errno = error;
	return r;
}

/* The program was shown the end of the stream, as when its peer closed: what it sends then is taken, and a RST comes back (RFC 9293
 * §3.10.7.1); after that it is told. Enters and leaves locked. */
static ssize_t send_to_closed(struct conn *c, struct io *io, uint64_t t0)
{
	if (c->peer.family != ADDR_UNIX && !c->dead) {
		books_sent(c, io, 0, io_total(io), t0, t0);
		cut_reset(c, io->fd, EPIPE);
		epoll_refresh(c, t0);
		return (ssize_t)io_total(io);
	}
	raw_sockopt_int(io->fd, SOL_SOCKET, SO_ERROR);	/* EPIPE takes the place of ECONNRESET (Linux, tcp_reset() in CLOSE_WAIT) */
	return send_plain(c, io, t0);
}

/* The peer has ended the connection, and the program knows: a RST comes back at once, however late an answer would be. */
static bool is_refused(const struct conn *c)
{
	return c->role == JOURNAL_CLIENT && c->eof_in && !c->count && !c->held_len && !c->outbox_len;
}

ssize_t send_gated(struct conn *c, struct io *io)
{
	uint64_t t0 = clock_now_ns();
	ssize_t r;
	int error;

	if (io->flags & IO_BESIDE)
		return io_call(io);
	if (!blocking_enter(c, io->fd, io->flags, SO_SNDTIMEO, &error))
		return io_call(io);
	hear(c, io->fd, t0);
	if (error)
		r = fail(error);
	else if (c->shut_out)
		r = send_plain(c, io, t0);
	else if (c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT && io_total(io))
		r = send_to_closed(c, io, t0);
	else if (!c->gated || c->dead || c->connecting || !io_total(io) || is_refused(c))
		r = send_plain(c, io, t0);
	else
		r = c->role == JOURNAL_CLIENT ? send_request(c, io, t0) : send_answer(c, io, t0);
	conn_unlock(c);
	return r;
}
