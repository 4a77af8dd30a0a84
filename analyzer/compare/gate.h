/* SPDX-License-Identifier: MIT */
/*
 * A gate of `compare`: METRIC<=1.10x (new against base), METRIC>=99%, METRIC<=250 (new alone), each optionally @where.
 * A gate is decided on intervals, not on points: it passes when all that the data allow for passes, regresses when
 * nothing of it does, and is inconclusive in between. Pure.
 */
#ifndef AFTERSHOCK_ANALYZER_COMPARE_GATE_H
#define AFTERSHOCK_ANALYZER_COMPARE_GATE_H

#include <stdbool.h>
#include "analyzer/result.h"

enum gate_metric { GATE_AMPLIFICATION, GATE_SUCCESS, GATE_P50, GATE_P95, GATE_P99, GATE_MTTR, GATE_RECOVERY_LAG,
		   GATE_SHED_EFFICACY, GATE_PEAK, GATE_METRICS };
enum gate_outcome { GATE_NONE, GATE_PASS, GATE_INCONCLUSIVE, GATE_REGRESS };	/* the larger one stands */

struct gate {
	const char *text;	/* as given; not owned */
	const char *where;	/* part of text behind '@' (where_length bytes); NULL: everywhere */
	size_t where_length;
	double bound;
	enum gate_metric metric;
	bool at_least;		/* >=, else <= */
	bool relative;		/* against base, else of new alone */
};

/* Fills g from text, which must outlive it. 0, or -EINVAL with one sentence in error. */
int gate_parse(struct gate *g, const char *text, char *error, unsigned error_size);

/* Whether the gate speaks of this place; blanks do not count ("a->b" is "a -> b"). */
bool gate_concerns(const struct gate *g, const char *place);

enum gate_outcome gate_decide(const struct gate *g, const struct metric *fresh, const struct metric *ratio);

const char *gate_metric_name(enum gate_metric metric);

/* "pass", "inconclusive", "regress"; NULL for GATE_NONE. */
const char *gate_outcome_name(enum gate_outcome outcome);

#endif
