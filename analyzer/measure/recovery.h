/* SPDX-License-Identifier: MIT */
/* How an episode of a fault went on after it had cleared: the parts of recovery.c's judgement that are files of their own. */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_RECOVERY_H
#define AFTERSHOCK_ANALYZER_MEASURE_RECOVERY_H

#include "analyzer/measure/felt.h"

/* Fills the lag_ fields, which add up to recovery_lag_ms; users were well from well_ns on. lag.c */
void lag_explain(struct felt *f, uint64_t well_ns, struct result_recovery *r);

struct metastable {
	double explained_ms;	/* the longest that a timeout, a backoff and an open breaker explain together */
	bool sustained;		/* users asked no more than before, yet retries, lost work or a growing queue keep the load up */
	bool confirmed;		/* at the same load it was good before, bad after, and good again once the load had dipped */
};

/* Fills the load_ fields of r. well: the first second of the recovery, -1 none was seen. metastable.c */
void metastable_load(const struct felt *f, long well, struct result_recovery *r);

/* Needs the load_ fields, fills the margin of r. */
struct metastable metastable_judge(const struct felt *f, long well, struct result_recovery *r);

#endif
