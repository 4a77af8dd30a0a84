/* SPDX-License-Identifier: MIT */
/*
 * Destinations as edges, for what is inferred of an edge and may be of all servers together (breaker.c, and demand.c for it): a pool's attempts are
 * those at any of its servers (chains_join()), its requests whole ones. Pools lie behind the last edge, where edges are counted they do not count.
 * An edge's names are those of its first server: what must know all of them asks measure_goes_to().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

static uint8_t tier_of(const struct measure *m, const struct result_destination *d)
{
	uint8_t weakest = LINK_ID;

	for (size_t i = 0; i < d->edge_count; i++)
		weakest = m->link.tiers[d->edges[i]] > weakest ? m->link.tiers[d->edges[i]] : weakest;
	return strcmp(d->linking, link_tier_name(LINK_AGGREGATE)) ? weakest : LINK_AGGREGATE;
}

bool measure_goes_to(const struct measure *m, uint32_t edge, uint32_t service)
{
	const struct result_destination *d = measure_is_pool(m, edge) ? &m->r->destinations[edge - m->graph.count] : NULL;

	for (size_t i = 0; d && i < d->edge_count; i++)
		if (m->graph.edges[d->edges[i]].server == service)
			return true;
	return !d && m->graph.edges[edge].server == service;
}

static int make_room(struct measure *m, size_t all)
{
	struct graph_edge *graph = realloc(m->graph.edges, all * sizeof(*graph));
	struct result_edge *edges = realloc(m->r->edges, all * sizeof(*edges));
	uint8_t *tiers = realloc(m->link.tiers, all);

	m->graph.edges = graph ? graph : m->graph.edges;
	m->r->edges = edges ? edges : m->r->edges;
	m->link.tiers = tiers ? tiers : m->link.tiers;
	return graph && edges && tiers ? 0 : -ENOMEM;
}

int measure_pools(struct measure *m)
{
	size_t n = m->r->destination_count;

	if (!n)
		return 0;
	if (make_room(m, m->graph.count + n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct result_destination *d = &m->r->destinations[i];

		m->graph.edges[measure_pool(m, i)] = m->graph.edges[d->edges[0]];
		m->link.tiers[measure_pool(m, i)] = tier_of(m, d);
		m->r->edges[measure_pool(m, i)] = (struct result_edge){.client = d->client, .server = d->name, .root = d->root, .destination = MODEL_NONE};
	}
	return 0;
}
