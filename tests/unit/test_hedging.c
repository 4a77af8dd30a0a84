/* SPDX-License-Identifier: MIT */
/* Hedged requests (analyzer/hedging.c): a client whose second attempts are known, and what only looks like it. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#define GAVE_UP .outcome = "indeterminate", .error = "closed"

static int next_connection;

/* An attempt of "shop" over a connection of its own. */
static int attempt(struct runs *r, struct runs_exchange x)
{
	x.connection = x.connection ? x.connection : next_connection++;
	runs_sql(r, "INSERT OR IGNORE INTO connection(id, process_id, role, local, peer) VALUES(%d, 1, 'client', '127.0.0.1:4%d', '127.0.0.1:90')",
		 x.connection, x.connection);
	return runs_add(r, x);
}

static int inbound(struct runs *r, double at, double took, int tid)
{
	return runs_add(r, ATTEMPT(.connection = 1, .role = "server", .tid = tid, .path = "/page", .status = 200, .at_ms = at, .took_ms = took));
}

static void begin(struct runs *r, double duration_ms)
{
	next_connection = 10;
	runs_begin(r, duration_ms);
	runs_process(r, 1, "shop");
	runs_connection(r, 1, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
}

static const struct policy_hedging *judged(struct runs *r, struct result *x)
{
	judge(r, x, &ANALYZE_EVERYTHING);
	return &judge_edge(x, "shop", "127.0.0.1:90")->hedging;
}

/* n requests, one every 15 ms; every third is slow, so that another server is asked after `delay`, and what loses is given up. */
static void play_at_two(struct runs *r, int n, double delay, bool gives_up_together)
{
	begin(r, 15 * n + 1000);
	for (int i = 0; i < n; i++) {
		double at = 15 * i + 1, both = delay + 10;
		bool slow = i % 3 == 0, first_wins = i % 6 == 3;
		char path[16];

		snprintf(path, sizeof(path), "/%d", i);
		runs_connection(r, 1000 + i, 1, "client", "127.0.0.1:5000", "127.0.0.1:91");
		if (!slow)
			attempt(r, ATTEMPT(.path = path, .at_ms = at, .took_ms = 5, .status = 200));
		else if (first_wins)
			attempt(r, ATTEMPT(.path = path, .at_ms = at, .took_ms = both, .status = 200));
		else
			attempt(r, ATTEMPT(.path = path, .at_ms = at, .took_ms = both + (gives_up_together ? 0.2 : 40), GAVE_UP));
		if (slow && first_wins)
			runs_add(r, ATTEMPT(.connection = 1000 + i, .tid = 60, .path = path, .at_ms = at + delay,
					    .took_ms = gives_up_together ? 10.2 : 50, GAVE_UP));
		else if (slow)
			runs_add(r, ATTEMPT(.connection = 1000 + i, .tid = 60, .path = path, .at_ms = at + delay, .took_ms = 10, .status = 200));
	}
}

static void another_server_is_asked_meanwhile(void)
{
	struct runs r;
	struct result x;
	const struct policy_hedging *p;
	const struct result_edge *e;

	play_at_two(&r, 120, 50, true);
	p = judged(&r, &x);
	e = judge_edge(&x, "shop", "127.0.0.1:90");
	ok(p->known && p->hedged == 40 && p->wins == 20 && p->cancelled == 40, "40 of 120 are hedged, 20 won by the other server");
	ok(fabs(p->delay_ms - 50) < 0.1 && fabs(p->share.value - 1 / 3.0) < 1e-9, "after 50 ms");
	is_int((int)x.destination_count, 1, "both servers are one destination");
	if (x.destination_count) {
		is_int(x.destinations[0].whole.logical, 120, "of 120 requests");
		is_int(x.destinations[0].whole.attempts, 160, "with 160 attempts");
		ok(fabs(x.destinations[0].whole.success.value - 1) < 1e-9, "that all succeeded, whoever won");
	}
	ok(!e->timeout.known || !e->timeout.mode_count, "who lost met no timeout");
	is_int((int)e->retry.exhausted, 0, "nor was it given up for good");
	judge_end(&r, &x);

	play_at_two(&r, 120, 0, true);
	p = judged(&r, &x);
	ok(!p->known && !x.destination_count, "who asks both at once does not hedge");
	ok(!judge_edge(&x, "shop", "127.0.0.1:90")->timeout.mode_count, "though nobody timed out there either");
	judge_end(&r, &x);

	play_at_two(&r, 120, 50, false);
	p = judged(&r, &x);
	ok(!p->known && !x.destination_count, "what is given up long after the other was answered was not given up for it");
	judge_end(&r, &x);
}

enum kin { BY_PARENT, BY_ID, STRANGERS };

/* n requests, one a second; every fourth answer takes 300 ms, so that a second attempt is made after `delay`, which takes `second`. */
static void play(struct runs *r, int n, enum kin kin, double delay, double second, bool cancels)
{
	begin(r, 1000 * n + 1000);
	for (int i = 0; i < n; i++) {
		bool slow = i % 4 == 0, won = delay + second < 300;
		double at = 1000 * i + 1, end = slow ? fmin(300, delay + second) : 20;
		int parent = kin == BY_PARENT ? inbound(r, at - 1, end + 2, 50 + i) : 0, id = kin == BY_ID ? 7000 + i : 0;
		struct runs_exchange x = {.tid = kin == STRANGERS ? 50 : 50 + i,	/* on one thread a loser looks like a failure before the next */
					  .parent = parent, .correlation = id, .status = 200, .at_ms = at, .took_ms = slow ? 300 : 20}, y = x;

		y.at_ms = at + delay;
		y.took_ms = second;
		if (slow && cancels) {
			struct runs_exchange *loser = won ? &x : &y;

			loser->status = 0;
			loser->outcome = "indeterminate";
			loser->error = "closed";
			loser->took_ms = end + 0.5 - (won ? 0 : delay);
		}
		attempt(r, x);
		if (slow)
			attempt(r, y);
	}
}

static void what_is_found(void)
{
	static const struct { const char *what; enum kin kin; double second; bool cancels; unsigned wins; bool known; } cases[] = {
		{"for one inbound request, the slow first given up", BY_PARENT, 30, true, 10, true},
		{"for one inbound request, the second given up", BY_PARENT, 280, true, 0, true},
		{"for one inbound request, both answered", BY_PARENT, 30, false, 10, true},
		{"of one id, the slow first given up", BY_ID, 30, true, 10, true},
		{"of one id, both answered", BY_ID, 30, false, 10, true},
		{"of a client without ids, the slow first given up", STRANGERS, 30, true, 10, true},
		{"of a client without ids, the second given up", STRANGERS, 280, true, 0, true},
		{"of a client without ids, both answered: that may be two requests", STRANGERS, 30, false, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_hedging *p;

		play(&r, 40, cases[i].kin, 100, cases[i].second, cases[i].cancels);
		p = judged(&r, &x);
		is_int(p->known, cases[i].known, "%s", cases[i].what);
		if (cases[i].known) {
			is_int((long long)p->hedged, 10, "ten of forty requests were hedged");
			is_int((long long)p->wins, cases[i].wins, "the later attempt won this often");
			is_int((long long)p->cancelled, cases[i].cancels ? 10 : 0, "losers given up");
			NEAR(p->delay_ms, 100, "after 100 ms");
			NEAR(p->delay_low_ms, 100, "always");
			NEAR(p->delay_high_ms, 100, "exactly");
			NEAR(p->share.value, 0.25, "a quarter of the requests");
			is_int((long long)p->share.n, 40, "which are forty");
		}
		if (cases[i].cancels) {
			const struct result_edge *e = judge_edge(&x, "shop", "127.0.0.1:90");

			ok(e->whole.logical == 40 && e->whole.attempts == 50, "a hedge is an attempt of its request: 40, 50 (%d, %d)",
			   (int)e->whole.logical, (int)e->whole.attempts);
			NEAR(e->whole.success.value, 1, "each was answered, whoever lost");
			ok(!e->retry_yield.n && !e->retry.failed_requests, "and nothing was tried again");
		}
		judge_end(&r, &x);
	}
}

/* Thirty requests, one a second; each third is asked again after 100 ms and after 200 ms; at 250 ms one of the three is answered, in turn. */
static void several_hedges(void)
{
	for (int kin = BY_PARENT; kin <= STRANGERS; kin++) {
		struct runs r;
		struct result x;
		const struct result_edge *e;

		begin(&r, 31000);
		for (int i = 0; i < 30; i++) {
			double at = 1000 * i + 1;
			int parent = kin == BY_PARENT ? inbound(&r, at - 1, 260, 50 + i) : 0;

			for (int k = 0; k < (i % 3 ? 1 : 3); k++) {
				struct runs_exchange a = {.tid = kin == STRANGERS ? 50 : 50 + i, .parent = parent, .correlation = kin == BY_ID ? 7000 + i : 0,
							  .at_ms = at + 100 * k, .took_ms = i % 3 ? 20 : 250 - 100 * k};

				if (i % 3 || i / 3 % 3 == k) {
					a.status = 200;
				} else {
					a.outcome = "indeterminate";
					a.error = "closed";
					a.took_ms += kin == STRANGERS ? 2 : 20;
				}
				attempt(&r, a);
			}
		}
		ok(judged(&r, &x)->known, "of three attempts two are hedges");
		e = judge_edge(&x, "shop", "127.0.0.1:90");
		ok(e->whole.logical == 30 && e->whole.attempts == 50, "30 requests, 50 attempts (%d, %d)", (int)e->whole.logical, (int)e->whole.attempts);
		ok(e->whole.linked && fabs(e->whole.success.value - 1) < 1e-9, "each was answered");
		ok(!e->retry_yield.n && !e->retry.failed_requests, "nothing was tried again");
		judge_end(&r, &x);
	}
}

/*
 * Ten times, one a second: a client without ids asks the same several times within 5 ms, by which alone nobody is a rival (rivals.h). The last but `others`
 * is answered after 30 ms, when the ones before it are given up; the others are answered later.
 */
struct volley {
	int losers, others;
	bool id;		/* what is answered has an id */
	int hedged;
	const char *what;
};

static void a_volley(const struct volley *v)
{
	struct runs r;
	struct result x;
	const struct policy_hedging *p;

	begin(&r, 12000);
	for (int q = 0; q < 10; q++) {
		double at = 1000 * q + 1;

		for (int k = 0; k < v->losers; k++)
			attempt(&r, ATTEMPT(.tid = 50 + q, .at_ms = at + 0.5 * k, .took_ms = 30.2 - 0.5 * k, GAVE_UP));
		attempt(&r, ATTEMPT(.tid = 50 + q, .correlation = v->id ? 7000 + q : 0, .status = 200, .at_ms = at + 3, .took_ms = 27));
		for (int k = 0; k < v->others; k++)
			attempt(&r, ATTEMPT(.tid = 50 + q, .status = 200, .at_ms = at + 10 + k, .took_ms = 60));
	}
	p = judged(&r, &x);
	is_int((long long)p->hedged, v->hedged, "%s: %d hedged", v->what, v->hedged);
	is_int(p->known, v->hedged > 0, "%s: %s", v->what, v->hedged ? "hedging" : "nothing to say");
	judge_end(&r, &x);
}

static void strangers_within_5_ms(void)
{
	static const struct volley cases[] = {
		{1, 0, false, 10, "one is given up as the other is answered"},
		{2, 0, false, 10, "two are given up for one: it is the hedge of one of them"},
		{1, 2, false, 10, "four of the same at once"},
		{1, 3, false, 0, "five of the same at once: it may be any of them"},
		{1, 0, true, 0, "what has an id is no hedge of what has none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		a_volley(&cases[i]);
}

/* Ten requests without ids, of which six are asked again after 100 ms; the machine stops for `late` ms before the first and the fourth loser are given up. */
static void a_machine_that_stops(double late, bool lost)
{
	struct runs r;
	struct result x;
	const struct policy_hedging *p;

	begin(&r, 11000);
	for (int q = 0; q < 10; q++) {
		double at = 1000 * q + 1;

		attempt(&r, q < 6 ? ATTEMPT(.tid = 50, .at_ms = at, .took_ms = 120.2 + (q % 3 ? 0 : late), GAVE_UP) :
				    ATTEMPT(.tid = 50, .status = 200, .at_ms = at, .took_ms = 20));
		if (q < 6)
			attempt(&r, ATTEMPT(.tid = 50, .status = 200, .at_ms = at + 100, .took_ms = 20));
	}
	p = judged(&r, &x);
	is_int((long long)p->hedged, lost ? 6 : 4, "losers that are given up %g ms late are%s known by the others", late, lost ? "" : " not");
	is_int(judge_edge(&x, "shop", "127.0.0.1:90")->timeout.mode_count > 0, !lost, "and were%s given up after a time", lost ? " not" : "");
	judge_end(&r, &x);
}

/*
 * A client on one thread without ids, a request every 15 ms, now and then six of them every 5 ms. Each fifth answer would take 200 ms: after 50 ms the same
 * is asked again, and answered after 20. Up to ten others are asked in between.
 */
static void among_many_in_flight(void)
{
	struct runs r;
	struct result x;
	const struct policy_hedging *p;
	const struct result_edge *e;
	double at = 1;

	begin(&r, 8000);
	for (int i = 0; i < 300; i++, at += i % 30 < 6 ? 5 : 15) {
		if (i % 5) {
			attempt(&r, ATTEMPT(.tid = 50, .status = 200, .at_ms = at, .took_ms = 20));
			continue;
		}
		attempt(&r, ATTEMPT(.tid = 50, .at_ms = at, .took_ms = 70.3, GAVE_UP));
		attempt(&r, ATTEMPT(.tid = 50, .status = 200, .at_ms = at + 50, .took_ms = 20));
	}
	p = judged(&r, &x);
	e = judge_edge(&x, "shop", "127.0.0.1:90");
	ok(p->known && p->hedged == 60 && p->cancelled == 60 && p->share.n == 300, "60 of 300 are hedged (%d of %d)", (int)p->hedged, (int)p->share.n);
	NEAR(p->delay_ms, 50, "after 50 ms: who lost, lost to the one that was answered right then");
	ok(e->whole.logical == 300 && fabs(e->whole.success.value - 1) < 1e-9, "300 requests that were answered (%d)", (int)e->whole.logical);
	ok(!e->timeout.mode_count, "and no timeout");
	judge_end(&r, &x);
}

/* Sixteen threads ask the same, with a timeout of 100 ms, of a server that takes up to 200 ms: many give up just as another is answered. */
static void timeouts_beside_answers(void)
{
	struct stats_random random = {7};
	struct runs r;
	struct result x;
	const struct result_edge *e;

	begin(&r, 8000);
	for (int tid = 0; tid < 16; tid++)
		for (double at = 1 + tid; at < 3000; at += 5) {
			double took = stats_uniform(&random) * 200;

			if (took < 100)
				attempt(&r, ATTEMPT(.tid = 50 + tid, .status = 200, .at_ms = at, .took_ms = took));
			else
				attempt(&r, ATTEMPT(.tid = 50 + tid, .at_ms = at, .took_ms = 100, GAVE_UP));
			at += took < 100 ? took : 100;
		}
	ok(!judged(&r, &x)->known, "timeouts while others are answered are no hedging");
	e = judge_edge(&x, "shop", "127.0.0.1:90");
	ok(e->timeout.mode_count == 1 && fabs(e->timeout.modes[0].ms - 100) < 1, "but a timeout of 100 ms");
	judge_end(&r, &x);
}

static void too_few(void)
{
	for (int n = 2; n <= 3; n++) {
		struct runs r;
		struct result x;

		play(&r, 4 * n, BY_PARENT, 100, 30, true);
		is_int(judged(&r, &x)->known, n == 3, "%d hedged requests: %s", n, n == 3 ? "hedging" : "nothing to say");
		judge_end(&r, &x);
	}
	for (int n = 4; n <= 5; n++) {
		struct runs r;
		struct result x;

		play(&r, 4 * n, BY_PARENT, 100, 30, false);
		is_int(judged(&r, &x)->known, n == 5, "%d of which both attempts were answered: %s", n, n == 5 ? "hedging" : "nothing to say");
		judge_end(&r, &x);
	}
}

/* Four workers ask for the same again and again; now and then one gives up after 500 ms. */
static void a_pool_of_workers(int timeouts)
{
	struct stats_random random = {9};
	struct runs r;
	struct result x;

	begin(&r, 60000);
	for (int w = 0; w < 4; w++) {
		double at = 1;

		for (int i = 0; at < 20000; i++) {
			double took = 5 + 60 * stats_uniform(&random);

			took = timeouts && i % 20 == 19 ? 500 : took;
			if (took == 500)
				attempt(&r, ATTEMPT(.tid = 50 + w, .at_ms = at, .took_ms = 500, GAVE_UP));
			else
				attempt(&r, ATTEMPT(.tid = 50 + w, .at_ms = at, .took_ms = took, .status = 200));
			at += took + 0.5;
		}
	}
	ok(!judged(&r, &x)->known, "a pool of workers that ask for the same is no hedging%s", timeouts ? ", though some give up" : "");
	judge_end(&r, &x);
}

/* One worker asks without pause, another gives up each time after 500 ms: as it happens, always as the first is answered. */
static void coincidences(void)
{
	static const struct { const char *what; double took; int met, gave_up; } cases[] = {
		{"one worker is answered hundreds of times while the other waits", 4.9, 10, 10},
		{"of twenty that are given up, four end as something else is answered", 170, 4, 20},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		begin(&r, 60000);
		for (int q = 0; q < cases[i].gave_up; q++) {
			double end = 1000 * q + 501, early = q < cases[i].met ? 0.5 : 30;

			attempt(&r, ATTEMPT(.tid = 50, .at_ms = end - 500, .took_ms = 500, GAVE_UP));
			for (double at = end - early - cases[i].took; at > end - 500; at -= cases[i].took + 0.1)
				attempt(&r, ATTEMPT(.tid = 51, .connection = 9, .at_ms = at, .took_ms = cases[i].took, .status = 200));
		}
		ok(!judged(&r, &x)->known, "%s: no hedging", cases[i].what);
		judge_end(&r, &x);
	}
}

/* Calls in parallel for one request. */
static void fan_out(void)
{
	static const struct { const char *what; int n, workers; } cases[] = {
		{"two at once", 2, 2}, {"twelve by four workers", 12, 4}, {"four by two workers", 4, 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		begin(&r, 60000);
		for (int q = 0; q < 30; q++) {
			double at = 1000 * q + 1, free_at[4] = {at, at + 0.2, at + 0.4, at + 0.6};
			int parent = inbound(&r, at - 1, 900, 50 + q);

			for (int k = 0; k < cases[i].n; k++) {
				double took = 50 + k % cases[i].workers;

				attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = free_at[k % cases[i].workers], .took_ms = took));
				free_at[k % cases[i].workers] += took + 0.1;
			}
		}
		ok(!judged(&r, &x)->known, "%s, all waited for: no hedging", cases[i].what);
		judge_end(&r, &x);
	}
}

static void what_is_none(void)
{
	struct runs r;
	struct result x;

	begin(&r, 60000);	/* on one connection */
	for (int q = 0; q < 20; q++) {
		int parent = inbound(&r, 1000 * q, 400, 50 + q);

		attempt(&r, ATTEMPT(.connection = 100 + q, .tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 1, .took_ms = 200));
		attempt(&r, ATTEMPT(.connection = 100 + q, .tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 101, .took_ms = 200));
	}
	ok(!judged(&r, &x)->known, "several at once on one connection are a pipeline");
	judge_end(&r, &x);

	begin(&r, 60000);	/* two users */
	for (int q = 0; q < 20; q++) {
		for (int user = 0; user < 2; user++) {
			int parent = inbound(&r, 1000 * q + 100 * user, 202, 50 + 2 * q + user);

			attempt(&r, ATTEMPT(.tid = 50 + 2 * q + user, .parent = parent, .status = 200, .at_ms = 1000 * q + 1 + 100 * user, .took_ms = 200));
		}
	}
	ok(!judged(&r, &x)->known, "two users who ask for the same, one 100 ms after the other, are no hedging");
	judge_end(&r, &x);

	begin(&r, 60000);	/* the old connection is closed a moment after the retry has begun */
	for (int q = 0; q < 20; q++) {
		int parent = inbound(&r, 1000 * q, 400, 50 + q);

		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .at_ms = 1000 * q + 1, .took_ms = 101, GAVE_UP));
		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 101, .took_ms = 50));
	}
	ok(!judged(&r, &x)->known, "a retry that begins as the first attempt is given up is none");
	judge_end(&r, &x);

	begin(&r, 60000);	/* once, and then by two threads */
	for (int q = 0; q < 20; q++) {
		int parent = inbound(&r, 1000 * q, 400, 50 + q);

		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 1, .took_ms = 20));
		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 50, .took_ms = 200));
		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 150, .took_ms = 50));
	}
	ok(!judged(&r, &x)->known, "what is asked again though it was answered is another call, not another attempt");
	judge_end(&r, &x);

	begin(&r, 60000);	/* now and then a second call, at no fixed time */
	for (int q = 0; q < 40; q++) {
		int parent = inbound(&r, 1000 * q, 950, 50 + q);

		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 1, .took_ms = 900));
		if (q % 2)
			attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 10 + 20.0 * q, .took_ms = 10));
	}
	ok(!judged(&r, &x)->known, "second calls at no fixed time, and as often none, are no hedging");
	judge_end(&r, &x);

	begin(&r, 60000);	/* half of the slow ones have no second */
	for (int q = 0; q < 40; q++) {
		int parent = inbound(&r, 1000 * q, 950, 50 + q);

		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 1, .took_ms = 900));
		if (q % 2)
			attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = 1000 * q + 101, .took_ms = 10));
	}
	ok(!judged(&r, &x)->known, "nor is a second call after 100 ms that half of the slow ones lack");
	judge_end(&r, &x);
}

/* Delays as a scheduler makes them: their median and spread. */
static void inexact_delays(void)
{
	struct stats_random random = {3};
	struct runs r;
	struct result x;
	const struct policy_hedging *p;

	begin(&r, 600000);
	for (int q = 0; q < 300; q++) {
		double late = -1.5 * log(1 - stats_uniform(&random)), at = 1000 * q + 1;
		int parent = inbound(&r, at - 1, 400, 50 + q);

		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .at_ms = at, .took_ms = 50 + late + 20.3, GAVE_UP));
		attempt(&r, ATTEMPT(.tid = 50 + q, .parent = parent, .status = 200, .at_ms = at + 50 + late, .took_ms = 20));
	}
	p = judged(&r, &x);
	is_int((long long)p->hedged, 300, "all 300 are hedged");
	ok(p->delay_ms > 50.5 && p->delay_ms < 52, "the median of late timers is a little above the 50 ms that were set (%.2f)", p->delay_ms);
	ok(p->delay_low_ms >= 50 && p->delay_low_ms < 50.3 && p->delay_high_ms > 53 && p->delay_high_ms < 60, "and its spread is theirs");
	NEAR(p->share.value, 1, "every request");
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	play(&r, 40, BY_PARENT, 100, 30, true);
	runs_sql(&r, "UPDATE exchange SET ended_ns = NULL WHERE id %% 5 = 0; UPDATE exchange SET connection_id = NULL, process_id = NULL WHERE id %% 7 = 0;"
		     "UPDATE exchange SET ended_ns = 9223372036854775807 WHERE id %% 11 = 0");
	ok(judged(&r, &x)->hedged <= 10, "rows without ends, connections and processes are passed over");
	judge_end(&r, &x);
}

int main(void)
{
	another_server_is_asked_meanwhile();
	what_is_found();
	several_hedges();
	strangers_within_5_ms();
	a_machine_that_stops(20, true);
	a_machine_that_stops(30, false);
	among_many_in_flight();
	timeouts_beside_answers();
	too_few();
	a_pool_of_workers(0);
	a_pool_of_workers(1);
	coincidences();
	fan_out();
	what_is_none();
	inexact_delays();
	damaged_rows();
	return tap_done();
}
