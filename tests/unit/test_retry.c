/* SPDX-License-Identifier: MIT */
/* From run files made by hand to what is said of retries: what was retried, how often, when it was given up, and what is no retry at all. */
#include "analyzer/infer/retry.h"
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

/* A client that makes so many attempts with these waits between them, each failing with `status` after took_ms. */
struct client {
	double waits[8];
	int attempts;
	int status;		/* 0: given up by the client (indeterminate) */
	double took_ms;
	int process, tid;
	const char *method, *path;
	int last_ok;		/* the last attempt succeeds */
};

static double send_request(struct runs *r, const struct client *c, double at_ms)
{
	for (int k = 0; k < c->attempts; k++) {
		int status = c->last_ok && k == c->attempts - 1 ? 200 : c->status;

		runs_add(r, ATTEMPT(.at_ms = at_ms, .took_ms = c->took_ms, .status = status, .process = c->process, .tid = c->tid,
				    .connection = c->process, .outcome = status ? NULL : "indeterminate", .error = status ? NULL : "closed",
				    .method = c->method, .path = c->path));
		at_ms += c->took_ms + (k < c->attempts - 1 ? c->waits[k] : 0);
	}
	return at_ms;
}

static struct policy_retry *retry_of(struct result *x)
{
	return &judge_edge(x, "curl", "127.0.0.1:80")->retry;
}

static const struct policy_reaction *reaction(const struct policy_retry *p, unsigned status)
{
	static const struct policy_reaction never;

	for (size_t i = 0; i < p->reaction_count; i++)
		if (p->reactions[i].status == status && !p->reactions[i].error)
			return &p->reactions[i];
	return &never;
}

static bool noted(const struct result *x, const char *word)
{
	for (size_t i = 0; i < x->note_count; i++)
		if (strstr(x->notes[i], word))
			return true;
	return false;
}

/* ---- waits that are no breaker ---- */

/* Between the fourth waits of all and the fifth nothing is sent for 220 ms; the same when a breaker lets the fifth pass 60 ms late. */
static void waves_of_waits_are_no_breaker(void)
{
	for (int late = 0; late < 2; late++) {
		struct client c = {.waits = {50, 100, 200, 400, 800 + 60 * late}, .attempts = 6, .status = 503, .took_ms = 0.5};
		struct result x;
		struct runs r;

		judge_client(&r, 10000);
		for (int i = 0; i < 30; i++) {
			c.tid = 100 + i;
			send_request(&r, &c, 10 + 20 * i);
		}
		judge(&r, &x, everything);
		if (late)
			ok(judge_edge(&x, "curl", "127.0.0.1:80")->breaker.opens == 1, "late retries: a breaker may be at work");
		else
			ok(judge_edge(&x, "curl", "127.0.0.1:80")->breaker.absent, "retries in time: no breaker, and said so");
		judge_end(&r, &x);
	}
}

/* A request of two attempts, the second so long after the first, under a policy whose first wait is 100 to 200 ms, or that was asked for. */
static bool is_second_due(double waited_ms, enum policy_backoff backoff, int asked_ms)
{
	struct model_exchange x[2] = {{.started_ns = 1000 * NS_PER_MS, .ended_ns = 1002 * NS_PER_MS, .retry_after_ms = asked_ms},
				      {.started_ns = 1002 * NS_PER_MS + (uint64_t)(waited_ms * NS_PER_MS)}};
	struct policy_gap gap = {.k = 1, .fitted_low = 100, .fitted_high = 200};
	struct result_edge edge = {.retry = {.backoff = backoff, .gaps = &gap, .gap_count = 1}};
	struct result r = {.model = {.exchanges = x, .exchange_count = 2}, .edges = &edge, .edge_count = 1};
	uint32_t members[] = {0, 1};
	size_t begins[] = {0, 2};
	struct measure m = {.r = &r, .chains = {.by_logical = {members, begins}}};

	return retry_is_due(&m, 1) && !retry_is_due(&m, 0);
}

/* A third attempt 1005 ms after the second: whose answer had asked for a second, or only the first's had. */
static bool is_third_due(bool second_asks)
{
	struct model_exchange x[3] = {{.started_ns = 1000 * NS_PER_MS, .ended_ns = 1001 * NS_PER_MS, .retry_after_ms = second_asks ? -1 : 1000},
				      {.started_ns = 2006 * NS_PER_MS, .ended_ns = 2007 * NS_PER_MS, .retry_after_ms = second_asks ? 1000 : -1},
				      {.started_ns = 3012 * NS_PER_MS}};
	struct result_edge edge = {.retry = {.backoff = BACKOFF_UNKNOWN}};
	struct result r = {.model = {.exchanges = x, .exchange_count = 3}, .edges = &edge, .edge_count = 1};
	struct measure m = {.r = &r, .chains = {.by_logical = {(uint32_t[]){0, 1, 2}, (size_t[]){0, 3}}}};

	return retry_is_due(&m, 2);
}

static bool is_due(double waited_ms, enum policy_backoff backoff)
{
	return is_second_due(waited_ms, backoff, -1);
}

static bool is_due_as_asked(double waited_ms)
{
	return is_second_due(waited_ms, BACKOFF_UNKNOWN, 1000);
}

static void when_a_retry_is_due(void)
{
	ok(is_due(100, BACKOFF_EXPONENTIAL) && is_due(150, BACKOFF_EXPONENTIAL) && is_due(210, BACKOFF_EXPONENTIAL), "due: within the policy's range");
	ok(!is_due(70, BACKOFF_EXPONENTIAL) && !is_due(230, BACKOFF_EXPONENTIAL), "not due: earlier, or later");
	ok(!is_due(150, BACKOFF_AMBIGUOUS) && !is_due(150, BACKOFF_UNKNOWN), "not due: no law fits");
	ok(is_due_as_asked(1005) && !is_due_as_asked(900) && !is_due_as_asked(1200), "due without a law: when the answer asked for it");
	ok(is_third_due(true) && !is_third_due(false), "which is the answer right before");
}

/* ---- how many attempts ---- */

static void one_curl(void)
{
	struct client c = {.waits = {1001, 2002, 4002, 8003, 16010}, .attempts = 6, .status = 503, .took_ms = 2};
	struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 31040);
	runs_sql(&r, "UPDATE process SET ended_ns = %lld, exit_status = 22", (long long)((RUNS_START_MS + 31035) * 1e6));
	send_request(&r, &c, 3);
	judge(&r, &x, everything);
	p = retry_of(&x);
	ok(p->known, "a client whose request failed has a policy");
	is_int(p->max_attempts, 6, "curl --retry 5 makes 6 attempts: it exited after them");
	ok(!p->unbounded, "and gives up");
	is_int(p->exhausted, 1, "its one request was exhausted");
	is_str(policy_backoff_name(p->backoff), "exponential", "exponential");
	ok(p->multiplier == 2 && fabs(p->base_ms - 1000) < 5, "x2 from 1 s: %.0f", p->base_ms);
	is_int(p->confidence, CONFIDENCE_LOW, "from one request: with low confidence");
	is_int(p->gap_count, 5, "5 waits");
	NEAR(p->gaps[0].p50, 1001, "from the end of an attempt to the start of the next");
	is_int(reaction(p, 503)->retried, 5, "503 was retried 5 times");
	is_int(reaction(p, 503)->not_retried, 0, "the last time attempts were used up: that is no decision");
	judge_end(&r, &x);
}

/* Twenty requests, half a second or more apart, of three attempts at once; the last one is answered. */
static void retries_at_once_of_one_thread(void)
{
	struct client c = {.waits = {0.2, 0.2}, .attempts = 3, .status = 503, .took_ms = 2, .last_ok = 1};
	struct stats_random lot = {7};
	struct policy_retry *p;
	struct result x;
	struct runs r;
	double at = 10;

	judge_client(&r, 30000);
	for (int i = 0; i < 20; i++, at += 500 + 500 * stats_uniform(&lot))
		send_request(&r, &c, at);
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->linking, "temporal", "requests of one thread are told by time");
	ok(p->backoff == BACKOFF_NONE && !p->tangled, "which never left its thread: it retries at once");
	judge_end(&r, &x);
}

static void timeouts_are_retried_as_errors_are(void)
{
	struct client c = {.waits = {100, 200, 400}, .attempts = 4, .took_ms = 300};
	struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 30; i++) {
		c.tid = 100 + i;
		send_request(&r, &c, 10 + 2500 * i);
	}
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_str(policy_backoff_name(p->backoff), "exponential", "waits begin where the timeout fired: exponential");
	NEAR(p->gaps[2].p50, 400, "the third wait is 400 ms, without the 300 ms of the attempt");
	is_int(p->confidence, CONFIDENCE_HIGH, "three waits of 30 requests");
	is_int(p->max_attempts, 4, "4 attempts");
	NEAR(p->other_share_high, 0.1, "30 of 30: at most 3/30 do otherwise");
	is_str(texts_text(&x.model.names, p->reactions[0].error), "closed", "what was retried has the name of the error");
	is_int(p->reactions[0].retried, 90, "90 times");
	judge_end(&r, &x);
}

/* Nothing but time joins them: 20 requests of one loop look like one of 80 attempts. */
static void a_loop_is_not_one_request(void)
{
	struct client c = {.waits = {100, 200, 400}, .attempts = 4, .status = 503, .took_ms = 2};
	struct stats_random random = {5};
	struct policy_retry *p;
	struct result x;
	double at = 10;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 3; k++)
			c.waits[k] = 100 * (1 << k) + stats_uniform(&random) * 4;
		at = send_request(&r, &c, at) + stats_uniform(&random) * 2;
	}
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_int(p->failed_requests, 20, "80 attempts of one thread are 20 requests: their waits repeat");
	is_int(p->max_attempts, 4, "of 4 attempts");
	is_int(p->exhausted, 20, "all exhausted");
	is_str(policy_backoff_name(p->backoff), "exponential", "with exponential waits");
	is_int(p->gap_count, 3, "three of them");
	judge_end(&r, &x);

	judge_client(&r, 100000);
	c = (struct client){.waits = {100, 200, 400, 800, 1000, 1000, 1000}, .attempts = 8, .status = 503, .took_ms = 2};
	send_request(&r, &c, 10);
	judge(&r, &x, everything);
	is_int(retry_of(&x)->failed_requests, 1, "one long request does not repeat itself: it stays one");
	is_int(retry_of(&x)->max_attempts, 8, "of 8 attempts");
	judge_end(&r, &x);
}

/*
 * Who pauses 15 to 45 ms between requests and waits up to 50 ms before a first retry: most of those look like the next request. They did not end
 * after one attempt: others went on.
 */
static void requests_that_a_pace_cuts(void)
{
	int seen = 0, wrong = 0;

	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct stats_random random = {seed * 0x9e3779b97f4a7c15};
		struct result x;
		double at = 10;
		struct runs r;

		judge_client(&r, 100000);
		for (int i = 0; i < 150; i++) {
			bool good = false;

			for (int k = 0; k < 5 && !good; k++) {
				good = stats_uniform(&random) < 0.5;
				runs_add(&r, ATTEMPT(.at_ms = at, .took_ms = 1, .status = good ? 200 : 503));
				at += 1 + (good || k == 4 ? 15 + 30 * stats_uniform(&random) : 50 * (1 << k) * stats_uniform(&random));
			}
		}
		judge(&r, &x, everything);
		seen += retry_of(&x)->known && retry_of(&x)->exhausted > 0;
		wrong += retry_of(&x)->max_attempts && retry_of(&x)->max_attempts != 5;
		judge_end(&r, &x);
	}
	is_int(seen, 12, "requests that seem to be given up are seen");
	is_int(wrong, 0, "after how many attempts is not said where the pace cuts some");
}

/* Who goes on without a pause and waits any time up to 50 ms, 100 ms ... before a retry: the shortest of those waits look like the next request. */
static void jitter_that_a_pace_cuts(double step_ms, bool told)
{
	int wrong = 0, right = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct stats_random random = {seed * 0x9e3779b97f4a7c15};
		const struct policy_retry *p;
		struct result x;
		double at = 10;
		struct runs r;

		judge_client(&r, 1000000);
		for (int i = 0; i < 150; i++) {
			bool good = false;

			for (int k = 0; k < 5 && !good; k++) {
				good = stats_uniform(&random) < 0.5;
				runs_add(&r, ATTEMPT(.at_ms = at, .took_ms = 1, .status = good ? 200 : 503));
				at += 1 + (good || k == 4 ? 0.3 + 6 * stats_uniform(&random) : step_ms * (1 << k) * stats_uniform(&random));
			}
		}
		judge(&r, &x, everything);
		p = retry_of(&x);
		right += p->backoff == BACKOFF_EXPONENTIAL && p->multiplier == 2;
		wrong += p->confidence != CONFIDENCE_LOW && !(p->backoff == BACKOFF_EXPONENTIAL && p->multiplier == 2);
		judge_end(&r, &x);
	}
	is_int(wrong, 0, "up to %g ms at random, in a loop without pause: nothing wrong is said", step_ms);
	ok(!told || right >= 16, "up to %g ms at random: the law shows in %d of 20", step_ms, right);
}

static void what_the_end_of_the_run_cuts(void)
{
	struct client c = {.waits = {1000, 2000}, .attempts = 3, .status = 503, .took_ms = 2};
	struct result x;
	struct runs r;

	judge_client(&r, 3500);
	send_request(&r, &c, 3);
	judge(&r, &x, everything);
	is_int(retry_of(&x)->max_attempts, 0, "a client that may have been waiting when the run ended: can not tell");
	is_int(retry_of(&x)->exhausted, 0, "nothing was exhausted");
	judge_end(&r, &x);

	judge_client(&r, 3500);
	runs_sql(&r, "UPDATE process SET ended_ns = %lld, exit_status = 143", (long long)((RUNS_START_MS + 3400) * 1e6));
	send_request(&r, &c, 3);
	judge(&r, &x, everything);
	is_int(retry_of(&x)->max_attempts, 0, "one that was killed neither");
	judge_end(&r, &x);

	judge_client(&r, 60000);
	send_request(&r, &c, 3);
	judge(&r, &x, everything);
	is_int(retry_of(&x)->max_attempts, 3, "one that stays silent for a minute has given up");
	judge_end(&r, &x);

	judge_client(&r, 2300);
	for (int k = 0; k < 12; k++)
		runs_add(&r, ATTEMPT(.at_ms = 3 + 200 * k, .took_ms = 2, .status = 503));
	judge(&r, &x, everything);
	ok(retry_of(&x)->unbounded, "12 attempts and no end in sight: unbounded");
	is_int(retry_of(&x)->max_attempts, 12, "at least 12");
	judge_end(&r, &x);
}

static void a_deadline_ends_requests(void)
{
	struct stats_random random = {6};
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 30; i++) {
		double at = 10 + 3000 * i, end = at + 1000;

		while (at < end) {
			double took = end - at < 100 ? end - at : 100;

			runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = at, .took_ms = took, .outcome = "indeterminate", .error = "closed"));
			at += took + 50 + 150 * stats_uniform(&random);
		}
	}
	judge(&r, &x, everything);
	ok(fabs(retry_of(&x)->deadline_ms - 1000) < 60, "requests of 5 to 7 attempts all end within 1 s: %.0f", retry_of(&x)->deadline_ms);
	is_int(retry_of(&x)->max_attempts, 0, "so that no number of attempts is theirs");
	judge_end(&r, &x);
}

/* Full jitter, the last wait cut to what is left of 600 ms, and every wait late; without a deadline after 4 to 6 attempts. */
static void a_deadline_that_is_late(void)
{
	struct stats_random random = {16};
	struct result x;
	struct runs r;

	for (int deadline = 0; deadline < 2; deadline++) {
		judge_client(&r, 100000);
		for (int i = 0; i < 30; i++) {
			double at = 10 + 3000 * i, end = at + 600;

			for (int k = 0; deadline ? at < end : k < 4 + i % 3; k++) {
				double wait = 50 * (1 << k) * stats_uniform(&random);

				runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = at, .took_ms = 0.1, .status = 503));
				at += (deadline && at + wait > end ? end - at : wait) + 4 * stats_uniform(&random) + 0.2;
			}
			if (deadline)
				runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = at, .took_ms = 0.1, .status = 503));
		}
		judge(&r, &x, everything);
		if (deadline) {
			ok(fabs(retry_of(&x)->deadline_ms - 600) < 15, "requests that wait at random all end after 600 ms and something: %.0f",
			   retry_of(&x)->deadline_ms);
			is_int(retry_of(&x)->max_attempts, 0, "so that no number of attempts is theirs");
			ok(isnan(retry_of(&x)->cap_ms), "and the wait that was cut is no cap");
		} else {
			ok(isnan(retry_of(&x)->deadline_ms), "requests of 4 to 6 attempts at random waits have no deadline: %.0f",
			   retry_of(&x)->deadline_ms);
		}
		judge_end(&r, &x);
	}
}

/* ---- what is retried ---- */

static void reactions_by_status_and_method(void)
{
	struct client get = {.waits = {100, 200}, .attempts = 3, .status = 503, .took_ms = 2},
		      gone = {.attempts = 1, .status = 501, .took_ms = 2, .path = "/gone"},
		      post = {.attempts = 1, .status = 503, .took_ms = 2, .method = "POST", .path = "/post"};
	struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 10; i++) {	/* requests of one kind overlap, so that threads tell them apart */
		get.tid = 100 + i;
		gone.tid = 200 + i;
		post.tid = 300 + i;
		send_request(&r, &get, 10 + i);
		send_request(&r, &gone, 20 + i);
		send_request(&r, &post, 30 + i);
	}
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_int(reaction(p, 503)->retried, 20, "503 is retried");
	is_int(reaction(p, 501)->retried, 0, "501 is not");
	is_int(reaction(p, 501)->not_retried, 10, "10 times");
	is_int(p->methods[0].retried + p->methods[1].retried, 20, "GET is retried");
	is_int(p->max_attempts, 3, "what is never retried says nothing of the number of attempts");
	is_int(p->exhausted, 10, "nor of exhaustion");
	judge_end(&r, &x);
}

static void retries_that_should_not_be(void)
{
	struct policy_retry *p;
	struct result x;
	struct runs r;
	int second;

	judge_client(&r, 100000);
	runs_add(&r, ATTEMPT(.at_ms = 10, .took_ms = 300, .method = "POST", .outcome = "indeterminate", .error = "closed"));
	second = runs_add(&r, ATTEMPT(.at_ms = 400, .took_ms = 2, .method = "POST", .status = 500));
	runs_add(&r, ATTEMPT(.at_ms = 600, .took_ms = 2, .method = "POST", .status = 200));
	runs_add(&r, ATTEMPT(.tid = 10, .at_ms = 1000, .took_ms = 2, .method = "POST", .outcome = "indeterminate", .key = 7));
	runs_add(&r, ATTEMPT(.tid = 10, .at_ms = 1100, .took_ms = 2, .method = "POST", .status = 200, .key = 7));
	runs_add(&r, ATTEMPT(.tid = 11, .at_ms = 2000, .took_ms = 2, .method = "POST", .outcome = "not_sent", .unsent = 1));
	runs_add(&r, ATTEMPT(.tid = 11, .at_ms = 2100, .took_ms = 2, .method = "POST", .status = 200));
	runs_add(&r, ATTEMPT(.tid = 12, .at_ms = 3000, .took_ms = 2, .status = 501));
	runs_add(&r, ATTEMPT(.tid = 12, .at_ms = 3100, .took_ms = 2, .status = 200));
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_int(p->unsafe_indeterminate.count, 1, "a POST without key behind a timeout: once");
	is_int(p->unsafe_indeterminate.witness, second, "and that is the witness");
	is_int(p->unsafe_failed.count, 1, "behind a 500: once; with a key, or never sent, it is safe");
	is_int(p->pointless.count, 1, "a 501 is not cured by a repetition");
	is_int(p->new_key.count, 0, "no key was changed");
	judge_end(&r, &x);
}

static void refusals_that_are_repeated(void)
{
	struct result x;
	struct runs r;

	for (int polls = 0; polls < 2; polls++) {
		judge_client(&r, 100000);
		if (polls) {
			runs_add(&r, ATTEMPT(.at_ms = 0, .took_ms = 2, .status = 200));
			runs_add(&r, ATTEMPT(.at_ms = 5, .took_ms = 2, .status = 200));
		}
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.at_ms = 10 + 100 * k, .took_ms = 2, .status = 404));
		judge(&r, &x, everything);
		is_int(retry_of(&x)->pointless.count, polls ? 0 : 2,
		       polls ? "who asks again after a success too, polls" : "a 404 asked for again twice is pointless");
		judge_end(&r, &x);
	}
	judge_client(&r, 100000);
	runs_add(&r, ATTEMPT(.at_ms = 10, .took_ms = 2, .status = 401));
	runs_add(&r, ATTEMPT(.at_ms = 20, .took_ms = 2, .status = 200));
	judge(&r, &x, everything);
	is_int(retry_of(&x)->pointless.count, 0, "a 401 answered with credentials is not");
	judge_end(&r, &x);
}

static void slow_connects_are_no_waits(void)
{
	struct result x;
	struct runs r;

	judge_client(&r, 10000);
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4002", "127.0.0.1:80");
	runs_sql(&r, "UPDATE connection SET opened_ns = %lld, connected_ns = %lld WHERE id = 2", (long long)((RUNS_START_MS + 112) * 1e6),
		 (long long)((RUNS_START_MS + 1112) * 1e6));
	runs_add(&r, ATTEMPT(.at_ms = 10, .took_ms = 2, .status = 503));
	runs_add(&r, ATTEMPT(.connection = 2, .at_ms = 1113, .took_ms = 2, .status = 503));
	judge(&r, &x, everything);
	NEAR(retry_of(&x)->gaps[0].p50, 100, "a retry begins with its connect, which took 1 s");
	judge_end(&r, &x);
}

/* ---- what is no retry ---- */

static void polling(void)
{
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 100; i++)
		runs_add(&r, ATTEMPT(.at_ms = 10 + 200 * i, .took_ms = 2, .status = i >= 40 && i < 60 ? 503 : 200));
	judge(&r, &x, everything);
	ok(!retry_of(&x)->known, "a call every 200 ms, whether the last one failed or not, is no retry");
	ok(noted(&x, "polling"), "and that is said");
	judge_end(&r, &x);

	judge_client(&r, 100000);
	for (int i = 0; i < 100; i++)
		runs_add(&r, ATTEMPT(.at_ms = 10 + 200 * i, .took_ms = 2, .status = 200));
	judge(&r, &x, everything);
	ok(!retry_of(&x)->known, "where nothing fails, nothing is known");
	judge_end(&r, &x);

	judge_client(&r, 100000);
	for (int i = 0; i < 30; i++) {
		runs_add(&r, ATTEMPT(.at_ms = 10 + 1000 * i, .took_ms = 2, .status = 503));
		runs_add(&r, ATTEMPT(.at_ms = 112 + 1000 * i, .took_ms = 2, .status = 200));
	}
	judge(&r, &x, everything);
	ok(retry_of(&x)->known, "who asks again sooner after a failure than after a success, retries");
	NEAR(retry_of(&x)->yield.value, 1, "every retry succeeded");
	judge_end(&r, &x);
}

/* Each of 40 threads asks so often, every 100 ms, and all fails: one request of each, or a loop of each. */
static void loops_of_one_length(void)
{
	for (int attempts = 4; attempts <= 20; attempts += 8) {
		struct result x;
		struct runs r;

		judge_client(&r, 100000);
		for (int i = 0; i < 40; i++)
			for (int k = 0; k < attempts; k++)
				runs_add(&r, ATTEMPT(.tid = 20 + i, .at_ms = 10 + 7 * i + 102 * k, .took_ms = 1, .status = 503));
		judge(&r, &x, everything);
		if (attempts > 13)
			ok(!retry_of(&x)->known, "%d calls of each of 40 threads: nobody can tell", attempts);
		else
			is_int(retry_of(&x)->confidence, attempts > 6 ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH, "%d: they may be retries", attempts);
		judge_end(&r, &x);
	}
}

/* ---- several clients ---- */

static void two_policies_on_one_edge(void)
{
	struct client fast = {.waits = {50, 100, 200}, .attempts = 4, .status = 503, .took_ms = 2, .process = 1, .tid = 1},
		      slow = {.waits = {300, 300, 300}, .attempts = 4, .status = 503, .took_ms = 2, .process = 2, .tid = 2};
	struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 400000);
	runs_process(&r, 2, "curl");
	runs_connection(&r, 2, 2, "client", "127.0.0.1:4001", "127.0.0.1:80");
	for (int i = 0; i < 30; i++) {
		fast.tid = 100 + i;
		slow.tid = 200 + i;
		send_request(&r, &fast, 10 + 4000 * i);
		send_request(&r, &slow, 15 + 4000 * i);
	}
	judge(&r, &x, everything);
	p = retry_of(&x);
	is_str(policy_backoff_name(p->backoff), "ambiguous", "two processes that wait differently have no common policy");
	is_int(p->confidence, CONFIDENCE_LOW, "low confidence");
	ok(p->mixed && p->candidate_count == 2, "it is said that there are two");
	ok(p->candidates[0].family != p->candidates[1].family, "exponential and fixed");
	judge_end(&r, &x);
}

/* 40 requests at once on one thread of a runtime, of four attempts; random: with waits of full jitter. */
static void send_at_once(struct runs *r, bool apart, bool random)
{
	struct stats_random numbers = {8};

	judge_client(r, 100000);
	for (int i = 0; i < 40; i++) {
		struct client c = {.attempts = 4, .status = 503, .took_ms = 2};
		char path[16];

		snprintf(path, sizeof(path), "/%d", apart ? i : 0);
		c.path = path;
		for (int k = 0; k < 3; k++)
			c.waits[k] = random ? 100 * (1 << k) * stats_uniform(&numbers) : 100 * (1 << k) + 10 * stats_uniform(&numbers);
		send_request(r, &c, 10 + i);
	}
}

/* Time alone joins attempts, and may join wrong ones. */
static void overlapping_requests_of_one_thread(void)
{
	struct result x;
	struct runs r;

	send_at_once(&r, true, true);
	judge(&r, &x, everything);
	is_str(policy_backoff_name(retry_of(&x)->backoff), "exponential", "requests for different things are told apart");
	ok(!retry_of(&x)->tangled, "and not tangled");
	is_int(retry_of(&x)->max_attempts, 4, "each has its four attempts");
	judge_end(&r, &x);

	send_at_once(&r, false, false);
	judge(&r, &x, everything);
	ok(retry_of(&x)->tangled, "40 requests for the same at once, on one thread, are tangled");
	ok(retry_of(&x)->confidence != CONFIDENCE_HIGH, "their waits are guesses: no high confidence");
	ok(noted(&x, "guess"), "and that is said");
	is_int(retry_of(&x)->max_attempts, 4, "but they come in waves, of which the fourth is the last");
	judge_end(&r, &x);

	send_at_once(&r, false, true);
	judge(&r, &x, everything);
	ok(!retry_of(&x)->known, "with random waits there are no waves, and no policy is made up");
	judge_end(&r, &x);
}

/* A service that calls another four times for each request, with waits of full jitter, and has several in work at once: on one thread, as goroutines may. */
static void serve_at_once(struct runs *r, bool ids)
{
	struct stats_random numbers = {11};

	judge_client(r, 100000);
	runs_connection(r, 2, 1, "server", "127.0.0.1:8080", "127.0.0.1:5000");
	for (int i = 0; i < 40; i++) {
		double at = 10 + 70 * i, from = at;

		for (int k = 0; k < 4; k++) {
			runs_add(r, ATTEMPT(.connection = 1, .at_ms = at += 1, .took_ms = 2, .status = 503, .correlation = ids ? i + 1 : 0));
			at += 2 + (k < 3 ? 100 * (1 << k) * stats_uniform(&numbers) : 0);
		}
		runs_add(r, ATTEMPT(.connection = 2, .role = "server", .at_ms = from, .took_ms = at + 1 - from, .correlation = ids ? i + 1 : 0));
	}
}

static void a_service_whose_requests_overlap(void)
{
	struct result x;
	struct runs r;

	serve_at_once(&r, true);
	judge(&r, &x, everything);
	is_str(policy_backoff_name(retry_of(&x)->backoff), "exponential", "ids tell the calls of a service's requests apart");
	is_int(retry_of(&x)->max_attempts, 4, "each has its four attempts");
	ok(!retry_of(&x)->tangled, "and nothing is a guess");
	judge_end(&r, &x);

	serve_at_once(&r, false);
	judge(&r, &x, everything);
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->linking, "nesting", "without, each is laid to the likeliest request in work");
	ok(retry_of(&x)->tangled, "which is a guess");
	is_str(policy_backoff_name(retry_of(&x)->backoff), "ambiguous", "that tells nothing of jittered waits");
	is_int(retry_of(&x)->max_attempts, 0, "nor of numbers that differ");
	judge_end(&r, &x);
}

/* Two clients in turn: what is left out of many requests must not be all of one of them. */
static void clients_that_take_turns(void)
{
	struct stats_random random = {9};
	struct result x;
	struct runs r;

	judge_client(&r, 4000000);
	for (int i = 0; i < 600; i++) {
		struct client c = {.attempts = 4, .status = 503, .took_ms = 2, .tid = 100 + i};

		for (int k = 0; k < 3; k++)
			c.waits[k] = (i % 2 ? 400 : 50) * (1 << k) * (0.8 + 0.4 * stats_uniform(&random));
		send_request(&r, &c, 10 + 4000 * i);
	}
	judge(&r, &x, everything);
	is_int(retry_of(&x)->confidence, CONFIDENCE_LOW, "two clients in turn, of 50 and of 400 ms: no common policy");
	ok(retry_of(&x)->mixed, "and it is said that they are several");
	ok(noted(&x, "several clients"), "in the notes too");
	judge_end(&r, &x);
}

/* ---- Retry-After ---- */

static void asked_to_wait(double waits, double growth, int after_ms, struct result *x, struct runs *r)
{
	judge_client(r, 400000);
	for (int i = 0; i < 12; i++)
		for (double k = 0, at = 10 + 20000 * i, wait = waits; k < 4; k++, at += wait + 2, wait *= growth)
			runs_add(r, ATTEMPT(.tid = 100 + i, .at_ms = at, .took_ms = 2, .status = k == 3 ? 200 : 503,
					    .retry_after_ms = k == 3 ? 0 : after_ms));
	for (int i = 0; i < 12; i++) {
		struct client own = {.waits = {100, 200, 400}, .attempts = 4, .status = 503, .took_ms = 2, .tid = 200 + i};

		send_request(r, &own, 300000 + 5000 * i);
	}
	judge(r, x, everything);
}

static void retry_after(void)
{
	struct result x;
	struct runs r;

	asked_to_wait(2001, 1, 2000, &x, &r);
	is_int(retry_of(&x)->retry_after, RETRY_AFTER_HONOURED, "2 s asked for, 2001 ms waited: honoured");
	is_int(retry_of(&x)->retry_after_kept, 36, "36 times");
	is_int(retry_of(&x)->retry_after_witness, 0, "and no other");
	is_int(retry_of(&x)->chains, 12, "those requests say nothing of the client's own policy");
	is_str(policy_backoff_name(retry_of(&x)->backoff), "exponential", "which the others show");
	judge_end(&r, &x);
	asked_to_wait(1940, 1, 2000, &x, &r);
	ok(retry_of(&x)->retry_after != RETRY_AFTER_HONOURED, "60 ms too early is not kept");
	judge_end(&r, &x);
	asked_to_wait(1000, 1, 5000, &x, &r);
	is_int(retry_of(&x)->retry_after, RETRY_AFTER_CAPPED, "5 s asked for, always 1 s waited, unlike its own waits: capped");
	NEAR(retry_of(&x)->retry_after_cap_ms, 1000, "at 1 s");
	judge_end(&r, &x);
	asked_to_wait(100, 2, 5000, &x, &r);
	is_int(retry_of(&x)->retry_after, RETRY_AFTER_IGNORED, "waits as its own are: ignored");
	ok(retry_of(&x)->retry_after_witness, "and a retry that did not wait is named");
	judge_end(&r, &x);
}

/* ---- storms ---- */

static void storms(void)
{
	struct client c = {.waits = {100, 100}, .attempts = 3, .status = 503, .took_ms = 2};
	struct result x;
	struct runs r;

	for (int saved = 0; saved < 2; saved++) {
		judge_client(&r, 40000);
		c.last_ok = saved;
		runs_fault(&r, 1, "down", "{}", 30, 30);
		for (int i = 0; i < 200; i++) {
			c.tid = 100 + i;
			if (i < 100 || i >= 150)
				runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = 10 + 100 * i, .took_ms = 2, .status = 200));
			else
				send_request(&r, &c, 10 + 100 * i);
		}
		judge(&r, &x, everything);
		ok(retry_of(&x)->storm == !saved,
		   saved ? "where half the retries help, it is no storm" : "5 s of 3 attempts for each request, all in vain: a storm");
		if (!saved) {
			ok(retry_of(&x)->storm_seconds >= 4 && fabs(retry_of(&x)->storm_amplification - 3) < 0.2, "of 3 for %.0f s",
			   retry_of(&x)->storm_seconds);
				ok(fabs(retry_of(&x)->budget_peak - 1) < 0.1, "two retries for each request of 5 s in 10: %.2f", retry_of(&x)->budget_peak);
		}
		judge_end(&r, &x);
	}
}

static void damaged_rows(void)
{
	struct result x;
	struct runs r;

	judge_client(&r, 1000);
	runs_sql(&r, "UPDATE process SET ended_ns = -5, exit_status = 'x'");
	for (int k = 0; k < 6; k++)
		runs_add(&r, ATTEMPT(.at_ms = 100 - 30 * k, .took_ms = k % 2 ? 1e12 : -1, .status = 503, .retry_after_ms = 2147483647));
	runs_sql(&r, "UPDATE exchange SET started_ns = 1 WHERE id = 2; UPDATE exchange SET retry_after_ms = -7 WHERE id = 3");
	judge(&r, &x, everything);
	ok(retry_of(&x)->known, "times out of order, in the past and in the far future do no harm");
	judge_end(&r, &x);
}

int main(void)
{
	when_a_retry_is_due();
	waves_of_waits_are_no_breaker();
	one_curl();
	retries_at_once_of_one_thread();
	timeouts_are_retried_as_errors_are();
	a_loop_is_not_one_request();
	requests_that_a_pace_cuts();
	jitter_that_a_pace_cuts(50, false);
	jitter_that_a_pace_cuts(2000, true);
	what_the_end_of_the_run_cuts();
	a_deadline_ends_requests();
	a_deadline_that_is_late();
	reactions_by_status_and_method();
	retries_that_should_not_be();
	refusals_that_are_repeated();
	slow_connects_are_no_waits();
	polling();
	loops_of_one_length();
	two_policies_on_one_edge();
	overlapping_requests_of_one_thread();
	a_service_whose_requests_overlap();
	clients_that_take_turns();
	retry_after();
	storms();
	damaged_rows();
	return tap_done();
}
