/* SPDX-License-Identifier: MIT */
/*
 * A simulated gateway for tests: requests come, each calls a server through a breaker or a bulkhead; what it did is two arrays in order of time.
 * The truth is in struct gateway. Times in ms; the same seed gives the same run.
 */
#ifndef AFTERSHOCK_TESTS_GATEWAYS_H
#define AFTERSHOCK_TESTS_GATEWAYS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/silence.h"
#include "analyzer/stats/stats.h"

#define GATEWAYS_MOST 20000
#define GATEWAYS_WINDOW 20

struct gateway {
	double tick_ms, jitter_ms;	/* between arrivals, uniform around the tick */
	unsigned batch;			/* requests per arrival; 0: 1 */
	double service_ms, spread_ms;	/* a call's time */
	double lag_ms;			/* from a request to its call's start; 0: 0.1 */
	double run_ms, bad_from_ms, bad_to_ms, bad_share, base_share;	/* failures: while bad, else */
	unsigned consecutive;		/* opens after so many failures in a row; 0 not */
	double rate;			/* opens when so much of the last 20 failed; 0 not */
	double open_ms, open_step_ms;	/* longer by one step the second time, by two the third, then as at first */
	unsigned permits, close_after;	/* half-open; 0: 1 */
	int forgets;			/* open, then closed as ever: no half-open */
	double limit_ms;		/* a rate limiter instead: one call per so long */
	unsigned width;			/* a bulkhead that rejects; 0 none */
	double quiet_from_ms, quiet_to_ms;	/* nobody asks; 0 none */
	uint64_t seed;
	/* made */
	struct silence_attempt *attempts;
	struct silence_demand *demands;
	size_t n, demand_count;
	unsigned opens;
};

struct gateways_state {
	double open_until, next_call;
	unsigned run, half, half_ok, in_work;
	int phase;			/* 0 closed, 1 open, 2 half-open */
	unsigned char last[GATEWAYS_WINDOW];
	unsigned seen;
	double ends[GATEWAYS_MOST];	/* of attempts in work, by attempt; 0 ended */
	size_t oldest;
};

static void gateways_trip(struct gateway *g, struct gateways_state *s, double now)
{
	s->phase = 1;
	s->open_until = now + g->open_ms + g->opens % 3 * g->open_step_ms;
	s->run = s->half = s->half_ok = s->seen = 0;
	g->opens++;
}

static int gateways_rate(const struct gateway *g, const struct gateways_state *s)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < GATEWAYS_WINDOW; i++)
		failed += s->last[i];
	return g->rate > 0 && s->seen >= GATEWAYS_WINDOW && failed >= g->rate * GATEWAYS_WINDOW;
}

static void gateways_answer(struct gateway *g, struct gateways_state *s, int failed, double now)
{
	s->in_work--;
	if (s->phase == 2) {
		if (failed)
			gateways_trip(g, s, now);
		else if (++s->half_ok >= (g->close_after ? g->close_after : 1))
			s->phase = 0;
		else
			s->half--;
		return;
	}
	if (s->phase)
		return;
	s->run = failed ? s->run + 1 : 0;
	s->last[s->seen++ % GATEWAYS_WINDOW] = failed != 0;
	if ((g->consecutive && s->run >= g->consecutive) || gateways_rate(g, s))
		gateways_trip(g, s, now);
}

static int gateways_lets_pass(struct gateway *g, struct gateways_state *s, double now)
{
	if (g->limit_ms > 0) {
		if (now < s->next_call)
			return 0;
		s->next_call = now + g->limit_ms;
		return 1;
	}
	if (g->width && s->in_work >= g->width)
		return 0;
	if (!g->consecutive && !(g->rate > 0))
		return 1;
	if (s->phase == 1 && now >= s->open_until)
		s->phase = g->forgets ? 0 : 2;
	if (s->phase == 2 && s->half >= (g->permits ? g->permits : 1))
		return 0;
	s->half += s->phase == 2;
	return s->phase != 1;
}

/* Ends every call that is over by then, in order. */
static void gateways_settle(struct gateway *g, struct gateways_state *s, double now)
{
	for (;;) {
		size_t next = SIZE_MAX;

		for (size_t i = s->oldest; i < g->n; i++)
			if (s->ends[i] > 0 && s->ends[i] <= now && (next == SIZE_MAX || s->ends[i] < s->ends[next]))
				next = i;
		if (next == SIZE_MAX)
			break;
		gateways_answer(g, s, g->attempts[next].failed, s->ends[next]);
		s->ends[next] = 0;
		while (s->oldest < g->n && s->ends[s->oldest] == 0)
			s->oldest++;
	}
}

static void gateways_ask(struct gateway *g, struct gateways_state *s, double now, struct stats_random *r)
{
	uint64_t at = (uint64_t)((1000 + now) * 1e6);
	int passes = g->demand_count < GATEWAYS_MOST && gateways_lets_pass(g, s, now);
	double took = g->service_ms + g->spread_ms * stats_uniform(r), share = now >= g->bad_from_ms && now < g->bad_to_ms ? g->bad_share
															   : g->base_share;

	if (g->demand_count == GATEWAYS_MOST)
		return;
	g->demands[g->demand_count++] = (struct silence_demand){at, at + (uint64_t)((passes ? took + 0.5 : 0.3) * 1e6), !passes, 0};
	if (!passes)
		return;
	s->in_work++;
	s->ends[g->n] = now + took;
	g->attempts[g->n] = (struct silence_attempt){.start_ns = at + (uint64_t)((g->lag_ms > 0 ? g->lag_ms : 0.1) * 1e6),
						     .end_ns = (uint64_t)((1000 + now + took) * 1e6), .failed = stats_uniform(r) < share,
						     .counts = true, .request = (uint32_t)g->n, .row = (uint32_t)g->n};
	g->n++;
}

__attribute__((unused)) static void gateways_run(struct gateway *g)
{
	struct gateways_state *s = calloc(1, sizeof(*s));
	struct stats_random r = {g->seed};

	g->attempts = calloc(GATEWAYS_MOST, sizeof(*g->attempts));
	g->demands = calloc(GATEWAYS_MOST, sizeof(*g->demands));
	if (!s || !g->attempts || !g->demands)
		abort();
	for (double now = 1; now < g->run_ms; now += g->tick_ms + g->jitter_ms * (stats_uniform(&r) - 0.5)) {
		gateways_settle(g, s, now);
		if (now >= g->quiet_from_ms && now < g->quiet_to_ms)
			continue;
		for (unsigned i = 0; i < (g->batch ? g->batch : 1); i++)
			gateways_ask(g, s, now + 0.001 * i, &r);
	}
	free(s);
}

__attribute__((unused)) static void gateways_end(struct gateway *g)
{
	free(g->attempts);
	free(g->demands);
}

/* What is looked at: with what was asked, or by the calls' own pace. */
__attribute__((unused)) static struct silence_input gateways_seen(const struct gateway *g, int paced)
{
	return (struct silence_input){.attempts = g->attempts, .n = g->n, .demands = paced ? NULL : g->demands,
				      .demand_count = paced ? 0 : g->demand_count, .need = 4, .end_ns = (uint64_t)((1000 + g->run_ms) * 1e6)};
}

#endif
