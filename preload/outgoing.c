/* SPDX-License-Identifier: MIT */
#include "preload/outgoing.h"

#include <string.h>
#include "base/clock.h"
#include "preload/epoll.h"
#include "preload/piece.h"
#include "preload/traffic.h"
#include "preload/verdict.h"
#include "preload/waker.h"

struct walk {		/* over the bytes of requests that go out, message by message */
	struct conn *c;
	struct http1 p;
	enum http1_event e;
	size_t seen;
	bool together;		/* over those that pass untouched as well */
};

/* Whether the message that begins behind w->seen, whose head is the len bytes at raw, may go out with those before it. It is decided
 * here, once; a head that is not whole stays for its turn. */
static bool goes_along(const struct walk *w, const char *raw, size_t len)
{
	struct conn *c = w->c;

	if (!w->together || w->seen < c->judged_bytes)
		return w->together;
	if (c->next_judged || w->e != HTTP1_HEAD)
		return false;
	verdict_exchange(c, &w->p.head, raw, len, clock_now_ns(), &c->next);
	c->next_judged = c->next.actions != 0;
	if (!c->next_judged)
		c->judged_bytes = w->seen + len;
	return !c->next_judged;
}

/* Goes on through n bytes; false: the walk ends in them. */
static bool walk_on(struct walk *w, const char *data, size_t n)
{
	size_t used = 0, len;

	while (used < n) {
		bool begins = w->e == HTTP1_DONE;

		len = http1_feed(&w->p, data + used, n - used, &w->e);
		if (begins && !goes_along(w, data + used, len)) {
			w->e = HTTP1_DONE;
			return false;
		}
		for (;;) {
			used += len;
			w->seen += len;
			if (w->e != HTTP1_HEAD && w->e != HTTP1_INTERIM)
				break;
			len = http1_feed(&w->p, data + used, n - used, &w->e);
		}
		if (w->e == HTTP1_OPAQUE)
			return false;
	}
	return true;
}

size_t outgoing_extent(struct conn *c, const struct io *io, size_t at, size_t n, bool together)
{
	struct walk w = {.c = c, .p = c->requests, .e = HTTP1_MORE, .together = together};
	struct iovec v[IO_PIECES];
	bool more;

	if (c->opaque)
		return c->held_len + n;
	more = walk_on(&w, c->held, c->held_len);
	for (size_t off = 0; more && off < n;) {
		int k = io_slice(io, at + off, n - off, v, IO_PIECES);

		for (int i = 0; i < k && more; i++) {
			more = walk_on(&w, v[i].iov_base, v[i].iov_len);
			off += v[i].iov_len;
		}
	}
	return w.e == HTTP1_OPAQUE ? c->held_len + n : w.seen;
}

size_t outgoing_gather(struct conn *c, const struct io *io, size_t at, size_t n, char *buf, size_t room)
{
	size_t len = c->held_len, m;
	struct iovec v;

	if (c->held_len)
		memcpy(buf, c->held, c->held_len);
	while (n && len < room && io_slice(io, at, n, &v, 1) == 1) {
		m = v.iov_len < room - len ? v.iov_len : room - len;
		memcpy(buf + len, v.iov_base, m);
		len += m;
		at += v.iov_len;
		n -= v.iov_len;
	}
	return len;
}

size_t outgoing_part(const struct conn *c, const struct io *io, size_t at, size_t k, struct iovec v[IO_PIECES + 1], struct msghdr *m)
{
	size_t n = 0;

	v[0] = (struct iovec){c->held, c->held_len};
	m->msg_iov = v;
	m->msg_iovlen = 1 + (size_t)io_slice(io, at, k - c->held_len, v + 1, IO_PIECES);
	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += v[i].iov_len;
	return n;
}

size_t outgoing_consume(struct conn *c, struct io *io, size_t at, size_t k, uint64_t t0, uint64_t now)
{
	size_t held = k < c->held_len ? k : c->held_len;

	if (held) {
		traffic_request_bytes(c, c->held, held, t0, now);
		c->held_len -= (uint32_t)held;
		memmove(c->held, c->held + held, c->held_len);
		if (!c->held_len)
			piece_drop(c);
	}
	traffic_request_iov(c, io_pieces(io), (int)io->count, at, k - held, t0, now);
	return k - held;
}

bool outgoing_hold_back(struct conn *c, const struct io *io, size_t at, size_t n)
{
	if (c->held_len + n > CONN_BUFFER_BYTES || (!c->held && !(c->held = pool_take())))
		return false;
	c->held_len = (uint32_t)outgoing_gather(c, io, at, n, c->held, CONN_BUFFER_BYTES);
	c->held_fd = io->fd;
	piece_begin(c);
	c->patience_ns = clock_now_ns() + CONN_PATIENCE_NS;
	epoll_refresh(c, clock_now_ns());
	waker_wake_all(c);
	return true;
}
