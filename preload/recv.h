/* SPDX-License-Identifier: MIT */
/*
* Receiving on a tracked connection. Results and errno are those of the call on a slow or failing network.
 */
#ifndef AFTERSHOCK_PRELOAD_RECV_H
#define AFTERSHOCK_PRELOAD_RECV_H

#include <sys/types.h>
#include "preload/io.h"

/* A receive that a fault may concern. Enters and leaves unlocked; may block. */
ssize_t recv_gated(struct conn *c, struct io *io);

/* The receive on a gated connection, in as many parts as MSG_WAITALL needs. Enters and leaves locked; the lock is free while it waits. */
ssize_t recv_parts(struct conn *c, struct io *io);

#endif
