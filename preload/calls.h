/* SPDX-License-Identifier: MIT */
/*
 * The calls that are interposed, once: CALL(return type, name, (parameters), (arguments)).
 * The table of real functions (real.c), the export map (Makefile) and the tests are made from it; wrappers.c defines one
 * function for each.
 */
#ifndef CALL
#error "define CALL before including preload/calls.h"
#endif

CALL(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
CALL(int, accept, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))
CALL(int, accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags), (fd, sa, len, flags))
CALL(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
CALL(ssize_t, sendto, (int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len),
     (fd, buf, n, flags, sa, len))
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
CALL(int, sendmmsg, (int fd, struct mmsghdr *vec, unsigned int n, int flags), (fd, vec, n, flags))
CALL(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
CALL(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n))
CALL(ssize_t, sendfile, (int out, int in, off_t *offset, size_t n), (out, in, offset, n))
CALL(ssize_t, sendfile64, (int out, int in, off64_t *offset, size_t n), (out, in, offset, n))
CALL(ssize_t, splice, (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned int flags),
     (in, in_at, out, out_at, n, flags))
CALL(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
CALL(ssize_t, recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *sa, socklen_t *len),
     (fd, buf, n, flags, sa, len))
CALL(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
CALL(int, recvmmsg, (int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout),
     (fd, vec, n, flags, timeout))
CALL(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
CALL(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n))
CALL(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t room, int flags), (fd, buf, n, room, flags))
CALL(ssize_t, __recvfrom_chk,
     (int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *sa, socklen_t *len),
     (fd, buf, n, room, flags, sa, len))
CALL(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t room), (fd, buf, n, room))
CALL(int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
CALL(int, ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask), (fds, n, t, mask))
CALL(int, __poll_chk, (struct pollfd *fds, nfds_t n, int ms, size_t room), (fds, n, ms, room))
CALL(int, __ppoll_chk, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t room),
     (fds, n, t, mask, room))
CALL(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t), (n, r, w, e, t))
CALL(int, pselect, (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask),
     (n, r, w, e, t, mask))
CALL(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev))
CALL(int, epoll_wait, (int ep, struct epoll_event *evs, int max, int ms), (ep, evs, max, ms))
CALL(int, epoll_pwait, (int ep, struct epoll_event *evs, int max, int ms, const sigset_t *mask), (ep, evs, max, ms, mask))
CALL(int, epoll_pwait2, (int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask),
     (ep, evs, max, t, mask))
CALL(int, close, (int fd), (fd))
CALL(int, fclose, (FILE *f), (f))
CALL(int, shutdown, (int fd, int how), (fd, how))
CALL(int, dup, (int fd), (fd))
CALL(int, dup2, (int fd, int to), (fd, to))
CALL(int, dup3, (int fd, int to, int flags), (fd, to, flags))
CALL(int, close_range, (unsigned int first, unsigned int last, int flags), (first, last, flags))
CALL(void, closefrom, (int first), (first))
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))
CALL(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
CALL(int, execv, (const char *path, char *const argv[]), (path, argv))
CALL(int, execvp, (const char *file, char *const argv[]), (file, argv))
CALL(int, execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
CALL(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))
CALL(int, posix_spawn,
     (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr, char *const argv[],
      char *const envp[]),
     (pid, path, actions, attr, argv, envp))
CALL(int, posix_spawnp,
     (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr, char *const argv[],
      char *const envp[]),
     (pid, file, actions, attr, argv, envp))

#undef CALL
