/* SPDX-License-Identifier: MIT */
/*
 * Last good answers, kept to stand in for later ones: one per key, the newest replacing the one before. Limited in number and bytes:
 * what was put longest ago makes room.
 *
 * Needs only this file and cache.c. Time is the caller's: any clock in ns that does not go back. No globals; not thread-safe, callers
 * hold a lock of their own, also while they read what cache_get() points at.
 */
#ifndef DEMOS_SERVICE_CACHE_H
#define DEMOS_SERVICE_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct cache_policy {
	unsigned entries_max;		/* >= 1 */
	size_t bytes_max;		/* of keys and texts; a pair that alone has more is not kept */
	uint64_t ttl_ns;		/* older answers are as good as none */
};

struct cache_entry {
	struct cache_entry *older, *newer;	/* by when it was put */
	uint64_t hash, put_ns;
	size_t bytes;
	char *text;			/* behind the key, in the same block */
	char key[];
};

struct cache {
	const struct cache_policy *policy;
	struct cache_entry *oldest, *newest;
	unsigned count;
	size_t bytes;
};

/* Begins empty; the policy must outlive it. */
void cache_init(struct cache *c, const struct cache_policy *policy);
void cache_clear(struct cache *c);

/* Keeps a copy; short of memory, or too large, it keeps nothing under that key. */
void cache_put(struct cache *c, const char *key, const char *text, uint64_t now_ns);

/* The text kept under that key, which stays the cache's, until the next cache_put(); NULL when there is none or it is too old. */
const char *cache_get(const struct cache *c, const char *key, uint64_t now_ns);

#endif
