/* SPDX-License-Identifier: MIT */
/* Destinations as edges (analyzer/measure/pools.c): which servers a pool goes to, and what links its requests. */
#include <stdlib.h>

#include "analyzer/measure.h"
#include "tests/lib/tap.h"

/* Four edges of client 1, to servers 2 to 5; pools of the first and the third, and of the second and the third. */
int main(void)
{
	static size_t first[] = {0, 2}, second[] = {1, 2};
	static char name[] = "both";
	struct result_destination pools[] = {{.client = "1", .name = name, .linking = "nesting", .edges = first, .edge_count = 2, .root = true},
					     {.client = "1", .name = name, .linking = "aggregate", .edges = second, .edge_count = 2}};
	struct result x = {.destinations = pools, .edge_count = 4};
	struct measure m = {.r = &x};

	x.edges = calloc(4, sizeof(*x.edges));
	m.graph.edges = calloc(4, sizeof(*m.graph.edges));
	m.link.tiers = calloc(4, 1);
	if (!x.edges || !m.graph.edges || !m.link.tiers)
		return 1;
	m.graph.count = 4;
	for (uint32_t e = 0; e < 4; e++)
		m.graph.edges[e] = (struct graph_edge){.client = 1, .server = 2 + e};
	m.link.tiers[0] = LINK_TEMPORAL;
	m.link.tiers[2] = LINK_NESTING;
	ok(!measure_pools(&m), "without_destinations_there_are_no_pools");
	x.destination_count = 2;
	ok(!measure_pools(&m) && m.graph.count == 4 && x.edge_count == 4, "pools_do_not_count_as_edges");
	ok(measure_goes_to(&m, 0, 2) && !measure_goes_to(&m, 0, 3), "an_edge_goes_to_its_server");
	ok(measure_goes_to(&m, 4, 2) && measure_goes_to(&m, 4, 4), "a_pool_to_each_of_its_own");
	ok(!measure_goes_to(&m, 4, 3) && !measure_goes_to(&m, 4, 5), "and_no_other");
	ok(measure_goes_to(&m, 5, 3) && measure_goes_to(&m, 5, 4) && !measure_goes_to(&m, 5, 2), "the_second_to_its_own");
	ok(m.graph.edges[4].server == 2 && m.graph.edges[5].server == 3, "it_has_the_names_of_the_first");
	is_int(m.link.tiers[4], LINK_TEMPORAL, "it_is_linked_as_the_weakest");
	is_int(m.link.tiers[5], LINK_AGGREGATE, "or_not_at_all");
	ok(x.edges[4].root && !x.edges[5].root && x.edges[4].destination == MODEL_NONE, "and_it_is_the_users_own_where_its_edges_are");
	free(x.edges);
	free(m.graph.edges);
	free(m.link.tiers);
	return tap_done();
}
