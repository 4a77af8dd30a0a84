/* SPDX-License-Identifier: MIT */
/*
 * One figure on the two sides of a comparison: what it is on each, how the two relate, and whether the difference may be chance.
 *
 * One run a side: requests are the unit, and draws from what each figure may really be (figure.h) give intervals and chances. Several runs: the run
 * is the unit. A side's figure is the median of its runs, with the exact interval between order statistics from six runs on. The ratio is Hodges
 * and Lehmann's on logarithms with Mann and Whitney's exact interval, from four against four on; of runs that pair by their seeds, the signed-rank
 * one, from six pairs on. A recovery that a run did not see counts as longer than all that it saw, and a side's figure is then Kaplan and Meier's median.
 * Used by compare.c only.
 */
#ifndef AFTERSHOCK_ANALYZER_COMPARE_ESTIMATE_H
#define AFTERSHOCK_ANALYZER_COMPARE_ESTIMATE_H

#include "analyzer/compare/figure.h"
#include "analyzer/compare/gate.h"

struct estimate_side {
	struct metric metric;
	double *values;		/* one per run, in their order; NAN: it can not tell. Owned */
	bool *censored;		/* per run: at least the value. Owned */
	size_t runs;
	double *draws;		/* STATS_RESAMPLES, of a single run; owned; NULL: none */
	bool exact;		/* all runs count exactly the same */
};

struct estimate {
	struct estimate_side base, fresh;
	struct metric ratio;	/* fresh over base */
	double p;		/* two-sided chance of such a difference when there is none; NAN can not tell */
	double a12;		/* chance that a run of fresh is above one of base; NAN for single runs */
	bool paired;		/* runs i of both sides belong together */
};

/* What each run of a side says; at[i].edge and so on may all be NULL: not there. */
struct estimate_input {
	const struct figure_place *at;
	size_t runs;
};

/* Fills a zeroed estimate. 0 or -ENOMEM. */
int estimate_make(struct estimate *e, enum gate_metric metric, struct estimate_input base, struct estimate_input fresh, bool paired);
void estimate_free(struct estimate *e);

/*
 * The one-sided chance that the bound is missed so clearly if the figure lies right on it; NAN can not tell. For Holm's adjustment over all gates:
 * one-sided, as four runs a side reach 1 in 70 at best.
 */
double estimate_chance(const struct estimate *e, const struct gate *g);

#endif
