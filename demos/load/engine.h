/* SPDX-License-Identifier: MIT */
/*
 * Sends requests and learns what became of each: in an open loop, where they begin at moments fixed beforehand, or in a closed one,
 * where each of a number of users asks again as soon as it is answered. One thread, on libevent; a request is sent once, never again, also
 * when the server has just closed the connection that was kept. Interim answers (1xx) are not understood.
 *
 * At most `users` are in flight. Whose moment comes while that many are waits for its turn, and its time runs meanwhile: the time limit
 * counts, like the latency, from the moment a request was to begin.
 */
#ifndef DEMOS_LOAD_ENGINE_H
#define DEMOS_LOAD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "demos/load/arrivals.h"
#include "demos/load/progress.h"
#include "demos/load/summary.h"
#include "demos/load/target.h"

struct load_plan {
	struct target target;
	bool is_open;			/* by arrivals; else closed */
	struct arrivals arrivals;
	uint64_t requests;		/* none begins after so many; >= 1 */
	uint64_t duration_ns;		/* nor so long after the beginning; UINT64_MAX: whenever */
	unsigned users;			/* in flight at most; >= 1 */
	uint64_t timeout_ns;		/* of one request */
	const char *mark;		/* header whose answers are counted; NULL none */
};

enum load_stop { LOAD_COMPLETE, LOAD_INTERRUPTED };

/*
 * Runs the plan and adds each request that has ended to the summary, the times of the run included. SIGTERM: no more begin, those in
 * flight are waited for. SIGINT, or a second SIGTERM: ends at once, and *stop is LOAD_INTERRUPTED. progress may be NULL. 0, -ENOMEM or -EIO.
 */
int load_run(struct load_plan *plan, struct progress *progress, struct summary *summary, enum load_stop *stop);

#endif
