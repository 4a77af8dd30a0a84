/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "analyzer/stats/stats.h"
#include "base/clock.h"

#define CHANCE 1e-3
#define NEED_MIN 3
#define RECENT 10		/* completions among which the failure is that opened it */
#define SLOW_NS (50 * NS_PER_MS)	/* an answer without a call that takes longer is no fast failure ... */
#define SLOW_TIMES 3		/* ... unless answers usually take that many times less */
#define SLACK_NS (2 * NS_PER_MS)	/* from an answer on the wire to the client's count of it, while other calls are in work */
#define COLD_NS (500 * NS_PER_MS)	/* a program's first calls load code: it may notice answers that much later */
#define COLD_SLACK_NS (100 * NS_PER_MS)
#define SURE_SUCCESSES 10	/* of a breaker that has closed again, before its failures are counted from nothing */
#define STEP_MIN 3		/* attempts right behind a gap that can be in step */
#define STEP_AFTER 64
#define STEP_BEFORE 256		/* attempts before it that are looked at */
#define PACE_MIN 8		/* intervals that make a pace */
#define PACE_SPREAD 4		/* the 90th percentile of intervals over their median, 3.3 of independent arrivals: more is no pace */
#define PACE_SILENCE 10
#define PACE_LONGEST 4
#define PACE_BETWEEN 3		/* times its pace: neither at its pace nor silent */
#define PACE_LONGER 2		/* times the longer of its intervals */
#define PACE_STRAY 10		/* of so many intervals one may be that long by chance */
#define PACE_LEAST_NS (100 * NS_PER_MS)
#define GROWTH 1.25
#define HALF_OPEN_MOST 1000	/* calls that are looked at for when it closed */

struct end {
	uint64_t at_ns;
	size_t attempt;
	uint32_t run, failed, ok;	/* failures in a row up to it; failures, successes so far */
};

struct work {	/* while one input is looked at */
	const struct silence_input *in;
	struct silences *s;
	struct end *ends;	/* owned; ascending */
	size_t ended;
	size_t most;		/* calls in work at once */
	uint64_t *taken, *given_back;	/* owned; ascending: requests that called are there from, to */
	size_t holders;
	uint64_t usual_ns;	/* an answer's time */
	uint64_t longer_ns;	/* by pace: the 90th percentile of intervals */
	uint64_t failing_since_ns;
	uint64_t failed_ns;	/* the first failure since the silence before ended; UINT64_MAX none */
	unsigned after_success, slow, full, unresolved;	/* silences that are none, by why */
};

void silence_free(struct silences *s)
{
	free(s->gaps);
	*s = (struct silences){0};
}

unsigned silence_need(uint64_t asked, uint64_t n)
{
	double rho = stats_wilson(asked, n).low;
	double need = rho > 0 && rho < 1 ? ceil(log(CHANCE) / log1p(-rho)) : rho >= 1 ? 1 : 1e9;

	return need < NEED_MIN ? NEED_MIN : need > 1e9 ? (unsigned)1e9 : (unsigned)need;
}

/* ---- completions ---- */

/* By time; what ended at once in order of start. */
static int list_ends(struct work *w)
{
	struct radix_item *order = spill_realloc(NULL, (w->in->n + 1) * sizeof(*order));

	w->ends = spill_realloc(NULL, (w->in->n + 1) * sizeof(*w->ends));
	for (size_t i = 0; order && i < w->in->n; i++)
		if (w->in->attempts[i].end_ns)
			order[w->ended++] = (struct radix_item){w->in->attempts[i].end_ns, (uint32_t)i};
	if (!order || !w->ends || radix_sort(order, w->ended)) {
		spill_free(order);
		return -ENOMEM;
	}
	for (size_t i = 0; i < w->ended; i++)
		w->ends[i] = (struct end){.at_ns = order[i].key, .attempt = order[i].value};
	spill_free(order);
	return 0;
}

static void note_longest(struct work *w, const struct end *e)
{
	if (e->run <= w->s->longest_run)
		return;
	w->s->longest_run = e->run;
	w->s->longest_ns = e->at_ns - w->failing_since_ns;
	w->s->longest_at = e->attempt;
}

static int order_ends(struct work *w)
{
	struct end so_far = {0};

	if (list_ends(w))
		return -ENOMEM;
	for (size_t i = 0; i < w->ended; i++) {
		struct end *e = &w->ends[i];
		bool failed = w->in->attempts[e->attempt].failed, counts = w->in->attempts[e->attempt].counts;

		if (counts && failed && !so_far.run)
			w->failing_since_ns = e->at_ns;
		e->run = so_far.run = failed ? so_far.run + counts : 0;
		e->failed = so_far.failed += failed && counts;
		e->ok = so_far.ok += !failed;
		note_longest(w, e);
	}
	return 0;
}

/* How many completions are at or before t. */
static size_t ended_by(const struct work *w, uint64_t t)
{
	size_t low = 0, high = w->ended;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->ends[mid].at_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Figures of completions 1 to n. */
static struct end so_far(const struct work *w, size_t n)
{
	return n ? w->ends[n - 1] : (struct end){0};
}

static size_t in_work(const struct work *w, size_t begun, uint64_t t)
{
	size_t ended = ended_by(w, t);

	return begun > ended ? begun - ended : 0;
}

static size_t in_work_at(const struct work *w, uint64_t t)
{
	size_t low = 0, high = w->in->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->in->attempts[mid].start_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return in_work(w, low, t);
}

static void find_most(struct work *w)
{
	size_t near = 0;

	for (size_t i = 0; i < w->in->n; i++) {
		size_t ended = w->ended ? times_near(&w->ends->at_ns, sizeof(*w->ends), w->ended, w->in->attempts[i].start_ns, &near) : 0;
		size_t now = i + 1 > ended ? i + 1 - ended : 0;

		w->most = now > w->most ? now : w->most;
	}
}

/* ---- one gap ---- */

static struct silence_gap *add_gap(struct silences *s)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 8;
		struct silence_gap *more = realloc(s->gaps, room * sizeof(*more));

		if (!more)
			return NULL;
		s->gaps = more;
		s->room = room;
	}
	return &s->gaps[s->count++];
}

static bool is_unresolved(const struct work *w, uint64_t from, uint64_t to)
{
	size_t low = 0, high = w->in->unresolved_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->in->unresolved[mid] < from)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->in->unresolved_count && w->in->unresolved[low] <= to;
}

/* When it opened: at a failure after the last start it let pass, and before the first request it shed. */
static void find_trip(const struct work *w, struct silence_gap *g)
{
	size_t n = ended_by(w, g->decided_ns), first = ended_by(w, w->in->attempts[g->before].start_ns);

	g->trip = SIZE_MAX;
	for (size_t i = n; i > 0 && (i > first || g->trip == SIZE_MAX) && i + RECENT > n; i--) {
		if (!w->in->attempts[w->ends[i - 1].attempt].failed)
			continue;
		if (g->trip == SIZE_MAX) {
			g->trip = w->ends[i - 1].attempt;
			g->trip_late_ns = w->ends[i - 1].at_ns;
		}
		g->trip_early_ns = w->ends[i - 1].at_ns;
	}
}

/* ---- by demand ---- */

static bool is_fast(const struct work *w, const struct silence_demand *d)
{
	uint64_t took = d->end_ns > d->at_ns ? d->end_ns - d->at_ns : 0;

	return d->end_ns && (took <= SLOW_NS || took <= SLOW_TIMES * w->usual_ns);
}

/* The median time of an answer for which the server was asked. */
static int find_usual(struct work *w)
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

static int find_holders(struct work *w)
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

/* Whether requests that call are enough to fill a bulkhead: their places are taken before the call is seen to start, and given back after it. */
static bool may_be_full(const struct work *w, uint64_t t)
{
	return times_upto(w->taken, w->holders, t) >= times_upto(w->given_back, w->holders, t) + w->most;
}

struct shed {			/* requests shed between two starts, by what it says */
	unsigned full, slow, well;	/* while all calls were in work; answered slowly; with nothing in work and nothing failed */
};

/*
 * When a request was turned down lies between its start and its end: what is in work is looked at for both. What comes before the first failure
 * since the last silence is of a half-open breaker, whose calls are still in work.
 */
static void weigh(const struct work *w, struct silence_gap *g, const struct silence_demand *d, struct shed *shed)
{
	uint64_t end = d->end_ns > d->at_ns ? d->end_ns : d->at_ns;
	size_t now = in_work_at(w, d->at_ns), then = is_fast(w, d) ? in_work_at(w, end) : now;

	if ((now > then ? now : then) >= w->most || may_be_full(w, d->at_ns)) {
		shed->full++;
	} else if (!is_fast(w, d)) {
		shed->slow++;
	} else if (end < w->failed_ns) {
		shed->well += !now && !then;
	} else {
		g->first_shed_ns = g->shed ? g->first_shed_ns : d->at_ns;
		g->decided_ns = g->shed ? g->decided_ns : end;
		g->last_shed_ns = d->at_ns;
		g->shed_ms += (double)(end - d->at_ns) / NS_PER_MS;
		g->shed++;
	}
}

static int judge_demands(struct work *w, size_t before, size_t from, size_t to)
{
	uint64_t end = before + 1 < w->in->n ? w->in->attempts[before + 1].start_ns : w->in->end_ns;
	struct silence_gap g = {.before = before, .after = before + 1}, *made;
	struct shed shed = {0};

	for (size_t i = from; i < to; i++)
		if (w->in->demands[i].shed)
			weigh(w, &g, &w->in->demands[i], &shed);
	if (g.shed < w->in->need) {
		w->full += shed.full >= w->in->need;
		w->slow += shed.slow >= w->in->need;
		w->after_success += shed.well >= w->in->need;
		return 0;
	}
	if (is_unresolved(w, w->in->attempts[before].start_ns, end)) {
		w->unresolved++;
		return 0;
	}
	find_trip(w, &g);
	if (g.trip == SIZE_MAX) {
		w->after_success++;
		return 0;
	}
	made = add_gap(w->s);
	if (!made)
		return -ENOMEM;
	*made = g;
	w->failed_ns = UINT64_MAX;
	return 0;
}

static int find_by_demand(struct work *w)
{
	size_t d = 0;
	int err = find_usual(w) || find_holders(w) ? -ENOMEM : 0;

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
		if (d - from >= w->in->need)
			err = judge_demands(w, i, from, d);
	}
	return err;
}

/* Silences after successes too: something that has nothing to do with failures. */
static void rule_out(struct work *w)
{
	struct silences *s = w->s;

	if (w->after_success * 4u > s->count) {
		s->count = 0;
		s->ruled_out = "calls stopped though none had failed: a rate limiter, or work that does not always call";
	} else if (!s->count && w->unresolved) {
		s->ruled_out = "the server's name could not be resolved";
	} else if (!s->count && w->full) {
		s->ruled_out = "as many calls were in work as ever: a full bulkhead, or calls that hang";
	} else if (!s->count && w->slow) {
		s->ruled_out = "the process did not answer fast either: it hung, was stopped or ended";
	}
}

/* ---- by pace ---- */

struct pace {
	uint64_t median_ns, longer_ns, silent_ns;	/* longer: the 90th percentile; silent 0: it has no pace */
};

static bool follows_success(const struct work *w, size_t i)
{
	size_t n = ended_by(w, w->in->attempts[i].start_ns);

	return n && !w->ends[n - 1].run;
}

/* Intervals between starts: those that follow a success where there are enough, else all. */
static struct pace find_pace(const struct work *w, uint64_t *intervals)
{
	struct pace p = {0};
	uint64_t most;
	size_t n = 0;
	bool healthy;

	for (size_t i = 1; i < w->in->n; i++)
		if (follows_success(w, i))
			intervals[n++] = w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns;
	healthy = n >= PACE_MIN;
	for (size_t i = 1; i < w->in->n && !healthy; i++)
		if (!follows_success(w, i))
			intervals[n++] = w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns;
	if (n < PACE_MIN)
		return p;
	times_sort(intervals, n);
	p.median_ns = intervals[n / 2];
	p.longer_ns = healthy ? intervals[n * 9 / 10] : p.median_ns;
	most = healthy ? intervals[n - 1 - n / 100] : p.median_ns;
	if (!p.median_ns || (healthy && intervals[n * 9 / 10] > PACE_SPREAD * p.median_ns))
		return p;
	p.silent_ns = PACE_SILENCE * p.median_ns > PACE_LONGEST * most ? PACE_SILENCE * p.median_ns : PACE_LONGEST * most;
	p.silent_ns = p.silent_ns < PACE_LEAST_NS ? PACE_LEAST_NS : p.silent_ns;
	return p;
}

static int judge_interval(struct work *w, const struct pace *p, size_t before)
{
	uint64_t from = w->in->attempts[before].start_ns, to = w->in->attempts[before + 1].start_ns;
	struct silence_gap *g;

	if (is_unresolved(w, from, to)) {
		w->unresolved++;
		return 0;
	}
	if (!so_far(w, ended_by(w, to - 1)).run) {
		w->after_success++;
		return 0;
	}
	if (in_work(w, before + 1, to - 1) >= w->most && w->most) {
		w->full++;
		return 0;
	}
	g = add_gap(w->s);
	if (!g)
		return -ENOMEM;
	*g = (struct silence_gap){.before = before, .after = before + 1, .decided_ns = to - 1, .last_shed_ns = to - p->longer_ns};
	find_trip(w, g);
	if (g->trip == SIZE_MAX || to - g->trip_late_ns < p->silent_ns) {	/* the call itself took long: nothing was silent */
		w->s->count--;
		return 0;
	}
	g->first_shed_ns = g->trip_late_ns + p->median_ns;
	g->shed = (to - g->trip_late_ns) / p->median_ns - 1;
	return 0;
}

static int find_by_pace(struct work *w)
{
	uint64_t *intervals = spill_realloc(NULL, (w->in->n + 1) * sizeof(*intervals));
	struct pace p;
	int err = 0;

	if (!intervals)
		return -ENOMEM;
	p = find_pace(w, intervals);
	spill_free(intervals);
	w->s->pace_ns = p.median_ns;
	w->longer_ns = p.longer_ns;
	for (size_t i = 0; i + 1 < w->in->n && p.silent_ns && !err; i++)
		if (w->in->attempts[i + 1].start_ns - w->in->attempts[i].start_ns >= p.silent_ns)
			err = judge_interval(w, &p, i);
	return err;
}

/* ---- what each silence tells ---- */

static uint64_t late(uint64_t t, uint64_t by)
{
	return t > by ? t - by : 0;
}

/* What passed between the silence before (whose first attempt is `first`) and this one. */
static void count_passed(const struct work *w, struct silence_gap *g, size_t first, bool ever)
{
	const struct silence_attempt *last = &w->in->attempts[g->before];
	size_t base = ever ? 0 : ended_by(w, late(w->in->attempts[first].start_ns, 1));
	size_t shed = ended_by(w, g->decided_ns), start, n;
	bool alone = in_work(w, g->before, last->start_ns) == 0;
	bool cold = last->start_ns - w->in->attempts[0].start_ns < COLD_NS;

	start = ended_by(w, late(last->start_ns, cold ? COLD_SLACK_NS : alone ? 0 : SLACK_NS));
	start = start < base ? base : start;
	g->passed = g->before + 1 - first;
	g->passed_failed = so_far(w, shed).failed - so_far(w, base).failed;
	g->failed = g->passed_failed;
	g->fresh = ever || so_far(w, shed).ok > so_far(w, base).ok;
	g->sure = ever || so_far(w, shed).ok >= so_far(w, base).ok + SURE_SUCCESSES;
	n = shed - base;
	g->run_high = so_far(w, shed).run > n ? (uint32_t)n : so_far(w, shed).run;
	g->run_low = so_far(w, start).run > start - base ? (uint32_t)(start - base) : so_far(w, start).run;
	g->run_low = g->run_low + 1 > g->run_high ? g->run_high : g->run_low + 1;
	for (size_t i = base; i < shed - g->run_high; i++) {
		uint32_t run = w->ends[i].run > i - base + 1 ? (uint32_t)(i - base + 1) : w->ends[i].run;	/* not of before the silence */

		g->longest_run = run > g->longest_run ? run : g->longest_run;
	}
}

static void describe(struct work *w)
{
	w->s->trickle = w->s->count > 0;
	for (size_t i = 0; i < w->s->count; i++) {
		struct silence_gap *g = &w->s->gaps[i];

		count_passed(w, g, i ? w->s->gaps[i - 1].after : 0, !i);
	}
	for (size_t i = 0; i < w->s->count; i++) {
		size_t after = w->s->gaps[i].after, next = i + 1 < w->s->count ? w->s->gaps[i + 1].before : w->in->n;

		for (size_t k = after; k < next && k < after + RECENT; k++)
			w->s->closed |= !w->in->attempts[k].failed && w->in->attempts[k].end_ns;
		w->s->trickle &= w->s->gaps[i].passed == 1;
	}
}

/* ---- a wait of a retry loop is no silence ---- */

static double length(const struct work *w, const struct silence_gap *g)
{
	return g->after < w->in->n ? (double)(w->in->attempts[g->after].start_ns - g->trip_late_ns) : NAN;
}

/* Calls that follow a failure neither at the pace nor silent: waits that grow, or are random. */
static bool waits_before(const struct work *w, const struct silence_gap *g, size_t first)
{
	uint64_t most = PACE_BETWEEN * w->s->pace_ns > PACE_LONGER * w->longer_ns ? PACE_BETWEEN * w->s->pace_ns : PACE_LONGER * w->longer_ns;

	size_t looked = 0, longer = 0;

	for (size_t i = g->before; i > first && g->before - i + 1 < g->run_high; i--, looked++)
		longer += w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns > most;
	return longer * PACE_STRAY > looked;
}

/* Failures in a row from `first` on: a breaker whose half-open calls fail does not let the next ones pass. */
static size_t failures_from(const struct work *w, size_t first)
{
	size_t n = 0;

	while (first + n < w->in->n && w->in->attempts[first + n].failed)
		n++;
	return n;
}

/* Silences after which failures went on for longer than it took to open. */
static void rule_out_pauses(struct work *w)
{
	struct silences *s = w->s;
	uint32_t most = 0;
	size_t pauses = 0;

	for (size_t i = 0; i < s->count; i++)
		most = s->gaps[i].fresh && s->gaps[i].run_high > most ? s->gaps[i].run_high : most;
	for (size_t i = 0; i < s->count; i++) {
		const struct silence_gap *g = &s->gaps[i];
		size_t n = failures_from(w, g->after), room = (i + 1 < s->count ? g[1].before + 1 : w->in->n) - g->after;

		pauses += (n < room ? n : room) > most + w->most;
	}
	if (pauses * 4 >= s->count && pauses) {
		s->count = 0;
		s->ruled_out = "calls went on failing after it: a pause of the process";
	}
}

/* Whether a request that had been tried before the gap is tried again by attempt i. */
static bool goes_on(const struct work *w, const struct silence_gap *g, size_t i)
{
	size_t stop = g->before + 1 > STEP_BEFORE ? g->before + 1 - STEP_BEFORE : 0;

	for (size_t k = g->before + 1; k-- > stop;)
		if (w->in->attempts[k].request == w->in->attempts[i].request)
			return true;
	return false;
}

/*
 * Whether several requests wait in step: what comes right behind the gap, before one of them can have been a probe, are mostly further attempts of
 * requests that were there before it.
 */
static bool in_step(const struct work *w, const struct silence_gap *g)
{
	uint64_t first = g->after < w->in->n ? w->in->attempts[g->after].start_ns : 0;
	uint64_t until = first + (first - w->in->attempts[g->before].start_ns) / 10;
	size_t n = 0, on = 0;

	for (size_t i = g->after; first && i < w->in->n && n < STEP_AFTER && w->in->attempts[i].start_ns <= until; i++) {
		n++;
		on += goes_on(w, g, i);
	}
	return n >= STEP_MIN && on * 2 > n;
}

static void rule_out_waits(struct work *w)
{
	struct silences *s = w->s;
	size_t waits = 0, grown = 0, pairs = 0, more = 0, steps = 0;
	uint32_t least = UINT32_MAX;
	bool first_failure = true;

	for (size_t i = 0; i < s->count; i++) {
		const struct silence_gap *g = &s->gaps[i];

		waits += waits_before(w, g, i ? s->gaps[i - 1].after : 0);
		steps += in_step(w, g);
		if (g->fresh) {
			least = g->run_high < least ? g->run_high : least;
			first_failure &= g->run_low <= 1;
			continue;
		}
		pairs++;
		grown += length(w, g) > GROWTH * length(w, &s->gaps[i - 1]);
		more += g->passed_failed > least;	/* half-open lets fewer pass than closed: these are the next request's */
	}
	s->alike = first_failure;
	if (steps * 2 >= s->count) {
		s->count = 0;
		s->ruled_out = "requests that began together wait in step before they are tried again";
	} else if (waits * 4 >= s->count || (more && more * 20 >= s->count) || (first_failure && pairs && grown * 2 >= pairs)) {
		s->count = 0;
		s->ruled_out = "the client waits between retries";
	} else if (w->after_success) {
		s->count = 0;
		s->ruled_out = "the client also pauses when nothing has failed";
	}
}

/* ---- half-open ---- */

/* The first demand at or after t. */
static size_t demand_at(const struct silence_input *in, uint64_t t)
{
	return in->demands ? times_before(&in->demands->at_ns, sizeof(*in->demands), in->demand_count, t) : 0;
}

static size_t shed_within(const struct silence_input *in, uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (size_t i = demand_at(in, from); i < in->demand_count && in->demands[i].at_ns <= to; i++)
		n += in->demands[i].shed;
	return n;
}

/* Attempts from `first` on that started before it ended. */
static size_t together(const struct silence_input *in, size_t first)
{
	size_t n = 0;

	while (first + n < in->n && in->attempts[first + n].start_ns < in->attempts[first].end_ns)
		n++;
	return n;
}

static void find_permits(const struct work *w)
{
	struct silence_probes *p = &w->s->probes;
	const struct silence_input *in = w->in;
	double seen = NAN, exact = NAN;

	for (size_t i = 0; i < w->s->count; i++) {
		size_t first = w->s->gaps[i].after;
		double n;

		if (first >= in->n || !in->attempts[first].end_ns)
			continue;
		n = (double)together(in, first);
		seen = fmax(seen, n);
		if (in->demands && shed_within(in, in->attempts[first].start_ns, in->attempts[first].end_ns))
			exact = fmax(exact, n);
	}
	p->at_least = isnan(exact);
	p->permits = p->at_least ? seen : exact;
}

/* The last request shed before t, if it is not before from; else from. */
static uint64_t last_shed(const struct silence_input *in, uint64_t from, uint64_t t)
{
	size_t i = demand_at(in, t);

	while (i > 0 && in->demands[i - 1].at_ns > from && !in->demands[i - 1].shed)
		i--;
	return i > 0 && in->demands[i - 1].at_ns > from ? in->demands[i - 1].at_ns : from;
}

/* It closed between the last request that was shed and the first time that more calls were in work than half-open lets pass. */
static double successes_to_close(const struct work *w, size_t first)
{
	const struct silence_input *in = w->in;
	struct end base = so_far(w, ended_by(w, late(in->attempts[first].start_ns, 1)));

	for (size_t i = first; i < in->n && i < first + HALF_OPEN_MOST; i++) {
		size_t ended = ended_by(w, in->attempts[i].start_ns);
		uint32_t most = so_far(w, ended).ok - base.ok, least;

		if (so_far(w, ended).failed != base.failed)
			return NAN;
		if (!most || (double)in_work(w, i + 1, in->attempts[i].start_ns) <= w->s->probes.permits)
			continue;
		least = so_far(w, ended_by(w, last_shed(in, in->attempts[first].start_ns, in->attempts[i].start_ns))).ok - base.ok + 1;
		return least == most ? most : NAN;
	}
	return NAN;
}

/*
 * What half-open turned away behind a gap: until the next gap, until more pass than half-open lets (a request asks though all its calls are in work),
 * or until so many ask in a row that nothing is turned away any more.
 */
static void find_refused(const struct work *w, struct silence_gap *g, uint64_t to)
{
	const struct silence_input *in = w->in;
	double permits = w->s->probes.permits, row = 0, enough = fmax(in->need, 2 * permits);

	g->refused_first_ns = UINT64_MAX;
	if (g->after >= in->n || isnan(permits))
		return;
	for (size_t i = demand_at(in, in->attempts[g->after].start_ns); i < in->demand_count && in->demands[i].at_ns < to; i++) {
		const struct silence_demand *d = &in->demands[i];
		uint64_t end = d->end_ns > d->at_ns ? d->end_ns : d->at_ns;
		double now = (double)in_work_at(w, d->at_ns), then = (double)in_work_at(w, end);

		if (!d->shed && (now >= permits || ++row >= enough))
			break;
		if (!d->shed)
			continue;
		row = 0;
		if (!is_fast(w, d) || fmax(now, then) < 1 || fmin(now, then) > permits)
			continue;
		g->refused_first_ns = g->refused++ ? g->refused_first_ns : d->at_ns;
		g->refused_last_ns = d->at_ns;
		g->refused_ms += (double)(end - d->at_ns) / NS_PER_MS;
	}
}

static void find_rules(const struct work *w)
{
	struct silence_probes *p = &w->s->probes;
	uint32_t least = UINT32_MAX, most = 0, closed = 0;

	p->close_after = NAN;
	for (size_t i = 0; i < w->s->count; i++) {
		const struct silence_gap *g = &w->s->gaps[i];

		if (g->after < w->in->n && !p->at_least) {
			double n = successes_to_close(w, g->after);

			p->close_after = isnan(p->close_after) || n < p->close_after ? n : p->close_after;
		}
		if (g->fresh && g->run_high > closed)
			closed = g->run_high;
		if (g->fresh || !g->passed_failed)
			continue;
		least = g->passed_failed < least ? g->passed_failed : least;
		most = g->passed_failed > most ? g->passed_failed : most;
	}
	if (most == 1) {
		p->reopen = "any failure";
	} else if (most > 1 && least == most && most != closed) {	/* as many as when closed: it knows no half-open */
		p->reopen = "ratio";
		p->permits = fmax(p->permits, most);
		p->at_least = false;
	}
}

int silence_find(struct silences *s, const struct silence_input *in)
{
	struct work w = {.in = in, .s = s};
	int err;

	*s = (struct silences){.paced = !in->demands, .probes = {NAN, NAN, true, NULL}};
	err = order_ends(&w);
	if (!err) {
		find_most(&w);
		err = in->demands ? find_by_demand(&w) : find_by_pace(&w);
	}
	if (!err) {
		rule_out(&w);
		describe(&w);
		if (s->count)
			rule_out_pauses(&w);
		if (s->paced && s->count)
			rule_out_waits(&w);
		if (s->count) {
			find_permits(&w);
			for (size_t i = 0; i < s->count; i++)
				find_refused(&w, &s->gaps[i], i + 1 < s->count ? s->gaps[i + 1].first_shed_ns : UINT64_MAX);
			find_rules(&w);
		}
	}
	spill_free(w.ends);
	spill_free(w.taken);
	spill_free(w.given_back);
	return err;
}
