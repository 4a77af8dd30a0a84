/* SPDX-License-Identifier: MIT */
/* The attempts of one process at one server: how many were in work at an instant, and how well those that had ended went. Not thread-safe. */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_CALLS_H
#define AFTERSHOCK_ANALYZER_MEASURE_CALLS_H

#include <stdbool.h>
#include "analyzer/link/chains.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/times.h"

#define CALLS_WELL 10		/* successes in a row of a server that is well */

struct calls {
	uint64_t *starts;	/* owned; ascending */
	struct radix_item *ends;	/* owned; ascending; the value is how many successes in a row there are up to it */
	size_t n, ended, most;	/* most: in work at once */
};

/* Fills *c; to be freed also after an error. 0 or -ENOMEM. */
int calls_of(struct calls *c, const struct measure *m, struct chains_span attempts);
void calls_free(struct calls *c);

/* How many had ended at t or before. *near as of times_near(). */
static inline size_t calls_ended_by(const struct calls *c, uint64_t t, size_t *near)
{
	return times_near(&c->ends->key, sizeof(*c->ends), c->ended, t, near);
}

/* Whether the latest of the first `over` that ended were successes: the last ten, or all if there were fewer. */
static inline bool calls_well(const struct calls *c, size_t over)
{
	return !over || c->ends[over - 1].value >= (over < CALLS_WELL ? over : CALLS_WELL);
}

#endif
