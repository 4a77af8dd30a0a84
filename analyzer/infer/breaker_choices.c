/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/breaker_choices.h"

#include <errno.h>
#include "analyzer/measure.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"

#define WELL_MIN 20		/* choices that tell how often it is chosen */
#define NEED_MOST 1000		/* choices that make a silence: of a server that is chosen more seldom nothing is said */

static const struct result_destination *destination_of(const struct measure *m, uint32_t edge)
{
	uint32_t d = measure_edge_destination(m, edge);

	return d == MODEL_NONE ? NULL : &m->r->destinations[d];
}

bool breaker_choices_asked(const struct measure *m, uint32_t edge, uint32_t inbound)
{
	const struct result_destination *d = destination_of(m, edge);
	struct chains_span calls = chains_of(&m->chains.by_parent, inbound);

	for (size_t i = 0; i < calls.n && d; i++)
		if (destination_of(m, m->r->model.exchanges[calls.members[i]].edge) == d)
			return true;
	return false;
}

struct choices {
	struct radix_item *of;	/* owned; by start; the value is the attempt */
	size_t n;
};

/* Attempts at a server since the view's first, as long as its process was there. */
static struct chains_span meanwhile(const struct breaker_view *v, size_t edge)
{
	const struct model *run = &v->m->r->model;
	struct chains_span rows = chains_of(&v->m->chains.by_edge, edge);
	uint64_t to = run->processes[v->process].ended_ns;
	size_t first = v->in.n ? chains_at(rows, run, v->attempts[0].start_ns) : rows.n, last = to ? chains_at(rows, run, to + 1) : rows.n;

	return (struct chains_span){rows.members + first, last > first ? last - first : 0};
}

/* Whether its request had asked the view's server before: then it had no choice. */
static bool comes_from_here(const struct breaker_view *v, uint32_t attempt)
{
	const struct model_exchange *exchanges = v->m->r->model.exchanges;
	struct chains_span request = chains_of(&v->m->chains.by_whole, v->m->hops.request[exchanges[attempt].logical]);

	for (size_t i = 0; i < request.n && request.members[i] < attempt; i++)
		if (exchanges[request.members[i]].edge == v->edge)
			return true;
	return false;
}

/* Those of its process at any server of the destination. */
static int gather(struct choices *c, const struct breaker_view *v, const struct result_destination *d)
{
	size_t room = 0;

	for (size_t k = 0; k < d->edge_count; k++)
		room += meanwhile(v, d->edges[k]).n;
	c->of = spill_realloc(NULL, (room + 1) * sizeof(*c->of));
	if (!c->of)
		return -ENOMEM;
	for (size_t k = 0; k < d->edge_count; k++) {
		struct chains_span rows = meanwhile(v, d->edges[k]);

		for (size_t i = 0; i < rows.n; i++) {
			const struct model_exchange *x = &v->m->r->model.exchanges[rows.members[i]];

			if (x->process == v->process && measure_counts(v->m, x->started_ns) && (x->edge == v->edge || !comes_from_here(v, rows.members[i])))
				c->of[c->n++] = (struct radix_item){x->started_ns, rows.members[i]};
		}
	}
	return radix_sort(c->of, c->n);
}

static int fill(struct breaker_view *v, const struct choices *c)
{
	const struct model_exchange *exchanges = v->m->r->model.exchanges;
	uint64_t well = 0, chosen = 0;
	size_t seen = 0;

	v->demands = spill_realloc(NULL, (c->n + 1) * sizeof(*v->demands));
	if (!v->demands)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++) {
		const struct model_exchange *x = &exchanges[c->of[i].value];
		bool other = x->edge != v->edge;

		while (seen < v->in.n && v->attempts[seen].end_ns < x->started_ns)
			seen++;
		if (seen && !v->attempts[seen - 1].failed) {
			well++;
			chosen += !other;
		}
		v->demands[v->demand_count++] = (struct silence_demand){x->started_ns, other ? x->started_ns : x->ended_ns, other, other ? 0 : x->started_ns};
	}
	v->in.need = silence_need(chosen, well);
	v->ejects = well >= WELL_MIN && v->in.need <= NEED_MOST;
	return 0;
}

int breaker_choices_find(struct breaker_view *v)
{
	const struct result_destination *d = destination_of(v->m, v->edge);
	struct choices c = {0};
	int err = d ? gather(&c, v, d) : 0;

	if (!err && d)
		err = fill(v, &c);
	spill_free(c.of);
	if (!v->ejects) {
		v->in.need = 1;
		v->demand_count = 0;
		return err;
	}
	v->in.demands = v->demands;
	v->in.demand_count = v->demand_count;
	return err;
}
