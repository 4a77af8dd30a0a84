/* SPDX-License-Identifier: MIT */
/*
 * Calls that pile up at a slow server because nothing limits them, until requests that have nothing to do with it suffer: what a bulkhead is there
 * to prevent. Not thread-safe.
 *
 * It is one when, from the baseline to the fault, calls in work grew at least threefold on the average (to 4 or more at once), they took three times as
 * long at the median, 50 ms or more above before, and at least 5 requests to other routes of the caller did badly: their median time is three times what 95 %
 * of them took in the baseline, 50 ms or more above; or the share of them that failed grew by a fifth.
 *
 * Other routes: methods and paths that were asked 10 times or more in the baseline, of which fewer than one in a hundred ever calls a server that was
 * slow, or hit by a fault. They are seen by those who asked, where these were recorded: a request that waits for a thread is not there yet for the
 * service itself. Attempts that a fault hit on their way do not count.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BULKHEAD_FLOOD_H
#define AFTERSHOCK_ANALYZER_INFER_BULKHEAD_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

struct measure;

struct flood_edges {	/* of the whole run, by edge */
	double *before_ms, *fault_ms;	/* median time of attempts, had none been given up, in the baseline and under the fault; NAN none; owned */
	bool *bad;		/* slow then, or hit by a fault; owned */
	unsigned looked;	/* edges whose caller's routes were looked at: no more than FLOODS_MAX, since each is a walk over the run */
};

/* 0 or -ENOMEM; free also after an error. O(n log n) over all attempts. */
int flood_open(struct flood_edges *f, const struct measure *m);
void flood_close(struct flood_edges *f);

/* Fills what the edge's bulkhead says of it (policy_flood). 0 or -ENOMEM. */
int flood_find(struct flood_edges *f, struct measure *m, uint32_t edge);

#endif
