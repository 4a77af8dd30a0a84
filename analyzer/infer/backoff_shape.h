/* SPDX-License-Identifier: MIT */
/*
 * Whether waits are spread evenly, as jitter that has a name is, or crowd in the middle (a normal distribution, a sum of several). Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BACKOFF_SHAPE_H
#define AFTERSHOCK_ANALYZER_INFER_BACKOFF_SHAPE_H

#include "analyzer/read/samples.h"

#define SHAPE_MARGIN 2.0	/* of log-likelihood: closer, both are possible */

/*
 * How much more likely these waits, brought to one scale and sorted, are under a uniform distribution than under a normal one (difference of
 * log-likelihoods at their best parameters); the largest fiftieth, which may just be late, is left out. On the average 0.18 per wait where the
 * first is true, -0.1 and less where the second is. 0 for fewer than 4 waits, or without any spread.
 */
double shape_evenness(const struct samples *sorted);

#endif
