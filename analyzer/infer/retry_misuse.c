/* SPDX-License-Identifier: MIT */
/*
 * Retries that should not be made (RFC 9110, 9.2.2; RFC 9110, 15): of an answer that a repetition can not change, of a request that may have
 * had its effect, with another key than the attempt before.
 */
#include <errno.h>
#include "analyzer/infer/retry.h"
#include "base/hash.h"

static bool is_pointless(unsigned status)
{
	static const unsigned short statuses[] = {400, 401, 403, 404, 405, 410, 422, 501};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static void blame(struct policy_misuse *m, const struct model_exchange *retry)
{
	m->count++;
	if (!m->witness)
		m->witness = (uint64_t)retry->id;
}

struct names {
	uint32_t post, patch;
};

static void judge_retry(struct policy_retry *p, const struct names *n, const struct model_exchange *x, const struct model_exchange *y)
{
	bool unsafe = (y->method == n->post || y->method == n->patch) && !y->idempotency_key;

	if (is_pointless(x->status) && model_failed(x))
		blame(&p->pointless, y);
	if (unsafe && x->outcome == MODEL_INDETERMINATE)
		blame(&p->unsafe_indeterminate, y);
	if (unsafe && x->outcome == MODEL_FAILED && x->status >= 500)
		blame(&p->unsafe_failed, y);
	if (x->idempotency_key && y->idempotency_key && x->idempotency_key != y->idempotency_key)
		blame(&p->new_key, y);
}

/* ---- answers that are no failures of the peer, so that link.h does not join what follows them ---- */

struct repeats {	/* the same caller asks the same again */
	uint64_t after_ok, after_refusal, witness;
};

static uint64_t lane_of(const struct model_exchange *x)
{
	uint64_t caller = x->idempotency_key ? x->idempotency_key : x->correlation ? x->correlation :
			  x->parent != MODEL_NONE ? x->parent + 1ull : (uint64_t)x->process << 32 | x->tid;

	return hash_mix(hash_mix(hash_mix(caller) ^ x->target) ^ x->fingerprint);
}

static void weigh_repeat(struct repeats *n, const struct model_exchange *x, const struct model_exchange *y)
{
	if (model_failed(x) || !x->ended_ns || x->ended_ns > y->started_ns)
		return;
	n->after_ok += x->status < 400;
	if (!is_pointless(x->status) || (x->status == 401 && y->status != 401))	/* 401: once more with other credentials is right */
		return;
	n->after_refusal++;
	if (!n->witness)
		n->witness = (uint64_t)y->id;
}

/* Who never asks again after a success but does after a refusal, retries it; who does both, polls or loops. */
static int count_refused(struct retries *r)
{
	struct map last = {0};
	struct repeats n = {0};
	int err = 0;

	for (size_t i = 0; i < r->all.n && !err; i++) {
		const struct model_exchange *y = &r->m->r->model.exchanges[r->all.members[i]];
		uint32_t before;

		if (y->role != MODEL_CLIENT || model_headless(y) || !measure_counts(r->m, y->started_ns))
			continue;
		before = map_get(&last, lane_of(y));
		if (before != MAP_NONE)
			weigh_repeat(&n, &r->m->r->model.exchanges[before], y);
		err = map_put(&last, lane_of(y), r->all.members[i]);
	}
	map_free(&last);
	if (!err && n.after_refusal && !n.after_ok) {
		r->p->pointless.count += n.after_refusal;
		r->p->pointless.witness = r->p->pointless.witness ? r->p->pointless.witness : n.witness;
	}
	return err;
}

int retry_misuse(struct retries *r)
{
	const struct texts *t = &r->m->r->model.names;
	struct names n = {texts_find(t, "POST"), texts_find(t, "PATCH")};

	for (size_t i = 0; i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n; k++) {
			const struct model_exchange *x = retry_attempt(r, &r->requests[i], k - 1), *y = retry_attempt(r, &r->requests[i], k);

			if (model_failed_before(x, y))
				judge_retry(r->p, &n, x, y);
		}
	return count_refused(r);
}
