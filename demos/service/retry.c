/* SPDX-License-Identifier: MIT */
#include "demos/service/retry.h"

#include <string.h>

void retry_on_status(struct retry_policy *policy, int status)
{
	policy->statuses[status / 64] |= 1ull << (status % 64);
}

void retry_begin(struct retry *call, const struct retry_policy *policy)
{
	*call = (struct retry){.policy = policy, .previous_ns = policy->base_ns};
}

static bool is_retryable(const struct retry_policy *p, const struct retry_outcome *o)
{
	switch (o->end) {
	case ENDED_TIMEOUT:
		return p->on_timeout;
	case ENDED_ERROR:
		return p->on_error;
	case ENDED_ANSWERED:
		return o->status >= 0 && o->status < RETRY_STATUS_MAX && (p->statuses[o->status / 64] >> (o->status % 64) & 1);
	}
	return false;
}

/* In double: the product leaves 64 bits long before the exponent ends. */
static double scheduled_ns(const struct retry_policy *p, unsigned retry)
{
	double wait = (double)p->base_ns;

	if (p->backoff == RETRY_IMMEDIATE)
		return 0;
	if (p->backoff == RETRY_FIXED)
		return wait;
	for (unsigned k = 1; k < retry && wait < (double)p->cap_ns; k++)
		wait *= p->multiplier;
	return wait < (double)p->cap_ns ? wait : (double)p->cap_ns;
}

static double decorrelated_ns(const struct retry *call, double uniform)
{
	double base = (double)call->policy->base_ns, cap = (double)call->policy->cap_ns;
	double wait = base + uniform * (3.0 * (double)call->previous_ns - base);

	return wait < cap ? wait : cap;
}

static double jittered_ns(const struct retry *call, double wait, double uniform)
{
	const struct retry_policy *p = call->policy;

	switch (p->jitter) {
	case JITTER_NONE:
		return wait;
	case JITTER_FULL:
		return uniform * wait;
	case JITTER_EQUAL:
		return wait / 2 + uniform * wait / 2;
	case JITTER_PROPORTIONAL:
		return wait * (1 - p->spread) + uniform * 2 * p->spread * wait;
	case JITTER_ADDITIVE:
		return wait + uniform * (double)p->spread_ns;
	case JITTER_DECORRELATED:
		return decorrelated_ns(call, uniform);
	}
	return wait;
}

bool retry_next(struct retry *call, const struct retry_outcome *outcome, double uniform, uint64_t *wait_ns)
{
	const struct retry_policy *p = call->policy;

	call->attempts++;
	if (p->backoff == RETRY_NONE || call->attempts >= p->max_attempts || !is_retryable(p, outcome))
		return false;
	if (p->honour_retry_after && outcome->retry_after_ns >= 0) {
		*wait_ns = (uint64_t)outcome->retry_after_ns;
		return *wait_ns <= p->retry_after_max_ns;
	}
	*wait_ns = (uint64_t)jittered_ns(call, scheduled_ns(p, call->attempts), uniform);
	call->previous_ns = *wait_ns;
	return true;
}
