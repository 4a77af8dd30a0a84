/* SPDX-License-Identifier: MIT */
/*
 * The beginning of a request in what a client sends: its faults are decided, and its exchange begins, before a byte of it leaves.
 * Under the connection's lock; neither blocks. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_REQUEST_H
#define AFTERSHOCK_PRELOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "preload/io.h"

/* Whether the next byte out begins a new request. */
bool request_begins(const struct conn *c);

/* One begins with what is held back and the n bytes of the call from at on, which was made at t0_ns: decides it, unless that was done when
 * the one before it left, and begins its exchange. False: its head is not complete, and all n bytes were held back. */
bool request_begin(struct conn *c, const struct io *io, size_t at, size_t n, uint64_t t0_ns);

#endif
