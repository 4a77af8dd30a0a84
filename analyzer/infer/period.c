/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/period.h"

#include <math.h>

#define FLOOR 0.003	/* variance of logarithms below which waits are the same: 5 % */
#define AT_ONCE_MS 10.0	/* added: waits well below this are all nothing */
#define MARGIN 6.0
#define WAITS_MAX 20000	/* enough to tell */
#define DEEPEST 256

struct moments {
	double n, sum, squares;
};

static void add(struct moments *m, double x)
{
	m->n++;
	m->sum += x;
	m->squares += x * x;
}

/* BIC of a mean for each cell. */
static double bic(const struct moments *cells, size_t count)
{
	double n = 0, rest = 0, means = 0;

	for (size_t i = 0; i < count; i++) {
		if (!cells[i].n)
			continue;
		n += cells[i].n;
		rest += fmax(cells[i].squares - cells[i].sum * cells[i].sum / cells[i].n, 0);
		means++;
	}
	return n ? n * log(rest / n + FLOOR) + means * log(n) : INFINITY;
}

/* period 0: each number is a cell of its own. */
static double score(const struct period_waits *w, unsigned period, size_t *longest)
{
	struct moments cells[DEEPEST] = {0};
	size_t seen = 0;

	for (size_t i = 0; i < w->runs && seen < WAITS_MAX; i++) {
		size_t n = w->begins[i + 1] - w->begins[i];

		*longest = n > *longest ? n : *longest;
		for (size_t k = 0; k < n && seen < WAITS_MAX; k++, seen++)
			add(&cells[period ? k % period : k < DEEPEST ? k : DEEPEST - 1], log(w->ms[w->begins[i] + k] + AT_ONCE_MS));
	}
	return bic(cells, DEEPEST);
}

/* One request that waits longer and longer, up to a cap: logarithms rise evenly with the number, up to one, then no more. */
static double trend(const struct period_waits *w, size_t cap)
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0, slope, rest;

	for (size_t i = 0; i < w->runs && n < WAITS_MAX; i++)
		for (size_t k = 0; k < w->begins[i + 1] - w->begins[i] && n < WAITS_MAX; k++, n++) {
			double at = (double)(k < cap ? k : cap), ms = log(w->ms[w->begins[i] + k] + AT_ONCE_MS);

			x += at;
			y += ms;
			xx += at * at;
			xy += at * ms;
			yy += ms * ms;
		}
	slope = xx * n - x * x > 0 ? (xy * n - x * y) / (xx * n - x * x) : 0;
	rest = n ? yy - y * y / n - slope * (xy - x * y / n) : 0;
	return n ? n * log(fmax(rest, 0) / n + FLOOR) + 3 * log(n) : INFINITY;
}

/* The best that can be said without cutting: all alike, rising to a cap, or, where numbers have several waits each, one mean for each. */
static double uncut(const struct period_waits *w, size_t *longest)
{
	double least = score(w, 1, longest);

	for (size_t cap = 1; cap <= PERIOD_MAX; cap++)
		least = fmin(least, trend(w, cap));
	if (w->begins[w->runs] >= 3 * *longest)
		least = fmin(least, score(w, 0, longest));
	return least;
}

unsigned period_find(const struct period_waits *w)
{
	size_t longest = 0;
	double least = uncut(w, &longest) - MARGIN;
	unsigned found = 0;

	for (unsigned m = 2; m <= PERIOD_MAX && m * 2 <= longest + 1; m++) {
		double s = score(w, m, &longest);

		if (s < least) {
			least = s;
			found = m;
		}
	}
	return found;
}
