/* SPDX-License-Identifier: MIT */
#include "record/batch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536u		/* the largest there is */
#define LEAVES 64u		/* pages of rows: some 20,000 exchanges, and twice that where all pages are full */
#define ROWS 30000u
#define NEAR 64u		/* places that a row is moved forward when it comes */
#define LEAF_HEADER 8u		/* of a b-tree page; its cell pointers follow */
#define INTERIOR_HEADER 12u
#define TABLE_LEAF 13		/* b-tree page types */
#define TABLE_INTERIOR 5
#define CHANGE_COUNTER 24	/* offsets in the database header */
#define PAGE_COUNT 28
#define VALID_FOR 92

/*
 * The columns of `exchange` in their order, which are the members of struct row_exchange, and what they hold: KEY (stands before the
 * record, NULL in it), NUMBER, NONZERO (0 is NULL), NATURAL (-1 is NULL), WORD (one of few, a literal; NULL is NULL), TEXT (any).
 */
#define COLUMNS(X) \
	X(id, KEY) X(connection_id, NONZERO) X(process_id, NONZERO) X(tid, NONZERO) X(role, WORD) X(protocol, WORD) \
	X(method, TEXT) X(path, TEXT) X(status, NONZERO) X(outcome, WORD) X(error, TEXT) X(started_ns, NONZERO) \
	X(sent_ns, NONZERO) X(first_byte_ns, NONZERO) X(ended_ns, NONZERO) X(bytes_out, NUMBER) X(bytes_in, NUMBER) \
	X(fingerprint, NONZERO) X(correlation, NONZERO) X(idempotency_key, NONZERO) X(retry_after_ms, NATURAL) \
	X(fault_id, NONZERO) X(parent_id, NONZERO) X(synthetic, NUMBER) X(sources, WORD) X(parent_tier, WORD) X(end_inferred, NUMBER) \
	X(query, TEXT)

#define X(name, kind) +1
enum { COLUMN_COUNT = COLUMNS(X), TEXT_COUNT = 4 };	/* TEXT: method, path, error, query */
#undef X

#define BEFORE_MAX (3 + 9)	/* a record's size (below 2^21) and key */
#define CELL_MAX (BEFORE_MAX + 1 + 3 * COLUMN_COUNT + 8 * COLUMN_COUNT + BATCH_WORD)	/* without the bytes of texts */

struct cell {
	int64_t id;
	uint32_t at, n;		/* in cells[] */
};

/* The word that a column had last, which is most often the one that it has now. Literals: the same address, the same word. */
struct word {
	const char *text;
	unsigned n;
	char copy[BATCH_WORD];
};

struct batch {
	unsigned count;
	uint32_t used;			/* of cells[] */
	struct word words[COLUMN_COUNT];	/* of the first so many columns that hold one */
	struct cell rows[ROWS];		/* by id, which is nearly the order of coming, unless */
	bool unsorted;
	uint8_t cells[LEAVES / 2 * PAGE];	/* pages of which each is at least half full hold them all */
	uint8_t *image;			/* the database: its schema, the root of its table, the leaves */
	uint32_t root, first_leaf;	/* page numbers, from 1 */
};

/* ---- numbers as SQLite writes them ---- */

static void put16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void put32(uint8_t *to, uint32_t v)
{
	put16(to, v >> 16);
	put16(to + 2, v);
}

static uint32_t get32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* A varint: seven bits a byte, the highest first; the ninth byte would have eight, for numbers from 2^56 on, which no id reaches. */
static unsigned put_varint(uint8_t *to, uint64_t v)
{
	unsigned n = 1;

	for (uint64_t rest = v >> 7; rest; rest >>= 7)
		n++;
	for (unsigned i = n; i--; v >>= 7)
		to[i] = (uint8_t)((v & 0x7f) | (i + 1 < n ? 0x80 : 0));
	return n;
}

/* ---- a row as a cell of a table's leaf: the record's size, the key, the record (size of its head, types; then the values) ---- */

struct pen {
	uint8_t *type;	/* where the next type goes */
	uint8_t *value;	/* where the next value goes; eight bytes more than it needs may be written */
};

static inline void put_null(struct pen *p)
{
	*p->type++ = 0;
}

/* In the smallest of the sizes that there are: 0 (for 0 and 1), 1, 2, 3, 4, 6, 8 bytes. */
static inline void put_number(struct pen *p, int64_t v)
{
	static const uint8_t types[] = {0, 1, 2, 3, 4, 5, 5, 6, 6}, sizes[] = {0, 1, 2, 3, 4, 6, 6, 8, 8};
	unsigned bytes;
	uint64_t big;

	if (v == 0 || v == 1) {
		*p->type++ = (uint8_t)(8 + v);
		return;
	}
	bytes = (unsigned)(64 - __builtin_clzll((uint64_t)(v ^ (v >> 63)) | 1)) / 8 + 1;	/* with the sign */
	big = __builtin_bswap64((uint64_t)v << (64 - 8 * sizes[bytes]));
	memcpy(p->value, &big, sizeof(big));
	p->value += sizes[bytes];
	*p->type++ = types[bytes];
}

static inline void put_text(struct pen *p, const char *text, size_t n)
{
	if (!text) {
		put_null(p);
		return;
	}
	p->type += put_varint(p->type, 13 + 2 * n);
	memcpy(p->value, text, n);
	p->value += n;
}

static void learn_word(struct word *w, const char *text)
{
	w->text = text;
	w->n = text ? (unsigned)strnlen(text, BATCH_WORD) : 0;
	memcpy(w->copy, text ? text : "", w->n);
}

static inline void put_word(struct pen *p, struct word *w, const char *text)
{
	if (text != w->text)
		learn_word(w, text);
	if (!text) {
		put_null(p);
		return;
	}
	*p->type++ = (uint8_t)(13 + 2 * w->n);
	memcpy(p->value, w->copy, BATCH_WORD);
	p->value += w->n;
}

#define KEY(v) put_null(&p)
#define NUMBER(v) put_number(&p, v)
#define NONZERO(v) ((v) ? put_number(&p, v) : put_null(&p))
#define NATURAL(v) ((v) >= 0 ? put_number(&p, v) : put_null(&p))
#define WORD(v) put_word(&p, word++, v)
#define TEXT(v) put_text(&p, v, *n++)
#define X(name, kind) kind(row->name);

/*
 * Where the values begin depends on the lengths of texts alone, n of the TEXT columns; what stands before the record is put before it once its size is
 * known. Returns where the cell begins, `end` where it ends.
 */
static uint8_t *put_cell(uint8_t *to, const struct row_exchange *row, struct word *word, const size_t *n, uint8_t **end)
{
	uint8_t *head = to + BEFORE_MAX, before[BEFORE_MAX];
	uint32_t head_n = 1 + COLUMN_COUNT, size, k;
	struct pen p = {head + 1, NULL};

	for (unsigned i = 0; i < TEXT_COUNT; i++)
		head_n += (n[i] > 57) + (n[i] > 8185);	/* their types take two bytes, or three */
	p.value = head + head_n;
	head[0] = (uint8_t)head_n;
	COLUMNS(X)
	size = (uint32_t)(p.value - head);
	k = put_varint(before, size);
	k += put_varint(before + k, (uint64_t)row->id);
	memcpy(head - k, before, k);
	*end = p.value;
	return head - k;
}
#undef X

/* ---- the same row bound to a statement ---- */

#define X(name, kind) ",?"
int batch_prepare_one(sqlite3 *db, sqlite3_stmt **st)
{
	static const char marks[] = COLUMNS(X);
	char sql[128];

	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO main.exchange VALUES(%s)", marks + 1);
	return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
}
#undef X

static void bind_number(sqlite3_stmt *st, int at, bool given, int64_t v)
{
	if (given)
		sqlite3_bind_int64(st, at, v);
	else
		sqlite3_bind_null(st, at);
}

#define BIND_KEY(v) sqlite3_bind_int64(st, ++at, v)
#define BIND_NUMBER(v) sqlite3_bind_int64(st, ++at, v)
#define BIND_NONZERO(v) (++at, bind_number(st, at, (v) != 0, v))
#define BIND_NATURAL(v) (++at, bind_number(st, at, (v) >= 0, v))
#define BIND_WORD(v) BIND_TEXT(v)
#define BIND_TEXT(v) sqlite3_bind_text(st, ++at, v, -1, SQLITE_STATIC)	/* NULL binds NULL */
#define X(name, kind) BIND_##kind(row->name);

void batch_bind_one(sqlite3_stmt *st, const struct row_exchange *row)
{
	int at = 0;

	COLUMNS(X)
}
#undef X

/* ---- rows ---- */

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

bool batch_add(struct batch *b, const struct row_exchange *row)
{
	const size_t n[TEXT_COUNT] = {length(row->method), length(row->path), length(row->error), length(row->query)};
	size_t room = CELL_MAX + COLUMN_COUNT * BATCH_WORD + n[0] + n[1] + n[2] + n[3];
	uint8_t *from, *to, *cells = b->cells + b->used;
	struct cell c = {.id = row->id};
	unsigned i = b->count;

	if (i == ROWS || room > PAGE / 2 - LEAF_HEADER || room > sizeof(b->cells) - b->used)
		return false;
	from = put_cell(cells, row, b->words, n, &to);
	c.at = (uint32_t)(from - b->cells);
	c.n = (uint32_t)(to - from);
	b->used += (uint32_t)(to - cells);
	for (; i && i + NEAR > b->count && b->rows[i - 1].id > c.id; i--)
		b->rows[i] = b->rows[i - 1];
	b->unsorted |= i && b->rows[i - 1].id > c.id;
	b->rows[i] = c;
	b->count++;
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
	b->unsorted = false;
}

/* ---- pages ---- */

static uint8_t *page_at(const struct batch *b, uint32_t number)
{
	return b->image + (size_t)(number - 1) * PAGE;
}

/* Fills a leaf with rows from `from` on; returns the first that it has no room for. */
static unsigned fill_leaf(const struct batch *b, uint8_t *page, unsigned from)
{
	uint32_t pointers = LEAF_HEADER, content = PAGE;
	unsigned i = from;

	for (; i < b->count && content - pointers >= b->rows[i].n + 2; i++, pointers += 2) {
		content -= b->rows[i].n;
		memcpy(page + content, b->cells + b->rows[i].at, b->rows[i].n);
		put16(page + pointers, content);
	}
	memset(page, 0, LEAF_HEADER);
	page[0] = TABLE_LEAF;
	put16(page + 3, i - from);
	put16(page + 5, content);	/* 65536 is written as 0 */
	return i;
}

/* The root above the leaves: for each but the last its number and its largest key. */
static void fill_root(const struct batch *b, uint32_t leaves, const int64_t *last_key)
{
	uint8_t *page = page_at(b, b->root);
	uint32_t content = PAGE;

	for (uint32_t i = 0; i + 1 < leaves; i++) {
		uint8_t key[9];
		unsigned n = put_varint(key, (uint64_t)last_key[i]);

		content -= 4 + n;
		put32(page + content, b->first_leaf + i);
		memcpy(page + content + 4, key, n);
		put16(page + INTERIOR_HEADER + 2 * i, content);
	}
	memset(page, 0, INTERIOR_HEADER);
	page[0] = TABLE_INTERIOR;
	put16(page + 3, leaves - 1);
	put16(page + 5, content);
	put32(page + 8, b->first_leaf + leaves - 1);
}

static int by_id(const void *a, const void *b)
{
	int64_t x = ((const struct cell *)a)->id, y = ((const struct cell *)b)->id;

	return (x > y) - (x < y);
}

void batch_fill(struct batch *b)
{
	int64_t last_key[LEAVES];
	uint32_t leaves = 0, changes = get32(b->image + CHANGE_COUNTER) + 1;

	if (b->unsorted)
		qsort(b->rows, b->count, sizeof(*b->rows), by_id);
	for (unsigned i = 0; i < b->count; leaves++) {
		i = fill_leaf(b, page_at(b, b->first_leaf + leaves), i);
		last_key[leaves] = b->rows[i - 1].id;
	}
	if (leaves > 1)
		fill_root(b, leaves, last_key);
	else
		memcpy(page_at(b, b->root), page_at(b, b->first_leaf), PAGE);
	put32(b->image + CHANGE_COUNTER, changes);
	put32(b->image + VALID_FOR, changes);
}

/* ---- the database ---- */

/* The first value of a query, copied; NULL when there is none. */
static char *ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	char *answer = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		answer = sqlite3_mprintf("%s", sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return answer;
}

/* Lets SQLite itself make a database with the table, and appends the leaves. */
static int make_image(struct batch *b, const char *table)
{
	char *sql = sqlite3_mprintf("PRAGMA page_size=%u; %s", PAGE, table), *root = NULL;
	uint8_t *made = NULL;
	sqlite3_int64 n = 0;
	sqlite3 *db;
	int rc = sqlite3_open(":memory:", &db);

	if (rc == SQLITE_OK)
		rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		root = ask(db, "SELECT rootpage FROM sqlite_master");
		made = sqlite3_serialize(db, "main", &n, 0);
		b->image = calloc(1, (size_t)n + LEAVES * PAGE);
		rc = root && made && b->image ? SQLITE_OK : SQLITE_NOMEM;
	}
	if (rc == SQLITE_OK) {
		memcpy(b->image, made, (size_t)n);
		b->root = (uint32_t)atoi(root);
		b->first_leaf = (uint32_t)(n / PAGE) + 1;
		put32(b->image + PAGE_COUNT, b->first_leaf - 1 + LEAVES);
	}
	sqlite3_free(made);
	sqlite3_free(root);
	sqlite3_free(sql);
	sqlite3_close(db);
	return rc;
}

int batch_open(struct batch **out, sqlite3 *db)
{
	struct batch *b = *out = calloc(1, sizeof(*b));
	char *table = ask(db, "SELECT sql FROM main.sqlite_master WHERE name='exchange'");
	int rc = b && table ? make_image(b, table) : SQLITE_NOMEM;
	sqlite3_int64 n = 0;

	sqlite3_free(table);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "ATTACH ':memory:' AS batch", NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		n = (sqlite3_int64)(b->first_leaf - 1 + LEAVES) * PAGE;
		rc = sqlite3_deserialize(db, "batch", b->image, n, n, SQLITE_DESERIALIZE_READONLY);
	}
	return rc;
}

void batch_free(struct batch *b)
{
	if (b)
		free(b->image);
	free(b);
}
