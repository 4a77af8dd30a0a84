/* SPDX-License-Identifier: MIT */
/*
 * What is kept of sagas, in a table of PostgreSQL, so that they go on when the one who drove them is gone. The table has the columns
 *     name, id      text, PRIMARY KEY (name, id)       state         text       step, tries   integer      version   bigint
 *     payload       jsonb: the values of its templates                                                      reason    text: why it went back
 *     due_at        timestamptz: when somebody may take it up                                               created_at, updated_at  timestamptz
 *
 * Whoever drives a saga holds it for a lease, by a due_at ahead of time; who dies leaves it to be claimed when the lease is over. Each
 * change names the version it builds on, so that one who was too slow, and whose saga another has claimed meanwhile, changes nothing.
 * Thread-safe.
 */
#ifndef DEMOS_SERVICE_SAGA_LOG_H
#define DEMOS_SERVICE_SAGA_LOG_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/saga.h"
#include "demos/service/store.h"

#define SAGA_REASON_SIZE 160

struct saga_log {
	struct store *store;
	const char *name;		/* of the sagas */
	uint64_t lease_ns;
	char *insert, *find, *save, *claim;	/* statements */
};

struct saga_kept {
	char *id;
	int64_t version;
	struct saga saga;
	cJSON *values;
	char reason[SAGA_REASON_SIZE];
};

/* 0 or -ENOMEM. Store and name must outlive it; the table's name is part of statements as it is. */
int saga_log_init(struct saga_log *log, struct store *store, const char *name, const char *table, uint64_t lease_ns);
void saga_log_clear(struct saga_log *log);

/*
 * Puts down a saga that is to begin: id, saga and values are filled. *is_new false: one of that id is there already, and *kept is
 * what became of it. The ends are those of a store; STORE_REFUSED too when what is there does not fit the policy.
 */
enum store_end saga_log_begin(struct saga_log *log, struct saga_kept *kept, bool *is_new);

/* Puts down how far it is; nobody else takes it up for due_ns. STORE_CONFLICT: it is somebody else's now. */
enum store_end saga_log_save(struct saga_log *log, struct saga_kept *kept, uint64_t due_ns);

/* Claims one that is due, for a lease. STORE_OK: *kept is filled, its id NULL when none is due. STORE_REFUSED: it does not fit the policy. */
enum store_end saga_log_claim(struct saga_log *log, const struct saga_policy *policy, struct saga_kept *kept);

void saga_kept_clear(struct saga_kept *kept);

#endif
