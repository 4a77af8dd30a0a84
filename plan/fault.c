/* SPDX-License-Identifier: MIT */
#include "plan/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GLOB "a pattern: * is any run of characters, ? any one"
#define COUNT "a whole number from 1 on, such as 3"

/* A row: name, JSON types, kind, parser, sentence, what exists; what is accepted; meaning, example. */
/* clang-format off */
const struct fault_key fault_keys[FAULT_KEYS] = {
	[FAULT_NAME] = {"name", FAULT_STRING, FAULT_LABEL, fault_parse_name, NULL,
		"at most 64 letters, digits and . _ : - + @, beginning with a letter, a digit, _ or :",
		"how reports call it; default made from its keys", "payments-429"},
	[FAULT_TO] = {"to", FAULT_STRING, FAULT_WHERE, fault_parse_to, NULL,
		"host, host:port, :port, a network such as 10.0.0.0/8, [IPv6]:port, unix:/path or *",
		"client side: exchanges that the program starts to this peer: host, host:port, :port, CIDR, unix:/path, * (any)",
		"127.0.0.1:8082"},
	[FAULT_AT] = {"at", FAULT_STRING, FAULT_WHERE, fault_parse_at, NULL,
		"host, host:port, :port, a network such as 10.0.0.0/8, [IPv6]:port, unix:/path or *",
		"server side: exchanges that arrive at this local address of the program, or ask for this host; * any", ":8082"},
	[FAULT_PROCESS] = {"process", FAULT_STRING, FAULT_WHERE, fault_parse_glob, NULL,
		GLOB,
		"glob on the program's service name", "orders*"},
	[FAULT_METHOD] = {"method", FAULT_STRING, FAULT_HTTP, fault_parse_method, NULL,
		"one HTTP method such as POST",
		"HTTP: method of the request", "POST"},
	[FAULT_PATH] = {"path", FAULT_STRING, FAULT_HTTP, fault_parse_path, NULL,
		"a pattern that begins with / or *, such as /charge/*",
		"HTTP: glob on the path, without the query", "/charge/*"},
	[FAULT_HEADER] = {"header", FAULT_STRING, FAULT_HTTP, fault_parse_header, NULL,
		"a header name, a colon and a pattern, such as 'X-Tenant: gold*'",
		"HTTP: Name: glob on a request header", "X-Tenant: gold*"},
	[FAULT_PROBABILITY] = {"probability", FAULT_STRING | FAULT_NUMBER, FAULT_WHEN, fault_parse_probability, NULL,
		"a share from 0 to 1, or a percentage such as 30%",
		"share of matching exchanges hit, 0..1 or percent; 0 only watches", "30%"},
	[FAULT_EVERY] = {"every", FAULT_STRING | FAULT_NUMBER, FAULT_WHEN, fault_parse_every, NULL,
		COUNT,
		"every n-th matching exchange", "3"},
	[FAULT_AFTER] = {"after", FAULT_STRING | FAULT_NUMBER, FAULT_WHEN, fault_parse_after, NULL,
		"a whole number from 0 on, such as 3",
		"skip the first n matching exchanges", "3"},
	[FAULT_FIRST] = {"first", FAULT_STRING | FAULT_NUMBER, FAULT_WHEN, fault_parse_first, NULL,
		COUNT,
		"only the first n (of those after `after`)", "2"},
	[FAULT_MAX] = {"max", FAULT_STRING | FAULT_NUMBER, FAULT_WHEN, fault_parse_max, NULL,
		COUNT,
		"at most n hits in the whole run", "10"},
	[FAULT_PATTERN] = {"pattern", FAULT_STRING, FAULT_WHEN, fault_parse_pattern, NULL,
		"x (hit) and . (pass) only, at least one x, such as xxxx.",
		"scripted outcomes, repeated: x = hit, . = pass", "xxxx."},
	[FAULT_FROM] = {"from", FAULT_STRING, FAULT_WHEN, fault_parse_from, NULL,
		"a time with its unit such as 10s",
		"begin of the window, since the run started", "10s"},
	[FAULT_FOR] = {"for", FAULT_STRING, FAULT_WHEN, fault_parse_for, NULL,
		"a time above 0 with its unit such as 30s",
		"length of the window", "30s"},
	[FAULT_DELAY] = {"delay", FAULT_STRING, FAULT_ACTION, fault_parse_delay, fault_say_delay,
		"600ms, 100ms..300ms (uniform), 200ms~50ms (normal) or p50:200ms,p99:2s (lognormal)",
		"600ms · 100ms..300ms (uniform) · 200ms~50ms (normal) · p50:200ms,p99:2s (lognormal)", "600ms"},
	[FAULT_DELAY_ON] = {"delay_on", FAULT_STRING, FAULT_PART, fault_parse_delay_on, NULL,
		"response, request, connect or resolve",
		"what is delayed: response (default), request, connect, resolve", "response"},
	[FAULT_STATUS] = {"status", FAULT_STRING | FAULT_NUMBER, FAULT_ACTION, fault_parse_status, fault_say_status,
		"an HTTP status from 200 to 599",
		"answer with this HTTP status; the request never reaches the other side", "429"},
	[FAULT_RETRY_AFTER] = {"retry_after", FAULT_STRING | FAULT_NUMBER, FAULT_PART, fault_parse_retry_after, NULL,
		"whole seconds such as 2s",
		"Retry-After of that answer, in whole seconds", "2s"},
	[FAULT_REPLY_HEADER] = {"reply_header", FAULT_STRING | FAULT_LIST, FAULT_PART, fault_parse_reply_header, NULL,
		"one line 'Name: value' without line breaks",
		"a header of that answer; may be given several times", "X-Reason: overload"},
	[FAULT_BODY] = {"body", FAULT_STRING, FAULT_PART, fault_parse_body, NULL,
		"text",
		"the body of that answer", "try later"},
	[FAULT_REFUSE] = {"refuse", FAULT_STRING | FAULT_BOOL, FAULT_ACTION, fault_parse_refuse, fault_say_refuse,
		"true or false",
		"connect is refused", "true"},
	[FAULT_HANG] = {"hang", FAULT_STRING, FAULT_ACTION, fault_parse_hang, fault_say_hang,
		"connect or response",
		"connect: SYN into the void · response: the request goes out, nothing comes back", "response"},
	[FAULT_RESET] = {"reset", FAULT_STRING | FAULT_NUMBER, FAULT_ACTION, fault_parse_reset, fault_say_reset,
		"connect, request, response, or a number of bytes above 0",
		"a real RST: connect, request, response, or after n bytes of the response", "response"},
	[FAULT_ERROR] = {"error", FAULT_STRING, FAULT_ACTION, fault_parse_error, fault_say_error,
		"connect:ERRNO, send:ERRNO or recv:ERRNO",
		"an errno at connect/send/recv that the call can really return", "recv:ETIMEDOUT"},
	[FAULT_TRUNCATE] = {"truncate", FAULT_STRING | FAULT_NUMBER, FAULT_ACTION, fault_parse_truncate, fault_say_truncate,
		"a number of bytes such as 100 or 64k",
		"close after n bytes of the response body", "100"},
	[FAULT_THROTTLE] = {"throttle", FAULT_STRING, FAULT_ACTION, fault_parse_throttle, fault_say_throttle,
		"bytes per second with a unit, such as 64k",
		"bytes per second", "64k"},
	[FAULT_RESOLVE] = {"resolve", FAULT_STRING, FAULT_ACTION, fault_parse_resolve, fault_say_resolve,
		"EAI_AGAIN, EAI_NONAME, EAI_FAIL, EAI_NODATA, EAI_MEMORY or EAI_SYSTEM",
		"name resolution fails: EAI_AGAIN, EAI_NONAME …", "EAI_AGAIN"},
};
/* clang-format on */

const struct fault_key *fault_key_find(const char *name)
{
	for (int k = 0; k < FAULT_KEYS; k++)
		if (!strcmp(fault_keys[k].name, name))
			return &fault_keys[k];
	return NULL;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits (insert, delete, change) between two words of at most 31 bytes; a swap of neighbours counts as two. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32], n = (unsigned)strlen(b);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; i++, a++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (*a != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

const struct fault_key *fault_key_near(const char *name)
{
	const struct fault_key *best = NULL;
	unsigned least_edits = 3;

	for (int k = 0; k < FAULT_KEYS && strlen(name) < 32; k++) {
		unsigned edits = distance(name, fault_keys[k].name);

		if (edits < least_edits && edits < strlen(fault_keys[k].name)) {
			least_edits = edits;
			best = &fault_keys[k];
		}
	}
	return best;
}

void fault_init(struct plan_fault *f)
{
	memset(f, 0, sizeof(*f));
	f->v.listed = 1;
	f->v.hit_below = 1ull << 32;
	f->v.retry_after_s = -1;
}

void fault_clear(struct plan_fault *f)
{
	for (int k = 0; k < FAULT_KEYS; k++)
		free(f->text[k]);
	memset(f, 0, sizeof(*f));
}

/* Length of the UTF-8 character at p, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static unsigned utf8_length(const unsigned char *p)
{
	unsigned n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Whether text is UTF-8 without control characters; line breaks and tabs pass when asked. */
static bool is_clean(const char *text, bool lines)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		unsigned n = utf8_length(p);
		bool control = *p < 0x20 || *p == 0x7f;

		if (!n || (control && !(lines && strchr("\r\n\t", *p))))
			return false;
		p += n;
	}
	return true;
}

const char *fault_show(const char *text, char *out, size_t size)
{
	size_t n = 0, cut = 0;

	for (const char *p = text; *p;) {
		unsigned length = utf8_length((const unsigned char *)p);
		bool plain = length && (unsigned char)*p >= 0x20 && *p != 0x7f;

		length = length ? length : 1;
		if (n + length >= size) {
			snprintf(out + cut, size - cut, "...");
			return out;
		}
		memcpy(out + n, plain ? p : "?", plain ? length : 1);
		n += plain ? length : 1;
		p += length;
		cut = n + 4 <= size ? n : cut;
	}
	out[n] = '\0';
	return out;
}

/* Keeps the text; a key given several times keeps one value a line. */
static int keep(char **slot, const char *text)
{
	size_t old = *slot ? strlen(*slot) + 1 : 0;
	char *grown = realloc(*slot, old + strlen(text) + 1);

	if (!grown)
		return -ENOMEM;
	if (old)
		grown[old - 1] = '\n';
	strcpy(grown + old, text);
	*slot = grown;
	return 0;
}

int fault_set(struct plan_fault *f, const struct fault_key *key, const char *text, char *why)
{
	size_t k = (size_t)(key - fault_keys);

	snprintf(why, FAULT_WHY_MAX, "give %s", key->accepts);
	if (!*text)
		return -EINVAL;
	if (!is_clean(text, k == FAULT_BODY)) {
		snprintf(why, FAULT_WHY_MAX, "control characters, line breaks and broken UTF-8 are refused; give %s",
			 key->accepts);
		return -EINVAL;
	}
	if (key->parse(f, text, why))
		return -EINVAL;
	return keep(&f->text[k], text);
}
