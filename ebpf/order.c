/* SPDX-License-Identifier: MIT */
#include "ebpf/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 8

/* Makes room for `needed` units of `unit` bytes behind *where. */
static int reserve(void **where, size_t *room, size_t needed, size_t unit)
{
	size_t wanted = *room ? *room : 1024;
	void *more;

	if (needed <= *room)
		return 0;
	while (wanted < needed)
		wanted *= 2;
	more = realloc(*where, wanted * unit);
	if (!more)
		return -ENOMEM;
	*where = more;
	*room = wanted;
	return 0;
}

int order_put(struct order *o, uint64_t key, const void *record, size_t size)
{
	size_t padded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	if (reserve((void **)&o->bytes, &o->room, o->used + padded, 1) ||
	    reserve((void **)&o->items, &o->items_room, o->count + 1, sizeof(*o->items)))
		return -ENOMEM;
	memcpy(o->bytes + o->used, record, size);
	o->items[o->count++] = (struct order_item){.key = key, .at = o->used, .size = size};
	o->used += padded;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct order_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Moves the records from the n-th on to the front, in the order in which they were put, so that equal keys keep theirs. */
static void drop_first(struct order *o, size_t n)
{
	size_t rest = o->count - n, lowest = o->used;

	memmove(o->items, o->items + n, rest * sizeof(*o->items));
	o->count = rest;
	for (size_t i = 0; i < rest; i++)
		lowest = o->items[i].at < lowest ? o->items[i].at : lowest;
	memmove(o->bytes, o->bytes + lowest, o->used - lowest);
	o->used -= lowest;
	for (size_t i = 0; i < rest; i++)
		o->items[i].at -= lowest;
}

size_t order_take(struct order *o, uint64_t until, void (*fn)(void *arg, const void *record, size_t size), void *arg)
{
	size_t n = 0;

	if (!o->count)
		return 0;
	qsort(o->items, o->count, sizeof(*o->items), by_key);
	for (; n < o->count && o->items[n].key <= until; n++)
		fn(arg, o->bytes + o->items[n].at, o->items[n].size);
	if (n)
		drop_first(o, n);
	return n;
}

void order_free(struct order *o)
{
	free(o->bytes);
	free(o->items);
	memset(o, 0, sizeof(*o));
}
