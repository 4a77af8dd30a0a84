/* SPDX-License-Identifier: MIT */
/*
 * A hash map from 64-bit words to 32-bit indices, for the joins of the analyzer. Open addressing, at most
 * two thirds full, nothing is ever removed. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_MAP_H
#define AFTERSHOCK_ANALYZER_READ_MAP_H

#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX

struct map_cell {
	uint64_t key;
	uint32_t value;		/* MAP_NONE: free */
};

struct map {
	struct map_cell *cells;	/* owned; NULL while empty */
	size_t size, used;	/* size is a power of two */
};

/* A zeroed struct map is an empty map. */
void map_free(struct map *m);

/* The value of key, or MAP_NONE. */
uint32_t map_get(const struct map *m, uint64_t key);

/* Sets key to value (not MAP_NONE), replacing what was there. 0 or -ENOMEM. */
int map_put(struct map *m, uint64_t key, uint32_t value);

#endif
