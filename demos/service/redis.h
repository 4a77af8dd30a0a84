/* SPDX-License-Identifier: MIT */
/*
 * Redis as a store. A command ends in time: the socket is never waited on by hiredis but by poll(2) with a limit for the whole reply, so
 * that a server that drips holds a thread no longer than one that is silent. A connection is open once the server has answered a PING:
 * one that is stopped, or still loads its data, is not reachable.
 *
 * The address is "HOST:PORT", the host an IPv4 address. Thread-safe for different connections.
 */
#ifndef DEMOS_SERVICE_REDIS_H
#define DEMOS_SERVICE_REDIS_H

#include <hiredis/hiredis.h>

#include "demos/service/store.h"

struct cJSON;

/* The connection is a redisContext. */
extern const struct store_kind redis_kind;

/*
 * Sends one command and waits for its reply. STORE_OK: *reply is the caller's, for freeReplyObject(), and no error; else NULL, and why
 * holds one sentence.
 */
enum store_end redis_command(redisContext *redis, uint64_t until_ns, unsigned count, const char *const *words, const size_t *lengths,
			     redisReply **reply, char why[STORE_WHY_SIZE]);

/* The same on a connection of the store's pool, for a caller who waits until until_ns (UINT64_MAX: as configured). */
enum store_end redis_ask(struct store *store, uint64_t until_ns, unsigned count, const char *const *words, const size_t *lengths,
			 redisReply **reply, char why[STORE_WHY_SIZE]);

/* A reply as JSON: texts, whole numbers, arrays, nil as null. NULL without memory. */
struct cJSON *redis_tree(const redisReply *reply);

/* What an error reply, such as "LOADING Redis is ...", means. */
enum store_end redis_meaning(const char *error);

#endif
