/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/forerunners.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "analyzer/measure/calls.h"

#define NEED 10			/* requests that ask */
#define STRAY 100		/* of so many one may go another way */

struct before {			/* a server that requests had asked before the edge's */
	size_t requests, last;	/* how many, and which was the last, plus one */
};

/* An edge, or the pool that it belongs to. */
static uint32_t server_of(const struct measure *m, uint32_t edge)
{
	uint32_t d = measure_edge_destination(m, edge);

	return d == MODEL_NONE ? edge : measure_pool(m, d);
}

/* Counts each server once for this request. */
static void count_before(struct before *of, const struct measure *m, const struct demands *d, size_t i)
{
	struct chains_span calls = chains_of(&m->chains.by_parent, d->of[i].row);

	for (size_t k = 0; k < calls.n; k++) {
		const struct model_exchange *x = &m->r->model.exchanges[calls.members[k]];
		struct before *b = &of[server_of(m, x->edge)];

		if (x->started_ns >= d->of[i].call_ns || b->last == i + 1)
			continue;
		b->last = i + 1;
		b->requests++;
	}
}

static bool has_asked(const struct measure *m, uint32_t inbound, uint32_t server)
{
	struct chains_span calls = chains_of(&m->chains.by_parent, inbound);

	for (size_t i = 0; i < calls.n; i++)
		if (server_of(m, m->r->model.exchanges[calls.members[i]].edge) == server)
			return true;
	return false;
}

static bool asks_for_excuse(const struct demand *d)
{
	return !d->call_ns && !d->elsewhere;
}

/* Requests of one process, in order of start. */
static void excuse(struct demand *d, size_t n, const struct measure *m, uint32_t forerunner, const struct calls *c)
{
	size_t near = 0;

	for (size_t i = 0; i < n; i++)
		if (asks_for_excuse(&d[i]) && !calls_well(c, calls_ended_by(c, d[i].at_ns, &near)) && !has_asked(m, d[i].row, forerunner))
			d[i].elsewhere = true;
}

static int excuse_all(struct demands *d, const struct measure *m, uint32_t forerunner)
{
	struct crew crew;
	int err = crew_of(&crew, m, chains_of(&m->chains.by_edge, forerunner));

	for (size_t from = 0, to; from < d->n && !err; from = to) {
		struct calls c;

		for (to = from; to < d->n && d->of[to].process == d->of[from].process;)
			to++;
		err = calls_of(&c, m, crew_process(&crew, d->of[from].process));
		if (!err)
			excuse(d->of + from, to - from, m, forerunner, &c);
		calls_free(&c);
	}
	crew_free(&crew);
	return err;
}

int forerunners_excuse(struct demands *d, const struct measure *m)
{
	size_t servers = m->graph.count + m->r->destination_count, asked = 0, left_out = 0;
	struct before *of;
	int err = 0;

	for (size_t i = 0; i < d->n; i++) {
		asked += d->of[i].call_ns != 0;
		left_out += asks_for_excuse(&d->of[i]);
	}
	if (!left_out || asked < NEED)
		return 0;
	of = calloc(servers, sizeof(*of));
	if (!of)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++)
		if (d->of[i].call_ns)
			count_before(of, m, d, i);
	for (uint32_t i = 0; i < servers && !err; i++)
		if (of[i].requests >= asked - asked / STRAY)
			err = excuse_all(d, m, i);
	free(of);
	return err;
}
