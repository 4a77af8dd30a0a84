/* SPDX-License-Identifier: MIT */
/*
 * The end of a head: which body follows (RFC 9112 §6.3).
 */
#ifndef AFTERSHOCK_BASE_HTTP1_BODY_H
#define AFTERSHOCK_BASE_HTTP1_BODY_H

#include "base/http1.h"

/* p->head is read: its flags are settled, p is in the state of what follows. HTTP1_HEAD, HTTP1_INTERIM or HTTP1_OPAQUE. */
int http1_head_done(struct http1 *p);

#endif
