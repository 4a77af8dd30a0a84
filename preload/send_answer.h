/* SPDX-License-Identifier: MIT */
/*
* What a server sends on a gated connection: the answer passes, vanishes, leaves in the parts that its rate lets out, or breaks the connection.
 */
#ifndef AFTERSHOCK_PRELOAD_SEND_ANSWER_H
#define AFTERSHOCK_PRELOAD_SEND_ANSWER_H

#include <stdint.h>
#include <sys/types.h>
#include "preload/io.h"

/* As send(2). Enters and leaves locked; the lock is free while it waits or sends. */
ssize_t send_answer(struct conn *c, struct io *io, uint64_t t0_ns);

#endif
