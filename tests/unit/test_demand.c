/* SPDX-License-Identifier: MIT */
/* What was asked for, tried and answered in each window of a run (analyzer/measure/demand.c), and what its end leaves open. */
#include "tests/unit/gateways.h"
#include "tests/unit/judge.h"
#include "tests/unit/steps.h"

static double at_ms(uint64_t ns)
{
	return (double)ns / 1e6 - 1000;
}

#define SIDE_EDGES 6

/* others: servers that it asks once each, before all else; their requests are the same again for each of them. */
static void write_gateway(struct runs *r, const struct gateway *g, int others)
{
	size_t k = 0;

	runs_begin(r, g->run_ms);
	runs_fault(r, 1, "outage", "{\"status\":503,\"from\":\"3s\",\"for\":\"5s\"}", 0, 0);
	runs_mark(r, g->bad_from_ms, "fault on outage");
	runs_mark(r, g->bad_to_ms, "fault off outage");
	runs_process(r, 1, "front");
	runs_connection(r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < others; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "127.0.0.2:%d", 90 + i);
		runs_connection(r, 4 + i, 1, "client", "127.0.0.1:4001", peer);
		runs_add(r, ATTEMPT(.connection = 4 + i, .tid = 8, .path = "/other", .at_ms = 1 + i, .took_ms = 0.5));
	}
	for (size_t i = 0; i < g->demand_count; i++) {
		const struct silence_demand *d = &g->demands[i];
		const struct silence_attempt *a = d->shed ? NULL : &g->attempts[k++];
		int x, parent = runs_add(r, ATTEMPT(.connection = 3, .tid = 7, .role = "server", .path = "/in", .status = !a || a->failed ? 503 : 200,
						    .at_ms = at_ms(d->at_ns), .took_ms = at_ms(d->end_ns) - at_ms(d->at_ns)));

		if (!a)
			continue;
		x = runs_add(r, ATTEMPT(.connection = 2, .tid = 7, .status = a->failed ? 503 : 200, .at_ms = at_ms(a->start_ns), .parent = parent,
					.took_ms = at_ms(a->end_ns) - at_ms(a->start_ns), .fault = a->failed));
		if (a->failed)
			runs_inject(r, 1, x, at_ms(a->start_ns), "status", -1, -1);
	}
}

/*
 * From 3 s on each call that fails has a second request beside it, which calls nobody and is answered after late_ms; those that call take took_ms. On
 * one thread its call may be laid to the other: only who is answered within half of that was turned down.
 */
static uint64_t turned_down(bool own_threads, double took_ms, double late_ms)
{
	struct runs r;
	struct result x;
	uint64_t shed;

	runs_begin(&r, 6000);
	runs_fault(&r, 1, "outage", "{\"status\":503,\"from\":\"3s\",\"for\":\"3s\"}", 0, 0);
	runs_mark(&r, 3000, "fault on outage");
	runs_process(&r, 1, "front");
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 118; i++) {
		double at = 50 * i;
		bool bad = at >= 3000;
		int parent = runs_add(&r, ATTEMPT(.connection = 3, .tid = 7, .role = "server", .path = "/in", .status = bad ? 503 : 200, .at_ms = at,
						  .took_ms = took_ms));
		int call = runs_add(&r, ATTEMPT(.connection = 2, .tid = 7, .status = bad ? 503 : 200, .at_ms = at + 1, .took_ms = took_ms - 2, .parent = parent,
						.fault = bad));

		if (!bad)
			continue;
		runs_inject(&r, 1, call, at + 1, "status", -1, -1);
		runs_add(&r, ATTEMPT(.connection = 3, .tid = own_threads ? 8 : 7, .role = "server", .path = "/in", .status = 503, .at_ms = at + 2,
				     .took_ms = late_ms));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	shed = judge_edge(&x, "front", "127.0.0.1:81")->demand - judge_edge(&x, "front", "127.0.0.1:81")->whole.logical;
	judge_end(&r, &x);
	return shed;
}

static void who_was_turned_down(void)
{
	is_int(turned_down(false, 10, 4.9), 58, "on one thread: who is answered in less than half the time of a call");
	is_int(turned_down(false, 10, 5.1), 0, "and nobody later, whose call may be laid to another");
	is_int(turned_down(false, 3, 1.9), 58, "2 ms are no time");
	is_int(turned_down(false, 3, 2.1), 0, "but more than half of three");
	is_int(turned_down(true, 10, 30), 58, "on threads of their own: however late");
}

static void windows_of_a_breaker(void)
{
	struct gateway g = {.tick_ms = 50, .service_ms = 3, .spread_ms = 2, .run_ms = 12000, .bad_from_ms = 3000, .bad_to_ms = 8000, .bad_share = 1,
			    .open_ms = 1500, .consecutive = 5, .seed = 7};
	uint64_t demand[2] = {0}, attempts[2] = {0}, answers[2] = {0}, all[2] = {0};
	const struct result_edge *e;
	struct runs r;
	struct result x;
	double first = -1;
	size_t k = 0;

	gateways_run(&g);
	write_gateway(&r, &g, 0);
	for (size_t i = 0; i < g.n && first < 0; i++)
		first = g.attempts[i].failed ? at_ms(g.attempts[i].start_ns) : -1;
	for (size_t i = 0; i < g.demand_count; i++) {
		const struct silence_attempt *a = g.demands[i].shed ? NULL : &g.attempts[k++];
		double at = at_ms(a ? a->start_ns : g.demands[i].at_ns);
		int after = at > 8000;

		if (at < first)
			continue;
		demand[after]++;
		attempts[after] += a != NULL;
		answers[after] += a && !a->failed;
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "front", "127.0.0.1:81");
	for (int after = 0; after < 2; after++) {
		const struct result_cohort *c = &e->window[after ? TIMELINE_RECOVERY : TIMELINE_FAULT];

		is_int((long long)c->demand, (long long)demand[after], "%s: what was asked for, shed calls included", after ? "recovery" : "fault");
		is_int((long long)c->attempts, (long long)attempts[after], "what was tried");
		is_int((long long)c->succeeded, (long long)answers[after], "what was answered well");
		NEAR(c->amplification_demand.value, (double)attempts[after] / (double)demand[after], "attempts per demand");
	}
	ok(e->window[TIMELINE_FAULT].amplification_demand.value < 0.2, "under the fault the breaker brings it far below one");
	is_int((long long)e->window[TIMELINE_BASELINE].demand, (long long)e->window[TIMELINE_BASELINE].logical, "in the baseline nothing is shed");
	is_int((long long)(e->window[0].demand + e->window[1].demand + e->window[2].demand), (long long)e->demand, "the windows make the whole");
	for (size_t i = 0; i < x.timeline.window_count; i++) {
		const struct timeline_window *w = &x.timeline.windows[i];
		const struct result_cohort *c = &e->window[w->kind];

		is_int((long long)w->demand, (long long)c->demand, "%s: a window has the edges whose requests are known", timeline_name(w->kind));
		is_int((long long)w->answers, (long long)c->succeeded, "and their answers");
		is_int((long long)w->censored, 0, "nothing is left open");
		all[0] += w->demand;
		all[1] += w->attempts;
	}
	ok(!judge_edge(&x, "external", "front")->whole.linked, "of those who ask from outside nothing joins attempts to requests");
	is_int((long long)all[0], (long long)e->demand, "all windows make the run");
	is_int((long long)all[1], (long long)e->whole.attempts, "in attempts too");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* What is kept of an edge's demand for later steps and what they work out themselves, for want of room, is the same. */
static void kept_or_not(void)
{
	struct gateway g = {.tick_ms = 50, .service_ms = 3, .spread_ms = 2, .run_ms = 12000, .bad_from_ms = 3000, .bad_to_ms = 8000, .bad_share = 1,
			    .open_ms = 1500, .consecutive = 5, .seed = 7};
	const struct result_edge *e[2];
	struct runs r[2];
	struct result x[2];

	gateways_run(&g);
	for (int i = 0; i < 2; i++) {
		write_gateway(&r[i], &g, i ? SIDE_EDGES : 0);
		judge(&r[i], &x[i], &ANALYZE_EVERYTHING);
		e[i] = judge_edge(&x[i], "front", "127.0.0.1:81");
	}
	is_int((long long)x[1].edge_count, (long long)x[0].edge_count + SIDE_EDGES, "more edges than there is room for");
	ok(e[0]->breaker.shed > 0, "the breaker sheds");
	is_int((long long)e[1]->breaker.shed, (long long)e[0]->breaker.shed, "the same with them");
	is_int(e[1]->breaker.opens, e[0]->breaker.opens, "it opens as often");
	is_int((long long)e[1]->demand, (long long)e[0]->demand, "as much is asked for");
	is_int((long long)e[1]->bulkhead.asked, (long long)e[0]->bulkhead.asked, "and may be limited");
	for (int i = 0; i < 2; i++)
		judge_end(&r[i], &x[i]);
	gateways_end(&g);
}

/* Requests of up to three attempts, 100 ms apart; the run ends at 5 s. */
static void request(struct runs *r, int i, double at, int attempts, int status, double last_took)
{
	for (int k = 0; k < attempts; k++)
		runs_add(r, ATTEMPT(.status = k + 1 == attempts && last_took < 0 ? 0 : k + 1 == attempts ? status : 503, .at_ms = at + 105 * k, .took_ms =
				    k + 1 == attempts ? last_took : 5, .correlation = 1000 + i, .outcome = last_took < 0 && k + 1 == attempts ?
				    "indeterminate" : NULL));
}

static void what_the_end_cuts(void)
{
	const struct result_edge *e;
	struct runs r;
	struct result x;

	judge_client(&r, 5000);
	for (int i = 0; i < 10; i++)
		request(&r, i, 300 * i, 3, 503, 5);		/* given up after three attempts */
	request(&r, 20, 4700, 3, 503, 5);	/* at its end, but all three are made */
	request(&r, 21, 4800, 2, 503, 5);	/* 4905 + 5 ms: a third might have come at 5010 */
	request(&r, 25, 4790, 2, 503, 5);	/* 4895 + 5 ms: a third might have come at 5000, as it ends */
	request(&r, 26, 4789, 2, 503, 5);	/* a millisecond sooner it would have come */
	request(&r, 22, 4600, 2, 503, 5);	/* 4705 + 5 ms: a third would have come */
	request(&r, 23, 4850, 2, 200, 5);	/* answered */
	request(&r, 24, 4400, 1, 200, -1);	/* never answered */
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int((long long)e->whole.logical, 17, "seventeen requests");
	is_int((long long)e->whole.censored, 3, "one that is open, and two whose retry may have been to come, are censored");
	is_int((long long)e->window[TIMELINE_BASELINE].censored, 3, "in their window");
	judge_end(&r, &x);
}

/* Four of five requests of the fault wait 300 ms and are answered well: their calls are laid to others. The fifth is turned down. */
static void calls_laid_to_others(void)
{
	const struct result_edge *e;
	struct runs r;
	struct result x;
	int parent;

	runs_begin(&r, 12000);
	runs_fault(&r, 1, "outage", "{\"status\":503,\"from\":\"3s\",\"for\":\"5s\"}", 0, 0);
	runs_mark(&r, 3000, "fault on outage");
	runs_mark(&r, 8000, "fault off outage");
	runs_process(&r, 1, "front");
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 100; i++) {
		double at = 100 + 70 * i;
		int laid = i < 44 || i >= 94, down = !laid && i % 5 == 0, x2;

		parent = runs_add(&r, ATTEMPT(.connection = 3, .tid = 7, .role = "server", .path = "/in", .status = down ? 503 : 200, .at_ms = at,
					      .took_ms = laid ? 10 : down ? 1 : 300));
		if (!laid)
			continue;
		x2 = runs_add(&r, ATTEMPT(.connection = 2, .tid = 7, .status = i == 43 ? 503 : 200, .at_ms = at + 1, .took_ms = 8, .parent = parent,
					  .fault = i == 43));
		if (i == 43)
			runs_inject(&r, 1, x2, at + 1, "status", -1, -1);
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "front", "127.0.0.1:81");
	is_int((long long)e->window[TIMELINE_FAULT].demand - (long long)e->window[TIMELINE_FAULT].logical, 10,
	       "who was turned down is demand, who waited is not");
	judge_end(&r, &x);
}

/* One that asks, for 30 ms, and is answered so much later, or one that does not and is answered at once. */
static void come(struct runs *r, double at, int tid, bool asks, double later)
{
	int in = runs_add(r, ATTEMPT(.connection = 3, .tid = tid, .role = "server", .path = "/in", .status = asks ? 200 : 503, .at_ms = at,
				     .took_ms = asks ? 30.1 + later : 0.3));

	if (asks)
		runs_add(r, ATTEMPT(.connection = 2, .tid = tid, .status = 200, .at_ms = at + 0.1, .took_ms = 30, .parent = in));
}

/*
 * Forty that ask, two at a time. Then five times one that asks, and another that does not: while that is in work, when nothing is, or when its call has
 * ended.
 */
static void habits_are_learnt_while_less_than_half_is_in_work(void)
{
	for (int beside = 0; beside < 3; beside++) {
		struct runs r;
		struct result x;
		struct measure m;
		const struct result_edge *e;
		const struct demands *d;
		int expected = 0;

		runs_begin(&r, 6000);
		runs_process(&r, 1, "front");
		runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
		runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
		for (int i = 0; i < 40; i++)
			come(&r, 100 + 100 * (i / 2) + i % 2, 20 + i % 2, true, 1);
		for (int i = 0; i < 5; i++) {
			come(&r, 3000 + 200 * i, 20, true, beside == 2 ? 100 : 1);
			come(&r, 3000 + 200 * i + (beside == 1 ? 10 : 100), 21, false, 0);
		}
		steps_begin(&r, &m, &x);
		e = judge_edge(&x, "front", "127.0.0.1:81");
		d = &m.demand.of[e - x.edges];
		for (size_t i = 0; i < d->n; i++)
			expected += !d->of[i].call_ns && d->of[i].expected;
		is_int(expected, beside == 1 ? 5 : 0, "five do not ask %s", beside == 1 ? "while one of two is in work: such requests normally do" :
		       "while nothing is in work: such requests do not always ask");
		steps_end(&r, &m, &x);
	}
}

/* Requests one after the other, 100 ms apart: of each whether its call fails (x), succeeds (.), or is not made (-). */
static struct demands one_by_one(struct runs *r, struct result *x, struct measure *m, const char *calls)
{
	runs_begin(r, 100.0 * (double)strlen(calls) + 1000);
	runs_process(r, 1, "front");
	runs_connection(r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; calls[i]; i++) {
		int status = calls[i] == '.' ? 200 : 503;
		int in = runs_add(r, ATTEMPT(.connection = 3, .tid = 20, .role = "server", .path = "/in", .status = status, .at_ms = 100 * i, .took_ms = 10));

		if (calls[i] != '-')
			runs_add(r, ATTEMPT(.connection = 2, .tid = 20, .status = status, .at_ms = 100 * i + 1, .took_ms = 8, .parent = in));
	}
	steps_begin(r, m, x);
	return m->demand.of[judge_edge(x, "front", "127.0.0.1:81") - x->edges];
}

static void when_an_edge_is_well(void)
{
	static const char calls[] = "....................x............x.";
	struct runs r;
	struct result x;
	struct measure m;
	struct demands d = one_by_one(&r, &x, &m, calls);
	bool are_well = true, are_hardly = true;

	is_int((long long)d.n, (long long)strlen(calls), "each request is one");
	for (size_t i = 0; i < d.n; i++) {
		are_well &= d.of[i].well == (i <= 20 || (i >= 31 && i <= 33));
		are_hardly &= d.of[i].hardly == (i != 21 && i != 34);
	}
	ok(are_well, "behind a failure an edge is well after ten successes, and not after nine");
	ok(are_hardly, "and hardly well after one");
	steps_end(&r, &m, &x);
}

/* What is turned down comes behind a failure: then it does not count for the habit. */
static void three_make_a_habit(void)
{
	static const struct { const char *calls, *what; int expected; } cases[] = {
		{"..x-", "two that succeed and one that fails make a habit", 1}, {".x-", "one that succeeds does not", 0},
		{"..................-x--", "nineteen of twenty do", 3}, {".................-x--", "eighteen of nineteen do not", 0},
		{"x..x-", "the first counts as well", 1}, {"xxx-", "three that fail do not: only the first came while it was well", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		struct measure m;
		struct demands d = one_by_one(&r, &x, &m, cases[i].calls);
		int expected = 0;

		for (size_t k = 0; k < d.n; k++)
			expected += demand_shed(&d.of[k]);
		is_int(expected, cases[i].expected, "%s", cases[i].what);
		steps_end(&r, &m, &x);
	}
}

static void begin_two(struct runs *r)
{
	runs_begin(r, 12000);
	runs_process(r, 1, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4001", "127.0.0.1:91");
	runs_connection(r, 2, 1, "client", "127.0.0.1:4002", "127.0.0.1:92");
	runs_connection(r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
}

/* A fault that is told by its marks and what it injects. */
static void goes_wrong(struct runs *r, double from, double to, int attempt)
{
	runs_fault(r, 1, "outage", "{\"status\":503}", 0, 0);
	runs_mark(r, from, "fault on outage");
	runs_mark(r, to, "fault off outage");
	runs_inject(r, 1, attempt, from, "status", -1, -1);
}

/*
 * Each request asks a server and then another, of which one call in four fails. While the first is out, for a second three times, they end before the
 * second: nobody turned its calls away.
 */
static void who_failed_elsewhere(bool slowly)
{
	const struct result_edge *e;
	struct runs r;
	struct result x;

	begin_two(&r);
	for (int i = 0; i < 1200; i++) {
		double at = 10 * i, spent = slowly ? 150 : 2;
		bool out = (i >= 300 && i < 400) || (i >= 500 && i < 600) || (i >= 700 && i < 800), failed = i % 4 == 3;
		int in = runs_add(&r, ATTEMPT(.connection = 3, .tid = 100 + i % 20, .role = "server", .path = "/in", .status = out || failed ? 503 : 200,
					      .at_ms = at, .took_ms = out ? spent + 2 : 8));

		runs_add(&r, ATTEMPT(.connection = 1, .tid = 100 + i % 20, .status = out ? 503 : 200, .at_ms = at + 1, .took_ms = out ? spent : 2,
				     .parent = in));
		if (!out)
			runs_add(&r, ATTEMPT(.connection = 2, .tid = 100 + i % 20, .status = failed ? 503 : 200, .at_ms = at + 4, .took_ms = 2,
					     .parent = in));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "front", "127.0.0.1:92");
	ok(!e->breaker.opens, "requests that failed at another server, %s, were not turned down by a breaker of this one (%u opens)",
	   slowly ? "slowly" : "at once", e->breaker.opens);
	is_int((long long)e->demand, 900, "nor did they ask for it");
	judge_end(&r, &x);
}

/*
 * The same, but the first server's breaker is open then: one call of it a second later, and the second is asked behind it. direct: one request in 25, while
 * all is well, asks the second alone.
 */
static void whose_breaker_it_is(bool direct)
{
	struct runs r;
	struct result x;
	const struct result_edge *second;
	const struct policy_breaker *a;
	int first = 0, hit = 0;

	begin_two(&r);
	for (int i = 0; i < 1200; i++) {
		double at = 10 * i;
		bool out = i >= 300 && i < 800, open = i > 304 && i < 805 && (i - 304) % 100, failed = i % 4 == 3 || i == 299;
		int in = runs_add(&r, ATTEMPT(.connection = 3, .tid = 100 + i % 20, .role = "server", .path = "/in", .status = out || failed ? 503 : 200,
					      .at_ms = at, .took_ms = open ? 0.5 : 8));

		if (!open && !(direct && !out && i % 25 == 0))
			first = runs_add(&r, ATTEMPT(.connection = 1, .tid = 100 + i % 20, .status = out ? 503 : 200, .at_ms = at + 1, .took_ms = 2,
						     .parent = in, .fault = out));
		hit = i == 300 ? first : hit;
		if (!open && !out)
			runs_add(&r, ATTEMPT(.connection = 2, .tid = 100 + i % 20, .status = failed ? 503 : 200, .at_ms = at + 4, .took_ms = 2,
					     .parent = in));
	}
	goes_wrong(&r, 3000, 8000, hit);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	a = &judge_edge(&x, "front", "127.0.0.1:91")->breaker;
	second = judge_edge(&x, "front", "127.0.0.1:92");
	ok(a->opens >= 5 && a->threshold_low <= 5 && a->threshold_high >= 5, "the breaker of the server that is asked first");
	ok(!second->breaker.opens, "is not that of the second");
	if (direct)
		ok(second->breaker.ruled_out && strstr(second->breaker.ruled_out, "asked first"), "which is said where the second is asked alone too");
	else
		is_int((long long)second->demand, (long long)second->whole.logical, "nor did who was turned down there ask for it");
	judge_end(&r, &x);
}

/*
 * Each request asks a server and then another, until that fails, for 2 s. Who comes then calls nobody and is answered at once: what the second's breaker
 * did. Or the first fails then, so that nobody comes as far as the second, and two of ten do not even call the first. first_share: of requests that ask
 * the first, in the time before; one in ten asks it twice.
 */
static void who_did_not_come_so_far(bool first_fails, double first_share)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;
	unsigned skipped = 0;
	int second = 0, hit = 0;

	begin_two(&r);
	for (int i = 0; i < 1200; i++) {
		double at = 10 * i;
		bool tries = i >= 400 && i < 410, silent = i >= 410 && i < 600, asks_first = i >= 400 || i % 100 < 100 * first_share;
		bool none = silent && (!first_fails || i % 10 > 7);
		int in = runs_add(&r, ATTEMPT(.connection = 3, .tid = 100 + i % 20, .role = "server", .path = "/in", .status = tries || silent ? 503 : 200,
					      .at_ms = at, .took_ms = none ? 0.5 : 8));

		skipped += none;
		if (!none && asks_first)
			runs_add(&r, ATTEMPT(.connection = 1, .tid = 100 + i % 20, .status = silent ? 503 : 200, .at_ms = at + 1, .took_ms = 2,
					     .parent = in));
		if (!silent && i % 10 == 5)
			runs_add(&r, ATTEMPT(.connection = 1, .tid = 100 + i % 20, .at_ms = at + 3.2, .took_ms = 0.5, .path = "/more", .parent = in));
		if (!silent)
			second = runs_add(&r, ATTEMPT(.connection = 2, .tid = 100 + i % 20, .status = tries ? 503 : 200, .at_ms = at + 4, .took_ms = 2,
						      .parent = in, .fault = tries));
		hit = i == 400 ? second : hit;
	}
	goes_wrong(&r, 4000, 6000, hit);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "front", "127.0.0.1:92");
	if (first_fails && first_share > 0.99) {
		ok(!e->breaker.opens, "who called nobody, while the server that all ask first failed, was not turned down by the second's breaker");
		is_int((long long)e->demand, (long long)e->whole.logical, "nor did they ask for it");
	} else {
		is_int(e->breaker.opens, 1, first_fails ? "of one that many ask without the first a breaker is seen"
							: "while the first is well it is the second's breaker");
		is_int((long long)(e->demand - e->whole.logical), skipped, "which turned them all down");
	}
	judge_end(&r, &x);
}

/* The first fails one in five; meanwhile the second's breaker is open: who had called the first and is answered then was turned down. */
static void who_came_so_far(void)
{
	struct runs r;
	struct result x;
	const struct policy_breaker *b;
	unsigned skipped = 0;

	begin_two(&r);
	for (int i = 0; i < 1200; i++) {
		double at = 10 * i;
		bool tries = i >= 400 && i < 410, silent = i >= 410 && i < 600, stumbles = silent && i % 5 == 4;
		int in = runs_add(&r, ATTEMPT(.connection = 3, .tid = 100 + i % 20, .role = "server", .path = "/in", .status = tries || silent ? 503 : 200,
					      .at_ms = at, .took_ms = silent ? 3 : 8));

		skipped += silent && !stumbles;
		runs_add(&r, ATTEMPT(.connection = 1, .tid = 100 + i % 20, .status = stumbles ? 503 : 200, .at_ms = at + 1, .took_ms = 1.5, .parent = in));
		if (!silent)
			runs_add(&r, ATTEMPT(.connection = 2, .tid = 100 + i % 20, .status = tries ? 503 : 200, .at_ms = at + 4, .took_ms = 2,
					     .parent = in));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	b = &judge_edge(&x, "front", "127.0.0.1:92")->breaker;
	is_int(b->opens, 1, "who had called the first, well or not, tells of the second's breaker");
	is_int((long long)b->shed, skipped, "all whose call there went well were turned down");
	judge_end(&r, &x);
}

int main(void)
{
	whose_breaker_it_is(false);
	whose_breaker_it_is(true);
	who_did_not_come_so_far(true, 1);
	who_did_not_come_so_far(false, 1);
	who_did_not_come_so_far(true, 0.9);
	who_came_so_far();
	who_failed_elsewhere(false);
	who_failed_elsewhere(true);
	who_was_turned_down();
	calls_laid_to_others();
	habits_are_learnt_while_less_than_half_is_in_work();
	when_an_edge_is_well();
	three_make_a_habit();
	windows_of_a_breaker();
	kept_or_not();
	what_the_end_cuts();
	return tap_done();
}
