/* SPDX-License-Identifier: MIT */
/*
 * A client's program that does not read hears of the end of its connection all the same, as of a RST of its peer: by its next send, by a wait
 * for output or for nothing. What of the answer comes before the end, and was not read, is kept for it. Under the connection's lock.
 */
#ifndef AFTERSHOCK_PRELOAD_HEAR_H
#define AFTERSHOCK_PRELOAD_HEAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "preload/conn.h"
#include "preload/io.h"

/* Whether the answer under way brings a fault's end as soon as enough of it is there. */
bool hear_awaits(struct conn *c);

/* Looks whether it is there. */
void hear(struct conn *c, int fd, uint64_t now_ns);

/* What is kept, into the call's buffers; its result. conn.kept_len is not 0. */
ssize_t hear_recv(struct conn *c, struct io *io);

#endif
