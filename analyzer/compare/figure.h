/* SPDX-License-Identifier: MIT */
/*
 * One figure of one place (an edge, a destination, a service, a fault) in one run or in several: its value, its interval, and draws
 * from what it may really be. Used by compare.c only.
 */
#ifndef AFTERSHOCK_ANALYZER_COMPARE_FIGURE_H
#define AFTERSHOCK_ANALYZER_COMPARE_FIGURE_H

#include "analyzer/compare/compare.h"
#include "analyzer/stats/stats.h"

/* Where a figure is looked up: exactly one is not NULL. */
struct figure_place {
	const struct result_edge *edge;
	const struct result_destination *destination;
	const struct result_service *service;
	const struct result_recovery *recovery;	/* the first of recovery_count: one for each time that the fault came on */
	size_t recovery_count;
};

enum figure_kind { FIGURE_EDGE, FIGURE_DESTINATION, FIGURE_SERVICE, FIGURE_FAULT, FIGURE_KINDS };

static inline bool figure_is_there(const struct figure_place *at)
{
	return at->edge || at->destination || at->service || at->recovery;
}

/* Whether the figure is only known to be at least m->low: a recovery that the run did not see. */
static inline bool figure_is_censored(const struct metric *m)
{
	return !m->known && m->bounded;
}

/* Whether places of this kind have this metric. */
bool figure_exists(enum gate_metric metric, enum figure_kind kind);

/* The figure with its interval within the run; unknown when the run can not tell. */
struct metric figure_of(enum gate_metric metric, const struct figure_place *at);

/* A draw from what the figure may be; NAN when there is no telling (see figure_draws()). */
double figure_draw(enum gate_metric metric, const struct figure_place *at, struct stats_random *r);

/* Whether the run holds enough for figure_draw(). */
bool figure_draws(enum gate_metric metric, const struct figure_place *at);

#endif
