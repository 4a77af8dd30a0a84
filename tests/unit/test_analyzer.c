/* SPDX-License-Identifier: MIT */
/* The analyzer against run files made by hand; every expected figure is worked out in the test, none is copied from output. */
#include <errno.h>
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

static void curl_that_is_refused_twice_with_429(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;
	int first, second;

	judge_client(&r, 2500);
	runs_fault(&r, 1, "busy", "{\"status\":429,\"first\":2}", 3, 2);
	first = runs_add(&r, ATTEMPT(.status = 429, .at_ms = 10, .took_ms = 1, .synthetic = 1, .fault = 1, .retry_after_ms = 1000));
	second = runs_add(&r, ATTEMPT(.status = 429, .at_ms = 1011, .took_ms = 1, .synthetic = 1, .fault = 1, .retry_after_ms = 1000));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 2012, .took_ms = 4));
	runs_inject(&r, 1, first, 10.5, "status", -1, -1);
	runs_inject(&r, 1, second, 1011.5, "status", -1, -1);
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->whole.logical, 1, "two 429 and a 200 of one curl are one request");
	is_int(e->whole.attempts, 3, "of three attempts");
	is_int(e->whole.delivered, 1, "of which one reached the server: answers of a fault did not");
	NEAR(e->whole.amplification.value, 3, "amplification is 3");
	ok(e->whole.amplification.bounded && e->whole.amplification.low == 3 && e->whole.amplification.high == 3, "and exact");
	is_str(e->whole.amplification.method, "exact", "and says so");
	NEAR(e->whole.amplification_delivered.value, 1, "1 delivered attempt per request");
	NEAR(e->amplification_demand.value, 3, "demand is what curl tried: 3");
	NEAR(e->whole.success.value, 1, "the request succeeded");
	NEAR(e->attempt_success.value, 1.0 / 3, "one attempt in three succeeded");
	is_str(e->protocol, "http1", "it spoke HTTP/1");
	NEAR(e->peak_attempts_per_s, 1, "the attempts are 1001 ms apart: never two in one second");
	NEAR(e->latency.mean, 2, "mean of 1, 1 and 4 ms");
	NEAR(e->latency.p50, 1, "p50 is the second of three");
	NEAR(e->latency.p95, 4, "p95 is the third of three");
	is_int(e->outcomes[MODEL_OK], 1, "one ok");
	is_int(e->outcomes[MODEL_FAILED], 2, "two failed");
	is_int(e->statuses.cells[0].value, 200, "statuses in order: 200");
	is_int(e->statuses.cells[1].count, 2, "and two 429");
	is_int(x.faults[0].fired, 2, "the fault fired twice");
	is_int(x.faults[0].matched, 3, "and matched three times");
	NEAR(x.faults[0].first_s, 0.0105, "first at its injection, in seconds of the run");
	NEAR(x.faults[0].last_s, 1.0115, "last at its second");
	is_int(x.verdict, VERDICT_PASS, "nothing is wrong with that");
	is_int(x.timeline.window_count, 2, "fault, then recovery: before it nothing was asked");
	is_int(x.timeline.windows[0].kind, TIMELINE_FAULT, "the fault is first");
	is_str(x.recoveries[0].label, "no_impact", "the user felt nothing: the request succeeded");
	ok(!x.mttr_ms.known, "so there is no time to recovery");
	is_int(x.services[0].whole.requests, 0, "curl serves nobody");
	ok(!x.services[0].whole.success.known, "and has no success as a server");
	NEAR(x.duration_s, 2.5, "the run took 2.5 s");
	judge_end(&r, &x);
}

/* 4 requests: 1, 1, 2 and 4 attempts, the last one in vain. */
static void mixed_chains(void)
{
	static const int chain[] = {1, 1, 2, 4, 1, 1};
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 10000);
	for (int q = 0; q < 6; q++)
		for (int k = 0; k < chain[q]; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + q, .status = k == chain[q] - 1 && q != 3 ? 200 : 500, .at_ms = 1000 * q + 100 * k,
					     .took_ms = 10, .unsent = q == 3 && k > 1));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->whole.logical, 6, "6 requests");
	is_int(e->whole.attempts, 10, "10 attempts");
	NEAR(e->whole.amplification.value, 10.0 / 6, "amplification 10/6");
	ok(e->whole.amplification.bounded && e->whole.amplification.low >= 1 && e->whole.amplification.low < 10.0 / 6,
	   "its interval begins between 1 and it");
	ok(e->whole.amplification.high > 10.0 / 6 && e->whole.amplification.high <= 4, "and ends between it and the longest chain");
	is_str(e->whole.amplification.method, "bootstrap", "by bootstrap");
	is_int(e->whole.delivered, 8, "2 of the 10 attempts did not reach the server");
	NEAR(e->whole.amplification_delivered.value, 8.0 / 6, "delivered amplification 8/6");
	NEAR(e->whole.success.value, 5.0 / 6, "5 of 6 requests succeeded");
	NEAR(e->attempt_success.value, 0.5, "5 of 10 attempts succeeded");
	NEAR(e->peak_attempts_per_s, 4, "4 attempts of the fourth request fall into one second");
	judge_end(&r, &x);

	judge_client(&r, 10000);
	for (int q = 0; q < 4; q++)
		for (int k = 0; k < chain[q]; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + q, .status = 500, .at_ms = 1000 * q + 100 * k, .took_ms = 10));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	NEAR(e->whole.amplification.value, 2, "4 requests of 1, 1, 2 and 4 attempts: 2");
	ok(!e->whole.amplification.bounded, "without an interval: 4 requests are too few for one");
	judge_end(&r, &x);
}

static void sliding_peak(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 10000);
	for (int i = 0; i < 8; i++)	/* 4 in the last 100 ms of second 2, 4 in the first 100 ms of second 3 */
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 2910 + 25 * i, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 3910, .took_ms = 1));
	judge(&r, &x, everything);
	NEAR(judge_edge(&x, "curl", "127.0.0.1:80")->peak_attempts_per_s, 8,
	     "8 starts across the change of a second are one peak, the ninth exactly 1 s later is not in it");
	judge_end(&r, &x);
}

/* load (not recorded) -> front -> back; 10 requests a second; the fault hits front's calls from second 10 to 20. */
static void begin_outage(struct runs *r, double duration_ms, int fail_until_s, int last_s)
{
	runs_begin(r, duration_ms);
	runs_process(r, 1, "front");
	runs_process(r, 2, "back");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_fault(r, 1, "outage", "{\"from\":\"10s\",\"for\":\"10s\",\"status\":503}", 300, 300);
	for (int i = 0; i < last_s * 10; i++) {
		double at = 100 * i + 10;
		bool hit = at >= 10000 && at < 20000, bad = at >= 10000 && at < fail_until_s * 1000;

		runs_add(r, (struct runs_exchange){.connection = 2, .tid = 7, .role = "server", .status = bad ? 503 : 200, .at_ms = at,
						   .took_ms = bad ? 4 : 2});
		for (int k = 0; k < (bad ? 3 : 1); k++) {
			int id = runs_add(r, ATTEMPT(.tid = 7, .status = bad ? 503 : 200, .at_ms = at + 0.5 + k, .took_ms = 0.5,
						     .synthetic = hit));

			if (hit)
				runs_inject(r, 1, id, at + 0.6 + k, "status", -1, -1);
			else
				runs_add(r, (struct runs_exchange){.connection = 3, .process = 2, .tid = 8, .role = "server",
								   .status = bad ? 503 : 200, .at_ms = at + 0.6 + k, .took_ms = 0.2});
		}
	}
}

static void an_outage_and_its_recovery(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;
	struct result_service *s;

	begin_outage(&r, 40000, 23, 40);
	judge(&r, &x, everything);
	is_int(x.timeline.window_count, 3, "baseline, fault, recovery");
	NEAR((double)(x.timeline.windows[1].to_ns - x.model.started_ns) / 1e9, 20, "the fault clears when the plan says");
	e = judge_edge(&x, "front", "back");
	is_int(e->whole.logical, 400, "400 requests in all");
	is_int(e->window[TIMELINE_BASELINE].logical, 100, "100 in the baseline");
	NEAR(e->window[TIMELINE_BASELINE].amplification.value, 1, "where nothing is retried");
	is_int(e->window[TIMELINE_FAULT].logical, 100, "100 under the fault");
	NEAR(e->window[TIMELINE_FAULT].amplification.value, 3, "each tried three times");
	NEAR(e->window[TIMELINE_FAULT].amplification_delivered.value, 0, "never delivered");
	NEAR(e->window[TIMELINE_FAULT].success.value, 0, "never successful");
	is_int(e->window[TIMELINE_RECOVERY].attempts, 30 * 3 + 170, "3 s of three attempts and 17 s of one after it");
	is_str(e->linking, "nesting", "laid to inbound requests");
	s = &x.services[0];
	is_str(s->name, "front", "front is called first");
	is_int(s->whole.requests, 400, "front got 400 requests");
	is_int(s->whole.failed, 130, "of which 130 failed");
	is_int(s->window[TIMELINE_FAULT].failed, 100, "100 under the fault");
	NEAR(s->whole.throughput_rps, 10, "10 a second over the run");
	ok(fabs(s->window[TIMELINE_FAULT].throughput_rps - 10) < 0.01, "and 10 a second under the fault");
	NEAR(s->window[TIMELINE_BASELINE].latency.p95, 2, "2 ms each in the baseline");
	NEAR(s->window[TIMELINE_FAULT].latency.mean, 4, "4 ms each under the fault");
	is_int(x.recovery_count, 1, "one fault to recover from");
	NEAR(x.recoveries[0].impact_ms, 0, "felt at once");
	NEAR(x.recoveries[0].recovery_lag_ms, 3000, "for 3 s after it cleared");
	NEAR(x.recoveries[0].mttr_ms, 13000 - 10, "13 s less the 10 ms before the first request");
	NEAR(x.recoveries[0].lost_goodput, 130, "130 good requests were lost");
	is_str(x.recoveries[0].label, "recovered", "and it recovered");
	ok(!x.recoveries[0].censored, "in the run");
	NEAR(x.mttr_ms.value, 12990, "the mean time to recovery is that of the one fault");
	is_int(x.mttr_ms.n, 1, "n is 1");
	ok(!x.mttr_ms.bounded, "without interval");
	is_int(x.path_count, 1, "one path of several hops");
	is_str(x.paths[0].root, "external", "from outside");
	is_str(x.paths[0].leaf, "back", "to back");
	NEAR(x.paths[0].amplification.value, 3, "amplified three times under the fault against the baseline");
	judge_end(&r, &x);
}

/* Back began before front, and a probe of it before all else. */
static void from_the_outside_in(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 1000);
	runs_process(&r, 1, "back");
	runs_process(&r, 2, "front");
	runs_connection(&r, 1, 2, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 2, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(&r, 3, 1, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_connection(&r, 4, 1, "server", "127.0.0.1:81", "127.0.0.1:5001");
	runs_add(&r, (struct runs_exchange){.connection = 4, .process = 1, .tid = 8, .role = "server", .status = 200, .at_ms = 5, .took_ms = 1});
	for (int i = 1; i < 4; i++) {
		runs_add(&r, (struct runs_exchange){.connection = 3, .process = 1, .tid = 8, .role = "server", .status = 200, .at_ms = 10 * i + 1,
						   .took_ms = 1});
		runs_add(&r, (struct runs_exchange){.connection = 1, .process = 2, .tid = 7, .status = 200, .at_ms = 10 * i + 0.5, .took_ms = 2});
		runs_add(&r, (struct runs_exchange){.connection = 2, .process = 2, .tid = 7, .role = "server", .status = 200, .at_ms = 10 * i,
						   .took_ms = 3});
	}
	judge(&r, &x, everything);
	is_int((long long)x.edge_count, 3, "three edges");
	is_str(x.edges[0].server, "front", "from outside to front");
	is_str(x.edges[1].client, "front", "then from front to back");
	is_str(x.edges[2].client, "external", "the probe last");
	is_int((long long)x.service_count, 2, "two services");
	is_str(x.services[0].name, "front", "front first");
	is_str(x.services[1].name, "back", "then back");
	judge_end(&r, &x);
}

static void recovery_that_the_run_does_not_show(void)
{
	struct runs r;
	struct result x;

	begin_outage(&r, 24000, 23, 24);
	judge(&r, &x, everything);
	ok(x.recoveries[0].censored, "1 good second at the end of the run is no recovery: 5 are needed");
	NEAR(x.recoveries[0].mttr_ms, NAN, "so its time is not known");
	NEAR(x.recoveries[0].observed_ms, 14000 - 10, "but longer than what was seen");
	ok(!x.mttr_ms.known, "and enters no mean");
	ok(!x.recoveries[0].label, "and is not judged: fewer than 5 seconds follow the fault");
	judge_end(&r, &x);

	begin_outage(&r, 18000, 20, 18);
	judge(&r, &x, everything);
	ok(x.recoveries[0].censored && !x.recoveries[0].label, "a fault that outlasts the run has no recovery to judge");
	is_int(x.timeline.window_count, 2, "and no window of recovery");
	judge_end(&r, &x);
}

/* Without `for`: whether a fault cleared is told by what passed unhit after its last hit. */
/* A fault that was set at 10 s, replaced at 20 s by one of the same name that only watches, and cleared at 30 s. */
static void a_fault_set_while_it_ran(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 40000);
	runs_fault(&r, 1, "f", "{\"from\":\"10000ms\"}", 100, 50);
	runs_fault(&r, 2, "f", "{\"from\":\"20000ms\",\"probability\":0}", 100, 0);
	runs_mark(&r, 10000, "fault on f");
	runs_mark(&r, 20000, "fault off f");
	runs_mark(&r, 20000, "fault on f");
	runs_mark(&r, 30000, "fault off f");
	for (int k = 0; k < 399; k++) {
		bool hit = k >= 100 && k < 195 && k % 2 == 0;
		int id = runs_add(&r, ATTEMPT(.tid = 100 + k, .status = hit ? 503 : 200, .at_ms = 100 * k, .took_ms = 1));

		if (hit)
			runs_inject(&r, 1, id, 100 * k, "status", -1, -1);
	}
	judge(&r, &x, everything);
	is_int(x.timeline.window_count, 3, "a fault that was set while the run went on has a baseline before and a recovery after it");
	NEAR((double)(x.timeline.windows[0].to_ns - x.model.started_ns) / 1e9, 10, "it begins when it was set");
	NEAR((double)(x.timeline.spans[0].to_ns - x.model.started_ns) / 1e9, 20, "and ends when another took its place");
	ok(x.timeline.spans[0].cleared && x.model.faults[1].off_ns > x.model.faults[0].off_ns, "each has its own end");
	judge_end(&r, &x);
}

static void when_a_fault_cleared(void)
{
	static const struct { double share; int tail; bool cleared; const char *what; } cases[] = {
		{1, 1, true, "a fault that hit all has cleared after one attempt passed"},
		{0.5, 9, false, "one that hits half: 9 in a row unhit are luck (1 in 512)"},
		{0.5, 10, true, "10 in a row are not (1 in 1024)"},
		{1, 0, false, "nothing came after its last hit: it lasted to the end"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		int n = 0;

		judge_client(&r, 60000);
		runs_fault(&r, 1, "f", "{}", 0, 0);
		for (int k = 0; k < 101; k++) {
			bool hit = cases[i].share == 1 || k % 2 == 0;
			int id = runs_add(&r, ATTEMPT(.tid = 100 + n, .status = 503, .at_ms = 10 + 10 * n, .took_ms = 1));

			n++;
			if (hit) {
				runs_inject(&r, 1, id, 10 + 10 * (n - 1), "delay", 1, 1);
				runs_inject(&r, 1, id, 10 + 10 * (n - 1), "status", -1, -1);
			}
		}
		for (int k = 0; k < cases[i].tail; k++, n++)
			runs_add(&r, ATTEMPT(.tid = 100 + n, .status = 200, .at_ms = 10 + 10 * n, .took_ms = 1));
		judge(&r, &x, everything);
		is_int(x.timeline.spans[0].cleared, cases[i].cleared, "%s", cases[i].what);
		is_int(x.faults[0].fired, cases[i].share == 1 ? 101 : 51,
		       "hits are counted, not actions, when the counters of the file are older");
		judge_end(&r, &x);
	}
}

static void when_a_fault_began(void)
{
	static const struct { double hit_ms, window_ms; const char *what; } cases[] = {
		{1600, 1600, "where attempts passed since the planned start, the fault begins with its first hit"},
		{1200, 1000, "where none did, it begins as planned"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		judge_client(&r, 5000);
		runs_fault(&r, 1, "f", "{\"from\":\"1s\",\"for\":\"2s\"}", 0, 0);
		for (double at = 100; at < 4000; at += 100) {
			bool hit = at >= cases[i].hit_ms && at < 3000, idle = at >= 1000 && at < 1200;
			int id = idle ? 0 : runs_add(&r, ATTEMPT(.tid = (int)at, .status = hit ? 503 : 200, .at_ms = at, .took_ms = 1));

			if (hit)
				runs_inject(&r, 1, id, at, "status", -1, -1);
		}
		judge(&r, &x, everything);
		NEAR((double)(x.timeline.windows[1].from_ns - x.model.started_ns) / 1e6, cases[i].window_ms, "%s", cases[i].what);
		judge_end(&r, &x);
	}
}

/*
 * Ten requests come to front, which is at work for 40 ms before it calls back; back answers late from the first call on, and front gives up. Two
 * requests of another kind came before.
 */
static void requests_that_will_be_hit_are_no_baseline(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 3000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "back");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(&r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_fault(&r, 1, "f", "{}", 0, 0);
	for (int i = 0; i < 2; i++)
		runs_add(&r, (struct runs_exchange){.connection = 2, .role = "server", .path = "/health", .status = 200, .at_ms = 10 * i, .took_ms = 1});
	for (int i = 0; i < 10; i++) {
		int id = runs_add(&r, (struct runs_exchange){.connection = 2, .role = "server", .tid = 20 + i, .status = 504, .at_ms = 100 + i,
							     .took_ms = 540, .correlation = 1 + i}), hit;

		runs_add(&r, (struct runs_exchange){.connection = 1, .tid = 20 + i, .outcome = "timeout", .at_ms = 140 + i, .took_ms = 500,
						    .correlation = 1 + i, .parent = id});
		hit = runs_add(&r, (struct runs_exchange){.connection = 3, .process = 2, .role = "server", .tid = 40 + i, .status = 200,
							  .at_ms = 140.5 + i, .took_ms = 600, .correlation = 1 + i, .fault = 1});
		runs_inject(&r, 1, hit, 140.5 + i, "delay", 600, 600);
	}
	judge(&r, &x, everything);
	NEAR((double)(x.timeline.windows[0].to_ns - x.model.started_ns) / 1e6, 100, "the fault begins as the first request does that it hits later");
	ok(x.recovery_count == 1 && !(x.recoveries[0].label && !strcmp(x.recoveries[0].label, "no_impact")), "and users felt it: all of them failed");
	judge_end(&r, &x);
}

/* front calls back twice a request; under the fault the first call is tried three times. */
static void fan_out_is_divided_out(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 20000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_fault(&r, 1, "f", "{\"from\":\"10s\"}", 0, 0);
	for (int i = 0; i < 20; i++) {
		runs_add(&r, (struct runs_exchange){.connection = 2, .role = "server", .status = 200, .at_ms = 1000 * i, .took_ms = 50});
		for (int k = 0; k < (i < 10 ? 1 : 3); k++) {
			int id = runs_add(&r, ATTEMPT(.path = "/a", .status = i < 10 ? 200 : 503, .at_ms = 1000 * i + 1 + 2 * k, .took_ms = 1));

			if (i >= 10)
				runs_inject(&r, 1, id, 1000 * i + 1.5, "status", -1, -1);
		}
		runs_add(&r, ATTEMPT(.path = "/b", .status = 200, .at_ms = 1000 * i + 20, .took_ms = 1));
	}
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "front", "127.0.0.1:81")->whole.logical, 40, "two requests of front for each of 20");
	NEAR(x.paths[0].amplification.value, 2, "4 attempts a request against 2 in the baseline: 2");
	judge_end(&r, &x);
}

/* Rows without outcome are judged by what else they hold. */
static void outcomes_that_the_file_lacks(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 5000);
	for (int i = 0; i < 6; i++)
		runs_add(&r, ATTEMPT(.status = (int[]){200, 404, 429, 500, 0, 0}[i], .outcome = "", .path = (char[]){'/', (char)('a' + i), 0},
				     .at_ms = 10 * i, .took_ms = i == 5 ? -1 : 1));
	runs_add(&r, ATTEMPT(.outcome = "", .error = "ECONNREFUSED", .path = "/x", .at_ms = 100, .took_ms = 1, .unsent = 1));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->outcomes[MODEL_OK], 3, "200, 404 and an end without an error are ok");
	is_int(e->outcomes[MODEL_FAILED], 2, "429 and 500 failed");
	is_int(e->outcomes[MODEL_INDETERMINATE], 1, "what was sent and has no end is indeterminate");
	is_int(e->outcomes[MODEL_NOT_SENT], 1, "what was not sent was not sent");
	judge_end(&r, &x);
}

static void delays_that_are_let_go(void)
{
	static const double took[] = {60000.2, 60000.4, 1800, 900};
	struct runs r;
	struct result x;

	for (int cleared = 0; cleared < 2; cleared++) {
		judge_client(&r, 90000);
		runs_fault(&r, 1, "f", "{\"delay\":\"60s\"}", 4, 4);
		runs_mark(&r, 0, "fault on f");
		if (cleared)
			runs_mark(&r, 61800, "fault off f");
		for (int i = 0; i < 4; i++)
			runs_inject(&r, 1, runs_add(&r, ATTEMPT(.status = 200, .at_ms = i < 2 ? i : 60000, .took_ms = took[i])), i < 2 ? i : 60000,
				    "delay", 60000, took[i]);
		judge(&r, &x, everything);
		is_int(x.faults[0].delay_error_ms.n, cleared ? 2 : 4, "%s", cleared ? "delays that the end of their fault let go are not inexact"
										     : "delays that come early by themselves are");
		judge_end(&r, &x);
	}
}

static void delays_are_measured(void)
{
	static const double off[] = {0.1, 0.2, 0.3, 0.4, 5};
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	runs_fault(&r, 1, "slow", "{\"delay\":\"300ms\"}", 6, 6);
	for (int i = 0; i < 5; i++)
		runs_inject(&r, 1, runs_add(&r, ATTEMPT(.status = 200, .at_ms = 10 + i * 400, .took_ms = 300 + off[i])), 10 + i * 400,
			    "delay", 300, 300 + off[i]);
	runs_inject(&r, 1, runs_add(&r, ATTEMPT(.outcome = "indeterminate", .error = "open", .at_ms = 5000, .took_ms = -1)), 5000,
		    "delay", 300, -1);
	judge(&r, &x, everything);
	is_int(x.faults[0].delay_error_ms.n, 5, "a delay that was not over when the run ended is left out");
	NEAR(samples_percentile(&x.faults[0].delay_error_ms, 0.5), 0.3, "p50 of achieved minus intended is 0.3 ms");
	NEAR(samples_percentile(&x.faults[0].delay_error_ms, 0.99), 5, "p99 is the largest of five");
	is_int(x.model.clean_end, 1, "the file was closed");
	ok(strstr(x.notes[0], "1 exchange had no end"), "a note tells of the open exchange");
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->latency.samples.n, 5, "which has no latency");
	judge_end(&r, &x);
}

static void shed_calls_are_demand(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 40000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_fault(&r, 1, "outage", "{\"from\":\"10s\",\"for\":\"10s\"}", 0, 0);
	for (int i = 0; i < 40; i++) {	/* one a second; from second 13 to 20 nothing is called, an open breaker; /health never calls */
		bool shed = i >= 13 && i < 20;

		runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 7, .role = "server", .status = i >= 10 && i < 20 ? 503 : 200,
						    .at_ms = 1000 * i, .took_ms = 50});
		runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 8, .role = "server", .status = 200, .path = "/health",
						    .at_ms = 1000 * i + 500, .took_ms = 5});
		if (!shed)
			runs_add(&r, ATTEMPT(.tid = 7, .status = i >= 10 && i < 20 ? 503 : 200, .at_ms = 1000 * i + 1, .took_ms = 10));
		if (i >= 10 && i < 13)
			runs_inject(&r, 1, (int)sqlite3_last_insert_rowid(r.db), 1000 * i + 2, "status", -1, -1);
	}
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "front", "127.0.0.1:81")->demand, 40, "33 requests and 7 calls that were shed are a demand of 40");
	NEAR(judge_edge(&x, "front", "127.0.0.1:81")->amplification_demand.value, 33.0 / 40, "33 attempts for it: below 1");
	NEAR(judge_edge(&x, "front", "127.0.0.1:81")->whole.amplification.value, 1, "though no request was tried twice");
	NEAR(x.recoveries[0].lost_goodput, 10, "of two good requests a second one was lost, for 10 s");
	judge_end(&r, &x);
}

static void verdicts(void)
{
	struct analyze_options slo = ANALYZE_EVERYTHING;
	struct runs r;
	struct result x;

	runs_begin(&r, 1000);
	judge(&r, &x, everything);
	is_int(x.verdict, VERDICT_INCONCLUSIVE, "an empty run says nothing");
	is_int(x.edge_count, 0, "it has no edges");
	ok(isnan(x.false_link_rate), "and no rate of false links");
	judge_end(&r, &x);

	judge_client(&r, 1000);
	runs_fault(&r, 1, "never", "{\"status\":503}", 0, 0);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
	judge(&r, &x, everything);
	is_int(x.verdict, VERDICT_VACUOUS, "a fault that never fired makes the run vacuous");
	ok(strstr(x.reasons[0], "never"), "and is named");
	is_int(x.recovery_count, 0, "there is nothing to recover from");
	judge_end(&r, &x);

	judge_client(&r, 1000);
	runs_fault(&r, 1, "watch", "{\"status\":503,\"probability\":0}", 5, 0);
	runs_fault(&r, 2, "watch too", "{\"status\":503,\"probability\":\"0%\"}", 5, 0);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
	judge(&r, &x, everything);
	is_int(x.verdict, VERDICT_PASS, "unless it only watches");
	judge_end(&r, &x);

	slo.slo = 0.9;
	for (int failing = 1; failing <= 2; failing++) {
		judge_client(&r, 100000);
		for (int i = 0; i < 10; i++)
			runs_add(&r, ATTEMPT(.tid = 50 + i, .status = i < failing ? 503 : 200, .at_ms = 10 * i, .took_ms = 1));
		judge(&r, &x, &slo);
		is_int(x.verdict, failing == 1 ? VERDICT_PASS : VERDICT_FAIL, "%d of 10 failing against an SLO of 90 %%", failing);
		judge_end(&r, &x);
	}
}

static void losses(void)
{
	struct runs r;
	struct result x;

	for (int lost = 1; lost <= 2; lost++) {
		judge_client(&r, 100000);
		for (int i = 0; i < 999; i++)
			runs_add(&r, ATTEMPT(.status = 200, .at_ms = i, .took_ms = 0.5));
		runs_sql(&r, "INSERT INTO loss VALUES('ebpf', 'ring full', %d), ('shim', 'journal full', 0)", lost);
		judge(&r, &x, everything);
		is_int(x.loss_count, 1, "reasons without losses are not listed");
		is_int(x.verdict, lost == 1 ? VERDICT_PASS : VERDICT_INCONCLUSIVE, "%d lost beside 999 recorded", lost);
		judge_end(&r, &x);
	}
}

static void out_of_reach(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 1000);
	runs_sql(&r, "INSERT INTO process(id, pid, service, covered, why) VALUES(5, 55, 'static', 0, 'it is linked statically')");
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
	runs_sql(&r, "DELETE FROM run WHERE key = 'clean_end'");
	judge(&r, &x, everything);
	is_int(x.uncovered_count, 1, "one process out of reach");
	is_str(x.uncovered[0], "static (pid 55): it is linked statically", "is named with the reason");
	ok(strstr(x.notes[0], "not closed properly"), "a run file without its end is noted");
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 1000);
	runs_sql(&r, "INSERT INTO exchange(id) VALUES(100)");
	runs_sql(&r, "INSERT INTO exchange(id, role, started_ns) VALUES(101, 'client', 1000000001000)");
	runs_sql(&r, "INSERT INTO exchange(id, role, process_id, connection_id, started_ns, ended_ns, parent_id) "
		     "VALUES(102, 'client', 77, 88, 1000000002000, 5, 999)");
	runs_sql(&r, "INSERT INTO exchange(id, role, sent_ns, status) VALUES(103, 'server', 1000000003000, 'many')");
	runs_sql(&r, "INSERT INTO injection(fault_id, exchange_id, at_ns) VALUES(9, 9, 9), (NULL, NULL, NULL)");
	runs_sql(&r, "INSERT INTO run VALUES('ended_ns2', 'x')");
	judge(&r, &x, everything);
	is_int(x.model.undated, 1, "an exchange without any time is left out");
	is_int(x.edge_count, 2, "the others have edges, though nobody knows of whom");
	is_int(judge_edge(&x, "unknown", "unknown")->whole.attempts, 2, "two attempts of unknown clients");
	is_int(judge_edge(&x, "unknown", "unknown")->latency.samples.n, 0, "an end before the start is no latency");
	judge_end(&r, &x);
}

static void only_a_part_of_the_run(void)
{
	struct analyze_options part = {.slo = NAN, .from_s = 2, .to_s = 4};
	struct runs r;
	struct result x;

	judge_client(&r, 10000);
	for (int i = 0; i < 10; i++)
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1000 * i, .took_ms = 1));
	judge(&r, &x, &part);
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical, 2, "requests of seconds 2 and 3 only: the end is not in it");
	judge_end(&r, &x);
}

static void files_that_are_none(void)
{
	static const struct { const char *path; int err; } files[] = {
		{"/nonexistent/run.db", -ENOENT}, {"/", -EINVAL}, {"/dev/null", -EINVAL}, {"/proc/self/exe", -EINVAL},
	};
	char error[512];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct result x = {0};
		int err = analyze(&x, files[i].path, everything, error, sizeof(error));

		ok(err < 0 && (err == files[i].err || files[i].err == -EINVAL), "%s is refused", files[i].path);
		ok(strstr(error, files[i].path) && !strchr(error, '\n'), "in one sentence with its name");
	}
}

static void a_file_that_is_being_written(void)
{
	struct runs r;
	struct result x = {0};
	char error[512];

	judge_client(&r, 10000);
	runs_sql(&r, "COMMIT; PRAGMA journal_mode=WAL; BEGIN");
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
	runs_sql(&r, "COMMIT; BEGIN");
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 2, .took_ms = 1));
	is_int(analyze(&x, r.path, everything, error, sizeof(error)), 0, "a file in the middle of a transaction can be read");
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.attempts, 1, "as it was at the last commit");
	runs_sql(&r, "COMMIT");
	judge_end(&r, &x);
}

static void pollers_are_pointed_out(void)
{
	struct runs r;
	struct result x;
	bool noted = false;

	judge_client(&r, 100000);
	for (int i = 0; i < 50; i++)
		runs_add(&r, ATTEMPT(.status = i % 5 ? 200 : 503, .at_ms = 10 + 1.2 * i, .took_ms = 1));
	judge(&r, &x, everything);
	for (size_t i = 0; i < x.note_count; i++)
		noted |= strstr(x.notes[i], "can not be told from its next request") != NULL;
	ok(noted, "a client that goes on as fast after a success as after a failure is pointed out");
	judge_end(&r, &x);
}

static const char *note_with(const struct result *x, const char *words)
{
	for (size_t i = 0; i < x->note_count; i++)
		if (strstr(x->notes[i], words))
			return x->notes[i];
	return "";
}

static void what_the_kernel_says_of_itself(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 1000);
	runs_connection(&r, 7, 1, "client", "127.0.0.1:5", "127.0.0.1:80");
	runs_connection(&r, 8, 1, "client", "127.0.0.1:6", "127.0.0.1:80");
	for (int i = 0; i < 4; i++)
		runs_add(&r, ATTEMPT(.connection = i % 2 ? 7 : 1, .status = 200, .at_ms = 1 + 10 * i, .took_ms = 1));
	runs_sql(&r, "UPDATE connection SET retransmits = 2, bytes_unseen = 500 WHERE id IN (1, 7)");
	runs_sql(&r, "UPDATE connection SET retransmits = 100 WHERE id = 8");
	runs_sql(&r, "UPDATE exchange SET end_inferred = 1 WHERE id = 2");
	runs_sql(&r, "INSERT INTO run VALUES('missing_hooks', 'tcp_retransmit_skb')");
	judge(&r, &x, everything);
	is_str(note_with(&x, "does not see"), "1000 bytes of 2 connections moved in ways that the kernel's witness does not see (io_uring, 32-bit "
					      "programs): exchanges may be missing there", "bytes that no hook saw are noted");
	is_str(note_with(&x, "answer of"), "nothing said where the answer of 1 exchange ends: taken to end with the last that came",
	       "so are ends that were inferred");
	is_str(note_with(&x, "hooks"), "this kernel lacks hooks that the kernel's witness can use: tcp_retransmit_skb", "so are hooks that were missing");
	is_str(note_with(&x, "sent again"), "curl -> 127.0.0.1:80: the network lost or delayed packets, 4 TCP segments were sent again",
	       "what was sent again is that of the edge's own connections, each once");
	judge_end(&r, &x);
	judge_client(&r, 1000);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
	judge(&r, &x, everything);
	is_int(x.note_count, 0, "where nothing is to be said nothing is");
	judge_end(&r, &x);
}

static void what_the_clocks_went_through(void)
{
	static const struct { const char *end, *slept, *set, *what; } table[] = {
		{"[1700000060000000000,70000000000,100000000000]", "", "", "all three a minute later"},
		{"[1700000060000000000,70050000000,100100000000]", "", "", "a busy machine reads them 50 ms apart"},
		{"[1700000065000000000,70000000000,105000000000]", "the machine slept for 5.0 s of the run, which no time here counts", "", "5 s of sleep"},
		{"[1700000062000000000,70000000000,100000000000]", "",
		 "the machine's clock was set forward by 2.0 s during the run: times here are not affected, times in other logs are", "set forward"},
		{"[1700000059500000000,70000000000,100000000000]", "",
		 "the machine's clock was set back by 0.5 s during the run: times here are not affected, times in other logs are", "set back"},
		{"[1700000062000000000,70000000000", "", "", "not three"},
		{"nonsense", "", "", "no clocks"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct runs r;
		struct result x;

		judge_client(&r, 1000);
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 1));
		runs_sql(&r, "INSERT INTO run VALUES('clocks_start', '[1700000000000000000,10000000000,40000000000]'), ('clocks_end', '%s')", table[i].end);
		judge(&r, &x, everything);
		is_str(note_with(&x, "slept"), table[i].slept, "%s: sleep is noted, and only sleep", table[i].what);
		is_str(note_with(&x, "clock was set"), table[i].set, "%s: a clock that was set is noted, and no other", table[i].what);
		judge_end(&r, &x);
	}
}

int main(void)
{
	curl_that_is_refused_twice_with_429();
	mixed_chains();
	sliding_peak();
	an_outage_and_its_recovery();
	from_the_outside_in();
	recovery_that_the_run_does_not_show();
	when_a_fault_cleared();
	a_fault_set_while_it_ran();
	when_a_fault_began();
	requests_that_will_be_hit_are_no_baseline();
	fan_out_is_divided_out();
	outcomes_that_the_file_lacks();
	delays_that_are_let_go();
	delays_are_measured();
	shed_calls_are_demand();
	verdicts();
	losses();
	out_of_reach();
	damaged_rows();
	only_a_part_of_the_run();
	files_that_are_none();
	a_file_that_is_being_written();
	pollers_are_pointed_out();
	what_the_kernel_says_of_itself();
	what_the_clocks_went_through();
	return tap_done();
}
