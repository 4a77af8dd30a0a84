/* SPDX-License-Identifier: MIT */
/* Retries at another server: which edges are one destination, and what its requests come to. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#define A "10.0.0.1:80"
#define B "10.0.0.2:80"
#define C "10.0.0.3:80"

static void begin(struct runs *r)
{
	runs_begin(r, 100000);
	runs_process(r, 1, "app");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(r, 2, 1, "client", "127.0.0.1:4002", B);
	runs_connection(r, 3, 1, "client", "127.0.0.1:4003", C);
	runs_connection(r, 9, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
}

static const struct result_destination *only(const struct result *x, const char *what)
{
	static const struct result_destination none = {.name = "", .linking = ""};

	is_int((int)x->destination_count, 1, "%s: one destination", what);
	return x->destination_count ? &x->destinations[0] : &none;
}

/* One program on one thread that asks servers 1 to 3 for the same. */
struct asker {
	bool (*out)(int server, int round);
	bool anyway;		/* asks all, whatever they answer */
	bool refused;		/* who is out refuses the connection: no request is known */
	double apart_ms;	/* from one server to the next */
};

struct pace {
	int rounds;
	double success_ms, failure_ms;	/* what they take */
	double rest_ms;			/* from the end of a round to the next; 0: one begins every 100 ms */
};

static double ask(struct runs *r, const struct asker *p, const struct pace *t, int server, int round, double at)
{
	bool out = p->out(server, round);
	double took = out ? t->failure_ms : t->success_ms;

	if (out && p->refused)
		runs_add(r, ATTEMPT(.connection = server, .unsent = 1, .method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED",
				    .at_ms = at, .took_ms = took));
	else
		runs_add(r, ATTEMPT(.connection = server, .status = out ? 503 : 200, .at_ms = at, .took_ms = took));
	return at + took;
}

static void play_at(struct runs *r, const struct asker *p, const struct pace *t)
{
	double start = 10;

	begin(r);
	for (int round = 0; round < t->rounds; round++) {
		double end = start;

		for (int server = 1, more = 1; server <= 3 && more; server++) {
			end = ask(r, p, t, server, round, server == 1 ? start : end + p->apart_ms);
			more = p->anyway || p->out(server, round);
		}
		start = t->rest_ms > 0 ? end + t->rest_ms : start + 100;
	}
}

static void play(struct runs *r, const struct asker *p)
{
	play_at(r, p, &(struct pace){60, 1, 1, 0});
}

static bool second_third(int server, int round)
{
	return server < 3 && round >= 20 && round < 40;
}

static bool first_dead(int server, int round)
{
	return server == 1 || (server == 2 && round >= 20 && round < 40);
}

static bool all(int server, int round)
{
	return server && round >= 0;
}

/* How often a failure at this server was the end of a request. */
static int ended_by_failure(struct result *x, const char *server)
{
	const struct policy_retry *p = &judge_edge(x, "app", server)->retry;
	int n = (int)p->exhausted;

	for (size_t i = 0; i < p->reaction_count; i++)
		n += (int)p->reactions[i].not_retried;
	return n;
}

/* Twenty rounds of three attempts, the others of one (of two where the first is dead). */
static void a_list_of_addresses(void)
{
	static const struct { struct asker p; int attempts; const char *what; } cases[] = {
		{{second_third, false, false, 0.2}, 100, "two of three out for a while"},
		{{second_third, false, true, 0.2}, 100, "two of three refuse for a while"},
		{{first_dead, false, true, 0.2}, 140, "the first refuses all the time"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct result_destination *d;
		struct runs r;
		struct result x;
		struct metric users;

		play(&r, &cases[i].p);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		d = only(&x, cases[i].what);
		is_int((int)d->edge_count, 3, "%s: of three servers", cases[i].what);
		is_str(d->name, A " and 2 more", "%s: called by its first", cases[i].what);
		is_int(d->whole.logical, 60, "%s: 60 requests", cases[i].what);
		is_int(d->whole.attempts, cases[i].attempts, "%s: of %d attempts", cases[i].what, cases[i].attempts);
		NEAR(d->whole.amplification.value, cases[i].attempts / 60.0, "%s: which is its amplification", cases[i].what);
		NEAR(d->whole.success.value, 1, "%s: all succeeded somewhere", cases[i].what);
		NEAR(d->exhausted_share.value, 0, "%s: none was out of servers", cases[i].what);
		is_str(d->linking, "temporal", "%s: by time", cases[i].what);
		NEAR(judge_edge(&x, "app", A)->whole.amplification.value, 1, "%s: nobody is asked twice", cases[i].what);
		NEAR(judge_edge(&x, "app", B)->whole.amplification.value, 1, "%s: nor the second", cases[i].what);
		is_int(ended_by_failure(&x, A) + ended_by_failure(&x, B), 0, "%s: and none of their failures was the end of a request", cases[i].what);
		users = result_success_of_users(&x);
		NEAR(users.value, 1, "%s: users saw no failure", cases[i].what);
		is_int(users.n, 60, "%s: of their 60 requests", cases[i].what);
		judge_end(&r, &x);
	}
}

static void who_asks_all_anyway(void)
{
	static const struct { struct asker p; const char *what; } cases[] = {
		{{second_third, true, false, 0.2}, "health checks of three servers"},
		{{second_third, true, true, 0.2}, "of which two refuse for a while"},
		{{first_dead, true, true, 0.2}, "of which one refuses all the time"},
		{{second_third, true, false, 33}, "a round of three servers"},
		{{all, false, false, 0.2}, "nothing but failures on a thread: failover or a round"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		play(&r, &cases[i].p);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int((int)x.destination_count, 0, "%s: no destination", cases[i].what);
		judge_end(&r, &x);
	}
}

static bool all_for_a_while(int server, int round)
{
	return server && round >= 20 && round < 29;
}

static bool all_once(int server, int round)
{
	return round == 30 || (server == 1 && round >= 20 && round < 40);
}

/* Of a thread without ids the next round looks like one more attempt of the one that failed at all three. */
static void rounds_that_fail_everywhere(void)
{
	static const struct { struct pace pace; const char *what; } cases[] = {
		{{60, 1, 1, 0}, "all three out for a while"},
		{{60, 1, 31, 0}, "all three slow to fail, a round every 100 ms"},
		{{60, 400, 1, 50}, "all three quick to fail, 50 ms between the rounds"},
		{{60, 1, 40, 10}, "all three slow to fail, 10 ms between the rounds"},
	};
	struct asker p = {all_for_a_while, false, false, 0.2};
	const struct result_destination *d;
	struct runs r;
	struct result x;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		play_at(&r, &p, &cases[i].pace);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		d = only(&x, cases[i].what);
		is_int(d->returns, 9, "%s: nine times a round may be one more attempt of the last", cases[i].what);
		ok(!d->exhausted_share.known, "%s: how many failed everywhere can not be told", cases[i].what);
		ok(!d->whole.success.known && !d->whole.amplification.known && !d->retry_yield.known, "%s: nor what is of whole requests",
		   cases[i].what);
		is_str(d->linking, "aggregate", "%s: all are attempts", cases[i].what);
		is_int(d->whole.attempts, 51 + 27, "%s: 78", cases[i].what);
		judge_end(&r, &x);
	}

	p.out = all_once;
	play_at(&r, &p, &(struct pace){500, 1, 1, 0});
	judge(&r, &x, &ANALYZE_EVERYTHING);
	d = only(&x, "all three out once, the first for a while");
	is_int(d->returns, 1, "one may be either");
	ok(d->exhausted_share.known && d->exhausted_share.high > 1.0 / d->troubled, "which is within the interval");
	is_str(d->linking, "temporal", "requests are told by time");
	judge_end(&r, &x);
}

/* The same attempts, but soon, or with ids: sure. */
static void a_list_gone_through_again(void)
{
	static const struct { bool ids; double rest_ms; int requests, exhausted; const char *linking, *what; } cases[] = {
		{false, 0.2, 60, 0, "temporal", "the first asked again at once"},
		{true, 97, 60, 0, "id", "the first asked again later, with ids"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct result_destination *d;
		struct runs r;
		struct result x;

		begin(&r);
		for (int round = 0; round < 60; round++) {
			double at = 10 + round * 300;
			bool out = round >= 20 && round < 40;

			for (int k = 0; k < (out ? 4 : 1); k++)
				runs_add(&r, ATTEMPT(.connection = 1 + k % 3, .status = out && k < 3 ? 503 : 200, .took_ms = 1,
						     .at_ms = at + k * 1.2 + (k == 3 ? cases[i].rest_ms : 0), .correlation = cases[i].ids ? round + 1 : 0));
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		d = only(&x, cases[i].what);
		is_int(d->returns, 0, "%s: it is the same request", cases[i].what);
		is_int(d->whole.logical, cases[i].requests, "%s: 60 requests", cases[i].what);
		is_int(d->exhausted_share.n, 20, "%s: 20 failed at first", cases[i].what);
		NEAR(d->exhausted_share.value, 0, "%s: and none everywhere", cases[i].what);
		is_str(d->linking, cases[i].linking, "%s: by %s", cases[i].what, cases[i].linking);
		judge_end(&r, &x);
	}
}

/* Twenty requests of 60 go on at the second server; of three one or two carry an id. */
static void what_most_hops_rest_on(void)
{
	for (int ids = 1; ids <= 2; ids++) {
		struct runs r;
		struct result x;

		begin(&r);
		for (int round = 0; round < 60; round++) {
			bool out = round >= 20 && round < 40;

			for (int k = 0; k < (out ? 2 : 1); k++)
				runs_add(&r, ATTEMPT(.connection = 1 + k, .status = out && !k ? 503 : 200, .at_ms = 10 + round * 300 + 1.2 * k,
						     .took_ms = 1, .correlation = round % 3 < ids ? round + 1 : 0));
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_str(only(&x, "some with ids")->linking, ids == 1 ? "temporal" : "id", "%s", ids == 1 ? "one in three has an id: by time"
		       : "two in three have one: by ids");
		judge_end(&r, &x);
	}
}

/* A client that asks the next server each time, after a success as after a failure, and waits each time: its retries can not be told. */
static void in_turn_whatever_they_answer(void)
{
	struct stats_random lot = {7};
	struct runs r;
	struct result x;
	double at = 10;
	int turn = 0;

	begin(&r);
	for (int i = 0; i < 60; i++) {
		for (int k = 0; k < (i < 20 ? 1 : 4); k++) {
			runs_add(&r, ATTEMPT(.connection = 1 + turn++ % 2, .status = i < 20 ? 200 : 503, .at_ms = at, .took_ms = 1));
			at += 1 + (k < 3 ? 30 * (1 << k) : 0);
		}
		at += 20 + 100 * stats_uniform(&lot);
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((int)x.destination_count, 0, "servers asked in turn: no destination");
	for (size_t i = 0; i < x.edge_count; i++) {
		is_str(x.edges[i].linking, "aggregate", "%s: what is asked again there may be the next request", x.edges[i].server);
		is_int(x.edges[i].retry.known, 0, "%s: so nothing is said of retries", x.edges[i].server);
	}
	judge_end(&r, &x);
}

/* Each inbound request calls one server and then, whatever came of that, another for something else: always at once, or every other time later. */
static void a_step_after_a_refused_one(void)
{
	for (int later_ms = 0; later_ms <= 30; later_ms += 30) {
		struct runs r;
		struct result x;

		begin(&r);
		for (int i = 0; i < 60; i++) {
			double at = 10 + 100 * i, next = at + 3 + (i % 2 ? later_ms : 0);
			int in = runs_add(&r, ATTEMPT(.connection = 9, .role = "server", .status = 200, .at_ms = at, .took_ms = 50));

			if (i % 5)
				runs_add(&r, ATTEMPT(.path = "/pay", .status = 200, .at_ms = at + 1, .took_ms = 1, .parent = in));
			else
				runs_add(&r, ATTEMPT(.unsent = 1, .method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED",
						     .at_ms = at + 1, .took_ms = 0.1, .parent = in));
			runs_add(&r, ATTEMPT(.connection = 2, .path = "/mail", .status = 200, .at_ms = next, .took_ms = 1, .parent = in,
					     .fingerprint = 43));
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int((int)x.destination_count, 0, "the next step of a workflow, 3 or %d ms later, is no second try of one that was refused", 3 + later_ms);
		judge_end(&r, &x);
	}
}

/* Hosts of one name are one destination where nothing else tells. */
static void addresses_of_one_name(void)
{
	struct asker p = {all, false, false, 0.2};
	const struct result_destination *d;
	struct runs r;
	struct result x;

	play(&r, &p);
	runs_sql(&r, "INSERT INTO host VALUES('api.local', '10.0.0.1'), ('api.local', '10.0.0.2'), ('api.local', '10.0.0.3')");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	d = only(&x, "three addresses of one name, all out");
	is_str(d->name, "api.local", "called by their name");
	is_int(d->whole.attempts, 180, "with all attempts");
	judge_end(&r, &x);
}

/* An inbound request, and calls of it one after another: "xo" fails at A and succeeds at B. "-": the next server. */
static int serve(struct runs *r, double at, const char *calls, bool ids)
{
	int parent = runs_add(r, ATTEMPT(.connection = 9, .role = "server", .status = 200, .at_ms = at, .took_ms = 20)), server = 1;

	for (double t = at + 0.1; *calls; calls++) {
		if (*calls == '-') {
			server++;
			continue;
		}
		runs_add(r, ATTEMPT(.connection = server++, .status = *calls == 'x' ? 503 : 200, .at_ms = t, .took_ms = 3,
				    .parent = ids ? parent : 0));
		t += 3.1;
	}
	return parent;
}

/* How many findings of that code there are, and the message of the last ("" none). */
static int findings(const struct result *x, const char *code, const char **message)
{
	int n = 0;

	*message = "";
	for (size_t i = 0; i < x->finding_count; i++)
		if (!strcmp(x->findings[i].code, code)) {
			*message = x->findings[i].message;
			n++;
		}
	return n;
}

static void calls_of_inbound_requests(void)
{
	const char *message;
	const struct result_destination *d;
	struct runs r;
	struct result x;

	for (int known = 0; known < 2; known++) {	/* parents of the file, or guessed */
		begin(&r);
		for (int i = 0; i < 30; i++)
			serve(&r, 100 * i + 1, i < 20 ? "o" : i < 25 ? "xo" : "xxx", known);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		d = only(&x, "a proxy with three upstreams");
		is_str(d->linking, "nesting", "joined by the inbound request");
		is_int(d->whole.logical, 30, "30 requests");
		is_int(d->whole.attempts, 20 + 10 + 15, "45 attempts");
		is_int(d->whole.succeeded, 25, "five got no answer anywhere");
		is_int(d->hops, 10, "ten went on elsewhere");
		NEAR(d->retry_yield.value, 5 / 15.0, "5 of 15 retries helped");
		is_int(d->exhausted_share.n, 10, "whose first attempt failed");
		NEAR(d->exhausted_share.value, 0.5, "of which half failed at all three");
		is_int((int)d->whole.chain.cells[d->whole.chain.used - 1].value, 3, "three attempts at most");
		judge_end(&r, &x);
	}

	begin(&r);
	for (int i = 0; i < 30; i++)
		serve(&r, 100 * i + 1, "xxx", true);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	d = only(&x, "all upstreams out all the time");
	NEAR(d->whole.amplification.value, 3, "three attempts each");
	is_int(findings(&x, "amplification-over-budget", &message), 1, "which is over any budget, once");
	ok(strstr(message, " to " A " and 2 more for "), "though no server is asked twice: %s", message);
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 30; i++)
		serve(&r, 100 * i + 1, i < 20 ? "ooo" : "xox", true);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((int)x.destination_count, 0, "one that asks all shards for each request has no such destination");
	judge_end(&r, &x);
}

/* Four users at once of one event loop, whose servers are all out: three calls for each request, each 0.1 ms behind its cause. */
static void an_event_loop_with_upstreams(void)
{
	struct stats_random random = {7};
	const struct result_destination *d;
	struct runs r;
	struct result x;
	int first = 0;

	begin(&r);
	for (int user = 0; user < 4; user++) {
		double at = 10 + 0.3 * user;

		for (int i = 0; i < 100; i++, first++) {
			double t = at + 0.1, took[3];

			for (int k = 0; k < 3; k++) {
				took[k] = 10 + 2 * stats_uniform(&random);
				runs_add(&r, ATTEMPT(.connection = 1 + (first + k) % 3, .status = 503, .at_ms = t, .took_ms = took[k]));
				t += took[k] + 0.05 + 0.1 * stats_uniform(&random);
			}
			runs_add(&r, ATTEMPT(.connection = 9, .role = "server", .status = 503, .at_ms = at, .took_ms = t - at));
			at = t + 20 * stats_uniform(&random);
		}
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	d = only(&x, "four users at once");
	ok(d->whole.logical >= 396 && d->whole.logical <= 404, "400 requests, about");
	is_int(d->whole.attempts, 1200, "of three attempts");
	ok(judge_edge(&x, "app", A)->whole.logical >= 390 && judge_edge(&x, "app", B)->whole.logical >= 390, "who goes on elsewhere hardly comes back");
	judge_end(&r, &x);
}

/* A server that redirects, and is out for a while: what follows the redirect says nothing of what follows its failures. */
static void redirects_lead_elsewhere(void)
{
	struct runs r;
	struct result x;
	const struct result_destination *d;

	for (int out = 0; out < 2; out++) {
		begin(&r);
		for (int i = 0; i < 30; i++) {
			runs_add(&r, ATTEMPT(.connection = 1, .status = out && i > 20 ? 503 : 307, .at_ms = 100 * i + 1, .took_ms = 1));
			runs_add(&r, ATTEMPT(.connection = 2, .status = 200, .at_ms = 100 * i + 3, .took_ms = 1));
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		if (out) {
			d = only(&x, "a server that redirects and fails");
			is_int(d->hops, 9, "requests that failed went on elsewhere");
		} else {
			is_int((int)x.destination_count, 0, "where a redirect leads to is no other server of the same");
		}
		judge_end(&r, &x);
	}
}

/* What is asked elsewhere is something else. */
static void other_requests(void)
{
	struct runs r;
	struct result x;

	begin(&r);
	for (int i = 0; i < 30; i++) {
		runs_add(&r, ATTEMPT(.connection = 1, .status = i > 20 ? 503 : 200, .at_ms = 100 * i + 1, .took_ms = 1));
		if (i > 20)
			runs_add(&r, ATTEMPT(.connection = 2, .status = 200, .path = "/log", .at_ms = 100 * i + 3, .took_ms = 1));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((int)x.destination_count, 0, "a failure that is reported to another server is not tried again there");
	judge_end(&r, &x);
}

static void an_objective_is_of_destinations(void)
{
	struct analyze_options options = ANALYZE_EVERYTHING;
	struct asker p = {second_third, false, false, 0.2};
	struct runs r;
	struct result x;

	options.slo = 0.99;
	play(&r, &p);
	judge(&r, &x, &options);
	is_int(x.verdict, VERDICT_PASS, "the servers that failed break no objective while others answer");
	judge_end(&r, &x);
}

/* A fault strikes the first server for two seconds; with another one nobody feels it. */
static void what_users_feel_of_a_fault(void)
{
	for (int servers = 1; servers <= 2; servers++) {
		struct runs r;
		struct result x;

		begin(&r);
		runs_fault(&r, 1, "outage", "{\"to\": \"10.0.0.1:80\", \"status\": 503}", 20, 20);
		for (int i = 0; i < 100; i++) {
			bool out = i >= 40 && i < 60;
			int id = runs_add(&r, ATTEMPT(.connection = 1, .status = out ? 503 : 200, .at_ms = 100 * i + 1, .took_ms = 1, .fault = out));

			if (out)
				runs_inject(&r, 1, id, 100 * i + 1, "status", -1, -1);
			if (out && servers > 1)
				runs_add(&r, ATTEMPT(.connection = 2, .status = 200, .at_ms = 100 * i + 3, .took_ms = 1));
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int((int)x.recovery_count, 1, "one fault, %d servers", servers);
		ok(isnan(x.recoveries[0].impact_ms) == (servers > 1), "%s",
		   servers > 1 ? "another server answers: users feel nothing" : "without another, they do");
		judge_end(&r, &x);
	}
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	begin(&r);
	for (int i = 0; i < 60; i++)
		runs_add(&r, ATTEMPT(.connection = i % 4 ? i % 4 : -1, .process = i % 7 ? 1 : -1, .status = i % 2 ? 503 : 200, .at_ms = 10 + i % 9,
				     .took_ms = i % 5 ? 3 : -1, .key = i % 3));
	runs_sql(&r, "UPDATE exchange SET ended_ns = started_ns - 5 WHERE id %% 6 = 0; UPDATE exchange SET parent_id = id + 1 WHERE id %% 11 = 0");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	ok(x.edge_count > 0, "ends before starts, parents that are none: an answer all the same");
	judge_end(&r, &x);
}

int main(void)
{
	a_list_of_addresses();
	who_asks_all_anyway();
	rounds_that_fail_everywhere();
	a_list_gone_through_again();
	what_most_hops_rest_on();
	in_turn_whatever_they_answer();
	a_step_after_a_refused_one();
	addresses_of_one_name();
	calls_of_inbound_requests();
	an_event_loop_with_upstreams();
	redirects_lead_elsewhere();
	other_requests();
	an_objective_is_of_destinations();
	what_users_feel_of_a_fault();
	damaged_rows();
	return tap_done();
}
