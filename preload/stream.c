/* SPDX-License-Identifier: MIT */
#include "preload/stream.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "record/protocol.h"
#include "preload/answer.h"
#include "preload/attempt.h"
#include "preload/cancel.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/silence.h"
#include "preload/waker.h"
#include "preload/table.h"

#define SENDER_NOTE_NS (10 * NS_PER_MS)	/* how long a reader lets a sender on the same connection do its books */
#define BESIDE (MSG_OOB | MSG_ERRQUEUE)	/* urgent data and notices of the kernel: no part of the stream, never waited for */
#define PIECES 32	/* vectors of a call that is sent or received in part; what is beyond waits for the program's next call */

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* ---- the program's call ---- */

static ssize_t call(struct io *io)
{
	switch (io->op) {
	case IO_SEND:
		return real.send(io->fd, io->one.iov_base, io->one.iov_len, io->flags);
	case IO_SENDTO:
		return real.sendto(io->fd, io->one.iov_base, io->one.iov_len, io->flags, io->sa, io->len ? *io->len : 0);
	case IO_SENDMSG:
		return real.sendmsg(io->fd, io->msg, io->flags);
	case IO_WRITE:
		return real.write(io->fd, io->one.iov_base, io->one.iov_len);
	case IO_WRITEV:
		return real.writev(io->fd, io->iov, (int)io->count);
	case IO_RECV:
		return real.recv(io->fd, io->one.iov_base, io->one.iov_len, io->flags);
	case IO_RECVFROM:
		return real.recvfrom(io->fd, io->one.iov_base, io->one.iov_len, io->flags, io->sa, io->len);
	case IO_RECVMSG:
		return real.recvmsg(io->fd, io->msg, io->flags);
	case IO_READ:
		return real.read(io->fd, io->one.iov_base, io->one.iov_len);
	case IO_READV:
		return real.readv(io->fd, io->iov, (int)io->count);
	}
	return fail(ENOSYS);
}

static const struct iovec *pieces(const struct io *io)
{
	return io->iov ? io->iov : &io->one;
}

/* Bytes of the call's buffers, less those filled already. */
static size_t total(const struct io *io)
{
	size_t n = 0;

	for (size_t i = 0; i < io->count; i++)
		n += pieces(io)[i].iov_len;
	return n - io->done;
}

/* The part [at, at + n) of the call's buffers, in at most room pieces; returns how many. */
static int slice(const struct io *io, size_t at, size_t n, struct iovec *to, int room)
{
	int k = 0;

	for (size_t i = 0; i < io->count && n && k < room; i++) {
		struct iovec v = pieces(io)[i];

		if (at >= v.iov_len) {
			at -= v.iov_len;
			continue;
		}
		v.iov_base = (char *)v.iov_base + at;
		v.iov_len = v.iov_len - at < n ? v.iov_len - at : n;
		n -= v.iov_len;
		at = 0;
		to[k++] = v;
	}
	return k;
}

static bool nonblocking(const struct io *io)
{
	return (io->flags & MSG_DONTWAIT) || (raw_fcntl(io->fd, F_GETFL, 0) & O_NONBLOCK);
}

static bool transient(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM || error == EFAULT || error == EINVAL;
}

/* Whether the program's call may go ahead before the connection is locked: no fault concerns it, and nothing about it is to be learned first. What
 * changes while the call lasts counts from the next call on, as it does when the lock is given back for the call. */
static inline bool is_free(const struct conn *c)
{
	return !atomic_load_explicit(&c->gated, memory_order_relaxed) && !atomic_load_explicit(&c->connecting, memory_order_relaxed) &&
	       !atomic_load_explicit(&c->dialling, memory_order_relaxed) &&
	       atomic_load_explicit(&c->owner_pid, memory_order_relaxed) == guest_pid();
}

/* The kernel's error, or the one a fault put in its place. */
static int shown_error(struct conn *c, int error)
{
	int swap = c->swap_error;

	if (!swap || error == EPIPE || transient(error))
		return error;
	c->swap_error = 0;
	return swap;
}

/* ---- waiting inside a blocking call ---- */

uint64_t stream_limit(int fd, int option, uint64_t now)
{
	struct timeval tv = {0, 0};
	socklen_t len = sizeof(tv);

	if (raw_getsockopt(fd, SOL_SOCKET, option, &tv, &len) != 0 || (!tv.tv_sec && !tv.tv_usec))
		return FOREVER;
	return now + (uint64_t)tv.tv_sec * NS_PER_S + (uint64_t)tv.tv_usec * 1000;
}

struct waiting {		/* whether the program's call may wait, and until when */
	int fd;
	bool known;		/* asked of the kernel already: it is when the call comes to that */
	bool may;		/* before: unless the descriptor is non-blocking */
	uint64_t limit;
};

static bool may_wait(struct waiting *w)
{
	if (w->known)
		return w->may;
	w->known = true;
	w->may = w->may && !(raw_fcntl(w->fd, F_GETFL, 0) & O_NONBLOCK);
	w->limit = w->may ? stream_limit(w->fd, SO_RCVTIMEO, clock_now_ns()) : FOREVER;
	return w->may;
}

/* Waits with the lock free until the deadline, the receive timeout (limit), a wake or a signal. 0 go on, else an errno. A blocking read of a
 * timerfd is restarted or interrupted by signal handlers as a blocking receive is (SA_RESTART); with a receive
 * timeout set a receive is never restarted (signal(7)), and ppoll is not either. */
int stream_hold(struct conn *c, uint64_t until, uint64_t limit)
{
	uint64_t now = clock_now_ns(), tick = gate_next_tick(now), first = until < limit ? until : limit, end = first < tick ? first : tick, expired;
	struct waker_wait w = {c, waker_timer(end), NULL};
	struct pollfd p = {.fd = w.fd, .events = POLLIN};
	int error = 0;

	waker_join(c, w.fd);
	conn_unlock(c);
	CANCEL_BEGIN(waker_cancelled, &w);
	if (w.fd < 0 || limit != FOREVER) {
		uint64_t left = end <= now ? 0 : end - now < NS_PER_S ? end - now : NS_PER_S;
		struct timespec t = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};	/* no descriptor to wake us: look again */

		if (real.ppoll(&p, w.fd >= 0, w.fd < 0 ? &t : NULL, NULL) < 0)
			error = errno;
	} else if (real.read(w.fd, &expired, sizeof(expired)) < 0) {
		error = errno;
	}
	CANCEL_END;
	conn_lock(c);
	waker_leave(c, w.fd);
	waker_close(w.fd);
	if (!error && limit <= until && clock_now_ns() >= limit)
		error = EAGAIN;
	return error;
}

/* Waits with the lock free until the kernel has something new to read on fd. 0, or the errno to return. Peeking waits as the
 * receive itself would: timeouts, signals, cancellation. An error that peeking takes away is kept for later. */
static int arrival_wait(struct conn *c, int fd)
{
	size_t want = c->lowat ? c->lowat : 1;
	struct waker_wait w = {c, -1, want > 1 ? pool_take() : NULL};
	char one;
	ssize_t r;
	int error;

	conn_unlock(c);
	CANCEL_BEGIN(waker_cancelled, &w);
	r = real.recv(fd, w.buffer ? w.buffer : &one, w.buffer ? want : 1, MSG_PEEK | (w.buffer ? MSG_WAITALL : 0));
	error = errno;
	CANCEL_END;
	conn_lock(c);
	pool_give(w.buffer);
	if (r >= 0)
		return 0;
	if (error == EAGAIN || error == EINTR)
		return error;
	c->late_error = error;
	return 0;
}

/* Nothing asked yet, but another thread may ask and be answered by us: waits for the kernel or for that. */
static int either_wait(struct conn *c, int fd, short events, uint64_t limit)
{
	struct waker_wait w = {c, waker_event(), NULL};
	struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = w.fd, .events = POLLIN}};
	bool told = waker_join(c, w.fd);
	uint64_t now = clock_now_ns(), tick = told ? FOREVER : gate_next_tick(now);	/* nobody tells us: look again */
	uint64_t end = limit < tick ? limit : tick, left = end > now ? end - now : 0;
	struct timespec t = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
	int r, error;

	conn_unlock(c);
	CANCEL_BEGIN(waker_cancelled, &w);
	r = real.ppoll(p, w.fd < 0 ? 1 : 2, end == FOREVER ? NULL : &t, NULL);
	error = r < 0 ? errno : !r && end == limit ? EAGAIN : 0;
	CANCEL_END;
	conn_lock(c);
	waker_leave(c, w.fd);
	waker_close(w.fd);
	return error;
}

/* The rest of a request head is awaited: waits for that, or until it is awaited no more. A signal interrupts it when a receive timeout
 * is set (signal(7)); else the wait begins anew, and ends soon. */
static int patience_wait(struct conn *c, int fd, uint64_t limit)
{
	int error = either_wait(c, fd, POLLIN, c->patience_ns < limit ? c->patience_ns : limit);

	if ((error == EINTR && limit == FOREVER) || (error == EAGAIN && clock_now_ns() < limit))
		error = 0;
	return error;
}

/* The connect that is under way under a fault has its outcome for the program: waits for that. A call that does not wait gets EAGAIN, as in
 * SYN_SENT. 0 or an errno. Enters and leaves locked. */
static int await_outcome(struct conn *c, int fd, bool wait, int option)
{
	uint64_t limit = wait ? stream_limit(fd, option, clock_now_ns()) : FOREVER;
	int error = 0;

	while (!error && !attempt_look(c, fd, clock_now_ns())) {
		if (!wait)
			error = EAGAIN;
		else if (c->dialling == DIAL_ARMED)
			error = either_wait(c, fd, POLLOUT, limit);
		else
			error = stream_hold(c, attempt_deadline(c), limit);
	}
	return error;
}

/* Takes the connection for this thread's act on it; false: pass the call straight through. A call that would wait for the outcome of a connect
 * (option: the timeout it obeys) has done so; *error says when it must fail for that. */
static bool enter(struct conn *c, int fd, int flags, int option, int *error)
{
	*error = 0;
	if (!conn_enter(c))
		return false;
	atomic_store_explicit(&c->owner_pid, guest_pid(), memory_order_relaxed);
	if (c->dialling)
		*error = await_outcome(c, fd, !(flags & MSG_DONTWAIT) && !(raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK), option);
	/* A non-blocking connect whose outcome the program did not ask for: writable, and nothing wrong, is connected. */
	if (c->connecting && !c->dialling && (raw_ready(fd, POLLOUT) & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT)
		conn_connected(c, fd, 0, clock_now_ns());
	return true;
}

/* ---- out ---- */

static void note_sent(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0, uint64_t now)
{
	if (c->role == JOURNAL_CLIENT)
		exchange_request_iov(c, pieces(io), (int)io->count, at, n, t0, now);
	else
		exchange_answer_iov(c, pieces(io), (int)io->count, at, n, t0, now);
}

/* A call of the program failed for good. When that is how it learns of its connect (ab does), the connect failed. */
static void broken(struct conn *c, int fd, int error)
{
	if (c->connecting && !c->dialling)
		conn_connected(c, fd, error, clock_now_ns());
	else
		exchange_socket_error(c, error, clock_now_ns());
}

/* After a send that was made with the lock free; takes the lock again. r is its result, error its errno. */
static void after_send(struct conn *c, int fd, ssize_t r, int error)
{
	if (r < 0 && !transient(error) && error != ENOTCONN)
		broken(c, fd, error);
	if (r > 0 && c->connecting)
		conn_connected(c, fd, 0, clock_now_ns());
}

/* Counts the sends under way. */
static void set_sending(struct io *io, bool on)
{
	if (on)
		atomic_fetch_add_explicit(&io->conn->sending, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&io->conn->sending, 1, memory_order_release);
	io->sending = on;
}

/* The plain way: the call as it is, then the books. Enters and leaves locked. */
static ssize_t send_plain(struct conn *c, struct io *io, uint64_t t0)
{
	ssize_t r;
	int error;

	set_sending(io, true);
	conn_unlock(c);
	r = call(io);
	error = errno;
	if (conn_lock(c)) {
		after_send(c, io->fd, r, error);
		if (r > 0)
			note_sent(c, io, 0, (size_t)r, t0, clock_now_ns());
	}
	set_sending(io, false);
	errno = error;
	return r;
}

struct walk {		/* over the bytes of requests that go out, message by message */
	struct conn *c;
	struct http1 p;
	enum http1_event e;
	size_t seen;
	bool together;		/* over those that pass untouched as well */
};

/* Whether the message that begins behind w->seen, whose head is the len bytes at raw, may go out with those before it. It is decided
 * here, once; a head that is not whole stays for its turn. */
static bool goes_along(const struct walk *w, const char *raw, size_t len)
{
	struct conn *c = w->c;

	if (!w->together || w->seen < c->judged_bytes)
		return w->together;
	if (c->next_judged || w->e != HTTP1_HEAD)
		return false;
	exchange_decide(c, &w->p.head, raw, len, clock_now_ns(), &c->next);
	c->next_judged = c->next.actions != 0;
	if (!c->next_judged)
		c->judged_bytes = w->seen + len;
	return !c->next_judged;
}

/* Goes on through n bytes; false: the walk ends in them. */
static bool walk_on(struct walk *w, const char *data, size_t n)
{
	size_t used = 0, len;

	while (used < n) {
		bool begins = w->e == HTTP1_DONE;

		len = http1_feed(&w->p, data + used, n - used, &w->e);
		if (begins && !goes_along(w, data + used, len)) {
			w->e = HTTP1_DONE;
			return false;
		}
		for (;;) {
			used += len;
			w->seen += len;
			if (w->e != HTTP1_HEAD && w->e != HTTP1_INTERIM)
				break;
			len = http1_feed(&w->p, data + used, n - used, &w->e);
		}
		if (w->e == HTTP1_OPAQUE)
			return false;
	}
	return true;
}

/* How many bytes, of those held back and then of the call's from at on, belong to the message that begins or goes on there; together: and
 * to those behind it that pass untouched. */
static size_t message_extent(struct conn *c, const struct io *io, size_t at, size_t n, bool together)
{
	struct walk w = {.c = c, .p = c->requests, .e = HTTP1_MORE, .together = together};
	struct iovec v[PIECES];
	bool more;

	if (c->opaque)
		return c->held_len + n;
	more = walk_on(&w, c->held, c->held_len);
	for (size_t off = 0; more && off < n;) {
		int k = slice(io, at + off, n - off, v, PIECES);

		for (int i = 0; i < k && more; i++) {
			more = walk_on(&w, v[i].iov_base, v[i].iov_len);
			off += v[i].iov_len;
		}
	}
	return w.e == HTTP1_OPAQUE ? c->held_len + n : w.seen;
}

/* Copies held bytes and the call's from at on into buf, as far as they fit. */
static size_t gather(struct conn *c, const struct io *io, size_t at, size_t n, char *buf, size_t room)
{
	size_t len = c->held_len, m;
	struct iovec v;

	if (c->held_len)
		memcpy(buf, c->held, c->held_len);
	while (n && len < room && slice(io, at, n, &v, 1) == 1) {
		m = v.iov_len < room - len ? v.iov_len : room - len;
		memcpy(buf + len, v.iov_base, m);
		len += m;
		at += v.iov_len;
		n -= v.iov_len;
	}
	return len;
}

/* Keeps the rest of the call's bytes until the head is complete. False when they do not fit. */
static bool hold_back(struct conn *c, const struct io *io, size_t at, size_t n)
{
	if (c->held_len + n > CONN_BUFFER_BYTES || (!c->held && !(c->held = pool_take())))
		return false;
	c->held_len = (uint32_t)gather(c, io, at, n, c->held, CONN_BUFFER_BYTES);
	c->patience_ns = clock_now_ns() + CONN_PATIENCE_NS;
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	return true;
}

/* A new request begins at at: decides it and begins its exchange. False: its head is not complete and was held back. */
static bool decide_request(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0)
{
	struct http1 p = c->requests;
	enum http1_event e = HTTP1_OPAQUE;
	struct verdict v;
	struct iovec first;
	char *copy = NULL, *raw;
	size_t len;

	if (!c->held_len && slice(io, at, n, &first, 1) == 1) {
		raw = first.iov_base;
		len = first.iov_len;
	} else {
		copy = raw = pool_take();
		len = copy ? gather(c, io, at, n, copy, CONN_BUFFER_BYTES) : 0;
	}
	if (!c->opaque && len)
		http1_feed(&p, raw, len, &e);
	if (e == HTTP1_MORE && !copy && first.iov_len < n) {	/* the head goes on in the next vector */
		copy = raw = pool_take();
		len = copy ? gather(c, io, at, n, copy, CONN_BUFFER_BYTES) : 0;
		p = c->requests;
		if (len)
			http1_feed(&p, raw, len, &e);
	}
	if (e == HTTP1_MORE && !c->next_judged && exchange_awaits_head(c, raw, len) && hold_back(c, io, at, n)) {
		pool_give(copy);
		return false;
	}
	c->patience_ns = 0;
	if (c->next_judged)
		v = c->next;
	else
		exchange_decide(c, e == HTTP1_HEAD ? &p.head : NULL, raw, len, t0, &v);
	c->next_judged = false;
	if (e != HTTP1_HEAD && e != HTTP1_MORE)
		exchange_turn_opaque(c, raw, len);
	exchange_begin(c, e == HTTP1_HEAD ? &p.head : NULL, &v, t0);
	pool_give(copy);
	return true;
}

/* Whether the next byte out begins a new request. */
static bool request_begins(const struct conn *c)
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

/* The request that begins here was found to pass untouched when it was to leave with the one before it. */
static bool is_judged(const struct conn *c)
{
	return c->judged_bytes && !c->opaque;
}

/* Counts k bytes as moved: first those held back, then the call's from at on. Returns how many of the call's. */
static size_t consume(struct conn *c, struct io *io, size_t at, size_t k, uint64_t t0, uint64_t now)
{
	size_t held = k < c->held_len ? k : c->held_len;

	if (held) {
		exchange_request_bytes(c, c->held, held, t0, now);
		c->held_len -= (uint32_t)held;
		memmove(c->held, c->held + held, c->held_len);
		if (!c->held_len)
			pool_drop(&c->held);
	}
	exchange_request_iov(c, pieces(io), (int)io->count, at, k - held, t0, now);
	return k - held;
}

/* The k bytes that are held back and follow in the call's from at on, as far as they fit; returns how many. */
static size_t part(const struct conn *c, const struct io *io, size_t at, size_t k, struct iovec v[PIECES + 1], struct msghdr *m)
{
	size_t n = 0;

	v[0] = (struct iovec){c->held, c->held_len};
	m->msg_iov = v;
	m->msg_iovlen = 1 + (size_t)slice(io, at, k - c->held_len, v + 1, PIECES);
	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += v[i].iov_len;
	return n;
}

/* Sends [at, at + *k - held) behind the held bytes, or what fits of it (*k); enters and leaves locked. Result as of send; how many of the
 * call's bytes went in *moved. */
static ssize_t send_part(struct conn *c, struct io *io, size_t at, size_t *k, uint64_t t0, size_t *moved)
{
	struct iovec v[PIECES + 1];
	struct msghdr m = {0};
	ssize_t r;
	int error;

	*moved = 0;
	if (!c->held_len && !at && *k == total(io)) {
		r = send_plain(c, io, t0);
		*moved = r > 0 ? (size_t)r : 0;
		return r;
	}
	*k = part(c, io, at, *k, v, &m);
	conn_unlock(c);
	r = real.sendmsg(io->fd, &m, io->flags);
	error = errno;
	if (!conn_lock(c))
		return r;
	after_send(c, io->fd, r, error);
	if (r > 0)
		*moved = consume(c, io, at, (size_t)r, t0, clock_now_ns());
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
	struct iovec v[PIECES + 1];
	struct msghdr m = {0};
	long r;

	if (c->opaque || one == c->held_len + n || (io->msg && io->msg->msg_controllen))
		return false;
	k = message_extent(c, io, at, n, true);
	if (k <= one)
		return false;
	k = part(c, io, at, k, v, &m);
	r = raw_sendmsg(io->fd, &m, io->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r <= 0)
		return false;
	after_send(c, io->fd, r, 0);
	*moved = consume(c, io, at, (size_t)r, t0, clock_now_ns());
	*left = k - (size_t)r;
	return true;
}

static bool errs_at(const struct exchange *x, enum page_call where)
{
	const struct page_fault *f = x && (x->verdict.actions & PAGE_ERROR) ? exchange_fault(x->verdict.main_fault, x->verdict.main_id) : NULL;

	return f && f->error_call == where;
}

static ssize_t strike_send(struct conn *c, struct exchange *x, int fd, uint64_t now)
{
	int error = gate_errno(x);

	exchange_achieved(c, x, PAGE_ERROR, now);
	if (!transient(error))
		gate_reset(c, fd, error);
	exchange_end_all(c, error, now);
	epoll_refresh(c, now);
	c->swap_error = 0;
	if (!transient(error))
		raw_sockopt_int(fd, SOL_SOCKET, SO_ERROR);	/* this call reported it: the next one sees the end only */
	return fail(error);
}

/* Puts the message's bytes [at, at + k - held) behind the held ones into the outbox, as many as fit; returns how many of the call's. */
static size_t send_late(struct conn *c, struct exchange *x, struct io *io, size_t at, size_t k, uint64_t t0)
{
	size_t taken = outgate_put(c, io->fd, c->held, k < c->held_len ? k : c->held_len), moved;
	struct iovec v;

	while (taken < k && !outgate_hidden(c) && slice(io, at + taken - c->held_len, k - taken, &v, 1))
		taken += outgate_put(c, io->fd, v.iov_base, v.iov_len);
	moved = consume(c, io, at, taken, t0, clock_now_ns());
	if (x)
		outgate_account(x, taken);
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	return moved;
}

/* Waits, when the call may, until there is room in the outbox, or (all) until it is empty. 0 or an errno. Enters and leaves locked. */
static int await_room(struct conn *c, int fd, int flags, bool all)
{
	bool wait = !(flags & MSG_DONTWAIT) && !(raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK);
	uint64_t limit = wait ? stream_limit(fd, SO_SNDTIMEO, clock_now_ns()) : FOREVER;
	int error = 0;

	while (!error && (all ? c->outbox_len != 0 : outgate_hidden(c))) {
		if (all)
			outgate_block(c);
		epoll_refresh(c, clock_now_ns());
		error = wait ? stream_hold(c, outgate_deadline(c), limit) : EAGAIN;
		gate_tick(c, fd, clock_now_ns());
	}
	return error;
}

/* The request is ours to swallow: takes what is there of it. */
static size_t swallow(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0)
{
	size_t moved = consume(c, io, at, message_extent(c, io, at, n, false), t0, clock_now_ns());

	gate_tick(c, io->fd, clock_now_ns());
	waker_wake_all(c);
	return moved;
}

/* Whether fd still is c's socket: a number closed by means we do not see (a raw system call) may by now be a file of the program. Asked once
 * an exchange, before a fault could touch it. */
static bool same_socket(const struct conn *c, int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return !c->cookie || (raw_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 && cookie == c->cookie);
}

/* The call as it is, on a descriptor that is c's no more. Enters and leaves locked. */
static ssize_t send_elsewhere(struct conn *c, struct io *io)
{
	ssize_t r;
	int error;

	conn_unlock(c);
	r = call(io);
	error = errno;
	conn_lock(c);
	errno = error;
	return r;
}

/* Client: message by message, those that pass untouched together. Enters and leaves locked. */
static ssize_t client_send(struct conn *c, struct io *io, uint64_t t0)
{
	size_t n = total(io), done = 0;

	outgate_tick(c, io->fd, t0);
	while (done < n && !c->dead && !c->sink) {
		size_t k, left, moved;
		struct exchange *x;
		ssize_t r;

		if (request_begins(c) && !done && !same_socket(c, io->fd))
			return send_elsewhere(c, io);
		if (request_begins(c) && !is_judged(c) && !decide_request(c, io, done, n - done, t0))
			return (ssize_t)n;
		if (request_begins(c) && is_judged(c))
			exchange_begin(c, NULL, NULL, t0);
		x = conn_tail(c);
		if (errs_at(x, PAGE_CALL_SEND) && !x->head_passed)
			return done ? (ssize_t)done : strike_send(c, x, io->fd, t0);
		if (x && x->swallowed && !x->request_done) {
			done += swallow(c, io, done, n - done, t0);
			continue;
		}
		k = message_extent(c, io, done, n - done, false);
		if (outgate_holds(c, x, clock_now_ns())) {
			bool whole = io->msg && io->msg->msg_controllen;	/* goes with descriptors, which no buffer holds */
			int error = await_room(c, io->fd, io->flags, whole);

			if (error)
				return done ? (ssize_t)done : fail(error);
			if (outgate_holds(c, x, clock_now_ns()) && !whole) {
				done += send_late(c, x, io, done, k, t0);
				continue;
			}
		}
		if (send_together(c, io, done, n - done, k, t0, &left, &moved)) {
			done += moved;
			if (left && nonblocking(io))
				return done ? (ssize_t)done : fail(EAGAIN);
			continue;
		}
		r = send_part(c, io, done, &k, t0, &moved);
		done += moved;
		if (r < 0 || (size_t)r < k)
			return done ? (ssize_t)done : r < 0 ? -1 : fail(EAGAIN);
	}
	if (c->sink)
		return (ssize_t)n;
	return done ? (ssize_t)done : send_plain(c, io, t0);
}

/* The program was shown the end of the stream, as when its peer closed: what it sends then is taken, and a RST comes back (RFC 9293
 * §3.10.7.1); after that it is told. Enters and leaves locked. */
static ssize_t send_to_closed(struct conn *c, struct io *io, uint64_t t0)
{
	if (c->peer.family != ADDR_UNIX && !c->dead) {
		note_sent(c, io, 0, total(io), t0, t0);
		gate_reset(c, io->fd, EPIPE);
		epoll_refresh(c, t0);
		return (ssize_t)total(io);
	}
	raw_sockopt_int(io->fd, SOL_SOCKET, SO_ERROR);	/* EPIPE takes the place of ECONNRESET (Linux, tcp_reset() in CLOSE_WAIT) */
	return send_plain(c, io, t0);
}

/* How many of the next n bytes of the call belong to x's answer and come before the place where a fault cuts it. */
static size_t answer_extent(struct conn *c, const struct exchange *x, const struct io *io, size_t at, size_t n)
{
	struct http1 p;
	enum http1_event e = HTTP1_MORE;
	struct iovec v;
	size_t seen = 0, room = n;

	exchange_expect_answer(c, x);
	p = c->answers;
	while (!c->opaque && seen < room && slice(io, at + seen, n - seen, &v, 1)) {
		size_t used = 0;

		do {
			used += http1_feed(&p, (char *)v.iov_base + used, v.iov_len - used, &e);
		} while (e == HTTP1_HEAD || e == HTTP1_INTERIM);
		seen += used;
		if (e == HTTP1_OPAQUE)
			exchange_turn_opaque(c, NULL, 0);	/* from here on its bytes are counted as they are */
		else if (e != HTTP1_MORE)
			room = seen;
	}
	return exchange_cut_room(c, x) < room ? (size_t)exchange_cut_room(c, x) : room;
}

/* Sends some of the call's k bytes from at on; enters and leaves locked. As send; *all: whether it was all that was asked of the kernel. */
static ssize_t send_slice(struct conn *c, struct io *io, size_t at, size_t k, uint64_t t0, bool *all)
{
	struct iovec v[PIECES];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)slice(io, at, k, v, PIECES)};
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
	after_send(c, io->fd, r, error);
	if (r > 0) {
		outgate_took(c, (size_t)r, at + (size_t)r == total(io));
		note_sent(c, io, at, (size_t)r, t0, clock_now_ns());
	}
	errno = error;
	return r;
}

/* Waits, when the call may, until the answer's rate lets something out, and cuts *n to that. 0 or an errno. Enters and leaves locked. */
static int await_pace(struct conn *c, int fd, int flags, size_t *n)
{
	bool wait = !(flags & MSG_DONTWAIT) && !(raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK);
	uint64_t limit = FOREVER;
	size_t allowed;
	int error = 0;

	while (!error && !(allowed = outgate_allow(c, *n, clock_now_ns()))) {
		if (wait && limit == FOREVER)
			limit = stream_limit(fd, SO_SNDTIMEO, clock_now_ns());
		epoll_refresh(c, clock_now_ns());
		error = wait ? stream_hold(c, outgate_deadline(c), limit) : EAGAIN;
		gate_tick(c, fd, clock_now_ns());
	}
	*n = error ? *n : allowed;
	return error;
}

/* Server: the answers in the parts that their rates let out, up to where they are cut; the rest is taken and goes nowhere. Enters and
 * leaves locked. */
static ssize_t send_parts(struct conn *c, struct io *io, uint64_t t0)
{
	size_t n = total(io), done = 0;
	bool all = true;
	ssize_t r = 0;

	while (done < n && all && !c->sink && !c->dead) {
		size_t k = n - done;
		int error = await_pace(c, io->fd, io->flags, &k);
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
			gate_cut(c, io->fd, clock_now_ns());
	}
	while (c->cut == CUT_RST && !nonblocking(io)) {	/* so a blocking send waits for a slow reader */
		stream_hold(c, c->cut_ns, FOREVER);
		gate_tick(c, io->fd, clock_now_ns());
	}
	gate_tick(c, io->fd, clock_now_ns());
	if (c->sink || (c->dead && r >= 0))
		return (ssize_t)n;
	return done ? (ssize_t)done : r;
}

static bool takes_parts(const struct verdict *v)
{
	return v->cut_bytes != NO_CUT || v->bytes_per_s;
}

/* Server: the answer passes, vanishes, or breaks the connection. Enters and leaves locked. */
static ssize_t server_send(struct conn *c, struct io *io, uint64_t t0)
{
	struct exchange *x = conn_head(c);
	ssize_t r;

	if (c->sink)
		return (ssize_t)total(io);
	gate_answer_begins(c, io->fd);
	if (errs_at(x, PAGE_CALL_SEND))
		return strike_send(c, x, io->fd, t0);
	if (x && x->mute) {
		note_sent(c, io, 0, total(io), t0, t0);
		return (ssize_t)total(io);
	}
	for (unsigned i = 0; i < c->count; i++)
		if (takes_parts(&conn_nth(c, i)->verdict))
			return send_parts(c, io, t0);
	r = send_plain(c, io, t0);
	gate_tick(c, io->fd, clock_now_ns());
	return r;
}

static ssize_t send_gated(struct conn *c, struct io *io)
{
	uint64_t t0 = clock_now_ns();
	ssize_t r;
	int error;

	if (io->flags & BESIDE)
		return call(io);
	if (!enter(c, io->fd, io->flags, SO_SNDTIMEO, &error))
		return call(io);
	if (error)
		r = fail(error);
	else if (c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT && total(io))
		r = send_to_closed(c, io, t0);
	else if (!c->gated || c->dead || c->connecting || !total(io))
		r = send_plain(c, io, t0);
	else
		r = c->role == JOURNAL_CLIENT ? client_send(c, io, t0) : server_send(c, io, t0);
	conn_unlock(c);
	return r;
}

void stream_flush(struct conn *c, int fd)
{
	if ((!c->held_len && !c->outbox_len) || c->owner_pid != guest_pid() || !conn_lock(c))
		return;	/* (held by the parent of a fork: the parent sends it) */
	outgate_flush(c, clock_now_ns());
	if (c->held_len)
		raw_send(fd, c->held, c->held_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->held_len = 0;
	pool_drop(&c->held);
	c->patience_ns = 0;
	conn_unlock(c);
}

/* The end of an answer that was swallowed goes nowhere either. */
static int shut(struct conn *c, int fd, int how)
{
	uint32_t id = 0;

	if (how == SHUT_RD || !silence_fault(c, &id))
		return real.shutdown(fd, how);
	return how == SHUT_RDWR ? real.shutdown(fd, SHUT_RD) : 0;
}

int stream_shutdown(struct conn *c, int fd, int how)
{
	int r, error;

	if (how != SHUT_RD)
		stream_flush(c, fd);
	r = shut(c, fd, how);
	error = errno;
	if (r == 0 && how != SHUT_WR && conn_lock(c)) {
		uint64_t now = clock_now_ns();

		if (how == SHUT_RDWR || c->role == JOURNAL_CLIENT)	/* a server may read no more and still answer */
			exchange_end_by_close(c, JOURNAL_CLOSED, now);
		c->shut_in = true;
		epoll_refresh(c, now);
		waker_wake_all(c);
		conn_unlock(c);
	}
	errno = error;
	return r;
}

/* ---- in ---- */

/* The bytes are there from the call's return on: what it waited for them is no part of an exchange. */
static void note_received(struct conn *c, struct io *io, size_t n, uint64_t now)
{
	bool seen = !(io->flags & MSG_TRUNC);	/* on TCP that throws the bytes away (tcp(7)) */

	if (c->role == JOURNAL_CLIENT && seen)
		exchange_answer_iov(c, pieces(io), (int)io->count, io->done, n, now, now);
	else if (c->role == JOURNAL_CLIENT)
		exchange_answer_bytes(c, NULL, n, now, now);
	else if (seen)
		exchange_request_iov(c, pieces(io), (int)io->count, io->done, n, now, now);
	else
		exchange_request_bytes(c, NULL, n, now, now);
}

/* The program took n bytes of the kernel's; dry: all there were. What is to happen at that place of the answer happens. */
static void took(struct conn *c, struct io *io, size_t n, bool dry, uint64_t now)
{
	struct exchange *x = conn_head(c);
	uint64_t serial = x ? x->serial : 0;

	note_received(c, io, n, now);
	x = conn_head(c);
	if (x && x->serial == serial && c->role == JOURNAL_CLIENT)
		gate_took(x, io->fd, n, dry, now);
	gate_cut(c, io->fd, now);
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

/* After a receive of up to `asked` bytes that was made with the lock free. */
static ssize_t after_recv(struct conn *c, struct io *io, size_t asked, ssize_t r, int error)
{
	uint64_t now;

	if (r >= 0)
		let_sender_note(c);
	now = clock_now_ns();

	if (r > 0 && c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT)
		r = 0;	/* another thread read up to the end meanwhile: these bytes lie behind it */
	if (r > 0 && !(io->flags & MSG_PEEK))
		took(c, io, (size_t)r, (size_t)r < asked, now);
	if (r >= 0 && c->connecting)
		conn_connected(c, io->fd, 0, now);
	if (r == 0 && total(io) && c->dead && c->swap_error) {	/* a Unix socket that we reset */
		r = -1;
		error = EPROTO;	/* any error that shown_error() replaces */
	}
	if (r == 0 && total(io))
		exchange_peer_eof(c, now);
	if (r < 0) {
		error = shown_error(c, error);
		if (!transient(error) && error != ENOTCONN)
			broken(c, io->fd, error);
	}
	epoll_refresh(c, now);
	errno = error;
	return r;
}

/* The receive, cut to limit bytes behind those that are filled; all else that it reports (name, control data, flags) is reported. */
static ssize_t call_cut(struct io *io, size_t limit)
{
	struct iovec v[PIECES];
	struct msghdr m = {.msg_name = io->sa, .msg_namelen = io->len ? *io->len : 0};
	ssize_t r;

	if (io->msg)
		m = *io->msg;
	m.msg_iov = v;
	m.msg_iovlen = (size_t)slice(io, io->done, limit, v, PIECES);
	r = real.recvmsg(io->fd, &m, io->flags & ~MSG_WAITALL);
	if (r >= 0 && io->msg) {
		io->msg->msg_namelen = m.msg_namelen;
		io->msg->msg_controllen = m.msg_controllen;
		io->msg->msg_flags = m.msg_flags;
	} else if (r >= 0 && io->len) {
		*io->len = m.msg_namelen;
	}
	return r;
}

/* The call as it is, or cut to limit bytes. Enters and leaves locked. */
static ssize_t recv_plain(struct conn *c, struct io *io, size_t limit)
{
	size_t asked = total(io) < limit ? total(io) : limit;
	ssize_t r;
	int error;

	conn_unlock(c);
	r = io->done || limit < total(io) ? call_cut(io, asked) : call(io);
	error = errno;
	if (!conn_lock(c))
		return r;
	return after_recv(c, io, asked, r, error);
}

/* Fills the call's buffers from the bytes of two pieces, from the at-th on; returns how many. */
static size_t copy_out(const struct io *io, const struct iovec from[2], size_t at)
{
	size_t n = 0, m;
	struct iovec to;

	while (slice(io, io->done + n, SIZE_MAX, &to, 1)) {
		size_t head = from[0].iov_len, pos = at + n;
		const struct iovec *f = &from[pos >= head];

		pos -= pos >= head ? head : 0;
		m = f->iov_len - pos < to.iov_len ? f->iov_len - pos : to.iov_len;
		if (!m)
			break;
		memcpy(to.iov_base, (char *)f->iov_base + pos, m);
		n += m;
	}
	return n;
}

/* Reports no name, no control data, no flags: what a stream's recvmsg does. */
static void report_nothing(struct io *io)
{
	if (io->msg)
		io->msg->msg_namelen = 0, io->msg->msg_controllen = 0, io->msg->msg_flags = 0;
	else if (io->len)
		*io->len = 0;
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
	exchange_answer_iov(c, from, 2, at, n, now, now);
	if (last && closes)
		raw_shutdown(fd, SHUT_RD);	/* the program reads the end of the stream next, as after a FIN */
	epoll_refresh(c, now);
}

/* Copies the answer of ours that is due into the call's buffers. */
static ssize_t recv_answer(struct conn *c, struct exchange *x, struct io *io, uint64_t now)
{
	struct iovec from[2];
	size_t n;

	if (!answer_make(c, x)) {	/* nothing is left to answer with: the connection breaks, as with a server that restarts */
		gate_reset(c, io->fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now);
		epoll_refresh(c, now);
		return fail(ECONNRESET);
	}
	answer_iov(c, x, from);
	n = copy_out(io, from, x->answer_at);
	report_nothing(io);
	if (!(io->flags & MSG_PEEK))
		answer_taken(c, x, io->fd, from, n, now);
	return (ssize_t)n;
}

/* Whether the kernel's bytes must have arrived before the call is made, because what they are decides what it may take. */
static bool must_be_there(struct conn *c)
{
	struct exchange *x = conn_head(c);

	if (c->role == JOURNAL_SERVER || c->count > 1)
		return true;
	/* Nothing asked yet, or all that was asked is answered: another thread may ask while this one waits. */
	return !x || x->gate == GATE_ARMED || (x->verdict.actions & (PAGE_THROTTLE | PAGE_TRUNCATE | PAGE_RESET)) || (c->opaque && x->last_ns);
}

/* The program may read: as much as it may. Enters and leaves locked. */
static ssize_t recv_visible(struct conn *c, struct io *io)
{
	struct exchange *x = c->role == JOURNAL_SERVER ? conn_tail(c) : NULL;
	size_t limit;
	ssize_t r;

	if (errs_at(x, PAGE_CALL_RECV) && !x->head_passed)
		return strike_send(c, x, io->fd, clock_now_ns());
	limit = gate_limit(c, io->fd);
	r = recv_plain(c, io, limit);
	if (r > 0 && (size_t)r == limit)
		epoll_rearm(c);	/* who takes a short read for an empty socket waits for the next edge */
	return r;
}

/* Whether another thread may ask meanwhile what this one must know of: it is answered by us, or waits in the outbox for somebody to send it. */
static bool may_be_asked(struct conn *c)
{
	if (c->role != JOURNAL_CLIENT)
		return false;
	return (!c->count && (c->needs_head || c->can_hold)) || (c->can_hold && c->opaque && conn_tail(c)->last_ns);
}

#define AGAIN (-1)

/* One turn of waiting for input: 0 the program may read now; AGAIN to look again; else the errno to return. Enters and leaves locked. */
static int admit(struct conn *c, int fd, struct waiting *w)
{
	uint64_t now = clock_now_ns();
	int error;

	outgate_tick(c, fd, now);
	if (c->patience_ns)
		gate_tick(c, fd, now);
	if (c->cut == CUT_RST) {
		error = may_wait(w) ? stream_hold(c, c->cut_ns, w->limit) : EAGAIN;
		gate_tick(c, fd, clock_now_ns());
	} else if (c->outbox_len && !raw_ready(fd, POLLIN | POLLRDHUP) && may_wait(w)) {
		error = stream_hold(c, outgate_deadline(c), w->limit);
		gate_tick(c, fd, clock_now_ns());
	} else if (c->patience_ns && !raw_ready(fd, POLLIN | POLLRDHUP) && may_wait(w)) {
		error = patience_wait(c, fd, w->limit);
	} else if (may_be_asked(c) && !raw_ready(fd, POLLIN) && may_wait(w)) {
		error = either_wait(c, fd, POLLIN, w->limit);
	} else if (must_be_there(c) && !c->late_error && !gate_hidden(c, now) && !raw_ready(fd, POLLIN | POLLRDHUP)) {
		error = may_wait(w) ? arrival_wait(c, fd) : EAGAIN;
	} else if (gate_readable(c, fd, now)) {
		return 0;
	} else {
		uint64_t until = gate_deadline(c);

		error = !may_wait(w) ? EAGAIN : gate_hidden(c, now) ? stream_hold(c, until, w->limit) : 0;
		gate_tick(c, fd, clock_now_ns());
	}
	return error ? error : AGAIN;
}

static int take_late_error(struct conn *c)
{
	int error = c->late_error;

	c->late_error = 0;
	exchange_socket_error(c, error, clock_now_ns());
	return error;
}

/* One turn of the receive loop: false when done (*r is the result), true to look again. Enters and leaves locked. */
static bool recv_step(struct conn *c, struct io *io, struct waiting *w, ssize_t *r)
{
	uint64_t now = clock_now_ns();
	int error;

	if (c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT) {
		report_nothing(io);
		*r = 0;
	} else if (c->dead && c->late_error) {
		*r = fail(take_late_error(c));
	} else if (c->dead || c->connecting) {
		*r = recv_plain(c, io, SIZE_MAX);
	} else if (gate_answer_ready(c, now)) {
		*r = recv_answer(c, conn_head(c), io, now);
	} else {
		error = admit(c, io->fd, w);
		if (error == AGAIN)
			return true;
		*r = error ? fail(error) : c->late_error ? fail(take_late_error(c)) : recv_visible(c, io);
	}
	return false;
}

/* Waits for what MSG_WAITALL lacks until the call's time is over, which its parts have in common. 0 or an errno. Enters and leaves locked. */
static int await_rest(struct conn *c, int fd, const struct waiting *w)
{
	uint64_t now = clock_now_ns();

	if (w->limit == FOREVER || c->dead || c->cut || c->late_error || gate_hidden(c, now))
		return now < w->limit ? 0 : EAGAIN;
	return either_wait(c, fd, POLLIN | POLLRDHUP, w->limit);
}

/* The receive on a gated connection, in as many parts as MSG_WAITALL needs. */
static ssize_t recv_parts(struct conn *c, struct io *io)
{
	struct waiting w = {.fd = io->fd, .may = !(io->flags & MSG_DONTWAIT)};
	bool all = (io->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && may_wait(&w);
	ssize_t r = 0;

	io->flags &= all ? ~MSG_WAITALL : ~0;
	do {
		while (recv_step(c, io, &w, &r))
			;
		io->done += r > 0 ? (size_t)r : 0;
	} while (all && r > 0 && total(io) && !await_rest(c, io->fd, &w));
	if (r < 0 && io->done && !transient(errno))
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
	return hidden ? fail(EINVAL) : call(io);	/* none has come yet (tcp_recv_urg() of the kernel) */
}

static ssize_t recv_gated(struct conn *c, struct io *io);

static void cancelled_give(void *buffer)
{
	pool_give(buffer);
}

/* MSG_TRUNC: TCP discards the bytes instead of delivering them (tcp(7)). To be followed they are read all the same, elsewhere. */
static ssize_t recv_discard(struct conn *c, struct io *io)
{
	char *gone = pool_take();
	size_t n = total(io);
	struct io in = {.op = IO_RECV, .fd = io->fd, .flags = io->flags & ~(MSG_TRUNC | MSG_WAITALL), .count = 1,
			.one = {gone, n < CONN_BUFFER_BYTES ? n : CONN_BUFFER_BYTES}};
	ssize_t r;

	CANCEL_BEGIN(cancelled_give, gone);
	r = gone ? recv_gated(c, &in) : call(io);
	CANCEL_END;
	pool_give(gone);
	return r;
}

/* ---- requests that came in through a receive made before there was a fault for them ---- */

/* Decides the request whose bytes are the r that were received, when it can be told from them: its whole head is there, and nothing
 * behind it. The exchange has begun then. */
static bool decide_late(struct conn *c, const struct io *io, size_t r, uint64_t now)
{
	struct http1 p = c->requests;
	enum http1_event e = HTTP1_OPAQUE;
	const char *raw = pieces(io)->iov_base;
	size_t len = pieces(io)->iov_len < r ? pieces(io)->iov_len : r, head;
	struct verdict v;

	head = c->opaque ? 0 : http1_feed(&p, raw, len, &e);
	if (e == HTTP1_HEAD && message_extent(c, io, 0, r, false) < r)
		return false;
	if (e != HTTP1_HEAD && e != HTTP1_OPAQUE)
		return false;
	exchange_decide(c, e == HTTP1_HEAD ? &p.head : NULL, raw, head, now, &v);
	if (e == HTTP1_OPAQUE)
		exchange_turn_opaque(c, raw, len);
	exchange_begin(c, e == HTTP1_HEAD ? &p.head : NULL, &v, now);
	return true;
}

/* Waits for the end of what holds the request that the program is about to get. */
static void wait_late(struct conn *c, int fd)
{
	for (;;) {
		uint64_t now = clock_now_ns();

		gate_tick(c, fd, now);
		if (!gate_hidden(c, now) || stream_hold(c, gate_deadline(c), FOREVER) == EINTR)
			return;
	}
}

/* Enters and leaves locked. */
static ssize_t recv_late(struct conn *c, struct io *io, ssize_t r)
{
	bool begins = c->role == JOURNAL_SERVER && (c->opaque || http1_idle(&c->requests)) && !nonblocking(io);
	struct exchange *x;

	conn_follow_locked(c, io->fd);
	if (!c->gated || !begins || !decide_late(c, io, (size_t)r, clock_now_ns()))
		return after_recv(c, io, total(io), r, 0);
	r = after_recv(c, io, total(io), r, 0);
	x = conn_tail(c);
	if (!x || !x->synthetic) {
		wait_late(c, io->fd);
		return r;
	}
	gate_tick(c, io->fd, clock_now_ns());	/* answers it when it is whole */
	return recv_parts(c, io);
}

ssize_t stream_late(struct conn *c, struct io *io, ssize_t r)
{
	int error;	/* a server's connection is made: none */

	if (c->role != JOURNAL_SERVER || (io->flags & (MSG_PEEK | BESIDE)) || !enter(c, io->fd, io->flags, SO_RCVTIMEO, &error))
		return r;
	r = recv_late(c, io, r);
	conn_unlock(c);
	return r;
}

static ssize_t recv_gated(struct conn *c, struct io *io)
{
	ssize_t r;
	int error;

	if (io->flags & BESIDE)
		return recv_beside(c, io);
	if ((io->flags & MSG_TRUNC) && c->peer.family != ADDR_UNIX)
		return recv_discard(c, io);
	if (!enter(c, io->fd, io->flags, SO_RCVTIMEO, &error))
		return call(io);
	if (error)
		r = fail(error);
	else if (!c->gated || (!total(io) && io->op >= IO_READ))	/* read of nothing returns at once, recv of nothing waits */
		r = recv_plain(c, io, SIZE_MAX);
	else
		r = recv_parts(c, io);
	conn_unlock(c);
	return r;
}

/* ---- a call of either direction ---- */

/* Whether its buffers can be looked at, as far as that shows; of others the kernel says EFAULT, EINVAL or EMSGSIZE. */
static bool sound(const struct io *io)
{
	const struct iovec *v = io->iov ? io->iov : &io->one;
	bool unused = io->op >= IO_RECV && (io->flags & MSG_TRUNC);	/* nothing is put there (tcp(7)) */

	if (io->count > IOV_MAX || !guest_plausible(v))
		return false;
	for (size_t i = 0; i < io->count; i++)
		if (v[i].iov_len > SSIZE_MAX || (v[i].iov_len && !unused && !guest_plausible(v[i].iov_base)))
			return false;
	return true;
}

bool stream_free(struct io *io)
{
	struct conn *c = io->conn = table_get(io->fd);
	bool in = io->op >= IO_RECV;

	if (!c || !is_free(c) || (io->flags & (in ? BESIDE | MSG_TRUNC : BESIDE)) || !sound(io))
		return false;
	if (in)
		return true;
	set_sending(io, true);
	io->began_ns = clock_now_ns();
	return true;
}

static void sent(struct conn *c, struct io *io, ssize_t r, int error)
{
	after_send(c, io->fd, r, error);
	if (r > 0)
		note_sent(c, io, 0, (size_t)r, io->began_ns, clock_now_ns());
}

/* A receive whose connection may have become subject to a fault meanwhile. Enters and leaves locked. */
static ssize_t received(struct conn *c, struct io *io, ssize_t r, int error)
{
	if (r <= 0 || c->role != JOURNAL_SERVER || !conn_is_behind(c) || c->gated || (io->flags & MSG_PEEK))
		return after_recv(c, io, total(io), r, error);
	return recv_late(c, io, r);
}

void stream_over(struct io *io)
{
	struct conn *c = io->conn;

	if (io->sending)
		set_sending(io, false);
	io->conn = NULL;
	conn_put(c);
}

ssize_t stream_freed(struct io *io, ssize_t r)
{
	struct conn *c = io->conn;
	int error = errno;

	if ((r >= 0 || !transient(error)) && conn_lock(c)) {
		if (io->op < IO_RECV) {
			sent(c, io, r, error);
		} else {
			r = received(c, io, r, error);
			error = errno;
		}
		conn_unlock(c);
	}
	stream_over(io);
	errno = error;
	return r;
}

ssize_t stream_gated(struct io *io)
{
	if (!sound(io))
		return -2;
	return io->op < IO_RECV ? send_gated(io->conn, io) : recv_gated(io->conn, io);
}

void stream_cancelled(void *arg)
{
	struct io *io = arg;

	locks_unwind(io->locks);
	stream_over(io);
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
	if (gate_answer_ready(c, now) && answer_make(c, conn_head(c))) {
		limit = answer_iov(c, conn_head(c), iov) - conn_head(c)->answer_at;
		there = (int)limit;
	} else if (!gate_hidden(c, now) && !(c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT)) {
		/* Counted before the gate is asked: what comes in between is not judged yet. */
		if (RAW(SYS_ioctl, fd, FIONREAD, &there, 0, 0, 0) == 0 && there && gate_readable(c, fd, clock_now_ns()))
			limit = gate_limit(c, fd);
	}
	*n = limit < (size_t)there ? (int)limit : there;
	conn_unlock(c);
	return true;
}

/* ---- inside the kernel ---- */

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

/* n bytes went out that nobody looked at; nowhere: behind the end of what counts. */
static void note_unseen(struct conn *c, size_t n, bool nowhere, uint64_t t0)
{
	if (nowhere)
		return;
	if (c->role == JOURNAL_CLIENT)
		exchange_request_bytes(c, NULL, n, t0, clock_now_ns());
	else
		exchange_answer_bytes(c, NULL, n, t0, clock_now_ns());
}

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

/* What is sent next is not looked at: a piece of a request head that is held back goes before it. 0, or the errno to return. Enters and
 * leaves locked. */
static int send_held(struct conn *c, int fd, int flags)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;

	while (c->held_len && !c->dead && !error) {
		gate_release_head(c, fd, clock_now_ns());
		if (!c->held_len)
			break;
		if ((flags & MSG_DONTWAIT) || (raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK))
			return EAGAIN;
		conn_unlock(c);
		error = real.ppoll(&p, 1, NULL, NULL) < 0 ? errno : 0;
		conn_lock(c);
	}
	return error;
}

/* Enters and leaves unlocked. */
static ssize_t sendfile_free(struct conn *c, int out, int in, off64_t *offset, size_t n)
{
	uint64_t t0 = clock_now_ns();
	ssize_t r = real.sendfile64(out, in, offset, n);
	int error = errno;

	if (!conn_lock(c))
		return r;
	after_send(c, out, r, error);
	if (r > 0)
		note_unseen(c, (size_t)r, false, t0);
	conn_unlock(c);
	errno = error;
	return r;
}

ssize_t stream_sendfile(struct conn *c, int out, int in, off64_t *offset, size_t n)
{
	uint64_t t0;
	bool pretend, nowhere;
	ssize_t r;
	int error;

	if (c->role == JOURNAL_SERVER && is_free(c))
		return sendfile_free(c, out, in, offset, n);
	t0 = clock_now_ns();
	if (!enter(c, out, 0, SO_SNDTIMEO, &error))
		return real.sendfile64(out, in, offset, n);
	if (error) {
		conn_unlock(c);
		return fail(error);
	}
	if (c->gated)
		gate_answer_begins(c, out);
	nowhere = c->sink;
	pretend = c->gated && swallowing(c);
	n = c->gated ? unseen_extent(c, n) : n;
	outgate_tick(c, out, t0);
	error = await_room(c, out, 0, true);	/* the head of this request waits in the outbox */
	error = error ? error : send_held(c, out, 0);
	error = error ? error : await_pace(c, out, 0, &n);
	conn_unlock(c);
	if (error)
		return fail(error);
	r = pretend ? pretend_sendfile(in, offset, n) : real.sendfile64(out, in, offset, n);
	error = errno;
	if (!conn_lock(c))
		return r;
	after_send(c, out, r, error);
	if (r > 0) {
		outgate_took(c, (size_t)r, (size_t)r < n);
		note_unseen(c, (size_t)r, nowhere, t0);
	}
	gate_cut(c, out, clock_now_ns());
	gate_tick(c, out, clock_now_ns());
	waker_wake_all(c);
	conn_unlock(c);
	errno = error;
	return r;
}

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
	struct waiting w = {.fd = fd, .may = !(flags & SPLICE_F_NONBLOCK)};
	int error = AGAIN;
	size_t limit;

	while (error == AGAIN && c->cut != CUT_ENDED && !c->dead && !c->connecting)
		error = admit(c, fd, &w);
	if (c->cut == CUT_ENDED && c->role == JOURNAL_CLIENT)
		return 0;
	if (error > 0)
		return fail(error);
	limit = gate_limit(c, fd);
	*n = limit < *n ? limit : *n;
	splice_look(c, fd, n, copy);
	return 1;
}

/* Whether output may be spliced to the connection: it is made, and nothing waits in front; cuts *n to what its rate lets out. 0 or an errno. */
static int splice_leaves(struct conn *c, int fd, unsigned int flags, size_t *n, uint64_t now)
{
	int as = flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0, error;

	if (c->dialling && !attempt_look(c, fd, now))
		return EAGAIN;
	outgate_tick(c, fd, now);
	error = await_room(c, fd, as, true);
	error = error ? error : send_held(c, fd, as);
	return error ? error : await_pace(c, fd, as, n);
}

ssize_t stream_splice(struct conn *in_conn, struct conn *out_conn, int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
		      unsigned int flags)
{
	uint64_t t0 = clock_now_ns();
	bool gone = false, nowhere = false;
	char *copy = NULL;
	ssize_t r;
	int error = 0;

	if (in_conn && in_conn->gated && conn_lock(in_conn)) {
		r = splice_admit(in_conn, in, flags, &n, &copy);
		conn_unlock(in_conn);
		if (r <= 0)
			return r;
	}
	if (out_conn && out_conn->gated && conn_lock(out_conn)) {
		gate_answer_begins(out_conn, out);
		nowhere = out_conn->sink;
		gone = swallowing(out_conn);
		n = unseen_extent(out_conn, n);
		error = splice_leaves(out_conn, out, flags, &n, t0);
		conn_unlock(out_conn);
	}
	if (error) {
		pool_give(copy);
		return fail(error);
	}
	r = gone ? splice_away(in, n, flags) : real.splice(in, in_at, out, out_at, n, flags);
	error = errno;
	if (r > 0 && in_conn && conn_lock(in_conn)) {
		struct io seen = {.fd = in, .flags = copy ? 0 : MSG_TRUNC, .one = {copy, n}, .count = 1};

		took(in_conn, &seen, (size_t)r, (size_t)r < n, clock_now_ns());
		epoll_refresh(in_conn, clock_now_ns());
		epoll_rearm(in_conn);
		conn_unlock(in_conn);
	}
	if (r > 0 && out_conn && conn_lock(out_conn)) {
		outgate_took(out_conn, (size_t)r, (size_t)r < n);
		note_unseen(out_conn, (size_t)r, nowhere, t0);
		gate_cut(out_conn, out, clock_now_ns());
		gate_tick(out_conn, out, clock_now_ns());
		waker_wake_all(out_conn);
		conn_unlock(out_conn);
	}
	pool_give(copy);
	errno = error;
	return r;
}
