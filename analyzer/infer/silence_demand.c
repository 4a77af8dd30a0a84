/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_demand.h"

#include <errno.h>
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"

#define SLOW_NS (50 * NS_PER_MS)	/* an answer without a call that takes longer is no fast failure ... */
#define SHORT_MIN 3		/* silences, and times the requests that make one */
#define AGREE_PART 10		/* answers without a call agree in their time when three in four differ by no more than a tenth; late ones, by three */
#define SLOW_TIMES 3		/* ... unless answers usually take that many times less */

static uint64_t took_ns(const struct silence_demand *d)
{
	return d->end_ns > d->at_ns ? d->end_ns - d->at_ns : 0;
}

/* Whether a call was in work halfway: it may have waited for that one's outcome, as of a half-open call. */
static bool is_beside_a_call(const struct silence_work *w, const struct silence_demand *d)
{
	return silence_in_work_at(w, d->at_ns + took_ns(d) / 2);
}

uint64_t silence_turned_down_ns(const struct silence_work *w, const struct silence_demand *d)
{
	uint64_t took = took_ns(d);

	if (!d->end_ns)
		return 0;
	if (took <= SLOW_NS || took <= SLOW_TIMES * w->usual_ns)
		return d->at_ns + took;
	return w->waits_ns && took <= w->waits_ns + SLOW_NS && !is_beside_a_call(w, d) ? d->at_ns + w->usual_ns : 0;
}

/* The median time of an answer for which the server was asked. */
static int find_usual(struct silence_work *w)
{
	uint64_t *took = spill_realloc(NULL, (w->in->demand_count + 1) * sizeof(*took));
	size_t n = 0;

	if (!took)
		return -ENOMEM;
	for (size_t i = 0; i < w->in->demand_count; i++) {
		const struct silence_demand *d = &w->in->demands[i];

		if (!d->shed && d->end_ns > d->at_ns)
			took[n++] = d->end_ns - d->at_ns;
	}
	times_sort(took, n);
	w->usual_ns = n ? took[n / 2] : 0;
	spill_free(took);
	return 0;
}

static int find_holders(struct silence_work *w)
{
	w->taken = spill_realloc(NULL, (w->in->demand_count + 1) * sizeof(*w->taken));
	w->given_back = spill_realloc(NULL, (w->in->demand_count + 1) * sizeof(*w->given_back));
	if (!w->taken || !w->given_back)
		return -ENOMEM;
	for (size_t i = 0; i < w->in->demand_count; i++) {
		const struct silence_demand *d = &w->in->demands[i];

		if (d->shed || d->end_ns <= d->at_ns)
			continue;
		w->taken[w->holders] = d->at_ns;
		w->given_back[w->holders++] = d->end_ns;
	}
	times_sort(w->taken, w->holders);
	times_sort(w->given_back, w->holders);
	return 0;
}

size_t silence_callers_at(const struct silence_work *w, uint64_t t)
{
	size_t taken = times_upto(w->taken, w->holders, t), given_back = times_upto(w->given_back, w->holders, t);

	return taken > given_back ? taken - given_back : 0;
}

/* Whether requests that call are enough to fill a bulkhead: their places are taken before the call is seen to start, and given back after it. */
static bool may_be_full(const struct silence_work *w, uint64_t t)
{
	return silence_callers_at(w, t) >= w->most;
}

struct shed {			/* requests shed between two starts, by what it says */
	unsigned waited;
	double waited_ms;
	unsigned full, slow, well;	/* while all calls were in work; answered slowly; with nothing in work and nothing failed */
};

/*
 * When a request was turned down lies between its start and its end: it may have been full at any time of that. What comes before the first failure
 * since the last silence is of a half-open breaker, whose calls are still in work. Who was turned down behind the end of the gap, where a call began,
 * tells nothing of it: on a busy machine that call was let through before, and began late.
 */
static void weigh(const struct silence_work *w, struct silence_gap *g, const struct silence_demand *d, uint64_t end, struct shed *shed)
{
	uint64_t by = silence_turned_down_ns(w, d), last = by ? by : d->at_ns;

	if (silence_was_full(w, d->at_ns, last) || may_be_full(w, d->at_ns) || may_be_full(w, last)) {
		shed->full++;
	} else if (!by) {
		shed->slow++;
	} else if (by < w->failed_ns) {
		shed->well += !silence_in_work_at(w, d->at_ns) && !silence_in_work_at(w, by);
	} else if (by <= end) {
		g->first_shed_ns = g->shed ? g->first_shed_ns : d->at_ns;
		g->decided_ns = g->shed ? g->decided_ns : by;
		g->last_shed_ns = d->at_ns;
		g->shed_ms += (double)took_ns(d) / NS_PER_MS;
		g->shed++;
		shed->waited += took_ns(d) > by - d->at_ns;
		shed->waited_ms += took_ns(d) > by - d->at_ns ? (double)took_ns(d) / NS_PER_MS : 0;
	}
}

static int judge_demands(struct silence_work *w, size_t before, size_t from, size_t to)
{
	uint64_t end = before + 1 < w->in->n ? w->in->attempts[before + 1].start_ns : w->in->end_ns;
	struct silence_gap g = {.before = before, .after = before + 1}, *made;
	struct shed shed = {0};

	for (size_t i = from; i < to; i++)
		if (w->in->demands[i].shed)
			weigh(w, &g, &w->in->demands[i], end, &shed);
	if (g.shed < w->need || g.shed < shed.full) {
		w->full += shed.full >= w->need;
		w->slow += shed.slow >= w->need;
		w->after_success += shed.well >= w->need;
		w->shed_after_success += shed.well;
		return 0;
	}
	if (silence_is_unresolved(w, w->in->attempts[before].start_ns, end)) {
		w->unresolved++;
		return 0;
	}
	silence_find_trip(w, &g);
	if (g.trip == SIZE_MAX) {
		w->after_success++;
		w->shed_after_success += g.shed;
		return 0;
	}
	made = silence_add(w->s);
	if (!made)
		return -ENOMEM;
	*made = g;
	w->s->waited += shed.waited;
	w->s->waited_ms += shed.waited_ms;
	w->failed_ns = UINT64_MAX;
	return 0;
}

/* Silences of at least `need` requests. */
static int search(struct silence_work *w, unsigned need)
{
	size_t d = 0;
	int err = 0;

	w->need = need;
	w->failed_ns = UINT64_MAX;
	for (size_t i = 0; i < w->in->n && !err; i++) {
		const struct silence_attempt *a = &w->in->attempts[i];
		size_t from;

		if (a->failed && a->end_ns && a->end_ns < w->failed_ns)
			w->failed_ns = a->end_ns;

		while (d < w->in->demand_count && w->in->demands[d].at_ns < w->in->attempts[i].start_ns)
			d++;
		for (from = d; d < w->in->demand_count && (i + 1 == w->in->n || w->in->demands[d].at_ns < w->in->attempts[i + 1].start_ns);)
			d++;
		if (d - from >= need)
			err = judge_demands(w, i, from, d);
	}
	return err;
}

/*
 * Where requests come so seldom that too few are shed at a time, many silences tell as much as a long one: when all of them follow a failure, none a
 * success.
 */
static int search_short(struct silence_work *w)
{
	struct silence_work all = *w;
	int err = search(&all, 1);

	if (err || w->s->count < SHORT_MIN || silence_shed(w->s) < SHORT_MIN * w->in->need || all.after_success || all.unresolved)
		w->s->count = 0;
	return err;
}

static int search_all(struct silence_work *w)
{
	int err = search(w, w->in->need);

	return err || w->s->count || w->after_success ? err : search_short(w);
}

static bool is_slow_alone(const struct silence_work *w, const struct silence_demand *d)
{
	return d->shed && (!d->end_ns || (!silence_turned_down_ns(w, d) && !is_beside_a_call(w, d)));
}

/*
 * Requests that did not ask and were answered slowly, but, whenever they came, after the same time: each waited by itself, as for a retry. While a process
 * hangs or is stopped they take what is left of that.
 */
static int find_agreed_waits(struct silence_work *w)
{
	uint64_t *took = spill_realloc(NULL, (w->in->demand_count + 1) * sizeof(*took));
	uint64_t low;
	size_t n = 0;

	if (!took)
		return -ENOMEM;
	for (size_t i = 0; i < w->in->demand_count; i++)
		if (is_slow_alone(w, &w->in->demands[i]))
			took[n++] = w->in->demands[i].end_ns ? took_ns(&w->in->demands[i]) : UINT64_MAX;
	times_sort(took, n);
	low = n ? took[n / 20] : 0;
	if (n >= SHORT_MIN * w->in->need && low < UINT64_MAX / 2 && times_upto(took, n, low + low / AGREE_PART) * 4 >= n * 3) {
		w->waits_ns = low + 3 * (low / AGREE_PART);
		w->s->agreed = true;
	}
	spill_free(took);
	return 0;
}

int silence_find_by_demand(struct silence_work *w)
{
	int err = find_usual(w) || find_holders(w) ? -ENOMEM : 0;

	w->waits_ns = w->in->waits_ns;
	err = err ? err : search_all(w);
	if (err || w->s->count || w->after_success || !w->in->demand_count)
		return err;
	err = find_agreed_waits(w);
	return err || !w->s->agreed ? err : search_all(w);
}
