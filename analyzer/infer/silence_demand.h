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

/* Requests that call and are there at t; 0 without demand. */
size_t silence_callers_at(const struct silence_work *w, uint64_t t);

/*
 * When it was turned down, as far as the time of its answer tells: that was so fast that nothing was waited for, or took what its client waits between
 * attempts, of which the first was turned down at once. 0: it took another time.
 */
uint64_t silence_turned_down_ns(const struct silence_work *w, const struct silence_demand *d);

#endif
