/* SPDX-License-Identifier: MIT */
/*
 * From the waits between attempts to the backoff policy that made them. Pure: arrays in, policy out, the same for the same input.
 *
 * A wait is the time from the end of a failed attempt, as the client could know it, to the start of the next. The waits of a
 * request are numbered from 1. What is measured is the wait plus a lateness (timer, scheduler, connect) that is never negative.
 *
 *   none          nothing is waited
 *   skip-first    the first retry follows at once, the rest as below (urllib3)
 *   regular       waits of one number agree from request to request: a law without jitter is read off their medians
 *   else          likelihoods of the families with jitter (backoff_fit.h), compared by BIC
 *
 * Two waits can not tell linear from exponential (50, 100 is both), a single one tells nothing: then it is ambiguous. It is too when
 * families are less than 1 of BIC apart (less than 6: named with low confidence, the others as candidates), when the winner's law does not
 * fit the waits (Kolmogorov-Smirnov), and when the requests do not share one law (analysis of variance of where in its range each wait
 * lies): a mixture of clients has no policy.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BACKOFF_H
#define AFTERSHOCK_ANALYZER_INFER_BACKOFF_H

#include "analyzer/infer/policy.h"

struct backoff_waits {	/* request i has the waits ms[begins[i]] to ms[begins[i + 1]] exclusive; not negative */
	const double *ms;
	const size_t *begins;
	size_t requests;
};

#define BACKOFF_AT_ONCE_MS 20.0	/* below this may be nothing but lateness */
#define BACKOFF_LATENESS_MS 0.5	/* of an idle machine, where the run tells nothing */

/*
 * Fills the parts of p that tell the backoff (backoff to confidence, and gaps), which must be zero. lateness_ms: what a wait is late by,
 * as a median. 0 or -ENOMEM.
 */
int backoff_infer(struct policy_retry *p, const struct backoff_waits *w, double lateness_ms);

#endif
