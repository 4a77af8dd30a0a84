/* SPDX-License-Identifier: MIT */
/*
 * Waits made by known policies with a seeded generator: the policy is found, and what can not be known is not claimed. The lateness of each
 * wait is 0.3 ms + an exponential of mean 1.5 ms, as timers had on the machines where clients were measured.
 */
#include <math.h>
#include <stdbool.h>
#include "analyzer/infer/backoff.h"
#include "analyzer/stats/stats.h"
#include "tests/lib/tap.h"

#define REQUESTS 400
#define DEEP 10
#define LATE 1.3	/* median of the lateness */
#define TRIALS 60

struct crowd {		/* the waits of many requests */
	double ms[REQUESTS * DEEP];
	size_t begins[REQUESTS + 1];
	size_t requests;
	struct stats_random random;
};

/* Wait k of one request; state is the request's own, 0 at k = 1. */
typedef double (*policy)(struct stats_random *r, unsigned k, double *state);

static double between(struct stats_random *r, double low, double high)
{
	return low + stats_uniform(r) * (high - low);
}

static double lateness(struct stats_random *r)
{
	return 0.3 - 1.5 * log(1 - stats_uniform(r));
}

/* ---- what clients do ---- */

static double none(struct stats_random *r, unsigned k, double *s) { return 0; }
static double fixed(struct stats_random *r, unsigned k, double *s) { return 100; }
static double linear(struct stats_random *r, unsigned k, double *s) { return 50 * k; }
static double doubling(struct stats_random *r, unsigned k, double *s) { return 50 * exp2(k - 1.0); }
static double plus_minus_30(struct stats_random *r, unsigned k, double *s) { return doubling(r, k, s) * between(r, 0.7, 1.3); }
static double linear_plus_minus_30(struct stats_random *r, unsigned k, double *s) { return 2 * linear(r, k, s) * between(r, 0.7, 1.3); }
static double plus_minus_50(struct stats_random *r, unsigned k, double *s) { return 100 * pow(1.5, k - 1.0) * between(r, 0.5, 1.5); }
static double full(struct stats_random *r, unsigned k, double *s) { return 2 * doubling(r, k, s) * between(r, 0, 1); }
static double equal(struct stats_random *r, unsigned k, double *s) { return 2 * doubling(r, k, s) * between(r, 0.5, 1); }
static double plus_20(struct stats_random *r, unsigned k, double *s) { return 2 * doubling(r, k, s) * between(r, 1, 1.2); }
static double added(struct stats_random *r, unsigned k, double *s) { return 2 * doubling(r, k, s) + between(r, 0, 100); }
static double skip_first(struct stats_random *r, unsigned k, double *s) { return k == 1 ? 0 : doubling(r, k, s); }
static double fixed_full(struct stats_random *r, unsigned k, double *s) { return between(r, 0, 200); }
static double capped_before(struct stats_random *r, unsigned k, double *s) { return fmin(doubling(r, k, s), 200) * between(r, 0.7, 1.3); }
static double capped_equal(struct stats_random *r, unsigned k, double *s) { return fmin(2 * doubling(r, k, s), 400) * between(r, 0.5, 1); }
static double capped_plus(struct stats_random *r, unsigned k, double *s) { return fmin(2 * doubling(r, k, s), 400) * between(r, 1, 1.2); }
static double capped_crowding(struct stats_random *r, unsigned k, double *s)
{
	return fmin(doubling(r, k, s), 200) * (0.7 + 0.3 * (stats_uniform(r) + stats_uniform(r)));
}
static double capped_after(struct stats_random *r, unsigned k, double *s) { return fmin(doubling(r, k, s) * between(r, 0.5, 1.5), 300); }

static double decorrelated(struct stats_random *r, unsigned k, double *state)
{
	return *state = between(r, 50, 3 * (k == 1 ? 50 : *state));
}

static double decorrelated_v2(struct stats_random *r, unsigned k, double *state)
{
	double t = k - 1 + stats_uniform(r), all = 100 / 1.4 * exp2(t) * tanh(sqrt(4 * t)), wait = all - *state;

	*state = all;
	return wait;
}

/* ---- a crowd of them ---- */

static void fill(struct crowd *c, policy p, unsigned deep, size_t requests)
{
	size_t n = 0;

	c->requests = requests;
	for (size_t i = 0; i < requests; i++) {
		double state = 0;

		c->begins[i] = n;
		for (unsigned k = 1; k <= deep; k++)
			c->ms[n++] = p(&c->random, k, &state) + lateness(&c->random);
	}
	c->begins[requests] = n;
}

static struct policy_retry infer(const struct crowd *c)
{
	struct policy_retry p = {0};

	if (backoff_infer(&p, &(struct backoff_waits){c->ms, c->begins, c->requests}, LATE))
		abort();
	return p;
}

/* ---- how often the family is found: analysis, 8.2 ---- */

static const struct { unsigned deep; size_t requests; } sizes[] = {{2, 30}, {3, 10}, {3, 30}, {5, 5}};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define AMBIGUOUS (-1)	/* always; else the least percent that is right */
#define UNSURE 0	/* may be ambiguous, must not be named with confidence */

static const struct {
	const char *name;
	policy waits;
	enum policy_backoff family;
	int least[SIZES];
} table[] = {
	{"none", none, BACKOFF_NONE, {100, 100, 100, 100}},
	{"fixed", fixed, BACKOFF_FIXED, {100, 100, 100, 100}},
	{"fixed, full jitter", fixed_full, BACKOFF_FIXED, {UNSURE, 98, 100, 98}},
	{"linear", linear, BACKOFF_LINEAR, {AMBIGUOUS, 100, 100, 100}},
	{"exponential", doubling, BACKOFF_EXPONENTIAL, {AMBIGUOUS, 100, 100, 100}},
	{"exponential ±30 %", plus_minus_30, BACKOFF_EXPONENTIAL, {UNSURE, 97, 100, 100}},
	{"exponential x1.5 ±50 %", plus_minus_50, BACKOFF_EXPONENTIAL, {98, 93, 100, 98}},
	{"exponential, full jitter", full, BACKOFF_EXPONENTIAL, {UNSURE, 68, 100, 98}},
	{"exponential, equal jitter", equal, BACKOFF_EXPONENTIAL, {UNSURE, 95, 100, 100}},
	{"exponential +20 %", plus_20, BACKOFF_EXPONENTIAL, {UNSURE, 98, 100, 100}},
	{"additive jitter", added, BACKOFF_ADDITIVE, {100, 100, 100, 100}},
	{"decorrelated", decorrelated, BACKOFF_DECORRELATED, {100, 95, 100, 98}},
	{"decorrelated v2", decorrelated_v2, BACKOFF_DECORRELATED_V2, {100, 100, 100, 100}},
	{"skip-first exponential", skip_first, BACKOFF_EXPONENTIAL, {AMBIGUOUS, AMBIGUOUS, AMBIGUOUS, 100}},
};
#define FAMILIES (sizeof(table) / sizeof(table[0]))

#define SLACK 4		/* percent: the rates of the table are from 60 trials too, one miss is 1.7 */

static void identification(size_t f, size_t s)
{
	struct crowd c = {.random = {1000 * f + s}};
	int right = 0, ambiguous = 0, confidently_wrong = 0, empty = 0, least = table[f].least[s];

	for (int i = 0; i < TRIALS; i++) {
		struct policy_retry p;

		fill(&c, table[f].waits, sizes[s].deep, sizes[s].requests);
		p = infer(&c);
		right += p.backoff == table[f].family;
		ambiguous += p.backoff == BACKOFF_AMBIGUOUS;
		confidently_wrong += p.backoff != table[f].family && p.confidence == CONFIDENCE_HIGH;
		empty += p.backoff == BACKOFF_AMBIGUOUS && !p.candidate_count;
		policy_retry_free(&p);
	}
	if (least == AMBIGUOUS)
		is_int(ambiguous, TRIALS, "%s, %u waits of %zu requests: always ambiguous", table[f].name, sizes[s].deep, sizes[s].requests);
	else if (least == 100 && sizes[s].requests >= 30 && sizes[s].deep > 2)
		is_int(right, TRIALS, "%s, %u waits of %zu requests: always found", table[f].name, sizes[s].deep, sizes[s].requests);
	else
		ok(right * 100 >= (least - SLACK) * TRIALS, "%s, %u waits of %zu requests: found in %d of %d", table[f].name, sizes[s].deep,
		   sizes[s].requests, right, TRIALS);
	is_int(confidently_wrong, 0, "... and never another with high confidence");
	is_int(empty, 0, "... nor ambiguous without saying what it may be");
}

/* ---- its numbers ---- */

static void numbers_of_laws_without_jitter(void)
{
	struct crowd c = {.random = {1}};
	struct policy_retry p;

	fill(&c, doubling, 5, 30);
	p = infer(&c);
	ok(fabs(p.base_ms - 50) < 1 && p.multiplier == 2 && isnan(p.cap_ms), "50 ms x2: base %.1f, multiplier %g", p.base_ms, p.multiplier);
	is_int(p.confidence, CONFIDENCE_HIGH, "five waits of 30 requests: high confidence");
	ok(p.jitter_low.value == 1, "no jitter is rho 1");
	is_int(p.gap_count, 5, "all waits are shown");
	ok(p.gaps[4].p5 > 800 && p.gaps[4].p95 < 810 && p.gaps[4].n == 30, "the fifth from 800 ms");
	ok(fabs(p.gaps[4].fitted_low - 800) < 16, "as fitted");
	policy_retry_free(&p);
	fill(&c, skip_first, 5, 30);
	p = infer(&c);
	ok(p.skip_first && fabs(p.base_ms - 100) < 2 && p.multiplier == 2, "urllib3: the first at once, then 100 ms x2");
	ok(isnan(p.gaps[0].fitted_low) && fabs(p.gaps[1].fitted_low - 100) < 2, "the fan begins with the second");
	policy_retry_free(&p);
	fill(&c, linear, 4, 1);
	p = infer(&c);
	ok(p.backoff == BACKOFF_LINEAR && fabs(p.step_ms - 50) < 2 && p.confidence == CONFIDENCE_LOW, "one request of wget's: linear, low");
	policy_retry_free(&p);
	fill(&c, fixed, 1, 40);
	p = infer(&c);
	ok(p.backoff == BACKOFF_AMBIGUOUS && p.candidate_count == 3 && p.confidence == CONFIDENCE_LOW,
	   "a single wait is of three families, whatever the number of requests");
	policy_retry_free(&p);
	fill(&c, doubling, 2, 40);
	p = infer(&c);
	ok(p.candidate_count == 2 && p.candidates[0].family == BACKOFF_LINEAR && p.candidates[1].family == BACKOFF_EXPONENTIAL &&
		   p.candidates[1].multiplier == 2,
	   "50 and 100 ms: linear, or exponential x2");
	policy_retry_free(&p);
}

static bool named(const struct policy_retry *p, const char *name)
{
	for (unsigned i = 0; i < p->jitter_name_count; i++)
		if (!strcmp(p->jitter_names[i], name))
			return true;
	return false;
}

static void numbers_of_laws_with_jitter(void)
{
	struct crowd c = {.random = {2}};
	struct policy_retry p;

	fill(&c, full, 5, 100);
	p = infer(&c);
	ok(named(&p, "full") && !named(&p, "equal") && p.multiplier == 2, "full jitter is called so");
	ok(fabs(p.base_high_ms - 100) < 5 && p.base_low_ms < 5, "the first wait is between 0 and 100 ms");
	policy_retry_free(&p);
	fill(&c, plus_minus_30, 5, 200);
	p = infer(&c);
	ok(named(&p, "±30 %") && !named(&p, "equal"), "±30 %% is told from equal jitter by 200 requests");
	ok(fabs(p.base_ms - 50) < 3, "its base is 50 ms: %.1f", p.base_ms);
	policy_retry_free(&p);
	fill(&c, linear_plus_minus_30, 5, 200);
	p = infer(&c);
	ok(p.backoff == BACKOFF_LINEAR && fabs(p.base_ms - 100) < 6 && fabs(p.step_ms - 100) < 6,
	   "linear ±30 %%: 100 ms, and as many more each time: %.1f, %.1f", p.base_ms, p.step_ms);
	policy_retry_free(&p);
	fill(&c, plus_20, 5, 50);
	p = infer(&c);
	ok(named(&p, "+20 %") && !named(&p, "full"), "+20 %% is called so");
	policy_retry_free(&p);
	fill(&c, added, 5, 50);
	p = infer(&c);
	ok(fabs(p.added_ms - 100) < 15 && fabs(p.base_ms - 100) < 5 && p.multiplier == 2, "100 ms x2 + 0..100 ms: %.0f, %.0f", p.base_ms,
	   p.added_ms);
	policy_retry_free(&p);
	fill(&c, capped_before, 6, 60);
	p = infer(&c);
	ok(fabs(p.cap_ms - 200) < 10 && p.cap_before_jitter, "capped at 200 ms before jitter: %.0f", p.cap_ms);
	policy_retry_free(&p);
	fill(&c, capped_equal, 7, 100);
	p = infer(&c);
	ok(fabs(p.cap_ms - 400) < 20 && p.cap_before_jitter, "where jitter takes from the schedule, its cap is the longest wait: %.0f", p.cap_ms);
	policy_retry_free(&p);
	fill(&c, capped_plus, 7, 100);
	p = infer(&c);
	ok(named(&p, "+20 %") && fabs(p.cap_ms - 400) < 12, "where it adds to it, the shortest: %.0f", p.cap_ms);
	policy_retry_free(&p);
	fill(&c, capped_crowding, 6, 100);
	p = infer(&c);
	ok(isnan(p.cap_ms) && p.cap_before_jitter && !p.jitter_name_count, "where jitter has no name, it is not said which of the two is the cap: %.0f",
	   p.cap_ms);
	policy_retry_free(&p);
	fill(&c, capped_after, 6, 60);
	p = infer(&c);
	ok(fabs(p.cap_ms - 300) < 5 && !p.cap_before_jitter, "capped at 300 ms after jitter: %.0f", p.cap_ms);
	policy_retry_free(&p);
	fill(&c, decorrelated, 5, 100);
	p = infer(&c);
	ok(fabs(p.base_ms - 50) < 3, "decorrelated from 50 ms: %.1f", p.base_ms);
	policy_retry_free(&p);
	fill(&c, decorrelated_v2, 5, 100);
	p = infer(&c);
	ok(fabs(p.base_ms - 100) < 4, "its second version around 100 ms: %.1f", p.base_ms);
	policy_retry_free(&p);
}

/* Analysis, 8.3: ±30 % of 50 ms; the estimates of so many requests lie in this range, and a little beyond it in 120 trials. */
static void rho_is_estimated(size_t requests, double low, double high)
{
	struct crowd c = {.random = {3 + requests}};
	double least = 1, most = 0;
	int covered = 0, trials = 120;

	for (int i = 0; i < trials; i++) {
		struct policy_retry p;

		fill(&c, plus_minus_30, 3, requests);
		p = infer(&c);
		if (p.jitter_low.known) {
			least = fmin(least, p.jitter_low.value);
			most = fmax(most, p.jitter_low.value);
		}
		covered += p.jitter_low.low <= 0.7 / 1.3 && 0.7 / 1.3 <= p.jitter_low.high;
		policy_retry_free(&p);
	}
	ok(least >= low - 0.015 && most <= high + 0.015, "rho of ±30 %% from %zu requests: %.3f to %.3f", requests, least, most);
	ok(covered * 100 >= 93 * trials, "its interval holds the truth in %d of %d", covered, trials);
}

/* With full jitter every multiplier between 1.8 and 2.5 is about as likely: the usual one is the one to say. */
static void multipliers_with_full_jitter(void)
{
	struct crowd c = {.random = {77}};
	int two = 0, high = 0, trials = 200;

	for (int i = 0; i < trials; i++) {
		struct policy_retry p;

		fill(&c, full, 3, 30);
		p = infer(&c);
		if (p.confidence == CONFIDENCE_HIGH && p.backoff == BACKOFF_EXPONENTIAL) {
			high++;
			two += p.multiplier == 2;
		}
		policy_retry_free(&p);
	}
	ok(high > trials / 2 && two * 100 >= 99 * high, "doubling with full jitter is said to double in %d of %d", two, high);
}

/* Doubling from 50 ms until 1400 ms are over: the fifth wait is what is left, whatever the timers before it were late by. */
static void a_deadline_is_no_cap(void)
{
	struct crowd c = {.random = {93}};
	struct policy_retry p;

	for (int deadline = 0; deadline < 2; deadline++) {
		fill(&c, doubling, 5, 20);
		for (size_t i = 0; i < c.requests; i++) {
			double *w = &c.ms[c.begins[i]];

			w[4] = deadline ? 1400 - w[0] - w[1] - w[2] - w[3] + between(&c.random, 0, 0.3) : 650 + lateness(&c.random);
		}
		p = infer(&c);
		ok(p.backoff == BACKOFF_EXPONENTIAL && p.multiplier == 2, "a last wait of 650 ms after 50 ms x2: exponential");
		ok(deadline ? isnan(p.cap_ms) : fabs(p.cap_ms - 650) < 5, "... %s: %.0f",
		   deadline ? "cut by a deadline, it is no cap" : "is the cap", p.cap_ms);
		policy_retry_free(&p);
	}
}

/* Doubling from 50 ms to a cap of 650 ms; the third wait makes the fourth shorter by what it is late by, the last is late by next to nothing. */
static void waits_before_a_cap_are_no_deadline(void)
{
	struct crowd c = {.random = {94}};
	struct policy_retry p;

	fill(&c, doubling, 5, 20);
	for (size_t i = 0; i < c.requests; i++) {
		double *w = &c.ms[c.begins[i]], late = between(&c.random, 0, 5);

		w[0] = 50.5;
		w[1] = 100.5;
		w[2] = 200 + late;
		w[3] = 405 - late;
		w[4] = 650 + between(&c.random, 0, 0.5);
	}
	p = infer(&c);
	ok(fabs(p.cap_ms - 650) < 5, "waits that make up for one another before the last do not make that a deadline's: %.0f", p.cap_ms);
	policy_retry_free(&p);
}

/* While a runtime starts its first wait is late by any time: of more than three waits the others tell the law. */
static void a_first_wait_that_is_late(void)
{
	struct crowd c = {.random = {95}};
	struct policy_retry p;

	fill(&c, doubling, 5, 30);
	for (size_t i = 0; i < c.requests; i++)
		c.ms[c.begins[i]] += between(&c.random, 0, 40);
	p = infer(&c);
	ok(p.backoff == BACKOFF_EXPONENTIAL && p.multiplier == 2, "first waits of 50 to 90 ms before four that double: exponential");
	ok(p.jitter_low.known && p.jitter_low.value == 1, "... without jitter: %.2f", p.jitter_low.value);
	policy_retry_free(&p);
}

/* ---- a cap so near that the schedule grows once ---- */

static double once_added(struct stats_random *r, unsigned k, double *s) { return fmin(200 * exp2(k - 1.0), 300) + between(r, 0, 20); }
static double once_doubling(struct stats_random *r, unsigned k, double *s) { return fmin(200 * exp2(k - 1.0), 300) * between(r, 0.9, 1.1); }
static double once_linear(struct stats_random *r, unsigned k, double *s) { return fmin(200.0 * k, 300) * between(r, 0.8, 1); }

static void grows_once(const char *what, policy waits)
{
	struct crowd c = {.random = {91}};
	int sure = 0, numbers = 0, both = 0, trials = 40;

	for (int i = 0; i < trials; i++) {
		struct policy_retry p;
		bool linear = false, exponential = false;

		fill(&c, waits, 4, i % 2 ? 12 : 40);
		p = infer(&c);
		for (unsigned k = 0; k < p.candidate_count; k++) {
			linear = linear || p.candidates[k].family == BACKOFF_LINEAR;
			exponential = exponential || p.candidates[k].family == BACKOFF_EXPONENTIAL;
			numbers += p.candidates[k].family == BACKOFF_EXPONENTIAL && !isnan(p.candidates[k].multiplier);
		}
		sure += p.backoff != BACKOFF_AMBIGUOUS || p.confidence != CONFIDENCE_LOW;
		numbers += !isnan(p.multiplier) || !isnan(p.step_ms);
		both += linear && exponential;
		policy_retry_free(&p);
	}
	is_int(sure, 0, "%s, cut from the second wait on: ambiguous, low", what);
	is_int(numbers, 0, "... without a multiplier or a step");
	is_int(both, trials, "... it may be linear or exponential");
}

/* ---- a cap that the last wait alone has ---- */

static double last_full(struct stats_random *r, unsigned k, double *s) { return fmin(100 * exp2(k - 1.0), 500) * between(r, 0, 1); }
static double third_full(struct stats_random *r, unsigned k, double *s) { return fmin(1000 * exp2(k - 1.0), 2500) * between(r, 0, 1); }
static double last_equal(struct stats_random *r, unsigned k, double *s) { return fmin(100 * exp2(k - 1.0), 500) * between(r, 0.5, 1); }
static double last_20(struct stats_random *r, unsigned k, double *s) { return fmin(100 * exp2(k - 1.0), 600) * between(r, 0.8, 1.2); }
static double linear_full(struct stats_random *r, unsigned k, double *s) { return 100 * k * between(r, 0, 1); }
static double linear_equal(struct stats_random *r, unsigned k, double *s) { return 100 * k * between(r, 0.5, 1); }

static void capped_at_last(const char *what, policy waits, unsigned deep, enum policy_backoff truth, int least)
{
	struct crowd c = {.random = {17}};
	int right = 0, wrong = 0, trials = 60;

	for (int i = 0; i < trials; i++) {
		struct policy_retry p;

		fill(&c, waits, deep, 20 + 20 * (i % 3));
		p = infer(&c);
		right += p.backoff == truth;
		wrong += p.backoff != truth && p.backoff != BACKOFF_AMBIGUOUS && p.confidence == CONFIDENCE_HIGH;
		policy_retry_free(&p);
	}
	is_int(wrong, 0, "%s: no other name with high confidence", what);
	ok(100 * right >= least * trials, "... its own in %d of %d, %d %% at least", right, trials, least);
}

/* ---- what looks like a policy and is none ---- */

/* x1.5 without jitter on a busy machine, where every wait is up to 18 ms late. */
static double late_powers(struct stats_random *r, unsigned k, double *s) { return 50 * pow(1.5, k - 1.0) + between(r, 0, 17); }

static void lateness_is_no_jitter(void)
{
	struct crowd c = {.random = {5}};
	int added = 0, unsure = 0;

	for (int i = 0; i < 20; i++) {
		struct policy_retry p;

		fill(&c, late_powers, 5, 30);
		p = infer(&c);
		added += p.backoff == BACKOFF_ADDITIVE;
		for (unsigned k = 0; k < p.candidate_count && p.added_ms > 0; k++)
			unsure += p.candidates[k].family == BACKOFF_EXPONENTIAL;
		policy_retry_free(&p);
	}
	is_int(added, 0, "what a busy machine adds is not the client's");
	ok(unsure, "it may be exponential: so in %d of 20", unsure);
}

/* A client that retries at once, but needs some tens of milliseconds to do so: its code is not warm, or the machine is busy. */
static double slowly_at_once(struct stats_random *r, unsigned k, double *s)
{
	return 2 - 35 * log(1 - stats_uniform(r));
}

static void no_wait_of_a_slow_client(void)
{
	struct crowd c = {.random = {6}};
	int fixed = 0, either = 0, trials = 60;

	for (int i = 0; i < trials; i++) {
		struct policy_retry p;

		fill(&c, slowly_at_once, 3, 15);
		p = infer(&c);
		fixed += p.backoff == BACKOFF_FIXED && p.confidence != CONFIDENCE_LOW;
		either += p.candidate_count && p.candidates[0].family == BACKOFF_NONE && isnan(p.base_ms);
		policy_retry_free(&p);
	}
	ok(fixed <= 2, "a client that needs tens of milliseconds to retry at once is said to wait a fixed time in %d of %d", fixed, trials);
	ok(either * 2 > trials, "... mostly it may wait for nothing, too: in %d", either);
}

/*
 * Doubling from at most 100 ms with full jitter, as the waits of a client that drowned in its own retries were spread: the quantiles of 492 and 348 of them.
 * One in ten went on for longer, until it had a turn.
 */
static double drowning(struct stats_random *r, unsigned k, double *s)
{
	static const double at[] = {0, .01, .05, .1, .25, .5, .75, .9, .95, .98, .99, 1};
	static const double ms[][12] = {{0, 2, 5, 11, 30, 59, 86, 113, 155, 216, 229, 275}, {0, 5, 18, 34, 69, 116, 183, 236, 290, 403, 502, 528}};
	double u = stats_uniform(r);
	size_t i = 1;

	while (u > at[i])
		i++;
	return ms[k - 1][i - 1] + (u - at[i - 1]) / (at[i] - at[i - 1]) * (ms[k - 1][i] - ms[k - 1][i - 1]);
}

static void waits_that_grow_may_be_of_a_law_that_does(void)
{
	struct crowd c = {.random = {96}};
	int lawless = 0, grow = 0;

	for (int i = 0; i < 20; i++) {
		struct policy_retry p;
		bool told;

		fill(&c, drowning, 2, 400);
		p = infer(&c);
		told = p.backoff == BACKOFF_EXPONENTIAL;
		for (unsigned k = 0; k < p.candidate_count; k++)
			told |= p.candidates[k].family == BACKOFF_EXPONENTIAL;
		lawless += p.backoff == BACKOFF_AMBIGUOUS && p.candidate_count && p.candidates[0].family == BACKOFF_FIXED;
		grow += told;
		policy_retry_free(&p);
	}
	ok(lawless, "waits of a client that drowns are nearest to a law that does not grow in %d of 20", lawless);
	is_int(grow, 20, "as they grow themselves, one that does is among what they may be");
}

/* Late by 8 ms on the average beside the usual 1.8. */
static double very_late(struct stats_random *r) { return -8 * log(1 - stats_uniform(r)); }

static double busy_decorrelated(struct stats_random *r, unsigned k, double *state)
{
	*state = fmin(between(r, 50, 3 * (k == 1 ? 50 : *state)), 300);
	return *state + very_late(r);
}

static double busy_fibonacci(struct stats_random *r, unsigned k, double *s)
{
	static const double law[] = {50, 50, 100, 150, 250, 400};

	return between(r, 0, law[k - 1]) + very_late(r);
}

/* Room for the lateness of an idle machine alone made the first exponential or fixed, and the second exponential for certain. */
static void a_busy_machine(void)
{
	struct crowd c = {.random = {8}};
	int named = 0, otherwise = 0, golden = 0, capped = 0;

	for (int i = 0; i < 20; i++) {
		struct policy_retry p;

		fill(&c, busy_decorrelated, 5, 60);
		p = infer(&c);
		named += p.backoff == BACKOFF_DECORRELATED;
		capped += p.backoff == BACKOFF_DECORRELATED && fabs(p.cap_ms - 300) < 15;
		otherwise += p.backoff != BACKOFF_DECORRELATED && p.backoff != BACKOFF_AMBIGUOUS;
		policy_retry_free(&p);
		fill(&c, busy_fibonacci, 6, 60);
		p = infer(&c);
		golden += p.confidence == CONFIDENCE_HIGH;
		policy_retry_free(&p);
	}
	ok(named >= 15 && !otherwise, "decorrelated waits with a cap are told on a busy machine: %d of 20, %d others", named, otherwise);
	is_int(capped, named, "with their cap");
	is_int(golden, 0, "Fibonacci's waits with full jitter are not exponential for certain");
}

static double normal(struct stats_random *r, double mean, double deviation)
{
	return fmax(0, mean + deviation * sqrt(-2 * log(1 - stats_uniform(r))) * cos(2 * M_PI * stats_uniform(r)));
}

static double normal_fixed(struct stats_random *r, unsigned k, double *s) { return normal(r, 100, 15); }
static double normal_doubling(struct stats_random *r, unsigned k, double *s) { double w = doubling(r, k, s); return normal(r, w, w / 5); }
static double normal_added(struct stats_random *r, unsigned k, double *s) { return normal(r, doubling(r, k, s), 10); }
static double two_uniforms(struct stats_random *r, unsigned k, double *s) { return doubling(r, k, s) * (between(r, 0.7, 1.3) + between(r, 0.7, 1.3)) / 2; }

/* Waits that crowd in the middle: jitter has names for even ones alone. */
static void jitter_without_a_name(const char *what, policy waits, enum policy_backoff family)
{
	struct crowd c = {.random = {17}};
	int names = 0, wrong = 0, even = 0;

	for (int i = 0; i < 40; i++) {
		struct policy_retry p;

		fill(&c, waits, 5, 60);
		p = infer(&c);
		names += p.jitter_name_count && p.confidence == CONFIDENCE_HIGH;
		wrong += p.backoff != family && p.confidence == CONFIDENCE_HIGH;
		even += p.jitter_low.known && strstr(p.jitter_low.method, "crowd") == NULL;
		policy_retry_free(&p);
	}
	is_int(names, 0, "%s: its jitter is given no name with high confidence", what);
	is_int(wrong, 0, "... nor another family");
	ok(even <= 4, "... and that it is none of those is said (not in %d of 40)", even);
}

/* 5 ms are a tick of a clock, or two: whatever is made of them is not certain. */
static double ticks(struct stats_random *r, unsigned k, double *s) { return ceil((5 * exp2(k - 1.0) + between(r, 0, 4)) / 4) * 4; }
static double full_of_5(struct stats_random *r, unsigned k, double *s) { return between(r, 0, 5 * exp2(k - 1.0)); }
static double full_of_5_floored(struct stats_random *r, unsigned k, double *s) { return floor(full_of_5(r, k, s)); }
static double around_5(struct stats_random *r, unsigned k, double *s) { return 5 * exp2(k - 1.0) * between(r, 0.5, 1.5); }
static double fixed_3(struct stats_random *r, unsigned k, double *s) { return 3; }
static double fixed_5(struct stats_random *r, unsigned k, double *s) { return 5; }
static double linear_5(struct stats_random *r, unsigned k, double *s) { return 5 * k; }
static double full_of_20(struct stats_random *r, unsigned k, double *s) { return between(r, 0, 20); }

static void small_waits(void)
{
	static const policy small[] = {ticks, full_of_5, full_of_5_floored, around_5, fixed_3, fixed_5, linear_5, full_of_20};

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		struct crowd c = {.random = {23 + i}};
		int sure = 0, empty = 0;

		for (int n = 0; n < 40; n++) {
			struct policy_retry p;

			fill(&c, small[i], n % 2 ? 3 : 5, n % 4 < 2 ? 30 : 200);
			p = infer(&c);
			sure += p.confidence == CONFIDENCE_HIGH;
			empty += p.backoff == BACKOFF_AMBIGUOUS && !p.candidate_count;
			policy_retry_free(&p);
		}
		is_int(sure, 0, "waits of about 5 ms, way %zu: no name with high confidence", i);
		is_int(empty, 0, "... nor ambiguous without saying what it may be");
	}
}

static double b_137(struct stats_random *r, unsigned k, double *s) { return 137 * exp2(k - 1.0); }
static double b_2000(struct stats_random *r, unsigned k, double *s) { return 2000.0 * k; }

/* Even without jitter the first wait is known only to what clocks and timers are exact to. */
static void the_base_has_an_interval(void)
{
	static const struct { policy waits; double base; } laws[] = {{doubling, 50}, {b_137, 137}, {linear, 50}, {fixed, 100}, {b_2000, 2000}};

	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		struct crowd c = {.random = {31 + i}};
		int held = 0, wide = 0;

		for (int n = 0; n < 100; n++) {
			struct policy_retry p;

			fill(&c, laws[i].waits, 5, n % 2 ? 5 : 60);
			p = infer(&c);
			held += p.base_low_ms <= laws[i].base && laws[i].base <= p.base_high_ms && p.base_low_ms < p.base_high_ms;
			wide += !(p.base_high_ms - p.base_low_ms <= fmax(4.5, 0.031 * laws[i].base));
			policy_retry_free(&p);
		}
		ok(held >= 95, "base %g ms: the interval holds it in %d of 100", laws[i].base, held);
		is_int(wide, 0, "... and is no wider than timers make it");
	}
}

static double fibonacci(struct stats_random *r, unsigned k, double *s)
{
	return ((double[]){0, 50, 50, 100, 150, 250, 400})[k];
}

static double two_clients(struct stats_random *r, unsigned k, double *state)
{
	if (k == 1)
		*state = stats_uniform(r) < 0.5 ? 50 : 100;
	return *state * exp2(k - 1.0);
}

static double retries_at_once_or_not(struct stats_random *r, unsigned k, double *state)
{
	if (k == 1)
		*state = stats_uniform(r) < 0.3;
	return *state > 0 ? 100 * k : 0;
}

static double chaos(struct stats_random *r, unsigned k, double *s)
{
	return exp(between(r, log(20), log(2000)));
}

static double short_waits(struct stats_random *r, unsigned k, double *s)
{
	return 12;
}

static void no_policy(const char *what, policy p, bool mixed)
{
	struct crowd c = {.random = {4}};
	int named_one = 0, told = 0, empty = 0, jitter = 0;

	for (int i = 0; i < 20; i++) {
		struct policy_retry got;

		fill(&c, p, 5, 40);
		got = infer(&c);
		named_one += got.backoff != BACKOFF_AMBIGUOUS || got.confidence != CONFIDENCE_LOW;
		told += got.mixed;
		empty += got.backoff == BACKOFF_AMBIGUOUS && !got.candidate_count;
		jitter += got.jitter_name_count > 0;
		policy_retry_free(&got);
	}
	is_int(named_one, 0, "%s: ambiguous, low", what);
	is_int(jitter, 0, "... without a name for its jitter");
	is_int(empty, 0, "... with what it may be");
	if (mixed)
		ok(told >= 18, "... and that several policies are at work is said");
	else
		is_int(told, 0, "... and not taken for several policies");
}

static void hostile_waits(void)
{
	static const double odd[] = {0, 0, 0, 1e15, 0, 1e300, 5, 5};
	static const size_t begins[] = {0, 4, 4, 8};
	struct policy_retry p = {0};

	is_int(backoff_infer(&p, &(struct backoff_waits){odd, begins, 3}, NAN), 0, "huge waits do no harm");
	ok(p.confidence == CONFIDENCE_LOW, "and give no confidence");
	policy_retry_free(&p);
	is_int(backoff_infer(&p, &(struct backoff_waits){odd, begins, 0}, 1), 0, "no request at all does no harm");
	is_int(p.backoff, BACKOFF_UNKNOWN, "and tells nothing");
	policy_retry_free(&p);
}

int main(void)
{
	for (size_t f = 0; f < FAMILIES; f++)
		for (size_t s = 0; s < SIZES; s++)
			identification(f, s);
	numbers_of_laws_without_jitter();
	numbers_of_laws_with_jitter();
	multipliers_with_full_jitter();
	a_deadline_is_no_cap();
	waits_before_a_cap_are_no_deadline();
	waits_that_grow_may_be_of_a_law_that_does();
	a_first_wait_that_is_late();
	capped_at_last("full jitter, the last wait at the cap", last_full, 4, BACKOFF_EXPONENTIAL, 90);
	capped_at_last("equal jitter, the last wait at the cap", last_equal, 4, BACKOFF_EXPONENTIAL, 90);
	capped_at_last("±20 %, the last wait at the cap", last_20, 4, BACKOFF_EXPONENTIAL, 90);
	capped_at_last("full jitter, the last of five waits at the cap", last_full, 5, BACKOFF_EXPONENTIAL, 90);
	capped_at_last("full jitter, the last of three waits at the cap", third_full, 3, BACKOFF_EXPONENTIAL, 70);
	capped_at_last("linear, full jitter", linear_full, 4, BACKOFF_LINEAR, 90);
	capped_at_last("linear, equal jitter", linear_equal, 4, BACKOFF_LINEAR, 90);
	grows_once("doubling with a part added", once_added);
	grows_once("doubling ±10 %", once_doubling);
	grows_once("linear, less up to 20 %", once_linear);
	lateness_is_no_jitter();
	no_wait_of_a_slow_client();
	a_busy_machine();
	rho_is_estimated(30, 0.521, 0.579);
	rho_is_estimated(100, 0.529, 0.557);
	rho_is_estimated(300, 0.532, 0.549);
	jitter_without_a_name("100 ms, normally distributed", normal_fixed, BACKOFF_FIXED);
	jitter_without_a_name("doubling, normally distributed", normal_doubling, BACKOFF_EXPONENTIAL);
	jitter_without_a_name("doubling, with two jitters", two_uniforms, BACKOFF_EXPONENTIAL);
	jitter_without_a_name("doubling, normal noise added", normal_added, BACKOFF_EXPONENTIAL);
	small_waits();
	the_base_has_an_interval();
	no_policy("Fibonacci's numbers", fibonacci, false);
	no_policy("two clients of different base", two_clients, true);
	no_policy("some requests retried at once, others not", retries_at_once_or_not, true);
	no_policy("waits at random over two decades", chaos, false);
	no_policy("12 ms, which a slow client needs anyway", short_waits, false);
	hostile_waits();
	return tap_done();
}
