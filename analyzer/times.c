/* SPDX-License-Identifier: MIT */
#include "analyzer/times.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void times_sort(uint64_t *times, size_t n)
{
	qsort(times, n, sizeof(*times), ascending);
}

size_t times_upto(const uint64_t *times, size_t n, uint64_t t)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (times[mid] <= t)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}
