/* SPDX-License-Identifier: MIT */
#include "analyzer/link/chains.h"

#include <errno.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

/* Which group row i belongs to; MODEL_NONE: none. */
typedef uint32_t (*group_of)(const struct measure *m, size_t i);

static uint32_t edge_of(const struct measure *m, size_t i)
{
	return m->r->model.exchanges[i].edge;
}

static uint32_t logical_of(const struct measure *m, size_t i)
{
	return m->r->model.exchanges[i].logical;
}

static uint32_t parent_of(const struct measure *m, size_t i)
{
	const struct model_exchange *x = &m->r->model.exchanges[i];

	return x->edge == MODEL_NONE || x->role != MODEL_CLIENT ? MODEL_NONE : x->parent;
}

static uint32_t edge_of_request(const struct measure *m, size_t i)
{
	return m->link.logicals[i].edge;
}

static uint32_t destination_of(const struct measure *m, size_t i)
{
	uint32_t edge = edge_of(m, i);

	return edge == MODEL_NONE ? MODEL_NONE : measure_edge_destination(m, edge);
}

static uint32_t whole_of(const struct measure *m, size_t i)
{
	return destination_of(m, i) == MODEL_NONE ? MODEL_NONE : m->hops.request[logical_of(m, i)];
}

static uint32_t destination_of_whole(const struct measure *m, size_t i)
{
	return m->hops.request[i] == i ? measure_destination_of(m, (uint32_t)i) : MODEL_NONE;
}

/* Counts each group, then puts each row into its place: two walks over the rows, whose order stays. */
static int group(struct chains_group *g, const struct measure *m, size_t rows, size_t groups, group_of of)
{
	size_t total = 0;

	g->begins = spill_calloc(groups + 2, sizeof(*g->begins));
	if (!g->begins)
		return -ENOMEM;
	for (size_t i = 0; i < rows; i++) {
		uint32_t at = of(m, i);

		if (at != MODEL_NONE) {
			g->begins[at + 2]++;
			total++;
		}
	}
	g->members = spill_realloc(NULL, (total + 1) * sizeof(*g->members));
	if (!g->members)
		return -ENOMEM;
	for (size_t i = 2; i < groups + 2; i++)
		g->begins[i] += g->begins[i - 1];
	for (size_t i = 0; i < rows; i++) {
		uint32_t at = of(m, i);

		if (at != MODEL_NONE)
			g->members[g->begins[at + 1]++] = (uint32_t)i;
	}
	return 0;
}

int chains_build(struct chains *c, const struct measure *m)
{
	size_t rows = m->r->model.exchange_count;

	if (group(&c->by_edge, m, rows, m->graph.count, edge_of) || group(&c->by_logical, m, rows, m->link.count, logical_of) ||
	    group(&c->by_parent, m, rows, rows, parent_of) || group(&c->requests, m, m->link.count, m->graph.count, edge_of_request))
		return -ENOMEM;
	return 0;
}

static void group_free(struct chains_group *g)
{
	spill_free(g->members);
	spill_free(g->begins);
}

/* Adds the groups of another behind the last of `count`. */
static int append(struct chains_group *to, size_t count, const struct chains_group *from, size_t more)
{
	size_t had = to->begins[count], adds = from->begins[more];
	uint32_t *members = spill_realloc(to->members, (had + adds + 1) * sizeof(*members));
	size_t *begins = members ? spill_realloc(to->begins, (count + more + 2) * sizeof(*begins)) : NULL;

	to->members = members ? members : to->members;
	to->begins = begins ? begins : to->begins;
	if (!begins)
		return -ENOMEM;
	memcpy(members + had, from->members, adds * sizeof(*members));
	for (size_t i = 0; i <= more; i++)
		begins[count + i] = had + from->begins[i];
	return 0;
}

int chains_join(struct chains *c, const struct measure *m)
{
	size_t rows = m->r->model.exchange_count, destinations = m->r->destination_count;
	struct chains_group pools = {0};
	int err = group(&pools, m, rows, destinations, destination_of) || append(&c->by_edge, m->graph.count, &pools, destinations) ||
		  group(&c->by_whole, m, rows, m->link.count, whole_of) || group(&c->wholes, m, m->link.count, destinations, destination_of_whole);

	group_free(&pools);
	return err ? -ENOMEM : 0;
}

struct chains_span measure_attempts(const struct measure *m, uint32_t logical)
{
	if (measure_destination_of(m, logical) == MODEL_NONE)
		return chains_of(&m->chains.by_logical, logical);
	return chains_of(&m->chains.by_whole, m->hops.request[logical]);
}

void chains_free(struct chains *c)
{
	group_free(&c->by_edge);
	group_free(&c->by_logical);
	group_free(&c->by_parent);
	group_free(&c->requests);
	group_free(&c->by_whole);
	group_free(&c->wholes);
	*c = (struct chains){0};
}

size_t chains_at(struct chains_span s, const struct model *m, uint64_t t)
{
	size_t low = 0, high = s.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->exchanges[s.members[middle]].started_ns < t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
