/* SPDX-License-Identifier: MIT */
#include "ebpf/order.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/grow.h"

#define ALIGNMENT 8
#define CHUNK_BYTES (1u << 20)

struct order_chunk {
	size_t used, live;	/* bytes; records that are not taken */
	_Alignas(ALIGNMENT) unsigned char bytes[CHUNK_BYTES];
};

/* ---- chunks ---- */

/* One chunk is kept for the next; more go back, so that a moment with much to hold leaves nothing behind. */
static void retire(struct order *o, const struct order_lane *l, struct order_chunk *c)
{
	if (c == l->filling || c->live)
		return;
	if (o->spare) {
		free(c);
		return;
	}
	o->spare = c;
}

static struct order_chunk *chunk_for(struct order *o, struct order_lane *l, size_t size)
{
	struct order_chunk *full = l->filling, *fresh;

	if (full && full->used + size <= CHUNK_BYTES)
		return full;
	fresh = o->spare ? o->spare : malloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	o->spare = NULL;
	fresh->used = fresh->live = 0;
	l->filling = fresh;
	if (full)
		retire(o, l, full);
	return fresh;
}

static void *copy(struct order *o, struct order_lane *l, const void *record, size_t size, struct order_chunk **chunk)
{
	struct order_chunk *c = *chunk = chunk_for(o, l, size);
	void *at;

	if (!c)
		return NULL;
	at = c->bytes + c->used;
	memcpy(at, record, size);
	c->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	c->live++;
	return at;
}

/* ---- lanes ---- */

/* Room for one more item; what was taken makes room first. */
static int reserve(struct order_lane *l)
{
	size_t there = l->count - l->taken;

	if (l->count < l->room)
		return 0;
	if (l->taken > there) {
		memcpy(l->items, l->items + l->taken, there * sizeof(*l->items));
		l->taken = 0;
		l->count = there;
		return 0;
	}
	return GROW(l->items, l->count, l->room);
}

static void insert(struct order_lane *l, struct order_item item)
{
	size_t i = l->count++;

	for (; i > l->taken && l->items[i - 1].key > item.key; i--)
		l->items[i] = l->items[i - 1];
	l->items[i] = item;
}

int order_put(struct order *o, unsigned lane, uint64_t key, const void *record, size_t size)
{
	struct order_item item = {.key = key, .turn = o->turns++, .size = size};
	struct order_lane *l = &o->lanes[lane];

	if (size > ORDER_RECORD_MAX)
		return -EMSGSIZE;
	if (reserve(l))
		return -ENOMEM;
	item.record = copy(o, l, record, size, &item.chunk);
	if (!item.record)
		return -ENOMEM;
	insert(l, item);
	o->held += size;
	return 0;
}

static bool precedes(const struct order_item *a, const struct order_item *b)
{
	return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

/* The lane whose next record is the first of all; NULL: none is left. */
static struct order_lane *first(struct order *o)
{
	struct order_lane *best = NULL;

	for (unsigned i = 0; i < ORDER_LANES; i++) {
		struct order_lane *l = &o->lanes[i];

		if (l->taken < l->count && (!best || precedes(&l->items[l->taken], &best->items[best->taken])))
			best = l;
	}
	return best;
}

size_t order_take(struct order *o, uint64_t until, void (*fn)(void *arg, const void *record, size_t size), void *arg)
{
	struct order_lane *l;
	size_t n = 0;

	for (; (l = first(o)) && l->items[l->taken].key <= until; n++) {
		struct order_item item = l->items[l->taken++];

		fn(arg, item.record, item.size);
		o->held -= item.size;
		item.chunk->live--;
		retire(o, l, item.chunk);
	}
	return n;
}

static void drop(void *arg, const void *record, size_t size)
{
}

void order_free(struct order *o)
{
	order_take(o, UINT64_MAX, drop, NULL);
	for (unsigned i = 0; i < ORDER_LANES; i++) {
		free(o->lanes[i].items);
		free(o->lanes[i].filling);
	}
	free(o->spare);
	memset(o, 0, sizeof(*o));
}
