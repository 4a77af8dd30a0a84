/* SPDX-License-Identifier: MIT */
/*
 * What follows an answer and is no retry of it: the request that a redirect leads to, the one with the credentials that a challenge asked for.
 * Both come from the same thread within a second. Whether credentials really changed is not recorded: a challenge is taken for met when what
 * follows it is answered otherwise.
 */
#include "analyzer/measure.h"

#define FOLLOWS_NS NS_PER_S

/* One key for a process that moves its one flow of calls between threads. */
static uint64_t flow_of(const struct measure *m, const struct model_exchange *x)
{
	bool hops = x->process != MODEL_NONE && model_hops(&m->r->model.processes[x->process]);

	return (uint64_t)x->process << 32 | (hops ? 0 : x->tid);
}

static void count_follower(struct measure *m, const struct model_exchange *before, const struct model_exchange *x)
{
	struct result_excluded *e = &m->r->edges[x->edge].excluded;

	if (!before->ended_ns || before->ended_ns > x->started_ns || x->started_ns - before->ended_ns > FOLLOWS_NS)
		return;
	e->redirects += model_redirects(before);
	e->challenges += model_challenges(before) && before->edge == x->edge && before->target == x->target && before->status != x->status;
}

int measure_excluded(struct measure *m)
{
	const struct model *run = &m->r->model;
	struct map last = {0};	/* flow -> exchange */
	int err = 0;

	for (size_t e = 0; e < m->r->edge_count; e++) {
		m->r->edges[e].excluded.polls = m->link.polls[e];
		m->r->edges[e].excluded.reconnects = m->link.reconnects[e];
	}
	for (uint32_t i = 0; i < run->exchange_count && !err; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint32_t before;

		if (x->edge == MODEL_NONE || x->role != MODEL_CLIENT)
			continue;
		before = map_get(&last, flow_of(m, x));
		if (before != MAP_NONE && m->link.logicals[x->logical].first == i && measure_counts(m, x->started_ns))
			count_follower(m, &run->exchanges[before], x);
		err = map_put(&last, flow_of(m, x), i);
	}
	map_free(&last);
	return err;
}
