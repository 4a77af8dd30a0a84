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

/* Makes the change, or has it made; counted when that can not be. */
void epoll_change(const struct change *how);

/* Whether what the tables say may not be all: asked before a change that they show no need for. Lock-free. */
bool epoll_pending(void);

#endif
