/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x framing: a table of states, one step function each. A step consumes input and either
 * reports an event or says STEP_ON. Heads, chunk sizes and trailers are read by lines; a line that
 * lies whole in the input is looked at in place, others are gathered in p->line. Bodies are skipped.
 *
 * The heads of one connection are often the same, byte by byte: the last one that lay whole in the input is kept in p->line,
 * which is free then, and when it comes again p->head says already what it says.
 *
 * The same stream gives the same events however it is split. So both ways of reading a line must agree:
 * whatever is decided from a line depends on its bytes alone, never on where the input ended.
 */
#include "base/http1.h"

#include <string.h>

#include "base/hash.h"

/* Of an over-long line, its first LINE_HEAD bytes and its last LINE_TAIL bytes are kept. */
#define LINE_TAIL 32
#define LINE_HEAD (HTTP1_LINE_MAX - LINE_TAIL)
#define VERSION_LEN 8 /* "HTTP/1.1" */

#define STEP_ON (-1) /* no event yet: go on from the new state */

enum state {
	IDLE, /* between messages */
	IDLE_CR, /* between messages, in an empty line */
	AFTER_INTERIM,
	START_LINE,
	NO_BODY, /* the head was reported, the end was not */
	SWITCHED, /* like NO_BODY; another protocol follows */
	SIZED,
	UNTIL_CLOSE,
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	TRAILER,
	OPAQUE,
	FIELDS /* + index in fields[] of the last field, which a folded line continues */
};

/* Known only while the head is read; kept above the public flags, cleared when it is complete. */
enum private_flag {
	SAW_CODING = 1 << 16, /* Transfer-Encoding names a coding */
	CHUNKED_LAST = 1 << 17,
	SAW_LENGTH = 1 << 18, /* a Content-Length field, perhaps without value so far */
	KEEP_ALIVE = 1 << 19,
	SAW_TRACE = 1 << 20,
	SAW_RETRY_AFTER = 1 << 21,
	PRIVATE_FLAGS = (int)0xffff0000u
};

struct input {
	const char *at;
	size_t n;
	const char *head; /* where the head that is being read begins; NULL when that was in an earlier input */
};

struct line {
	const char *at; /* without its line end */
	size_t n;
	const char *end; /* where it really ends: at + n unless cut */
	bool cut;
};

struct span {
	const char *at;
	size_t n;
};

/* RFC 9110 §5.6.2 */
/* clang-format off */
static const uint8_t tchar[256] = {
	['!'] = 1, ['#' ... '\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['0' ... '9'] = 1,
	['A' ... 'Z'] = 1, ['^' ... 'z'] = 1, ['|'] = 1, ['~'] = 1
};
/* clang-format on */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Whether s, in any case, is the lower-case word. */
static bool same_word(struct span s, const char *word, size_t n)
{
	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (lower(s.at[i]) != word[i])
			return false;
	}
	return true;
}
#define IS_WORD(s, word) same_word(s, word, sizeof(word) - 1)

static struct span trim(struct span s)
{
	while (s.n && is_blank(*s.at)) {
		s.at++;
		s.n--;
	}
	while (s.n && is_blank(s.at[s.n - 1]))
		s.n--;
	return s;
}

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

/* A hash that is never 0, which means "none". */
static uint64_t hash_id(const char *at, size_t n)
{
	uint64_t h = hash_mix(hash_bytes(HASH_SEED, at, n));

	return h ? h : 1;
}

/* ---- lines ---- */

static bool has_control_bytewise(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Control bytes other than HTAB; eight bytes a step, the last of which may overlap, as every byte of every head passes here. */
static bool has_control(const char *s, size_t n)
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
	char *tail = p->line + LINE_HEAD;

	if (p->state == START_LINE && p->role == HTTP1_REQUEST) {
		if (p->line_total <= HTTP1_LINE_MAX)
			p->head.fingerprint = hash_bytes(p->head.fingerprint, tail, LINE_TAIL);
		p->head.fingerprint = hash_bytes(p->head.fingerprint, at, n);
	}
	if (n >= LINE_TAIL) {
		memcpy(tail, at + n - LINE_TAIL, LINE_TAIL);
		return;
	}
	memmove(tail, tail + n, LINE_TAIL - n);
	memcpy(tail + LINE_TAIL - n, at, n);
}

/*
 * What a line may hold besides text. A CR that ends no line is a line end to some and none to others, so it is refused everywhere.
 * Other control bytes are refused where they could make two recipients disagree on framing; in a target and in a value that says
 * nothing of framing they are data, as hostile as they may be (RFC 9110 §5.5 leaves it to the recipient).
 */
enum bytes { TEXT, ANY };

static bool unfit(const char *at, size_t n, enum bytes allowed)
{
	return allowed == ANY ? n && memchr(at, '\r', n) : has_control(at, n);
}

/* Gathers n bytes of a line, without its LF. False when they make it invalid: unfit, or more than a head may have. */
static bool line_append(struct http1 *p, const char *at, size_t n, enum bytes allowed)
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

static struct line line_gathered(struct http1 *p)
{
	bool cut = p->line_total > HTTP1_LINE_MAX;
	struct line l = {.at = p->line, .n = p->line_len, .end = p->line + p->line_len, .cut = cut};

	if (l.n && l.end[-1] == '\r') {
		l.end--;
		l.n--;
	}
	if (cut)
		l.n = LINE_HEAD;
	p->line_len = 0;
	p->line_total = 0;
	return l;
}

/* A line that lies whole in the input. */
static bool line_in_place(const char *at, size_t n, enum bytes allowed, struct line *l)
{
	if (n && at[n - 1] == '\r')
		n--;
	*l = (struct line){.at = at, .n = n, .end = at + n};
	return !unfit(at, n, allowed);
}

/*
 * Takes the next line, or what there is of it. STEP_ON: *l is a line, valid until the next call;
 * HTTP1_MORE: not complete yet; HTTP1_OPAQUE: bytes that are not allowed.
 */
static int line_take(struct http1 *p, struct input *in, enum bytes allowed, struct line *l)
{
	const char *at = in->at, *lf = in->n ? memchr(at, '\n', in->n) : NULL;
	size_t n = lf ? (size_t)(lf - at) : in->n, used = n + (lf != NULL);

	in->at += used;
	in->n -= used;
	if (lf && !p->line_total && n <= HTTP1_LINE_MAX)
		return line_in_place(at, n, allowed, l) ? STEP_ON : HTTP1_OPAQUE;
	if (!line_append(p, at, n, allowed))
		return HTTP1_OPAQUE;
	if (!lf)
		return HTTP1_MORE;
	*l = line_gathered(p);
	return STEP_ON;
}

/* ---- start lines ---- */

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
	return !memcmp(s, "HTTP/1.", 7) && is_digit(s[7]);
}

struct request_line {
	struct span method, target;
	uint8_t minor;
};

static bool request_line_split(const struct line *l, struct request_line *r)
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
	return !is_blank(target[0]);
}

/* 0 when it is no status line. */
static unsigned status_of(const struct line *l)
{
	const char *s = l->at + VERSION_LEN;

	if (l->n < VERSION_LEN + 4 || !is_version(l->at) || s[0] != ' ' || s[1] < '1' || s[1] > '9' || !is_digit(s[2]) ||
	    !is_digit(s[3]) || (l->n > VERSION_LEN + 4 && s[4] != ' '))
		return 0;
	return (s[1] - '0') * 100u + (s[2] - '0') * 10u + (s[3] - '0');
}

/* Whether a line that begins so can become a start line; weaker than reading the whole line. */
static bool start_plausible(enum http1_role role, struct span s)
{
	if (role == HTTP1_REQUEST)
		return method_len(s) >= 0;
	return !memcmp(s.at, "HTTP/1.", s.n < 7 ? s.n : 7);
}

/* A port behind a host: ":8080"; 0 when there is none that could be one. */
static uint32_t port_of(struct span s)
{
	uint32_t port = 0;

	if (s.n < 2 || s.at[0] != ':')
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		if (!is_digit(s.at[i]) || (port = port * 10 + (uint32_t)(s.at[i] - '0')) > 65535)
			return 0;
	}
	return port;
}

/* "user@host:port", "[::1]:80". */
static struct authority take_authority(struct span s)
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

/* Where the first of any stands in s; s.n when none does. */
static inline size_t span_find(struct span s, const char *any)
{
	for (size_t i = 0; i < s.n; i++) {
		for (const char *c = any; *c; c++) {
			if (s.at[i] == *c)
				return i;
		}
	}
	return s.n;
}

/* Turns an absolute-form target (RFC 9112 §3.2.2) into its path and query, and keeps its authority, which wins over Host. */
static struct span target_local(struct http1_head *h, struct span target)
{
	size_t scheme, authority;

	if (target.at[0] == '/')
		return target;
	if (h->flags & HTTP1_IS_CONNECT) {
		h->authority = take_authority(target);
		return target;
	}
	scheme = span_find(target, ":/?#");
	if (scheme + 3 > target.n || memcmp(target.at + scheme, "://", 3))
		return target;
	target = (struct span){target.at + scheme + 3, target.n - scheme - 3};
	authority = span_find(target, "/?#");
	h->authority = take_authority((struct span){target.at, authority});
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

static void take_method(struct http1_head *h, struct span method)
{
	copy_text(h->method, sizeof(h->method), method);
	if (!strcmp(h->method, "HEAD"))
		h->flags |= HTTP1_IS_HEAD;
	if (!strcmp(h->method, "CONNECT"))
		h->flags |= HTTP1_IS_CONNECT;
}

static bool take_request_line(struct http1 *p, const struct line *l)
{
	struct request_line r;

	if (!request_line_split(l, &r))
		return false;
	p->head.minor = r.minor;
	take_method(&p->head, r.method);
	take_target(p, r.target, l->cut);
	return true;
}

static bool take_status_line(struct http1 *p, const struct line *l)
{
	p->head.status = (uint16_t)status_of(l);
	if (!p->head.status)
		return false;
	p->head.minor = l->at[7] - '0';
	return true;
}

/* ---- fields ---- */

/* Takes the next element of a comma-separated list off *list; false at its end. Empty elements are given too. */
static bool list_next(struct span *list, struct span *element)
{
	const char *comma;

	if (!list->at)
		return false;
	comma = list->n ? memchr(list->at, ',', list->n) : NULL;
	if (comma) {
		*element = trim((struct span){list->at, (size_t)(comma - list->at)});
		list->n -= (size_t)(comma + 1 - list->at);
		list->at = comma + 1;
	} else {
		*element = trim(*list);
		list->at = NULL;
	}
	return true;
}

/* Decimal digits up to INT64_MAX, or -1. */
static int64_t decimal(struct span s)
{
	int64_t x = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.at[i]) || __builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, s.at[i] - '0', &x))
			return -1;
	}
	return s.n ? x : -1;
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
		int64_t x = decimal(element);

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
		if (!element.n || IS_WORD(element, "identity"))
			continue;
		if (h->flags & CHUNKED_LAST)
			h->flags &= ~CHUNKED_LAST;
		else if (IS_WORD(element, "chunked") && !(h->flags & HTTP1_CHUNKED))
			h->flags |= CHUNKED_LAST | HTTP1_CHUNKED;
		h->flags |= SAW_CODING;
	}
	return !cut && !has_control(whole.at, whole.n);
}

static bool take_connection(struct http1_head *h, struct span v, bool cut)
{
	struct span element;

	while (list_next(&v, &element)) {
		if (IS_WORD(element, "close"))
			h->flags |= HTTP1_CLOSE;
		else if (IS_WORD(element, "keep-alive"))
			h->flags |= KEEP_ALIVE;
	}
	return true;
}

static bool take_expect(struct http1_head *h, struct span v, bool cut)
{
	if (IS_WORD(v, "100-continue"))
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
		h->authority = take_authority(v);
	return true;
}

/* Lower-cases 32 hex digits into id; false when they are none, or all zero, which W3C Trace Context forbids. */
static bool trace_id(const char *hex, char id[32])
{
	bool any = false;

	for (int i = 0; i < 32; i++) {
		id[i] = lower(hex[i]);
		if (!is_digit(id[i]) && (id[i] < 'a' || id[i] > 'f'))
			return false;
		any |= id[i] != '0';
	}
	return any;
}

/* "00-<32 hex>-<16 hex>-<2 hex>" (W3C Trace Context §3.2); wins over X-Request-Id, wherever that stands. */
static bool take_traceparent(struct http1_head *h, struct span v, bool cut)
{
	char id[32];

	if ((h->flags & SAW_TRACE) || cut || v.n < 55 || v.at[2] != '-' || v.at[35] != '-' || !trace_id(v.at + 3, id))
		return true;
	h->flags |= SAW_TRACE;
	h->correlation = hash_id(id, sizeof(id));
	return true;
}

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

static int64_t http_date(struct span s);

static bool take_retry_after(struct http1_head *h, struct span v, bool cut)
{
	int64_t s = decimal(v), at;

	if ((h->flags & SAW_RETRY_AFTER) || !v.n)
		return true;
	h->flags |= SAW_RETRY_AFTER;
	if (s >= 0) {
		h->retry_after_ms = s > INT64_MAX / 1000 ? INT64_MAX : s * 1000;
		return true;
	}
	at = http_date(v);
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
	{NAME("idempotency-key"), take_idempotency_key},
	{NAME("retry-after"), take_retry_after},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))
#define START_OF_FIELDS (FIELDS + FIELD_COUNT) /* no field yet that a folded line could continue */
_Static_assert(START_OF_FIELDS <= UINT8_MAX, "http1.state holds it");

/* The first letters of fields[], in either case. */
static bool may_be_known(char first)
{
	const uint32_t letters = 1u << ('h' & 31) | 1u << ('c' & 31) | 1u << ('t' & 31) | 1u << ('e' & 31) | 1u << ('u' & 31) |
				 1u << ('x' & 31) | 1u << ('i' & 31) | 1u << ('r' & 31);

	return letters >> (first & 31) & 1;
}

static size_t field_find(struct span name)
{
	for (size_t i = 1; i < FIELD_COUNT && may_be_known(name.at[0]); i++) {
		if (fields[i].n == name.n && fields[i].name[0] == lower(name.at[0]) &&
		    same_word(name, fields[i].name, fields[i].n))
			return i;
	}
	return 0;
}

/* A line that begins with a blank goes on with the value of the field before it (RFC 9112 §5.2). */
static bool take_folded(struct http1 *p, const struct line *l)
{
	struct span v = trim((struct span){l->at, l->n});

	if (p->state == START_OF_FIELDS)
		return false;
	return fields[p->state - FIELDS].take(&p->head, v, l->cut);
}

/*
 * Blanks between name and colon: a request is refused for them, in a response they are removed (RFC 9112 §5.1).
 */
static bool take_field(struct http1 *p, const struct line *l)
{
	const char *colon = memchr(l->at, ':', l->n);
	struct span name, v;
	size_t i;

	if (!colon)
		return l->cut && !has_control(l->at, l->n);
	name = (struct span){l->at, (size_t)(colon - l->at)};
	if (!name.n || has_control(name.at, name.n) || (is_blank(name.at[name.n - 1]) && p->role == HTTP1_REQUEST))
		return false;
	v = trim((struct span){colon + 1, l->n - name.n - 1});
	i = field_find(trim(name));
	p->state = (uint8_t)(FIELDS + i);
	return fields[i].take(&p->head, v, l->cut);
}

/* ---- dates ---- */

static const char months[12][4] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

struct date {
	int64_t year, month, day, second; /* -1 unknown; second of the day */
};

/* Days from 1970-01-01 in the Gregorian calendar: H. Hinnant, "chrono-compatible low-level date algorithms", days_from_civil. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t shifted = y - (m <= 2), era = shifted / 400, yoe = shifted - era * 400;
	int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* "08:49:37" -> second of the day; -1 when it is no time. */
static int64_t clock_time(struct span s)
{
	int64_t h, m, sec;

	if (s.n != 8 || s.at[2] != ':' || s.at[5] != ':')
		return -1;
	h = decimal((struct span){s.at, 2});
	m = decimal((struct span){s.at + 3, 2});
	sec = decimal((struct span){s.at + 6, 2});
	return h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 ? -1 : (h * 60 + m) * 60 + sec;
}

/* One word of a date. Weekdays and the zone, always GMT, are words that say nothing. */
static void date_word(struct date *d, struct span s)
{
	int64_t x = decimal(s), t = clock_time(s);

	if (t >= 0)
		d->second = t;
	else if (x >= 0 && d->day < 0)
		d->day = x;
	else if (x >= 0)
		d->year = s.n == 2 ? x + (x < 70 ? 2000 : 1900) : x;
	for (int i = 0; i < 12 && s.n == 3; i++) {
		if (same_word(s, months[i], 3))
			d->month = i + 1;
	}
}

/* The three forms of RFC 9110 §5.6.7 -> unix seconds; -1 for anything else and before 1970. */
static int64_t http_date(struct span s)
{
	struct date d = {-1, -1, -1, -1};

	while (s.n) {
		size_t n = span_find(s, " ,-");

		date_word(&d, (struct span){s.at, n});
		n += n < s.n;
		s = (struct span){s.at + n, s.n - n};
	}
	if (d.year < 1970 || d.year > 9999 || d.month < 0 || d.day < 1 || d.day > 31 || d.second < 0)
		return -1;
	return days_of(d.year, d.month, d.day) * 86400 + d.second;
}

/* ---- the end of the head: which body follows ---- */

static void settle_connection(struct http1_head *h)
{
	if (h->minor == 0 && (!(h->flags & KEEP_ALIVE) || (h->flags & SAW_CODING)))
		h->flags |= HTTP1_CLOSE;
}

static enum state chunked_or(const struct http1_head *h, enum state otherwise)
{
	return h->flags & CHUNKED_LAST ? CHUNK_SIZE : otherwise;
}

static enum state sized(struct http1 *p)
{
	p->left = p->head.content_length;
	return p->left ? SIZED : NO_BODY;
}

/*
 * RFC 9112 §6.3 for requests. With both codings and a length, which one a server obeys differs, and so does
 * where the next request begins; the same holds for codings that do not end in chunked.
 */
static enum state request_body(struct http1 *p)
{
	if (p->head.flags & SAW_CODING)
		return p->head.flags & SAW_LENGTH ? OPAQUE : chunked_or(&p->head, OPAQUE);
	return sized(p);
}

/* RFC 9112 §6.3 for responses: codings win over a length. */
static enum state response_body(struct http1 *p, uint32_t request)
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

static int head_done(struct http1 *p)
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

/* ---- steps ---- */

typedef int (*step_fn)(struct http1 *p, struct input *in);

static int message_done(struct http1 *p)
{
	if (p->role == HTTP1_REQUEST)
		p->head.fingerprint = hash_mix(p->head.fingerprint);
	p->state = IDLE;
	p->stop = HTTP1_NO_STOP;
	return HTTP1_DONE;
}

static bool at_stop(const struct http1 *p)
{
	return p->body == p->stop;
}

static int stopped(struct http1 *p)
{
	p->stop = HTTP1_NO_STOP;
	return HTTP1_STOP;
}

/* Keeps a head that lay whole in the input for when it comes again. */
static void know_head(struct http1 *p, const struct input *in, uint32_t request_flags)
{
	size_t n = (size_t)(in->at - in->head);

	if (!in->head || n > HTTP1_LINE_MAX)
		return;
	memcpy(p->line, in->head, n);
	p->known = (uint16_t)n;
	p->known_state = p->state;
	p->known_request_flags = request_flags;
	p->known_fingerprint = p->head.fingerprint;
}

/* Whether the head last read comes again: then it is taken, and p->head is as after reading it. */
static bool take_known_head(struct http1 *p, struct input *in)
{
	if (!p->known || in->n < p->known || p->request_flags != p->known_request_flags || memcmp(in->at, p->line, p->known))
		return false;
	in->at += p->known;
	in->n -= p->known;
	p->head.fingerprint = p->known_fingerprint;
	p->left = p->head.content_length;
	p->request_flags = 0;
	p->state = p->known_state;
	return true;
}

static int begin_message(struct http1 *p, struct input *in)
{
	p->hashed = 0;
	p->body = 0;
	if (take_known_head(p, in))
		return HTTP1_HEAD;
	in->head = in->at;
	p->known = 0;
	memset(&p->head, 0, sizeof(p->head));
	p->head.retry_after_ms = -1;
	p->head.fingerprint = p->role == HTTP1_REQUEST ? HASH_SEED : 0;
	p->state = START_LINE;
	return STEP_ON;
}

static int step_idle(struct http1 *p, struct input *in)
{
	while (in->n && p->role == HTTP1_REQUEST && (*in->at == '\n' || *in->at == '\r')) {
		p->state = *in->at == '\r' ? IDLE_CR : IDLE;
		in->at++;
		in->n--;
		if (p->state == IDLE_CR)
			return STEP_ON;
	}
	return in->n ? begin_message(p, in) : HTTP1_MORE;
}

static int step_idle_cr(struct http1 *p, struct input *in)
{
	if (!in->n)
		return HTTP1_MORE;
	if (*in->at != '\n')
		return HTTP1_OPAQUE;
	p->state = IDLE;
	return STEP_ON;
}

static int step_after_interim(struct http1 *p, struct input *in)
{
	return in->n ? begin_message(p, in) : HTTP1_MORE;
}

/* Takes a line of the head and counts its bytes against the limit of a head. */
static int head_line(struct http1 *p, struct input *in, struct line *l)
{
	size_t before = in->n;
	int r = line_take(p, in, ANY, l);

	p->head.head_bytes += before - in->n;
	return p->head.head_bytes > HTTP1_HEAD_MAX ? HTTP1_OPAQUE : r;
}

static int step_start_line(struct http1 *p, struct input *in)
{
	struct line l;
	int r = head_line(p, in, &l);

	if (r == HTTP1_MORE && !start_plausible(p->role, (struct span){p->line, p->line_len}))
		return HTTP1_OPAQUE;
	if (r != STEP_ON)
		return r;
	if (!(p->role == HTTP1_REQUEST ? take_request_line(p, &l) : take_status_line(p, &l)))
		return HTTP1_OPAQUE;
	p->state = START_OF_FIELDS;
	return STEP_ON;
}

static int step_fields(struct http1 *p, struct input *in)
{
	struct line l;
	int r = head_line(p, in, &l);

	if (r != STEP_ON)
		return r;
	if (!l.n) {
		uint32_t request_flags = p->request_flags;

		r = head_done(p);
		if (r == HTTP1_HEAD)
			know_head(p, in, request_flags);
		return r;
	}
	return (is_blank(l.at[0]) ? take_folded(p, &l) : take_field(p, &l)) ? STEP_ON : HTTP1_OPAQUE;
}

static int step_no_body(struct http1 *p, struct input *in)
{
	return at_stop(p) ? stopped(p) : message_done(p);
}

static int step_switched(struct http1 *p, struct input *in)
{
	if (at_stop(p))
		return stopped(p);
	p->state = OPAQUE;
	return HTTP1_DONE;
}

/* Passes what there is of n bytes of body, up to the stop; their beginning enters a request's fingerprint. Returns how many. */
static size_t body_bytes(struct http1 *p, struct input *in, uint64_t n)
{
	n = n < in->n ? n : in->n;
	n = n < p->stop - p->body ? n : p->stop - p->body;
	if (p->role == HTTP1_REQUEST && p->hashed < HTTP1_BODY_HASHED) {
		size_t some = HTTP1_BODY_HASHED - p->hashed;

		if (some > n)
			some = n;
		p->head.fingerprint = hash_bytes(p->head.fingerprint, in->at, some);
		p->hashed += (uint32_t)some;
	}
	in->at += n;
	in->n -= n;
	p->body += n;
	return n;
}

static int step_sized(struct http1 *p, struct input *in)
{
	p->left -= body_bytes(p, in, p->left);
	if (at_stop(p))
		return stopped(p);
	return p->left ? HTTP1_MORE : message_done(p);
}

static int step_until_close(struct http1 *p, struct input *in)
{
	body_bytes(p, in, in->n);
	return at_stop(p) ? stopped(p) : HTTP1_MORE;
}

static int hex_value(char c)
{
	c = lower(c);
	if (is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a4", "1a4;name=value", with blanks before the semicolon tolerated (RFC 9112 §7.1.1). */
static bool chunk_size(const struct line *l, uint64_t *size)
{
	struct span rest = {l->at, l->n};
	uint64_t x = 0;

	for (; rest.n && hex_value(*rest.at) >= 0; rest.at++, rest.n--) {
		if (x >> 59)
			return false;
		x = x << 4 | (unsigned)hex_value(*rest.at);
	}
	*size = x;
	if (rest.at == l->at)
		return false;
	rest = trim(rest);
	return !rest.n || *rest.at == ';';
}

static int step_chunk_size(struct http1 *p, struct input *in)
{
	struct line l;
	int r = at_stop(p) ? stopped(p) : line_take(p, in, TEXT, &l);

	if (r != STEP_ON)
		return r;
	if (!chunk_size(&l, &p->left))
		return HTTP1_OPAQUE;
	p->state = p->left ? CHUNK_DATA : TRAILER;
	if (p->state == TRAILER)
		p->left = HTTP1_HEAD_MAX;
	return STEP_ON;
}

static int step_chunk_data(struct http1 *p, struct input *in)
{
	p->left -= body_bytes(p, in, p->left);
	if (!p->left)
		p->state = CHUNK_END;
	return at_stop(p) ? stopped(p) : p->left ? HTTP1_MORE : STEP_ON;
}

static int step_chunk_end(struct http1 *p, struct input *in)
{
	struct line l;
	int r = line_take(p, in, TEXT, &l);

	if (r != STEP_ON)
		return r;
	p->state = CHUNK_SIZE;
	return l.n ? HTTP1_OPAQUE : STEP_ON;
}

/* Trailers are passed over; p->left bounds their bytes. */
static int step_trailer(struct http1 *p, struct input *in)
{
	size_t before = in->n;
	struct line l;
	int r = line_take(p, in, TEXT, &l);

	if (before - in->n > p->left)
		return HTTP1_OPAQUE;
	p->left -= before - in->n;
	if (r != STEP_ON)
		return r;
	return l.n ? STEP_ON : message_done(p);
}

static int step_opaque(struct http1 *p, struct input *in)
{
	return HTTP1_OPAQUE;
}

static const step_fn steps[] = {[IDLE] = step_idle,
				[IDLE_CR] = step_idle_cr,
				[AFTER_INTERIM] = step_after_interim,
				[START_LINE] = step_start_line,
				[NO_BODY] = step_no_body,
				[SWITCHED] = step_switched,
				[SIZED] = step_sized,
				[UNTIL_CLOSE] = step_until_close,
				[CHUNK_SIZE] = step_chunk_size,
				[CHUNK_DATA] = step_chunk_data,
				[CHUNK_END] = step_chunk_end,
				[TRAILER] = step_trailer,
				[OPAQUE] = step_opaque,
				[FIELDS... START_OF_FIELDS] = step_fields};

/* ---- the interface ---- */

void http1_init(struct http1 *p, enum http1_role role)
{
	memset(p, 0, offsetof(struct http1, line));
	p->role = (uint8_t)role;
	p->state = IDLE;
	p->stop = HTTP1_NO_STOP;
	p->head.retry_after_ms = -1;
}

void http1_keep_query(struct http1 *p)
{
	p->keep_query = true;
}

void http1_answers(struct http1 *p, uint32_t request_flags)
{
	p->request_flags = request_flags;
}

void http1_stop(struct http1 *p, uint64_t body_bytes)
{
	p->stop = body_bytes;
}

uint64_t http1_room(const struct http1 *p)
{
	uint64_t room = p->stop == HTTP1_NO_STOP ? UINT64_MAX : p->stop - p->body;

	if (p->state == UNTIL_CLOSE)
		return room;
	return p->state != SIZED ? 0 : room < p->left ? room : p->left;
}

size_t http1_feed(struct http1 *p, const void *data, size_t n, enum http1_event *event)
{
	struct input in = {.at = n ? data : "", .n = n};
	int r;

	do
		r = steps[p->state](p, &in);
	while (r == STEP_ON);
	*event = (enum http1_event)r;
	if (r != HTTP1_OPAQUE)
		return n - in.n;
	p->state = OPAQUE;
	return 0;
}

/* Passes unseen bytes of the body as far as n, what is left of it and the stop allow; what was not seen ends the fingerprint. */
static size_t skip_body(struct http1 *p, uint64_t n)
{
	uint64_t left = p->state == UNTIL_CLOSE ? UINT64_MAX : p->left, to_stop = p->stop - p->body;

	n = n < left ? n : left;
	n = n < to_stop ? n : to_stop;
	if (p->state != UNTIL_CLOSE)
		p->left -= n;
	p->body += n;
	if (n)
		p->hashed = HTTP1_BODY_HASHED;
	return (size_t)n;
}

/* Behind the data of a chunk can be nothing but a line end: passes what of it is among n unseen bytes. */
static size_t skip_chunk_end(struct http1 *p, size_t n)
{
	size_t left = 2 - (size_t)p->line_total;

	if (p->state == CHUNK_DATA && !p->left)
		p->state = CHUNK_END;
	if (p->state != CHUNK_END || p->line_total > 1 || !n)
		return 0;
	p->known = 0;
	p->line[0] = '\r';
	p->line_len = n < left;
	p->line_total = n < left;
	if (n >= left)
		p->state = CHUNK_SIZE;
	return n < left ? n : left;
}

size_t http1_skip(struct http1 *p, uint64_t n, enum http1_event *event)
{
	size_t unseen = n < SIZE_MAX ? (size_t)n : SIZE_MAX, used = 0;
	bool body = p->state == SIZED || p->state == UNTIL_CLOSE || p->state == CHUNK_DATA;

	if (!unseen || p->state == NO_BODY || p->state == SWITCHED)
		return http1_feed(p, "", 0, event);
	if (body)
		used = skip_body(p, unseen);
	*event = HTTP1_MORE;
	if (body && at_stop(p)) {
		*event = (enum http1_event)stopped(p);
	} else if (p->state == SIZED && !p->left) {
		*event = (enum http1_event)message_done(p);
	} else if ((used += skip_chunk_end(p, unseen - used)) < unseen) {
		p->state = OPAQUE;
		*event = HTTP1_OPAQUE;
		return 0;
	}
	return used;
}

enum http1_event http1_eof(struct http1 *p)
{
	enum http1_event event;

	if (http1_idle(p))
		return HTTP1_MORE;
	if (p->state == UNTIL_CLOSE)
		return (enum http1_event)message_done(p);
	if (p->state == NO_BODY || p->state == SWITCHED) {
		http1_feed(p, "", 0, &event);
		return event;
	}
	p->state = OPAQUE;
	return HTTP1_OPAQUE;
}

/* A request line of which the end is not to come. */
static bool guess_request(struct http1 *p)
{
	struct line l = line_gathered(p);
	int m = method_len((struct span){l.at, l.n});

	if (m <= 0 || l.n < (size_t)m + 2 || is_blank(l.at[m + 1]))
		return false;
	take_method(&p->head, (struct span){l.at, (size_t)m});
	take_target(p, (struct span){l.at + m + 1, l.n - (size_t)m - 1}, true);
	return true;
}

bool http1_guess(struct http1 *p)
{
	bool known = p->state >= FIELDS;
	struct line l;

	if (p->state == START_LINE && p->role == HTTP1_REQUEST) {
		known = guess_request(p);
	} else if (p->state == START_LINE) {
		l = line_gathered(p);
		known = take_status_line(p, &l);
	}
	known = known && (p->role == HTTP1_REQUEST || p->head.status >= 200 || p->head.status == 101);
	p->state = OPAQUE;
	return known;
}

bool http1_in_head(const struct http1 *p)
{
	return p->state == START_LINE || p->state >= FIELDS;
}

bool http1_idle(const struct http1 *p)
{
	return p->state == IDLE || p->state == IDLE_CR;
}

bool http1_plausible(enum http1_role role, const void *data, size_t n)
{
	struct span s = {data, n};
	struct request_line r;
	struct line l;
	const char *lf;

	while (s.n && role == HTTP1_REQUEST && (*s.at == '\r' || *s.at == '\n')) {
		s.at++;
		s.n--;
	}
	if (!s.n)
		return true;
	lf = memchr(s.at, '\n', s.n);
	if (!lf)
		return start_plausible(role, s);
	return line_in_place(s.at, (size_t)(lf - s.at), ANY, &l) &&
	       (role == HTTP1_REQUEST ? request_line_split(&l, &r) : status_of(&l));
}
