/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/storm.h"

#include <math.h>

#define STORM_S 3
#define STORM_RATE 2.0
#define STORM_YIELD 0.1
#define STORM_LEAST 10.0	/* attempts a second; fewer are a client that tries again, not a storm */
#define WINDOW_S 10	/* of the budget */

struct second {
	double first, retries, yielded;
};

/* ---- the seconds, one after the other ---- */

struct walk {
	struct storm *s;
	struct second ring[WINDOW_S];	/* the last seconds; at % WINDOW_S */
	double firsts, retries;		/* sums over the ring */
	double attempts, admitted, length;	/* of the stretch that may be a storm */
	double over;			/* seconds above the budget, in a row */
	double usual;			/* attempts a second that are nothing unusual */
};

static void close_stretch(struct walk *w)
{
	if (w->length >= STORM_S && w->length > w->s->seconds && w->attempts >= STORM_LEAST * w->length) {
		w->s->storm = true;
		w->s->seconds = w->length;
		w->s->amplification = w->admitted > 0 ? w->attempts / w->admitted : NAN;
	}
	w->length = w->attempts = w->admitted = 0;
}

static void weigh_storm(struct walk *w, const struct second *x)
{
	double all = x->first + x->retries;

	if (x->retries > 0 && all >= STORM_RATE * x->first && x->yielded <= STORM_YIELD * x->retries && all > w->usual) {
		w->length++;
		w->attempts += all;
		w->admitted += x->first;
	} else {
		close_stretch(w);
	}
}

static void weigh_budget(struct walk *w, const struct second *x)
{
	double share = w->firsts > 0 ? w->retries / w->firsts : 0;

	w->s->budget_peak = fmax(w->s->budget_peak, share);
	w->over = (share > STORM_BUDGET || w->firsts == 0) && x->retries >= STORM_BUDGET_RATE ? w->over + 1 : 0;
	w->s->budget_over_s = fmax(w->s->budget_over_s, w->over);
}

static void close_second(struct walk *w, size_t at)
{
	const struct second *x = &w->ring[at % WINDOW_S];

	w->firsts += x->first;
	w->retries += x->retries;
	weigh_storm(w, x);
	weigh_budget(w, x);
}

static void open_second(struct walk *w, size_t at)
{
	struct second *x = &w->ring[at % WINDOW_S];

	w->firsts -= x->first;
	w->retries -= x->retries;
	*x = (struct second){0};
}

/* Seconds in which nothing happened: more than the window is as good as the window. */
static size_t skip_to(struct walk *w, size_t at, size_t to)
{
	close_second(w, at);
	if (to - at > WINDOW_S + 1) {
		size_t near = to - WINDOW_S - 1;

		for (size_t i = 1; i <= WINDOW_S; i++)
			open_second(w, i);
		close_stretch(w);
		w->over = 0;
		at = near;
	}
	while (++at < to) {
		open_second(w, at);
		close_second(w, at);
	}
	open_second(w, to);
	return to;
}

static void by_second(struct storm *s, const struct storm_attempt *a, size_t n, double usual)
{
	struct walk w = {.s = s, .usual = usual};
	size_t at = n ? (size_t)(a[0].at_ms / 1e3) : 0;

	for (size_t i = 0; i < n; i++) {
		size_t second = (size_t)(a[i].at_ms / 1e3);
		struct second *x;

		if (second > at)
			at = skip_to(&w, at, second);
		x = &w.ring[at % WINDOW_S];
		x->first += !a[i].retry;
		x->retries += a[i].retry;
		x->yielded += a[i].retry && a[i].ok;
	}
	if (n)
		close_second(&w, at);
	close_stretch(&w);
}

/* The most attempts that 99 % of the baseline's seconds had, its rate taken as Poisson. */
static double poisson(double mean, double share)
{
	double mass = exp(-mean), sum = mass, k = 0;

	if (mean > 500)
		return mean + 3.1 * sqrt(mean);
	while (sum < share && k < 1e4)
		sum += mass *= mean / ++k;
	return k;
}

/* ---- bursts ---- */

static void bursts(struct storm *s, const struct storm_attempt *a, size_t n, double bin_ms, double base_per_s)
{
	double least = fmax(5, isnan(base_per_s) ? 0 : poisson(base_per_s * bin_ms / 1e3, 0.999)), bin = -1, last = -2, in = 0, size = 0;

	for (size_t i = 0; i <= n; i++) {
		double at = i < n ? floor(a[i].at_ms / bin_ms) : INFINITY;

		if (i < n && !a[i].retry)
			continue;
		if (at != bin) {
			if (in >= least) {
				size = bin == last + 1 ? size + in : in;
				s->bursts += bin != last + 1;
				s->burst_peak = (uint64_t)fmax((double)s->burst_peak, size);
				last = bin;
			}
			in = 0;
			bin = at;
		}
		in++;
	}
}

void storm_measure(struct storm *s, const struct storm_attempt *attempts, size_t n, double median_ms, double base_per_s)
{
	by_second(s, attempts, n, isnan(base_per_s) ? 0 : poisson(base_per_s, 0.99));
	bursts(s, attempts, n, fmax(100, isnan(median_ms) ? 0 : 2 * median_ms), base_per_s);
}
