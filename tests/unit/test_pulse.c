/* SPDX-License-Identifier: MIT */
#include "tests/lib/tap.h"

#include <stdbool.h>
#include <unistd.h>
#include "record/bursts.h"
#include "record/pulse.h"
#include "record/retries.h"
#include "tests/unit/rows.h"

static char dir[] = "/tmp/test_pulse.XXXXXX";
static char path[96];
static struct store *s;
static struct pulse *p;
static uint64_t t0;	/* the run's start; attempts are dated in ms since */

#define MS(n) (t0 + (uint64_t)((n) * 1e6))
#define CALM 60		/* attempts a second that the tests call steady */

static void begin(void)
{
	char error[512];

	t0 = 1000 * NS_PER_S;
	if (store_open(&s, path, error, sizeof(error)))
		printf("# %s\n", error);
	p = pulse_new(s, t0);
	pulse_flush(p, t0);
}

static void end(void)
{
	pulse_close(p);
	is_int(store_close(s), 0, "the file is closed in order");
}

#define rows(...) rows_of(path, __VA_ARGS__)

/* ---- attempts ---- */

struct attempt {
	double at, took;	/* ms; took < 0: it does not end */
	const char *path;	/* NULL: a connect that fails */
	int outcome;		/* 0: ok */
	uint32_t tid;
	uint64_t id;
	uint16_t port;
	int64_t process;
	bool serves;
	int64_t retry_after_ms;
	uint64_t body;		/* what else it asks */
	uint64_t cause;
};

static struct addr peer_of(const struct attempt *a)
{
	struct addr peer;

	addr_from_ip(&peer, 4, (const uint8_t[]){127, 0, 0, 1}, a->port ? a->port : 80);
	return peer;
}

static struct journal_exchange exchange_of(const struct attempt *a)
{
	struct journal_exchange x = {.started_ns = MS(a->at), .ended_ns = a->took < 0 ? 0 : MS(a->at + a->took), .correlation = a->id,
				     .role = a->serves ? JOURNAL_SERVER : JOURNAL_CLIENT, .protocol = a->path ? JOURNAL_HTTP1 : JOURNAL_UNKNOWN,
				     .retry_after_ms = a->retry_after_ms ? a->retry_after_ms : -1,
				     .outcome = (uint8_t)(a->took < 0 ? 0 : a->outcome ? a->outcome : JOURNAL_OK)};

	if (a->path) {
		snprintf(x.method, sizeof(x.method), "GET");
		x.fingerprint = 77 + a->body;
	}
	return x;
}

static bool apart;	/* beginnings are told apart from ends, with what is known then of the fingerprint */

/* Told from beginning to end, then stored. */
static void tell(struct attempt a)
{
	struct journal_exchange x = exchange_of(&a), head = x;
	struct addr peer = peer_of(&a);
	uint8_t told = 0;
	struct pulse_word w = {a.process ? a.process : 1, &peer, a.tid, a.cause, &head, a.path, &told};

	head.ended_ns = head.outcome = 0;
	head.fingerprint = a.path ? 33 : 0;
	if (apart)
		pulse_heard(p, &w);
	w.x = &x;
	pulse_heard(p, &w);
	pulse_stored(p, &w);
	pulse_stored(p, &w);	/* twice does not count twice */
}

#define ATTEMPT(at_ms, took_ms, asked, ...) {.at = at_ms, .took = took_ms, .path = asked, ##__VA_ARGS__}
#define TELL(...) tell((struct attempt)ATTEMPT(__VA_ARGS__))
#define FAILED .outcome = JOURNAL_FAILED
#define UNSURE .outcome = JOURNAL_INDETERMINATE
#define UNSENT .outcome = JOURNAL_NOT_SENT

static const char *counts(void)
{
	return rows("SELECT sum(attempts), sum(retries), sum(ok), sum(failed), sum(indeterminate), sum(not_sent) FROM pulse");
}

static const char *burst_rows(void)
{
	static char sql[256];

	snprintf(sql, sizeof(sql), "SELECT (started_ns - %llu) / 1000000, (ended_ns - %llu) / 1000000, attempts, CAST(peak_per_s AS INT)"
		 " FROM burst ORDER BY id", (unsigned long long)t0, (unsigned long long)t0);
	return rows(sql);
}

/* Flushes as the recorder does, every 100 ms, for attempts until `to` that were told already. */
static void flush(double from, double to)
{
	for (double at = from; at <= to; at += 100)
		pulse_flush(p, MS(at));
	store_commit(s);
}

/* ---- what is to be found ---- */

/* From the sum of the probabilities in 60 decimal digits. */
static void test_quantile(void)
{
	static const struct {
		double mean;
		uint64_t k;
	} table[] = {{0.001, 0}, {0.1, 2}, {0.5, 4}, {1, 5}, {2, 8}, {4, 11}, {10, 21}, {40, 61}, {100, 132}, {700, 783}, {1000, 1099}, {12345.5, 12690}};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		is_int(bursts_quantile(table[i].mean), table[i].k, "the 99.9 %% quantile of a Poisson distribution of mean %g", table[i].mean);
	is_int(bursts_quantile(0), 0, "and of mean 0");
}

static void test_seconds(void)
{
	begin();
	TELL(100, 10, "/a");
	TELL(200, 20, "/a", FAILED, .tid = 5);
	TELL(300, 30, "/b", UNSURE, .tid = 6);
	TELL(990, 40, "/c");
	TELL(1100, 1, NULL, UNSENT, .tid = 9, .port = 81);
	TELL(2500, -1, "/hangs");
	TELL(100, 5, "/in", .serves = true);
	flush(0, 1100);
	is_str(rows("SELECT count(*) FROM pulse"), "0", "a second is not written before it is over");
	flush(1200, 1300);
	is_str(rows("SELECT second, peer, attempts, ok, failed, indeterminate FROM pulse WHERE peer NOT NULL"), "0|127.0.0.1:80|4|1|1|1",
	       "a second: attempts that began in it, outcomes of those that ended in it");
	flush(1400, 4000);
	is_str(rows("SELECT second, peer, attempts, retries, ok, failed, indeterminate, not_sent FROM pulse ORDER BY rowid"),
	       "0|127.0.0.1:80|4|0|1|1|1|0 1|127.0.0.1:80|0|0|1|0|0|0 1|127.0.0.1:81|1|0|0|0|0|1 2|127.0.0.1:80|1|0|0|0|0|0 0|NULL|1|0|1|0|0|0",
	       "one row an edge and second with traffic; what others ask of a process has no peer");
	is_str(rows("SELECT p50_ns / 1000000, p99_ns / 1000000 FROM pulse WHERE second = 0 AND peer NOT NULL"), "20|30", "half took 20 ms at most, all 30");
	is_str(rows("SELECT p50_ns FROM pulse WHERE second = 2"), "NULL", "where none ended there is no time");
	end();
}

static void test_late(void)
{
	begin();
	TELL(100, 10, "/a");
	flush(0, 2000);
	TELL(150, 10, "/a");
	flush(2100, 2600);
	is_str(rows("SELECT second, attempts, ok FROM pulse"), "0|2|2", "what comes late is in the row of its second");
	for (int i = 1; i < 6; i++)
		TELL(1000 * i, 1, "/a");
	TELL(160, 10, "/a");
	flush(7000, 8000);
	is_str(rows("SELECT second, attempts FROM pulse"), "0|2 1|1 2|2 3|1 4|1 5|1", "what comes too late for that counts in the oldest second that is kept");
	end();
}

static void test_retries(void)
{
	static const struct {
		const char *name;
		struct attempt attempts[4];
		int retries, apart;	/* of both kinds of telling; apart: more, because less is known then */
	} table[] = {
		{"the same again after a failure is a retry",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(100, 5, "/a", .tid = 1)}, 1, 0},
		{"and each of several",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 5, "/a", UNSURE, .tid = 1), ATTEMPT(20, 5, "/a", UNSENT, .tid = 1)}, 2, 0},
		{"after a success it is none", {ATTEMPT(0, 5, "/a", .tid = 1), ATTEMPT(100, 5, "/a", .tid = 1)}, 0, 0},
		{"something else is none", {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(100, 5, "/b", .tid = 1)}, 0, 0},
		{"nor is the same of another peer",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(100, 5, "/a", .tid = 1, .port = 81)}, 0, 0},
		{"nor of another process", {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(100, 5, "/a", .tid = 1, .process = 2)}, 0, 0},
		{"nor is another body, as far as it is known", {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(100, 5, "/a", .tid = 1, .body = 1)}, 0, 1},
		{"nor one that began before the failure", {ATTEMPT(0, 50, "/a", FAILED, .tid = 1), ATTEMPT(20, 5, "/a", .tid = 1)}, 0, 0},
		{"nor one that comes a minute later", {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(60100, 5, "/a", .tid = 1)}, 0, 0},
		{"unless the peer asked to wait",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1, .retry_after_ms = 1000), ATTEMPT(60100, 5, "/a", .tid = 1)}, 1, 0},
		{"a failure has one retry",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 5, "/a", .tid = 1), ATTEMPT(20, 5, "/a", .tid = 1)}, 1, 0},
		{"a refused connect goes with what its thread asks next",
		 {ATTEMPT(0, 1, NULL, UNSENT, .tid = 1), ATTEMPT(10, 5, "/a", .tid = 1)}, 1, 0},
		{"or asked before",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 1, NULL, UNSENT, .tid = 1), ATTEMPT(20, 5, "/a", .tid = 1)}, 2, 0},
		{"a caller that does one thing at a time may go on in another thread",
		 {ATTEMPT(0, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 5, "/a", .tid = 2)}, 1, 0},
		{"of those that do several, each thread is one",
		 {ATTEMPT(0, 50, "/x", .tid = 3), ATTEMPT(2, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 5, "/a", .tid = 2)}, 0, 0},
		{"and retries for itself",
		 {ATTEMPT(0, 50, "/x", .tid = 3), ATTEMPT(2, 5, "/a", FAILED, .tid = 1), ATTEMPT(10, 5, "/a", .tid = 1)}, 1, 0},
		{"the same id is the same caller whatever the thread",
		 {ATTEMPT(0, 50, "/x", .tid = 3), ATTEMPT(2, 5, "/a", FAILED, .tid = 1, .id = 42), ATTEMPT(10, 5, "/a", .tid = 2, .id = 42)}, 1, 0},
		{"another id is another request",
		 {ATTEMPT(2, 5, "/a", FAILED, .tid = 1, .id = 42), ATTEMPT(10, 5, "/a", .tid = 1, .id = 43)}, 0, 0},
		{"so is one that is made for another", {ATTEMPT(2, 5, "/a", FAILED, .tid = 1, .cause = 3), ATTEMPT(10, 5, "/a", .tid = 1, .cause = 4)}, 0, 0},
		{"made for the same it is one", {ATTEMPT(2, 5, "/a", FAILED, .tid = 1, .cause = 3), ATTEMPT(10, 5, "/a", .tid = 1, .cause = 3)}, 1, 0},
		{"a success of the same in between ends it",
		 {ATTEMPT(0, 50, "/x", .tid = 3), ATTEMPT(2, 5, "/a", FAILED, .tid = 1), ATTEMPT(1, 30, "/a", .tid = 1), ATTEMPT(40, 5, "/a", .tid = 1)}, 0, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		begin();
		for (int k = 0; k < 4 && (table[i].attempts[k].took > 0); k++)
			tell(table[i].attempts[k]);
		pulse_close(p);
		store_close(s);
		is_int(atoi(rows("SELECT sum(retries) FROM pulse")), table[i].retries + (apart ? table[i].apart : 0), "%s", table[i].name);
	}
}

/* An attempt of `per_s` a second each, all ending the same. */
static void steady(double from, double to, double per_s, int outcome, bool unlike)
{
	char asked[32];

	for (int i = 0; from + i * 1000 / per_s < to; i++) {
		snprintf(asked, sizeof(asked), unlike ? "/%d" : "/same", i);
		TELL(from + i * 1000 / per_s, 1, asked, .outcome = outcome, .tid = 1);
	}
}

static void test_no_bursts(void)
{
	begin();
	steady(0, 5000, CALM, JOURNAL_OK, false);
	flush(0, 8000);
	is_str(burst_rows(), "", "steady polling is no burst");
	steady(8000, 13000, CALM, JOURNAL_FAILED, true);
	flush(8000, 16000);
	is_str(burst_rows(), "", "nor are failures that nobody retries");
	steady(16000, 21000, CALM, JOURNAL_FAILED, false);
	flush(16000, 24000);
	is_str(burst_rows(), "", "nor is polling that goes on at its pace while all fails");
	is_str(counts(), "900|299|300|600|0|0", "though each of those looks like a retry");
	end();
}

/* n callers that ask something of their own, fail, and ask `retries` times again at once. */
static void storm(double at, unsigned n, unsigned retries, uint16_t port)
{
	char asked[32];

	for (unsigned k = 0; k <= retries; k++)
		for (unsigned i = 0; i < n; i++) {
			snprintf(asked, sizeof(asked), "/%g/%u", at, i);
			TELL(at + k * 5 + i * 0.1, 1, asked, FAILED, .tid = 100 + i, .port = port);
		}
}

static void test_one_burst(void)
{
	begin();
	steady(0, 3000, CALM, JOURNAL_OK, false);
	for (int i = 0; i < 3; i++)
		storm(3000 + i * 100, 10 * (i + 1), 3, 0);
	steady(3300, 4000, CALM, JOURNAL_OK, false);
	flush(0, 4900);
	is_str(burst_rows(), "", "a burst is not told of at once: what belongs to it may be late");
	flush(5000, 5400);
	is_str(burst_rows(), "3000|3300|180|900", "a burst: its bins, the retries in them, the most in one");
	TELL(3250, 1, "/late", FAILED, .tid = 7);
	TELL(3260, 1, "/late", .tid = 7);
	flush(5500, 5600);
	is_str(burst_rows(), "3000|3300|181|900", "a retry that is told of late is in it");
	storm(6000, 10, 3, 0);
	end();
	is_str(burst_rows(), "3000|3300|181|900 6000|6100|30|300", "another one begins anew, and the end of the run waits for nobody");
}

static void test_two_edges(void)
{
	begin();
	steady(0, 3000, 5, JOURNAL_OK, false);
	storm(3000, 20, 3, 81);
	storm(3100, 20, 3, 82);
	end();
	is_str(rows("SELECT peer, attempts, process_id FROM burst ORDER BY id"), "127.0.0.1:81|60|1 127.0.0.1:82|60|1", "each edge has its own bursts");
}

/* 1 s of answers of 200 ms: bins of 400 ms. */
static void test_slow_edge(void)
{
	begin();
	for (int i = 0; i < 50; i++)
		TELL(i * 100, 200, "/slow", .tid = 1);
	storm(5200, 20, 1, 0);
	storm(5600, 20, 1, 0);
	storm(6100, 3, 1, 0);
	end();
	is_str(rows("SELECT count(*), sum(attempts), max(ended_ns - started_ns) / 100000000, max(peak_per_s) < 60 FROM burst"), "1|40|10|1",
	       "bins are as long as two answers");
}

static void test_bounds(void)
{
	begin();
	for (int i = 0; i < PULSE_EDGES + 100; i++)
		TELL(10, 1, "/a", .port = (uint16_t)(1000 + i));
	is_int(pulse_left_out(p), 100, "what does not fit among the edges is counted");
	pulse_flush(p, t0 + PULSE_QUIET_NS);
	for (int i = 0; i < 50; i++)
		TELL(20 + PULSE_QUIET_NS / 1e6, 1, "/a", .port = (uint16_t)(1000 + PULSE_EDGES + i));
	is_int(pulse_left_out(p), 100, "those that went quiet make room");
	for (int i = 0; i < 3 * RETRIES_MAX; i++)
		TELL(600 + i * 0.1, 0.05, "/f", FAILED, .tid = 1 + (uint32_t)i % 2, .id = 1 + (uint64_t)i, .port = 1100);
	TELL(2000, 1, "/f", .id = 3 * RETRIES_MAX, .port = 1100);
	end();
	is_str(rows("SELECT count(*) FROM (SELECT DISTINCT process_id, peer FROM pulse)"), "562", "edges that made room left their rows");
	is_str(counts(), "12851|1|563|12288|0|0", "nothing else is left out; the last failures are remembered");

	begin();
	for (int i = 0; i < 20; i++)
		storm(100 * i, 10, 3, 0);
	TELL(100000, 1, "/a", .tid = 100);
	TELL(100100, 1, "/a", FAILED, .tid = 100);
	TELL(100200, 1, "/a", .tid = 100);
	end();
	is_str(burst_rows(), "0|2000|600|300", "bins that make room without having been judged are judged then");
}

/* Two witnesses tell of one attempt before anybody knows that it is one. */
static void test_twice(void)
{
	struct attempt a = ATTEMPT(200, 5, "/a", .tid = 1);
	struct journal_exchange x = exchange_of(&a);
	struct addr peer = peer_of(&a);
	uint8_t told[2] = {0, 0};
	struct pulse_word w = {1, &peer, 1, 0, &x, a.path, &told[0]}, also = {1, &peer, 1, 0, &x, a.path, &told[1]};

	begin();
	TELL(100, 5, "/a", FAILED, .tid = 1);
	TELL(110, 5, "/a", FAILED, .tid = 1);
	x.ended_ns = 0;
	pulse_heard(p, &w);
	pulse_heard(p, &also);
	pulse_twice(p, &w, told[1]);
	x = exchange_of(&a);
	pulse_stored(p, &w);
	pulse_twice(p, &w, 0);
	end();
	is_str(counts(), "3|2|1|2|0|0", "what was counted twice is taken back");
}

static void test_unlikely(void)
{
	uint8_t told = 0;
	struct journal_exchange x = {.role = JOURNAL_CLIENT, .ended_ns = 5};
	struct pulse_word w = {1, NULL, 0, 0, &x, NULL, &told};

	begin();
	pulse_stored(p, &w);
	is_int(told, 0, "what has no beginning counts nowhere");
	x.started_ns = t0 - 5;
	x.ended_ns = t0 - 7;
	x.outcome = 200;
	pulse_stored(p, &w);
	pulse_heard(NULL, &w);
	pulse_flush(NULL, 1);
	pulse_close(NULL);
	end();
	is_str(rows("SELECT second, peer, attempts, ok + failed + indeterminate + not_sent FROM pulse"), "0|-|1|0", "nor does an outcome that there is not");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/run.db", dir);
	test_quantile();
	test_seconds();
	test_late();
	test_retries();
	apart = true;
	test_retries();
	test_no_bursts();
	test_one_burst();
	test_two_edges();
	test_slow_edge();
	test_bounds();
	test_twice();
	test_unlikely();
	unlink(path);
	rmdir(dir);
	return tap_done();
}
