/* SPDX-License-Identifier: MIT */
#include "preload/numbers.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "preload/confine.h"
#include "preload/guest.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/table.h"
#include "preload/wait.h"

static long through(long number, const long a[6])
{
	return real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The kernel takes the mask of a wait with its size, and refuses any other size. */
static bool kernel_mask(long mask, long bytes)
{
	return !mask || bytes == _NSIG / 8;
}

static bool waits_for_ours(const long a[6])
{
	return conn_gating() && wait_concerns_poll((struct pollfd *)a[0], (nfds_t)a[1]);
}

/* pselect6 passes its mask in a pair of pointer and size (select(2)). */
static long pselect6(long number, const long a[6])
{
	const long none[2] = {0, 0}, *pair = a[5] ? (const long *)a[5] : none;

	if (!guest.page || !kernel_mask(pair[0], pair[1]))
		return through(number, a);
	return pselect((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3], (const struct timespec *)a[4], (const sigset_t *)pair[0]);
}

/* A ring's reads and writes pass no function of libc. Where the administrator has switched rings off (io_uring_disabled of
 * sysctl/kernel.rst, and every default container) programs get this error and go on with epoll, which we do see. */
static long io_uring_setup(long number, const long a[6])
{
	if (!guest.page)
		return through(number, a);
	errno = EPERM;
	return -1;
}

/* seccomp(operation, flags, filter): the way of libseccomp. */
static long seccomp(long number, const long a[6])
{
	bool begun = false;
	long r;

	if (a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER)
		begun = confine_begin(a[0] == SECCOMP_SET_MODE_FILTER ? (struct sock_fprog *)a[2] : NULL);
	r = through(number, a);
	confine_end(begun, r >= 0);
	return r;
}

#define FD ((int)a[0])
#define BUF(i) ((void *)a[i])
#define SIZE(i) ((size_t)a[i])
#define INT(i) ((int)a[i])

/* What is done to a descriptor of ours; of any other the kernel is asked as the program asked. */
static long on_connection(long number, const long a[6])
{
	switch (number) {
	case SYS_sendmmsg: return sendmmsg(FD, BUF(1), (unsigned)a[2], INT(3));
	case SYS_write: return write(FD, BUF(1), SIZE(2));
	case SYS_writev: return writev(FD, BUF(1), INT(2));
	case SYS_sendfile: return sendfile64(FD, INT(1), BUF(2), SIZE(3));
	case SYS_recvfrom: return recvfrom(FD, BUF(1), SIZE(2), INT(3), BUF(4), BUF(5));
	case SYS_recvmsg: return recvmsg(FD, BUF(1), INT(2));
	case SYS_recvmmsg: return recvmmsg(FD, BUF(1), (unsigned)a[2], INT(3), BUF(4));
	case SYS_read: return read(FD, BUF(1), SIZE(2));
	case SYS_readv: return readv(FD, BUF(1), INT(2));
	case SYS_shutdown: return shutdown(FD, INT(1));
	case SYS_fcntl: return fcntl(FD, INT(1), a[2]);
	case SYS_ioctl: return ioctl(FD, (unsigned long)a[1], a[2]);
	case SYS_getpeername: return getpeername(FD, BUF(1), BUF(2));
	case SYS_getsockname: return getsockname(FD, BUF(1), BUF(2));
	case SYS_getsockopt: return getsockopt(FD, INT(1), INT(2), BUF(3), BUF(4));
	default: return through(number, a);
	}
}

long numbers_call(long number, const long a[6])
{
	switch (number) {
	case SYS_connect: return connect(FD, BUF(1), (socklen_t)a[2]);
	case SYS_accept: return accept(FD, BUF(1), BUF(2));
	case SYS_accept4: return accept4(FD, BUF(1), BUF(2), INT(3));
	case SYS_sendto:
		return (a[3] & MSG_FASTOPEN) || table_knows(FD) ? sendto(FD, BUF(1), SIZE(2), INT(3), BUF(4), (socklen_t)a[5]) : through(number, a);
	case SYS_sendmsg: return (a[2] & MSG_FASTOPEN) || table_knows(FD) ? sendmsg(FD, BUF(1), INT(2)) : through(number, a);
	case SYS_splice: return splice(FD, BUF(1), INT(2), BUF(3), SIZE(4), (unsigned)a[5]);
	case SYS_close: return close(FD);
	case SYS_close_range: return close_range((unsigned)a[0], (unsigned)a[1], INT(2));
	case SYS_dup: return dup(FD);
	case SYS_dup3: return dup3(FD, INT(1), INT(2));
	case SYS_epoll_ctl: return epoll_ctl(FD, INT(1), INT(2), BUF(3));
	case SYS_execve: return execve(BUF(0), BUF(1), BUF(2));
	case SYS_prctl: return prctl(INT(0), a[1], a[2], a[3], a[4]);
	case SYS_seccomp: return seccomp(number, a);
	case SYS_io_uring_setup: return io_uring_setup(number, a);
	case SYS_pselect6: return pselect6(number, a);
	case SYS_ppoll:
		return waits_for_ours(a) && kernel_mask(a[3], a[4]) ? ppoll(BUF(0), (nfds_t)a[1], BUF(2), BUF(3)) : through(number, a);
	case SYS_epoll_pwait:
		return kernel_mask(a[4], a[5]) ? epoll_pwait(FD, BUF(1), INT(2), INT(3), BUF(4)) : through(number, a);
	case SYS_epoll_pwait2:
		return kernel_mask(a[4], a[5]) ? epoll_pwait2(FD, BUF(1), INT(2), BUF(3), BUF(4)) : through(number, a);
#ifdef SYS_poll	/* the older calls, which newer processors never had */
	case SYS_poll: return poll(BUF(0), (nfds_t)a[1], INT(2));
	case SYS_select: return select(INT(0), BUF(1), BUF(2), BUF(3), BUF(4));
	case SYS_epoll_wait: return epoll_wait(FD, BUF(1), INT(2), INT(3));
	case SYS_dup2: return dup2(FD, INT(1));
#endif
	default: return table_knows(FD) ? on_connection(number, a) : through(number, a);
	}
}
