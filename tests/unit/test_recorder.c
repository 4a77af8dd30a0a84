/* SPDX-License-Identifier: MIT */
#include "tests/lib/tap.h"

#include <errno.h>
#include <netdb.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "plan/page.h"
#include "record/ledger.h"
#include "record/names.h"
#include "record/recorder.h"
#include "tests/unit/memory.h"
#include "tests/unit/rows.h"

static char dir[] = "/tmp/test_recorder.XXXXXX";
static char path[96];
static uint64_t t0;	/* the run's start; testimony is dated in ms since */

#define MS(n) (t0 + (uint64_t)((n) * 1e6))
#define KERNEL (1ull << 63)

/* ---- a recorder to feed, and the rows that came of it ---- */

static struct recorder *begin(bool shim, bool ebpf)
{
	struct recorder_run run = {.path = path, .name = "test", .command = "cmd", .plan_json = "{}", .seed = 7,
				   .shim = shim, .ebpf = ebpf};
	struct recorder *r = NULL;
	char error[512];

	t0 = run.started_ns = clock_now_ns() - 60 * NS_PER_S;
	if (recorder_open(&r, &run, error, sizeof(error)))
		printf("# %s\n", error);
	return r;
}

#define rows(...) rows_of(path, __VA_ARGS__)

/* Whatever was told, and by how many: each exchange that has a row has been counted once, and what became of it. */
static void end(struct recorder *r)
{
	recorder_close(r, true, MS(10000));
	is_str(rows("SELECT coalesce(sum(attempts), 0), coalesce(sum(ok), 0), coalesce(sum(failed + indeterminate + not_sent), 0) FROM pulse"),
	       rows("SELECT count(*), coalesce(sum(outcome = 'ok' AND ended_ns), 0), coalesce(sum(outcome <> 'ok' AND ended_ns), 0) FROM exchange"
		    " WHERE process_id AND started_ns"), "the pulse has counted what is stored");
}

/* ---- testimony ---- */

static struct journal_record of(enum journal_kind kind, uint32_t pid, double ms, uint64_t connection, uint64_t exchange)
{
	struct journal_record rec;

	memset(&rec, 0, sizeof(rec));
	rec.commit = kind;
	rec.pid = pid;
	rec.tid = pid;
	rec.at_ns = MS(ms);
	rec.connection = connection;
	rec.exchange = exchange;
	return rec;
}

static enum recorder_source source_of(uint64_t serial)
{
	return serial & KERNEL ? RECORDER_EBPF : RECORDER_SHIM;
}

static void process(struct recorder *r, enum recorder_source s, uint32_t pid, uint32_t ppid, bool image, double ms, const char *service)
{
	struct journal_record rec = of(JOURNAL_PROCESS, pid, ms, 0, 0);

	rec.process.ppid = ppid;
	rec.process.image = image;
	snprintf(rec.process.service, sizeof(rec.process.service), "%s", service);
	snprintf(rec.process.command, sizeof(rec.process.command), "%s --now", service);
	recorder_feed(r, s, &rec);
}

static struct addr ip4(uint16_t port)
{
	struct addr a;

	addr_from_ip(&a, 4, (const uint8_t[]){127, 0, 0, 1}, port);
	return a;
}

static void opened(struct recorder *r, uint32_t pid, double ms, uint64_t connection, uint64_t cookie, enum journal_role role, uint16_t peer)
{
	struct journal_record rec = of(JOURNAL_OPEN, pid, ms, connection, 0);

	rec.conn.cookie = cookie;
	rec.conn.role = role;
	rec.conn.peer = ip4(peer);
	rec.conn.local = ip4(40000);
	recorder_feed(r, source_of(connection), &rec);
}

static void connected(struct recorder *r, uint32_t pid, double ms, uint64_t connection, uint64_t cookie, int error)
{
	struct journal_record rec = of(JOURNAL_CONNECTED, pid, ms, connection, 0);

	rec.conn.cookie = cookie;
	rec.conn.error = error;
	rec.conn.role = JOURNAL_CLIENT;
	recorder_feed(r, source_of(connection), &rec);
}

static void closed(struct recorder *r, uint32_t pid, double ms, uint64_t connection, enum journal_end how)
{
	struct journal_record rec = of(JOURNAL_CLOSE, pid, ms, connection, 0);

	rec.conn.end = how;
	rec.conn.bytes_out = 10;
	rec.conn.bytes_in = 20;
	recorder_feed(r, source_of(connection), &rec);
}

static struct journal_record exchange(enum journal_kind kind, uint32_t pid, double ms, uint64_t connection, uint64_t serial)
{
	struct journal_record rec = of(kind, pid, ms, connection, serial);

	rec.x.role = JOURNAL_CLIENT;
	rec.x.protocol = JOURNAL_HTTP1;
	rec.x.started_ns = MS(ms);
	rec.x.retry_after_ms = -1;
	return rec;
}

static void begins(struct recorder *r, uint32_t pid, double ms, uint64_t connection, uint64_t serial, const char *what)
{
	struct journal_record rec = exchange(JOURNAL_BEGIN, pid, ms, connection, serial);

	strcpy(rec.x.method, "GET");
	snprintf(rec.x.path, sizeof(rec.x.path), "%s", what);
	recorder_feed(r, source_of(serial), &rec);
}

/* An answered exchange; sent 1 ms after its start. END carries no method and path, as the library's does not. */
static void ends(struct recorder *r, uint32_t pid, double from, double to, uint64_t connection, uint64_t serial, int status)
{
	struct journal_record rec = exchange(JOURNAL_END, pid, from, connection, serial);

	rec.bytes = offsetof(struct journal_record, x.correlation);
	memset(rec.x.method, 'x', sizeof(rec.x.method) + sizeof(rec.x.path));	/* not said: to be left alone */
	rec.x.sent_ns = MS(from + 1);
	rec.x.first_byte_ns = rec.x.ended_ns = MS(to);
	rec.x.status = (uint16_t)status;
	rec.x.outcome = status == 429 || status >= 500 ? JOURNAL_FAILED : JOURNAL_OK;
	recorder_feed(r, source_of(serial), &rec);
}

static void inject(struct recorder *r, enum journal_kind kind, uint32_t pid, double ms, uint64_t serial, uint32_t action, uint64_t achieved)
{
	struct journal_record rec = of(kind, pid, ms, 1, serial);

	rec.inject.fault_id = 1;
	rec.inject.action = action;
	rec.inject.intended_ns = action == PAGE_HANG ? UINT64_MAX : 300;
	rec.inject.achieved_ns = achieved;
	rec.inject.ordinal = 5;
	recorder_feed(r, RECORDER_SHIM, &rec);
}

/* ---- one witness ---- */

static void test_one_exchange(void)
{
	struct recorder *r = begin(true, false);

	process(r, RECORDER_SHIM, 100, 1, true, 0, "orders");
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
	connected(r, 100, 2, 1, 77, 0);
	begins(r, 100, 3, 1, 1, "/a");
	ends(r, 100, 3, 5, 1, 1, 200);
	closed(r, 100, 6, 1, JOURNAL_LOCAL_CLOSE);
	end(r);
	is_str(rows("SELECT method, path, status, outcome, error, role, protocol, sources, tid FROM exchange"),
	       "GET|/a|200|ok|NULL|client|http1|shim|100", "an exchange has its request from the beginning and its answer from the end");
	is_str(rows("SELECT (started_ns-%llu)/1000000, (sent_ns-%llu)/1000000, (ended_ns-%llu)/1000000 FROM exchange",
		    (unsigned long long)t0, (unsigned long long)t0, (unsigned long long)t0),
	       "3|4|5", "and its times");
	is_str(rows("SELECT cookie, role, family, peer, end, bytes_in, bytes_out, sources FROM connection"),
	       "77|client|ip4|127.0.0.1:8082|local_close|20|10|shim", "its connection is there once");
	is_str(rows("SELECT pid, service, command, covered, why FROM process"), "100|orders|orders --now|1|NULL", "so is its process");
	is_str(rows("SELECT count(*) FROM exchange JOIN connection c ON connection_id=c.id JOIN process p ON exchange.process_id=p.id"),
	       "1", "and they refer to each other");
	is_str(rows("SELECT value FROM run WHERE key='clean_end'"), "1", "the file was closed properly");
}

/* A beginning with this request, as both witnesses tell it; bytes 0: all of the record is said. */
static void asks(struct recorder *r, uint64_t connection, uint64_t serial, const char *target, size_t n, uint8_t query, uint32_t bytes)
{
	struct journal_record rec = exchange(JOURNAL_BEGIN, 100, 3, connection, serial);

	memset(rec.x.path, 'z', sizeof(rec.x.path));	/* not said */
	strcpy(rec.x.method, "GET");
	memcpy(rec.x.path, target, n);
	rec.x.query = query;
	rec.bytes = bytes;
	recorder_feed(r, source_of(serial), &rec);
}
#define ASKS_FOR(r, serial, target, query) asks(r, 1, serial, target, sizeof(target), query, PATH_AT + sizeof(target))
#define PATH_AT offsetof(struct journal_record, x.path)

static void test_query(void)
{
	struct recorder *r = begin(true, false);
	char whole[HTTP1_TARGET_MAX];

	memset(whole, 'w', sizeof(whole));
	ASKS_FOR(r, 9, "/earlier\0of another", JOURNAL_QUERY);
	ends(r, 100, 3, 5, 1, 9, 200);	/* its memory is used again */
	asks(r, 1, 6, "/no", 3, 200, PATH_AT + 3);
	ASKS_FOR(r, 1, "/none", JOURNAL_NO_QUERY);
	ASKS_FOR(r, 2, "/empty\0", JOURNAL_QUERY);
	ASKS_FOR(r, 3, "/a\0q=1&\x1b[31m\xff<b>", JOURNAL_QUERY);
	ASKS_FOR(r, 4, "/cut\0q", JOURNAL_QUERY_CUT);
	ASKS_FOR(r, 5, "/lie", JOURNAL_QUERY);
	asks(r, 1, 7, whole, sizeof(whole), JOURNAL_QUERY, 0);
	whole[3] = '\0';
	asks(r, 1, 8, whole, sizeof(whole), JOURNAL_QUERY_CUT, 0);
	end(r);
	is_str(rows("SELECT path, query FROM exchange WHERE length(path) < 9 AND ifnull(length(query), 0) < 99 ORDER BY id"),
	       "/earlier|of another /no| /none|NULL /empty| /a|q=1&\x1b[31m\\xff<b>"
	       " /cut|q\u2026 /lie|",
	       "a query is stored beside its path, whatever bytes it has");
	is_str(rows("SELECT length(path), query FROM exchange WHERE length(path) > 9"), "342|NULL", "one that is said to be where there is no room is none");
	is_str(rows("SELECT path, length(query) FROM exchange WHERE length(query) > 99"), "www|339", "one without an end ends with the record");
}

static void test_query_of_both(void)
{
	struct recorder *r = begin(true, true);

	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 80);
	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_CLIENT, 80);
	asks(r, KERNEL | 1, KERNEL | 1, "/a\0k=1", 7, JOURNAL_QUERY, 0);
	asks(r, 1, 1, "/a\0k=1", 7, JOURNAL_QUERY, 0);
	ends(r, 100, 3, 5, KERNEL | 1, KERNEL | 1, 200);
	ends(r, 100, 3, 5, 1, 1, 200);
	asks(r, KERNEL | 1, KERNEL | 2, "/b\0k=2", 7, JOURNAL_QUERY, 0);
	ends(r, 100, 3, 5, KERNEL | 1, KERNEL | 2, 200);
	ends(r, 100, 3, 5, 1, 2, 200);	/* the library knows no more of it than how it ended */
	end(r);
	is_str(rows("SELECT path, query, sources FROM exchange ORDER BY path"), "/a|k=1|shim,ebpf /b|k=2|shim,ebpf",
	       "both witnesses' words are one row, with the query that either knows");
}

static void test_too_many_under_way(void)
{
	struct recorder *r = begin(true, false);

	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 80);
	for (unsigned i = 1; i <= LEDGER_EXCHANGES_MAX + 10; i++)
		begins(r, 100, 2, 1, i, "/");
	ends(r, 100, 2, 3, 1, 1, 200);
	begins(r, 100, 4, 1, LEDGER_EXCHANGES_MAX + 11, "/room");
	ends(r, 100, 4, 5, 1, LEDGER_EXCHANGES_MAX + 11, 200);
	end(r);
	is_int(atoi(rows("SELECT count(*) FROM exchange")), LEDGER_EXCHANGES_MAX + 1,
	       "of exchanges that are under way no more are kept than there is room for");
	is_str(rows("SELECT source, reason, count FROM loss"), "recorder|too_many_exchanges_under_way|10", "the others are a loss");
	is_str(rows("SELECT status FROM exchange WHERE path = '/room'"), "200", "when one is over there is room again");
}

static void test_too_long_paths(void)
{
	enum { BYTES = 256, ROOM = LEDGER_PATHS_BYTES / BYTES };
	struct recorder *r = begin(true, false);
	char long_path[BYTES] = "/";
	int kept;

	memset(long_path + 1, 'p', BYTES - 3);	/* with the NULs of path and query it takes so much */
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 80);
	for (unsigned i = 1; i <= ROOM + 100; i++)
		begins(r, 100, 2, 1, i, long_path);
	end(r);
	kept = atoi(rows("SELECT count(*) FROM exchange"));
	ok(kept > ROOM * 9 / 10 && kept <= ROOM, "of paths no more are kept than there is room for (%d of %d)", kept, (int)ROOM);
	is_int(atoi(rows("SELECT sum(count) FROM loss WHERE reason = 'too_many_exchanges_under_way'")), (int)ROOM + 100 - kept, "the others are a loss");
}

/* A request that came in, with an id, and is not answered. */
static void asked(struct recorder *r, uint64_t connection, uint64_t serial, const char *target)
{
	struct journal_record rec = exchange(JOURNAL_BEGIN, 100, 2, connection, serial);

	rec.tid = (uint32_t)serial;
	rec.x.role = JOURNAL_SERVER;
	rec.x.correlation = serial;
	strcpy(rec.x.method, "GET");
	strcpy(rec.x.path, target);
	recorder_feed(r, source_of(serial), &rec);
}

/*
 * All that there is room for: a request under way on each connection, told by both witnesses, with an id, a thread and a fault of its own, and a path as
 * long as there is room for.
 */
static void test_full_memory(void)
{
	enum { PATH = LEDGER_PATHS_BYTES / LEDGER_EXCHANGES_MAX - 24 };
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, bytes;
	struct recorder *r = begin(true, true);
	char target[PATH + 1] = "/";

	memset(target + 1, 'p', PATH - 1);
	for (unsigned i = 1; i <= LEDGER_CONNECTIONS_MAX + 1000; i++) {
		opened(r, 100, 1, i, 1000 + i, JOURNAL_SERVER, 80);
		if (i <= LEDGER_USES_MAX - LEDGER_CONNECTIONS_MAX)
			opened(r, 100, 1, KERNEL | i, 1000 + i, JOURNAL_SERVER, 80);
		asked(r, i, i, target);
		asked(r, KERNEL | i, KERNEL | i, target);
		inject(r, JOURNAL_INJECT, 100, 3, i, PAGE_DELAY, UINT64_MAX);
	}
	is_int(r->exchanges.count, LEDGER_EXCHANGES_MAX, "of exchanges there are as many as there can be");
	is_int(r->connection_count, LEDGER_CONNECTIONS_MAX, "of connections");
	is_int(r->serials.count, LEDGER_USES_MAX, "of views of them");
	is_int(r->desks.count, LEDGER_DESKS_MAX, "of desks");
	is_int(r->injection_count, LEDGER_PENDING_MAX, "and of injections");
	recorder_flush(r);
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	ok(bytes >> 20 < MEMORY_RECORDER, "a recorder that is full takes less than %d MiB (%zu)", MEMORY_RECORDER, bytes >> 20);
	end(r);
	ok(atoi(rows("SELECT sum(count) FROM loss WHERE reason LIKE 'too_many_%%'")) > 1000, "(there was no room for more)");
	is_int(atoi(rows("SELECT count(*) FROM injection")), LEDGER_CONNECTIONS_MAX + 1000, "each fault that came is in the file");
}

static void test_too_many_open(void)
{
	struct recorder *r = begin(true, false);

	for (unsigned i = 1; i <= LEDGER_CONNECTIONS_MAX + 7; i++)
		opened(r, 100, 1, i, 1000 + i, JOURNAL_CLIENT, 80);
	begins(r, 100, 2, LEDGER_CONNECTIONS_MAX + 7, 1, "/of-one-too-many");
	ends(r, 100, 2, 3, LEDGER_CONNECTIONS_MAX + 7, 1, 200);
	end(r);
	is_int(atoi(rows("SELECT count(*) FROM connection")), LEDGER_CONNECTIONS_MAX, "no more connections are kept than there is room for");
	is_str(rows("SELECT connection_id, status FROM exchange"), "NULL|200", "an exchange of one of the others is kept without it");
	is_str(rows("SELECT source, reason, count FROM loss"), "recorder|too_many_connections_open|8", "they are a loss");
}

static void test_any_order(void)
{
	struct recorder *r = begin(true, false);

	closed(r, 100, 9, 1, JOURNAL_PEER_CLOSE);
	ends(r, 100, 3, 5, 1, 1, 503);
	begins(r, 100, 3, 1, 1, "/late");
	inject(r, JOURNAL_ACHIEVED, 100, 5, 2, PAGE_DELAY, 310);
	inject(r, JOURNAL_INJECT, 100, 4, 2, PAGE_DELAY, UINT64_MAX);
	begins(r, 100, 4, 1, 2, "/two");
	ends(r, 100, 4, 6, 1, 2, 200);
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
	process(r, RECORDER_SHIM, 100, 1, true, 0, "orders");
	end(r);
	is_str(rows("SELECT path, status, outcome FROM exchange ORDER BY started_ns"), "/late|503|failed /two|200|ok",
	       "an end before its beginning makes one exchange");
	is_str(rows("SELECT peer, end FROM connection"), "127.0.0.1:8082|peer_close", "a close before its opening makes one connection");
	is_str(rows("SELECT service, covered FROM process"), "orders|1", "a process that speaks before it is introduced is one");
	is_str(rows("SELECT i.action, i.intended_ns, i.achieved_ns, i.ordinal, x.path, x.fault_id"
		    " FROM injection i JOIN exchange x ON x.id=i.exchange_id"),
	       "delay|300|310|5|/two|1", "an injection finds its exchange whichever comes first");
}

static void test_unknown(void)
{
	struct recorder *r = begin(true, false);
	struct journal_record rec = of((enum journal_kind)99, 100, 1, 1, 1);

	recorder_feed(r, RECORDER_SHIM, &rec);
	ends(r, 100, 3, 5, 42, 1, 200);
	ends(r, 100, 6, 7, 0, 2, 200);
	inject(r, JOURNAL_INJECT, 100, 8, 0, PAGE_HANG, UINT64_MAX);
	inject(r, JOURNAL_INJECT, 100, 8, 77, PAGE_REFUSE, UINT64_MAX);
	end(r);
	is_str(rows("SELECT connection_id IS NULL, status FROM exchange ORDER BY started_ns"), "0|200 1|200",
	       "exchanges of connections never opened, and of none, are kept");
	is_str(rows("SELECT action, exchange_id, intended_ns, achieved_ns FROM injection ORDER BY action"),
	       "hang|NULL|NULL|NULL refuse|NULL|300|NULL", "so are injections of exchanges never told of");
}

static void test_open_at_the_end(void)
{
	struct recorder *r = begin(true, false);
	struct journal_record sent = exchange(JOURNAL_BEGIN, 100, 3, 1, 1);

	sent.x.sent_ns = MS(4);
	recorder_feed(r, RECORDER_SHIM, &sent);
	begins(r, 100, 5, 1, 2, "/ours");
	inject(r, JOURNAL_INJECT, 100, 5, 2, PAGE_STATUS, UINT64_MAX);
	begins(r, 100, 6, 1, 5, "/leaving");
	sent.pid = 200;
	sent.exchange = 3;
	recorder_feed(r, RECORDER_SHIM, &sent);
	sent.pid = 300;
	sent.exchange = 4;
	sent.x.role = JOURNAL_SERVER;
	sent.x.sent_ns = 0;
	recorder_feed(r, RECORDER_SHIM, &sent);
	opened(r, 200, 1, 2, 5, JOURNAL_CLIENT, 80);
	recorder_process_end(r, 200, MS(50), 128 + SIGKILL);
	struct journal_record leave = of(JOURNAL_EXIT, 300, 60, 0, 0);

	recorder_feed(r, RECORDER_SHIM, &leave);
	end(r);
	is_str(rows("SELECT outcome, error, ended_ns FROM exchange WHERE process_id=(SELECT id FROM process WHERE pid=100) ORDER BY started_ns"),
	       "indeterminate|open|NULL not_sent|open|NULL indeterminate|open|NULL",
	       "what is open at the end is stored: indeterminate if its request may have left");
	is_str(rows("SELECT outcome, error, (exchange.ended_ns-%llu)/1000000 FROM exchange JOIN process p ON p.id=process_id WHERE pid=200",
		    (unsigned long long)t0),
	       "indeterminate|killed|50", "a killed process ends its exchanges");
	is_str(rows("SELECT outcome, error FROM exchange JOIN process p ON p.id=process_id WHERE pid=300"), "indeterminate|closed",
	       "one that exits closes them; a request that a server had is never called not sent");
	is_str(rows("SELECT end FROM connection WHERE cookie=5"), "exited", "its connections end with it");
	is_str(rows("SELECT exit_status FROM process WHERE pid=200"), "137", "its exit status is stored");
}

static void test_killed_late_words(void)
{
	struct recorder *r = begin(true, false);

	begins(r, 100, 3, 1, 1, "/x");
	recorder_process_end(r, 100, MS(50), -1);
	recorder_flush(r);
	ends(r, 100, 3, 49, 1, 1, 200);
	end(r);
	is_str(rows("SELECT status, outcome FROM exchange"), "200|ok", "what a process said before its end counts, also when it is heard after");
}

static void test_pid_reuse(void)
{
	struct recorder *r = begin(true, false);
	struct journal_record leave = of(JOURNAL_EXIT, 100, 20, 0, 0);

	process(r, RECORDER_SHIM, 100, 1, true, 0, "first");
	ends(r, 100, 3, 5, 1, 1, 200);
	recorder_feed(r, RECORDER_SHIM, &leave);
	process(r, RECORDER_SHIM, 100, 1, true, 30, "second");
	ends(r, 100, 33, 35, 2, 2, 201);
	process(r, RECORDER_SHIM, 100, 1, false, 40, "third");
	process(r, RECORDER_SHIM, 100, 1, false, 50, "fourth");
	end(r);
	is_str(rows("SELECT service FROM process ORDER BY id"), "first third fourth",
	       "a number used again is another process; a fork is not, until the same number forks again");
	is_str(rows("SELECT p.id, x.status FROM exchange x JOIN process p ON p.id=process_id ORDER BY x.id"), "1|200 2|201",
	       "exchanges belong to the one that lived then");
}

static void test_hostile_text(void)
{
	struct recorder *r = begin(true, false);

	process(r, RECORDER_SHIM, 100, 1, true, 0, "svc\xff\x80");
	begins(r, 100, 3, 1, 1, "/\xc3\xa9\xc3(\xed\xa0\x80'\";--\x1b[31m");
	ends(r, 100, 3, 5, 1, 1, 200);
	struct journal_record rec = exchange(JOURNAL_END, 100, 6, 1, 2);

	memset(rec.x.path, 0xff, sizeof(rec.x.path));
	memset(rec.x.method, 'M', sizeof(rec.x.method));
	recorder_feed(r, RECORDER_SHIM, &rec);
	end(r);
	is_str(rows("SELECT path FROM exchange WHERE method='GET'"), "/\xc3\xa9\\xc3(\\xed\\xa0\\x80'\";--\x1b[31m",
	       "bytes that are no UTF-8 are stored escaped, the rest as it is");
	is_str(rows("SELECT length(path), length(method) FROM exchange WHERE method!='GET'"), "1368|23",
	       "texts without an end are bounded, and nothing of them is lost");
	is_str(rows("SELECT service FROM process"), "svc\\xff\\x80", "names as well");
}

static void test_shared_socket(void)
{
	struct recorder *r = begin(true, false);

	opened(r, 100, 1, 1, 77, JOURNAL_SERVER, 5555);
	opened(r, 101, 2, 2, 77, JOURNAL_SERVER, 5555);
	closed(r, 100, 3, 1, JOURNAL_LOCAL_CLOSE);
	ends(r, 101, 4, 5, 2, 9, 200);
	closed(r, 101, 8, 2, JOURNAL_PEER_CLOSE);
	end(r);
	is_str(rows("SELECT count(*), end, (closed_ns-%llu)/1000000 FROM connection", (unsigned long long)t0), "1|peer_close|8",
	       "a socket shared by fork is one connection, which ends with its last user");
	is_str(rows("SELECT p.pid FROM exchange x JOIN process p ON p.id=x.process_id"), "101", "its exchanges are the user's who made them");
}

static void test_cookie_known_late(void)
{
	struct recorder *r = begin(true, false);

	opened(r, 100, 1, 1, 0, JOURNAL_CLIENT, 80);
	ends(r, 100, 2, 3, 1, 1, 200);
	opened(r, 101, 4, 2, 88, JOURNAL_CLIENT, 80);
	recorder_flush(r);
	connected(r, 100, 5, 1, 88, 0);
	end(r);
	is_str(rows("SELECT count(*), (SELECT count(*) FROM exchange JOIN connection c ON c.id=connection_id) FROM connection"), "1|1",
	       "two that turn out to be one are merged, also in the file");
}

static void test_refused(void)
{
	struct recorder *r = begin(true, false);

	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 80);
	connected(r, 100, 2, 1, 77, ECONNREFUSED);
	struct journal_record rec = exchange(JOURNAL_END, 100, 1, 1, 1);

	rec.x.outcome = JOURNAL_NOT_SENT;
	rec.x.error = ECONNREFUSED;
	rec.x.ended_ns = MS(2);
	recorder_feed(r, RECORDER_SHIM, &rec);
	closed(r, 100, 3, 1, JOURNAL_LOCAL_CLOSE);
	rec.exchange = 2;
	rec.x.error = JOURNAL_EOF;
	recorder_feed(r, RECORDER_SHIM, &rec);
	rec.exchange = 3;
	rec.x.error = 4095;
	recorder_feed(r, RECORDER_SHIM, &rec);
	end(r);
	is_str(rows("SELECT end, connected_ns FROM connection"), "refused|NULL", "a refused connection stays refused when it is closed");
	is_str(rows("SELECT outcome, error FROM exchange ORDER BY id"), "not_sent|ECONNREFUSED not_sent|eof not_sent|E4095",
	       "errors have their names");
}

/* ---- two witnesses ---- */

static void both_see_connection(struct recorder *r)
{
	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_CLIENT, 8082);
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
}

static void resolved(struct recorder *r, const char *name, uint16_t name_port, struct addr address)
{
	struct journal_record rec = of(JOURNAL_RESOLVED, 5, 1, 0, 0);

	addr_from_name(&rec.conn.local, name, name_port);
	rec.conn.peer = address;
	recorder_feed(r, RECORDER_SHIM, &rec);
}

static void test_names_of_hosts(void)
{
	struct recorder *r = begin(true, false);
	struct journal_record rec = of(JOURNAL_OPEN, 5, 1, 1, 0);
	struct addr six;

	addr_from_ip(&six, 6, (const uint8_t[16]){[15] = 1}, 0);
	resolved(r, "api.test", 0, ip4(0));
	resolved(r, "api.test", 0, ip4(0));
	resolved(r, "api.test", 0, six);
	resolved(r, "api.test", 80, ip4(0));
	resolved(r, "", 0, ip4(0));
	addr_from_name(&rec.conn.peer, "api.test", 8080);
	rec.conn.role = JOURNAL_CLIENT;
	recorder_feed(r, RECORDER_SHIM, &rec);
	connected(r, 5, 2, 1, 0, JOURNAL_EAI + EAI_AGAIN);
	closed(r, 5, 2, 1, JOURNAL_RESET);
	end(r);
	is_str(rows("SELECT name, address FROM host ORDER BY address"), "api.test|127.0.0.1 api.test|[::1]", "each address of a name once, without a port");
	is_str(rows("SELECT family, peer, connected_ns, end FROM connection"), "name|api.test:8080|NULL|unresolved",
	       "a connection to a name that was not resolved");
}

static void test_join(void)
{
	struct recorder *r = begin(true, true);

	both_see_connection(r);
	for (unsigned i = 0; i < 3; i++) {
		begins(r, 100, 10 * i + 2, KERNEL | 1, KERNEL | (i + 1), "/a");
		ends(r, 100, 10 * i + 2, 10 * i + 5, KERNEL | 1, KERNEL | (i + 1), 200);
		begins(r, 100, 10 * i + 1.9, 1, i + 1, "/a");
		ends(r, 100, 10 * i + 1.9, 10 * i + 9, 1, i + 1, 200);
	}
	end(r);
	is_str(rows("SELECT sources, (ended_ns-%llu)/1000000 FROM exchange ORDER BY started_ns", (unsigned long long)t0),
	       "shim,ebpf|9 shim,ebpf|19 shim,ebpf|29", "exchanges seen by both are there once, with the times that the program saw");
	is_str(rows("SELECT count(*), sources FROM connection"), "1|shim,ebpf", "so is their connection");
}

static void test_synthetic(void)
{
	struct recorder *r = begin(true, true);
	struct journal_record rec = exchange(JOURNAL_END, 100, 2, 1, 1);

	both_see_connection(r);
	rec.x.synthetic = 1;
	rec.x.status = 429;
	rec.x.outcome = JOURNAL_FAILED;
	rec.x.ended_ns = MS(3);
	rec.x.fault_id = 1;
	begins(r, 100, 2, 1, 1, "/a");
	inject(r, JOURNAL_INJECT, 100, 2, 1, PAGE_STATUS, UINT64_MAX);
	recorder_feed(r, RECORDER_SHIM, &rec);
	begins(r, 100, 4, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 4, 5, KERNEL | 1, KERNEL | 1, 200);
	begins(r, 100, 3.9, 1, 2, "/a");
	ends(r, 100, 3.9, 5, 1, 2, 200);
	end(r);
	is_str(rows("SELECT status, synthetic, sources, sent_ns IS NULL FROM exchange ORDER BY started_ns"),
	       "429|1|shim|1 200|0|shim,ebpf|0", "an answer of ours is the library's alone, the next exchange is both's");
}

static void test_synthetic_pipelined(void)
{
	struct recorder *r = begin(true, true);

	both_see_connection(r);
	begins(r, 100, 2, 1, 1, "/a");
	inject(r, JOURNAL_INJECT, 100, 2, 1, PAGE_STATUS, UINT64_MAX);
	begins(r, 100, 2.1, 1, 2, "/a");
	begins(r, 100, 2.2, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 2.2, 5, KERNEL | 1, KERNEL | 1, 200);
	recorder_flush(r);
	ends(r, 100, 2.1, 6, 1, 2, 200);
	end(r);
	is_str(rows("SELECT outcome, error, sources FROM exchange ORDER BY started_ns"), "not_sent|open|shim ok|NULL|shim,ebpf",
	       "while an answer of ours is on its way the kernel's exchange is that of the next request");
}

static void test_only_kernel(void)
{
	struct recorder *r = begin(true, true);
	struct journal_record leave = of(JOURNAL_EXIT, 500, 30, 0, 0);

	process(r, RECORDER_EBPF, 500, 1, true, 0, "goserver");
	opened(r, 500, 1, KERNEL | 1, 99, JOURNAL_SERVER, 50000);
	begins(r, 500, 2, KERNEL | 1, KERNEL | 1, "/k");
	ends(r, 500, 2, 3, KERNEL | 1, KERNEL | 1, 200);
	recorder_feed(r, RECORDER_EBPF, &leave);
	end(r);
	is_str(rows("SELECT path, sources FROM exchange"), "/k|ebpf", "what only the kernel saw is there, and says so");
	is_str(rows("SELECT service, covered, why FROM process"), "goserver|0|the library was not loaded into it",
	       "its process is not covered, with the reason");
}

static void test_lost_by_the_kernel(void)
{
	struct recorder *r = begin(true, true);

	both_see_connection(r);
	for (unsigned i = 1; i <= 3; i++) {
		begins(r, 100, 10 * i, 1, i, "/a");
		ends(r, 100, 10 * i, 10 * i + 2, 1, i, 200);
	}
	begins(r, 100, 10, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 10, 12, KERNEL | 1, KERNEL | 1, 200);
	begins(r, 100, 30, KERNEL | 1, KERNEL | 3, "/a");
	ends(r, 100, 30, 32, KERNEL | 1, KERNEL | 3, 200);
	end(r);
	is_str(rows("SELECT sources FROM exchange ORDER BY started_ns"), "shim,ebpf shim shim,ebpf",
	       "an exchange that the kernel's witness lost does not shift the others");
}

static void test_refusal_seen_twice(void)
{
	struct recorder *r = begin(true, true);
	struct journal_record rec = exchange(JOURNAL_END, 100, 1, 1, 1);

	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_CLIENT, 60001);	/* the stand-in that the fault connected to */
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
	rec.x.outcome = JOURNAL_NOT_SENT;
	rec.x.error = ECONNREFUSED;
	rec.x.ended_ns = MS(2);
	recorder_feed(r, RECORDER_SHIM, &rec);
	rec.exchange = rec.connection = KERNEL | 1;
	recorder_feed(r, RECORDER_EBPF, &rec);
	end(r);
	is_str(rows("SELECT outcome, error, sources FROM exchange"), "not_sent|ECONNREFUSED|shim,ebpf", "a failed connect seen by both is one");
	is_str(rows("SELECT peer FROM connection"), "127.0.0.1:8082", "with the peer that the program meant");
}

static void test_killed_but_kernel_knows(void)
{
	struct recorder *r = begin(true, true);

	both_see_connection(r);
	begins(r, 100, 2, 1, 1, "/a");
	begins(r, 100, 2, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 2, 4, KERNEL | 1, KERNEL | 1, 200);
	begins(r, 100, 12, 1, 2, "/b");
	struct journal_record rec = exchange(JOURNAL_BEGIN, 100, 12, KERNEL | 1, KERNEL | 2);

	rec.x.sent_ns = MS(13);
	recorder_feed(r, RECORDER_EBPF, &rec);
	recorder_process_end(r, 100, MS(20), 137);
	end(r);
	is_str(rows("SELECT path, status, outcome, error, sources FROM exchange ORDER BY started_ns"),
	       "/a|200|ok|NULL|shim,ebpf /b|NULL|indeterminate|killed|shim,ebpf",
	       "what the library of a killed process could not tell, the kernel's witness does");
}

static void test_closed_by_death(void)
{
	struct recorder *r = begin(true, true);
	struct journal_record rec = exchange(JOURNAL_END, 500, 2, KERNEL | 1, KERNEL | 1);

	rec.x.error = JOURNAL_CLOSED;
	rec.x.outcome = JOURNAL_INDETERMINATE;
	rec.x.ended_ns = MS(20);
	recorder_feed(r, RECORDER_EBPF, &rec);
	rec.exchange = KERNEL | 2;
	rec.x.started_ns = MS(4);
	rec.x.ended_ns = MS(-100);
	recorder_feed(r, RECORDER_EBPF, &rec);
	recorder_process_end(r, 500, MS(21), 137);
	end(r);
	is_str(rows("SELECT error FROM exchange ORDER BY started_ns"), "killed closed",
	       "what the kernel closes for a killed process was not closed by the program");
}

static void test_held_back(void)
{
	struct recorder *r = begin(true, true);
	uint64_t now;

	both_see_connection(r);
	begins(r, 100, 2, 1, 1, "/a");
	begins(r, 100, 2, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 2, 4, KERNEL | 1, KERNEL | 1, 200);
	for (now = clock_now_ns(); clock_now_ns() - now < 2300 * NS_PER_MS; usleep(100000))
		recorder_flush(r);
	is_str(rows("SELECT outcome, error, ended_ns, sources FROM exchange"), "indeterminate|open|NULL|shim,ebpf",
	       "an answer that is held back is not over because the kernel has given it");
	ends(r, 100, 2, 5000, 1, 1, 200);
	recorder_flush(r);
	is_str(rows("SELECT (ended_ns-%llu)/1000000, outcome, error, sources FROM exchange", (unsigned long long)t0), "5000|ok|NULL|shim,ebpf",
	       "it is over when the program has it");
	end(r);
}

static void test_alone(void)
{
	struct recorder *r = begin(true, true);

	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_CLIENT, 8082);
	begins(r, 100, 2, KERNEL | 1, KERNEL | 1, "/a");
	ends(r, 100, 2, 4, KERNEL | 1, KERNEL | 1, 200);
	recorder_flush(r);
	is_str(rows("SELECT count(*) FROM exchange"), "0", "the kernel's exchange waits for the library's");
	recorder_flush(r);
	is_str(rows("SELECT sources FROM exchange"), "ebpf", "but not where the library has mentioned nothing by the next flush");
	opened(r, 100, 5, 1, 77, JOURNAL_CLIENT, 8082);
	begins(r, 100, 6, KERNEL | 1, KERNEL | 2, "/b");
	ends(r, 100, 6, 7, KERNEL | 1, KERNEL | 2, 200);
	recorder_flush(r);
	recorder_flush(r);
	recorder_flush(r);
	begins(r, 100, 6, 1, 2, "/b");
	ends(r, 100, 6, 7, 1, 2, 200);
	end(r);
	is_str(rows("SELECT path, sources FROM exchange ORDER BY id"), "/a|ebpf /b|shim,ebpf", "and for long where it has");
}

/* A Unix socket is nothing that the kernel's witness looks at. */
static void test_alone_by_nature(void)
{
	struct recorder *r = begin(true, true);
	struct journal_record rec = of(JOURNAL_OPEN, 100, 1, 1, 0);

	rec.conn.role = JOURNAL_CLIENT;
	rec.conn.peer.family = ADDR_UNIX;
	recorder_feed(r, RECORDER_SHIM, &rec);
	begins(r, 100, 2, 1, 1, "/a");
	ends(r, 100, 2, 4, 1, 1, 200);
	recorder_flush(r);
	recorder_flush(r);
	is_str(rows("SELECT sources FROM exchange"), "shim", "on a Unix socket the library waits for nobody");
	end(r);
}

static void test_coverage(void)
{
	struct recorder *r = begin(true, true);

	process(r, RECORDER_EBPF, 100, 1, true, 0, "sh");
	process(r, RECORDER_SHIM, 100, 1, true, 2, "sh");
	process(r, RECORDER_EBPF, 101, 100, false, 5, "sh");
	process(r, RECORDER_EBPF, 102, 100, false, 6, "sh");
	process(r, RECORDER_EBPF, 102, 100, true, 7, "goserver");
	process(r, RECORDER_SHIM, 103, 100, true, 9, "curl");
	process(r, RECORDER_EBPF, 103, 100, false, 7, "sh");
	process(r, RECORDER_EBPF, 103, 100, true, 8, "curl");
	recorder_process(r, 104, 100, "static", "static", MS(9), false, "static has no loader");
	end(r);
	is_str(rows("SELECT pid, service, covered, parent_id FROM process ORDER BY pid"),
	       "100|sh|1|NULL 101|sh|1|1 102|goserver|0|1 103|curl|1|1 104|static|0|1",
	       "a fork of a covered process is covered, what it executes only when the library says so");
	is_str(rows("SELECT why FROM process WHERE pid=104"), "static has no loader", "the reason is kept");
}

/* In namespace 77 it is process 5, here 205. The library says so first, or the kernel; or all is over when the kernel comes to it. */
static void test_two_names(void)
{
	static const char *const what[] = {"the library is heard first", "the kernel is heard first", "it ends before the kernel is heard"};
	const uint32_t apart = journal_pid_apart(77) | 5;

	for (int order = 0; order < 3; order++) {
		struct recorder *r = begin(true, true);
		struct journal_record leave = of(JOURNAL_EXIT, apart, 20, 0, 0);

		process(r, RECORDER_EBPF, 100, 1, true, 0, "unshare");
		if (order != 1)
			process(r, RECORDER_SHIM, apart, 0, true, 3, "inner");
		if (order == 2)
			recorder_feed(r, RECORDER_SHIM, &leave);
		recorder_process_inside(r, 205, 5, 77, true);
		process(r, RECORDER_EBPF, 205, 100, false, 1, "unshare");
		recorder_process_inside(r, 205, 5, 77, false);
		process(r, RECORDER_EBPF, 205, 100, true, 2, "inner");
		if (order == 1)
			process(r, RECORDER_SHIM, apart, 0, true, 3, "inner");
		ends(r, apart, 4, 6, 1, 1, 200);
		end(r);
		is_str(rows("SELECT pid, inner_pid, pid_ns, parent_id, service, covered FROM process ORDER BY id"),
		       "100|NULL|NULL|NULL|unshare|0 205|5|77|1|inner|1", "%s: it is one process with both pids", what[order]);
		is_str(rows("SELECT process_id FROM exchange"), "2", "%s: which its exchange belongs to", what[order]);
	}
}

static void test_two_names_again(void)
{
	struct recorder *r = begin(true, true);
	const uint32_t apart = journal_pid_apart(77) | 5;

	for (uint32_t pid = 205; pid < 207; pid++) {
		recorder_process_inside(r, pid, 5, 77, true);
		process(r, RECORDER_EBPF, pid, 100, false, pid, "inner");
		process(r, RECORDER_SHIM, apart, 0, true, pid + 1, "inner");
		ends(r, apart, pid, pid + 1, pid, pid, 200);
		if (pid == 205)
			recorder_process_end(r, pid, MS(pid + 1.5), 0);
	}
	recorder_process_inside(r, 206, 9, 78, true);	/* that the first 206 has ended was not told */
	process(r, RECORDER_EBPF, 206, 100, false, 300, "other");
	end(r);
	is_str(rows("SELECT id, pid, inner_pid, pid_ns, ended_ns IS NULL FROM process ORDER BY id"), "1|205|5|77|0 2|206|5|77|0 3|206|9|78|1",
	       "a pid used again, there or here, is another process");
	is_str(rows("SELECT process_id FROM exchange ORDER BY started_ns"), "1 2", "and each has its own exchanges");
}

/* ---- the other tables ---- */

static void test_facts_of_sockets(void)
{
	struct recorder *r = begin(false, true);
	struct recorder_socket s = {.cookie = 41, .retransmits = 2}, nobody = {.cookie = 99, .bytes_unseen = 5};

	opened(r, 10, 1, KERNEL | 1, 41, JOURNAL_CLIENT, 80);
	opened(r, 10, 1, KERNEL | 2, 42, JOURNAL_CLIENT, 80);
	ok(!recorder_socket(r, &s), "nothing of it went unseen");
	closed(r, 10, 5, KERNEL | 1, JOURNAL_LOCAL_CLOSE);
	recorder_flush(r);
	s = (struct recorder_socket){.cookie = 41, .retransmits = 1, .bytes_unseen = 7};
	ok(recorder_socket(r, &s), "now something did");
	ok(!recorder_socket(r, &s), "which is said once");
	ok(!recorder_socket(r, &nobody), "of a socket that no one knows nothing is kept");
	end(r);
	is_str(rows("SELECT cookie, retransmits, bytes_unseen FROM connection ORDER BY id"), "41|2|7 42|NULL|NULL",
	       "what the kernel counts stands with the connection, also when it comes after its end");
}

static void test_held_by_others(void)
{
	struct recorder *r = begin(false, true);

	process(r, RECORDER_EBPF, 10, 1, true, 0, "holder");
	opened(r, 10, 1, KERNEL | 1, 41, JOURNAL_CLIENT, 80);
	recorder_process_end(r, 10, MS(5), 0);
	for (int i = 0; i < 7; i++) {
		usleep(100000);
		recorder_flush(r);
	}
	is_str(rows("SELECT ifnull(end, 'open') FROM connection"), "open", "the end of its opener does not end a connection that the kernel knows");
	closed(r, 10, 900, KERNEL | 1, JOURNAL_PEER_CLOSE);
	end(r);
	is_str(rows("SELECT end FROM connection"), "peer_close", "the kernel tells how it ends");
}

static int byte_at(long offset)
{
	FILE *f = fopen(path, "r");
	int c = f && !fseek(f, offset, SEEK_SET) ? fgetc(f) : -1;

	fclose(f);
	return c;
}

static void test_tables(void)
{
	struct recorder *r = begin(true, false);

	recorder_fault(r, 1, "payments-429", "{\"status\":429}");
	recorder_fault_counts(r, 1, 5, 2);
	recorder_fault_counts(r, 1, 9, 3);
	recorder_loss(r, "shim", "journal_full", 0);
	recorder_loss(r, "ebpf", "ring_full", 5);
	recorder_loss(r, "ebpf", "ring_full", 8);
	recorder_latency(r, 3, 100, "recv", "private", EAGAIN, 4096, 10, 30000);
	recorder_mark(r, MS(5), "fault on");
	recorder_note(r, "exit_status", "7");
	recorder_sources(r, true, true);
	end(r);
	is_str(rows("SELECT * FROM fault"), "1|payments-429|{\"status\":429}|9|3", "a fault has its last counters");
	is_str(rows("SELECT * FROM loss"), "ebpf|ring_full|8", "a loss has its last total; none is no row");
	is_str(rows("SELECT second, syscall, peer, error, bucket_ns, count, sum_ns FROM syscall_latency"), "3|recv|private|11|4096|10|30000",
	       "a bucket of latency is stored");
	is_str(rows("SELECT name FROM mark"), "fault on", "a mark too");
	is_str(rows("SELECT key, value FROM run WHERE key IN ('exit_status','sources','seed','name') ORDER BY key"),
	       "exit_status|7 name|test seed|7 sources|[\"shim\",\"ebpf\"]", "and the facts of the run");
	is_str(rows("SELECT value GLOB '20[0-9][0-9]-*T*:*:*.*Z' FROM run WHERE key='started'"), "1", "its start is in UTC, ISO 8601");
	is_str(rows("SELECT count(*), min(json_array_length(value)), max(value->>0) > 1700000000000000000, max(value->>2) >= max(value->>1) FROM run"
		    " WHERE key IN ('clocks_start', 'clocks_end')"), "2|3|1|1", "what its three clocks said at both ends is kept");
	is_str(rows("SELECT a.value->>0 <= b.value->>0 AND a.value->>1 < b.value->>1 AND a.value->>2 < b.value->>2 FROM run a, run b"
		    " WHERE a.key = 'clocks_start' AND b.key = 'clocks_end'"), "1", "and they went on");
	is_int(byte_at(18), 2, "the file is in WAL mode");	/* sqlite.org/fileformat.html, 1.3.3 */
}

static void test_names(void)
{
	is_int(LEDGER_ACTION_STATUS, PAGE_STATUS, "the recorder and the page mean the same by `status`");
	is_str(names_action(PAGE_RESET), "reset", "reset is called so");
	is_str(names_action(PAGE_RESOLVE), "resolve", "resolve too");
	is_str(names_action(1u << 20), NULL, "an unknown action has no name");
}

/* ---- the file ---- */

static const char *refusal(const char *where)
{
	static char error[1024];
	struct recorder_run run = {.path = where, .name = "n", .command = "c", .plan_json = "{}", .started_ns = 1, .shim = true};
	struct recorder *r = NULL;

	*error = '\0';
	if (!recorder_open(&r, &run, error, sizeof(error)))
		recorder_close(r, true, 2);
	return error;
}

static void write_file(const char *where, const char *text)
{
	FILE *f = fopen(where, "w");

	fputs(text, f);
	fclose(f);
}

static void test_refusals(void)
{
	char other[128], want[512];
	struct stat st;

	snprintf(other, sizeof(other), "%s/notes.txt", dir);
	write_file(other, "dear diary, this is a text of some length that is certainly not a database of any kind, see?\n");
	snprintf(want, sizeof(want), "'%s' exists and is not an aftershock run file; give another -o", other);
	is_str(refusal(other), want, "another file is not overwritten");
	stat(other, &st);
	ok(st.st_size > 80, "and left as it was");
	is_str(refusal("/dev/null"), "'/dev/null' exists and is not an aftershock run file; give another -o", "a device neither");
	ok(strstr(refusal(dir), "Is a directory"), "a directory is refused as such");
	snprintf(other, sizeof(other), "%s/link", dir);
	snprintf(want, sizeof(want), "'%s' is a symbolic link; give the name of a file itself with -o", other);
	is_int(symlink("run.db", other), 0, "(a link)");
	is_str(refusal(other), want, "a link is neither replaced nor followed, wherever it leads");
	is_int(unlink(other) || symlink("notes.txt", other), 0, "(to a file that is there)");
	is_str(refusal(other), want, "nor to a file that is there");
	snprintf(other, sizeof(other), "%s/none/run.db", dir);
	snprintf(want, sizeof(want), "cannot write the run file '%s': there is no directory '%s/none'", other, dir);
	is_str(refusal(other), want, "so is a missing one");
	snprintf(other, sizeof(other), "%s/empty", dir);
	write_file(other, "");
	is_str(refusal(other), "", "an empty file (mktemp) may be used");
	stat(other, &st);
	is_int(st.st_mode & 0777, 0600, "the run file is its owner's alone");
	is_str(refusal(other), "", "a run file may be replaced");
	is_str(refusal(""), "cannot write the run file '': No such file or directory", "a name must be given");
}

static void test_in_use(void)
{
	struct recorder *r = begin(true, false);

	ok(strstr(refusal(path), "is being written by another aftershock"), "a file that another run writes is not taken from it");
	ends(r, 100, 1, 2, 1, 1, 200);
	end(r);
	is_str(rows("SELECT count(*) FROM exchange"), "1", "and that run goes on");
}

static void test_killed_recorder(void)
{
	pid_t pid = fork();

	if (!pid) {
		struct recorder *r = begin(true, false);

		for (unsigned i = 1; i <= 1000; i++)
			begins(r, 100, i, 1, i, "/a"), ends(r, 100, i, i + 1, 1, i, 200);
		recorder_flush(r);
		for (unsigned i = 1001; i <= 2000; i++)
			begins(r, 100, i, 1, i, "/a"), ends(r, 100, i, i + 1, 1, i, 200);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	is_str(rows("SELECT count(*) FROM exchange"), "1000", "a killed recorder leaves a file with all that was flushed");
	is_str(rows("SELECT count(*) FROM run WHERE key='clean_end'"), "0", "that does not say it was closed");
	is_str(rows("PRAGMA integrity_check"), "ok", "and is sound");
	is_str(refusal(path), "", "and can be replaced, log and all");
	is_str(rows("SELECT count(*) FROM exchange"), "0", "with nothing of the old one");
}

static void test_killed_recorder_open(void)
{
	pid_t pid = fork();

	if (!pid) {
		struct recorder *r = begin(true, true);

		both_see_connection(r);
		begins(r, 100, 2, KERNEL | 1, KERNEL | 1, "/hangs");
		begins(r, 100, 2, 1, 1, "/hangs");
		inject(r, JOURNAL_INJECT, 100, 3, 2, PAGE_HANG, UINT64_MAX);
		opened(r, 100, 3, 2, 78, JOURNAL_CLIENT, 8083);
		ends(r, 100, 3, 4, 2, 3, 200);	/* waits for the kernel's view of it */
		recorder_flush(r);
		begins(r, 100, 4, 1, 2, "/late");
		recorder_flush(r);
		begins(r, 100, 6, 1, 4, "/young");
		recorder_flush(r);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	is_str(rows("SELECT path, status, outcome, error, sources FROM exchange ORDER BY started_ns"),
	       "/hangs|NULL|indeterminate|open|shim,ebpf NULL|200|ok|NULL|shim /late|NULL|indeterminate|open|shim",
	       "a killed recorder leaves also what was under way for two flushes, or waited");
	is_str(rows("SELECT x.path FROM injection i JOIN exchange x ON x.id = exchange_id"), "/late", "with what was done to it");
	is_str(rows("SELECT error FROM exchange x JOIN connection c ON c.id = connection_id JOIN process p ON p.id = x.process_id WHERE path = '/hangs'"),
	       "open", "on its connection");
	is_str(rows("PRAGMA integrity_check"), "ok", "in a file that is sound");
}

/* A row is written again when there is more to say. */
static void test_shown(void)
{
	struct recorder *r = begin(true, true);

	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_CLIENT, 8082);
	begins(r, 100, 2, KERNEL | 1, KERNEL | 1, "/joined");
	begins(r, 100, 2, KERNEL | 2, KERNEL | 2, "/kernel");
	begins(r, 100, 2, 3, 3, "/both");
	begins(r, 100, 2, KERNEL | 3, KERNEL | 3, "/both");
	for (unsigned i = 0; i < 4; i++)
		recorder_flush(r);
	is_str(rows("SELECT count(*), sum(error = 'open') FROM exchange"), "4|4", "what goes on is there");
	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
	begins(r, 100, 2, 1, 1, "/joined");
	inject(r, JOURNAL_INJECT, 100, 3, 1, PAGE_DELAY, UINT64_MAX);
	recorder_flush(r);
	recorder_flush(r);
	is_str(rows("SELECT path FROM injection i JOIN exchange x ON x.id = exchange_id"), "/joined", "a fault that fires then is its own");
	ends(r, 100, 2, 5, KERNEL | 1, KERNEL | 1, 200);
	ends(r, 100, 2, 6, 1, 1, 200);
	opened(r, 100, 1, 3, 79, JOURNAL_CLIENT, 8082);
	opened(r, 100, 1, KERNEL | 3, 79, JOURNAL_CLIENT, 8082);
	ends(r, 100, 2, 5, KERNEL | 3, KERNEL | 3, 201);
	ends(r, 100, 2, 6, 3, 3, 201);
	recorder_flush(r);
	is_str(rows("SELECT path, status, sources, fault_id FROM exchange WHERE error IS NULL ORDER BY path"),
	       "/both|201|shim,ebpf|NULL /joined|200|shim,ebpf|1", "its end takes the place of that");
	end(r);
	is_str(rows("SELECT path, error, method, (started_ns-%llu)/1000000 FROM exchange ORDER BY path", (unsigned long long)t0),
	       "/both|NULL|GET|2 /joined|NULL|GET|2 /kernel|open|GET|2", "each is there once");
}

static void test_disk_full(void)
{
	struct rlimit limit = {1 << 20, 1 << 20};
	int to_parent[2], n = 0;
	char said[256] = "";
	pid_t pid;

	if (pipe(to_parent))
		return;
	pid = fork();
	if (!pid) {
		struct recorder *r;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		r = begin(true, false);
		for (unsigned i = 1; i <= 100000 && !recorder_error(r); i++) {
			begins(r, 100, i, 1, i, "/a/path/of/some/length/to/fill/the/disk");
			ends(r, 100, i, i + 1, 1, i, 200);
			if (i % 1000 == 0)
				recorder_flush(r);
		}
		if (recorder_error(r) && write(to_parent[1], recorder_error(r), strlen(recorder_error(r))) < 0)
			_exit(1);
		ends(r, 100, 1, 2, 1, 777777, 200);	/* feeding goes on without effect */
		recorder_flush(r);
		_exit(recorder_close(r, true, 2) == -EIO ? 0 : 2);
	}
	close(to_parent[1]);
	n = (int)read(to_parent[0], said, sizeof(said) - 1);
	close(to_parent[0]);
	waitpid(pid, &n, 0);
	is_int(n, 0, "a full disk ends recording, not the recorder");
	ok(strstr(said, path) && strstr(said, "cannot write"), "one sentence says so: %s", said);
	is_str(rows("PRAGMA integrity_check"), "ok", "the file is sound");
	ok(atoi(rows("SELECT count(*) FROM exchange")) > 1000, "and has what fitted");
	is_str(rows("SELECT count(*) FROM run WHERE key='clean_end'"), "0", "it does not claim a clean end");
}

/* ---- much ---- */

static double feed_many(unsigned count, bool both)
{
	struct recorder *r = begin(true, both);
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	both_see_connection(r);
	for (unsigned i = 1; i <= count; i++) {
		if (both) {
			begins(r, 100, i, KERNEL | 1, KERNEL | i, "/api/v1/orders");
			ends(r, 100, i, i + 0.5, KERNEL | 1, KERNEL | i, 200);
		}
		begins(r, 100, i, 1, i, "/api/v1/orders");
		ends(r, 100, i, i + 0.5, 1, i, 200);
		if (i % 10000 == 0)
			recorder_flush(r);
	}
	end(r);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return count / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static void test_throughput(void)
{
	double one = feed_many(200000, false), two;

	is_str(rows("SELECT count(*) FROM exchange"), "200000", "many exchanges are all there");
	two = feed_many(100000, true);
	is_str(rows("SELECT count(*), sum(sources='shim,ebpf') FROM exchange"), "100000|100000", "and all joined when both saw them");
	printf("# exchanges per second of CPU: %.0f with one witness, %.0f with two\n", one, two);
	ok(one > 10000 && two > 5000, "at more than a crawl");
}

/* From beginning to end in one record. */
static void tells(struct recorder *r, uint32_t pid, double from, double to, uint64_t connection, uint64_t serial, const char *what, int status)
{
	struct journal_record rec = exchange(JOURNAL_WHOLE, pid, from, connection, serial);

	strcpy(rec.x.method, "GET");
	snprintf(rec.x.path, sizeof(rec.x.path), "%s", what);
	rec.x.sent_ns = MS(from + 1);
	rec.x.first_byte_ns = rec.x.ended_ns = MS(to);
	rec.x.status = (uint16_t)status;
	rec.x.outcome = JOURNAL_OK;
	recorder_feed(r, source_of(serial), &rec);
}

static void test_whole(void)
{
	struct recorder *r = begin(true, false);

	opened(r, 100, 1, 1, 77, JOURNAL_CLIENT, 8082);
	tells(r, 100, 2, 5, 1, 1, "/a", 200);
	begins(r, 100, 6, 1, 2, "");	/* told by its first bytes, then by its head */
	tells(r, 100, 6, 9, 1, 2, "/b", 204);
	recorder_flush(r);
	is_str(rows("SELECT path, status FROM exchange ORDER BY id"), "/a|200 /b|204", "what is told at once is in the file with the next flush");
	end(r);
	is_str(rows("SELECT count(*), min(method), max(outcome), sum(error IS NULL) FROM exchange"), "2|GET|ok|2", "each is one row");
	is_str(rows("SELECT x.sources, c.sources, c.peer FROM exchange AS x JOIN connection AS c ON c.id = connection_id LIMIT 1"),
	       "shim|shim|127.0.0.1:8082", "with its connection");
	r = begin(true, true);
	both_see_connection(r);
	tells(r, 100, 2, 5, 1, 1, "/a", 200);
	tells(r, 100, 2, 5, KERNEL | 1, KERNEL | 1, "/a", 200);
	end(r);
	is_str(rows("SELECT path, sources FROM exchange"), "/a|shim,ebpf", "where there are two witnesses each waits for the other");
}

/* ---- which inbound exchange an outbound one was made for ---- */

/* An exchange of process 100 on a thread, with a request id or without (0); its path is its serial. to 0: only its beginning. */
static void call(struct recorder *r, enum journal_kind kind, enum journal_role role, uint32_t tid, uint64_t id, double from, double to, uint64_t serial)
{
	struct journal_record rec = exchange(kind, 100, from, (serial & KERNEL) | (uint64_t)role, serial);

	rec.tid = tid;
	rec.x.role = role;
	rec.x.correlation = id;
	rec.x.sent_ns = role == JOURNAL_CLIENT ? MS(from) : 0;
	rec.x.ended_ns = to ? MS(to) : 0;
	rec.x.outcome = JOURNAL_OK;
	strcpy(rec.x.method, "GET");
	snprintf(rec.x.path, sizeof(rec.x.path), "%llu", (unsigned long long)(serial & ~KERNEL));
	recorder_feed(r, source_of(serial), &rec);
}

#define SERVES(...) call(r, JOURNAL_BEGIN, JOURNAL_SERVER, __VA_ARGS__)
#define ANSWERS(...) call(r, JOURNAL_END, JOURNAL_SERVER, __VA_ARGS__)
#define ASKS(...) call(r, JOURNAL_BEGIN, JOURNAL_CLIENT, __VA_ARGS__)
#define GETS(...) call(r, JOURNAL_END, JOURNAL_CLIENT, __VA_ARGS__)

static const char *parents(void)
{
	return rows("SELECT x.path, p.path, x.parent_tier FROM exchange x LEFT JOIN exchange p ON p.id = x.parent_id"
		    " WHERE x.role = 'client' ORDER BY x.path + 0");
}

static void test_parents(void)
{
	struct recorder *r = begin(true, false);

	ASKS(7, 0, 1, 0, 10);	/* before anything came in */
	SERVES(7, 0xa, 2, 0, 1);
	SERVES(8, 0xb, 2, 0, 2);
	ASKS(7, 0, 3, 0, 11);
	ASKS(9, 0xa, 3, 0, 12);	/* handed to another thread, with the id */
	ASKS(8, 0xa, 3, 0, 13);	/* a thread that works for another by now: the id knows */
	ASKS(9, 0, 3, 0, 14);
	ASKS(8, 0xc, 3, 0, 15);	/* an id of its own */
	SERVES(8, 0, 4, 0, 3);
	ASKS(8, 0, 5, 0, 16);	/* two in work there */
	ANSWERS(8, 0xb, 2, 6, 2);
	ASKS(8, 0, 7, 0, 17);
	ASKS(9, 0xb, 9, 0, 18);	/* soon after the answer */
	ASKS(9, 0xb, 12, 0, 19);	/* late after it */
	ASKS(8, 0, 13, 0, 20);
	ASKS(8, 0, 14, 0, 21);
	SERVES(9, 0xa, 15, 0, 4);	/* the same id comes in again: the latest counts */
	ASKS(9, 0xa, 16, 0, 22);
	end(r);
	is_str(parents(), "10|NULL|NULL 11|1|nesting 12|1|id 13|1|id 14|NULL|NULL 15|2|nesting 16|NULL|NULL 17|3|nesting 18|2|id 19|NULL|NULL "
			  "20|3|nesting 21|3|nesting 22|4|id",
	       "a parent is known by its request id, else by being the only one in work on the thread, else not");
}

/* Serves request i at 10 * i on thread 7, asks for it there, and answers on `answers`. */
static void serves_over(struct recorder *r, unsigned i, uint32_t answers)
{
	struct journal_record rec = exchange(JOURNAL_END, 100, 10.0 * i, JOURNAL_SERVER, i);

	SERVES(7, 0, 10.0 * i, 0, i);
	ASKS(7, 0, 10.0 * i + 1, 0, 100 + i);
	GETS(7, 0, 10.0 * i + 1, 10.0 * i + 2, 100 + i);
	rec.tid = 7;
	rec.x.role = JOURNAL_SERVER;
	rec.x.first_byte_ns = rec.x.ended_ns = MS(10.0 * i + 5);
	rec.x.answer_tid = answers;
	recorder_feed(r, RECORDER_SHIM, &rec);
	recorder_flush(r);
}

static void test_parents_handed(void)
{
	struct recorder *r = begin(true, false);

	for (unsigned i = 1; i <= 10; i++)
		serves_over(r, i, i % 2 ? 8 : 7);
	end(r);
	is_str(rows("SELECT count(parent_id) FROM exchange WHERE path IN ('101', '102', '103', '104', '105')"), "5",
	       "the only one in work on a thread is the parent");
	is_str(rows("SELECT count(parent_id) FROM exchange WHERE path + 0 > 105"), "0",
	       "but not where answers are known to come from other threads than read the requests");
	is_str(rows("SELECT count(*), count(tid) FROM exchange WHERE role = 'server'"), "10|5", "what went from one thread to another is no thread's");
	r = begin(true, false);
	for (unsigned i = 1; i <= 230; i++)
		serves_over(r, i, i % 70 ? 7 : 8);
	end(r);
	is_str(rows("SELECT count(parent_id) FROM exchange WHERE role = 'client'"), "230", "three of 230 may: threads tell all the same");
}

/* An event loop: many in work on one thread, more than are remembered one by one. */
static void test_parents_many(void)
{
	struct recorder *r = begin(true, false);

	for (unsigned i = 1; i <= 9; i++)
		SERVES(7, 0, i, 0, i);
	ASKS(7, 0, 10, 0, 20);
	for (unsigned i = 9; i > 1; i--)
		ANSWERS(7, 0, i, 11, i);
	ASKS(7, 0, 12, 0, 21);
	ANSWERS(7, 0, 1, 13, 1);
	ASKS(7, 0, 14, 0, 22);
	for (unsigned i = 30; i <= 40; i++) {
		SERVES(7, 0, i, 0, i);
		ASKS(7, 0, i + 0.5, 0, 100 + i);
		ANSWERS(7, 0, i, i + 0.8, i);
	}
	GETS(7, 0, 10, 50, 20);	/* its end says nothing new of where it came from */
	end(r);
	is_str(rows("SELECT count(*) FROM exchange WHERE path IN ('20','21','22') AND parent_id IS NOT NULL"), "0",
	       "where many are in work on one thread, or none is, a parent is not guessed");
	is_str(rows("SELECT count(*) FROM exchange x JOIN exchange p ON p.id = x.parent_id WHERE x.path = p.path + 100"), "11",
	       "where they come one after another, each has its own");
}

/* Serves requests one after another on a thread; each asks the same of a peer that fails, every fourth asks it twice. */
static void serves_and_asks(struct recorder *r, uint32_t tid)
{
	for (unsigned i = 0; i < 20; i++) {
		double at = 10 * i;

		SERVES(tid, 0, at, 0, 1000 + i);
		for (unsigned k = 0; k < (i % 4 ? 1 : 2); k++) {
			begins(r, 100, at + 1 + 2 * k, 2, 1 + 2 * i + k, "/same");
			ends(r, 100, at + 1 + 2 * k, at + 2 + 2 * k, 2, 1 + 2 * i + k, 503);
		}
		ANSWERS(tid, 0, at, at + 6, 1000 + i);
	}
	end(r);
}

static void test_pulse_of_a_server(void)
{
	serves_and_asks(begin(true, false), 100);
	is_str(rows("SELECT sum(attempts), sum(retries), sum(failed) FROM pulse WHERE peer NOT NULL"), "25|5|25",
	       "what a server asks for one of its requests is no retry of what it asked for another");
	serves_and_asks(begin(true, false), 7);
	is_str(rows("SELECT sum(attempts), sum(retries) FROM pulse WHERE peer NOT NULL"), "25|24",
	       "where it is not known what for, all but the first looks like one");
	is_str(rows("SELECT sum(attempts), sum(retries), sum(ok) FROM pulse WHERE peer IS NULL"), "20|0|20", "what it serves is apart from that");
}

static void test_parents_order(void)
{
	struct recorder *r = begin(true, false);
	struct journal_record rec = exchange(JOURNAL_BEGIN, 101, 3, 50, 50);

	SERVES(7, 0, 1, 0, 1);
	ASKS(7, 0, 2, 0, 11);
	ANSWERS(7, 0, 1, 3, 1);
	recorder_flush(r);	/* the parent is stored and gone */
	GETS(7, 0, 2, 4, 11);
	SERVES(7, 0, 5, 0, 2);
	ASKS(7, 0, 6, 0, 12);
	GETS(7, 0, 6, 7, 12);
	recorder_flush(r);	/* the child is */
	ANSWERS(7, 0, 5, 8, 2);
	rec.tid = 7;	/* the same thread number in another process */
	rec.x.started_ns = MS(6);
	strcpy(rec.x.path, "50");
	recorder_feed(r, RECORDER_SHIM, &rec);
	end(r);
	is_str(parents(), "11|1|nesting 12|2|nesting 50|NULL|NULL", "whichever of the two ends first");
}

static void test_parents_both(void)
{
	struct recorder *r = begin(true, true);

	opened(r, 100, 1, KERNEL | JOURNAL_CLIENT, 77, JOURNAL_CLIENT, 8082);
	opened(r, 100, 1, KERNEL | JOURNAL_SERVER, 78, JOURNAL_SERVER, 8082);
	opened(r, 100, 1, JOURNAL_CLIENT, 77, JOURNAL_CLIENT, 8082);
	opened(r, 100, 1, JOURNAL_SERVER, 78, JOURNAL_SERVER, 8082);
	SERVES(7, 0, 10, 0, KERNEL | 1);
	ASKS(7, 0, 11, 0, KERNEL | 11);
	GETS(7, 0, 11, 12, KERNEL | 11);	/* the library's view of it has no parent, for it is not told of all */
	ANSWERS(7, 0, 10, 13, KERNEL | 1);
	ASKS(7, 0, 20, 0, KERNEL | 12);
	SERVES(7, 0, 10, 0, 1);
	ASKS(7, 0, 11, 0, 11);
	GETS(7, 0, 11, 12, 11);
	recorder_flush(r);	/* the child is stored, its parent held back by the library */
	ANSWERS(7, 0, 10, 30, 1);
	recorder_flush(r);
	SERVES(8, 0xa, 40, 0, 2);
	ASKS(8, 0, 41, 0, 13);	/* the library alone: what else is on that thread it does not know */
	ASKS(8, 0xa, 41, 0, 14);
	SERVES(9, 0, 50, 0, KERNEL | 3);
	ASKS(9, 0, 51, 0, KERNEL | 15);
	ANSWERS(9, 0, 50, 52, KERNEL | 3);
	SERVES(9, 0, 50, 0, 3);
	ANSWERS(9, 0, 50, 52, 3);
	recorder_flush(r);	/* the parent is stored, the child goes on */
	end(r);
	is_str(parents(), "11|1|nesting 12|NULL|NULL 13|NULL|NULL 14|2|id 15|3|nesting", "with two witnesses the kernel's knows what is in work on a thread");
	is_str(rows("SELECT sources FROM exchange WHERE id IN (SELECT parent_id FROM exchange WHERE path = '11')"), "shim,ebpf",
	       "and the parent is the row that both became");
}

static void test_parents_whole(void)
{
	struct recorder *r = begin(true, false);

	call(r, JOURNAL_WHOLE, JOURNAL_SERVER, 7, 0, 1, 5, 1);
	call(r, JOURNAL_WHOLE, JOURNAL_CLIENT, 7, 0, 2, 4, 11);
	call(r, JOURNAL_WHOLE, JOURNAL_SERVER, 7, 0, 6, 9, 2);
	call(r, JOURNAL_WHOLE, JOURNAL_CLIENT, 7, 0, 7, 8, 12);
	call(r, JOURNAL_WHOLE, JOURNAL_CLIENT, 7, 0, 10, 11, 13);
	recorder_flush(r);
	is_str(parents(), "11|1|nesting 12|2|nesting 13|NULL|NULL", "exchanges that are told at once find theirs by its times");
	for (unsigned i = 0; i < 20; i++)
		recorder_flush(r);
	ASKS(7, 0, 8, 0, 14);
	end(r);
	is_str(rows("SELECT parent_id FROM exchange WHERE path = '14'"), "NULL", "what is long over is forgotten");
	r = begin(true, false);
	for (unsigned i = 1; i <= 9; i++)	/* an event loop; the one that goes on is told of before what it led to is */
		call(r, JOURNAL_WHOLE, JOURNAL_SERVER, 7, 0, i == 1 ? 1 : 5 + i, 6 + i, i);
	SERVES(7, 0, 1, 0, 20);
	call(r, JOURNAL_WHOLE, JOURNAL_CLIENT, 7, 0, 5, 30, 31);
	call(r, JOURNAL_WHOLE, JOURNAL_CLIENT, 7, 0, 25, 30, 32);
	end(r);
	is_str(parents(), "31|NULL|NULL 32|20|nesting", "what else was in work then is not forgotten too soon");
}

#ifdef __SANITIZE_ADDRESS__
#define LITTLE_KIB (1l << 20)	/* it keeps what is freed */
#else
#define LITTLE_KIB (50l << 10)
#endif

static void test_many_alone(void)
{
	enum { MANY = 200000, A_FLUSH = 8000 };	/* 80,000 exchanges a second */
	struct recorder *r = begin(true, true);
	struct rusage before, after;
	int most = 0;

	getrusage(RUSAGE_SELF, &before);
	opened(r, 100, 1, KERNEL | 1, 77, JOURNAL_SERVER, 8082);
	for (int i = 1; i <= MANY; i++) {
		tells(r, 100, i, i + 0.5, KERNEL | 1, KERNEL | i, "/api", 200);
		if (i % A_FLUSH)
			continue;
		recorder_flush(r);
		most = i - atoi(rows("SELECT max(id) FROM exchange")) > most ? i - atoi(rows("SELECT max(id) FROM exchange")) : most;
	}
	getrusage(RUSAGE_SELF, &after);
	end(r);
	is_int(most, A_FLUSH, "what the kernel alone can see is in the file with the second flush");
	is_str(rows("SELECT count(*), count(DISTINCT started_ns), min(sources) FROM exchange"), "200000|200000|ebpf", "all of it, once");
	is_str(rows("SELECT count(*) FROM loss"), "0", "and none is given up");
	ok(after.ru_maxrss - before.ru_maxrss < LITTLE_KIB, "in little memory (%ld KiB)", after.ru_maxrss - before.ru_maxrss);
}

/* A connection for each request, faster than what is over is forgotten. */
static void test_many_connections(void)
{
	enum { MANY = 150000, A_FLUSH = 3000 };
	struct recorder *r = begin(false, true);
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	for (int i = 1; i <= MANY; i++) {
		opened(r, 100, i, KERNEL | i, 1000 + i, JOURNAL_SERVER, 8082);
		tells(r, 100, i, i + 0.5, KERNEL | i, KERNEL | i, "/api", 200);
		closed(r, 100, i + 1, KERNEL | i, JOURNAL_PEER_CLOSE);
		if (i % A_FLUSH == 0)
			recorder_flush(r);
	}
	getrusage(RUSAGE_SELF, &after);
	end(r);
	is_str(rows("SELECT count(*), sum(end = 'peer_close') FROM connection"), "150000|150000", "connections that come and go by the thousand are all there");
	is_str(rows("SELECT count(*) FROM exchange JOIN connection c ON c.id = connection_id WHERE c.cookie = 1000 + (started_ns - %llu) / 1000000",
		    (unsigned long long)t0),
	       "150000", "with their exchanges");
	ok(after.ru_maxrss - before.ru_maxrss < LITTLE_KIB, "in little memory (%ld KiB)", after.ru_maxrss - before.ru_maxrss);
}

static void test_too_many_wait(void)
{
	enum { MANY = 3 * LEDGER_WAITING_MAX };
	struct recorder *r = begin(true, true);

	both_see_connection(r);
	for (int i = 1; i <= MANY; i++)
		tells(r, 100, 5 * i, 5 * i + 0.5, KERNEL | 1, KERNEL | i, "/a", 200);
	for (int i = 1; i <= MANY; i++)
		tells(r, 100, 5 * i, 5 * i + 0.5, 1, i, "/a", 200);
	tells(r, 100, 5 * MANY + 5, 5 * MANY + 6, 1, MANY + 1, "/b", 200);
	end(r);
	is_str(rows("SELECT count(*), count(DISTINCT started_ns) FROM exchange WHERE path='/a'"), "98304|98304",
	       "where too many wait for the other witness none is lost, and none is there twice");
	is_str(rows("SELECT sum(sources='ebpf') = (SELECT count FROM loss WHERE reason='join_waited_too_long') FROM exchange"), "1",
	       "those of which it was not awaited are counted");
	is_str(rows("SELECT sources FROM exchange WHERE path='/b'"), "shim", "the one after them is an exchange as any other");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/run.db", dir);
	test_one_exchange();
	test_whole();
	test_parents();
	test_parents_handed();
	test_parents_many();
	test_pulse_of_a_server();
	test_parents_order();
	test_parents_both();
	test_parents_whole();
	test_too_many_under_way();
	test_too_long_paths();
	test_full_memory();
	test_too_many_open();
	test_query();
	test_query_of_both();
	test_any_order();
	test_unknown();
	test_open_at_the_end();
	test_killed_late_words();
	test_pid_reuse();
	test_hostile_text();
	test_shared_socket();
	test_cookie_known_late();
	test_refused();
	test_names_of_hosts();
	test_join();
	test_synthetic();
	test_synthetic_pipelined();
	test_only_kernel();
	test_lost_by_the_kernel();
	test_refusal_seen_twice();
	test_killed_but_kernel_knows();
	test_closed_by_death();
	test_held_back();
	test_alone();
	test_alone_by_nature();
	test_many_alone();
	test_many_connections();
	test_too_many_wait();
	test_coverage();
	test_two_names();
	test_two_names_again();
	test_tables();
	test_names();
	test_facts_of_sockets();
	test_held_by_others();
	test_refusals();
	test_in_use();
	test_killed_recorder();
	test_killed_recorder_open();
	test_shown();
	test_disk_full();
	test_throughput();
	char command[160];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) ? 1 : tap_done();
}
