/* SPDX-License-Identifier: MIT */
/*
 * Hedged requests: a second attempt while the first is still on its way, and the first good answer counts. Two attempts of one edge, over two
 * connections, for the same method, path and content, that overlap: the second began before the first had ended.
 *
 * Whether they are of one request is told by
 *   the inbound request they were made for, or a correlation id that both carry; either the loser was given up as the winner was
 *   answered, or second attempts begin after delays that agree (clusters.h), at least 5 ms, and hardly any first attempt that took much longer
 *   had no second
 *   else, of a client that neither has inbound requests nor sends ids, only by this: the loser was given up as the winner was answered, and while it
 *   was on its way at most 4 of the same were asked; three times at least
 *
 * And where the loser was given up as the winner was answered (rivals.h), and the second began at least 5 ms later: that may be at another server, and
 * is counted at the first.
 *
 * Not hedging: calls in parallel of which each is waited for, what is asked again after it was answered, several on one connection, a retry that
 * begins as the first attempt is given up (then the first ends before the second is answered), and the same asked for by two users.
 */
#include <errno.h>
#include <stdlib.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

#define TOGETHER_NS (5 * NS_PER_MS)
#define DELAY_MIN_MS 5.0
#define HEDGED_MIN 3
#define ALONE_MAX 4		/* of the same that are asked while a loser of unknown kin is on its way */
#define LOOK_AHEAD 256		/* attempts that start during another's and are looked at */
#define LOOK_FOR_ID 64		/* the same, of one that only an id tells of */
#define SINGLES_SHARE 0.25

enum part { NO_HEDGE, FIRST, SECOND };	/* of an attempt in a pair */

struct pair {		/* a first attempt and its hedge */
	double delay_ms;
	bool won, cancelled;	/* by the second; the loser was given up */
	bool kin;		/* that they are of one request is known */
};

struct hedges {
	struct measure *m;
	uint32_t closed;	/* name of an error */
	uint8_t *taken;		/* per exchange: enum part; owned */
	struct pair *pairs;	/* of one edge; owned */
	size_t count, room;
	struct samples delays;
};

static const struct model_exchange *exchange(const struct hedges *h, uint32_t i)
{
	return &h->m->r->model.exchanges[i];
}

static bool same_request(const struct model_exchange *x, const struct model_exchange *y)
{
	return x->target && x->target == y->target && x->fingerprint == y->fingerprint && x->edge == y->edge && x->process == y->process;
}

static bool same_kin(const struct model_exchange *x, const struct model_exchange *y)
{
	if (x->parent != MODEL_NONE || y->parent != MODEL_NONE)
		return x->parent == y->parent;
	return x->correlation && x->correlation == y->correlation;
}

static bool has_kin(const struct model_exchange *x)
{
	return x->parent != MODEL_NONE || x->correlation;
}

static bool overlap(const struct model_exchange *x, const struct model_exchange *y)
{
	return x->ended_ns && y->ended_ns && y->started_ns < x->ended_ns && x->started_ns <= y->started_ns && x->connection != y->connection;
}

/* Whether l was given up as w was answered well. */
static bool lost_to(const struct hedges *h, const struct model_exchange *l, const struct model_exchange *w)
{
	return w->outcome == MODEL_OK && l->outcome == MODEL_INDETERMINATE && l->error == h->closed && l->ended_ns + NS_PER_MS >= w->ended_ns &&
	       (l->lost || l->ended_ns <= w->ended_ns + TOGETHER_NS);
}

static int add_pair(struct hedges *h, uint32_t first, uint32_t second, bool kin)
{
	const struct model_exchange *x = exchange(h, first), *y = exchange(h, second);

	if (SPILL_GROW(h->pairs, h->count, h->room))
		return -ENOMEM;
	h->pairs[h->count++] = (struct pair){
		.delay_ms = model_ms(x->started_ns, y->started_ns), .kin = kin,
		.won = y->outcome == MODEL_OK && (x->outcome != MODEL_OK || y->ended_ns < x->ended_ns),
		.cancelled = lost_to(h, x, y) || lost_to(h, y, x)};
	h->taken[first] = FIRST;
	h->taken[second] = SECOND;
	return 0;
}

/* ---- attempts whose kin is known ---- */

/* Whether y may be a hedge of x: an overlap that is more than a late close before a retry. */
static bool may_hedge(const struct hedges *h, const struct model_exchange *x, const struct model_exchange *y)
{
	if (!same_request(x, y) || !overlap(x, y) || !same_kin(x, y))
		return false;
	return x->outcome == MODEL_OK || lost_to(h, x, y);
}

/* Whether the i-th of these attempts began after the same had been answered well for the same request: it is another call, not another attempt. */
static bool is_repeated(const struct hedges *h, const struct chains_span *s, size_t i)
{
	const struct model_exchange *y = exchange(h, s->members[i]);

	for (size_t k = i; k-- > 0 && i - k <= LOOK_AHEAD;) {
		const struct model_exchange *z = exchange(h, s->members[k]);

		if (z->outcome == MODEL_OK && z->ended_ns && z->ended_ns <= y->started_ns && same_request(z, y) && same_kin(z, y))
			return true;
	}
	return false;
}

/* The attempts that begin during x, the k-th of these: the first that may be its hedge. */
static int look_among(struct hedges *h, const struct chains_span *s, size_t k, size_t look_ahead)
{
	const struct model_exchange *x = exchange(h, s->members[k]);

	for (size_t i = k + 1; i < s->n && i <= k + look_ahead && exchange(h, s->members[i])->started_ns < x->ended_ns; i++)
		if (!h->taken[s->members[i]] && may_hedge(h, x, exchange(h, s->members[i])) && !is_repeated(h, s, i))
			return add_pair(h, s->members[k], s->members[i], true);
	return 0;
}

/* Where an attempt is among those of its parent, which are in order. */
static size_t position(const struct chains_span *s, uint32_t attempt)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->members[middle] < attempt)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The hedge of the k-th attempt of an edge: among the calls for the same inbound request, else among those of the edge that begin soon. */
static int look_for_kin(struct hedges *h, const struct chains_span *s, size_t k)
{
	const struct model_exchange *x = exchange(h, s->members[k]);
	struct chains_span family;

	if (x->parent == MODEL_NONE)
		return look_among(h, s, k, LOOK_FOR_ID);
	family = chains_of(&h->m->chains.by_parent, x->parent);
	return look_among(h, &family, position(&family, s->members[k]), LOOK_AHEAD);
}

/* ---- attempts of which nothing is known but what they ask ---- */

/* How many of the same were asked while the k-th was on its way, itself included; *other: one of them that won or lost against it. */
static unsigned count_company(const struct hedges *h, const struct chains_span *s, size_t k, uint32_t *other)
{
	const struct model_exchange *l = exchange(h, s->members[k]);
	size_t from = k > LOOK_AHEAD ? k - LOOK_AHEAD : 0, i;
	unsigned n = 0;

	*other = MODEL_NONE;
	for (i = from; i < s->n && i <= k + LOOK_AHEAD && exchange(h, s->members[i])->started_ns < l->ended_ns; i++) {
		const struct model_exchange *w = exchange(h, s->members[i]);

		if (!same_request(l, w) || (w->ended_ns && w->ended_ns <= l->started_ns))
			continue;
		n++;
		if (i != k && lost_to(h, l, w) && (overlap(l, w) || overlap(w, l)))
			*other = s->members[i];
	}
	return i > k + LOOK_AHEAD ? ALONE_MAX + 1 : n;
}

static int look_for_strangers(struct hedges *h, const struct chains_span *s, size_t k)
{
	uint32_t loser = s->members[k], winner;
	bool alone = count_company(h, s, k, &winner) <= ALONE_MAX;

	if (winner == MODEL_NONE || !alone || h->taken[winner] || has_kin(exchange(h, winner)))
		return 0;
	return exchange(h, loser)->started_ns <= exchange(h, winner)->started_ns ? add_pair(h, loser, winner, false)
										   : add_pair(h, winner, loser, false);
}

/* A hedge at this server or another: it lost, or the first did. */
static int look_for_rival(struct hedges *h, uint32_t first)
{
	uint32_t second = rivals_second(&h->m->link.rivals, first);

	if (second == MODEL_NONE || h->taken[second])
		return 0;
	return model_ms(exchange(h, first)->started_ns, exchange(h, second)->started_ns) < DELAY_MIN_MS ? 0 : add_pair(h, first, second, true);
}

/* The hedge of the k-th attempt of an edge. */
static int look_for_hedge(struct hedges *h, const struct chains_span *s, size_t k)
{
	const struct model_exchange *x = exchange(h, s->members[k]);
	int err = look_for_rival(h, s->members[k]);

	if (err || h->taken[s->members[k]])
		return err;
	if (has_kin(x))
		return look_for_kin(h, s, k);
	return x->outcome == MODEL_INDETERMINATE && x->error == h->closed ? look_for_strangers(h, s, k) : 0;
}

static int find_pairs(struct hedges *h, const struct chains_span *s)
{
	int err = 0;

	for (size_t k = 0; k < s->n && !err; k++) {
		const struct model_exchange *x = exchange(h, s->members[k]);

		if (x->role == MODEL_CLIENT && x->ended_ns && !h->taken[s->members[k]] && measure_counts(h->m, x->started_ns))
			err = look_for_hedge(h, s, k);
	}
	return err;
}

/* ---- what they prove ---- */

/* Attempts of this edge without a second though they took much longer than the delay after which one is made. */
static uint64_t count_singles(const struct hedges *h, const struct chains_span *s, double delay_ms)
{
	uint64_t n = 0;

	for (size_t k = 0; k < s->n; k++) {
		const struct model_exchange *x = exchange(h, s->members[k]);

		n += !h->taken[s->members[k]] && has_kin(x) && x->ended_ns && model_took_ms(x) > 1.5 * delay_ms + 20;
	}
	return n;
}

static int collect_delays(struct hedges *h)
{
	h->delays.n = 0;
	for (size_t i = 0; i < h->count; i++)
		if (samples_add(&h->delays, h->pairs[i].delay_ms))
			return -ENOMEM;
	samples_sort(&h->delays);
	return 0;
}

/* Attempts of unknown kin that were given up. */
static size_t count_cuts(const struct hedges *h, const struct chains_span *s)
{
	size_t n = 0;

	for (size_t k = 0; k < s->n; k++) {
		const struct model_exchange *x = exchange(h, s->members[k]);

		n += !has_kin(x) && x->outcome == MODEL_INDETERMINATE && x->error == h->closed;
	}
	return n;
}

/* Pairs whose losers were not given up are hedges only when their delays agree, and long attempts without a second are few. */
static void drop_unproven(struct hedges *h, const struct chains_span *s)
{
	size_t cancelled = 0, kept = 0, strangers = 0;
	struct cluster c;
	double delay;

	for (size_t i = 0; i < h->count; i++) {
		cancelled += h->pairs[i].cancelled;
		strangers += !h->pairs[i].kin;
	}
	if (strangers && strangers * 2 < count_cuts(h, s)) {	/* most are given up for another reason: these may be chance */
		h->count = 0;
		return;
	}
	if (cancelled * 2 >= h->count)
		return;
	if (clusters_find(h->delays.values, h->delays.n, &c, 1) && c.n >= CLUSTERS_MIN) {
		delay = h->delays.values[c.first + c.n / 2];
		if (delay >= DELAY_MIN_MS && c.n * 2 >= h->count && (double)count_singles(h, s, delay) <= SINGLES_SHARE * (double)h->count)
			return;
	}
	for (size_t i = 0; i < h->count; i++)
		if (h->pairs[i].cancelled)
			h->pairs[kept++] = h->pairs[i];
	h->count = kept;
}

/* Requests of an edge: what is neither a retry nor a hedge. What follows the loser of a pair is no retry of it: the winner was answered. */
static uint64_t count_requests(const struct hedges *h, uint32_t edge)
{
	struct chains_span s = chains_of(&h->m->chains.requests, edge);
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		struct chains_span attempts = chains_of(&h->m->chains.by_logical, s.members[i]);
		uint8_t before = FIRST;	/* nothing goes before the first attempt */

		if (!measure_counts(h->m, h->m->link.logicals[s.members[i]].started_ns))
			continue;
		for (size_t k = 0; k < attempts.n; k++) {
			if (k && exchange(h, attempts.members[k])->lost)
				continue;
			n += before != NO_HEDGE && h->taken[attempts.members[k]] != SECOND;
			before = h->taken[attempts.members[k]];
		}
	}
	return n;
}

static int settle(struct hedges *h, uint32_t edge)
{
	struct policy_hedging *p = &h->m->r->edges[edge].hedging;
	uint64_t requests = count_requests(h, edge);
	int err = collect_delays(h);

	if (err)
		return err;
	for (size_t i = 0; i < h->count; i++) {
		p->wins += h->pairs[i].won;
		p->cancelled += h->pairs[i].cancelled;
	}
	p->hedged = h->count;
	p->known = p->hedged >= HEDGED_MIN;
	p->delay_ms = samples_percentile(&h->delays, 0.5);
	p->delay_low_ms = samples_percentile(&h->delays, 0.05);
	p->delay_high_ms = samples_percentile(&h->delays, 0.95);
	p->share = metric_share(p->hedged, requests > p->hedged ? requests : p->hedged);
	return 0;
}

static int measure_edge(struct hedges *h, uint32_t edge)
{
	struct chains_span s = chains_of(&h->m->chains.by_edge, edge);
	int err;

	h->count = 0;
	err = find_pairs(h, &s);
	if (!err)
		err = collect_delays(h);
	if (!err)
		drop_unproven(h, &s);
	return err || !h->count ? err : settle(h, edge);
}

int measure_hedging(struct measure *m)
{
	struct hedges h = {.m = m, .closed = texts_find(&m->r->model.names, "closed"), .taken = spill_calloc(m->r->model.exchange_count + 1, 1)};
	int err = h.taken ? 0 : -ENOMEM;

	for (uint32_t e = 0; e < m->r->edge_count && !err; e++)
		if (!m->graph.edges[e].external)
			err = measure_edge(&h, e);
	spill_free(h.taken);
	spill_free(h.pairs);
	samples_free(&h.delays);
	return err;
}
