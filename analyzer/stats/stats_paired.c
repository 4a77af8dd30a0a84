/* SPDX-License-Identifier: MIT */
/* Paired differences by signed ranks (Wilcoxon 1945); interval and estimate from the averages of all pairs (Walsh; Hodges, Lehmann 1963). */
#include "analyzer/stats/stats.h"

#include <math.h>
#include <stdlib.h>

#define EXACT_MAX 60	/* differences: beyond, the distribution is as good as normal */

/* The averages of all pairs, each with itself too, ascending. Empty without memory. */
static struct samples walsh(const double *d, size_t n)
{
	struct samples averages = {0};

	for (size_t i = 0; i < n; i++)
		for (size_t k = i; k < n; k++)
			if (samples_add(&averages, (d[i] + d[k]) / 2)) {
				samples_free(&averages);
				return averages;
			}
	samples_sort(&averages);
	return averages;
}

/* How many of the 2^n ways of signs give each sum of positive ranks, as shares, into share[0 .. n (n + 1) / 2]. */
static void sums_of_ranks(size_t n, double *share)
{
	size_t most = n * (n + 1) / 2, reached = 0;

	for (size_t w = 0; w <= most; w++)
		share[w] = w == 0;
	for (size_t rank = 1; rank <= n; rank++) {
		reached += rank;
		for (size_t w = reached + 1; w-- > 0;)
			share[w] = share[w] / 2 + (w >= rank ? share[w - rank] / 2 : 0);
	}
}

/* The chance of a sum of at most w; the normal one with its correction for continuity. */
static double at_most(size_t n, double w)
{
	double size = (double)n, mean = size * (size + 1) / 4, sum = 0, *share;

	if (w < 0)
		return 0;
	if (n > EXACT_MAX)
		return 0.5 * erfc((mean - w - 0.5) / sqrt(size * (size + 1) * (2 * size + 1) / 24) / M_SQRT2);
	share = malloc((n * (n + 1) / 2 + 1) * sizeof(*share));
	if (!share)
		return NAN;
	sums_of_ranks(n, share);
	for (size_t i = 0; (double)i <= w && i <= n * (n + 1) / 2; i++)
		sum += share[i];
	free(share);
	return sum;
}

/* How many averages may be left out on either side of the interval. */
static size_t left_out(size_t n)
{
	size_t out = 0;

	while (at_most(n, (double)out) <= 0.025)
		out++;
	return out;
}

struct stats_shift stats_paired(const double *differences, size_t n)
{
	struct samples averages = walsh(differences, n);
	struct stats_shift shift = {.value = NAN, .p = NAN};
	double positive = 0, zero = 0, less;
	size_t out;

	if (!averages.n)
		return shift;
	for (size_t i = 0; i < averages.n; i++) {
		positive += averages.values[i] > 0;
		zero += averages.values[i] == 0;
	}
	less = fmin(positive, (double)averages.n - positive - zero) + zero / 2;
	shift.value = (averages.values[(averages.n - 1) / 2] + averages.values[averages.n / 2]) / 2;
	shift.p = fmin(1, 2 * at_most(n, less));
	out = n > EXACT_MAX * 100 ? 0 : left_out(n);
	if (out)
		shift.interval = (struct stats_interval){averages.values[out - 1], averages.values[averages.n - out], true};
	samples_free(&averages);
	return shift;
}
