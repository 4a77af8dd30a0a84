/* SPDX-License-Identifier: MIT */
/*
 * A bulkhead as a pure state machine: at most `width` calls are in at once, so that one slow peer can not take all threads.
 * Who finds it full is refused, or waits in a queue of at most `queue` for at most wait_ns. Places go out in the order of asking:
 * a place that becomes free belongs to the longest waiting at once, and nobody who comes later can take it.
 * Invariants: in <= width; somebody waits only while in == width.
 *
 * Needs only this file and bulkhead.c. Time is the caller's: any clock in ns that does not go back. No globals; not thread-safe,
 * callers hold a lock of their own around each function, none of which waits: who is told to wait does so by the caller's means
 * and asks again when woken or when its time is over.
 */
#ifndef DEMOS_SERVICE_BULKHEAD_H
#define DEMOS_SERVICE_BULKHEAD_H

#include <stdint.h>

struct bulkhead_policy {
	unsigned width;			/* >= 1 */
	unsigned queue;			/* 0: who finds it full is refused at once */
	uint64_t wait_ns;		/* longest wait in the queue */
};

enum bulkhead_answer { BULKHEAD_IN, BULKHEAD_WAIT, BULKHEAD_FULL };

/* One who waits; the caller's, and linked here until it is told something else than to wait. */
struct bulkhead_waiter {
	struct bulkhead_waiter *previous, *next;
	uint64_t until_ns;
	enum bulkhead_answer answer;
};

struct bulkhead {
	const struct bulkhead_policy *policy;
	struct bulkhead_waiter *first, *last;
	unsigned in, waiting;
	uint64_t refused;		/* at once or after a wait */
};

/* Begins empty; the policy must outlive it. */
void bulkhead_init(struct bulkhead *b, const struct bulkhead_policy *policy);

/* Asks to come in. IN: bulkhead_leave() is owed. WAIT: ask bulkhead_again() until it says something else. FULL: refused. */
enum bulkhead_answer bulkhead_enter(struct bulkhead *b, uint64_t now_ns, struct bulkhead_waiter *waiter);
enum bulkhead_answer bulkhead_again(struct bulkhead *b, uint64_t now_ns, struct bulkhead_waiter *waiter);

/* Gives the place back, or on to the first in the queue, whose bulkhead_again() then says IN. */
void bulkhead_leave(struct bulkhead *b);

#endif
