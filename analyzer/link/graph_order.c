/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include "analyzer/link/graph.h"

/* A client's edges are neighbours here, its busiest first: a walk goes from an edge to those of its server, and then on. */
struct range {
	uint32_t next, end;
};

struct walk {
	const struct graph *g;
	struct graph_edge *told;	/* the edges in the order of the walk */
	size_t count;
	uint32_t *rank;			/* by edge as it was: its place in told */
	uint32_t *by_client, *by_size;	/* edges */
	struct range *of;		/* by name: its edges, in by_client; empty once they were walked */
	struct range *way;		/* of the names between the root and here */
};

static int larger_first(const struct graph_edge *edges, uint32_t a, uint32_t b)
{
	if (edges[a].attempts != edges[b].attempts)
		return edges[a].attempts > edges[b].attempts ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int by_size(const void *a, const void *b, void *edges)
{
	return larger_first(edges, *(const uint32_t *)a, *(const uint32_t *)b);
}

static int by_client(const void *a, const void *b, void *edges)
{
	const struct graph_edge *e = edges;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

	if (e[i].client != e[j].client)
		return e[i].client < e[j].client ? -1 : 1;
	return larger_first(e, i, j);
}

static void sort(struct walk *w)
{
	const struct graph *g = w->g;

	for (uint32_t i = 0; i < g->count; i++)
		w->by_client[i] = w->by_size[i] = i;
	qsort_r(w->by_client, g->count, sizeof(*w->by_client), by_client, g->edges);
	qsort_r(w->by_size, g->count, sizeof(*w->by_size), by_size, g->edges);
	for (uint32_t i = 0; i < g->count; i++) {
		struct range *r = &w->of[g->edges[w->by_client[i]].client];

		if (!r->end)
			r->next = i;
		r->end = i + 1;
	}
}

/* Each name is walked once: the way can not be longer than there are names. */
static void walk_from(struct walk *w, uint32_t client)
{
	size_t depth = 0;

	for (uint32_t name = client;;) {
		struct range *r = &w->of[name];

		if (r->next < r->end)
			w->way[depth++] = *r;
		r->next = r->end;
		while (depth && w->way[depth - 1].next == w->way[depth - 1].end)
			depth--;
		if (!depth)
			return;
		uint32_t edge = w->by_client[w->way[depth - 1].next++];

		w->rank[edge] = (uint32_t)w->count;
		w->told[w->count++] = w->g->edges[edge];
		name = w->g->edges[edge].server;
	}
}

static void walk(struct walk *w)
{
	const struct graph *g = w->g;

	for (size_t i = 0; i < g->count; i++)
		if (graph_is_root(g, g->edges[w->by_size[i]].client))
			walk_from(w, g->edges[w->by_size[i]].client);
	for (size_t i = 0; i < g->count; i++)	/* who only call each other */
		walk_from(w, g->edges[w->by_size[i]].client);
}

int graph_order(struct graph *g, struct model *m)
{
	struct walk w = {.g = g, .told = calloc(g->count + 1, sizeof(*w.told)), .rank = calloc(g->count + 1, sizeof(*w.rank)),
			 .by_client = calloc(g->count + 1, sizeof(*w.by_client)), .by_size = calloc(g->count + 1, sizeof(*w.by_size)),
			 .of = calloc(g->name_count + 1, sizeof(*w.of)), .way = calloc(g->name_count + 1, sizeof(*w.way))};
	bool room = w.told && w.rank && w.by_client && w.by_size && w.of && w.way;

	if (room) {
		sort(&w);
		walk(&w);
		for (size_t i = 0; i < m->exchange_count; i++)
			if (m->exchanges[i].edge != MODEL_NONE)
				m->exchanges[i].edge = w.rank[m->exchanges[i].edge];
		free(g->edges);
		g->edges = w.told;
		g->room = g->count + 1;
		w.told = NULL;
	}
	free(w.told);
	free(w.rank);
	free(w.by_client);
	free(w.by_size);
	free(w.of);
	free(w.way);
	return room ? 0 : -ENOMEM;
}
