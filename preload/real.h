/* SPDX-License-Identifier: MIT */
/*
 * The functions behind ours: libc's, or those of the next interposer (ASan, another LD_PRELOAD). Resolved once, with
 * dlsym(RTLD_NEXT), by the constructor or by the first call before it. While that is under way (dlsym may call malloc, and an
 * allocator may read files) a call goes to the kernel directly. Passing through libc rather than the raw call
 * keeps cancellation points and other interposers as they were.
 */
#ifndef AFTERSHOCK_PRELOAD_REAL_H
#define AFTERSHOCK_PRELOAD_REAL_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include "preload/raw.h"

struct real {
#define CALL(ret, name, params, args, early, shows) ret(*name) params;
#define OWN(ret, name, params)
#include "preload/calls.h"
};

/* Fills the array rest with what follows the parameter last of a variadic function: as many longs, given or not. */
#define TAKE_REST(rest, last)						\
	do {								\
		va_list ap_;						\
									\
		va_start(ap_, last);					\
		for (size_t i_ = 0; i_ < sizeof(rest) / sizeof(long); i_++)	\
			(rest)[i_] = va_arg(ap_, long);			\
		va_end(ap_);						\
	} while (0)

/* Always callable: every member is set from the first instruction on (to direct system calls until resolved). */
extern struct real real;

/* real.epoll_ctl is libc's own, which asks the kernel and does nothing else: it is no cancellation point. */
extern bool real_epoll_ctl_is_bare;

/* As real.epoll_ctl(). Without its frame where it is bare: the kernel's calls spoil what the processor predicts of returns (stream.h). */
static inline int real_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	long r;

	if (!real_epoll_ctl_is_bare)
		return real.epoll_ctl(ep, op, fd, ev);
	r = raw6(SYS_epoll_ctl, ep, op, fd, (long)ev, 0, 0);	/* the program's own call, never barred */
	if (__builtin_expect(r < 0, 0))
		return errno = (int)-r, -1;
	return 0;
}

/* Resolves once; later calls return at once. Async-signal-safe after the first. errno is kept. */
void real_resolve(void);

#endif
