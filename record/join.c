/* SPDX-License-Identifier: MIT */
/*
 * Which exchange of the library is which of the kernel's. On one connection (one cookie: one end of a socket) both see the
 * same exchanges in the same order; what only one of them can see (an answer of ours, a stretch that the other lost) is
 * told by whether it reached the kernel, and by time.
 */
#include <string.h>
#include "record/ledger.h"

/* Whether the kernel had anything to see of it, as far as its own witness knows. */
static bool reached_kernel(const struct exchange *e)
{
	return !e->ended || e->x.outcome != JOURNAL_NOT_SENT || e->x.bytes_out || e->x.role == JOURNAL_SERVER;
}

static bool overlap(const struct exchange *a, const struct exchange *b)
{
	uint64_t a_end = a->ended ? a->x.ended_ns : UINT64_MAX - LEDGER_SLACK_NS;
	uint64_t b_end = b->ended ? b->x.ended_ns : UINT64_MAX - LEDGER_SLACK_NS;

	return a->x.started_ns <= b_end + LEDGER_SLACK_NS && b->x.started_ns <= a_end + LEDGER_SLACK_NS;
}

static bool same_request(const struct exchange *a, const struct exchange *b)
{
	if (!*a->x.method || !*b->x.method)
		return true;
	return !strcmp(a->x.method, b->x.method) && !strcmp(a->path ? a->path : "", b->path ? b->path : "");
}

static bool same(const struct exchange *s, const struct exchange *k)
{
	return !s->answered_by_us && reached_kernel(s) == reached_kernel(k) && overlap(s, k) && same_request(s, k);
}

/* The first of the library's exchanges from `s` on that has no twin yet. */
static struct exchange *skip_joined(struct exchange *s)
{
	while (s && s->twin)
		s = TAILQ_NEXT(s, lane);
	return s;
}

/* Both lanes are in order of start: once one of the library's begins after the kernel's ended, no later one fits. */
static struct exchange *find_twin(struct exchange *s, const struct exchange *k)
{
	for (; s; s = skip_joined(TAILQ_NEXT(s, lane))) {
		if (k->ended && s->x.started_ns > k->x.ended_ns + LEDGER_SLACK_NS)
			return NULL;
		if (same(s, k))
			return s;
	}
	return NULL;
}

void join_connection(struct recorder *r, struct connection *c)
{
	struct exchange *k, *first = skip_joined(TAILQ_FIRST(&c->lanes[SHIM]));

	if (c->joined_round == r->round || !first)
		return;
	c->joined_round = r->round;
	TAILQ_FOREACH (k, &c->lanes[EBPF], lane) {
		struct exchange *s = k->twin ? NULL : find_twin(first, k);

		if (!s)
			continue;
		s->twin = k;
		k->twin = s;
		exchange_adopt_row(r, s, k);
		first = skip_joined(first);
	}
}
