/* SPDX-License-Identifier: MIT */
/*
 * Demand of a client that spreads its requests over several servers (a destination, hops.h): each attempt is a choice, and one that fell on another
 * server is a call that this one did not get, unless its request comes from this one. A balancer that leaves a server out for a while after failures
 * (nginx's max_fails, outlier ejection) is to that server what a breaker is. How often the server is chosen is counted while its latest answer was a
 * success.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_CHOICES_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_CHOICES_H

#include "analyzer/infer/breaker_view.h"

/* Whether a call that was made for an inbound exchange went to a server of the destination that the edge belongs to. */
bool breaker_choices_asked(const struct measure *m, uint32_t edge, uint32_t inbound);

/* Fills the demands of a view with its attempts, if its edge belongs to a destination and is chosen often enough to be missed. 0 or -ENOMEM. */
int breaker_choices_find(struct breaker_view *v);

#endif
