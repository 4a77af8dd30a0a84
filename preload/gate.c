/* SPDX-License-Identifier: MIT */
#include "preload/gate.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/clock.h"
#include "record/protocol.h"
#include "preload/answer.h"
#include "preload/attempt.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/traffic.h"
#include "preload/verdict.h"
#include "preload/waker.h"

#define RESEND_NS (5 * NS_PER_MS)	/* between tries to send the rest of an answer to a client that does not read */
#define LOOK_NS (5 * NS_PER_MS)		/* between looks at an incomplete request head on a Unix socket */
#define LOWAT_MAX 16000	/* a request head longer than this is let through undecided */

/* The exchange that governs input. */
static struct exchange *subject(struct conn *c)
{
	if (!c->gated)
		return NULL;
	return c->role == JOURNAL_CLIENT ? conn_head(c) : conn_tail(c);
}

int gate_errno(const struct exchange *x)
{
	const struct page_fault *f = exchange_fault(x->verdict.main_fault, x->verdict.main_id);

	return f && (x->verdict.actions & PAGE_ERROR) ? f->error_errno : ECONNRESET;
}

/* ---- by kernel means ---- */

/* connect(AF_UNSPEC) aborts a TCP connection: the peer gets a RST, poll says ERR|HUP, the next receive ECONNRESET. shutdown() on the
 * closed socket then answers ENOTCONN but marks both directions shut all the same (inet_shutdown), which adds IN|RDHUP and lets the
 * second receive return 0: poll bits and results are then those of a RST that came from the peer (measured). Where the program had shut its
 * own direction down and the peer's end has come, the socket is closed already, and has no error to show: the next receive gets ours. */
void gate_reset(struct conn *c, int fd, int error)
{
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	if (c->peer.family == ADDR_UNIX) {	/* the kernel has no RST for it: nothing is left to read, and the end that follows is shown as the error */
		char gone[512];

		c->swap_error = error;
		while (raw_recv(fd, gone, sizeof(gone), MSG_DONTWAIT) > 0)
			;
	} else
		raw_connect(fd, &unspec, sizeof(unspec));
	raw_shutdown(fd, SHUT_RDWR);
	if (error != ECONNRESET || !(raw_ready(fd, POLLERR) & POLLERR))
		c->swap_error = error;
	c->dead = true;
}

/* Nothing more will come: the peer ended the stream, or it broke. */
static bool ended(int fd)
{
	return (raw_ready(fd, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* A half-closed socket is ready as after a FIN, for ever. (Data still come into it: nobody asks for them.) A Unix stream ends in both
 * directions when its peer closes. */
static void end_stream(struct conn *c, int fd, uint64_t now_ns)
{
	c->cut = CUT_ENDED;
	raw_shutdown(fd, c->peer.family == ADDR_UNIX ? SHUT_RDWR : c->role == JOURNAL_CLIENT ? SHUT_RD : SHUT_WR);
	if (c->role == JOURNAL_CLIENT)
		c->eof_in = true;
	else
		c->sink = true;
	exchange_end_all(c, JOURNAL_EOF, now_ns);
}

/* A RST throws away what has not left yet for a client that reads slowly. (Sent and not acknowledged is with the client, or as good as.) */
static bool reset_must_wait(struct conn *c, int fd, uint64_t now_ns)
{
	int unsent = 0;

	if (c->role != JOURNAL_SERVER || RAW(SYS_ioctl, fd, SIOCOUTQNSD, &unsent, 0, 0, 0) != 0 || !unsent || ended(fd))
		return false;
	c->sink = true;
	c->cut_ns = now_ns + RESEND_NS;
	return true;
}

void gate_cut(struct conn *c, int fd, uint64_t now_ns)
{
	if (c->cut == CUT_FIN) {
		end_stream(c, fd, now_ns);
	} else if (c->cut == CUT_RST && !reset_must_wait(c, fd, now_ns)) {
		c->cut = CUT_NOT;
		gate_reset(c, fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now_ns);
	} else if (c->cut != CUT_RST) {
		return;
	}
	epoll_refresh(c, now_ns);
	waker_wake_all(c);
}

/* ---- time ---- */

/* When what is readable now really arrived: the program may have been busy elsewhere since. TCP_INFO tells in milliseconds. */
static uint64_t arrival(int fd, const struct exchange *x, uint64_t now_ns)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uint64_t ago;

	if (raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return now_ns;
	ago = info.tcpi_last_data_recv * NS_PER_MS;
	if (ago < 5 * NS_PER_MS || now_ns - ago < x->started_ns || now_ns - ago < x->sent_ns)
		return now_ns;	/* within the field's own grain, or older than the request: not this answer's */
	return now_ns - ago;
}

/* When a hang ends by its fault's own window. */
static uint64_t window_end(const struct exchange *x)
{
	const struct page_fault *f = exchange_fault(x->verdict.main_fault, x->verdict.main_id);

	return f && f->for_ns ? guest.page->started_ns + f->from_ns + f->for_ns : FOREVER;
}

/* What was armed has arrived: from here on its delay counts. */
static void arrived(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
{
	x->arrived_ns = arrival(fd, x, now_ns);
	x->gate = GATE_HELD;
	x->until_ns = x->verdict.actions & PAGE_HANG ? window_end(x) : x->arrived_ns + exchange_answer_delay(c, x);
}

/* Bytes in the kernel's buffer. */
static uint64_t there(int fd)
{
	int n = 0;

	return RAW(SYS_ioctl, fd, FIONREAD, &n, 0, 0, 0) == 0 && n > 0 ? (uint64_t)n : 0;
}

/* An answer at a rate, with something there to read: lets the program have what was earned, when that is a part worth waking
 * up for, or hides it until it is. Bytes that a slow network would have brought while the program was busy are there at once;
 * when the program waited for them, at most a slice is. */
static void pace(struct exchange *x, int fd, uint64_t now_ns)
{
	uint64_t bytes = there(fd), slice, part;

	if (!x->pace.bytes_per_s)
		pace_begin(&x->pace, x->verdict.bytes_per_s, x->until_ns);
	slice = pace_slice(&x->pace);
	pace_forfeit(&x->pace, x->dry ? slice : pace_backlog(&x->pace), now_ns);
	x->dry = false;
	part = bytes < slice ? bytes : slice;
	x->grant = pace_credit(&x->pace, now_ns);
	if (x->grant >= part) {
		x->gate = GATE_OPEN;
		x->grant += !x->grant;	/* not a byte is there, but the end of the stream */
		return;
	}
	x->gate = GATE_PACED;
	x->until_ns = pace_due_ns(&x->pace, part);
	x->slowed = true;
}

static bool throttled(const struct exchange *x)
{
	return x->verdict.bytes_per_s && !x->synthetic;
}

void gate_took(struct exchange *x, int fd, size_t n, bool dry, uint64_t now_ns)
{
	if (!throttled(x))
		return;
	pace_take(&x->pace, n);
	x->grant -= n < x->grant ? n : x->grant;
	x->dry = dry || (!x->grant && !there(fd));
	if (x->dry)
		x->grant = 0;	/* the next look is when more arrives */
	else if (!x->grant)
		pace(x, fd, now_ns);
}

/* Whether the rate has something for a program that it has not been told of: all was taken before, or a slice came since. */
static bool earned_more(const struct exchange *x, uint64_t now_ns)
{
	return x->pace.bytes_per_s && (!x->grant || pace_credit(&x->pace, now_ns) >= x->grant + pace_slice(&x->pace));
}

/* The hold is over: the reset, end or error that was to follow happens, or the kernel's truth shows, perhaps in parts. */
static void release(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
{
	uint32_t a = x->verdict.actions;

	if (x->gate == GATE_HELD && (a & PAGE_DELAY) && !x->answer_at && !exchange_delays_request(c, x))
		exchange_achieved(c, x, PAGE_DELAY, now_ns);
	if (c->role == JOURNAL_CLIENT && x->hung)
		exchange_achieved(c, x, PAGE_HANG, now_ns);
	x->gate = GATE_OPEN;
	c->hup_hidden = false;
	if (c->role != JOURNAL_CLIENT)
		return;
	if (a & PAGE_ERROR) {
		exchange_achieved(c, x, PAGE_ERROR, now_ns);
		gate_reset(c, fd, gate_errno(x));
		exchange_end_all(c, gate_errno(x), now_ns);
	} else if (x->swallowed || !exchange_cut_room(c, x)) {
		exchange_cut(c, x, now_ns);
		gate_cut(c, fd, now_ns);
	} else if (throttled(x)) {
		pace(x, fd, now_ns);
	}
}

static bool is_held(const struct exchange *x)
{
	return x->gate == GATE_HELD || x->gate == GATE_PACED;
}

static bool due(const struct exchange *x, uint64_t now_ns)
{
	return is_held(x) && x->until_ns != FOREVER && now_ns >= x->until_ns;
}

/* ---- server: looking at requests before the program does ---- */

/* Sends our answer, or the rest of it, to the client of this server. What the kernel has no room for is tried again a little later. */
static void send_answer(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
{
	struct iovec iov[2];
	bool closes = answer_closes(x);
	size_t total, at = x->answer_at;
	long sent;

	if (!answer_make(c, x)) {	/* nothing is left to answer with: the connection breaks, as with a server that restarts */
		gate_reset(c, fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now_ns);
		return;
	}
	if (!at)
		exchange_achieved(c, x, PAGE_STATUS, now_ns);
	total = answer_iov(c, x, iov);
	sent = answer_send(fd, iov, at);
	if (sent == -EAGAIN || (sent >= 0 && at + (size_t)sent < total)) {
		x->gate = GATE_HELD;
		x->until_ns = now_ns + RESEND_NS;
	} else if (sent < 0) {
		sent = (long)(total - at);	/* nobody is there to read it */
	}
	if (sent <= 0)
		return;
	x->answer_at += (uint32_t)sent;
	traffic_answer_iov(c, iov, 2, at, (size_t)sent, now_ns, clock_now_ns());
	if (at + (size_t)sent == total && closes)
		raw_shutdown(fd, SHUT_RDWR);
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

/* The same for the bytes that can be read on fd now: exactly, or as far as what is there tells. SIZE_MAX when nothing can be read. */
static size_t message_left(struct conn *c, const struct http1 *p, int fd, enum http1_event *e)
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
	size_t n = c->opaque ? CONN_BUFFER_BYTES : message_left(c, &c->requests, fd, &e);
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

static void restore_lowat(struct conn *c, int fd)
{
	if (!c->lowat)
		return;
	c->lowat = 0;
	raw_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &c->own_lowat, sizeof(c->own_lowat));
}

bool gate_lowat(struct conn *c, int *value, bool set)
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
	if (known || there(fd))
		return true;
	*r = ended(fd) ? 0 : -EAGAIN;
	return *r == 0 && there(fd);	/* it came with the end, just now */
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
	if (e == HTTP1_MORE && ended(fd)) {
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
		verdict_exchange(c, e == HTTP1_HEAD ? &p.head : NULL, buf, used, now_ns, &v);
	c->next_judged = false;
	if (e != HTTP1_HEAD && e != HTTP1_MORE)
		traffic_turn_opaque(c, buf, n);
	exchange_begin(c, e == HTTP1_HEAD ? &p.head : NULL, &v, now_ns);
	if (e == HTTP1_HEAD && !v.actions)
		may_have(c, buf, n);
	pool_give(buf);
	return LOOK_DECIDED;
}

/* Opaque streams: the newest exchange is a turn that goes on until it was answered. */
static bool request_under_way(const struct conn *c, const struct exchange *x)
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
	if (!request_under_way(c, x)) {
		enum look l = look(c, fd);

		*visible = l == LOOK_END;
		return l == LOOK_DECIDED;
	}
	if (x->gate == GATE_HELD && !due(x, now_ns))
		return false;
	if (x->gate == GATE_HELD)
		release(c, x, fd, now_ns);
	if (exchange_resets_at(x, PAGE_REQUEST)) {
		exchange_cut(c, x, now_ns);
		gate_cut(c, fd, now_ns);
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
		*visible = ended(fd);
		return false;
	}
	if (x->request_done)
		send_answer(c, x, fd, now_ns);
	*visible = c->dead;
	return !c->dead;
}

static bool pump(struct conn *c, int fd, uint64_t now_ns)
{
	bool visible;

	if (now_ns < c->look_ns)
		return false;
	c->look_ns = 0;
	restore_lowat(c, fd);
	/* Each step on its own time: the next request may have come only after the answer to the last one went out. */
	while (pump_step(c, fd, now_ns, &visible))
		now_ns = clock_now_ns();
	return visible;
}

/* ---- what the waits and receives ask ---- */

/* Faults that ended let go of what they hold. */
static void lapse_all(struct conn *c, uint64_t now_ns)
{
	for (unsigned i = 0; i < c->count && !c->dead; i++) {
		struct exchange *x = conn_nth(c, i);

		if (x->verdict.actions)
			exchange_lapse(x, now_ns);
	}
}

bool gate_holds(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling == DIAL_HELD || c->dialling == DIAL_NOWHERE || c->outbox_len)
		return true;
	return x && !c->dead && (is_held(x) || (x->gate == GATE_ANSWER && x->until_ns != FOREVER)) && now_ns < x->until_ns;
}

bool gate_readable(struct conn *c, int fd, uint64_t now_ns)
{
	struct exchange *x = subject(c);
	bool visible;

	if (c->dialling && !attempt_look(c, fd, now_ns)) {
		epoll_refresh(c, now_ns);
		return false;
	}
	if (!c->gated || c->dead || c->connecting)
		return true;
	lapse_all(c, now_ns);
	if (c->role == JOURNAL_SERVER && c->cut == CUT_ENDED) {
		if (there(fd))
			gate_reset(c, fd, ECONNRESET);	/* so does a peer that is told more after it closed */
		visible = true;
	} else if (c->role == JOURNAL_SERVER) {
		visible = pump(c, fd, now_ns);
	} else {
		if (x && x->gate == GATE_ARMED)
			arrived(c, x, fd, now_ns);
		if (x && due(x, now_ns))
			release(c, x, fd, now_ns);
		x = subject(c);
		if (x && x->gate == GATE_OPEN && earned_more(x, now_ns))
			pace(x, fd, now_ns);
		visible = !x || x->gate == GATE_OPEN;
	}
	epoll_refresh(c, now_ns);
	return visible;
}

/* Client with several requests in flight of which a later one is not plain: reads must end with this answer. */
static bool must_stop(const struct conn *c)
{
	for (unsigned i = 1; i < c->count; i++)
		if (conn_nth(c, i)->gate != GATE_OPEN)
			return true;
	return false;
}

static uint64_t client_limit(struct conn *c, const struct exchange *x, int fd)
{
	uint64_t limit = exchange_cut_room(c, x), end;
	enum http1_event e;

	if (throttled(x) && x->grant < limit)
		limit = x->grant;
	if (c->opaque || !(must_stop(c) || (x->verdict.actions & PAGE_TRUNCATE)))
		return limit;
	traffic_expect_answer(c, x);
	end = message_left(c, &c->answers, fd, &e);
	if (e == HTTP1_OPAQUE)
		traffic_turn_opaque(c, NULL, 0);	/* from here on its bytes are counted as they are */
	if (e == HTTP1_OPAQUE)
		end = exchange_cut_room(c, x);
	return end < limit ? end : limit;
}

static uint64_t server_limit(struct conn *c, int fd)
{
	uint64_t room = http1_room(&c->requests);
	char *buf;
	size_t n;
	long r;

	if (!request_under_way(c, conn_tail(c)))
		return c->judged_bytes ? c->judged_bytes : SIZE_MAX;
	if (c->judged_bytes || c->next_judged)
		return c->judged_bytes;
	c->more_behind = true;
	if (room > there(fd))
		return room;
	buf = pool_take();
	n = buf ? peek(c, fd, buf, &r) : 0;
	if (n)
		may_have(c, buf, n);
	pool_give(buf);
	return n ? c->judged_bytes : SIZE_MAX;
}

size_t gate_limit(struct conn *c, int fd)
{
	struct exchange *x = conn_head(c);
	uint64_t limit = SIZE_MAX;

	if (c->dead)
		return SIZE_MAX;	/* looking would take the error that the program is to see */
	if (c->role == JOURNAL_SERVER && !c->opaque)
		limit = server_limit(c, fd);
	else if (c->role == JOURNAL_SERVER && c->unread)
		limit = c->unread;
	else if (c->role == JOURNAL_CLIENT && x)
		limit = client_limit(c, x, fd);
	return limit > SIZE_MAX ? SIZE_MAX : limit ? (size_t)limit : 1;
}

bool gate_end_is_later(struct conn *c, int fd)
{
	const struct exchange *x = c->role == JOURNAL_CLIENT && c->gated && !c->dead && !c->connecting ? conn_head(c) : NULL;
	uint64_t bytes = x ? there(fd) : 0;

	return bytes && (gate_limit(c, fd) < bytes || exchange_cut_room(c, x) <= bytes);
}

bool gate_hidden(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling == DIAL_HELD)
		return true;
	if (c->dead)
		return false;
	if (now_ns < c->look_ns)
		return true;
	if (!x)
		return false;
	if (c->role == JOURNAL_SERVER && x->synthetic && c->count > 1)
		return true;
	return x->gate == GATE_ANSWER || (is_held(x) && now_ns < x->until_ns);
}

bool gate_answer_ready(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	return x && !c->dead && x->gate == GATE_ANSWER && now_ns >= x->until_ns;
}

uint64_t gate_deadline(struct conn *c)
{
	struct exchange *x = subject(c);
	uint64_t until = x && !c->dead && (is_held(x) || x->gate == GATE_ANSWER) ? x->until_ns : FOREVER;

	if (c->look_ns && c->look_ns < until)
		until = c->look_ns;
	if (attempt_deadline(c) < until)
		until = attempt_deadline(c);
	if (outgate_deadline(c) < until)
		until = outgate_deadline(c);
	if (c->cut == CUT_RST && c->cut_ns < until)
		until = c->cut_ns;
	return c->patience_ns && !c->dead && c->patience_ns < until ? c->patience_ns : until;
}

static void begin_undecided(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);
	struct verdict v;

	if (x && !x->head_passed)
		return;
	guest_lost(PAGE_LOST_FRAMING);
	verdict_exchange(c, NULL, c->held, c->held_len, now_ns, &v);
	exchange_begin(c, NULL, &v, now_ns);
}

void gate_release_head(struct conn *c, int fd, uint64_t now_ns)
{
	long sent = raw_send(fd, c->held, c->held_len, MSG_NOSIGNAL | MSG_DONTWAIT);

	begin_undecided(c, now_ns);
	if (sent > 0) {
		traffic_request_bytes(c, c->held, (size_t)sent, now_ns, now_ns);
		c->held_len -= (uint32_t)sent;
		memmove(c->held, c->held + sent, c->held_len);
	} else if (sent != -EAGAIN) {
		c->held_len = 0;
		c->late_error = sent == -EPIPE ? 0 : (int32_t)-sent;
	}
	if (!c->held_len)
		pool_drop(&c->held);
	c->patience_ns = c->held_len ? now_ns + RESEND_NS : 0;
}

static void surrender(struct exchange *x)
{
	if (x->synthetic)
		return;
	x->gate = GATE_OPEN;
	x->verdict = (struct verdict){.cut_bytes = NO_CUT};
	x->mute = false;
}

void gate_surrender(struct conn *c, int fd)
{
	if (!conn_lock(c))
		return;
	restore_lowat(c, fd);
	for (unsigned i = 0; i < c->count; i++)
		surrender(conn_nth(c, i));
	c->next_judged = c->hup_hidden = c->sink = false;
	c->look_ns = c->patience_ns = c->paced_ns = 0;
	c->cut = CUT_NOT;
	c->dialling = DIAL_PLAIN;
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	conn_follow_locked(c, fd);
	conn_unlock(c);
}

/* A protocol that is not framed: what comes while the program still answers, which nobody can tell, is its next turn when it asks for it. */
static bool is_between_turns(const struct conn *c, const struct exchange *x)
{
	return c->opaque && !request_under_way(c, x);
}

void gate_answer_begins(struct conn *c, int fd)
{
	const struct exchange *x = conn_head(c);

	if (c->role == JOURNAL_SERVER && c->opaque && x && x->head_passed && !x->last_ns)
		c->unread = (uint32_t)there(fd);
}

void gate_tick(struct conn *c, int fd, uint64_t now_ns)
{
	struct exchange *x = subject(c);

	if (c->dialling)
		attempt_look(c, fd, now_ns);
	lapse_all(c, now_ns);
	outgate_tick(c, fd, now_ns);
	if (c->role == JOURNAL_CLIENT && c->patience_ns && now_ns >= c->patience_ns && !c->outbox_len)
		gate_release_head(c, fd, now_ns);
	if (c->cut == CUT_RST)
		gate_cut(c, fd, now_ns);
	else if ((x || c->look_ns || c->patience_ns) && !c->dead && c->role == JOURNAL_SERVER && !is_between_turns(c, x))
		pump(c, fd, now_ns);
	else if (x && due(x, now_ns))
		release(c, x, fd, now_ns);
	epoll_refresh(c, now_ns);
}
