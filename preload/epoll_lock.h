/* SPDX-License-Identifier: MIT */
/*
* The lock over all that is known of the program's epoll sets (epoll_sets.h, early.h). It comes after a connection's. Who can not wait for
 * it, a signal handler that has interrupted the holder, leaves its change to the holder.
 * Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_LOCK_H
#define AFTERSHOCK_PRELOAD_EPOLL_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "preload/conn.h"

/* False when this very thread holds a lock already (a signal handler). */
bool epoll_lock(void);

/* Makes the changes that were put off meanwhile, and gives it back. */
void epoll_unlock(void);

struct change {
	void (*make)(const struct change *);	/* under the lock */
	struct conn *c;		/* NULL, or held until it is made */
	int fd, ep, op;		/* op: EPOLL_CTL_*, or a number of the change's own */
	struct epoll_event ev;
};

/* Leaves the change to the holder of the lock, whom this thread has interrupted; counted when that can not be. */
void epoll_put_off(const struct change *how);

/* Makes the change, or has it made. Here, so that what is made is known where it is compiled: a jump through a pointer is not predicted
 * after a call of the kernel's. */
static inline void epoll_change(const struct change *how)
{
	if (!epoll_lock()) {
		epoll_put_off(how);
		return;
	}
	how->make(how);
	epoll_unlock();
}

/* Whether what the tables say may not be all: asked before a change that they show no need for. Lock-free. */
bool epoll_pending(void);

#endif
