/* SPDX-License-Identifier: MIT */
/*
* The bytes of requests that a client's call is to send: first those of a head that were held back from earlier calls (conn.held), then the
 * call's own from at on, n of them. Where its messages end, and what of it has moved.
 * All under the connection's lock; none blocks. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_OUTGOING_H
#define AFTERSHOCK_PRELOAD_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "preload/io.h"

/* How many bytes belong to the message that begins or goes on there; together: and to those behind it that pass untouched, which are decided
 * for that. */
size_t outgoing_extent(struct conn *c, const struct io *io, size_t at, size_t n, bool together);

/* Copies them into buf, as far as they fit in room; returns how many. */
size_t outgoing_gather(struct conn *c, const struct io *io, size_t at, size_t n, char *buf, size_t room);

/* The first k of them, as far as they fit, for sendmsg; returns how many. */
size_t outgoing_part(const struct conn *c, const struct io *io, size_t at, size_t k, struct iovec v[IO_PIECES + 1], struct msghdr *m);

/* Counts k bytes as moved. Returns how many of them were the call's. */
size_t outgoing_consume(struct conn *c, struct io *io, size_t at, size_t k, uint64_t t0_ns, uint64_t now_ns);

/* Keeps the call's bytes until the head is complete. False when they do not fit. */
bool outgoing_hold_back(struct conn *c, const struct io *io, size_t at, size_t n);

#endif
