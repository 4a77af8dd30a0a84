/* SPDX-License-Identifier: MIT */
#include "preload/piece.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/raw.h"
#include "preload/traffic.h"
#include "preload/verdict.h"

/* ---- whose it is ---- */

enum fate {		/* what the page says became of the piece */
	WAITS,
	TAKEN,		/* it leaves in front of what the program sends next */
	LEFT		/* it left as it was */
};

void piece_begin(struct conn *c)
{
	long r = RAW(SYS_mmap, 0, sizeof(*c->fate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	c->fate = r < 0 && r > -4096 ? NULL : (void *)r;	/* NULL: a fork would send it twice */
}

static void forget(struct conn *c)
{
	if (c->fate)
		RAW(SYS_munmap, c->fate, sizeof(*c->fate), 0, 0, 0, 0);
	c->fate = NULL;
}

/* What became of the piece before; WAITS: it is this process's now, who does so with it. */
static enum fate decide(struct conn *c, enum fate how)
{
	uint32_t was = WAITS;

	if (c->fate)
		atomic_compare_exchange_strong(c->fate, &was, how);
	forget(c);
	return was;
}

void piece_drop(struct conn *c)
{
	forget(c);
	c->held_len = 0;
	pool_drop(&c->held);
}

/* ---- what is done with it ---- */

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

/* Another process has done so with it: what this one sends next is framed behind it, or begins a request. */
static void went(struct conn *c, enum fate how, uint64_t now_ns)
{
	if (how == LEFT) {
		begin_undecided(c, now_ns);
		traffic_request_bytes(c, c->held, c->held_len, now_ns, now_ns);
	}
	piece_drop(c);
	c->patience_ns = 0;
}

void piece_take(struct conn *c, uint64_t now_ns)
{
	enum fate was = c->held_len ? decide(c, TAKEN) : WAITS;

	if (was != WAITS)
		went(c, was, now_ns);
}

void piece_release(struct conn *c, int fd, uint64_t now_ns)
{
	enum fate was = decide(c, LEFT);
	long sent;

	if (was != WAITS) {
		went(c, was, now_ns);
		return;
	}
	sent = raw_send(fd, c->held, c->held_len, MSG_NOSIGNAL | MSG_DONTWAIT);
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
		piece_drop(c);
	c->patience_ns = c->held_len ? now_ns + CUT_RESEND_NS : 0;
}

void piece_flush(struct conn *c, int fd)
{
	if (c->held_len && decide(c, LEFT) == WAITS)
		raw_send(fd, c->held, c->held_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	piece_drop(c);
	c->patience_ns = 0;
}
