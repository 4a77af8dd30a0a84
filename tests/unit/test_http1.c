/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x framing. Streams are fed whole and split; what the parser said becomes a line of text
 * such as "GET /x [length=3]; done; |idle" (behind the bar: what http1_eof answers) that is compared.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/http1.h"
#include "tests/lib/tap.h"

struct log {
	char text[4096];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct log *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, format, ap);
	va_end(ap);
	l->n += (size_t)n < sizeof(l->text) - l->n ? (size_t)n : sizeof(l->text) - l->n - 1;
}

/* clang-format off */
static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
	{ HTTP1_CHUNKED, "chunked" }, { HTTP1_CLOSE, "close" }, { HTTP1_EXPECT_CONTINUE, "expect" },
	{ HTTP1_UPGRADE, "upgrade" }, { HTTP1_PATH_CUT, "cut" }, { HTTP1_IS_HEAD, "is-head" },
	{ HTTP1_IS_CONNECT, "is-connect" }, { HTTP1_UNTIL_CLOSE, "until-close" }, { HTTP1_QUERY, "query" },
	{ HTTP1_QUERY_CUT, "query-cut" }
};
/* clang-format on */

static void say_flags(struct log *l, const struct http1_head *h)
{
	const char *mark = " [";
	uint32_t known = HTTP1_HAS_LENGTH;

	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		known |= flag_names[i].flag;
		if (h->flags & flag_names[i].flag) {
			say(l, "%s%s", mark, flag_names[i].name);
			mark = " ";
		}
	}
	if (h->flags & HTTP1_HAS_LENGTH) {
		say(l, "%slength=%" PRIu64, mark, h->content_length);
		mark = " ";
	}
	say(l, "%s%s", *mark == ' ' && mark[1] == '[' ? "" : "]", h->flags & ~known ? " UNKNOWN FLAGS" : "");
}

static void say_event(struct log *l, const struct http1 *p, enum http1_event event)
{
	const struct http1_head *h = &p->head;

	switch (event) {
	case HTTP1_MORE:
		break;
	case HTTP1_HEAD:
		if (h->status)
			say(l, "%u", h->status);
		else
			say(l, "%s %.40s", h->method, h->path);
		say_flags(l, h);
		say(l, "; ");
		break;
	case HTTP1_INTERIM:
		say(l, "interim %u; ", h->status);
		break;
	case HTTP1_DONE:
		say(l, "done; ");
		break;
	case HTTP1_STOP:
		say(l, "stop; ");
		break;
	case HTTP1_OPAQUE:
		say(l, "opaque");
		break;
	}
}

/* Every fact of the head, for comparing two ways of feeding. */
static uint64_t facts(const struct http1_head *h)
{
	uint64_t f = HASH_SEED;

	f = hash_bytes(f, h->method, strlen(h->method));
	f = hash_bytes(f, h->path, strlen(h->path));
	f = http1_query(h) ? hash_bytes(f, http1_query(h), strlen(http1_query(h)) + 1) : f;
	f = hash_bytes(f, &h->authority, sizeof(h->authority));
	f = hash_bytes(f, &h->correlation, 8);
	f = hash_bytes(f, &h->idempotency_key, 8);
	f = hash_bytes(f, &h->retry_after_ms, 8);
	f = hash_bytes(f, &h->fingerprint, 8);
	f = hash_bytes(f, &h->head_bytes, 8);
	return hash_bytes(f, &h->minor, 1);
}

/* Feeds n bytes, all events; false when the parser became opaque. */
static bool feed_all(struct http1 *p, struct log *l, const char *data, size_t n, uint64_t *seen)
{
	enum http1_event event;

	do {
		size_t used = http1_feed(p, data, n, &event);

		if (used > n)
			say(l, "USED TOO MUCH");
		data += used;
		n -= used;
		say_event(l, p, event);
		if (event == HTTP1_MORE && n)
			say(l, "LEFT %zu; ", n);
		if (event == HTTP1_DONE || event == HTTP1_HEAD || event == HTTP1_INTERIM)
			*seen = hash_mix(*seen ^ facts(&p->head));
	} while (event != HTTP1_MORE && event != HTTP1_OPAQUE);
	return event != HTTP1_OPAQUE;
}

struct stream {
	enum http1_role role;
	uint32_t request_flags;
	const char *data;
	size_t n;
};

/* Feeds a stream in pieces of at most `piece` bytes (0: random sizes from *rng) and returns its log. */
static uint64_t follow(const struct stream *s, size_t piece, uint64_t *rng, struct log *l)
{
	struct http1 p;
	uint64_t seen = 0;
	size_t at = 0;

	l->n = 0;
	l->text[0] = '\0';
	http1_init(&p, s->role);
	http1_keep_query(&p);
	http1_answers(&p, s->request_flags);
	while (at < s->n) {
		size_t n = piece ? piece : (*rng = hash_mix(*rng)) % 9 == 0 ? *rng / 9 % 700 : *rng / 9 % 12;

		if (n > s->n - at)
			n = s->n - at;
		if (!feed_all(&p, l, s->data + at, n, &seen))
			return seen;
		at += n;
	}
	switch (http1_eof(&p)) {
	case HTTP1_MORE:
		say(l, "|idle");
		break;
	case HTTP1_DONE:
		say(l, "|done");
		break;
	default:
		say(l, "|opaque");
		break;
	}
	return seen;
}

#define REQ HTTP1_REQUEST
#define RES HTTP1_RESPONSE

struct example {
	const char *says;
	enum http1_role role;
	uint32_t request_flags;
	const char *stream;
	size_t n;
	const char *want;
};

static const struct example examples[] = {
/* clang-format off */
#define EX(says, role, request_flags, stream, want) { says, role, request_flags, stream, sizeof(stream) - 1, want }
	/* clang-format on */
	/* requests */
	EX("a request without body ends with its head", REQ, 0, "GET /a/b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n",
	   "GET /a/b [query]; done; |idle"),
	EX("a sized body is passed over", REQ, 0, "POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	   "POST /p [length=5]; done; |idle"),
	EX("a length of 0 is a length", REQ, 0, "POST /p HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
	   "POST /p [length=0]; done; |idle"),
	EX("pipelined requests are told apart", REQ, 0,
	   "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\n\r\n",
	   "GET /1; done; POST /2 [length=2]; done; GET /3; done; |idle"),
	EX("empty lines before a request are skipped", REQ, 0, "\r\n\n\r\nGET / HTTP/1.1\r\n\r\n\r\n", "GET /; done; |idle"),
	EX("bare LF ends lines", REQ, 0, "GET / HTTP/1.1\nContent-Length: 1\n\nx", "GET / [length=1]; done; |idle"),
	EX("field names and codings match in any case", REQ, 0, "PUT / HTTP/1.1\r\ntRANSFER-eNCODING:CHUNKED\r\n\r\n0\r\n\r\n",
	   "PUT / [chunked]; done; |idle"),
	EX("an unknown method is any token", REQ, 0, "M-SEARCH! * HTTP/1.1\r\n\r\n", "M-SEARCH! *; done; |idle"),
	EX("a method of 23 bytes is kept", REQ, 0, "ABCDEFGHIJKLMNOPQRSTUVW / HTTP/1.1\r\n\r\n",
	   "ABCDEFGHIJKLMNOPQRSTUVW /; done; |idle"),
	EX("a method of 24 bytes is opaque", REQ, 0, "ABCDEFGHIJKLMNOPQRSTUVWX / HTTP/1.1\r\n\r\n", "opaque"),
	EX("OPTIONS * keeps its star", REQ, 0, "OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS *; done; |idle"),
	EX("an absolute target gives its path", REQ, 0, "GET http://h:80/p/q?r HTTP/1.1\r\n\r\n", "GET /p/q [query]; done; |idle"),
	EX("an absolute target without path gives /", REQ, 0, "GET http://h?x=/y HTTP/1.1\r\n\r\n", "GET / [query]; done; |idle"),
	EX("CONNECT keeps its authority", REQ, 0, "CONNECT h:443 HTTP/1.1\r\n\r\n", "CONNECT h:443 [is-connect]; done; |idle"),
	EX("HEAD is flagged for its response", REQ, 0, "HEAD / HTTP/1.1\r\n\r\n", "HEAD / [is-head]; done; |idle"),
	EX("methods are case-sensitive", REQ, 0, "head / HTTP/1.1\r\n\r\n", "head /; done; |idle"),
	EX("Expect and Upgrade are flagged", REQ, 0,
	   "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
	   "POST / [expect upgrade length=1]; done; |idle"),
	EX("the HTTP/2 preface is opaque", REQ, 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "opaque"),
	EX("a TLS hello is opaque", REQ, 0, "\x16\x03\x01\x02\x00\x01", "opaque"),
	EX("a Redis command is opaque", REQ, 0, "*1\r\n$4\r\nPING\r\n", "opaque"),
	EX("an inline Redis command is opaque", REQ, 0, "PING\r\n", "opaque"),
	EX("a memcached command is opaque", REQ, 0, "get somekey\r\n", "opaque"),
	EX("a start that is no method is opaque before its line ends", REQ, 0, "abc(def", "opaque"),
	EX("a start that is no version is opaque before its line ends", RES, 0, "HTTP/3", "opaque"),
	EX("a request line without target is opaque", REQ, 0, "GET HTTP/1.1\r\n\r\n", "opaque"),
	EX("a version that follows no blank is opaque", REQ, 0, "GET /xHTTP/1.1\r\n\r\n", "opaque"),
	EX("two blanks before the target are opaque", REQ, 0, "GET  /x HTTP/1.1\r\n\r\n", "opaque"),
	EX("a short traceparent does no harm", REQ, 0, "GET / HTTP/1.1\r\ntraceparent: 00-\n\n", "GET /; done; |idle"),
	EX("HTTP/0.9 is opaque", REQ, 0, "GET /\r\n", "opaque"),
	EX("an empty method is opaque", REQ, 0, " / HTTP/1.1\r\n\r\n", "opaque"),
	EX("an empty target is opaque", REQ, 0, "GET  HTTP/1.1\r\n\r\n", "opaque"),
	EX("a lower-case version is opaque", REQ, 0, "GET / http/1.1\r\n\r\n", "opaque"),
	EX("a target with a blank is kept, as servers answer 400 to it", REQ, 0, "GET /a b HTTP/1.1\r\n\r\n",
	   "GET /a b; done; |idle"),
	EX("a NUL in a value is data", REQ, 0, "GET / HTTP/1.1\r\nA: \0\r\n\r\n", "GET /; done; |idle"),
	EX("a control byte in a target is data", REQ, 0, "GET /\x01\x1b[31m\x7f HTTP/1.1\r\n\r\n", "GET /\x01\x1b[31m\x7f; done; |idle"),
	EX("a NUL in a target is kept as text", REQ, 0, "GET /a\0b?\0 HTTP/1.1\r\n\r\n", "GET /a\\x00b [query]; done; |idle"),
	EX("DEL in a value is data", REQ, 0, "GET / HTTP/1.1\r\nAccept-Nothing: abc\x7f\r\n\r\n", "GET /; done; |idle"),
	EX("a control byte in a reason is data", RES, 0, "HTTP/1.1 204 \x1b[0m\r\n\r\n", "204; done; |idle"),
	EX("a control byte in a name is opaque", REQ, 0, "GET / HTTP/1.1\r\nContent-Length\x0b: 1\r\n\r\nx", "opaque"),
	EX("a control byte before a name is opaque", REQ, 0, "GET / HTTP/1.1\r\n\x0b" "Content-Length: 1\r\n\r\nx", "opaque"),
	EX("a control byte in a length is opaque", REQ, 0, "GET / HTTP/1.1\r\nContent-Length: \0" "1\r\n\r\nx", "opaque"),
	EX("a control byte in a coding is opaque", REQ, 0, "GET / HTTP/1.1\r\nTransfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n",
	   "opaque"),
	EX("a control byte in a response's coding is opaque", RES, 0,
	   "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\x01\r\n\r\n0\r\n\r\n", "opaque"),
	EX("a control byte in a folded coding is opaque", REQ, 0,
	   "GET / HTTP/1.1\r\nTransfer-Encoding:\r\n \x0b" "chunked\r\n\r\n0\r\n\r\n", "opaque"),
	EX("a control byte in a chunk's size line is opaque", REQ, 0,
	   "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\x01\r\nx\r\n0\r\n\r\n", "GET / [chunked]; opaque"),
	EX("a tab and bytes above 127 in a value are fine", REQ, 0, "GET /\xc3\xa9 HTTP/1.1\r\nA:\tb\tc\xe9\r\n\r\n",
	   "GET /\xc3\xa9; done; |idle"),
	EX("a bare CR inside a line is opaque", REQ, 0, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "opaque"),
	EX("two CR before LF are opaque", REQ, 0, "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", "opaque"),
	EX("a CR without LF between requests is opaque", REQ, 0, "\rGET / HTTP/1.1\r\n\r\n", "opaque"),
	EX("a line without colon is opaque", REQ, 0, "GET / HTTP/1.1\r\nnonsense\r\n\r\n", "opaque"),
	EX("a field without name is opaque", REQ, 0, "GET / HTTP/1.1\r\n: x\r\n\r\n", "opaque"),
	EX("a blank before the colon of a request is opaque", REQ, 0, "GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\nx", "opaque"),
	EX("a length that is no number is opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\nx", "opaque"),
	EX("a signed length is opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx", "opaque"),
	EX("an empty length is opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length:\r\n\r\nx", "opaque"),
	EX("a length that overflows is opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\nx",
	   "opaque"),
	EX("equal lengths in a list count as one", REQ, 0,
	   "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\nContent-Length: 01\r\n\r\nx", "POST / [length=1]; done; |idle"),
	EX("different lengths are opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
	   "opaque"),
	EX("different lengths in one list are opaque", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: 1,2\r\n\r\nxx", "opaque"),
	EX("a request with a coding and a length is opaque", REQ, 0,
	   "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "opaque"),
	EX("a request whose codings do not end in chunked is opaque", REQ, 0,
	   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "opaque"),
	EX("chunks in chunks are opaque", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip, chunked\r\n\r\n0\r\n\r\n",
	   "opaque"),
	EX("a folded length is read", REQ, 0, "POST / HTTP/1.1\r\nContent-Length:\r\n  3\r\n\r\nabc",
	   "POST / [length=3]; done; |idle"),
	EX("a folded coding is read", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip,\r\n\tchunked\r\n\r\n0\r\n\r\n",
	   "POST / [chunked]; done; |idle"),
	EX("a fold goes on with its own field only", REQ, 0, "POST / HTTP/1.1\r\nA: b\r\n Content-Length: 3\r\n\r\n",
	   "POST /; done; |idle"),
	EX("a fold right after the request line is opaque", REQ, 0, "GET / HTTP/1.1\r\n A: b\r\n\r\n", "opaque"),
	EX("HTTP/1.1 stays open", REQ, 0, "GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", "GET /; done; |idle"),
	EX("HTTP/1.1 closes when it says so in a list", REQ, 0, "GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n",
	   "GET / [close]; done; |idle"),
	EX("HTTP/1.0 closes", REQ, 0, "GET / HTTP/1.0\r\n\r\n", "GET / [close]; done; |idle"),
	EX("HTTP/1.0 stays open when it says so", REQ, 0, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	   "GET /; done; |idle"),
	EX("close wins over keep-alive", REQ, 0, "GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
	   "GET / [close]; done; |idle"),
	EX("a head cut short is opaque at the end", REQ, 0, "GET / HTTP/1.1\r\nA: b\r\n", "|opaque"),
	EX("a body cut short is opaque at the end", REQ, 0, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
	   "POST / [length=5]; |opaque"),
	EX("a stream without bytes is idle", REQ, 0, "", "|idle"), EX("half an empty line is idle", REQ, 0, "\r", "|idle"),
	/* chunks */
	EX("chunks, extensions and trailers are passed over", REQ, 0,
	   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n00A ;x\r\n0123456789\r\n0\r\nT: 1\r\nU: "
	   "2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	   "POST / [chunked]; done; GET /; done; |idle"),
	EX("chunks with bare LF are tolerated", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n",
	   "POST / [chunked]; done; |idle"),
	EX("a chunk size that is no number is opaque", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	   "POST / [chunked]; opaque"),
	EX("an empty chunk size is opaque", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
	   "POST / [chunked]; opaque"),
	EX("a chunk size with rubbish behind it is opaque", REQ, 0,
	   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5 x\r\n", "POST / [chunked]; opaque"),
	EX("a chunk size that overflows is opaque", REQ, 0,
	   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", "POST / [chunked]; opaque"),
	EX("a chunk longer than its size is opaque", REQ, 0,
	   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n0\r\n\r\n", "POST / [chunked]; opaque"),
	EX("chunks cut short are opaque at the end", REQ, 0, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
	   "POST / [chunked]; |opaque"),
	/* responses */
	EX("a sized response ends with its length", RES, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	   "200 [length=2]; done; |idle"),
	EX("a response without length ends with the connection", RES, 0, "HTTP/1.1 200 OK\r\n\r\nhello",
	   "200 [close until-close]; |done"),
	EX("a reason phrase may be missing", RES, 0, "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "404 [length=0]; done; |idle"),
	EX("a reason phrase may be empty or not ASCII", RES, 0,
	   "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 \xc3\x84\r\nContent-Length: 0\r\n\r\n",
	   "200 [length=0]; done; 500 [length=0]; done; |idle"),
	EX("a response to HEAD has no body", RES, HTTP1_IS_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
	   "200 [length=9]; done; |idle"),
	EX("only the answered request's method counts", RES, HTTP1_IS_HEAD,
	   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	   "200 [length=2]; done; 200 [length=2]; done; |idle"),
	EX("204 and 304 have no body", RES, 0, "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n",
	   "204; done; 304 [length=7]; done; |idle"),
	EX("1xx heads come before the response", RES, 0,
	   "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	   "interim 100; interim 103; 200 [length=0]; done; |idle"),
	EX("1xx leaves the answered request as it was", RES, HTTP1_IS_HEAD,
	   "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "interim 100; 200 [length=9]; done; |idle"),
	EX("a connection that ends after 100 cut the response short", RES, 0, "HTTP/1.1 100 C\r\n\r\n", "interim 100; |opaque"),
	EX("101 ends HTTP", RES, HTTP1_UPGRADE, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81\x05",
	   "101 [upgrade]; done; opaque"),
	EX("2xx to CONNECT ends HTTP", RES, HTTP1_IS_CONNECT, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x16\x03\x01",
	   "200 [length=3]; done; opaque"),
	EX("a refused CONNECT stays HTTP", RES, HTTP1_IS_CONNECT, "HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx",
	   "407 [length=1]; done; |idle"),
	EX("codings win over a length in a response", RES, 0,
	   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
	   "200 [chunked]; done; |idle"),
	EX("codings not ending in chunked last until the end", RES, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
	   "200 [close until-close]; |done"),
	EX("the coding identity says nothing", RES, 0,
	   "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", "200 [length=1]; done; |idle"),
	EX("HTTP/1.0 with chunks closes", RES, 0,
	   "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	   "200 [chunked close]; done; |idle"),
	EX("a blank before the colon of a response is removed", RES, 0, "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
	   "200 [length=1]; done; |idle"),
	EX("a status of two digits is opaque", RES, 0, "HTTP/1.1 20 OK\r\n\r\n", "opaque"),
	EX("a status of four digits is opaque", RES, 0, "HTTP/1.1 2000 OK\r\n\r\n", "opaque"),
	EX("a status below 100 is opaque", RES, 0, "HTTP/1.1 099 OK\r\n\r\n", "opaque"),
	EX("HTTP/2 as text is opaque", RES, 0, "HTTP/2 200 OK\r\n\r\n", "opaque"),
	EX("another server's banner is opaque", RES, 0, "220 smtp ready\r\n", "opaque"),
	EX("an empty line before a response is opaque", RES, 0, "\r\nHTTP/1.1 200 OK\r\n\r\n", "opaque")
#undef EX
};
#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

static struct stream stream_of(const struct example *e)
{
	return (struct stream){e->role, e->request_flags, e->stream, e->n};
}

static void check_examples(void)
{
	struct log l;

	for (size_t i = 0; i < EXAMPLES; i++) {
		struct stream s = stream_of(&examples[i]);

		follow(&s, SIZE_MAX, NULL, &l);
		is_str(l.text, examples[i].want, "%s", examples[i].says);
	}
}

/* Every split gives what the whole gives: all pieces of one size, then random ones. */
static bool splits_agree(const struct stream *s, int random_rounds, uint64_t *rng)
{
	struct log whole, split;
	uint64_t seen = follow(s, SIZE_MAX, NULL, &whole);

	for (size_t piece = 1; piece < s->n && piece < 40; piece++) {
		if (follow(s, piece, NULL, &split) != seen || strcmp(whole.text, split.text))
			return false;
	}
	while (random_rounds--) {
		if (follow(s, 0, rng, &split) != seen || strcmp(whole.text, split.text))
			return false;
	}
	return true;
}

static const char *events_of(enum http1_role role, const char *text, size_t n);

static void check_example_splits(void)
{
	uint64_t rng = 1;
	size_t bad = 0;

	for (size_t i = 0; i < EXAMPLES; i++) {
		struct stream s = stream_of(&examples[i]);

		if (!splits_agree(&s, 50, &rng)) {
			printf("# differs when split: %s\n", examples[i].says);
			bad++;
		}
	}
	is_int(bad, 0, "every example gives the same events in any split");
}

/* Each example three times on one connection: read as a whole, byte by byte (where no head lies whole in the input), and anyhow. */
static void check_same_heads(void)
{
	static char thrice[3 * 70000];
	uint64_t rng = 2;
	size_t bad = 0;

	for (size_t i = 0; i < EXAMPLES; i++) {
		struct stream s = stream_of(&examples[i]);

		if (3 * s.n > sizeof(thrice))
			continue;
		for (int k = 0; k < 3; k++)
			memcpy(thrice + k * s.n, s.data, s.n);
		s.data = thrice;
		s.n *= 3;
		if (!splits_agree(&s, 20, &rng)) {
			printf("# differs when repeated: %s\n", examples[i].says);
			bad++;
		}
	}
	is_int(bad, 0, "a head that comes again gives the same events in any split");
	is_str(events_of(RES, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyou", 81),
	       "200 [length=2]; done; 200 [length=3]; done; |idle", "a head that is nearly the same is another");
}

/* The same head is an answer with a body to GET and without one to HEAD, also when it comes again. */
static void check_same_answers(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
	static const uint32_t asked[] = {0, HTTP1_IS_HEAD, HTTP1_IS_HEAD, 0, 0};
	enum http1_event event;
	struct http1 p;
	int wrong = 0;

	http1_init(&p, HTTP1_RESPONSE);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		http1_answers(&p, asked[i]);
		wrong += http1_feed(&p, head, sizeof(head) - 1, &event) != sizeof(head) - 1 || event != HTTP1_HEAD;
		if (!asked[i])
			wrong += http1_feed(&p, "h", 1, &event) != 1 || http1_feed(&p, "i", 1, &event) != 1;
		else
			http1_feed(&p, "", 0, &event);
		wrong += event != HTTP1_DONE;
	}
	is_int(wrong, 0, "the same head ends where the request that it answers says");
}

/* One random message or piece of rubbish; lines of up to 2000 bytes, so that over-long ones occur often. */
static size_t random_piece(char *to, size_t size, enum http1_role role, uint64_t *rng)
{
	static const char *const lines[] = {"Content-Length: 7\r\n",
					    "content-length:\r\n 7\r\n",
					    "Transfer-Encoding: chunked\r\n",
					    "Connection: close\r\n",
					    "X-Request-Id: abc\r\n",
					    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
					    "Retry-After: 3\r\n",
					    "Host: h:1\n",
					    "A: b\rc\r\n",
					    "Idempotency-Key: k\r\n",
					    " folded\r\n",
					    "Expect: 100-continue\r\n"};
	static const char *const ends[] = {
		"\r\n", "\r\n0123456", "\n", "\r\n5;e\r\nhello\r\n0\r\n\r\n", "\r\n1\r\nx\r\n0\r\nT: t\r\n\r\n", ""};
	size_t n = 0;
	uint64_t r = hash_mix(*rng), filler = r >> 8 & 3 ? r >> 16 & 31 : r >> 16 & 2047;

	n += (size_t)snprintf(to + n, size - n, role == HTTP1_REQUEST ? "POST /%0*d?q HTTP/1.1\r\n" : "HTTP/1.1 200 %0*d\r\n",
			      (int)filler + 1, 7);
	for (uint64_t k = r & 3; k > 0; k--) {
		r = hash_mix(r);
		if (!(r & 7))
			n += (size_t)snprintf(to + n, size - n, "X-Long: %0*d\r\n", (int)(r >> 8 & 2047), 7);
		else
			n += (size_t)snprintf(to + n, size - n, "%s", lines[(r >> 8) % (sizeof(lines) / sizeof(lines[0]))]);
	}
	r = hash_mix(r);
	n += (size_t)snprintf(to + n, size - n, "%s", ends[r % (sizeof(ends) / sizeof(ends[0]))]);
	if (!(r >> 8 & 15))
		to[(r >> 16) % n] = (char)(r >> 48);
	*rng = r;
	return n;
}

static void check_random_streams(void)
{
	static char text[65536];
	uint64_t rng = 42;
	size_t bad = 0;

	for (int i = 0; i < 600; i++) {
		struct stream s = {i & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST, (uint32_t)(i & 2 ? HTTP1_IS_HEAD : 0), text, 0};

		while (s.n < 3000)
			s.n += random_piece(text + s.n, sizeof(text) - s.n, s.role, &rng);
		bad += !splits_agree(&s, 10, &rng);
	}
	is_int(bad, 0, "600 random streams give the same events and facts in any split");
}

/* Input that ends at a page without access: a read behind it would be a SIGSEGV. */
static void check_never_reads_outside(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), runs = 0;
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct log l;

	if (map == MAP_FAILED || mprotect(map + page, page, PROT_NONE)) {
		ok(false, "a guard page can be made");
		return;
	}
	for (size_t i = 0; i < EXAMPLES; i++) {
		struct stream s = stream_of(&examples[i]);

		for (size_t n = s.n; n > 0; n--, runs++) {
			struct stream cut = {s.role, s.request_flags, map + page - n, n};

			memcpy(map + page - n, s.data, n);
			follow(&cut, SIZE_MAX, NULL, &l);
			http1_plausible(s.role, cut.data, n);
		}
	}
	munmap(map, 2 * page);
	ok(runs > 1000, "every beginning of every example is read up to a guard page, not over it");
}

/* Feeds a whole message and returns its head as at HTTP1_DONE (or as far as it got). */
static struct http1_head head_of(enum http1_role role, const char *text, size_t n)
{
	struct stream s = {role, 0, text, n};
	enum http1_event event;
	struct http1 p;
	size_t at = 0;

	http1_init(&p, s.role);
	do
		at += http1_feed(&p, text + at, n - at, &event);
	while (event == HTTP1_HEAD || event == HTTP1_INTERIM);
	return p.head;
}

static struct http1_head request(const char *fields)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "GET /x HTTP/1.1\r\n%s\r\n", fields);

	return head_of(HTTP1_REQUEST, text, (size_t)n);
}

static struct http1_head text_request(const char *text)
{
	return head_of(HTTP1_REQUEST, text, strlen(text));
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define HASH_OF(s) hash_mix(hash_bytes(HASH_SEED, s, strlen(s)))

static void check_identifiers(void)
{
	uint64_t trace = HASH_OF(TRACE), id = HASH_OF("abc");

	ok(request("traceparent: 00-" TRACE "-b7ad6b7169203331-01\r\n").correlation == trace,
	   "correlation is the trace-id's hash");
	ok(request("TraceParent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\r\n").correlation == trace,
	   "a trace-id in capitals is the same one");
	ok(request("X-Request-Id: abc\r\n").correlation == id, "without traceparent correlation is X-Request-Id's hash");
	ok(request("amz-sdk-invocation-id: abc\r\n").correlation == id, "that of an AWS SDK is one too");
	ok(request("X-MS-Client-Request-Id: abc\r\n").correlation == id, "and that of an Azure SDK");
	ok(request("amz-sdk-request: attempt=2; max=3\r\n").correlation == 0, "the number of an attempt is none");
	ok(request("amz-sdk-invocation-id: abc\r\ntraceparent: 00-" TRACE "-b7ad6b7169203331-01\r\n").correlation == trace,
	   "traceparent wins over an SDK's as well");
	ok(request("X-Request-Id: abc\r\ntraceparent: 00-" TRACE "-b7ad6b7169203331-01\r\n").correlation == trace,
	   "traceparent wins when it comes last");
	ok(request("traceparent: 00-" TRACE "-b7ad6b7169203331-01\r\nX-Request-Id: abc\r\n").correlation == trace,
	   "traceparent wins when it comes first");
	ok(request("traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\nX-Request-Id: abc\r\n").correlation ==
		   id,
	   "a trace-id of zeros counts as none");
	ok(request("traceparent: 00-xaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n").correlation == 0,
	   "a trace-id that is not hexadecimal counts as none");
	ok(request("traceparent: 00-" TRACE "\r\n").correlation == 0, "a traceparent cut short counts as none");
	ok(request("traceparent: 00-" TRACE
		   "-b7ad6b7169203331-01\r\ntraceparent: 00-11111111111111111111111111111111-b7ad6b7169203331-01\r\n")
			   .correlation == trace,
	   "the first of two traceparents counts");
	ok(request("X-Request-Id:\r\n").correlation == 0, "an empty X-Request-Id counts as none");
	ok(request("X-Request-Id:\r\n abc\r\n").correlation == id, "a folded X-Request-Id is read");
	ok(request("Idempotency-Key:   abc \t\r\n").idempotency_key == id,
	   "an idempotency key is hashed without the blanks around it");
	ok(request("A: b\r\n").idempotency_key == 0 && request("Idempotency-Key:\r\n").idempotency_key == 0,
	   "no or an empty idempotency key is 0");
}

static int64_t retry_after(const char *value)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 503 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", value);

	return head_of(HTTP1_RESPONSE, text, (size_t)n).retry_after_ms;
}

static void check_retry_after(void)
{
	static const char *const dates[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
					    "Sun Nov  6 08:49:37 1994"};
	static const char *const wrong[] = {"",
					    "-1",
					    "1.5",
					    "soon",
					    "Sun, 06 Nov 1994",
					    "Sun, 06 Foo 1994 08:49:37 GMT",
					    "Sun, 06 Nov 1994 24:00:00 GMT",
					    "Thu, 01 Jan 1900 00:00:00 GMT"};

	is_int(retry_after("120"), 120000, "Retry-After in seconds becomes ms");
	is_int(retry_after("1\r\nRetry-After: 2"), 1000, "the first of two Retry-After counts");
	is_int(retry_after("0"), 0, "Retry-After 0 is 0, not none");
	is_int(retry_after("9223372036854775807"), INT64_MAX, "a Retry-After that does not fit in ms is the largest");
	for (size_t i = 0; i < 3; i++)
		is_int(retry_after(dates[i]), -2 - 784111777LL, "the date %s is understood", dates[i]);
	is_int(retry_after("Thu, 29 Feb 2024 23:59:60 GMT"), -2 - 1709251200LL, "a leap day and a leap second are understood");
	is_int(retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), -2, "the epoch is -2");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_int(retry_after(wrong[i]), -1, "Retry-After '%s' counts as none", wrong[i]);
	is_int(request("A: b\r\n").retry_after_ms, -1, "no Retry-After is -1");
}

static bool asks(struct http1_head head, const char *host, unsigned port)
{
	return head.authority.host == host_hash(host, strlen(host)) && head.authority.port == port;
}

static void check_host(void)
{
	static char lengthy[700] = "Host: ";

	ok(asks(request("Host: shop.example:8080\r\n"), "shop.example", 8080), "host and port");
	ok(asks(request("Host: Shop.Example.\r\n"), "shop.example", 0), "in any case, with the root's dot, without a port");
	ok(asks(request("Host: a\r\nHost: b\r\n"), "a", 0), "the first Host counts");
	ok(asks(request("Host: a:8o\r\n"), "a", 0) && asks(request("Host: a:65536\r\n"), "a", 0) && asks(request("Host: a:\r\n"), "a", 0),
	   "what is no port is none");
	ok(asks(request("Host: [::1]:80\r\n"), "[::1]", 80), "an IPv6 host with its port");
	ok(asks(request("Host: [::1\r\n"), "[::1", 0), "an IPv6 host without its bracket does no harm");
	ok(!request("Host:\r\n").authority.host && !request("A: b\r\n").authority.host, "an empty Host, or none, is no host");
	ok(asks(text_request("GET http://u@a:1/p HTTP/1.1\r\nHost: b:2\r\n\r\n"), "a", 1),
	   "the authority of an absolute target wins over Host");
	ok(asks(text_request("CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n\r\n"), "a.example", 443),
	   "CONNECT's authority is its target");
	memset(lengthy + 6, 'x', HOST_MAX + 1);
	memcpy(lengthy + 6 + HOST_MAX + 1, "\r\n", 3);
	ok(!request(lengthy).authority.host, "a host longer than a name can be is none");
	memset(lengthy + 6, 'x', 600);
	memcpy(lengthy + 606, "\r\n", 3);
	ok(!request(lengthy).authority.host, "nor is one on a line that was cut");
	is_int(text_request("GET / HTTP/1.0\r\n\r\n").minor, 0, "HTTP/1.0 has minor 0");
	is_int(text_request("GET / HTTP/1.1\r\nA: b\r\n\r\n").head_bytes, 24, "head_bytes counts the head with its blank line");
	is_int(text_request("\r\nGET / HTTP/1.1\r\n\r\n").head_bytes, 18, "head_bytes leaves out empty lines before the head");
}

/* Of one of these sizes, in one piece or in two chunks. */
static uint64_t fingerprint_of_size(int size, int chunked)
{
	char text[700];
	int n = chunked ? snprintf(text, sizeof(text), "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%0*d\r\n1\r\n0\r\n0\r\n\r\n",
				   size - 1, size - 1, 0)
			: snprintf(text, sizeof(text), "PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%0*d", size, size, 0);

	return head_of(HTTP1_REQUEST, text, (size_t)n).fingerprint;
}

/* Of a request whose body has an odd byte at `odd`; `odd` itself, and so never equal, when a split changes it. */
static uint64_t fingerprint_of_body(size_t odd)
{
	char text[400];
	uint64_t rng = 9;
	int n = snprintf(text, sizeof(text), "PUT / HTTP/1.1\r\nContent-Length: 300\r\n\r\n%0300d", 0);

	text[(size_t)n - 300 + odd] = 'x';
	if (!splits_agree(&(struct stream){HTTP1_REQUEST, 0, text, (size_t)n}, 20, &rng))
		return odd;
	return head_of(HTTP1_REQUEST, text, (size_t)n).fingerprint;
}

static void check_fingerprint(void)
{
	uint64_t a = text_request("POST /a?x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").fingerprint;

	ok(a == text_request("POST /a?x HTTP/1.1\r\nHost: h\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi").fingerprint,
	   "other fields leave the fingerprint alone");
	ok(a == text_request("POST /a?x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n").fingerprint,
	   "chunks leave the fingerprint alone");
	ok(a == text_request("POST http://h/a?x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").fingerprint,
	   "an absolute target leaves the fingerprint alone");
	ok(a != text_request("PUT /a?x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").fingerprint,
	   "another method changes the fingerprint");
	ok(a != text_request("POST /a?y HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").fingerprint,
	   "another query changes the fingerprint");
	ok(a != text_request("POST /a?x HTTP/1.1\r\nContent-Length: 2\r\n\r\nho").fingerprint,
	   "another body changes the fingerprint");
	is_int(head_of(HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 39).fingerprint, 0,
	       "a response has no fingerprint");
	ok(fingerprint_of_body(HTTP1_BODY_HASHED - 1) != fingerprint_of_body(HTTP1_BODY_HASHED),
	   "the body's first 256 bytes enter the fingerprint");
	ok(fingerprint_of_body(HTTP1_BODY_HASHED) == fingerprint_of_body(HTTP1_BODY_HASHED + 40), "its other bytes do not");
	ok(fingerprint_of_size(300, 0) != fingerprint_of_size(301, 0), "but how many they are");
	ok(fingerprint_of_size(300, 0) == fingerprint_of_size(300, 1), "however they come");
}

static const char *events_of(enum http1_role role, const char *text, size_t n)
{
	static struct log l;
	struct stream s = {role, 0, text, n};

	follow(&s, SIZE_MAX, NULL, &l);
	return l.text;
}

/* A request line of about n bytes whose byte at `odd` of the target is 'b', all others 'a'. */
static struct http1_head long_request(size_t n, size_t odd)
{
	static char text[80000];
	int k = snprintf(text, sizeof(text), "DELETE /%0*d HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz", (int)n, 0);

	memset(text + 8, 'a', n);
	text[8 + odd] = 'b';
	return head_of(HTTP1_REQUEST, text, (size_t)k);
}

/* The query of this request line's target, with what is flagged behind it; "none". */
static const char *query_of(const char *target, size_t n)
{
	static char text[5000], out[HTTP1_TARGET_MAX + 8];
	static const char end[] = " HTTP/1.1\r\nHost: h\r\n\r\n";
	struct http1_head head;
	struct http1 p;
	enum http1_event event;
	size_t at = 4;

	memcpy(text, "GET ", 4);
	memcpy(text + at, target, n);
	memcpy(text + at + n, end, sizeof(end));
	http1_init(&p, HTTP1_REQUEST);
	http1_keep_query(&p);
	http1_feed(&p, text, at + n + sizeof(end) - 1, &event);
	head = p.head;
	if (event != HTTP1_HEAD || !http1_query(&head))
		return event == HTTP1_HEAD ? "none" : "no head";
	snprintf(out, sizeof(out), "%s%s", http1_query(&head), head.flags & HTTP1_QUERY_CUT ? " cut" : "");
	return out;
}
#define QUERY_OF(target) query_of(target, sizeof(target) - 1)

static void check_query(void)
{
	struct http1_head h = text_request("GET /a?x=1 HTTP/1.1\r\n\r\n");
	static char target[3000];

	ok(!http1_query(&h) && !memchr(&h, '?', sizeof(h)) && !memmem(&h, sizeof(h), "x=1", 3), "unless asked for, nothing of a query is kept");
	is_str(QUERY_OF("/a?x=1&y=%20+"), "x=1&y=%20+", "a query is kept as it came");
	is_str(QUERY_OF("/a"), "none", "a target without one has none");
	is_str(QUERY_OF("/a?"), "", "an empty one is not none");
	is_str(QUERY_OF("/a??b#c"), "?b#c", "only the first question mark ends the path");
	is_str(QUERY_OF("/a#b?c"), "none", "a fragment is none");
	is_str(QUERY_OF("http://h:80?x"), "x", "behind an authority without path");
	is_str(QUERY_OF("http://h/p?x"), "x", "behind an absolute target's path");
	is_str(QUERY_OF("/a?\0b\x1b[31m\xff<b>"), "\\x00b\x1b[31m\xff<b>", "hostile bytes are data");
	memset(target, 'p', sizeof(target));
	memcpy(target, "/a?", 3);
	is_int(strlen(query_of(target, 3 + 339)), 339, "path and query have room for 341 bytes");
	is_int(strlen(query_of(target, 3 + 340)), 339 + 4, "of a longer one the beginning is kept, and flagged");
	is_int(strlen(query_of(target, sizeof(target))), 339 + 4, "however long its line");
	memset(target, 'p', 256);
	target[0] = '/';
	target[255] = '?';
	is_int(strlen(query_of(target, 256 + 86)), 86, "behind the longest path there is room for 86");
	is_int(strlen(query_of(target, 256 + 87)), 86 + 4, "and no more");
}

static void check_long_lines(void)
{
	struct http1_head h = long_request(5000, 4000);
	char text[4096];
	int n;

	is_str(h.method, "DELETE", "an over-long request line gives its method");
	is_int(strlen(h.path), HTTP1_PATH_MAX - 1, "an over-long request line gives the first 255 bytes of its path");
	ok(h.flags & HTTP1_PATH_CUT && h.minor == 1 && h.content_length == 3,
	   "it is flagged as cut, its version and fields are read");
	ok(h.fingerprint != long_request(5000, 600).fingerprint,
	   "a byte in the middle of an over-long target changes the fingerprint");
	is_int(strlen(long_request(254, 0).path), 255, "a path of 255 bytes is kept");
	ok(!(long_request(254, 0).flags & HTTP1_PATH_CUT), "a path of 255 bytes is not cut");
	ok(long_request(255, 0).flags & HTTP1_PATH_CUT, "a path of 256 bytes is cut");
	n = snprintf(text, sizeof(text), "HTTP/1.1 200 %0*d\r\n\r\n", 2000, 0);
	is_int(head_of(HTTP1_RESPONSE, text, (size_t)n).fingerprint, 0,
	       "an over-long status line leaves a response without fingerprint");
	n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nTransfer-Encoding: chunked,%*s\r\n\r\n", 2000, "gzip");
	is_str(events_of(HTTP1_REQUEST, text, (size_t)n), "opaque", "an over-long Transfer-Encoding is not trusted");
	n = snprintf(text, sizeof(text), "GET /p?%0*d HTTP/1.1\r\n\r\n", 2000, 0);
	h = head_of(HTTP1_REQUEST, text, (size_t)n);
	ok(!strcmp(h.path, "/p") && !(h.flags & HTTP1_PATH_CUT), "a long query does not cut the path");
	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nX-Long: %0*d\r\nContent-Length: 3\r\n\r\nabc", 2000, 0);
	is_int(head_of(HTTP1_REQUEST, text, (size_t)n).content_length, 3, "an over-long field is skipped, the next one read");
	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nContent-Length: %0*d\r\n\r\nabc", 2000, 3);
	ok(!(head_of(HTTP1_REQUEST, text, (size_t)n).flags & HTTP1_HAS_LENGTH), "an over-long Content-Length is not trusted");
}

/* A head of exactly n bytes. */
static char *head_of_size(size_t n)
{
	char *text = malloc(n + 1);
	size_t k = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");

	while (n - k - 2 > 2000)
		k += (size_t)sprintf(text + k, "X: %0*d\r\n", 995, 0);
	sprintf(text + k, "X: %0*d\r\n\r\n", (int)(n - k - 7), 0);
	return text;
}

/* A chunked body that goes on so, and then with more bytes than a head may have. */
static void check_endless(const char *chunks, bool in_lines, const char *what)
{
	const char *head = "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
	char *text = malloc(2 * HTTP1_HEAD_MAX);
	size_t n = (size_t)sprintf(text, "%s%s", head, chunks);

	memset(text + n, 'a', HTTP1_HEAD_MAX);
	for (size_t i = 100; in_lines && i < HTTP1_HEAD_MAX; i += 100)
		text[n + i] = '\n';
	is_str(events_of(HTTP1_REQUEST, text, n + HTTP1_HEAD_MAX), "GET / [chunked]; opaque", "%s", what);
	free(text);
}

static void check_limits(void)
{
	char *fits = head_of_size(HTTP1_HEAD_MAX), *over = head_of_size(HTTP1_HEAD_MAX + 1);
	struct stream s = {HTTP1_REQUEST, 0, over, HTTP1_HEAD_MAX + 1};
	uint64_t rng = 3;

	is_str(events_of(HTTP1_REQUEST, fits, HTTP1_HEAD_MAX), "GET /; done; |idle", "a head of HTTP1_HEAD_MAX bytes is read");
	is_str(events_of(HTTP1_REQUEST, over, HTTP1_HEAD_MAX + 1), "opaque", "a longer head is opaque");
	ok(splits_agree(&s, 5, &rng), "and so in any split");
	memset(over, 'a', HTTP1_HEAD_MAX + 1);
	memcpy(over, "GET /", 5);
	is_str(events_of(HTTP1_REQUEST, over, HTTP1_HEAD_MAX + 1), "opaque",
	       "a line without end is opaque when it is longer than a head may be");
	check_endless("5;", false, "an endless chunk extension is opaque");
	check_endless("0\r\nT: ", false, "an endless trailer is opaque");
	check_endless("0\r\nT: ", true, "so are endless trailers");
	free(fits);
	free(over);
}

/* A response parser inside the body of the given head. */
static struct http1 in_body(const char *head)
{
	enum http1_event event;
	struct http1 p;

	http1_init(&p, HTTP1_RESPONSE);
	http1_feed(&p, head, strlen(head), &event);
	return p;
}

/* Of a request whose body of 10 bytes begins with 9 unseen ones. */
static uint64_t fingerprint_behind_skip(const char *last)
{
	const char *head = "PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n";
	enum http1_event event;
	struct http1 p;

	http1_init(&p, HTTP1_REQUEST);
	http1_feed(&p, head, strlen(head), &event);
	http1_skip(&p, 9, &event);
	http1_feed(&p, last, 1, &event);
	return event == HTTP1_DONE ? p.head.fingerprint : (uint64_t)*last;
}

/* 5 bytes of a chunk and their line end, of which the first `unseen` are not seen; then the last chunk. */
static void check_skip_chunk_ends(void)
{
	static const char text[] = "hello\r\n0\r\n\r\n";
	enum http1_event event;
	struct http1 p;

	for (size_t unseen = 1; unseen <= 7; unseen++) {
		p = in_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		http1_feed(&p, "5\r\n", 3, &event);
		for (size_t n = 0; n < unseen; n += 3)
			http1_skip(&p, unseen - n < 3 ? unseen - n : 3, &event);
		is_int(event, HTTP1_MORE, "%zu unseen bytes of a chunk and its line end are counted", unseen);
		http1_feed(&p, text + unseen, sizeof(text) - 1 - unseen, &event);
		is_int(event, HTTP1_DONE, "and the message ends where it does");
	}
}

static void check_skip(void)
{
	struct http1 p = in_body("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
	enum http1_event event;

	ok(http1_skip(&p, 60, &event) == 60 && event == HTTP1_MORE, "unseen bytes of a sized body are counted");
	ok(http1_skip(&p, 60, &event) == 40 && event == HTTP1_DONE, "they complete it, and no more are used");
	ok(http1_skip(&p, 0, &event) == 0 && event == HTTP1_MORE, "skipping nothing between messages is harmless");
	ok(http1_skip(&p, 20, &event) == 0 && event == HTTP1_OPAQUE, "unseen bytes between messages lose the framing");
	p = in_body("HTTP/1.1 200 OK\r\n\r\n");
	ok(http1_skip(&p, 1ull << 40, &event) == (size_t)(1ull << 40) && event == HTTP1_MORE,
	   "unseen bytes until close are counted");
	is_int(http1_eof(&p), HTTP1_DONE, "and the end of the stream completes them");
	p = in_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	http1_feed(&p, "5\r\nh", 4, &event);
	ok(http1_skip(&p, 4, &event) == 4 && event == HTTP1_MORE, "unseen bytes inside one chunk are counted");
	http1_feed(&p, "\r\n0\r\n\r\n", 7, &event);
	is_int(event, HTTP1_DONE, "and the chunks go on behind them");
	p = in_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	http1_feed(&p, "5\r\n", 3, &event);
	ok(http1_skip(&p, 8, &event) == 0 && event == HTTP1_OPAQUE, "unseen bytes beyond a chunk and its line end lose the framing");
	check_skip_chunk_ends();
	p = in_body("HTTP/1.1 204 No\r\n\r\n");
	ok(http1_skip(&p, 5, &event) == 0 && event == HTTP1_DONE, "a message without body is done before unseen bytes");
	ok(fingerprint_behind_skip("x") == fingerprint_behind_skip("y"), "bytes behind unseen ones do not enter the fingerprint");
	p = in_body("HTTP/1.1 101 S\r\n\r\n");
	ok(http1_skip(&p, 5, &event) == 0 && event == HTTP1_DONE, "so is a switch of protocols");
	p = in_body("HTTP/1.1 200");
	ok(http1_skip(&p, 1, &event) == 0 && event == HTTP1_OPAQUE, "unseen bytes in a head lose the framing");
	ok(http1_feed(&p, "HTTP/1.1 200 OK\r\n\r\n", 19, &event) == 0 && event == HTTP1_OPAQUE, "and it stays lost");
}

/* What is before and behind the stop, as the bytes that were used up to it; the same for every split. */
static size_t used_to_stop(uint32_t request_flags, const char *stream, size_t n, uint64_t stop, size_t piece, bool *done_first)
{
	enum http1_event event = HTTP1_MORE;
	struct http1 p;
	size_t at = 0;

	http1_init(&p, RES);
	http1_answers(&p, request_flags);
	http1_stop(&p, stop);
	while (event != HTTP1_STOP && event != HTTP1_DONE) {
		size_t k = piece < n - at ? piece : n - at;

		at += http1_feed(&p, stream + at, k, &event);
		if (event == HTTP1_OPAQUE || (event == HTTP1_MORE && at == n))
			break;
	}
	*done_first = event != HTTP1_STOP;
	return at;
}

static void check_stop(void)
{
#define SIZED_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define CHUNK_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OPEN_HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define EMPTY_HEAD "HTTP/1.1 204 No Content\r\n\r\n"
#define INTERIM "HTTP/1.1 100 Continue\r\n\r\n"
	static const struct {
		const char *says, *stream;
		uint64_t stop;
		size_t before;	/* bytes of the stream that come before the stop; 0: there is none */
		uint32_t request_flags;
	} t[] = {
		{"in a sized body", SIZED_HEAD "0123456789", 4, sizeof(SIZED_HEAD) - 1 + 4, 0},
		{"at the end of a sized body", SIZED_HEAD "0123456789", 10, sizeof(SIZED_HEAD) - 1 + 10, 0},
		{"behind a sized body", SIZED_HEAD "0123456789", 11, 0, 0},
		{"right after the head", SIZED_HEAD "0123456789", 0, sizeof(SIZED_HEAD) - 1, 0},
		{"in a chunk", CHUNK_HEAD "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n", 2, sizeof(CHUNK_HEAD) - 1 + 5, 0},
		{"at the end of a chunk", CHUNK_HEAD "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n", 4, sizeof(CHUNK_HEAD) - 1 + 7, 0},
		{"in the second chunk", CHUNK_HEAD "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n", 5, sizeof(CHUNK_HEAD) - 1 + 13, 0},
		{"at the end of the last chunk", CHUNK_HEAD "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n", 7, sizeof(CHUNK_HEAD) - 1 + 15, 0},
		{"behind all chunks", CHUNK_HEAD "4\r\nabcd\r\n0\r\n\r\n", 5, 0, 0},
		{"before the first chunk", CHUNK_HEAD "4\r\nabcd\r\n0\r\n\r\n", 0, sizeof(CHUNK_HEAD) - 1, 0},
		{"in a body until close", OPEN_HEAD "abcdef", 3, sizeof(OPEN_HEAD) - 1 + 3, 0},
		{"after a head without body", EMPTY_HEAD, 0, sizeof(EMPTY_HEAD) - 1, 0},
		{"in a body that is not there", EMPTY_HEAD, 1, 0, 0},
		{"after the answer to HEAD", SIZED_HEAD, 0, sizeof(SIZED_HEAD) - 1, HTTP1_IS_HEAD},
		{"after an interim head", INTERIM SIZED_HEAD "0123456789", 0, sizeof(INTERIM SIZED_HEAD) - 1, 0},
		{"in a body after an interim head", INTERIM SIZED_HEAD "0123456789", 3, sizeof(INTERIM SIZED_HEAD) - 1 + 3, 0},
	};
	bool done_first;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = strlen(t[i].stream), bad = 0;

		for (size_t piece = 1; piece <= n; piece++) {
			size_t used = used_to_stop(t[i].request_flags, t[i].stream, n, t[i].stop, piece, &done_first);

			bad += done_first != !t[i].before || (t[i].before && used != t[i].before);
		}
		is_int(bad, 0, "a stop %s comes %s, however the stream is split", t[i].says, t[i].before ? "there" : "never");
	}
}

static void check_after_stop(void)
{
	enum http1_event event;
	struct http1 p;

	http1_init(&p, RES);
	http1_stop(&p, 4);
	is_int(http1_room(&p), 0, "before a head nobody knows how much follows");
	http1_feed(&p, SIZED_HEAD, sizeof(SIZED_HEAD) - 1, &event);
	is_int(http1_room(&p), 4, "in a sized body there is room up to the stop");
	ok(http1_skip(&p, 9, &event) == 4 && event == HTTP1_STOP, "unseen bytes stop there as well");
	is_int(http1_room(&p), 6, "behind the stop there is room up to the end");
	ok(http1_feed(&p, "4567", 4, &event) == 4 && event == HTTP1_MORE, "a message goes on behind its stop");
	ok(http1_feed(&p, "89HTTP", 6, &event) == 2 && event == HTTP1_DONE, "and ends where it would");
	http1_feed(&p, SIZED_HEAD, sizeof(SIZED_HEAD) - 1, &event);
	ok(http1_feed(&p, "0123456789", 10, &event) == 10 && event == HTTP1_DONE, "the next message does not stop");
	http1_feed(&p, OPEN_HEAD, sizeof(OPEN_HEAD) - 1, &event);
	ok(http1_room(&p) == UINT64_MAX, "a body until close has room without end");

	http1_init(&p, RES);
	http1_stop(&p, 10);
	http1_feed(&p, SIZED_HEAD, sizeof(SIZED_HEAD) - 1, &event);
	ok(http1_feed(&p, "0123456789", 10, &event) == 10 && event == HTTP1_STOP, "a stop at the end comes before the end");
	ok(http1_feed(&p, "HTTP", 4, &event) == 0 && event == HTTP1_DONE, "which follows at once");
}

static void check_idle(void)
{
	enum http1_event event;
	struct http1 p;

	http1_init(&p, HTTP1_REQUEST);
	http1_feed(&p, "?\r\n", 3, &event);
	ok(http1_feed(&p, "GET / HTTP/1.1\r\n\r\n", 18, &event) == 0 && event == HTTP1_OPAQUE && !http1_idle(&p),
	   "opaque stays opaque");
	http1_init(&p, HTTP1_REQUEST);
	ok(http1_idle(&p), "a new parser is idle");
	ok(http1_feed(&p, NULL, 0, &event) == 0 && event == HTTP1_MORE, "feeding nothing is harmless");
	http1_feed(&p, "G", 1, &event);
	ok(!http1_idle(&p), "a first byte makes it busy");
	is_int(http1_feed(&p, "ET / HTTP/1.1\r\n\r\nGET", 20, &event), 17, "the head is used up to its end");
	ok(event == HTTP1_HEAD && !http1_idle(&p), "after the head it is busy");
	ok(http1_feed(&p, "GET", 3, &event) == 0 && event == HTTP1_DONE && http1_idle(&p), "after the message it is idle");
	is_str(p.head.path, "/", "the head is kept after the message");
}

static void check_plausible(void)
{
	/* clang-format off */
	static const struct {
		const char *text;
		bool request, response;
	} t[] = {
		{ "", true, true }, { "G", true, false }, { "GET", true, false }, { "GET /x", true, false }, { "HT", true, true },
		{ "HTTP/1.", false, true }, { "HTTP/1.1 2", false, true }, { "HTTP/2", false, false }, { "\x16\x03\x01", false, false },
		{ "*3\r\n$3\r\nSET", false, false }, { "get key\r\n", false, false }, { "GET / HTTP/1.1\r\nHo", true, false },
		{ "\r\nGET / HTTP/1.1\r\n", true, false }, { "HTTP/1.1 200 OK\r\n", false, true }, { "HTTP/1.1 2 OK\r\n", false, false },
		{ "PRI * HTTP/2.0\r\n", false, false }, { "\x80", false, false }
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		is_int(http1_plausible(HTTP1_REQUEST, t[i].text, strlen(t[i].text)), t[i].request,
		       "beginning %zu of %s a request", i, t[i].request ? "" : "no");
		is_int(http1_plausible(HTTP1_RESPONSE, t[i].text, strlen(t[i].text)), t[i].response,
		       "beginning %zu of %s a response", i, t[i].response ? "" : "no");
	}
}

static void check_guess(void)
{
	static const struct {
		const char *seen;
		enum http1_role role;
		bool known;
		const char *what;
	} rows[] = {
		{"GET /a/very/long", HTTP1_REQUEST, true, "GET /a/very/long cut"},
		{"GET /a?long=", HTTP1_REQUEST, true, "GET /a"},
		{"HEAD /a HTTP/1.1\r\nCookie: much", HTTP1_REQUEST, true, "HEAD /a"},
		{"GET /a HTTP/1.1\r\n", HTTP1_REQUEST, true, "GET /a"},
		{"GET ", HTTP1_REQUEST, false, ""},
		{"GE", HTTP1_REQUEST, false, ""},
		{"HTTP/1.1 503 Service Una", HTTP1_RESPONSE, true, "503"},
		{"HTTP/1.1 200 OK\r\nSet-Cookie: a", HTTP1_RESPONSE, true, "200"},
		{"HTTP/1.1 103 Early Hints\r\nLink: a", HTTP1_RESPONSE, false, ""},
		{"HTTP/1.1 2", HTTP1_RESPONSE, false, ""},
	};
	enum http1_event event;
	struct http1 p;
	struct log l;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		http1_init(&p, rows[i].role);
		http1_feed(&p, rows[i].seen, strlen(rows[i].seen), &event);
		ok(http1_in_head(&p), "what was seen in row %zu is in a head", i);
		is_int(http1_guess(&p), rows[i].known, "the rest of row %zu can%s be guessed", i, rows[i].known ? "" : "not");
		l.n = 0;
		l.text[0] = '\0';
		if (rows[i].known && rows[i].role == HTTP1_RESPONSE)
			say(&l, "%d", p.head.status);
		else if (rows[i].known)
			say(&l, "%s %s%s", p.head.method, p.head.path, p.head.flags & HTTP1_PATH_CUT ? " cut" : "");
		is_str(l.text, rows[i].what, "what it guesses");
		http1_feed(&p, "x", 1, &event);
		is_int(event, HTTP1_OPAQUE, "and follows no more");
	}
}

int main(void)
{
	check_guess();
	check_examples();
	check_example_splits();
	check_same_heads();
	check_same_answers();
	check_random_streams();
	check_never_reads_outside();
	check_identifiers();
	check_retry_after();
	check_host();
	check_fingerprint();
	check_query();
	check_long_lines();
	check_limits();
	check_skip();
	check_stop();
	check_after_stop();
	check_idle();
	check_plausible();
	return tap_done();
}
