/* SPDX-License-Identifier: MIT */
/*
 * The interposed calls, one function each, for what calls.h lists; those that carry bytes are in bytes.c. A wrapper asks one
 * question of the descriptor table and goes straight on when the answer is no.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include "base/clock.h"
#include "preload/confine.h"
#include "preload/dial.h"
#include "preload/epoll.h"
#include "preload/file.h"
#include "preload/guest.h"
#include "preload/intake.h"
#include "preload/numbers.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/resolve.h"
#include "preload/silence.h"
#include "preload/spawn.h"
#include "preload/stream.h"
#include "preload/table.h"
#include "preload/wait.h"
#include "preload/wrappers.h"

/* Whether poll and select may meet gated connections at all. */
static inline bool gating(void)
{
	return conn_gating();
}

/* ---- connections come ---- */

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	guest_start();
	return dial_connect(fd, sa, len);
}

int accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	int r = real.accept(fd, sa, len), error = errno;

	guest_start();
	if (r >= 0)
		dial_accepted(r);
	errno = error;
	return r;
}

int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	int r = real.accept4(fd, sa, len, flags), error = errno;

	guest_start();
	if (r >= 0)
		dial_accepted(r);
	errno = error;
	return r;
}

/* ---- waiting ---- */

static struct timespec *from_ms(int ms, struct timespec *t)
{
	*t = (struct timespec){ms / 1000, ms % 1000 * 1000000l};
	return ms < 0 ? NULL : t;
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec t;

	if (!gating() || !wait_concerns_poll(fds, n))
		return real.poll(fds, n, ms);
	return wait_poll(fds, n, from_ms(ms, &t), NULL);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	if (!gating() || !wait_concerns_poll(fds, n))
		return real.ppoll(fds, n, t, mask);
	return wait_poll(fds, n, t, mask);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
	return !gating() || room / sizeof(*fds) < n ? real.__poll_chk(fds, n, ms, room) : poll(fds, n, ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t room)
{
	return !gating() || room / sizeof(*fds) < n ? real.__ppoll_chk(fds, n, t, mask, room) : ppoll(fds, n, t, mask);
}

int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
	struct timespec t, left;
	int ready, error;

	if (!gating() || (tv && (!guest_plausible(tv) || tv->tv_sec < 0 || tv->tv_usec < 0)) || !wait_concerns_select(n, r, w, e))
		return real.select(n, r, w, e, tv);
	if (tv)	/* microseconds beyond a second are fine with select */
		t = (struct timespec){tv->tv_sec + tv->tv_usec / 1000000, tv->tv_usec % 1000000 * 1000};
	ready = wait_select(n, r, w, e, tv ? &t : NULL, NULL, &left);
	error = errno;
	if (tv)
		*tv = (struct timeval){left.tv_sec, left.tv_nsec / 1000};
	errno = error;
	return ready;
}

int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask)
{
	if (!gating() || !wait_concerns_select(n, r, w, e))
		return real.pselect(n, r, w, e, t, mask);
	return wait_select(n, r, w, e, t, mask, NULL);
}

/* A number that was closed by means we do not see starts clean. */
static int new_set(int ep)
{
	int error = errno;

	if (ep >= 0 && epoll_knows(ep))
		epoll_forget_set(ep);
	errno = error;
	return ep;
}

int epoll_create(int n)
{
	return new_set(real.epoll_create(n));
}

int epoll_create1(int flags)
{
	return new_set(real.epoll_create1(flags));
}

static __attribute__((noinline)) int control_of(struct conn *c, int ep, int op, int fd, struct epoll_event *ev)
{
	int r, error;

	if (atomic_load_explicit(&c->gated, memory_order_relaxed))
		r = epoll_control(c, ep, op, fd, ev);
	else if ((r = real_epoll_ctl(ep, op, fd, ev)) == 0)
		epoll_controlled(c, ep, op, fd, ev);
	error = errno;
	conn_put(c);
	errno = error;
	return r;
}

/* As with sends and receives, what no fault concerns is asked of the kernel from here. */
int epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	struct conn *c;
	int r;

	if (unlikely(!guest.page) || (op != EPOLL_CTL_DEL && unlikely(!guest_plausible(ev))))
		return real.epoll_ctl(ep, op, fd, ev);
	if ((c = TABLE_GET(fd)))
		return control_of(c, ep, op, fd, ev);
	r = real_epoll_ctl(ep, op, fd, ev);
	if (r == 0)
		epoll_controlled(NULL, ep, op, fd, ev);
	return r;
}

int epoll_wait(int ep, struct epoll_event *evs, int max, int ms)
{
	struct timespec t;
	uint64_t began;
	int n;

	if (unlikely(epoll_engaged()))
		return epoll_await(EPOLL_WAIT, ep, evs, max, from_ms(ms, &t), NULL);
	began = ms > 0 ? clock_coarse_ns() : 0;
	n = real.epoll_wait(ep, evs, max, ms);
	return likely(n <= 0 || !epoll_engaged()) ? n : epoll_resume(EPOLL_WAIT, ep, evs, n, max, began, from_ms(ms, &t), NULL);
}

int epoll_pwait(int ep, struct epoll_event *evs, int max, int ms, const sigset_t *mask)
{
	struct timespec t;
	uint64_t began;
	int n;

	if (unlikely(epoll_engaged()))
		return epoll_await(EPOLL_PWAIT, ep, evs, max, from_ms(ms, &t), mask);
	began = ms > 0 ? clock_coarse_ns() : 0;
	n = real.epoll_pwait(ep, evs, max, ms, mask);
	return likely(n <= 0 || !epoll_engaged()) ? n : epoll_resume(EPOLL_PWAIT, ep, evs, n, max, began, from_ms(ms, &t), mask);
}

int epoll_pwait2(int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask)
{
	return guest.page ? epoll_await(EPOLL_PWAIT2, ep, evs, max, t, mask) : real.epoll_pwait2(ep, evs, max, t, mask);
}

/* ---- connections and numbers go ---- */

/* Before a descriptor of the program goes: what it meant to us ends first, so that its number can be reused at once. */
static void leave(int fd)
{
	struct conn *c;
	bool last;

	if (epoll_knows(fd))
		epoll_forget_set(fd);
	if (likely(!table_knows(fd)))
		return;
	c = table_is_marked(fd) ? NULL : table_get(fd);
	last = c && atomic_load(&c->descriptors) == 1 && !guest_is_borrowed();
	if (last) {
		stream_flush(c, fd);
		silence_keep(c, fd);
	}
	conn_put(c);
	table_drop(fd, false);
}

int close(int fd)
{
	if (unlikely(table_is_private(fd)))
		return errno = EBADF, -1;
	leave(fd);
	return real.close(fd);
}

FILE *fdopen(int fd, const char *mode)
{
	FILE *f = guest.page && !table_is_private(fd) ? file_on_socket(fd, mode) : NULL;

	return f ? f : real.fdopen(fd, mode);
}

int shutdown(int fd, int how)
{
	struct conn *c = TABLE_GET(fd);
	int r, error;

	if (!c)
		return real.shutdown(fd, how);
	r = stream_shutdown(c, fd, how);
	error = errno;
	conn_put(c);
	errno = error;
	return r;
}

static int copied(int from, int to)
{
	int error = errno;

	if (to < 0 || to == from || !guest.page)
		return to;
	if (table_knows(from))
		table_share(from, to);
	else
		epoll_share(from, to);
	errno = error;
	return to;
}

int dup(int fd)
{
	return copied(fd, real.dup(fd));
}

/* dup2 and dup3 close what `to` was: only when they succeed, which needs nothing but that `fd` is open. */
static void replace(int fd, int to)
{
	if (fd == to || (raw_may() && raw_fcntl(fd, F_GETFD, 0) < 0))
		return;
	table_vacate(to);
	leave(to);
}

int dup2(int fd, int to)
{
	replace(fd, to);
	return copied(fd, real.dup2(fd, to));
}

int dup3(int fd, int to, int flags)
{
	replace(fd, to);
	return copied(fd, real.dup3(fd, to, flags));
}

/* Closes around the descriptors that are ours. */
int close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int from = first;

	if (!guest.page || (flags & CLOSE_RANGE_CLOEXEC) || first > last)
		return real.close_range(first, last, flags);
	for (unsigned int fd = first; fd <= last && descriptor_may_be_known((int)fd); fd++) {
		if (epoll_knows((int)fd) || table_knows((int)fd)) {
			if (!table_is_private((int)fd)) {
				leave((int)fd);
				continue;
			}
			if (fd > from && real.close_range(from, fd - 1, flags) != 0)
				return -1;
			from = fd + 1;
		}
	}
	return from > last ? 0 : real.close_range(from, last, flags);
}

void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

static int any_fcntl(int (*next)(int, int, ...), int fd, int cmd, long arg)
{
	int r = next(fd, cmd, arg);

	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? copied(fd, r) : r;
}

int fcntl(int fd, int cmd, ...)
{
	long rest[1];

	TAKE_REST(rest, cmd);
	return any_fcntl(real.fcntl, fd, cmd, rest[0]);
}

int fcntl64(int fd, int cmd, ...)
{
	long rest[1];

	TAKE_REST(rest, cmd);
	return any_fcntl(real.fcntl64, fd, cmd, rest[0]);
}

/* FIONREAD: what the program may read now, of which a fault may hold back some. */
static bool readable_bytes(int fd, void *to)
{
	struct conn *c = TABLE_GET(fd);
	int n;
	bool ours = c && stream_readable(c, fd, &n);

	if (ours)
		memcpy(to, &n, sizeof(n));	/* the kernel asks for no alignment either: Python has such a buffer */
	conn_put(c);
	return ours;
}

int ioctl(int fd, unsigned long request, ...)
{
	long rest[1];

	TAKE_REST(rest, request);
	if (request == FIONREAD && rest[0] && !UNTRACKED(fd) && readable_bytes(fd, (void *)rest[0]))
		return 0;
	return real.ioctl(fd, request, rest[0]);
}

/* The program's low-water mark, when the kernel holds one of ours for now. */
static bool other_lowat(int fd, int level, int name, int *value, bool set)
{
	struct conn *c = level == SOL_SOCKET && name == SO_RCVLOWAT ? TABLE_GET(fd) : NULL;
	bool ours = c && intake_lowat(c, value, set);

	conn_put(c);
	return ours;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int lowat = 0;

	if (likely(level != SOL_SOCKET || name != SO_RCVLOWAT || len < sizeof(lowat)) || UNTRACKED(fd) || !guest_plausible(value))
		return real.setsockopt(fd, level, name, value, len);
	memcpy(&lowat, value, sizeof(lowat));
	lowat = lowat < 0 ? INT_MAX : lowat ? lowat : 1;	/* as sock_setsockopt() of the kernel */
	return other_lowat(fd, level, name, &lowat, true) ? 0 : real.setsockopt(fd, level, name, value, len);
}

/* A connect whose outcome is held back has no error and no peer yet, as in SYN_SENT. */
static bool in_syn_sent(int fd, int level, int name, void *value, socklen_t *len)
{
	static const uint8_t state = TCP_SYN_SENT;
	static const int none = 0;
	bool error = level == SOL_SOCKET && name == SO_ERROR, info = level == IPPROTO_TCP && name == TCP_INFO;
	size_t n = error ? sizeof(none) : sizeof(state);

	if ((!error && !info) || UNTRACKED(fd) || !guest_plausible(len) || !guest_plausible(value) || !dial_hidden(fd))
		return false;
	if (info && real.getsockopt(fd, level, name, value, len))
		return false;
	*len = error && *len > n ? (socklen_t)n : *len;
	memcpy(value, error ? (const void *)&none : &state, n < *len ? n : *len);	/* tcp_info begins with the state */
	return true;
}

int getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	if (!UNTRACKED(fd) && dial_hidden(fd))
		return errno = ENOTCONN, -1;
	return real.getpeername(fd, sa, len);
}

int getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	if (!UNTRACKED(fd) && sa && len && dial_sockname(fd, sa, len))
		return 0;
	return real.getsockname(fd, sa, len);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r, error;

	if (in_syn_sent(fd, level, name, value, len))
		return 0;
	if (level == SOL_SOCKET && name == SO_ERROR && !UNTRACKED(fd))
		stream_ask_error(fd);
	r = real.getsockopt(fd, level, name, value, len);
	error = errno;
	if (r == 0 && level == SOL_SOCKET && !UNTRACKED(fd) && *len >= sizeof(int)) {
		if (name == SO_ERROR)
			dial_so_error(fd, value);
		else
			other_lowat(fd, level, name, value, false);
	}
	errno = error;
	return r;
}

/* ---- host names become addresses ---- */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	guest_start();
	return resolve_addresses(node, service, hints, result);
}

struct hostent *gethostbyname(const char *name)
{
	guest_start();
	return resolve_host(&(struct resolve_host){.name = name, .family = -1});
}

struct hostent *gethostbyname2(const char *name, int family)
{
	guest_start();
	return resolve_host(&(struct resolve_host){.name = name, .family = family});
}

int gethostbyname_r(const char *name, struct hostent *into, char *buf, size_t size, struct hostent **result, int *h_error)
{
	guest_start();
	return resolve_host_r(&(struct resolve_host){name, -1, into, buf, size, h_error}, result);
}

int gethostbyname2_r(const char *name, int family, struct hostent *into, char *buf, size_t size, struct hostent **result, int *h_error)
{
	guest_start();
	return resolve_host_r(&(struct resolve_host){name, family, into, buf, size, h_error}, result);
}

/* ---- children ---- */

extern char **environ;

/* envp, or a copy that keeps the child in the run: built on this function's stack, so it is a macro. */
#define KEEP_ENV(env, envp)									\
	char *const *env = (envp);								\
	size_t pointers_ = 1, bytes_ = 1;							\
	bool lacks_ = spawn_lacks(env, &pointers_, &bytes_);					\
	char *to_[lacks_ ? pointers_ : 1], text_[lacks_ ? bytes_ : 1];				\
												\
	if (lacks_)										\
		env = spawn_env(env, to_, text_)

int execve(const char *path, char *const argv[], char *const envp[])
{
	KEEP_ENV(env, envp);
	spawn_exec(path);
	return spawn_exec_failed(path, real.execve(path, argv, env));
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
	KEEP_ENV(env, envp);
	spawn_exec(file);
	return spawn_exec_failed(file, real.execvpe(file, argv, env));
}

int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
	char path[SPAWN_FILE_MAX];
	KEEP_ENV(env, envp);

	spawn_exec(spawn_file_of(fd, path));
	return spawn_exec_failed(path, real.fexecve(fd, argv, env));
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[])
{
	uint64_t at_ns = clock_now_ns();
	pid_t child = 0;
	KEEP_ENV(env, envp);
	int r = real.posix_spawn(&child, path, actions, attr, argv, env);

	return spawn_spawned(r, child, pid, path, at_ns);
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		 char *const argv[], char *const envp[])
{
	uint64_t at_ns = clock_now_ns();
	pid_t child = 0;
	KEEP_ENV(env, envp);
	int r = real.posix_spawnp(&child, file, actions, attr, argv, env);

	return spawn_spawned(r, child, pid, file, at_ns);
}

static size_t count_arguments(va_list ap)
{
	size_t n = 1;

	while (va_arg(ap, const char *))
		n++;
	return n;
}

/* The list form of exec: gathers the arguments into argv[] and hands on, with whatever follows the list still in ap. */
#define GATHER(arg, argv, ap)						\
	va_list ap;							\
	va_start(ap, arg);						\
	const char *argv[count_arguments(ap) + 1];			\
	va_end(ap);							\
	va_start(ap, arg);						\
	argv[0] = arg;							\
	for (size_t i_ = 0; argv[i_];)					\
		argv[++i_] = va_arg(ap, const char *)

int execl(const char *path, const char *arg, ...)
{
	GATHER(arg, argv, ap);
	va_end(ap);
	return execv(path, (char *const *)argv);
}

int execlp(const char *file, const char *arg, ...)
{
	GATHER(arg, argv, ap);
	va_end(ap);
	return execvp(file, (char *const *)argv);
}

int execle(const char *path, const char *arg, ...)
{
	GATHER(arg, argv, ap);
	char *const *envp = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, (char *const *)argv, envp);
}

long syscall(long number, ...)
{
	long rest[6];

	TAKE_REST(rest, number);
	return numbers_call(number, rest);
}

/* ---- system calls are given up ---- */

int prctl(int option, ...)
{
	long rest[4];
	bool begun;
	int r;

	TAKE_REST(rest, option);
	if (option != PR_SET_SECCOMP)
		return real.prctl(option, rest[0], rest[1], rest[2], rest[3]);
	begun = confine_begin(rest[0] == SECCOMP_MODE_FILTER ? (struct sock_fprog *)rest[1] : NULL);
	r = real.prctl(option, rest[0], rest[1], rest[2], rest[3]);
	confine_end(begun, r == 0);
	return r;
}

/* ---- libraries come ---- */

/*
 * RTLD_DEEPBIND lets a library find libc before us: PHP loads its extensions so, and libcurl below one of them was out of
 * reach. The call is the last act, hence a jump (the Makefile compiles with -O2): dlopen looks at its return address for the
 * caller's DT_RUNPATH and namespace.
 */
void *dlopen(const char *file, int mode)
{
	return real.dlopen(file, mode & ~RTLD_DEEPBIND);
}
