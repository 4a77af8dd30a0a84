/* SPDX-License-Identifier: MIT */
#include "analyzer/read/flow.h"

#include <string.h>
#include "base/clock.h"

#define TURN_NS (5 * NS_PER_MS)	/* a shorter wait is none: a flow that pauses between two calls pauses longer */

/* A thread is back that had made call `before`. */
static void note_return(const struct model *m, struct model_process *p, uint32_t before, const struct model_exchange *x)
{
	const struct model_exchange *own = &m->exchanges[before], *last = &m->exchanges[p->latest[0] - 1];
	bool near = false;

	for (int i = 0; i < MODEL_NEAR; i++)
		near |= p->latest[i] == before + 1;
	(*(near ? &p->near : &p->far))++;
	if (last->tid == x->tid)
		return;
	p->returns = true;
	p->crossings++;
	if (own->ended_ns && last->ended_ns && last->ended_ns <= x->started_ns && x->started_ns > own->ended_ns + TURN_NS)
		p->turns += x->started_ns - last->ended_ns <= TURN_NS &&
			    x->started_ns - last->ended_ns <= (x->started_ns - own->ended_ns) / 8;
}

/* A flow never has two calls in work at once, and comes back to a thread that it had left. Threads of their own overlap, or are done one after
 * another, or take turns. */
int flow_note(const struct model *m, struct map *threads, struct model_process *p, uint32_t i)
{
	const struct model_exchange *x = &m->exchanges[i];
	uint64_t thread = (uint64_t)x->process << 32 | x->tid;
	uint32_t before = map_get(threads, thread);

	p->overlaps |= x->started_ns < p->busy_until_ns;
	if (!x->ended_ns)
		p->busy_until_ns = UINT64_MAX;
	else if (x->ended_ns > p->busy_until_ns)
		p->busy_until_ns = x->ended_ns;
	if (!x->tid) {
		p->threadless = true;
		return 0;
	}
	if (before != MAP_NONE)
		note_return(m, p, before, x);
	memmove(&p->latest[1], &p->latest[0], sizeof(p->latest) - sizeof(p->latest[0]));
	p->latest[0] = i + 1;
	return map_put(threads, thread, i);
}
