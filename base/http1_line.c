/* SPDX-License-Identifier: MIT */
#include "base/http1_line.h"

#include <string.h>
#include "base/hash.h"
#include "base/http1_state.h"

static bool has_control_bytewise(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Eight bytes a step, the last of which may overlap, as every byte of every head passes here. */
bool http1_has_control(const char *s, size_t n)
{
	const uint64_t ones = 0x0101010101010101ull, tops = ones << 7;
	uint64_t w, del;

	if (n < 8)
		return has_control_bytewise(s, n);
	for (const char *last = s + n - 8;; s = s + 8 < last ? s + 8 : last) {
		memcpy(&w, s, 8);
		del = w ^ (ones * 0x7f);
		if (((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & tops) && has_control_bytewise(s, 8))
			return true;
		if (s == last)
			return false;
	}
}

/* The part of an over-long line that does not fit: remembers its last bytes. A long target still counts in the fingerprint. */
static void append_overflow(struct http1 *p, const char *at, size_t n)
{
	char *tail = p->line + HTTP1_LINE_HEAD;

	if (p->state == START_LINE && p->role == HTTP1_REQUEST) {
		if (p->line_total <= HTTP1_LINE_MAX)
			p->head.fingerprint = hash_bytes(p->head.fingerprint, tail, HTTP1_LINE_TAIL);
		p->head.fingerprint = hash_bytes(p->head.fingerprint, at, n);
	}
	if (n >= HTTP1_LINE_TAIL) {
		memcpy(tail, at + n - HTTP1_LINE_TAIL, HTTP1_LINE_TAIL);
		return;
	}
	memmove(tail, tail + n, HTTP1_LINE_TAIL - n);
	memcpy(tail + HTTP1_LINE_TAIL - n, at, n);
}

static bool unfit(const char *at, size_t n, enum http1_bytes allowed)
{
	return allowed == HTTP1_ANY ? n && memchr(at, '\r', n) : http1_has_control(at, n);
}

/* Gathers n bytes of a line, without its LF. False when they make it invalid: unfit, or more than a head may have. */
static bool line_append(struct http1 *p, const char *at, size_t n, enum http1_bytes allowed)
{
	size_t fits = HTTP1_LINE_MAX - p->line_len;

	if (!n)
		return true;
	if (p->line_len && p->line[p->line_len - 1] == '\r')
		return false;
	if (n > HTTP1_HEAD_MAX - p->line_total || unfit(at, n - (at[n - 1] == '\r'), allowed))
		return false;
	if (n < fits)
		fits = n;
	p->known = 0;
	memcpy(p->line + p->line_len, at, fits);
	p->line_len += fits;
	if (n > fits)
		append_overflow(p, at + fits, n - fits);
	p->line_total += n;
	return true;
}

struct http1_line http1_line_gathered(struct http1 *p)
{
	bool cut = p->line_total > HTTP1_LINE_MAX;
	struct http1_line l = {.at = p->line, .n = p->line_len, .end = p->line + p->line_len, .cut = cut};

	if (l.n && l.end[-1] == '\r') {
		l.end--;
		l.n--;
	}
	if (cut)
		l.n = HTTP1_LINE_HEAD;
	p->line_len = 0;
	p->line_total = 0;
	return l;
}

bool http1_line_in_place(const char *at, size_t n, enum http1_bytes allowed, struct http1_line *l)
{
	if (n && at[n - 1] == '\r')
		n--;
	*l = (struct http1_line){.at = at, .n = n, .end = at + n};
	return !unfit(at, n, allowed);
}

int http1_line_take(struct http1 *p, struct http1_input *in, enum http1_bytes allowed, struct http1_line *l)
{
	const char *at = in->at, *lf = in->n ? memchr(at, '\n', in->n) : NULL;
	size_t n = lf ? (size_t)(lf - at) : in->n, used = n + (lf != NULL);

	in->at += used;
	in->n -= used;
	if (lf && !p->line_total && n <= HTTP1_LINE_MAX)
		return http1_line_in_place(at, n, allowed, l) ? HTTP1_STEP_ON : HTTP1_OPAQUE;
	if (!line_append(p, at, n, allowed))
		return HTTP1_OPAQUE;
	if (!lf)
		return HTTP1_MORE;
	*l = http1_line_gathered(p);
	return HTTP1_STEP_ON;
}
