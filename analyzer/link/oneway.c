/* SPDX-License-Identifier: MIT */
#include "analyzer/link/oneway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST 0.9

struct traffic {		/* of an edge; behind the last, of a process as a server of clients that were recorded too */
	uint64_t all, unheeded;
	bool answered;
};

static struct traffic *traffic_of(const struct measure *m, struct traffic *of, const struct model_exchange *x)
{
	if (x->edge != MODEL_NONE)
		return &of[x->edge];
	return x->process != MODEL_NONE && x->role == MODEL_SERVER ? &of[m->graph.count + x->process] : NULL;
}

static void count(struct measure *m, struct traffic *of)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		struct traffic *t = traffic_of(m, of, x);

		if (!t)
			continue;
		t->all++;
		t->unheeded += x->unheeded;
		t->answered |= x->first_byte_ns || x->status || x->bytes_in || x->fault != MODEL_NONE || x->outcome == MODEL_OK;
	}
}

static bool is_oneway(const struct traffic *t)
{
	return t->all && !t->answered && (double)t->unheeded >= MOST * (double)t->all;
}

static int say(struct measure *m, const struct graph_edge *e, const struct traffic *t)
{
	return result_say(&m->r->notes, &m->r->note_count, "%s -> %s: nothing ever came back, and nobody waited for it: %llu message%s taken as done",
			  measure_text(m, e->client), measure_text(m, e->server), (unsigned long long)t->unheeded, t->unheeded == 1 ? " is" : "s are");
}

int oneway_settle(struct measure *m)
{
	struct model *run = &m->r->model;
	struct traffic *of = run->unheeded ? calloc(m->graph.count + run->process_count + 1, sizeof(*of)) : NULL;
	int err = of ? 0 : -ENOMEM;

	if (!run->unheeded)
		return 0;
	if (!err)
		count(m, of);
	for (size_t i = 0; !err && i < run->exchange_count; i++) {
		struct model_exchange *x = &run->exchanges[i];
		const struct traffic *t = traffic_of(m, of, x);

		if (t && x->unheeded && is_oneway(t)) {
			x->outcome = MODEL_OK;
			x->error = 0;
		}
	}
	for (size_t e = 0; !err && e < m->graph.count; e++)
		if (is_oneway(&of[e]))
			err = say(m, &m->graph.edges[e], &of[e]);
	free(of);
	return err;
}
