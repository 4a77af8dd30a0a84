/* SPDX-License-Identifier: MIT */
/*
 * Health as orchestrators ask for it: live (the process works; restart it otherwise) and ready (send it requests).
 * A service that is stopping is live but not ready. Thread-safe.
 */
#ifndef DEMOS_SERVICE_HEALTH_H
#define DEMOS_SERVICE_HEALTH_H

#include "demos/service/reply.h"
#include "demos/service/service.h"

/* GET /health and /health/live: 200 with the service's name and process id. */
void health_live(struct service *service, struct reply *reply);

/* GET /health/ready: 200, or 503 once the service is stopping. */
void health_ready(struct service *service, struct reply *reply);

/* GET /health/startup: 503 until all stores have been reachable once, then 200 for ever: what goes away later is a matter of ready. */
void health_startup(struct service *service, struct reply *reply);

#endif
