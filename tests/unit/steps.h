/* SPDX-License-Identifier: MIT */
/* For tests of single steps of the analyzer: a run file made by hand, analyzed up to the counts of its edges, where policies can be put in their place. */
#ifndef AFTERSHOCK_TESTS_STEPS_H
#define AFTERSHOCK_TESTS_STEPS_H

#include "analyzer/measure.h"
#include "tests/unit/judge.h"

/* The steps up to the links' counts, so that a policy can be put in their place before what rests on it. */
__attribute__((unused)) static void steps_begin(struct runs *r, struct measure *m, struct result *x)
{
	char error[512];

	runs_commit(r);
	*x = (struct result){0};
	*m = (struct measure){.r = x, .options = ANALYZE_EVERYTHING, .to_ns = UINT64_MAX};
	if (model_load(&x->model, r->path, error, sizeof(error)) || graph_build(&m->graph, &x->model) ||
	    link_build(&m->link, &x->model, &m->graph) || chains_build(&m->chains, m) || timeline_build(&x->timeline, &x->model) ||
	    measure_edges(m) || measure_demand(m))
		abort();
}

__attribute__((unused)) static void steps_end(struct runs *r, struct measure *m, struct result *x)
{
	demand_clear(m);
	graph_free(&m->graph);
	link_free(&m->link);
	chains_free(&m->chains);
	judge_end(r, x);
}

#endif
