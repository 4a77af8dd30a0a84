/* SPDX-License-Identifier: MIT */
/*
 * How many attempts a client makes and when it gives up.
 *
 *   max_attempts   the most frequent length of requests that were given up; other numbers have a share of at most 3/n when all n agree
 *   given up       the last attempt failed, and none followed for longer than any wait seen, or the client exited
 *   deadline       requests that were given up agree in how long they took, not in their number of attempts; to the millisecond, or far
 *                  better than their waits would let them
 *   budget         while everything fails, requests get shorter: tokens drain
 *   tangled        which attempt is whose request's is a guess, and a number is only said where all requests have it
 *   excess failure failures beyond those of independent attempts: p from A = (1 - p^m) / (1 - p), then (1 - success) - p^m
 */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/period.h"
#include "analyzer/read/samples.h"
#include "analyzer/read/spill.h"
#include "base/hash.h"

#define POLL_MIN 3		/* calls after a success that show a pace */
#define POLL_SAME 0.1
#define UNBOUNDED_MIN 10	/* attempts of one request without an end */
#define MODE_SHARE 0.7		/* of requests given up that must agree */
#define DEADLINE_MIN 5
#define DEADLINE_SHARE 0.25	/* of requests given up */
#define DEADLINE_TIGHT 0.15	/* variance of the time that requests took, against that of their waits */
#define DEADLINE_MANY 10
#define DEADLINE_EDGE 0.05	/* requests below what is taken for it: it began before their first attempt */
#define BUDGET_MIN 24
#define EXCESS_MIN 10
#define AT_ONCE_NS (5 * NS_PER_MS)	/* a connection whose request follows so soon was opened for it; pools open them ahead too */

/* When a connection was opened for this attempt: it is the first on it, and did not wait for it. 0: that was not so. */
static uint64_t opened_for(const struct model *run, const struct model_exchange *x)
{
	const struct model_connection *c = x->connection == MODEL_NONE ? NULL : &run->connections[x->connection];

	if (!c || c->first != (uint32_t)(x - run->exchanges) || c->connected_ns < c->opened_ns || c->connected_ns > x->started_ns)
		return 0;
	return x->started_ns - c->connected_ns <= AT_ONCE_NS ? c->opened_ns : 0;
}

double retry_gap_ms(const struct retries *r, const struct model_exchange *x, const struct model_exchange *y)
{
	uint64_t opened = opened_for(&r->m->r->model, y), start = opened > x->ended_ns ? opened : y->started_ns;

	return x->ended_ns && start > x->ended_ns ? (double)(start - x->ended_ns) / NS_PER_MS : 0;
}

/* ---- polling ---- */

struct pace {
	struct samples after_ok, after_failure, period_ok, period_failure;
};

static uint64_t lane_of(const struct model_exchange *x)
{
	return hash_mix(hash_mix(hash_mix((uint64_t)x->process << 32 | x->tid) ^ x->target) ^ x->fingerprint);
}

static int add_follower(struct pace *p, const struct model_exchange *x, const struct model_exchange *y)
{
	bool good = x->outcome == MODEL_OK;
	double gap = (double)(y->started_ns - x->ended_ns) / NS_PER_MS, period = (double)(y->started_ns - x->started_ns) / NS_PER_MS;

	if (!x->ended_ns || y->started_ns < x->ended_ns)
		return 0;
	return samples_add(good ? &p->after_ok : &p->after_failure, gap) ||
			       samples_add(good ? &p->period_ok : &p->period_failure, period) ?
		       -ENOMEM : 0;
}

/* How soon the same thread asks the same again, after a success and after a failure. */
static int measure_pace(struct retries *r, struct pace *p)
{
	struct chains_span span = chains_of(&r->m->chains.by_edge, r->edge);
	struct map last = {0};
	int err = 0;

	for (size_t i = 0; i < span.n && !err; i++) {
		const struct model_exchange *y = &r->m->r->model.exchanges[span.members[i]];
		uint32_t before;

		if (y->role != MODEL_CLIENT || model_headless(y))
			continue;
		before = map_get(&last, lane_of(y));
		if (before != MAP_NONE)
			err = add_follower(p, &r->m->r->model.exchanges[before], y);
		if (!err)
			err = map_put(&last, lane_of(y), span.members[i]);
	}
	map_free(&last);
	return err;
}

static bool same_pace(struct samples *a, struct samples *b)
{
	double x, y;

	samples_sort(a);
	samples_sort(b);
	x = samples_percentile(a, 0.5);
	y = samples_percentile(b, 0.5);
	return fabs(x - y) <= fmax(3, POLL_SAME * fmin(x, y)) &&
	       samples_percentile(b, 0.9) - samples_percentile(b, 0.1) <= fmax(6, POLL_SAME * 3 * y);
}

/* 1 it polls, 0 it does not or nothing tells, -ENOMEM. */
static int polls(struct retries *r)
{
	struct pace p = {0};
	int err = measure_pace(r, &p), found = 0;

	if (!err && p.after_ok.n >= POLL_MIN && p.after_failure.n)
		found = same_pace(&p.after_ok, &p.after_failure) || same_pace(&p.period_ok, &p.period_failure);
	samples_free(&p.after_ok);
	samples_free(&p.after_failure);
	samples_free(&p.period_ok);
	samples_free(&p.period_failure);
	return err ? err : found;
}

/* ---- which requests ---- */

static bool concerns(const struct retries *r, const struct link_logical *q)
{
	return measure_counts(r->m, q->started_ns) && model_failed(&r->m->r->model.exchanges[q->first]);
}

/* Calls back with each logical request of the edge that failed at first. */
static int each_failed(struct retries *r, int (*take)(struct retries *, const struct link_logical *, struct chains_span, void *), void *more)
{
	struct chains_span requests = chains_of(&r->m->chains.requests, r->edge);
	int err = 0;

	for (size_t i = 0; i < requests.n && !err; i++) {
		const struct link_logical *q = &r->m->link.logicals[requests.members[i]];

		if (concerns(r, q))
			err = take(r, q, chains_of(&r->m->chains.by_logical, requests.members[i]), more);
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
	struct chains_span attempts = chains_of(&r->m->chains.by_edge, r->edge);
	struct runs_of_waits w = {spill_realloc(NULL, (attempts.n + 1) * sizeof(*w.ms)), spill_realloc(NULL, (attempts.n + 2) * sizeof(*w.begins)), 0, 0};
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

static int add_request(struct retries *r, const struct link_logical *l, struct chains_span span, void *more)
{
	size_t period = *(unsigned *)more, step = l->tier == LINK_TEMPORAL && period ? period : span.n;

	for (size_t from = 0; from < span.n; from += step) {
		struct retry_request *q = &r->requests[r->count++];

		*q = (struct retry_request){.begin = r->attempt_count, .n = (uint32_t)(span.n - from < step ? span.n - from : step)};
		for (size_t i = 0; i < q->n; i++)
			r->attempts[r->attempt_count++] = span.members[from + i];
		settle_request(r, q);
	}
	return 0;
}

static int collect(struct retries *r)
{
	struct chains_span attempts = chains_of(&r->m->chains.by_edge, r->edge);
	unsigned period = 0;
	int err = r->temporal ? find_period(r, &period) : 0;

	if (err)
		return err;
	r->attempts = spill_realloc(NULL, (attempts.n + 1) * sizeof(*r->attempts));
	r->requests = spill_realloc(NULL, (attempts.n + 1) * sizeof(*r->requests));
	if (!r->attempts || !r->requests)
		return -ENOMEM;
	return each_failed(r, add_request, &period);
}

/* ---- which of them can not be told apart ---- */

/* Who asks what, as far as link.h may tell one from another. */
static uint64_t caller_of(const struct retries *r, const struct model_exchange *x)
{
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &r->m->r->model.processes[x->process];
	uint64_t who = x->parent != MODEL_NONE ? x->parent : !p || p->inbound || p->threadless || model_hops(p) ? MODEL_NONE : x->tid;

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
		uint64_t caller = caller_of(r, x);
		uint32_t before = x->correlation || x->idempotency_key ? MAP_NONE : map_get(&longest, caller);

		if (before != MAP_NONE && x->started_ns < last_start_ns(r, &r->requests[before]))
			r->requests[before].tangled = q->tangled = true;
		if (before == MAP_NONE || last_start_ns(r, q) > last_start_ns(r, &r->requests[before]))
			err = map_put(&longest, caller, (uint32_t)i);
	}
	map_free(&longest);
	return err;
}

/* ---- how they ended ---- */

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

static enum retry_end end_of(const struct retries *r, const struct retry_request *q, const double *longest)
{
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);
	bool exited;
	uint64_t silence = silence_ns(r, last, &exited);

	for (uint32_t i = 0; i < q->n; i++)
		if (!model_failed(retry_attempt(r, q, i)))
			return RETRY_OK;
	if (!last->ended_ns)
		return RETRY_UNSEEN;
	if (exited)
		return RETRY_GIVEN_UP;
	return silence > last->ended_ns && (double)(silence - last->ended_ns) / NS_PER_MS > patience_ms(r, q, longest) ? RETRY_GIVEN_UP :
														   RETRY_UNSEEN;
}

static void find_ends(struct retries *r)
{
	double longest[PERIOD_MAX + 1] = {0};	/* wait behind attempt k */

	for (size_t i = 0; i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n && k <= PERIOD_MAX; k++)
			longest[k] = fmax(longest[k],
					  retry_gap_ms(r, retry_attempt(r, &r->requests[i], k - 1), retry_attempt(r, &r->requests[i], k)));
	for (size_t i = 0; i < r->count; i++)
		r->requests[i].end = end_of(r, &r->requests[i], longest);
}

/* ---- how many attempts ---- */

static bool given_up(const struct retry_request *q)
{
	return q->end == RETRY_GIVEN_UP && !q->mute;
}

double retry_took_ms(const struct retries *r, const struct retry_request *q)
{
	const struct model_exchange *first = retry_attempt(r, q, 0), *last = retry_attempt(r, q, q->n - 1);

	return last->ended_ns > first->started_ns ? (double)(last->ended_ns - first->started_ns) / NS_PER_MS : 0;
}

struct lengths {
	struct tally of;		/* attempts of requests given up */
	uint32_t mode, longest;		/* longest: of all requests */
	uint64_t mode_count;
};

static int count_lengths(const struct retries *r, struct lengths *l)
{
	for (size_t i = 0; i < r->count; i++) {
		l->longest = r->requests[i].n > l->longest ? r->requests[i].n : l->longest;
		if (given_up(&r->requests[i]) && tally_add(&l->of, r->requests[i].n, 1))
			return -ENOMEM;
	}
	for (size_t i = 0; i < l->of.used; i++)
		if (l->of.cells[i].count >= l->mode_count) {
			l->mode = l->of.cells[i].value;
			l->mode_count = l->of.cells[i].count;
		}
	return 0;
}

/* How many requests were given up after so many attempts. */
static uint64_t of_length(const struct lengths *l, uint32_t n)
{
	for (size_t i = 0; i < l->of.used; i++)
		if (l->of.cells[i].value == n)
			return l->of.cells[i].count;
	return 0;
}

/* Whether requests given up after so many attempts differ in time by more than lateness. -ENOMEM. */
static int differ_in_time(const struct retries *r, uint32_t n, double longest)
{
	struct samples took = {0};
	int differ = 0;

	for (size_t i = 0; i < r->count; i++)
		if (given_up(&r->requests[i]) && r->requests[i].n == n && samples_add(&took, retry_took_ms(r, &r->requests[i])))
			differ = -ENOMEM;
	samples_sort(&took);
	if (!differ)
		differ = took.n && samples_percentile(&took, 0.95) - samples_percentile(&took, 0.05) > fmax(20, 0.05 * longest);
	samples_free(&took);
	return differ;
}

/*
 * Many requests take exactly as long as the longest, whatever their number of attempts, or while others of that number take less: the time was
 * up. Those ended in a wait that was cut.
 */
static int find_deadline(struct retries *r, const struct lengths *l)
{
	struct tally near = {0};
	double longest = 0;
	int err = 0;

	if (l->of.n < DEADLINE_MIN || l->of.used < 2)
		return 0;
	for (size_t i = 0; i < r->count; i++)
		longest = given_up(&r->requests[i]) ? fmax(longest, retry_took_ms(r, &r->requests[i])) : longest;
	for (size_t i = 0; i < r->count && !err; i++)
		if (given_up(&r->requests[i]) && retry_took_ms(r, &r->requests[i]) >= longest - fmax(5, 0.005 * longest))
			err = tally_add(&near, r->requests[i].n, 1);
	if (!err && longest > 50 && (double)near.n >= DEADLINE_SHARE * (double)l->of.n)
		err = near.used > 1 ? 1 : near.n * 10 < of_length(l, near.cells[0].value) * 9 ? differ_in_time(r, near.cells[0].value, longest) : 0;
	if (err > 0)
		r->p->deadline_ms = longest;
	tally_free(&near);
	return err < 0 ? err : 0;
}

/* Welford's: mean and sum of squares, one value after the other. */
struct spread {
	double n, mean, squares;
};

static void add_to(struct spread *s, double value)
{
	double delta = value - s->mean;

	s->mean += delta / ++s->n;
	s->squares += delta * (value - s->mean);
}

/*
 * Waits at random that nothing holds together add their variances up. Where requests of different lengths agree in time far better than that,
 * the time was up, though lateness keeps them from agreeing to the millisecond. -ENOMEM.
 */
static int find_late_deadline(struct retries *r, const struct lengths *l)
{
	struct spread waits[PERIOD_MAX + 1] = {0}, whole = {0};
	struct samples took = {0};
	double loose = 0;
	int err = 0;

	if (l->of.n < DEADLINE_MANY || l->of.used < 2)
		return 0;
	for (size_t i = 0; i < r->count && !err; i++) {
		const struct retry_request *q = &r->requests[i];

		if (!given_up(q))
			continue;
		add_to(&whole, retry_took_ms(r, q));
		err = samples_add(&took, retry_took_ms(r, q));
		for (uint32_t k = 1; k < q->n && k <= PERIOD_MAX; k++)
			add_to(&waits[k], retry_gap_ms(r, retry_attempt(r, q, k - 1), retry_attempt(r, q, k)));
	}
	for (uint32_t k = 1; k <= PERIOD_MAX; k++)
		loose += waits[k].squares;
	samples_sort(&took);
	if (!err && whole.squares < DEADLINE_TIGHT * loose && samples_percentile(&took, DEADLINE_EDGE) > 50)
		r->p->deadline_ms = samples_percentile(&took, DEADLINE_EDGE);
	samples_free(&took);
	return err;
}

/* Mean and variance of the lengths of given up requests from a to b of n parts. */
struct part {
	double n, mean, variance;
};

static struct part part_of(const struct retries *r, size_t from, size_t to)
{
	struct part p = {0};
	double squares = 0;

	for (size_t i = from; i < to; i++) {
		double delta = r->requests[i].n - p.mean;

		if (!given_up(&r->requests[i]))
			continue;
		p.mean += delta / ++p.n;
		squares += delta * (r->requests[i].n - p.mean);
	}
	p.variance = p.n > 1 ? squares / (p.n - 1) : 0;
	return p;
}

/* Whether any request of the edge succeeded between the first that failed and the last. */
static bool succeeds_between(const struct retries *r)
{
	struct chains_span requests = chains_of(&r->m->chains.requests, r->edge);
	uint64_t from = retry_attempt(r, &r->requests[0], 0)->started_ns, to = retry_attempt(r, &r->requests[r->count - 1], 0)->started_ns;

	for (size_t i = 0; i < requests.n; i++) {
		const struct link_logical *q = &r->m->link.logicals[requests.members[i]];

		if (q->ok && q->started_ns >= from && q->started_ns <= to)
			return true;
	}
	return false;
}

/*
 * Tokens drain: while nothing succeeds, lengths fall from quarter to quarter, from the first to the last by more than chance. A request that
 * succeeds fills the bucket again, so there must be none.
 */
static void find_budget(struct retries *r)
{
	struct part quarter[4], first, last;
	size_t q = r->count / 4;

	if (r->count < BUDGET_MIN || succeeds_between(r))
		return;
	for (size_t i = 0; i < 4; i++) {
		quarter[i] = part_of(r, i * q, i < 3 ? (i + 1) * q : r->count);
		if (quarter[i].n < BUDGET_MIN / 6 || (i && quarter[i].mean > quarter[i - 1].mean + 0.25))
			return;
	}
	first = quarter[0];
	last = quarter[3];
	if (first.mean - last.mean < 0.5 ||
	    first.mean - last.mean < 4 * sqrt(first.variance / first.n + last.variance / last.n + 0.01))
		return;
	r->p->budget = true;
	r->p->budget_ratio = last.mean - 1;
}

static void settle_attempts(struct retries *r, const struct lengths *l)
{
	struct policy_retry *p = r->p;

	for (size_t i = 0; i < r->count; i++)
		p->exhausted += given_up(&r->requests[i]) && r->requests[i].n >= l->mode;
	p->exhausted_share = metric_share(p->exhausted, p->failed_requests);
	p->unbounded = !l->of.n && l->longest >= UNBOUNDED_MIN;
	if (p->unbounded)
		p->max_attempts = l->longest;
	else if (p->budget)
		p->max_attempts = l->of.cells[l->of.used - 1].value;
	else if (isnan(p->deadline_ms) && (double)l->mode_count >= MODE_SHARE * (double)l->of.n)
		p->max_attempts = l->mode;
	if (p->max_attempts && l->of.used == 1)
		p->other_share_high = fmin(1, 3.0 / (double)l->of.n);
}

static int measure_lengths(struct retries *r)
{
	struct lengths l = {0};
	int err = count_lengths(r, &l);

	if (!err)
		err = find_deadline(r, &l);
	if (!err && isnan(r->p->deadline_ms))
		err = find_late_deadline(r, &l);
	if (!err) {
		find_budget(r);
		settle_attempts(r, &l);
	}
	tally_free(&l.of);
	return err;
}

/* ---- what the retries were worth ---- */

static void measure_yield(struct retries *r)
{
	uint64_t retries = 0, good = 0;

	for (size_t i = 0; i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n; k++) {
			retries++;
			good += !model_failed(retry_attempt(r, &r->requests[i], k));
		}
	r->p->yield = metric_share(good, retries);
}

/* p for which m attempts that fail independently make this many attempts per request. */
static double failing_share(double amplification, unsigned m)
{
	double low = 0, high = 1;

	for (int i = 0; i < 60; i++) {
		double p = (low + high) / 2, sum = 0, power = 1;

		for (unsigned k = 0; k < m; k++, power *= p)
			sum += power;
		*(sum < amplification ? &low : &high) = p;
	}
	return low;
}

static void measure_excess(struct retries *r)
{
	const struct result_edge *e = &r->m->r->edges[r->edge];
	const struct result_cohort *c = e->window[TIMELINE_FAULT].logical >= EXCESS_MIN ? &e->window[TIMELINE_FAULT] : &e->whole;
	double a = c->logical ? (double)c->attempts / (double)c->logical : 0;

	if (r->p->max_attempts < 2 || r->p->max_attempts > 100 || r->p->unbounded || c->logical < EXCESS_MIN || a > r->p->max_attempts)
		return;
	r->p->excess_failure = 1 - (double)c->succeeded / (double)c->logical -
			       pow(failing_share(a, r->p->max_attempts), r->p->max_attempts);
}

/* ---- one edge ---- */

static void nothing_known(struct policy_retry *p)
{
	p->deadline_ms = p->base_ms = p->multiplier = p->cap_ms = p->added_ms = p->step_ms = NAN;
	p->base_low_ms = p->base_high_ms = p->bic_margin = p->retry_after_cap_ms = p->other_share_high = NAN;
	p->herd_preservation = p->storm_amplification = p->storm_seconds = p->budget_ratio = p->excess_failure = NAN;
	p->exhausted_share = metric_unknown("wilson");
	p->yield = metric_unknown("wilson");
	p->jitter_low = metric_unknown("quantiles");
	p->herding = metric_unknown("morisita");
}

/*
 * Attempts without waits between them, joined by time alone, may be a loop's requests: how many belong together can not be told. Nor can it
 * where requests are tangled, unless all have the same number.
 */
static void doubt_length(struct retries *r)
{
	struct policy_retry *p = r->p;
	bool loop = p->unbounded && r->temporal && p->backoff == BACKOFF_NONE, differ = p->tangled && isnan(p->other_share_high);

	if (!loop && !differ)
		return;
	p->unbounded = p->budget = false;
	p->max_attempts = 0;
	p->deadline_ms = p->budget_ratio = NAN;
}

static int say_what_is_unsure(struct retries *r)
{
	struct result *x = r->m->r;
	const struct result_edge *e = &x->edges[r->edge];

	if (r->p->mixed)
		return result_say(&x->notes, &x->note_count, "requests of %s to %s do not share one retry policy: several clients or settings are at work",
				  e->client, e->server);
	if (r->p->tangled)
		return result_say(&x->notes, &x->note_count,
				  "%s sends the same request to %s several times at once: which retry belongs to which is a guess", e->client,
				  e->server);
	return 0;
}

static int judge(struct retries *r)
{
	static int (*const steps[])(struct retries *) = {retry_misuse, retry_reactions, measure_lengths, retry_waits, retry_rate};
	int err = collect(r);

	if (!err && r->temporal)
		err = find_tangled(r);
	if (!err && !r->count) {
		err = retry_misuse(r);
		r->p->known = r->p->pointless.count > 0;
	}
	if (err || !r->count)
		return err;
	r->p->known = true;
	r->p->failed_requests = r->count;
	find_ends(r);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
		err = steps[i](r);
	doubt_length(r);
	measure_yield(r);
	measure_excess(r);
	return err ? err : say_what_is_unsure(r);
}

static int measure_edge(struct measure *m, uint32_t edge)
{
	struct retries r = {.m = m, .p = &m->r->edges[edge].retry, .edge = edge, .temporal = m->link.tiers[edge] == LINK_TEMPORAL};
	int err;

	nothing_known(r.p);
	if (m->graph.edges[edge].external || m->link.tiers[edge] == LINK_AGGREGATE)
		return 0;
	err = r.temporal ? polls(&r) : 0;
	if (err > 0)
		return result_say(&m->r->notes, &m->r->note_count,
				  "%s calls %s again as soon after a success as after a failure: that is polling, or a loop, and not judged as retries",
				  m->r->edges[edge].client, m->r->edges[edge].server) ?
			       -ENOMEM : 0;
	if (!err)
		err = judge(&r);
	spill_free(r.attempts);
	spill_free(r.requests);
	return err;
}

int measure_retries(struct measure *m)
{
	int err = 0;

	for (uint32_t e = 0; e < m->r->edge_count && !err; e++)
		err = measure_edge(m, e);
	return err;
}
