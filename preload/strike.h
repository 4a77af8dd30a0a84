/* SPDX-License-Identifier: MIT */
/*
* The error that a fault makes of a call (error=..., on=send or recv). Under the connection's lock; neither blocks.
 */
#ifndef AFTERSHOCK_PRELOAD_STRIKE_H
#define AFTERSHOCK_PRELOAD_STRIKE_H

#include <stdbool.h>
#include <stdint.h>
#include "plan/page.h"
#include "preload/conn.h"

/* Whether x (may be NULL) has a fault that makes this call fail. */
bool strike_is_due(const struct exchange *x, enum page_call where);

/* The call fails by x's fault: -1 and its errno, what is in flight ends, and the connection too when the error is that of a connection. */
int strike(struct conn *c, struct exchange *x, int fd, uint64_t now_ns);

#endif
