/* SPDX-License-Identifier: MIT */
/* What looks like a retry and is none: polling, the next request of a loop, redirects, challenges, pipelines; and retries that look like those. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

static struct stats_random dice = {2026};

/* Up to 1.5 ms late, as a sleeping process wakes. */
static double late(void)
{
	return 0.2 + 1.3 * stats_uniform(&dice);
}

/* A client's one thread, request after request. */
struct loop {
	struct runs r;
	double now_ms;
};

static void begin(struct loop *l, double duration_ms)
{
	judge_client(&l->r, duration_ms);
	l->now_ms = 10;
}

static void attempt(struct loop *l, int status, double took_ms)
{
	runs_add(&l->r, ATTEMPT(.status = status, .at_ms = l->now_ms, .took_ms = took_ms));
	l->now_ms += took_ms;
}

static void wait_ms(struct loop *l, double ms)
{
	l->now_ms += ms + late();
}

/* Attempts with the given waits between them, all failing; below 0 ends the list. */
static void exhaust(struct loop *l, const double *waits)
{
	attempt(l, 503, 1);
	for (; *waits >= 0; waits++) {
		wait_ms(l, *waits);
		attempt(l, 503, 1);
	}
}

static const char *note_with(const struct result *x, const char *words)
{
	for (size_t i = 0; i < x->note_count; i++)
		if (strstr(x->notes[i], words))
			return x->notes[i];
	return "";
}

static void expect(struct loop *l, int logical, int longest, int polls, const char *tier, const char *what)
{
	struct result x;
	const struct result_edge *e;
	const struct tally *t;

	judge(&l->r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	t = &e->whole.chain;
	is_int(e->whole.logical, logical, "%s: %d requests", what, logical);
	is_int(t->cells[t->used - 1].value, longest, "%s: of at most %d attempts", what, longest);
	is_int(e->excluded.polls, polls, "%s: %d attempts at its own pace", what, polls);
	is_str(e->linking, tier, "%s: by %s", what, tier);
	ok(e->whole.linked == (strcmp(tier, "aggregate") != 0), "%s: amplification is %s", what, e->whole.linked ? "known" : "not known");
	ok(!polls || *note_with(&x, strcmp(tier, "aggregate") ? "own pace" : "can not be told from its next request"), "%s: and that is said", what);
	judge_end(&l->r, &x);
}

/* ---- pollers ---- */

static void a_poller_goes_on_as_before(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 40; i++) {
		attempt(&l, i >= 10 && i < 25 ? 503 : 200, 2);
		wait_ms(&l, 500);
	}
	expect(&l, 40, 1, 15, "temporal", "a poller that sleeps 500 ms, through an outage");

	begin(&l, 60000);
	for (int i = 0; i < 40; i++) {	/* its clock ticks whatever an attempt takes */
		l.now_ms = 10 + 500 * i + late();
		attempt(&l, i >= 10 && i < 25 ? 503 : 200, i >= 10 && i < 25 ? 1 : 1 + 480 * stats_uniform(&dice));
	}
	expect(&l, 40, 1, 15, "temporal", "a poller that a clock drives, with successes of 1 to 481 ms and fast failures");

	begin(&l, 60000);
	for (int i = 0; i < 60; i++) {	/* users who think 1 to 2 s */
		attempt(&l, i >= 20 && i < 40 ? 503 : 200, 2);
		l.now_ms += 300 + 300 * stats_uniform(&dice);
	}
	expect(&l, 60, 1, 20, "temporal", "a user who thinks 300 to 600 ms");

	begin(&l, 600000);
	for (int i = 0; i < 400; i++) {
		attempt(&l, i >= 100 && i < 200 ? 503 : 200, 2);
		l.now_ms += -200 * log(1 - stats_uniform(&dice));
	}
	expect(&l, 400, 1, 100, "temporal", "requests at random that go on so through an outage");
}

/* A machine that is busy while things fail is not while they go well again. */
static void late_steps_are_steps(void)
{
	static const double steps[] = {51, 60, 57, 50, 51, 51, 58, 49, 55, 50};
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 60; i++) {
		attempt(&l, i >= 20 && i < 30 ? 503 : 200, 2);
		wait_ms(&l, i >= 20 && i < 30 ? steps[i - 20] : 50);
	}
	expect(&l, 60, 1, 10, "temporal", "ten failures at a pace of 50 ms, of which three are some ms late");

	begin(&l, 60000);
	for (int i = 0; i < 60; i++) {
		l.now_ms = 10 + 50 * i + (i > 20 && i <= 30 ? steps[i - 21] - 50 : 0) + late();
		attempt(&l, i >= 20 && i < 30 ? 503 : 200, i >= 20 && i < 30 ? 1 : 5 + 20 * stats_uniform(&dice));
	}
	expect(&l, 60, 1, 10, "temporal", "the same of a clock");

	begin(&l, 60000);
	for (int i = 0; i < 60; i++) {
		if (i % 4 == 3)
			exhaust(&l, (double[]){62, -1});
		else
			attempt(&l, 200, 2);
		wait_ms(&l, 50);
	}
	expect(&l, 60, 2, 14, "temporal", "two attempts 62 ms apart are no late steps: half of what follows failures");

	begin(&l, 60000);
	for (int i = 0; i < 120; i++) {	/* a call takes the client's own time while it goes well, next to none while it fails */
		bool bad = i >= 60 && i < 100;

		attempt(&l, bad ? 503 : 200, bad ? 0.3 : 4);
		l.now_ms += bad ? 50.4 + 0.5 * stats_uniform(&dice) : 46.5 + stats_uniform(&dice) + (i % 5 ? 0 : 12 * stats_uniform(&dice));
	}
	expect(&l, 120, 1, 40, "temporal", "a timer of 50 ms that is late in one step of five while all is well, and in none while all fails");
}

/* Answers take 50 ms and failures 1: from start to start the steps vary less in proportion, not in ms, and failures bring the next start nearer. */
static void who_thinks_from_end_to_start(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 120; i++) {
		bool fails = i >= 40 && i < 100;

		attempt(&l, fails ? 503 : 200, fails ? 1 : 50 + 3 * stats_uniform(&dice));
		wait_ms(&l, 10 + 20 * stats_uniform(&dice));
	}
	expect(&l, 120, 1, 60, "temporal", "who pauses for 10 to 30 ms behind answers of 50");
	begin(&l, 60000);
	for (int i = 0; i < 120; i++) {
		bool fails = i >= 40 && i < 100;

		l.now_ms = 10 + 80 * i + late();
		attempt(&l, fails ? 503 : 200, fails ? 1 : 50);
	}
	expect(&l, 120, 1, 60, "temporal", "who asks every 80 ms, of which answers take 50");
	begin(&l, 60000);
	for (int i = 0; i < 60; i++) {
		if (i < 20 || i >= 40)
			attempt(&l, 200, 50 + 3 * stats_uniform(&dice));
		else
			exhaust(&l, (double[]){60, 60, -1});
		wait_ms(&l, 10 + 20 * stats_uniform(&dice));
	}
	expect(&l, 60, 3, 0, "temporal", "who pauses so, and waits 60 ms before each of two retries");
}

/* Users who pause for 10 to 20 ms went before; those who meet the failures pause for 50 to 100. */
static void users_of_two_kinds(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int user = 0; user < 2; user++)
		for (int i = 0; i < 120; i++) {
			bool fails = user && i >= 40 && i < 100;

			runs_add(&l.r, ATTEMPT(.tid = 100 + user, .status = fails ? 503 : 200, .at_ms = l.now_ms, .took_ms = fails ? 1 : 5));
			l.now_ms += fails ? 1 : 5;
			wait_ms(&l, (user ? 50 : 10) * (1 + stats_uniform(&dice)));
		}
	expect(&l, 240, 1, 60, "temporal", "users of two kinds");
}

/*
 * Twelve users, the slowest of whom pause for 18 times as long as the quickest and succeed five times as often: all together go on sooner after a failure,
 * none of them does. Once each makes two attempts more, 40 ms apart, after a failure.
 */
static void users_of_many_kinds(void)
{
	for (int retries = 0; retries < 2; retries++) {
		struct loop l;
		struct result x;

		begin(&l, 600000);
		for (int user = 0; user < 12; user++)
			for (int i = 0; i < 25; i++) {
				bool fails = i % (user < 6 ? 25 : 5) != 3;

				for (int k = 0; k < (fails && retries ? 3 : 1); k++) {
					if (k)
						wait_ms(&l, 40 * (0.5 + stats_uniform(&dice)));
					runs_add(&l.r, ATTEMPT(.tid = 100 + user, .status = fails ? 503 : 200, .at_ms = l.now_ms, .took_ms = 1));
					l.now_ms += 1;
				}
				wait_ms(&l, 10 * pow(1.3, user) * (0.5 + stats_uniform(&dice)));
			}
		judge(&l.r, &x, everything);
		if (retries)
			ok(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical < 600, "users of twelve kinds who retry: links are left");
		else
			is_int((long long)judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical, 300, "users of twelve kinds: each attempt is a request");
		judge_end(&l.r, &x);
	}
}

static void a_poller_that_retries(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 40; i++) {
		if (i >= 10 && i < 25)
			exhaust(&l, (double[]){50, 100, -1});
		else
			attempt(&l, 200, 2);
		wait_ms(&l, 500);
	}
	expect(&l, 40, 3, 0, "temporal", "a poller of 500 ms that tries three times each time, cut by the period");

	begin(&l, 60000);
	for (int i = 0; i < 40; i++) {
		if (i % 8 == 7)
			exhaust(&l, (double[]){50, 100, -1});
		else
			attempt(&l, 200, 2);
		wait_ms(&l, 500);
	}
	attempt(&l, 200, 2);
	expect(&l, 41, 3, 5, "temporal", "one that fails now and then, cut by the pace");

	begin(&l, 600000);
	for (int i = 0; i < 40; i++) {
		attempt(&l, i % 8 == 7 ? 503 : 200, 2);
		wait_ms(&l, i % 8 == 7 ? 700 : 100);
	}
	expect(&l, 36, 2, 0, "temporal", "one that waits longer after a failure than it does anyway");

	begin(&l, 600000);
	for (int i = 0; i < 400; i++) {
		if (i >= 100 && i < 200) {
			attempt(&l, 503, 2);
			wait_ms(&l, 10);
			attempt(&l, i % 2 ? 503 : 200, 2);
		} else {
			attempt(&l, 200, 2);
		}
		l.now_ms += -2000 * log(1 - stats_uniform(&dice));
	}
	{
		struct result x;
		struct result_edge *e;

		judge(&l.r, &x, everything);
		e = judge_edge(&x, "curl", "127.0.0.1:80");
		ok(e->whole.logical >= 340 && e->whole.logical <= 400 && !e->excluded.polls,
		   "requests at random, with retries after 10 ms: those are joined (%d requests)", (int)e->whole.logical);
		judge_end(&l.r, &x);
	}
}

/* Six requests at random, and six of which each is tried again after 60 ms: too few to call the waits alike. */
/* Whose pace is anything from 15 to 45 ms, and who always waits 40 ms, then 80 and 160, before a retry. */
static void a_wait_within_a_wide_pace(void)
{
	struct loop l;
	int given_up = 0, requests = 120;
	struct result x;
	const struct result_edge *e;

	begin(&l, 60000);
	for (int i = 0; i < requests; i++) {
		bool good = false;

		for (int k = 0; k < 4 && !good; k++) {
			if (k)
				wait_ms(&l, 20 << k);
			good = stats_uniform(&dice) < 0.5;
			attempt(&l, good ? 200 : 503, 1);
		}
		given_up += !good;
		wait_ms(&l, 15 + 30 * stats_uniform(&dice));
	}
	judge(&l.r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	ok((int)e->excluded.polls <= given_up, "retries are not taken for next requests: %d of %d given up", (int)e->excluded.polls, given_up);
	ok((int)e->whole.logical > requests - given_up && (int)e->whole.logical <= requests, "%d requests: %d", requests, (int)e->whole.logical);
	judge_end(&l.r, &x);
}

static void few_waits_are_not_alike(void)
{
	struct loop l;

	begin(&l, 600000);
	for (int i = 0; i < 12; i++) {
		if (i % 2) {
			attempt(&l, 503, 2);
			wait_ms(&l, 60);
		}
		attempt(&l, 200, 2);
		wait_ms(&l, i % 3 ? 10 + 9 * i : 3000 * stats_uniform(&dice));
	}
	expect(&l, 12, 2, 0, "temporal", "few waits at random, and few retries");
}

/* urllib3's way, in a loop without pause, against a server that fails half of the time. */
static void a_first_retry_without_a_wait(void)
{
	struct loop l;
	int requests = 0;

	begin(&l, 600000);
	for (int i = 0; i < 60; i++) {
		attempt(&l, 200, 1);
		l.now_ms += 0.3;
	}
	for (; requests < 100; requests++) {
		static const double waits[] = {0, 100, 200, 400};
		int k = 0;

		for (; k < 4 && stats_uniform(&dice) < 0.5; k++) {
			attempt(&l, 503, 1);
			l.now_ms += waits[k] + 0.4;
		}
		attempt(&l, k == 4 ? 503 : 200, 1);
		l.now_ms += 0.3;
	}
	{
		struct result x;
		struct result_edge *e;

		judge(&l.r, &x, everything);
		e = judge_edge(&x, "curl", "127.0.0.1:80");
		is_int(e->whole.logical, 60 + requests, "retries without a wait are joined when the next ones wait");
		is_int(tally_percentile(&e->whole.chain, 1), 5, "to at most five attempts");
		judge_end(&l.r, &x);
	}
}

static void what_nobody_can_tell(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 20; i++) {
		attempt(&l, 503, 2);
		wait_ms(&l, 500);
	}
	expect(&l, 20, 1, 19, "aggregate", "20 failures 500 ms apart and no success: polling, or retries without end");

	begin(&l, 60000);
	for (int i = 0; i < 8; i++) {
		attempt(&l, 503, 2);
		wait_ms(&l, 500);
	}
	runs_sql(&l.r, "UPDATE process SET ended_ns = %lld", (long long)((RUNS_START_MS + l.now_ms) * 1e6));
	expect(&l, 8, 1, 7, "aggregate", "8 failures 500 ms apart, after which the process waits on and ends");

	begin(&l, 60000);
	for (int i = 0; i < 20; i++) {
		attempt(&l, 503, 2);
		wait_ms(&l, i % 15 == 7 ? 640 : 500);
	}
	expect(&l, 20, 1, 19, "aggregate", "one of the 20 a little late, as on a busy machine");

	for (int late = 1; late < 3; late++) {
		begin(&l, 60000);
		for (int i = 0; i < 8; i++) {
			attempt(&l, 503, 2);
			wait_ms(&l, i == 2 || i == 2 * late ? 640 : 500);
		}
		runs_sql(&l.r, "UPDATE process SET ended_ns = %lld", (long long)((RUNS_START_MS + l.now_ms) * 1e6));
		if (late == 1)
			expect(&l, 8, 1, 7, "aggregate", "one of the 8 late");
		else
			expect(&l, 1, 8, 0, "temporal", "two of the 8 late: that is no unvarying distance");
	}

	begin(&l, 60000);
	for (int i = 0; i < 50; i++) {
		attempt(&l, i % 5 ? 200 : 503, 1);
		l.now_ms += 0.2;
	}
	expect(&l, 50, 1, 10, "aggregate", "a loop without pause, now and then failing");
}

/* ---- retries that look like polling ---- */

/* A long poll: 408 when nothing happened for a while, and another one at once, also after the few events that there are. */
static void long_polls(void)
{
	struct loop l;

	for (int events = 3; events >= 2; events--) {
		begin(&l, 60000);
		for (int i = 0; i < 4 * (events + 1); i++)
			attempt(&l, i % 4 == 3 ? 200 : 408, 300.3);
		if (events == 3)
			expect(&l, 16, 1, 12, "aggregate", "three events after which it polls at once");
		else
			expect(&l, 3, 4, 0, "temporal", "two events do not show it");
	}
}

/* Threads that go on at once whatever they get, each until its work is done. */
static void loops_without_pause(void)
{
	struct loop l;

	begin(&l, 5000);
	for (int thread = 0; thread < 10; thread++) {
		l.now_ms = 10 + thread * 0.3;
		for (int i = 0; i < 7 + thread % 5; i++) {
			runs_add(&l.r, ATTEMPT(.tid = 5 + thread, .status = 503, .at_ms = l.now_ms, .took_ms = 1));
			l.now_ms += 1.2 + 9 * stats_uniform(&dice);
		}
	}
	expect(&l, 90, 1, 80, "aggregate", "ten threads without pause and without a usual number of attempts");

	begin(&l, 5000);
	for (int thread = 0; thread < 10; thread++) {
		l.now_ms = 10 + thread * 0.3;
		for (int i = 0; i < 7 + (thread > 7); i++) {
			runs_add(&l.r, ATTEMPT(.tid = 5 + thread, .status = 503, .at_ms = l.now_ms, .took_ms = 1));
			l.now_ms += 1.2 + 9 * stats_uniform(&dice);
		}
	}
	expect(&l, 10, 8, 0, "temporal", "ten threads of which eight try seven times without pause");

	begin(&l, 5000);
	for (int thread = 0; thread < 3; thread++) {
		l.now_ms = 10 + thread * 0.3;
		for (int i = 0; i < 7; i++) {
			runs_add(&l.r, ATTEMPT(.tid = 5 + thread, .status = 503, .at_ms = l.now_ms, .took_ms = 1));
			l.now_ms += 1.2 + 9 * stats_uniform(&dice);
		}
	}
	expect(&l, 3, 7, 0, "temporal", "three threads that each try seven times without pause: a number that is usual");
}

static void fixed_waits_that_somebody_counts(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 8; i++) {
		attempt(&l, 503, 2);
		if (i < 7)
			wait_ms(&l, 1000);
	}
	runs_sql(&l.r, "UPDATE process SET ended_ns = %lld", (long long)((RUNS_START_MS + l.now_ms + 3) * 1e6));
	expect(&l, 1, 8, 0, "temporal", "curl --retry 7 --retry-delay 1, which ends with its last attempt");

	begin(&l, 600000);
	for (int i = 0; i < 6; i++) {
		for (int k = 0; k < 13; k++) {
			runs_add(&l.r, ATTEMPT(.tid = 20 + i, .status = 503, .at_ms = l.now_ms, .took_ms = 1));
			wait_ms(&l, 300);
		}
		wait_ms(&l, 5000);
	}
	expect(&l, 6, 13, 0, "temporal", "6 threads that each try 13 times, every 300 ms");
}

static void growing_waits_are_never_cut(void)
{
	struct loop l;

	begin(&l, 600000);
	for (int k = 0; k < 14; k++) {
		attempt(&l, 503, 1);
		wait_ms(&l, fmin(100 * pow(2, k), 10000));
	}
	expect(&l, 1, 14, 0, "temporal", "14 attempts, doubling to 10 s");

	begin(&l, 600000);
	for (int k = 0; k < 60; k++) {
		attempt(&l, 503, 1);
		wait_ms(&l, 100 + 900 * stats_uniform(&dice));
	}
	expect(&l, 60, 1, 59, "aggregate", "60 failures at random waits: retries without end, or a user who thinks");

	begin(&l, 600000);
	for (int k = 0; k < 30; k++) {
		attempt(&l, 503, 1);
		wait_ms(&l, k < 3 ? 60 - 10 * k : 50 * pow(1.2, k) * (0.7 + 0.6 * stats_uniform(&dice)));
	}
	expect(&l, 1, 30, 0, "temporal", "30 attempts at random waits that grow for long, though not at first");

	begin(&l, 600000);
	for (int k = 0; k < 24; k++) {
		attempt(&l, 503, 1);
		wait_ms(&l, fmin(100 << k, 500));
	}
	expect(&l, 1, 24, 0, "temporal", "24 attempts at waits that grow at first");

	begin(&l, 6000000);
	for (int i = 0; i < 20; i++)
		for (int k = 0; k < 10; k++) {
			runs_add(&l.r, ATTEMPT(.tid = 20 + i, .status = 503, .at_ms = l.now_ms, .took_ms = 1));
			wait_ms(&l, 100 * pow(2, k));
		}
	expect(&l, 20, 10, 0, "temporal", "20 threads with 10 doubling waits");
}

/* Chance must not make a period. */
static void random_waits_have_no_period(void)
{
	int cut = 0;

	for (int n = 0; n < 60; n++) {
		struct loop l;
		struct result x;

		begin(&l, 600000);
		for (int k = 0; k < 13; k++) {
			attempt(&l, 503, 1);
			wait_ms(&l, 500 * stats_uniform(&dice));
		}
		judge(&l.r, &x, everything);
		cut += judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical > 1;
		judge_end(&l.r, &x);
	}
	is_int(cut, 0, "of 60 chains of 13 attempts at random waits none is cut");
}

/* Nor a backoff of a poller's first waits. */
static void random_waits_do_not_grow(void)
{
	int joined = 0;

	for (int n = 0; n < 300; n++) {
		struct loop l;
		struct result x;

		begin(&l, 600000);
		for (int k = 0; k < 20; k++) {
			attempt(&l, 503, 1);
			wait_ms(&l, 48 + 24 * stats_uniform(&dice));
		}
		judge(&l.r, &x, everything);
		joined += judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical < 20;
		judge_end(&l.r, &x);
	}
	ok(joined <= 1, "of 300 pollers of 48 to 72 ms that only fail, %d are taken for one request", joined);
}

/* ---- loops that ask the next as soon as the last has failed ---- */

static void periods_part_requests(void)
{
	struct loop l;

	begin(&l, 600000);
	for (int i = 0; i < 10; i++) {
		exhaust(&l, (double[]){0, 200, 400, 800, 1600, -1});
		l.now_ms += 0.4;
	}
	expect(&l, 10, 6, 0, "temporal", "urllib3's Retry(5, .1) in a loop without pause");

	begin(&l, 600000);
	for (int i = 0; i < 10; i++) {
		exhaust(&l, (double[]){100, 100, 100, -1});
		l.now_ms += 0.4;
	}
	expect(&l, 10, 4, 0, "temporal", "four attempts 100 ms apart in a loop without pause");

	begin(&l, 600000);
	for (int i = 0; i < 10; i++) {
		exhaust(&l, (double[]){100, 200, 400, -1});
		wait_ms(&l, 1000);
	}
	expect(&l, 10, 4, 0, "temporal", "four attempts, then a pause of 1 s, which is not the fourth wait");

	begin(&l, 600000);
	for (int i = 0; i < 40; i++) {
		double waits[5] = {0, 0, 0, 0, -1};

		for (int k = 0; k < 4; k++)
			waits[k] = 100 * pow(2, k) * stats_uniform(&dice);
		exhaust(&l, waits);
		l.now_ms += 0.4;
	}
	expect(&l, 40, 5, 0, "temporal", "five attempts with full jitter in a loop without pause");
}

/* ---- other things that follow an answer ---- */

static void redirects_and_challenges(void)
{
	static const struct { int first, second; const char *path; double gap; int redirects, challenges; const char *what; } cases[] = {
		{302, 200, "/b", 1, 1, 0, "what a redirect leads to"},
		{308, 503, "/b", 1, 1, 0, "even when that fails"},
		{302, 200, "/b", 5000, 0, 0, "but not what comes 5 s later"},
		{304, 200, "/b", 1, 0, 0, "nor what follows 304, which leads nowhere"},
		{401, 200, "/a", 1, 0, 1, "the same with credentials"},
		{407, 200, "/a", 1, 0, 1, "the same with a proxy's credentials"},
		{401, 401, "/a", 1, 0, 0, "but not what is refused again"},
		{401, 200, "/b", 1, 0, 0, "nor another request"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		struct result_edge *e;

		judge_client(&r, 60000);
		runs_add(&r, ATTEMPT(.path = "/a", .status = cases[i].first, .at_ms = 10, .took_ms = 1, .key = 77));
		runs_add(&r, ATTEMPT(.path = cases[i].path, .status = cases[i].second, .at_ms = 11 + cases[i].gap, .took_ms = 1, .key = 77));
		judge(&r, &x, everything);
		e = judge_edge(&x, "curl", "127.0.0.1:80");
		is_int(e->whole.logical, 2, "%s: two requests, though with one key", cases[i].what);
		is_int(e->excluded.redirects, cases[i].redirects, "%s: %d redirects", cases[i].what, cases[i].redirects);
		is_int(e->excluded.challenges, cases[i].challenges, "%s: %d challenges", cases[i].what, cases[i].challenges);
		judge_end(&r, &x);
	}
}

static void a_retry_is_no_redirect(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.path = "/b", .status = 503, .at_ms = 10, .took_ms = 1));
	runs_add(&r, ATTEMPT(.path = "/a", .status = 302, .at_ms = 20, .took_ms = 1));
	runs_add(&r, ATTEMPT(.path = "/b", .status = 200, .at_ms = 30, .took_ms = 1));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->whole.logical, 2, "what was redirected to, and asked again from the start, is one request");
	is_int(e->excluded.redirects, 0, "and what is a retry is counted as nothing else");
	judge_end(&r, &x);
}

/* Four requests on one connection, each sent before the one before was answered. */
static void a_pipeline_is_no_chain(void)
{
	struct loop l;

	begin(&l, 60000);
	for (int i = 0; i < 4; i++)
		runs_add(&l.r, ATTEMPT(.status = 503, .at_ms = 10 + 0.1 * i, .took_ms = 20));
	expect(&l, 4, 1, 0, "temporal", "a pipeline of four, all failing");
}

/* Rows as a damaged file has them: no thread, no process, ends before starts, everything at one instant. */
static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	for (int i = 0; i < 40; i++)
		runs_add(&r, ATTEMPT(.status = 503, .at_ms = i / 8, .took_ms = 0));
	runs_sql(&r, "UPDATE exchange SET tid = NULL WHERE id %% 3 = 0");
	runs_sql(&r, "UPDATE exchange SET process_id = 99 WHERE id %% 5 = 0");
	runs_sql(&r, "UPDATE exchange SET ended_ns = started_ns - 5 WHERE id %% 7 = 0");
	runs_sql(&r, "UPDATE process SET ended_ns = -1");
	judge(&r, &x, everything);
	is_int(x.edges[0].whole.attempts + (x.edge_count > 1 ? x.edges[1].whole.attempts : 0), 40, "damaged rows are counted and crash nothing");
	judge_end(&r, &x);
}

int main(void)
{
	a_poller_goes_on_as_before();
	late_steps_are_steps();
	who_thinks_from_end_to_start();
	users_of_two_kinds();
	users_of_many_kinds();
	a_poller_that_retries();
	a_wait_within_a_wide_pace();
	few_waits_are_not_alike();
	a_first_retry_without_a_wait();
	what_nobody_can_tell();
	long_polls();
	loops_without_pause();
	fixed_waits_that_somebody_counts();
	growing_waits_are_never_cut();
	random_waits_have_no_period();
	random_waits_do_not_grow();
	periods_part_requests();
	redirects_and_challenges();
	a_retry_is_no_redirect();
	a_pipeline_is_no_chain();
	damaged_rows();
	return tap_done();
}
