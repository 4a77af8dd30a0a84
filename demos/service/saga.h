/* SPDX-License-Identifier: MIT */
/*
 * A saga as a pure state machine: a transaction over services that share no database. Its steps are done one after the other; when one
 * can not be done, those that may have been done are undone, the last first.
 *
 *     running       step `step` is to be done        done: the next step, or completed · refused: compensating, from the step before ·
 *                                                    unknown: again, `tries` times; then compensating, from this step on
 *     compensating  step `step` is to be undone      done: the one before, or compensated · refused or unknown: again, `undo_tries` times;
 *                                                    then stuck
 *     completed     all steps are done               ends
 *     compensated   what may have been done is undone
 *     stuck         a compensation fails for good: a person has to look at it
 *
 * The end of an action is unknown when its answer did not come, or is an error of the service: it may have been done or not. So it is asked
 * for again under the same key, which the service must know again (the action is idempotent), and it is undone with the others when it is given up;
 * so is an action that was refused after it had been asked for before without an answer. Hence what is asked of services: an undo is
 * idempotent too, is done well for an action that never came, and refuses it should it come later.
 *
 * State, step and tries are all that has to be kept to go on after a crash: written down after each act, they say of the act that was under
 * way that its end is unknown (saga_restore()).
 *
 * After H. Garcia-Molina's and K. Salem's "Sagas", SIGMOD 1987 (backward recovery), with the unknown end that a network adds.
 * Needs only this file and saga.c. No globals, no clock; not thread-safe, a saga belongs to one thread.
 */
#ifndef DEMOS_SERVICE_SAGA_H
#define DEMOS_SERVICE_SAGA_H

#include <stdbool.h>
#include <stdint.h>

#define SAGA_STEPS_MAX 64

enum saga_state { SAGA_RUNNING, SAGA_COMPENSATING, SAGA_COMPLETED, SAGA_COMPENSATED, SAGA_STUCK, SAGA_STATES };

/* "running", "compensating", "completed", "compensated", "stuck". */
extern const char *const saga_state_names[SAGA_STATES];

/* How an act, an action or its undo, ended. */
enum saga_end { SAGA_DONE, SAGA_REFUSED /* and nothing was done */, SAGA_UNKNOWN, SAGA_ACT_ENDS };

struct saga_policy {
	unsigned steps;			/* 1..SAGA_STEPS_MAX */
	uint64_t undoable;		/* bit k: step k has an undo; others are passed over */
	unsigned tries;			/* of an action, >= 1 */
	unsigned undo_tries;		/* of an undo; 0: for ever */
	uint64_t base_ns, cap_ns;	/* the wait before try k + 1 is min(cap, base * 2^(k-1)), of which jitter takes up to half */
};

struct saga {
	const struct saga_policy *policy;
	enum saga_state state;
	unsigned step;			/* the one that is to be done or undone; < policy->steps */
	unsigned tries;			/* of that act, ended without success */
	bool may_be_done;		/* running: an earlier try of this action may have been done */
};

/* Begins at the first action; the policy must outlive it. */
void saga_begin(struct saga *saga, const struct saga_policy *policy);

/* Takes up what was kept. False when there can be no such saga under this policy, which was another then; *saga is not to be used. */
bool saga_restore(struct saga *saga, const struct saga_policy *policy, enum saga_state state, unsigned step, unsigned tries);

/* Whether there is nothing more to do. Else: the action of `step` when running, its undo when compensating. */
bool saga_is_over(const struct saga *saga);

/* The act has ended so. Returns the wait before the next one in ns; uniform is a draw from [0,1) for jitter. Not when it is over. */
uint64_t saga_ended(struct saga *saga, enum saga_end end, double uniform);

#endif
