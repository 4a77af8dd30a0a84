/* SPDX-License-Identifier: MIT */
/*
 * The gate: what the program may know of a connection's input, and when. Client: the oldest exchange in
 * flight decides. Server: the newest, whose request is being taken in. All functions under the connection's lock;
 * none blocks.
 */
#ifndef AFTERSHOCK_PRELOAD_GATE_H
#define AFTERSHOCK_PRELOAD_GATE_H

#include "base/clock.h"
#include "preload/conn.h"
#include "preload/guest.h"

/* Something is readable (or ended, or failed) in the kernel: whether the program may see that now. Begins what begins with arrival:
 * holds, resets; a server's requests are looked at, and swallowed and answered when a fault says so. */
bool gate_readable(struct conn *c, int fd, uint64_t now_ns);

/* Whether input is hidden at this moment whatever the kernel says. */
bool gate_hidden(struct conn *c, uint64_t now_ns);

/* Whether an answer of ours can be read at this moment. */
bool gate_answer_ready(struct conn *c, uint64_t now_ns);

/* When that may change by the passing of time; FOREVER when it will not. */
uint64_t gate_deadline(struct conn *c);

/* Whether something is held that the end of a fault would let go. */
bool gate_holds(struct conn *c, uint64_t now_ns);

/* The next moment, common to all that a set or a thread waits for, to look whether the fault that holds it has ended. */
#define GATE_TICK_NS (50 * NS_PER_MS)
static inline uint64_t gate_next_tick(uint64_t now_ns)
{
	return clock_tick_ns(now_ns, GATE_TICK_NS, 0);
}

/* The same of the calling thread: a thousand that looked at once would keep the processors from those whose wait is over. */
static inline uint64_t gate_thread_tick(uint64_t now_ns)
{
	return clock_tick_ns(now_ns, GATE_TICK_NS, guest_tid());
}

/* Time passed, or an exchange ended: moves the gate on and tells the epoll sets. */
void gate_tick(struct conn *c, int fd, uint64_t now_ns);

/* How many bytes the program may read from fd now, which gate_readable() found readable: up to the place of a cut, what a rate
 * allows, the end of a message behind which another begins that is not plain. At least 1. */
size_t gate_limit(struct conn *c, int fd);

/* Whether the peer's end, which the kernel knows already, comes behind something that the program is not to see yet, or instead of it. */
bool gate_end_is_later(struct conn *c, int fd);

/* A server begins to answer, as far as it shows: what it has not read by now belongs to the turn that it answers (conn.unread). */
void gate_answer_begins(struct conn *c, int fd);

/* No fault concerns the connection any more, whatever it has begun: nothing of it is left but an answer of ours that is to be read. */
void gate_surrender(struct conn *c, int fd);

#endif
