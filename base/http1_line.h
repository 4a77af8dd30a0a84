/* SPDX-License-Identifier: MIT */
/*
 * Lines of HTTP/1: of heads, chunk sizes and trailers. A line that lies whole in the input is looked at in place, others are gathered in
 * http1.line. The same lines come however the input is split: what is decided from a line depends on its bytes alone, never on where the
 * input ended.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_LINE_H
#define AFTERSHOCK_BASE_HTTP1_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/http1.h"

/* Of an over-long line, its first HTTP1_LINE_HEAD bytes and its last HTTP1_LINE_TAIL bytes are kept. */
#define HTTP1_LINE_TAIL 32
#define HTTP1_LINE_HEAD (HTTP1_LINE_MAX - HTTP1_LINE_TAIL)

struct http1_input {
	const char *at;
	size_t n;
	const char *head;	/* where the head that is being read begins; NULL when that was in an earlier input */
};

struct http1_line {
	const char *at;		/* without its line end */
	size_t n;
	const char *end;	/* where it really ends: at + n unless cut */
	bool cut;
};

/*
 * What a line may hold besides text. A CR that ends no line is a line end to some and none to others, so it is refused everywhere.
 * Other control bytes are refused where they could make two recipients disagree on framing; in a target and in a value that says
 * nothing of framing they are data, as hostile as they may be (RFC 9110 §5.5 leaves it to the recipient).
 */
enum http1_bytes { HTTP1_TEXT, HTTP1_ANY };

/* Control bytes other than HTAB. */
bool http1_has_control(const char *s, size_t n);

/*
 * Takes the next line, or what there is of it. HTTP1_STEP_ON: *l is a line, valid until the next call;
 * HTTP1_MORE: not complete yet; HTTP1_OPAQUE: bytes that are not allowed.
 */
int http1_line_take(struct http1 *p, struct http1_input *in, enum http1_bytes allowed, struct http1_line *l);

/* What was gathered so far, as a line. */
struct http1_line http1_line_gathered(struct http1 *p);

/* The n bytes at at, behind which there is an LF, as a line; false: bytes that are not allowed. */
bool http1_line_in_place(const char *at, size_t n, enum http1_bytes allowed, struct http1_line *l);

#endif
