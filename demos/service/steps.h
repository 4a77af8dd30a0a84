/* SPDX-License-Identifier: MIT */
/* Runs the steps of a route for one request: calls peers, computes, answers. Blocks its thread. Thread-safe. */
#ifndef DEMOS_SERVICE_STEPS_H
#define DEMOS_SERVICE_STEPS_H

#include "demos/service/reply.h"
#include "demos/service/service.h"

/*
 * Fills the reply. A call that failed is stood in for by its fallback, and then the reply is marked as degraded; without one it
 * ends the route: 504 when the peer did not answer in time, 503 when breaker or bulkhead refused the call, else 502.
 */
void steps_run(struct service *service, const struct route *route, const struct trace_context *trace, struct reply *reply);

#endif
