/* SPDX-License-Identifier: MIT */
#include "record/protocol.h"

#include <string.h>

#define PROTOCOL_CUT_LINE 64	/* a line without end shorter than this was not cut by the capture */

struct text {
	const unsigned char *at;
	size_t n;
};

static bool starts_with(struct text t, const char *prefix, size_t n)
{
	return t.n >= n && !memcmp(t.at, prefix, n);
}

/* RFC 9113 §3.4: the client connection preface, or its beginning: no HTTP/1 request has that method (RFC 9113 §11.6). */
static bool is_http2(struct text t)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	const size_t n = sizeof(preface) - 1;

	return t.n >= 4 && !memcmp(t.at, preface, t.n < n ? t.n : n);
}

/* RFC 8446 §5.1: a handshake record of SSL 3.0 to TLS 1.3, carrying a ClientHello. */
static bool is_tls(struct text t)
{
	return t.n >= 6 && t.at[0] == 0x16 && t.at[1] == 0x03 && t.at[2] <= 0x04 && t.at[5] == 0x01;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* A command is an array of bulk strings: "*2\r\n$3\r\nGET\r\n...". */
static bool is_redis(struct text t)
{
	size_t i = 1;

	if (t.n < 4 || t.at[0] != '*' || !is_digit(t.at[1]))
		return false;
	while (i < t.n && is_digit(t.at[i]))
		i++;
	return i + 1 < t.n && t.at[i] == '\r' && t.at[i + 1] == '\n' && (i + 2 == t.n || t.at[i + 2] == '$');
}

static uint32_t big32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* StartupMessage, SSLRequest, GSSENCRequest, CancelRequest: a length that covers itself, then a version or a magic number. */
static bool is_postgresql(struct text t)
{
	uint32_t length, code;

	if (t.n < 8)
		return false;
	length = big32(t.at);
	code = big32(t.at + 4);
	if (code == 80877103 || code == 80877104)
		return length == 8;
	if (code == 80877102)	/* CancelRequest */
		return length == 16;
	return (code == 0x00030000 || code == 0x00030002) && length > 8 && length <= 10000;
}

/* The text protocol's commands are lower case, which no HTTP method in use is. */
static bool is_memcached(struct text t)
{
	static const char *const commands[] = {"get ", "gets ", "set ", "add ", "replace ", "append ", "prepend ", "cas ", "delete ",
					       "incr ", "decr ", "touch ", "stats\r\n", "version\r\n", "mg ", "ms ", "md ", "mn\r\n"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (starts_with(t, commands[i], strlen(commands[i])))
			return true;
	return false;
}

static bool is_http1(struct text t)
{
	return t.n && http1_plausible(HTTP1_REQUEST, t.at, t.n);
}

static const struct {
	enum protocol protocol;
	bool (*matches)(struct text t);
} signatures[] = {
	{PROTOCOL_HTTP2, is_http2},
	{PROTOCOL_TLS, is_tls},
	{PROTOCOL_REDIS, is_redis},
	{PROTOCOL_POSTGRESQL, is_postgresql},
	{PROTOCOL_MEMCACHED, is_memcached},
	{PROTOCOL_HTTP1, is_http1},
};

enum protocol protocol_detect(const void *data, size_t n)
{
	struct text t = {data, n};

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (signatures[i].matches(t))
			return signatures[i].protocol;
	return PROTOCOL_OPAQUE;
}

/* ---- from the middle of a stream: only what can hardly be anything else, as any bytes may come ---- */

/* A whole request line; one that the capture cut must at least have a usual method and kind of target. */
static bool is_request_line(struct text t)
{
	static const char *const usual[] = {"GET /", "POST /", "PUT /", "DELETE /", "HEAD /", "PATCH /", "OPTIONS /"};

	if (!t.n || t.at[0] < 'A' || t.at[0] > 'Z')
		return false;
	if (memchr(t.at, '\n', t.n))
		return http1_plausible(HTTP1_REQUEST, t.at, t.n);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]) && t.n >= PROTOCOL_CUT_LINE; i++)
		if (starts_with(t, usual[i], strlen(usual[i])))
			return true;
	return false;
}

/* A record that begins here, of TLS 1.0 to 1.3 (RFC 8446 §5.1, §5.2). */
static bool is_tls_record(struct text t)
{
	return t.n >= 5 && t.at[0] >= 0x14 && t.at[0] <= 0x17 && t.at[1] == 0x03 && t.at[2] <= 0x04 && t.at[2] >= 0x01 &&
	       (t.at[3] << 8 | t.at[4]) <= 16640 && (t.at[3] || t.at[4]);
}

/* Frames (RFC 9113 §4.1) one after the other, as far as is seen, of types and flags that there are; they add up to what moved. */
static bool is_http2_frames(struct text t, uint64_t bytes)
{
	static const uint8_t flags[10] = {0x09, 0x2d, 0, 0, 0x01, 0x04, 0x01, 0, 0, 0x04};
	uint64_t at = 0;

	while (at < bytes && at + 9 <= t.n) {
		const unsigned char *p = t.at + at;

		if (p[3] > 9 || (p[4] & ~flags[p[3]]) || (p[5] & 0x80))
			return false;
		at += 9 + ((uint64_t)p[0] << 16 | (uint64_t)p[1] << 8 | p[2]);
	}
	return at == bytes || (at > t.n && t.n < bytes && at < bytes);
}

/* A message of a client whose length and type agree with what moved; a Query ends with a NUL. */
static bool is_postgresql_message(struct text t, uint64_t bytes)
{
	uint64_t at = 0;

	while (at < bytes && at + 5 <= t.n) {
		if (!memchr("BCDEFHPQSXcdfp", t.at[at], 14) || big32(t.at + at + 1) < 4)
			return false;
		at += 1 + (uint64_t)big32(t.at + at + 1);
	}
	return at == bytes;
}

enum protocol protocol_detect_mid(const void *data, size_t n, uint64_t bytes)
{
	struct text t = {data, n};

	if (is_request_line(t))
		return PROTOCOL_HTTP1;
	if (is_redis(t))
		return PROTOCOL_REDIS;
	if (is_http2(t) || is_http2_frames(t, bytes))
		return PROTOCOL_HTTP2;
	if (is_tls_record(t))
		return PROTOCOL_TLS;
	if (is_postgresql_message(t, bytes))
		return PROTOCOL_POSTGRESQL;
	if (is_memcached(t) && n == bytes && t.at[n - 1] == '\n')
		return PROTOCOL_MEMCACHED;
	return PROTOCOL_OPAQUE;
}

bool protocol_answer_failed(enum protocol protocol, const void *data, size_t n)
{
	static const struct {
		enum protocol protocol;
		const char *prefix;
	} errors[] = {
		{PROTOCOL_REDIS, "-"},
		{PROTOCOL_POSTGRESQL, "E"},
		{PROTOCOL_MEMCACHED, "SERVER_ERROR"},
		{PROTOCOL_MEMCACHED, "ERROR\r\n"},
	};
	struct text t = {data, n};

	if (protocol == PROTOCOL_REDIS && (starts_with(t, "-MOVED ", 7) || starts_with(t, "-ASK ", 5)))
		return false;	/* it sends the client elsewhere: nothing failed */
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].protocol == protocol && starts_with(t, errors[i].prefix, strlen(errors[i].prefix)))
			return true;
	return false;
}

bool protocol_is_veiled(enum protocol protocol)
{
	return protocol == PROTOCOL_HTTP2 || protocol == PROTOCOL_TLS;
}

bool protocol_is_goodbye(enum protocol protocol, const void *data, size_t n)
{
	static const struct {
		enum protocol protocol;
		const char *bytes;
		size_t n;
	} goodbyes[] = {
		{PROTOCOL_POSTGRESQL, "X\0\0\0\4", 5},
		{PROTOCOL_MEMCACHED, "quit\r\n", 6},
		{PROTOCOL_OPAQUE, "\1\0\0\0\1", 5},
	};

	for (size_t i = 0; i < sizeof(goodbyes) / sizeof(goodbyes[0]); i++)
		if ((goodbyes[i].protocol == protocol || !protocol) && n == goodbyes[i].n && !memcmp(data, goodbyes[i].bytes, n))
			return true;
	return false;
}
