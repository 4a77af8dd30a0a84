/* SPDX-License-Identifier: MIT */
#include "record/protocol.h"

#include <string.h>

struct text {
	const unsigned char *at;
	size_t n;
};

static bool starts_with(struct text t, const char *prefix, size_t n)
{
	return t.n >= n && !memcmp(t.at, prefix, n);
}

/* RFC 9113 §3.4: the client connection preface. */
static bool is_http2(struct text t)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n";

	return starts_with(t, preface, sizeof(preface) - 1);
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

/* StartupMessage, SSLRequest, GSSENCRequest: a length that covers itself, then a version or a magic number. */
static bool is_postgresql(struct text t)
{
	uint32_t length, code;

	if (t.n < 8)
		return false;
	length = big32(t.at);
	code = big32(t.at + 4);
	if (code == 80877103 || code == 80877104)
		return length == 8;
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

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].protocol == protocol && starts_with(t, errors[i].prefix, strlen(errors[i].prefix)))
			return true;
	return false;
}

bool protocol_is_veiled(enum protocol protocol)
{
	return protocol == PROTOCOL_HTTP2 || protocol == PROTOCOL_TLS;
}
