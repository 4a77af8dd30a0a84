/* SPDX-License-Identifier: MIT */
/*
 * A circuit breaker as a pure state machine: may this call go out now, and what does its end mean?
 *
 *     closed     all calls go out; opens when `consecutive` calls in a row have failed, or when at least `min_calls` of the last
 *                `window` calls are known and a share of `rate` or more of them has failed (either rule may be left out);
 *                it is a failed call that opens it, never one that went well
 *     open       no call goes out; the first call asked for after open_ns makes it half-open
 *     half-open  at most `permits` calls at once; closes after `close_after` of them have gone well, opens again at the first that has not
 *
 * A call belongs to the spell of the state it was admitted in: what ends after that spell says nothing about the present one and is
 * dropped. So calls at work when the breaker opens neither lengthen the open time nor decide over a probe.
 * Invariant: each call admitted is ended once, by breaker_ended() or breaker_unused().
 *
 * Needs only this file and breaker.c. Time is the caller's: any clock in ns that does not go back. No globals; not thread-safe,
 * callers hold a lock of their own around each function, none of which waits.
 */
#ifndef DEMOS_SERVICE_BREAKER_H
#define DEMOS_SERVICE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_WINDOW_MAX 1024

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };

/* "closed", "open", "half_open". */
extern const char *const breaker_state_names[BREAKER_STATES];

/* What one breaker's call is: each attempt, or the request with all its attempts. The state machine itself does not care. */
enum breaker_scope { BREAKER_PER_REQUEST, BREAKER_PER_ATTEMPT };

struct breaker_policy {
	enum breaker_scope scope;
	unsigned consecutive;		/* 0: no such rule */
	double rate;			/* 0..1; 0: no such rule */
	unsigned window, min_calls;	/* of the rate: 1..BREAKER_WINDOW_MAX, min_calls <= window */
	uint64_t open_ns;
	unsigned permits;		/* >= 1 */
	unsigned close_after;		/* >= 1 */
};

struct breaker {
	const struct breaker_policy *policy;
	enum breaker_state state;
	uint64_t spell;			/* grows with each change of state */
	uint64_t opened_ns;		/* when it opened last */
	unsigned in_a_row;		/* closed: failures since the last success */
	unsigned calls, failures, next;	/* closed: in the window, and where its next call goes */
	unsigned probing, good_probes;	/* half-open: at work; ended well */
	uint8_t failed[BREAKER_WINDOW_MAX];	/* the window, a ring */
	uint64_t entered[BREAKER_STATES];	/* how often each state was entered; the closed state it began in is not counted */
	uint64_t refused;		/* calls */
};

/* Begins closed; the policy must outlive it. */
void breaker_init(struct breaker *b, const struct breaker_policy *policy);

/* Asks for a call now. True: it may go out, and *ticket is to be given back when it has ended. False: refused. */
bool breaker_admits(struct breaker *b, uint64_t now_ns, uint64_t *ticket);

/* The call has ended, well or not. */
void breaker_ended(struct breaker *b, uint64_t now_ns, uint64_t ticket, bool is_ok);

/* The call was not made after all: its permit is free again and nothing is learnt. */
void breaker_unused(struct breaker *b, uint64_t ticket);

/* How long it will refuse calls yet; 0 when it does not, or is half-open. */
uint64_t breaker_left_ns(const struct breaker *b, uint64_t now_ns);

#endif
