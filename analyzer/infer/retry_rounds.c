/* SPDX-License-Identifier: MIT */
/*
 * Rounds: a client that knows several addresses of a server (localhost is ::1 and 127.0.0.1) tries the next at once when a connect fails, and takes
 * that for one attempt: it waits when all have failed, and then tries all again.
 *
 *   a round    attempts at servers that differ, each at most 20 ms behind a connect that failed
 *   rounds     two or more of a request, with waits between them, at the servers of the first, all that failed of one length, 2 or more; ten such
 *              requests for each that waited otherwise: who goes from server to server in turn, and waits now and then, does
 */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include "analyzer/read/spill.h"

#define SHARE 10

static bool goes_on(const struct model_exchange *x, const struct model_exchange *y)
{
	return model_headless(x) && y->started_ns - x->ended_ns <= HOPS_AT_ONCE_NS;
}

/* How many attempts the round has that begins with attempt i. */
static uint32_t length(const struct retries *r, const struct retry_request *q, uint32_t i)
{
	uint32_t n = 1;

	while (i + n < q->n && goes_on(retry_attempt(r, q, i + n - 1), retry_attempt(r, q, i + n))) {
		for (uint32_t k = i; k < i + n; k++)
			if (retry_attempt(r, q, k)->edge == retry_attempt(r, q, i + n)->edge)
				return n;
		n++;
	}
	return n;
}

struct rounds {
	size_t requests, others;	/* that are made of rounds; of waits that are not between rounds */
	uint32_t servers;		/* in a round, of the latest of them */
};

/* Whether it failed though another server was left, or the next attempt did not wait. */
static bool breaks(const struct retries *r, const struct retry_request *q, uint32_t i, uint32_t n, uint32_t first)
{
	const struct model_exchange *last = retry_attempt(r, q, i + n - 1);

	return (n != first && model_failed(last)) || (i + n < q->n && goes_on(last, retry_attempt(r, q, i + n)));
}

/* Whether the first round asked the server of attempt i. Else it is one more server, and the wait before it a pause on the way there. */
static bool is_known(const struct retries *r, const struct retry_request *q, uint32_t i, uint32_t first)
{
	for (uint32_t k = 0; k < first; k++)
		if (retry_attempt(r, q, k)->edge == retry_attempt(r, q, i)->edge)
			return true;
	return false;
}

static void weigh(const struct retries *r, const struct retry_request *q, struct rounds *of)
{
	uint32_t first = length(r, q, 0), full = 0;
	bool broken = first < 2;

	if (first == q->n)	/* no wait: it does not tell */
		return;
	for (uint32_t i = 0, n; i < q->n; i += n) {
		n = length(r, q, i);
		full += n == first;
		broken = broken || breaks(r, q, i, n, first) || !is_known(r, q, i, first);
	}
	of->others += broken;
	if (!broken && full > 1) {
		of->requests++;
		of->servers = first;
	}
}

/* Each round becomes one attempt, in place; a request whose first succeeded did not fail at first. */
static void fold(struct retries *r)
{
	size_t count = 0, attempts = 0;

	for (size_t k = 0; k < r->count; k++) {
		struct retry_request q = r->requests[k], *to = &r->requests[count];
		size_t begin = attempts;

		for (uint32_t i = 0, n; i < q.n; i += n) {
			uint32_t first = r->attempts[q.begin + i];

			n = length(r, &q, i);
			for (uint32_t j = 0; j + 1 < n; j++)
				r->hidden[r->hidden_count++] = r->attempts[q.begin + i + j];
			r->begins[attempts] = first;
			r->attempts[attempts++] = r->attempts[q.begin + i + n - 1];
		}
		if (!model_failed(&r->m->r->model.exchanges[r->attempts[begin]])) {
			attempts = begin;
			continue;
		}
		*to = (struct retry_request){.begin = begin, .n = (uint32_t)(attempts - begin)};
		count++;
	}
	r->count = count;
	r->attempt_count = attempts;
}

int retry_rounds(struct retries *r)
{
	struct rounds of = {0};

	for (size_t i = 0; i < r->count; i++)
		weigh(r, &r->requests[i], &of);
	if (!of.requests || of.others * SHARE > of.requests)
		return 0;
	r->begins = spill_realloc(NULL, (r->attempt_count + 1) * sizeof(*r->begins));
	r->hidden = spill_realloc(NULL, (r->attempt_count + 1) * sizeof(*r->hidden));
	if (!r->begins || !r->hidden)
		return -ENOMEM;
	fold(r);
	retry_sort(r->hidden, r->hidden_count);
	r->p->servers = of.servers;
	return 0;
}
