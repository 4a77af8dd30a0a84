/* SPDX-License-Identifier: MIT */
/*
 * Laws of waits without jitter, read off what each wait is when it is not late: all equal, equal differences, equal ratios, each up to a cap. Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BACKOFF_LAW_H
#define AFTERSHOCK_ANALYZER_INFER_BACKOFF_LAW_H

#include <stddef.h>
#include <stdint.h>
#include "analyzer/infer/policy.h"

#define LAW_DEEPEST 64
#define LAWS 3

struct law_point {
	double ms;		/* what it mostly is */
	uint64_t n;		/* of so many */
};

struct law_fit {
	enum policy_backoff family;	/* fixed, linear or exponential */
	double first_ms, step_ms, multiplier;	/* step: linear; multiplier: exponential; else NAN */
	double cap_ms;			/* NAN none */
};

/* The laws that these waits (numbered from 1) follow within what such figures are exact to, those of one law once. Returns how many. */
unsigned law_find(struct law_fit fits[LAWS], const struct law_point *w, size_t n);

/* Wait k of the law. */
double law_wait(const struct law_fit *f, size_t k);

#endif
