/* SPDX-License-Identifier: MIT */
/* Shares and counts: exact intervals by turning the tails of their distributions round. */
#include <math.h>
#include "analyzer/stats/stats.h"

#define TAIL 0.025
#define TERMS 100000	/* of a series or fraction; they converge within a few roots of the count */
#define HALVINGS 200
#define COUNT_MAX 10000000	/* above, the normal distribution is as good */

/* ---- incomplete gamma and beta functions, regularized (Abramowitz, Stegun 6.5.29, 6.5.31, 26.5.8) ---- */

/* P(X >= shape) of a Poisson variable of this mean, for a whole shape above 0. */
static double gamma_low(double shape, double mean)
{
	double log_front = shape * log(mean) - mean - lgamma(shape), term = 1 / shape, sum = term;

	if (mean <= 0)
		return 0;
	for (int k = 1; k < TERMS && term > sum * 1e-17; k++) {
		term *= mean / (shape + k);
		sum += term;
	}
	return fmin(1, exp(log_front + log(sum)));
}

/* The k-th numerator of the fraction for I_x(a, b). */
static double beta_step(int k, double a, double b, double x)
{
	double m = k / 2;

	if (k % 2)
		return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
	return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
}

static double not_zero(double v)
{
	return fabs(v) < 1e-300 ? 1e-300 : v;
}

/* 1 + step 1 / (1 + step 2 / (1 + ...)), Lentz's way from the front; converges fast for x below (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 0, value = 1, change = 0;

	for (int k = 1; k < TERMS && fabs(change - 1) > 1e-15; k++) {
		double step = beta_step(k, a, b, x);

		d = 1 / not_zero(1 + step * d);
		c = not_zero(1 + step / c);
		change = c * d;
		value *= change;
	}
	return value;
}

/* The share of Beta(a, b) below x. */
static double beta(double x, double a, double b)
{
	double log_front;

	if (x <= 0 || x >= 1)
		return x >= 1;
	log_front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x);
	if (x < (a + 1) / (a + b + 2))
		return exp(log_front) / (a * beta_fraction(a, b, x));
	return 1 - exp(log_front) / (b * beta_fraction(b, a, 1 - x));
}

/* ---- turned round ---- */

/* Where Beta(a, b) has this much below it. */
static double beta_point(double below, double a, double b)
{
	double low = 0, high = 1;

	for (int i = 0; i < HALVINGS && high - low > 1e-15 * high; i++) {
		double middle = (low + high) / 2;

		if (beta(middle, a, b) < below)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/* The mean for which at least `shape` events have this chance. */
static double gamma_point(double chance, double shape)
{
	double width = 10 * sqrt(shape) + 20, low = fmax(0, shape - width), high = shape + width;

	for (int i = 0; i < HALVINGS && high - low > 1e-14 * high; i++) {
		double middle = (low + high) / 2;

		if (gamma_low(shape, middle) < chance)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

struct stats_interval stats_clopper_pearson(uint64_t k, uint64_t n)
{
	double successes = (double)k, failures = (double)(n - k);

	if (!n)
		return (struct stats_interval){0};
	return (struct stats_interval){
		k ? beta_point(TAIL, successes, failures + 1) : 0,
		k < n ? beta_point(1 - TAIL, successes + 1, failures) : 1,
		true,
	};
}

struct stats_interval stats_newcombe(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
	struct stats_interval a = stats_wilson(k1, n1), b = stats_wilson(k2, n2);
	double p, q;

	if (!a.known || !b.known)
		return (struct stats_interval){0};
	p = (double)k1 / (double)n1;
	q = (double)k2 / (double)n2;
	return (struct stats_interval){p - q - hypot(p - a.low, b.high - q), p - q + hypot(a.high - p, q - b.low), true};
}

struct stats_interval stats_poisson(uint64_t k)
{
	if (k > COUNT_MAX)
		return (struct stats_interval){(double)k - STATS_Z * sqrt((double)k), (double)k + STATS_Z * sqrt((double)k), true};
	return (struct stats_interval){k ? gamma_point(TAIL, (double)k) : 0, gamma_point(1 - TAIL, (double)k + 1), true};
}

struct stats_interval stats_rate_ratio(uint64_t k1, double t1, uint64_t k2, double t2)
{
	struct stats_interval share = stats_clopper_pearson(k1, k1 + k2);

	if (!share.known)
		return (struct stats_interval){0};
	return (struct stats_interval){
		share.low / (1 - share.low) * t2 / t1,
		k2 ? share.high / (1 - share.high) * t2 / t1 : INFINITY,
		true,
	};
}
