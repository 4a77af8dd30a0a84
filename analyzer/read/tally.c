/* SPDX-License-Identifier: MIT */
#include "analyzer/read/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/grow.h"

void tally_free(struct tally *t)
{
	free(t->cells);
	*t = (struct tally){0};
}

/* Index of the first cell whose value is not below. */
static size_t lower_bound(const struct tally *t, uint32_t value)
{
	size_t low = 0, high = t->used;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->cells[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct tally *t, size_t at, uint32_t value)
{
	if (GROW(t->cells, t->used, t->room))
		return -ENOMEM;
	memmove(&t->cells[at + 1], &t->cells[at], (t->used - at) * sizeof(*t->cells));
	t->cells[at] = (struct tally_cell){value, 0};
	t->used++;
	return 0;
}

int tally_add(struct tally *t, uint32_t value, uint64_t times)
{
	size_t at = lower_bound(t, value);

	if (!times)
		return 0;
	if ((at == t->used || t->cells[at].value != value) && insert(t, at, value))
		return -ENOMEM;
	t->cells[at].count += times;
	t->n += times;
	t->sum += value * times;
	return 0;
}

int tally_copy(struct tally *to, const struct tally *from)
{
	*to = (struct tally){0};
	for (size_t i = 0; i < from->used; i++)
		if (tally_add(to, from->cells[i].value, from->cells[i].count))
			return -ENOMEM;
	return 0;
}

uint32_t tally_percentile(const struct tally *t, double share)
{
	double rank = share * (double)t->n - 1e-9, below = 0;	/* as in samples.c */

	for (size_t i = 0; i < t->used; i++) {
		below += (double)t->cells[i].count;
		if (below >= rank)
			return t->cells[i].value;
	}
	return 0;
}
