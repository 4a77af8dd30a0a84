/* SPDX-License-Identifier: MIT */
#include "analyzer/read/times.h"

#include <stdlib.h>
#include "analyzer/read/radix.h"

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void times_sort(uint64_t *times, size_t n)
{
	if (n && (n < RADIX_MANY || radix_sort_words(times, n)))
		qsort(times, n, sizeof(*times), ascending);
}

size_t times_upto(const uint64_t *times, size_t n, uint64_t t)
{
	size_t near = n / 2;

	return times_near(times, sizeof(*times), n, t, &near);
}
