/* SPDX-License-Identifier: MIT */
/*
 * How many attempts a client makes and when it gives up.
 *
 *   max_attempts   the most frequent length of requests that were given up, if few went on beyond it; other numbers have a share of at most 3/n when all
 *                  n agree
 *   deadline       requests that were given up agree in how long they took, not in their number of attempts; to the millisecond, or far
 *                  better than their waits would let them
 *   budget         while everything fails, requests get shorter, in attempts and in time: tokens drain
 */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/infer/period.h"
#include "analyzer/read/samples.h"

#define UNBOUNDED_MIN 10	/* attempts of one request without an end */
#define MODE_SHARE 0.7		/* of requests given up that must agree */
#define LONGER_SHARE 0.1	/* of all that failed at first, unless too many may have been joined: they went on beyond the mode */
#define DEADLINE_MIN 5
#define DEADLINE_SHARE 0.25	/* of requests given up */
#define DEADLINE_TIGHT 0.15	/* variance of the time that requests took, against that of their waits */
#define DEADLINE_MANY 10
#define DEADLINE_EDGE 0.05	/* requests below what is taken for it: it began before their first attempt */
#define BUDGET_MIN 24

static bool given_up(const struct retry_request *q)
{
	return q->end == RETRY_GIVEN_UP && !q->mute;
}

struct lengths {
	struct tally of;		/* attempts of requests given up */
	uint32_t mode, longest;		/* longest: of all requests */
	uint64_t mode_count;
	uint64_t longer, kept_back;	/* requests of more attempts than the mode; those that a breaker ended */
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
	for (size_t i = 0; i < r->count; i++) {
		l->longer += r->requests[i].n > l->mode;
		l->kept_back += r->requests[i].kept_back;
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

/* ---- a deadline ---- */

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
			add_to(&waits[k], retry_wait_ms(r, q, k));
	}
	for (uint32_t k = 1; k <= PERIOD_MAX; k++)
		loose += waits[k].squares;
	samples_sort(&took);
	if (!err && whole.squares < DEADLINE_TIGHT * loose && samples_percentile(&took, DEADLINE_EDGE) > 50)
		r->p->deadline_ms = samples_percentile(&took, DEADLINE_EDGE);
	samples_free(&took);
	return err;
}

/* ---- a budget ---- */

/* Mean and variance of the lengths of some given up requests, and how long they took on average. */
struct part {
	double n, mean, variance, took_ms;
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
		p.took_ms += (retry_took_ms(r, &r->requests[i]) - p.took_ms) / p.n;
		squares += delta * (r->requests[i].n - p.mean);
	}
	p.variance = p.n > 1 ? squares / (p.n - 1) : 0;
	return p;
}

/* Whether any request succeeded between the first that failed and the last. */
static bool succeeds_between(const struct retries *r)
{
	uint64_t from = retry_attempt(r, &r->requests[0], 0)->started_ns, to = retry_attempt(r, &r->requests[r->count - 1], 0)->started_ns;

	for (size_t i = 0; i < r->all.n; i++) {
		const struct model_exchange *x = &r->m->r->model.exchanges[r->all.members[i]];

		if (!model_failed(x) && x->started_ns >= from && x->started_ns <= to)
			return true;
	}
	return false;
}

/*
 * Whether requests got shorter in time too, by at least half of what fewer attempts save. Where a deadline ends them and attempts come slower, as
 * on a machine that others load, there are fewer attempts in the same time.
 */
static bool took_less(const struct part *first, const struct part *last)
{
	return last->took_ms < first->took_ms * (1 + last->mean / first->mean) / 2;
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
	if (first.mean - last.mean < 0.5 || !took_less(&first, &last) ||
	    first.mean - last.mean < 4 * sqrt(first.variance / first.n + last.variance / last.n + 0.01))
		return;
	r->p->budget = true;
	r->p->budget_ratio = last.mean - 1;
}

/* ---- the whole ---- */

/* Whether attempts may have been taken for the client's next request, at its pace (rhythm.h), that belong to the one before. */
static bool may_be_cut(const struct retries *r)
{
	return r->destination == MODEL_NONE ? r->m->link.polls[r->edge] > 0 : r->temporal;
}

/* Whether requests agree in a number. Beside many attempts that a breaker ended, a few requests of one are those whose open breaker was not seen. */
static bool agree(const struct retries *r, const struct lengths *l)
{
	const char *counts = r->destination == MODEL_NONE ? r->m->r->edges[r->edge].breaker.counts : "attempts";

	if ((double)l->mode_count < MODE_SHARE * (double)l->of.n ||
	    ((!r->temporal || may_be_cut(r)) && (double)l->longer > LONGER_SHARE * (double)r->count))
		return false;
	return l->mode > 1 || !counts || strcmp(counts, "attempts") != 0 || l->kept_back <= l->of.n;
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
	else if (isnan(p->deadline_ms) && agree(r, l))
		p->max_attempts = l->mode;
	if (p->max_attempts && l->of.used == 1)
		p->other_share_high = fmin(1, 3.0 / (double)l->of.n);
}

int retry_lengths(struct retries *r)
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
