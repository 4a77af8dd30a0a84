/* SPDX-License-Identifier: MIT */
/* Silences among calls that are still in work, full bulkheads and seldom requests (analyzer/infer/silence.h); and how sure they leave it. */
#include "analyzer/infer/silence.h"

#include "tests/lib/tap.h"
#include "tests/unit/gateways.h"

#define MS 1000000ull
#define MOST 2000

struct scene {
	struct silence_attempt a[MOST];
	struct silence_demand d[MOST];
	size_t n, demands;
};

static void call(struct scene *s, double at, double took, int failed)
{
	s->d[s->demands++] = (struct silence_demand){(uint64_t)(at * MS), (uint64_t)((at + took + 0.5) * MS), false, 0};
	s->a[s->n] = (struct silence_attempt){(uint64_t)((at + 0.1) * MS), (uint64_t)((at + took) * MS), failed, true, false, (uint32_t)s->n,
						 (uint32_t)s->n, 0, 0};
	s->n++;
}

static void shed(struct scene *s, double at, double took)
{
	s->d[s->demands++] = (struct silence_demand){(uint64_t)(at * MS), (uint64_t)((at + took) * MS), true, 0};
}

static double well(struct scene *s, double from, int n)
{
	for (int i = 0; i < n; i++)
		call(s, from + 50 * i, 5, 0);
	return from + 50 * n;
}

static struct silences look(const struct scene *s, double end)
{
	struct silence_input in = {.attempts = s->a, .n = s->n, .demands = s->d, .demand_count = s->demands, .need = 3, .end_ns = (uint64_t)(end * MS)};
	struct silences found;

	if (silence_find(&found, &in))
		abort();
	return found;
}

/* Fifteen calls are in work when three failures open it, and end well 0.8 s later; until then nothing is answered fast. */
static void late_successes_do_not_hide_what_opened_it(void)
{
	struct scene *s = calloc(1, sizeof(*s));
	double t = well(s, 1000, 40);
	struct silences found;

	for (int i = 0; i < 15; i++)
		call(s, t + i, 800, 0);
	for (int i = 0; i < 3; i++)
		call(s, t + 16 + i, 4, 1);
	for (int i = 0; i < 80; i++)
		shed(s, t + 40 + 10 * i, 900 - 10 * i);
	for (int i = 0; i < 50; i++)
		shed(s, t + 950 + 10 * i, 1);
	well(s, t + 1500, 20);
	found = look(s, 6000);
	is_int(found.count, 1, "it is seen to open (%s)", found.ruled_out ? found.ruled_out : "");
	ok(found.count && s->a[found.gaps[0].trip].failed && found.gaps[0].run_high == 3, "at the third failure, not at what ended after it");
	silence_free(&found);
	free(s);
}

/* 1: requests are there before the third call starts and after the first ends. 2: ten come while all three are in work, three just after. */
static void a_full_bulkhead_is_no_silence(void)
{
	for (int way = 1; way <= 2; way++) {
		struct scene *s = calloc(1, sizeof(*s));
		double t = well(s, 1000, 40);
		struct silences found;

		call(s, t, 5, 1);
		call(s, t + 10, 30, 0);
		call(s, t + 11, 30, 0);
		if (way == 1)
			for (int i = 0; i < 5; i++)
				shed(s, t + 12 + 0.1 * i, 40);
		call(s, t + 20, 40, 0);
		for (int i = 0; i < 10 && way == 2; i++)
			shed(s, t + 21 + i, 0.5);
		for (int i = 0; i < 3 && way == 2; i++)
			shed(s, t + 70 + i, 0.5);
		well(s, t + 100, 20);
		found = look(s, 5000);
		is_int(found.count, 0, way == 1 ? "what was turned down while it was full for a moment is no silence" : "nor are a few among many such");
		silence_free(&found);
		free(s);
	}
}

/* Requests wait between their attempts: three at once have made one attempt at a time, two make two at once when others are turned down. */
static void attempts_fill_a_bulkhead(void)
{
	for (int whole = 0; whole < 2; whole++) {
		struct scene *s = calloc(1, sizeof(*s)), *w = calloc(1, sizeof(*w));
		struct silence_input in = {.attempts = s->a, .demands = s->d, .need = 3, .end_ns = 5000 * MS};
		struct silences found;
		double t = well(s, 1000, 40);

		well(w, 1000, 40);
		for (int i = 0; i < 3; i++) {
			call(s, t + i, 30, 0);
			call(w, t + 6 * i, 5, 0);
		}
		call(s, t + 50, 5, 1);
		call(w, t + 50, 5, 1);
		for (int i = 0; i < 2; i++) {
			call(s, t + 60 + i, 60, 0);
			call(w, t + 90 + i, 30, 0);
		}
		for (int i = 0; i < 5; i++)
			shed(s, t + 95 + i, 0.5);
		well(s, t + 200, 20);
		well(w, t + 200, 20);
		in.n = s->n;
		in.demand_count = s->demands;
		in.work = whole ? NULL : w->a;
		in.work_n = whole ? 0 : w->n;
		if (silence_find(&found, &in))
			abort();
		is_int(found.count, whole, whole ? "by requests alone it would be a silence" : "as many attempts as ever are in work: a full bulkhead");
		silence_free(&found);
		free(s);
		free(w);
	}
}

/* Two requests a second. */
static void seldom_requests(void)
{
	for (int way = 0; way < 2; way++) {
		struct gateway g = {.tick_ms = 500, .service_ms = 3, .spread_ms = 2, .run_ms = 60000, .bad_from_ms = 10000, .bad_to_ms = 40000,
				    .bad_share = 1, .open_ms = 1200, .consecutive = way ? 0 : 3, .limit_ms = way ? 900 : 0, .seed = 3};
		struct silence_input in;
		struct silences found;

		gateways_run(&g);
		in = gateways_seen(&g, 0);
		if (silence_find(&found, &in))
			abort();
		if (!way) {
			is_int(found.count, g.opens, "two requests a second: all %u opens are seen, though each sheds but two", g.opens);
			ok(found.count && found.gaps[0].run_low == 3 && found.gaps[0].run_high == 3, "after three failures");
		} else {
			is_int(found.count, 0, "one call in 900 ms, whether the last one failed or not: no breaker");
		}
		silence_free(&found);
		gateways_end(&g);
	}
}

/* The calls behind one silence overlap, as if it had let four pass. */
static void one_silence_is_not_believed_against_the_others(void)
{
	struct gateway g = {.tick_ms = 4, .service_ms = 5, .spread_ms = 20, .run_ms = 12000, .bad_from_ms = 3000, .bad_to_ms = 8000, .bad_share = 1,
			    .open_ms = 1000, .consecutive = 5, .seed = 7};
	struct silence_input in;
	struct silences found;
	size_t after;

	gateways_run(&g);
	in = gateways_seen(&g, 0);
	if (silence_find(&found, &in))
		abort();
	is_int((long long)found.probes.permits, 1, "one call passes half-open");
	after = found.gaps[found.count - 1].after;
	silence_free(&found);
	for (size_t i = after; i < after + 4; i++)
		g.attempts[i].end_ns = g.attempts[after + 3].start_ns + 1000 + i;
	if (silence_find(&found, &in))
		abort();
	ok(found.probes.permits == 1 && !found.probes.at_least, "nor more where one of %zu silences says four", found.count);
	silence_free(&found);
	gateways_end(&g);
}

static void runs_that_go_on(void)
{
	for (int way = 0; way < 2; way++) {
		struct scene *s = calloc(1, sizeof(*s));
		double t = well(s, 1000, 10);
		struct silences found;

		for (int i = 0; i < 66; i++)
			call(s, t + (way ? 50 : 5) * i, 2, 1);
		for (int i = 0; i < 3 && !way; i++)
			call(s, t + 1500 * (i + 1), 2, 1);
		found = look(s, 10000);
		is_int(found.longest_even, way, way ? "66 failures in 3.3 s went on" : "66 at once and three in 4.5 s did not");
		silence_free(&found);
		free(s);
	}
}

/* It looks at its last twenty calls. */
static void shares_hold_the_rule(void)
{
	unsigned held = 0, told = 0, tight = 0;

	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct gateway g = {.tick_ms = 20, .service_ms = 3, .spread_ms = 2, .run_ms = 20000, .bad_from_ms = 3000, .bad_to_ms = 18000, .bad_share = 0.55,
				    .open_ms = 500, .rate = 0.6, .seed = seed};
		struct silence_input in;
		struct silences found;

		gateways_run(&g);
		in = gateways_seen(&g, 0);
		if (silence_find(&found, &in))
			abort();
		for (size_t i = 0; i < found.count; i++) {
			if (!found.gaps[i].sure)
				continue;
			told++;
			tight += found.gaps[i].share_high < 0.99;
			held += found.gaps[i].share_low <= 0.6 && found.gaps[i].share_high >= 0.6 && found.gaps[i].share_high < 1.001;
		}
		silence_free(&found);
		gateways_end(&g);
	}
	ok(told > 60, "%u opens tell a share", told);
	ok(tight * 2 > told, "most of them less than all: a rule does not look at fewer calls than failed in a row before");
	is_int(held, told, "and all of them hold the one at which it opens");
}

int main(void)
{
	late_successes_do_not_hide_what_opened_it();
	a_full_bulkhead_is_no_silence();
	attempts_fill_a_bulkhead();
	seldom_requests();
	one_silence_is_not_believed_against_the_others();
	runs_that_go_on();
	shares_hold_the_rule();
	return tap_done();
}
