/* SPDX-License-Identifier: MIT */
/*
 * Silences by the client's own pace, where nothing is known of demand.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_PACE_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_PACE_H

#include "analyzer/infer/silence_work.h"

/* Adds them to w->s. 0 or -ENOMEM. */
int silence_find_by_pace(struct silence_work *w);

#endif
