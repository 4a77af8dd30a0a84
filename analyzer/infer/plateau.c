/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/plateau.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"

#define WAITED_MIN 20
#define TURNED_DOWN_MIN 5
#define SURE_MIN 20		/* turned down: though more waited */
#define SAME 0.9		/* of those that tell: a place is handed over a little after a call is seen to end */
#define HELD 0.9		/* of one place: a rate limiter that lets requests wait comes near that */
#define HELD_SEVERAL 0.85	/* of more: a busy machine hands places over late */
#define HANDOVER 0.05		/* of a call's mean time */
#define STARTS_LOOKED 16
#define USUAL_MIN 5		/* requests that say how long it takes from a request to its call */
#define USUAL_TIMES 2
#define USUAL_LEAST_NS NS_PER_MS
#define MOVING_MIN 40
#define MOVING_RATIO 1.5
#define MOVING_STEPS 3		/* between the 5th and the 95th percentile: less may be chance */

struct level {			/* one request that was not let in at once */
	uint64_t at_ns, until_ns;
	unsigned in_work;
	bool waited, full;	/* full: as many as ever were in work, or could be */
	bool in_turn;		/* its call began as another ended, and no more were in work than while it waited */
};

struct crowd {
	const struct plateau_call *calls;
	const struct plateau_demand *demands;
	size_t n, demand_count, ended, most;
	uint64_t *ends;		/* owned; ascending */
	uint64_t *taken, *given_back;	/* owned; ascending: requests that called are there from, to */
	size_t holders;
	struct level *seen;	/* owned */
	size_t seen_count;
	struct level *levels;	/* owned; of them, those that tell: that waited, or that were turned down */
	size_t count;
	uint64_t usual_ns;	/* from a request to its call */
	double handover_ns;	/* a place may be empty: the next request takes it when the client has noticed that a call ended */
};

struct place {			/* where looking for an instant ended: the next one is near */
	size_t begun, over;
};

/* Calls whose end is not known are over at once: else they would be in work for ever. */
static unsigned in_work_near(const struct crowd *c, uint64_t t, struct place *p)
{
	size_t started = times_near(&c->calls->start_ns, sizeof(*c->calls), c->n, t, &p->begun);
	size_t over = times_near(c->ends, sizeof(*c->ends), c->ended, t, &p->over);

	return started > over ? (unsigned)(started - over) : 0;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static double handover(const struct crowd *c)
{
	double sum = 0;

	for (size_t i = 0; i < c->n; i++)
		sum += c->calls[i].end_ns > c->calls[i].start_ns ? (double)(c->calls[i].end_ns - c->calls[i].start_ns) : 0;
	return fmax(NS_PER_MS, c->n ? HANDOVER * sum / (double)c->n : 0);
}

static int prepare(struct crowd *c)
{
	struct place near = {0};

	c->ends = spill_realloc(NULL, (c->n + 1) * sizeof(*c->ends));
	c->seen = spill_realloc(NULL, (c->demand_count + 1) * sizeof(*c->seen));
	c->levels = spill_realloc(NULL, (c->demand_count + 1) * sizeof(*c->levels));
	c->taken = spill_realloc(NULL, (c->demand_count + 1) * sizeof(*c->taken));
	c->given_back = spill_realloc(NULL, (c->demand_count + 1) * sizeof(*c->given_back));
	if (!c->ends || !c->seen || !c->levels || !c->taken || !c->given_back)
		return -ENOMEM;
	for (size_t i = 0; i < c->demand_count; i++)
		if (c->demands[i].call_ns && c->demands[i].end_ns > c->demands[i].at_ns) {
			c->taken[c->holders] = c->demands[i].at_ns;
			c->given_back[c->holders++] = c->demands[i].end_ns;
		}
	times_sort(c->taken, c->holders);
	times_sort(c->given_back, c->holders);
	for (size_t i = 0; i < c->n; i++)
		c->ends[c->ended++] = c->calls[i].end_ns > c->calls[i].start_ns ? c->calls[i].end_ns : c->calls[i].start_ns;
	times_sort(c->ends, c->ended);
	for (size_t i = 0; i < c->n; i++) {
		unsigned now = in_work_near(c, c->calls[i].start_ns, &near);

		c->most = now > c->most ? now : c->most;
	}
	c->handover_ns = handover(c);
	return 0;
}

/* How long requests take to call while less than half of the most calls are in work. */
static int find_usual(struct crowd *c)
{
	uint64_t *waits = spill_realloc(NULL, (c->demand_count + 1) * sizeof(*waits));
	struct place near = {0};
	size_t n = 0;

	if (!waits)
		return -ENOMEM;
	for (size_t i = 0; i < c->demand_count; i++) {
		const struct plateau_demand *d = &c->demands[i];

		if (d->call_ns > d->at_ns && (size_t)in_work_near(c, d->at_ns, &near) * 2 < c->most)
			waits[n++] = d->call_ns - d->at_ns;
	}
	times_sort(waits, n);
	c->usual_ns = n >= USUAL_MIN ? USUAL_TIMES * waits[n / 2] : USUAL_LEAST_NS;
	c->usual_ns = c->usual_ns < USUAL_LEAST_NS ? USUAL_LEAST_NS : c->usual_ns;
	spill_free(waits);
	return 0;
}

/* The most at once within [from, to], as far as its last starts tell: a place that is free for a moment is handed to who waited longer. */
static unsigned most_within(const struct crowd *c, uint64_t from, uint64_t to)
{
	struct place near = {c->n / 2, c->ended / 2};
	size_t at = times_near(&c->calls->start_ns, sizeof(*c->calls), c->n, to, &near.begun);
	unsigned most = larger(in_work_near(c, from, &near), in_work_near(c, to, &near));

	for (size_t looked = 0; looked < STARTS_LOOKED && at-- > 0 && c->calls[at].start_ns >= from; looked++)
		most = larger(most, in_work_near(c, c->calls[at].start_ns, &near));
	return most;
}

/* Whether requests that call are enough to fill it: a place is taken before the call is seen to start, and given back after it has ended. */
static bool may_be_full(const struct crowd *c, uint64_t t)
{
	size_t taken = times_upto(c->taken, c->holders, t), back = times_upto(c->given_back, c->holders, t);

	return taken >= back + c->most;
}

/* Whether a call has just ended at t, and no more than in_work are in work then: a place was taken over, not added. */
static bool begins_in_turn(const struct crowd *c, uint64_t t, unsigned in_work)
{
	struct place near = {c->n / 2, c->ended / 2};
	size_t over = times_upto(c->ends, c->ended, t);

	return over && (double)(t - c->ends[over - 1]) <= c->handover_ns && in_work_near(c, t, &near) <= in_work;
}

static void find_levels(struct crowd *c, bool can_wait)
{
	for (size_t i = 0; i < c->demand_count; i++) {
		const struct plateau_demand *d = &c->demands[i];
		uint64_t from = d->at_ns + c->usual_ns;

		if (d->turned_down && d->end_ns >= d->at_ns) {
			unsigned now = most_within(c, d->at_ns, d->end_ns);

			c->seen[c->seen_count++] = (struct level){d->at_ns, d->end_ns, now, false, now == c->most || may_be_full(c, d->at_ns) ||
												may_be_full(c, d->end_ns), false};
		} else if (can_wait && d->call_ns > from && from > d->at_ns) {
			unsigned now = most_within(c, from, d->call_ns - 1);

			c->seen[c->seen_count++] = (struct level){from, d->call_ns, now, true, now == c->most,
									begins_in_turn(c, d->call_ns, now)};
		}
	}
}

/* ---- one level ---- */

static void keep(struct crowd *c, bool waited)
{
	c->count = 0;
	for (size_t i = 0; i < c->seen_count; i++)
		if (c->seen[i].waited == waited)
			c->levels[c->count++] = c->seen[i];
}

/* Whether nearly all came while it was or may have been full, and most while it was. */
static bool is_one_level(const struct crowd *c)
{
	size_t full = 0, surely = 0;

	for (size_t i = 0; i < c->count; i++) {
		full += c->levels[i].full;
		surely += c->levels[i].in_work == c->most;
	}
	return c->most && (double)full >= SAME * (double)c->count && 2 * surely >= c->count;
}

enum change { ENDS, WAITS, WAITS_NO_MORE, BEGINS };	/* in this order, where several are at once */

static size_t put(struct radix_item *changes, size_t n, uint64_t at_ns, enum change what)
{
	changes[n] = (struct radix_item){at_ns, what};
	return n + 1;
}

static int list_changes(const struct crowd *c, struct radix_item *changes, size_t *count)
{
	size_t n = 0;

	for (size_t i = 0; i < c->ended; i++)
		n = put(changes, n, c->ends[i], ENDS);
	for (size_t i = 0; i < c->count; i++) {
		n = put(changes, n, c->levels[i].at_ns, WAITS);
		n = put(changes, n, c->levels[i].until_ns, WAITS_NO_MORE);
	}
	for (size_t i = 0; i < c->n; i++)
		n = put(changes, n, c->calls[i].start_ns, BEGINS);
	*count = n;
	return radix_sort(changes, n);
}

/*
 * The share of the time in which requests wait, or are being turned down, that so many calls are in work (or nearly, just after one ended); and the
 * most that was offered.
 */
static int find_held(const struct crowd *c, unsigned level, double *held, long *offered)
{
	struct radix_item *changes = spill_realloc(NULL, (2 * c->n + 2 * c->count + 1) * sizeof(*changes));
	long waiting = 0, working = 0;
	double all = 0, at = 0, ended = 0;
	size_t n;

	if (!changes || list_changes(c, changes, &n)) {
		spill_free(changes);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		double now = (double)changes[i].key, took = i + 1 < n ? (double)(changes[i + 1].key - changes[i].key) : 0;

		waiting += (changes[i].value == WAITS) - (changes[i].value == WAITS_NO_MORE);
		working += (changes[i].value == BEGINS) - (changes[i].value == ENDS);
		ended = changes[i].value == ENDS ? now : ended;
		all += waiting > 0 ? took : 0;
		if (waiting > 0 && working >= (long)level)
			at += took;
		else if (waiting > 0 && working >= (long)(level - 1 - level / 10))
			at += fmin(took, fmax(0, ended + c->handover_ns - now));
		*offered = waiting + working > *offered ? waiting + working : *offered;
	}
	*held = all > 0 ? at / all : 0;
	spill_free(changes);
	return 0;
}

static double find_little(const struct crowd *c)
{
	uint64_t from = c->levels[0].at_ns, to = c->levels[c->count - 1].until_ns;
	double sum = 0;

	for (size_t i = 0; i < c->n; i++) {
		uint64_t a = c->calls[i].start_ns > from ? c->calls[i].start_ns : from, b = c->calls[i].end_ns < to ? c->calls[i].end_ns : to;

		sum += b > a ? (double)(b - a) : 0;
	}
	return to > from ? sum / (double)(to - from) : NAN;
}

static int judge_still(struct plateau *p, const struct crowd *c)
{
	double held;
	long offered = 0;
	int err;

	if (!is_one_level(c) || c->count < (p->waits ? WAITED_MIN : TURNED_DOWN_MIN))
		return 0;
	err = find_held(c, (unsigned)c->most, &held, &offered);
	p->known = !err && (!p->waits || held >= (c->most > 1 ? HELD_SEVERAL : HELD));
	p->width = p->low = p->high = (unsigned)c->most;
	p->offered = (double)offered / (double)c->most;
	return err;
}

/*
 * Of those that waited and those that were turned down the more tell; but that many call a little late does not hide a limit that turns others down.
 */
static int find_still(struct plateau *p, struct crowd *c)
{
	int err = 0;

	for (size_t i = 0; i < c->seen_count; i++) {
		p->waited += c->seen[i].waited;
		p->turned_down += !c->seen[i].waited;
	}
	if (p->turned_down >= p->waited || p->turned_down >= SURE_MIN) {
		keep(c, false);
		err = judge_still(p, c);
	}
	if (err || p->known || p->turned_down >= p->waited)
		return err;
	p->waits = true;
	keep(c, true);
	return judge_still(p, c);
}

/* ---- a level that moves ---- */

static int by_level(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* Nor is it a limit that they wait for, but a processor, say, where most that wait begin while no call has ended for a while, or as one more. */
static int judge_moving(struct plateau *p, const struct crowd *c)
{
	unsigned *sorted = spill_realloc(NULL, (c->count + 1) * sizeof(*sorted));
	size_t near = 0, in_turn = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		sorted[i] = c->levels[i].in_work;
		in_turn += c->levels[i].in_turn;
		near += i && abs((int)sorted[i] - (int)c->levels[i - 1].in_work) <= 1;
	}
	qsort(sorted, c->count, sizeof(*sorted), by_level);
	if (c->count >= MOVING_MIN) {
		p->low = sorted[c->count / 20];
		p->high = sorted[c->count - 1 - c->count / 20];
		p->moving = p->low && p->high >= MOVING_RATIO * p->low && p->high - p->low >= MOVING_STEPS && (double)near >= HELD * (double)c->count;
	}
	p->moving = p->moving && (!p->waits || 2 * in_turn >= c->count);
	p->known = p->moving;
	p->width = c->levels[c->count - 1].in_work;
	spill_free(sorted);
	return 0;
}

int plateau_find(struct plateau *p, const struct plateau_call *calls, size_t n, const struct plateau_demand *demands, size_t demand_count,
		 bool can_wait)
{
	struct crowd c = {.calls = calls, .demands = demands, .n = n, .demand_count = demand_count};
	int err = prepare(&c);

	*p = (struct plateau){.offered = NAN, .little = NAN};
	if (!err)
		err = find_usual(&c);
	if (!err) {
		p->usual_ns = c.usual_ns;
		find_levels(&c, can_wait);
		err = find_still(p, &c);
	}
	if (!err && !p->known && c.count)
		err = judge_moving(p, &c);
	if (c.count)
		p->little = find_little(&c);
	spill_free(c.ends);
	spill_free(c.taken);
	spill_free(c.given_back);
	spill_free(c.seen);
	spill_free(c.levels);
	return err;
}
