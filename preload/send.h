/* SPDX-License-Identifier: MIT */
/*
* Sending on a tracked connection. Results and errno are those of the call on a slow or failing network.
 */
#ifndef AFTERSHOCK_PRELOAD_SEND_H
#define AFTERSHOCK_PRELOAD_SEND_H

#include <stdint.h>
#include <sys/types.h>
#include "preload/io.h"

/* A send that a fault may concern. Enters and leaves unlocked; may block. */
ssize_t send_gated(struct conn *c, struct io *io);

/* The plain way: the call as it is, then the books. Enters and leaves locked; the lock is free during the call. */
ssize_t send_plain(struct conn *c, struct io *io, uint64_t t0_ns);

#endif
