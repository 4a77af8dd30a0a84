/* SPDX-License-Identifier: MIT */
/* Requests that meet a connection which the server is closing, and are sent again on a fresh one: not attempts of their own. */
#include "tests/unit/judge.h"

struct meeting {		/* 20 requests, each on the connection of the one before, which is gone; then on a fresh one */
	const char *method, *error;
	double took_ms, again_ms;
	int fault, first, tid, status;
	bool same_connection;
};

static void meet(struct runs *r, const struct meeting *p)
{
	judge_client(r, 100000);
	runs_fault(r, 1, "reset", "{}", 20, 20);
	for (int i = 0; i < 20; i++) {
		int old = 10 + i, fresh = 11 + i;
		double at = 100 + 200 * i;

		if (!i)
			runs_connection(r, old, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
		if (p->first)
			runs_connection(r, 100 + i, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
		runs_connection(r, fresh, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
		if (!i)
			runs_add(r, ATTEMPT(.connection = old, .method = p->method, .status = 200, .at_ms = 50, .took_ms = 1));
		runs_add(r, ATTEMPT(.connection = p->first ? 100 + i : old, .method = p->method, .status = p->status,
				    .outcome = p->status ? NULL : "indeterminate", .error = p->error, .at_ms = at, .took_ms = p->took_ms, .fault = p->fault));
		runs_add(r, ATTEMPT(.connection = p->same_connection ? old : fresh, .method = p->method, .tid = p->tid, .status = 200,
				    .at_ms = at + p->took_ms + p->again_ms, .took_ms = 1));
		if (p->same_connection)
			runs_add(r, ATTEMPT(.connection = fresh, .method = p->method, .status = 200, .at_ms = at + 150, .took_ms = 1));
	}
}

static void expect(const struct meeting *p, int reconnects, const char *what)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;
	bool said = false;

	meet(&r, p);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int((int)e->excluded.reconnects, reconnects, "%s: %d", what, reconnects);
	is_int((int)e->whole.attempts, (p->same_connection ? 61 : 41) - reconnects, "%s: all else are attempts", what);
	for (size_t i = 0; i < x.note_count; i++)
		said |= strstr(x.notes[i], "closed idle connections") != NULL;
	ok(said == (reconnects > 0), "%s: and that is said", what);
	if (reconnects) {
		NEAR(e->whole.amplification.value, 1, "%s: nothing is amplified", what);
		NEAR(e->whole.success.value, 1, "%s: nothing failed", what);
	}
	judge_end(&r, &x);
}

static void what_they_are(void)
{
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 1, .again_ms = 2}, 20, "reset, and sent again");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 1, .again_ms = 2}, 20, "closed, and sent again");
	expect(&(struct meeting){.method = "PUT", .error = "EPIPE", .took_ms = 1, .again_ms = 2}, 20, "idempotent methods");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 1, .again_ms = 50}, 20, "sent again after 50 ms");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 1, .again_ms = 51}, 0, "after 51 ms it is a retry");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 100, .again_ms = 2}, 20, "closed after 100 ms");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 101, .again_ms = 2}, 0, "after 101 ms the server had looked at it");
}

static void what_they_are_not(void)
{
	expect(&(struct meeting){.method = "POST", .error = "ECONNRESET", .took_ms = 1, .again_ms = 2}, 0, "a POST that is sent again is an unsafe retry");
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 1, .again_ms = 2, .fault = 1}, 0, "resets that a fault made");
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 400, .again_ms = 2}, 0, "the server thought for long before it closed");
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 1, .again_ms = 100}, 0, "the client waited before it sent again");
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 1, .again_ms = 2, .first = 1}, 0, "the first request of its connection");
	expect(&(struct meeting){.method = "GET", .error = "ECONNRESET", .took_ms = 1, .again_ms = 2, .tid = 77}, 0, "another thread's request");
	expect(&(struct meeting){.method = "GET", .error = "ETIMEDOUT", .took_ms = 1, .again_ms = 2}, 0, "something else ended it");
	expect(&(struct meeting){.method = "GET", .error = NULL, .took_ms = 1, .again_ms = 2, .status = 503}, 0, "an answer");
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 1, .again_ms = 2, .same_connection = true}, 0,
	       "what follows is on the same connection");
}

static void where_threads_say_nothing(void)
{
	expect(&(struct meeting){.method = "GET", .error = "eof", .took_ms = 1, .again_ms = 2, .tid = -1}, 20, "no thread's request");
}

/* An event loop whose idle connections are all closed at once. */
static void a_pool_at_once(void)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;

	judge_client(&r, 10000);
	for (int i = 0; i < 20; i++) {
		runs_connection(&r, 10 + i, 1, "client", "127.0.0.1:4001", "127.0.0.1:80");
		runs_connection(&r, 50 + i, 1, "client", "127.0.0.1:4002", "127.0.0.1:80");
		runs_add(&r, ATTEMPT(.connection = 10 + i, .status = 200, .at_ms = 100 + 0.1 * i, .took_ms = 30));
		runs_add(&r, ATTEMPT(.connection = 10 + i, .outcome = "indeterminate", .error = "eof", .at_ms = 6000 + 0.1 * i, .took_ms = 3));
		runs_add(&r, ATTEMPT(.connection = 50 + i, .status = 200, .at_ms = 6004 + 0.1 * i, .took_ms = 30));
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	e = judge_edge(&x, "curl", "127.0.0.1:80");
	is_int((int)e->excluded.reconnects, 20, "20 at once");
	is_int((int)e->whole.logical, 40, "which leaves 40 requests");
	NEAR(e->whole.success.value, 1, "that all succeeded");
	judge_end(&r, &x);
}

int main(void)
{
	what_they_are();
	what_they_are_not();
	where_threads_say_nothing();
	a_pool_at_once();
	return tap_done();
}
