/* SPDX-License-Identifier: MIT */
/*
 * System calls that the guest makes for itself: straight to the kernel, past every interposer and past errno, so that
 * they work before any constructor, in signal handlers and without libc's state. Each returns what the kernel
 * returned: >= 0, or -errno. Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_RAW_H
#define AFTERSHOCK_PRELOAD_RAW_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include "preload/selection.h"

#if defined(__x86_64__)
static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
	return x0;
}
#else
#error "aftershock's preload library is written for x86-64 and aarch64"
#endif

/* The program has given up system calls, some of which would be its end (confine.h): none of ours is made any more. */
extern _Atomic bool raw_barred;

static inline bool raw_may(void)
{
	return __builtin_expect(!atomic_load_explicit(&raw_barred, memory_order_relaxed), 1);
}

#define RAW(n, a, b, c, d, e, f) \
	(raw_may() ? raw6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)) : (long)-EPERM)

static inline int raw_close(int fd)
{
	return (int)RAW(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline int raw_fcntl(int fd, int cmd, long arg)
{
	return (int)RAW(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static inline int raw_open(const char *path, int flags)
{
	return (int)RAW(SYS_openat, AT_FDCWD, path, flags, 0, 0, 0);
}

static inline long raw_read(int fd, void *buf, size_t n)
{
	return RAW(SYS_read, fd, buf, n, 0, 0, 0);
}

static inline long raw_write(int fd, const void *buf, size_t n)
{
	return RAW(SYS_write, fd, buf, n, 0, 0, 0);
}

static inline uint32_t raw_getpid(void)
{
	return (uint32_t)raw6(SYS_getpid, 0, 0, 0, 0, 0, 0);	/* who does without it? */
}

static inline uint32_t raw_gettid(void)
{
	return (uint32_t)RAW(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static inline int raw_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)RAW(SYS_getsockopt, fd, level, name, value, len, 0);
}

static inline int raw_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)RAW(SYS_setsockopt, fd, level, name, value, len, 0);
}

/* The value of an integer socket option, or -errno. */
static inline int raw_sockopt_int(int fd, int level, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);
	int r = raw_getsockopt(fd, level, name, &v, &len);

	return r < 0 ? r : v;
}

/* The number that the kernel has for this socket, by whatever descriptor; 0 none. */
static inline uint64_t raw_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return raw_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static inline int raw_connect(int fd, const void *sa, socklen_t len)
{
	return (int)RAW(SYS_connect, fd, sa, len, 0, 0, 0);
}

static inline int raw_shutdown(int fd, int how)
{
	return (int)RAW(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

static inline long raw_send(int fd, const void *buf, size_t n, int flags)
{
	return RAW(SYS_sendto, fd, buf, n, flags, 0, 0);
}

static inline long raw_recv(int fd, void *buf, size_t n, int flags)
{
	return RAW(SYS_recvfrom, fd, buf, n, flags, 0, 0);
}

static inline long raw_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return RAW(SYS_sendmsg, fd, m, flags, 0, 0, 0);
}

static inline int raw_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	return (int)RAW(SYS_epoll_ctl, epfd, op, fd, ev, 0, 0);
}

/* What of events is ready right now on fd (0: nothing); errors and hang-ups always count, where the program may poll at all. */
static inline short raw_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec zero = {0, 0};

	long r = RAW(SYS_ppoll, &p, 1, &zero, 0, 8, 0);

	return r > 0 ? p.revents : r == -EINVAL ? selection_ready(fd, events) : 0;
}

/* Bytes in the kernel's buffer that can be read on fd. */
static inline uint64_t raw_unread(int fd)
{
	int n = 0;

	return RAW(SYS_ioctl, fd, FIONREAD, &n, 0, 0, 0) == 0 && n > 0 ? (uint64_t)n : 0;
}

static inline void raw_yield(void)
{
	RAW(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

#endif
