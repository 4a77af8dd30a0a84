/* SPDX-License-Identifier: MIT */
/*
 * Requests that are sent again and again by a loop look like one request with many retries where nothing but time tells them apart: but the
 * waits then repeat, and from the number after which they do follows how many attempts each request had. Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_PERIOD_H
#define AFTERSHOCK_ANALYZER_INFER_PERIOD_H

#include <stddef.h>

#define PERIOD_MAX 32

struct period_waits {	/* run i of waits is ms[begins[i]] to ms[begins[i + 1]] exclusive */
	const double *ms;
	const size_t *begins;
	size_t runs;
};

/*
 * After how many attempts the waits repeat, 2 to PERIOD_MAX; 0: they do not. Compares, by BIC of the waits' logarithms, a mean of its own for
 * each number modulo the period with one for all, with a rise up to a cap, and with one for each number.
 */
unsigned period_find(const struct period_waits *w);

#endif
