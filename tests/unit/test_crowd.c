/* SPDX-License-Identifier: MIT */
/* Requests in flight at once from one event loop, without ids: what may be joined, what falls to counts. Simulated with a seed. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

struct program {		/* flows of calls through one client */
	int flows;
	double think_ms;	/* between requests, plus up to as much again */
	double took_ms;
	int attempts;		/* of a request */
	const double *waits;	/* behind its failures */
	double slack_ms;	/* a wait is up to so much longer */
	double later_ms;	/* and all but the first up to that */
	double rarely;		/* only one in so many requests is tried again; 0: all are */
	int tids;		/* threads that calls run on as it comes; 0: one */
	double until_ms;	/* out from a quarter to two thirds of it */
};

static double some(struct stats_random *random, double upto)
{
	return upto * stats_uniform(random);
}

static bool is_out(const struct program *p, double at_ms)
{
	return at_ms >= p->until_ms / 4 && at_ms < p->until_ms * 2 / 3;
}

struct truth {
	int requests, attempts, succeeded;
};

static double request(struct runs *r, const struct program *p, struct stats_random *random, int flow, double at, struct truth *truth)
{
	int attempts = p->rarely && some(random, p->rarely) > 1 ? 1 : p->attempts;

	truth->requests++;
	for (int k = 0; k < attempts; k++) {
		double took = p->took_ms + some(random, p->took_ms / 10);
		bool out = is_out(p, at);

		runs_add(r, ATTEMPT(.connection = 1 + flow, .tid = p->tids ? 20 + (int)some(random, p->tids) : 9, .status = out ? 503 : 200,
				    .at_ms = at, .took_ms = took));
		truth->attempts++;
		truth->succeeded += !out;
		at += took;
		if (!out)
			break;
		if (k + 1 < attempts)
			at += p->waits[k] + some(random, k && p->later_ms ? p->later_ms : p->slack_ms);
	}
	return at;
}

static struct truth play(struct runs *r, const struct program *p)
{
	struct stats_random random = {7};
	struct truth truth = {0};

	judge_client(r, p->until_ms + 1000);
	for (int f = 1; f < p->flows; f++)
		runs_connection(r, 1 + f, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
	for (int f = 0; f < p->flows; f++)
		for (double at = some(&random, p->think_ms); at < p->until_ms;)
			at = request(r, p, &random, f, at, &truth) + p->think_ms + some(&random, p->think_ms);
	return truth;
}

static void falls(const struct program *p, const char *what)
{
	struct runs r;
	struct result x;
	struct truth truth = play(&r, p);
	const struct result_edge *e;
	bool said = false;

	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_str(e->linking, "aggregate", "%s: by counts", what);
	ok(!e->whole.success.known && !e->whole.amplification.known && !e->retry.known, "%s: no success of requests, no amplification, no policy", what);
	is_int(e->whole.attempts, truth.attempts, "%s: all attempts count", what);
	NEAR(e->attempt_success.value, (double)truth.succeeded / truth.attempts, "%s: so does their success", what);
	for (size_t i = 0; i < x.note_count; i++)
		said |= strstr(x.notes[i], "of the same request in flight at once, and what follows a failure may be another") != NULL;
	ok(said, "%s: and it says why", what);
	judge_end(&r, &x);
}

/* off: requests that may be told wrong, in 1000. */
static void stands(const struct program *p, int off, const char *what)
{
	struct runs r;
	struct result x;
	struct truth truth = play(&r, p);
	const struct result_edge *e;

	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_str(e->linking, "temporal", "%s: joined by time", what);
	ok(abs((int)e->whole.logical - truth.requests) * 1000 <= off * truth.requests, "%s: %d requests, about", what, truth.requests);
	ok(fabs(e->whole.success.value - (double)truth.succeeded / truth.requests) * 1000 <= off, "%s: of which as many succeeded", what);
	ok(e->false_link_rate <= 0.05, "%s: no more than a twentieth of the links are accidents", what);
	judge_end(&r, &x);
}

static const double AT_ONCE[] = {0.3, 0.3, 0.3}, FIXED[] = {100, 100, 100}, DOUBLING[] = {100, 200, 400}, SKIPS[] = {0.3, 200, 400};

static void what_arrives_anyway(void)
{
	falls(&(struct program){.flows = 10, .think_ms = 50, .took_ms = 30, .attempts = 1, .until_ms = 6000}, "ten flows that never retry");
	falls(&(struct program){.flows = 60, .think_ms = 2000, .took_ms = 30, .attempts = 1, .until_ms = 6000}, "sixty slow flows that never retry");
	falls(&(struct program){.flows = 10, .took_ms = 30, .attempts = 1, .until_ms = 6000}, "ten loops without pause");
	falls(&(struct program){.flows = 10, .think_ms = 50, .took_ms = 30, .attempts = 3, .waits = DOUBLING, .slack_ms = 2, .until_ms = 6000},
	      "ten flows whose waits are as long as those of others");
	falls(&(struct program){.flows = 20, .took_ms = 30, .attempts = 3, .waits = AT_ONCE, .slack_ms = 0.2, .until_ms = 6000},
	      "retries without a wait among loops without a pause");
	falls(&(struct program){.flows = 3, .think_ms = 60, .took_ms = 30, .attempts = 3, .waits = SKIPS, .slack_ms = 0.2, .later_ms = 400,
				.until_ms = 6000},
	      "a first retry at once that stands out, and later ones that do not");
	falls(&(struct program){.flows = 3, .think_ms = 400, .took_ms = 100, .attempts = 2, .waits = AT_ONCE, .slack_ms = 0.2, .rarely = 6,
				.until_ms = 300000}, "one request in six that is tried again at once: others may be so later");
}

/* Calls every 10 ms or so through a breaker that opens for 800 ms: the calls of after the silence are no retries of those before it. */
static void a_breaker_of_a_crowd(int threshold, int opens)
{
	struct stats_random random = {7};
	struct runs r;
	struct result x;
	const struct result_edge *e;
	double open_until = 0;
	int failed = 0;

	judge_client(&r, 10000);
	for (double at = 10; at < 9000; at -= 10 * log(1 - stats_uniform(&random))) {
		bool out = at > 3000 && at < 5200, half = open_until && failed >= threshold;

		if (at < open_until)
			continue;
		failed = out ? failed + 1 : 0;
		open_until = failed >= threshold + 3 * !half ? at + 800 : open_until;	/* three more are in flight when it opens */
		runs_add(&r, ATTEMPT(.status = out ? 503 : 200, .at_ms = at, .took_ms = 30));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	ok(!e->retry.known && e->whole.chain.used == 1, "nothing is joined across a breaker that opens after %d failures", threshold);
	ok(e->breaker.known && (int)e->breaker.opens == opens && !e->breaker.absent, "which is seen to open %d times", opens);
	judge_end(&r, &x);
}

static void retries_that_stand_out(void)
{
	stands(&(struct program){.flows = 3, .think_ms = 60, .took_ms = 30, .attempts = 3, .waits = AT_ONCE, .slack_ms = 0.2, .until_ms = 6000}, 20,
	       "three flows that retry at once");
	stands(&(struct program){.flows = 6, .think_ms = 4000, .took_ms = 1500, .attempts = 3, .waits = FIXED, .slack_ms = 3, .until_ms = 400000}, 20,
	       "waits of 100 ms where a request comes each second");
	stands(&(struct program){.flows = 3, .think_ms = 60, .took_ms = 30, .attempts = 3, .waits = AT_ONCE, .slack_ms = 0.2, .tids = 4,
				 .until_ms = 6000}, 20, "on whatever thread is free");
}

/* Waits of 100 ms as above, of a run that is nearly healthy. */
static void a_hiccup_of_a_healthy_crowd(void)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;

	judge_client(&r, 60000);
	for (int i = 0; i < 2000; i++)
		runs_add(&r, ATTEMPT(.status = i == 1000 || i == 1500 ? 503 : 200, .at_ms = 10 + 20 * i, .took_ms = 45));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->whole.logical, 2000, "two failures among 2000 requests in flight at once change no figure by a hundredth: they are requests");
	is_str(e->linking, "temporal", "and the edge keeps its figures");
	NEAR(e->whole.success.value, 1998 / 2000.0, "as of attempts");
	judge_end(&r, &x);
}

/* Ten at once, and again, all failing, 1 s apart; then nobody asks any more. */
static void a_cohort(void)
{
	for (int rounds = 3; rounds <= 6; rounds += 3) {
		struct runs r;
		struct result x;
		const struct result_edge *e;

		judge_client(&r, 20000);
		for (int k = 0; k < rounds; k++)
			for (int i = 0; i < 10; i++)
				runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100 + k * 1000 + i, .took_ms = 50));
		judge(&r, &x, &ANALYZE_EVERYTHING);
		e = judge_edge(&x, "curl", "127.0.0.1:80");
		is_str(e->linking, rounds == 3 ? "temporal" : "aggregate", "ten requests of %d attempts", rounds);
		is_int(e->whole.logical, rounds == 3 ? 10 : 10 * rounds, "%d attempts: %s", rounds, rounds == 3 ? "retries" : "or a loop");
		judge_end(&r, &x);
	}
}

/* Twenty at once whose starts spread over what one of them takes; the first of each wave to start is the first of the next. */
static void waves(int giving_up, double second_ms, const char *linking)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;

	judge_client(&r, 20000);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 20 - (k == 2 ? giving_up : 0); i++)
			runs_add(&r, ATTEMPT(.status = k == 2 && i == 3 ? 200 : 503, .at_ms = 100 + (k > 0) * 100 + (k > 1) * second_ms + i,
					  .took_ms = 3));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_str(e->linking, linking, "waves 100 and %g ms apart, of which the last has %d less", second_ms, giving_up);
	if (!giving_up) {
		is_int(e->whole.logical, 20, "as many again as have failed are their retries");
		is_str(e->whole.amplification.method, "exact", "three each");
		NEAR(e->whole.success.value, 0.05, "one of them got its answer");
	}
	judge_end(&r, &x);
}

/* Pairs at a distance of about 100 ms, eight of them: the longest pause lies in the middle, and makes no two waves. */
static void pairs_on_and_on(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 20000);
	for (int k = 0; k < 16; k++)
		runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100 + k / 2 * 100 + k % 2 + (k >= 8), .took_ms = 3));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->linking, "aggregate", "pairs that go on and on are no two waves of eight");
	judge_end(&r, &x);
}

/* A single caller that pipelines is one caller, and a call that never ends is in nobody's way. */
static void what_is_no_crowd(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
	runs_add(&r, ATTEMPT(.connection = 2, .status = 200, .at_ms = 1, .took_ms = -1));
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.status = 503, .at_ms = 10 + 1000 * i + k * 101, .took_ms = 1));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical, 11, "calls one after another beside one that never ends: requests of three attempts");
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 1000);
	for (int i = 0; i < 50; i++)
		runs_add(&r, ATTEMPT(.tid = i % 3 ? 9 : -1, .connection = i % 5 ? 1 : -1, .process = i % 7 ? 1 : -1, .status = i % 2 ? 503 : 200,
				     .at_ms = 10 + i, .took_ms = i % 4 ? 3 : -1));
	runs_sql(&r, "UPDATE exchange SET ended_ns = started_ns - 5 WHERE id %% 6 = 0;"
		     "UPDATE exchange SET ended_ns = 9223372036854775807 WHERE id %% 11 = 0");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	ok(x.edge_count > 0, "ends before starts, at the end of time, missing: an answer all the same");
	judge_end(&r, &x);
}

int main(void)
{
	what_arrives_anyway();
	a_breaker_of_a_crowd(5, 3);
	a_breaker_of_a_crowd(9, 3);
	a_breaker_of_a_crowd(12, 3);
	a_breaker_of_a_crowd(100, 2);
	retries_that_stand_out();
	a_hiccup_of_a_healthy_crowd();
	a_cohort();
	waves(0, 100, "temporal");
	waves(0, 200, "temporal");
	waves(7, 100, "aggregate");
	pairs_on_and_on();
	what_is_no_crowd();
	damaged_rows();
	return tap_done();
}
