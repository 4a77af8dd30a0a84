/* SPDX-License-Identifier: MIT */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include "preload/raw.h"

static _Atomic int resolved;	/* 0 not yet, 1 under way, 2 done */

/* Before resolution each member is a stub that resolves and goes on through the table; a stub called again while
 * dlsym is at work (on any thread) asks the kernel directly. */
static long set_errno(long r)
{
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

static struct timespec *ms_to_ts(int ms, struct timespec *t)
{
	if (ms < 0)
		return NULL;
	t->tv_sec = ms / 1000;
	t->tv_nsec = ms % 1000 * 1000000l;
	return t;
}

#define KERNEL(...) set_errno(RAW(__VA_ARGS__))

static long early_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	struct timespec copy = {0, 0};	/* the kernel writes the rest of the time back; libc's ppoll does not */

	if (t)
		copy = *t;
	return KERNEL(SYS_ppoll, fds, n, t ? &copy : NULL, mask, _NSIG / 8, 0);
}

static long early_pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t)
{
	struct timespec copy = {0, 0};

	if (t)
		copy = *t;
	return KERNEL(SYS_pselect6, n, r, w, e, t ? &copy : NULL, 0);
}

static long early_dup2(int fd, int to)
{
	if (fd == to)
		return KERNEL(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) < 0 ? -1 : to;
	return KERNEL(SYS_dup3, fd, to, 0, 0, 0, 0);
}

#define READY (real_resolve(), atomic_load_explicit(&resolved, memory_order_acquire) == 2)
#define STUB(ret, name, params, args, direct)		\
	static ret stub_##name params			\
	{						\
		if (READY)				\
			return real.name args;		\
		return (ret)(direct);			\
	}

STUB(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len), KERNEL(SYS_connect, fd, sa, len, 0, 0, 0))
STUB(int, accept, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len), KERNEL(SYS_accept4, fd, sa, len, 0, 0, 0))
STUB(int, accept4, (int fd, struct sockaddr *sa, socklen_t *len, int fl), (fd, sa, len, fl), KERNEL(SYS_accept4, fd, sa, len, fl, 0, 0))
STUB(ssize_t, send, (int fd, const void *b, size_t n, int fl), (fd, b, n, fl), KERNEL(SYS_sendto, fd, b, n, fl, 0, 0))
STUB(ssize_t, sendto, (int fd, const void *b, size_t n, int fl, const struct sockaddr *sa, socklen_t l), (fd, b, n, fl, sa, l),
     KERNEL(SYS_sendto, fd, b, n, fl, sa, l))
STUB(ssize_t, sendmsg, (int fd, const struct msghdr *m, int fl), (fd, m, fl), KERNEL(SYS_sendmsg, fd, m, fl, 0, 0, 0))
STUB(int, sendmmsg, (int fd, struct mmsghdr *v, unsigned int n, int fl), (fd, v, n, fl), KERNEL(SYS_sendmmsg, fd, v, n, fl, 0, 0))
STUB(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), KERNEL(SYS_write, fd, b, n, 0, 0, 0))
STUB(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), KERNEL(SYS_writev, fd, v, n, 0, 0, 0))
STUB(ssize_t, sendfile, (int out, int in, off_t *at, size_t n), (out, in, at, n), KERNEL(SYS_sendfile, out, in, at, n, 0, 0))
STUB(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t n), (out, in, at, n), KERNEL(SYS_sendfile, out, in, at, n, 0, 0))
STUB(ssize_t, splice, (int in, off64_t *ia, int out, off64_t *oa, size_t n, unsigned int fl), (in, ia, out, oa, n, fl),
     KERNEL(SYS_splice, in, ia, out, oa, n, fl))
STUB(ssize_t, recv, (int fd, void *b, size_t n, int fl), (fd, b, n, fl), KERNEL(SYS_recvfrom, fd, b, n, fl, 0, 0))
STUB(ssize_t, recvfrom, (int fd, void *b, size_t n, int fl, struct sockaddr *sa, socklen_t *l), (fd, b, n, fl, sa, l),
     KERNEL(SYS_recvfrom, fd, b, n, fl, sa, l))
STUB(ssize_t, recvmsg, (int fd, struct msghdr *m, int fl), (fd, m, fl), KERNEL(SYS_recvmsg, fd, m, fl, 0, 0, 0))
STUB(int, recvmmsg, (int fd, struct mmsghdr *v, unsigned int n, int fl, struct timespec *t), (fd, v, n, fl, t),
     KERNEL(SYS_recvmmsg, fd, v, n, fl, t, 0))
STUB(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), KERNEL(SYS_read, fd, b, n, 0, 0, 0))
STUB(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n), KERNEL(SYS_readv, fd, v, n, 0, 0, 0))
STUB(ssize_t, __recv_chk, (int fd, void *b, size_t n, size_t room, int fl), (fd, b, n, room, fl),
     KERNEL(SYS_recvfrom, fd, b, n, fl, 0, 0))
STUB(ssize_t, __recvfrom_chk, (int fd, void *b, size_t n, size_t room, int fl, struct sockaddr *sa, socklen_t *l),
     (fd, b, n, room, fl, sa, l), KERNEL(SYS_recvfrom, fd, b, n, fl, sa, l))
STUB(ssize_t, __read_chk, (int fd, void *b, size_t n, size_t room), (fd, b, n, room), KERNEL(SYS_read, fd, b, n, 0, 0, 0))
STUB(int, poll, (struct pollfd *f, nfds_t n, int ms), (f, n, ms), early_ppoll(f, n, ms_to_ts(ms, &(struct timespec){0, 0}), NULL))
STUB(int, ppoll, (struct pollfd *f, nfds_t n, const struct timespec *t, const sigset_t *m), (f, n, t, m), early_ppoll(f, n, t, m))
STUB(int, __poll_chk, (struct pollfd *f, nfds_t n, int ms, size_t room), (f, n, ms, room),
     early_ppoll(f, n, ms_to_ts(ms, &(struct timespec){0, 0}), NULL))
STUB(int, __ppoll_chk, (struct pollfd *f, nfds_t n, const struct timespec *t, const sigset_t *m, size_t room),
     (f, n, t, m, room), early_ppoll(f, n, t, m))
STUB(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t), (n, r, w, e, t),
     early_pselect(n, r, w, e, t ? &(struct timespec){t->tv_sec, t->tv_usec * 1000} : NULL))
STUB(int, pselect, (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *m), (n, r, w, e, t, m),
     early_pselect(n, r, w, e, t))
STUB(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev), KERNEL(SYS_epoll_ctl, ep, op, fd, ev, 0, 0))
STUB(int, epoll_wait, (int ep, struct epoll_event *ev, int max, int ms), (ep, ev, max, ms),
     KERNEL(SYS_epoll_pwait, ep, ev, max, ms, 0, _NSIG / 8))
STUB(int, epoll_pwait, (int ep, struct epoll_event *ev, int max, int ms, const sigset_t *m), (ep, ev, max, ms, m),
     KERNEL(SYS_epoll_pwait, ep, ev, max, ms, m, _NSIG / 8))
STUB(int, epoll_pwait2, (int ep, struct epoll_event *ev, int max, const struct timespec *t, const sigset_t *m), (ep, ev, max, t, m),
     KERNEL(SYS_epoll_pwait2, ep, ev, max, t, m, _NSIG / 8))
STUB(int, close, (int fd), (fd), KERNEL(SYS_close, fd, 0, 0, 0, 0, 0))
STUB(int, fclose, (FILE *f), (f), EOF)	/* never while dlsym is at work */
STUB(int, shutdown, (int fd, int how), (fd, how), KERNEL(SYS_shutdown, fd, how, 0, 0, 0, 0))
STUB(int, dup, (int fd), (fd), KERNEL(SYS_dup, fd, 0, 0, 0, 0, 0))
STUB(int, dup2, (int fd, int to), (fd, to), early_dup2(fd, to))
STUB(int, dup3, (int fd, int to, int fl), (fd, to, fl), KERNEL(SYS_dup3, fd, to, fl, 0, 0, 0))
STUB(int, close_range, (unsigned int a, unsigned int b, int fl), (a, b, fl), KERNEL(SYS_close_range, a, b, fl, 0, 0, 0))
STUB(int, getsockopt, (int fd, int level, int name, void *v, socklen_t *l), (fd, level, name, v, l),
     KERNEL(SYS_getsockopt, fd, level, name, v, l, 0))

STUB(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp),
     KERNEL(SYS_execve, path, argv, envp, 0, 0, 0))
/* These are not called while dlsym is at work. */
#define NEVER (errno = ENOSYS, -1)
STUB(int, execv, (const char *path, char *const argv[]), (path, argv), NEVER)
STUB(int, execvp, (const char *file, char *const argv[]), (file, argv), NEVER)
STUB(int, execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp), NEVER)
STUB(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp), NEVER)
STUB(int, posix_spawn,
     (pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa, const posix_spawnattr_t *at, char *const argv[], char *const envp[]),
     (pid, path, fa, at, argv, envp), ENOSYS)
STUB(int, posix_spawnp,
     (pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa, const posix_spawnattr_t *at, char *const argv[], char *const envp[]),
     (pid, file, fa, at, argv, envp), ENOSYS)

static void stub_closefrom(int first)
{
	if (READY)
		real.closefrom(first);
	else
		KERNEL(SYS_close_range, first, ~0u, 0, 0, 0, 0);
}

static int stub_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return READY ? real.fcntl(fd, cmd, arg) : (int)KERNEL(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static int stub_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	return READY ? real.ioctl(fd, request, arg) : (int)KERNEL(SYS_ioctl, fd, request, arg, 0, 0, 0);
}

struct real real = {
#define CALL(ret, name, params, args) .name = stub_##name,
#include "preload/calls.h"
	.fcntl = stub_fcntl,
	.fcntl64 = stub_fcntl,
	.ioctl = stub_ioctl,
};

static const struct {
	const char *name;
	size_t at;
} symbols[] = {
#define CALL(ret, name, params, args) {#name, offsetof(struct real, name)},
#include "preload/calls.h"
	{"fcntl", offsetof(struct real, fcntl)},
	{"fcntl64", offsetof(struct real, fcntl64)},
	{"ioctl", offsetof(struct real, ioctl)},
};

void real_resolve(void)
{
	int expected = 0, saved = errno;
	struct real found = real;

	if (atomic_load_explicit(&resolved, memory_order_acquire) || !atomic_compare_exchange_strong(&resolved, &expected, 1))
		return;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *p = dlsym(RTLD_NEXT, symbols[i].name);

		if (p)
			memcpy((char *)&found + symbols[i].at, &p, sizeof(p));
	}
	real = found;
	atomic_store_explicit(&resolved, 2, memory_order_release);
	errno = saved;
}
