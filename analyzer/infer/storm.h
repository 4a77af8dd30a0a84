/* SPDX-License-Identifier: MIT */
/*
 * What retries did to the rate of calls on one edge, second by second: storms, bursts, the share of retries. Pure.
 *
 *   storm   3 s or more in a row with 2 attempts or more per first attempt, at most one retry in ten succeeding, and more attempts a second
 *           than 99 % of the baseline's seconds, 10 or more on average; or, where the fault is shorter, 10 requests or more in the fault's window
 *           with 2 attempts or more that went out for each, 9 retries in 10 failing and half the waits below 1 s
 *   burst   bins of max(100 ms, twice the median attempt) in a row, each with 5 retries or more and more than the 99.9th of 100 of a Poisson
 *           distribution of the baseline's rate
 *   budget  retries per first attempt within the last 10 s (SRE: 0.1; Finagle, Envoy: 0.2)
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_STORM_H
#define AFTERSHOCK_ANALYZER_INFER_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct storm_attempt {
	double at_ms;		/* since the run's start */
	bool retry, ok;
};

struct storm {
	bool storm;
	double amplification, seconds;	/* of the longest */
	uint64_t bursts, burst_peak;	/* retries in the largest */
	double budget_peak, budget_over_s;
};

#define STORM_BUDGET 0.2		/* retries per first attempt */
#define STORM_BUDGET_RATE 10.0		/* retries a second below which nobody minds */

/* attempts in order of time; median_ms of an attempt; base_per_s: first attempts in the baseline, NAN: there is none. */
void storm_measure(struct storm *s, const struct storm_attempt *attempts, size_t n, double median_ms, double base_per_s);

#endif
