/* SPDX-License-Identifier: MIT */
/*
 * A client's piece of a request head that was accepted and has not left (conn.held). A fork makes it two processes': whichever acts on it first
 * sends it, the other learns of that from a page that both share. Under the connection's lock.
 */
#ifndef AFTERSHOCK_PRELOAD_PIECE_H
#define AFTERSHOCK_PRELOAD_PIECE_H

#include <stdint.h>
#include "preload/conn.h"

/* It was put there just now. */
void piece_begin(struct conn *c);

/* The program goes on with its request: the piece, if there is one, is this process's, or gone. */
void piece_take(struct conn *c, uint64_t now_ns);

/* It leaves as it is, judged without what its head would say, as far as the socket has room for it (conn.held_len: the rest). */
void piece_release(struct conn *c, int fd, uint64_t now_ns);

/* The connection ends: it leaves, and is in no books. */
void piece_flush(struct conn *c, int fd);

/* Nothing of it is left. */
void piece_drop(struct conn *c);

#endif
