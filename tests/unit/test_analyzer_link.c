/* SPDX-License-Identifier: MIT */
/* From attempts to logical requests: what is joined, what is not, and by which tier. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

static void is_linked(struct result *x, const char *client, const char *server, int logical, int attempts, const char *tier,
		      const char *what)
{
	struct result_edge *e = judge_edge(x, client, server);

	is_int(e->whole.logical, logical, "%s: %d logical", what, logical);
	is_int(e->whole.attempts, attempts, "%s: %d attempts", what, attempts);
	is_str(e->linking, tier, "%s: by %s", what, tier);
}

static void expect(struct runs *r, int logical, int attempts, const char *tier, const char *what)
{
	struct result x;

	judge(r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", logical, attempts, tier, what);
	judge_end(r, &x);
}

static void ten_threads_with_three_immediate_attempts_each(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 1000);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 10; i++)
			runs_add(&r, ATTEMPT(.tid = 20 + i, .status = 503, .at_ms = 100 + 0.11 * i + k * 0.4, .took_ms = 0.3));
	judge(&r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", 10, 30, "temporal", "10 threads, 3 attempts each, all failing, all alike");
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	NEAR(e->whole.amplification.value, 3, "amplification is 3");
	is_str(e->whole.amplification.method, "exact", "exactly: every request has three attempts");
	is_int(e->whole.amplification.n, 10, "from 10 requests");
	judge_end(&r, &x);
}

/* Thread 1 is done before thread 10 begins. */
static void threads_one_after_another_are_not_mixed(void)
{
	struct runs r;

	judge_client(&r, 1000);
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.tid = 20 + i, .status = 503, .at_ms = 100 + i * 2 + k * 0.5, .took_ms = 0.3));
	expect(&r, 10, 30, "temporal", "10 threads that do not even overlap");
}

static void a_single_thread_with_ten_requests_in_flight(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 5000);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 10; i++)
			runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100 + k * 1000 + i, .took_ms = 50));
	judge(&r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", 10, 30, "temporal", "10 requests in one event loop, 3 attempts each a second apart");
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification.method, "exact", "each of three attempts");
	judge_end(&r, &x);
}

/* One inbound request per `tid`: server-role exchange and three failing calls inside it. */
static void serve(struct runs *r, int tid, double at_ms, int attempts, double gap_ms)
{
	runs_add(r, (struct runs_exchange){.connection = 2, .process = 1, .tid = tid, .role = "server", .status = 503, .at_ms = at_ms,
					   .took_ms = attempts * (gap_ms + 1) + 1});
	for (int k = 0; k < attempts; k++)
		runs_add(r, ATTEMPT(.tid = tid, .status = 503, .at_ms = at_ms + 0.5 + k * (gap_ms + 1), .took_ms = 1));
}

static void calls_of_inbound_requests(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 10; i++)	/* each of 5 threads twice: the second begins where the first gave up */
		serve(&r, 20 + i % 5, 100 + 40 * i, 3, 10);
	expect(&r, 10, 30, "nesting", "10 inbound requests on 5 threads, 3 calls each");

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 10; i++)
		serve(&r, 20, 100 + i * 0.01, 3, 0);
	expect(&r, 10, 30, "nesting", "10 inbound requests at once in one event loop, 3 immediate calls each");

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 50; i++)
		serve(&r, 20, 100 + i * 130, 3, 400);
	judge(&r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", 50, 150, "nesting", "50 staggered inbound requests in one event loop, waiting 400 ms");
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification.method, "exact", "three calls each");
	judge_end(&r, &x);

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 20; i++) {
		runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 20, .role = "server", .status = 503, .at_ms = 100 * i + 1,
						    .took_ms = 50});
		runs_add(&r, ATTEMPT(.tid = 20, .status = 503, .at_ms = 100 * i + 31, .took_ms = 1));
	}
	expect(&r, 20, 20, "nesting", "20 inbound requests, one after another, that call late");

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 20; i++)
		serve(&r, 20, 100 + i * 10, 1, 0);
	expect(&r, 20, 20, "nesting", "20 inbound requests with one failing call each: no retry among them");
}

/* Eight requests at a time ask for an order each, on whatever thread is idle, a second and third time 20 ms after a refusal. */
static void requests_that_go_from_thread_to_thread(void)
{
	struct runs r;

	for (int known = 0; known < 2; known++) {
		judge_client(&r, 60000);
		runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
		for (int i = 0; i < 200; i++) {
			char in[16], out[16];
			int parent;

			snprintf(in, sizeof(in), "/in/%d", i);
			snprintf(out, sizeof(out), "/out/%d", i);
			parent = runs_add(&r, (struct runs_exchange){.connection = 2, .tid = i % 2 ? -1 : 20 + i % 3, .role = "server", .path = in,
								     .status = 503, .at_ms = 6 * i, .took_ms = 48});
			for (int k = 0; k < 3; k++)	/* the file names parents by threads: some of them others' */
				runs_add(&r, ATTEMPT(.tid = 20 + (i + k) % 3, .path = out, .status = 503, .at_ms = 6 * i + 0.5 + 22 * k, .took_ms = 2,
						     .parent = known && i > 8 ? parent - 4 * (k * (i % 3)) : 0));
		}
		runs_sql(&r, "UPDATE exchange SET first_byte_ns = ended_ns WHERE role = 'server'");
		expect(&r, 200, 600, "nesting", known ? "parents by threads that mean nothing" : "threads that mean nothing");
	}
}

/* A client whose selector thread reads what a pool's threads write: of some of its calls no thread is known. */
static void clients_without_threads_of_their_own(void)
{
	struct runs r;

	judge_client(&r, 60000);
	for (int i = 0; i < 40; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%d", i);
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.tid = (i + k) % 4 ? 20 + (i + k) % 4 : -1, .path = path, .status = 503, .at_ms = 30 * i + 50 * k, .took_ms = 25));
	}
	expect(&r, 40, 120, "temporal", "the same request on whatever thread");
}

/* A proxy asks others for what it is asked, and a second server when the first refuses; requests come close together, and every third is answered
 * at once. */
static void a_proxy_passes_on_what_it_is_asked(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	runs_connection(&r, 3, 1, "client", "127.0.0.1:4001", "127.0.0.1:81");
	for (int i = 0; i < 60; i++) {
		char path[16];
		double at = 20 * (i / 3) + 0.02 * (i % 3);	/* three at once */

		snprintf(path, sizeof(path), "/%d", i);
		runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 20, .role = "server", .path = path, .at_ms = at,
						    .took_ms = i % 3 == 2 ? 2 : 19});
		if (i % 3 == 2)
			continue;
		runs_add(&r, ATTEMPT(.tid = 20, .path = path, .status = 503, .at_ms = at + 0.1, .took_ms = 1 + 3 * (i % 3)));
		runs_add(&r, ATTEMPT(.connection = 3, .tid = 20, .path = path, .status = 200, .at_ms = at + 8 + 3 * (i % 3), .took_ms = 1));
	}
	judge(&r, &x, everything);
	is_int(x.destination_count, 1, "two servers are one destination");
	is_int(x.destinations[0].whole.logical, 40, "of 40 requests, each of which is known by what it asks for");
	is_int(x.destinations[0].whole.attempts, 80, "with 80 attempts");
	judge_end(&r, &x);
}

/* The chains of a process: how many of each length. */
static void is_chained(struct runs *r, const char *what, int cells, uint32_t shortest, uint32_t longest)
{
	struct result x;
	const struct tally *t;

	judge(r, &x, everything);
	t = &judge_edge(&x, "curl", "127.0.0.1:80")->whole.chain;
	is_int(t->used, cells, "%s: %d lengths", what, cells);
	is_int(t->cells[0].value, shortest, "%s: the shortest is %u", what, shortest);
	is_int(t->cells[t->used - 1].value, longest, "%s: the longest is %u", what, longest);
	judge_end(r, &x);
}

static void the_closest_failure_is_the_cause(void)
{
	struct runs r;

	judge_client(&r, 1000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 10, .took_ms = 5));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 16, .took_ms = 14));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 17, .took_ms = 3));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 31, .took_ms = 3));
	is_chained(&r, "a retry follows the failure that ended last", 2, 1, 3);

	judge_client(&r, 1000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 10, .took_ms = 3));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 14, .took_ms = 6));
	runs_add(&r, ATTEMPT(.tid = -1, .status = 503, .at_ms = 15, .took_ms = 15));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 31, .took_ms = 3));
	is_chained(&r, "but first of all one on its own thread", 2, 1, 3);
}

/* Also in a lane where the first connect was refused, so that all requests of the lane may follow one another. */
static void a_failure_has_one_successor(void)
{
	struct runs r;

	for (int refused = 0; refused < 2; refused++) {
		judge_client(&r, 1000);
		if (refused)
			runs_add(&r, ATTEMPT(.unsent = true, .method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED", .at_ms = 1,
					     .took_ms = 1));
		else
			runs_add(&r, ATTEMPT(.status = 503, .at_ms = 1, .took_ms = 1));
		for (int i = 0; i < 3; i++)
			runs_add(&r, ATTEMPT(.status = 200, .at_ms = 10 + i, .took_ms = 1));
		is_chained(&r, "a failure and three successes: one of them is its retry", 2, 1, 2);
	}
}

static void the_file_names_the_parent(void)
{
	struct runs r;
	int a, b;

	judge_client(&r, 1000);
	runs_connection(&r, 2, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	a = runs_add(&r, (struct runs_exchange){.connection = 2, .process = 1, .role = "server", .status = 200, .at_ms = 10,
						.took_ms = 90});
	b = runs_add(&r, (struct runs_exchange){.connection = 2, .process = 1, .role = "server", .status = 200, .at_ms = 11,
						.took_ms = 90});
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 12, .took_ms = 1, .parent = a));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 14, .took_ms = 1, .parent = b));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 16, .took_ms = 1, .parent = a));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 18, .took_ms = 1, .parent = a));
	expect(&r, 2, 4, "nesting", "parents of the file, interleaved");
}

static void healthy_traffic_is_never_joined(void)
{
	struct runs r;

	judge_client(&r, 60000);
	for (int i = 0; i < 20; i++)
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 100 + i * 1000, .took_ms = 1));
	expect(&r, 20, 20, "temporal", "a healthy poller");

	judge_client(&r, 60000);
	for (int i = 0; i < 6; i++)
		runs_add(&r, ATTEMPT(.status = i % 2 ? 302 : 404, .at_ms = 100 + i, .took_ms = 0.5));
	expect(&r, 6, 6, "temporal", "redirects and missing pages are answers, not failures");

	judge_client(&r, 60000);
	for (int i = 0; i < 6; i++)
		runs_add(&r, ATTEMPT(.status = 503, .path = i % 2 ? "/a" : "/b", .at_ms = 100 + i, .took_ms = 0.5));
	expect(&r, 2, 6, "temporal", "two paths that fail in turn are two requests");

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 1, .fingerprint = 1));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 102, .took_ms = 1, .fingerprint = 2));
	expect(&r, 2, 2, "temporal", "another body is another request");

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 503, .method = "POST", .at_ms = 102, .took_ms = 1));
	expect(&r, 2, 2, "temporal", "another method is another request");
}

static void overlapping_attempts_are_not_joined(void)
{
	struct runs r;

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 50));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 120, .took_ms = 5));
	expect(&r, 2, 2, "temporal", "one that started before the other had failed");

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 50, .correlation = 7));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 120, .took_ms = 5, .correlation = 7));
	expect(&r, 2, 2, "id", "two at once within one trace");
}

static void gaps_are_bounded(void)
{
	struct runs r;

	judge_client(&r, 200000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 101 + 60000, .took_ms = 1));
	expect(&r, 1, 2, "temporal", "a retry after exactly 60 s");

	judge_client(&r, 200000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 102 + 60000, .took_ms = 1));
	expect(&r, 2, 2, "temporal", "60.001 s later is another request");

	judge_client(&r, 200000);
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100, .took_ms = 1, .retry_after_ms = 90000));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 101 + 90000, .took_ms = 1));
	expect(&r, 1, 2, "temporal", "a Retry-After of 90 s that is honoured");
}

static void ids_tell_requests_apart(void)
{
	struct runs r;

	judge_client(&r, 60000);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 4; i++)
			runs_add(&r, ATTEMPT(.status = k < 2 ? 503 : 200, .at_ms = 100 + k * 100 + i, .took_ms = 20, .correlation = 1 + i));
	expect(&r, 4, 12, "id", "4 correlation ids interleaved on one thread");

	judge_client(&r, 60000);
	for (int i = 0; i < 5; i++)
		runs_add(&r, ATTEMPT(.status = 503, .at_ms = 100 + i * 10, .took_ms = 2, .correlation = 1 + i));
	expect(&r, 5, 5, "id", "failing requests with ids of their own are not retries of one another");

	judge_client(&r, 60000);
	for (int i = 0; i < 3; i++)
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 100 + i * 10, .took_ms = 2, .correlation = 7));
	expect(&r, 3, 3, "id", "three successful calls within one trace");

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 200, .method = "POST", .at_ms = 100, .took_ms = 2, .key = 5));
	runs_add(&r, ATTEMPT(.status = 200, .method = "POST", .at_ms = 200, .took_ms = 2, .key = 5));
	runs_add(&r, ATTEMPT(.status = 200, .method = "POST", .at_ms = 210, .took_ms = 2, .key = 6));
	expect(&r, 2, 3, "id", "the same idempotency key is the same request, even after a success");

	judge_client(&r, 5000);
	for (int k = 0; k < 3; k++)
		runs_add(&r, ATTEMPT(.status = k < 2 ? 503 : 200, .method = "POST", .at_ms = 100 + 100 * k, .took_ms = 2, .correlation = 7, .key = 5 + k));
	expect(&r, 1, 3, "id", "one id, the same to the last byte, but a new key for each attempt");
	judge_client(&r, 5000);
	for (int k = 0; k < 3; k++)
		runs_add(&r, ATTEMPT(.status = k < 2 ? 503 : 200, .method = "POST", .at_ms = 100 + 100 * k, .took_ms = 2, .correlation = 7, .key = 5 + k,
				     .fingerprint = 50 + k));
	expect(&r, 3, 3, "id", "one id, other keys and other contents: three requests");
	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 503, .tid = 9, .at_ms = 100, .took_ms = 2, .correlation = 7));
	runs_add(&r, ATTEMPT(.status = 200, .tid = 10, .at_ms = 200, .took_ms = 2, .correlation = 7));
	expect(&r, 1, 2, "id", "an id holds across threads");
}

static void refused_connects_are_attempts(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 5000);
	for (int i = 0; i < 2; i++)
		runs_add(&r, ATTEMPT(.method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED", .at_ms = 10 + i * 1000,
				     .took_ms = 0.2, .unsent = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 2010, .took_ms = 3));
	judge(&r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", 1, 3, "temporal", "two refused connects, then the request");
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->whole.delivered, 1, "one of them was delivered");
	is_int(e->outcomes[MODEL_NOT_SENT], 2, "two were not sent");
	NEAR(e->whole.amplification_delivered.value, 1, "delivered amplification is 1");
	is_int(e->errors.used, 1, "one kind of error");
	is_str(texts_text(&x.model.names, e->errors.cells[0].value), "ECONNREFUSED", "which is ECONNREFUSED");
	judge_end(&r, &x);

	judge_client(&r, 5000);
	for (int i = 0; i < 4; i++)
		runs_add(&r, ATTEMPT(.method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED", .at_ms = 10 + i * 10,
				     .took_ms = 0.2, .unsent = 1));
	judge(&r, &x, everything);
	is_linked(&x, "curl", "127.0.0.1:80", 1, 4, "temporal", "nothing but refused connects");
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	NEAR(e->whole.amplification_delivered.value, 0, "none delivered");
	NEAR(e->whole.success.value, 0, "no success");
	judge_end(&r, &x);
}

static void threads_matter_unless_they_mean_nothing(void)
{
	struct runs r;

	judge_client(&r, 5000);
	for (int i = 0; i < 3; i++)
		runs_add(&r, ATTEMPT(.tid = -1, .status = 503, .at_ms = 10 + i * 10, .took_ms = 1));
	expect(&r, 1, 3, "temporal", "unknown threads");

	judge_client(&r, 5000);
	for (int i = 0; i < 6; i++)
		runs_add(&r, ATTEMPT(.tid = 5 + i % 2, .status = 503, .at_ms = 10 + i * 10, .took_ms = 1));
	expect(&r, 1, 6, "temporal", "one flow of calls that moves between two threads");

	judge_client(&r, 5000);
	for (int i = 0; i < 6; i++)
		runs_add(&r, ATTEMPT(.tid = 5 + i % 2, .status = 503, .at_ms = 10 + i / 2 * 10 + i % 2 * 0.5, .took_ms = 1));
	expect(&r, 2, 6, "temporal", "two flows that overlap, each on its thread");

	judge_client(&r, 5000);
	for (int i = 0; i < 18; i++)
		runs_add(&r, ATTEMPT(.tid = 5 + i % 6, .status = 503, .at_ms = 10 + i / 6 * 50 + i % 6 * 1.7, .took_ms = 0.1));
	expect(&r, 6, 18, "temporal", "six callers that wait long and call shortly take turns without an overlap");

	judge_client(&r, 5000);
	for (int i = 0; i < 8; i++)
		runs_add(&r, ATTEMPT(.tid = 5 + i % 2, .status = 503, .at_ms = 10 + (1 << i / 2) * 40 + i % 2 * 0.5, .took_ms = 0.1));
	expect(&r, 2, 8, "temporal", "two callers that began together, without an overlap");

	judge_client(&r, 5000);
	for (int i = 0; i < 18; i++)
		runs_add(&r, ATTEMPT(.tid = 5 + i * i % 3 + (i > 12), .status = 503, .at_ms = 10 + i * i * 3, .took_ms = 1));
	expect(&r, 1, 18, "temporal", "one flow that goes back to threads it has just left, and then to a new one");
}

/* Waits tell whose calls are short and never overlap: four callers come at once behind another now and then, one that moves never does. */
static void waits_tell_callers_from_a_flow(void)
{
	int right = 0;
	double at = 10;
	struct runs r;

	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct stats_random random = {seed * 0x9e3779b97f4a7c15};
		struct result x;

		judge_client(&r, 60000);
		for (int caller = 0; caller < 4; caller++) {
			double now = 10 + 13 * caller;

			for (int k = 0; k < 13; k++) {
				runs_add(&r, ATTEMPT(.tid = 5 + caller, .status = 503, .at_ms = now, .took_ms = 0.05));
				now += 0.05 + 400 * stats_uniform(&random) * stats_uniform(&random);
			}
		}
		judge(&r, &x, everything);
		right += judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical == 4;
		judge_end(&r, &x);
	}
	ok(right >= 8, "four callers with waits at random are told apart: %d times of 10", right);

	judge_client(&r, 60000);
	for (int i = 0; i < 30; i++, at += 30)
		for (int k = 0; k < 4; k++) {
			runs_add(&r, ATTEMPT(.tid = 5 + (i * 4 + k) * 7 % 11 % 3, .status = k < 3 ? 503 : 200, .at_ms = at, .took_ms = 300));
			at += 300 + (k < 3 ? 40 * (1 << k) : 0);
		}
	expect(&r, 30, 120, "temporal", "one flow with slow calls, on three threads");
}

static void clients_that_were_not_recorded(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	runs_begin(&r, 5000);
	runs_process(&r, 1, "nginx");
	runs_connection(&r, 1, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 10; i++)
		runs_add(&r, (struct runs_exchange){.connection = 1, .process = 1, .tid = 3, .role = "server", .status = i % 3 ? 200 : 503,
						    .at_ms = 10 + i, .took_ms = 0.5});
	judge(&r, &x, everything);
	e = judge_edge(&x, "external", "nginx");
	is_int(e->whole.attempts, 10, "requests of clients that were not recorded are attempts of \"external\"");
	ok(!e->whole.amplification.known && !e->whole.linked, "how many requests they made can not be told");
	is_str(e->linking, "aggregate", "which is the aggregate tier");
	NEAR(e->attempt_success.value, 0.6, "6 of 10 succeeded: numbers 0, 3, 6 and 9 failed");
	ok(!e->whole.success.known, "the success of requests is not known");
	judge_end(&r, &x);

	runs_begin(&r, 5000);
	runs_process(&r, 1, "nginx");
	runs_connection(&r, 1, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 3; i++)
		runs_add(&r, (struct runs_exchange){.connection = 1, .process = 1, .tid = 3, .role = "server", .status = i < 2 ? 503 : 200,
						    .at_ms = 10 + i * 10, .took_ms = 0.5, .correlation = 99});
	judge(&r, &x, everything);
	is_linked(&x, "external", "nginx", 1, 3, "id", "unless their requests carry ids");
	judge_end(&r, &x);
}

/* An attempt that ended when its name was not resolved, on a thread of its own. */
static void unresolved(struct runs *r, int connection, const char *peer, int tid, double at_ms)
{
	runs_sql(r, "INSERT INTO connection(id, process_id, role, family, peer) VALUES(%d, 1, 'client', 'name', %Q)", connection, peer);
	runs_add(r, ATTEMPT(.connection = connection, .tid = tid, .method = "", .path = "", .outcome = "not_sent", .error = "EAI_AGAIN",
			    .unsent = 1, .at_ms = at_ms, .took_ms = 1));
}

static void failed_look_ups_are_attempts_at_the_address(void)
{
	static const struct { const char *peer, *host, *address, *server; int attempts; } ways[] = {
		{"api:80", "api", "127.0.0.1", "127.0.0.1:80", 3}, {"api", "api", "127.0.0.1", "127.0.0.1:80", 3},
		{"api:81", "api", "127.0.0.1", "api:81", 2},	     {"api:80", "other", "127.0.0.1", "api:80", 2},
		{"api:80", "api", "127.0.0.2", "api:80", 2},	     {"api", "api", "127.0.0.11", "api", 2},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct runs r;
		struct result x;

		judge_client(&r, 5000);
		runs_sql(&r, "INSERT INTO host VALUES(%Q, %Q)", ways[i].host, ways[i].address);
		unresolved(&r, 2, ways[i].peer, 21, 10);
		unresolved(&r, 3, ways[i].peer, 22, 20);
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 30, .took_ms = 1));
		judge(&r, &x, everything);
		is_linked(&x, "curl", ways[i].server, 1, ways[i].attempts, "temporal", "a failed look-up and its retry are one request");
		judge_end(&r, &x);
	}
}

static void a_look_up_without_a_port_may_mean_several_peers(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 5000);
	runs_sql(&r, "INSERT INTO host VALUES('api', '127.0.0.1')");
	runs_connection(&r, 4, 1, "client", "127.0.0.1:4001", "127.0.0.1:6379");
	unresolved(&r, 2, "api", 21, 10);
	unresolved(&r, 3, "api:80", 21, 20);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 30, .took_ms = 1));
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "curl", "api")->whole.attempts, 1, "with several peers at the address it stays a look-up of the name");
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.attempts, 2, "with a port it is known");
	judge_end(&r, &x);
}

static void servers_are_named_by_who_listens(void)
{
	static const struct { const char *client_local, *address, *server_peer; } ways[] = {
		{"127.0.0.1:4000", "127.0.0.1:80", "127.0.0.1:4000"}, {"[::1]:4000", "[::1]:80", "[::1]:4000"},
		{"-", "unix:/run/x", "-"}, {"-", "unix:@abstract", "unix:"},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct runs r;
		struct result x;

		runs_begin(&r, 1000);
		runs_process(&r, 1, "front");
		runs_process(&r, 2, "back");
		runs_connection(&r, 1, 1, "client", ways[i].client_local, ways[i].address);
		runs_connection(&r, 2, 2, "server", ways[i].address, ways[i].server_peer);
		runs_add(&r, ATTEMPT(.status = 200, .at_ms = 10, .took_ms = 5));
		runs_add(&r, (struct runs_exchange){.connection = 2, .process = 2, .tid = 3, .role = "server", .status = 200, .at_ms = 11,
						    .took_ms = 3});
		judge(&r, &x, everything);
		is_int(x.edge_count, 1, "%s: both ends recorded make one edge", ways[i].address);
		is_int(judge_edge(&x, "front", "back")->whole.attempts, 1, "%s: named by the services, counted once", ways[i].address);
		is_int(x.service_count, 2, "%s: between two services", ways[i].address);
		judge_end(&r, &x);
	}
}

/* The kernel gives port 5000 to a user of front, whom nobody recorded, and to front's own call of back. */
static void one_port_for_two_connections(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 10000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "back");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:5000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(&r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:5000");
	runs_connection(&r, 4, 1, "client", "127.0.0.1:6000", "10.9.9.9:443");	/* translated on its way: back sees it arrive at :82 */
	runs_connection(&r, 5, 2, "server", "127.0.0.1:82", "127.0.0.1:6000");
	runs_add(&r, ATTEMPT(.connection = 2, .role = "server", .status = 200, .at_ms = 100, .took_ms = 9));
	runs_add(&r, ATTEMPT(.connection = 1, .status = 200, .at_ms = 102, .took_ms = 5));
	runs_add(&r, ATTEMPT(.connection = 3, .process = 2, .role = "server", .status = 200, .at_ms = 103, .took_ms = 3));
	runs_add(&r, ATTEMPT(.connection = 4, .status = 200, .at_ms = 200, .took_ms = 5));
	runs_add(&r, ATTEMPT(.connection = 5, .process = 2, .role = "server", .status = 200, .at_ms = 201, .took_ms = 3));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((int)x.edge_count, 3, "a user's request, a call, and a call through a translated address: three edges");
	is_int(judge_edge(&x, "external", "front")->whole.attempts, 1, "the user's request counts though a call has the same port");
	is_int(judge_edge(&x, "front", "back")->whole.attempts, 1, "the call counts once");
	is_int(judge_edge(&x, "front", "10.9.9.9:443")->whole.attempts, 1, "and so does the translated one");
	judge_end(&r, &x);
}

/* Of 100 requests some fail, with three attempts each; what is joined by time in a healthy run are strangers, in one that is ill it may be retries. */
static void what_a_healthy_run_is(void)
{
	static const struct {
		int ill, fault;
		double rate;
		const char *what;
	} cases[] = {
		{5, 0, 0.05, "a run without a fault in which 5 % failed is taken as healthy"},
		{6, 0, NAN, "one with more is ill by itself"},
		{100, 0, NAN, "as one is in which all failed"},
		{6, 1, 0.06, "what comes before a fault is healthy for who sets it"},
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct runs r;
		struct result x;

		judge_client(&r, 200000);
		if (cases[c].fault) {
			runs_fault(&r, 1, "late", "{\"status\":503,\"from\":\"110s\",\"for\":\"1s\"}", 1, 1);
			runs_inject(&r, 1, runs_add(&r, ATTEMPT(.status = 503, .at_ms = 110500, .took_ms = 1, .synthetic = 1)), 110500, "status", -1, -1);
		}
		for (int i = 0; i < 100; i++)
			for (int k = 0; k < (i < cases[c].ill ? 3 : 1); k++)
				runs_add(&r, ATTEMPT(.status = i < cases[c].ill ? 503 : 200, .at_ms = 1000 * i + 100 + 7 * (i % 10) + k * 0.5, .took_ms = 0.3));
		judge(&r, &x, everything);
		NEAR(judge_edge(&x, "curl", "127.0.0.1:80")->false_link_rate, cases[c].rate, "%s", cases[c].what);
		NEAR(x.false_link_rate, cases[c].rate, "and so in all");
		judge_end(&r, &x);
	}
}

/*
 * A user asks `front` four times for the same, under one correlation id or one key, and front calls once each time, or twice: what it repeats is
 * its own, what the user repeats is the user's.
 */
static void who_asks_again(int by_key, int calls)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 10000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int user = 0; user < 3; user++)
		for (int again = 0; again < 4; again++) {
			double at = 1000 * again + 100 * user;
			int status = again < 3 ? 503 : 200, in = runs_add(&r, (struct runs_exchange){.connection = 2, .role = "server", .path = "/in", .tid = 9,
				.status = status, .at_ms = at, .took_ms = 30, .correlation = by_key ? 0 : 7 + user, .key = by_key ? 7 + user : 0});

			for (int call = 0; call < calls; call++)
				runs_add(&r, ATTEMPT(.status = call + 1 < calls ? 503 : status, .at_ms = at + 1 + 5 * call, .took_ms = 2, .parent = in,
						     .correlation = by_key ? 0 : 7 + user, .key = by_key ? 7 + user : 0));
		}
	judge(&r, &x, everything);
	is_linked(&x, "external", "front", 3, 12, "id", by_key ? "a user's key, four times" : "a user's id, four times");
	is_linked(&x, "front", "127.0.0.1:81", 12, 12 * calls, "id", calls > 1 ? "and front tries twice each time" : "and front never tries again");
	is_int(judge_edge(&x, "front", "127.0.0.1:81")->retry.unbounded, 0, "nor is front said to go on without end");
	judge_end(&r, &x);
}

/* Twenty things, four attempts each, 50 ms apart; attempt k of thing i is made by the thread that `turns` says. */
static void things(struct runs *r, int apart_ms, int again_after_good, bool turns)
{
	judge_client(r, 60000);
	for (int at = 0; at < 20 * apart_ms + 200; at++)
		for (int i = 0; i < 20; i++) {
			int k = (at - apart_ms * i) / 50;
			char path[16];

			if (at < apart_ms * i || (at - apart_ms * i) % 50 || k >= 4)
				continue;
			snprintf(path, sizeof(path), "/thing/%d", i);
			runs_add(r, ATTEMPT(.tid = 20 + (turns ? (3 * i + k) % 7 : i % 7), .path = path,
					    .status = again_after_good ? 200 : 503, .at_ms = 100 + at + 0.1 * i, .took_ms = 0.05));
		}
}

static void threads_that_call_for_one_another(void)
{
	struct runs r;
	struct result x;

	things(&r, 37, 0, true);
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical, 20, "a pool of threads that send for all callers: 20 requests");
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->retry.max_attempts, 4, "... of four attempts, wherever each was sent");
	judge_end(&r, &x);
	things(&r, 37, 1, true);
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical, 80, "what is had is asked for anew");
	judge_end(&r, &x);
	things(&r, 2, 0, true);
	judge(&r, &x, everything);
	ok(judge_edge(&x, "curl", "127.0.0.1:80")->whole.logical > 20, "workers that meet the same twenty things all the time are not told from it");
	judge_end(&r, &x);
}

int main(void)
{
	for (int i = 0; i < 4; i++)
		who_asks_again(i % 2, 1 + i / 2);
	ten_threads_with_three_immediate_attempts_each();
	threads_one_after_another_are_not_mixed();
	a_single_thread_with_ten_requests_in_flight();
	requests_that_go_from_thread_to_thread();
	clients_without_threads_of_their_own();
	a_proxy_passes_on_what_it_is_asked();
	calls_of_inbound_requests();
	the_closest_failure_is_the_cause();
	a_failure_has_one_successor();
	the_file_names_the_parent();
	healthy_traffic_is_never_joined();
	overlapping_attempts_are_not_joined();
	gaps_are_bounded();
	ids_tell_requests_apart();
	refused_connects_are_attempts();
	threads_matter_unless_they_mean_nothing();
	threads_that_call_for_one_another();
	waits_tell_callers_from_a_flow();
	clients_that_were_not_recorded();
	failed_look_ups_are_attempts_at_the_address();
	a_look_up_without_a_port_may_mean_several_peers();
	servers_are_named_by_who_listens();
	one_port_for_two_connections();
	what_a_healthy_run_is();
	return tap_done();
}
