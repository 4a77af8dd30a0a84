/* SPDX-License-Identifier: MIT */
/*
* What a client sends on a gated connection: message by message, those that pass untouched together. A request is decided when it begins.
 */
#ifndef AFTERSHOCK_PRELOAD_SEND_REQUEST_H
#define AFTERSHOCK_PRELOAD_SEND_REQUEST_H

#include <stdint.h>
#include <sys/types.h>
#include "preload/io.h"

/* As send(2). Enters and leaves locked; the lock is free while it waits or sends. */
ssize_t send_request(struct conn *c, struct io *io, uint64_t t0_ns);

#endif
