/* SPDX-License-Identifier: MIT */
/* Limits on calls in work: simulated with known width, and what looks like one and is none. */
#include "analyzer/infer/plateau.h"

#include <math.h>
#include <stdlib.h>
#include "analyzer/stats/stats.h"
#include "tests/lib/tap.h"

#define MOST 6000

struct house {
	unsigned width;			/* 0: no limit */
	bool rejects;
	unsigned high_width;		/* the width moves between the two by steps of one; 0: it does not */
	double rate, burst_rate;	/* arrivals a second: in odd seconds, in even ones */
	double service_ms, spread_ms, handover_ms;
	double lag_ms;			/* a place is taken so long before the call is seen to start, and given back so long after its end */
	double stray_share;		/* of those that call do so half a call's time later, by chance */
	double work_ms, work_spread_ms;	/* before the call, whatever is in work */
	double shed_share;		/* turned down at random */
	double pace_ms;			/* a rate limiter that lets requests wait: so long between two starts */
	unsigned workers;		/* at most so many requests are taken in at once: the client's own */
	uint64_t seed;
};

static struct plateau_call calls[MOST];
static struct plateau_demand demands[MOST];
static size_t n, demand_count;

static uint64_t ns(double ms)
{
	return (uint64_t)((1000 + ms) * 1e6);
}

static unsigned width_at(const struct house *h, double now)
{
	double phase = fmod(now / 20000, 1);

	if (!h->high_width)
		return h->width ? h->width : 1000;
	return h->width + (unsigned)((phase < 0.5 ? 2 * phase : 2 - 2 * phase) * (h->high_width - h->width) + 0.5);
}

/* free_at[]: when each place is free again; places beyond the width of the moment are not used. */
static void simulate(const struct house *h, double run_ms)
{
	static double free_at[1000];
	struct stats_random r = {h->seed};
	double last = 0;

	n = demand_count = 0;
	for (int i = 0; i < 1000; i++)
		free_at[i] = 0;
	for (double now = 0; now < run_ms && demand_count < MOST;) {
		double rate = (long)(now / 1000) % 2 ? h->rate : h->burst_rate, took, start, call, work, busy = 0;
		unsigned best = 0, width = width_at(h, now);

		now += -log(1 - stats_uniform(&r)) / rate * 1000;
		took = h->service_ms + h->spread_ms * stats_uniform(&r);
		work = 0.2 + h->work_ms + h->work_spread_ms * stats_uniform(&r);
		for (unsigned i = 0; i < width; i++)
			best = free_at[i] < free_at[best] ? i : best;
		for (unsigned i = 0; i < 1000; i++)
			busy += free_at[i] > now;
		if (h->workers && busy >= h->workers)	/* nobody reads it before a worker is free: it arrives then */
			continue;
		if ((h->rejects && busy >= width) || stats_uniform(&r) < h->shed_share) {
			demands[demand_count++] = (struct plateau_demand){ns(now), ns(now + 0.4), 0, true};
			continue;
		}
		start = free_at[best] > now + work ? free_at[best] + h->handover_ms : now + work;
		start = h->pace_ms > 0 && start < last + h->pace_ms ? last + h->pace_ms : start;
		last = start;
		free_at[best] = start + took;
		call = start + h->lag_ms + (stats_uniform(&r) < h->stray_share ? took / 2 : 0);
		calls[n++] = (struct plateau_call){ns(call), ns(start + took - h->lag_ms)};
		demands[demand_count++] = (struct plateau_demand){ns(now), ns(start + took + 0.3), ns(call), false};
	}
}

static int by_start(const void *a, const void *b)
{
	const struct plateau_call *x = a, *y = b;

	return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static struct plateau look(const struct house *h, double run_ms)
{
	struct plateau p;

	simulate(h, run_ms);
	qsort(calls, n, sizeof(calls[0]), by_start);
	if (plateau_find(&p, calls, n, demands, demand_count, true))
		abort();
	return p;
}

static void widths(void)
{
	static const unsigned widths[] = {1, 2, 4, 8, 20};

	for (int rejects = 0; rejects < 2; rejects++)
		for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
			for (uint64_t seed = 1; seed <= 5; seed++) {
				double capacity = widths[i] / 0.025;
				struct house h = {.width = widths[i], .rejects = rejects, .rate = 0.3 * capacity, .burst_rate = 1.5 * capacity,
						  .service_ms = 20, .spread_ms = 10, .handover_ms = 0.2, .seed = seed};
				struct plateau p = look(&h, 8000);

				ok(p.known && !p.moving && p.width == widths[i], "%s, width %u, seed %" PRIu64, rejects ? "rejects" : "queues",
				   widths[i], seed);
				is_int(p.waits, !rejects, "and it is seen what becomes of requests beyond");
				ok(p.little <= 1.05 * widths[i], "no more calls in work than that on the average (%.2f)", p.little);
			}
}

/* As real programs are: calls are seen later than places are taken, and some threads are late. */
static void late_calls(void)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct house h = {.width = 3, .rejects = true, .rate = 40, .burst_rate = 200, .service_ms = 30, .spread_ms = 2, .lag_ms = 1.5,
				  .stray_share = 0.2, .seed = seed};
		struct plateau p = look(&h, 8000);

		ok(p.known && !p.waits && p.width == 3, "late calls, seed %" PRIu64 ": width 3", seed);
		ok(p.waited * 20 > p.turned_down, "though some seem to wait");
	}
}

/* A program of threads under one lock, on a busy machine: who waits has its place milliseconds after it is free. */
static void late_places(void)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct house h = {.width = 4, .rate = 40, .burst_rate = 200, .service_ms = 28, .spread_ms = 4, .handover_ms = 2.6, .seed = seed};
		struct plateau p = look(&h, 8000);

		ok(p.known && p.waits && p.width == 4, "late places, seed %" PRIu64 ": width 4", seed);
	}
}

static void no_limits(void)
{
	static const struct {
		const char *what;
		struct house h;
	} cases[] = {
		{"steady low load", {.width = 10, .rate = 20, .burst_rate = 20, .service_ms = 20}},
		{"ten workers that each make one call", {.workers = 10, .rate = 300, .burst_rate = 900, .service_ms = 20, .spread_ms = 20}},
		{"no limit", {.rate = 100, .burst_rate = 800, .service_ms = 20, .spread_ms = 10}},
		{"work of its own before the call", {.rate = 100, .burst_rate = 400, .service_ms = 20, .work_ms = 1, .work_spread_ms = 60}},
		{"a rate limiter that lets requests wait", {.rate = 10, .burst_rate = 60, .service_ms = 25.5, .pace_ms = 30}},
		{"requests turned down by chance", {.rate = 100, .burst_rate = 400, .service_ms = 20, .shed_share = 0.2}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct house h = cases[i].h;
			struct plateau p;

			h.seed = seed;
			p = look(&h, 8000);
			ok(!p.known, "%s, seed %" PRIu64 ": no limit", cases[i].what, seed);
		}
}

static void adaptive(void)
{
	struct house h = {.width = 4, .high_width = 16, .rejects = true, .rate = 900, .burst_rate = 900, .service_ms = 20, .seed = 3};
	struct plateau p = look(&h, 40000);

	ok(p.known && p.moving, "a width that moves is seen to");
	ok(p.low <= 6 && p.low >= 3 && p.high >= 10 && p.high <= 17, "between %u and %u", p.low, p.high);
}

static void adaptive_queue(void)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct house h = {.width = 4, .high_width = 16, .rate = 40, .burst_rate = 300, .service_ms = 20, .spread_ms = 10,
				  .handover_ms = 0.3, .seed = seed};
		struct plateau p = look(&h, 20000);

		ok(p.known && p.moving && p.waits, "a width that moves is seen to where requests wait, seed %" PRIu64, seed);
		ok(p.low <= 6 && p.low >= 3 && p.high >= 10 && p.high <= 17, "between %u and %u", p.low, p.high);
	}
}

static void calls_that_are_not_the_requests_own(void)
{
	struct house h = {.width = 4, .rate = 50, .burst_rate = 400, .service_ms = 20, .spread_ms = 10, .seed = 2};
	struct plateau p;

	simulate(&h, 8000);
	qsort(calls, n, sizeof(calls[0]), by_start);
	ok(!plateau_find(&p, calls, n, demands, demand_count, false) && !p.known, "where calls are not laid to requests nobody is seen to wait");
}

/* Two at a time, of eight that come at once every second, and then eight one by one: the next begins in the nanosecond in which one ends. */
static void no_time_between_calls(void)
{
	struct plateau p;

	n = demand_count = 0;
	for (int second = 0; second < 10; second++)
		for (int i = 0; i < 16; i++) {
			double at = 1000 * second + (i < 8 ? 0.01 * i : 50 * i), start = i < 8 ? 1000 * second + 0.2 + 20 * (i / 2) : at + 0.2;

			calls[n++] = (struct plateau_call){ns(start), ns(start + 20)};
			demands[demand_count++] = (struct plateau_demand){ns(at), ns(start + 20.3), ns(start), false};
		}
	if (plateau_find(&p, calls, n, demands, demand_count, true))
		abort();
	ok(p.known && p.waits && p.width == 2, "who begins as another ends is in its place: two at a time");
	ok(p.offered == 4, "where eight were offered, not more: %g times as many", p.offered);
}

static int by_arrival(const void *a, const void *b)
{
	const struct plateau_demand *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Two of five requests call 3 ms late, full or not: far more than are turned down. */
static void some_call_late(void)
{
	struct house h = {.width = 4, .rejects = true, .rate = 60, .burst_rate = 180, .service_ms = 20, .spread_ms = 10, .seed = 2};
	struct plateau p;

	simulate(&h, 8000);
	for (size_t i = 0; i < demand_count; i++)
		demands[i].at_ns -= demands[i].call_ns && i % 5 < 2 ? 3000000 : 0;
	qsort(demands, demand_count, sizeof(demands[0]), by_arrival);
	qsort(calls, n, sizeof(calls[0]), by_start);
	if (plateau_find(&p, calls, n, demands, demand_count, true))
		abort();
	ok(p.waited > p.turned_down && p.turned_down >= 20, "%" PRIu64 " call late, %" PRIu64 " are turned down", p.waited, p.turned_down);
	ok(p.known && p.width == 4 && !p.waits, "it turns them down at four");
}

/*
 * A hundred at once: ten get in, 90 wait in vain until just after the ten calls have ended, when nobody else gets in. On a busy machine calls are seen to start
 * only when all have come.
 */
static void a_crowd_waits_in_vain(void)
{
	struct plateau p;

	n = demand_count = 0;
	for (int i = 0; i < 100; i++)
		demands[demand_count++] = i < 10 ? (struct plateau_demand){ns(0.1 * i), ns(452), ns(30 + 0.1 * i), false} :
						   (struct plateau_demand){ns(0.1 * i), ns(500), 0, true};
	for (size_t i = 0; i < 10; i++)
		calls[n++] = (struct plateau_call){demands[i].call_ns, ns(450)};
	if (plateau_find(&p, calls, n, demands, demand_count, true))
		abort();
	ok(p.known && !p.waits && p.width == 10, "who waits in vain tells by what was in work meanwhile");
	is_int((long)p.turned_down, 90, "and all of them were turned down");
}

/*
 * One user, then three, then six, who each ask again when they have their answer, of a service without a limit on a busy machine: the more there are,
 * the later each is called for, in the middle of 30 ms calls of others. As many are in work as there are users, but one.
 */
static void a_late_machine(void)
{
	struct stats_random r = {4};
	struct plateau p;
	const unsigned users[] = {1, 3, 6};

	n = demand_count = 0;
	for (unsigned phase = 0; phase < 3; phase++)
		for (unsigned u = 0; u < users[phase]; u++)
			for (double at = 1500 * phase + u; at < 1500 * (phase + 1);) {
				double call = at + 0.3 - phase * 2 * log(1 - stats_uniform(&r)), end = call + 30 + 2 * stats_uniform(&r);

				calls[n++] = (struct plateau_call){ns(call), ns(end)};
				demands[demand_count++] = (struct plateau_demand){ns(at), ns(end + 0.3), ns(call), false};
				at = end + 0.6;
			}
	qsort(demands, demand_count, sizeof(demands[0]), by_arrival);
	qsort(calls, n, sizeof(calls[0]), by_start);
	if (plateau_find(&p, calls, n, demands, demand_count, true))
		abort();
	ok(p.waited > 100, "%" PRIu64 " requests call late", p.waited);
	ok(!p.known, "calls that are late for want of a processor are no limit that moves (%u to %u)", p.low, p.high);
}

static void damaged(void)
{
	struct stats_random r = {9};
	struct plateau p;

	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 300; i++) {
			calls[i] = (struct plateau_call){(uint64_t)(stats_uniform(&r) * 1.8e19), (uint64_t)(stats_uniform(&r) * 1.8e19)};
			demands[i] = (struct plateau_demand){(uint64_t)(stats_uniform(&r) * 1.8e19), (uint64_t)(stats_uniform(&r) * 1.8e19),
							     i % 3 ? (uint64_t)(stats_uniform(&r) * 1.8e19) : 0, i % 2};
		}
		if (plateau_find(&p, calls, 300, demands, 300, true))
			abort();
	}
	ok(!plateau_find(&p, calls, 0, demands, 0, true) && !p.known, "nothing has no limit");
}

int main(void)
{
	widths();
	late_calls();
	late_places();
	no_limits();
	adaptive();
	adaptive_queue();
	calls_that_are_not_the_requests_own();
	no_time_between_calls();
	some_call_late();
	a_crowd_waits_in_vain();
	a_late_machine();
	damaged();
	return tap_done();
}
