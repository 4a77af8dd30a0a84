/* SPDX-License-Identifier: MIT */
/*
 * Records put in any order and taken in the order of their keys: the two rings are filled by several processors, and what is
 * emitted when a call returns may have begun before something that was emitted earlier. Same keys: in the order put.
 *
 * Each ring has a lane, which is nearly in order as it comes: a record is moved forward past the few that it precedes. So has what is put back in
 * for later. Memory is that of what is held at once, in chunks of each lane's own: what stays long holds back no other's. Not thread-safe.
 */
#ifndef AFTERSHOCK_EBPF_ORDER_H
#define AFTERSHOCK_EBPF_ORDER_H

#include <stddef.h>
#include <stdint.h>

#define ORDER_LANES 3

struct order_chunk;

struct order_item {
	uint64_t key, turn;	/* turn: how many were put before it */
	const void *record;
	struct order_chunk *chunk;
	size_t size;
};

struct order_lane {
	struct order_item *items;	/* [taken, count) are there, lowest key first */
	size_t taken, count, room;
	struct order_chunk *filling;
};

struct order {		/* zero: empty */
	struct order_lane lanes[ORDER_LANES];
	struct order_chunk *spare;
	uint64_t turns;
	size_t held;		/* bytes of the records that are there */
};

/* Copies a record of size bytes (at most ORDER_RECORD_MAX). 0, -ENOMEM, or -EMSGSIZE. */
#define ORDER_RECORD_MAX 65536
int order_put(struct order *o, unsigned lane, uint64_t key, const void *record, size_t size);

/* Hands all records with a key up to `until` to fn, lowest first; returns how many. They are aligned to 8 bytes, and valid during fn. */
size_t order_take(struct order *o, uint64_t until, void (*fn)(void *arg, const void *record, size_t size), void *arg);

void order_free(struct order *o);

#endif
