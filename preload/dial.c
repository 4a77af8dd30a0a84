/* SPDX-License-Identifier: MIT */
#include "preload/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/clock.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/gate.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/table.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

/* ---- a connect that is refused ---- */

/* A loopback port that is bound and not listening, in the family of the program's socket: the kernel itself refuses. */
static int dead_port(int family, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;
	int fd = (int)RAW(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0);

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	*len = family == AF_INET6 ? sizeof(*v6) : sizeof(*v4);
	if (family == AF_INET6)
		v6->sin6_addr = in6addr_loopback;
	else
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && (RAW(SYS_bind, fd, ss, *len, 0, 0, 0) != 0 || RAW(SYS_getsockname, fd, ss, len, 0, 0, 0) != 0)) {
		raw_close(fd);
		return -1;
	}
	return fd;
}

/* Lets the kernel refuse. A blocking connect fails at once, a non-blocking one says EINPROGRESS and then ERR|HUP. */
static int refused(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int family = raw_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN), dead, r;

	if (family != AF_INET && family != AF_INET6)
		return -ECONNREFUSED;	/* a Unix socket is refused at once, also when it is non-blocking */
	dead = dead_port(family, &ss, &len);
	if (dead < 0)
		return -ECONNREFUSED;
	r = raw_connect(fd, &ss, len);
	raw_close(dead);
	return r ? r : -ECONNREFUSED;
}

/* Errors that connect reports at once, before any packet: no route, no local address, not allowed. */
static bool immediate(int error)
{
	return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EACCES || error == EPERM;
}

/* The verdict's failure; 0 or -errno as the kernel would have said. */
static int strike(struct conn *c, struct exchange *x, int fd)
{
	bool wait = !(raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK);
	int error = x->verdict.actions & PAGE_ERROR ? gate_errno(x) : ECONNREFUSED, r;

	if (error != ECONNREFUSED && (wait || immediate(error)))
		return -error;
	r = refused(fd);
	if (error != ECONNREFUSED)
		c->connect_swap = error;
	return r;
}

/* ---- connect ---- */

static void settle(struct conn *c, int fd, int r)
{
	uint64_t now = clock_now_ns();

	if (r == 0)
		conn_connected(c, fd, 0, now);
	else if (r == -EINPROGRESS || r == -EINTR)
		c->connecting = true;
	else
		conn_connected(c, fd, -r, now);
}

static int dial(struct conn *c, int fd, const struct sockaddr *sa, socklen_t len)
{
	uint64_t now = clock_now_ns();
	struct verdict v;
	struct exchange *x = NULL;
	int r;

	if (!conn_lock(c))
		return real.connect(fd, sa, len);
	if (c->gated)
		exchange_decide_connect(c, now, &v);
	if (c->gated && v.actions)
		x = exchange_begin(c, NULL, &v, now);
	if (x) {
		r = strike(c, x, fd);
		exchange_achieved(c, x, v.actions & (PAGE_REFUSE | PAGE_ERROR), clock_now_ns());
	} else {
		conn_unlock(c);
		r = real.connect(fd, sa, len) ? -errno : 0;
		if (!conn_lock(c))
			return r ? fail(-r) : 0;
	}
	settle(c, fd, r);
	conn_unlock(c);
	return r ? fail(-r) : 0;
}

/* Another connect() on a connection that is under way: the way some programs ask for the outcome. */
static int dial_again(struct conn *c, int fd, const struct sockaddr *sa, socklen_t len)
{
	int r = real.connect(fd, sa, len) ? -errno : 0;

	if (!conn_lock(c))
		return r ? fail(-r) : 0;
	if (r && r != -EINPROGRESS && r != -EALREADY && r != -EISCONN && c->connect_swap)
		r = -c->connect_swap;
	if (c->connecting && r != -EALREADY && r != -EINPROGRESS && r != -EINTR)
		settle(c, fd, r == -EISCONN ? 0 : r);
	conn_unlock(c);
	return r ? fail(-r) : 0;
}

int dial_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr peer, local = {0};
	struct conn *c = TABLE_GET(fd);
	int r;

	if (c && c->connecting) {
		r = dial_again(c, fd, sa, len);
		conn_put(c);
		return r;
	}
	conn_put(c);
	if (!guest.page || !sa)
		return real.connect(fd, sa, len);
	addr_from_sockaddr(&peer, sa, len);
	if (peer.family == ADDR_NONE || raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return real.connect(fd, sa, len);
	table_drop(fd, true);	/* a socket that is connected anew after a failure */
	if (guest.mode != PAGE_JOURNAL_ALL && !conn_candidates(page_version(guest.page), PAGE_TO, &peer)) {
		table_mark(fd, JOURNAL_CLIENT);
		return real.connect(fd, sa, len);
	}
	c = conn_new(JOURNAL_CLIENT, &local, &peer, clock_now_ns());
	if (!c || !conn_hold(c) || !table_set(fd, c))
		return real.connect(fd, sa, len);
	epoll_import(c, fd);
	r = dial(c, fd, sa, len);
	conn_put(c);
	return r;
}

/* ---- accept ---- */

static bool end_of(long nr, int fd, struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (RAW(nr, fd, &ss, &len, 0, 0, 0) != 0)
		return false;
	addr_from_sockaddr(a, (struct sockaddr *)&ss, len);
	return a->family != ADDR_NONE;
}

void dial_accepted(int fd)
{
	struct addr local, peer = {0};
	struct conn *c;

	if (!guest.page)
		return;
	table_drop(fd, false);	/* a number that was closed by other means than close() */
	if (guest.mode != PAGE_JOURNAL_ALL && !page_live(guest.page, page_version(guest.page))) {
		table_mark(fd, JOURNAL_SERVER);
		return;
	}
	if (!end_of(SYS_getsockname, fd, &local) || raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return;
	if (guest.mode != PAGE_JOURNAL_ALL && !conn_candidates(page_version(guest.page), PAGE_AT, &local)) {
		table_mark(fd, JOURNAL_SERVER);
		return;
	}
	end_of(SYS_getpeername, fd, &peer);
	c = conn_new(JOURNAL_SERVER, &local, &peer, clock_now_ns());
	if (!c)
		return;
	if (conn_lock(c)) {
		conn_connected(c, fd, 0, c->opened_ns);
		conn_unlock(c);
	}
	table_set(fd, c);
}

void dial_so_error(int fd, int *error)
{
	struct conn *c = TABLE_GET(fd);

	if (!c)
		return;
	if (conn_lock(c)) {
		if (*error && c->connect_swap)
			*error = c->connect_swap;
		else if (*error && c->swap_error)
			*error = c->swap_error;
		if (*error)
			c->connect_swap = c->swap_error = 0;
		if (c->connecting && (*error || raw_ready(fd, POLLOUT)))
			conn_connected(c, fd, *error, clock_now_ns());
		conn_unlock(c);
	}
	conn_put(c);
}
