/* SPDX-License-Identifier: MIT */
#include "plan/decide.h"
#include <stddef.h>
#include <string.h>
#include "base/glob.h"
#include "base/hash.h"
#include "plan/approx.h"

#define DELAY_MAX_NS 3600e9 /* normal and lognormal draws are cut here */
#define HTTP_PORT 80
#define ORDINAL_PROBES 256 /* at 80 % load, fewer than one key in a million is further from its place (simulated) */

enum purpose { DRAW_HIT = 1, DRAW_DELAY = 2 }; /* one independent draw each */

/* The text that t names; nothing when a damaged page points outside of text[]. */
static const char *text_of(const struct page *page, struct page_text t, size_t *len)
{
	bool inside = t.at <= PAGE_TEXT_BYTES && t.len <= PAGE_TEXT_BYTES - t.at;

	*len = inside ? t.len : 0;
	return inside ? page->text + t.at : "";
}

static bool text_globs(const struct page *page, struct page_text pattern, const char *text, size_t n, bool fold)
{
	size_t m;
	const char *p = text_of(page, pattern, &m);

	return glob_match(p, m, text, n, fold);
}

static uint64_t draw(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal,
		     enum purpose purpose)
{
	uint64_t h = hash_mix(hash_mix(page->seed) ^ f->id);

	return hash_mix(hash_mix(hash_mix(h ^ destination) ^ ordinal) ^ purpose);
}

bool decide_hit(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal)
{
	uint64_t n = ordinal;
	size_t len;
	const char *pattern = text_of(page, f->pattern, &len);

	if (n <= f->after)
		return false;
	n -= f->after;
	if (f->first && n > f->first)
		return false;
	if (f->every && n % f->every)
		return false;
	n /= f->every ? f->every : 1;
	if (len && pattern[(n - 1) % len] != 'x')
		return false;
	return draw(page, f, destination, ordinal, DRAW_HIT) >> 32 < f->hit_below;
}

static uint64_t delay_cut(double ns)
{
	if (!(ns > 0))
		return 0;
	return ns < DELAY_MAX_NS ? (uint64_t)ns : (uint64_t)DELAY_MAX_NS;
}

uint64_t decide_delay_ns(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal)
{
	double u, a = f->delay_a, b = f->delay_b;

	if (!(f->actions & PAGE_DELAY))
		return 0;
	/* 52 bits and a half: exact, never 0, never 1 */
	u = ((double)(draw(page, f, destination, ordinal, DRAW_DELAY) >> 12) + 0.5) / 4503599627370496.0;
	switch (f->dist) {
	case PAGE_UNIFORM:
		return (uint64_t)(a + u * (b - a));
	case PAGE_NORMAL:
		return delay_cut(a + b * approx_probit(u));
	case PAGE_LOGNORMAL:
		return delay_cut(approx_exp(a + b * approx_probit(u)));
	default:
		return (uint64_t)a;
	}
}

bool decide_active(const struct page *page, const struct page_fault *f, uint64_t now_ns)
{
	uint64_t begin = page->started_ns + f->from_ns;

	return now_ns >= begin && (!f->for_ns || now_ns - begin < f->for_ns);
}

/* The step at which one action happens; a delay where the user said, if the fault has not ended the attempt before. */
static enum decide_place place_of(const struct page_fault *f, uint32_t action)
{
	switch (action) {
	case PAGE_RESOLVE:
		return DECIDE_RESOLVE;
	case PAGE_REFUSE:
		return DECIDE_CONNECT;
	case PAGE_HANG:
		return f->hang == PAGE_CONNECT ? DECIDE_CONNECT : DECIDE_EXCHANGE;
	case PAGE_RESET:
		return f->reset == PAGE_CONNECT ? DECIDE_CONNECT : DECIDE_EXCHANGE;
	case PAGE_ERROR:
		return f->error_call == PAGE_CALL_CONNECT ? DECIDE_CONNECT : DECIDE_EXCHANGE;
	case PAGE_DELAY:
		return f->delay_on == PAGE_NAME ? DECIDE_RESOLVE : f->delay_on == PAGE_CONNECT ? DECIDE_CONNECT : DECIDE_EXCHANGE;
	default:
		return DECIDE_EXCHANGE;
	}
}

uint32_t decide_actions_at(const struct page_fault *f, enum decide_place place)
{
	enum decide_place delay = place_of(f, PAGE_DELAY);
	uint32_t here = 0;

	for (uint32_t left = f->actions & ~PAGE_DELAY; left; left &= left - 1) {
		enum decide_place at = place_of(f, left & -left);

		here |= at == place ? left & -left : 0;
		delay = at < delay ? at : delay;
	}
	return here | (delay == place ? f->actions & PAGE_DELAY : 0);
}

bool decide_is_at(const struct page_fault *f, enum decide_place place)
{
	return decide_actions_at(f, place) || (!f->actions && place == DECIDE_EXCHANGE);
}

/* Whether the first `prefix` bits of a's and b's addresses are the same. */
static bool same_net(const struct addr *a, const struct addr *b, unsigned prefix)
{
	unsigned bytes = prefix / 8, rest = prefix % 8;

	if (a->family != b->family || prefix > sizeof(a->ip) * 8 || memcmp(a->ip, b->ip, bytes))
		return false;
	return !rest || !((a->ip[bytes] ^ b->ip[bytes]) >> (8 - rest));
}

static bool is_ip(const struct addr *end)
{
	return end->family == ADDR_IP4 || end->family == ADDR_IP6;
}

static bool port_is(const struct page_fault *f, const struct addr *end)
{
	return is_ip(end) && (!f->port || f->port == end->port);
}

/* `localhost` is every loopback address: programs reach it by 127.0.0.1 or ::1, and need no resolver for it. A name that is
 * being resolved has the port that was asked for with it, if any. */
bool decide_is_host(const struct page *page, const struct page_fault *f, const struct addr *end, bool resolved)
{
	size_t len;
	const char *host = text_of(page, f->host, &len);
	bool loopback = len == 9 && !memcmp(host, "localhost", 9) && addr_is_local(end);

	if (end->family == ADDR_NAME)
		return end->hash == f->host_hash && (!f->port || !end->port || f->port == end->port);
	return port_is(f, end) && (resolved || loopback);
}

bool decide_is_asked(const struct page_fault *f, const struct addr *end, const struct authority *asked)
{
	if (!asked->host || asked->host != f->host_hash)
		return false;
	return !f->port || f->port == end->port || f->port == (asked->port ? asked->port : HTTP_PORT);
}

uint64_t decide_destination(const struct page_fault *f, const struct addr *end, const struct authority *asked)
{
	bool named = asked->host == f->host_hash && asked->port;

	if (f->peer != PAGE_PEER_HOST || end->family == ADDR_NAME)
		return end->hash;
	return hash_mix(f->host_hash ^ (named ? asked->port : end->port));
}

static bool peer_is(const struct page *page, const struct page_fault *f, const struct addr *end, bool host_matches)
{
	switch (f->peer) {
	case PAGE_PEER_ANY:
		return end->family != ADDR_NONE;
	case PAGE_PEER_PORT:
		return port_is(f, end);
	case PAGE_PEER_NET:
		return port_is(f, end) && same_net(&f->addr, end, f->prefix);
	case PAGE_PEER_UNIX:
		return end->family == ADDR_UNIX && addr_equal(&f->addr, end);
	case PAGE_PEER_HOST:
		return host_matches || decide_is_host(page, f, end, false);
	default:
		return false;
	}
}

bool decide_concerns(const struct page *page, const struct page_fault *f, enum page_side side, const struct addr *end,
		     bool host_matches, const char *service)
{
	if (f->side != (uint32_t)side || !peer_is(page, f, end, host_matches))
		return false;
	return !f->process.len || text_globs(page, f->process, service, strlen(service), false);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Whether this header line (no line end) is `name: value` with a value that the glob matches. */
static bool line_matches(const struct page *page, const struct page_fault *f, const char *line, size_t n)
{
	size_t name = f->header.len;

	if (n <= name || line[name] != ':' || !text_globs(page, f->header, line, name, true))
		return false;
	line += name + 1;
	n -= name + 1;
	for (; n && is_blank(*line); n--)
		line++;
	while (n && is_blank(line[n - 1]))
		n--;
	return text_globs(page, f->header_glob, line, n, false);
}

/* Whether one of the lines after the first is the header that the fault asks for. */
static bool header_matches(const struct page *page, const struct page_fault *f, const char *raw, size_t raw_len)
{
	const char *end = raw + raw_len, *line = raw ? memchr(raw, '\n', raw_len) : NULL;

	while (line && ++line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((stop ? stop : end) - line);

		n -= n && line[n - 1] == '\r';
		if (line_matches(page, f, line, n))
			return true;
		line = stop;
	}
	return false;
}

bool decide_matches(const struct page *page, const struct page_fault *f, const struct http1_head *head, const char *raw,
		    size_t raw_len)
{
	if (!head)
		return !decide_needs_head(f);
	if (f->method.len && !text_globs(page, f->method, head->method, strlen(head->method), true))
		return false;
	if (f->path.len && !text_globs(page, f->path, head->path, strlen(head->path), false))
		return false;
	return !f->header.len || header_matches(page, f, raw, raw_len);
}

bool decide_needs_head(const struct page_fault *f)
{
	return f->method.len || f->path.len || f->header.len || (f->actions & PAGE_STATUS);
}

/* The slot of key, claimed if need be; NULL when the neighbourhood of its hash is full. Keys never leave the table. */
static struct page_ordinal *ordinal_slot(struct page *page, uint64_t key)
{
	for (unsigned i = 0; i < ORDINAL_PROBES; i++) {
		struct page_ordinal *slot = &page->ordinals[(key + i) % PAGE_ORDINAL_SLOTS];
		uint64_t seen = atomic_load_explicit(&slot->key, memory_order_relaxed);

		if (!seen &&
		    atomic_compare_exchange_strong_explicit(&slot->key, &seen, key, memory_order_relaxed, memory_order_relaxed))
			return slot;
		if (seen == key)
			return slot;
	}
	return NULL;
}

uint64_t decide_ordinal(struct page *page, struct page_fault *f, uint64_t destination)
{
	uint64_t key = hash_mix(hash_mix(f->id) ^ destination);
	struct page_ordinal *slot = ordinal_slot(page, key ? key : 1);

	if (slot)
		return atomic_fetch_add_explicit(&slot->next, 1, memory_order_relaxed) + 1;
	atomic_fetch_add_explicit(&page->lost[PAGE_LOST_ORDINAL], 1, memory_order_relaxed);
	return atomic_fetch_add_explicit(&f->shared_ordinal, 1, memory_order_relaxed) + 1; /* shared by the rest */
}

bool decide_fire(struct page_fault *f)
{
	uint64_t fired = atomic_load_explicit(&f->fired, memory_order_relaxed);

	do {
		if (f->max && fired >= f->max)
			return false;
	} while (
		!atomic_compare_exchange_weak_explicit(&f->fired, &fired, fired + 1, memory_order_relaxed, memory_order_relaxed));
	return true;
}
