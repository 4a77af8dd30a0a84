/* SPDX-License-Identifier: MIT */
/*
 * Exchanges on their way into the run file. They are encoded as they come, in SQLite's own record format, into a small database in memory
 * that has the same table; from there SQLite moves them over without looking inside (its transfer optimization for INSERT
 * INTO x SELECT * FROM y). Per row that is a tenth of the work of binding and stepping a statement.
 *
 * Invariant: what batch_fill() leaves is a valid database (sqlite.org/fileformat.html). Not thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_BATCH_H
#define AFTERSHOCK_RECORD_BATCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include "record/store.h"

#define BATCH_WORD 16	/* bytes that a text of a row other than method, path, error and query has at most */

struct batch;

/* The statement that moves all rows into the table of the main database, once batch_fill() was called. */
#define BATCH_INSERT "INSERT INTO main.exchange SELECT * FROM batch.exchange"

/* Attaches a batch to a connection whose main database has the table. An SQLite result code; *b is the caller's in any case. */
int batch_open(struct batch **b, sqlite3 *db);
void batch_free(struct batch *b);	/* NULL is fine; after the database is closed */

/* Takes a row, with its texts. False: no room; move and empty first. An empty batch has room for any row whose texts are shorter than 30 KB. */
bool batch_add(struct batch *b, const struct row_exchange *row);

unsigned batch_count(const struct batch *b);

/* Makes the rows visible to SQL. At most once in a transaction: SQLite reads what it has read once again only in the next one. */
void batch_fill(struct batch *b);
void batch_empty(struct batch *b);

/* For the few rows that are written once more: a statement that puts one in place of the row with its id, and its values. */
int batch_prepare_one(sqlite3 *db, sqlite3_stmt **st);	/* an SQLite result code */
void batch_bind_one(sqlite3_stmt *st, const struct row_exchange *row);

#endif
