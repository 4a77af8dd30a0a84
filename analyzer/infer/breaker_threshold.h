/* SPDX-License-Identifier: MIT */
/*
 * How many failures open a breaker, and by which rule, from all its opens. Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_THRESHOLD_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_THRESHOLD_H

#include <stdint.h>
#include "analyzer/infer/policy.h"
#include "analyzer/infer/silence.h"

struct breaker_range {		/* where all intervals that were seen meet, and what they span; NAN: none yet */
	double low, high, wide_low, wide_high;
};

struct breaker_threshold {
	struct breaker_range failures, share;
	unsigned sure, agreeing;
	uint32_t longest_run, most_failed;	/* that did not open it; failures before an open */
};

void breaker_range_init(struct breaker_range *r);
void breaker_range_add(struct breaker_range *r, double low, double high);
bool breaker_range_meets(const struct breaker_range *r);

/* The interval in which all meet; where they do not, what they span. */
void breaker_range_read(const struct breaker_range *r, double *low, double *high);

void breaker_threshold_init(struct breaker_threshold *t);
void breaker_threshold_add(struct breaker_threshold *t, const struct silence_gap *g);

/* Fills threshold_low, threshold_high and threshold. */
void breaker_threshold_settle(const struct breaker_threshold *t, struct policy_breaker *p);

#endif
