/* SPDX-License-Identifier: MIT */
#include "record/batch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	NUMBER,
	NONZERO,	/* a number; 0 is NULL */
	NATURAL,	/* a number; -1 is NULL */
	TEXT,		/* NULL is NULL */
	UNKNOWN		/* NULL while a run is recorded */
};

/* The columns of `exchange`, in its own order (else SQLite copies each value once more), and what they hold. */
#define COLUMNS(X) \
	X(id, NUMBER) X(connection_id, NONZERO) X(process_id, NONZERO) X(tid, NONZERO) X(role, TEXT) X(protocol, TEXT) \
	X(method, TEXT) X(path, TEXT) X(status, NONZERO) X(outcome, TEXT) X(error, TEXT) X(started_ns, NONZERO) \
	X(sent_ns, NONZERO) X(first_byte_ns, NONZERO) X(ended_ns, NONZERO) X(bytes_out, NUMBER) X(bytes_in, NUMBER) \
	X(fingerprint, NONZERO) X(correlation, NONZERO) X(idempotency_key, NONZERO) X(retry_after_ms, NATURAL) \
	X(fault_id, NONZERO) X(parent_id, UNKNOWN) X(synthetic, NUMBER) X(sources, TEXT)

/* CHECK(1) says nothing; it takes the comma behind the last name. */
#define X(name, kind) #name ","
const char batch_insert[] = "INSERT INTO exchange SELECT * FROM batch";
static const char declaration[] = "CREATE TABLE batch(" COLUMNS(X) "CHECK(1))";
#undef X

static const struct column {
	uint16_t at;
	uint8_t kind;
} columns[] = {
#define X(name, kind) {offsetof(struct row_exchange, name), kind},
	COLUMNS(X)
#undef X
};

struct batch {
	struct row_exchange rows[BATCH_ROWS];
	uint16_t order[BATCH_ROWS];	/* of the rows, by id */
	unsigned count;
	size_t used;			/* of text */
	char text[BATCH_TEXT_BYTES];
};

struct view {			/* what SQLite holds of the table */
	sqlite3_vtab base;
	const struct batch *batch;
};

struct cursor {
	sqlite3_vtab_cursor base;
	const struct batch *batch;
	unsigned at;
};

/* ---- the table, as SQLite asks for it (sqlite.org/vtab.html) ---- */

static int view_connect(sqlite3 *db, void *batch, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
	struct view *v;
	int rc = sqlite3_declare_vtab(db, declaration);

	if (rc != SQLITE_OK)
		return rc;
	v = sqlite3_malloc(sizeof(*v));
	if (!v)
		return SQLITE_NOMEM;
	*v = (struct view){.batch = batch};
	*out = &v->base;
	return SQLITE_OK;
}

static int view_disconnect(sqlite3_vtab *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int view_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	return SQLITE_OK;	/* there is one way: all rows in order */
}

static int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	struct cursor *c = sqlite3_malloc(sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	*c = (struct cursor){.batch = ((struct view *)base)->batch};
	*out = &c->base;
	return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	((struct cursor *)base)->at = 0;
	return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
	((struct cursor *)base)->at++;
	return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
	const struct cursor *c = (const struct cursor *)base;

	return c->at >= c->batch->count;
}

static const struct row_exchange *row_at(const struct batch *b, unsigned i)
{
	return &b->rows[b->order[i]];
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *to, int i)
{
	const struct cursor *c = (const struct cursor *)base;
	const char *member = (const char *)row_at(c->batch, c->at) + columns[i].at;
	int kind = columns[i].kind;

	if (kind == TEXT && *(const char *const *)member)
		sqlite3_result_text(to, *(const char *const *)member, -1, SQLITE_STATIC);
	else if (kind == NUMBER || (kind == NONZERO && *(const int64_t *)member) || (kind == NATURAL && *(const int64_t *)member >= 0))
		sqlite3_result_int64(to, *(const int64_t *)member);
	return SQLITE_OK;	/* nothing said: NULL */
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
	const struct cursor *c = (const struct cursor *)base;

	*id = row_at(c->batch, c->at)->id;
	return SQLITE_OK;
}

/* Without xCreate it is there without CREATE VIRTUAL TABLE, and leaves no trace in the file. */
static const sqlite3_module module = {
	.xConnect = view_connect,   .xDisconnect = view_disconnect, .xBestIndex = view_best_index, .xOpen = cursor_open,
	.xClose = cursor_close,	    .xFilter = cursor_filter,	    .xNext = cursor_next,	   .xEof = cursor_eof,
	.xColumn = cursor_column,   .xRowid = cursor_rowid,
};

int batch_register(struct batch *b, sqlite3 *db)
{
	return sqlite3_create_module(db, "batch", &module, b);
}

/* ---- filling it ---- */

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	free(b);
}

static const char *keep(struct batch *b, const char *text, size_t size)
{
	char *copy = b->text + b->used;

	if (!text)
		return NULL;
	memcpy(copy, text, size);
	b->used += size;
	return copy;
}

bool batch_add(struct batch *b, const struct row_exchange *row)
{
	size_t method = row->method ? strlen(row->method) + 1 : 0, path = row->path ? strlen(row->path) + 1 : 0;
	size_t error = row->error ? strlen(row->error) + 1 : 0;
	struct row_exchange *to = &b->rows[b->count];
	unsigned i = b->count;

	if (b->count == BATCH_ROWS || method + path + error > BATCH_TEXT_BYTES - b->used)
		return false;
	*to = *row;
	to->method = keep(b, row->method, method);
	to->path = keep(b, row->path, path);
	to->error = keep(b, row->error, error);
	for (; i && row_at(b, i - 1)->id > to->id; i--)
		b->order[i] = b->order[i - 1];
	b->order[i] = (uint16_t)b->count++;
	return true;
}

unsigned batch_count(const struct batch *b)
{
	return b->count;
}

void batch_empty(struct batch *b)
{
	b->count = 0;
	b->used = 0;
}
