/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x framing: a table of states, one step function each. A step consumes input and either reports an event or says HTTP1_STEP_ON. Heads,
 * chunk sizes and trailers are read by lines (http1_line.h); bodies are skipped.
 *
 * The heads of one connection are often the same, byte by byte: the last one that lay whole in the input is kept in p->line,
 * which is free then, and when it comes again p->head says already what it says.
 */
#include "base/http1.h"

#include <string.h>
#include "base/hash.h"
#include "base/http1_body.h"
#include "base/http1_field.h"
#include "base/http1_line.h"
#include "base/http1_start.h"
#include "base/http1_state.h"
#include "base/span.h"

typedef int (*step_fn)(struct http1 *p, struct http1_input *in);

static int message_done(struct http1 *p)
{
	if (p->role == HTTP1_REQUEST && p->body > HTTP1_BODY_HASHED)	/* what is behind counts by its length */
		p->head.fingerprint = hash_bytes(p->head.fingerprint, &p->body, sizeof(p->body));
	if (p->role == HTTP1_REQUEST)
		p->head.fingerprint = hash_mix(p->head.fingerprint);
	p->state = IDLE;
	p->stop = HTTP1_NO_STOP;
	return HTTP1_DONE;
}

static bool at_stop(const struct http1 *p)
{
	return p->body == p->stop;
}

static int stopped(struct http1 *p)
{
	p->stop = HTTP1_NO_STOP;
	return HTTP1_STOP;
}

/* ---- heads ---- */

/* Keeps a head that lay whole in the input for when it comes again. */
static void know_head(struct http1 *p, const struct http1_input *in, uint32_t request_flags)
{
	size_t n = (size_t)(in->at - in->head);

	if (!in->head || n > HTTP1_LINE_MAX)
		return;
	memcpy(p->line, in->head, n);
	p->known = (uint16_t)n;
	p->known_state = p->state;
	p->known_request_flags = request_flags;
	p->known_fingerprint = p->head.fingerprint;
}

/* Whether the head last read comes again: then it is taken, and p->head is as after reading it. */
static bool take_known_head(struct http1 *p, struct http1_input *in)
{
	if (!p->known || in->n < p->known || p->request_flags != p->known_request_flags || memcmp(in->at, p->line, p->known))
		return false;
	in->at += p->known;
	in->n -= p->known;
	p->head.fingerprint = p->known_fingerprint;
	p->left = p->head.content_length;
	p->request_flags = 0;
	p->state = p->known_state;
	return true;
}

static int begin_message(struct http1 *p, struct http1_input *in)
{
	p->hashed = 0;
	p->body = 0;
	if (take_known_head(p, in))
		return HTTP1_HEAD;
	in->head = in->at;
	p->known = 0;
	memset(&p->head, 0, sizeof(p->head));
	p->head.retry_after_ms = -1;
	p->head.fingerprint = p->role == HTTP1_REQUEST ? HASH_SEED : 0;
	p->state = START_LINE;
	return HTTP1_STEP_ON;
}

static int step_idle(struct http1 *p, struct http1_input *in)
{
	while (in->n && p->role == HTTP1_REQUEST && (*in->at == '\n' || *in->at == '\r')) {
		p->state = *in->at == '\r' ? IDLE_CR : IDLE;
		in->at++;
		in->n--;
		if (p->state == IDLE_CR)
			return HTTP1_STEP_ON;
	}
	return in->n ? begin_message(p, in) : HTTP1_MORE;
}

static int step_idle_cr(struct http1 *p, struct http1_input *in)
{
	if (!in->n)
		return HTTP1_MORE;
	if (*in->at != '\n')
		return HTTP1_OPAQUE;
	p->state = IDLE;
	return HTTP1_STEP_ON;
}

static int step_after_interim(struct http1 *p, struct http1_input *in)
{
	return in->n ? begin_message(p, in) : HTTP1_MORE;
}

/* Takes a line of the head and counts its bytes against the limit of a head. */
static int head_line(struct http1 *p, struct http1_input *in, struct http1_line *l)
{
	size_t before = in->n;
	int r = http1_line_take(p, in, HTTP1_ANY, l);

	p->head.head_bytes += before - in->n;
	return p->head.head_bytes > HTTP1_HEAD_MAX ? HTTP1_OPAQUE : r;
}

static int step_start_line(struct http1 *p, struct http1_input *in)
{
	struct http1_line l;
	int r = head_line(p, in, &l);

	if (r == HTTP1_MORE && !http1_start_plausible(p->role, (struct span){p->line, p->line_len}))
		return HTTP1_OPAQUE;
	if (r != HTTP1_STEP_ON)
		return r;
	if (!http1_start_take(p, &l))
		return HTTP1_OPAQUE;
	p->state = START_OF_FIELDS;
	return HTTP1_STEP_ON;
}

static int step_fields(struct http1 *p, struct http1_input *in)
{
	struct http1_line l;
	int r = head_line(p, in, &l);

	if (r != HTTP1_STEP_ON)
		return r;
	if (!l.n) {
		uint32_t request_flags = p->request_flags;

		r = http1_head_done(p);
		if (r == HTTP1_HEAD)
			know_head(p, in, request_flags);
		return r;
	}
	return (text_is_blank(l.at[0]) ? http1_field_fold(p, &l) : http1_field_take(p, &l)) ? HTTP1_STEP_ON : HTTP1_OPAQUE;
}

/* ---- bodies ---- */

static int step_no_body(struct http1 *p, struct http1_input *in)
{
	return at_stop(p) ? stopped(p) : message_done(p);
}

static int step_switched(struct http1 *p, struct http1_input *in)
{
	if (at_stop(p))
		return stopped(p);
	p->state = OPAQUE;
	return HTTP1_DONE;
}

/* Passes what there is of n bytes of body, up to the stop; their beginning enters a request's fingerprint. Returns how many. */
static size_t body_bytes(struct http1 *p, struct http1_input *in, uint64_t n)
{
	n = n < in->n ? n : in->n;
	n = n < p->stop - p->body ? n : p->stop - p->body;
	if (p->role == HTTP1_REQUEST && p->hashed < HTTP1_BODY_HASHED) {
		size_t some = HTTP1_BODY_HASHED - p->hashed;

		if (some > n)
			some = n;
		p->head.fingerprint = hash_bytes(p->head.fingerprint, in->at, some);
		p->hashed += (uint32_t)some;
	}
	in->at += n;
	in->n -= n;
	p->body += n;
	return n;
}

static int step_sized(struct http1 *p, struct http1_input *in)
{
	p->left -= body_bytes(p, in, p->left);
	if (at_stop(p))
		return stopped(p);
	return p->left ? HTTP1_MORE : message_done(p);
}

static int step_until_close(struct http1 *p, struct http1_input *in)
{
	body_bytes(p, in, in->n);
	return at_stop(p) ? stopped(p) : HTTP1_MORE;
}

static int hex_value(char c)
{
	c = text_lower(c);
	if (text_is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a4", "1a4;name=value", with blanks before the semicolon tolerated (RFC 9112 §7.1.1). */
static bool chunk_size(const struct http1_line *l, uint64_t *size)
{
	struct span rest = {l->at, l->n};
	uint64_t x = 0;

	for (; rest.n && hex_value(*rest.at) >= 0; rest.at++, rest.n--) {
		if (x >> 59)
			return false;
		x = x << 4 | (unsigned)hex_value(*rest.at);
	}
	*size = x;
	if (rest.at == l->at)
		return false;
	rest = span_trim(rest);
	return !rest.n || *rest.at == ';';
}

static int step_chunk_size(struct http1 *p, struct http1_input *in)
{
	struct http1_line l;
	int r = at_stop(p) ? stopped(p) : http1_line_take(p, in, HTTP1_TEXT, &l);

	if (r != HTTP1_STEP_ON)
		return r;
	if (!chunk_size(&l, &p->left))
		return HTTP1_OPAQUE;
	p->state = p->left ? CHUNK_DATA : TRAILER;
	if (p->state == TRAILER)
		p->left = HTTP1_HEAD_MAX;
	return HTTP1_STEP_ON;
}

static int step_chunk_data(struct http1 *p, struct http1_input *in)
{
	p->left -= body_bytes(p, in, p->left);
	if (!p->left)
		p->state = CHUNK_END;
	return at_stop(p) ? stopped(p) : p->left ? HTTP1_MORE : HTTP1_STEP_ON;
}

static int step_chunk_end(struct http1 *p, struct http1_input *in)
{
	struct http1_line l;
	int r = http1_line_take(p, in, HTTP1_TEXT, &l);

	if (r != HTTP1_STEP_ON)
		return r;
	p->state = CHUNK_SIZE;
	return l.n ? HTTP1_OPAQUE : HTTP1_STEP_ON;
}

/* Trailers are passed over; p->left bounds their bytes. */
static int step_trailer(struct http1 *p, struct http1_input *in)
{
	size_t before = in->n;
	struct http1_line l;
	int r = http1_line_take(p, in, HTTP1_TEXT, &l);

	if (before - in->n > p->left)
		return HTTP1_OPAQUE;
	p->left -= before - in->n;
	if (r != HTTP1_STEP_ON)
		return r;
	return l.n ? HTTP1_STEP_ON : message_done(p);
}

static int step_opaque(struct http1 *p, struct http1_input *in)
{
	return HTTP1_OPAQUE;
}

static const step_fn steps[] = {
	[IDLE] = step_idle,
	[IDLE_CR] = step_idle_cr,
	[AFTER_INTERIM] = step_after_interim,
	[START_LINE] = step_start_line,
	[NO_BODY] = step_no_body,
	[SWITCHED] = step_switched,
	[SIZED] = step_sized,
	[UNTIL_CLOSE] = step_until_close,
	[CHUNK_SIZE] = step_chunk_size,
	[CHUNK_DATA] = step_chunk_data,
	[CHUNK_END] = step_chunk_end,
	[TRAILER] = step_trailer,
	[OPAQUE] = step_opaque,
	[FIELDS ... START_OF_FIELDS] = step_fields,
};

/* ---- the interface ---- */

void http1_init(struct http1 *p, enum http1_role role)
{
	memset(p, 0, offsetof(struct http1, line));
	p->role = (uint8_t)role;
	p->state = IDLE;
	p->stop = HTTP1_NO_STOP;
	p->head.retry_after_ms = -1;
}

void http1_keep_query(struct http1 *p)
{
	p->keep_query = true;
}

void http1_answers(struct http1 *p, uint32_t request_flags)
{
	p->request_flags = request_flags;
}

void http1_stop(struct http1 *p, uint64_t body_bytes)
{
	p->stop = body_bytes;
}

uint64_t http1_room(const struct http1 *p)
{
	uint64_t room = p->stop == HTTP1_NO_STOP ? UINT64_MAX : p->stop - p->body;

	if (p->state == UNTIL_CLOSE)
		return room;
	return p->state != SIZED ? 0 : room < p->left ? room : p->left;
}

size_t http1_feed(struct http1 *p, const void *data, size_t n, enum http1_event *event)
{
	struct http1_input in = {.at = n ? data : "", .n = n};
	int r;

	do
		r = steps[p->state](p, &in);
	while (r == HTTP1_STEP_ON);
	*event = (enum http1_event)r;
	if (r != HTTP1_OPAQUE)
		return n - in.n;
	p->state = OPAQUE;
	return 0;
}

/* Passes unseen bytes of the body as far as n, what is left of it and the stop allow; what was not seen ends the fingerprint. */
static size_t skip_body(struct http1 *p, uint64_t n)
{
	uint64_t left = p->state == UNTIL_CLOSE ? UINT64_MAX : p->left, to_stop = p->stop - p->body;

	n = n < left ? n : left;
	n = n < to_stop ? n : to_stop;
	if (p->state != UNTIL_CLOSE)
		p->left -= n;
	p->body += n;
	if (n)
		p->hashed = HTTP1_BODY_HASHED;
	return (size_t)n;
}

/* Behind the data of a chunk can be nothing but a line end: passes what of it is among n unseen bytes. */
static size_t skip_chunk_end(struct http1 *p, size_t n)
{
	size_t left = 2 - (size_t)p->line_total;

	if (p->state == CHUNK_DATA && !p->left)
		p->state = CHUNK_END;
	if (p->state != CHUNK_END || p->line_total > 1 || !n)
		return 0;
	p->known = 0;
	p->line[0] = '\r';
	p->line_len = n < left;
	p->line_total = n < left;
	if (n >= left)
		p->state = CHUNK_SIZE;
	return n < left ? n : left;
}

size_t http1_skip(struct http1 *p, uint64_t n, enum http1_event *event)
{
	size_t unseen = n < SIZE_MAX ? (size_t)n : SIZE_MAX, used = 0;
	bool body = p->state == SIZED || p->state == UNTIL_CLOSE || p->state == CHUNK_DATA;

	if (!unseen || p->state == NO_BODY || p->state == SWITCHED)
		return http1_feed(p, "", 0, event);
	if (body)
		used = skip_body(p, unseen);
	*event = HTTP1_MORE;
	if (body && at_stop(p)) {
		*event = (enum http1_event)stopped(p);
	} else if (p->state == SIZED && !p->left) {
		*event = (enum http1_event)message_done(p);
	} else if ((used += skip_chunk_end(p, unseen - used)) < unseen) {
		p->state = OPAQUE;
		*event = HTTP1_OPAQUE;
		return 0;
	}
	return used;
}

enum http1_event http1_eof(struct http1 *p)
{
	enum http1_event event;

	if (http1_idle(p))
		return HTTP1_MORE;
	if (p->state == UNTIL_CLOSE)
		return (enum http1_event)message_done(p);
	if (p->state == NO_BODY || p->state == SWITCHED) {
		http1_feed(p, "", 0, &event);
		return event;
	}
	p->state = OPAQUE;
	return HTTP1_OPAQUE;
}

bool http1_guess(struct http1 *p)
{
	bool known = p->state == START_LINE ? http1_start_guess(p) : p->state >= FIELDS;

	known = known && (p->role == HTTP1_REQUEST || p->head.status >= 200 || p->head.status == 101);
	p->state = OPAQUE;
	return known;
}

bool http1_in_head(const struct http1 *p)
{
	return p->state == START_LINE || p->state >= FIELDS;
}

bool http1_idle(const struct http1 *p)
{
	return p->state == IDLE || p->state == IDLE_CR;
}

bool http1_plausible(enum http1_role role, const void *data, size_t n)
{
	struct span s = {data, n};
	struct http1_line l;
	const char *lf;

	while (s.n && role == HTTP1_REQUEST && (*s.at == '\r' || *s.at == '\n')) {
		s.at++;
		s.n--;
	}
	if (!s.n)
		return true;
	lf = memchr(s.at, '\n', s.n);
	if (!lf)
		return http1_start_plausible(role, s);
	return http1_line_in_place(s.at, (size_t)(lf - s.at), HTTP1_ANY, &l) && http1_start_is(role, &l);
}
