/* SPDX-License-Identifier: MIT */
#include "preload/hold.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include "base/clock.h"
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/raw.h"

#define LOOK_NS (10 * NS_PER_MS)	/* between looks at other connections */
#define GRAIN_NS (5 * NS_PER_MS)	/* TCP_INFO counts in clock ticks */

uint64_t hold_arrival(uint32_t ago_ms, uint64_t since_ns, uint64_t now_ns)
{
	uint64_t ago = ago_ms * NS_PER_MS, then = now_ns - ago;

	if (ago < GRAIN_NS || then + GRAIN_NS < since_ns)
		return now_ns;	/* just now, or older than what it would belong to: not its own */
	return then < since_ns ? since_ns : then;
}

/* ---- when what is readable now really arrived: the program may have been busy elsewhere since ---- */

static bool is_local(const struct conn *c)
{
	return c->role == JOURNAL_CLIENT && c->peer.family == ADDR_UNIX;
}

/* When the last of what can be read came. A Unix socket does not tell. */
static uint64_t last_came(const struct conn *c, int fd, uint64_t since_ns, uint64_t now_ns)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (is_local(c) || raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return now_ns;
	return hold_arrival(info.tcpi_last_data_recv, since_ns, now_ns);
}

static void forget_read(struct conn *c)
{
	unsigned read = 0;

	while (read < c->sights && c->sight[read].to <= c->bytes_in)
		read++;
	c->sights -= read;
	for (unsigned i = 0; read && i < c->sights; i++)
		c->sight[i] = c->sight[i + read];
}

/* Answers that come while the one before them is held are late by themselves: what has come since the last look is noted. */
static void look(struct conn *c, int fd, uint64_t now_ns)
{
	uint64_t to = c->bytes_in + raw_unread(fd), since_ns;
	const struct sight *last;

	forget_read(c);
	last = c->sights ? &c->sight[c->sights - 1] : NULL;
	if (to <= (last ? last->to : c->bytes_in))
		return;
	since_ns = last ? last->ns : 0;
	c->sights -= c->sights == CONN_SIGHTS;	/* with no room left some are later than they came, and none earlier */
	c->sight[c->sights++] = (struct sight){.to = to, .ns = last_came(c, fd, since_ns, now_ns)};
}

bool hold_is_followed(struct conn *c)
{
	return c->role == JOURNAL_CLIENT && c->gated && !c->dead && c->count > 1 && conn_head(c)->gate == GATE_HELD;
}

void hold_look(struct conn *c, int fd, uint64_t now_ns)
{
	if (hold_is_followed(c))
		look(c, fd, now_ns);
}

static void look_if_asked(struct conn *c)
{
	if (!c->gated || !is_local(c) || !conn_lock(c))
		return;
	if (c->count && !c->dead && conn_is_at(c, c->asked_fd))
		look(c, c->asked_fd, clock_now_ns());
	conn_unlock(c);
}

void hold_look_at_others(const struct conn *c)
{
	static _Atomic uint64_t next_ns;
	uint64_t now_ns, next;

	if (!is_local(c))
		return;
	now_ns = clock_now_ns();
	next = atomic_load_explicit(&next_ns, memory_order_relaxed);
	if (now_ns >= next && atomic_compare_exchange_strong(&next_ns, &next, now_ns + LOOK_NS))
		conn_each(look_if_asked);
}

static uint64_t arrival(struct conn *c, int fd, const struct exchange *x, uint64_t now_ns)
{
	uint64_t since_ns = x->sent_ns > x->started_ns ? x->sent_ns : x->started_ns;

	if (is_local(c) || c->count > 1 || c->sights)
		look(c, fd, now_ns);
	if (!c->sights)
		return last_came(c, fd, since_ns, now_ns);
	return c->sight[0].ns > since_ns ? c->sight[0].ns : since_ns;
}

/* When a hang ends by its fault's own window. */
static uint64_t window_end(const struct exchange *x)
{
	const struct page_fault *f = exchange_fault(x->verdict.main_fault, x->verdict.main_id);

	return f && f->for_ns ? guest.page->started_ns + f->from_ns + f->for_ns : FOREVER;
}

void hold_begin(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
{
	x->arrived_ns = arrival(c, fd, x, now_ns);
	x->gate = GATE_HELD;
	x->until_ns = x->verdict.actions & PAGE_HANG ? window_end(x) : x->arrived_ns + exchange_answer_delay(c, x);
}

/* Bytes that a slow network would have brought while the program was busy are there at once; when the program waited for them, at most a
 * slice is. */
void hold_pace(struct exchange *x, int fd, uint64_t now_ns)
{
	uint64_t bytes = raw_unread(fd), slice, part;

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

bool hold_throttles(const struct exchange *x)
{
	return x->verdict.bytes_per_s && !x->synthetic;
}

void hold_took(struct exchange *x, int fd, size_t n, bool dry, uint64_t now_ns)
{
	if (!hold_throttles(x))
		return;
	pace_take(&x->pace, n);
	x->grant -= n < x->grant ? n : x->grant;
	x->dry = dry || (!x->grant && !raw_unread(fd));
	if (x->dry)
		x->grant = 0;	/* the next look is when more arrives */
	else if (!x->grant)
		hold_pace(x, fd, now_ns);
}

bool hold_earned(const struct exchange *x, uint64_t now_ns)
{
	return x->pace.bytes_per_s && (!x->grant || pace_credit(&x->pace, now_ns) >= x->grant + pace_slice(&x->pace));
}

void hold_release(struct conn *c, struct exchange *x, int fd, uint64_t now_ns)
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
		cut_reset(c, fd, exchange_errno(x));
		exchange_end_all(c, exchange_errno(x), now_ns);
	} else if (x->swallowed || !exchange_cut_room(c, x)) {
		exchange_cut(c, x, now_ns);
		cut_when_due(c, fd, now_ns);
	} else if (hold_throttles(x)) {
		hold_pace(x, fd, now_ns);
	}
}

bool hold_is(const struct exchange *x)
{
	return x->gate == GATE_HELD || x->gate == GATE_PACED;
}

bool hold_due(const struct exchange *x, uint64_t now_ns)
{
	return hold_is(x) && x->until_ns != FOREVER && now_ns >= x->until_ns;
}
