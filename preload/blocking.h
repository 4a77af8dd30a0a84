/* SPDX-License-Identifier: MIT */
/*
* A call of the program that blocks, while it waits inside us: it ends by what it waits for, by its own time (SO_RCVTIMEO, SO_SNDTIMEO), by
 * a signal and by cancellation, as it would in the kernel.
 *
 * All that take a connection enter and leave with it locked; the lock is free while they wait. Thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_BLOCKING_H
#define AFTERSHOCK_PRELOAD_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>
#include "preload/conn.h"

/* Whether a call with these flags (MSG_*) on fd may wait. */
bool blocking_allowed(int fd, int flags);

/* When a blocking call that begins now ends by SO_RCVTIMEO or SO_SNDTIMEO (option); FOREVER without one. */
uint64_t blocking_limit(int fd, int option, uint64_t now_ns);

struct blocking {		/* whether a receive may wait, and until when */
	int fd;
	bool known;		/* asked of the kernel already: it is when the call comes to that */
	bool may;		/* before: unless the descriptor is non-blocking */
	uint64_t limit_ns;	/* once it is known */
};

/* Asks once, and returns b->may. */
bool blocking_may(struct blocking *b);

/* Waits until until_ns, the end of the call's own time (limit_ns), a wake or a signal. 0 look again, EAGAIN the limit was reached, EINTR, EBADF fd is
 * another file, or none, by now: another thread closed it. */
int blocking_hold(struct conn *c, int fd, uint64_t until_ns, uint64_t limit_ns);

/* Waits until the kernel has something new to read on fd. 0, or the errno to return. */
int blocking_arrival(struct conn *c, int fd);

/* Nothing asked yet, but another thread may ask and be answered by us: waits for the kernel (events, as for poll), for that, or until until_ns.
 * As blocking_hold(). */
int blocking_either(struct conn *c, int fd, short events, uint64_t until_ns, uint64_t limit_ns);

/* Takes the connection (not locked) for this thread's act on it; false: pass the call straight through. A call that would wait for the outcome
 * of a connect (option: the timeout it obeys) has done so; *error says when it must fail for that. */
bool blocking_enter(struct conn *c, int fd, int flags, int option, int *error);

#endif
