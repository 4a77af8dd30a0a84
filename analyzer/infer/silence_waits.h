/* SPDX-License-Identifier: MIT */
/*
 * Silences that are none: a wait of a retry loop, a pause of the process.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_WAITS_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_WAITS_H

#include "analyzer/infer/silence_work.h"

/* Each drops all of w->s, and says why, when they are that. */
void silence_rule_out_pauses(struct silence_work *w);
void silence_rule_out_waits(struct silence_work *w);	/* by pace only */

#endif
