/* SPDX-License-Identifier: MIT */
#include "analyzer/link/balance.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/spill.h"
#include "base/hash.h"

#define CHOSEN_MIN 20		/* requests */
#define BOTH_MAX 0.05
#define LOOK_BACK 256		/* calls for one inbound request */

struct choice {			/* of a server, for one kind of inbound request and what is asked for it */
	uint64_t what;		/* the same for all servers that are chosen between */
	uint32_t edge;
	uint32_t chosen, both;	/* inbound requests that asked it first; of these, that asked another though it had answered well */
};

struct balance {
	const struct model *m;
	const struct graph *g;
	struct choice *choices;	/* owned */
	size_t count, room;
	struct map index;	/* what and edge -> choice */
	uint32_t *servers;	/* per client: how many it calls; owned */
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

static bool has_choice(const struct balance *b, const struct model_exchange *x)
{
	return x->target && b->servers[b->g->edges[x->edge].client] > 1;
}

/* What was asked for the same inbound request before the k-th of its calls, which are in order of start, and is the same; NULL: nothing. */
static const struct model_exchange *before(const struct balance *b, struct chains_span calls, size_t k)
{
	const struct model_exchange *x = &b->m->exchanges[calls.members[k]];

	for (size_t i = k; i-- > 0 && k - i <= LOOK_BACK;) {
		const struct model_exchange *y = &b->m->exchanges[calls.members[i]];

		if (y->target == x->target)
			return y;
	}
	return NULL;
}

static int look_at(struct balance *b, struct chains_span calls, size_t k)
{
	const struct model_exchange *x = &b->m->exchanges[calls.members[k]], *y = has_choice(b, x) ? before(b, calls, k) : NULL;
	struct choice *c;

	if (!has_choice(b, x) || (y && (y->edge == x->edge || model_failed(y))))	/* the same again, or a retry */
		return 0;
	c = choice_of(b, kind_of(b, x), y ? y->edge : x->edge);
	if (!c)
		return -ENOMEM;
	c->chosen += !y;
	c->both += y != NULL;
	return 0;
}

static bool is_spread(const struct choice *c)
{
	return c->chosen >= CHOSEN_MIN && (double)c->both <= BOTH_MAX * (double)c->chosen;
}

/* Each choice meets the first that is chosen between for the same. */
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

int balance_find(const struct model *m, const struct graph *g, const struct chains *chains, void (*pair)(void *arg, uint32_t a, uint32_t b), void *arg)
{
	struct balance b = {.m = m, .g = g, .servers = calloc(g->name_count + 1, sizeof(*b.servers))};
	int err = b.servers ? 0 : -ENOMEM;

	for (size_t e = 0; e < g->count && !err; e++)
		b.servers[g->edges[e].client]++;
	for (size_t in = 0; in < m->exchange_count && !err; in++) {
		struct chains_span calls = chains_of(&chains->by_parent, in);

		for (size_t k = 0; k < calls.n && !err; k++)
			err = look_at(&b, calls, k);
	}
	if (!err)
		err = join(&b, pair, arg);
	map_free(&b.index);
	spill_free(b.choices);
	free(b.servers);
	return err;
}
