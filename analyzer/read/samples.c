/* SPDX-License-Identifier: MIT */
#include "analyzer/read/samples.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"

void samples_free(struct samples *s)
{
	spill_free(s->values);
	*s = (struct samples){0};
}

int samples_add(struct samples *s, double value)
{
	if (SPILL_GROW(s->values, s->n, s->room))
		return -ENOMEM;
	s->values[s->n++] = value;
	s->sorted = false;
	return 0;
}

int samples_copy(struct samples *to, const struct samples *from)
{
	*to = (struct samples){.n = from->n, .room = from->n, .sorted = from->sorted};
	to->values = spill_realloc(NULL, from->n * sizeof(*to->values));
	if (!to->values)
		return -ENOMEM;
	memcpy(to->values, from->values, from->n * sizeof(*to->values));
	return 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	if (!s->sorted && s->n && (s->n < RADIX_MANY || radix_sort_doubles(s->values, s->n)))
		qsort(s->values, s->n, sizeof(*s->values), ascending);
	s->sorted = true;
}

double samples_percentile(const struct samples *s, double share)
{
	double rank;

	if (!s->n)
		return NAN;
	rank = ceil(share * (double)s->n - 1e-9);	/* 0.95 * 20 is 19.000000000000004 in binary */
	if (rank < 1)
		rank = 1;
	return s->values[rank > (double)s->n ? s->n - 1 : (size_t)rank - 1];
}

double samples_mean(const struct samples *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->values[i];
	return s->n ? sum / (double)s->n : NAN;
}
