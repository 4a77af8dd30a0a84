/* SPDX-License-Identifier: MIT */
/*
 * How a connection ends by our doing, with what the kernel itself does: a RST, or the end of a stream. All functions under the connection's
 * lock; none blocks. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_CUT_H
#define AFTERSHOCK_PRELOAD_CUT_H

#include "preload/conn.h"

/* Between tries to send what the kernel has no room for, to a client that does not read. */
#define CUT_RESEND_NS (5 * NS_PER_MS)

/* A real RST: the peer gets it, the program's socket is as after one that came from the peer. error: errno to show. */
void cut_reset(struct conn *c, int fd, int error);

/* Does a cut that is due (conn.cut), and ends what is in flight. */
void cut_when_due(struct conn *c, int fd, uint64_t now_ns);

/* Nothing more will come: the peer ended the stream, or it broke. */
bool cut_ended(int fd);

#endif
