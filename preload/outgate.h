/* SPDX-License-Identifier: MIT */
/*
 * What the program may know of a connection's output, and when: the mirror of gate.h. A request that shall come late (delay_on=request)
 * is taken from the program at once, as a socket buffer takes it, and waits in the connection's outbox; when the outbox is full,
 * output is hidden. A server's answer at a rate (throttle) is taken in parts, and output is hidden between them. What is due is
 * sent by whichever covered wait, send or receive on the connection comes next.
 *
 * Invariant: the outbox holds bytes in the order of the stream: first those of no exchange any more, then those of the exchanges in flight
 * in their order (exchange.out_bytes). Nothing overtakes it. All functions under the connection's lock; none blocks. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_OUTGATE_H
#define AFTERSHOCK_PRELOAD_OUTGATE_H

#include "preload/conn.h"

/* Whether bytes of x (may be NULL) that are sent now go into the outbox. */
bool outgate_holds(struct conn *c, struct exchange *x, uint64_t now_ns);

/* Takes up to n bytes that are sent on fd; returns how many. Less than n: output is hidden until some have left. */
size_t outgate_put(struct conn *c, int fd, const void *data, size_t n);

/* n bytes of those taken belong to x. */
void outgate_account(struct exchange *x, size_t n);

/* A send found that it may not go on before the outbox is empty: output is hidden until then. */
void outgate_block(struct conn *c);

/* How many of the n bytes of an answer that a server wants to send now its rate lets out; 0: none, and output is hidden until some may. */
size_t outgate_allow(struct conn *c, size_t n, uint64_t now_ns);

/* n bytes of the answer have left; all: the program had no more. */
void outgate_took(struct conn *c, size_t n, bool all);

/* Whether output is hidden whatever the kernel says. */
bool outgate_hidden(const struct conn *c);

/* When something is due; FOREVER when nothing waits. */
uint64_t outgate_deadline(const struct conn *c);

/* Sends what is due, as far as the kernel takes it. */
void outgate_tick(struct conn *c, int fd, uint64_t now_ns);

/* Sends all at once: the program closes, and a network would still deliver it. */
void outgate_flush(struct conn *c, uint64_t now_ns);

#endif
