/* SPDX-License-Identifier: MIT */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include "preload/raw.h"

bool real_epoll_ctl_is_bare;
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

static long early_epoll_create(int n)
{
	if (n <= 0)
		return KERNEL(SYS_epoll_create1, -1, 0, 0, 0, 0, 0);	/* EINVAL */
	return KERNEL(SYS_epoll_create1, 0, 0, 0, 0, 0, 0);
}

static long early_dup2(int fd, int to)
{
	if (fd == to)
		return KERNEL(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) < 0 ? -1 : to;
	return KERNEL(SYS_dup3, fd, to, 0, 0, 0, 0);
}

/* Not called while dlsym is at work, and nothing that a system call alone could do. */
#define NEVER (errno = ENOSYS, -1)
#define NONE (errno = ENOSYS, NULL)
#define MS(ms) ms_to_ts(ms, &(struct timespec){0, 0})

#define READY (real_resolve(), atomic_load_explicit(&resolved, memory_order_acquire) == 2)
#define CALL(ret, name, params, args, early, shows)	\
	static ret stub_##name params			\
	{						\
		if (READY)				\
			return real.name args;		\
		return (ret)(early);			\
	}
#define VCALL(ret, name, params, args, early, shows, last, n)	\
	static ret stub_##name params				\
	{							\
		long rest[n];					\
								\
		TAKE_REST(rest, last);				\
		if (READY)					\
			return real.name args;			\
		return (ret)(early);				\
	}
#define OWN(ret, name, params)
#include "preload/calls.h"

struct real real = {
#define CALL(ret, name, params, args, early, shows) .name = stub_##name,
#define OWN(ret, name, params)
#include "preload/calls.h"
};

static const struct {
	const char *name;
	size_t at;
} symbols[] = {
#define CALL(ret, name, params, args, early, shows) {#name, offsetof(struct real, name)},
#define OWN(ret, name, params)
#include "preload/calls.h"
};

static bool is_libcs(const void *function)
{
	Dl_info libc, its;

	return dladdr((const void *)gnu_get_libc_version, &libc) && dladdr(function, &its) && libc.dli_fbase == its.dli_fbase;
}

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
	real_epoll_ctl_is_bare = is_libcs((const void *)found.epoll_ctl);
	atomic_store_explicit(&resolved, 2, memory_order_release);
	errno = saved;
}
