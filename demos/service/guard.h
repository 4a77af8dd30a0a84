/* SPDX-License-Identifier: MIT */
/*
 * What stands before a peer: its breaker and its bulkhead, either of which may be missing, under one lock and on the real clock.
 * The policies themselves neither lock nor wait; here is where a thread does. Thread-safe.
 */
#ifndef DEMOS_SERVICE_GUARD_H
#define DEMOS_SERVICE_GUARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/breaker.h"
#include "demos/service/bulkhead.h"

struct guard {
	pthread_mutex_t lock;
	pthread_cond_t moved;		/* a place in the bulkhead went to somebody who waits */
	bool has_breaker, has_bulkhead;
	struct breaker breaker;
	struct bulkhead bulkhead;
};

/* The policies must outlive it. */
void guard_init(struct guard *guard, const struct breaker_policy *breaker, const struct bulkhead_policy *bulkhead);
void guard_clear(struct guard *guard);

/* Around a call of the breaker: always admitted when there is none. Then guard_ended() or guard_unused() is owed. */
bool guard_admits(struct guard *guard, uint64_t *ticket);
void guard_ended(struct guard *guard, uint64_t ticket, bool is_ok);
void guard_unused(struct guard *guard, uint64_t ticket);

/* Around an attempt: waits for a place as long as the bulkhead says, but for limit_ns at most. True: guard_leave() is owed. */
bool guard_enter(struct guard *guard, uint64_t limit_ns);
void guard_leave(struct guard *guard);

/* Copies of both as they are now, to be shown. */
struct breaker guard_breaker(struct guard *guard);
struct bulkhead guard_bulkhead(struct guard *guard);

#endif
