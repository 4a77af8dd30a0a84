/* SPDX-License-Identifier: MIT */
#include "base/http1_start.h"

#include <string.h>
#include "base/hash.h"
#include "base/host.h"

#define VERSION_LEN 8	/* "HTTP/1.1" */

/* RFC 9110 §5.6.2 */
/* clang-format off */
static const uint8_t tchar[256] = {
	['!'] = 1, ['#' ... '\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['0' ... '9'] = 1,
	['A' ... 'Z'] = 1, ['^' ... 'z'] = 1, ['|'] = 1, ['~'] = 1
};
/* clang-format on */

static void copy_text(char *to, size_t size, struct span s)
{
	size_t n = s.n < size ? s.n : size - 1;

	memcpy(to, s.at, n);
	to[n] = '\0';
}

/* Like copy_text, with a NUL as the text \x00. False when not all of it fits. */
static bool copy_target(char *to, size_t size, struct span s)
{
	static const char nul[] = "\\x00";
	size_t at = 0, n;

	if (!memchr(s.at, '\0', s.n)) {
		copy_text(to, size, s);
		return s.n < size;
	}
	for (; s.n; s.at++, s.n--, at += n) {
		n = *s.at ? 1 : sizeof(nul) - 1;
		if (at + n >= size)
			break;
		memcpy(to + at, *s.at ? s.at : nul, n);
	}
	to[at] = '\0';
	return !s.n;
}

/* ---- either line ---- */

/* Length of the method at the start of s; -1 when no method can begin so. Ends at s.n when s may be a prefix. */
static int method_len(struct span s)
{
	size_t n = 0;

	while (n < s.n && tchar[(unsigned char)s.at[n]])
		n++;
	if (n >= HTTP1_METHOD_MAX || (n < s.n && (!n || s.at[n] != ' ')))
		return -1;
	return (int)n;
}

static bool is_version(const char *s)
{
	return !memcmp(s, "HTTP/1.", 7) && text_is_digit(s[7]);
}

struct request_line {
	struct span method, target;
	uint8_t minor;
};

static bool request_line_split(const struct http1_line *l, struct request_line *r)
{
	int m = method_len((struct span){l->at, l->n});
	const char *version, *target;

	if (m <= 0 || l->n < (size_t)m + 1 + 1 + 1 + VERSION_LEN)
		return false;
	version = l->end - VERSION_LEN;
	target = l->at + m + 1;
	if (version[-1] != ' ' || !is_version(version))
		return false;
	r->method = (struct span){l->at, (size_t)m};
	r->target = (struct span){target, l->cut ? (size_t)(l->at + l->n - target) : (size_t)(version - 1 - target)};
	r->minor = version[7] - '0';
	return !text_is_blank(target[0]);
}

/* 0 when it is no status line. */
static unsigned status_of(const struct http1_line *l)
{
	const char *s = l->at + VERSION_LEN;

	if (l->n < VERSION_LEN + 4 || !is_version(l->at) || s[0] != ' ' || s[1] < '1' || s[1] > '9' || !text_is_digit(s[2]) ||
	    !text_is_digit(s[3]) || (l->n > VERSION_LEN + 4 && s[4] != ' '))
		return 0;
	return (s[1] - '0') * 100u + (s[2] - '0') * 10u + (s[3] - '0');
}

bool http1_start_plausible(enum http1_role role, struct span s)
{
	if (role == HTTP1_REQUEST)
		return method_len(s) >= 0;
	return !memcmp(s.at, "HTTP/1.", s.n < 7 ? s.n : 7);
}

bool http1_start_is(enum http1_role role, const struct http1_line *l)
{
	struct request_line r;

	return role == HTTP1_REQUEST ? request_line_split(l, &r) : status_of(l);
}

/* ---- the target ---- */

/* A port behind a host: ":8080"; 0 when there is none that could be one. */
static uint32_t port_of(struct span s)
{
	uint32_t port = 0;

	if (s.n < 2 || s.at[0] != ':')
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		if (!text_is_digit(s.at[i]) || (port = port * 10 + (uint32_t)(s.at[i] - '0')) > 65535)
			return 0;
	}
	return port;
}

struct authority http1_authority(struct span s)
{
	const char *userinfo = memchr(s.at, '@', s.n), *end;
	size_t host;

	if (userinfo) {
		s.n -= (size_t)(userinfo + 1 - s.at);
		s.at = userinfo + 1;
	}
	end = s.n && s.at[0] == '[' ? memchr(s.at, ']', s.n) : memchr(s.at, ':', s.n);
	host = end ? (size_t)(end - s.at) + (*end == ']') : s.n;
	return (struct authority){host_hash(s.at, host), port_of((struct span){s.at + host, s.n - host}), 0};
}

/* Turns an absolute-form target (RFC 9112 §3.2.2) into its path and query, and keeps its authority, which wins over Host. */
static struct span target_local(struct http1_head *h, struct span target)
{
	size_t scheme, authority;

	if (target.at[0] == '/')
		return target;
	if (h->flags & HTTP1_IS_CONNECT) {
		h->authority = http1_authority(target);
		return target;
	}
	scheme = span_find(target, ":/?#");
	if (scheme + 3 > target.n || memcmp(target.at + scheme, "://", 3))
		return target;
	target = (struct span){target.at + scheme + 3, target.n - scheme - 3};
	authority = span_find(target, "/?#");
	h->authority = http1_authority((struct span){target.at, authority});
	return (struct span){target.at + authority, target.n - authority};
}

/* What follows the path in a target. */
static void take_query(struct http1_head *h, struct span rest, bool cut)
{
	size_t at = strlen(h->path) + 1;

	if (!rest.n || rest.at[0] != '?')
		return;
	h->flags |= HTTP1_QUERY;
	if (!copy_target(h->path + at, sizeof(h->path) - at, (struct span){rest.at + 1, rest.n - 1}) || cut)
		h->flags |= HTTP1_QUERY_CUT;
}

static void take_target(struct http1 *p, struct span target, bool cut)
{
	struct http1_head *h = &p->head;
	struct span local = target_local(h, target), path = {local.at, span_find(local, "?#")};
	uint64_t f = hash_bytes(h->fingerprint, h->method, strlen(h->method));

	if (!path.n)
		path = (struct span){"/", 1};
	if (!copy_target(h->path, HTTP1_PATH_MAX, path) || (cut && path.n == local.n))
		h->flags |= HTTP1_PATH_CUT;
	f = hash_bytes(hash_bytes(f, " ", 1), path.at, path.n);
	if (local.n && path.at == local.at)
		local = (struct span){local.at + path.n, local.n - path.n};
	if (p->keep_query)
		take_query(h, local, cut);
	h->fingerprint = hash_bytes(f, local.at, local.n);
}

/* ---- the head that they make ---- */

static void take_method(struct http1_head *h, struct span method)
{
	copy_text(h->method, sizeof(h->method), method);
	if (!strcmp(h->method, "HEAD"))
		h->flags |= HTTP1_IS_HEAD;
	if (!strcmp(h->method, "CONNECT"))
		h->flags |= HTTP1_IS_CONNECT;
}

static bool take_request_line(struct http1 *p, const struct http1_line *l)
{
	struct request_line r;

	if (!request_line_split(l, &r))
		return false;
	p->head.minor = r.minor;
	take_method(&p->head, r.method);
	take_target(p, r.target, l->cut);
	return true;
}

static bool take_status_line(struct http1 *p, const struct http1_line *l)
{
	p->head.status = (uint16_t)status_of(l);
	if (!p->head.status)
		return false;
	p->head.minor = l->at[7] - '0';
	return true;
}

bool http1_start_take(struct http1 *p, const struct http1_line *l)
{
	return p->role == HTTP1_REQUEST ? take_request_line(p, l) : take_status_line(p, l);
}

/* The target is whole when the line was cut behind it. */
static bool guess_request(struct http1 *p, const struct http1_line *l)
{
	int m = method_len((struct span){l->at, l->n});
	struct span target;
	const char *end;

	if (m <= 0 || l->n < (size_t)m + 2 || text_is_blank(l->at[m + 1]))
		return false;
	target = (struct span){l->at + m + 1, l->n - (size_t)m - 1};
	end = memchr(target.at, ' ', target.n);
	if (end)
		target.n = (size_t)(end - target.at);
	take_method(&p->head, (struct span){l->at, (size_t)m});
	take_target(p, target, !end);
	return true;
}

bool http1_start_guess(struct http1 *p)
{
	struct http1_line l = http1_line_gathered(p);

	return p->role == HTTP1_REQUEST ? guess_request(p, &l) : take_status_line(p, &l);
}
