/* SPDX-License-Identifier: MIT */
/*
 * How long is waited before a retry: as the peer asked (Retry-After), else as the client's own policy has it (backoff.h).
 *
 *   kept      the wait was as long as asked, less 50 ms; 1 s where the answer named a date, which has whole seconds only
 *   capped    what was not kept was all the same wait, and not the client's own
 *   ignored   else, unless nine in ten were kept
 *
 * Waits that were asked for say nothing of the policy, and so nothing of their requests does, unless what was asked for is ignored; nor does
 * the last wait of a request that a deadline ended, which may have been cut. Where the waits of all requests have no one policy, those of each
 * process and of each kind of request are looked at alone: if they have one each, that is said. Waits as short as the client's own step from request to
 * request (rhythm.h) are not among them: where there are as many as just above, those left are of no law that can be told.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/backoff.h"
#include "analyzer/infer/retry.h"
#include "analyzer/read/samples.h"
#include "analyzer/read/spill.h"
#include "analyzer/stats/stats.h"

#define KEPT_ROOM_MS 50.0
#define KEPT_ROOM_DATE_MS 1000.0
#define KEPT_SHARE 0.9
#define GROUP_MIN 3		/* requests that show a policy of their own */
#define GROUPS_MAX 16
#define CUT_MS 5.0		/* a request that took the deadline, less this, was ended by it */
#define REQUESTS_MAX 50000	/* of more, one in so many is looked at: they do not tell more */
#define LOOP_MIN 6		/* attempts: more may be the requests of a loop */
#define HIDDEN_SHARE 0.03	/* of waits: so many may be missing */
#define LATENESS_MIN 5		/* injected delays that tell how late timers are */

/* ---- what timers are late by ---- */

static double lateness_ms(const struct model *run)
{
	struct samples late = {0};
	double ms = BACKOFF_LATENESS_MS;

	for (size_t i = 0; i < run->injection_count && late.n < 10000; i++) {
		const struct model_injection *j = &run->injections[i];

		if (j->intended_ns > 0 && j->achieved_ns >= j->intended_ns)
			(void)samples_add(&late, (double)(j->achieved_ns - j->intended_ns) / NS_PER_MS);
	}
	samples_sort(&late);
	if (late.n >= LATENESS_MIN)
		ms = fmax(samples_percentile(&late, 0.5), 0.2);
	samples_free(&late);
	return fmin(ms, 10);
}

/* ---- Retry-After ---- */

struct asked {
	struct samples broken;		/* waits that were shorter than asked for */
	struct samples own[8];		/* waits that nothing asked for, by number; the last holds all further ones */
	uint64_t like_own;		/* of the broken */
};

static bool keeps(double asked_ms, double waited_ms)
{
	return waited_ms >= asked_ms - (fmod(asked_ms, 1000) == 0 ? KEPT_ROOM_MS : KEPT_ROOM_DATE_MS);
}

static size_t number(uint32_t k)
{
	return k < 8 ? k - 1 : 7;
}

static int sort_waits(struct retries *r, const struct retry_request *q, struct asked *a)
{
	for (uint32_t k = 1; k < q->n; k++) {
		const struct model_exchange *x = retry_attempt(r, q, k - 1);
		double waited = retry_wait_ms(r, q, k);
		bool kept = keeps(x->retry_after_ms, waited);

		if (!model_failed_before(x, retry_attempt(r, q, k)))
			continue;
		r->p->retry_after_seen += x->retry_after_ms > 0;
		r->p->retry_after_kept += x->retry_after_ms > 0 && kept;
		if (x->retry_after_ms > 0 && !kept && !r->p->retry_after_witness)
			r->p->retry_after_witness = (uint64_t)retry_attempt(r, q, k)->id;
		if (x->retry_after_ms <= 0 ? samples_add(&a->own[number(k)], waited) : !kept && samples_add(&a->broken, waited))
			return -ENOMEM;
	}
	return 0;
}

static void count_like_own(struct retries *r, const struct retry_request *q, struct asked *a)
{
	for (uint32_t k = 1; k < q->n; k++) {
		const struct model_exchange *x = retry_attempt(r, q, k - 1);
		double waited = retry_wait_ms(r, q, k);
		const struct samples *own = &a->own[number(k)];

		if (x->retry_after_ms <= 0 || keeps(x->retry_after_ms, waited))
			continue;
		a->like_own += own->n && waited >= samples_percentile(own, 0.05) * 0.9 - 20 && waited <= samples_percentile(own, 0.95) * 1.1 + 20;
	}
}

static void name_retry_after(struct policy_retry *p, const struct asked *a)
{
	double spread = samples_percentile(&a->broken, 0.95) - samples_percentile(&a->broken, 0.05), middle = samples_percentile(&a->broken, 0.5);
	bool own_seen = false;

	for (int i = 0; i < 8; i++)
		own_seen = own_seen || a->own[i].n;
	if (!p->retry_after_seen)
		p->retry_after = RETRY_AFTER_NONE_SEEN;
	else if ((double)p->retry_after_kept >= KEPT_SHARE * (double)p->retry_after_seen)
		p->retry_after = RETRY_AFTER_HONOURED;
	else if (a->like_own * 2 < a->broken.n && (own_seen || p->retry_after_kept) && a->broken.n > 1 &&
		 spread <= fmax(KEPT_ROOM_MS, 0.05 * middle) && middle > KEPT_ROOM_MS)
		p->retry_after = RETRY_AFTER_CAPPED;
	else
		p->retry_after = RETRY_AFTER_IGNORED;
	if (p->retry_after == RETRY_AFTER_CAPPED)
		p->retry_after_cap_ms = middle;
}

static int judge_retry_after(struct retries *r)
{
	struct asked a = {0};
	int err = 0;

	for (size_t i = 0; i < r->count && !err; i++)
		err = sort_waits(r, &r->requests[i], &a);
	samples_sort(&a.broken);
	for (int i = 0; i < 8; i++)
		samples_sort(&a.own[i]);
	for (size_t i = 0; i < r->count && !err; i++)
		count_like_own(r, &r->requests[i], &a);
	if (!err)
		name_retry_after(r->p, &a);
	samples_free(&a.broken);
	for (int i = 0; i < 8; i++)
		samples_free(&a.own[i]);
	return err;
}

/* ---- waits of the client's own ---- */

struct own {		/* of the requests that show the policy */
	double *ms;
	size_t *begins;
	uint64_t *process, *kind;	/* of each request */
	size_t requests, n, tangled, hopping;
};

static void own_free(struct own *o)
{
	spill_free(o->ms);
	spill_free(o->begins);
	spill_free(o->process);
	spill_free(o->kind);
}

static bool shows_policy(const struct retries *r, const struct retry_request *q)
{
	return q->n > 1 && !q->hedged && (!q->asked || r->p->retry_after == RETRY_AFTER_IGNORED);
}

static int gather(const struct retries *r, struct own *o)
{
	*o = (struct own){spill_realloc(NULL, (r->attempt_count + 1) * sizeof(*o->ms)), spill_calloc(r->count + 2, sizeof(*o->begins)),
			  spill_realloc(NULL, (r->count + 1) * sizeof(*o->process)), spill_realloc(NULL, (r->count + 1) * sizeof(*o->kind)), 0, 0, 0, 0};
	size_t stride = r->count / REQUESTS_MAX + 1;
	struct stats_random lot = {r->count};

	if (!o->ms || !o->begins || !o->process || !o->kind)
		return -ENOMEM;
	for (size_t block = 0; block < r->count; block += stride) {
		size_t i = block + (size_t)(stats_uniform(&lot) * (double)stride);
		const struct retry_request *q = &r->requests[i < r->count ? i : r->count - 1];
		uint32_t n = q->n - (retry_took_ms(r, q) >= r->p->deadline_ms - CUT_MS);

		if (!shows_policy(r, q) || n < 2)
			continue;
		for (uint32_t k = 1; k < n; k++)
			o->ms[o->n++] = retry_wait_ms(r, q, k);
		o->tangled += q->tangled;
		o->hopping += q->hops;
		o->process[o->requests] = retry_attempt(r, q, 0)->process;
		o->kind[o->requests] = retry_attempt(r, q, 0)->target;
		o->begins[++o->requests] = o->n;
	}
	return 0;
}

/* ---- several policies ---- */

struct group {
	uint64_t key;
	size_t requests;
	struct policy_retry policy;
};

/* The groups of at least GROUP_MIN requests; more than GROUPS_MAX are as good as those. */
static size_t find_groups(const struct own *o, const uint64_t *keys, struct group *groups)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < o->requests; i++) {
		size_t g = 0;

		while (g < n && groups[g].key != keys[i])
			g++;
		if (g == n && n == GROUPS_MAX)
			continue;
		if (g == n)
			groups[n++] = (struct group){.key = keys[i]};
		groups[g].requests++;
	}
	for (size_t g = 0; g < n; g++)
		if (groups[g].requests >= GROUP_MIN)
			groups[kept++] = groups[g];
	return kept;
}

static int infer_group(const struct own *o, const uint64_t *keys, struct group *g, double late)
{
	struct own part = {spill_realloc(NULL, (o->n + 1) * sizeof(*part.ms)), spill_calloc(o->requests + 2, sizeof(*part.begins)), NULL, NULL, 0, 0, 0, 0};
	int err = part.ms && part.begins ? 0 : -ENOMEM;

	for (size_t i = 0; i < o->requests && !err; i++) {
		if (keys[i] != g->key)
			continue;
		for (size_t k = o->begins[i]; k < o->begins[i + 1]; k++)
			part.ms[part.n++] = o->ms[k];
		part.begins[++part.requests] = part.n;
	}
	if (!err)
		err = backoff_infer(&g->policy, &(struct backoff_waits){part.ms, part.begins, part.requests}, late);
	own_free(&part);
	return err;
}

static bool is_named(const struct policy_retry *p)
{
	return p->backoff != BACKOFF_AMBIGUOUS && p->backoff != BACKOFF_UNKNOWN;
}

static bool same_policy(const struct policy_retry *a, const struct policy_retry *b)
{
	bool same_base = isnan(a->base_ms) || isnan(b->base_ms) || fabs(a->base_ms - b->base_ms) <= fmax(5, 0.15 * fmax(a->base_ms, b->base_ms));

	return a->backoff == b->backoff && a->skip_first == b->skip_first && same_base;
}

/* Whether groups have policies of their own that differ: then those are the candidates. */
static bool take_groups(struct policy_retry *p, const struct group *groups, size_t n)
{
	bool differ = false;

	for (size_t i = 0; i < n; i++)
		if (!is_named(&groups[i].policy))
			return false;
	for (size_t i = 1; i < n; i++)
		differ = differ || !same_policy(&groups[0].policy, &groups[i].policy);
	if (!differ)
		return false;
	p->candidate_count = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned c = 0;

		while (c < p->candidate_count && p->candidates[c].family != groups[i].policy.backoff)
			c++;
		if (c == p->candidate_count && c < POLICY_CANDIDATES)
			p->candidates[p->candidate_count++] =
				(struct policy_candidate){groups[i].policy.backoff, groups[i].policy.multiplier};
	}
	p->mixed = true;
	p->backoff = BACKOFF_AMBIGUOUS;
	p->confidence = CONFIDENCE_LOW;
	p->base_ms = p->multiplier = p->step_ms = p->cap_ms = p->added_ms = p->base_low_ms = p->base_high_ms = NAN;
	p->jitter_low = metric_unknown("several policies");
	p->jitter_name_count = 0;
	for (size_t k = 0; k < p->gap_count; k++)
		p->gaps[k].fitted_low = p->gaps[k].fitted_high = NAN;
	return true;
}

/* 1 it was told apart by these keys, 0 it was not, -ENOMEM. */
static int split_by(struct retries *r, const struct own *o, const uint64_t *keys, double late)
{
	struct group *groups = calloc(GROUPS_MAX, sizeof(*groups));
	size_t n = groups ? find_groups(o, keys, groups) : 0;
	int err = groups ? 0 : -ENOMEM;

	for (size_t g = 0; g < n && n > 1 && !err; g++)
		err = infer_group(o, keys, &groups[g], late);
	if (!err && n > 1)
		err = take_groups(r->p, groups, n);
	for (size_t g = 0; g < n; g++)
		policy_retry_free(&groups[g].policy);
	free(groups);
	return err;
}

/*
 * Where requests are tangled, a retry may have been given to another request than its own: waits without jitter are what they are
 * nonetheless, others tell nothing of their law. Attempts that follow at once from thread to thread may be first attempts of many requests.
 */
static void doubt(const struct retries *r, const struct own *o)
{
	struct policy_retry *p = r->p;
	bool unsure = p->backoff == BACKOFF_NONE && r->temporal && o->hopping * 2 > o->requests;

	p->tangled = o->tangled * 10 > o->requests || unsure;
	if (!p->tangled || !is_named(p))
		return;
	if (!unsure && (p->backoff == BACKOFF_NONE || (p->jitter_low.known && p->jitter_low.value == 1))) {
		p->confidence = p->confidence == CONFIDENCE_HIGH ? CONFIDENCE_MEDIUM : p->confidence;
		return;
	}
	p->candidates[0] = (struct policy_candidate){p->backoff, p->multiplier};
	p->candidate_count = 1;
	p->backoff = BACKOFF_AMBIGUOUS;
	p->confidence = CONFIDENCE_LOW;
	p->jitter_low = metric_unknown("requests overlap");
	p->jitter_name_count = 0;
}

/* How many waits are hidden by what is taken for the next request: as many as are in as wide a range above it. */
static bool hides(const struct retries *r, const struct own *o, uint32_t edge)
{
	const struct rhythm_blind *b = &r->m->link.blind[edge];
	size_t above = 0;

	for (size_t i = 0; i < o->n; i++)
		above += o->ms[i] > b->high_ms && o->ms[i] <= 2 * b->high_ms - b->low_ms;
	return above > 1 && (double)above > HIDDEN_SHARE * (double)o->n;
}

/* A jitter of which a part is hidden, and whose requests are cut there, is of any law. */
static void doubt_hidden(const struct retries *r, const struct own *o)
{
	static const enum policy_backoff laws[] = {BACKOFF_EXPONENTIAL, BACKOFF_LINEAR, BACKOFF_FIXED};
	const struct result_destination *d = r->destination == MODEL_NONE ? NULL : &r->m->r->destinations[r->destination];
	struct policy_retry *p = r->p;
	bool hidden = d ? false : hides(r, o, r->edge);

	for (size_t i = 0; d && i < d->edge_count; i++)
		hidden = hidden || hides(r, o, (uint32_t)d->edges[i]);
	if (!hidden || !r->temporal || p->backoff == BACKOFF_NONE || (p->jitter_low.known && p->jitter_low.value == 1))
		return;
	p->candidate_count = 0;
	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++)
		p->candidates[p->candidate_count++] = (struct policy_candidate){laws[i], NAN};
	if (p->backoff == BACKOFF_DECORRELATED || p->backoff == BACKOFF_DECORRELATED_V2 || p->backoff == BACKOFF_ADDITIVE)
		p->candidates[p->candidate_count++] = (struct policy_candidate){p->backoff, NAN};
	p->backoff = BACKOFF_AMBIGUOUS;
	p->confidence = CONFIDENCE_LOW;
	p->base_ms = p->base_low_ms = p->base_high_ms = p->multiplier = p->step_ms = p->cap_ms = p->added_ms = NAN;
	p->jitter_low = metric_unknown("short waits are not seen");
	p->jitter_name_count = 0;
}

/*
 * Many attempts that all failed, at once or after the same wait, and that time alone joined: a loop whose callers make as many requests each looks
 * like that too.
 */
static void doubt_loops(const struct retries *r)
{
	struct policy_retry *p = r->p;
	bool alike = p->backoff == BACKOFF_NONE || p->backoff == BACKOFF_FIXED;

	if (r->temporal && alike && p->max_attempts > LOOP_MIN && p->confidence == CONFIDENCE_HIGH && !r->whole->succeeded)
		p->confidence = CONFIDENCE_MEDIUM;
}

static int infer(struct retries *r, const struct own *o)
{
	double late = lateness_ms(&r->m->r->model);
	int err = backoff_infer(r->p, &(struct backoff_waits){o->ms, o->begins, o->requests}, late);

	if (!err && r->p->confidence != CONFIDENCE_HIGH)
		err = split_by(r, o, o->process, late);
	if (!err && r->p->confidence != CONFIDENCE_HIGH)
		err = split_by(r, o, o->kind, late);
	if (err >= 0) {
		doubt(r, o);
		doubt_hidden(r, o);
		doubt_loops(r);
	}
	return err < 0 ? err : 0;
}

int retry_waits(struct retries *r)
{
	struct own o = {0};
	int err = judge_retry_after(r);

	if (!err)
		err = gather(r, &o);
	if (!err)
		err = infer(r, &o);
	own_free(&o);
	return err;
}
