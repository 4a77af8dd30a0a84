/* SPDX-License-Identifier: MIT */
/*
 * A server's requests, looked at in the kernel's buffer before the program has them: decided when their head is whole, let through as far as
 * they are plain, or taken in, hidden and answered. All functions under the connection's lock but intake_lowat(); none blocks.
 * Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_INTAKE_H
#define AFTERSHOCK_PRELOAD_INTAKE_H

#include "preload/conn.h"

/* Goes on with the requests that are there, as far as time lets it. Whether the program may read now. */
bool intake_look(struct conn *c, int fd, uint64_t now_ns);

/* How many bytes it may read then; SIZE_MAX: as many as there are. */
uint64_t intake_limit(struct conn *c, int fd);

/* Whether the newest request is still coming in, or being answered by us. Opaque streams: a turn goes on until it was answered. */
bool intake_under_way(const struct conn *c, const struct exchange *x);

/* How many of the bytes that can be read on fd now belong to the message that p follows: exactly, or as far as what is there tells; *e: what
 * comes at its end (HTTP1_MORE: more of it). SIZE_MAX when nothing can be read. */
size_t intake_left(struct conn *c, const struct http1 *p, int fd, enum http1_event *e);

/* SO_RCVLOWAT is the program's again. */
void intake_restore(struct conn *c, int fd);

/* SO_RCVLOWAT as the program knows it: whether the kernel's is ours for now. Then *value is what the program set before (set: sets now).
 * Takes the lock. */
bool intake_lowat(struct conn *c, int *value, bool set);

#endif
