/* SPDX-License-Identifier: MIT */
#include "analyzer/link/rhythm.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/link/lanes.h"
#include "analyzer/read/spill.h"
#include "base/hash.h"

#define PERIOD_MAX 32
#define WAITS_MAX 20000		/* of an edge that a period is sought in */
#define CUTS_MIN 2		/* repetitions that a period must have */
#define EVIDENCE 20.0		/* by which BIC must be better than without a period */
#define NOISE 0.02		/* of a logarithm of a wait: less is not told apart */
#define SKIPS_MIN 3
#define MOST 0.8
#define DRONE_MIN 5		/* waits */
#define DRONE_SURE 12
#define LATE_OF 10		/* one in so many comes late on a busy machine, one of 6 may; none comes early */
#define RISE 3			/* waits at the start that show a backoff by growing */
#define RISE_BY 1.2		/* each times the one before: less is chance */
#define TREND 3.0		/* standard deviations */
#define CHAINS_MIN 3		/* chains that would show a usual number of attempts */

struct chain {	/* attempts that nothing but time joined */
	uint32_t edge, head, length;
	uint32_t lane;
};

struct wait {
	uint32_t place;
	double log_ms;
};

struct work {
	struct rhythm *r;
	struct chain *chains;		/* owned; by edge */
	size_t chain_count;
	struct lane *lanes;		/* owned */
	size_t lane_count;
	struct map lane_of;		/* see lane_key() */
	struct wait *waits, *sorted;	/* owned; room for WAITS_MAX */
	size_t wait_count;
};

static uint64_t lane_key(const struct model_exchange *x)
{
	uint64_t h = hash_mix((uint64_t)x->edge << 32 | x->process);

	return hash_mix(hash_mix(h ^ x->target) ^ x->fingerprint);
}

/* The next attempt of the same chain; MODEL_NONE: none that only time joined. */
static uint32_t next_of(const struct rhythm *r, uint32_t i)
{
	uint32_t next = r->after[i];

	return next != MODEL_NONE && r->by_time(r->arg, next) ? next : MODEL_NONE;
}

static void cut(struct rhythm *r, uint32_t i)
{
	r->after[r->before[i]] = MODEL_NONE;
	r->before[i] = MODEL_NONE;
}

static void cut_poll(struct rhythm *r, uint32_t i, bool doubtful)
{
	uint32_t edge = r->m->exchanges[i].edge;

	cut(r, i);
	r->polls[edge]++;
	r->doubtful[edge] += doubtful;
}

/* ---- chains and lanes ---- */

static bool begins_chain(const struct rhythm *r, uint32_t i)
{
	bool joined = r->before[i] != MODEL_NONE && r->by_time(r->arg, i);

	return r->m->exchanges[i].edge != MODEL_NONE && !joined && next_of(r, i) != MODEL_NONE;
}

static int by_edge(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	if (x->edge != y->edge)
		return x->edge < y->edge ? -1 : 1;
	return (x->head > y->head) - (x->head < y->head);
}

static int find_lane(struct work *w, const struct model_exchange *x, uint32_t *lane)
{
	uint64_t key = lane_key(x);

	*lane = map_get(&w->lane_of, key);
	if (*lane != MAP_NONE)
		return 0;
	*lane = (uint32_t)w->lane_count++;
	return map_put(&w->lane_of, key, *lane);
}

static int collect(struct work *w)
{
	struct rhythm *r = w->r;
	size_t heads = 0;

	for (uint32_t i = 0; i < r->m->exchange_count; i++)
		heads += begins_chain(r, i);
	w->chains = spill_realloc(NULL, (heads + 1) * sizeof(*w->chains));
	w->lanes = spill_calloc(heads + 1, sizeof(*w->lanes));
	if (!w->chains || !w->lanes)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->m->exchange_count; i++) {
		struct chain *c = &w->chains[w->chain_count];

		if (!begins_chain(r, i))
			continue;
		*c = (struct chain){.edge = r->m->exchanges[i].edge, .head = i};
		for (uint32_t k = i; k != MODEL_NONE; k = next_of(r, k))
			c->length++;
		if (find_lane(w, &r->m->exchanges[i], &c->lane))
			return -ENOMEM;
		w->chain_count++;
	}
	qsort(w->chains, w->chain_count, sizeof(*w->chains), by_edge);
	return 0;
}

/* Fills the lanes of the chains; neighbours are on one thread. */
static int walk_lanes(struct work *w)
{
	const struct model *m = w->r->m;
	struct map last = {0};	/* lane and thread -> exchange */
	int err = 0;

	for (uint32_t i = 0; i < m->exchange_count && !err; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint32_t lane = x->edge == MODEL_NONE || x->role != MODEL_CLIENT ? MAP_NONE : map_get(&w->lane_of, lane_key(x)), before;
		uint64_t thread = (uint64_t)lane << 32 | x->tid;

		if (lane == MAP_NONE)
			continue;
		before = map_get(&last, thread);
		w->lanes[lane].latest = i;
		if (before != MAP_NONE)
			err = lane_add(&w->lanes[lane], &m->exchanges[before], x);
		if (!err)
			err = map_put(&last, thread, i);
	}
	map_free(&last);
	for (size_t i = 0; i < w->lane_count && !err; i++)
		err = lane_settle(&w->lanes[i]);
	return err;
}

/* ---- the period of an edge ---- */

static void gather_waits(struct work *w, const struct chain *chains, size_t n)
{
	const struct model_exchange *x = w->r->m->exchanges;

	w->wait_count = 0;
	for (size_t c = 0; c < n; c++) {
		uint32_t a = chains[c].head, b, place = 0;

		for (; (b = next_of(w->r, a)) != MODEL_NONE && w->wait_count < WAITS_MAX; a = b)
			w->waits[w->wait_count++] = (struct wait){place++, log(lane_gap_ms(&x[a], &x[b]) + LANE_FLOOR_MS)};
	}
}

static int by_place(const void *a, const void *b)
{
	const struct wait *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->log_ms > y->log_ms) - (x->log_ms < y->log_ms);
}

static double deviations(const struct wait *waits, size_t n, double from)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += fabs(waits[i].log_ms - from);
	return sum;
}

/* Around their own median, which lies closer to few than to all that could be; alone a wait says nothing: it is as far off as it is from all. */
static double place_spread(const struct wait *waits, size_t n, double middle)
{
	return n > 1 ? deviations(waits, n, waits[n / 2].log_ms) * (double)n / (double)(n - 1) : deviations(waits, 1, middle);
}

static double median_wait(struct work *w)
{
	for (size_t i = 0; i < w->wait_count; i++)
		w->sorted[i] = (struct wait){0, w->waits[i].log_ms};
	qsort(w->sorted, w->wait_count, sizeof(*w->sorted), by_place);
	return w->sorted[w->wait_count / 2].log_ms;
}

/* BIC when waits vary around the median of their place in a period; period 0: none repeats. */
static double bic(struct work *w, uint32_t period)
{
	double spread = 0, n = (double)w->wait_count, middle = median_wait(w);
	size_t places = 0;

	for (size_t i = 0; i < w->wait_count; i++)
		w->sorted[i] = (struct wait){period ? w->waits[i].place % period : w->waits[i].place, w->waits[i].log_ms};
	qsort(w->sorted, w->wait_count, sizeof(*w->sorted), by_place);
	for (size_t from = 0, to; from < w->wait_count; from = to, places++) {
		for (to = from; to < w->wait_count && w->sorted[to].place == w->sorted[from].place; to++)
			;
		spread += place_spread(&w->sorted[from], to - from, middle);
	}
	return 2 * n * log(spread / n + NOISE) + (double)(places + 1) * log(n);
}

/* Links that would be cut. */
static uint64_t cuts(const struct chain *chains, size_t n, uint32_t period)
{
	uint64_t sum = 0;

	for (size_t c = 0; c < n; c++)
		sum += (chains[c].length - 1) / period;
	return sum;
}

/* 0: none. */
static uint32_t find_period(struct work *w, const struct chain *chains, size_t n)
{
	uint32_t longest = 0, best = 0;
	double least, single;

	for (size_t c = 0; c < n; c++)
		longest = chains[c].length > longest ? chains[c].length : longest;
	if (longest < 2 * 2)
		return 0;
	gather_waits(w, chains, n);
	single = bic(w, 1);
	least = fmin(single, bic(w, 0));
	for (uint32_t period = 2; period <= PERIOD_MAX && period * 2 <= longest; period++) {
		double score = bic(w, period);

		if (score < least && score < single - EVIDENCE && cuts(chains, n, period) >= CUTS_MIN) {
			least = score;
			best = period;
		}
	}
	return best;
}

static void cut_periods(struct rhythm *r, const struct chain *c, uint32_t period)
{
	uint32_t i = c->head, next;

	for (uint32_t attempt = 1; i != MODEL_NONE; attempt++, i = next) {
		next = next_of(r, i);
		if (next != MODEL_NONE && attempt % period == 0)
			cut(r, next);
	}
}

/* ---- what follows at the pace ---- */

/*
 * Whether the client retries once without a wait and then waits, as urllib3 does: in a loop without pause only the first of these waits looks like
 * its next request.
 */
static bool skips_first(const struct work *w, const struct chain *chains, size_t n)
{
	const struct model_exchange *x = w->r->m->exchanges;
	uint64_t links[2] = {0}, tight[2] = {0};	/* of the first and the second wait of a chain */

	for (size_t c = 0; c < n; c++) {
		const struct pace *p = &w->lanes[chains[c].lane].pace;
		uint32_t i = chains[c].head, next;

		for (int k = 0; k < 2 && p->known && p->tight && (next = next_of(w->r, i)) != MODEL_NONE; k++, i = next) {
			links[k]++;
			tight[k] += pace_keeps(p, &x[i], &x[next]);
		}
	}
	return links[1] >= SKIPS_MIN && (double)tight[0] >= MOST * (double)links[0] && (double)tight[1] <= (1 - MOST) * (double)links[1];
}

static void widen(struct rhythm_blind *b, double low_ms, double high_ms)
{
	b->low_ms = b->high_ms > 0 ? fmin(b->low_ms, low_ms) : low_ms;
	b->high_ms = fmax(b->high_ms, high_ms);
}

static void cut_pace(struct work *w, const struct chain *c, bool skips)
{
	const struct lane *l = &w->lanes[c->lane];
	const struct model_exchange *x = w->r->m->exchanges;
	const struct pace *p = &l->pace;
	bool all = !p->known && lane_is_careless(l), first = true;	/* of the waits of a request */
	uint32_t i = c->head, next;
	double gap;

	for (; (p->known || all) && i != MODEL_NONE; i = next) {
		next = next_of(w->r, i);
		if (next == MODEL_NONE || (first && skips && p->tight) || !(all || pace_keeps(p, &x[i], &x[next]))) {
			first = false;
			continue;
		}
		gap = lane_gap_ms(&x[i], &x[next]);
		cut_poll(w->r, next, p->tight && (p->known || gap < LANE_TIGHT_MS));
		if (p->known)
			widen(&w->r->blind[c->edge], p->tight ? 0 : gap, gap);
		first = true;
	}
}

/* ---- drones ---- */

/* Whether the client waited on, as before another attempt, and ended without one. */
static bool lives_on(const struct model *m, const struct lane *l, uint32_t last, double middle)
{
	const struct model_exchange *x = &m->exchanges[last];
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &m->processes[x->process];

	return l->latest == last && p && p->ended_ns > x->ended_ns && (double)(p->ended_ns - x->ended_ns) / NS_PER_MS >= middle / 2;
}

/* The length that most chains of an edge have: somebody counts. 0: none. */
static uint32_t counted(const struct chain *chains, size_t n)
{
	uint32_t length = 0;
	size_t votes = 0, alike = 0;

	for (size_t i = 0; i < n; i++) {
		if (!votes)
			length = chains[i].length;
		votes += chains[i].length == length ? 1 : -(size_t)1;
	}
	for (size_t i = 0; i < n; i++)
		alike += chains[i].length == length;
	return alike > 2 && alike * 2 > n ? length : 0;
}

/* The longest of sorted waits that is not put down to a busy machine. */
static double longest_ms(const struct samples *s)
{
	size_t late = s->n / LATE_OF;

	return s->values[s->n - 1 - (late ? late : s->n > DRONE_MIN)];
}

/* The waits of a chain, sorted; *last: its last attempt. */
static int waits_of(const struct work *w, const struct chain *c, struct samples *s, uint32_t *last)
{
	const struct model_exchange *x = w->r->m->exchanges;
	uint32_t i = c->head, next;
	int err = 0;

	for (; !err && (next = next_of(w->r, i)) != MODEL_NONE; i = next)
		err = samples_add(s, lane_gap_ms(&x[i], &x[next]));
	samples_sort(s);
	*last = i;
	return err;
}

/* s: the chain's waits. at_once: so many waits that are none; SIZE_MAX: none are enough. */
static bool is_drone(const struct work *w, const struct chain *c, const struct samples *s, uint32_t last, size_t at_once)
{
	double middle = samples_percentile(s, 0.5), slack = fmax(0.1 * middle, LANE_FLOOR_MS);

	if (s->n >= DRONE_MIN && s->values[0] >= middle - slack && longest_ms(s) <= middle + slack &&
	    (s->n >= DRONE_SURE || (model_failed(&w->r->m->exchanges[last]) && lives_on(w->r->m, &w->lanes[c->lane], last, middle))))
		return true;
	return s->n >= at_once && samples_percentile(s, 0.9) <= LANE_TIGHT_MS;
}

/*
 * Whether its waits, which are not alike, grow as a backoff's do: the first three do, up to what is usual, or those of the second half are longer more
 * often than chance makes them.
 */
static bool grows(const struct work *w, const struct chain *c, const struct samples *s)
{
	const struct model_exchange *x = w->r->m->exchanges;
	double middle = samples_percentile(s, 0.5), before = 0, n = (double)s->n, longer = 0;
	uint32_t i = c->head, next;
	bool rises = true;

	for (size_t k = 0; (next = next_of(w->r, i)) != MODEL_NONE; i = next, k++) {
		double ms = lane_gap_ms(&x[i], &x[next]);

		rises = rises && (k >= RISE || (ms > RISE_BY * before && ms <= middle));
		longer += k >= s->n / 2 && ms > middle;
		before = ms;
	}
	return rises || longer > n / 4 + TREND * sqrt(n) / 4;
}

/* Whether it goes on and on without any success, after waits of any length: as often as others, or as long as the work lasts. */
static bool wanders(const struct work *w, const struct chain *c, const struct samples *s, uint32_t last)
{
	return s->n > DRONE_SURE && model_failed(&w->r->m->exchanges[last]) && !grows(w, c, s);
}

static void cut_all(struct rhythm *r, const struct chain *c)
{
	for (uint32_t i = c->head, next; i != MODEL_NONE; i = next) {
		next = next_of(r, i);
		if (next != MODEL_NONE)
			cut_poll(r, next, true);
	}
}

/* ---- edge by edge ---- */

static int judge_chain(struct work *w, const struct chain *c, uint32_t usual, size_t at_once, bool skips)
{
	struct samples s = {0};
	uint32_t last;
	int err;

	if (w->lanes[c->lane].well.ends.n >= LANE_PACE_MIN || w->lanes[c->lane].pace.known) {
		cut_pace(w, c, skips);
		return 0;
	}
	if (c->length <= DRONE_MIN)
		return 0;
	err = waits_of(w, c, &s, &last);
	if (!err && ((c->length != usual && is_drone(w, c, &s, last, at_once)) || wanders(w, c, &s, last)))
		cut_all(w->r, c);
	samples_free(&s);
	return err;
}

/* Whether most of the waits that a period has for the client's own are none by its pace. */
static bool is_against_pace(const struct work *w, const struct chain *chains, size_t n, uint32_t period)
{
	const struct model_exchange *x = w->r->m->exchanges;
	uint64_t own = 0, kept = 0;

	for (size_t c = 0; c < n && period; c++) {
		const struct pace *p = &w->lanes[chains[c].lane].pace;
		uint32_t i = chains[c].head, next;

		for (uint32_t attempt = 1; p->known && !p->tight && (next = next_of(w->r, i)) != MODEL_NONE; attempt++, i = next) {
			own += attempt % period == 0;
			kept += attempt % period == 0 && pace_keeps(p, &x[i], &x[next]);
		}
	}
	return kept * 2 < own;
}

static int judge_edge(struct work *w, const struct chain *chains, size_t n)
{
	uint32_t found = find_period(w, chains, n), period = is_against_pace(w, chains, n, found) ? 0 : found;
	bool skips = !period && skips_first(w, chains, n);
	uint32_t usual = counted(chains, n);
	size_t at_once = usual ? SIZE_MAX : n >= CHAINS_MIN ? DRONE_MIN : DRONE_SURE;
	int err = 0;

	for (size_t c = 0; c < n && !err; c++) {
		if (period)
			cut_periods(w->r, &chains[c], period);
		else
			err = judge_chain(w, &chains[c], usual, at_once, skips);
	}
	return err;
}

static int judge_edges(struct work *w)
{
	size_t from = 0;
	int err = 0;

	w->waits = malloc(WAITS_MAX * sizeof(*w->waits));
	w->sorted = malloc(WAITS_MAX * sizeof(*w->sorted));
	if (!w->waits || !w->sorted)
		return -ENOMEM;
	for (size_t i = 1; i <= w->chain_count && !err; i++) {
		if (i < w->chain_count && w->chains[i].edge == w->chains[from].edge)
			continue;
		err = judge_edge(w, &w->chains[from], i - from);
		from = i;
	}
	return err;
}

int rhythm_cut(struct rhythm *r)
{
	struct work w = {.r = r};
	int err = collect(&w);

	if (!err && w.chain_count)
		err = walk_lanes(&w);
	if (!err && w.chain_count)
		err = judge_edges(&w);
	for (size_t i = 0; w.lanes && i < w.lane_count; i++)
		lane_free(&w.lanes[i]);
	map_free(&w.lane_of);
	spill_free(w.lanes);
	spill_free(w.chains);
	free(w.waits);
	free(w.sorted);
	return err;
}
