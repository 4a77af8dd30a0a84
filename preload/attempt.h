/* SPDX-License-Identifier: MIT */
/*
 * A connect that a fault concerns, while it is under way: what the program may know of its outcome, and when. The kernel's outcome is
 * held back for the delay, ended by a reset, or does not come because the SYN went nowhere.
 *
 * Invariant: while c->dialling is neither DIAL_PLAIN nor DIAL_LATER the socket looks to the program as in SYN_SENT: nothing is ready
 * on it. All functions under the connection's lock; none blocks for longer than a clock tick. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_ATTEMPT_H
#define AFTERSHOCK_PRELOAD_ATTEMPT_H

#include "preload/conn.h"

struct nowhere;

/* The connect begins under verdict v (some action in it): journals what fires. */
void attempt_begin(struct conn *c, const struct verdict *v, uint64_t now_ns);

/* Moves on what time or the kernel moved. True when the kernel's truth may be shown. */
bool attempt_look(struct conn *c, int fd, uint64_t now_ns);

/* The outcome is there: hides it for the delay (perhaps 0) from now on. */
void attempt_hold(struct conn *c, uint64_t arrived_ns, uint64_t now_ns);

/* When that may change by the passing of time; FOREVER when it will not. */
uint64_t attempt_deadline(const struct conn *c);

/* Whether the fault of a connect that hangs is still in force. */
bool attempt_hangs(const struct conn *c, uint64_t now_ns);

/* When to look again; the same moment for all that hang. */
uint64_t attempt_next_look(uint64_t now_ns);

/* connect(2) that does not wait, also on a blocking socket: then it takes up to a clock tick. 0 or -errno. */
int attempt_dial(int fd, const struct nowhere *to);

/* A connect that hangs: the local address that the program's socket would have on the way to its peer; false when the kernel's is that. */
bool attempt_local(struct conn *c, int fd, struct nowhere *local);

#endif
