/* SPDX-License-Identifier: MIT */
#include "analyzer/link/balance.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/spill.h"
#include "base/hash.h"

#define CHOSEN_MIN 20		/* requests */
#define BOTH_MAX 0.05

struct choice {			/* of a server, for one kind of inbound request and what is asked for it */
	uint64_t what;		/* the same for all servers that are chosen between */
	uint32_t edge;
	uint32_t chosen, both;	/* inbound requests that asked it first; of these, that asked another though it had answered well */
};

struct balance {
	const struct model *m;
	struct choice *choices;	/* owned */
	size_t count, room;
	struct map index;	/* what and edge -> choice */
	struct map first;	/* inbound request and what is asked for it -> its latest attempt */
};

static uint64_t kind_of(const struct balance *b, const struct model_exchange *x)
{
	const struct model_exchange *in = &b->m->exchanges[x->parent];

	return hash_pair(hash_pair(x->process == MODEL_NONE ? 0 : b->m->processes[x->process].service, in->target), x->target);
}

static struct choice *choice_of(struct balance *b, uint64_t what, uint32_t edge)
{
	uint64_t key = hash_pair(what, edge);
	uint32_t at = map_get(&b->index, key);

	if (at != MAP_NONE)
		return &b->choices[at];
	if (SPILL_GROW(b->choices, b->count, b->room) || map_put(&b->index, key, (uint32_t)b->count))
		return NULL;
	b->choices[b->count] = (struct choice){.what = what, .edge = edge};
	return &b->choices[b->count++];
}

static int look_at(struct balance *b, uint32_t i)
{
	const struct model_exchange *x = &b->m->exchanges[i], *y;
	uint64_t what = kind_of(b, x), one = hash_pair(x->parent, x->target);
	uint32_t before = map_get(&b->first, one);
	struct choice *c;

	y = before == MAP_NONE ? NULL : &b->m->exchanges[before];
	if (y && (y->edge == x->edge || model_failed(y)))	/* the same again, or a retry */
		return map_put(&b->first, one, i);
	c = choice_of(b, what, y ? y->edge : x->edge);
	if (!c)
		return -ENOMEM;
	c->chosen += !y;
	c->both += y != NULL;
	return map_put(&b->first, one, i);
}

static bool is_spread(const struct choice *c)
{
	return c->chosen >= CHOSEN_MIN && (double)c->both <= BOTH_MAX * (double)c->chosen;
}

/* Choices come in the order in which they were first made: each meets the first that is chosen between for the same. */
static int join(struct balance *b, void (*pair)(void *arg, uint32_t a, uint32_t b), void *arg)
{
	struct map groups = {0};
	int err = 0;

	for (size_t i = 0; i < b->count && !err; i++) {
		const struct choice *c = &b->choices[i];
		uint32_t first = is_spread(c) ? map_get(&groups, c->what) : MAP_NONE;

		if (first != MAP_NONE)
			pair(arg, b->choices[first].edge, c->edge);
		else if (is_spread(c))
			err = map_put(&groups, c->what, (uint32_t)i);
	}
	map_free(&groups);
	return err;
}

int balance_find(const struct model *m, const struct graph *g, void (*pair)(void *arg, uint32_t a, uint32_t b), void *arg)
{
	struct balance b = {.m = m};
	uint32_t *servers = calloc(g->name_count + 1, sizeof(*servers));
	int err = servers ? 0 : -ENOMEM;

	for (size_t e = 0; e < g->count && !err; e++)
		servers[g->edges[e].client]++;
	for (uint32_t i = 0; i < m->exchange_count && !err; i++) {
		const struct model_exchange *x = &m->exchanges[i];

		if (x->role == MODEL_CLIENT && x->edge != MODEL_NONE && x->parent != MODEL_NONE && x->target && servers[g->edges[x->edge].client] > 1)
			err = look_at(&b, i);
	}
	if (!err)
		err = join(&b, pair, arg);
	map_free(&b.index);
	map_free(&b.first);
	spill_free(b.choices);
	free(servers);
	return err;
}
