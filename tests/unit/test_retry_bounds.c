/* SPDX-License-Identifier: MIT */
/* From run files made by hand to what is said of retries at the bounds of what counts as late, as overlapping and as ended by a deadline. */
#include "tests/unit/judge.h"

static const struct policy_retry *judged(struct runs *r, struct result *x)
{
	judge(r, x, &ANALYZE_EVERYTHING);
	return &judge_edge(x, "curl", "127.0.0.1:80")->retry;
}

/* A request of a thread of its own: so many attempts of 1 ms, evenly over so long. */
static void give_up(struct runs *r, int tid, double at_ms, int attempts, double took_ms)
{
	for (int k = 0; k < attempts; k++)
		runs_add(r, ATTEMPT(.tid = tid, .at_ms = at_ms + k * (took_ms - 1) / (attempts - 1), .took_ms = 1, .status = 503));
}

/* Requests of two to four attempts, of which the one of four took 601 ms and three a little less: they are near it, or nothing is. */
static void what_is_near_a_deadline(double took_ms, bool near)
{
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 8; i++)
		give_up(&r, 100 + i, 10 + 3000 * i, i < 4 ? 2 : i < 7 ? 3 : 4, i < 4 ? 301 : i < 7 ? took_ms : 601);
	p = judged(&r, &x);
	NEAR(p->deadline_ms, near ? 601 : NAN, "requests that took %g ms beside one of 601 ms %s", took_ms, near ? "were ended by its deadline" : "were not");
	judge_end(&r, &x);
}

/* Doubling from 50 ms, each wait 8 ms late, and so are delays that were injected, or nothing tells. */
static void how_late_timers_are(int delays)
{
	const struct policy_retry *p;
	bool told = delays >= 5;
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	runs_fault(&r, 1, "slow", "{}", delays, delays);
	for (int i = 0; i < delays; i++)
		runs_inject(&r, 1, 0, 10 + i, "delay", 100, 108);
	for (int i = 0; i < 30; i++)
		for (int k = 0; k < 5; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = 1000 + 2000 * i + 50 * ((1 << k) - 1) + 9 * k, .took_ms = 1, .status = 503));
	p = judged(&r, &x);
	is_int(p->backoff, BACKOFF_EXPONENTIAL, "waits that double, 8 ms late: exponential");
	ok((p->base_low_ms <= 50) == told, "... from %.1f ms at least: %d delays 8 ms late tell %s", p->base_low_ms, delays,
	   told ? "that the first may be set to 50 ms" : "nothing of timers");
	judge_end(&r, &x);
}

/* Attempts of a thread at these times, of the same request to look at: of two, which overlap or follow each other to the instant. */
static void when_requests_overlap(const char *what, const double *at_ms, int attempts, bool tangled)
{
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	judge_client(&r, 100000);
	for (int i = 0; i < 20; i++)
		for (int k = 0; k < attempts; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + i, .at_ms = 10 + 2000 * i + at_ms[k], .took_ms = 2, .status = 503));
	p = judged(&r, &x);
	is_int((int)p->failed_requests, 40, "%s: each thread has two requests", what);
	is_int(p->tangled, tangled, "... so that they %s tangled", tangled ? "are" : "are not");
	judge_end(&r, &x);
}

int main(void)
{
	what_is_near_a_deadline(596, true);
	what_is_near_a_deadline(595, false);
	how_late_timers_are(5);
	how_late_timers_are(4);
	when_requests_overlap("one begins with the last attempt of another", (double[]){0, 100, 100}, 3, false);
	when_requests_overlap("one begins behind the last attempt of another", (double[]){0, 100, 101}, 3, false);
	when_requests_overlap("one begins and goes on while another does", (double[]){0, 1, 100, 101}, 4, true);
	return tap_done();
}
