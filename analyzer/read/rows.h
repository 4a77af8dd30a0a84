/* SPDX-License-Identifier: MIT */
/*
 * Where the row of a table is in the model: row id -> index. Ids that lie close together, as the recorder gives them, are an array; any others a
 * map. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_ROWS_H
#define AFTERSHOCK_ANALYZER_READ_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/map.h"

struct rows {
	int64_t low;
	uint64_t span;		/* ids low to low + span - 1 are in the array */
	uint32_t *at;		/* owned; NULL: the map has them */
	struct map map;
};

/* Makes a zeroed struct ready for `count` rows whose ids lie between low and high. 0 or -ENOMEM. */
int rows_init(struct rows *r, int64_t low, int64_t high, size_t count);
void rows_free(struct rows *r);

/* 0 or -ENOMEM. id is between low and high. */
int rows_put(struct rows *r, int64_t id, uint32_t index);

/* MAP_NONE: there is no such row. */
uint32_t rows_get(const struct rows *r, int64_t id);

#endif
