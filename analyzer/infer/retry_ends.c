/* SPDX-License-Identifier: MIT */
/*
 * Given up: the last attempt failed, and none followed, here or at another server, for longer than any wait seen, or the client exited; and its breaker
 * was not open when another was due.
 */
#include "analyzer/infer/retry.h"

#include <math.h>
#include "analyzer/infer/period.h"

/* When nothing more can come of this attempt's process. */
static uint64_t silence_ns(const struct retries *r, const struct model_exchange *x, bool *exited)
{
	const struct model *run = &r->m->r->model;
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &run->processes[x->process];

	*exited = p && p->ended_ns && p->exited;
	return p && p->ended_ns && p->ended_ns < run->ended_ns ? p->ended_ns : run->ended_ns;
}

/* The longest wait seen behind so many attempts; where none was, four times the one before. */
static double patience_ms(const struct retries *r, const struct retry_request *q, const double *longest)
{
	double last = q->n > 1 ? retry_gap_ms(r, retry_attempt(r, q, q->n - 2), retry_attempt(r, q, q->n - 1)) : 0;
	double seen = q->n <= PERIOD_MAX ? longest[q->n] : 0;

	return fmax(1.5 * (seen > 0 ? seen : 4 * last), 100) + (double)fmax(retry_attempt(r, q, q->n - 1)->retry_after_ms, 0);
}

/* Until when another attempt would have come: until its caller was answered; where that is not known, for the longest wait seen behind so many. */
static uint64_t due_by_ns(const struct retries *r, const struct retry_request *q, const double *longest)
{
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);
	uint64_t answered = last->parent == MODEL_NONE ? 0 : r->m->r->model.exchanges[last->parent].ended_ns;

	return answered ? answered : last->ended_ns + (uint64_t)((q->n <= PERIOD_MAX ? longest[q->n] : 0) * NS_PER_MS);
}

/* Whether a breaker that asks about attempts, as far as is known, was open when another was due. */
static bool is_kept_back(const struct retries *r, const struct retry_request *q, const double *longest)
{
	const struct policy_breaker *b = &r->m->r->edges[r->edge].breaker;
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);

	return policy_breaker_asks_attempts(b) && policy_breaker_was_open(b, last->process, last->ended_ns, due_by_ns(r, q, longest));
}

static enum retry_end end_of(const struct retries *r, struct retry_request *q, const double *longest)
{
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);
	bool exited;
	uint64_t silence = silence_ns(r, last, &exited);

	for (uint32_t i = 0; i < q->n; i++)
		if (!model_failed(retry_attempt(r, q, i)))
			return RETRY_OK;
	if (!last->ended_ns || last->lost || retry_went_on(r, q) || (q->kept_back = is_kept_back(r, q, longest)))
		return RETRY_UNSEEN;
	if (exited)
		return RETRY_GIVEN_UP;
	return silence > last->ended_ns && (double)(silence - last->ended_ns) / NS_PER_MS > patience_ms(r, q, longest) ? RETRY_GIVEN_UP :
														   RETRY_UNSEEN;
}

void retry_ends(struct retries *r)
{
	double longest[PERIOD_MAX + 1] = {0};	/* wait behind attempt k */

	for (size_t i = 0; i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n && k <= PERIOD_MAX; k++)
			longest[k] = fmax(longest[k],
					  retry_gap_ms(r, retry_attempt(r, &r->requests[i], k - 1), retry_attempt(r, &r->requests[i], k)));
	for (size_t i = 0; i < r->count; i++)
		r->requests[i].end = end_of(r, &r->requests[i], longest);
}
