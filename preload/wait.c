/* SPDX-License-Identifier: MIT */
#include "preload/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/cancel.h"
#include "preload/epoll.h"
#include "preload/epoll_nest.h"
#include "preload/epoll_sets.h"
#include "preload/failure.h"
#include "preload/gate.h"
#include "preload/hear.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/selection.h"
#include "preload/signals.h"
#include "preload/table.h"
#include "preload/waker.h"

#define ON_STACK 64	/* descriptors copied to the stack (threads may have 16 KB); more come from the buffer pool, thousands from the kernel */
#define INPUT (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND | POLLRDHUP)
#define INPUT_BYTES (POLLIN | POLLRDNORM)
#define OUTPUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define TROUBLE (POLLHUP | POLLERR)

_Static_assert((CONN_BUFFER_BYTES / sizeof(struct pollfd)) > 2000, "pool buffers hold large sets");

typedef int poll_fn(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);

struct waiting {		/* one wait under way */
	poll_fn *ask;		/* the kernel: ppoll(2), or its like */
	struct pollfd *fds;	/* the program's; its revents are the result */
	struct pollfd *asked;	/* what the kernel is asked: n entries and one for the wake descriptor */
	nfds_t n;
	char *pooled;		/* the pool buffer that `asked` is; NULL none */
	size_t mapped;		/* bytes of pages that `asked` is, for thousands of descriptors; 0 none */
	uint64_t deadline;	/* of what is held */
	uint64_t tick;		/* when to look whether it still is */
	unsigned locks;		/* that this thread holds */
	int wake;		/* eventfd, -1 none */
	struct signals signals;	/* kept out between its turns, when there will be several */
	bool nests;		/* some descriptor is an epoll set, which something of ours may make ready */
	bool untold;		/* some connection does not know whom to wake: it is looked at each tick */
	bool answers;		/* one of ours is readable now */
};

bool wait_concerns_poll(struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n && guest_plausible(fds); i++) {
		if (set_is_known(fds[i].fd))
			return true;
		if (fds[i].fd >= 0 && table_tracks(fds[i].fd)) {
			struct conn *c = table_get(fds[i].fd);
			bool gated = c && c->gated;

			conn_put(c);
			if (gated)
				return true;
		}
	}
	return false;
}

static struct conn *gated(int fd)
{
	struct conn *c = fd >= 0 ? TABLE_GET(fd) : NULL;

	if (c && c->gated)
		return c;
	conn_put(c);
	return NULL;
}

/* What to ask the kernel about one gated descriptor, and what is there without asking. */
static void prepare_one(struct waiting *w, struct conn *c, nfds_t i, uint64_t now)
{
	struct pollfd *p = &w->asked[i];
	uint64_t until;

	if (!conn_lock(c))
		return;
	if (!(p->events & INPUT_BYTES))
		hear(c, p->fd, now);
	gate_tick(c, p->fd, now);
	until = gate_deadline(c);
	if (gate_answer_ready(c, now)) {
		w->fds[i].revents = p->events & (POLLIN | POLLRDNORM);
		w->answers |= w->fds[i].revents != 0;
	} else if (until < w->deadline) {
		w->deadline = until;
	}
	if ((gate_holds(c, now) || (!(p->events & INPUT_BYTES) && hear_awaits(c))) && w->tick < w->deadline)
		w->deadline = w->tick;
	if (outgate_hidden(c))
		p->events &= ~OUTPUT;
	if (c->dialling == DIAL_HELD) {
		p->fd = -1;
	} else if (gate_hidden(c, now)) {
		p->events &= ~INPUT;
		if (c->hup_hidden || !p->events)
			p->fd = -1;
	}
	conn_unlock(c);
}

static void prepare(struct waiting *w, uint64_t now)
{
	w->tick = gate_thread_tick(now);
	w->deadline = w->untold ? w->tick : FOREVER;
	w->answers = false;
	memcpy(w->asked, w->fds, w->n * sizeof(*w->asked));
	w->asked[w->n] = (struct pollfd){.fd = w->wake, .events = POLLIN};
	for (nfds_t i = 0; i < w->n; i++) {
		struct conn *c = gated(w->fds[i].fd);

		w->fds[i].revents = 0;
		w->nests |= set_is_known(w->fds[i].fd);
		if (c)
			prepare_one(w, c, i, now);
		conn_put(c);
	}
}

static short admit(struct conn *c, int fd, short revents, uint64_t now)
{
	short urgent;
	bool visible;

	if (!conn_lock(c))
		return revents;
	if (c->dialling && !attempt_look(c, fd, now))
		revents = 0;
	if (!(revents & (INPUT | TROUBLE))) {
		conn_unlock(c);
		return revents;
	}
	c->input_known = (revents & (POLLIN | TROUBLE)) == POLLIN;
	visible = gate_readable(c, fd, now);
	if (!visible && (revents & TROUBLE))
		c->hup_hidden = true;
	if (visible && c->dead)
		revents = raw_ready(fd, POLLIN | POLLOUT | POLLRDHUP);	/* the reset came just now: its bits, not those before it */
	if (visible && (revents & POLLIN) && (revents & (POLLHUP | POLLRDHUP)) && gate_end_is_later(c, fd))
		revents &= ~(POLLHUP | POLLRDHUP);
	urgent = gate_hidden(c, now) ? 0 : POLLPRI;	/* is no part of a request that is not whole */
	conn_unlock(c);
	return visible ? revents : revents & (~(INPUT | TROUBLE) | urgent);
}

/* Takes the kernel's word over into the program's set; returns how many entries have something. */
static int collect(struct waiting *w, uint64_t now)
{
	int ready = 0;

	for (nfds_t i = 0; i < w->n; i++) {
		struct pollfd *p = &w->fds[i];
		short revents = w->asked[i].fd < 0 ? 0 : w->asked[i].revents;
		struct conn *c = revents ? gated(p->fd) : NULL;

		if (c)
			revents = admit(c, p->fd, revents, now);
		else if (revents && set_is_known(p->fd) && !nest_is_ready(p->fd))
			revents = 0;
		conn_put(c);
		p->revents |= revents & (p->events | TROUBLE | POLLNVAL);
		ready += p->revents != 0;
	}
	return ready;
}

static int turn(struct waiting *w, uint64_t end, const sigset_t *mask)
{
	uint64_t now = clock_now_ns(), until, left;
	struct timespec t;
	int r;

	prepare(w, now);
	until = w->deadline < end ? w->deadline : end;
	left = w->answers || until <= now ? 0 : until - now;
	t = (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
	if (left && (w->deadline < end || (w->nests && sets_wait())))
		signals_keep(&w->signals);
	r = w->ask(w->asked, w->n + (w->wake >= 0), !w->answers && until == FOREVER ? NULL : &t, signals_mask(&w->signals, mask));
	return r < 0 ? r : collect(w, clock_now_ns());
}

/* A descriptor that wakes this thread when one of these connections gets an answer of ours from another thread's send. */
static void wake_open(struct waiting *w)
{
	for (nfds_t i = 0; i < w->n; i++) {
		struct conn *c = gated(w->fds[i].fd);
		bool wakes = c && (c->can_answer || c->can_hold);

		if (wakes && w->wake < 0)
			w->wake = waker_event();
		if (wakes && conn_lock(c)) {
			w->untold |= !waker_join(c, w->wake);
			conn_unlock(c);
		}
		conn_put(c);
	}
}

static void wake_close(int fd, struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; fd >= 0 && i < n; i++) {
		struct conn *c = gated(fds[i].fd);

		if (c && conn_lock(c)) {
			waker_leave(c, fd);
			conn_unlock(c);
		}
		conn_put(c);
	}
	waker_close(fd);
}

/* The program asks about as many descriptors as it may (RLIMIT_NOFILE): there is no room for one of ours. */
static bool wake_refused(struct waiting *w, int r)
{
	if (r >= 0 || errno != EINVAL || w->wake < 0)
		return false;
	wake_close(w->wake, w->fds, w->n);
	w->wake = -1;
	return w->untold = true;
}

static int wait_turns(struct waiting *w, uint64_t end, const sigset_t *mask)
{
	uint64_t drained;

	for (;;) {
		int r = turn(w, end, mask);

		if (wake_refused(w, r))
			continue;
		if (r || clock_now_ns() >= end)
			return r;
		if (w->wake >= 0)
			raw_read(w->wake, &drained, sizeof(drained));
	}
}

static void wait_end(struct waiting *w)
{
	locks_unwind(w->locks);
	wake_close(w->wake, w->fds, w->n);
	pool_give(w->pooled);
	if (w->mapped)
		RAW(SYS_munmap, w->asked, w->mapped, 0, 0, 0, 0);
}

static void wait_left(void *waiting)
{
	struct waiting *w = waiting;

	wait_end(w);
	signals_left(&w->signals);
}

/* Whether another thread may have something to say to this wait. */
static bool may_be_told(const struct waiting *w)
{
	bool may = false;

	for (nfds_t i = 0; i < w->n && !may; i++) {
		struct conn *c = gated(w->fds[i].fd);

		may = c && (c->can_answer || c->can_hold);
		conn_put(c);
	}
	return may;
}

/* What is ready already needs nobody to wake it: a descriptor for that is made for waits that do wait. */
static int wait_told(struct waiting *w, uint64_t end, const sigset_t *mask)
{
	bool tells = may_be_told(w);
	int r = 0, error;

	CANCEL_BEGIN(wait_left, w);
	if (tells)
		r = turn(w, 0, mask);
	if (tells && !r && clock_now_ns() < end)
		wake_open(w);
	if (!r && (!tells || clock_now_ns() < end))
		r = wait_turns(w, end, mask);
	CANCEL_END;
	error = errno;
	wait_end(w);
	signals_give_back(&w->signals);
	errno = error;
	return r;
}

/* Room for the entries and one more, on the stack when they are few. */
static bool make_room(struct waiting *w, struct pollfd on_stack[ON_STACK + 1])
{
	size_t bytes = (w->n + 1) * sizeof(*w->asked);

	if (w->n <= ON_STACK)
		w->asked = on_stack;
	else if (bytes <= CONN_BUFFER_BYTES)
		w->asked = (struct pollfd *)(w->pooled = pool_take());
	else if (w->n <= TABLE_FDS && (w->asked = guest_pages(bytes)))
		w->mapped = bytes;
	return w->asked != NULL;
}

#define LONGEST_S 1000000000	/* a timeout beyond it is none: 30 years */

/* A timeout that the kernel refuses (select(2): EINVAL, EFAULT): the call is its to answer. */
static bool refused(const struct timespec *t)
{
	return t && (!guest_plausible(t) || t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= (long)NS_PER_S);
}

static uint64_t length(const struct timespec *t)
{
	return (uint64_t)(t->tv_sec < LONGEST_S ? t->tv_sec : LONGEST_S) * NS_PER_S + (uint64_t)t->tv_nsec;
}

static int wait_on(poll_fn *ask, struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	uint64_t end;
	struct pollfd on_stack[ON_STACK + 1];
	struct waiting w = {.ask = ask, .fds = fds, .n = n, .locks = locks_depth(), .wake = -1};
	struct conn_call call = {.locks = w.locks};
	int r;

	if (refused(t))
		return ask(fds, n, t, mask);
	end = t ? clock_now_ns() + length(t) : FOREVER;
	if (!make_room(&w, on_stack)) {
		guest_lost(PAGE_LOST_STANDIN);
		return ask(fds, n, t, mask);
	}
	CANCEL_BEGIN(conn_call_left, &call);
	r = wait_told(&w, end, mask);
	CANCEL_END;
	return r;
}

int wait_poll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	return wait_on(real.ppoll, fds, n, t, mask);
}

/* ---- select, in terms of poll ---- */

static bool in(int fd, const fd_set *s)
{
	return guest_plausible(s) && FD_ISSET(fd, s);
}

bool wait_concerns_select(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	for (int fd = 0; fd < n && fd < (int)TABLE_FDS; fd++) {
		if (!(table_tracks(fd) || set_is_known(fd)) || !(in(fd, r) || in(fd, w) || in(fd, e)))
			continue;
		if (set_is_known(fd))
			return true;
		struct conn *c = gated(fd);
		bool is = c != NULL;

		conn_put(c);
		if (is)
			return true;
	}
	return false;
}

/* The bits of each set, as Linux defines them (fs/select.c: POLLIN_SET, POLLOUT_SET, POLLEX_SET). POLLNVAL: closed while the call waited. */
#define SELECT_IN (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR | POLLNVAL)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR | POLLNVAL)
#define SELECT_EX (POLLPRI | POLLNVAL)

static nfds_t to_pollfds(int n, const fd_set *r, const fd_set *w, const fd_set *e, struct pollfd *p, nfds_t room)
{
	nfds_t k = 0;

	for (int fd = 0; fd < n && k < room; fd++) {
		short events = (in(fd, r) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) | (in(fd, w) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) |
			       (in(fd, e) ? POLLPRI : 0);

		if (events)
			p[k++] = (struct pollfd){.fd = fd, .events = events};
	}
	return k;
}

static int put(int fd, fd_set *s, bool was, bool is)
{
	if (!was)
		return 0;
	if (!is)
		FD_CLR(fd, s);
	return is;
}

static int to_fd_sets(const struct pollfd *p, nfds_t k, fd_set *r, fd_set *w, fd_set *e)
{
	int bits = 0;

	for (nfds_t i = 0; i < k; i++) {
		int fd = p[i].fd;

		bits += put(fd, r, in(fd, r), p[i].revents & SELECT_IN);
		bits += put(fd, w, in(fd, w), p[i].revents & SELECT_OUT);
		bits += put(fd, e, in(fd, e), p[i].revents & SELECT_EX);
	}
	return bits;
}

/* select(2) refuses descriptors that are not open when it begins. */
static bool all_open(const struct pollfd *p, nfds_t k)
{
	for (nfds_t i = 0; i < k; i++)
		if (raw_fcntl(p[i].fd, F_GETFD, 0) < 0)
			return false;
	return true;
}

/* The thread is cancelled in the wait. */
static void give_back(void *buffer)
{
	pool_give(buffer);
}

int wait_select(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask, struct timespec *left)
{
	uint64_t start = clock_now_ns(), used;
	struct pollfd *p = refused(t) ? NULL : (struct pollfd *)pool_take();
	nfds_t k, room = CONN_BUFFER_BYTES / sizeof(*p);
	int ready, error;

	if (refused(t))
		return real.pselect(n, r, w, e, t, mask);
	if (!p) {
		guest_lost(PAGE_LOST_STANDIN);
		return real.pselect(n, r, w, e, t, mask);
	}
	k = to_pollfds(n, r, w, e, p, room);
	CANCEL_BEGIN(give_back, p);
	ready = all_open(p, k) ? wait_on(selection_wait, p, k, t, mask) : fail(EBADF);
	CANCEL_END;
	error = errno;
	if (ready >= 0)
		ready = to_fd_sets(p, k, r, w, e);
	pool_give((char *)p);
	used = clock_now_ns() - start;
	used = t && used < length(t) ? length(t) - used : 0;
	if (left)
		*left = (struct timespec){(time_t)(used / NS_PER_S), (long)(used % NS_PER_S)};
	errno = error;
	return ready;
}
