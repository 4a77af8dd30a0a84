/* SPDX-License-Identifier: MIT */
/*
* How a call of the program fails: -1 and an errno, as from the kernel.
 */
#ifndef AFTERSHOCK_PRELOAD_FAILURE_H
#define AFTERSHOCK_PRELOAD_FAILURE_H

#include <errno.h>
#include <stdbool.h>

static inline int fail(int error)
{
	errno = error;
	return -1;
}

/* Errors that say something of the call alone: the connection is as it was. */
static inline bool is_transient(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM || error == EFAULT || error == EINVAL;
}

#endif
