/* SPDX-License-Identifier: MIT */
#include "analyzer/link/handovers.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/read/map.h"
#include "analyzer/read/spill.h"

#define THINGS_MIN 8
#define ODD_ONE_IN 20	/* of what is asked for again: so much may be otherwise */

struct thing {	/* that a process asks for, from when it first failed */
	uint64_t first_ns;
	uint32_t latest;	/* its latest call */
	bool again;		/* it was asked for more than once */
};

struct hands {	/* of a process */
	uint64_t first_ns, last_ns;	/* its first start and latest end */
	uint64_t moved, stayed;		/* what failed and was asked for again: on another thread, on the same */
	uint64_t odd;			/* ... before the one before had ended, or after a success */
	uint64_t things, lasted_ns;	/* asked for again; how long from first to last, together */
};

static bool concerns(const struct model *m, const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->process != MODEL_NONE && x->tid && x->ended_ns && !model_headless(x) && !m->processes[x->process].inbound;
}

static void ask_again(const struct model *m, struct hands *h, struct thing *t, const struct model_exchange *x)
{
	const struct model_exchange *before = &m->exchanges[t->latest];

	if (!t->again) {
		t->again = true;
		h->things++;
		h->lasted_ns += before->ended_ns - t->first_ns;
	}
	h->lasted_ns += x->ended_ns > before->ended_ns ? x->ended_ns - before->ended_ns : 0;
	if (!model_failed_before(before, x))
		h->odd++;
	else if (before->tid == x->tid)
		h->stayed++;
	else
		h->moved++;
}

static void note(struct hands *h, const struct model_exchange *x)
{
	h->first_ns = h->last_ns ? h->first_ns : x->started_ns;
	h->last_ns = x->ended_ns > h->last_ns ? x->ended_ns : h->last_ns;
}

struct things {
	struct map index;	/* request -> thing */
	struct thing *of;	/* owned */
	size_t count, room;
};

static int begin(struct things *t, const struct model_exchange *x, uint32_t i)
{
	if (SPILL_GROW(t->of, t->count, t->room))
		return -ENOMEM;
	t->of[t->count] = (struct thing){x->started_ns, i, false};
	return map_put(&t->index, model_request(x), (uint32_t)t->count++);
}

static int follow(const struct model *m, struct things *t, struct hands *of)
{
	int err = 0;

	for (uint32_t i = 0; i < m->exchange_count && !err; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint32_t at;

		if (!concerns(m, x))
			continue;
		note(&of[x->process], x);
		at = t->count ? map_get(&t->index, model_request(x)) : MAP_NONE;
		if (at == MAP_NONE) {
			err = model_failed(x) ? begin(t, x, i) : 0;
			continue;
		}
		ask_again(m, &of[x->process], &t->of[at], x);
		t->of[at].latest = i;
	}
	return err;
}

static bool hand_over(const struct hands *h)
{
	return h->things >= THINGS_MIN && h->moved > h->stayed && h->odd * ODD_ONE_IN <= h->moved &&
	       h->lasted_ns / h->things < (h->last_ns - h->first_ns) / 2;
}

int handovers_find(const struct model *m, bool *busy)
{
	struct things things = {0};
	struct hands *of = calloc(m->process_count + 1, sizeof(*of));
	int err = of ? follow(m, &things, of) : -ENOMEM;

	for (size_t p = 0; !err && p < m->process_count; p++)
		busy[p] = busy[p] || hand_over(&of[p]);
	map_free(&things.index);
	spill_free(things.of);
	free(of);
	return err;
}
