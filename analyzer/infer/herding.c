/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/herding.h"

#include <math.h>
#include <stdlib.h>

#define CROWDED 5.0	/* times the mean rate */

static int by_retry(const void *a, const void *b)
{
	double x = ((const struct herding_request *)a)->retry_ms, y = ((const struct herding_request *)b)->retry_ms;

	return (x > y) - (x < y);
}

/* The densest stretch of so many ms: its first request, and how many it holds. */
static size_t densest(const struct herding_request *r, size_t n, double ms, size_t *from)
{
	size_t most = 0, low = 0;

	for (size_t i = 0; i < n; i++) {
		while (r[i].first_ms - r[low].first_ms > ms)
			low++;
		if (i - low + 1 > most) {
			most = i - low + 1;
			*from = low;
		}
	}
	return most;
}

/* Pairs that share a bin, of all pairs; bins are laid from the earliest instant, so that a crowd is not cut in two. */
static double pairs(const struct herding_request *r, size_t n, double bin_ms, bool retries)
{
	double sum = 0, bin = -1;
	size_t in = 0;

	for (size_t i = 0; i < n; i++) {
		double at = floor((retries ? r[i].retry_ms - r[0].retry_ms : r[i].first_ms - r[0].first_ms) / bin_ms);

		in = at == bin ? in + 1 : 1;
		bin = at;
		sum += 2 * (double)(in - 1);	/* pairs with those before it in the bin, both ways */
	}
	return sum / ((double)n * (double)(n - 1));
}

struct herding herding_measure(struct herding_request *requests, size_t n, double bin_ms)
{
	size_t from = 0, crowd = densest(requests, n, HERDING_CROWD_BINS * bin_ms, &from);
	struct herding h = {.n = crowd};
	double span, bins, before, after, last = 0;

	if (crowd < HERDING_MIN)
		return h;
	span = requests[n - 1].first_ms - requests[0].first_ms;
	if (crowd * 2 < n && (double)crowd < CROWDED * (double)n * HERDING_CROWD_BINS * bin_ms / span)
		return h;
	requests += from;
	before = pairs(requests, crowd, bin_ms, false);
	span = requests[0].first_ms;
	for (size_t i = 0; i < crowd; i++)
		last = fmax(last, requests[i].last_ms);
	qsort(requests, crowd, sizeof(*requests), by_retry);
	after = pairs(requests, crowd, bin_ms, true);
	bins = fmax(floor((last - span) / bin_ms) + 1, HERDING_BINS_MIN);
	h.index = fmin(fmax((bins * after - 1) / (bins - 1), 0), 1);
	h.preserved = before > 0 ? after / before : NAN;
	h.known = true;
	return h;
}
