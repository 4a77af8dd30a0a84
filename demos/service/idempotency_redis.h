/* SPDX-License-Identifier: MIT */
/*
 * A storage for idempotency keys in Redis: seen by all instances of a service, and there after a restart. Each key is one string with
 * the ttl as its expiry, compared and swapped by a script, which Redis runs without interruption; the age of a record is its ttl less
 * what is left of that, so only the clock of Redis counts. When an answer to a swap is lost, a key may stay in progress until its lease ends.
 *
 * Needs this file, idempotency_redis.c, idempotency.h and redis.h. Thread-safe.
 */
#ifndef DEMOS_SERVICE_IDEMPOTENCY_REDIS_H
#define DEMOS_SERVICE_IDEMPOTENCY_REDIS_H

#include "demos/service/idempotency.h"
#include "demos/service/store.h"

/* The storage; the store must outlive it and be of redis_kind. */
struct idempotency_storage idempotency_redis_storage(struct store *store);

/*
 * What stands under a key: "VERSION STATE FINGERPRINT LEASE_MS TTL_MS STATUS TYPE_LENGTH\n", then the content type and the body; VERSION and
 * FINGERPRINT of 16 hexadecimal digits, STATE "work" or "done", TYPE_LENGTH -1 without a content type.
 */
char *idempotency_redis_write(const struct idempotency_record *record, size_t *length);	/* malloced; NULL without memory */
/* False when that is no record, or without memory; left_ms: until it expires. */
bool idempotency_redis_read(const char *text, size_t length, int64_t left_ms, struct idempotency_record *record);

#endif
