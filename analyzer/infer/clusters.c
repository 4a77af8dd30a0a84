/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/clusters.h"

#include <math.h>

#define WIDTH_SHARE 0.02
#define WIDTH_MIN 10.0
#define FEW 10
#define FEW_SHARE 0.1
#define FEW_MIN 20.0
#define AROUND 4		/* windows on each side that show what chance puts there */
#define CHANCE 5.0
#define TAIL_SHARE 0.1		/* how late a timer of a busy machine may be */
#define TAIL_MIN 100.0
#define TAIL_MEMBERS 4		/* tails have at most a fourth of the members */

struct stretch {	/* values not yet in a cluster */
	size_t first, end;
};

static double width(double value)
{
	return fmax(WIDTH_MIN, value * WIDTH_SHARE);
}

/* Of few values some may be of a program that warms up: what lies near is one. */
static double reach(double value, size_t n)
{
	return n < FEW ? fmax(FEW_MIN, value * FEW_SHARE) : width(value);
}

bool clusters_same(double a, double b)
{
	return fabs(a - b) <= width(fmax(a, b)) / 2;
}

/* How many of all n values lie in [from, to). */
static size_t count_between(const double *v, size_t n, double from, double to)
{
	size_t low[2] = {0, 0};
	const double bound[2] = {from, to};

	for (int k = 0; k < 2; k++) {
		for (size_t high = n; low[k] < high;) {
			size_t middle = low[k] + (high - low[k]) / 2;

			if (v[middle] < bound[k])
				low[k] = middle + 1;
			else
				high = middle;
		}
	}
	return low[1] - low[0];
}

static bool stands_out(const double *v, size_t n, const struct cluster *c)
{
	double low = v[c->first], w = width(low), high = v[c->first + c->n - 1];
	size_t before = count_between(v, n, low - AROUND * w, low), after = count_between(v, n, nextafter(high, INFINITY), high + AROUND * w);
	double chance = (double)(before + after) / (2 * AROUND);

	if (c->n < CLUSTERS_MIN)
		return c->n * 2 >= n;
	return (double)c->n >= CHANCE * chance + CLUSTERS_MIN;
}

/* The fullest window of a stretch that stands out among all n values; of equally full ones the first. n 0: none does. */
static struct cluster fullest(const double *v, size_t n, const struct stretch *s)
{
	struct cluster best = {0};

	for (size_t first = s->first, end = s->first; first < s->end; first++) {
		struct cluster c;

		while (end < s->end && v[end] - v[first] <= reach(v[first], n))
			end++;
		c = (struct cluster){first, end - first, 0};
		if (c.n > best.n && stands_out(v, n, &c))
			best = c;
	}
	return best;
}

/* Takes in late values behind a cluster, when they are few. */
static void take_tail(const double *v, const struct stretch *s, struct cluster *c)
{
	size_t end = c->first + c->n;
	double last = v[end - 1] + fmax(TAIL_MIN, v[c->first] * TAIL_SHARE);
	size_t tail = 0;

	while (end + tail < s->end && v[end + tail] <= last)
		tail++;
	c->tail = tail * TAIL_MEMBERS <= c->n ? tail : 0;
}

/* The same of all stretches, and which one it is in. */
static struct cluster next_cluster(const double *v, size_t n, const struct stretch *s, unsigned stretches, unsigned *where)
{
	struct cluster best = {0};

	for (unsigned i = 0; i < stretches; i++) {
		struct cluster c = fullest(v, n, &s[i]);

		if (c.n > best.n) {
			best = c;
			*where = i;
		}
	}
	return best;
}

unsigned clusters_find(const double *sorted, size_t n, struct cluster *found, unsigned room)
{
	struct stretch s[CLUSTERS_MAX + 1] = {{0, n}};
	unsigned count = 0, stretches = 1, where = 0;

	while (count < room && count < CLUSTERS_MAX && n) {
		struct cluster c = next_cluster(sorted, n, s, stretches, &where);

		if (!c.n)
			break;
		take_tail(sorted, &s[where], &c);
		found[count++] = c;
		s[stretches++] = (struct stretch){c.first + c.n + c.tail, s[where].end};
		s[where].end = c.first;
	}
	return count;
}
