/* SPDX-License-Identifier: MIT */
#include "preload/inkernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/blocking.h"
#include "preload/books.h"
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/inwait.h"
#include "preload/outgate.h"
#include "preload/outwait.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/waker.h"

/* Whether what the program sends now goes nowhere. */
static bool swallowing(struct conn *c)
{
	struct exchange *x = c->role == JOURNAL_CLIENT ? conn_tail(c) : conn_head(c);

	return c->sink || (x && (c->role == JOURNAL_CLIENT ? x->swallowed && !x->request_done : x->mute));
}

/* How many of n bytes that nobody looks at may go out at once: a server's, up to where its answer is cut. */
static size_t unseen_extent(struct conn *c, size_t n)
{
	struct exchange *x = c->role == JOURNAL_SERVER ? conn_head(c) : NULL;
	uint64_t room;

	if (!x || x->verdict.cut_bytes == NO_CUT)
		return n;
	room = exchange_cut_room(c, x) == NO_CUT ? http1_room(&c->answers) : exchange_cut_room(c, x);
	return room && room < n ? (size_t)room : n;
}

/* Waits until n bytes that nobody looks at may go out, and cuts *n to what the rate of an answer lets out. 0 or an errno. Enters and leaves
 * locked. */
static int await_way(struct conn *c, int fd, int flags, size_t *n, uint64_t now)
{
	int error;

	outgate_tick(c, fd, now);
	error = outwait_room(c, fd, flags, true);	/* the head of this request waits in the outbox */
	error = error ? error : outwait_head(c, fd, flags);
	return error ? error : outwait_pace(c, fd, flags, n);
}

/* moved (perhaps 0) of n bytes went out; nowhere: behind the end of what counts. What is due now happens. */
static void unseen_moved(struct conn *c, int fd, size_t moved, size_t n, bool nowhere, uint64_t t0)
{
	if (moved)
		outgate_took(c, moved, moved < n);
	if (moved && !nowhere)
		books_sent_unseen(c, moved, t0);
	cut_when_due(c, fd, clock_now_ns());
	gate_tick(c, fd, clock_now_ns());
	waker_wake_all(c);
}

/* ---- sendfile ---- */

/* What sendfile would have moved, without moving it. */
static ssize_t pretend_sendfile(int in, off64_t *offset, size_t n)
{
	struct stat st;
	off64_t at = offset ? *offset : lseek64(in, 0, SEEK_CUR);

	if (RAW(SYS_fstat, in, &st, 0, 0, 0, 0) != 0 || at < 0)
		return fail(EINVAL);
	if (at >= st.st_size)
		return 0;
	n = n < (size_t)(st.st_size - at) ? n : (size_t)(st.st_size - at);
	if (offset)
		*offset += (off64_t)n;
	else
		lseek64(in, (off64_t)n, SEEK_CUR);
	return (ssize_t)n;
}

/* Enters and leaves unlocked. */
static ssize_t sendfile_free(struct conn *c, int out, int in, off64_t *offset, size_t n)
{
	uint64_t t0 = clock_now_ns();
	ssize_t r = real.sendfile64(out, in, offset, n);
	int error = errno;

	if (!conn_lock(c))
		return r;
	error = books_send_over(c, out, r, error);
	if (r > 0)
		books_sent_unseen(c, (size_t)r, t0);
	conn_unlock(c);
	errno = error;
	return r;
}

/* As inkernel_sendfile(), on a connection that a fault may concern; enters locked, leaves unlocked. */
static ssize_t sendfile_gated(struct conn *c, int out, int in, off64_t *offset, size_t n, uint64_t t0)
{
	bool nowhere = c->sink, pretend = false;
	ssize_t r;
	int error;

	if (c->gated) {
		gate_answer_begins(c, out);
		nowhere = c->sink;
		pretend = swallowing(c);
		n = unseen_extent(c, n);
	}
	error = await_way(c, out, 0, &n, t0);
	conn_unlock(c);
	if (error)
		return fail(error);
	r = pretend ? pretend_sendfile(in, offset, n) : real.sendfile64(out, in, offset, n);
	error = errno;
	if (!conn_lock(c))
		return r;
	error = books_send_over(c, out, r, error);
	unseen_moved(c, out, r > 0 ? (size_t)r : 0, n, nowhere, t0);
	conn_unlock(c);
	errno = error;
	return r;
}

ssize_t inkernel_sendfile(struct conn *c, int out, int in, off64_t *offset, size_t n)
{
	uint64_t t0;
	int error;

	if (c->role == JOURNAL_SERVER && conn_is_free(c))
		return sendfile_free(c, out, in, offset, n);
	t0 = clock_now_ns();
	if (!blocking_enter(c, out, 0, SO_SNDTIMEO, &error))
		return real.sendfile64(out, in, offset, n);
	if (!error)
		return sendfile_gated(c, out, in, offset, n, t0);
	conn_unlock(c);
	return fail(error);
}

/* ---- splice ---- */

/* What splice would have moved out of a pipe, gone. */
static ssize_t splice_away(int in, size_t n, unsigned int flags)
{
	char *buf = pool_take();
	ssize_t r = buf ? -EAGAIN : -ENOMEM;

	if (buf && !((flags & SPLICE_F_NONBLOCK) && !raw_ready(in, POLLIN)))
		r = raw_read(in, buf, n < CONN_BUFFER_BYTES ? n : CONN_BUFFER_BYTES);
	pool_give(buf);
	return r < 0 ? fail((int)-r) : r;
}

/* Bytes that are to be spliced, looked at before they go where nobody sees them: framing needs them. Cuts *n to those in *copy, a pool
 * buffer or NULL. */
static void splice_look(struct conn *c, int fd, size_t *n, char **copy)
{
	const struct http1 *p = c->role == JOURNAL_CLIENT ? &c->answers : &c->requests;
	long r;

	if (c->opaque || http1_room(p) || !(*copy = pool_take()))
		return;
	r = raw_recv(fd, *copy, *n < CONN_BUFFER_BYTES ? *n : CONN_BUFFER_BYTES, MSG_PEEK | MSG_DONTWAIT);
	if (r > 0)
		*n = (size_t)r;
}

/* Waits until input may be spliced from the connection, and cuts *n to what may. 1, 0 at the end of the stream, -1 with errno. */
static ssize_t splice_admit(struct conn *c, int fd, unsigned int flags, size_t *n, char **copy)
{
	struct blocking b = {.fd = fd, .may = !(flags & SPLICE_F_NONBLOCK)};
	int error = INWAIT_AGAIN;
	size_t limit;

	while (error == INWAIT_AGAIN && c->cut != CUT_ENDED && !c->deaf && !c->dead && !c->connecting)
		error = inwait_turn(c, fd, &b);
	if (conn_is_read_out(c))
		return 0;
	if (error > 0)
		return fail(error);
	limit = gate_limit(c, fd);
	*n = limit < *n ? limit : *n;
	splice_look(c, fd, n, copy);
	return 1;
}

struct splicing {		/* one splice(2) under way */
	struct conn *in_conn, *out_conn;	/* NULL: no connection */
	int in, out;
	size_t n;		/* how much may move */
	unsigned int flags;
	uint64_t t0;
	char *copy;		/* what is to move, looked at; a pool buffer, or NULL */
	bool gone, nowhere;	/* the output is swallowed; it counts no more */
};

/* Whether input may be spliced, when it has come. 1, 0 at the end of the stream, -1 with errno. */
static ssize_t splice_comes(struct splicing *s)
{
	ssize_t r;

	if (!s->in_conn || !s->in_conn->gated || !conn_lock(s->in_conn))
		return 1;
	r = splice_admit(s->in_conn, s->in, s->flags, &s->n, &s->copy);
	conn_unlock(s->in_conn);
	return r;
}

/* Whether output may be spliced: the connection is made, and nothing waits in front; cut to what its rate lets out. 0 or an errno. */
static int splice_leaves(struct splicing *s)
{
	struct conn *c = s->out_conn;
	int error = EAGAIN;

	if (!c || !c->gated || !conn_lock(c))
		return 0;
	gate_answer_begins(c, s->out);
	s->nowhere = c->sink;
	s->gone = swallowing(c);
	s->n = unseen_extent(c, s->n);
	if (!c->dialling || attempt_look(c, s->out, s->t0))
		error = await_way(c, s->out, s->flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0, &s->n, s->t0);
	conn_unlock(c);
	return error;
}

/* moved (> 0) bytes are over there: the books of both ends. */
static void splice_over(struct splicing *s, size_t moved)
{
	if (s->in_conn && conn_lock(s->in_conn)) {
		struct io seen = {.fd = s->in, .flags = s->copy ? 0 : MSG_TRUNC, .one = {s->copy, s->n}, .count = 1};

		books_took(s->in_conn, &seen, moved, moved < s->n, clock_now_ns());
		epoll_refresh(s->in_conn, clock_now_ns());
		epoll_rearm(s->in_conn);
		conn_unlock(s->in_conn);
	}
	if (s->out_conn && conn_lock(s->out_conn)) {
		unseen_moved(s->out_conn, s->out, moved, s->n, s->nowhere, s->t0);
		conn_unlock(s->out_conn);
	}
}

ssize_t inkernel_splice(struct conn *in_conn, struct conn *out_conn, int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
			unsigned int flags)
{
	struct splicing s = {.in_conn = in_conn, .out_conn = out_conn, .in = in, .out = out, .n = n, .flags = flags, .t0 = clock_now_ns()};
	ssize_t r = splice_comes(&s);
	int error;

	if (r <= 0)
		return r;
	error = splice_leaves(&s);
	if (error) {
		pool_give(s.copy);
		return fail(error);
	}
	r = s.gone ? splice_away(in, s.n, flags) : real.splice(in, in_at, out, out_at, s.n, flags);
	error = errno;
	if (r > 0)
		splice_over(&s, (size_t)r);
	pool_give(s.copy);
	errno = error;
	return r;
}
