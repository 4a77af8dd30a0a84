/* SPDX-License-Identifier: MIT */
#include "preload/intake.h"

#include "base/clock.h"
#include "record/protocol.h"
#include "preload/answer.h"
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/hold.h"
#include "preload/raw.h"
#include "preload/traffic.h"
#include "preload/verdict.h"

#define LOOK_NS (5 * NS_PER_MS)		/* between looks at an incomplete request head on a Unix socket */
#define LOWAT_MAX 16000	/* a request head longer than this is let through undecided */

/* The connection ends behind our answer; what its client has sent behind its last request is nobody's. */
static void end(struct conn *c, int fd)
{
	char gone[512];

	raw_shutdown(fd, SHUT_RDWR);
	while (raw_recv(fd, gone, sizeof(gone), MSG_DONTWAIT) > 0)
		;
	c->cut = CUT_ENDED;
	c->sink = true;
}

/* Sends our answer, or the rest of it, to the client of this server. What the kernel has no room for is tried again a little later. */
static void send_answer(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
{
	struct iovec iov[2];
	bool closes = answer_closes(x);
	size_t total, at = x->answer_at;
	long sent;

	if (!answer_make(c, x)) {	/* nothing is left to answer with: the connection breaks, as with a server that restarts */
		cut_reset(c, fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now_ns);
		return;
	}
	if (!at)
		exchange_achieved(c, x, PAGE_STATUS, now_ns);
	total = answer_iov(c, x, iov);
	sent = answer_send(fd, iov, at);
	if (sent == -EAGAIN || (sent >= 0 && at + (size_t)sent < total)) {
		x->gate = GATE_HELD;
		x->until_ns = now_ns + CUT_RESEND_NS;
	} else if (sent < 0) {
		sent = (long)(total - at);	/* nobody is there to read it */
	}
	if (sent <= 0)
		return;
	x->answer_at += (uint32_t)sent;
	traffic_answer_iov(c, iov, 2, at, (size_t)sent, now_ns, clock_now_ns());
	if (at + (size_t)sent == total && closes)
		end(c, fd);
}

/* How many of n bytes at data belong to the message that p follows, to its end; *e: what comes there (HTTP1_MORE: more of it). */
static size_t follow(struct http1 *p, const char *data, size_t n, enum http1_event *e)
{
	size_t at = 0;

	do {
		at += http1_feed(p, data + at, n - at, e);
	} while (*e == HTTP1_HEAD || *e == HTTP1_INTERIM);
	return *e == HTTP1_OPAQUE ? n : at;
}

/* An error that looking took from the socket is kept for the program's next receive. */
static size_t peek(struct conn *c, int fd, char *buf, long *r)
{
	*r = raw_recv(fd, buf, CONN_BUFFER_BYTES, MSG_PEEK | MSG_DONTWAIT);
	if (*r < 0 && *r != -EAGAIN && *r != -EINTR && *r != -ENOTCONN)
		c->late_error = (int)-*r;
	return *r > 0 ? (size_t)*r : 0;
}

size_t intake_left(struct conn *c, const struct http1 *p, int fd, enum http1_event *e)
{
	uint64_t room = http1_room(p);
	char *buf = room ? NULL : pool_take();
	size_t n = 0, mine = room && room < SIZE_MAX ? (size_t)room : SIZE_MAX;
	struct http1 copy;
	long r;

	*e = HTTP1_MORE;
	if (buf && (n = peek(c, fd, buf, &r))) {
		copy = *p;
		mine = follow(&copy, buf, n, e);
	}
	pool_give(buf);
	return mine;
}

/* Takes what is there of a request that the program shall not see; true when the kernel had bytes of it. */
static bool swallow(struct conn *c, int fd, uint64_t now_ns)
{
	enum http1_event e;
	size_t n = c->opaque ? CONN_BUFFER_BYTES : intake_left(c, &c->requests, fd, &e);
	char *buf = n == SIZE_MAX ? NULL : pool_take();
	long r = buf ? raw_recv(fd, buf, n < CONN_BUFFER_BYTES ? n : CONN_BUFFER_BYTES, MSG_DONTWAIT) : -EAGAIN;

	if (r > 0)
		traffic_request_bytes(c, buf, (size_t)r, now_ns, now_ns);
	pool_give(buf);
	return r > 0;
}

static void raise_lowat(struct conn *c, int fd, int bytes)
{
	if (!c->lowat)
		c->own_lowat = raw_sockopt_int(fd, SOL_SOCKET, SO_RCVLOWAT);
	c->lowat = (uint16_t)bytes;
	raw_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

void intake_restore(struct conn *c, int fd)
{
	if (!c->lowat)
		return;
	c->lowat = 0;
	raw_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &c->own_lowat, sizeof(c->own_lowat));
}

bool intake_lowat(struct conn *c, int *value, bool set)
{
	bool ours = false;

	if (conn_lock(c)) {
		ours = c->lowat != 0;
		if (ours && set)
			c->own_lowat = *value;
		else if (ours)
			*value = c->own_lowat;
		conn_unlock(c);
	}
	return ours;
}

/* Decides the request that begins at raw, of which p took len bytes and said e; upgrades: the one before it asks for another protocol.
 * True: the program may have it now. What is not decided here stays, and is looked at in its turn. */
static bool may_follow(struct conn *c, const struct http1 *p, enum http1_event e, bool upgrades, const char *raw, size_t len)
{
	if (e == HTTP1_OPAQUE)
		return upgrades;
	if (e == HTTP1_MORE && http1_idle(p))
		return true;
	if (e == HTTP1_MORE && c->needs_head)
		return upgrades && !verdict_awaits_head(c, raw, len);
	verdict_exchange(c, e == HTTP1_HEAD ? &p->head : NULL, raw, len, clock_now_ns(), &c->next);
	c->next_judged = e == HTTP1_MORE || c->next.actions;
	return !c->next.actions;
}

/* How many bytes of requests, of which the first n are at data, the program may have at once: the rest of the one under way, and those
 * behind it up to the first to which something is to be done, as a receive of the kernel would bring them. */
static uint64_t judge_ahead(struct conn *c, const char *data, size_t n)
{
	struct http1 p = c->requests;
	uint32_t in_flight = c->count;
	enum http1_event e;
	size_t at = follow(&p, data, n, &e);

	while (e == HTTP1_DONE && at < n && in_flight++ < CONN_PIPELINE) {
		bool upgrades = p.head.flags & (HTTP1_UPGRADE | HTTP1_IS_CONNECT);
		size_t begin = at;

		at += http1_feed(&p, data + at, n - at, &e);
		if (begin >= c->judged_bytes && !may_follow(c, &p, e, upgrades, data + begin, at - begin))
			return begin;
		at += e == HTTP1_MORE ? 0 : follow(&p, data + at, n - at, &e);
	}
	return at + (e == HTTP1_MORE ? http1_room(&p) : 0);
}

/* The program may have that much of the n bytes that are there, without another look. What comes later has an edge of its own, but for what
 * comes together with the rest of a body. */
static void may_have(struct conn *c, const char *data, size_t n)
{
	uint64_t limit = judge_ahead(c, data, n);

	if (limit > c->judged_bytes)
		c->judged_bytes = limit;
	c->more_behind = c->judged_bytes != n || n == CONN_BUFFER_BYTES;
}

enum look {
	LOOK_DECIDED,
	LOOK_WAIT,	/* nothing there, or not enough to decide */
	LOOK_END	/* end of stream, error, or no means to look: the kernel's truth */
};

/* Whether the rest of a head is still to be waited for: each piece of it, n bytes by now, gives the next one its time. A client
 * that is slow beyond it, or sends no more, is the program's to judge. */
static bool patient(struct conn *c, size_t n, uint64_t now_ns)
{
	if (n >= LOWAT_MAX)
		return false;
	if (!c->patience_ns || n != c->patience_bytes)
		c->patience_ns = now_ns + CONN_PATIENCE_NS;
	c->patience_bytes = (uint32_t)n;
	return now_ns < c->patience_ns;
}

/* Whether there are bytes to look at; else *r says as a receive would whether more may come (-EAGAIN). To receive would take an error that
 * the program's next call is to report, or with EPIPE instead SIGPIPE. */
static bool has_input(struct conn *c, int fd, long *r)
{
	bool known = c->input_known;

	c->input_known = false;
	if (known || raw_unread(fd))
		return true;
	*r = cut_ended(fd) ? 0 : -EAGAIN;
	return *r == 0 && raw_unread(fd);	/* it came with the end, just now */
}

/* Looks at the next request in the kernel's buffer and decides it when its head is whole. */
static enum look look(struct conn *c, int fd)
{
	char *buf = pool_take();
	struct http1 p = c->requests;
	enum http1_event e = HTTP1_OPAQUE;
	struct verdict v;
	uint64_t now_ns;
	size_t n, used;
	long r = -EAGAIN;

	n = buf && has_input(c, fd, &r) ? peek(c, fd, buf, &r) : 0;
	now_ns = clock_now_ns();	/* not before: what was seen may have come this instant */
	if (!n) {
		c->patience_ns = 0;
		pool_give(buf);
		return buf && r == -EAGAIN ? LOOK_WAIT : LOOK_END;
	}
	used = c->opaque ? 0 : http1_feed(&p, buf, n, &e);
	if (e == HTTP1_MORE && cut_ended(fd)) {
		c->patience_ns = 0;
		pool_give(buf);
		return LOOK_END;
	}
	if (e == HTTP1_MORE && c->sequence && http1_idle(&p)) {	/* empty lines, as some clients send behind a body: no request yet */
		c->judged_bytes = n;
		pool_give(buf);
		return LOOK_END;
	}
	if (e == HTTP1_MORE && !c->next_judged && verdict_awaits_head(c, buf, n) && patient(c, n, now_ns)) {
		/* Not decidable yet. A low-water mark above what is there lets the kernel itself say when more has come. */
		pool_give(buf);
		if (c->local.family == ADDR_UNIX)
			c->look_ns = now_ns + LOOK_NS;
		else
			raise_lowat(c, fd, (int)n + 1);
		return LOOK_WAIT;
	}
	if (e == HTTP1_MORE && !c->next_judged && verdict_awaits_head(c, buf, n))
		guest_lost(PAGE_LOST_FRAMING);	/* undecided: a head too long, or too slow */
	c->patience_ns = 0;
	if (c->next_judged)
		v = c->next;
	else
		verdict_exchange(c, e == HTTP1_HEAD ? &p.head : NULL, buf, c->opaque ? n : used, now_ns, &v);
	c->next_judged = false;
	if (e != HTTP1_HEAD && e != HTTP1_MORE)
		traffic_turn_opaque(c, buf, n);
	exchange_begin(c, e == HTTP1_HEAD ? &p.head : NULL, &v, now_ns);
	if (e == HTTP1_HEAD && !v.actions)
		may_have(c, buf, n);
	pool_give(buf);
	return LOOK_DECIDED;
}

bool intake_under_way(const struct conn *c, const struct exchange *x)
{
	if (!x)
		return false;
	if (c->opaque)
		return !x->head_passed || !x->last_ns || c->unread || protocol_is_veiled(c->protocol);
	return !x->request_done || (x->synthetic && !x->answer_done);
}

/* One step; true when another may follow at once, else *visible says the result. */
static bool pump_step(struct conn *c, int fd, uint64_t now_ns, bool *visible)
{
	struct exchange *x = conn_tail(c);

	*visible = false;
	if (!intake_under_way(c, x)) {
		enum look l = look(c, fd);

		*visible = l == LOOK_END;
		return l == LOOK_DECIDED;
	}
	if (x->gate == GATE_HELD && !hold_due(x, now_ns))
		return false;
	if (x->gate == GATE_HELD)
		hold_release(c, x, fd, now_ns);
	if (exchange_resets_at(x, PAGE_REQUEST)) {
		exchange_cut(c, x, now_ns);
		cut_when_due(c, fd, now_ns);
		*visible = true;
		return false;
	}
	if (!x->synthetic) {
		*visible = true;
		return false;
	}
	if (c->count > 1)
		return false;	/* earlier requests are answered first */
	if (!x->request_done && !swallow(c, fd, now_ns)) {
		*visible = cut_ended(fd);
		return false;
	}
	if (x->request_done)
		send_answer(c, x, fd, now_ns);
	*visible = c->dead;
	return !c->dead;
}

bool intake_look(struct conn *c, int fd, uint64_t now_ns)
{
	bool visible;

	if (now_ns < c->look_ns)
		return false;
	c->look_ns = 0;
	intake_restore(c, fd);
	/* Each step on its own time: the next request may have come only after the answer to the last one went out. */
	while (pump_step(c, fd, now_ns, &visible))
		now_ns = clock_now_ns();
	return visible;
}

uint64_t intake_limit(struct conn *c, int fd)
{
	uint64_t room = http1_room(&c->requests);
	char *buf;
	size_t n;
	long r;

	if (!intake_under_way(c, conn_tail(c)))
		return c->judged_bytes ? c->judged_bytes : SIZE_MAX;
	if (c->judged_bytes || c->next_judged)
		return c->judged_bytes;
	c->more_behind = true;
	if (room > raw_unread(fd))
		return room;
	buf = pool_take();
	n = buf ? peek(c, fd, buf, &r) : 0;
	if (n)
		may_have(c, buf, n);
	pool_give(buf);
	return n ? c->judged_bytes : SIZE_MAX;
}
