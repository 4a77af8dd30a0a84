/* SPDX-License-Identifier: MIT */
/*
 * What the rows of exchanges say only together: their order, who caused whom, who is in which role.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_SETTLE_H
#define AFTERSHOCK_ANALYZER_READ_SETTLE_H

#include "analyzer/read/loader.h"

/* Sorts the exchanges by start, then resolves what refers to them. 0 or -ENOMEM. */
int settle_exchanges(struct loader *l);

/* The run's bounds, as far as the file says; the exchanges otherwise. */
void settle_times(struct model *m);

#endif
