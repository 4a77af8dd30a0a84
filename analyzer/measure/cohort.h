/* SPDX-License-Identifier: MIT */
/* Logical requests that began in some window, of an edge or of a destination: counted one by one, then settled. Not thread-safe. */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_COHORT_H
#define AFTERSHOCK_ANALYZER_MEASURE_COHORT_H

#include "analyzer/link/link.h"
#include "analyzer/result.h"

/* 0 or -ENOMEM. */
int cohort_add(struct result_cohort *c, const struct link_logical *q);

/* Fills the metrics; linked: whether attempts are joined to requests. */
void cohort_settle(struct result_cohort *c, bool linked);

#endif
