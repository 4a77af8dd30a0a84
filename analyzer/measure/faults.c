/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

/* How far a delay was from what was asked. One that its fault's end let go before its time tells nothing of how well times are kept. */
static int add_delay(struct measure *m, const struct model_injection *i, bool went_off)
{
	struct result_fault *f = &m->r->faults[i->fault];

	if (strcmp(measure_text(m, i->action), "delay") || i->intended_ns < 0 || i->achieved_ns < 0)
		return 0;
	if (went_off && i->achieved_ns < i->intended_ns)
		return 0;
	if (samples_add(&f->achieved_ms, (double)i->achieved_ns / NS_PER_MS))
		return -ENOMEM;
	return samples_add(&f->delay_error_ms, (double)(i->achieved_ns - i->intended_ns) / NS_PER_MS);
}

static double since_start(const struct measure *m, uint64_t at_ns)
{
	return at_ns ? ((double)at_ns - (double)m->r->model.started_ns) / NS_PER_S : NAN;
}

/* The counters of the file may be older than its last injection, when the recorder was killed: the larger one is true. */
static void settle(const struct measure *m, struct result_fault *to, const struct model_fault *from,
		   const struct timeline_span *span)
{
	to->name = measure_text(m, from->name);
	to->fired = from->fired > span->hits ? from->fired : span->hits;
	to->matched = from->matched > to->fired ? from->matched : to->fired;
	to->watch_only = from->watch_only;
	to->first_s = since_start(m, span->first_ns);
	to->last_s = since_start(m, span->last_ns);
	samples_sort(&to->delay_error_ms);
	samples_sort(&to->achieved_ms);
}

/* Which faults were switched off, taken away or over before the run was, at least once. */
static void find_off(const struct model *run, bool *went_off)
{
	for (size_t i = 0; i < run->fault_count; i++)
		went_off[i] = run->faults[i].off_ns != 0;
	for (size_t i = 0; i < run->episode_count; i++)
		went_off[run->episodes[i].fault] |= run->episodes[i].off_ns != 0;
}

int measure_faults(struct measure *m)
{
	const struct model *run = &m->r->model;
	bool *went_off = calloc(run->fault_count + 1, sizeof(*went_off));
	int err = 0;

	m->r->faults = calloc(run->fault_count + 1, sizeof(*m->r->faults));
	if (!m->r->faults || !went_off) {
		free(went_off);
		return -ENOMEM;
	}
	m->r->fault_count = run->fault_count;
	find_off(run, went_off);
	for (size_t i = 0; i < run->injection_count && !err; i++)
		err = add_delay(m, &run->injections[i], went_off[run->injections[i].fault]);
	free(went_off);
	for (size_t i = 0; i < run->fault_count; i++)
		settle(m, &m->r->faults[i], &run->faults[i], &m->r->timeline.spans[i]);
	return err;
}
