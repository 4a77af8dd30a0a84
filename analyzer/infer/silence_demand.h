/* SPDX-License-Identifier: MIT */
/*
 * Silences by demand: requests that normally ask, did not, and were answered fast.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_DEMAND_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_DEMAND_H

#include <stdbool.h>
#include "analyzer/infer/silence_work.h"

/* Adds them to w->s. 0 or -ENOMEM. */
int silence_find_by_demand(struct silence_work *w);

/* Whether the answer was so fast that nothing was waited for. */
bool silence_is_fast(const struct silence_work *w, const struct silence_demand *d);

#endif
