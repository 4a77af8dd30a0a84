/* SPDX-License-Identifier: MIT */
/* Crowds, loops and storms as pure arithmetic: herding.h, period.h, storm.h. */
#include <math.h>
#include "analyzer/infer/herding.h"
#include "analyzer/infer/period.h"
#include "analyzer/infer/storm.h"
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#define CLIENTS 100

/* ---- herding: analysis, 2.6: 100 clients within 20 ms, base 100 ms, bins of 50 ms (laid elsewhere: that much room) ---- */

static struct herding crowd(double spread_ms, double low, double high, uint64_t seed)
{
	struct stats_random random = {seed};
	struct herding_request list[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		list[i].first_ms = 1000 + spread_ms * i / CLIENTS;
		list[i].last_ms = list[i].first_ms + 700;
		list[i].retry_ms = list[i].first_ms + 100 * (low + (high - low) * stats_uniform(&random));
	}
	return herding_measure(list, CLIENTS, 50);
}

static void a_jitter(const char *name, double low, double high, double index)
{
	double sum = 0;

	for (int i = 0; i < 50; i++)
		sum += crowd(20, low, high, 100 + i).index / 50;
	ok(fabs(sum - index) < 0.2, "%s: S_1 is %.2f, simulated %.2f", name, sum, index);
}

static void herds(void)
{
	struct herding h = crowd(20, 1, 1, 1);

	ok(h.known && h.index == 1 && h.n == CLIENTS, "without jitter the crowd stays together: 1");
	ok(h.preserved == 1, "as it came");
	a_jitter("±30 %", 0.7, 1.3, 0.62);
	a_jitter("equal jitter", 0.5, 1, 0.58);
	a_jitter("full jitter", 0, 1, 0.38);
	ok(crowd(20, 0.7, 1.3, 1).index > crowd(20, 0, 1, 1).index, "more jitter, less of a herd");
	h = crowd(2000, 1, 1, 1);
	ok(!h.known, "arrivals over 2 s are no crowd: nothing can be said");
	h = herding_measure((struct herding_request[19]){0}, 19, 50);
	ok(!h.known, "19 are too few");
	h = herding_measure((struct herding_request[20]){0}, 20, 50);
	ok(h.known, "20 at the same instant are enough, and divide by nothing");
	for (int together = 1; together <= 5; together += 4) {	/* in one bin of retries, of 20 that arrived at once */
		struct herding_request list[20];

		for (int i = 0; i < 20; i++)
			list[i] = (struct herding_request){1000, 1100 + 50 * (i / together), 1100 + 50 * (i / together)};
		h = herding_measure(list, 20, 50);
		ok(h.known && fabs(h.preserved - (together - 1) / 19.0) < 1e-12, "of the pairs that arrived together %d of 19 retry together", together - 1);
	}
}

/* 25 requests of 3 attempts without a wait, each behind another or all at once: only of many callers can retries be synchronised. */
static void one_caller_is_no_herd(bool at_once)
{
	struct runs r;
	struct result x;
	const struct metric *herding;

	judge_client(&r, 1000);
	for (int i = 0; i < 25; i++)
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100 + 0.2 * k + (at_once ? 0.001 : 1) * i, .took_ms = 0.2, .key = 1 + i));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	herding = &judge_edge(&x, "curl", "127.0.0.1:80")->retry.herding;
	ok(herding->known == at_once && (!at_once || herding->value > 0.8), "25 requests %s: %s", at_once ? "at once" : "one after another",
	   herding->known ? "a herd" : herding->method);
	judge_end(&r, &x);
}

/* ---- periods ---- */

/* `runs` requests of five attempts, which wait about as long twice as they did before: but by number they do so each time. */
static unsigned nearly_twice_the_same(unsigned runs)
{
	static const double waits[] = {100, 400, 130, 330};
	static double ms[400];
	static size_t begins[101];
	struct stats_random random = {7};

	for (unsigned i = 0; i < 4 * runs; i++)
		ms[i] = waits[i % 4] + 3 * stats_uniform(&random);
	for (unsigned i = 0; i <= runs; i++)
		begins[i] = 4 * i;
	return period_find(&(struct period_waits){ms, begins, runs});
}

static unsigned period_of(unsigned attempts, unsigned requests, unsigned runs, double jitter, double pause_ms, bool growing)
{
	static double ms[4000];
	static size_t begins[200];
	struct stats_random random = {attempts + 7};
	size_t n = 0;

	for (unsigned i = 0; i < runs; i++) {
		begins[i] = n;
		for (unsigned q = 0; q < requests; q++) {
			for (unsigned k = 1; k < attempts; k++)
				ms[n++] = (growing ? 100 * exp2(k - 1.0) : 100) * (1 - jitter * stats_uniform(&random)) + stats_uniform(&random) * 3;
			if (q + 1 < requests)
				ms[n++] = pause_ms + stats_uniform(&random) * 2;
		}
	}
	begins[runs] = n;
	return period_find(&(struct period_waits){ms, begins, runs});
}

static void periods(void)
{
	is_int(period_of(5, 20, 1, 0, 0.5, true), 5, "20 requests of 5 attempts in a loop");
	is_int(period_of(4, 20, 1, 0.5, 0.5, true), 4, "the same with equal jitter");
	is_int(period_of(3, 30, 1, 0, 0.5, false), 3, "with a fixed wait");
	is_int(period_of(6, 2, 1, 0, 0.5, true), 6, "two requests are enough");
	is_int(period_of(4, 10, 1, 0, 3000, true), 4, "a pause between requests");
	is_int(period_of(5, 1, 100, 0, 0, true), 0, "100 requests of 100 clients are not cut");
	is_int(period_of(5, 1, 100, 1, 0, true), 0, "whatever their jitter");
	is_int(period_of(30, 1, 1, 0, 0, false), 0, "nor is a long one with a fixed wait");
	is_int(period_of(80, 1, 1, 1, 0, false), 0, "or with waits by chance");
	is_int(nearly_twice_the_same(100), 0, "nor are those whose third and fourth wait are nearly their first and second");
	is_int(period_find(&(struct period_waits){NULL, (size_t[]){0}, 0}), 0, "nothing has no period");
}

/* ---- storms ---- */

/* Every second `firsts` requests, each with `retries` retries of which `good` in ten succeed, for so many seconds. */
static struct storm second_by_second(int seconds, int firsts, int retries, int good, double base)
{
	static struct storm_attempt list[20000];
	struct storm s = {0};
	size_t n = 0;

	for (int t = 0; t < seconds; t++)
		for (int i = 0; i < firsts * (1 + retries); i++)
			list[n++] = (struct storm_attempt){t * 1e3 + i * 900.0 / (firsts * (1 + retries)), i % (1 + retries) != 0, i % 10 < good};
	storm_measure(&s, list, n, 10, base);
	return s;
}

static void storms(void)
{
	struct storm s = second_by_second(5, 20, 2, 0, 20);

	ok(s.storm && s.seconds == 5 && fabs(s.amplification - 3) < 1e-9, "3 attempts for each request for 5 s: a storm");
	ok(fabs(s.budget_peak - 2) < 1e-9 && s.budget_over_s == 5, "2 retries a request, over any budget for 5 s");
	ok(second_by_second(3, 20, 2, 0, 20).storm, "3 s are enough");
	ok(!second_by_second(2, 20, 2, 0, 20).storm, "2 s are not");
	ok(!second_by_second(5, 20, 2, 5, 20).storm, "where half the retries help it is none");
	ok(second_by_second(5, 20, 1, 0, 20).storm, "2 attempts for each request are enough");
	ok(!second_by_second(5, 4, 2, 0, 20).storm, "12 attempts a second are none where 20 are usual");
	ok(!second_by_second(5, 20, 0, 0, 20).storm, "without retries there is none");
	ok(!second_by_second(5, 3, 2, 0, 2).storm, "9 attempts a second are nothing to fear");
	ok(second_by_second(5, 5, 1, 0, 2).storm, "10 are enough");
	s = second_by_second(5, 3, 2, 0, 3);
	ok(s.budget_over_s == 0, "6 retries a second are below what a budget minds");
	s = (struct storm){0};
	storm_measure(&s, (struct storm_attempt[]){{0, false, false}, {1e12, true, false}, {1e15, true, false}}, 3, NAN, NAN);
	ok(!s.storm && s.budget_over_s == 0, "a million years between attempts take no time");
}

/* 60 requests a second for 5 s, and one retry for each 5th of them or each 4th. */
static void a_budget_of_a_fifth(void)
{
	for (int each = 5; each >= 4; each--) {
		struct storm_attempt list[5 * 75];
		struct storm s = {0};
		size_t n = 0;
		int a_second = 60 + 60 / each;

		for (int t = 0; t < 5; t++)
			for (int i = 0; i < a_second; i++)
				list[n++] = (struct storm_attempt){t * 1e3 + i * 900.0 / a_second, i % (each + 1) == each, false};
		storm_measure(&s, list, n, 10, 60);
		is_int((int)s.budget_over_s, each == 5 ? 0 : 5, "%d retries for 60 requests: %s", 60 / each, each == 5 ? "just the budget" : "over it");
	}
}

static void bursts(void)
{
	struct storm_attempt list[40];
	struct storm s = {0};

	for (int i = 0; i < 40; i++)	/* 20 retries within 40 ms, twice, 5 s apart */
		list[i] = (struct storm_attempt){1000 + (i / 20) * 5000 + (i % 20) * 2, true, false};
	storm_measure(&s, list, 40, 10, 1);
	is_int(s.bursts, 2, "two times 20 retries at once are two bursts");
	is_int(s.burst_peak, 20, "of 20");
	s = (struct storm){0};
	storm_measure(&s, list, 4, 10, 1);
	is_int(s.bursts, 0, "4 are none");
	s = (struct storm){0};
	storm_measure(&s, list, 40, 10, 400);
	is_int(s.bursts, 0, "nor are 20 in 100 ms where 40 are usual");
}

int main(void)
{
	herds();
	one_caller_is_no_herd(true);
	one_caller_is_no_herd(false);
	periods();
	storms();
	a_budget_of_a_fifth();
	bursts();
	return tap_done();
}
