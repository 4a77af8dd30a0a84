/* SPDX-License-Identifier: MIT */
/* What a run file says, as text: for tests of what writes it. */
#ifndef AFTERSHOCK_TESTS_ROWS_H
#define AFTERSHOCK_TESTS_ROWS_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "record/runfile.h"

#define ROWS_BYTES 4096

/* Appends a row: columns joined by |, behind a blank unless it is the first. Returns where the text ends. */
static size_t rows_append(sqlite3_stmt *st, char *to, size_t at)
{
	for (int c = 0; c < sqlite3_column_count(st) && at < ROWS_BYTES - 96; c++) {
		const char *text = (const char *)sqlite3_column_text(st, c);

		at += (size_t)snprintf(to + at, ROWS_BYTES - at, "%s%s", c ? "|" : at ? " " : "", text ? text : "NULL");
	}
	return at;
}

/* The rows of a query on the run file at path, or what is wrong with it. Valid until the call after the next. */
__attribute__((format(printf, 2, 3))) static const char *rows_of(const char *path, const char *format, ...)
{
	static char out[2][ROWS_BYTES];
	static int turn;
	char error[512], sql[1024], *to = out[turn ^= 1];
	sqlite3_stmt *st;
	sqlite3 *db;
	va_list ap;
	size_t at = 0;

	va_start(ap, format);
	vsnprintf(sql, sizeof(sql), format, ap);
	va_end(ap);
	*to = '\0';
	if (runfile_open(path, &db, error, sizeof(error)))
		return strcpy(to, error);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		snprintf(to, ROWS_BYTES, "%s", sqlite3_errmsg(db));
	while (st && sqlite3_step(st) == SQLITE_ROW)
		at = rows_append(st, to, at);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return to;
}

#endif
