/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/backoff_shape.h"

#include <math.h>

#define LATE 50		/* one in so many */

double shape_evenness(const struct samples *sorted)
{
	size_t n = sorted->n - (sorted->n + LATE - 1) / LATE;
	double sum = 0, squares = 0, mean, range, m = (double)n;

	if (sorted->n < 5 || !(sorted->values[n - 1] > sorted->values[0]))
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += sorted->values[i];
	mean = sum / m;
	for (size_t i = 0; i < n; i++)
		squares += (sorted->values[i] - mean) * (sorted->values[i] - mean);
	range = (sorted->values[n - 1] - sorted->values[0]) * (m + 1) / (m - 1);
	return m * (0.5 * log(2 * M_PI * squares / m) + 0.5 - log(range));
}
