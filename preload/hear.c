/* SPDX-License-Identifier: MIT */
#include "preload/hear.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/gate.h"
#include "preload/hold.h"
#include "preload/raw.h"
#include "preload/traffic.h"

static struct exchange *awaited(struct conn *c)
{
	bool asks = c->role == JOURNAL_CLIENT && c->gated && !c->dead && !c->connecting && !c->cut;

	return asks ? conn_head(c) : NULL;
}

/* Bytes of x's answer that come before a RST and can be kept here; NO_CUT: there is no such place. */
static uint64_t room_before(const struct conn *c, const struct exchange *x)
{
	uint64_t room = exchange_cut_room(c, x);
	bool known = (x->verdict.actions & PAGE_RESET) && c->count == 1 && !hold_throttles(x) && !c->kept_len;

	return known && room <= CONN_BUFFER_BYTES ? room : NO_CUT;
}

static bool brings_end(const struct conn *c, const struct exchange *x)
{
	return !exchange_cut_room(c, x) || (x->verdict.actions & PAGE_ERROR) || room_before(c, x) != NO_CUT;
}

bool hear_awaits(struct conn *c)
{
	const struct exchange *x = awaited(c);

	return x && (x->gate == GATE_ARMED || x->gate == GATE_OPEN) && brings_end(c, x);
}

/* The n bytes before the end, which throws away what was not read. */
static void keep(struct conn *c, int fd, uint64_t n, uint64_t now_ns)
{
	char *kept = pool_take();
	long r = kept ? raw_recv(fd, kept, n, MSG_DONTWAIT) : 0;

	if (r <= 0) {
		pool_give(kept);
		return;
	}
	c->kept = kept;
	c->kept_len = (uint32_t)r;
	traffic_answer_bytes(c, kept, (size_t)r, now_ns, now_ns);
	cut_when_due(c, fd, now_ns);
}

void hear(struct conn *c, int fd, uint64_t now_ns)
{
	struct exchange *x = awaited(c);
	uint64_t room;

	if (!x || !brings_end(c, x))
		return;
	if (x->gate == GATE_ARMED && raw_ready(fd, POLLIN))
		gate_readable(c, fd, now_ns);
	gate_tick(c, fd, now_ns);
	x = awaited(c);
	room = x && x->gate == GATE_OPEN ? room_before(c, x) : NO_CUT;
	if (room != NO_CUT && raw_unread(fd) >= room)
		keep(c, fd, room, now_ns);
}

ssize_t hear_recv(struct conn *c, struct io *io)
{
	struct iovec from[2] = {{c->kept, c->kept_len}, {0}};
	size_t n = io_fill(io, from, 0);

	io_report_nothing(io);
	if (io->flags & MSG_PEEK)
		return (ssize_t)n;
	c->kept_len -= (uint32_t)n;
	memmove(c->kept, c->kept + n, c->kept_len);
	if (!c->kept_len)
		pool_drop(&c->kept);
	return (ssize_t)n;
}
