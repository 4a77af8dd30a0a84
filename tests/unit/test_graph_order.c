/* SPDX-License-Identifier: MIT */
/* The order of edges: as one follows them from outside, the busiest first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/graph.h"
#include "tests/lib/tap.h"

#define EDGES 8

/* Edges by one letter a name, with attempts, in the order of their first exchange; then in the order that is expected. */
static const struct {
	const char *name, *edges[EDGES], *order;
	unsigned attempts[EDGES];
} cases[] = {
	{"one_edge", {"xa"}, "xa", {3}},
	{"inwards_from_the_caller", {"bc", "ab", "xa"}, "xa ab bc", {9, 9, 9}},
	{"the_busiest_first_with_what_is_behind_it", {"xa", "xb", "bc", "ad"}, "xb bc xa ad", {5, 7, 1, 5}},
	{"a_probe_of_an_inner_service_last", {"xd", "xg", "go", "od"}, "xg go od xd", {1, 9, 9, 9}},
	{"as_busy_in_the_order_of_their_begin", {"ac", "ab"}, "ac ab", {4, 4}},
	{"a_service_of_two_callers_is_told_once", {"xa", "xb", "ac", "bc", "cd"}, "xa ac cd xb bc", {9, 8, 1, 1, 1}},
	{"a_ring_without_a_caller", {"ab", "ca", "bc"}, "bc ca ab", {1, 2, 3}},
	{"a_ring_behind_a_caller", {"ab", "ba", "xa"}, "xa ab ba", {1, 2, 3}},
	{"who_calls_itself", {"aa", "xa", "ab"}, "xa aa ab", {2, 1, 1}},
	{"two_separate_systems", {"ab", "cd", "de", "bf"}, "cd de ab bf", {1, 2, 1, 1}},
};

static void fill(struct graph *g, const char *const edges[EDGES], const unsigned *attempts)
{
	*g = (struct graph){.edges = calloc(EDGES, sizeof(*g->edges)), .name_count = 128, .called = calloc(128, 1), .calls = calloc(128, 1)};
	for (; g->count < EDGES && edges[g->count]; g->count++) {
		unsigned char from = (unsigned char)edges[g->count][0], to = (unsigned char)edges[g->count][1];

		g->edges[g->count] = (struct graph_edge){from, to, .attempts = attempts[g->count]};
		if (from != to)
			g->calls[from] = g->called[to] = true;
	}
}

static void order(size_t i)
{
	struct model_exchange x[EDGES + 1] = {0};
	struct model m = {.exchanges = x, .exchange_count = EDGES + 1};
	char told[64] = "";
	bool follows = true;
	struct graph g;

	fill(&g, cases[i].edges, cases[i].attempts);
	for (uint32_t e = 0; e < EDGES; e++)	/* one exchange of each edge; the rest are no attempts */
		x[e].edge = e < g.count ? e : MODEL_NONE;
	x[EDGES].edge = MODEL_NONE;
	ok(!graph_order(&g, &m), "%s: is put into order", cases[i].name);
	for (size_t e = 0; e < g.count; e++)
		snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%c%c", e ? " " : "", g.edges[e].client, g.edges[e].server);
	is_str(told, cases[i].order, cases[i].name);
	for (size_t e = 0; e < EDGES; e++) {
		const struct graph_edge *now = x[e].edge < g.count ? &g.edges[x[e].edge] : NULL;

		follows &= now ? now->client == (unsigned char)cases[i].edges[e][0] && now->server == (unsigned char)cases[i].edges[e][1]
			       : e >= g.count && x[e].edge == MODEL_NONE;
	}
	ok(follows && x[EDGES].edge == MODEL_NONE, "%s: every exchange keeps its edge", cases[i].name);
	graph_free(&g);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		order(i);
	return tap_done();
}
