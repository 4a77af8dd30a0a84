/* SPDX-License-Identifier: MIT */
#include "record/assembly.h"

#include <stdlib.h>
#include <string.h>

void assembly_remember(unsigned char recent[8], uint8_t *n, const struct assembler_bytes *b)
{
	const unsigned char *last = b->data;
	size_t more = b->captured, kept = *n;

	if (b->captured < b->bytes) {
		last = b->tail;
		more = b->tail ? 8 : 0;
		kept = 0;
	}
	if (more >= 8) {
		memcpy(recent, last + more - 8, 8);
		*n = 8;
		return;
	}
	if (kept + more > 8) {
		memmove(recent, recent + (kept + more - 8), 8 - more);
		kept = 8 - more;
	}
	if (more)
		memcpy(recent + kept, last, more);
	*n = (uint8_t)(kept + more);
}

void stream_release(struct assembler *a, struct connection *c)
{
	a->framings -= c->http != NULL;
	a->turns -= c->turns != NULL;
	free(c->http);
	free(c->turns);
	c->http = NULL;
	c->turns = NULL;
}

void stream_switch(struct assembler *a, struct connection *c, bool mid_stream)
{
	stream_release(a, c);
	c->protocol = PROTOCOL_UNKNOWN;
	c->mid_stream = mid_stream;
	c->answer_seen = c->guessed = c->veiled_told = c->begun = false;
}

void stream_settle(struct assembler *a, struct connection *c)
{
	c->first->x.inferred = !protocol_is_veiled(c->protocol);
	exchange_close(a, c, 0, 0, c->first->last_ns);
	if (c->protocol == PROTOCOL_HTTP1)
		framing_restart_answer(c);
}

void stream_take_back(struct assembler *a, bool (*is_idle)(const struct connection *c))
{
	unsigned n = 0;

	for (struct connection *c = a->oldest; c && n < ASSEMBLY_FRAMINGS / 4; c = c->newer) {
		if (!is_idle(c))
			continue;
		stream_release(a, c);
		n++;
	}
}

/* ---- what it speaks ---- */

static void speak_http1(struct assembler *a, struct connection *c)
{
	if (a->framings >= ASSEMBLY_FRAMINGS)
		stream_take_back(a, framing_is_idle);
	if (!framing_begin(a, c))
		c->protocol = PROTOCOL_OPAQUE;
}

/* An answer tells of the protocol only in the middle of a stream, and only of those that look the same in both directions. */
static bool recognise_answer(struct connection *c, const struct assembler_bytes *b)
{
	enum protocol p = c->mid_stream ? protocol_detect_mid(b->data, b->captured, b->bytes) : PROTOCOL_UNKNOWN;

	c->answer_seen = true;
	if (protocol_is_veiled(p))
		c->protocol = p;
	return false;
}

/*
 * Settles what the connection speaks; false: can not be told from these bytes, which are passed over. A connection met in
 * mid-stream may be in the middle of a body: unless its bytes are recognised, wait for the turn to change. What is a guess
 * for want of better bytes is looked at again when the next turn begins.
 */
static bool recognise(struct assembler *a, struct connection *c, const struct assembler_bytes *b, enum assembly_side side)
{
	enum protocol p;

	if (side == SIDE_ANSWER)
		return recognise_answer(c, b);
	p = c->mid_stream ? protocol_detect_mid(b->data, b->captured, b->bytes) : protocol_detect(b->data, b->captured);
	if (p == PROTOCOL_OPAQUE && c->mid_stream && !c->answer_seen)
		return false;
	c->guessed = p == PROTOCOL_OPAQUE && (c->mid_stream || !b->captured);
	c->doubtful |= c->mid_stream;
	c->protocol = p;
	if (p == PROTOCOL_HTTP1)
		speak_http1(a, c);
	return true;
}

/* A turn of a guessed protocol is over and bytes that can be looked at begin the next. */
static bool looks_again(const struct connection *c, const struct assembler_bytes *b, enum assembly_side side)
{
	return c->guessed && side == SIDE_REQUEST && b->captured && (!c->first || c->first->answered);
}

void stream_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	enum assembly_side side = assembly_side(c, b->direction);
	bool recognised = true;

	c->bytes[b->direction] += b->bytes;
	if (looks_again(c, b, side)) {
		if (c->first)
			stream_settle(a, c);
		stream_switch(a, c, true);
		c->answer_seen = true;
	}
	if (c->protocol == PROTOCOL_UNKNOWN)
		recognised = recognise(a, c, b, side);
	if (c->protocol == PROTOCOL_HTTP1 && !c->http)
		speak_http1(a, c);
	if (!recognised)
		;
	else if (c->protocol == PROTOCOL_HTTP1)
		framing_bytes(a, c, m, b, side);
	else
		turn_bytes(a, c, m, b, side);
	c->answered_last = side == SIDE_ANSWER;
}

/* ---- what is not bytes ---- */

void stream_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d,
		uint64_t missing)
{
	enum assembly_side side = assembly_side(c, d);
	struct assembler_bytes b = {.direction = d, .bytes = missing};

	c->bytes[d] += missing;
	if (c->protocol == PROTOCOL_UNKNOWN) {
		a->counts.resynced += !c->mid_stream;
		c->mid_stream = true;
	} else if (c->protocol != PROTOCOL_HTTP1) {
		a->counts.resynced += !protocol_is_veiled(c->protocol);
		turn_gap(a, c, m, side);
	} else {
		if (!c->http)
			speak_http1(a, c);
		if (c->http)
			framing_gap(a, c, m, &b, side);
	}
}

/* An answer that lasts until the connection ends is complete by that; of a cancellation in PostgreSQL it is all there is. */
static void complete_until_close(struct assembler *a, struct connection *c, uint64_t at_ns)
{
	if (!c->first)
		return;
	if (c->http ? !c->http[SIDE_ANSWER].lost && http1_eof(&c->http[SIDE_ANSWER].parser) == HTTP1_DONE : c->turns && c->turns->cancels)
		exchange_close(a, c, 0, 0, at_ns);
}

void stream_eof(struct assembler *a, struct connection *c, const struct assembler_moment *m)
{
	if (c->role == JOURNAL_SERVER) {	/* no more requests; what is under way may still be answered */
		if (exchange_seems_whole(c) && !protocol_is_veiled(c->protocol))
			stream_settle(a, c);
		return;
	}
	complete_until_close(a, c, m->exit_ns);
	exchange_close_all(a, c, JOURNAL_EOF, m->exit_ns);
}

void stream_closed(struct assembler *a, struct connection *c, uint64_t at_ns)
{
	if (c->role == JOURNAL_SERVER)
		complete_until_close(a, c, at_ns);
}
