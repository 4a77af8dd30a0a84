/* SPDX-License-Identifier: MIT */
/*
 * The synthetic HTTP answer of a `status` fault: head made into a pool buffer, body straight from the control page.
 */
#ifndef AFTERSHOCK_PRELOAD_ANSWER_H
#define AFTERSHOCK_PRELOAD_ANSWER_H

#include <sys/uio.h>
#include "preload/conn.h"

/* Makes the head of x's answer in c->reply when it is not there yet; false without a buffer. Under the lock. */
bool answer_make(struct conn *c, struct exchange *x);

/* Points iov[0..1] at head and body; returns the total length. After answer_make(). */
size_t answer_iov(const struct conn *c, const struct exchange *x, struct iovec iov[2]);

/* Sends what follows the first at bytes without blocking; bytes sent or -errno. */
long answer_send(int fd, const struct iovec iov[2], size_t at);

/* Whether the connection ends after this answer. */
bool answer_closes(const struct exchange *x);

#endif
