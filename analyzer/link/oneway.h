/* SPDX-License-Identifier: MIT */
/*
 * Messages that nobody answers and nobody waits for: metrics, log lines, whatever is only sent. Where the protocol is not framed each looks like a request
 * whose answer never came. An edge is such traffic when none of its attempts got a byte back, no fault hit them, and 9 of 10 were left at once
 * (model_exchange.unheeded); so is what a process was asked that it never answered. Those attempts are done well: nothing else is known of them.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_ONEWAY_H
#define AFTERSHOCK_ANALYZER_LINK_ONEWAY_H

#include "analyzer/measure.h"

/* Settles the outcome of such attempts, with a note for each edge. Needs graph_build(). 0 or -ENOMEM. O(n). */
int oneway_settle(struct measure *m);

#endif
