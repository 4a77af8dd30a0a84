/* SPDX-License-Identifier: MIT */
/*
 * A route whose requests are idempotent by their Idempotency-Key (idempotency.h says what that means): the steps run for the first request
 * under a key, and later ones are answered with its answer (degraded, if that was) and the header
 * "Idempotency-Replayed: true".
 * 400 for a key that is none, and without one where it is required; 409 and 503 carry a Retry-After.
 *
 * A key belongs to the service and the route; method, path and body are the payload that must be the same. Thread-safe.
 */
#ifndef DEMOS_SERVICE_REPLAY_H
#define DEMOS_SERVICE_REPLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/idempotency.h"

#define REPLAY_MEMORY "memory"
#define REPLAY_HEADER "Idempotency-Replayed"

struct request;
struct store;

struct replay_config {
	const char *store_name;		/* NULL: the route is not idempotent; REPLAY_MEMORY, or one of Redis */
	unsigned store;			/* its index, of Redis */
	struct idempotency_policy policy;
	unsigned max_keys;		/* in memory */
	bool is_required;
};

struct replay {
	const struct replay_config *config;
	struct idempotency_memory *memory;	/* NULL: the storage is in Redis */
	struct idempotency_storage storage;
	_Atomic uint64_t verdicts[IDEMPOTENCY_VERDICTS];	/* requests with a key */
	_Atomic uint64_t refused;	/* requests whose key was missing or none */
	_Atomic uint64_t unstored;	/* answers that could not be put down */
};

/* One for each route; store: of Redis, where the configuration names one. 0 or -ENOMEM. */
int replay_init(struct replay *replay, const struct replay_config *config, struct store *store);
void replay_clear(struct replay *replay);

/* Whether the route has it at all. */
bool replay_is_on(const struct replay *replay);

/* Runs the route's steps, or answers without. A route that is not idempotent runs whatever keys it is sent. Fills the reply. */
void replay_run(struct replay *replay, struct request *r);

#endif
