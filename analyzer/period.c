/* SPDX-License-Identifier: MIT */
#include "analyzer/period.h"

#include <math.h>
#include <stdbool.h>

#define FLOOR 0.003	/* variance of logarithms below which waits are the same: 5 % */
#define AT_ONCE_MS 10.0	/* added: waits well below this are all nothing */
#define MARGIN 3.0
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

unsigned period_find(const struct period_waits *w)
{
	size_t longest = 0;
	double least = fmin(score(w, 0, &longest), score(w, 1, &longest)) - MARGIN;
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
