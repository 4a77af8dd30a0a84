/* SPDX-License-Identifier: MIT */
/*
 * A retry policy as a pure decision: given how the last attempt ended, is there to be another, and after which wait?
 * Policy and state are plain values; time and chance are the caller's, so that a test can replay both.
 *
 * The schedule before retry k = 1, 2, ... is
 *     immediate 0 · fixed base · exponential min(cap, base * multiplier^(k-1))
 * and jitter turns that wait w, with u uniform in [0,1), into
 *     none w · full u*w · equal w/2 + u*w/2 · proportional w*(1-spread) + u*2*spread*w · additive w + u*spread_ns ·
 *     decorrelated min(cap, base + u*(3*previous - base)), previous = base at first
 * (full, equal, decorrelated: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The cap acts
 * before jitter, except in decorrelated, where it is part of the formula.
 *
 * Needs only this file and retry.c. Thread-safe: no globals, a policy is read only, a struct retry belongs to one call.
 */
#ifndef DEMOS_SERVICE_RETRY_H
#define DEMOS_SERVICE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_STATUS_MAX 600	/* statuses are 100..599 */

enum retry_backoff { RETRY_NONE, RETRY_IMMEDIATE, RETRY_FIXED, RETRY_EXPONENTIAL };
enum retry_jitter { JITTER_NONE, JITTER_FULL, JITTER_EQUAL, JITTER_PROPORTIONAL, JITTER_ADDITIVE, JITTER_DECORRELATED };

/* How an attempt ended without an answer; ENDED_ANSWERED has a status. */
enum retry_end { ENDED_ANSWERED, ENDED_TIMEOUT, ENDED_ERROR };

struct retry_policy {
	enum retry_backoff backoff;
	enum retry_jitter jitter;
	unsigned max_attempts;		/* the first one included; >= 1 */
	uint64_t base_ns;
	uint64_t cap_ns;
	double multiplier;		/* >= 1 */
	double spread;			/* proportional jitter: 0..1 */
	uint64_t spread_ns;		/* additive jitter */
	uint64_t statuses[(RETRY_STATUS_MAX + 63) / 64];	/* set of retryable statuses */
	bool on_timeout, on_error;
	bool honour_retry_after;	/* a Retry-After replaces the scheduled wait ... */
	uint64_t retry_after_max_ns;	/* ... and when longer than this, ends the call: asking sooner would be asking in vain */
};

struct retry_outcome {
	enum retry_end end;
	int status;			/* with ENDED_ANSWERED: 100..599 */
	int64_t retry_after_ns;		/* what the answer asked for; -1 when it did not */
};

struct retry {
	const struct retry_policy *policy;
	unsigned attempts;		/* made so far */
	uint64_t previous_ns;		/* wait before the last retry */
};

/* Adds one status (100..599) to those that are retried. */
void retry_on_status(struct retry_policy *policy, int status);

/* Begins a call; the policy must outlive it. */
void retry_begin(struct retry *call, const struct retry_policy *policy);

/*
 * Says what follows an attempt that has just ended: true, with the wait before the next attempt in *wait_ns,
 * or false: the call is over. uniform is a draw from [0,1); it is used by jitter only.
 */
bool retry_next(struct retry *call, const struct retry_outcome *outcome, double uniform, uint64_t *wait_ns);

#endif
