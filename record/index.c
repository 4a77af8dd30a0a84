/* SPDX-License-Identifier: MIT */
#include "record/index.h"

#include <errno.h>
#include <stdlib.h>
#include "base/hash.h"

#define FIRST_CAPACITY 64

static size_t home(const struct index *x, uint64_t key)
{
	return (size_t)hash_mix(key) & (x->capacity - 1);
}

/* The slot of key, or the free slot where it would go. */
static struct index_slot *find(const struct index *x, uint64_t key)
{
	size_t i = home(x, key);

	while (x->slots[i].key && x->slots[i].key != key)
		i = (i + 1) & (x->capacity - 1);
	return &x->slots[i];
}

void *index_get(const struct index *x, uint64_t key)
{
	return x->capacity ? find(x, key)->value : NULL;
}

static int grow(struct index *x)
{
	struct index bigger = {.capacity = x->capacity ? 2 * x->capacity : FIRST_CAPACITY, .count = x->count};

	bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < x->capacity; i++) {
		if (x->slots[i].key)
			*find(&bigger, x->slots[i].key) = x->slots[i];
	}
	free(x->slots);
	*x = bigger;
	return 0;
}

void **index_place(struct index *x, uint64_t key)
{
	struct index_slot *s;

	if (4 * (x->count + 1) > 3 * x->capacity && grow(x))
		return NULL;
	s = find(x, key);
	if (!s->key) {
		*s = (struct index_slot){key, NULL};
		x->count++;
	}
	return &s->value;
}

int index_put(struct index *x, uint64_t key, void *value)
{
	void **place = index_place(x, key);

	if (!place)
		return -ENOMEM;
	*place = value;
	return 0;
}

void index_remove(struct index *x, uint64_t key)
{
	struct index_slot *s = x->capacity ? find(x, key) : NULL;
	size_t mask = x->capacity - 1, hole, i;

	if (!s || !s->key)
		return;
	hole = i = (size_t)(s - x->slots);
	for (;;) {
		i = (i + 1) & mask;
		if (!x->slots[i].key)
			break;
		/* An entry may move into the hole unless its home lies cyclically behind the hole. */
		if (((i - home(x, x->slots[i].key)) & mask) >= ((i - hole) & mask)) {
			x->slots[hole] = x->slots[i];
			hole = i;
		}
	}
	x->slots[hole] = (struct index_slot){0, NULL};
	x->count--;
}

void index_clear(struct index *x)
{
	free(x->slots);
	*x = (struct index){0};
}
