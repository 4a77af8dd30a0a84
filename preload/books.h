/* SPDX-License-Identifier: MIT */
/*
* The books of a connection: what a call of the program moved, or how it failed, becomes known to its exchanges. After the call, under
 * the connection's lock; none blocks but books_received(), for a moment.
 */
#ifndef AFTERSHOCK_PRELOAD_BOOKS_H
#define AFTERSHOCK_PRELOAD_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "preload/io.h"

/* n bytes of the call's, from at on, went out; it began at t0_ns. */
void books_sent(struct conn *c, struct io *io, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns);

/* n bytes went out that nobody looked at. */
void books_sent_unseen(struct conn *c, size_t n, uint64_t t0_ns);

/* A send on fd is over, whatever was sent: r is its result, error its errno. Returns the errno that the program gets. */
int books_send_over(struct conn *c, int fd, ssize_t r, int error);

/* The program took n bytes of the kernel's; dry: all there were. What is to happen at that place of the answer happens. */
void books_took(struct conn *c, struct io *io, size_t n, bool dry, uint64_t now_ns);

/* A receive of up to `asked` bytes is over: r is its result, error its errno. Returns what the program gets, with its errno. */
ssize_t books_received(struct conn *c, struct io *io, size_t asked, ssize_t r, int error);

#endif
