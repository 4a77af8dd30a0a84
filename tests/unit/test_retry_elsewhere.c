/* SPDX-License-Identifier: MIT */
/* What is said of retries that go from server to server: of whole requests, at whatever server. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#define A "10.0.0.1:80"
#define B "10.0.0.2:80"
#define REQUESTS 40

enum how { REFUSED, ANSWERED, SILENT };

struct step {
	int server;	/* 1 to 4; 0: there is no such step */
	double wait_ms;	/* before it */
};

struct world {
	const char *what;
	struct step steps[8];	/* attempts of a request */
	enum how how;		/* they fail */
	unsigned good;		/* the attempt that succeeds, from 1; 0: none */
	const char *method;	/* NULL: GET */
	double once_ms;		/* the first that fails waits so long before its third attempt: the machine was busy */
};

static double took_ms(const struct world *w)
{
	double sum = 0;

	for (size_t i = 0; i < 8 && w->steps[i].server; i++)
		sum += w->steps[i].wait_ms + 1;
	return sum;
}

static void attempt(struct runs *r, const struct world *w, unsigned k, double at, int parent)
{
	struct runs_exchange x = {.connection = w->steps[k].server, .at_ms = at, .took_ms = 1, .method = w->method, .parent = parent};

	if (k + 1 == w->good) {
		x.status = 200;
	} else if (w->how == ANSWERED) {
		x.status = 503;
	} else if (w->how == SILENT) {
		x.outcome = "indeterminate";
		x.error = "closed";
	} else {
		x.outcome = "not_sent";
		x.error = "ECONNREFUSED";
		x.method = x.path = "";
		x.unsent = 1;
	}
	runs_add(r, x);
}

/* Requests that succeed at their first server, then as many that do as the world says; each is made for an inbound one. */
static void play(struct runs *r, struct result *x, const struct world *w)
{
	struct stats_random lot = {7};
	double at = 10;

	runs_begin(r, 600000);
	runs_process(r, 1, "app");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(r, 2, 1, "client", "127.0.0.1:4002", B);
	runs_connection(r, 3, 1, "client", "127.0.0.1:4003", "10.0.0.3:80");
	runs_connection(r, 4, 1, "client", "127.0.0.1:4004", "10.0.0.4:80");
	runs_connection(r, 9, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 2 * REQUESTS; i++) {
		bool healthy = i < REQUESTS;
		double took = healthy ? 1 : took_ms(w) + (i == REQUESTS ? w->once_ms : 0), next = at + took + 300 + 200 * stats_uniform(&lot);
		int parent = runs_add(r, ATTEMPT(.connection = 9, .role = "server", .status = healthy ? 200 : 502, .at_ms = at, .took_ms = took + 1));

		if (healthy)
			runs_add(r, ATTEMPT(.status = 200, .at_ms = at, .took_ms = 1, .method = w->method, .parent = parent));
		for (unsigned k = 0; !healthy && k < 8 && w->steps[k].server; k++) {
			at += w->steps[k].wait_ms + (i == REQUESTS && k == 2 ? w->once_ms : 0);
			attempt(r, w, k, at, parent);
			at += 1;
		}
		at = next;
	}
	judge(r, x, &ANALYZE_EVERYTHING);
}

static const struct policy_retry *said(const struct result *x, const char *what)
{
	static const struct policy_retry nothing;

	is_int((int)x->destination_count, 1, "%s: one destination", what);
	return x->destination_count ? &x->destinations[0].retry : &nothing;
}

static bool found(const struct result *x, const char *code)
{
	for (size_t i = 0; i < x->finding_count; i++)
		if (!strcmp(x->findings[i].code, code))
			return true;
	return false;
}

static void attempts_and_waits(void)
{
	static const struct { struct world w; unsigned attempts, servers; enum policy_backoff backoff; double base_ms; bool skip_first; } cases[] = {
		{{"three servers one after another", {{1, 0}, {2, 0.1}, {3, 0.1}}, ANSWERED, 0, NULL, 0}, 3, 1, BACKOFF_NONE, NAN, false},
		{{"three that refuse", {{1, 0}, {2, 0.1}, {3, 0.1}}, REFUSED, 0, NULL, 0}, 3, 1, BACKOFF_NONE, NAN, false},
		{{"two in turn, doubled", {{1, 0}, {2, 50}, {1, 100}, {2, 200}, {1, 400}}, ANSWERED, 0, NULL, 0}, 5, 1, BACKOFF_EXPONENTIAL, 50, false},
		{{"two in turn that refuse", {{1, 0}, {2, 50}, {1, 100}, {2, 200}, {1, 400}}, REFUSED, 0, NULL, 0}, 5, 1, BACKOFF_EXPONENTIAL, 50, false},
		{{"the first retry at once", {{1, 0}, {2, 0.1}, {1, 100}, {2, 200}, {1, 400}}, REFUSED, 0, NULL, 0}, 5, 1, BACKOFF_EXPONENTIAL, 100, true},
		{{"two addresses, three times", {{1, 0}, {2, 0.1}, {1, 100}, {2, 0.1}, {1, 200}, {2, 0.1}}, REFUSED, 0, NULL, 0}, 3, 2,
		 BACKOFF_AMBIGUOUS, NAN, false},
		{{"two addresses, four times", {{1, 0}, {2, 0.1}, {1, 100}, {2, 0.1}, {1, 200}, {2, 0.1}, {1, 400}, {2, 0.1}}, REFUSED, 0, NULL, 0}, 4, 2,
		 BACKOFF_EXPONENTIAL, 100, false},
		{{"four that refuse, a pause in the middle of one request", {{1, 0}, {2, 0.1}, {3, 0.1}, {4, 0.1}}, REFUSED, 0, NULL, 38}, 4, 1,
		 BACKOFF_NONE, NAN, false},
		{{"all again at once", {{1, 0}, {2, 0.1}, {1, 0.1}, {2, 0.1}}, REFUSED, 0, NULL, 0}, 4, 1, BACKOFF_NONE, NAN, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *what = cases[i].w.what;
		const struct policy_retry *p;
		struct result x;
		struct runs r;

		play(&r, &x, &cases[i].w);
		p = said(&x, what);
		is_int(p->known, 1, "%s: something is known", what);
		is_int((int)p->max_attempts, (int)cases[i].attempts, "%s: %u attempts", what, cases[i].attempts);
		is_int(p->servers > 1 ? (int)p->servers : 1, (int)cases[i].servers, "%s: each at %u", what, cases[i].servers);
		is_str(policy_backoff_name(p->backoff), policy_backoff_name(cases[i].backoff), "%s: the backoff", what);
		ok(isnan(cases[i].base_ms) || fabs(p->base_ms - cases[i].base_ms) < 3, "%s: from %.0f ms", what, cases[i].base_ms);
		is_int(p->skip_first, cases[i].skip_first, "%s: the first retry %s", what, cases[i].skip_first ? "at once" : "waits as the law has it");
		is_int((int)p->failed_requests, REQUESTS, "%s: requests failed at first", what);
		is_int((int)p->exhausted, REQUESTS, "%s: and everywhere", what);
		judge_end(&r, &x);
	}
}

/* Whoever has two addresses, of which one refuses, retries nothing. */
static void an_address_that_refuses(void)
{
	struct world both = {"both refuse at first", {{1, 0}, {2, 0.1}, {1, 100}, {2, 0.1}, {1, 200}, {2, 0.1}}, REFUSED, 0, NULL, 0};
	struct world second = {"the second answers at once", {{1, 0}, {2, 0.1}}, REFUSED, 2, NULL, 0};
	struct world later = {"the second answers later", {{1, 0}, {2, 0.1}, {1, 100}, {2, 0.1}}, REFUSED, 4, NULL, 0};
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	play(&r, &x, &second);
	is_int((int)said(&x, second.what)->failed_requests, REQUESTS, "where nothing tells, the second server is a retry");
	judge_end(&r, &x);
	play(&r, &x, &later);
	p = said(&x, later.what);
	is_int((int)p->servers, 2, "%s: each attempt is at both", later.what);
	NEAR(p->yield.value, 1, "%s: the retry succeeds", later.what);
	is_int((int)p->yield.n, REQUESTS, "%s: one for each request", later.what);
	judge_end(&r, &x);
	play(&r, &x, &both);
	is_int(found(&x, "retry-without-backoff"), 0, "%s: it waits between its attempts", both.what);
	judge_end(&r, &x);
}

/* An edge says what was done at its server; who asks for retries as they are seen gets the destination's once. */
static void seen_once(void)
{
	struct world w = {"in turn", {{1, 0}, {2, 0.1}, {3, 0.1}}, ANSWERED, 0, NULL, 0};
	struct result x;
	struct runs r;

	play(&r, &x, &w);
	ok(result_seen_retry(&x, judge_edge(&x, "app", A)) == &x.destinations[0].retry, "the first server has the destination's");
	is_int(result_seen_retry(&x, judge_edge(&x, "app", B))->known, 0, "the second has none");
	is_int((int)judge_edge(&x, "app", "10.0.0.3:80")->retry.max_attempts, 1, "the last server of a request was asked once");
	is_int(found(&x, "retry-without-backoff"), 0, "to go to another server at once is no retry without backoff");
	judge_end(&r, &x);
}

static void what_must_not_be_sent_again(void)
{
	static const struct { struct world w; bool unsafe; } cases[] = {
		{{"POST without an answer", {{1, 0}, {2, 0.1}}, SILENT, 2, "POST", 0}, true},
		{{"GET without an answer", {{1, 0}, {2, 0.1}}, SILENT, 2, NULL, 0}, false},
		{{"POST that was refused", {{1, 0}, {2, 0.1}}, REFUSED, 2, "POST", 0}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result x;
		struct runs r;

		play(&r, &x, &cases[i].w);
		is_int(found(&x, "unsafe-retry"), cases[i].unsafe, "%s, sent to another server: %s", cases[i].w.what, cases[i].unsafe ? "unsafe" : "no harm");
		judge_end(&r, &x);
	}
}

int main(void)
{
	attempts_and_waits();
	an_address_that_refuses();
	seen_once();
	what_must_not_be_sent_again();
	return tap_done();
}
