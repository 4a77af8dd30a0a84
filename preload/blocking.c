/* SPDX-License-Identifier: MIT */
#include "preload/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/cancel.h"
#include "preload/gate.h"
#include "preload/hold.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/signals.h"
#include "preload/waker.h"

bool blocking_allowed(int fd, int flags)
{
	return !(flags & MSG_DONTWAIT) && !(raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK);
}

uint64_t blocking_limit(int fd, int option, uint64_t now)
{
	struct timeval tv = {0, 0};
	socklen_t len = sizeof(tv);

	if (raw_getsockopt(fd, SOL_SOCKET, option, &tv, &len) != 0 || (!tv.tv_sec && !tv.tv_usec))
		return FOREVER;
	return now + (uint64_t)tv.tv_sec * NS_PER_S + (uint64_t)tv.tv_usec * 1000;
}

bool blocking_may(struct blocking *b)
{
	if (b->known)
		return b->may;
	b->known = true;
	b->may = b->may && blocking_allowed(b->fd, 0);
	b->limit_ns = b->may ? blocking_limit(b->fd, SO_RCVTIMEO, clock_now_ns()) : FOREVER;
	return b->may;
}

/* A number that another thread has closed meanwhile may be another file by now, of which nothing is to be taken. */
static int is_still(struct conn *c, int fd)
{
	return conn_is_at(c, fd) ? 0 : EBADF;
}

/* With a timeout of its own set a call is never restarted (signal(7)). 0, EINTR or EBADF. */
static int pause_call(struct conn *c, int fd, struct waker_wait *w, struct pollfd *p, nfds_t n, const struct timespec *t, bool restarts)
{
	int r;

	signals_keep(&w->signals);
	conn_unlock(c);
	hold_look_at_others(c);
	CANCEL_BEGIN(waker_cancelled, w);
	r = signals_wait(&w->signals, p, n, t, restarts, &w->beside);
	CANCEL_END;
	conn_lock(c);
	signals_hand_on(&w->signals);
	waker_leave(c, w->fd);
	waker_close(w->fd);
	waker_close(w->beside);
	return r < 0 ? EINTR : is_still(c, fd);
}

int blocking_hold(struct conn *c, int fd, uint64_t until, uint64_t limit)
{
	uint64_t now = clock_now_ns(), tick = gate_thread_tick(now), first = until < limit ? until : limit, end = first < tick ? first : tick;
	struct timespec left = clock_span(now, end);
	struct waker_wait w = {.c = c, .fd = waker_timer(end), .beside = -1};
	struct pollfd p[2] = {{.fd = w.fd, .events = POLLIN}};
	int error;

	waker_join(c, w.fd);
	error = pause_call(c, fd, &w, p, 1, w.fd < 0 ? &left : NULL, limit == FOREVER);	/* no descriptor to wake us: look again */
	if (!error && limit <= until && clock_now_ns() >= limit)
		error = EAGAIN;
	return error;
}

/* Peeking waits as the receive itself would: timeouts, signals, cancellation. An error that peeking takes away is kept for later. */
int blocking_arrival(struct conn *c, int fd)
{
	size_t want = c->lowat ? c->lowat : 1;
	struct waker_wait w = {.c = c, .fd = -1, .beside = -1, .buffer = want > 1 ? pool_take() : NULL};
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
		return is_still(c, fd);
	if (error == EAGAIN || error == EINTR)
		return error;
	c->late_error = error;
	return 0;
}

int blocking_either(struct conn *c, int fd, short events, uint64_t until, uint64_t limit)
{
	struct waker_wait w = {.c = c, .fd = waker_event(), .beside = -1};
	struct pollfd p[3] = {{.fd = fd, .events = events}, {.fd = w.fd, .events = POLLIN}};
	bool told = waker_join(c, w.fd);
	uint64_t now = clock_now_ns(), tick = told ? FOREVER : gate_thread_tick(now);	/* nobody tells us: look again */
	uint64_t first = until < limit ? until : limit, end = first < tick ? first : tick;
	struct timespec left = clock_span(now, end);
	int error = pause_call(c, fd, &w, p, 2, end == FOREVER ? NULL : &left, limit == FOREVER);

	if (!error && clock_now_ns() >= limit && !raw_ready(fd, events))
		error = EAGAIN;
	return error;
}

/* The connect that is under way under a fault has its outcome for the program: waits for that. A call that does not wait gets EAGAIN, as in
 * SYN_SENT. 0 or an errno. Enters and leaves locked. */
static int await_outcome(struct conn *c, int fd, bool wait, int option)
{
	uint64_t limit = wait ? blocking_limit(fd, option, clock_now_ns()) : FOREVER;
	int error = 0;

	while (!error && !attempt_look(c, fd, clock_now_ns())) {
		if (!wait)
			error = EAGAIN;
		else if (c->dialling == DIAL_ARMED)
			error = blocking_either(c, fd, POLLOUT, FOREVER, limit);
		else
			error = blocking_hold(c, fd, attempt_deadline(c), limit);
	}
	return error;
}

bool blocking_enter(struct conn *c, int fd, int flags, int option, int *error)
{
	*error = 0;
	if (!conn_enter(c))
		return false;
	atomic_store_explicit(&c->owner_pid, guest_pid(), memory_order_relaxed);
	if (c->dialling)
		*error = await_outcome(c, fd, blocking_allowed(fd, flags), option);
	/* A non-blocking connect whose outcome the program did not ask for: writable, and nothing wrong, is connected. */
	if (c->connecting && !c->dialling && (raw_ready(fd, POLLOUT) & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT)
		conn_connected(c, fd, 0, clock_now_ns());
	return true;
}
