/* SPDX-License-Identifier: MIT */
#include "analyzer/stats/stats.h"

#include <math.h>
#include "base/hash.h"

static uint64_t next(struct stats_random *r)
{
	return hash_mix(r->state++);
}

double stats_uniform(struct stats_random *r)
{
	return (double)(next(r) >> 11) * 0x1p-53;
}

double stats_normal(struct stats_random *r)
{
	double u = 1 - stats_uniform(r);	/* never 0 */

	return sqrt(-2 * log(u)) * cos(2 * M_PI * stats_uniform(r));
}

/* Walks the distribution function; n p is small enough for exp() not to vanish. */
static uint64_t binomial_by_inversion(struct stats_random *r, uint64_t n, double p)
{
	double u = stats_uniform(r), share = exp((double)n * log1p(-p)), odds = p / (1 - p);
	uint64_t k = 0;

	while (u > share && k < n) {
		u -= share;
		share *= odds * (double)(n - k) / (double)(k + 1);
		k++;
	}
	return k;
}

uint64_t stats_binomial(struct stats_random *r, uint64_t n, double p)
{
	double mean = (double)n * p, k;

	if (p <= 0 || !n)
		return 0;
	if (p >= 1)
		return n;
	if (p > 0.5)
		return n - stats_binomial(r, n, 1 - p);
	if (mean * (1 - p) <= 200)
		return binomial_by_inversion(r, n, p);
	k = round(mean + stats_normal(r) * sqrt(mean * (1 - p)));
	return k < 0 ? 0 : k > (double)n ? n : (uint64_t)k;
}

double stats_gamma(struct stats_random *r, double shape)
{
	double d, c;

	if (shape < 1)
		return stats_gamma(r, shape + 1) * pow(1 - stats_uniform(r), 1 / shape);
	d = shape - 1.0 / 3;
	c = 1 / sqrt(9 * d);
	for (;;) {
		double x = stats_normal(r), v = 1 + c * x, u = 1 - stats_uniform(r);

		v = v * v * v;
		if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

double stats_share(struct stats_random *r, uint64_t k, uint64_t n)
{
	double good = stats_gamma(r, (double)k + 0.5), bad = stats_gamma(r, (double)(n - k) + 0.5);

	return good / (good + bad);
}

struct stats_interval stats_wilson(uint64_t k, uint64_t n)
{
	double size = (double)n, share, z2 = STATS_Z * STATS_Z, middle, half;

	if (!n)
		return (struct stats_interval){0};
	share = (double)k / size;
	middle = (share + z2 / (2 * size)) / (1 + z2 / size);
	half = STATS_Z / (1 + z2 / size) * sqrt(share * (1 - share) / size + z2 / (4 * size * size));
	return (struct stats_interval){k ? fmax(0, middle - half) : 0, k < n ? fmin(1, middle + half) : 1, true};
}

/* A multinomial draw, cell by cell, each conditional on those before. */
double stats_resample_mean(struct stats_random *r, const struct tally *t)
{
	uint64_t left = t->n, unseen = t->n;
	double sum = 0;

	for (size_t i = 0; i < t->used && left; i++) {
		uint64_t k = stats_binomial(r, left, (double)t->cells[i].count / (double)unseen);

		sum += (double)k * t->cells[i].value;
		left -= k;
		unseen -= t->cells[i].count;
	}
	return sum / (double)t->n;
}

double stats_resample_percentile(struct stats_random *r, const struct samples *s, double share)
{
	uint64_t rank = stats_binomial(r, s->n, share);

	return s->values[rank < s->n ? rank : s->n - 1];
}

uint64_t stats_percentile_needs(double share)
{
	double tail = fmax(share, 1 - share);

	/* Both ends must be order statistics: n with tail^n below 2.5 %. */
	return (uint64_t)ceil(log(0.025) / log(tail) - 1e-9);
}

struct stats_interval stats_middle(double *draws, unsigned n)
{
	struct samples s = {.values = draws, .n = n};

	if (!n)
		return (struct stats_interval){0};
	samples_sort(&s);
	return (struct stats_interval){samples_percentile(&s, 0.025), samples_percentile(&s, 0.975), true};
}

/* One draw of the ratio; NAN: nothing to divide by. */
static double draw_blocks(struct stats_random *r, const double *over, const double *under, size_t n, size_t block)
{
	double sum = 0, base = 0;

	for (size_t taken = 0; taken < n; taken += block) {
		size_t start = (size_t)(stats_uniform(r) * (double)(n - block + 1)), end = n - taken < block ? n - taken : block;

		for (size_t i = start; i < start + end; i++) {
			sum += over[i];
			base += under ? under[i] : 1;
		}
	}
	return base > 0 ? sum / base : NAN;
}

/* How much wider few blocks are to be than their draws: as Student's distribution (Cornish, Fisher) and their own variance ask. */
static double few_blocks(double blocks)
{
	return (1 + (STATS_Z * STATS_Z + 1) / (4 * (blocks - 1))) * sqrt(blocks / (blocks - 1));
}

struct stats_interval stats_block_ratio(struct stats_random *r, const double *over, const double *under, size_t n, size_t block)
{
	double draws[STATS_RESAMPLES], sum = 0, base = 0, wider;
	struct stats_interval middle;
	unsigned known = 0;

	if (!block || n / 3 < block)
		return (struct stats_interval){0};
	for (size_t i = 0; i < n; i++) {
		sum += over[i];
		base += under ? under[i] : 1;
	}
	for (int k = 0; k < STATS_RESAMPLES; k++) {
		double draw = draw_blocks(r, over, under, n, block);

		if (!isnan(draw))
			draws[known++] = draw;
	}
	middle = stats_middle(draws, known);
	if (!middle.known)
		return middle;
	wider = few_blocks((double)n / (double)block);
	return (struct stats_interval){sum / base - (sum / base - middle.low) * wider, sum / base + (middle.high - sum / base) * wider, true};
}

size_t stats_block_length(const double *values, size_t n, size_t least)
{
	size_t most = n / 3 ? n / 3 : 1, length = least, lag;
	double mean = 0, squares = 0, covariance;

	for (size_t i = 0; i < n; i++) {
		mean += values[i] / (double)n;
		squares += values[i] * values[i];
	}
	for (lag = 1; 2 * lag < most; lag++) {
		covariance = 0;
		for (size_t i = 0; i + lag < n; i++)
			covariance += (values[i] - mean) * (values[i + lag] - mean);
		if (covariance <= 1e-12 * squares)	/* of a constant it is nothing but rounding */
			break;
	}
	if (2 * lag > length)
		length = 2 * lag;
	return length > most ? most : length;
}
