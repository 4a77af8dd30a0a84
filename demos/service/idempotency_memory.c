/* SPDX-License-Identifier: MIT */
#include "demos/service/idempotency_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64	/* a power of two */

struct entry {
	struct entry *chain;			/* next in its bucket */
	struct entry *previous, *next;		/* in the order they were put down */
	uint64_t hash, since_ns;
	struct idempotency_record record;	/* owns its strings */
	char key[];
};

struct idempotency_memory {
	pthread_mutex_t lock;
	struct entry **buckets, *first, *last;
	size_t bucket_count, count, limit;
	uint64_t (*now_ns)(void);
};

struct idempotency_memory *idempotency_memory_new(size_t limit, uint64_t (*now_ns)(void))
{
	struct idempotency_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->buckets = calloc(BUCKETS_FIRST, sizeof(*m->buckets));
	if (!m->buckets) {
		free(m);
		return NULL;
	}
	m->bucket_count = BUCKETS_FIRST;
	m->limit = limit;
	m->now_ns = now_ns;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static struct entry **slot_of(struct idempotency_memory *m, uint64_t hash, const char *key)
{
	struct entry **slot = &m->buckets[hash & (m->bucket_count - 1)];

	while (*slot && ((*slot)->hash != hash || strcmp((*slot)->key, key)))
		slot = &(*slot)->chain;
	return slot;
}

static void list_remove(struct idempotency_memory *m, struct entry *e)
{
	*(e->previous ? &e->previous->next : &m->first) = e->next;
	*(e->next ? &e->next->previous : &m->last) = e->previous;
}

static void list_append(struct idempotency_memory *m, struct entry *e)
{
	e->previous = m->last;
	e->next = NULL;
	*(m->last ? &m->last->next : &m->first) = e;
	m->last = e;
}

static void drop(struct idempotency_memory *m, struct entry **slot)
{
	struct entry *e = *slot;

	*slot = e->chain;
	list_remove(m, e);
	idempotency_record_clear(&e->record);
	free(e);
	m->count--;
}

static void drop_expired(struct idempotency_memory *m, uint64_t now_ns)
{
	while (m->first && now_ns - m->first->since_ns >= m->first->record.ttl_ns)
		drop(m, slot_of(m, m->first->hash, m->first->key));
}

/* Without memory the buckets stay as they are, only fuller. */
static void grow(struct idempotency_memory *m)
{
	size_t n = m->bucket_count * 2;
	struct entry **buckets = m->count < m->bucket_count ? NULL : calloc(n, sizeof(*buckets));

	if (!buckets)
		return;
	for (struct entry *e = m->first; e; e = e->next) {
		e->chain = buckets[e->hash & (n - 1)];
		buckets[e->hash & (n - 1)] = e;
	}
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = n;
}

/* A copy that owns its strings; false without memory. */
static bool copy(struct idempotency_record *to, const struct idempotency_record *from)
{
	*to = *from;
	to->content_type = from->content_type ? strdup(from->content_type) : NULL;
	to->degraded = from->degraded ? strdup(from->degraded) : NULL;
	to->body = from->body ? malloc(from->length + 1) : NULL;
	if (to->body) {
		memcpy(to->body, from->body, from->length);
		to->body[from->length] = '\0';
	}
	if ((from->content_type && !to->content_type) || (from->degraded && !to->degraded) || (from->body && !to->body)) {
		idempotency_record_clear(to);
		return false;
	}
	return true;
}

static struct entry *add(struct idempotency_memory *m, uint64_t hash, const char *key)
{
	struct entry *e = m->count < m->limit ? calloc(1, sizeof(*e) + strlen(key) + 1) : NULL, **slot;

	if (!e)
		return NULL;
	grow(m);
	e->hash = hash;
	strcpy(e->key, key);
	slot = &m->buckets[hash & (m->bucket_count - 1)];
	e->chain = *slot;
	*slot = e;
	list_append(m, e);
	m->count++;
	return e;
}

static enum idempotency_swap put(struct idempotency_memory *m, uint64_t hash, const char *key, struct entry *e,
				 const struct idempotency_record *record)
{
	struct idempotency_record mine;

	if (!copy(&mine, record))
		return IDEMPOTENCY_STORAGE_DOWN;
	if (!e)
		e = add(m, hash, key);
	if (!e) {
		idempotency_record_clear(&mine);
		return IDEMPOTENCY_STORAGE_DOWN;
	}
	idempotency_record_clear(&e->record);
	e->record = mine;
	e->since_ns = m->now_ns();
	list_remove(m, e);
	list_append(m, e);
	return IDEMPOTENCY_SWAPPED;
}

static enum idempotency_swap swap_locked(struct idempotency_memory *m, const char *key, uint64_t expected,
					 const struct idempotency_record *record, struct idempotency_record *found)
{
	uint64_t hash = idempotency_fingerprint(IDEMPOTENCY_FINGERPRINT, key, strlen(key)), now_ns = m->now_ns();
	struct entry **slot, *e;

	drop_expired(m, now_ns);
	slot = slot_of(m, hash, key);
	e = *slot;
	if ((e ? e->record.version : 0) == expected) {
		if (record)
			return put(m, hash, key, e, record);
		if (e)
			drop(m, slot);
		return IDEMPOTENCY_SWAPPED;
	}
	if (e && !copy(found, &e->record))
		return IDEMPOTENCY_STORAGE_DOWN;
	if (e)
		found->age_ns = now_ns - e->since_ns;
	return IDEMPOTENCY_DIFFERS;
}

static enum idempotency_swap swap(void *context, const char *key, uint64_t expected, const struct idempotency_record *record,
				  struct idempotency_record *found)
{
	struct idempotency_memory *m = context;
	enum idempotency_swap swapped;

	*found = (struct idempotency_record){.version = 0};
	pthread_mutex_lock(&m->lock);
	swapped = swap_locked(m, key, expected, record, found);
	pthread_mutex_unlock(&m->lock);
	return swapped;
}

struct idempotency_storage idempotency_memory_storage(struct idempotency_memory *memory)
{
	return (struct idempotency_storage){.swap = swap, .context = memory};
}

size_t idempotency_memory_count(struct idempotency_memory *memory)
{
	size_t n;

	pthread_mutex_lock(&memory->lock);
	n = memory->count;
	pthread_mutex_unlock(&memory->lock);
	return n;
}

void idempotency_memory_free(struct idempotency_memory *memory)
{
	if (!memory)
		return;
	while (memory->first)
		drop(memory, slot_of(memory, memory->first->hash, memory->first->key));
	free(memory->buckets);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}
