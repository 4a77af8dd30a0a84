/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence.h"

#include "tests/lib/tap.h"
#include "tests/unit/gateways.h"

#define MS 1000000ull

static const struct gateway plain = {.tick_ms = 50, .service_ms = 3, .spread_ms = 2, .run_ms = 12000, .bad_from_ms = 3000, .bad_to_ms = 8000,
				     .bad_share = 1, .open_ms = 1500, .seed = 7};

static struct silences look(struct gateway *g, int paced)
{
	struct silence_input in;
	struct silences s;

	gateways_run(g);
	in = gateways_seen(g, paced);
	if (silence_find(&s, &in))
		abort();
	return s;
}

static void drop(struct gateway *g, struct silences *s)
{
	silence_free(s);
	gateways_end(g);
}

/* Calls of a program without inbound requests. */

struct loop {
	struct silence_attempt a[2000];
	size_t n;
	double now;
};

static void call(struct loop *l, double wait_ms, int failed)
{
	l->now += wait_ms;
	l->a[l->n] = (struct silence_attempt){(uint64_t)((1000 + l->now) * MS), (uint64_t)((1002 + l->now) * MS), failed, true, false, 0, 0, 0, 0};
	l->now += 2;
	l->n++;
}

static struct silences look_at(struct loop *l)
{
	struct silence_input in = {.attempts = l->a, .n = l->n, .need = 1, .end_ns = (uint64_t)((1000 + l->now) * MS)};
	struct silences s;

	if (silence_find(&s, &in))
		abort();
	return s;
}

/* The open time lies in (low, high] of every silence. */
static int holds_open_time(const struct gateway *g, const struct silences *s, double slack_ms)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct silence_gap *q = &s->gaps[i];
		double low = (double)(int64_t)(q->last_shed_ns - q->trip_late_ns) / 1e6;

		if (low > g->open_ms + slack_ms)
			return 0;
		if (q->after < g->n && (double)(g->attempts[q->after].start_ns - q->trip_early_ns) / 1e6 < g->open_ms - slack_ms)
			return 0;
	}
	return 1;
}

static void thresholds_in_a_row(void)
{
	static const unsigned thresholds[] = {1, 2, 3, 5, 10, 20};

	for (int paced = 0; paced < 2; paced++)
		for (size_t i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
			struct gateway g = plain;
			struct silences s;

			g.consecutive = thresholds[i];
			g.seed = 100 + i;
			s = look(&g, paced);
			is_int(s.count, g.opens, "%u in a row, by %s: every open is seen", thresholds[i], paced ? "pace" : "demand");
			ok(s.count && s.gaps[0].run_low == thresholds[i] && s.gaps[0].run_high == thresholds[i],
			   "%u in a row: the failures that it took are exact", thresholds[i]);
			ok(holds_open_time(&g, &s, paced ? 10 : 0.5), "%u in a row: the open time is in the interval", thresholds[i]);
			ok(s.probes.reopen && !strcmp(s.probes.reopen, "any failure"), "%u in a row: one failure opens it again", thresholds[i]);
			ok(s.closed, "%u in a row: it closes", thresholds[i]);
			is_int(s.alike, paced && thresholds[i] == 1, "%u in a row: %s", thresholds[i], "a wait after each failure is as likely, or not");
			drop(&g, &s);
		}
}

/* Eight calls at once: three more are let through before the fifth failure is counted. */
static void calls_in_work_are_accounted_for(void)
{
	struct gateway g = plain;
	struct silences s;

	g.consecutive = 5;
	g.batch = 8;
	s = look(&g, 0);
	is_int(s.count, g.opens, "eight at once: every open is seen");
	is_int(s.gaps[0].passed_failed, 8, "eight failures passed");
	ok(s.gaps[0].run_low <= 5 && s.gaps[0].run_high >= 5, "and the threshold is between what had ended before the last start and all of them");
	drop(&g, &s);
}

static void intervals_hold_the_truth(void)
{
	unsigned held = 0, exact = 0, opens = 0, found = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct gateway g = plain;
		struct silences s;

		g.seed = seed;
		g.consecutive = 5;
		g.tick_ms = 4;
		g.jitter_ms = 6;
		g.service_ms = 5;
		g.spread_ms = 20;
		s = look(&g, 0);
		opens += g.opens;
		found += (unsigned)s.count;
		for (size_t i = 0; i < s.count; i++) {
			if (!s.gaps[i].sure)
				continue;
			held += s.gaps[i].run_low <= 5 && s.gaps[i].run_high >= 5;
			exact++;
		}
		drop(&g, &s);
	}
	is_int(found, opens, "five calls in work: 40 runs' opens are all seen");
	is_int(held, exact, "and every interval holds the threshold");
}

static void half_open(void)
{
	static const unsigned permits[] = {1, 3, 10, 1}, close_after[] = {1, 3, 10, 3};

	for (size_t i = 0; i < 4; i++) {
		struct gateway g = plain;
		struct silences s;

		g.consecutive = 5;
		g.permits = permits[i];
		g.close_after = close_after[i];
		g.tick_ms = 1.5;
		g.service_ms = 40;
		g.run_ms = 8000;
		g.bad_to_ms = 6000;
		s = look(&g, 0);
		is_int(s.count, g.opens, "%u permits: every open is seen", permits[i]);
		ok(s.probes.permits == permits[i] && !s.probes.at_least, "%u permits: exactly so many calls start before the first ends", permits[i]);
		ok(s.probes.close_after == close_after[i] || (permits[i] > 1 && isnan(s.probes.close_after)),
		   "%u permits: %u successes close it, or it can not be told", permits[i], close_after[i]);
		drop(&g, &s);
	}
}

/* While a program warms up, the first answer may be there before it has noticed: the second call says nothing of the first failure. */
static void first_calls_are_slow(void)
{
	static struct loop l;
	struct silences s;

	l = (struct loop){0};
	call(&l, 0, 1);
	call(&l, 30, 1);
	for (int round = 0; round < 3; round++)
		call(&l, 1500, round < 2);
	for (int i = 0; i < 30; i++)
		call(&l, 50, 0);
	s = look_at(&l);
	is_int(s.count, 3, "one silence after the first calls, two after half-open ones");
	ok(s.count && s.gaps[0].run_low == 1 && s.gaps[0].run_high == 2, "one failure or two opened it");
	ok(s.alike, "a wait after each failure would look the same");
	silence_free(&s);
}

static void too_little_demand_to_see_permits(void)
{
	struct gateway g = plain;
	struct silences s;

	g.consecutive = 5;
	g.permits = 3;
	s = look(&g, 0);
	ok(s.probes.permits == 1 && s.probes.at_least, "one at a time: at least one call is let through");
	drop(&g, &s);
}

/* Every 10 ms one asks. Five calls fail, nothing is let through for a second, then these (ms from the first of them): */
struct probe {
	unsigned start, end;
};

static struct silences probed(const struct probe *probes, size_t count)
{
	static struct silence_attempt a[100];
	static struct silence_demand d[300];
	size_t n = 0;

	for (size_t i = 0; i < 300; i++) {
		unsigned at = (unsigned)i * 10, end = at + 5;
		bool asks = i < 30;

		for (size_t k = 0; i >= 130 && k < count; k++)
			if (1300 + probes[k].start == at) {
				asks = true;
				end = 1300 + probes[k].end;
			}
		asks |= i >= 150;
		d[i] = (struct silence_demand){.at_ns = (1000 + at) * MS, .end_ns = (1000 + (asks ? end : at + 4)) * MS, .shed = !asks};
		if (asks && n < 100)
			a[n++] = (struct silence_attempt){(1000 + at) * MS, (1000 + end) * MS, i >= 25 && i < 30, true, false, (uint32_t)i, 0, 0, 0};
	}
	struct silence_input in = {.attempts = a, .n = n, .demands = d, .demand_count = 300, .need = 3, .end_ns = 4000 * MS};
	struct silences s;

	if (silence_find(&s, &in))
		abort();
	return s;
}

static void probes_that_come_in_place_of_others(void)
{
	static const struct probe three[] = {{0, 200}, {10, 200}, {20, 200}};
	static const struct probe in_turn[] = {{0, 200}, {10, 35}, {20, 200}, {50, 75}, {80, 200}};
	struct probe soon_over[20] = {{0, 12}};
	struct silences s;

	for (unsigned i = 1; i < 20; i++)	/* all ask but the one behind it */
		soon_over[i] = (struct probe){i > 1 ? 10 * i : 0, i > 1 ? 10 * i + 5 : 12};
	s = probed(soon_over, 20);
	is_int(s.count, 1, "a probe that is over 2 ms after the next request came: it opened once");
	ok(s.probes.permits == 1 && s.probes.at_least, "who was turned down only behind it may have met the breaker open again");
	silence_free(&s);
	s = probed(three, 3);

	is_int(s.count, 1, "three probes: it opened once");
	ok(s.probes.permits == 3 && !s.probes.at_least, "three at once while others are turned away are its permits");
	silence_free(&s);
	s = probed(in_turn, 5);
	is_int(s.count, 1, "five probes in turn: it opened once");
	ok(s.probes.permits == 3 && s.probes.at_least, "five of which three were in work at once are three permits, or more in all");
	silence_free(&s);
}

/*
 * A request every 10 ms, 30 ms long; from 1,000 ms on they fail, and the fifth failure, at 1,070 ms, opens it for a second. The last call was let
 * through before that, and starts after it, at 1,075 ms.
 */
static struct silences started_late(uint64_t asked_ms)
{
	static struct silence_attempt a[300];
	static struct silence_demand d[300];
	struct silence_input in = {.attempts = a, .demands = d, .demand_count = 300, .need = 3, .end_ns = 4100 * MS};
	struct silences s;

	for (unsigned i = 0; i < 300; i++) {
		unsigned at = 10 * i;
		bool shed = at >= 1080 && at < 2075;

		d[i] = (struct silence_demand){.at_ns = (1000 + at) * MS, .end_ns = (1000 + at + (shed ? 0 : 30)) * MS, .shed = shed};
		if (!shed)
			a[in.n++] = (struct silence_attempt){(1000 + at + (at == 1070 ? 5 : 0)) * MS, (1030 + at) * MS, at >= 1000 && at < 1080, true, false,
							     i, 0, asked_ms ? (1000 + (at == 1070 ? asked_ms : at)) * MS : 0, 0};
	}
	if (silence_find(&s, &in))
		abort();
	return s;
}

static void calls_that_start_after_they_were_let_through(void)
{
	static const struct { uint64_t asked_ms; uint32_t low; } cases[] = {{0, 6}, {1069, 5}, {1074, 6}, {1059, 4}, {100, 4}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct silences s = started_late(cases[i].asked_ms);

		is_int(s.count, 1, "one silence");
		if (s.count)
			is_int(s.gaps->run_low, cases[i].low, "its last call was let through after %d ms, and at most 20 ms before its start",
			       (int)cases[i].asked_ms);
		silence_free(&s);
	}
}

/*
 * A request every 10 ms, most alone; at 2,000 ms two side by side: one fails at 2,002 ms, the other succeeds at 2,003. The next four fail, each 2 ms after it
 * came, and it is open for a second. Moments (us, in that run) at which the client knew the two ends, and that after which the last call was let through.
 */
struct side {
	unsigned failed_counted, ok_counted, asked;
	uint32_t low, high;
};

static struct silences side_by_side(const struct side *side)
{
	static struct silence_attempt a[400];
	static struct silence_demand d[402];
	struct silence_input in = {.attempts = a, .demands = d, .need = 3, .end_ns = 5000 * MS};
	struct silences s;

	for (unsigned i = 0; i < 300; i++) {
		uint64_t at = 1000 * MS + 10 * MS * i, took = i < 3 ? 13 : 2;
		bool shed = i > 104 && i < 205, failed = i >= 100 && i <= 104;

		d[in.demand_count++] = (struct silence_demand){.at_ns = at, .end_ns = at + (shed ? 0 : took * MS + MS / 5), .shed = shed};
		if (shed)
			continue;
		a[in.n++] = (struct silence_attempt){.start_ns = at + MS / 2, .end_ns = at + took * MS, .failed = failed, .counts = true, .request = i,
						     .counted_ns = i == 100 ? side->failed_counted * MS / 1000 : at + took * MS,
						     .asked_ns = i == 104 ? side->asked * MS / 1000 : at};
		if (i != 100)
			continue;
		d[in.demand_count++] = (struct silence_demand){.at_ns = at + MS / 2, .end_ns = at + 3 * MS + MS / 5};
		a[in.n++] = (struct silence_attempt){.start_ns = at + MS, .end_ns = at + 3 * MS, .counts = true, .request = 1000,
						     .counted_ns = side->ok_counted * MS / 1000, .asked_ns = at + MS / 2};
	}
	if (silence_find(&s, &in))
		abort();
	return s;
}

static void counted_in_another_order(void)
{
	static const struct side sides[] = {
		{2002500, 2003500, 2040000, 4, 4},	/* as they came */
		{2003200, 2003500, 2040000, 4, 5},	/* the failure behind the success, perhaps */
		{0, 2003500, 2040000, 4, 5},		/* not known: so it may be */
		{2900000, 2003500, 2040000, 4, 5},
		{2002500, 2013000, 2040000, 3, 4},	/* the success behind the next failure */
		{2002500, 0, 2040000, 4, 4},
		{2002500, 2003500, 2031000, 3, 4},	/* the last was let through before the third failed */
	};

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		struct silences s = side_by_side(&sides[i]);

		is_int((long long)s.count, 1, "side %zu: it opened once", i);
		if (s.count)
			ok(s.gaps->run_low == sides[i].low && s.gaps->run_high == sides[i].high, "... after %u to %u failures: %u to %u", sides[i].low,
			   sides[i].high, s.gaps->run_low, s.gaps->run_high);
		silence_free(&s);
	}
}

/*
 * A request every 20 ms; from 2,000 to 4,000 ms calls fail after `call` ms, the fifth failure opens it for 200 ms, and each request whose attempts fail or
 * are turned down takes 150 ms: there is nearly always one that called. `both`: half-open lets two in. Eight are in work at once first, so that it is
 * no bulkhead that is full.
 */
static struct silences half_open_all_the_while(unsigned call, bool both)
{
	static struct silence_attempt a[300];
	static struct silence_demand d[300];
	struct silence_input in = {.attempts = a, .demands = d, .demand_count = 300, .need = 3, .waits_ns = 150 * MS, .end_ns = 7000 * MS};
	unsigned let = 0, most = 5;	/* failures until it opens */
	uint64_t until = 0;
	struct silences s;

	for (unsigned i = 0; i < 300; i++) {
		uint64_t at = 1000 * MS + 20 * MS * i;
		bool bad = i >= 50 && i < 150, shed = bad && at < until;
		uint64_t took = (!bad ? i < 8 ? 149 : 1 : let && call > 20 ? 5 : call) * MS;	/* the second of two is over first */

		if (bad && !shed && ++let == most) {
			until = at + took + 200 * MS;
			most = both ? 2 : 1;
			let = 0;
		}
		d[i] = (struct silence_demand){.at_ns = at, .end_ns = at + (bad || i < 8 ? 150 : 2) * MS, .shed = shed};
		if (!shed)
			a[in.n++] = (struct silence_attempt){.start_ns = at + MS / 10, .end_ns = at + took, .failed = bad, .counts = true, .request = i,
							     .asked_ns = at};
	}
	if (silence_find(&s, &in))
		abort();
	return s;
}

static void shed_beside_half_open_calls(void)
{
	struct silences s = half_open_all_the_while(1, false);

	ok(s.count >= 8, "requests that wait between attempts beside half-open calls that are soon over were turned down: %zu silences", s.count);
	ok(s.probes.reopen && !strcmp(s.probes.reopen, "any failure"), "one failure opens it again");
	silence_free(&s);
	s = half_open_all_the_while(30, true);
	ok(s.count >= 6 && !s.probes.reopen, "of two that were in work together one or both opened it: %zu silences, %s", s.count,
	   s.probes.reopen ? s.probes.reopen : "not told");
	silence_free(&s);
	s = half_open_all_the_while(1, true);
	ok(s.count >= 6 && s.probes.reopen && !strcmp(s.probes.reopen, "ratio"), "of two one behind the other both had to fail: %zu silences, %s", s.count,
	   s.probes.reopen ? s.probes.reopen : "not told");
	silence_free(&s);
}

/*
 * A request every 10 ms, but for 60 ms; five fail from 1,300 to 1,340 ms and it is open for a second. On a busy machine one that was let through at 1,345 ms
 * begins its call at 1,440, and those that come from 1,400 on until then are answered `late` ms after they came; later ones at once.
 */
static size_t begun_late(unsigned late)
{
	static struct silence_attempt a[300];
	static struct silence_demand d[301];
	struct silence_input in = {.attempts = a, .demands = d, .need = 3, .end_ns = 5000 * MS};
	struct silences s;
	size_t count;

	for (unsigned i = 0; i < 300; i++) {
		unsigned at = 1000 + 10 * i;
		bool shed = at > 1340 && at < 2345;
		unsigned took = i < 4 ? 40 : !shed ? 2 : at < 1440 ? late : 0;

		if (at > 1340 && at < 1400)
			continue;
		d[in.demand_count++] = (struct silence_demand){.at_ns = at * MS, .end_ns = (at + took) * MS, .shed = shed};
		if (!shed)
			a[in.n++] = (struct silence_attempt){.start_ns = at * MS + MS / 10, .end_ns = (at + (i < 4 ? 39 : 1)) * MS,
							     .failed = at >= 1300 && at <= 1340, .counts = true, .request = i, .asked_ns = at * MS};
		if (at != 1340)
			continue;
		d[in.demand_count++] = (struct silence_demand){.at_ns = 1345 * MS, .end_ns = 1442 * MS};
		a[in.n++] = (struct silence_attempt){.start_ns = 1440 * MS, .end_ns = 1441 * MS, .failed = true, .counts = true, .request = 1000,
						     .asked_ns = 1345 * MS};
	}
	if (silence_find(&s, &in))
		abort();
	count = s.count;
	silence_free(&s);
	return count;
}

static void calls_that_begin_late(void)
{
	is_int((long long)begun_late(45), 1, "requests that were turned down behind a call's start say nothing of what was before it: it opened once");
	is_int((long long)begun_late(0), 2, "those that were before it do: that call was let in again");
}

static void no_half_open(void)
{
	struct gateway g = plain;
	struct silences s;

	g.consecutive = 5;
	g.forgets = 1;
	s = look(&g, 0);
	is_int(s.count, g.opens, "closed at once after an open: every open is seen");
	ok(!s.probes.reopen, "five failures open it again as they did first: no rule of a half-open state");
	drop(&g, &s);
}

static void rates_disagree(void)
{
	struct gateway g = plain;
	struct silences s;
	uint32_t low = UINT32_MAX, high = 0;

	g.rate = 0.5;
	g.bad_share = 0.6;
	g.tick_ms = 10;
	g.run_ms = g.bad_to_ms = 60000;
	s = look(&g, 0);
	is_int(s.count, g.opens, "partial failures: every open is seen");
	for (size_t i = 0; i < s.count; i++)
		if (s.gaps[i].sure) {
			low = s.gaps[i].run_high < low ? s.gaps[i].run_high : low;
			high = s.gaps[i].run_low > high ? s.gaps[i].run_low : high;
		}
	ok(high > low, "a rate opens after runs of different lengths");
	drop(&g, &s);
}

/* Each looks like an open breaker in something, and is none. */
static void look_alikes(void)
{
	static const struct {
		const char *what;
		int paced;
		struct gateway g;	/* over `plain` where 0 */
		const char *why;	/* a word of why not; NULL: nothing looks like one */
	} cases[] = {
		{"no breaker at all", 0, {.tick_ms = 50}, NULL},
		{"no breaker, seen by its pace", 1, {.tick_ms = 50}, NULL},
		{"nobody asks for 2.5 s", 0, {.quiet_from_ms = 3500, .quiet_to_ms = 6000}, NULL},
		{"a program that pauses during an outage", 1, {.quiet_from_ms = 3500, .quiet_to_ms = 6000}, "pause"},
		{"a program that pauses while all is well", 1, {.quiet_from_ms = 1000, .quiet_to_ms = 2500}, "none had failed"},
		{"a rate limiter", 0, {.limit_ms = 200, .tick_ms = 10}, "rate limiter"},
		{"a full bulkhead", 0, {.width = 4, .batch = 12}, "bulkhead"},
		{"a bulkhead whose calls start late", 0, {.width = 2, .service_ms = 9, .spread_ms = 6, .lag_ms = 4, .tick_ms = 0.6}, "bulkhead"},
		{"a bulkhead of slow calls", 0, {.width = 3, .service_ms = 900, .tick_ms = 10}, "bulkhead"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gateway g = cases[i].g;
		struct silences s;

		g.tick_ms = g.tick_ms > 0 ? g.tick_ms : plain.tick_ms;
		g.service_ms = g.service_ms > 0 ? g.service_ms : plain.service_ms;
		g.run_ms = plain.run_ms;
		g.bad_from_ms = plain.bad_from_ms;
		g.bad_to_ms = plain.bad_to_ms;
		g.bad_share = 1;
		g.seed = i + 1;
		s = look(&g, cases[i].paced);
		is_int(s.count, 0, "%s is no breaker", cases[i].what);
		ok(cases[i].why ? s.ruled_out && strstr(s.ruled_out, cases[i].why) : !s.ruled_out, "%s: %s", cases[i].what,
		   s.ruled_out ? s.ruled_out : "nothing to rule out");
		drop(&g, &s);
	}
}

/* Requests every 20 ms; 30 that succeed, five that fail with these waits between their attempts, 30 that succeed; three times. */
static struct silences retrying(struct loop *l, const double *waits, unsigned n)
{
	*l = (struct loop){0};
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 30; i++)
			call(l, 20, 0);
		for (int i = 0; i < 5; i++) {
			call(l, 20, 1);
			for (unsigned k = 0; k < n; k++)
				call(l, waits[k], 1);
		}
	}
	for (int i = 0; i < 30; i++)
		call(l, 20, 0);
	return look_at(l);
}

static void waits_are_no_breaker(void)
{
	static const struct {
		const char *what;
		double waits[6];
		unsigned n;
	} cases[] = {
		{"exponential waits", {100, 200, 400, 800, 1600}, 5}, {"linear waits", {500, 1000, 1500}, 3},
		{"two fixed waits a request", {1500, 1500}, 2}, {"one fixed wait a request", {1500}, 1},
		{"four fixed waits a request", {700, 700, 700, 700}, 4}, {"an immediate retry, then waits that grow", {0, 400, 800, 1600}, 4},
		{"random waits", {310, 1210, 95, 770}, 4},
	};
	static struct loop l;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct silences s = retrying(&l, cases[i].waits, cases[i].n);

		is_int(s.count, 0, "%s are no breaker", cases[i].what);
		ok(s.ruled_out, "%s: %s", cases[i].what, s.ruled_out ? s.ruled_out : "not ruled out");
		silence_free(&s);
	}
}

/* A breaker of eight failures, open for 1.5 s, in front of calls every 20 ms, of which some before it opens come 90 ms late. */
static void a_late_call_is_no_wait(void)
{
	static struct loop l;

	for (int late = 0; late <= 2; late++) {
		struct silences s;

		l = (struct loop){0};
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < 30; i++)
				call(&l, 20, 0);
			for (int i = 0; i < 8; i++)
				call(&l, (i == 3 && late) || (i == 5 && late == 2) ? 90 : 20, 1);
			call(&l, 1500, 1);
			call(&l, 1500, 0);
		}
		s = look_at(&l);
		ok(late < 2 ? s.count == 6 : !s.count && s.ruled_out, "%d of seven calls late: %s", late, s.count ? "a breaker" : s.ruled_out);
		silence_free(&s);
	}
}

/* Calls every 20 ms, then 30 requests within 30 ms that fail and are tried again after 500 ms; once by the same requests, once by others. */
static void requests_in_step(void)
{
	static struct loop l;

	for (int others = 0; others < 2; others++) {
		struct silences s;

		l = (struct loop){0};
		for (int round = 0; round < 4; round++) {
			for (int i = 0; i < 30; i++) {
				call(&l, 18, 0);
				l.a[l.n - 1].request = 10000 + (uint32_t)l.n;
			}
			for (int attempt = 0; attempt < 4; attempt++) {
				for (int i = 0; i < 30; i++) {
					l.a[l.n] = (struct silence_attempt){(uint64_t)((1000 + l.now) * MS), (uint64_t)((1000.5 + l.now) * MS), true, true,
									    false, (uint32_t)(others ? 20000 + l.n : 100 * (size_t)round + (size_t)i), 0, 0, 0};
					l.n++;
					l.now++;
				}
				l.now += attempt < 3 ? 500 : 0;
			}
		}
		s = look_at(&l);
		if (others)
			ok(s.count || !s.ruled_out || !strstr(s.ruled_out, "in step"), "others that come after a silence were not there before it");
		else
			ok(!s.count && s.ruled_out && strstr(s.ruled_out, "in step"), "30 requests that wait 500 ms together are no breaker: %s",
			   s.ruled_out ? s.ruled_out : "not ruled out");
		silence_free(&s);
	}
}

static int by_start(const void *a, const void *b)
{
	const struct silence_attempt *x = a, *y = b;

	return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

/* 30 requests that begin 20 ms apart and wait 50, 100, 200, 400, 800 ms: between two waves nobody's wait is over. Once nothing is known of a policy. */
static void waits_of_a_policy(void)
{
	for (int known = 0; known < 2; known++) {
		static struct loop l;
		struct silences s;

		l = (struct loop){.now = 4000};
		for (int i = 0; i < 30; i++)
			for (int k = 0; k < 6; k++) {
				double at = 1000 + 20 * i + 50 * ((1 << k) - 1);

				l.a[l.n++] = (struct silence_attempt){(uint64_t)(at * MS), (uint64_t)((at + 0.5) * MS), true, true, known && k,
								      (uint32_t)i, 0, 0, 0};
			}
		qsort(l.a, l.n, sizeof(*l.a), by_start);
		s = look_at(&l);
		if (known)
			ok(!s.count && s.ruled_out && strstr(s.ruled_out, "own waits"), "retries that come when their policy has it ended the silence: %s",
			   s.ruled_out ? s.ruled_out : "not ruled out");
		else
			ok(s.count == 1, "the same without a policy is a silence");
		silence_free(&s);
	}
}

static void names_that_are_not_resolved(void)
{
	struct gateway g = plain;
	struct silence_input in;
	struct silences s;
	uint64_t at[200];

	g.consecutive = 5;
	gateways_run(&g);
	in = gateways_seen(&g, 0);
	for (int i = 0; i < 200; i++)
		at[i] = (uint64_t)(1000 + 3000 + 30 * i) * MS;
	in.unresolved = at;
	in.unresolved_count = 200;
	silence_find(&s, &in);
	ok(!s.count && s.ruled_out, "look-ups that fail all the while explain the silence: %s", s.ruled_out);
	silence_free(&s);
	in.unresolved_count = 0;
	ok(!silence_find(&s, &in) && s.count == g.opens, "without them it is a breaker");
	drop(&g, &s);
}

/* When a request that was turned down at at_ns is answered in that world; 0 never. */
typedef uint64_t late_end(uint64_t at_ns, size_t i);

static uint64_t when_it_goes_on(uint64_t at_ns, size_t i)
{
	return (at_ns / (1200 * MS) + 1) * 1200 * MS;
}

static uint64_t never_for_every_other(uint64_t at_ns, size_t i)
{
	return i % 2 ? 0 : at_ns + 1200 * MS;
}

/* Waits of a retry loop around the breaker, of which one in ten is late. */
static uint64_t after_its_waits(uint64_t at_ns, size_t i)
{
	return at_ns + (i % 10 ? 150 + i % 5 : 190) * MS;
}

static uint64_t after_any_time(uint64_t at_ns, size_t i)
{
	return at_ns + (60 + i * 37 % 400) * MS;
}

static struct silences look_late(struct gateway *g, late_end *end, double waits_ms)
{
	struct silence_input in;
	struct silences s;

	g->consecutive = 5;
	gateways_run(g);
	for (size_t i = 0; i < g->demand_count; i++)
		if (g->demands[i].shed)
			g->demands[i].end_ns = end(g->demands[i].at_ns, i);
	in = gateways_seen(g, 0);
	in.waits_ns = (uint64_t)(waits_ms * MS);
	if (silence_find(&s, &in))
		abort();
	return s;
}

static void requests_that_are_answered_late(void)
{
	static late_end *const hangs[] = {when_it_goes_on, never_for_every_other, after_any_time};

	for (size_t i = 0; i < sizeof(hangs) / sizeof(hangs[0]); i++) {
		struct gateway g = plain;
		struct silences s = look_late(&g, hangs[i], 0);

		ok(!s.count && s.ruled_out, "requests that are answered at any later time, or never, were not turned down: %s", s.ruled_out);
		drop(&g, &s);
	}
}

/* A request every 50 ms. Forty call, the last five in vain; sixteen do not, and wait 150 ms, but `others` of them 300; when all have ended twenty call. */
static bool waits_agree(int others)
{
	static struct silence_attempt a[60];
	static struct silence_demand d[76];
	struct silence_input in = {.attempts = a, .demands = d, .need = 4};
	struct silences s;
	uint64_t at = 1000 * MS;
	bool agreed;

	for (int i = 0; i < 76; i++, at += 50 * MS) {
		bool shed = i >= 40 && i < 56;

		at += i == 56 ? 700 * MS : 0;
		d[in.demand_count++] = (struct silence_demand){at, at + (!shed ? 3 : i < 40 + others ? 300 : 150) * MS, shed, 0};
		if (shed)
			continue;
		a[in.n] = (struct silence_attempt){.start_ns = at + MS / 10, .end_ns = at + 2 * MS, .failed = i >= 35 && i < 40, .counts = true,
						   .request = (uint32_t)in.n, .row = (uint32_t)in.n};
		in.n++;
	}
	in.end_ns = at;
	if (silence_find(&s, &in))
		abort();
	agreed = s.agreed;
	silence_free(&s);
	return agreed;
}

static void retries_around_a_breaker(void)
{
	struct gateway g = plain;
	struct silences s = look_late(&g, after_its_waits, 0);

	ok(s.count == g.opens && s.agreed && s.waited > 30, "those that agree in how long they take waited between attempts, all turned down: %zu of %u",
	   s.count, g.opens);
	ok(s.gaps[0].run_low <= 5 && s.gaps[0].run_high == 5, "it opened before the first of them waited");
	drop(&g, &s);
	ok(waits_agree(4) && !waits_agree(5), "which are a policy's when three in four of them agree, no fewer");
	g = plain;
	s = look_late(&g, after_any_time, 420);
	ok(s.count == g.opens && !s.agreed && s.waited > 30, "and so did those that take what their client is known to wait");
	drop(&g, &s);
}

/* A breaker that opened at 12 failures of its first 20 calls: the share is of all of them, or of fewer, which were the last. */
static void a_share_of_all_since_it_closed(void)
{
	struct loop l = {.now = 0};
	struct silences s;

	for (int i = 0; i < 20; i++)
		call(&l, 50, i >= 8);
	call(&l, 1500, 0);
	for (int i = 0; i < 20; i++)
		call(&l, 50, 0);
	s = look_at(&l);
	is_int((long long)s.count, 1, "it opened once");
	ok(s.count && s.gaps[0].share_low == 0.6 && s.gaps[0].share_high == 1, "at 12 of 20, or at a larger share of less: %g to %g",
	   s.count ? s.gaps[0].share_low : NAN, s.count ? s.gaps[0].share_high : NAN);
	silence_free(&s);
}

static void needs(void)
{
	is_int(silence_need(1000000, 1000000), 3, "where all ask, three that do not are no chance; fewer are never enough");
	ok(silence_need(20, 20) > 3, "where 20 of 20 asked it takes more");
	ok(silence_need(0, 10) > 1000000, "where none asked nothing is shed");
	ok(silence_need(0, 0) > 1000000, "nothing known, nothing shed");
}

static void damaged(void)
{
	struct stats_random r = {5};
	static struct silence_attempt a[300];
	static struct silence_demand d[600];
	uint64_t found = 0;

	for (int round = 0; round < 50; round++) {
		struct silence_input in = {.attempts = a, .n = 300, .demands = round % 2 ? d : NULL, .demand_count = round % 2 ? 600 : 0, .need = 1,
					   .end_ns = round % 3 ? 0 : UINT64_MAX};
		struct silences s;

		for (int i = 0; i < 300; i++)
			a[i] = (struct silence_attempt){(uint64_t)(stats_uniform(&r) * 1e19), (uint64_t)(stats_uniform(&r) * 1e19),
							stats_uniform(&r) < 0.7, i % 3 != 0, i % 2 != 0, 0, 0,
							(uint64_t)(stats_uniform(&r) * 1e19), (uint64_t)(stats_uniform(&r) * 1e19)};
		for (int i = 0; i < 600; i++)
			d[i] = (struct silence_demand){(uint64_t)(stats_uniform(&r) * 1e19), (uint64_t)(stats_uniform(&r) * 1e19),
						       stats_uniform(&r) < 0.7, 0};
		if (!silence_find(&s, &in))
			found += s.count <= 300;
		silence_free(&s);
	}
	is_int(found, 50, "times in any order are looked at to the end");
}

/* Four calls at once, 20 ms, and again; a breaker after a second and a half of failures is no silence for sure, and no calls that go on either. */
/* Callers that all fail and end one after another: how long the last ones wait shows only then. */
static void callers_that_end(void)
{
	static struct loop l;
	struct silences s;

	for (int ends = 0; ends < 2; ends++) {
		l = (struct loop){.n = 0};
		for (int i = 0; i < 200; i++)
			call(&l, i < 190 || !ends ? 18 : i % 2 ? 130 : 18, 1);
		call(&l, 260, 1);
		call(&l, 18, 1);
		s = look_at(&l);
		is_int(s.count, !ends, ends ? "other waits right before it: no silence" : "a pause after an even pace is a silence");
		silence_free(&s);
	}
}

static void bursts_have_no_pace(void)
{
	struct loop l = {.n = 0};
	struct silences s;

	for (int i = 0; i < 200; i++)
		for (int k = 0; k < 4; k++)
			call(&l, k ? 1 : i == 170 ? 1000 : 20, i >= 110 && i < 180);
	s = look_at(&l);
	is_int(s.count, 0, "no silence of a client without a pace");
	ok(s.longest_run > 200 && s.unsure, "and nobody knows whether it went on");
	silence_free(&s);
}

int main(void)
{
	thresholds_in_a_row();
	calls_in_work_are_accounted_for();
	intervals_hold_the_truth();
	half_open();
	first_calls_are_slow();
	too_little_demand_to_see_permits();
	probes_that_come_in_place_of_others();
	calls_that_start_after_they_were_let_through();
	counted_in_another_order();
	shed_beside_half_open_calls();
	calls_that_begin_late();
	no_half_open();
	rates_disagree();
	look_alikes();
	callers_that_end();
	bursts_have_no_pace();
	waits_are_no_breaker();
	a_late_call_is_no_wait();
	requests_in_step();
	waits_of_a_policy();
	names_that_are_not_resolved();
	requests_that_are_answered_late();
	retries_around_a_breaker();
	a_share_of_all_since_it_closed();
	needs();
	damaged();
	return tap_done();
}
