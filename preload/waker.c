/* SPDX-License-Identifier: MIT */
#include "preload/waker.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include "base/clock.h"
#include "preload/raw.h"
#include "preload/table.h"

static int ours(long fd)
{
	int own = table_own((int)fd);

	return own < 0 ? -1 : own;
}

int waker_event(void)
{
	return ours(RAW(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0));
}

int waker_timer(uint64_t end_ns)
{
	struct itimerspec it = {.it_value = {(time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S) + !end_ns}};	/* 0 would disarm it */
	int fd = ours(RAW(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC, 0, 0, 0, 0));

	if (fd >= 0 && end_ns != FOREVER)
		RAW(SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, &it, 0, 0, 0);
	return fd;
}

int waker_signals(uint64_t signals)
{
	return ours(RAW(SYS_signalfd4, -1, &signals, sizeof(signals), SFD_CLOEXEC, 0, 0));
}

int waker_set(const struct pollfd *p, nfds_t n)
{
	int set = ours(RAW(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0));

	for (nfds_t i = 0; set >= 0 && i < n; i++) {
		struct epoll_event ev = {.events = (uint32_t)p[i].events};	/* the bits are the same */

		if (p[i].fd < 0 || raw_epoll_ctl(set, EPOLL_CTL_ADD, p[i].fd, &ev) == 0)
			continue;
		waker_close(set);
		set = -1;
	}
	return set;
}

bool waker_join(struct conn *c, int fd)
{
	for (int i = 0; i < CONN_WAITERS; i++)
		if (fd >= 0 && !c->waiters[i]) {
			c->waiters[i] = fd + 1;
			return true;
		}
	return false;
}

void waker_leave(struct conn *c, int fd)
{
	for (int i = 0; i < CONN_WAITERS; i++)
		if (c->waiters[i] == fd + 1)
			c->waiters[i] = 0;
}

void waker_wake_all(struct conn *c)
{
	uint64_t one = 1;
	struct itimerspec now = {.it_value = {0, 1}};

	for (int i = 0; i < CONN_WAITERS; i++) {
		int fd = c->waiters[i] - 1;

		if (fd < 0 || !table_is_private(fd))
			continue;
		if (RAW(SYS_timerfd_settime, fd, 0, &now, 0, 0, 0) == -EINVAL)
			raw_write(fd, &one, sizeof(one));
	}
}

void waker_close(int fd)
{
	if (fd < 0 || !table_is_private(fd))
		return;	/* the program has taken the number (dup2) */
	table_disown(fd);
}

void waker_cancelled(void *wait)
{
	struct waker_wait *w = wait;

	if (conn_lock(w->c)) {
		waker_leave(w->c, w->fd);
		conn_unlock(w->c);
	}
	waker_close(w->fd);
	waker_close(w->beside);
	pool_give(w->buffer);
	signals_left(&w->signals);
}
