/* SPDX-License-Identifier: MIT */
/*
 * The times after which the attempts of one edge were given up, as timeouts: by phase, and by the clock that they agree on.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_TIMEOUT_MODES_H
#define AFTERSHOCK_ANALYZER_INFER_TIMEOUT_MODES_H

#include <stdbool.h>
#include <stddef.h>
#include "analyzer/infer/given_up.h"

enum timeout_phase { PHASE_CONNECT, PHASE_ANSWER, PHASE_BODY, PHASES };
enum timeout_clock { CLOCK_ATTEMPT, CLOCK_REQUEST, CLOCK_BYTE, CLOCKS };

struct cut {		/* an attempt that was given up */
	uint32_t exchange;
	uint8_t phase;
	bool trickled;	/* bytes came slowly all the time: a fault throttled it */
	double ms[CLOCKS];	/* NAN: not on this clock */
};

struct timeout_edge {
	const struct given_up *g;
	struct policy_timeout *t;
	struct chains_span attempts;
	struct cut *cuts;		/* the caller's; n of them */
	size_t n;
	struct samples *values;		/* the caller's; for as long as a function needs it */
	size_t explained;
	enum timeout_phase phase[POLICY_MODES];	/* of each mode */
	double shortest[POLICY_MODES], top[POLICY_MODES];	/* its first and last member */
	double exceeded[POLICY_MODES];		/* waits beyond it */
	double same_exceeded[POLICY_MODES];	/* those for something that was also given up */
	size_t firsts[POLICY_MODES];		/* how many of it were the first attempts of their requests */
	struct map targets;		/* what was given up -> 1 */
	bool external;			/* seen from the server: clients that die look like clients that give up */
	uint64_t comparable;		/* attempts at those that were not */
};

/* Adds the modes of all phases to e->t, from e's cuts. 0 or -ENOMEM. */
int timeout_modes_find(struct timeout_edge *e);

#endif
