/* SPDX-License-Identifier: MIT */
/*
 * A storage for idempotency keys in the memory of one process: forgets all when that ends, and is seen by no other.
 * Invariants: records stand in the list in the order they were put down, and all of one storage have the same ttl, so those at the
 * front are the first to expire. Never forgets a record before its time: once it holds `limit` of them it is down for new keys.
 *
 * Needs only this file, idempotency_memory.c and idempotency.h. Thread-safe. The clock is any in ns that does not go back.
 */
#ifndef DEMOS_SERVICE_IDEMPOTENCY_MEMORY_H
#define DEMOS_SERVICE_IDEMPOTENCY_MEMORY_H

#include "demos/service/idempotency.h"

struct idempotency_memory;

/* NULL when memory is short. limit: 1 or more. */
struct idempotency_memory *idempotency_memory_new(size_t limit, uint64_t (*now_ns)(void));
void idempotency_memory_free(struct idempotency_memory *memory);

/* The storage; its context is the memory, which must outlive it. */
struct idempotency_storage idempotency_memory_storage(struct idempotency_memory *memory);

/* How many records there are, those that have expired unnoticed included. */
size_t idempotency_memory_count(struct idempotency_memory *memory);

#endif
