/* SPDX-License-Identifier: MIT */
#include "demos/service/guard.h"

#include "demos/service/clock.h"

#define NS_PER_S 1000000000ull

void guard_init(struct guard *guard, const struct breaker_policy *breaker, const struct bulkhead_policy *bulkhead)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&guard->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&guard->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	guard->has_breaker = breaker->consecutive || breaker->rate > 0;
	guard->has_bulkhead = bulkhead->width > 0;
	breaker_init(&guard->breaker, breaker);
	bulkhead_init(&guard->bulkhead, bulkhead);
}

void guard_clear(struct guard *guard)
{
	pthread_cond_destroy(&guard->moved);
	pthread_mutex_destroy(&guard->lock);
}

bool guard_admits(struct guard *guard, uint64_t *ticket)
{
	bool admitted;

	*ticket = 0;
	if (!guard->has_breaker)
		return true;
	pthread_mutex_lock(&guard->lock);
	admitted = breaker_admits(&guard->breaker, clock_now_ns(), ticket);
	pthread_mutex_unlock(&guard->lock);
	return admitted;
}

void guard_ended(struct guard *guard, uint64_t ticket, bool is_ok)
{
	if (!guard->has_breaker)
		return;
	pthread_mutex_lock(&guard->lock);
	breaker_ended(&guard->breaker, clock_now_ns(), ticket, is_ok);
	pthread_mutex_unlock(&guard->lock);
}

void guard_unused(struct guard *guard, uint64_t ticket)
{
	if (!guard->has_breaker)
		return;
	pthread_mutex_lock(&guard->lock);
	breaker_unused(&guard->breaker, ticket);
	pthread_mutex_unlock(&guard->lock);
}

/* Called with the lock; the queue keeps the order, so each who is woken only looks whether it is its turn. */
static enum bulkhead_answer wait_in_queue(struct guard *guard, struct bulkhead_waiter *waiter)
{
	struct timespec until = {.tv_sec = (time_t)(waiter->until_ns / NS_PER_S), .tv_nsec = (long)(waiter->until_ns % NS_PER_S)};
	enum bulkhead_answer answer;

	while ((answer = bulkhead_again(&guard->bulkhead, clock_now_ns(), waiter)) == BULKHEAD_WAIT)
		pthread_cond_timedwait(&guard->moved, &guard->lock, &until);
	return answer;
}

bool guard_enter(struct guard *guard, uint64_t limit_ns)
{
	struct bulkhead_waiter waiter;
	enum bulkhead_answer answer;
	uint64_t now_ns = clock_now_ns();

	if (!guard->has_bulkhead)
		return true;
	pthread_mutex_lock(&guard->lock);
	answer = bulkhead_enter(&guard->bulkhead, now_ns, &waiter);
	if (answer == BULKHEAD_WAIT) {
		if (limit_ns < waiter.until_ns - now_ns)
			waiter.until_ns = now_ns + limit_ns;
		answer = wait_in_queue(guard, &waiter);
	}
	pthread_mutex_unlock(&guard->lock);
	return answer == BULKHEAD_IN;
}

void guard_leave(struct guard *guard)
{
	if (!guard->has_bulkhead)
		return;
	pthread_mutex_lock(&guard->lock);
	bulkhead_leave(&guard->bulkhead);
	pthread_cond_broadcast(&guard->moved);
	pthread_mutex_unlock(&guard->lock);
}

struct breaker guard_breaker(struct guard *guard)
{
	struct breaker copy;

	pthread_mutex_lock(&guard->lock);
	copy = guard->breaker;
	pthread_mutex_unlock(&guard->lock);
	return copy;
}

struct bulkhead guard_bulkhead(struct guard *guard)
{
	struct bulkhead copy;

	pthread_mutex_lock(&guard->lock);
	copy = guard->bulkhead;
	pthread_mutex_unlock(&guard->lock);
	return copy;
}
