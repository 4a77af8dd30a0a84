/* SPDX-License-Identifier: MIT */
/*
 * What one service is: its address, its peers and how it calls them, its routes and what each does. Read from a JSON file:
 *
 *   { "name": "client", "listen": "127.0.0.1:0",
 *     "strategies": { "naive": { "backoff": "immediate", "max_attempts": 3, "retry_on": [503, "error"] } },
 *     "peers": { "backend": { "url": "http://127.0.0.1:8001", "strategy": "naive", "attempt_timeout_ms": 2000,
 *                             "total_timeout_ms": 5000, "propagate_deadline": true,
 *                             "breaker": { "consecutive": 5, "open_ms": 30000, "permits": 3, "close_after": 3, "scope": "request" },
 *                             "bulkhead": { "width": 10, "queue": 20, "wait_ms": 100 } } },
 *     "backpressure": { "max_in_flight": 200, "retry_after_s": 1 },
 *     "routes": [ { "path": "/orders/{id}", "limits": { "tenant_header": "X-Tenant", "per_minute": 1000, "burst": 50 },
 *                   "steps": [ { "call": "backend", "method": "POST", "path": "/work/${path.id}", "body": { "amount": "${body.amount}" },
 *                                "idempotency_key": "${header.idempotency-key}", "as": "work", "fallback": { "kind": "default" } },
 *                              { "compute_ms": 5, "workers": 4 }, { "answer": 201, "body": { "id": "${work.id}" } } ] } ] }
 *
 * A breaker opens after `consecutive` failures or at a share of `rate` among the last `window` calls (at least `min_calls`), or either.
 * A fallback is "default" (the route goes on without that part) or "static" (the route ends with its status, body and content_type)
 * or "cached" (the route goes on with the last good answer to the same call, at most ttl_ms old).
 * A body is a text, or an object or array that is sent as JSON; what ${...} stands for is said in values.h. The kinds of steps are those
 * in steps.c. Stores, outboxes and idempotent routes are shown in config_stores.h,
 * projections in projection.h. The keys, their ranges and defaults are the tables in
 * config.c, config_peers.c, config_policies.c, config_stores.c, routes.c and of each step_KIND.c. Read only once loaded, so any thread may use it.
 */
#ifndef DEMOS_SERVICE_CONFIG_H
#define DEMOS_SERVICE_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "demos/service/backpressure.h"
#include "demos/service/breaker.h"
#include "demos/service/bulkhead.h"
#include "demos/service/deadline.h"
#include "demos/service/fallback.h"
#include "demos/service/limits.h"
#include "demos/service/outbox.h"
#include "demos/service/replay.h"
#include "demos/service/retry.h"
#include "demos/service/store.h"

struct cJSON;
struct projection_config;
struct step;

struct strategy {
	const char *name;
	struct retry_policy retry;
};

struct peer_config {
	const char *name;
	const char *url;		/* "http://host:port", no path */
	const char *strategy_name;
	const struct strategy *strategy;	/* at first; can be switched at run time */
	uint64_t connect_timeout_ns;
	struct deadline_policy deadline;	/* an attempt's time includes connecting */
	bool propagates_deadline;	/* an attempt says how long it will be waited for */
	struct breaker_policy breaker;	/* consecutive and rate 0: no breaker */
	struct bulkhead_policy bulkhead;	/* width 0: no bulkhead */
};

struct route {
	const char *method;		/* "GET" also answers HEAD */
	const char *path;		/* see path.h */
	struct limits_policy limits;	/* per_minute 0: none */
	struct step *steps;		/* see step.h */
	unsigned step_count;
	struct replay_config idempotency;
	bool uses_values;		/* a step's template names some ... */
	bool uses_body;			/* ... of the body, which has to be JSON then */
};

struct config {
	const char *name;
	struct sockaddr_in address;	/* to listen at; port 0: the kernel chooses */
	unsigned max_connections;
	uint64_t drain_ns;		/* how long requests at work may go on after SIGTERM */
	struct backpressure_policy backpressure;
	struct strategy *strategies;	/* always holds one called "none" */
	struct store_config *stores;
	struct peer_config *peers;
	struct outbox_config *outboxes;
	struct projection_config *projections;
	struct route *routes;
	unsigned strategy_count, store_count, peer_count, outbox_count, projection_count, route_count;
	struct cJSON *tree;		/* owns all strings */
};

/*
 * Reads a configuration. 0, -ENOMEM, -EINVAL, or the errno of reading the file; then why holds one sentence, without the
 * file's name. config_free() is needed after success only.
 */
int config_load(const char *path, struct config *config, char *why, size_t why_size);
void config_free(struct config *config);

/* NULL when there is none of that name. */
const struct strategy *config_strategy(const struct config *config, const char *name);

/* Its index in peers; -1 when there is none of that name. */
int config_peer(const struct config *config, const char *name);

#endif
