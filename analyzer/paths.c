/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

/* Requests that a root starts, or attempts that arrive at a leaf, in windows of one kind. */
static uint64_t count_requests(const struct measure *m, uint32_t root, enum timeline_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].client == root)
			sum += m->r->edges[i].window[kind].logical;
	return sum;
}

static uint64_t count_attempts(const struct measure *m, uint32_t leaf, enum timeline_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].server == leaf)
			sum += m->r->edges[i].window[kind].attempts;
	return sum;
}

/* (attempts at the leaf per request of the root) under the fault, over the same in the baseline. */
static struct metric amplification(const struct measure *m, uint32_t root, uint32_t leaf)
{
	uint64_t fault = count_requests(m, root, TIMELINE_FAULT), base = count_requests(m, root, TIMELINE_BASELINE);
	double faulted = (double)count_attempts(m, leaf, TIMELINE_FAULT) / (double)fault;
	double normal = (double)count_attempts(m, leaf, TIMELINE_BASELINE) / (double)base;

	if (!fault)
		return metric_unknown("no request under a fault");
	if (!base || normal == 0)
		return metric_plain(faulted, fault, "attempts per request, no baseline");
	return metric_plain(faulted / normal, fault, "attempts per request against the baseline");
}

struct ways {	/* by name */
	bool *lit;	/* reached from the root */
	bool *direct;	/* called by the root itself */
	unsigned *roots;	/* how many roots reach it */
	bool *done;
	size_t n;
};

static int add_path(struct measure *m, uint32_t root, uint32_t leaf, unsigned roots)
{
	struct result_path *paths = realloc(m->r->paths, (m->r->path_count + 1) * sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	m->r->paths = paths;
	paths[m->r->path_count++] = (struct result_path){
		measure_text(m, root), measure_text(m, leaf),
		roots == 1 ? amplification(m, root, leaf) : metric_unknown("several roots reach it"),
	};
	return 0;
}

static void light(const struct measure *m, struct ways *w, uint32_t root)
{
	memset(w->lit, 0, w->n);
	memset(w->direct, 0, w->n);
	graph_reach(&m->graph, root, w->lit);
	for (size_t i = 0; i < m->graph.count; i++)
		if (m->graph.edges[i].client == root)
			w->direct[m->graph.edges[i].server] = true;
}

/* Calls fn for each root, once, with what it reaches lit. */
static int each_root(struct measure *m, struct ways *w, int (*fn)(struct measure *m, struct ways *w, uint32_t root))
{
	int err = 0;

	memset(w->done, 0, w->n);
	for (size_t i = 0; i < m->graph.count && !err; i++) {
		uint32_t root = m->graph.edges[i].client;

		if (w->done[root] || !graph_is_root(&m->graph, root))
			continue;
		w->done[root] = true;
		light(m, w, root);
		err = fn(m, w, root);
	}
	return err;
}

static int count_root(struct measure *m, struct ways *w, uint32_t root)
{
	for (size_t i = 0; i < w->n; i++)
		w->roots[i] += w->lit[i];
	return 0;
}

static int add_paths(struct measure *m, struct ways *w, uint32_t root)
{
	int err = 0;

	for (uint32_t leaf = 0; leaf < w->n && !err; leaf++)
		if (w->lit[leaf] && !w->direct[leaf] && graph_is_leaf(&m->graph, leaf))
			err = add_path(m, root, leaf, w->roots[leaf]);
	return err;
}

int measure_paths(struct measure *m)
{
	size_t n = m->graph.name_count;
	struct ways w = {calloc(n, sizeof(bool)), calloc(n, sizeof(bool)), calloc(n, sizeof(unsigned)), calloc(n, sizeof(bool)), n};
	int err = w.lit && w.direct && w.roots && w.done ? 0 : -ENOMEM;

	if (!err)
		err = each_root(m, &w, count_root);
	if (!err)
		err = each_root(m, &w, add_paths);
	free(w.lit);
	free(w.direct);
	free(w.roots);
	free(w.done);
	return err;
}
