/* SPDX-License-Identifier: MIT */
#include "preload/nowhere.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include "preload/conn.h"
#include "preload/raw.h"
#include "preload/table.h"

struct silent {		/* the listener of one kind; under the lock */
	int fd;		/* + 1; 0 none yet */
	struct nowhere at;
};

static _Atomic uint64_t lock;
static struct silent silent[2];

/* A socket bound to a loopback port that the kernel chose; < 0: -errno. */
static int bound(bool ip6, struct nowhere *to)
{
	struct sockaddr_in *v4 = (void *)&to->at;
	struct sockaddr_in6 *v6 = (void *)&to->at;
	int fd = (int)RAW(SYS_socket, ip6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0), r;

	to->len = ip6 ? sizeof(*v6) : sizeof(*v4);
	if (ip6)
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	else
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0)
		return fd;
	r = (int)RAW(SYS_bind, fd, &to->at, to->len, 0, 0, 0);
	if (!r)
		r = (int)RAW(SYS_getsockname, fd, &to->at, &to->len, 0, 0, 0);
	if (r)
		raw_close(fd);
	return r ? r : fd;
}

void nowhere_map(int domain, struct nowhere *to)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 *v6 = (void *)&to->at;

	if (domain != AF_INET6 || to->at.ss_family != AF_INET)
		return;
	memcpy(&v4, &to->at, sizeof(v4));
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = v4.sin_port, .sin6_addr.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(&v6->sin6_addr.s6_addr[12], &v4.sin_addr, 4);
	to->len = sizeof(*v6);
}

int nowhere_refusing(bool ip6, int domain, struct nowhere *to)
{
	int fd = bound(ip6, to);

	nowhere_map(domain, to);
	return fd;
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

static int silent_open(struct silent *s, bool ip6)
{
	int fd = bound(ip6, &s->at), r;

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

int nowhere_silent(bool ip6, int domain, struct nowhere *to)
{
	struct silent *s = &silent[ip6];
	int r = 0;

	if (!lock_take(&lock))
		return -EAGAIN;
	/* A program that closes by raw system calls may have closed it. */
	if (!s->fd || raw_sockopt_int(s->fd - 1, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		r = silent_open(s, ip6);
	*to = s->at;
	lock_give(&lock);
	nowhere_map(domain, to);
	return r;
}
