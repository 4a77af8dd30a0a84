/* SPDX-License-Identifier: MIT */
/*
 * The requests of an edge or a destination that failed at first. Tangled: which attempt is whose request's is a guess, and a number is only said
 * where all requests have it.
 */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include "analyzer/infer/period.h"
#include "analyzer/read/spill.h"
#include "base/hash.h"

/* ---- which requests ---- */

static bool concerns(const struct retries *r, const struct link_logical *q)
{
	return measure_counts(r->m, q->started_ns) && link_failed_first(q, &r->m->r->model);
}

/* The attempts of a request that begins with this logical request. */
static struct chains_span attempts_of(const struct retries *r, uint32_t logical)
{
	return chains_of(r->destination == MODEL_NONE ? &r->m->chains.by_logical : &r->m->chains.by_whole, logical);
}

/* Calls back with each request that failed at first. */
static int each_failed(struct retries *r, int (*take)(struct retries *, const struct link_logical *, struct chains_span, void *), void *more)
{
	int err = 0;

	for (size_t i = 0; i < r->asked.n && !err; i++) {
		const struct link_logical *q = &r->m->link.logicals[r->asked.members[i]];

		if (concerns(r, q))
			err = take(r, q, attempts_of(r, r->asked.members[i]), more);
	}
	return err;
}

struct runs_of_waits {
	double *ms;
	size_t *begins;
	size_t n, runs;
};

static int add_run(struct retries *r, const struct link_logical *q, struct chains_span span, void *more)
{
	const struct model_exchange *x = r->m->r->model.exchanges;
	struct runs_of_waits *w = more;

	if (q->tier != LINK_TEMPORAL || span.n < 2)
		return 0;
	for (size_t i = 1; i < span.n; i++)
		w->ms[w->n++] = retry_gap_ms(r, &x[span.members[i - 1]], &x[span.members[i]]);
	w->begins[++w->runs] = w->n;
	return 0;
}

/* *period: attempts of each request where a loop sends them one behind the other; 0 no loop is seen. */
static int find_period(struct retries *r, unsigned *period)
{
	struct runs_of_waits w = {spill_realloc(NULL, (r->all.n + 1) * sizeof(*w.ms)), spill_realloc(NULL, (r->all.n + 2) * sizeof(*w.begins)), 0, 0};
	int err = w.ms && w.begins ? 0 : -ENOMEM;

	if (!err) {
		w.begins[0] = 0;
		err = each_failed(r, add_run, &w);
	}
	if (!err)
		*period = period_find(&(struct period_waits){w.ms, w.begins, w.runs});
	spill_free(w.ms);
	spill_free(w.begins);
	return err;
}

static void settle_request(struct retries *r, struct retry_request *q)
{
	for (uint32_t i = 1; i < q->n; i++) {
		const struct model_exchange *x = retry_attempt(r, q, i - 1), *y = retry_attempt(r, q, i);

		q->hops = q->hops || (i > 1 && x->tid != y->tid && y->tid != retry_attempt(r, q, 0)->tid && x->tid != retry_attempt(r, q, 0)->tid);
		q->hedged = q->hedged || !model_failed_before(x, y);
		q->asked = q->asked || x->retry_after_ms > 0;
	}
}

/* How many of n attempts are one request's, where a loop sends `period` for each. */
static size_t together(const struct link_logical *l, size_t n, size_t period)
{
	return l->tier == LINK_TEMPORAL && period && period < n ? period : n;
}

static int add_request(struct retries *r, const struct link_logical *l, struct chains_span span, void *more)
{
	for (size_t from = 0, n; from < span.n; from += n) {
		struct retry_request *q = &r->requests[r->count];

		n = together(l, span.n - from, *(unsigned *)more);
		if (!model_failed(&r->m->r->model.exchanges[span.members[from]]))
			continue;
		r->count++;
		*q = (struct retry_request){.begin = r->attempt_count};
		for (size_t i = 0; i < n; i++) {
			bool lost = i && r->m->r->model.exchanges[span.members[from + i]].lost;

			q->hedged |= lost;
			if (!lost)
				r->attempts[r->attempt_count++] = span.members[from + i];
		}
		q->n = (uint32_t)(r->attempt_count - q->begin);
	}
	return 0;
}

static int collect(struct retries *r)
{
	unsigned period = 0;
	int err = r->temporal && r->destination == MODEL_NONE ? find_period(r, &period) : 0;

	if (err)
		return err;
	r->attempts = spill_realloc(NULL, (r->all.n + 1) * sizeof(*r->attempts));
	r->requests = spill_realloc(NULL, (r->all.n + 1) * sizeof(*r->requests));
	if (!r->attempts || !r->requests)
		return -ENOMEM;
	err = each_failed(r, add_request, &period);
	if (!err && r->destination != MODEL_NONE)
		err = retry_rounds(r);
	for (size_t i = 0; i < r->count && !err; i++)
		settle_request(r, &r->requests[i]);
	return err;
}

/* ---- which of them can not be told apart ---- */

/* Whether one of its attempts may be another inbound request's (nest.h). */
static bool is_guessed(const struct retries *r, const struct retry_request *q)
{
	for (uint32_t i = 0; i < q->n; i++)
		if (retry_attempt(r, q, i)->guessed)
			return true;
	return false;
}

/* Who asks what, as far as link.h may tell one from another. */
static uint64_t caller_of(const struct retries *r, const struct retry_request *q)
{
	const struct model_exchange *x = retry_attempt(r, q, 0);
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &r->m->r->model.processes[x->process];
	bool known = x->parent != MODEL_NONE && !is_guessed(r, q);
	uint64_t who = known ? x->parent : !p || p->inbound || p->threadless || model_hops(p) ? MODEL_NONE : x->tid;

	return hash_mix(hash_mix(hash_mix((uint64_t)x->process << 32 | who) ^ x->target) ^ x->fingerprint);
}

static uint64_t last_start_ns(const struct retries *r, const struct retry_request *q)
{
	return retry_attempt(r, q, q->n - 1)->started_ns;
}

/* Requests are in order of start: each meets the one of its caller that goes on longest. */
static int find_tangled(struct retries *r)
{
	struct map longest = {0};	/* caller -> request */
	int err = 0;

	for (size_t i = 0; i < r->count && !err; i++) {
		struct retry_request *q = &r->requests[i];
		const struct model_exchange *x = retry_attempt(r, q, 0);
		uint64_t caller = caller_of(r, q);
		uint32_t before = x->correlation || x->idempotency_key ? MAP_NONE : map_get(&longest, caller);

		if (before != MAP_NONE && x->started_ns < last_start_ns(r, &r->requests[before]))
			r->requests[before].tangled = q->tangled = true;
		if (before == MAP_NONE || last_start_ns(r, q) > last_start_ns(r, &r->requests[before]))
			err = map_put(&longest, caller, (uint32_t)i);
	}
	map_free(&longest);
	return err;
}

int retry_collect(struct retries *r)
{
	int err = collect(r);

	return err ? err : find_tangled(r);
}
