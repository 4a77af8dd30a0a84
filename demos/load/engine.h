/* SPDX-License-Identifier: MIT */
/*
 * Sends GET requests in a closed loop: a fixed number of users, each asking again as soon as it is answered.
 * Each request carries a trace context of its own. One thread. The latency of a request is from its start to its end as
 * the user sees it, connecting included.
 */
#ifndef DEMOS_LOAD_ENGINE_H
#define DEMOS_LOAD_ENGINE_H

#include <signal.h>
#include <stdint.h>

#include "demos/load/summary.h"

struct load_plan {
	const char *url;
	unsigned requests;		/* in all; >= 1 */
	unsigned users;			/* at once; 1..requests */
	uint64_t timeout_ns;		/* of one request */
};

/*
 * Runs the plan and adds each request that has ended to the summary, elapsed time included. Ends early, leaving the rest
 * unsent, once *stop is set (by a signal handler). 0, -ENOMEM or -EIO. curl_global_init() must have run.
 */
int load_run(const struct load_plan *plan, const volatile sig_atomic_t *stop, struct summary *summary);

#endif
