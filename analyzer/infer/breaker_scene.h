/* SPDX-License-Identifier: MIT */
/*
 * Breakers of one edge while they are looked at (breaker.c): what the silences of all its client's processes said so far. Internal to breaker*.c.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_SCENE_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_SCENE_H

#include <stdbool.h>
#include <stdint.h>
#include "analyzer/infer/breaker_bad.h"
#include "analyzer/infer/breaker_threshold.h"
#include "analyzer/infer/breaker_view.h"
#include "analyzer/measure/demand.h"

struct measure;
struct policy_breaker;

struct breaker_while {		/* sums, of silences and of calls, while the server was out, or bad and not out */
	uint64_t asked, shed, passed, failed;
};

struct breaker_effects {	/* sums */
	struct breaker_while out, bad;
	uint64_t first_ns, last_ns;	/* first open, end of the last silence */
	double failed_ms, shed_ms, waited_ms;
	uint64_t failed;
};

struct breaker_unit {	/* what a failure is that it counts, where it is not known which attempts are one request's */
	uint32_t attempts;	/* of a request, perhaps; 0: it is known */
	size_t in_work;		/* calls at once */
};

struct breaker_scene {
	struct measure *m;
	uint32_t edge;
	struct policy_breaker *p;
	struct demands demands;
	struct breaker_bad bad;
	struct breaker_threshold threshold;
	struct breaker_range open;	/* ms */
	struct breaker_cuts cuts;
	struct breaker_effects effects;
	unsigned paced, closed;
	double growth;
	uint64_t grown;
	bool alike, trickle, agreed;	/* agreed: only how long its requests waited says that they were turned down */
	struct breaker_unit unit;
};

/* breaker_effects.c: what silence g did; root: the open that began it, of those that half-open calls brought about again. */
void breaker_effects_add(struct breaker_scene *c, const struct breaker_view *v, const struct silence_gap *g, const struct silence_gap *root);

/* What passed while the server was bad, and what was asked then. */
void breaker_effects_add_bad(struct breaker_scene *c, const struct breaker_view *v);

void breaker_effects_settle(struct breaker_scene *c);

#endif
