/* SPDX-License-Identifier: MIT */
/*
 * What the faults of the plan make of one step of an attempt: the resolution of its name, its connect, its exchange. Of each kind
 * of action the first fault in the plan that hits it is taken. All functions: under the connection's lock; no blocking, no allocation.
 */
#ifndef AFTERSHOCK_PRELOAD_VERDICT_H
#define AFTERSHOCK_PRELOAD_VERDICT_H

#include "preload/conn.h"

/* Decides the faults of the resolution of a name; c stands for the connection that it is for, its peer is the name. */
void verdict_resolve(struct conn *c, uint64_t now_ns, struct verdict *v);

/* Decides the connect-level faults of c (refuse, error=connect). */
void verdict_connect(struct conn *c, uint64_t now_ns, struct verdict *v);

/* Decides the faults of the exchange whose request head this is (NULL: not HTTP). raw: the head's bytes, for `header`; of what is opaque, all there is. */
void verdict_exchange(struct conn *c, const struct http1_head *head, const char *raw, size_t raw_len, uint64_t now_ns, struct verdict *v);

/* Whether n bytes that would begin a turn are what ends a connection of a protocol that we do not frame; then this is the verdict. */
bool verdict_says_goodbye(const struct conn *c, const char *raw, size_t n);
extern const struct verdict verdict_goodbye;

/* Whether a request that begins like this must be whole before it moves: a fault asks what its head says, and this looks like HTTP. */
bool verdict_awaits_head(const struct conn *c, const void *data, size_t n);

#endif
