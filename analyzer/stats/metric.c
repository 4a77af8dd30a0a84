/* SPDX-License-Identifier: MIT */
#include "analyzer/stats/metric.h"

#include "analyzer/stats/stats.h"

#define BOOTSTRAP_MIN 5	/* logical requests; an interval from fewer would be fiction */

struct metric metric_unknown(const char *method)
{
	return (struct metric){.method = method};
}

struct metric metric_plain(double value, uint64_t n, const char *method)
{
	return (struct metric){.value = value, .n = n, .method = method, .known = true};
}

struct metric metric_exact(double value, uint64_t n)
{
	return (struct metric){value, value, value, n, "exact", true, true};
}

struct metric metric_share(uint64_t k, uint64_t n)
{
	struct stats_interval i = stats_wilson(k, n);

	if (!n)
		return metric_unknown("wilson");
	return (struct metric){(double)k / (double)n, i.low, i.high, n, "wilson", true, true};
}

struct metric metric_mean(const struct tally *t, uint64_t seed)
{
	struct stats_random random = {seed};
	double draws[STATS_RESAMPLES];
	struct stats_interval i;

	if (!t->n)
		return metric_unknown("none");
	if (t->used == 1)
		return metric_exact((double)t->sum / (double)t->n, t->n);
	if (t->n < BOOTSTRAP_MIN)
		return metric_plain((double)t->sum / (double)t->n, t->n, "counts");
	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = stats_resample_mean(&random, t);
	i = stats_middle(draws, STATS_RESAMPLES);
	return (struct metric){(double)t->sum / (double)t->n, i.low, i.high, t->n, "bootstrap", true, true};
}
