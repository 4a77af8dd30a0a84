/* SPDX-License-Identifier: MIT */
#include "demos/service/deadline.h"

#include <string.h>

#define NS_PER_MS 1000000ull

void deadline_begin(struct deadline *call, const struct deadline_policy *policy, uint64_t now_ns)
{
	bool has_end = policy->total_ns && policy->total_ns < UINT64_MAX - now_ns;

	*call = (struct deadline){.policy = policy, .end_ns = has_end ? now_ns + policy->total_ns : UINT64_MAX};
}

void deadline_read(struct deadline *given, const char *header, uint64_t now_ns)
{
	uint64_t ms = 0;
	size_t digits = header ? strspn(header, "0123456789") : 0;

	*given = (struct deadline){.end_ns = UINT64_MAX};
	if (!digits || header[digits])
		return;
	for (size_t i = 0; i < digits && ms <= DEADLINE_MS_MAX; i++)
		ms = 10 * ms + (uint64_t)(header[i] - '0');
	if (ms <= DEADLINE_MS_MAX)
		given->end_ns = now_ns + ms * NS_PER_MS;
}

void deadline_within(struct deadline *call, const struct deadline *outer)
{
	if (outer->end_ns < call->end_ns)
		call->end_ns = outer->end_ns;
}

bool deadline_is_over(const struct deadline *call, uint64_t now_ns)
{
	return !deadline_left_ns(call, now_ns);
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
