/* SPDX-License-Identifier: MIT */
#include "preload/nowhere.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include "preload/conn.h"
#include "preload/raw.h"
#include "preload/table.h"

struct silent {		/* the listener of one family; under the lock */
	int fd;		/* + 1; 0 none yet */
	struct sockaddr_storage at;
	socklen_t len;
};

static _Atomic uint64_t lock;
static struct silent silent[2];

/* A socket bound to a loopback port that the kernel chose; < 0: -errno. */
static int bound(int family, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;
	int fd = (int)RAW(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0), r;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	*len = family == AF_INET6 ? sizeof(*v6) : sizeof(*v4);
	if (family == AF_INET6)
		v6->sin6_addr = in6addr_loopback;
	else
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return fd;
	r = (int)RAW(SYS_bind, fd, ss, *len, 0, 0, 0);
	if (!r)
		r = (int)RAW(SYS_getsockname, fd, ss, len, 0, 0, 0);
	if (r)
		raw_close(fd);
	return r ? r : fd;
}

int nowhere_refusing(int family, struct sockaddr_storage *ss, socklen_t *len)
{
	return bound(family, ss, len);
}

/* A filter that accepts no byte of any packet sees a listener's SYNs too (tcp_v4_rcv): they vanish as on a wire that is cut. A full backlog
 * would do the same but needs a connection to fill it, which witnesses of the kernel would record as the program's. */
static int deafen(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &none};
	int r = raw_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));

	return r ? r : (int)RAW(SYS_listen, fd, 1, 0, 0, 0, 0);
}

static int silent_open(struct silent *s, int family)
{
	int fd = bound(family, &s->at, &s->len), r;

	if (fd < 0)
		return fd;
	r = deafen(fd);
	if (r) {
		raw_close(fd);
		return r;
	}
	fd = table_own(fd);
	s->fd = fd + 1;
	return fd < 0 ? fd : 0;
}

int nowhere_silent(int family, struct sockaddr_storage *ss, socklen_t *len)
{
	struct silent *s = &silent[family == AF_INET6];
	int r = 0;

	if (!lock_take(&lock))
		return -EAGAIN;
	/* A program that closes by raw system calls may have closed it. */
	if (!s->fd || raw_sockopt_int(s->fd - 1, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		r = silent_open(s, family);
	*ss = s->at;
	*len = s->len;
	lock_give(&lock);
	return r;
}
