/* SPDX-License-Identifier: MIT */
/*
 * A descriptor of ours that wakes a thread which waits inside us: a timerfd or an eventfd that is known to the connections whose
 * gate may change meanwhile (conn.waiters). It lives as long as the wait, also when that ends by pthread_cancel().
 *
 * Invariant: what stands in conn.waiters is a private descriptor (table.h), or was one: nobody writes to it unless it still is.
 * Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_WAKER_H
#define AFTERSHOCK_PRELOAD_WAKER_H

#include <poll.h>
#include <stdbool.h>
#include "preload/conn.h"
#include "preload/signals.h"

/* An eventfd, a timerfd that expires at end_ns (FOREVER: not), or a signalfd that is ready while one of these signals (SIGHUP is bit 0) is
 * pending, or an epoll set of what ppoll(2) would be asked; -1 when there is none. */
int waker_event(void);
int waker_timer(uint64_t end_ns);
int waker_signals(uint64_t signals);
int waker_set(const struct pollfd *p, nfds_t n);

/* c's gate wakes fd from now on, and no more. False: nobody will (fd < 0, or too many wait already), look each GATE_TICK_NS. Under c's lock. */
bool waker_join(struct conn *c, int fd);
void waker_leave(struct conn *c, int fd);

/* Wakes all that joined c. Under its lock. */
void waker_wake_all(struct conn *c);

/* -1 is fine. */
void waker_close(int fd);

/* A wait on one connection, for CANCEL_BEGIN (cancel.h): what to undo when the thread is cancelled in it, with the lock free. The
 * connection's reference is given back by the wrapper of the call. */
struct waker_wait {
	struct conn *c;
	int fd;
	int beside;	/* of signals_wait(); -1 none, as fd */
	char *buffer;	/* of the pool; NULL none */
	struct signals signals;	/* kept out meanwhile */
};

void waker_cancelled(void *wait);

#endif
