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
	double last = q->n > 1 ? retry_wait_ms(r, q, q->n - 1) : 0;
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

/* Whether the breaker towards a server, which asks about attempts as far as is known or leaves it out, was open when another was due. */
static bool keeps_back(const struct retries *r, const struct policy_breaker *b, const struct retry_request *q, const double *longest)
{
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);
	bool asked = b->ejects ? b->confidence > CONFIDENCE_LOW : policy_breaker_asks_attempts(b);

	return asked && policy_breaker_was_open(b, last->process, last->ended_ns, due_by_ns(r, q, longest));
}

static bool was_tried(const struct retries *r, const struct retry_request *q, size_t edge)
{
	for (uint32_t i = 0; i < q->n; i++)
		if (retry_attempt(r, q, i)->edge == edge)
			return true;
	return false;
}

/* Of several servers those count that it had not tried. */
static bool is_kept_back(const struct retries *r, const struct retry_request *q, const double *longest)
{
	const struct result *x = r->m->r;
	const struct result_destination *d = r->destination == MODEL_NONE ? NULL : &x->destinations[r->destination];
	const struct policy_breaker *alone = &x->edges[r->edge].breaker;

	if (d && keeps_back(r, &d->breaker, q, longest))
		return true;
	for (size_t i = 0; d && i < d->edge_count; i++)
		if (keeps_back(r, &x->edges[d->edges[i]].breaker, q, longest) && !was_tried(r, q, d->edges[i]))
			return true;
	return !d && !alone->ejects && keeps_back(r, alone, q, longest);
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
			longest[k] = fmax(longest[k], retry_wait_ms(r, &r->requests[i], k));
	for (size_t i = 0; i < r->count; i++)
		r->requests[i].end = end_of(r, &r->requests[i], longest);
}
