/* SPDX-License-Identifier: MIT */
#include "tests/lib/tap.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "record/store.h"

static char path[] = "/tmp/test_store.XXXXXX";
static struct store *s;

/* The first value of a query on what other connections can see. */
static const char *ask(const char *sql)
{
	static char answer[256];
	sqlite3_stmt *st;
	sqlite3 *db;

	answer[0] = '\0';
	sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
		snprintf(answer, sizeof(answer), "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return answer;
}

static void open_store(void)
{
	char error[512];

	unlink(path);
	is_int(store_open(&s, path, error, sizeof(error)), 0, "a run file can be made");
}

static struct row_exchange plain(int64_t id)
{
	return (struct row_exchange){.id = id, .connection_id = 1 + id % 16, .process_id = 1, .retry_after_ms = -1, .role = "client"};
}

static void test_columns(void)
{
	struct row_exchange full = {
		.id = 1, .connection_id = 2, .process_id = 3, .tid = 4, .fault_id = 5, .status = 429, .synthetic = 1, .started_ns = 6,
		.sent_ns = 7, .first_byte_ns = 8, .ended_ns = 9, .bytes_out = 10, .bytes_in = 11, .fingerprint = -12, .correlation = 13,
		.idempotency_key = 14, .retry_after_ms = 0, .role = "server", .protocol = "http1", .method = "GET", .path = "/p",
		.outcome = "failed", .error = "eof", .sources = "shim", .parent_id = 15, .parent_tier = "nesting", .end_inferred = 1, .query = "a=b",
	};
	struct row_exchange empty = {.id = 2, .retry_after_ms = -1};

	open_store();
	store_exchange(s, &full);
	store_exchange(s, &empty);
	is_str(ask("SELECT count(*) FROM exchange"), "0", "nothing is in the file before the commit");
	store_commit(s);
	is_str(ask("SELECT concat FROM (SELECT id||' '||connection_id||' '||process_id||' '||tid||' '||role||' '||protocol||' '||method||' '"
		   "||path||' '||status||' '||outcome||' '||error||' '||started_ns||' '||sent_ns||' '||first_byte_ns||' '||ended_ns||' '"
		   "||bytes_out||' '||bytes_in||' '||fingerprint||' '||correlation||' '||idempotency_key||' '||retry_after_ms||' '"
		   "||fault_id||' '||parent_id||' '||synthetic||' '||sources||' '||parent_tier||' '||end_inferred||' '||query AS concat FROM exchange)"),
	       "1 2 3 4 server http1 GET /p 429 failed eof 6 7 8 9 10 11 -12 13 14 0 5 15 1 shim nesting 1 a=b", "each member is in its column");
	is_str(ask("SELECT count(*) FROM exchange WHERE id=2 AND coalesce(connection_id,process_id,tid,role,protocol,method,path,status,"
		   "outcome,error,started_ns,sent_ns,first_byte_ns,ended_ns,fingerprint,correlation,idempotency_key,retry_after_ms,"
		   "fault_id,sources,parent_id,parent_tier,query) IS NULL AND bytes_out=0 AND bytes_in=0 AND synthetic=0 AND end_inferred=0"),
	       "1", "what is not known is NULL, and a count of nothing is 0");
	is_int(store_close(s), 0, "it closes in order");
}

static void test_other_rows(void)
{
	struct row_process p = {.id = 1, .pid = 70, .exit_status = -1, .service = "s", .inner_pid = 7, .pid_ns = 4026531836};
	struct row_connection c = {.id = 1, .process_id = 1, .role = "client", .retransmits = 0, .bytes_unseen = 9};
	struct row_connection unknown = {.id = 2, .process_id = 1, .retransmits = -1};
	struct row_latency l = {3, 11, 1, "read", 4096, 10, 30000, "loopback"};
	struct row_burst b = {1, 1, "127.0.0.1:80", 5, 6, 12, 40.5};
	struct row_pulse u = {1, 3, 1, "127.0.0.1:80", 8, 4, 5, 1, 1, 2, 1000, 0};

	open_store();
	store_process(s, &p);
	store_connection(s, &c);
	store_connection(s, &unknown);
	store_latency(s, &l);
	store_burst(s, &b);
	b.attempts = 13;
	store_burst(s, &b);
	store_pulse(s, &u);
	u.attempts = 9;
	store_pulse(s, &u);
	store_commit(s);
	is_str(ask("SELECT pid || ' ' || inner_pid || ' ' || pid_ns FROM process"), "70 7 4026531836", "a process in a namespace of its own");
	is_str(ask("SELECT group_concat(coalesce(retransmits, '-') || ' ' || coalesce(bytes_unseen, '-')) FROM connection"), "0 9,- -",
	       "what only the kernel counts of a connection");
	is_str(ask("SELECT peer FROM syscall_latency"), "loopback", "the class of a call's peer");
	is_str(ask("SELECT count(*) || ' ' || attempts || ' ' || peak_per_s FROM burst"), "1 13 40.5", "a burst that goes on replaces its row");
	is_str(ask("SELECT count(*)||' '||second||' '||attempts||' '||retries||' '||ok||' '||failed||' '||indeterminate||' '||not_sent||' '||p50_ns||' '"
		   "||coalesce(p99_ns,'-') FROM pulse"),
	       "1 3 9 4 5 1 1 2 1000 -", "a second of an edge, which replaces its row");
	is_int(store_close(s), 0, "it closes in order");
}

static void test_many(void)
{
	enum { ROWS = 60000 };
	char name[1002] = "/";

	open_store();
	memset(name + 1, 'x', 1000);
	for (int64_t i = 0; i < ROWS; i++) {
		struct row_exchange x = plain((i ^ 5 ^ (i & 8) << 9) + 1);	/* not in the order of their ids; some far from their place */
		char copied[1100];

		snprintf(copied, sizeof(copied), "%s%d", name, (int)x.id);
		x.path = i % 3 ? "/short" : copied;	/* batches end by their rows and by their bytes */
		store_exchange(s, &x);
	}
	store_commit(s);
	is_int(atoi(ask("SELECT count(*) FROM exchange")), ROWS, "more rows than a batch holds are all stored");
	is_str(ask("SELECT count(*) FROM exchange WHERE path NOT LIKE '/short' AND path NOT LIKE '/xxx%x' || id"), "0",
	       "each with the path that it had then");
	is_str(ask("PRAGMA integrity_check"), "ok", "in a file that is whole");
	is_int(store_close(s), 0, "it closes in order");
}

/* Numbers at the borders of their sizes in the file, and texts at those of their lengths. */
static void test_sizes(void)
{
	char text[20001];
	int64_t id = 0;

	open_store();
	for (int bits = 0; bits < 64; bits++) {
		for (int64_t d = -1; d <= 1; d++) {
			struct row_exchange x = plain(++id);

			x.bytes_out = (int64_t)((1ull << bits) + (uint64_t)d);
			x.bytes_in = (int64_t)(-(1ull << bits) + (uint64_t)d);
			x.started_ns = bits;
			x.ended_ns = 10 + d;
			store_exchange(s, &x);
		}
		store_commit(s);
	}
	is_str(ask("SELECT count(*) FROM exchange WHERE bytes_out = (1 << started_ns) + ended_ns - 10"
		   " AND bytes_in = -(1 << started_ns) + ended_ns - 10 AND started_ns < 62 OR started_ns IS NULL"),
	       "186", "numbers of any size are themselves");
	is_str(ask("SELECT bytes_out || ' ' || bytes_in FROM exchange WHERE id = 192"), "-9223372036854775807 -9223372036854775807",
	       "the largest as well");
	for (unsigned i = 0; i <= 20000; i += i < 300 ? 1 : 1971) {
		struct row_exchange x = plain(++id);

		memset(text, 'y', i);
		text[i] = '\0';
		x.path = text;
		x.bytes_in = i;
		store_exchange(s, &x);
	}
	store_commit(s);
	is_str(ask("SELECT count(*) || ' ' || sum(length(path) = bytes_in) FROM exchange WHERE path IS NOT NULL"), "310 310",
	       "texts of any length are themselves");
	is_str(ask("PRAGMA integrity_check"), "ok", "in a file that is whole");
	is_int(store_close(s), 0, "it closes in order");
}

static void test_merge(void)
{
	struct row_exchange x = plain(1);

	open_store();
	x.connection_id = 7;
	store_exchange(s, &x);
	x.id = 3;
	store_exchange(s, &x);
	store_merge_connection(s, 7, 8, 1, 2);
	x.id = 2;
	store_exchange(s, &x);
	store_commit(s);
	is_str(ask("SELECT group_concat(id || ':' || connection_id) FROM exchange"), "1:8,2:7,3:7",
	       "an exchange that waits to be written is moved with its connection; no others are looked at");
	is_int(store_close(s), 0, "it closes in order");
}

static void test_twice(void)
{
	struct row_exchange x = plain(1);

	open_store();
	store_exchange(s, &x);
	store_commit(s);
	store_exchange(s, &x);
	store_commit(s);
	ok(store_error(s) && strstr(store_error(s), "UNIQUE constraint failed: exchange.id"), "a row that can not be stored is an error");
	store_exchange(s, &x);
	ok(store_close(s) < 0, "that closing repeats");
}

static long long bytes_of(const char *tail)
{
	char name[sizeof(path) + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, tail);
	return stat(name, &st) ? -1 : (long long)st.st_size;
}

/* Writes n rows of some 300 bytes. */
static void write_rows(int64_t first, int64_t n)
{
	char name[300];

	for (int64_t i = first; i < first + n; i++) {
		struct row_exchange x = plain(i);

		memset(name, 'a' + (int)(i % 26), sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		x.path = name;
		store_exchange(s, &x);
	}
	store_commit(s);
}

static void test_log(void)
{
	enum { COMMITS = 100, ROWS = 4000, LOG_MAX = 96 << 20 };	/* 130 MiB in all */
	long long longest = 0;
	int64_t id = 1;
	unsigned tries = 0;
	char error[512];

	unlink(path);
	ok(!chdir("/tmp") && !store_open(&s, path + strlen("/tmp/"), error, sizeof(error)) && !chdir("/"),
	   "a run file is named by where the recorder was when it began");
	for (int i = 0; i < COMMITS; i++, id += ROWS) {
		write_rows(id, ROWS);
		longest = bytes_of("-wal") > longest ? bytes_of("-wal") : longest;
		usleep(5000);
	}
	ok(bytes_of("") > 16 << 20, "what is written comes into the file while it goes on (%lld MiB by then)", bytes_of("") >> 20);
	ok(longest < LOG_MAX, "so the log stays short (%lld MiB at most)", longest >> 20);
	for (; tries < 200 && bytes_of("-wal") > 16 << 20; tries++, id += 10) {
		usleep(20000);
		write_rows(id, 10);
	}
	ok(tries < 200, "a long one is soon moved");
	is_int(atoi(ask("SELECT count(*) FROM exchange")), (int)id - 1, "with every row");
	is_str(ask("PRAGMA integrity_check"), "ok", "in a file that is whole");
	is_int(store_close(s), 0, "it closes in order");
	is_int((int)bytes_of("-wal"), -1, "and leaves one file");
	is_int(atoi(ask("SELECT count(*) FROM exchange")), (int)id - 1, "with every row");
}

/* One who reads for long keeps the log from being emptied; nothing else suffers. */
static void test_log_and_reader(void)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	open_store();
	write_rows(1, 10);
	sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	sqlite3_prepare_v2(db, "SELECT count(*) FROM exchange", -1, &st, NULL);
	sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	sqlite3_step(st);
	for (int i = 0; i < 20; i++)
		write_rows(11 + i * 4000, 4000);
	sqlite3_reset(st);
	sqlite3_step(st);
	is_int(sqlite3_column_int(st, 0), 10, "a reader sees its moment for as long as it likes");
	sqlite3_finalize(st);
	sqlite3_close(db);
	is_str(ask("SELECT count(*) FROM exchange"), "80010", "others see all");
	is_int(store_close(s), 0, "it closes in order");
}

int main(void)
{
	close(mkstemp(path));
	test_columns();
	test_other_rows();
	test_many();
	test_sizes();
	test_merge();
	test_log();
	test_log_and_reader();
	test_twice();
	unlink(path);
	return tap_done();
}
