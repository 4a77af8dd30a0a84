/* SPDX-License-Identifier: MIT */
/* Timeouts of clients (analyzer/timeouts.c): run files made by hand in which it is known who gave up, and when. */
#include "analyzer/infer/policy.h"
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

/* An attempt on a connection of its own. Times are ms; a connect takes 0.2 (0), or never succeeds (below 0). */
struct try {
	double at, connect, first_byte, took;	/* first_byte, took: since the request; first_byte 0: none */
	const char *outcome, *error, *end;	/* outcome NULL: a 200 */
	const char *path, *peer, *role, *protocol;
	int process, tid, parent, fault, kept;	/* kept: the connection was opened long before */
	int open;
};

static long long ns(double at_ms)
{
	return (long long)((RUNS_START_MS + at_ms) * 1e6);
}

/* Returns the exchange's row id, which is its connection's too. */
static int try(struct runs *r, struct try t)
{
	bool connected = t.connect >= 0;
	double request = connected ? t.at + (t.connect > 0 ? t.connect : 0.2) : t.at, end = request + t.took;
	const char *role = t.role ? t.role : "client", *peer = t.peer ? t.peer : "127.0.0.1:80";
	int process = t.process ? t.process : 1;
	char connected_at[32], closed_at[32];

	snprintf(connected_at, sizeof(connected_at), "%lld", ns(t.kept ? t.at - 5000 : request));
	snprintf(closed_at, sizeof(closed_at), "%lld", ns(end));
	runs_sql(r, "INSERT INTO connection(process_id, role, local, peer, opened_ns, connected_ns, closed_ns, end) VALUES"
		    "(%d, %Q, '127.0.0.1:4', %Q, %lld, %s, %s, %Q)", process, role, peer, ns(t.kept ? t.at - 5001 : t.at),
		 connected ? connected_at : "NULL", t.open ? "NULL" : closed_at, t.end);
	runs_sql(r, "INSERT INTO exchange(id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns,"
		    " sent_ns, first_byte_ns, ended_ns, fingerprint, parent_id, fault_id) VALUES(last_insert_rowid(), last_insert_rowid(), %d, %d,"
		    " %Q, %Q, %Q, %Q, %s, %Q, %Q, %lld, %s, NULLIF(%lld, 0), %s, %d, NULLIF(%d, 0), NULLIF(%d, 0))",
		 process, t.tid ? t.tid : 9, role, t.protocol ? t.protocol : "http1", connected ? "GET" : NULL,
		 connected ? (t.path ? t.path : "/") : NULL, t.outcome ? "NULL" : "200", t.outcome ? t.outcome : "ok", t.error, ns(request),
		 connected ? "1" : "NULL", t.first_byte > 0 ? ns(request + t.first_byte) : 0, t.open ? "NULL" : closed_at, connected ? 42 : 0,
		 t.parent, t.fault);
	return (int)sqlite3_last_insert_rowid(r->db);
}

#define TRY(r, ...) try(r, (struct try){__VA_ARGS__})
#define AT_ONCE 1e-9
#define GAVE_UP .outcome = "indeterminate", .error = "closed", .end = "local_close"
#define CANT_CONNECT .connect = -1, .outcome = "not_sent", .error = "closed", .end = "abandoned"

static void begin(struct runs *r)
{
	runs_begin(r, 200000);
	runs_process(r, 1, "curl");
}

/* Analyzes and returns the timeouts of curl towards the server. */
static const struct policy_timeout *judged(struct runs *r, struct result *x)
{
	judge(r, x, &ANALYZE_EVERYTHING);
	return &judge_edge(x, "curl", "127.0.0.1:80")->timeout;
}

static void a_single_one(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;
	int id;

	begin(&r);
	id = TRY(&r, .at = 10, .connect = 6, .took = 994, GAVE_UP);
	t = judged(&r, &x);
	ok(t->known, "one attempt that was given up tells of a timeout");
	is_int(t->mode_count, 1, "one mode");
	is_int(t->modes[0].n, 1, "of one attempt");
	NEAR(t->modes[0].ms, 1000, "of 1 s since its connect began");
	NEAR(t->modes[0].high_ms, 1001, "it is at most that and 1 ms");
	NEAR(t->modes[0].low_ms, NAN, "and nothing says how short it may be");
	is_int(t->modes[0].kind, TIMEOUT_RESPONSE, "nothing had come: it waited for the answer");
	is_int((long long)t->modes[0].witness, id, "the attempt is the witness");
	is_int((long long)t->abandoned, 1, "one was given up");
	judge_end(&r, &x);

	begin(&r);
	TRY(&r, .at = 10, .kept = 1, .took = 500, GAVE_UP);
	t = judged(&r, &x);
	NEAR(t->modes[0].ms, 500, "on a connection that was there before, since the request");
	judge_end(&r, &x);

	begin(&r);
	TRY(&r, .at = 10, .took = 1000, CANT_CONNECT);
	t = judged(&r, &x);
	is_int(t->modes[0].kind, TIMEOUT_CONNECT, "what never connected is a connect timeout");
	NEAR(t->modes[0].ms, 1000, "of its time");
	judge_end(&r, &x);
}

static void bounds(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;
	int slow;

	begin(&r);
	for (int i = 0; i < 10; i++)
		TRY(&r, .at = 2000 * i, .first_byte = 40 * i, .took = 40 * i + 5);
	slow = TRY(&r, .at = 30000, .first_byte = 450, .took = 3000);
	for (int i = 0; i < 20; i++)
		TRY(&r, .at = 40000 + 2000 * i, .took = 500 + 0.1 * i, GAVE_UP);
	TRY(&r, .at = 90000, .took = 20, .outcome = "failed", .error = "ECONNRESET", .end = "reset");
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "twenty given up within 2 ms are one timeout");
	is_int((long long)t->modes[0].n, 20, "of twenty");
	NEAR(t->modes[0].ms, 501.1, "their median, since their connects began");
	NEAR(t->modes[0].high_ms, 502.1, "at most that and 1 ms: timers may begin before requests leave");
	NEAR(t->modes[0].low_ms, 450, "above the longest wait for a first byte that was not: an answer may take longer");
	NEAR(t->longest_ms, 450, "which is the longest wait of all");
	is_int((long long)t->longest_witness, slow, "with its witness");
	judge_end(&r, &x);
}

/* One that was given up, and one that was answered later than that: by 50 ms or a twentieth it may be late. */
static void one_that_waited_longer(void)
{
	static const struct { double gave_up, answered; bool timeout; } cases[] = {
		{500, 550, true}, {500, 550.5, false}, {2000, 2100, true}, {2000, 2101, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		begin(&r);
		TRY(&r, .at = 10, .kept = 1, .took = cases[i].gave_up, GAVE_UP);
		TRY(&r, .at = 10000, .kept = 1, .first_byte = cases[i].answered, .took = cases[i].answered + 1);
		is_int(judged(&r, &x)->mode_count, cases[i].timeout, "given up after %g ms, while another waited %g: %s", cases[i].gave_up, cases[i].answered,
		       cases[i].timeout ? "a timeout" : "none");
		judge_end(&r, &x);
	}
}

static void none_seen(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;
	int id;

	begin(&r);
	TRY(&r, .at = 10, .first_byte = 20, .took = 25);
	t = judged(&r, &x);
	ok(!t->known, "short answers say nothing of timeouts");
	judge_end(&r, &x);

	begin(&r);
	TRY(&r, .at = 10, .first_byte = 20, .took = 25);
	id = TRY(&r, .at = 1000, .took = 31000, .outcome = "indeterminate", .error = "eof", .end = "peer_close");
	t = judged(&r, &x);
	ok(t->known && !t->mode_count, "who waits 31 s until the server hangs up has none, or a longer one");
	NEAR(t->longest_ms, 31000, "than what was seen");
	is_int((long long)t->longest_witness, id, "with a witness");
	judge_end(&r, &x);

	begin(&r);
	TRY(&r, .at = 100000, .took = 0, .outcome = "indeterminate", .error = "open", .open = 1);
	t = judged(&r, &x);
	ok(t->known && !t->mode_count, "what is open when the run ends was not given up");
	NEAR(t->longest_ms, 100000 - 0.2, "and had waited so long");
	judge_end(&r, &x);
}

/* Each looks like a timeout of the client and is none. */
static void what_is_none(void)
{
	static const struct { const char *what; struct try t; double longest; const char *fault; } cases[] = {
		{"the kernel's end of connect() after 127 s", {.connect = -1, .took = 127100, .outcome = "not_sent", .error = "ETIMEDOUT",
		 .end = "timeout"}, 127100, NULL},
		{"the kernel's end after 3 s (tcp_syn_retries 1)", {.connect = -1, .took = 3070, .outcome = "not_sent", .error = "ETIMEDOUT",
		 .end = "timeout"}, 3070, NULL},
		{"the kernel's end after 131 s (linear first)", {.connect = -1, .took = 131200, .outcome = "not_sent", .error = "ETIMEDOUT",
		 .end = "timeout"}, 131200, NULL},
		{"a peer's reset", {.connect = 0.2, .took = 5000, .outcome = "indeterminate", .error = "ECONNRESET", .end = "reset"}, 5000, NULL},
		{"a peer's close", {.connect = 0.2, .took = 5000, .outcome = "indeterminate", .error = "closed", .end = "peer_close"}, 5000, NULL},
		{"the end of a process by a signal", {.connect = 0.2, .took = 5000, .outcome = "indeterminate", .error = "killed",
		 .end = "exited"}, 5000, NULL},
		{"the end of a process that closes nothing", {.connect = 0.2, .took = 5000, .outcome = "indeterminate", .error = "closed",
		 .end = "exited"}, 5000, NULL},
		{"an error that a fault forged", {.connect = 0.2, .took = 5000, .outcome = "indeterminate", .error = "ETIMEDOUT",
		 .end = "local_close", .fault = 1}, 5000, "{\"error\":\"recv:ETIMEDOUT\"}"},
		{"a connect that was refused", {.connect = -1, .took = 1500, .outcome = "not_sent", .error = "ECONNREFUSED",
		 .end = "refused"}, 1500, NULL},
		{"a protocol without answers", {.connect = 0.2, .took = 5000, GAVE_UP, .protocol = "opaque"}, NAN, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_timeout *t;

		begin(&r);
		if (cases[i].fault)
			runs_fault(&r, 1, "f", cases[i].fault, 1, 1);
		try(&r, cases[i].t);
		t = judged(&r, &x);
		is_int(t->mode_count, 0, "%s is no timeout", cases[i].what);
		is_int((long long)t->abandoned, 0, "nor given up");
		NEAR(t->longest_ms, cases[i].longest, "but a wait that was not cut");
		judge_end(&r, &x);
	}
}

/* Each looks like one of the above and is a timeout. */
static void what_is_one(void)
{
	static const struct { const char *what; struct try t; double ms; enum policy_timeout_kind kind; const char *fault; } cases[] = {
		{"a connect that the client closed after 3 s", {.connect = -1, .took = 3000, .outcome = "not_sent", .error = "closed",
		 .end = "abandoned"}, 3000, TIMEOUT_CONNECT, NULL},
		{"ETIMEDOUT where the kernel does not give up (TCP_USER_TIMEOUT)", {.connect = -1, .took = 20000, .outcome = "not_sent",
		 .error = "ETIMEDOUT", .end = "timeout"}, 20000, TIMEOUT_CONNECT, NULL},
		{"ETIMEDOUT before the kernel gives up at all, after 1 s", {.connect = -1, .took = 200, .outcome = "not_sent", .error = "ETIMEDOUT",
		 .end = "timeout"}, 200, TIMEOUT_CONNECT, NULL},
		{"ETIMEDOUT after 4 s, between two of its ends", {.connect = -1, .took = 4000, .outcome = "not_sent", .error = "ETIMEDOUT",
		 .end = "timeout"}, 4000, TIMEOUT_CONNECT, NULL},
		{"SO_RCVTIMEO", {.connect = AT_ONCE, .took = 2000, .outcome = "indeterminate", .error = "EAGAIN", .end = "local_close"}, 2000,
		 TIMEOUT_RESPONSE, NULL},
		{"a peer's close that a hang hid", {.connect = AT_ONCE, .took = 2000, .outcome = "indeterminate", .error = "closed", .end = "peer_close",
		 .fault = 1}, 2000, TIMEOUT_RESPONSE, "{\"hang\":\"response\"}"},
		{"a peer's close that came too late", {.connect = AT_ONCE, .took = 2000, .outcome = "indeterminate", .error = "closed", .end = "peer_close",
		 .fault = 1}, 2000, TIMEOUT_RESPONSE, "{\"delay\":\"5s\"}"},
		{"a wait that a fault made", {.connect = AT_ONCE, .took = 2000, GAVE_UP, .fault = 1}, 2000, TIMEOUT_RESPONSE, "{\"hang\":\"response\"}"},
		{"bytes that a fault lets through slowly: only the whole can be too long", {.connect = AT_ONCE, .first_byte = 10, .took = 2000, GAVE_UP,
		 .fault = 1}, 2000, TIMEOUT_TOTAL, "{\"throttle\":\"1k\"}"},
		{"an answer that stopped midway: no one knows where its timer began", {.connect = AT_ONCE, .first_byte = 10, .took = 2000, GAVE_UP},
		 2000, TIMEOUT_UNKNOWN, NULL},
		{"a protocol that we can not read, when it was made to hang", {.connect = AT_ONCE, .took = 2000, GAVE_UP, .protocol = "opaque", .fault = 1},
		 2000, TIMEOUT_RESPONSE, "{\"hang\":\"response\"}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_timeout *t;

		begin(&r);
		if (cases[i].fault)
			runs_fault(&r, 1, "f", cases[i].fault, 1, 1);
		try(&r, cases[i].t);
		t = judged(&r, &x);
		is_int(t->mode_count, 1, "%s", cases[i].what);
		NEAR(t->modes[0].ms, cases[i].ms, "of its time");
		is_str(policy_timeout_kind_name(t->modes[0].kind), policy_timeout_kind_name(cases[i].kind), "and of its kind");
		judge_end(&r, &x);
	}
}

/* A front that is asked, and what it asks of curl's server; tid tells requests apart. */
static int asked(struct runs *r, double at, double took, const char *outcome, int tid)
{
	return TRY(r, .at = at, .connect = AT_ONCE, .first_byte = outcome ? 0 : took - 1, .took = took, .outcome = outcome, .error = outcome ? "closed" : NULL,
		   .end = "peer_close", .role = "server", .peer = "127.0.0.1:9", .tid = tid);
}

static void given_up_with_something_else(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;
	int parent;

	begin(&r);
	for (int i = 0; i < 8; i++) {
		parent = asked(&r, 3000 * i, 700, "indeterminate", 20 + i);
		TRY(&r, .at = 3000 * i + 1, .took = 699.5, GAVE_UP, .tid = 20 + i, .parent = parent);
	}
	t = judged(&r, &x);
	is_int(t->mode_count, 0, "calls that end with the request they were made for have no timeout of their own");
	NEAR(t->longest_ms, 699.5, "they waited that long");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 8; i++) {
		parent = asked(&r, 3000 * i, 702, NULL, 20 + i);
		TRY(&r, .at = 3000 * i + 1, .took = 699.5, GAVE_UP, .tid = 20 + i, .parent = parent);
	}
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "calls that end before a request is answered have");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 8; i++) {
		parent = asked(&r, 3000 * i, 1700, "indeterminate", 20 + i);
		TRY(&r, .at = 3000 * i + 1, .took = 699.5, GAVE_UP, .tid = 20 + i, .parent = parent);
	}
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "and so have those that end a second before it is given up");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 8; i++) {
		parent = asked(&r, 3000 * i, 702, "indeterminate", 20 + i);
		runs_sql(&r, "UPDATE exchange SET error = 'EPIPE', status = 503 WHERE id = %d", parent);
		TRY(&r, .at = 3000 * i + 1, .took = 699.5, GAVE_UP, .tid = 20 + i, .parent = parent);
	}
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "and those whose server learns only as it answers that its client has gone");
	judge_end(&r, &x);
}

static void siblings(void)
{
	static const struct { const char *what; double other_took; const char *outcome, *error; int modes; bool parent; } cases[] = {
		{"cut as another call for the same request failed", 300, "failed", "ECONNRESET", 0, true},
		{"cut as another call for the same request was answered", 300, NULL, NULL, 0, true},
		{"cut as a call beside it failed, in a client without requests", 300, "failed", "ECONNRESET", 0, false},
		{"cut though the other failed 19 ms before", 281, "failed", "ECONNRESET", 1, true},
		{"cut though the other ended later", 310, "failed", "ECONNRESET", 1, true},
		{"both given up after the same time", 300, "indeterminate", "closed", 1, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_timeout *t;

		begin(&r);
		runs_process(&r, 2, "other");
		for (int k = 0; k < 6; k++) {
			int parent = cases[i].parent ? asked(&r, 3000 * k, 900, NULL, 20 + k) : 0;

			TRY(&r, .at = 3000 * k + 1, .took = cases[i].other_took, .first_byte = cases[i].outcome ? 0 : 299, .outcome = cases[i].outcome,
			    .error = cases[i].error, .end = "local_close", .parent = parent, .tid = 20 + k, .path = "/other");
			TRY(&r, .at = 3000 * k + 1.5, .took = 300, GAVE_UP, .parent = parent, .tid = 20 + k);
		}
		TRY(&r, .at = 50000, .took = 5, .first_byte = 4);
		t = judged(&r, &x);
		is_int(t->mode_count, cases[i].modes, "%s: %s", cases[i].what, cases[i].modes ? "a timeout" : "none");
		judge_end(&r, &x);
	}
}

/* Some end with a call beside them; the other two were a moment slower to notice. */
static void nearly_all_explained(void)
{
	for (int explained = 1; explained <= 2; explained++) {
		struct runs r;
		struct result x;
		const struct policy_timeout *t;

		begin(&r);
		for (int k = 0; k < 2 + explained; k++) {
			int parent = asked(&r, 3000 * k, 900, NULL, 20 + k);

			TRY(&r, .at = 3000 * k + 1, .took = k < 2 ? 280 : 299, .outcome = "failed", .error = "ECONNRESET", .end = "reset", .parent = parent,
			    .tid = 20 + k, .path = "/other");
			TRY(&r, .at = 3000 * k + 1.5, .took = 300, GAVE_UP, .parent = parent, .tid = 20 + k);
		}
		t = judged(&r, &x);
		is_int(t->mode_count, explained == 1, "two given up after the same time, and %d that had another reason: %s", explained,
		       explained == 1 ? "a timeout" : "nothing to say");
		NEAR(t->longest_ms, 299, "the longest wait that was surely not cut by a timer was another call's");
		judge_end(&r, &x);
	}
}

static void last_acts(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	for (int i = 0; i < 16; i++)
		TRY(&r, .at = 100 + 0.1 * i, .took = 5000 - 0.1 * i, GAVE_UP, .tid = 100 + i);
	t = judged(&r, &x);
	is_int(t->mode_count, 0, "sixteen closed at once as a process's last act: it was stopped");
	NEAR(t->longest_ms, NAN, "which says nothing of how long it would have waited");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 16; i++)
		TRY(&r, .at = 100 + 0.1 * i, .took = 5000 - 0.1 * i, GAVE_UP, .tid = 100 + i);
	TRY(&r, .at = 9000, .took = 5, .first_byte = 4);
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "when it goes on afterwards, they timed out");
	judge_end(&r, &x);
}

static void two_clocks(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	for (int i = 0; i < 8; i++)
		TRY(&r, .at = 3000 * i, .connect = 30 * i, .took = 1000 - 30 * i, GAVE_UP);
	t = judged(&r, &x);
	is_int((long long)t->modes[0].n, 8, "when connects take long and differ, a limit of the whole is seen on the attempt's clock");
	NEAR(t->modes[0].ms, 1000, "as what it is");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 8; i++)
		TRY(&r, .at = 3000 * i, .connect = 30 * i, .took = 1000, GAVE_UP);
	t = judged(&r, &x);
	is_int((long long)t->modes[0].n, 8, "and one of the request on the request's");
	NEAR(t->modes[0].ms, 1000, "as what it is");
	judge_end(&r, &x);

	for (int n = 2; n <= 3; n++) {
		begin(&r);
		for (int i = 0; i < n; i++)
			TRY(&r, .at = 3000 * i, .connect = i ? 12 : 4, .took = 1000, GAVE_UP);
		t = judged(&r, &x);
		ok(t->mode_count && (fabs(t->modes[0].ms - 1000) < 0.01) == (n == 3), "%d that agree on the request's clock: %s", n,
		   n == 3 ? "it is the request's" : "too few to leave the attempt's");
		judge_end(&r, &x);
	}
}

static void bodies(void)
{
	static const struct {
		const char *what;
		double idle_ms, total_ms, late;	/* late: how much later each first byte comes */
		bool waits;			/* others are given up after 900 ms without a byte */
		enum policy_timeout_kind kind;
		double ms;
		unsigned n;
		double byte;			/* first bytes; 0: after 200 ms */
		int modes;			/* 0: one */
	} cases[] = {
		{.what = "after differing first bytes, always 400 ms of silence", .idle_ms = 400, .late = 50,
		 .kind = TIMEOUT_IDLE, .ms = 400, .n = 6},
		{.what = "after differing first bytes, always 900 ms in all", .total_ms = 900, .late = 50,
		 .kind = TIMEOUT_TOTAL, .ms = 900, .n = 6},
		{.what = "late first bytes, all at the same time, and the same limit as of answers that never came", .total_ms = 900,
		 .waits = true, .kind = TIMEOUT_TOTAL, .ms = 900, .n = 12},
		{.what = "late first bytes, all at the same time, and after them the limit of answers that never came", .idle_ms = 900,
		 .waits = true, .kind = TIMEOUT_IDLE, .ms = 900, .n = 6, .modes = 2},
		{.what = "early first bytes, and the limit of answers that never came: one timer", .total_ms = 900,
		 .waits = true, .kind = TIMEOUT_RESPONSE, .ms = 900, .n = 12, .byte = 2},
		{.what = "early first bytes, and later than that limit: it may have begun anew with a last byte", .total_ms = 1300,
		 .waits = true, .kind = TIMEOUT_RESPONSE, .ms = 900, .n = 6, .byte = 2},
		{.what = "first bytes of some milliseconds: too little to tell the clocks apart", .idle_ms = 500, .late = 3,
		 .kind = TIMEOUT_UNKNOWN, .ms = 508, .n = 6, .byte = 2},
		{.what = "late first bytes, all at the same time, and nothing to compare with", .idle_ms = 400,
		 .kind = TIMEOUT_UNKNOWN, .ms = 600, .n = 6},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_timeout_mode *mode;
		const struct policy_timeout *t;

		begin(&r);
		for (int k = 0; k < 6; k++) {
			double byte = (cases[i].byte > 0 ? cases[i].byte : 200) + cases[i].late * k;

			TRY(&r, .at = 9000 * k, .connect = AT_ONCE, .first_byte = byte, .took = cases[i].total_ms ? cases[i].total_ms : byte + cases[i].idle_ms,
			    GAVE_UP);
			if (cases[i].waits)
				TRY(&r, .at = 9000 * k + 4000, .connect = AT_ONCE, .took = 900, GAVE_UP);
		}
		t = judged(&r, &x);
		mode = &t->modes[0];
		for (unsigned k = 1; k < t->mode_count; k++)
			mode = t->modes[k].kind == cases[i].kind ? &t->modes[k] : mode;
		is_str(policy_timeout_kind_name(mode->kind), policy_timeout_kind_name(cases[i].kind), "%s", cases[i].what);
		NEAR(mode->ms, cases[i].ms, "of its time");
		is_int((long long)mode->n, cases[i].n, "and number");
		is_int(t->mode_count, cases[i].modes ? cases[i].modes : 1, "and how many modes there are");
		judge_end(&r, &x);
	}
}

static void doubts(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	TRY(&r, .at = 0, .took = 400, GAVE_UP);
	TRY(&r, .at = 9000, .took = 800, .first_byte = 790);
	t = judged(&r, &x);
	is_int(t->mode_count, 0, "one given up after 400 ms, when the next waited 790 for the same, has no timeout");
	is_int((long long)t->abandoned, 1, "though it was given up");
	judge_end(&r, &x);

	begin(&r);
	TRY(&r, .at = 0, .took = 400, GAVE_UP);
	TRY(&r, .at = 5000, .took = 5, .first_byte = 4);
	TRY(&r, .at = 9000, .took = 800, .first_byte = 790, .path = "/slow");
	t = judged(&r, &x);
	is_int(t->mode_count, 1, "when the other asked for something else it may be");
	NEAR(t->modes[0].low_ms, 4, "with what was not cut below it as its bound");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 12; i++)
		TRY(&r, .at = 9000 * i, .took = 150.0 * i * i + 37, GAVE_UP);
	t = judged(&r, &x);
	is_int(t->mode_count, 0, "users who leave when they like are no timeout");
	is_int((long long)t->abandoned, 12, "though twelve left");
	judge_end(&r, &x);

	begin(&r);
	for (int i = 0; i < 30; i++)
		TRY(&r, .at = 2000 * i, .took = 100, GAVE_UP);
	for (int i = 0; i < 30; i++)
		TRY(&r, .at = 100000 + 2000 * i, .took = 300, .first_byte = 290);
	t = judged(&r, &x);
	is_int(t->mode_count, 0, "thirty cut after 100 ms, and as many that waited 290: no timeout of the client");
	judge_end(&r, &x);
}

/* Ten given up after 100 ms; so many that asked the same waited so long. Or two, and others. */
static void how_many_waited_longer(void)
{
	static const struct { int given_up, same, others, shorts; double waited; int modes; const char *sentence; } cases[] = {
		{10, 5, 0, 0, 290, 1, "half_as_many_waited_longer"}, {10, 6, 0, 0, 290, 0, "not_more"}, {10, 6, 0, 0, 150, 1, "they_may_be_50_ms_late"},
		{10, 6, 0, 0, 150.1, 0, "not_later"}, {2, 1, 0, 2, 290, 0, "of_two_not_one"}, {4, 1, 0, 4, 290, 0, "nor_of_four"},
		{5, 1, 0, 5, 290, 1, "of_five_one_may"}, {2, 0, 1, 2, 290, 1, "who_asked_for_something_else_is_no_matter"},
		{2, 0, 1, 1, 290, 0, "unless_too_few_asked_the_same"}, {10, 0, 6, 9, 290, 0, "of_ten_too"}, {10, 0, 6, 10, 290, 1, "as_many_are_enough"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		double at = 0;

		begin(&r);
		for (int k = 0; k < cases[i].given_up; k++)
			TRY(&r, .at = at += 2000, .kept = 1, .took = 100, GAVE_UP);
		for (int k = 0; k < cases[i].same + cases[i].others; k++)
			TRY(&r, .at = at += 2000, .kept = 1, .took = cases[i].waited + 10, .first_byte = cases[i].waited,
			    .path = k < cases[i].same ? "/" : "/slow");
		for (int k = 0; k < cases[i].shorts; k++)
			TRY(&r, .at = at += 2000, .kept = 1, .took = 20, .first_byte = 10);
		is_int(judged(&r, &x)->mode_count, cases[i].modes, "given_up_after_100_ms: %s", cases[i].sentence);
		judge_end(&r, &x);
	}
}

/* A connect timeout and one of answers, as often. */
static void the_shorter_comes_first(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	for (int i = 0; i < 3; i++) {
		TRY(&r, .at = 9000 * i, .took = 3000, CANT_CONNECT);
		TRY(&r, .at = 9000 * i + 4000, .kept = 1, .took = 1000, GAVE_UP);
	}
	t = judged(&r, &x);
	ok(t->mode_count == 2 && t->modes[0].ms == 1000 && t->modes[1].ms == 3000, "of_two_that_are_as_frequent_the_shorter_comes_first");
	ok(t->modes[0].kind == TIMEOUT_RESPONSE && t->modes[1].kind == TIMEOUT_CONNECT, "whatever_they_are_of");
	judge_end(&r, &x);
}

static void several_modes(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	for (int i = 0; i < 6; i++) {
		TRY(&r, .at = 9000 * i, .connect = AT_ONCE, .took = 2000 + i, GAVE_UP, .path = "/reports");
		for (int k = 0; k < 2; k++)
			TRY(&r, .at = 9000 * i + 3000 + 1000 * k, .connect = AT_ONCE, .took = 500 + i, GAVE_UP);
		TRY(&r, .at = 9000 * i + 6000, .took = 1000 + i, CANT_CONNECT);
	}
	t = judged(&r, &x);
	is_int(t->mode_count, 3, "two limits of answers and one of connects are three modes");
	NEAR(t->modes[0].ms, 502, "the most frequent first");
	is_int((long long)t->modes[0].n, 12, "with twelve");
	ok(t->modes[1].kind == TIMEOUT_CONNECT && t->modes[1].ms < 1004, "then, of equally frequent ones, the shorter");
	NEAR(t->modes[2].ms, 2002, "then the longer");
	judge_end(&r, &x);
}

/* Three attempts, of 400 ms and of what is left of 1000; and a client whose later attempts are let wait longer. */
static void deadlines_of_requests(void)
{
	static const struct { const char *what; double took[3]; int modes; } cases[] = {
		{"what a deadline of the whole leaves to the last attempt", {400, 400, 180}, 1},
		{"longer timeouts of later attempts", {200, 400, 800}, 3},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;
		const struct policy_timeout *t;

		begin(&r);
		for (int q = 0; q < 12; q++) {
			double at = 9000 * q;

			for (int k = 0; k < 3; at += cases[i].took[k++] + 10)
				TRY(&r, .at = at, .connect = AT_ONCE, .took = cases[i].took[k], GAVE_UP, .tid = 20 + q);
		}
		t = judged(&r, &x);
		is_int(t->mode_count, cases[i].modes, "%s: %d mode%s", cases[i].what, cases[i].modes, cases[i].modes == 1 ? "" : "s");
		NEAR(t->modes[0].ms, cases[i].modes == 1 ? 400 : 200, "the most frequent or shortest first");
		is_int((long long)t->abandoned, 36, "though all were given up");
		judge_end(&r, &x);
	}
}

static void clients_that_nobody_recorded(void)
{
	static const struct { const char *what; int n; double apart; int modes; } cases[] = {
		{"six clients that left after 800 ms, one after another", 6, 3000, 1},
		{"four", 4, 3000, 0},
		{"ten at once, as a load generator ends", 10, 0.5, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		begin(&r);
		for (int k = 0; k < cases[i].n; k++)
			asked(&r, cases[i].apart * k, 800, "indeterminate", 20 + k);
		asked(&r, 60000, 30, NULL, 99);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int(judge_edge(&x, "external", "curl")->timeout.mode_count, cases[i].modes, "%s: %s", cases[i].what,
		       cases[i].modes ? "a timeout" : "nothing to say");
		judge_end(&r, &x);
	}
}

/* 400 clients with a limit of 100 to 2000 ms, answers that take exponentially long: the bounds hold the truth. */
static void coverage(void)
{
	struct stats_random random = {31};
	struct runs r;
	struct result x;
	int found = 0, held = 0, near = 0;
	static double truth[400];

	runs_begin(&r, 5000000);
	for (int c = 0; c < 400; c++) {
		char name[16];

		truth[c] = 100 + 1900 * stats_uniform(&random);
		snprintf(name, sizeof(name), "c%d", c);
		runs_process(&r, c + 1, name);
		for (int k = 0; k < 25; k++) {
			double wait = -truth[c] / 2 * log(1 - stats_uniform(&random)), late = -1.5 * log(1 - stats_uniform(&random));
			double early = 0.8 * stats_uniform(&random);	/* the timer begins before the request leaves */

			if (wait < truth[c])
				TRY(&r, .process = c + 1, .at = 5000 * k, .first_byte = wait, .took = wait + 1);
			else
				TRY(&r, .process = c + 1, .at = 5000 * k, .took = truth[c] - early + 0.1 + late, GAVE_UP);
		}
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	for (int c = 0; c < 400; c++) {
		char name[16];
		const struct policy_timeout *t;

		snprintf(name, sizeof(name), "c%d", c);
		t = &judge_edge(&x, name, "127.0.0.1:80")->timeout;
		if (!t->mode_count)
			continue;
		found++;
		held += t->modes[0].low_ms < truth[c] && truth[c] <= t->modes[0].high_ms;
		near += fabs(t->modes[0].ms - truth[c]) < 10;
	}
	ok(found >= 360, "a limit is found for at least 90 %% of 400 clients, some of which were never cut (%d)", found);
	ok(held >= 0.93 * found, "its bounds hold the truth in at least 93 %% (%d)", held);
	ok(near >= 0.99 * found, "its median is within 10 ms of it in 99 %% (%d)", near);
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;
	const struct policy_timeout *t;

	begin(&r);
	runs_connection(&r, 99, 1, "client", "127.0.0.1:4000", "127.0.0.1:80");
	runs_fault(&r, 1, "f", "not JSON", 1, 1);
	TRY(&r, .at = 10, .took = 900, GAVE_UP, .fault = 1);
	TRY(&r, .at = 10, .took = 900, GAVE_UP, .parent = 4711);
	runs_add(&r, ATTEMPT(.connection = -1, .process = -1, .tid = -1, .outcome = "indeterminate", .error = "closed", .at_ms = 5, .took_ms = 3));
	runs_add(&r, ATTEMPT(.connection = 99, .outcome = "indeterminate", .error = "closed", .at_ms = 5000, .took_ms = -1));
	runs_sql(&r, "UPDATE connection SET opened_ns = 9223372036854775807, connected_ns = -1, closed_ns = 1 WHERE id = 99");
	runs_sql(&r, "INSERT INTO exchange(connection_id, process_id, role, outcome, error, started_ns, first_byte_ns, ended_ns) VALUES"
		     "(99, 1, 'client', 'indeterminate', 'closed', 1000000000000, 9223372036854775807, 1000000500000)");
	t = judged(&r, &x);
	ok(t->abandoned >= 2, "rows that contradict themselves do not hide the others");
	ok(!isinf(t->longest_ms) && (t->mode_count == 0 || isfinite(t->modes[0].ms)), "nor make figures that are none");
	judge_end(&r, &x);

	begin(&r);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)x.edge_count, 0, "a run without exchanges has no timeouts");
	judge_end(&r, &x);
}

int main(void)
{
	a_single_one();
	bounds();
	one_that_waited_longer();
	none_seen();
	what_is_none();
	what_is_one();
	given_up_with_something_else();
	siblings();
	nearly_all_explained();
	last_acts();
	two_clocks();
	bodies();
	doubts();
	how_many_waited_longer();
	the_shorter_comes_first();
	several_modes();
	deadlines_of_requests();
	clients_that_nobody_recorded();
	coverage();
	damaged_rows();
	return tap_done();
}
