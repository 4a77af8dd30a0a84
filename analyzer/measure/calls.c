/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/calls.h"

#include <errno.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

static void find_most(struct calls *c)
{
	size_t over = 0;

	for (size_t i = 0; i < c->n; i++) {
		while (over < c->ended && c->ends[over].key <= c->starts[i])
			over++;
		c->most = i + 1 - over > c->most ? i + 1 - over : c->most;
	}
}

int calls_of(struct calls *c, const struct measure *m, struct chains_span attempts)
{
	const struct model *run = &m->r->model;

	*c = (struct calls){spill_realloc(NULL, (attempts.n + 1) * sizeof(*c->starts)), spill_realloc(NULL, (attempts.n + 1) * sizeof(*c->ends)), 0, 0, 0};
	if (!c->starts || !c->ends)
		return -ENOMEM;
	for (size_t i = 0; i < attempts.n; i++) {
		const struct model_exchange *x = &run->exchanges[attempts.members[i]];

		c->starts[c->n++] = x->started_ns;
		if (x->ended_ns)
			c->ends[c->ended++] = (struct radix_item){x->ended_ns, !model_failed(x)};
	}
	if (radix_sort(c->ends, c->ended))
		return -ENOMEM;
	for (size_t i = 1; i < c->ended; i++)
		c->ends[i].value = c->ends[i].value ? c->ends[i - 1].value + 1 : 0;
	find_most(c);
	return 0;
}

void calls_free(struct calls *c)
{
	spill_free(c->starts);
	spill_free(c->ends);
	*c = (struct calls){0};
}
