/* SPDX-License-Identifier: MIT */
#include "demos/service/deadline.h"

void deadline_begin(struct deadline *call, const struct deadline_policy *policy, uint64_t now_ns)
{
	bool has_end = policy->total_ns && policy->total_ns < UINT64_MAX - now_ns;

	*call = (struct deadline){.policy = policy, .end_ns = has_end ? now_ns + policy->total_ns : UINT64_MAX};
}

uint64_t deadline_left_ns(const struct deadline *call, uint64_t now_ns)
{
	if (call->end_ns == UINT64_MAX)
		return UINT64_MAX;
	return now_ns < call->end_ns ? call->end_ns - now_ns : 0;
}

uint64_t deadline_attempt_ns(const struct deadline *call, uint64_t now_ns)
{
	uint64_t left_ns = deadline_left_ns(call, now_ns);

	return left_ns < call->policy->attempt_ns ? left_ns : call->policy->attempt_ns;
}

bool deadline_allows(const struct deadline *call, uint64_t now_ns, uint64_t wait_ns)
{
	return wait_ns < deadline_left_ns(call, now_ns);
}
