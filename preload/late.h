/* SPDX-License-Identifier: MIT */
/*
* Requests that came in through a receive made before there was a fault for them, as a server's worker waits for its next request: what was
 * received is decided as far as it can be told from the bytes alone.
 */
#ifndef AFTERSHOCK_PRELOAD_LATE_H
#define AFTERSHOCK_PRELOAD_LATE_H

#include <sys/types.h>
#include "preload/io.h"

/* Such a receive brought r (> 0) bytes, which are not in the books yet: r, or what the program gets instead, with its errno. Enters and leaves
 * locked; the lock is free while the request is held. */
ssize_t late_received(struct conn *c, struct io *io, ssize_t r);

#endif
