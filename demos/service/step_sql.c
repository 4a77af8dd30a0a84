/* SPDX-License-Identifier: MIT */
/*
 * The step that asks PostgreSQL, with one statement or a transaction of several:
 *
 *   {"sql": "orders_db", "query": "SELECT * FROM orders WHERE id = $1", "params": ["${path.id}"], "as": "order", "rows": "one", "missing": 404}
 *   {"sql": "orders_db", "transaction": [{"query": ..., "params": ..., "as": ..., "rows": ..., "missing": ...}, ...], "isolation": "serializable"}
 *
 * A parameter is a template; one that is nothing but a value which is not there is NULL, an object or array goes out as JSON text.
 * rows "one": the result is an object, and without a row the route ends with `missing` (404); "many": an array; "none" (the default): {"affected": n},
 * and where `missing` is given the route ends with it when nothing was affected. A transaction that ends so is rolled back.
 * A failure ends the route with the status of store_meanings; a step that is "optional" is passed over instead, and the answer marked as degraded.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config.h"
#include "demos/service/postgres.h"
#include "demos/service/request.h"
#include "demos/service/service.h"
#include "demos/service/step.h"
#include "demos/service/step_store.h"
#include "demos/service/values.h"

#define PARAMS_MAX 64

enum rows { ROWS_NONE, ROWS_ONE, ROWS_MANY };

static const char *const rows_names[] = {"none", "one", "many", NULL};
static const char *const isolation_names[] = {"read committed", "repeatable read", "serializable", NULL};
static const char *const begins[] = {"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE"};

struct statement {
	const char *query, *as;
	const cJSON *params;		/* an array of templates; NULL none */
	unsigned rows;			/* enum rows */
	unsigned missing;		/* 0: not missed */
};

struct sql {
	struct step_store at;
	struct statement single, *statements;	/* statements: &single, or a list of count */
	unsigned count, isolation;
	bool is_transaction;
};

/* What came of a step: how it ended at the store, and the status of what was missing (0: nothing was). */
struct outcome {
	enum store_end end;
	unsigned missing;
	char why[STORE_WHY_SIZE];
};

/* ---- reading ---- */

static int read_params(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > PARAMS_MAX)
		return fields_refuse(f, value, "an array of at most %d templates", PARAMS_MAX);
	*(const cJSON **)into = value;
	return 0;
}

static int read_transaction(struct fields *f, const struct field *field, const cJSON *value, void *into);

#define OF_STATEMENT(member) .offset = offsetof(struct statement, member)
static const struct field statement_fields[] = {
	{"query", fields_string, OF_STATEMENT(query), .required = true},
	{"params", read_params, OF_STATEMENT(params)},
	{"as", fields_string, OF_STATEMENT(as)},
	{"rows", fields_name, OF_STATEMENT(rows), .names = rows_names},
	{"missing", fields_count, OF_STATEMENT(missing), .low = 200, .high = 599},
	{NULL},
};

#define OF_SQL(member) .offset = offsetof(struct sql, member)
static const struct field sql_fields[] = {
	{"sql", fields_string, OF_SQL(at.name), .required = true},
	{"optional", fields_bool, OF_SQL(at.is_optional)},
	{"query", fields_string, OF_SQL(single.query)},
	{"params", read_params, OF_SQL(single.params)},
	STEP_AS,
	{"rows", fields_name, OF_SQL(single.rows), .names = rows_names},
	{"missing", fields_count, OF_SQL(single.missing), .low = 200, .high = 599},
	{"transaction", read_transaction, .offset = 0},
	{"isolation", fields_name, OF_SQL(isolation), .names = isolation_names},
	{NULL},
};

/* What is missing has a meaning, and one row that is must have one. */
static int settle_missing(struct fields *f, struct statement *s)
{
	if (s->rows == ROWS_MANY && s->missing)
		return fields_refuse(f, NULL, "without missing: no rows are an empty array");
	if (s->rows == ROWS_ONE && !s->missing)
		s->missing = 404;
	return 0;
}

static int read_statement(struct fields *f, const cJSON *item, struct statement *s)
{
	int err = fields_read(f, item, statement_fields, s);

	return err ? err : settle_missing(f, s);
}

static int read_transaction(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct sql *sql = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	if (!cJSON_IsArray(value) || !value->child)
		return fields_refuse(f, value, "an array of statements");
	sql->statements = calloc((size_t)cJSON_GetArraySize(value), sizeof(*sql->statements));
	if (!sql->statements)
		return -ENOMEM;
	sql->is_transaction = true;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);

		err = read_statement(f, item, &sql->statements[i++]);
		if (err)
			return err;
		fields_up(f, mark);
	}
	sql->count = i;
	return 0;
}

/* Either one statement or a transaction, and nothing that belongs to the other. */
static int makes_sense(struct fields *f, struct sql *sql)
{
	struct statement *s = &sql->single;

	if (!s->query == !sql->is_transaction)
		return fields_refuse(f, NULL, "given either query or transaction");
	if (sql->is_transaction && (s->params || s->rows || s->missing))
		return fields_refuse(f, NULL, "without params, rows and missing: they belong to the statements of its transaction");
	if (!sql->is_transaction && sql->isolation)
		return fields_refuse(f, NULL, "a transaction, or without isolation");
	if (sql->is_transaction)
		return 0;
	sql->statements = s;
	sql->count = 1;
	return settle_missing(f, s);
}

static int sql_read(struct fields *f, const cJSON *object, struct step *step)
{
	struct sql *sql = calloc(1, sizeof(*sql));
	int err;

	if (!sql)
		return -ENOMEM;
	step->policy = sql;
	err = fields_read(f, object, sql_fields, sql);
	if (!err)
		err = makes_sense(f, sql);
	if (!err)
		err = step_store_link(f, &sql->at, &postgres_kind);
	sql->single.as = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "as"));
	return err;
}

static void sql_clear(struct step *step)
{
	struct sql *sql = step->policy;

	if (sql && sql->is_transaction)
		free(sql->statements);
	free(sql);
}

/* ---- running ---- */

/* The texts of the parameters, NULL for NULL; false without memory. How many in *count; all are to be freed in any case. */
static bool make_params(const cJSON *values, const cJSON *templates, char *texts[PARAMS_MAX], unsigned *count)
{
	const cJSON *template;

	cJSON_ArrayForEach(template, templates)
		if (!step_store_text(values, template, &texts[(*count)++]))
			return false;
	return true;
}

static cJSON *result_tree(const struct statement *s, const PGresult *result)
{
	cJSON *affected;

	if (s->rows == ROWS_ONE)
		return postgres_row(result, 0);
	if (s->rows == ROWS_MANY)
		return postgres_rows(result);
	affected = cJSON_CreateObject();
	cJSON_AddNumberToObject(affected, "affected", strtod(PQcmdTuples((PGresult *)result), NULL));
	return affected;
}

static unsigned missing_in(const struct statement *s, const PGresult *result)
{
	bool is_there = s->rows == ROWS_ONE ? PQntuples(result) > 0 : strtod(PQcmdTuples((PGresult *)result), NULL) > 0;

	return is_there ? 0 : s->missing;
}

static void keep(struct request *r, const struct statement *s, const PGresult *result)
{
	struct step step = {.as = s->as};

	if (s->as)
		request_keep(r, &step, result_tree(s, result));
}

/* One statement; false when no other is to follow. */
static bool run_statement(struct request *r, struct postgres_work *work, const struct statement *s, struct outcome *o)
{
	char *texts[PARAMS_MAX] = {NULL};
	PGresult *result = NULL;
	unsigned count = 0;

	if (make_params(r->values, s->params, texts, &count))
		o->end = postgres_query(work, s->query, count, (const char *const *)texts, &result);
	else
		o->end = STORE_NO_MEMORY;
	while (count)
		free(texts[--count]);
	if (o->end == STORE_OK)
		o->missing = missing_in(s, result);
	else
		memcpy(o->why, work->why, sizeof(o->why));
	if (o->end == STORE_OK && !o->missing)
		keep(r, s, result);
	PQclear(result);
	return o->end == STORE_OK && !o->missing;
}

static void bracket(struct postgres_work *work, const char *query, struct outcome *o)
{
	o->end = postgres_do(work, query);
	if (o->end != STORE_OK)
		memcpy(o->why, work->why, sizeof(o->why));
}

static void run_statements(struct request *r, const struct sql *sql, struct postgres_work *work, struct outcome *o)
{
	unsigned i = 0;

	if (sql->is_transaction)
		bracket(work, begins[sql->isolation], o);
	if (o->end != STORE_OK)
		return;
	while (i < sql->count && run_statement(r, work, &sql->statements[i], o))
		i++;
	if (sql->is_transaction && i == sql->count)
		bracket(work, "COMMIT", o);
	postgres_rollback(work);	/* of what was not committed, if there is anything */
}

static enum step_end sql_run(struct request *r, const struct step *step)
{
	const struct sql *sql = step->policy;
	struct store *store = &r->service->stores[sql->at.index];
	struct outcome o = {.end = STORE_OK};
	struct postgres_work work;
	void *connection;

	o.end = store_take(store, r->deadline.end_ns, &connection, o.why);
	if (o.end == STORE_OK) {
		work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(store, r->deadline.end_ns)};
		run_statements(r, sql, &work, &o);
		store_give(store, connection, o.end);
	}
	if (o.end != STORE_OK)
		return step_store_failed(r, &sql->at, o.end, o.why);
	return o.missing ? step_store_missing(r, &sql->at, o.missing) : STEP_GOES_ON;
}

const struct step_kind step_sql = {.key = "sql", .read = sql_read, .run = sql_run, .clear = sql_clear};
