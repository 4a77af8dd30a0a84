/* SPDX-License-Identifier: MIT */
#include "base/http1_field.h"

#include <string.h>
#include "base/hash.h"
#include "base/http1_date.h"
#include "base/http1_start.h"
#include "base/http1_state.h"
#include "base/span.h"

/* A hash that is never 0, which means "none". */
static uint64_t hash_id(const char *at, size_t n)
{
	uint64_t h = hash_mix(hash_bytes(HASH_SEED, at, n));

	return h ? h : 1;
}

/* Takes the next element of a comma-separated list off *list; false at its end. Empty elements are given too. */
static bool list_next(struct span *list, struct span *element)
{
	const char *comma;

	if (!list->at)
		return false;
	comma = list->n ? memchr(list->at, ',', list->n) : NULL;
	if (comma) {
		*element = span_trim((struct span){list->at, (size_t)(comma - list->at)});
		list->n -= (size_t)(comma + 1 - list->at);
		list->at = comma + 1;
	} else {
		*element = span_trim(*list);
		list->at = NULL;
	}
	return true;
}

/*
 * What a field does: reads its trimmed value; false makes the stream opaque. Called again with what a folded
 * line adds, so a value may come empty at first. cut: the value is only the beginning.
 */
typedef bool (*field_fn)(struct http1_head *h, struct span v, bool cut);

/* RFC 9112 §6.3 point 5: a list of equal numbers counts as one; anything else leaves the end of the body unknown. */
static bool take_content_length(struct http1_head *h, struct span v, bool cut)
{
	struct span element;

	h->flags |= SAW_LENGTH;
	if (!v.n)
		return true;
	while (list_next(&v, &element)) {
		int64_t x = span_decimal(element);

		if (cut || x < 0 || ((h->flags & HTTP1_HAS_LENGTH) && h->content_length != (uint64_t)x))
			return false;
		h->content_length = (uint64_t)x;
		h->flags |= HTTP1_HAS_LENGTH;
	}
	return true;
}

static bool take_transfer_encoding(struct http1_head *h, struct span v, bool cut)
{
	struct span element, whole = v;

	while (list_next(&v, &element)) {
		if (!element.n || SPAN_IS(element, "identity"))
			continue;
		if (h->flags & CHUNKED_LAST)
			h->flags &= ~CHUNKED_LAST;
		else if (SPAN_IS(element, "chunked") && !(h->flags & HTTP1_CHUNKED))
			h->flags |= CHUNKED_LAST | HTTP1_CHUNKED;
		h->flags |= SAW_CODING;
	}
	return !cut && !http1_has_control(whole.at, whole.n);
}

static bool take_connection(struct http1_head *h, struct span v, bool cut)
{
	struct span element;

	while (list_next(&v, &element)) {
		if (SPAN_IS(element, "close"))
			h->flags |= HTTP1_CLOSE;
		else if (SPAN_IS(element, "keep-alive"))
			h->flags |= KEEP_ALIVE;
	}
	return true;
}

static bool take_expect(struct http1_head *h, struct span v, bool cut)
{
	if (SPAN_IS(v, "100-continue"))
		h->flags |= HTTP1_EXPECT_CONTINUE;
	return true;
}

static bool take_upgrade(struct http1_head *h, struct span v, bool cut)
{
	if (v.n)
		h->flags |= HTTP1_UPGRADE;
	return true;
}

static bool take_host(struct http1_head *h, struct span v, bool cut)
{
	if (!h->authority.host && !cut)
		h->authority = http1_authority(v);
	return true;
}

/* Lower-cases 32 hex digits into id; false when they are none, or all zero, which W3C Trace Context forbids. */
static bool trace_id(const char *hex, char id[32])
{
	bool any = false;

	for (int i = 0; i < 32; i++) {
		id[i] = text_lower(hex[i]);
		if (!text_is_digit(id[i]) && (id[i] < 'a' || id[i] > 'f'))
			return false;
		any |= id[i] != '0';
	}
	return any;
}

/* "00-<32 hex>-<16 hex>-<2 hex>" (W3C Trace Context §3.2); wins over a request id, wherever that stands. */
static bool take_traceparent(struct http1_head *h, struct span v, bool cut)
{
	char id[32];

	if ((h->flags & SAW_TRACE) || cut || v.n < 55 || v.at[2] != '-' || v.at[35] != '-' || !trace_id(v.at + 3, id))
		return true;
	h->flags |= SAW_TRACE;
	h->correlation = hash_id(id, sizeof(id));
	return true;
}

/* The SDKs of two clouds give each call an id that all its attempts carry. */
static bool take_request_id(struct http1_head *h, struct span v, bool cut)
{
	if (v.n && !h->correlation)
		h->correlation = hash_id(v.at, v.n);
	return true;
}

static bool take_idempotency_key(struct http1_head *h, struct span v, bool cut)
{
	if (v.n && !h->idempotency_key)
		h->idempotency_key = hash_id(v.at, v.n);
	return true;
}

static bool take_retry_after(struct http1_head *h, struct span v, bool cut)
{
	int64_t s = span_decimal(v), at;

	if ((h->flags & SAW_RETRY_AFTER) || !v.n)
		return true;
	h->flags |= SAW_RETRY_AFTER;
	if (s >= 0) {
		h->retry_after_ms = s > INT64_MAX / 1000 ? INT64_MAX : s * 1000;
		return true;
	}
	at = http1_date(v);
	h->retry_after_ms = at < 0 ? -1 : -2 - at;
	return true;
}

static bool take_nothing(struct http1_head *h, struct span v, bool cut)
{
	return true;
}

#define NAME(text) text, sizeof(text) - 1
static const struct field {
	const char *name; /* lower case */
	size_t n;
	field_fn take;
} fields[] = {
	{NAME(""), take_nothing}, /* all others */
	{NAME("host"), take_host},
	{NAME("connection"), take_connection},
	{NAME("content-length"), take_content_length},
	{NAME("transfer-encoding"), take_transfer_encoding},
	{NAME("expect"), take_expect},
	{NAME("upgrade"), take_upgrade},
	{NAME("traceparent"), take_traceparent},
	{NAME("x-request-id"), take_request_id},
	{NAME("amz-sdk-invocation-id"), take_request_id},
	{NAME("x-ms-client-request-id"), take_request_id},
	{NAME("idempotency-key"), take_idempotency_key},
	{NAME("retry-after"), take_retry_after},
};
_Static_assert(sizeof(fields) / sizeof(fields[0]) == HTTP1_FIELDS, "each has a state");

/* The first letters of fields[], in either case. */
static bool may_be_known(char first)
{
	const uint32_t letters = 1u << ('h' & 31) | 1u << ('c' & 31) | 1u << ('t' & 31) | 1u << ('e' & 31) | 1u << ('u' & 31) |
				 1u << ('x' & 31) | 1u << ('i' & 31) | 1u << ('r' & 31) | 1u << ('a' & 31);

	return letters >> (first & 31) & 1;
}

static size_t field_find(struct span name)
{
	for (size_t i = 1; i < HTTP1_FIELDS && may_be_known(name.at[0]); i++) {
		if (fields[i].n == name.n && fields[i].name[0] == text_lower(name.at[0]) &&
		    span_is(name, fields[i].name, fields[i].n))
			return i;
	}
	return 0;
}

bool http1_field_fold(struct http1 *p, const struct http1_line *l)
{
	struct span v = span_trim((struct span){l->at, l->n});

	if (p->state == START_OF_FIELDS)
		return false;
	return fields[p->state - FIELDS].take(&p->head, v, l->cut);
}

/*
 * Blanks between name and colon: a request is refused for them, in a response they are removed (RFC 9112 §5.1).
 */
bool http1_field_take(struct http1 *p, const struct http1_line *l)
{
	const char *colon = memchr(l->at, ':', l->n);
	struct span name, v;
	size_t i;

	if (!colon)
		return l->cut && !http1_has_control(l->at, l->n);
	name = (struct span){l->at, (size_t)(colon - l->at)};
	if (!name.n || http1_has_control(name.at, name.n) || (text_is_blank(name.at[name.n - 1]) && p->role == HTTP1_REQUEST))
		return false;
	v = span_trim((struct span){colon + 1, l->n - name.n - 1});
	i = field_find(span_trim(name));
	p->state = (uint8_t)(FIELDS + i);
	return fields[i].take(&p->head, v, l->cut);
}
