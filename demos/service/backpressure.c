/* SPDX-License-Identifier: MIT */
#include "demos/service/backpressure.h"

void backpressure_init(struct backpressure *b, const struct backpressure_policy *policy)
{
	*b = (struct backpressure){.policy = policy};
}

bool backpressure_admits(struct backpressure *b)
{
	if (b->policy->max_in_flight && b->in >= b->policy->max_in_flight) {
		b->shed++;
		return false;
	}
	b->in++;
	return true;
}

void backpressure_leaves(struct backpressure *b)
{
	b->in--;
}
