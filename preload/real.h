/* SPDX-License-Identifier: MIT */
/*
 * The functions behind ours: libc's, or those of the next interposer (ASan, another LD_PRELOAD). Resolved once, with
 * dlsym(RTLD_NEXT), by the constructor or by the first call before it. While that is under way (dlsym may call malloc, and an
 * allocator may read files) a call goes to the kernel directly. Passing through libc rather than the raw call
 * keeps cancellation points and other interposers as they were.
 */
#ifndef AFTERSHOCK_PRELOAD_REAL_H
#define AFTERSHOCK_PRELOAD_REAL_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct real {
#define CALL(ret, name, params, args) ret(*name) params;
#include "preload/calls.h"
	int (*fcntl)(int fd, int cmd, ...);
	int (*fcntl64)(int fd, int cmd, ...);
	int (*ioctl)(int fd, unsigned long request, ...);
};

/* Always callable: every member is set from the first instruction on (to direct system calls until resolved). */
extern struct real real;

/* Resolves once; later calls return at once. Async-signal-safe after the first. errno is kept. */
void real_resolve(void);

#endif
