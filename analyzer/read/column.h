/* SPDX-License-Identifier: MIT */
/*
 * A column of a row of the run file, as the model has it. A damaged file may hold anything in it.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_COLUMN_H
#define AFTERSHOCK_ANALYZER_READ_COLUMN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL: it is NULL. Valid until the next step. */
static inline const char *column_text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

static inline uint64_t column_word(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

/* A time or a count; below 0 it is none. What is added to a time of at most 2^63 does not wrap. */
static inline uint64_t column_positive(sqlite3_stmt *row, int column)
{
	int64_t v = sqlite3_column_int64(row, column);

	return v > 0 ? (uint64_t)v : 0;
}

static inline bool column_is_null(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL;
}

/* -1: NULL, or below 0. */
static inline int64_t column_or_minus_one(sqlite3_stmt *row, int column)
{
	int64_t v = column_is_null(row, column) ? -1 : sqlite3_column_int64(row, column);

	return v < 0 ? -1 : v;
}

#endif
