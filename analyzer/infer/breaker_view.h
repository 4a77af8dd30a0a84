/* SPDX-License-Identifier: MIT */
/*
 * What is looked at for breakers of one client process towards one server: its attempts, or its requests where these are what is counted; what was
 * asked of it; and the silences among them. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_VIEW_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_VIEW_H

#include <stdint.h>
#include "analyzer/infer/silence.h"
#include "analyzer/link/chains.h"
#include "analyzer/measure/demand.h"

struct measure;

struct breaker_cuts {		/* of all processes of an edge: silences that began in the middle of a request, and after a whole one */
	uint64_t cut, uncut;
};

struct breaker_view {
	const struct measure *m;
	uint32_t edge, process;
	struct chains_span rows;
	struct breaker_cuts *cuts;
	bool ejects;	/* what is not let through goes to another server of the destination (breaker_choices.h) */
	bool joined;	/* surely: which attempts are one request's is known */
	uint32_t most_attempts;	/* that a failed request made, as far as known */
	struct silence_attempt *attempts;	/* owned */
	struct silence_demand *demands;		/* owned; NULL: its own pace */
	size_t demand_count;
	struct silence_input in;
	struct silences s;
};

/*
 * Fills one of which m, edge, process, rows, cuts and in (need, end_ns, unresolved) are set. 0 or -ENOMEM; free also then. O(n log n).
 */
int breaker_view_find(struct breaker_view *v, const struct demands *demands);
void breaker_view_free(struct breaker_view *v);

/* The first demand at or after t. */
size_t breaker_view_demand_at(const struct breaker_view *v, uint64_t t);

#endif
