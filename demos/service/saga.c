/* SPDX-License-Identifier: MIT */
#include "demos/service/saga.h"

const char *const saga_state_names[SAGA_STATES] = {
	[SAGA_RUNNING] = "running",
	[SAGA_COMPENSATING] = "compensating",
	[SAGA_COMPLETED] = "completed",
	[SAGA_COMPENSATED] = "compensated",
	[SAGA_STUCK] = "stuck",
};

void saga_begin(struct saga *saga, const struct saga_policy *policy)
{
	*saga = (struct saga){.policy = policy, .state = SAGA_RUNNING};
}

static bool has_undo(const struct saga *saga, unsigned step)
{
	return saga->policy->undoable >> step & 1;
}

bool saga_restore(struct saga *saga, const struct saga_policy *policy, enum saga_state state, unsigned step, unsigned tries)
{
	*saga = (struct saga){.policy = policy, .state = state, .step = step, .tries = tries, .may_be_done = true};
	if ((unsigned)state >= SAGA_STATES || step >= policy->steps)
		return false;
	return state != SAGA_COMPENSATING || has_undo(saga, step);
}

bool saga_is_over(const struct saga *saga)
{
	return saga->state >= SAGA_COMPLETED;
}

/* Goes back to the last of the first `steps` steps that can be undone. */
static void go_back(struct saga *saga, unsigned steps)
{
	saga->tries = 0;
	saga->state = SAGA_COMPENSATING;
	while (steps && !has_undo(saga, steps - 1))
		steps--;
	if (steps)
		saga->step = steps - 1;
	else
		saga->state = SAGA_COMPENSATED;
}

static void go_on(struct saga *saga)
{
	saga->tries = 0;
	saga->may_be_done = false;
	if (saga->step + 1 < saga->policy->steps)
		saga->step++;
	else
		saga->state = SAGA_COMPLETED;
}

/* In double: the product leaves 64 bits before the exponent ends. */
static uint64_t wait_ns(const struct saga *saga, double uniform)
{
	double wait = (double)saga->policy->base_ns, cap = (double)saga->policy->cap_ns;

	for (unsigned k = 1; k < saga->tries && wait < cap; k++)
		wait *= 2;
	return (uint64_t)((wait < cap ? wait : cap) * (1 - uniform / 2));
}

static uint64_t action_ended(struct saga *saga, enum saga_end end, double uniform)
{
	saga->may_be_done |= end == SAGA_UNKNOWN;
	if (end == SAGA_UNKNOWN && ++saga->tries < saga->policy->tries)
		return wait_ns(saga, uniform);
	if (end == SAGA_DONE)
		go_on(saga);
	else
		go_back(saga, saga->step + saga->may_be_done);
	return 0;
}

static uint64_t undo_ended(struct saga *saga, enum saga_end end, double uniform)
{
	if (end == SAGA_DONE) {
		go_back(saga, saga->step);
		return 0;
	}
	if (saga->tries < UINT32_MAX)
		saga->tries++;
	if (saga->policy->undo_tries && saga->tries >= saga->policy->undo_tries) {
		saga->state = SAGA_STUCK;
		return 0;
	}
	return wait_ns(saga, uniform);
}

uint64_t saga_ended(struct saga *saga, enum saga_end end, double uniform)
{
	return saga->state == SAGA_RUNNING ? action_ended(saga, end, uniform) : undo_ended(saga, end, uniform);
}
