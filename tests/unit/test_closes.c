/* SPDX-License-Identifier: MIT */
/* Clients that close a connection which they gave up only when they try again: where their waits begin. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#define TIMEOUT_MS 300.0

/* One request: attempts that last so long, each given up by the client and followed at once by the next. */
static void send_request(struct runs *r, int tid, double at_ms, const double *took_ms, int attempts)
{
	for (int k = 0; k < attempts; k++) {
		runs_add(r, ATTEMPT(.at_ms = at_ms, .took_ms = took_ms[k], .tid = tid, .outcome = "indeterminate", .error = "closed"));
		at_ms += took_ms[k] + 0.4;
	}
}

static bool noted(const struct result *x)
{
	for (size_t i = 0; i < x->note_count; i++)
		if (strstr(x->notes[i], "only when it tries again"))
			return true;
	return false;
}

static struct result_edge *edge_of(struct result *x)
{
	return judge_edge(x, "curl", "127.0.0.1:80");
}

/* 30 requests whose attempts last so long, a millisecond more or less. */
static void analyze_requests(struct runs *r, struct result *x, const double *took_ms, int attempts)
{
	struct stats_random random = {3};

	judge_client(r, 200000);
	for (int i = 0; i < 30; i++) {
		double took[8];

		for (int k = 0; k < attempts; k++)
			took[k] = took_ms[k] + stats_uniform(&random);
		send_request(r, 100 + i, 10 + 5000 * i, took, attempts);
	}
	judge(r, x, &ANALYZE_EVERYTHING);
}

/* urllib3: no wait before the first retry, then 200, 400, 800 ms, slept before the connection is closed. */
static void waits_hide_in_the_attempts(void)
{
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	analyze_requests(&r, &x, (double[]){TIMEOUT_MS, TIMEOUT_MS + 200, TIMEOUT_MS + 400, TIMEOUT_MS + 800, TIMEOUT_MS}, 5);
	p = &edge_of(&x)->retry;
	is_str(policy_backoff_name(p->backoff), "exponential", "urllib3: the wait is told from the timeout");
	ok(p->skip_first && p->multiplier == 2 && fabs(p->base_ms - 200) < 4, "urllib3: none, then 200 ms x 2: %.1f", p->base_ms);
	is_int(edge_of(&x)->timeout.mode_count, 1, "urllib3: one timeout");
	ok(fabs(edge_of(&x)->timeout.modes[0].ms - TIMEOUT_MS) < 2, "urllib3: of 300 ms: %.1f", edge_of(&x)->timeout.modes[0].ms);
	ok(noted(&x), "urllib3: the report says so");
	for (size_t i = 0; i < x.finding_count; i++)
		ok(strcmp(x.findings[i].code, "retry-without-backoff") != 0, "urllib3: not accused of %s", x.findings[i].code);
	judge_end(&r, &x);
}

/* As measured: while code is loaded, the first timeouts are noticed up to 200 ms late. */
static void a_program_that_starts_is_late(void)
{
	struct result x;
	struct runs r;

	judge_client(&r, 200000);
	for (int i = 0; i < 12; i++)
		send_request(&r, 100 + i, 10 + 5000 * i, (double[]){i < 5 ? 300.5 : 300 + 15 * i, 501 + i % 3, 701, 1100.5, 300.4}, 5);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_str(policy_backoff_name(edge_of(&x)->retry.backoff), "exponential", "late first timeouts: the waits are told all the same");
	judge_end(&r, &x);
}

/* On a busy machine one connection is closed 20 ms before the next attempt: it was given up at the timeout all the same. */
static void one_of_ten_follows_late(void)
{
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 200000);
	for (int i = 0; i < 10; i++) {
		double at = 10 + 5000 * i;

		send_request(&r, 100 + i, at, (double[]){300.4, i == 7 ? 480 : 500}, 2);
		send_request(&r, 100 + i, at + 801.2, (double[]){700, 1100, 300.4}, 3);
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	p = &edge_of(&x)->retry;
	ok(p->gap_count == 4 && p->gaps[1].p5 > 195, "one that follows late: its wait was %.1f ms", p->gap_count == 4 ? p->gaps[1].p5 : NAN);
	judge_end(&r, &x);
}

/* Looks like it and is not. */
static void other_clients_are_left_alone(void)
{
	static const struct { const char *what; double took_ms[5]; } cases[] = {
		{"the same timeout each time", {300, 300, 300, 300, 300}},
		{"timeouts that grow", {300, 400, 500, 600, 700}},
		{"what a deadline leaves to the last", {300, 300, 300, 300, 100}},
		{"a longer timeout for the first", {600, 300, 300, 300, 300}},
		{"timeouts that shrink", {700, 600, 500, 400, 300}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result x;
		struct runs r;

		analyze_requests(&r, &x, cases[i].took_ms, 5);
		is_str(policy_backoff_name(edge_of(&x)->retry.backoff), "none", "%s: no wait is made of it", cases[i].what);
		ok(!noted(&x), "%s: nothing is said", cases[i].what);
		judge_end(&r, &x);
	}
}

/* Requests of two kinds, each with a timeout of its own, retried at once. */
static void two_timeouts_are_two(void)
{
	struct result x;
	struct runs r;

	judge_client(&r, 200000);
	for (int i = 0; i < 30; i++)
		send_request(&r, 100 + i, 10 + 5000 * i, i % 12 ? (double[]){300, 300, 300} : (double[]){500, 500, 500}, 3);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_str(policy_backoff_name(edge_of(&x)->retry.backoff), "none", "two timeouts: no wait is made of the longer one");
	ok(!noted(&x), "two timeouts: nothing is said");
	judge_end(&r, &x);
}

int main(void)
{
	waits_hide_in_the_attempts();
	a_program_that_starts_is_late();
	one_of_ten_follows_late();
	other_clients_are_left_alone();
	two_timeouts_are_two();
	return tap_done();
}
