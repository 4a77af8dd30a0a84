/* SPDX-License-Identifier: MIT */
#include "analyzer/read/map.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/spill.h"
#include "base/hash.h"

static struct map_cell *find(const struct map *m, uint64_t key)
{
	size_t at = hash_mix(key) & (m->size - 1);

	while (m->cells[at].value != MAP_NONE && m->cells[at].key != key)
		at = (at + 1) & (m->size - 1);
	return &m->cells[at];
}

static int grow(struct map *m)
{
	struct map bigger = {.size = m->size ? m->size * 2 : 64, .used = m->used};

	bigger.cells = spill_realloc(NULL, bigger.size * sizeof(*bigger.cells));
	if (!bigger.cells)
		return -ENOMEM;
	for (size_t i = 0; i < bigger.size; i++)
		bigger.cells[i].value = MAP_NONE;
	for (size_t i = 0; i < m->size; i++)
		if (m->cells[i].value != MAP_NONE)
			*find(&bigger, m->cells[i].key) = m->cells[i];
	spill_free(m->cells);
	*m = bigger;
	return 0;
}

void map_free(struct map *m)
{
	spill_free(m->cells);
	*m = (struct map){0};
}

uint32_t map_get(const struct map *m, uint64_t key)
{
	return m->size ? find(m, key)->value : MAP_NONE;
}

int map_put(struct map *m, uint64_t key, uint32_t value)
{
	struct map_cell *cell;

	if ((m->used + 1) * 3 > m->size * 2 && grow(m))
		return -ENOMEM;
	cell = find(m, key);
	m->used += cell->value == MAP_NONE;
	*cell = (struct map_cell){key, value};
	return 0;
}
