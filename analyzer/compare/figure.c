/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/figure.h"

#include <math.h>
#include <stdlib.h>

#define DRAWS STATS_RESAMPLES
#define SECOND_MS 1000.0	/* recovery is judged by whole seconds */
#define MEAN_MIN 5		/* requests, as metric_mean() asks */

static const struct latency *latency_at(const struct figure_place *at)
{
	return at->edge ? &at->edge->latency : at->service ? &at->service->whole.latency : NULL;
}

static double share_of(enum gate_metric metric)
{
	return metric == GATE_P50 ? 0.5 : metric == GATE_P95 ? 0.95 : 0.99;
}

static bool is_percentile(enum gate_metric metric)
{
	return metric == GATE_P50 || metric == GATE_P95 || metric == GATE_P99;
}

bool figure_exists(enum gate_metric metric, enum figure_kind kind)
{
	if (kind == FIGURE_DESTINATION)
		return metric == GATE_AMPLIFICATION || metric == GATE_SUCCESS;
	if (is_percentile(metric) || metric == GATE_SUCCESS)
		return kind != FIGURE_FAULT;
	if (metric == GATE_MTTR || metric == GATE_RECOVERY_LAG)
		return kind == FIGURE_FAULT;
	return kind == FIGURE_EDGE;
}

/* Measurements that follow one another are alike: as many independent ones would say as much. */
static uint64_t effective(const struct latency *l, double share)
{
	double inflation = share == 0.5 ? l->inflation[0] : share == 0.95 ? l->inflation[1] : l->inflation[2];

	return (uint64_t)((double)l->samples.n / fmax(inflation, 1));
}

static bool percentile_draws(const struct latency *l, double share)
{
	return effective(l, share) >= stats_percentile_needs(share);
}

/* stats_resample_percentile() with the ranks of an effective sample. */
static double draw_percentile(const struct latency *l, double share, struct stats_random *r)
{
	uint64_t n = effective(l, share), rank = stats_binomial(r, n, share);
	double at = ((double)rank + 0.5) / (double)n * (double)l->samples.n;

	return l->samples.values[at < (double)l->samples.n ? (size_t)at : l->samples.n - 1];
}

/* The interval between order statistics, when the sample is large enough for one. */
static struct metric percentile(const struct latency *l, double share)
{
	struct metric m = metric_plain(samples_percentile(&l->samples, share), l->samples.n, "order statistics");
	struct stats_random random = {l->samples.n};
	double draws[DRAWS];
	struct stats_interval i;

	m.known = l->samples.n > 0;
	if (!percentile_draws(l, share))
		return m;
	for (int k = 0; k < DRAWS; k++)
		draws[k] = draw_percentile(l, share, &random);
	i = stats_middle(draws, DRAWS);
	m.low = fmin(i.low, m.value);
	m.high = fmax(i.high, m.value);
	m.bounded = true;
	return m;
}

/* A count taken as Poisson: its square root has a deviation of one half. */
static struct metric peak(const struct result_edge *e)
{
	struct metric m = metric_plain(e->peak_attempts_per_s, e->whole.attempts, "poisson");
	double root = sqrt(m.value);

	m.low = root > STATS_Z / 2 ? pow(root - STATS_Z / 2, 2) : 0;
	m.high = pow(root + STATS_Z / 2, 2);
	m.bounded = true;
	return m;
}

/* How exact it is within one run: to the second on both ends. */
static struct metric to_the_second(double value)
{
	struct metric m = metric_plain(value, 1, "one fault, to the second");

	m.low = fmax(0, value - SECOND_MS);
	m.high = value + SECOND_MS;
	m.bounded = true;
	return m;
}

/* Of a fault that came on several times: a median that counts what was not seen as longer than it was watched. */
static struct metric median_time(const struct figure_place *at)
{
	struct stats_time *times = calloc(at->recovery_count, sizeof(*times));
	struct stats_survival k;
	struct metric m;
	size_t n = 0;

	for (size_t i = 0; times && i < at->recovery_count; i++) {
		const struct result_recovery *r = &at->recovery[i];

		if (!isnan(r->mttr_ms) || (r->censored && !isnan(r->observed_ms)))
			times[n++] = (struct stats_time){isnan(r->mttr_ms) ? r->observed_ms : r->mttr_ms, isnan(r->mttr_ms)};
	}
	k = stats_kaplan_meier(times, n);
	free(times);
	m = metric_plain(k.median, n, "Kaplan-Meier median");
	m.known = !isnan(k.median);
	m.bounded = k.interval.known;
	m.low = k.interval.low;
	m.high = k.interval.high;
	return n ? m : metric_unknown("no impact");
}

static struct metric mttr(const struct figure_place *at)
{
	const struct result_recovery *r = at->recovery;

	if (at->recovery_count > 1)
		return median_time(at);
	if (!isnan(r->mttr_ms))
		return to_the_second(r->mttr_ms);
	if (r->censored && !isnan(r->observed_ms))
		return (struct metric){.low = r->observed_ms, .high = INFINITY, .n = 1, .method = "not recovered in the run", .bounded = true};
	return metric_unknown("no impact");
}

/* The middle one of several; unknown when the run did not see one of them. */
static struct metric lag(const struct figure_place *at)
{
	struct samples s = {0};
	struct metric m = metric_unknown("no impact");

	for (size_t i = 0; i < at->recovery_count; i++) {
		const struct result_recovery *r = &at->recovery[i];

		if (r->censored || (!isnan(r->recovery_lag_ms) && samples_add(&s, r->recovery_lag_ms))) {
			samples_free(&s);
			return metric_unknown("not recovered in the run");
		}
	}
	samples_sort(&s);
	if (s.n == 1)
		m = to_the_second(s.values[0]);
	else if (s.n)
		m = metric_plain(samples_percentile(&s, 0.5), s.n, "median");
	samples_free(&s);
	return m;
}

static const struct metric *amplification_at(const struct figure_place *at)
{
	return at->destination ? &at->destination->whole.amplification : &at->edge->whole.amplification;
}

static struct metric success_of(const struct figure_place *at)
{
	if (at->service)
		return at->service->whole.success;
	if (at->destination)
		return at->destination->whole.success;
	return at->edge->whole.linked ? at->edge->whole.success : at->edge->attempt_success;
}

/* From a figure and its interval, each half of it as a normal one's on a logarithmic scale. */
static double draw_between(const struct metric *m, struct stats_random *r)
{
	double z = stats_normal(r) / STATS_Z, end = z < 0 ? m->low : m->high;

	return m->value > 0 && end > 0 ? m->value * pow(end / m->value, fabs(z)) : m->value;
}

struct metric figure_of(enum gate_metric metric, const struct figure_place *at)
{
	if (is_percentile(metric))
		return percentile(latency_at(at), share_of(metric));
	switch (metric) {
	case GATE_AMPLIFICATION:
		return *amplification_at(at);
	case GATE_SUCCESS:
		return success_of(at);
	case GATE_PEAK:
		return peak(at->edge);
	case GATE_MTTR:
		return mttr(at);
	case GATE_RECOVERY_LAG:
		return lag(at);
	case GATE_SHED_EFFICACY:
		return at->edge->breaker.known && !at->edge->breaker.absent ? at->edge->breaker.shed_efficacy : metric_unknown("no breaker");
	default:
		return metric_unknown("not measured");
	}
}

bool figure_draws(enum gate_metric metric, const struct figure_place *at)
{
	if (is_percentile(metric))
		return percentile_draws(latency_at(at), share_of(metric));
	if (metric == GATE_AMPLIFICATION || metric == GATE_SHED_EFFICACY)
		return figure_of(metric, at).bounded;
	if (metric == GATE_SUCCESS)
		return success_of(at).known;
	return metric == GATE_PEAK;
}

double figure_draw(enum gate_metric metric, const struct figure_place *at, struct stats_random *r)
{
	struct metric m;

	if (is_percentile(metric))
		return draw_percentile(latency_at(at), share_of(metric), r);
	if (metric == GATE_AMPLIFICATION)
		return draw_between(amplification_at(at), r);
	if (metric == GATE_SHED_EFFICACY)
		return draw_between(&at->edge->breaker.shed_efficacy, r);
	if (metric == GATE_PEAK)
		return stats_gamma(r, at->edge->peak_attempts_per_s + 0.5);
	if (metric != GATE_SUCCESS)
		return NAN;
	m = success_of(at);
	return stats_share(r, (uint64_t)llround(m.value * (double)m.n), m.n);
}
