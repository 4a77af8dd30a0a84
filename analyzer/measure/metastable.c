/* SPDX-License-Identifier: MIT */
/*
 * Whether a system stays bad by itself (Bronson et al., HotOS 2021; Huang et al., OSDI 2022): the trigger is gone, users ask no more than before,
 * and something of its own making keeps the load up: retries, or a queue of lost work that does not get shorter (one that has emptied by itself is a
 * backlog, and no more). That is suspected when the lag is three times what timeouts, backoff and breakers explain;
 * confirmed when a dip of the load, which chance does not explain, let it recover at the load that had been too much a moment before.
 *
 * The margin is capacity / (load x max attempts): below 1 a fault long enough to make all retry leaves the service unable to catch up. Capacity is
 * what the struck service answered per second while it was overloaded, so it is known only then.
 */
#include <math.h>
#include "analyzer/measure/recovery.h"

#define RETRYING 1.5		/* attempts per first attempt that sustain an overload */
#define WASTED 0.3
#define GROWING 1.2		/* requests in work, last third over first third of the time after the fault */
#define SAME_LOAD 1.05
#define DIP 0.7			/* of the load */
#define DIP_S 3
#define LUCK_SIGMAS 3.3
#define NEAR_LOAD 0.8

/* ---- what explains a lag ---- */

/* Between attempts of requests that began before the fault cleared; requests are in order of start. */
static double longest_wait_ms(const struct felt *f)
{
	const struct measure *m = f->m;
	double longest = 0;

	for (uint32_t i = 0; i < m->link.count && m->link.logicals[i].started_ns <= f->episode->to_ns; i++) {
		struct chains_span chain = measure_attempts(m, i);

		for (size_t k = 0; k + 1 < chain.n; k++) {
			const struct model_exchange *a = &m->r->model.exchanges[chain.members[k]];
			const struct model_exchange *b = &m->r->model.exchanges[chain.members[k + 1]];

			if (a->ended_ns && b->started_ns > a->ended_ns)
				longest = fmax(longest, (double)(b->started_ns - a->ended_ns) / NS_PER_MS);
		}
	}
	return longest;
}

/* The longest that an attempt took which began before the fault cleared: none waits longer than its timeout. */
static double longest_attempt_ms(const struct felt *f)
{
	const struct model *run = &f->m->r->model;
	double longest = 0;

	for (size_t i = 0; i < run->exchange_count && run->exchanges[i].started_ns <= f->episode->to_ns; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (x->edge != MODEL_NONE && x->ended_ns)
			longest = fmax(longest, model_took_ms(x));
	}
	return longest;
}

static double explained_ms(const struct felt *f)
{
	double open = 0;

	for (size_t e = 0; e < f->m->r->edge_count; e++) {
		const struct policy_breaker *b = result_breaker_of(f->m->r, &f->m->r->edges[e]);

		if (b->known && b->open_high_ms > open)	/* false for NAN */
			open = b->open_high_ms;
	}
	return longest_attempt_ms(f) + longest_wait_ms(f) + open;
}

/* ---- what keeps it up ---- */

struct tail {	/* seconds from the fault's end to the recovery, or to the end */
	double seconds, requests, attempts, firsts;
};

static struct tail sum_tail(const struct felt *f, long well)
{
	struct tail t = {0};
	long end = well < 0 ? f->count - 1 : well;	/* the last second may not be whole */

	for (long i = f->zero; i < end; i++) {
		t.seconds++;
		t.requests += f->seconds[i].n;
		t.attempts += f->seconds[i].attempts;
		t.firsts += f->seconds[i].firsts;
	}
	return t;
}

/* Requests at the entry edges in work, on average, from one instant to another. */
static double in_work(const struct felt *f, uint64_t from_ns, uint64_t to_ns)
{
	const struct link *l = &f->m->link;
	double sum = 0;

	for (size_t i = 0; i < l->count && l->logicals[i].started_ns < to_ns; i++) {
		const struct link_logical *q = &l->logicals[i];
		uint64_t end = q->ended_ns && q->ended_ns < to_ns ? q->ended_ns : to_ns, start = q->started_ns > from_ns ? q->started_ns : from_ns;

		if (f->entry[q->edge] && end > start)
			sum += (double)(end - start);
	}
	return to_ns > from_ns ? sum / (double)(to_ns - from_ns) : 0;
}

/* Whether users asked no more than before; what chance adds to two counts (2 sigma, Poisson) does not make it more. */
static bool asked_no_more(const struct felt *f, const struct tail *t)
{
	double expected = f->load * t->seconds;

	return t->seconds > 0 && t->requests <= SAME_LOAD * expected + 2 * sqrt(expected + expected * expected / (double)f->base);
}

/* Whether users were ill served for most of that time: a bad second at the end of a good time is no state that stays. */
static bool stays_bad(const struct felt *f, long well)
{
	long end = well < 0 ? f->count : well, bad = 0, asked = 0;

	for (long i = f->zero; i < end; i++) {
		asked += f->seconds[i].n > 0;
		bad += felt_bad(f, i);
	}
	return bad * 2 > asked;
}

static bool grows(const struct felt *f, const struct tail *t)
{
	uint64_t clear = f->episode->to_ns, third = (uint64_t)(t->seconds / 3) * NS_PER_S;

	return third && in_work(f, clear + 2 * third, clear + 3 * third) > 1 + GROWING * in_work(f, clear, clear + third);
}

static bool wastes(const struct felt *f)
{
	for (size_t e = 0; e < f->m->r->edge_count; e++)
		if (f->struck[e] && f->m->r->edges[e].wasted_work.known && f->m->r->edges[e].wasted_work.value >= WASTED)
			return true;
	return false;
}

/* ---- a dip ---- */

static bool near_load(const struct felt *f, double requests, double seconds)
{
	return seconds > 0 && requests >= NEAR_LOAD * f->load * seconds && requests <= f->load * seconds / NEAR_LOAD;
}

static bool was_bad_before(const struct felt *f, long dip)
{
	long bad = 0;
	double requests = 0;

	if (dip - f->zero < FELT_HOLD_S)
		return false;
	for (long i = dip - FELT_HOLD_S; i < dip; i++) {
		bad += felt_bad(f, i);
		requests += f->seconds[i].n;
	}
	return bad >= FELT_HOLD_S - 1 && near_load(f, requests, FELT_HOLD_S);
}

static bool stays_good_after(const struct felt *f, long from)
{
	double requests = 0;

	if (!felt_holds(f, from))
		return false;
	for (long i = from; i < from + FELT_HOLD_S; i++)
		requests += f->seconds[i].n;
	return near_load(f, requests, FELT_HOLD_S);
}

/* The end of a dip that begins with second i; -1: none does. */
static long dip_end(const struct felt *f, long i)
{
	double requests = 0, expected;
	long end = i;

	for (; end < f->count && f->seconds[end].n <= DIP * f->load; end++)
		requests += f->seconds[end].n;
	expected = f->load * (double)(end - i);
	return end - i >= DIP_S && expected - requests > LUCK_SIGMAS * sqrt(expected) ? end : -1;
}

static bool dipped(const struct felt *f, long well)
{
	for (long i = f->zero; well >= 0 && i <= well;) {
		long end = dip_end(f, i);

		if (end < 0) {
			i++;
			continue;
		}
		if (was_bad_before(f, i) && end + FELT_HOLD_S >= well && (stays_good_after(f, end) || stays_good_after(f, end + 1)))
			return true;
		i = end;
	}
	return false;
}

/* ---- margin ---- */

static double most_attempts(const struct felt *f)
{
	double most = NAN;

	for (size_t e = 0; e < f->m->r->edge_count; e++) {
		const struct policy_retry *p = result_retry_of(f->m->r, &f->m->r->edges[e]);

		if (f->struck[e] && p->known && p->max_attempts && !p->unbounded && !(p->max_attempts <= most))
			most = p->max_attempts;
	}
	return most;
}

/* Answers of the struck service per second of the bad time after the fault; what a fault made up is none. */
static double answered_rps(const struct felt *f, const struct tail *t)
{
	const struct model *run = &f->m->r->model;
	uint64_t clear = f->episode->to_ns, end = clear + (uint64_t)t->seconds * NS_PER_S;
	double answers = 0;

	for (size_t i = 0; i < run->exchange_count && run->exchanges[i].started_ns < end; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		answers += x->edge != MODEL_NONE && f->struck[x->edge] && x->ended_ns >= clear && x->ended_ns < end && !x->synthetic &&
			   (x->outcome == MODEL_OK || x->outcome == MODEL_FAILED);
	}
	return t->seconds > 0 ? answers / t->seconds : NAN;
}

void metastable_load(const struct felt *f, long well, struct result_recovery *r)
{
	struct tail t = sum_tail(f, well);

	r->load_ratio = t.seconds > 0 ? t.requests / t.seconds / f->load : NAN;
	r->load_amplification = t.firsts > 0 ? t.attempts / t.firsts : NAN;
}

struct metastable metastable_judge(const struct felt *f, long well, struct result_recovery *r)
{
	struct tail t = sum_tail(f, well);
	struct metastable s = {.explained_ms = explained_ms(f)};

	s.sustained = asked_no_more(f, &t) && stays_bad(f, well) && (r->load_amplification >= RETRYING || (well < 0 && (wastes(f) || grows(f, &t))));
	s.confirmed = !isnan(f->load) && dipped(f, well);
	if (s.sustained && t.seconds >= FELT_HOLD_S) {
		r->capacity_rps = answered_rps(f, &t);
		r->margin = r->capacity_rps / (f->load * most_attempts(f));
	}
	return s;
}
