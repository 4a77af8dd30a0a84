/* SPDX-License-Identifier: MIT */
#include "preload/epoll_timer.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include "base/clock.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_sets.h"
#include "preload/gate.h"
#include "preload/hear.h"
#include "preload/raw.h"
#include "preload/table.h"

#define DUE_BATCH 32

static _Atomic bool starved;	/* some set could not have its timer */

void set_timer(int s, uint64_t until_ns)
{
	struct set *set = &epoll_sets[s];
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = token(TOKEN_TIMER, 0, (uint16_t)s)};
	struct itimerspec it = {.it_value = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) + !until_ns}};	/* 0 would disarm it */
	int fd;

	if (until_ns >= set->armed_ns)
		return;
	if (!set->timer) {
		fd = table_own((int)RAW(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK, 0, 0, 0, 0));
		if (fd < 0) {
			set->armed_ns = until_ns;	/* who waits on the set ends its turn there */
			atomic_store(&starved, true);
			return;
		}
		set->timer = fd + 1;
		raw_epoll_ctl(set->ep - 1, EPOLL_CTL_ADD, fd, &ev);
	}
	RAW(SYS_timerfd_settime, set->timer - 1, TFD_TIMER_ABSTIME, &it, 0, 0, 0);
	set->armed_ns = until_ns;
}

/* The deadlines of a set that have passed, and (round not 0: the faults have changed) all that is held, once a round, for another fault may go on
 * holding it: up to DUE_BATCH connections, each held; the timer is set for the rest. */
static int set_due(int s, uint32_t round, uint64_t now_ns, struct conn *due[], int fds[], bool blind[])
{
	uint64_t next = FOREVER, tick = gate_next_tick(now_ns);
	int n = 0;

	epoll_sets[s].armed_ns = FOREVER;
	for (int32_t i = epoll_sets[s].waiting, after; i; i = after) {
		struct reg *r = &epoll_regs[i - 1];

		after = r->next_waiting;
		if ((r->until_ns <= now_ns || (round && r->held && r->round != round)) && n < DUE_BATCH && conn_hold(conn_at(r->conn))) {
			due[n] = conn_at(r->conn);
			blind[n] = reg_is_blind(r);
			fds[n++] = r->fd;
			r->round = round;
			reg_await(r, FOREVER, false);
		}
		next = r->until_ns < next ? r->until_ns : next;
		next = r->held && tick < next ? tick : next;
	}
	if (next != FOREVER)
		set_timer(s, next);
	return n;
}

/* A fork has made another process a user of the same set, and the timer that is taken here was that one's: what it has left out of the kernel's
 * set, which is for both, is put back. Whoever is told of it then asks its own gate. */
static void set_reveal(int s)
{
	for (int32_t i = epoll_sets[s].regs; i; i = epoll_regs[i - 1].next_in_set)
		if (!epoll_regs[i - 1].outside && !epoll_regs[i - 1].disarmed)
			reg_apply(&epoll_regs[i - 1], epoll_regs[i - 1].applied);
}

/* Takes the set's timer back; whether the faults have changed since it fired last. */
static bool timer_read(int s)
{
	struct set *set = &epoll_sets[s];
	uint64_t expired, version = page_version(guest.page);
	bool changed = set->version != version;

	if (set->timer && raw_read(set->timer - 1, &expired, sizeof(expired)) > 0 && set->armed_ns > clock_now_ns())
		set_reveal(s);
	set->version = version;
	return changed;
}

void set_fire(int s)
{
	bool alone = !guest_faults_on(clock_now_ns());
	struct conn *due[DUE_BATCH];
	int fds[DUE_BATCH], n;
	bool blind[DUE_BATCH];
	uint32_t round = 0;

	do {
		if (!epoll_lock())
			return;
		if (timer_read(s) || (alone && !round))
			round = ++epoll_sets[s].rounds;
		n = set_due(s, round, clock_now_ns(), due, fds, blind);
		epoll_unlock();
		for (int i = 0; i < n; i++) {
			if (conn_lock(due[i])) {
				if (blind[i])
					hear(due[i], fds[i], clock_now_ns());
				gate_tick(due[i], fds[i], clock_now_ns());
				conn_unlock(due[i]);
			}
			conn_put(due[i]);
		}
	} while (n == DUE_BATCH);
}

uint64_t set_untimed(int ep, int *s)
{
	uint64_t until = FOREVER;

	if (likely(!atomic_load_explicit(&starved, memory_order_relaxed)) || !epoll_lock())
		return FOREVER;
	*s = set_find(ep, false);
	if (*s >= 0 && !epoll_sets[*s].timer)
		until = epoll_sets[*s].armed_ns;
	epoll_unlock();
	return until;
}
