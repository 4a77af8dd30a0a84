/* SPDX-License-Identifier: MIT */
/* What retries cost and are worth: yields, rates, wasted work, coupled requests, failures that come together, end to end through several hops. */
#include "analyzer/stats/stats.h"
#include "tests/unit/steps.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

static void have_policy(struct result *x, const char *client, const char *server, unsigned most)
{
	struct policy_retry *p = &judge_edge(x, client, server)->retry;

	p->known = true;
	p->max_attempts = most;
	p->excess_failure = NAN;
}

static const char *note_with(const struct result *x, const char *words)
{
	for (size_t i = 0; i < x->note_count; i++)
		if (strstr(x->notes[i], words))
			return x->notes[i];
	return "";
}

/* Requests: ok at once; ok at the second attempt; ok at the fourth; given up after three; open at the end. */
static void yields_and_lengths(void)
{
	static const struct { int attempts, last; } requests[] = {{1, 200}, {2, 200}, {4, 200}, {3, 503}, {1, 200}, {1, 200}};
	struct runs r;
	struct result x;
	struct result_edge *e;

	judge_client(&r, 20000);
	for (int q = 0; q < 6; q++)
		for (int k = 0; k < requests[q].attempts; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + q, .status = k == requests[q].attempts - 1 ? requests[q].last : 503,
					     .at_ms = 1000 * q + 10 + 50 * k, .took_ms = 10));
	runs_add(&r, ATTEMPT(.tid = 200, .status = 503, .at_ms = 7000, .took_ms = 10));
	runs_add(&r, ATTEMPT(.tid = 200, .outcome = "indeterminate", .at_ms = 7100, .took_ms = -1));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	NEAR(e->retry_yield.value, 2.0 / 7, "7 retries saved 2 requests");
	is_int(e->retry_yield.n, 7, "of 1, 3, 2 and 1 retries");
	NEAR(e->exhausted_share.value, 1.0 / 3, "of three ended requests whose first attempt failed one was given up");
	NEAR(tally_percentile(&e->whole.chain, 0.5), 2, "half of the requests had at most 2 attempts");
	NEAR(tally_percentile(&e->whole.chain, 0.95), 4, "95 %% had at most 4");
	NEAR(e->rate_amplification, 4, "in one second there were 4 attempts for one first");
	NEAR(e->rate_amplification_s, 2, "that of the third request");
	is_int(e->orphan_retries, 0, "each second with attempts had a first");
	judge_end(&r, &x);

	judge_client(&r, 20000);
	for (int k = 0; k < 4; k++)
		runs_add(&r, ATTEMPT(.status = 503, .at_ms = 500 + 1000 * k * k, .took_ms = 10));
	judge(&r, &x, everything);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int(e->orphan_retries, 3, "three retries in seconds of their own");
	NEAR(e->rate_amplification, 1, "no second had more attempts than first ones");
	judge_end(&r, &x);
}

/* 20 requests a second for 40 s, tried three times in 15 of these; then the server refuses all connections, else it answers 503. */
static void what_is_delivered_may_be_less_than_one(void)
{
	for (int refused = 0; refused < 2; refused++) {
		struct runs r;
		struct result x;
		struct metric d;

		judge_client(&r, 40000);
		for (int s = 0; s < 40; s++)
			for (int i = 0; i < 20; i++) {
				bool bad = s % 4 == 3 || s % 8 == 6;

				for (int k = 0; k < (bad ? 3 : 1); k++)
					runs_add(&r, ATTEMPT(.tid = 100 + s * 20 + i, .status = !bad ? 200 : refused ? 0 : 503, .unsent = bad && refused,
							     .outcome = bad && refused ? "not_sent" : NULL, .took_ms = 1,
							     .error = bad && refused ? "ECONNREFUSED" : NULL, .at_ms = 1000 * s + 40 * i + 2 * k));
			}
		judge(&r, &x, everything);
		d = judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification_delivered;
		NEAR(d.value, refused ? 0.625 : 1.75, "%s", refused ? "5 of 8 requests reach it, with their one attempt" : "all attempts reach it");
		is_str(d.method, "block bootstrap", "by the second: from blocks");
		ok(d.low < d.value && d.value < d.high, "and the interval lies around that: %.3f to %.3f", d.low, d.high);
		judge_end(&r, &x);
	}
}

/* 20 requests a second for 40 s; whether a request is tried three times is decided by the second, or by each request. */
static void coupled_requests_have_wider_intervals(void)
{
	double width[2];

	for (int by_second = 0; by_second < 2; by_second++) {
		struct runs r;
		struct result x;
		struct metric a;

		judge_client(&r, 40000);
		for (int s = 0; s < 40; s++)
			for (int i = 0; i < 20; i++) {
				bool bad = by_second ? s % 4 == 3 || s % 8 == 6 : (s * 20 + i) % 8 > 4;

				for (int k = 0; k < (bad ? 3 : 1); k++)
					runs_add(&r, ATTEMPT(.tid = 100 + s * 20 + i, .status = bad ? 503 : 200, .took_ms = 1,
							     .at_ms = 1000 * s + 40 * i + 2 * k));
			}
		judge(&r, &x, everything);
		a = judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification;
		NEAR(a.value, 1.75, "3 of 8 requests are tried three times");
		is_str(a.method, by_second ? "block bootstrap" : "bootstrap", "%s", by_second ? "by the second: from blocks" : "each for itself");
		ok(a.low < 1.75 && a.high > 1.75 && a.low >= 1, "its interval holds it");
		width[by_second] = a.high - a.low;
		judge_end(&r, &x);
	}
	ok(width[1] > 2 * width[0], "which is wider when a whole second fails (%.2f against %.2f)", width[1], width[0]);
}

/* 20 requests a second for so many seconds; in second s, failing[s % n] of them fail, of so many attempts each. */
static struct metric alike(int seconds, const int *failing, int n, int attempts)
{
	struct runs r;
	struct result x;
	struct metric a;

	judge_client(&r, 1000 * seconds);
	for (int s = 0; s < seconds; s++)
		for (int i = 0; i < 20; i++) {
			bool bad = i < failing[s % n];
			int most = i % 2 ? attempts : 3;

			for (int k = 0; k < (bad ? most : 1); k++)
				runs_add(&r, ATTEMPT(.tid = 100 + s * 20 + i, .status = bad ? 503 : 200, .took_ms = 1, .at_ms = 1000 * s + 40 * i + 2 * k));
		}
	judge(&r, &x, everything);
	a = judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification;
	judge_end(&r, &x);
	return a;
}

/* Half of the requests fail: by chance seconds differ by so much that squares add up to 200 in 40 s, and by 2.5 sigma to 312. */
static void from_when_on_requests_are_coupled(void)
{
	int by_three[40], less[40];
	double over[40], under[40];
	struct stats_random random = {0x616d706c69667931ull};	/* as in amplification.c */
	struct stats_interval want;
	struct metric a;

	for (int s = 0; s < 40; s++) {
		by_three[s] = 10 + (s % 2 ? 1 : -1) * (s < 34 ? 3 : 1);
		less[s] = 10 + (s % 2 ? 1 : -1) * (s < 34 ? 3 : s < 38);
		over[s] = 20 + 2 * by_three[s];
		under[s] = 20;
	}
	a = alike(40, by_three, 40, 3);
	is_str(a.method, "block bootstrap", "of 312 they are more alike than that");
	want = stats_block_ratio(&random, over, under, 40, stats_block_length(over, 40, 1) < 5 ? stats_block_length(over, 40, 1) : 5);
	NEAR(a.low, want.low, "the interval is that of blocks of seconds, from");
	NEAR(a.high, want.high, "to");
	is_str(alike(40, less, 40, 3).method, "bootstrap", "of 310 they may be by chance");
	is_str(alike(10, (int[]){20, 0}, 2, 3).method, "block bootstrap", "ten seconds tell it");
	is_str(alike(9, (int[]){20, 0}, 2, 3).method, "bootstrap", "nine do not");
	is_str(alike(40, (int[]){20, 20, 20, 20, 20, 0, 0, 0, 0, 0}, 10, 5).method, "block bootstrap", "whether they have one number of attempts or two");
}

/* For 20 s every second one fails as a whole; then, in the time that is looked at, half of each. */
static void seconds_that_are_not_looked_at(void)
{
	struct analyze_options options = ANALYZE_EVERYTHING;
	struct runs r;
	struct result x;

	judge_client(&r, 40000);
	for (int s = 0; s < 40; s++)
		for (int i = 0; i < 20; i++) {
			bool bad = s < 20 ? s % 2 : i < 10;

			for (int k = 0; k < (bad ? 3 : 1); k++)
				runs_add(&r, ATTEMPT(.tid = 100 + s * 20 + i, .status = bad ? 503 : 200, .took_ms = 1, .at_ms = 1000 * s + 40 * i + 2 * k));
		}
	options.from_s = 20;
	judge(&r, &x, &options);
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification.method, "bootstrap", "seconds before those looked at make them no more alike");
	judge_end(&r, &x);
}

/* All of a fault's requests are of three attempts, and all others of one: each window is alike in itself, and so is the whole. */
static void windows_that_differ_are_not_coupled(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 30000);
	runs_fault(&r, 1, "f", "{\"status\":503}", 0, 0);
	for (int i = 0; i < 300; i++)
		for (int k = 0; k < (i >= 150 ? 3 : 1); k++) {
			int id = runs_add(&r, ATTEMPT(.tid = 100 + i, .status = i >= 150 ? 503 : 200, .took_ms = 1, .at_ms = 100 * i + 2 * k));

			if (i >= 150)
				runs_inject(&r, 1, id, 100 * i + 2 * k, "status", -1, -1);
		}
	judge(&r, &x, everything);
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->whole.amplification.method, "bootstrap", "windows that differ make no seconds alike");
	judge_end(&r, &x);
}

static void shed_calls_count_as_demand(void)
{
	struct runs r;
	struct result x;
	struct metric a;

	runs_begin(&r, 40000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_fault(&r, 1, "f", "{\"from\":\"10s\",\"for\":\"10s\"}", 0, 0);
	for (int i = 0; i < 200; i++) {
		bool hit = i >= 100 && i < 105, shed = i >= 105;

		runs_add(&r, (struct runs_exchange){.connection = 2, .role = "server", .status = hit || shed ? 503 : 200, .at_ms = 100 * i,
						    .took_ms = 5});
		for (int k = 0; k < (shed ? 0 : hit ? 3 : 1); k++) {
			int id = runs_add(&r, ATTEMPT(.status = hit ? 503 : 200, .at_ms = 100 * i + 1 + k, .took_ms = 0.5));

			if (hit)
				runs_inject(&r, 1, id, 100 * i + 1 + k, "status", -1, -1);
		}
	}
	judge(&r, &x, everything);
	a = judge_edge(&x, "front", "127.0.0.1:81")->amplification_demand;
	NEAR(a.value, 115.0 / 200, "115 attempts for 200 demands, 95 of them shed");
	ok(a.bounded && a.low > 0.45 && a.low < 0.575 && a.high > 0.575 && a.high < 0.75, "with an interval (%.3f to %.3f)", a.low, a.high);
	judge_end(&r, &x);
}

/* front gives up after 20 ms; back works for 50 ms on every second request, for 10 on the others. */
static void work_for_nobody(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	runs_begin(&r, 20000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "back");
	for (int i = 0; i < 20; i++) {
		char local[32];
		bool slow = i % 2;

		snprintf(local, sizeof(local), "127.0.0.1:%d", 4000 + i / 2);
		runs_connection(&r, 10 + i, 1, "client", local, "127.0.0.1:81");
		runs_connection(&r, 100 + i, 2, "server", "127.0.0.1:81", local);
		runs_add(&r, ATTEMPT(.connection = 10 + i, .tid = 100 + i, .status = slow ? 0 : 200, .outcome = slow ? "indeterminate" : "ok",
				     .error = slow ? "closed" : NULL, .at_ms = 100 * i, .took_ms = slow ? 20 : 11));
		runs_add(&r, (struct runs_exchange){.connection = 100 + i, .process = 2, .tid = 8, .role = "server", .status = 200,
						    .at_ms = 100 * i + (i % 3 ? 0.5 : -0.05), .took_ms = slow ? 50 : 10});
	}
	judge(&r, &x, everything);
	e = judge_edge(&x, "front", "back");
	is_int(e->wasted_work.n, 20, "20 requests are known at both ends");
	NEAR(e->wasted_work.value, 500.0 / 600, "500 of 600 ms of back's work were for requests that front had given up");
	judge_end(&r, &x);

	judge_client(&r, 20000);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1, .took_ms = 5));
	judge(&r, &x, everything);
	ok(!judge_edge(&x, "curl", "127.0.0.1:80")->wasted_work.known, "what a server does that nobody recorded is not known");
	judge_end(&r, &x);
}

/* 400 requests of at most three attempts; attempts fail with .3, one by one, or all of a request together. */
static void failures_that_come_together(void)
{
	for (int together = 0; together < 2; together++) {
		struct stats_random dice = {5};
		struct runs r;
		struct result x;
		struct measure m;
		struct result_edge *e;

		judge_client(&r, 40000);
		for (int q = 0; q < 400; q++) {
			bool doomed = stats_uniform(&dice) < 0.3, bad = true;

			for (int k = 0; k < 3 && bad; k++) {
				bad = together ? doomed : k ? stats_uniform(&dice) < 0.3 : doomed;
				runs_add(&r, ATTEMPT(.tid = 100 + q, .status = bad ? 503 : 200, .at_ms = 100 * q + 5 * k, .took_ms = 1));
			}
		}
		steps_begin(&r, &m, &x);
		have_policy(&x, "curl", "127.0.0.1:80", 3);
		measure_amplification(&m);
		e = judge_edge(&x, "curl", "127.0.0.1:80");
		if (together)
			ok(e->excess_failure > 0.1, "together: %.3f of the requests failed beyond what chance leaves", e->excess_failure);
		else
			ok(fabs(e->excess_failure) < 0.03, "one by one: hardly any request failed beyond that (%.3f)", e->excess_failure);
		ok(!!*note_with(&x, "hit the same overload") == together, "%s", together ? "and that is said" : "and nothing is said");
		NEAR(e->retry.excess_failure, e->excess_failure, "the policy has it too");
		is_int(e->retry.yield.n, e->retry_yield.n, "and the yield");
		steps_end(&r, &m, &x);
	}
}

static void a_total_outage_is_no_surprise(void)
{
	struct runs r;
	struct result x;
	struct measure m;

	judge_client(&r, 40000);
	for (int q = 0; q < 40; q++)
		for (int k = 0; k < 3; k++)
			runs_add(&r, ATTEMPT(.tid = 100 + q, .status = 503, .at_ms = 100 * q + 5 * k, .took_ms = 1));
	steps_begin(&r, &m, &x);
	have_policy(&x, "curl", "127.0.0.1:80", 3);
	measure_amplification(&m);
	NEAR(judge_edge(&x, "curl", "127.0.0.1:80")->excess_failure, 0, "when every attempt fails every request must");
	is_int(x.note_count, 0, "and nothing is said");
	steps_end(&r, &m, &x);
}

/* outside -> front -> middle -> back; under the fault front tries middle three times, and middle back three times for each. */
static void three_hops(struct runs *r, int requests, int faulty_from)
{
	runs_begin(r, requests * 1000);
	for (int p = 1; p <= 3; p++)
		runs_process(r, p, p == 1 ? "front" : p == 2 ? "middle" : "back");
	runs_connection(r, 1, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 2, 1, "client", "127.0.0.1:4001", "127.0.0.1:81");
	runs_connection(r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4001");
	runs_connection(r, 4, 2, "client", "127.0.0.1:4002", "127.0.0.1:82");
	runs_connection(r, 5, 3, "server", "127.0.0.1:82", "127.0.0.1:4002");
	runs_fault(r, 1, "f", "{\"from\":\"20s\"}", 0, 0);
	for (int i = 0; i < requests; i++) {
		double at = 1000 * i + 10;
		bool bad = i >= faulty_from;
		int status = bad ? 503 : 200, tries = bad ? 3 : 1;

		runs_add(r, (struct runs_exchange){.connection = 1, .tid = 1, .role = "server", .status = status, .at_ms = at, .took_ms = 90});
		for (int k = 0; k < tries; k++) {
			double a = at + 1 + 25 * k;

			runs_add(r, ATTEMPT(.connection = 2, .tid = 1, .status = status, .at_ms = a, .took_ms = 20));
			runs_add(r, (struct runs_exchange){.connection = 3, .process = 2, .tid = 2, .role = "server", .status = status,
							   .at_ms = a + 0.5, .took_ms = 19});
			for (int n = 0; n < tries; n++) {
				double b = a + 1 + 6 * n;
				int id = runs_add(r, ATTEMPT(.connection = 4, .process = 2, .tid = 2, .status = status, .at_ms = b, .took_ms = 4));

				if (bad)
					runs_inject(r, 1, id, b, "status", -1, -1);
				runs_add(r, (struct runs_exchange){.connection = 5, .process = 3, .tid = 3, .role = "server", .status = status,
								   .at_ms = b + 0.5, .took_ms = 3});
			}
		}
	}
}

static void hops_multiply(void)
{
	struct runs r;
	struct result x;
	struct measure m;
	struct result_path *p;

	three_hops(&r, 40, 20);
	steps_begin(&r, &m, &x);
	have_policy(&x, "front", "middle", 3);
	have_policy(&x, "middle", "back", 4);
	measure_amplification(&m);
	measure_paths(&m);
	is_int(x.path_count, 1, "one path from outside to back");
	p = &x.paths[0];
	NEAR(p->amplification.value, 9, "9 attempts at back for each request: three of three");
	NEAR(p->raw, 9, "9 under the fault");
	NEAR(p->baseline, 1, "1 before");
	ok(p->amplification.bounded && p->amplification.low <= 9 && p->amplification.high >= 9, "with an interval");
	is_int(p->hops, 3, "three edges");
	NEAR(p->bound, 12, "the policies allow 3 of 4 attempts");
	ok(p->bound_at_least, "at least, as nothing is known of who asks front");
	NEAR(p->product, NAN, "whose own amplification is not known");
	steps_end(&r, &m, &x);

	three_hops(&r, 40, 20);
	judge(&r, &x, everything);
	NEAR(x.paths[0].bound, 9, "without policies the bound is what was seen");
	ok(x.paths[0].bound_at_least, "and says so");
	judge_end(&r, &x);

	three_hops(&r, 15, 100);
	judge(&r, &x, everything);
	ok(!x.paths[0].amplification.known, "without a fault nothing is compared");
	NEAR(x.paths[0].raw, 1, "but one attempt a request is known");
	judge_end(&r, &x);
}

/* a -> b -> c -> b and c -> d: calls in a circle. */
static void circles_have_no_bound(void)
{
	struct runs r;
	struct result x;
	struct measure m;

	runs_begin(&r, 10000);
	for (int p = 1; p <= 4; p++) {
		char name[] = {(char)('a' + p - 1), 0}, address[32];

		runs_process(&r, p, name);
		snprintf(address, sizeof(address), "127.0.0.1:8%d", p);
		runs_connection(&r, p, p, "server", address, "127.0.0.1:5000");
	}
	runs_add(&r, (struct runs_exchange){.connection = 1, .role = "server", .status = 200, .at_ms = 10, .took_ms = 5});
	for (int i = 0; i < 4; i++) {
		static const struct { int from; const char *to; } calls[] = {{1, "127.0.0.1:82"}, {2, "127.0.0.1:83"}, {3, "127.0.0.1:82"},
									      {3, "127.0.0.1:84"}};

		runs_connection(&r, 20 + i, calls[i].from, "client", "127.0.0.1:4000", calls[i].to);
		runs_add(&r, ATTEMPT(.connection = 20 + i, .process = calls[i].from, .tid = calls[i].from, .status = 200, .at_ms = 500 + 10 * i,
				     .took_ms = 5));
	}
	steps_begin(&r, &m, &x);
	have_policy(&x, "b", "c", 3);
	have_policy(&x, "c", "b", 3);
	measure_amplification(&m);
	measure_paths(&m);
	ok(x.path_count > 0, "there are paths");
	for (size_t i = 0; i < x.path_count; i++)
		if (!strcmp(x.paths[i].leaf, "d"))
			NEAR(x.paths[i].bound, NAN, "a way through a circle of retries has no bound");
	steps_end(&r, &m, &x);
}

static void damaged_times(void)
{
	struct runs r;
	struct result x;

	three_hops(&r, 12, 6);
	runs_sql(&r, "UPDATE run SET value = 1 WHERE key = 'ended_ns'");
	runs_sql(&r, "UPDATE exchange SET started_ns = 5 WHERE id %% 5 = 0");
	runs_sql(&r, "UPDATE exchange SET started_ns = 9223372036854775807 WHERE id %% 7 = 0");
	runs_sql(&r, "UPDATE connection SET local = NULL WHERE id = 3");
	judge(&r, &x, everything);
	ok(x.edge_count > 0, "times before and long after the run crash nothing");
	judge_end(&r, &x);
}

int main(void)
{
	yields_and_lengths();
	coupled_requests_have_wider_intervals();
	what_is_delivered_may_be_less_than_one();
	from_when_on_requests_are_coupled();
	seconds_that_are_not_looked_at();
	windows_that_differ_are_not_coupled();
	shed_calls_count_as_demand();
	work_for_nobody();
	failures_that_come_together();
	a_total_outage_is_no_surprise();
	hops_multiply();
	circles_have_no_bound();
	damaged_times();
	return tap_done();
}
