/* SPDX-License-Identifier: MIT */
/*
 * Run files made by hand, for tests of the analyzer: a database with the public schema and rows given as SQL or by the
 * few builders below. Times of builders are ms since the run's start, which is second 1000 of the clock.
 */
#ifndef AFTERSHOCK_TESTS_RUNS_H
#define AFTERSHOCK_TESTS_RUNS_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "record/runfile.h"

#define RUNS_START_MS 1000000.0

struct runs {
	sqlite3 *db;
	char path[256];
};

/* Runs SQL, printf-like with SQLite's formats (%Q, %lld); a mistake in a test ends it. */
__attribute__((unused)) static void runs_sql(struct runs *r, const char *format, ...)
{
	va_list ap;
	char *sql, *error = NULL;

	va_start(ap, format);
	sql = sqlite3_vmprintf(format, ap);
	va_end(ap);
	if (sqlite3_exec(r->db, sql, NULL, NULL, &error) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, error);
		abort();
	}
	sqlite3_free(sql);
}

/* A new, empty run file of so many ms, closed properly, seen by the library. */
__attribute__((unused)) static void runs_begin(struct runs *r, double duration_ms)
{
	int fd;

	snprintf(r->path, sizeof(r->path), "%s/aftershock-runs-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	fd = mkstemp(r->path);
	if (fd < 0 || sqlite3_open(r->path, &r->db) != SQLITE_OK)
		abort();
	close(fd);
	runs_sql(r, "PRAGMA synchronous=OFF; PRAGMA application_id=%d; PRAGMA user_version=%d; %s", RUNFILE_APPLICATION_ID,
		 RUNFILE_VERSION, RUNFILE_SCHEMA);
	runs_sql(r, "INSERT INTO run VALUES('started','2026-01-02T03:04:05.678Z'),('started_ns',%lld),('ended_ns',%lld),('seed',7),"
		    "('host','here'),('sources','[\"shim\"]'),('clean_end',1)",
		 (long long)(RUNS_START_MS * 1e6), (long long)((RUNS_START_MS + duration_ms) * 1e6));
	runs_sql(r, "BEGIN");
}

/* Commits and closes the writer's handle; the file can be analyzed now. */
__attribute__((unused)) static void runs_commit(struct runs *r)
{
	runs_sql(r, "COMMIT");
	sqlite3_close(r->db);
	r->db = NULL;
}

__attribute__((unused)) static void runs_end(struct runs *r)
{
	sqlite3_close(r->db);
	unlink(r->path);
}

__attribute__((unused)) static void runs_process(struct runs *r, int id, const char *service)
{
	runs_sql(r, "INSERT INTO process(id, pid, service, covered) VALUES(%d, %d, %Q, 1)", id, 100 + id, service);
}

__attribute__((unused)) static void runs_connection(struct runs *r, int id, int process, const char *role, const char *local,
						     const char *peer)
{
	runs_sql(r, "INSERT INTO connection(id, process_id, role, local, peer) VALUES(%d, %d, %Q, %Q, %Q)", id, process, role, local,
		 peer);
}

struct runs_exchange {
	int connection, process, tid;	/* 0: 1, 1 and 9; -1: NULL */
	const char *role;	/* NULL: client */
	const char *method, *path;	/* NULL: GET /, "" : unknown */
	int status;		/* 0 none */
	const char *outcome, *error;	/* outcome NULL: ok below 500 but 429 and 408, else failed */
	double at_ms, took_ms;	/* took_ms < 0: open */
	int unsent, synthetic;
	long long fingerprint, correlation, key;	/* fingerprint 0: 42 */
	int fault, retry_after_ms, parent;	/* 0 none */
};

/* Adds an exchange and returns its row id. */
__attribute__((unused)) static int runs_add(struct runs *r, struct runs_exchange x)
{
	long long start = (long long)((RUNS_START_MS + x.at_ms) * 1e6), end = start + (long long)(x.took_ms * 1e6);
	int bad = x.status >= 500 || x.status == 429 || x.status == 408;
	int connection = x.connection ? x.connection : 1, process = x.process ? x.process : 1, tid = x.tid ? x.tid : 9;
	const char *method = x.method ? x.method : "GET", *path = x.path ? x.path : "/";

	runs_sql(r,
		 "INSERT INTO exchange(connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns,"
		 " sent_ns, ended_ns, fingerprint, correlation, idempotency_key, retry_after_ms, fault_id, parent_id, synthetic)"
		 " VALUES(NULLIF(%d, -1), NULLIF(%d, -1), NULLIF(%d, -1), %Q, 'http1', NULLIF(%Q, ''), NULLIF(%Q, ''), NULLIF(%d, 0), %Q, %Q,"
		 " %lld, %s, CASE WHEN %d THEN NULL ELSE %lld END, NULLIF(%lld, 0), NULLIF(%lld, 0), NULLIF(%lld, 0), NULLIF(%d, 0),"
		 " NULLIF(%d, 0), NULLIF(%d, 0), %d)",
		 connection, process, tid, x.role ? x.role : "client", method, path, x.status,
		 x.outcome ? x.outcome : bad ? "failed" : "ok", x.error, start, x.unsent ? "NULL" : "1", x.took_ms < 0, end,
		 *method ? (x.fingerprint ? x.fingerprint : 42) : 0, x.correlation, x.key, x.retry_after_ms, x.fault, x.parent,
		 x.synthetic);
	return (int)sqlite3_last_insert_rowid(r->db);
}

__attribute__((unused)) static void runs_fault(struct runs *r, int id, const char *name, const char *spec, int matched,
					       int fired)
{
	runs_sql(r, "INSERT INTO fault VALUES(%d, %Q, %Q, %d, %d)", id, name, spec, matched, fired);
}

__attribute__((unused)) static void runs_mark(struct runs *r, double at_ms, const char *name)
{
	runs_sql(r, "INSERT INTO mark(at_ns, name) VALUES(%lld, %Q)", (long long)((RUNS_START_MS + at_ms) * 1e6), name);
}

/* Times in ms; intended or achieved below 0: NULL. */
__attribute__((unused)) static void runs_inject(struct runs *r, int fault, int exchange, double at_ms, const char *action,
						 double intended_ms, double achieved_ms)
{
	runs_sql(r,
		 "INSERT INTO injection(fault_id, exchange_id, at_ns, action, intended_ns, achieved_ns) VALUES(%d, NULLIF(%d, 0), %lld, %Q,"
		 " CASE WHEN %d THEN NULL ELSE %lld END, CASE WHEN %d THEN NULL ELSE %lld END)",
		 fault, exchange, (long long)((RUNS_START_MS + at_ms) * 1e6), action, intended_ms < 0, (long long)(intended_ms * 1e6),
		 achieved_ms < 0, (long long)(achieved_ms * 1e6));
}

#endif
