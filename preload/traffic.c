/* SPDX-License-Identifier: MIT */
#include "preload/traffic.h"

#include "preload/answer.h"
#include "preload/exchange.h"
#include "preload/verdict.h"
#include "record/protocol.h"

static bool from_program(const struct conn *c, bool request)
{
	return (c->role == JOURNAL_CLIENT) == request;
}

static void count_bytes(struct conn *c, struct exchange *x, bool request, size_t n)
{
	bool out = from_program(c, request);

	*(out ? &c->bytes_out : &c->bytes_in) += n;
	if (x)
		*(out ? &x->bytes_out : &x->bytes_in) += n;
}

void traffic_turn_opaque(struct conn *c, const void *data, size_t n)
{
	struct exchange *x = conn_tail(c);
	bool first = c->sequence == (x && !x->head_passed);	/* what began like a request was none: nothing was framed yet */
	bool told = x && (x->request_flags & (HTTP1_UPGRADE | HTTP1_IS_CONNECT));	/* its client does not wait for the 101 */
	bool known = first || c->switched;

	if (c->opaque && !c->switched)
		return;
	if (!known && !told && !http1_idle(&c->requests))
		guest_lost(PAGE_LOST_FRAMING);
	c->protocol = data && known ? (uint8_t)protocol_detect(data, n) : JOURNAL_OPAQUE;
	if (c->switched && c->protocol == JOURNAL_HTTP1)	/* in a tunnel: it is not framed */
		c->protocol = JOURNAL_OPAQUE;
	c->opaque = true;
	c->switched = false;
}

/* ---- requests ---- */

/* The request of x is on its way, as the program sees it: a peer that resets on receipt does so from here on. */
static void request_moves(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	if (c->role != JOURNAL_CLIENT || !x->swallowed || x->synthetic || x->until_ns != FOREVER)
		return;
	x->arrived_ns = x->sent_ns = now_ns;
	x->until_ns = now_ns + x->verdict.delay_ns;
	c->sink = true;
}

/* How many of n bytes that a server reads came before its answer began: FastCGI ends a request with a record that PHP reads last of all. */
static size_t rest_of_turn(struct conn *c, struct exchange *x, size_t n)
{
	size_t rest = x && n > c->unread ? c->unread : x ? n : 0;

	if (!c->unread)
		return 0;
	c->unread -= (uint32_t)rest;
	count_bytes(c, x, true, rest);
	return rest;
}

/* Requests of a protocol we do not frame: bytes out after bytes in begin a new turn. */
static void opaque_request(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);
	bool goodbye = verdict_says_goodbye(c, data, n);

	n -= rest_of_turn(c, x, n);
	if (!n)
		return;
	if (!x || (x->head_passed && x->last_ns && !protocol_is_veiled(c->protocol)))
		x = exchange_begin(c, NULL, goodbye ? &verdict_goodbye : NULL, t0_ns);
	if (!x)
		return;
	/* A veiled protocol is one exchange for the whole connection; a slow network is slow at each of its turns. */
	if (x->head_passed && x->last_ns > x->sent_ns && c->role == JOURNAL_CLIENT && exchange_answer_delay(c, x))
		x->gate = GATE_ARMED;
	x->protocol = c->protocol;
	x->head_passed = true;
	x->request_done = true;
	x->sent_ns = now_ns;
	count_bytes(c, x, true, n);
	request_moves(c, x, now_ns);
}

static void request_done(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);

	c->pending_bytes = 0;
	if (!x || !x->head_passed)
		return;
	x->request_done = true;
	x->fingerprint = c->requests.head.fingerprint;
	if (c->role == JOURNAL_CLIENT && x->synthetic) {
		x->arrived_ns = now_ns;
		x->until_ns = now_ns + x->verdict.delay_ns;
		c->sink |= answer_closes(x);	/* a server does not read behind its last request either */
	} else if (c->role == JOURNAL_CLIENT) {
		x->sent_ns = now_ns;
	}
	if (x->answer_done && x == conn_head(c))
		exchange_end(c, 0, true, now_ns);
}

/* The head of a request is complete: it is that of the exchange decided before it moved, or a new one. */
static void head_seen(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);

	if (!x || x->head_passed)
		x = exchange_begin(c, &c->requests.head, NULL, c->pending_ns);
	if (!x)
		return;
	if (x->protocol != JOURNAL_HTTP1)	/* decided by its first bytes */
		exchange_take_head(c, x);
	x->head_passed = true;
	*(from_program(c, true) ? &x->bytes_out : &x->bytes_in) += c->pending_bytes;
	request_moves(c, x, now_ns);
	/* Who expects 100 (Continue) waits for our word before the body: a final answer is due now (RFC 9110 §10.1.1). */
	if (x->synthetic && (x->request_flags & HTTP1_EXPECT_CONTINUE))
		request_done(c, now_ns);
}

void traffic_request_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	const char *p = data;

	c->judged_bytes -= n < c->judged_bytes ? n : c->judged_bytes;
	for (;;) {
		enum http1_event e;
		struct exchange *x = conn_tail(c);
		size_t used;

		if (c->switched && n)
			traffic_turn_opaque(c, p, n);
		if (c->opaque) {
			if (n)
				opaque_request(c, p, n, t0_ns, now_ns);
			return;
		}
		if (http1_idle(&c->requests)) {
			c->pending_bytes = 0;
			c->pending_ns = t0_ns;
		}
		used = p ? http1_feed(&c->requests, p, n, &e) : http1_skip(&c->requests, n, &e);
		if (e == HTTP1_OPAQUE)
			traffic_turn_opaque(c, p, n);
		bool in_body = x && x->head_passed && !x->request_done;

		count_bytes(c, in_body ? x : NULL, true, used);
		if (!in_body)
			c->pending_bytes += used;
		if (e == HTTP1_HEAD)
			head_seen(c, now_ns);
		if (e == HTTP1_DONE)
			request_done(c, now_ns);
		if (e == HTTP1_MORE)
			return;
		p = p ? p + used : NULL;
		n -= used;
	}
}

/* ---- answers ---- */

void traffic_expect_answer(struct conn *c, const struct exchange *x)
{
	if (!http1_idle(&c->answers))
		return;
	http1_answers(&c->answers, x->request_flags);
	http1_stop(&c->answers, x->verdict.actions & PAGE_TRUNCATE ? x->verdict.cut_bytes : HTTP1_NO_STOP);
}

static void answer_begins(struct conn *c, struct exchange *x, const void *data, size_t n, uint64_t at_ns)
{
	x->first_byte_ns = at_ns;
	x->answer_failed = c->opaque && data && protocol_answer_failed(x->protocol, data, n);
}

static void answer_head(struct conn *c, struct exchange *x)
{
	x->status = c->answers.head.status;
	x->retry_after_ms = c->answers.head.retry_after_ms;
}

/* After 101, and 2xx to CONNECT, the connection carries something else (RFC 9110 §15.2.2, §9.3.6). */
static bool switches(const struct exchange *x)
{
	return x->status == 101 || ((x->request_flags & HTTP1_IS_CONNECT) && x->status / 100 == 2);
}

static void answer_done(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	bool switched = switches(x);

	x->answer_done = true;
	if (x->request_done)
		exchange_end(c, 0, true, now_ns);
	if (switched)
		c->opaque = c->switched = true;
}

/* The answer is not HTTP: neither was what began like a request and was never seen whole. */
static void answer_opaque(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	traffic_turn_opaque(c, NULL, 0);
	if (x->head_passed)
		return;
	*(from_program(c, true) ? &x->bytes_out : &x->bytes_in) += c->pending_bytes;
	x->protocol = c->protocol;
	x->head_passed = x->request_done = true;
	x->sent_ns = x->sent_ns ? x->sent_ns : now_ns;
}

void traffic_answer_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	const char *p = data;

	for (;;) {
		struct exchange *x = conn_head(c);
		enum http1_event e = HTTP1_MORE;
		size_t used = n;

		if (x && n && !x->first_byte_ns)
			answer_begins(c, x, p, n, c->role == JOURNAL_CLIENT ? now_ns : t0_ns);
		if (x && n)
			x->last_ns = now_ns;
		if (x && !c->opaque && !x->answer_done) {
			traffic_expect_answer(c, x);
			used = p ? http1_feed(&c->answers, p, n, &e) : http1_skip(&c->answers, n, &e);
		}
		count_bytes(c, x, false, used);
		if (x && (e == HTTP1_STOP || (used && !exchange_cut_room(c, x))))
			exchange_cut(c, x, now_ns);
		if (e == HTTP1_HEAD)
			answer_head(c, x);
		if (e == HTTP1_DONE)
			answer_done(c, x, now_ns);
		if (e == HTTP1_OPAQUE)
			answer_opaque(c, x, now_ns);
		if (e == HTTP1_MORE)
			return;
		p = p ? p + used : NULL;
		n -= used;
	}
}

/* ---- in pieces, and the end ---- */

typedef void stream_fn(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns);

static void each_piece(stream_fn *fn, struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0, uint64_t now)
{
	for (int i = 0; i < count && n; i++) {
		size_t len = iov[i].iov_len;

		if (at >= len) {
			at -= len;
			continue;
		}
		len = len - at < n ? len - at : n;
		fn(c, (char *)iov[i].iov_base + at, len, t0, now);
		n -= len;
		at = 0;
	}
}

void traffic_request_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	each_piece(traffic_request_bytes, c, iov, count, at, n, t0_ns, now_ns);
}

void traffic_answer_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	each_piece(traffic_answer_bytes, c, iov, count, at, n, t0_ns, now_ns);
}

void traffic_peer_eof(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_head(c);

	if (c->eof_in || c->shut_in)
		return;
	c->eof_in = true;
	if (c->role == JOURNAL_SERVER)
		return;	/* a client may half-close and still be answered; close() ends what is left */
	if (x && !c->opaque && http1_eof(&c->answers) == HTTP1_DONE && x->first_byte_ns)
		exchange_end(c, 0, true, now_ns);
	exchange_end_all(c, JOURNAL_EOF, now_ns);
}

void traffic_socket_error(struct conn *c, int error, uint64_t now_ns)
{
	c->dead = true;
	exchange_end_all(c, error, now_ns);
}
