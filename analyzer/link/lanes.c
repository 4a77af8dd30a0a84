/* SPDX-License-Identifier: MIT */
#include "analyzer/link/lanes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "base/grow.h"

#define TIGHT_MIN 3		/* waits after a success that show that there is no pace, and the client goes on at once */
#define PACE_MAX 4096		/* more add nothing */
#define LATE_BY 0.5		/* of the longest step of the pace: so late a busy machine makes one */
#define LATE_MOST 0.4		/* of the steps; where all fail, half of the waits of a client with two attempts are none of its steps */
#define AS_WIDE 0.25		/* widths of distributions that differ by less are the same */
#define SOME 0.2		/* of the steps behind failures */
#define STEADY 4.0		/* a pace is steady when its 95th percentile is at most so often its 5th */
#define OVERLAP_MAX 0.05
#define CLUSTER_MIN 8		/* waits after failures, of which half lie close together */
#define CLUSTER_SHARE 0.1	/* of the range of the pace: that close */
#define CLUSTER_LEAST_MS 1.0	/* closer, timers decide */
#define SEEN_APART 0.5		/* waits are only called alike where so much of a difference would have been seen: 22 against 22 */
#define RANKS_OF 8		/* steps behind failures of a thread, among which one behind a success has a rank */
#define KS_99 1.628		/* 99 % point of Kolmogorov's distribution */

struct thread_step {
	uint32_t tid;
	bool failed;		/* what it follows */
	double ms;		/* from its end */
};

static double distance_ms(const struct model_exchange *a, const struct model_exchange *b)
{
	return (double)(b->started_ns - a->started_ns) / NS_PER_MS;
}

/* ---- its pace ---- */

static double spread_of(const struct samples *s)
{
	return samples_percentile(s, 0.95) / (samples_percentile(s, 0.05) + LANE_FLOOR_MS / 2);
}

/* How close together half of the values from one index to before another lie, at best, and where they begin. */
static double densest_half(const struct samples *s, size_t from, size_t to, size_t *at)
{
	size_t half = (to - from + 1) / 2;
	double best = INFINITY;

	*at = from;
	for (size_t i = from; half && i + half <= to; i++)
		if (s->values[i + half - 1] - s->values[i] < best) {
			best = s->values[i + half - 1] - s->values[i];
			*at = i;
		}
	return best;
}

/* Whether the steps crowd around these waits too, but for some that a busy machine makes late: then a clock sets both. */
static bool is_step(const struct samples *steps, double room, double low, double high)
{
	size_t at;
	double width = densest_half(steps, 0, steps->n, &at);

	return width <= 2 * room && steps->values[at] <= high + CLUSTER_LEAST_MS && steps->values[at] + width >= low - CLUSTER_LEAST_MS;
}

/*
 * A client that goes on after any time of a wide range waits before a retry within it too, but always the same: half of what follows failures then lies
 * within a tenth of that range.
 */
static void find_own_wait(const struct lane *l, struct pace *p)
{
	const struct samples *s = &l->failed.ends, *steps = p->by_start ? &l->well.starts : &l->well.ends;
	double room = CLUSTER_SHARE * (samples_percentile(steps, 0.95) - samples_percentile(steps, 0.05)), width, low;
	size_t from = 0, to = s->n, at;

	while (from < to && s->values[from] < p->low_ms)
		from++;
	while (to > from && s->values[to - 1] > p->high_ms)
		to--;
	if (p->tight || room < CLUSTER_LEAST_MS || to - from < CLUSTER_MIN)
		return;
	width = densest_half(s, from, to, &at);
	low = s->values[at];
	if (width > room || is_step(steps, room, low, low + width) || is_step(&l->well.ends, room, low, low + width))
		return;
	p->own_low_ms = low - 1 - width;
	p->own_high_ms = low + width + LANE_FLOOR_MS + width;
}

/* Where most steps after failures are those of the pace, those that are somewhat longer are late; a clock makes the next one as much shorter. */
static void let_be_late(const struct lane *l, struct pace *p)
{
	const struct samples *s = p->by_start ? &l->failed.starts : &l->failed.ends;
	double high = (1 + LATE_BY) * p->high_ms, low = p->by_start ? p->low_ms - LATE_BY * p->high_ms : p->low_ms;
	size_t on_time = 0, near = 0;

	for (size_t i = 0; i < s->n; i++) {
		on_time += s->values[i] >= p->low_ms && s->values[i] <= p->high_ms;
		near += s->values[i] >= low && s->values[i] <= high;
	}
	if (p->tight || !isnan(p->own_low_ms) || on_time < LANE_PACE_MIN || (double)on_time < (1 - LATE_MOST) * (double)near)
		return;
	p->low_ms = low;
	p->high_ms = high;
}

struct range {
	double low_ms, high_ms;
};

static struct range range_of(const struct samples *s)
{
	double slack = fmax(0.1 * samples_percentile(s, 0.5), LANE_FLOOR_MS);

	return (struct range){samples_percentile(s, 0.05) - slack, samples_percentile(s, 0.95) + slack};
}

static size_t within(const struct samples *s, struct range r)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->values[i] >= r.low_ms && s->values[i] <= r.high_ms;
	return n;
}

/*
 * Whether a clock sets the client's steps, from start to start: then they vary less so than from end to start. Where answers all take the same they vary
 * as much: then the steps behind failures, which take another time, tell. More of them are right from end to start, or some of them, which are too soon
 * for a clock.
 */
static bool has_clock(const struct lane *l)
{
	const struct steps *by = &l->well;
	double wide = samples_percentile(&by->starts, 0.95) - samples_percentile(&by->starts, 0.05);
	double of = samples_percentile(&by->ends, 0.95) - samples_percentile(&by->ends, 0.05);
	struct range range = range_of(&by->starts);
	size_t on_time, early, right;

	if (samples_percentile(&by->ends, 0.5) < LANE_TIGHT_MS)
		return false;
	if (wide < (1 - AS_WIDE) * of || wide > (1 + AS_WIDE) * of + LANE_FLOOR_MS)
		return wide < of;
	on_time = within(&l->failed.starts, range);
	early = within(&l->failed.starts, (struct range){-INFINITY, range.low_ms});
	right = within(&l->failed.ends, range_of(&by->ends));
	return on_time >= right && (double)(early < right ? early : right) < SOME * (double)l->failed.ends.n;
}

static struct pace pace_of(const struct lane *l)
{
	const struct samples *s = &l->well.ends;
	struct pace p = {.own_low_ms = NAN, .own_high_ms = NAN};
	struct range range;
	double middle;

	if (s->n < TIGHT_MIN || (double)l->overlaps > OVERLAP_MAX * (double)l->pairs)
		return p;
	if (s->n < LANE_PACE_MIN && samples_percentile(s, 1) >= LANE_TIGHT_MS)
		return p;
	p.by_start = has_clock(l);
	s = p.by_start ? &l->well.starts : s;
	middle = samples_percentile(s, 0.5);
	p.tight = middle < LANE_TIGHT_MS;
	p.known = p.tight ? samples_percentile(s, 0.95) < 2 * LANE_TIGHT_MS : spread_of(s) <= STEADY;
	range = range_of(s);
	p.low_ms = range.low_ms;
	p.high_ms = range.high_ms;
	find_own_wait(l, &p);
	let_be_late(l, &p);
	return p;
}

/* ---- its steps ---- */

static int add_step(struct steps *s, const struct model_exchange *a, const struct model_exchange *b)
{
	if (s->ends.n >= PACE_MAX)
		return 0;
	return samples_add(&s->ends, lane_gap_ms(a, b)) || samples_add(&s->starts, distance_ms(a, b)) ? -ENOMEM : 0;
}

static int note_step(struct lane *l, const struct model_exchange *a, const struct model_exchange *b)
{
	if (l->step_count >= 2 * PACE_MAX)
		return 0;
	if (GROW(l->by_thread, l->step_count, l->step_room))
		return -ENOMEM;
	l->by_thread[l->step_count++] = (struct thread_step){a->tid, model_failed(a), lane_gap_ms(a, b)};
	return 0;
}

static int by_tid(const void *a, const void *b)
{
	const struct thread_step *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->failed != y->failed ? y->failed - x->failed : (x->ms > y->ms) - (x->ms < y->ms);
}

/* Steps of one thread: those behind failures, of which there are n, then the others. */
static int rank_thread(struct lane *l, const struct thread_step *steps, size_t n, size_t all)
{
	size_t below = 0;

	for (size_t i = n; i < all; i++) {
		while (below < n && steps[below].ms < steps[i].ms)
			below++;
		if (samples_add(&l->ranks, ((double)below + 0.5) / ((double)n + 1)))
			return -ENOMEM;
	}
	return 0;
}

/* Users are unlike one another: each thread is compared with itself. */
static int rank_steps(struct lane *l)
{
	int err = 0;

	if (l->step_count)
		qsort(l->by_thread, l->step_count, sizeof(*l->by_thread), by_tid);
	for (size_t from = 0, to; from < l->step_count && !err; from = to) {
		size_t failed = 0;

		for (to = from; to < l->step_count && l->by_thread[to].tid == l->by_thread[from].tid; to++)
			failed += l->by_thread[to].failed;
		if (failed >= RANKS_OF)
			err = rank_thread(l, &l->by_thread[from], failed, to - from);
	}
	samples_sort(&l->ranks);
	return err;
}

int lane_add(struct lane *l, const struct model_exchange *a, const struct model_exchange *b)
{
	l->pairs++;
	if (!a->ended_ns || a->ended_ns > b->started_ns) {
		l->overlaps++;
		return 0;
	}
	if (note_step(l, a, b))
		return -ENOMEM;
	return add_step(model_failed(a) ? &l->failed : &l->well, a, b);
}

static void sort_steps(struct steps *s)
{
	samples_sort(&s->ends);
	samples_sort(&s->starts);
}

static void free_steps(struct steps *s)
{
	samples_free(&s->ends);
	samples_free(&s->starts);
}

int lane_settle(struct lane *l)
{
	sort_steps(&l->well);
	sort_steps(&l->failed);
	l->pace = pace_of(l);
	return l->pace.known ? 0 : rank_steps(l);
}

void lane_free(struct lane *l)
{
	free_steps(&l->well);
	free_steps(&l->failed);
	samples_free(&l->ranks);
	free(l->by_thread);
}

/* ---- whether failures change what it does ---- */

/* The largest distance between the distributions of two sorted samples. */
static double distance(const struct samples *a, const struct samples *b)
{
	size_t i = 0, k = 0;
	double most = 0;

	while (i < a->n && k < b->n) {
		double value = fmin(a->values[i], b->values[k]);

		while (i < a->n && a->values[i] <= value)
			i++;
		while (k < b->n && b->values[k] <= value)
			k++;
		most = fmax(most, fabs((double)i / (double)a->n - (double)k / (double)b->n));
	}
	return most;
}

/* Whether what follows failures is distributed like what follows successes. */
static bool alike(const struct lane *l)
{
	double n = (double)l->well.ends.n, m = (double)l->failed.ends.n, least = KS_99 * sqrt((n + m) / (n * m));

	return least <= SEEN_APART && distance(&l->well.ends, &l->failed.ends) < least;
}

/* The same of each thread by itself: then the ranks are spread evenly from 0 to 1. */
static bool alike_by_thread(const struct lane *l)
{
	const struct samples *s = &l->ranks;
	double n = (double)s->n, least = KS_99 / sqrt(n), most = 0;

	for (size_t i = 0; i < s->n; i++)
		most = fmax(most, fmax(s->values[i] - (double)i / n, (double)(i + 1) / n - s->values[i]));
	return n > 0 && least <= SEEN_APART && most < least;
}

bool lane_is_careless(const struct lane *l)
{
	return (double)l->overlaps <= OVERLAP_MAX * (double)l->pairs && (alike(l) || alike_by_thread(l));
}

bool pace_keeps(const struct pace *p, const struct model_exchange *a, const struct model_exchange *b)
{
	double ms = p->by_start ? distance_ms(a, b) : lane_gap_ms(a, b), gap = lane_gap_ms(a, b);

	return ms >= p->low_ms && ms <= p->high_ms && !(gap >= p->own_low_ms && gap <= p->own_high_ms);
}
