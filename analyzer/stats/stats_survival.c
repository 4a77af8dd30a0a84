/* SPDX-License-Identifier: MIT */
/* Kaplan and Meier's estimate of times that were not all seen to their end. */
#include <math.h>
#include <stdlib.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/stats/stats.h"

#define TIMES_MIN 6	/* below that not even the extremes of a sample bound its median with 95 % */

struct curve {	/* share above each time, walking up the times */
	const struct stats_time *times;
	size_t n, next;
	double share, greenwood;	/* greenwood: sum of d / (r (r - d)) */
};

static struct curve begin(const struct stats_time *times, size_t n)
{
	return (struct curve){.times = times, .n = n, .share = 1};
}

/* Goes on past the next time; what is censored at the same time as an event was still at risk. */
static void step(struct curve *c)
{
	double at = c->times[c->next].time, risk = (double)(c->n - c->next), died = 0;

	for (; c->next < c->n && c->times[c->next].time == at; c->next++)
		died += !c->times[c->next].censored;
	c->share *= 1 - died / risk;
	if (died < risk)
		c->greenwood += died / (risk * (risk - died));
	if (died == risk)
		c->share = 0;
}

/* An end of the log-log interval of the share: sign 1 lower, -1 upper. */
static double limit(const struct curve *c, double sign)
{
	if (c->share >= 1 || c->share <= 0)
		return c->share;
	return pow(c->share, exp(sign * STATS_Z * sqrt(c->greenwood) / fabs(log(c->share))));
}

static int by_time(const void *a, const void *b)
{
	const struct stats_time *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

static bool sort_many(struct stats_time *times, size_t n)
{
	struct radix_item *items = spill_realloc(NULL, n * sizeof(*items));
	bool sorted;

	for (size_t i = 0; items && i < n; i++)
		items[i] = (struct radix_item){radix_word(times[i].time), times[i].censored};
	sorted = items && !radix_sort(items, n);
	for (size_t i = 0; sorted && i < n; i++)
		times[i] = (struct stats_time){radix_double(items[i].key), items[i].value};
	spill_free(items);
	return sorted;
}

static void sort(struct stats_time *times, size_t n)
{
	if (n && (n < RADIX_MANY || !sort_many(times, n)))
		qsort(times, n, sizeof(*times), by_time);
}

/* The next time at which one was not censored; NAN none. */
static double next_event(const struct curve *c)
{
	for (size_t i = c->next; i < c->n; i++)
		if (!c->times[i].censored)
			return c->times[i].time;
	return NAN;
}

/* The median when the share has just come to one half or below: between two times where it stays at one half. */
static double median_here(const struct curve *c, double at)
{
	double later = next_event(c);

	return fabs(c->share - 0.5) < 1e-12 && !isnan(later) ? (at + later) / 2 : at;
}

static double median(const struct stats_time *times, size_t n)
{
	struct curve c = begin(times, n);

	while (c.next < n) {
		double at = times[c.next].time;

		step(&c);
		if (c.share <= 0.5 + 1e-12)
			return median_here(&c, at);
	}
	return NAN;
}

struct stats_survival stats_kaplan_meier(struct stats_time *times, size_t n)
{
	struct stats_survival s = {.interval = {INFINITY, INFINITY, n >= TIMES_MIN}, .n = n};
	struct curve c = begin(times, n);

	sort(times, n);
	s.median = median(times, n);
	for (size_t i = 0; i < n; i++)
		s.events += !times[i].censored;
	while (c.next < n) {
		double at = times[c.next].time;

		step(&c);
		if (isinf(s.interval.low) && limit(&c, 1) <= 0.5)
			s.interval.low = at;
		if (isinf(s.interval.high) && limit(&c, -1) <= 0.5)
			s.interval.high = at;
	}
	if (isinf(s.interval.low) || !s.interval.known)
		s.interval = (struct stats_interval){0};
	return s;
}

double stats_survival_median(struct stats_time *times, size_t n)
{
	sort(times, n);
	return median(times, n);
}

double stats_survival_at(const struct stats_time *times, size_t n, double t, double *se)
{
	struct curve c = begin(times, n);

	while (c.next < n && times[c.next].time <= t)
		step(&c);
	if (se)
		*se = c.share * sqrt(c.greenwood);
	return c.share;
}
