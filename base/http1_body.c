/* SPDX-License-Identifier: MIT */
#include "base/http1_body.h"

#include "base/http1_state.h"

static void settle_connection(struct http1_head *h)
{
	if (h->minor == 0 && (!(h->flags & KEEP_ALIVE) || (h->flags & SAW_CODING)))
		h->flags |= HTTP1_CLOSE;
}

static enum http1_state chunked_or(const struct http1_head *h, enum http1_state otherwise)
{
	return h->flags & CHUNKED_LAST ? CHUNK_SIZE : otherwise;
}

static enum http1_state sized(struct http1 *p)
{
	p->left = p->head.content_length;
	return p->left ? SIZED : NO_BODY;
}

/*
 * RFC 9112 §6.3 for requests. With both codings and a length, which one a server obeys differs, and so does
 * where the next request begins; the same holds for codings that do not end in chunked.
 */
static enum http1_state request_body(struct http1 *p)
{
	if (p->head.flags & SAW_CODING)
		return p->head.flags & SAW_LENGTH ? OPAQUE : chunked_or(&p->head, OPAQUE);
	return sized(p);
}

/* RFC 9112 §6.3 for responses: codings win over a length. */
static enum http1_state response_body(struct http1 *p, uint32_t request)
{
	struct http1_head *h = &p->head;

	if (h->status == 101 || ((request & HTTP1_IS_CONNECT) && h->status / 100 == 2))
		return SWITCHED;
	if (h->status < 200)
		return AFTER_INTERIM;
	if ((request & HTTP1_IS_HEAD) || h->status == 204 || h->status == 304)
		return NO_BODY;
	if (h->flags & SAW_CODING) {
		h->flags &= ~HTTP1_HAS_LENGTH;
		h->content_length = 0;
		return chunked_or(h, UNTIL_CLOSE);
	}
	return h->flags & HTTP1_HAS_LENGTH ? sized(p) : UNTIL_CLOSE;
}

int http1_head_done(struct http1 *p)
{
	struct http1_head *h = &p->head;

	if ((h->flags & SAW_LENGTH) && !(h->flags & HTTP1_HAS_LENGTH))
		return HTTP1_OPAQUE;
	settle_connection(h);
	p->state = (uint8_t)(p->role == HTTP1_REQUEST ? request_body(p) : response_body(p, p->request_flags));
	if (p->state == OPAQUE)
		return HTTP1_OPAQUE;
	if (p->state == UNTIL_CLOSE)
		h->flags |= HTTP1_UNTIL_CLOSE | HTTP1_CLOSE;
	if (!(h->flags & CHUNKED_LAST))
		h->flags &= ~HTTP1_CHUNKED;
	h->flags &= ~PRIVATE_FLAGS;
	if (p->state == AFTER_INTERIM)
		return HTTP1_INTERIM;
	p->request_flags = 0;
	return HTTP1_HEAD;
}
