/* SPDX-License-Identifier: MIT */
/*
 * Records put in any order and taken in the order of their keys: the two rings are filled by several processors, and what is
 * emitted when a call returns may have begun before something that was emitted earlier. Same keys: in the order put.
 * Memory grows with what is held; the caller takes often. Not thread-safe.
 */
#ifndef AFTERSHOCK_EBPF_ORDER_H
#define AFTERSHOCK_EBPF_ORDER_H

#include <stddef.h>
#include <stdint.h>

struct order_item {
	uint64_t key;
	size_t at, size;
};

struct order {		/* zero: empty */
	unsigned char *bytes;
	size_t used, room;
	struct order_item *items;
	size_t count, items_room;
};

/* Copies a record of size bytes. 0 or -ENOMEM. */
int order_put(struct order *o, uint64_t key, const void *record, size_t size);

/* Hands all records with a key up to `until` to fn, lowest first; returns how many. They are aligned to 8 bytes, and valid during fn. */
size_t order_take(struct order *o, uint64_t until, void (*fn)(void *arg, const void *record, size_t size), void *arg);

void order_free(struct order *o);

#endif
