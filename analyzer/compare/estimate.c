/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0x636f6d7061726531ull	/* any constant */
#define MEDIAN_MIN 6		/* runs: the median of 5 lies between the least and the most in 93.75 % only */

/* ---- a side of one run: draws ---- */

static int draw(struct estimate_side *s, enum gate_metric metric, const struct figure_place *at, struct stats_random *r)
{
	if (!s->metric.known || !figure_draws(metric, at))
		return 0;
	s->draws = malloc(STATS_RESAMPLES * sizeof(*s->draws));
	if (!s->draws)
		return -ENOMEM;
	for (int k = 0; k < STATS_RESAMPLES; k++)
		s->draws[k] = figure_draw(metric, at, r);
	return 0;
}

/* ---- a side of several runs: the median ---- */

/* How many order statistics may be left out on either side of the 95 % interval of a median of n: the binomial of one half. */
static size_t left_out(size_t n)
{
	double share = pow(0.5, (double)n), sum = share;
	size_t out = 0;

	while (sum <= 0.025 && out < n / 2) {
		share *= (double)(n - out) / (double)(out + 1);
		sum += share;
		out++;
	}
	return out;
}

static void settle_median(struct metric *m, const struct samples *sorted)
{
	const double *v = sorted->values;
	size_t n = sorted->n, out = n >= MEDIAN_MIN ? left_out(n) : 0;

	*m = metric_plain((v[(n - 1) / 2] + v[n / 2]) / 2, n, n >= MEDIAN_MIN ? "median of runs" : "median of runs, too few for an interval");
	if (!out)
		return;
	m->low = v[out - 1];
	m->high = v[n - out];
	m->bounded = true;
}

/* Some runs did not see the recovery. */
static int settle_censored(struct estimate_side *s)
{
	struct stats_time *times = calloc(s->runs + 1, sizeof(*times));
	struct stats_survival k;

	if (!times)
		return -ENOMEM;
	for (size_t i = 0; i < s->runs; i++)
		times[i] = (struct stats_time){s->values[i], s->censored[i]};
	k = stats_kaplan_meier(times, s->runs);
	free(times);
	s->metric = metric_plain(k.median, s->runs, "Kaplan-Meier median");
	s->metric.known = !isnan(k.median);
	s->metric.bounded = k.interval.known;
	s->metric.low = k.interval.low;
	s->metric.high = k.interval.high;
	return 0;
}

static int settle_runs(struct estimate_side *s, bool exact)
{
	struct samples sorted = {0};
	bool any_censored = false;

	for (size_t i = 0; i < s->runs; i++) {
		if (isnan(s->values[i])) {
			s->metric = metric_unknown("not every run can tell");
			samples_free(&sorted);
			return 0;
		}
		any_censored |= s->censored[i];
		if (samples_add(&sorted, s->values[i])) {
			samples_free(&sorted);
			return -ENOMEM;
		}
	}
	samples_sort(&sorted);
	s->exact = exact && !any_censored && sorted.values[0] == sorted.values[sorted.n - 1];
	if (s->exact)
		s->metric = metric_exact(sorted.values[0], sorted.n);
	else if (!any_censored)
		settle_median(&s->metric, &sorted);
	samples_free(&sorted);
	return any_censored ? settle_censored(s) : 0;
}

static int make_side(struct estimate_side *s, enum gate_metric metric, struct estimate_input in, struct stats_random *r)
{
	bool exact = true;

	s->runs = in.runs;
	s->values = calloc(in.runs + 1, sizeof(*s->values));
	s->censored = calloc(in.runs + 1, sizeof(*s->censored));
	if (!s->values || !s->censored)
		return -ENOMEM;
	for (size_t i = 0; i < in.runs; i++) {
		struct metric m = figure_is_there(&in.at[i]) ? figure_of(metric, &in.at[i]) : metric_unknown("not there");

		exact &= m.known && !strcmp(m.method, "exact");
		s->censored[i] = figure_is_censored(&m);
		s->values[i] = m.known ? m.value : s->censored[i] ? m.low : NAN;
		s->metric = m;
	}
	if (in.runs != 1)
		return settle_runs(s, exact);
	s->exact = exact;
	return draw(s, metric, &in.at[0], r);
}

/* ---- how the sides relate ---- */

/* Both ends of a two-sided chance from draws. */
static double two_sided(double below, double above, double n)
{
	return fmin(1, 2 * fmax(fmin(below, above), 0.5) / n);
}

static int relate_draws(struct estimate *e)
{
	double *ratios = malloc(STATS_RESAMPLES * sizeof(*ratios)), less = 0, more = 0;
	struct stats_interval i;

	if (!ratios)
		return -ENOMEM;
	for (int k = 0; k < STATS_RESAMPLES; k++) {
		double b = e->base.draws[k], f = e->fresh.draws[k];

		less += f <= b;
		more += f >= b;
		ratios[k] = b > 0 ? f / b : INFINITY;
	}
	e->p = two_sided(less, more, STATS_RESAMPLES);
	i = stats_middle(ratios, STATS_RESAMPLES);
	free(ratios);
	if (e->ratio.known) {
		e->ratio.low = i.low;
		e->ratio.high = i.high;
		e->ratio.bounded = isfinite(i.high);
		e->ratio.method = "bootstrap";
	}
	return 0;
}

/* Logarithms of the values of a side, less those of `of`; false when one is not positive. */
static bool logarithms(const struct estimate_side *s, double of, double *logs)
{
	for (size_t i = 0; i < s->runs; i++) {
		if (!(s->values[i] > 0))
			return false;
		logs[i] = log(s->values[i] / of);
	}
	return true;
}

static int compare_runs(const double *fresh, size_t n, const double *base, size_t m, bool paired, struct stats_shift *shift, double *a12)
{
	struct samples x = {0}, y = {0};
	double *d = calloc(n + 1, sizeof(*d));
	int err = d ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		err = samples_add(&x, fresh[i]);
		d[i] = paired ? fresh[i] - base[i] : 0;
	}
	for (size_t i = 0; i < m && !err; i++)
		err = samples_add(&y, base[i]);
	if (!err) {
		samples_sort(&x);
		samples_sort(&y);
		*shift = paired && n >= MEDIAN_MIN ? stats_paired(d, n) : stats_shift(&x, &y);
		*a12 = stats_a12(&x, &y);
	}
	samples_free(&x);
	samples_free(&y);
	free(d);
	return err;
}

/* The shift of logarithms of fresh / of against base; with a value that has none, of the values themselves (then no ratio). */
static int shift_of(const struct estimate *e, double of, struct stats_shift *shift, double *a12, bool *logs)
{
	double *f = calloc(e->fresh.runs + 1, sizeof(*f)), *b = calloc(e->base.runs + 1, sizeof(*b));
	int err = -ENOMEM;

	if (f && b) {
		*logs = logarithms(&e->fresh, of, f) && logarithms(&e->base, 1, b);
		for (size_t i = 0; !*logs && i < e->fresh.runs; i++)
			f[i] = e->fresh.values[i] / of;
		err = compare_runs(f, e->fresh.runs, *logs ? b : e->base.values, e->base.runs, e->paired, shift, a12);
	}
	free(f);
	free(b);
	return err;
}

static bool all_tell(const struct estimate_side *s)
{
	for (size_t i = 0; i < s->runs; i++)
		if (isnan(s->values[i]))
			return false;
	return s->runs > 1;
}

static int relate_runs(struct estimate *e)
{
	struct stats_shift s;
	bool logs;
	int err = shift_of(e, 1, &s, &e->a12, &logs);

	if (err || !s.interval.known)
		return err;	/* too few: no difference could be told from chance */
	e->p = s.p;
	if (!logs || !e->ratio.known || e->ratio.value <= 0)
		return 0;
	e->ratio = metric_plain(exp(s.value), e->base.runs + e->fresh.runs, e->paired ? "signed ranks" : "Hodges-Lehmann");
	e->ratio.low = exp(s.interval.low);
	e->ratio.high = exp(s.interval.high);
	e->ratio.bounded = isfinite(e->ratio.low) && isfinite(e->ratio.high);
	return 0;
}

static int relate(struct estimate *e)
{
	const struct metric *b = &e->base.metric, *f = &e->fresh.metric;

	e->ratio = metric_unknown("ratio");
	e->p = e->a12 = NAN;
	if (b->known && f->known && b->value != 0)
		e->ratio = metric_plain(f->value / b->value, b->n + f->n, "ratio of medians");
	if (e->base.exact && e->fresh.exact) {
		e->p = b->value == f->value ? 1 : 0;
		if (e->ratio.known)
			e->ratio = metric_exact(e->ratio.value, e->ratio.n);
		return 0;
	}
	if (e->base.runs == 1 && e->fresh.runs == 1) {
		e->ratio.method = "ratio";
		return e->base.draws && e->fresh.draws ? relate_draws(e) : 0;
	}
	return all_tell(&e->base) && all_tell(&e->fresh) ? relate_runs(e) : 0;
}

int estimate_make(struct estimate *e, enum gate_metric metric, struct estimate_input base, struct estimate_input fresh, bool paired)
{
	struct stats_random random = {SEED};

	e->paired = paired;
	return make_side(&e->base, metric, base, &random) || make_side(&e->fresh, metric, fresh, &random) || relate(e) ? -ENOMEM : 0;
}

static void free_side(struct estimate_side *s)
{
	free(s->values);
	free(s->censored);
	free(s->draws);
}

void estimate_free(struct estimate *e)
{
	free_side(&e->base);
	free_side(&e->fresh);
	*e = (struct estimate){0};
}

/* ---- chances of gates ---- */

static double chance_from_draws(const struct estimate *e, const struct gate *g)
{
	double met = 0;

	for (int k = 0; k < STATS_RESAMPLES; k++) {
		double v = g->relative ? e->fresh.draws[k] / e->base.draws[k] : e->fresh.draws[k];

		met += g->at_least ? v >= g->bound : v <= g->bound;
	}
	return fmax(met, 0.5) / STATS_RESAMPLES;
}

/* The sign test: were the bound the median, each run would be on either side alike. */
static double chance_of_median(const struct estimate_side *s, const struct gate *g)
{
	size_t missed = 0, n = 0;
	double share, sum = 0;

	for (size_t i = 0; i < s->runs; i++) {
		n += s->values[i] != g->bound;
		missed += g->at_least ? s->values[i] < g->bound : s->values[i] > g->bound;
	}
	share = pow(0.5, (double)n);
	for (size_t k = 0; k <= n; k++) {	/* k runs miss it */
		sum += k >= missed ? share : 0;
		share *= (double)(n - k) / (double)(k + 1);
	}
	return fmin(sum, 1);
}

static double chance_of_shift(const struct estimate *e, const struct gate *g)
{
	struct stats_shift s;
	double unused;
	bool logs;

	if (g->bound <= 0 || shift_of(e, g->bound, &s, &unused, &logs))
		return NAN;
	return (g->at_least ? s.value < 0 : s.value > 0) ? s.p / 2 : 1 - s.p / 2;
}

static double chance_of_count(const struct estimate *e, const struct gate *g)
{
	double v = g->relative ? e->ratio.value : e->fresh.metric.value;

	return (g->at_least ? v < g->bound : v > g->bound) ? 0 : 1;
}

double estimate_chance(const struct estimate *e, const struct gate *g)
{
	if (e->fresh.exact && (!g->relative || (e->base.exact && e->ratio.known)))
		return chance_of_count(e, g);
	if (e->fresh.draws && (!g->relative || e->base.draws))
		return chance_from_draws(e, g);
	if (!all_tell(&e->fresh) || (g->relative && !all_tell(&e->base)))
		return NAN;
	return g->relative ? chance_of_shift(e, g) : chance_of_median(&e->fresh, g);
}
