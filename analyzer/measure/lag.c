/* SPDX-License-Identifier: MIT */
/*
 * What a recovery waited for after the fault had cleared, in stretches that follow one another and add up to the lag: breakers that were still
 * open, then the longest backoff that was still waiting, then attempts that still took longer than they ever should (twice the 95th percentile of
 * the baseline), then the rest.
 */
#include <math.h>
#include "analyzer/measure/recovery.h"

#define LOOK_BACK_NS (600 * NS_PER_S)	/* requests that began before that are not waiting any more */
#define SAMPLES_MAX 100000
#define SLOW 2.0

static double since_clear(const struct felt *f, uint64_t at_ns)
{
	return model_ms(f->episode->to_ns, at_ns);
}

/* How long demands were shed after the fault, as the breakers' shapes tell. */
static double breaker_ms(const struct felt *f)
{
	double longest = 0;

	for (size_t e = 0; e < f->m->r->edge_count; e++) {
		const struct policy_breaker *b = result_breaker_of(f->m->r, &f->m->r->edges[e]);

		if (f->struck[e] && b->known && b->opens && b->recovery_tax_ms > longest)	/* false for NAN */
			longest = b->recovery_tax_ms;
	}
	return longest;
}

/* How much of a wait between two attempts of one request was left when the fault cleared, at most. */
static double backoff_ms(const struct felt *f)
{
	const struct model *run = &f->m->r->model;
	uint64_t clear = f->episode->to_ns, from = clear > LOOK_BACK_NS ? clear - LOOK_BACK_NS : 0;
	double longest = 0;

	for (size_t i = model_first_from(run, from); i < run->exchange_count && run->exchanges[i].started_ns <= clear; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		struct chains_span chain;

		if (x->edge == MODEL_NONE || !x->ended_ns || x->ended_ns > clear)
			continue;
		chain = measure_attempts(f->m, x->logical);
		for (size_t k = 0; k + 1 < chain.n; k++)
			if (chain.members[k] == i && run->exchanges[chain.members[k + 1]].started_ns > clear)
				longest = fmax(longest, since_clear(f, run->exchanges[chain.members[k + 1]].started_ns));
	}
	return longest;
}

/* The 95th percentile of how long attempts at the struck service took in the baseline; NAN without one, and without memory. */
static double usual_ms(struct felt *f)
{
	const struct measure *m = f->m;
	struct samples s = {0};

	for (size_t i = 0; i < m->r->model.exchange_count && s.n < SAMPLES_MAX && f->usual_ms == 0; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[i];

		if (x->edge == MODEL_NONE || !f->struck[x->edge] || !x->ended_ns || !felt_calm(f, x->started_ns))
			continue;
		if (samples_add(&s, model_took_ms(x)))
			break;
	}
	samples_sort(&s);
	if (f->usual_ms == 0)
		f->usual_ms = samples_percentile(&s, 0.95);
	samples_free(&s);
	return f->usual_ms;
}

/* When the last slow attempt that began before the recovery ended. */
static double drain_ms(struct felt *f, uint64_t well_ns)
{
	const struct model *run = &f->m->r->model;
	uint64_t clear = f->episode->to_ns, from = clear > LOOK_BACK_NS ? clear - LOOK_BACK_NS : 0;
	double usual = usual_ms(f), last = 0;

	for (size_t i = model_first_from(run, from); !isnan(usual) && i < run->exchange_count && run->exchanges[i].started_ns < well_ns; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (x->edge != MODEL_NONE && f->struck[x->edge] && x->ended_ns && model_took_ms(x) > SLOW * usual)
			last = fmax(last, since_clear(f, x->ended_ns));
	}
	return last;
}

/* The part of a stretch that ends then and lies behind *passed. */
static double stretch(double end_ms, double lag_ms, double *passed)
{
	double end = fmin(end_ms, lag_ms), part = end > *passed ? end - *passed : 0;

	*passed += part;
	return part;
}

void lag_explain(struct felt *f, uint64_t well_ns, struct result_recovery *r)
{
	double passed = 0;

	r->lag_breaker_ms = stretch(breaker_ms(f), r->recovery_lag_ms, &passed);
	r->lag_backoff_ms = stretch(backoff_ms(f), r->recovery_lag_ms, &passed);
	r->lag_drain_ms = stretch(drain_ms(f, well_ns), r->recovery_lag_ms, &passed);
	r->lag_rest_ms = r->recovery_lag_ms - passed;
}
