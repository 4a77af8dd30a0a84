/* SPDX-License-Identifier: MIT */
#include "preload/outgate.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "preload/exchange.h"
#include "preload/gate.h"
#include "preload/raw.h"

#define OUTBOX_BYTES 16384		/* a small socket buffer */
#define RETRY_NS (5 * NS_PER_MS)	/* between tries to send what the kernel had no room for */

static void clear(struct conn *c)
{
	c->outbox_len = 0;
	c->outbox_full = false;
	pool_drop(&c->outbox);
}

/* What a fork copied is the parent's to send. */
static bool empty(struct conn *c)
{
	if (c->outbox_len && c->outbox_pid != guest_pid())
		clear(c);
	return !c->outbox_len;
}

/* A veiled or opaque exchange that is answered and sends again: each of its turns is late. */
static bool new_turn(const struct exchange *x)
{
	return x->head_passed && x->sent_ns && x->last_ns > x->sent_ns && !x->out_bytes;
}

bool outgate_holds(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	if (x && exchange_delays_request(c, x) && (!x->leave_ns || new_turn(x))) {
		x->arrived_ns = now_ns;
		x->leave_ns = now_ns + x->verdict.delay_ns;
	}
	if (empty(c) && (!x || now_ns >= x->leave_ns))
		return false;
	if (!c->outbox && !(c->outbox = pool_take())) {
		guest_lost(PAGE_LOST_STANDIN);
		return false;
	}
	return true;
}

size_t outgate_put(struct conn *c, int fd, const void *data, size_t n)
{
	size_t room = OUTBOX_BYTES - c->outbox_len, m = n < room ? n : room;

	if (m)	/* no data may be at no place */
		memcpy(c->outbox + c->outbox_len, data, m);
	c->outbox_len += (uint32_t)m;
	c->outbox_pid = guest_pid();
	c->outbox_fd = fd;
	c->outbox_full |= m < n;
	return m;
}

void outgate_account(struct exchange *x, size_t n)
{
	x->out_bytes += (uint32_t)n;
	x->sent_ns = 0;	/* it has not left */
}

void outgate_block(struct conn *c)
{
	c->outbox_full = true;
}

bool outgate_hidden(const struct conn *c)
{
	return (c->outbox_full && c->outbox_len) || c->paced_ns;
}

/* ---- answers at a rate ---- */

static struct exchange *paced(struct conn *c)
{
	struct exchange *x = c->role == JOURNAL_SERVER ? conn_head(c) : NULL;

	return x && x->verdict.bytes_per_s && !x->synthetic ? x : NULL;
}

size_t outgate_allow(struct conn *c, size_t n, uint64_t now_ns)
{
	struct exchange *x = paced(c);
	uint64_t slice, credit;

	if (!x)
		return n;
	if (!x->pace.bytes_per_s) {
		x->arrived_ns = now_ns;
		pace_begin(&x->pace, x->verdict.bytes_per_s, now_ns);
	}
	slice = pace_slice(&x->pace);
	pace_forfeit(&x->pace, x->dry ? slice : pace_backlog(&x->pace), now_ns);
	credit = pace_credit(&x->pace, now_ns);
	slice = n < slice ? n : slice;
	if (credit >= slice)
		return credit < n ? (size_t)credit : n;
	c->paced_ns = pace_due_ns(&x->pace, slice);
	x->slowed = true;
	return 0;
}

void outgate_took(struct conn *c, size_t n, bool all)
{
	struct exchange *x = paced(c);

	if (!x)
		return;
	pace_take(&x->pace, n);
	x->dry = all;
}

/* ---- the outbox ---- */

/* How much may leave at now_ns; *next: when more may. */
static uint32_t due(const struct conn *c, uint64_t now_ns, uint64_t *next)
{
	uint32_t waiting = 0;
	bool late = false;

	*next = FOREVER;
	for (unsigned i = 0; i < c->count; i++) {
		const struct exchange *x = conn_nth(c, i);

		if (!late && x->out_bytes && x->leave_ns > now_ns) {
			late = true;
			*next = x->leave_ns;
		}
		waiting += late ? x->out_bytes : 0;
	}
	return c->outbox_len - waiting;
}

uint64_t outgate_deadline(const struct conn *c)
{
	uint64_t next;

	if (!c->outbox_len)
		return c->paced_ns ? c->paced_ns : FOREVER;
	if (due(c, 0, &next))
		next = 0;	/* some of it waits only for room in the kernel */
	return next > c->outbox_retry_ns ? next : c->outbox_retry_ns;
}

/* n bytes have left: books of the exchanges they belong to. */
static void left(struct conn *c, uint32_t n, uint64_t now_ns)
{
	uint32_t owned = 0;

	for (unsigned i = 0; i < c->count; i++)
		owned += conn_nth(c, i)->out_bytes;
	n -= n < c->outbox_len - owned ? n : c->outbox_len - owned;
	for (unsigned i = 0; i < c->count && n; i++) {
		struct exchange *x = conn_nth(c, i);
		uint32_t part = n < x->out_bytes ? n : x->out_bytes;

		n -= part;
		x->out_bytes -= part;
		if (!part || x->out_bytes)
			continue;
		if (x->request_done)
			x->sent_ns = now_ns;
		if (exchange_delays_request(c, x))
			exchange_achieved(c, x, PAGE_DELAY, now_ns);
	}
}

static void discard(struct conn *c)
{
	for (unsigned i = 0; i < c->count; i++)
		conn_nth(c, i)->out_bytes = 0;
	clear(c);
}

/* Sends the first n bytes of the outbox. */
static void send_now(struct conn *c, int fd, uint32_t n, uint64_t now_ns)
{
	long r = raw_send(fd, c->outbox, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	c->outbox_retry_ns = r >= 0 && (uint32_t)r == n ? 0 : now_ns + RETRY_NS;
	if (r > 0) {
		left(c, (uint32_t)r, now_ns);
		c->outbox_len -= (uint32_t)r;
		memmove(c->outbox, c->outbox + r, c->outbox_len);
		c->outbox_full = false;
		if (!c->outbox_len)
			clear(c);
	} else if (r < 0 && r != -EAGAIN && r != -EINTR) {
		if (r != -EPIPE)
			c->late_error = (int)-r;	/* taken from the socket by this send; the program's next receive shows it */
		discard(c);
	}
}

void outgate_tick(struct conn *c, int fd, uint64_t now_ns)
{
	uint64_t next;
	uint32_t n;

	if (c->paced_ns && now_ns >= c->paced_ns)
		c->paced_ns = 0;
	if (empty(c))
		return;
	n = due(c, now_ns, &next);
	if (n)
		send_now(c, fd, n, now_ns);
}

void outgate_flush(struct conn *c, uint64_t now_ns)
{
	if (!empty(c))
		send_now(c, c->outbox_fd, c->outbox_len, now_ns);
}
