/* SPDX-License-Identifier: MIT */
#include "analyzer/read/rows.h"

#include <errno.h>
#include <string.h>
#include "analyzer/read/spill.h"

#define SPARSE 4	/* ids for each row: beyond, an array costs more than a map */

int rows_init(struct rows *r, int64_t low, int64_t high, size_t count)
{
	uint64_t span = (uint64_t)high - (uint64_t)low + 1;

	if (!count || !span || span / SPARSE > count)
		return 0;
	r->at = spill_realloc(NULL, span * sizeof(*r->at));
	if (!r->at)
		return -ENOMEM;
	memset(r->at, 0xff, span * sizeof(*r->at));
	r->low = low;
	r->span = span;
	return 0;
}

void rows_free(struct rows *r)
{
	spill_free(r->at);
	map_free(&r->map);
	*r = (struct rows){0};
}

int rows_put(struct rows *r, int64_t id, uint32_t index)
{
	if (!r->at)
		return map_put(&r->map, (uint64_t)id, index);
	r->at[(uint64_t)id - (uint64_t)r->low] = index;
	return 0;
}

uint32_t rows_get(const struct rows *r, int64_t id)
{
	uint64_t at = (uint64_t)id - (uint64_t)r->low;

	if (!r->at)
		return map_get(&r->map, (uint64_t)id);
	return at < r->span ? r->at[at] : MAP_NONE;
}
