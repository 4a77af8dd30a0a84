/* SPDX-License-Identifier: MIT */
#include "preload/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/blocking.h"
#include "preload/cancel.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/nowhere.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/silence.h"
#include "preload/table.h"
#include "preload/verdict.h"

/* ---- the program's connect ---- */

struct call {		/* connect(2) as the program made it */
	struct conn *c;
	int fd;
	const struct sockaddr *sa;
	socklen_t len;
	bool wait;		/* the socket is blocking */
	uint64_t limit;		/* the end of its time (SO_SNDTIMEO) */
};

/* The call as it is; enters and leaves locked. 0 or -errno. */
static int plain(struct call *d)
{
	int r;

	conn_unlock(d->c);
	r = real.connect(d->fd, d->sa, d->len) ? -errno : 0;
	conn_lock(d->c);
	return r;
}

/* Lets the kernel refuse. A blocking connect fails at once, a non-blocking one says EINPROGRESS and then ERR|HUP. */
static int refused(const struct conn *c, int fd)
{
	struct nowhere to;
	int dead, r;

	if (c->peer.family == ADDR_UNIX)
		return -ECONNREFUSED;	/* at once, also when it is non-blocking */
	dead = nowhere_refusing(c->peer.family == ADDR_IP6, raw_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN), &to);
	if (dead < 0)
		return -ECONNREFUSED;
	r = raw_connect(fd, &to.at, to.len);
	raw_close(dead);
	return r ? r : -ECONNREFUSED;
}

/* Errors that connect reports at once, before any packet: no route, no local address, not allowed. */
static bool immediate(int error)
{
	return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EACCES || error == EPERM;
}

/* The verdict's failure; 0 or -errno as the kernel would have said. */
static int strike(struct call *d)
{
	const struct exchange *x = &d->c->attempt;
	int error = x->verdict.actions & PAGE_ERROR ? exchange_errno(x) : ECONNREFUSED, r;

	exchange_achieved(d->c, &d->c->attempt, x->verdict.actions & (PAGE_REFUSE | PAGE_ERROR), clock_now_ns());
	if (error != ECONNREFUSED && (d->wait || immediate(error)))
		return -error;
	r = refused(d->c, d->fd);
	if (error != ECONNREFUSED)
		d->c->connect_swap = error;
	return r;
}

/* What connect says when its wait ended before the outcome was there. */
static int cut_short(int error)
{
	return error == EAGAIN ? -EINPROGRESS : -error;
}

/* The SYN goes nowhere, until the fault ends or the program's patience does; r of the connect in the end. */
static int hang(struct call *d)
{
	struct nowhere to;
	int r = nowhere_silent(d->c->peer.family == ADDR_IP6, raw_sockopt_int(d->fd, SOL_SOCKET, SO_DOMAIN), &to), error = 0;

	r = r ? r : attempt_dial(d->fd, &to);
	if (r != -EINPROGRESS) {
		guest_lost(PAGE_LOST_STANDIN);
		return plain(d);
	}
	d->c->dialling = DIAL_NOWHERE;
	d->c->attempt.until_ns = attempt_next_look(clock_now_ns());
	if (!d->wait)
		return r;
	while (!error && d->c->dialling == DIAL_NOWHERE) {
		error = blocking_hold(d->c, d->fd, d->c->attempt.until_ns, d->limit);
		attempt_look(d->c, d->fd, clock_now_ns());
	}
	if (error)
		return cut_short(error);
	if (d->c->attempt.error)
		return -d->c->attempt.error;
	r = plain(d);	/* waits for the one that is under way now */
	return r == -EISCONN ? 0 : r;
}

/* A Unix socket knows no SYN: its connect waits for room in the peer's backlog (AF_UNIX, unix_stream_connect), and without leave to wait
 * it fails with EAGAIN until there is some. 0: it may go on now. */
static int unix_late(struct call *d)
{
	const struct verdict *v = &d->c->attempt.verdict;
	uint64_t now = clock_now_ns(), until = v->actions & PAGE_DELAY ? now + v->delay_ns : now;
	int error = 0;

	d->c->attempt.until_ns = v->actions & PAGE_HANG ? FOREVER : until;
	d->c->attempt.arrived_ns = now;
	if (!d->wait) {
		d->c->dialling = DIAL_LATER;
		return -EAGAIN;
	}
	while (!error && (attempt_hangs(d->c, now) || now < until)) {
		error = blocking_hold(d->c, d->fd, now < until ? until : attempt_next_look(now), d->limit);
		now = clock_now_ns();
	}
	exchange_achieved(d->c, &d->c->attempt, v->actions & (PAGE_DELAY | PAGE_HANG), now);
	return -error;
}

/* The outcome r is there: the program learns of it after the delay, and a reset may follow it. */
static int outcome(struct call *d, int r)
{
	uint64_t now = clock_now_ns();
	int error = 0;

	if (!d->wait && r && d->c->peer.family != ADDR_UNIX)
		return r;	/* no packet was sent: nothing that a network could delay */
	attempt_hold(d->c, now, now);
	if (d->c->peer.family == ADDR_UNIX)
		d->c->attempt.until_ns = now;	/* was late already */
	while (!error && !attempt_look(d->c, d->fd, clock_now_ns()))
		error = blocking_hold(d->c, d->fd, d->c->attempt.until_ns, d->limit);
	if (error)
		d->c->attempt.error = -r;
	return error ? cut_short(error) : r;
}

/* connect under a verdict; enters and leaves locked. */
static int afflicted(struct call *d)
{
	uint32_t a = d->c->attempt.verdict.actions;
	bool local = d->c->peer.family == ADDR_UNIX;
	int r = 0;

	if (d->wait)
		d->limit = blocking_limit(d->fd, SO_SNDTIMEO, clock_now_ns());
	if (local && (a & (PAGE_DELAY | PAGE_HANG)) && (r = unix_late(d)))
		return r;
	if (a & (PAGE_REFUSE | PAGE_ERROR))
		r = strike(d);
	else
		r = (a & PAGE_HANG) && !local ? hang(d) : plain(d);
	if (r != -EINPROGRESS && r != -EINTR)
		return outcome(d, r);
	if (d->c->dialling == DIAL_PLAIN && (a & (PAGE_DELAY | PAGE_RESET)))
		d->c->dialling = DIAL_ARMED;
	return r;
}

static void settle(struct conn *c, int fd, int r)
{
	uint64_t now = clock_now_ns();

	if (c->connecting && r != -EINPROGRESS && r != -EINTR)
		conn_connected(c, fd, -r, now);
}

/* again: its faults were decided at an earlier try. */
static int dial(struct conn *c, int fd, const struct sockaddr *sa, socklen_t len, bool again)
{
	struct call d = {.c = c, .fd = fd, .sa = sa, .len = len, .wait = blocking_allowed(fd, 0), .limit = FOREVER};
	uint64_t now = clock_now_ns();
	struct verdict v = {0};
	int r;

	if (!conn_enter(c))
		return real.connect(fd, sa, len);
	if (c->gated && !again)
		verdict_connect(c, now, &v);
	if (v.actions)
		attempt_begin(c, &v, now);
	c->connecting = true;	/* a signal handler may jump out of this call (wget's timeout does): then it goes on as one cut short */
	r = v.actions ? afflicted(&d) : plain(&d);
	settle(c, fd, r);
	conn_unlock(c);
	return r ? fail(-r) : 0;
}

/* Waits, when the call may, for the outcome of the connect that is under way. 0, or what another connect says while there is none. */
static int still_under_way(struct call *d)
{
	int error = 0;

	while (!error && d->c->dialling != DIAL_PLAIN && !attempt_look(d->c, d->fd, clock_now_ns())) {
		if (!d->wait)
			return -EALREADY;
		if (d->c->dialling == DIAL_ARMED)
			return 0;	/* the kernel waits for it */
		error = blocking_hold(d->c, d->fd, attempt_deadline(d->c), d->limit);
	}
	return error == EAGAIN ? -EALREADY : -error;
}

/* Another connect() on a connection that is under way: the way some programs ask for the outcome. */
static int dial_again(struct conn *c, int fd, const struct sockaddr *sa, socklen_t len)
{
	struct call d = {.c = c, .fd = fd, .sa = sa, .len = len, .wait = blocking_allowed(fd, 0)};
	int r;

	if (!conn_lock(c))
		return real.connect(fd, sa, len);
	d.limit = d.wait ? blocking_limit(fd, SO_SNDTIMEO, clock_now_ns()) : FOREVER;
	r = still_under_way(&d);
	if (!r && c->attempt.error) {
		r = -c->attempt.error;
		c->attempt.error = 0;
	} else if (!r) {
		r = plain(&d);
		if (c->dialling == DIAL_ARMED && r != -EINTR && r != -EALREADY)
			r = outcome(&d, r);
	}
	if (r && r != -EINPROGRESS && r != -EALREADY && r != -EISCONN && c->connect_swap)
		r = -c->connect_swap;
	if (c->connecting && r == -EISCONN)
		r = 0;	/* the kernel told us already: it is news to the program */
	if (r != -EALREADY)
		settle(c, fd, r);
	conn_unlock(c);
	return r ? fail(-r) : 0;
}

/* A non-blocking connect to a Unix socket that was told EAGAIN comes back: whether it is still too early. */
static bool too_early(struct conn *c)
{
	uint64_t now = clock_now_ns();
	bool early;

	if (!conn_lock(c))
		return false;
	early = c->attempt.until_ns == FOREVER ? attempt_hangs(c, now) : now < c->attempt.until_ns;
	if (!early)
		exchange_achieved(c, &c->attempt, c->attempt.verdict.actions & (PAGE_DELAY | PAGE_HANG), now);
	conn_unlock(c);
	return early;
}

/* connect(AF_UNSPEC) takes the connection back (connect(2)). */
static int dissolve(int fd, const struct sockaddr *sa, socklen_t len)
{
	table_drop(fd, true);
	return real.connect(fd, sa, len);
}

/* A connect on a socket that is a connection of ours; 1: it is a new one, else the result. */
static int dial_known(struct conn *c, int fd, const struct sockaddr *sa, socklen_t len, bool *again)
{
	if (c->connecting && sa->sa_family != AF_UNSPEC)
		return dial_again(c, fd, sa, len);
	if (c->next_connect) {
		int error = c->next_connect;

		if (error != EISCONN)
			c->next_connect = 0;
		return error == KERNEL_KNOWS ? real.connect(fd, sa, len) : fail(error);
	}
	if (sa->sa_family == AF_UNSPEC)
		return dissolve(fd, sa, len);
	*again = c->dialling == DIAL_LATER;
	if (*again)
		return too_early(c) ? fail(EAGAIN) : 1;
	return c->dead ? 1 : real.connect(fd, sa, len);	/* connected: EISCONN, after a non-blocking connect once 0 */
}

int dial_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr peer, local = {0};
	struct conn *c = TABLE_GET(fd);
	struct conn_call call = {{c}, locks_depth()};
	bool again = false;
	int r;

	CANCEL_BEGIN(conn_call_left, &call);
	r = c && sa ? dial_known(c, fd, sa, len, &again) : 1;
	CANCEL_END;
	conn_put(c);
	if (r != 1)
		return r;
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
	if (!c || !conn_hold(c))
		return real.connect(fd, sa, len);
	call.conns[0] = c;
	CANCEL_BEGIN(conn_call_left, &call);
	if (table_set(fd, c)) {
		epoll_import(c, fd);
		r = dial(c, fd, sa, len, again);
	} else {
		r = real.connect(fd, sa, len);
	}
	CANCEL_END;
	conn_put(c);
	return r;
}

/* Whether a connect to sa is ours to follow; one that may become so is marked. */
static bool followed(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr peer;

	addr_from_sockaddr(&peer, sa, len);
	if ((peer.family != ADDR_IP4 && peer.family != ADDR_IP6) || raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return false;
	if (guest.mode == PAGE_JOURNAL_ALL || conn_candidates(page_version(guest.page), PAGE_TO, &peer))
		return true;
	table_mark(fd, JOURNAL_CLIENT);
	return false;
}

int dial_fast_open(int fd, int flags, const struct sockaddr *sa, socklen_t len)
{
	guest_start();
	if (!guest.page || !guest_plausible(sa) || table_tracks(fd))
		return 0;
	if ((flags & MSG_DONTWAIT) && blocking_allowed(fd, 0))
		return 0;	/* no connect() is like that */
	if (!followed(fd, sa, len))
		return 0;
	return dial_connect(fd, sa, len) ? -1 : 1;
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
	silence_sweep();
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
		bool kernels = *error != 0;

		if (*error && c->connect_swap)
			*error = c->connect_swap;
		else if (*error && c->swap_error)
			*error = c->swap_error;
		else if (!*error && c->attempt.error)
			*error = c->attempt.error;
		else if (!*error && c->late_error)
			*error = c->late_error;
		if (*error)
			c->late_error = c->connect_swap = c->swap_error = c->attempt.error = 0;
		if (c->connecting && (*error || raw_ready(fd, POLLOUT))) {
			c->next_connect = kernels ? KERNEL_KNOWS : 0;	/* ECONNABORTED, before this socket can be dialled again */
			conn_connected(c, fd, *error, clock_now_ns());
		}
		conn_unlock(c);
	}
	conn_put(c);
}

bool dial_hidden(int fd)
{
	struct conn *c = TABLE_GET(fd);
	bool hidden = false;

	if (c && c->dialling && conn_lock(c)) {
		hidden = !attempt_look(c, fd, clock_now_ns());
		epoll_refresh(c, clock_now_ns());
		conn_unlock(c);
	}
	conn_put(c);
	return hidden;
}

bool dial_sockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct conn *c = TABLE_GET(fd);
	struct nowhere local;
	bool other = false;

	if (c && c->dialling == DIAL_NOWHERE && conn_lock(c)) {
		other = c->dialling == DIAL_NOWHERE && attempt_local(c, fd, &local);
		conn_unlock(c);
	}
	conn_put(c);
	if (other) {
		memcpy(sa, &local.at, *len < local.len ? *len : local.len);
		*len = local.len;
	}
	return other;
}
