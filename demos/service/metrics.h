/* SPDX-License-Identifier: MIT */
/* What a service has counted, in the Prometheus text format (version 0.0.4). Thread-safe: reads counters while they run. */
#ifndef DEMOS_SERVICE_METRICS_H
#define DEMOS_SERVICE_METRICS_H

#include "demos/service/reply.h"
#include "demos/service/service.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4"

/* Fills the reply with all counters; those that are still 0 are left out, except totals per peer. */
void metrics_reply(struct service *service, struct reply *reply);

#endif
