/* SPDX-License-Identifier: MIT */
#include "preload/epoll_nest.h"

#include <poll.h>
#include "base/clock.h"
#include "preload/descriptors.h"
#include "preload/early.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_sets.h"
#include "preload/epoll_timer.h"
#include "preload/epoll_translate.h"
#include "preload/raw.h"

#define LOOK_BATCH 32
#define EPOLL_ASKED (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP)

/* ---- what the kernel says of a set becomes what the program may know ---- */

/* Registrations of set s that the kernel may have something of, and this round has not looked at: up to LOOK_BATCH connections, each held. */
static int unlooked(int s, uint32_t round, struct conn *conns[], int fds[])
{
	int n = 0;

	for (int32_t i = epoll_sets[s].regs; i && n < LOOK_BATCH; i = epoll_regs[i - 1].next_in_set) {
		struct reg *r = &epoll_regs[i - 1];

		if (r->outside || r->disarmed || (int32_t)(round - r->round) <= 0 || !conn_hold(conn_at(r->conn)))
			continue;
		conns[n] = conn_at(r->conn);
		fds[n++] = r->fd;
		r->round = round;
	}
	return n;
}

/* What has arrived is held now, as by a wait on the set itself. Nothing is held of a client that has asked for nothing. */
static void look(struct conn *c, int fd, uint64_t now_ns)
{
	short ready;

	if (!conn_lock(c))
		return;
	if ((c->count || c->dialling || c->role == JOURNAL_SERVER) && (ready = raw_ready(fd, POLLIN | POLLOUT | POLLRDHUP)))
		epoll_admit(c, fd, (uint16_t)ready, now_ns);
	conn_unlock(c);
}

static void settle(int s)
{
	struct conn *conns[LOOK_BATCH];
	int fds[LOOK_BATCH], n;
	uint32_t round = 0;

	set_fire(s);
	do {
		if (!epoll_lock())
			return;
		round = round ? round : ++epoll_sets[s].rounds;
		n = unlooked(s, round, conns, fds);
		epoll_unlock();
		for (int i = 0; i < n; i++) {
			look(conns[i], fds[i], clock_now_ns());
			conn_put(conns[i]);
		}
	} while (n == LOOK_BATCH);
}

/* The first set from s on that is this one, or may be in it, however deep, and has something to settle; -1 there is none. */
static int next_of(int set, int s)
{
	if (!epoll_lock())
		return -1;
	s = set_next(s);
	while (s >= 0 && !(epoll_sets[s].regs && (s == set || epoll_sets[s].nested)))
		s = set_next(s + 1);
	epoll_unlock();
	return s;
}

static void settle_with_inner(int set)
{
	for (int s = next_of(set, 0); s >= 0; s = next_of(set, s + 1))
		settle(s);
}

/* ---- who asks ---- */

/* The set whose registration *e in set `outer` bears this data, by its descriptor *fd; -1: there is none. Under the lock. */
static int inner_of(int outer, uint64_t data, int *fd, struct early *e)
{
	for (int s = set_next(0); s >= 0; s = set_next(s + 1)) {
		if (!epoll_sets[s].nested)
			continue;
		for (*fd = set_next_fd(s, 0); *fd >= 0; *fd = set_next_fd(s, *fd + 1))
			if (early_find(*fd, set_number(outer), e) && e->data == data)
				return s;
	}
	return -1;
}

/* Whether another descriptor of that set that bears the same data is ready: the event may be its. */
static bool another_is_ready(uint32_t outer, uint64_t data, int inner)
{
	bool ready = false;
	struct early e;

	if (!epoll_lock())
		return true;
	for (int fd = 0; descriptor_may_be_known(fd) && !ready; fd++)
		ready = fd != inner && early_find(fd, outer, &e) && e.data == data && raw_ready(fd, (short)(e.events & EPOLL_ASKED));
	epoll_unlock();
	return ready;
}

bool nest_hides(int ep, const struct epoll_event *ev)
{
	struct epoll_event again;
	uint32_t number = 0;
	struct early e;
	int s, outer, fd;

	if (!sets_nest() || !epoll_lock())
		return false;
	outer = set_find(ep, false);
	if (outer >= 0)
		number = set_number(outer);
	s = outer < 0 ? -1 : inner_of(outer, ev->data.u64, &fd, &e);
	epoll_unlock();
	if (s < 0)
		return false;
	settle_with_inner(s);
	if (raw_ready(fd, POLLIN) || another_is_ready(number, e.data, fd))
		return false;
	again = (struct epoll_event){.events = e.events, .data.u64 = e.data};
	if (e.events & EPOLLONESHOT)	/* the kernel disarmed it for an event that the program never sees */
		raw_epoll_ctl(ep, EPOLL_CTL_MOD, fd, &again);
	return true;
}

bool nest_is_ready(int ep)
{
	int s;

	if (!conn_may_lock() || !epoll_lock())
		return true;
	s = set_find(ep, false);
	epoll_unlock();
	if (s >= 0)
		settle_with_inner(s);
	return raw_ready(ep, POLLIN) != 0;
}
