/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x message framing over a byte stream: where each message begins and ends, and
 * the few facts of its head that the project stores. Incremental: a message may come
 * in any split, byte by byte or several in one piece. Never needs the body's bytes, only
 * their count, so a witness that saw just the beginning of each call can follow as well.
 *
 * Invariant: after any input the parser is in a state from which it can go on, and it
 * never reads outside the bytes it is given (fuzzed). Lengths follow RFC 9112 §6.3.
 * One parser follows one direction of one connection. Pure, no allocation;
 * async-signal-safe; not thread-safe for the same parser.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_H
#define AFTERSHOCK_BASE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/host.h"

#define HTTP1_PATH_MAX 256	/* bytes of path kept, with the NUL, without the query; longer ones are cut and flagged */
#define HTTP1_TARGET_MAX 343	/* of path and query together, with a NUL behind each: a query has 86 bytes at least */
#define HTTP1_METHOD_MAX 24	/* with the NUL */
#define HTTP1_LINE_MAX 512	/* bytes of one header line that are looked at; longer lines are skipped by count */
#define HTTP1_HEAD_MAX 65536	/* a head longer than this is not HTTP to us: HTTP1_OPAQUE */
#define HTTP1_BODY_HASHED 256	/* bytes of body that enter the fingerprint; of a longer one also its length */
#define HTTP1_NO_STOP UINT64_MAX

enum http1_role { HTTP1_REQUEST, HTTP1_RESPONSE };

enum http1_event {
	HTTP1_MORE,	/* all n bytes were used, nothing completed: give more */
	HTTP1_HEAD,	/* the head is complete: ->head is valid until HTTP1_DONE's next feed */
	HTTP1_INTERIM,	/* a 1xx head (not 101) is complete; the final head follows */
	HTTP1_DONE,	/* the message is complete; the next byte begins another */
	HTTP1_STOP,	/* the place that http1_stop() set is reached; going on is possible */
	HTTP1_OPAQUE	/* not HTTP/1, or no longer (after HEAD and DONE of a 101 or a CONNECT's 2xx): nothing used; stays so for ever */
};

enum http1_flag {
	HTTP1_CHUNKED = 1 << 0,
	HTTP1_CLOSE = 1 << 1,		/* the connection ends after this message (RFC 9112 §9.3) */
	HTTP1_EXPECT_CONTINUE = 1 << 2,
	HTTP1_UPGRADE = 1 << 3,
	HTTP1_HAS_LENGTH = 1 << 4,
	HTTP1_PATH_CUT = 1 << 5,
	HTTP1_IS_HEAD = 1 << 6,		/* request method HEAD */
	HTTP1_IS_CONNECT = 1 << 7,	/* request method CONNECT */
	HTTP1_UNTIL_CLOSE = 1 << 8,	/* response body ends with the connection */
	HTTP1_QUERY = 1 << 9,		/* a query was kept (http1_keep_query) */
	HTTP1_QUERY_CUT = 1 << 10	/* its beginning only */
};

struct http1_head {
	uint32_t flags;			/* enum http1_flag */
	uint16_t status;		/* response: 100..999; request: 0 */
	uint8_t minor;			/* HTTP/1.minor */
	uint8_t reserved;
	uint64_t content_length;	/* with HTTP1_HAS_LENGTH */
	uint64_t head_bytes;		/* with the blank line */
	uint64_t correlation;		/* hash of traceparent's trace-id, else of the first X-Request-Id or id of an SDK; 0 none */
	uint64_t idempotency_key;	/* hash of Idempotency-Key; 0 none */
	int64_t retry_after_ms;		/* Retry-After in seconds; -1 none; an HTTP-date: -2 - unix seconds */
	uint64_t fingerprint;		/* request: of method, path (with query), the body's beginning and, beyond it, its length; whole at HTTP1_DONE */
	struct authority authority;	/* request: of an absolute or CONNECT target, else the Host field's */
	char method[HTTP1_METHOD_MAX];	/* request */
	char path[HTTP1_TARGET_MAX];	/* request: path without query, NUL-terminated, bytes as they came (a NUL as \x00); behind it
					 * the query, of the same kind, with HTTP1_QUERY */
};

struct http1 {
	struct http1_head head;
	uint64_t left;			/* body bytes, or bytes of this chunk, still to come */
	uint64_t body;			/* bytes of the body so far, without the framing of chunks */
	uint64_t stop;			/* of `body`, where HTTP1_STOP is due; HTTP1_NO_STOP */
	uint32_t hashed;		/* body bytes that entered the fingerprint */
	uint16_t line_len;		/* bytes of the current line kept in line[] */
	uint8_t role;			/* enum http1_role */
	uint8_t state;			/* private */
	uint32_t request_flags;		/* response: HTTP1_IS_HEAD / HTTP1_IS_CONNECT / HTTP1_UPGRADE of its request */
	uint32_t line_total;		/* bytes of the current line, kept or not */
	uint16_t known;			/* bytes of line[] that are the whole head last read, of which head tells; 0 none */
	uint8_t known_state;		/* private: what follows that head */
	bool keep_query;
	uint32_t known_request_flags;
	uint64_t known_fingerprint;
	char line[HTTP1_LINE_MAX];
};

/* Begins to follow a stream. role says which messages it carries. */
void http1_init(struct http1 *p, enum http1_role role);

/* Request parser: from now on the queries of targets are kept, all behind the `?`. Without this they only enter the fingerprint. */
void http1_keep_query(struct http1 *p);

/* The query of a request's head, NUL-terminated; NULL when it has none, or none was kept. */
static inline const char *http1_query(const struct http1_head *h)
{
	return h->flags & HTTP1_QUERY ? h->path + strlen(h->path) + 1 : NULL;
}

/* Response parser: says to which request (its head's flags) the next final response belongs. Call before its first byte. */
void http1_answers(struct http1 *p, uint32_t request_flags);

/* Says after how many bytes of its body (0: right after its head) the next message gives HTTP1_STOP: once, before its HTTP1_DONE, and not
 * at all when the body is shorter. Call before its first byte; interim heads do not count; the end of the message forgets it. */
void http1_stop(struct http1 *p, uint64_t body_bytes);

/*
 * Takes up to n bytes and stops at the first event, which it stores in *event; returns how many it used.
 * Call again with the rest while *event is not HTTP1_MORE. n may be 0: after HTTP1_HEAD of a message without
 * body, that call gives HTTP1_DONE. Empty lines before a request are skipped (RFC 9112 §2.2).
 */
size_t http1_feed(struct http1 *p, const void *data, size_t n, enum http1_event *event);

/*
 * Like http1_feed for n bytes whose values were not seen (sendfile, a capped capture). Inside a sized or
 * until-close body, or the data of one chunk and its line end, they are counted; anywhere else (head, size of a chunk) the
 * parser becomes opaque, as framing is lost.
 */
size_t http1_skip(struct http1 *p, uint64_t n, enum http1_event *event);

/*
 * What is left of the head under way will not be seen: ends the following of this stream (HTTP1_OPAQUE from now on) and makes of what
 * was seen what can be made. True: p->head has the method and the target (cut, perhaps), or the status; framing is unknown.
 */
bool http1_guess(struct http1 *p);

/* True within a head, of which some bytes were seen. */
bool http1_in_head(const struct http1 *p);

/* How many bytes from here on surely come before the message's next HTTP1_DONE or HTTP1_STOP, whatever they are: what is left of a
 * sized or until-close body (UINT64_MAX: no end is known); 0 anywhere else, as the bytes themselves will tell. */
uint64_t http1_room(const struct http1 *p);

/* The stream ended: HTTP1_DONE when that completes an until-close message, HTTP1_MORE when it was between messages,
 * HTTP1_OPAQUE when it cut a message short. */
enum http1_event http1_eof(struct http1 *p);

/* True between messages: nothing of the next message was seen yet. */
bool http1_idle(const struct http1 *p);

/* Whether these first n bytes of a stream could begin a request (a method token or a prefix of one) or a response ("HTTP/1."). */
bool http1_plausible(enum http1_role role, const void *data, size_t n);

#endif
