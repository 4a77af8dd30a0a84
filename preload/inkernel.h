/* SPDX-License-Identifier: MIT */
/*
* sendfile and splice on tracked connections: data that moves inside the kernel, where nobody looks at it. Results and errno are those of the
 * call on a slow or failing network. Enter and leave unlocked; may block.
 */
#ifndef AFTERSHOCK_PRELOAD_INKERNEL_H
#define AFTERSHOCK_PRELOAD_INKERNEL_H

#include <sys/types.h>
#include "preload/conn.h"

/* As sendfile(2); out is c's. */
ssize_t inkernel_sendfile(struct conn *c, int out, int in, off64_t *offset, size_t n);

/* As splice(2); in or out, or both, are connections (else NULL). */
ssize_t inkernel_splice(struct conn *in_conn, struct conn *out_conn, int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
			unsigned int flags);

#endif
