/* SPDX-License-Identifier: MIT */
/*
 * How one client goes on from request to request for the same thing, on each of its threads: its steps behind successes and behind failures, and the pace
 * that those behind successes have (rhythm.h says what is made of it). Times are ms. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_LANES_H
#define AFTERSHOCK_ANALYZER_LINK_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/read/model.h"
#include "analyzer/read/samples.h"
#include "base/clock.h"

#define LANE_FLOOR_MS 5.0	/* below it waits are alike */
#define LANE_PACE_MIN 5		/* waits after a success that show a pace */
#define LANE_TIGHT_MS 20.0	/* a pace that immediate retries have too */

struct pace {
	bool known;
	bool by_start;	/* from start to start; else from end to start */
	double low_ms, high_ms;
	double own_low_ms, own_high_ms;	/* within them, waits that only failures are followed by; NAN none */
	bool tight;
};

struct steps {
	struct samples ends, starts;	/* ms from the end, the start of an attempt to the next start of its thread; sorted by lane_settle() */
};

struct lane {	/* one client's requests for the same thing */
	struct steps well, failed;	/* behind successes, failures */
	struct thread_step *by_thread;	/* owned; the same as in well and failed */
	size_t step_count, step_room;
	struct samples ranks;		/* of each step behind a success, among those behind failures of its thread: 0 to 1 */
	struct pace pace;
	uint64_t pairs, overlaps;
	uint32_t latest;		/* its last exchange */
};

/* From the end of one to the start of another. */
static inline double lane_gap_ms(const struct model_exchange *a, const struct model_exchange *b)
{
	return (double)(b->started_ns - a->ended_ns) / NS_PER_MS;
}

/* a and b follow each other on one thread. 0 or -ENOMEM. */
int lane_add(struct lane *l, const struct model_exchange *a, const struct model_exchange *b);

/* When all are there: sorts the steps and finds the pace. 0 or -ENOMEM. */
int lane_settle(struct lane *l);
void lane_free(struct lane *l);

/* Whether b comes when the pace says that the next request does, and not after a wait that only failures are followed by. */
bool pace_keeps(const struct pace *p, const struct model_exchange *a, const struct model_exchange *b);

/* Whether a client, whose pace is not steady, does not care whether it failed. */
bool lane_is_careless(const struct lane *l);

#endif
