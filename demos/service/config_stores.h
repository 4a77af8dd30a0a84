/* SPDX-License-Identifier: MIT */
/*
 * Readers of "stores", "outbox" and a route's "idempotency":
 *
 *   "stores": { "orders_db": { "postgres": "host=127.0.0.1 port=5432 dbname=orders user=postgres", "pool": 10, "min_idle": 2, "queue": 100,
 *                              "wait_ms": 1000, "connect_timeout_ms": 1000, "timeout_ms": 2000 },
 *               "cache": { "redis": "127.0.0.1:6379", "pool": 10 } },
 *   "outbox": [ { "store": "orders_db", "table": "outbox", "peer": "notifications", "path": "/notifications", "poll_ms": 100, "batch": 20,
 *                 "lease_ms": 30000, "backoff_ms": 200, "backoff_max_ms": 10000 } ],
 *   route:    "idempotency": { "store": "memory", "ttl_ms": 86400000, "lease_ms": 30000, "required": false, "max_keys": 1000000 }
 *
 * A store's pool is its bulkhead: so many connections, `queue` requests that wait for one, each for at most wait_ms. Of its
 * connections min_idle (at most `pool`; 0 unless it is given) are opened before the service listens.
 * The store of idempotency is "memory", or the name of one of Redis; max_keys is memory's. Thread-safe.
 */
#ifndef DEMOS_SERVICE_CONFIG_STORES_H
#define DEMOS_SERVICE_CONFIG_STORES_H

#include "demos/service/config.h"
#include "demos/service/fields.h"

/* Both fill the struct config at `into`; the service's name is known by then, and stores and peers by the time of the second. */
int config_stores(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_outboxes(struct fields *f, const struct field *field, const cJSON *value, void *into);

/* The member's type: struct replay_config. */
int config_idempotency(struct fields *f, const struct field *field, const cJSON *value, void *into);

/* The member's type: const char *. The name of a table, fit to be part of a statement as it is. */
int config_table(struct fields *f, const struct field *field, const cJSON *value, void *into);

#endif
