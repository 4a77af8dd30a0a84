/* SPDX-License-Identifier: MIT */
/*
 * A projection: a read model that follows the events of an event store (event_store.h), for questions that streams are no good for.
 *
 *   "projections": [{"name": "order_summary", "store": "orders_db", "events": "events", "positions": "projections", "poll_ms": 100, "batch": 100,
 *                    "reset": "DELETE FROM order_summary", "rebuild_at_start": false,
 *                    "apply": {"OrderPlaced": {"query": "INSERT INTO order_summary ...", "params": ["${stream}", "${data.total}"]}, ...}}]
 *
 * Params are templates over stream, version, type, data, at, id and position of the event. Types that are not named are passed over.
 * The table of positions has the columns
 *     name  text, primary key      tx  xid8, position  bigint: of the last event that was applied      applied, rebuilds  bigint
 * A batch of events and the position after them are one transaction: whatever dies in between, each event is applied exactly once. One
 * that fails is done again with half as many events, after a wait that doubles up to 2 s; each that does not doubles them again, up to
 * `batch`. So a database that loses a part of its answers slows the model down, and does not stop it. Events
 * are read in the order of (tx, position), and only those whose transaction is older than any that runs: one that commits late is not
 * passed by. So the model lags by the longest transaction of the server, and by poll_ms; it is never out of step.
 *
 * All of the model is in the events: a rebuild resets it and the position in one transaction and follows from the first event on. Until it
 * has caught up, readers see a part; how far it is behind is in /status/projections.
 *
 * The worker is one thread for each. Several services may run the same one: the row of its position is the lock.
 * Thread-safe: its counters may be read while it runs.
 */
#ifndef DEMOS_SERVICE_PROJECTION_H
#define DEMOS_SERVICE_PROJECTION_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/fields.h"
#include "demos/service/reply.h"

struct service;

struct projection_apply {
	const char *type, *query;
	const cJSON *params;		/* array of templates; NULL none */
};

struct projection_config {
	const char *name, *store_name, *events, *positions, *reset;
	unsigned store;			/* its index */
	uint64_t poll_ns;
	unsigned batch;
	bool rebuild_at_start;
	struct projection_apply *applies;
	unsigned apply_count;
};

struct projection {
	const struct projection_config *config;
	struct service *service;
	char *open, *position, *read, *move, *restart, *behind;	/* statements */
	pthread_t thread;
	unsigned batch;			/* of its thread: how many events next, 1 .. config->batch */
	_Atomic uint64_t applied;	/* events, those passed over included */
	_Atomic uint64_t rebuilds;
	_Atomic uint64_t failures;	/* batches that failed, and are done again */
};

/* Field reader of "projections" into the struct config at `into`, stores being known; and what frees them. */
int projections_read(struct fields *f, const struct field *field, const cJSON *value, void *into);
void projections_free(struct projection_config *configs, unsigned count);

/* All of a service: begun before it listens, ended by the drain of the service. 0 or a negative errno. */
int projections_open(struct service *service);
void projections_close(struct service *service);

/* GET /status/projections: where each is, and how many events are still to be applied. */
void projections_status(struct service *service, struct reply *reply);

/* POST /admin/rebuild {"projection": NAME}: from the first event on. */
void projections_rebuild(struct service *service, const char *body, struct reply *reply);

#endif
