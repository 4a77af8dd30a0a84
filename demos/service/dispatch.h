/* SPDX-License-Identifier: MIT */
/*
 * Which part of a service answers a request, and the counting of it. Configured routes come first, then /health, /metrics,
 * /status and /admin. Thread-safe.
 */
#ifndef DEMOS_SERVICE_DISPATCH_H
#define DEMOS_SERVICE_DISPATCH_H

#include "demos/service/request.h"

/* Looks for the route; afterwards r->route says which values the request needs. */
void dispatch_find(struct request *r);

/* Answers the request: fills the reply and counts it. */
void dispatch_run(struct request *r);

/* Counts a request that was answered before it came to be dispatched. */
void dispatch_count(struct request *r);

#endif
