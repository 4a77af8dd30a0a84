/* SPDX-License-Identifier: MIT */
/*
 * The calls that are interposed, once. The table of real functions and its stubs (real.c), the prototypes of the wrappers
 * (wrappers.h), the export map (Makefile) and the test that walks all of them (tests/victims/calls.c) are made from it; the
 * list of aftershock-run(1) is checked against it. A new row needs a wrapper, a word in that list, and an example in that test.
 *
 *	CALL(return type, name, (parameters), (arguments), early, shows)
 *	VCALL(... the same, last named parameter, n)	variadic: the arguments may name rest[0] .. rest[n - 1], which are longs
 *	OWN(return type, name, (parameters))		ends in another of ours: no function behind it is ever called
 *
 * early: what is done while dlsym() looks for the function behind: KERNEL(system call) where one does the same.
 * shows: whose errors (enum errno_call, plan/errnos.h) a fault may make it return; 0 none.
 *
 * Not here, because they need no wrapper: fork, vfork, _Fork, clone (guest.c notices by MADV_WIPEONFORK); system and popen
 * (they run in libc, with the environment as it is); glibc's resolver does its input and output inside libc, and its
 * getaddrinfo_a calls its own getaddrinfo.
 */
#ifndef CALL
#error "define CALL before including preload/calls.h"
#endif
#ifndef VCALL
#define VCALL(ret, name, params, args, early, shows, last, n) CALL(ret, name, params, args, early, shows)
#endif
#ifndef OWN
#define OWN(ret, name, params) CALL(ret, name, params, , , 0)
#endif

/* connections come */
CALL(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len),
     KERNEL(SYS_connect, fd, sa, len, 0, 0, 0), ERRNO_CONNECT)
CALL(int, accept, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len), KERNEL(SYS_accept4, fd, sa, len, 0, 0, 0), 0)
CALL(int, accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags), (fd, sa, len, flags),
     KERNEL(SYS_accept4, fd, sa, len, flags, 0, 0), 0)

/* out */
CALL(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
     KERNEL(SYS_sendto, fd, buf, n, flags, 0, 0), ERRNO_SEND)
CALL(ssize_t, sendto, (int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len),
     (fd, buf, n, flags, sa, len), KERNEL(SYS_sendto, fd, buf, n, flags, sa, len), ERRNO_SEND)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags),
     KERNEL(SYS_sendmsg, fd, msg, flags, 0, 0, 0), ERRNO_SEND)
CALL(int, sendmmsg, (int fd, struct mmsghdr *vec, unsigned int n, int flags), (fd, vec, n, flags),
     KERNEL(SYS_sendmmsg, fd, vec, n, flags, 0, 0), ERRNO_SEND)
CALL(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), KERNEL(SYS_write, fd, buf, n, 0, 0, 0), ERRNO_SEND)
CALL(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), KERNEL(SYS_writev, fd, iov, n, 0, 0, 0), ERRNO_SEND)
CALL(ssize_t, pwritev2, (int fd, const struct iovec *iov, int n, off_t at, int flags), (fd, iov, n, at, flags),
     KERNEL(SYS_pwritev2, fd, iov, n, at, 0, flags), ERRNO_SEND)
CALL(ssize_t, pwritev64v2, (int fd, const struct iovec *iov, int n, off64_t at, int flags), (fd, iov, n, at, flags),
     KERNEL(SYS_pwritev2, fd, iov, n, at, 0, flags), ERRNO_SEND)
CALL(int, vdprintf, (int fd, const char *format, va_list ap), (fd, format, ap), NEVER, ERRNO_SEND)
CALL(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list ap), (fd, flag, format, ap), NEVER, ERRNO_SEND)
OWN(int, dprintf, (int fd, const char *format, ...))
OWN(int, __dprintf_chk, (int fd, int flag, const char *format, ...))
CALL(ssize_t, sendfile, (int out, int in, off_t *offset, size_t n), (out, in, offset, n),
     KERNEL(SYS_sendfile, out, in, offset, n, 0, 0), 0)
CALL(ssize_t, sendfile64, (int out, int in, off64_t *offset, size_t n), (out, in, offset, n),
     KERNEL(SYS_sendfile, out, in, offset, n, 0, 0), 0)
CALL(ssize_t, splice, (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned int flags),
     (in, in_at, out, out_at, n, flags), KERNEL(SYS_splice, in, in_at, out, out_at, n, flags), 0)

/* in; the FORTIFY variants with the size of the buffer (room) */
CALL(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
     KERNEL(SYS_recvfrom, fd, buf, n, flags, 0, 0), ERRNO_RECV)
CALL(ssize_t, recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *sa, socklen_t *len),
     (fd, buf, n, flags, sa, len), KERNEL(SYS_recvfrom, fd, buf, n, flags, sa, len), ERRNO_RECV)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags),
     KERNEL(SYS_recvmsg, fd, msg, flags, 0, 0, 0), ERRNO_RECV)
CALL(int, recvmmsg, (int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout),
     (fd, vec, n, flags, timeout), KERNEL(SYS_recvmmsg, fd, vec, n, flags, timeout, 0), ERRNO_RECV)
CALL(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), KERNEL(SYS_read, fd, buf, n, 0, 0, 0), ERRNO_RECV)
CALL(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n), KERNEL(SYS_readv, fd, iov, n, 0, 0, 0), ERRNO_RECV)
CALL(ssize_t, preadv2, (int fd, const struct iovec *iov, int n, off_t at, int flags), (fd, iov, n, at, flags),
     KERNEL(SYS_preadv2, fd, iov, n, at, 0, flags), ERRNO_RECV)
CALL(ssize_t, preadv64v2, (int fd, const struct iovec *iov, int n, off64_t at, int flags), (fd, iov, n, at, flags),
     KERNEL(SYS_preadv2, fd, iov, n, at, 0, flags), ERRNO_RECV)
CALL(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t room, int flags), (fd, buf, n, room, flags),
     KERNEL(SYS_recvfrom, fd, buf, n, flags, 0, 0), ERRNO_RECV)
CALL(ssize_t, __recvfrom_chk,
     (int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *sa, socklen_t *len),
     (fd, buf, n, room, flags, sa, len), KERNEL(SYS_recvfrom, fd, buf, n, flags, sa, len), ERRNO_RECV)
CALL(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t room), (fd, buf, n, room),
     KERNEL(SYS_read, fd, buf, n, 0, 0, 0), ERRNO_RECV)

/* waiting */
CALL(int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms), early_ppoll(fds, n, MS(ms), NULL), 0)
CALL(int, ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask), (fds, n, t, mask),
     early_ppoll(fds, n, t, mask), 0)
CALL(int, __poll_chk, (struct pollfd *fds, nfds_t n, int ms, size_t room), (fds, n, ms, room),
     early_ppoll(fds, n, MS(ms), NULL), 0)
CALL(int, __ppoll_chk, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t room),
     (fds, n, t, mask, room), early_ppoll(fds, n, t, mask), 0)
CALL(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t), (n, r, w, e, t),
     early_pselect(n, r, w, e, t ? &(struct timespec){t->tv_sec, t->tv_usec * 1000} : NULL), 0)
CALL(int, pselect, (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask),
     (n, r, w, e, t, mask), early_pselect(n, r, w, e, t), 0)
CALL(int, epoll_create, (int n), (n), early_epoll_create(n), 0)
CALL(int, epoll_create1, (int flags), (flags), KERNEL(SYS_epoll_create1, flags, 0, 0, 0, 0, 0), 0)
CALL(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev),
     KERNEL(SYS_epoll_ctl, ep, op, fd, ev, 0, 0), 0)
CALL(int, epoll_wait, (int ep, struct epoll_event *evs, int max, int ms), (ep, evs, max, ms),
     KERNEL(SYS_epoll_pwait, ep, evs, max, ms, 0, _NSIG / 8), 0)
CALL(int, epoll_pwait, (int ep, struct epoll_event *evs, int max, int ms, const sigset_t *mask), (ep, evs, max, ms, mask),
     KERNEL(SYS_epoll_pwait, ep, evs, max, ms, mask, _NSIG / 8), 0)
CALL(int, epoll_pwait2, (int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask),
     (ep, evs, max, t, mask), KERNEL(SYS_epoll_pwait2, ep, evs, max, t, mask, _NSIG / 8), 0)

/* descriptors and connections change and go */
CALL(int, close, (int fd), (fd), KERNEL(SYS_close, fd, 0, 0, 0, 0, 0), 0)
CALL(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NONE, 0)
CALL(int, shutdown, (int fd, int how), (fd, how), KERNEL(SYS_shutdown, fd, how, 0, 0, 0, 0), 0)
CALL(int, dup, (int fd), (fd), KERNEL(SYS_dup, fd, 0, 0, 0, 0, 0), 0)
CALL(int, dup2, (int fd, int to), (fd, to), early_dup2(fd, to), 0)
CALL(int, dup3, (int fd, int to, int flags), (fd, to, flags), KERNEL(SYS_dup3, fd, to, flags, 0, 0, 0), 0)
CALL(int, close_range, (unsigned int first, unsigned int last, int flags), (first, last, flags),
     KERNEL(SYS_close_range, first, last, flags, 0, 0, 0), 0)
CALL(void, closefrom, (int first), (first), KERNEL(SYS_close_range, first < 0 ? 0 : first, ~0u, 0, 0, 0, 0), 0)
VCALL(int, fcntl, (int fd, int cmd, ...), (fd, cmd, rest[0]), KERNEL(SYS_fcntl, fd, cmd, rest[0], 0, 0, 0), 0, cmd, 1)
VCALL(int, fcntl64, (int fd, int cmd, ...), (fd, cmd, rest[0]), KERNEL(SYS_fcntl, fd, cmd, rest[0], 0, 0, 0), 0, cmd, 1)
VCALL(int, ioctl, (int fd, unsigned long request, ...), (fd, request, rest[0]),
      KERNEL(SYS_ioctl, fd, request, rest[0], 0, 0, 0), 0, request, 1)
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len), (fd, level, name, value, len),
     KERNEL(SYS_setsockopt, fd, level, name, value, len, 0), 0)
CALL(int, getpeername, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len),
     KERNEL(SYS_getpeername, fd, sa, len, 0, 0, 0), 0)
CALL(int, getsockname, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len),
     KERNEL(SYS_getsockname, fd, sa, len, 0, 0, 0), 0)
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len),
     KERNEL(SYS_getsockopt, fd, level, name, value, len, 0), 0)

/* host names become addresses */
CALL(int, getaddrinfo, (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result),
     (node, service, hints, result), (errno = ENOSYS, EAI_SYSTEM), 0)
CALL(struct hostent *, gethostbyname, (const char *name), (name), NULL, 0)
CALL(struct hostent *, gethostbyname2, (const char *name, int family), (name, family), NULL, 0)
CALL(int, gethostbyname_r,
     (const char *name, struct hostent *into, char *buf, size_t size, struct hostent **result, int *h_error),
     (name, into, buf, size, result, h_error), ENOSYS, 0)
CALL(int, gethostbyname2_r,
     (const char *name, int family, struct hostent *into, char *buf, size_t size, struct hostent **result, int *h_error),
     (name, family, into, buf, size, result, h_error), ENOSYS, 0)

/* children */
CALL(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp),
     KERNEL(SYS_execve, path, argv, envp, 0, 0, 0), 0)
CALL(int, execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp), NEVER, 0)
CALL(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp), NEVER, 0)
OWN(int, execv, (const char *path, char *const argv[]))
OWN(int, execvp, (const char *file, char *const argv[]))
OWN(int, execl, (const char *path, const char *arg, ...))
OWN(int, execlp, (const char *file, const char *arg, ...))
OWN(int, execle, (const char *path, const char *arg, ...))
CALL(int, posix_spawn,
     (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr, char *const argv[],
      char *const envp[]),
     (pid, path, actions, attr, argv, envp), ENOSYS, 0)
CALL(int, posix_spawnp,
     (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr, char *const argv[],
      char *const envp[]),
     (pid, file, actions, attr, argv, envp), ENOSYS, 0)

/* system calls are given up */
VCALL(int, prctl, (int option, ...), (option, rest[0], rest[1], rest[2], rest[3]),
      KERNEL(SYS_prctl, option, rest[0], rest[1], rest[2], rest[3], 0), 0, option, 4)

/* libraries come */
CALL(void *, dlopen, (const char *file, int mode), (file, mode), 0, 0)

/* any system call by its number: those of this table come to us (numbers.c) */
VCALL(long, syscall, (long number, ...), (number, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]),
      KERNEL(number, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]), 0, number, 6)

#undef CALL
#undef VCALL
#undef OWN
