/* SPDX-License-Identifier: MIT */
#include "demos/service/cache.h"

#include <stdlib.h>
#include <string.h>

void cache_init(struct cache *c, const struct cache_policy *policy)
{
	*c = (struct cache){.policy = policy};
}

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
static uint64_t hash_of(const char *key)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3ull;
	return hash;
}

/* From the newest: what is asked for now was put not long ago, mostly. */
static struct cache_entry *find(const struct cache *c, const char *key)
{
	uint64_t hash = hash_of(key);
	struct cache_entry *e = c->newest;

	while (e && (e->hash != hash || strcmp(e->key, key)))
		e = e->older;
	return e;
}

static void drop(struct cache *c, struct cache_entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	c->count--;
	c->bytes -= e->bytes;
	free(e);
}

static void add(struct cache *c, struct cache_entry *e)
{
	e->older = c->newest;
	if (c->newest)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
	c->count++;
	c->bytes += e->bytes;
}

void cache_clear(struct cache *c)
{
	while (c->oldest)
		drop(c, c->oldest);
}

void cache_put(struct cache *c, const char *key, const char *text, uint64_t now_ns)
{
	size_t key_bytes = strlen(key) + 1, text_bytes = strlen(text) + 1, bytes = key_bytes + text_bytes;
	struct cache_entry *e = find(c, key);

	if (e)
		drop(c, e);
	if (bytes > c->policy->bytes_max)
		return;
	e = malloc(sizeof(*e) + bytes);
	if (!e)
		return;
	while (c->count >= c->policy->entries_max || (c->count && c->bytes + bytes > c->policy->bytes_max))
		drop(c, c->oldest);
	*e = (struct cache_entry){.hash = hash_of(key), .put_ns = now_ns, .bytes = bytes, .text = e->key + key_bytes};
	memcpy(e->key, key, key_bytes);
	memcpy(e->text, text, text_bytes);
	add(c, e);
}

const char *cache_get(const struct cache *c, const char *key, uint64_t now_ns)
{
	const struct cache_entry *e = find(c, key);

	return e && now_ns - e->put_ns <= c->policy->ttl_ns ? e->text : NULL;
}
