/* SPDX-License-Identifier: MIT */
#include "record/assembly.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

/* ---- HTTP/1 ---- */

static void restart(struct connection *c, enum assembly_side side)
{
	struct framing *f = &c->http[side];

	http1_init(&f->parser, side == SIDE_REQUEST ? HTTP1_REQUEST : HTTP1_RESPONSE);
	f->lost = false;
	f->began_ns = f->bytes = 0;
}

void stream_settle(struct assembler *a, struct connection *c)
{
	exchange_close(a, c, 0, 0, c->first->last_ns);
	if (c->protocol == PROTOCOL_HTTP1)
		restart(c, SIDE_ANSWER);
}

/* n bytes of one side passed at m: to whom they belong, and when. */
static void count(struct connection *c, const struct assembler_moment *m, enum assembly_side side, uint64_t n)
{
	struct exchange *e = side == SIDE_REQUEST ? c->sending : c->first;

	c->http[side].bytes += n;
	if (!e || !n)
		return;
	*assembly_bytes(c, e, side) += n;
	if (side == SIDE_ANSWER)
		e->last_ns = m->exit_ns;
	else if (c->role == JOURNAL_CLIENT)
		e->x.sent_ns = m->exit_ns;
}

static void begin_request(struct assembler *a, struct connection *c, const struct assembler_moment *m)
{
	struct framing *f = &c->http[SIDE_REQUEST];

	c->sending = exchange_open(a, c, m, f->began_ns, &f->parser.head);
	if (c->sending)
		*assembly_bytes(c, c->sending, SIDE_REQUEST) = f->bytes;
}

static void request_event(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum http1_event event)
{
	if (event == HTTP1_HEAD)
		begin_request(a, c, m);
	if (event != HTTP1_DONE)
		return;
	if (c->sending)
		c->sending->x.fingerprint = c->http[SIDE_REQUEST].parser.head.fingerprint;
	c->sending = NULL;
}

/* After 101, or 2xx to CONNECT, the connection speaks something else: look again. */
static bool switches(const struct exchange *e)
{
	return e->x.status == 101 || ((e->request_flags & HTTP1_IS_CONNECT) && e->x.status / 100 == 2);
}

static void answer_event(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum http1_event event)
{
	const struct http1_head *h = &c->http[SIDE_ANSWER].parser.head;
	bool switched;

	if (event == HTTP1_INTERIM) {
		c->first->x.first_byte_ns = 0;
	} else if (event == HTTP1_HEAD) {
		c->first->answered = true;
		c->first->x.status = h->status;
		c->first->x.retry_after_ms = h->retry_after_ms;
	} else if (event == HTTP1_DONE) {
		switched = switches(c->first);
		exchange_close(a, c, 0, 0, m->exit_ns);
		c->http[SIDE_ANSWER].bytes = 0;
		if (switched)
			c->protocol = PROTOCOL_UNKNOWN;
	}
}

/* The next byte begins a message. */
static void message_starts(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d,
			   enum assembly_side side)
{
	struct framing *f = &c->http[side];

	if (side == SIDE_ANSWER) {
		http1_answers(&f->parser, c->first->request_flags);
		return;
	}
	if (c->http[SIDE_ANSWER].lost && exchange_seems_whole(c))
		stream_settle(a, c);
	f->began_ns = assembly_begin_ns(m, d);
	f->bytes = 0;
}

/*
 * The framing of a request is gone (a head longer than what was captured, a chunk that was not seen). What is known of it is
 * enough for an exchange; the next plausible start after its answer is the next request.
 */
static void request_lost(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t rest)
{
	struct framing *f = &c->http[SIDE_REQUEST];

	f->lost = true;
	if (!c->sending && f->bytes && f->parser.head.method[0])
		begin_request(a, c, m);
	count(c, m, SIDE_REQUEST, rest);
}

/* The last chunk and an empty trailer. */
static bool ends_chunked(const void *tail)
{
	return tail && !memcmp((const char *)tail + 1, "\r\n0\r\n\r\n", 7);
}

static void answer_lost(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			uint64_t rest)
{
	c->http[SIDE_ANSWER].lost = true;
	count(c, m, SIDE_ANSWER, rest);
	c->first->answered = true;
	if (ends_chunked(b->tail))
		stream_settle(a, c);
}

static void note_first_byte(struct connection *c, const struct assembler_moment *m, enum assembler_direction d)
{
	if (c->first && !c->first->x.first_byte_ns)
		c->first->x.first_byte_ns = assembly_begin_ns(m, d);
}

/*
 * Leads the bytes of one call through the parser of its side. Returns how many were left when framing was lost, with
 * *garbage telling whether that was at bytes that were seen; 0 when all are accounted for.
 */
static uint64_t walk(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		     enum assembly_side side, bool *garbage)
{
	struct http1 *p = &c->http[side].parser;
	const char *at = b->data;
	size_t n = b->captured, used;
	uint64_t unseen = b->bytes - b->captured;
	enum http1_event event;

	for (;;) {
		if (side == SIDE_ANSWER && !c->first) {	/* it answers nothing that we know */
			restart(c, side);
			return 0;
		}
		if ((n || unseen) && http1_idle(p))
			message_starts(a, c, m, b->direction, side);
		*garbage = n > 0;
		used = n ? http1_feed(p, at, n, &event) : http1_skip(p, unseen, &event);
		if (n) {
			at += used;
			n -= used;
		} else {
			unseen -= used;
		}
		if (side == SIDE_ANSWER && (used || event == HTTP1_OPAQUE))
			note_first_byte(c, m, b->direction);
		count(c, m, side, used);
		if (event == HTTP1_OPAQUE)
			return n + unseen;
		(side == SIDE_REQUEST ? request_event : answer_event)(a, c, m, event);
		if ((event == HTTP1_MORE && !n && !unseen) || c->protocol != PROTOCOL_HTTP1)
			return 0;
	}
}

static void turn_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		       enum assembly_side side);

static void frame_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			enum assembly_side side)
{
	bool garbage = false;
	uint64_t rest = walk(a, c, m, b, side, &garbage);

	if (!rest)
		return;
	if (side == SIDE_REQUEST && garbage && !c->sequence) {
		c->protocol = PROTOCOL_OPAQUE;	/* it only looked like HTTP */
		turn_bytes(a, c, m, b, side);
		return;
	}
	a->counts.resynced += garbage;
	if (side == SIDE_REQUEST)
		request_lost(a, c, m, rest);
	else if (c->first)
		answer_lost(a, c, m, b, rest);
}

/* While framing is lost: whether these bytes begin a request; else they are counted to what is under way. */
static bool found_again(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			enum assembly_side side)
{
	if (side == SIDE_REQUEST && b->captured && (!c->first || c->first->answered) &&
	    http1_plausible(HTTP1_REQUEST, b->data, b->captured)) {
		c->sending = NULL;
		restart(c, SIDE_REQUEST);
		return true;
	}
	if (side == SIDE_REQUEST) {
		count(c, m, side, b->bytes);
	} else if (c->first) {
		note_first_byte(c, m, b->direction);
		answer_lost(a, c, m, b, b->bytes);
	}
	return false;
}

/* ---- turns ---- */

static void turn_request(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	bool veiled = protocol_is_veiled(c->protocol);
	size_t hashed = b->captured < HTTP1_BODY_HASHED ? b->captured : HTTP1_BODY_HASHED;

	if (!veiled && exchange_seems_whole(c))
		stream_settle(a, c);
	if (!c->first && veiled && c->sequence)
		return;
	if (!c->first && exchange_open(a, c, m, assembly_begin_ns(m, b->direction), NULL))
		c->first->x.fingerprint = hash_mix(hash_bytes(HASH_SEED, b->data, hashed));
	if (!c->first)
		return;
	*assembly_bytes(c, c->first, SIDE_REQUEST) += b->bytes;
	if (c->role == JOURNAL_CLIENT)
		c->first->x.sent_ns = m->exit_ns;
}

static void turn_answer(struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct exchange *e = c->first;

	if (!e)
		return;
	if (!e->answered)
		e->failed = protocol_answer_failed(c->protocol, b->data, b->captured);
	e->answered = true;
	note_first_byte(c, m, b->direction);
	*assembly_bytes(c, e, SIDE_ANSWER) += b->bytes;
	e->last_ns = m->exit_ns;
}

static void turn_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		       enum assembly_side side)
{
	if (side == SIDE_REQUEST)
		turn_request(a, c, m, b);
	else
		turn_answer(c, m, b);
}

/* ---- both ---- */

static void speak_http1(struct assembler *a, struct connection *c)
{
	if (!c->http)
		c->http = calloc(2, sizeof(*c->http));
	if (!c->http) {
		a->counts.dropped++;
		c->protocol = PROTOCOL_OPAQUE;
		return;
	}
	restart(c, SIDE_REQUEST);
	restart(c, SIDE_ANSWER);
}

/*
 * Settles what the connection speaks; false: can not be told from these bytes, which are passed over. A connection met in
 * mid-stream may be in the middle of a body: unless its bytes are recognised, wait for the turn to change.
 */
static bool recognise(struct assembler *a, struct connection *c, const struct assembler_bytes *b, enum assembly_side side)
{
	enum protocol p;

	if (side == SIDE_ANSWER) {
		c->answer_seen = true;
		return false;
	}
	p = protocol_detect(b->data, b->captured);
	if (p == PROTOCOL_OPAQUE && c->mid_stream && !c->answer_seen)
		return false;
	c->protocol = p;
	c->mid_stream = false;
	if (p == PROTOCOL_HTTP1)
		speak_http1(a, c);
	return true;
}

void stream_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	enum assembly_side side = assembly_side(c, b->direction);

	c->bytes[b->direction] += b->bytes;
	if (c->protocol == PROTOCOL_UNKNOWN && !recognise(a, c, b, side))
		return;
	if (c->protocol != PROTOCOL_HTTP1)
		turn_bytes(a, c, m, b, side);
	else if (!c->http[side].lost || found_again(a, c, m, b, side))
		frame_bytes(a, c, m, b, side);
}

void stream_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d,
		uint64_t missing)
{
	enum assembly_side side = assembly_side(c, d);
	struct assembler_bytes b = {.direction = d, .bytes = missing};

	c->bytes[d] += missing;
	if (c->protocol == PROTOCOL_UNKNOWN)
		c->mid_stream = true;
	if (c->protocol != PROTOCOL_HTTP1 || c->http[side].lost)
		return;
	frame_bytes(a, c, m, &b, side);
	a->counts.resynced += c->protocol == PROTOCOL_HTTP1 && c->http[side].lost;
}

void stream_eof(struct assembler *a, struct connection *c, const struct assembler_moment *m)
{
	if (c->role == JOURNAL_SERVER) {	/* no more requests; what is under way may still be answered */
		if (exchange_seems_whole(c) && !protocol_is_veiled(c->protocol))
			stream_settle(a, c);
		return;
	}
	if (c->first && c->protocol == PROTOCOL_HTTP1 && !c->http[SIDE_ANSWER].lost &&
	    http1_eof(&c->http[SIDE_ANSWER].parser) == HTTP1_DONE)
		exchange_close(a, c, 0, 0, m->exit_ns);
	exchange_close_all(a, c, JOURNAL_EOF, m->exit_ns);
}

void stream_closed(struct assembler *a, struct connection *c, uint64_t at_ns)
{
	if (c->role != JOURNAL_SERVER || !c->first || c->protocol != PROTOCOL_HTTP1 || c->http[SIDE_ANSWER].lost)
		return;
	if (http1_eof(&c->http[SIDE_ANSWER].parser) == HTTP1_DONE)
		exchange_close(a, c, 0, 0, at_ns);
}
