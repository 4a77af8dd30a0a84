/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "analyzer/infer/retry.h"

#define ROOM_MS 15.0		/* busy clients are late */
#define ROOM_SHARE 0.05
#define FOLLOWED 64		/* attempts of a request that are looked for: waits behind them have no law of their own */

/* Which attempt of its request it is, from 0; FOLLOWED: a later one. */
static size_t ordinal(struct chains_span span, uint32_t attempt)
{
	size_t k = 0;

	while (k < span.n && k < FOLLOWED && span.members[k] != attempt)
		k++;
	return k < span.n ? k : FOLLOWED;
}

/* Whether a law fits the waits, be it one of several that do: jitter is measured, or found to be none, only then. */
static bool fits(const struct policy_retry *p)
{
	return (p->backoff != BACKOFF_UNKNOWN && p->backoff != BACKOFF_AMBIGUOUS) || p->jitter_low.known;
}

/* Whether it came when the answer to the one before had asked for it (Retry-After). */
static bool waits_as_asked(const struct model_exchange *before, const struct model_exchange *x)
{
	double asked = before->retry_after_ms, waited = model_ms(before->ended_ns, x->started_ns);

	return asked > 0 && waited >= asked - ROOM_MS && waited <= asked + fmax(ROOM_MS, ROOM_SHARE * asked);
}

bool retry_is_due(const struct measure *m, uint32_t attempt)
{
	const struct model_exchange *exchanges = m->r->model.exchanges, *x = &exchanges[attempt];
	const struct policy_retry *p = &m->r->edges[x->edge].retry;
	struct chains_span span = chains_of(&m->chains.by_logical, x->logical);
	size_t k = ordinal(span, attempt);
	const struct policy_gap *g = k && k <= p->gap_count ? &p->gaps[k - 1] : NULL;
	double waited;

	if (k && k < FOLLOWED && waits_as_asked(&exchanges[span.members[k - 1]], x))
		return true;
	if (!g || !fits(p) || isnan(g->fitted_low) || isnan(g->fitted_high))
		return false;
	waited = model_ms(exchanges[span.members[k - 1]].ended_ns, x->started_ns);
	return waited >= g->fitted_low - ROOM_MS && waited <= g->fitted_high + fmax(ROOM_MS, ROOM_SHARE * g->fitted_high);
}
