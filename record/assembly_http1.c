/* SPDX-License-Identifier: MIT */
#include "record/assembly.h"

#include <stdlib.h>
#include <string.h>

/* The next byte of this side begins a message. */
static void restart(struct connection *c, enum assembly_side side)
{
	struct framing *f = &c->http[side];

	http1_init(&f->parser, side == SIDE_REQUEST ? HTTP1_REQUEST : HTTP1_RESPONSE);
	f->lost = f->guessed = f->unseen = false;
	f->began_ns = f->moved_ns = f->bytes = 0;
}

static void restart_requests(const struct assembler *a, struct connection *c)
{
	restart(c, SIDE_REQUEST);
	if (a->keep_query)
		http1_keep_query(&c->http[SIDE_REQUEST].parser);
}

bool framing_begin(struct assembler *a, struct connection *c)
{
	c->http = a->framings < ASSEMBLY_FRAMINGS ? malloc(2 * sizeof(*c->http)) : NULL;
	if (!c->http) {
		a->counts.dropped++;
		return false;
	}
	a->framings++;
	restart_requests(a, c);
	restart(c, SIDE_ANSWER);
	c->http[SIDE_REQUEST].recent_n = c->http[SIDE_ANSWER].recent_n = 0;
	return true;
}

bool framing_is_idle(const struct connection *c)
{
	const struct framing *f = c->http;

	return f && !f[SIDE_REQUEST].lost && !f[SIDE_ANSWER].lost && http1_idle(&f[SIDE_REQUEST].parser) && http1_idle(&f[SIDE_ANSWER].parser);
}

/* Adrift, no answer is ever framed again: it could be anyone's. */
void framing_restart_answer(struct connection *c)
{
	restart(c, SIDE_ANSWER);
	c->http[SIDE_ANSWER].lost = c->adrift;
}

/* n bytes of one side passed at m: to whom they belong, and when. */
static void count(struct connection *c, const struct assembler_moment *m, enum assembly_side side, uint64_t n)
{
	struct exchange *e = side == SIDE_REQUEST ? c->sending : c->first;

	c->http[side].bytes += n;
	c->http[side].moved_ns = m->exit_ns;
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

	c->sliding |= c->first && c->answered_last;
	c->answered_last = false;
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

static void take_status(struct connection *c)
{
	const struct http1_head *h = &c->http[SIDE_ANSWER].parser.head;

	c->first->answered = true;
	c->first->x.status = h->status;
	c->first->x.retry_after_ms = h->retry_after_ms;
	c->doubtful = false;
}

static void answer_event(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum http1_event event)
{
	bool switched;

	if (event == HTTP1_INTERIM) {
		c->first->x.first_byte_ns = 0;
	} else if (event == HTTP1_HEAD) {
		take_status(c);
	} else if (event == HTTP1_DONE) {
		switched = switches(c->first);
		exchange_close(a, c, 0, 0, m->exit_ns);
		c->http[SIDE_ANSWER].bytes = 0;
		if (switched)
			stream_switch(a, c, c->http[SIDE_REQUEST].lost);
	}
}

/* Nothing is under way that an answer could be to. A parser between answers stays as it is: it knows the head that comes again. */
static void answer_to_nobody_ends(struct connection *c)
{
	if (c->http[SIDE_ANSWER].lost || !http1_idle(&c->http[SIDE_ANSWER].parser))
		framing_restart_answer(c);
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
	if (exchange_seems_whole(c))
		stream_settle(a, c);
	if (!c->first)
		answer_to_nobody_ends(c);
	f->began_ns = assembly_begin_ns(m, d);
	f->bytes = 0;
}

/*
 * An answer when nothing is under way: where requests went by unseen, it is that of one of them, and tells all that is known of it. Unseen
 * itself it is lost.
 */
static bool answers_unseen(struct assembler *a, struct connection *c, const struct assembler_moment *m, const char *at, size_t n)
{
	struct framing *asked = &c->http[SIDE_REQUEST], *answer = &c->http[SIDE_ANSWER];
	struct assembler_moment then = {.pid = m->pid, .tid = m->tid, .exit_ns = asked->moved_ns};
	struct exchange *e;

	if (!asked->unseen || answer->lost || !http1_idle(&answer->parser))
		return false;
	if (!n || !http1_plausible(HTTP1_RESPONSE, at, n)) {
		a->counts.resynced++;
		asked->unseen = false;
		return false;
	}
	e = exchange_open(a, c, &then, asked->began_ns, NULL);
	if (e)
		*assembly_bytes(c, e, SIDE_REQUEST) = asked->bytes;
	asked->bytes = 0;
	return e;
}

/*
 * The framing of a request is gone (a head longer than what was captured, a chunk that was not seen). What is known of it is
 * enough for an exchange; the next plausible start after its answer is the next request.
 */
static void request_lost(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t rest)
{
	struct framing *f = &c->http[SIDE_REQUEST];

	f->lost = true;
	if (!c->sending && f->guessed)
		begin_request(a, c, m);
	count(c, m, SIDE_REQUEST, rest);
	if (c->sending)
		f->bytes = 0;
}

/* The last chunk and an empty trailer, however the calls cut them; only of an answer that has no other end. */
static bool ends_chunked(const struct framing *f)
{
	const struct http1_head *h = &f->parser.head;
	bool possible = f->guessed ? !(h->flags & HTTP1_HAS_LENGTH) : h->flags & HTTP1_CHUNKED;

	return possible && f->recent_n >= 7 && !memcmp(f->recent + f->recent_n - 7, "\r\n0\r\n\r\n", 7);
}

static void answer_lost(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			uint64_t rest)
{
	struct framing *f = &c->http[SIDE_ANSWER];

	if (f->guessed && !f->lost)
		take_status(c);
	f->lost = true;
	if (c->under_way > 1) {
		exchange_give_up(a, c, m->exit_ns);
		return;
	}
	count(c, m, SIDE_ANSWER, rest);
	c->first->answered = true;
	exchange_heard(a, c, m, b->direction);
	if (!c->adrift && ends_chunked(f)) {
		exchange_close(a, c, 0, 0, m->exit_ns);
		framing_restart_answer(c);
	}
}

static void note_first_byte(struct connection *c, const struct assembler_moment *m, enum assembler_direction d)
{
	if (c->first)
		exchange_answer_begins(c->first, m, d);
}

/* Passes unseen bytes. Of a head that they are the rest of, what was seen has to do. */
static uint64_t skip(struct framing *f, uint64_t n, enum http1_event *event)
{
	f->unseen |= n && (http1_idle(&f->parser) || http1_in_head(&f->parser));
	if (n && http1_in_head(&f->parser)) {
		f->guessed = http1_guess(&f->parser);
		*event = HTTP1_OPAQUE;
		return 0;
	}
	return http1_skip(&f->parser, n, event);
}

/*
 * Leads the bytes of one call through the parser of its side. Returns how many were left when framing was lost, with
 * *garbage telling whether that was at bytes that were seen; 0 when all are accounted for.
 */
static uint64_t walk(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		     enum assembly_side side, bool *garbage)
{
	struct framing *f = &c->http[side];
	const char *at = b->data;
	size_t n = b->captured, used;
	uint64_t unseen = b->bytes - b->captured;
	enum http1_event event;

	for (;;) {
		if (side == SIDE_ANSWER && !c->first && !((n || unseen) && answers_unseen(a, c, m, at, n))) {	/* it answers nothing that we know */
			answer_to_nobody_ends(c);
			return 0;
		}
		if ((n || unseen) && http1_idle(&f->parser))
			message_starts(a, c, m, b->direction, side);
		*garbage = n > 0;
		used = n ? http1_feed(&f->parser, at, n, &event) : skip(f, unseen, &event);
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

/* The preface of HTTP/2, split within its first bytes, looks like a request until its line is whole. */
static bool was_preface(const struct framing *f)
{
	static const char line[] = "PRI * HTTP/2.0";

	return !memcmp(f->parser.line, line, sizeof(line) - 1);
}

/* The first bytes only looked like a request. In a stream that was met in the middle they can be the rest of anything. */
static void not_http1(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	bool http2 = was_preface(&c->http[SIDE_REQUEST]);

	stream_switch(a, c, c->doubtful);
	if (!http2 && c->doubtful)
		return;
	c->protocol = http2 ? PROTOCOL_HTTP2 : PROTOCOL_OPAQUE;
	turn_bytes(a, c, m, b, SIDE_REQUEST);
}

static void frame_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			enum assembly_side side)
{
	bool garbage = false;
	uint64_t rest = walk(a, c, m, b, side, &garbage);

	if (!rest)
		return;
	if (side == SIDE_REQUEST && garbage && !c->sequence) {
		not_http1(a, c, m, b);
		return;
	}
	a->counts.resynced += garbage || (b->captured && side == SIDE_ANSWER && c->under_way > 1);
	if (side == SIDE_REQUEST)
		request_lost(a, c, m, rest);
	else if (c->first)
		answer_lost(a, c, m, b, rest);
}

/* Whether a request that begins now can be told from the rest of one: nothing is under way, or what is seems to be answered. */
static bool may_begin(const struct connection *c)
{
	return !c->first || (c->under_way == 1 && exchange_seems_whole(c));
}

/* Bytes of requests of which nothing is known. */
static void pass_by(struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	count(c, m, SIDE_REQUEST, b->bytes);
	if (c->sending)
		c->http[SIDE_REQUEST].bytes = 0;
	else
		c->http[SIDE_REQUEST].began_ns = assembly_begin_ns(m, b->direction);
}

/* While framing is lost: whether these bytes begin a request; else they are counted to what is under way. */
static bool found_again(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
			enum assembly_side side)
{
	if (side == SIDE_REQUEST && may_begin(c) && protocol_detect_mid(b->data, b->captured, b->bytes) == PROTOCOL_HTTP1) {
		c->sending = NULL;
		restart_requests(a, c);
		return true;
	}
	if (side == SIDE_REQUEST)
		pass_by(c, m, b);
	else if (c->first)
		answer_lost(a, c, m, b, b->bytes);
	return false;
}

void framing_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		   enum assembly_side side)
{
	struct framing *f = &c->http[side];

	assembly_remember(f->recent, &f->recent_n, b);
	if (!f->lost || found_again(a, c, m, b, side))
		frame_bytes(a, c, m, b, side);
}

void framing_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		 enum assembly_side side)
{
	c->http[side].recent_n = 0;
	if (c->http[side].lost)
		return;
	frame_bytes(a, c, m, b, side);
	a->counts.resynced += c->http && c->http[side].lost;
}
