/* SPDX-License-Identifier: MIT */
/* Two samples by their order alone, paired differences by their signs, and several p-values together. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/stats/stats.h"

#define EXACT 400	/* n m up to which the distribution is counted out: at n = m = 20 its numbers still fit a double */
#define FLIPS_MAX 20
#define FLIPS 20000

struct wins {	/* pairs of one of x and one of y */
	double more, same;
};

/* Differences x - y that are below d, or equal to it: x descends as y does, so each value is passed once. */
static struct wins count_pairs(const struct samples *x, const struct samples *y, double d)
{
	struct wins w = {0};
	size_t below = 0, upto = 0;

	for (size_t i = 0; i < x->n; i++) {
		while (below < y->n && x->values[i] - y->values[below] > d)
			below++;
		while (upto < y->n && x->values[i] - y->values[upto] >= d)
			upto++;
		w.more += (double)below;
		w.same += (double)(upto > below ? upto - below : 0);
	}
	return w;
}

static double pairs(const struct samples *x, const struct samples *y)
{
	return (double)x->n * (double)y->n;
}

/* The k-th smallest difference (k from 1), by halving between the extremes until no number lies between. */
static double difference(const struct samples *x, const struct samples *y, double k)
{
	double low = x->values[0] - y->values[y->n - 1], high = x->values[x->n - 1] - y->values[0];

	for (;;) {
		double middle = low + (high - low) / 2;
		bool enough = pairs(x, y) - count_pairs(x, y, middle).more >= k;	/* that many are at most middle */

		if (middle <= low || middle >= high)
			return pairs(x, y) - count_pairs(x, y, low).more >= k ? low : high;
		if (enough)
			high = middle;
		else
			low = middle;
	}
}

/* ---- the distribution of Mann and Whitney's U without ties ---- */

/* Ways of each U of n against m, as the coefficients of a Gaussian binomial; returns their sum. n m is at most EXACT. */
static double count_ways(size_t n, size_t m, double *ways)
{
	size_t last = n * m;
	double sum = 0;

	for (size_t u = 0; u <= last; u++)
		ways[u] = u == 0;
	for (size_t i = 1; i <= n; i++) {
		for (size_t u = last; u >= m + i; u--)
			ways[u] -= ways[u - m - i];
		for (size_t u = i; u <= last; u++)
			ways[u] += ways[u - i];
	}
	for (size_t u = 0; u <= last; u++)
		sum += ways[u];
	return sum;
}

static double normal_tail(double z)
{
	return erfc(z / M_SQRT2) / 2;
}

/* Sum of t^3 - t over groups of equal values of both samples. */
static double ties(const struct samples *x, const struct samples *y)
{
	size_t i = 0, k = 0;
	double sum = 0;

	while (i < x->n || k < y->n) {
		double value = k == y->n || (i < x->n && x->values[i] <= y->values[k]) ? x->values[i] : y->values[k], t = 0;

		for (; i < x->n && x->values[i] == value; i++)
			t++;
		for (; k < y->n && y->values[k] == value; k++)
			t++;
		sum += t * t * t - t;
	}
	return sum;
}

static double spread(const struct samples *x, const struct samples *y, double tied)
{
	double n = (double)(x->n + y->n);

	return sqrt(pairs(x, y) / 12 * (n + 1 - (n > 1 ? tied / (n * (n - 1)) : 0)));
}

static double chance(const struct samples *x, const struct samples *y, double u)
{
	double tied = ties(x, y), least = fmin(u, pairs(x, y) - u), ways[EXACT + 1], total, sum = 0, sigma;

	if (tied == 0 && pairs(x, y) <= EXACT) {
		total = count_ways(x->n, y->n, ways);
		for (size_t i = 0; (double)i <= least; i++)
			sum += ways[i];
		return fmin(1, 2 * sum / total);
	}
	sigma = spread(x, y, tied);
	return sigma > 0 ? fmin(1, 2 * normal_tail(fmax(0, pairs(x, y) / 2 - least - 0.5) / sigma)) : 1;
}

/* How far from both ends of the ordered differences the interval ends, from 1; 0: there is none. */
static double interval_rank(const struct samples *x, const struct samples *y)
{
	double ways[EXACT + 1], total, sum = 0;
	size_t rank = 0;

	if (pairs(x, y) > EXACT)
		return fmax(0, floor(pairs(x, y) / 2 - STATS_Z * spread(x, y, 0)));
	total = count_ways(x->n, y->n, ways);
	while (sum + ways[rank] <= 0.025 * total)
		sum += ways[rank++];
	return (double)rank;
}

struct stats_shift stats_shift(const struct samples *x, const struct samples *y)
{
	struct stats_shift s = {.value = NAN, .p = NAN};
	double all = pairs(x, y), rank;
	struct wins above;

	if (!x->n || !y->n)
		return s;
	s.value = (difference(x, y, floor((all + 1) / 2)) + difference(x, y, floor(all / 2) + 1)) / 2;
	above = count_pairs(x, y, 0);
	s.p = chance(x, y, above.more + above.same / 2);
	rank = interval_rank(x, y);
	if (rank > 0)
		s.interval = (struct stats_interval){difference(x, y, rank), difference(x, y, all + 1 - rank), true};
	return s;
}

double stats_a12(const struct samples *x, const struct samples *y)
{
	struct wins w;

	if (!x->n || !y->n)
		return NAN;
	w = count_pairs(x, y, 0);
	return (w.more + w.same / 2) / pairs(x, y);
}

/* ---- paired differences ---- */

/* Of all ways of signs; each differs from the one before in one sign (Gray's code). */
static double flip_all(const double *d, size_t n, double limit)
{
	uint64_t reached = 0, ways = (uint64_t)1 << n;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += d[i];
	for (uint64_t k = 0; k < ways; k++) {
		uint64_t gray = k ^ k >> 1, next = (k + 1) ^ (k + 1) >> 1, bit = gray ^ next;
		size_t i = (size_t)__builtin_ctzll(bit);

		reached += fabs(sum) >= limit;
		if (k + 1 < ways)
			sum += next & bit ? -2 * d[i] : 2 * d[i];
	}
	return (double)reached / (double)ways;
}

static double flip_some(struct stats_random *r, const double *d, size_t n, double limit)
{
	unsigned reached = 1;	/* what was seen is one of the ways */

	for (int k = 0; k < FLIPS; k++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += stats_uniform(r) < 0.5 ? -d[i] : d[i];
		reached += fabs(sum) >= limit;
	}
	return (double)reached / (FLIPS + 1);
}

double stats_sign_flip(struct stats_random *r, const double *differences, size_t n)
{
	double sum = 0, size = 0, limit;

	for (size_t i = 0; i < n; i++) {
		sum += differences[i];
		size += fabs(differences[i]);
	}
	limit = fabs(sum) - 1e-9 * size;	/* sums that are equal but for rounding are */
	if (!n)
		return NAN;
	return n <= FLIPS_MAX ? flip_all(differences, n, limit) : flip_some(r, differences, n, limit);
}

/* ---- several p-values ---- */

struct place {
	double p;
	size_t at;
};

static int by_p(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->p > y->p) - (x->p < y->p);
}

int stats_holm(double *p, size_t n)
{
	struct place *order = malloc((n + 1) * sizeof(*order));
	double most = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct place){p[i], i};
	qsort(order, n, sizeof(*order), by_p);
	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fmin(1, order[i].p * (double)(n - i)));
		p[order[i].at] = most;
	}
	free(order);
	return 0;
}
