/* SPDX-License-Identifier: MIT */
/*
 * Backpressure as a pure state machine: at most so many requests are worked on at once, and the others are told at once to come back
 * later (503 with Retry-After). A quick no costs the service next to nothing; a queue would cost those in it their time.
 * Invariant: in <= max_in_flight.
 *
 * Needs only this file and backpressure.c. No clock, no globals; not thread-safe, callers hold a lock of their own around each function.
 */
#ifndef DEMOS_SERVICE_BACKPRESSURE_H
#define DEMOS_SERVICE_BACKPRESSURE_H

#include <stdbool.h>
#include <stdint.h>

struct backpressure_policy {
	unsigned max_in_flight;		/* 0: no limit */
	unsigned retry_after_s;		/* for Retry-After; >= 1 */
};

struct backpressure {
	const struct backpressure_policy *policy;
	unsigned in;
	uint64_t shed;
};

/* Begins empty; the policy must outlive it. */
void backpressure_init(struct backpressure *b, const struct backpressure_policy *policy);

/* Asks for one request. True: it may be worked on, and backpressure_leaves() is owed. False: it is shed. */
bool backpressure_admits(struct backpressure *b);
void backpressure_leaves(struct backpressure *b);

#endif
