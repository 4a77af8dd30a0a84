/* SPDX-License-Identifier: MIT */
/*
 * For bench-analyzer: `synth FILE EXCHANGES [SEED]` makes a run file of any size; `synth --scan FILE` asks SQLite for all columns of its
 * exchanges, and adds them up.
 *
 * load (not recorded) -> front -> back, open loop, requests at random over the run; in the middle fifth back answers 503 to half of what it is
 * asked, and front tries up to three times, 50 ms and 100 ms later. Each attempt is two rows, what front sent and what back received, each
 * request one more, so EXCHANGES is met to within one request. The rows are in the order of their end, as the recorder writes them.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "record/runfile.h"

#define START_NS 1000000000000ll
#define RATE 5000.0		/* requests per second of the run */
#define CONNECTIONS 64
#define THREADS 16
#define PATHS 50

struct row {
	int64_t id, ended_ns;
	int64_t started_ns, parent;
	int connection, process, status, path, synthetic;
};

struct heap {			/* rows that have not ended yet, the next to end first */
	struct row rows[4096];
	int n;
};

static sqlite3 *db;
static sqlite3_stmt *insert;
static uint64_t state;
static int64_t next_id = 1, written;

static double uniform(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double exponential(double mean)
{
	return -mean * log(1 - uniform());
}

static void sql(const char *text)
{
	char *error = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &error) == SQLITE_OK)
		return;
	fprintf(stderr, "synth: %s\n", error);
	exit(2);
}

static void write_row(const struct row *r)
{
	int client = r->connection > CONNECTIONS && r->connection <= 2 * CONNECTIONS;

	sqlite3_bind_int64(insert, 1, r->id);
	sqlite3_bind_int(insert, 2, r->connection);
	sqlite3_bind_int(insert, 3, r->process);
	sqlite3_bind_int(insert, 4, 1000 * r->process + r->connection % THREADS);
	sqlite3_bind_text(insert, 5, client ? "client" : "server", 6, SQLITE_STATIC);
	sqlite3_bind_text(insert, 6, sqlite3_mprintf("/item/%d", r->path), -1, sqlite3_free);
	sqlite3_bind_int(insert, 7, r->status);
	sqlite3_bind_text(insert, 8, r->status >= 500 ? "failed" : "ok", -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 9, r->started_ns);
	sqlite3_bind_int64(insert, 10, r->started_ns + 5000);
	sqlite3_bind_int64(insert, 11, r->ended_ns - 3000);
	sqlite3_bind_int64(insert, 12, r->ended_ns);
	sqlite3_bind_int64(insert, 13, 0x1234567 * (int64_t)(r->path + 1));
	if (r->parent)
		sqlite3_bind_int64(insert, 14, r->parent);
	else
		sqlite3_bind_null(insert, 14);
	if (sqlite3_step(insert) != SQLITE_DONE) {
		fprintf(stderr, "synth: %s\n", sqlite3_errmsg(db));
		exit(2);
	}
	sqlite3_reset(insert);
	written++;
}

static struct row pop(struct heap *h)
{
	struct row top = h->rows[0], last = h->rows[--h->n];
	int i = 0;

	for (int child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && h->rows[child + 1].ended_ns < h->rows[child].ended_ns)
			child++;
		if (last.ended_ns <= h->rows[child].ended_ns)
			break;
		h->rows[i] = h->rows[child];
	}
	h->rows[i] = last;
	return top;
}

static void push(struct heap *h, struct row r)
{
	int i;

	if (h->n == sizeof(h->rows) / sizeof(h->rows[0])) {
		struct row first = pop(h);

		write_row(&first);
	}
	for (i = h->n++; i && h->rows[(i - 1) / 2].ended_ns > r.ended_ns; i = (i - 1) / 2)
		h->rows[i] = h->rows[(i - 1) / 2];
	h->rows[i] = r;
}

/* One request of front, with what it asks of back; returns how many rows it is. */
static int request(struct heap *h, int64_t at_ns, int bad)
{
	int64_t inbound = next_id++, now = at_ns + 200000 + (int64_t)exponential(100000);
	int slot = (int)(uniform() * CONNECTIONS), path = (int)(uniform() * PATHS), status = 503, rows = 1;

	for (int attempt = 1; attempt <= 3 && status != 200; attempt++) {
		int64_t end = now + 300000 + (int64_t)exponential(1000000);

		status = bad && uniform() < 0.5 ? 503 : 200;
		push(h, (struct row){next_id++, end, now, inbound, CONNECTIONS + 1 + slot, 1, status, path, 0});
		push(h, (struct row){next_id++, end - 20000, now + 20000, 0, 2 * CONNECTIONS + 1 + slot, 2, status, path, 0});
		rows += 2;
		now = end + (status == 200 ? 50000 : 50000000ll * attempt);
	}
	push(h, (struct row){inbound, now + 50000, at_ns, 0, 1 + slot, 1, status, path, 0});
	return rows;
}

static void begin(const char *path)
{
	unlink(path);
	if (sqlite3_open(path, &db) != SQLITE_OK) {
		fprintf(stderr, "synth: %s: %s\n", path, sqlite3_errmsg(db));
		exit(2);
	}
	sql("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; " RUNFILE_SCHEMA "BEGIN;");
	sql("INSERT INTO process(id, pid, service, covered) VALUES(1, 101, 'front', 1), (2, 102, 'back', 1)");
	for (int i = 0; i < 3 * CONNECTIONS; i++) {
		static const struct { int process; const char *role, *local, *peer; int fixed_local; } kinds[] = {
			{1, "server", "127.0.0.1:80", "127.0.0.1:%d", 1}, {1, "client", "127.0.0.1:%d", "127.0.0.1:81", 0},
			{2, "server", "127.0.0.1:81", "127.0.0.1:%d", 1}};
		int k = i / CONNECTIONS;
		char other[32], *text;

		snprintf(other, sizeof(other), "127.0.0.1:%d", (k == 0 ? 5000 : 6000) + i % CONNECTIONS);
		text = sqlite3_mprintf("INSERT INTO connection(id, process_id, role, local, peer) VALUES(%d, %d, %Q, %Q, %Q)", i + 1,
				       kinds[k].process, kinds[k].role, kinds[k].fixed_local ? kinds[k].local : other,
				       kinds[k].fixed_local ? other : kinds[k].peer);
		sql(text);
		sqlite3_free(text);
	}
	if (sqlite3_prepare_v2(db,
			       "INSERT INTO exchange(id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, started_ns,"
			       " sent_ns, first_byte_ns, ended_ns, bytes_out, bytes_in, fingerprint, parent_id, sources)"
			       " VALUES(?1, ?2, ?3, ?4, ?5, 'http1', 'GET', ?6, ?7, ?8, ?9, ?10, ?11, ?12, 120, 900, ?13, ?14, 'shim,ebpf')",
			       -1, &insert, NULL) != SQLITE_OK)
		exit(2);
}

static void end(int64_t ended_ns)
{
	char *text;

	sqlite3_finalize(insert);
	text = sqlite3_mprintf("INSERT INTO run VALUES('started', '2026-01-02T03:04:05.678Z'), ('started_ns', %lld), ('ended_ns', %lld),"
			       " ('seed', 7), ('host', 'synth'), ('sources', '[\"shim\",\"ebpf\"]'), ('clean_end', 1);"
			       "COMMIT; PRAGMA application_id=%d; PRAGMA user_version=%d;",
			       (long long)START_NS, (long long)ended_ns, RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	sql(text);
	sqlite3_free(text);
	sqlite3_close(db);
}

static int scan(const char *path)
{
	sqlite3_stmt *row;
	uint64_t sum = 0;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT * FROM exchange", -1, &row, NULL) != SQLITE_OK) {
		fprintf(stderr, "synth: %s: %s\n", path, sqlite3_errmsg(db));
		return 2;
	}
	while (sqlite3_step(row) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(row); i++)
			sum += sqlite3_column_type(row, i) == SQLITE_TEXT ? sqlite3_column_text(row, i)[0]
									 : (uint64_t)sqlite3_column_int64(row, i);
	sqlite3_finalize(row);
	sqlite3_close(db);
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}

int main(int argc, char **argv)
{
	static struct heap heap;
	int64_t wanted = argc > 2 ? atoll(argv[2]) : 0, made = 0;
	double t = 0, length;

	if (argc == 3 && !strcmp(argv[1], "--scan"))
		return scan(argv[2]);
	if (wanted <= 0) {
		fprintf(stderr, "usage: synth FILE EXCHANGES [SEED] | synth --scan FILE\n");
		return 2;
	}
	state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	length = (double)wanted / 3.2 / RATE;
	begin(argv[1]);
	while (made < wanted) {
		int64_t at;

		t += exponential(1 / RATE);
		at = START_NS + (int64_t)(t * 1e9);
		while (heap.n && heap.rows[0].ended_ns <= at) {
			struct row first = pop(&heap);

			write_row(&first);
		}
		made += request(&heap, at, t > 0.4 * length && t < 0.6 * length);
	}
	while (heap.n) {
		struct row first = pop(&heap);

		write_row(&first);
	}
	end(START_NS + (int64_t)((t + 1) * 1e9));
	fprintf(stderr, "%lld exchanges\n", (long long)written);
	return 0;
}
