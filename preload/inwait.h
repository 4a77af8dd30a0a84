/* SPDX-License-Identifier: MIT */
/*
* What a receive on a gated connection waits for before it is made, or says EAGAIN for.
 * Enter and leave with the connection locked; the lock is free while they wait.
 */
#ifndef AFTERSHOCK_PRELOAD_INWAIT_H
#define AFTERSHOCK_PRELOAD_INWAIT_H

#include "preload/blocking.h"

#define INWAIT_AGAIN (-1)

/* One turn of waiting: 0 the program may read now; INWAIT_AGAIN to look again; else the errno to return. */
int inwait_turn(struct conn *c, int fd, struct blocking *b);

/* Waits for what MSG_WAITALL lacks until the call's time is over, which its parts have in common. 0 or an errno. */
int inwait_rest(struct conn *c, int fd, const struct blocking *b);

#endif
