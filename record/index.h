/* SPDX-License-Identifier: MIT */
/*
 * A hash index from a 64-bit number (not 0) to a pointer: open addressing, linear probing, deletion by shifting back, so
 * that it never fills with tombstones. Does not own what it points to. Not thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_INDEX_H
#define AFTERSHOCK_RECORD_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_slot {
	uint64_t key;	/* 0: free */
	void *value;
};

struct index {		/* all zero: empty */
	struct index_slot *slots;
	size_t capacity, count;	/* capacity: 0 or a power of two */
};

void *index_get(const struct index *x, uint64_t key);		/* NULL: not there */
int index_put(struct index *x, uint64_t key, void *value);	/* replaces; 0 or -ENOMEM */
void **index_place(struct index *x, uint64_t key);		/* where its value stands (NULL when new), until the next change; NULL: no memory */
void index_remove(struct index *x, uint64_t key);		/* absent is fine */
void index_clear(struct index *x);				/* frees the index only */

#endif
