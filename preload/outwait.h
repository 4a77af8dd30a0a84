/* SPDX-License-Identifier: MIT */
/*
* What a send waits for before it is made, or says EAGAIN for: room in the outbox, the rate of an answer, the rest of a request head that
 * was held back. flags: MSG_DONTWAIT matters.
 *
 * All: 0 or the errno to return. Enter and leave with the connection locked; the lock is free while they wait.
 */
#ifndef AFTERSHOCK_PRELOAD_OUTWAIT_H
#define AFTERSHOCK_PRELOAD_OUTWAIT_H

#include <stdbool.h>
#include <stddef.h>
#include "preload/conn.h"

/* Until there is room in the outbox, or (all) until it is empty. */
int outwait_room(struct conn *c, int fd, int flags, bool all);

/* Until the answer's rate lets something out; cuts *n to that. */
int outwait_pace(struct conn *c, int fd, int flags, size_t *n);

/* What is sent next is not looked at: until a piece of a request head that is held back has gone before it. */
int outwait_head(struct conn *c, int fd, int flags);

#endif
