/* SPDX-License-Identifier: MIT */
/* What a service has counted, in the Prometheus text format (version 0.0.4). Thread-safe: reads counters while they run. */
#ifndef DEMOS_SERVICE_METRICS_H
#define DEMOS_SERVICE_METRICS_H

#include <stdio.h>

#include "demos/service/reply.h"
#include "demos/service/service.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4"

/* A family of metrics: what it is called, what it counts, who writes its samples. */
struct metrics_family {
	const char *name, *type, *help;
	void (*write)(FILE *out, const char *name, struct service *service);
};

/* KEY="VALUE", the value as the format wants it: backslash, quote and newline escaped. For writers. */
void metrics_label(FILE *out, const char *key, const char *value);

/* NAME{method="...",route="..." for a sample; more labels or the closing brace follow. For writers. */
void metrics_route(FILE *out, const char *name, const struct route *route);

/* Fills the reply with all counters; those that are still 0 are left out, except totals per peer. */
void metrics_reply(struct service *service, struct reply *reply);

#endif
