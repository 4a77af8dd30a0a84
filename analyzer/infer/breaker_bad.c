/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/breaker_bad.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

#define WELL_AGAIN 10	/* successes in a row */

/* Whether an exchange that a fault hit is one of the edge's server, seen from there. */
static bool is_at_server(const struct measure *m, uint32_t edge, uint32_t exchange)
{
	const struct model *run = &m->r->model;
	const struct model_exchange *x = exchange == MODEL_NONE ? NULL : &run->exchanges[exchange];

	return x && x->edge == MODEL_NONE && x->process != MODEL_NONE && measure_goes_to(m, edge, run->processes[x->process].service);
}

static int by_start(const void *a, const void *b)
{
	const struct breaker_span *x = a, *y = b;

	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* Faults that were felt at once are one bad time, which clears with the last of them. Returns how many are left. */
static size_t join(struct breaker_span *of, size_t count)
{
	size_t n = 0;

	qsort(of, count, sizeof(*of), by_start);
	for (size_t i = 0; i < count; i++) {
		struct breaker_span *last = n ? &of[n - 1] : NULL, *next = &of[i];

		if (!last || next->from_ns > last->to_ns)
			of[n++] = *next;
		else if (next->to_ns >= last->to_ns)
			*last = (struct breaker_span){last->from_ns, next->to_ns, next->cleared && (last->cleared || next->to_ns > last->to_ns)};
	}
	return n;
}

/* Whether a fault hit half or more of the calls that began while it was felt. */
static bool is_out(const struct measure *m, struct chains_span rows, const struct timeline_span *s)
{
	const struct model *run = &m->r->model;
	size_t from = chains_at(rows, run, s->from_ns), to = chains_at(rows, run, s->to_ns);

	return s->hits * 2 >= (to > from ? to - from : 0);
}

int breaker_bad_find(struct breaker_bad *bad, const struct measure *m, uint32_t edge)
{
	const struct model *run = &m->r->model;
	struct chains_span rows = chains_of(&m->chains.by_edge, edge);
	bool *hit = calloc(run->fault_count + 1, sizeof(*hit));

	bad->of = calloc(run->fault_count + 1, sizeof(*bad->of));
	bad->out = calloc(run->fault_count + 1, sizeof(*bad->out));
	if (!hit || !bad->of || !bad->out) {
		free(hit);
		return -ENOMEM;
	}
	for (size_t i = 0; i < rows.n; i++)
		if (run->exchanges[rows.members[i]].fault != MODEL_NONE)
			hit[run->exchanges[rows.members[i]].fault] = true;
	for (size_t i = 0; i < run->fault_count; i++) {
		const struct timeline_span *s = &m->r->timeline.spans[i];

		if (!s->hits || !(hit[i] || is_at_server(m, edge, s->first_exchange) || is_at_server(m, edge, s->last_exchange)))
			continue;
		bad->of[bad->n++] = (struct breaker_span){s->from_ns, s->to_ns, s->cleared};
		if (is_out(m, rows, s))
			bad->out[bad->out_n++] = bad->of[bad->n - 1];
	}
	if (!bad->out_n) {
		memcpy(bad->out, bad->of, bad->n * sizeof(*bad->of));
		bad->out_n = bad->n;
	}
	bad->n = join(bad->of, bad->n);
	bad->out_n = join(bad->out, bad->out_n);
	bad->faults = bad->n > 0;
	free(hit);
	return 0;
}

static bool holds(const struct breaker_span *of, size_t n, uint64_t t)
{
	for (size_t i = 0; i < n; i++)
		if (t >= of[i].from_ns && t <= of[i].to_ns)
			return true;
	return false;
}

bool breaker_bad_at(const struct breaker_bad *bad, uint64_t t)
{
	return holds(bad->of, bad->n, t);
}

bool breaker_out_at(const struct breaker_bad *bad, uint64_t t)
{
	return holds(bad->out, bad->out_n, t);
}

/* The bad time around one open: its first failure in a row to the last, before so many successes in a row. */
static struct breaker_span guess(const struct silence_input *in, const struct silence_gap *g)
{
	const struct silence_attempt *a = in->attempts;
	struct breaker_span s = {.from_ns = a[g->trip].start_ns, .to_ns = a[g->trip].end_ns};
	size_t first = g->before + 1, well = 0;

	for (; first > 0 && a[first - 1].failed; first--)
		s.from_ns = a[first - 1].start_ns < s.from_ns ? a[first - 1].start_ns : s.from_ns;
	for (size_t i = first; i < in->n && (i < g->after || well < WELL_AGAIN); i++) {
		well = a[i].failed ? 0 : well + 1;
		if (a[i].failed && a[i].end_ns > s.to_ns)
			s.to_ns = a[i].end_ns;
	}
	return s;
}

int breaker_bad_guess(struct breaker_bad *bad, const struct silence_input *in, const struct silences *s)
{
	if (bad->faults || bad->n)
		return 0;
	free(bad->of);
	free(bad->out);
	bad->of = calloc(s->count + 1, sizeof(*bad->of));
	bad->out = calloc(s->count + 1, sizeof(*bad->out));
	if (!bad->of || !bad->out)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		if (!i || s->gaps[i].fresh)
			bad->of[bad->n++] = guess(in, &s->gaps[i]);
	bad->n = join(bad->of, bad->n);
	memcpy(bad->out, bad->of, bad->n * sizeof(*bad->of));
	bad->out_n = bad->n;
	return 0;
}

void breaker_bad_free(struct breaker_bad *bad)
{
	free(bad->of);
	free(bad->out);
	*bad = (struct breaker_bad){0};
}
