/* SPDX-License-Identifier: MIT */
#include "demos/service/postgres.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ull

/* By the longest beginning that fits. PostgreSQL documentation, appendix A. */
static const struct {
	const char *begins;
	enum store_end end;
} sqlstates[] = {
	{"08", STORE_LOST},	/* connection exception */
	{"22", STORE_INVALID},	/* data exception */
	{"23", STORE_CONFLICT},	/* integrity constraint violation ... */
	{"23502", STORE_REFUSED},	/* ... but a NULL where none may be is the statement's fault */
	{"25P03", STORE_LOST},	/* idle in transaction for too long: it has closed the connection */
	{"40", STORE_BUSY},	/* transaction rollback: serialization, deadlock */
	{"53", STORE_BUSY},	/* insufficient resources: memory, disk, too many connections */
	{"55P03", STORE_BUSY},	/* lock not available */
	{"57014", STORE_TIMEOUT},	/* query canceled: statement_timeout */
	{"57P01", STORE_LOST},	/* admin shutdown */
	{"57P02", STORE_LOST},	/* crash shutdown */
	{"57P03", STORE_BUSY},	/* cannot connect now: starting up */
	{"57P05", STORE_LOST},	/* idle session timeout */
};

enum store_end postgres_meaning(const char *sqlstate)
{
	enum store_end end = STORE_REFUSED;
	size_t longest = 0;

	for (size_t i = 0; sqlstate && i < sizeof(sqlstates) / sizeof(*sqlstates); i++) {
		size_t n = strlen(sqlstates[i].begins);

		if (n > longest && !strncmp(sqlstate, sqlstates[i].begins, n)) {
			end = sqlstates[i].end;
			longest = n;
		}
	}
	return end;
}

/* The first line of what libpq or the server says; both end their messages with a newline and add details after it. */
static void explain(char why[STORE_WHY_SIZE], const char *message)
{
	snprintf(why, STORE_WHY_SIZE, "%.*s", (int)strcspn(message, "\n"), message);
}

/* ---- connections ---- */

static bool finish_connecting(PGconn *pg, uint64_t until_ns)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
		if (!store_wait(PQsocket(pg), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ns))
			return false;
		next = PQconnectPoll(pg);
	}
	return next == PGRES_POLLING_OK;
}

/* What stands before dbname are defaults, which the address may set otherwise; what stands behind it is ours to say. */
static PGconn *begin_connecting(const struct store_config *config)
{
	char options[96];
	const char *const keys[] = {"sslmode", "gssencmode", "fallback_application_name", "dbname", "options", NULL};
	const char *const values[] = {"disable", "disable", config->service, config->address, options, NULL};

	snprintf(options, sizeof(options), "-c statement_timeout=%llu -c client_min_messages=error",
		 (unsigned long long)(config->timeout_ns / NS_PER_MS));
	return PQconnectStartParams(keys, values, 1);
}

static void *open_connection(const struct store_config *config, uint64_t until_ns, enum store_end *end, char why[STORE_WHY_SIZE])
{
	PGconn *pg = begin_connecting(config);

	*end = pg ? STORE_UNREACHABLE : STORE_NO_MEMORY;
	if (!pg)
		return NULL;
	if (PQstatus(pg) != CONNECTION_BAD && finish_connecting(pg, until_ns)) {
		PQsetnonblocking(pg, 1);
		return pg;
	}
	explain(why, PQstatus(pg) == CONNECTION_BAD ? PQerrorMessage(pg) : "no connection in time");
	PQfinish(pg);
	return NULL;
}

/* Between statements a server says nothing unless it is about to close. */
static bool is_at_rest(void *connection)
{
	PGconn *pg = connection;

	return PQstatus(pg) == CONNECTION_OK && PQtransactionStatus(pg) == PQTRANS_IDLE && !store_wait(PQsocket(pg), POLLIN, 0);
}

static void close_connection(void *connection)
{
	PQfinish(connection);
}

const struct store_kind postgres_kind = {.key = "postgres", .open = open_connection, .is_at_rest = is_at_rest, .close = close_connection};

/* ---- statements ---- */

uint64_t postgres_until(const struct store *store, uint64_t until_ns)
{
	uint64_t own_ns = store_until(store, UINT64_MAX);

	own_ns = own_ns < UINT64_MAX - POSTGRES_GRACE_NS ? own_ns + POSTGRES_GRACE_NS : UINT64_MAX;
	return own_ns < until_ns ? own_ns : until_ns;
}

/* Sends what is to be sent and reads until a result is whole. */
static enum store_end wait_for_result(struct postgres_work *work)
{
	int unsent;

	for (;;) {
		unsent = PQflush(work->pg);
		if (unsent < 0)
			return STORE_LOST;
		if (!unsent && !PQisBusy(work->pg))
			return STORE_OK;
		if (!store_wait(PQsocket(work->pg), unsent ? POLLIN | POLLOUT : POLLIN, work->until_ns))
			return STORE_TIMEOUT;
		if (!PQconsumeInput(work->pg))
			return STORE_LOST;
	}
}

static enum store_end end_of(const struct postgres_work *work, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return STORE_OK;
	if (PQstatus(work->pg) == CONNECTION_BAD)
		return STORE_LOST;
	return postgres_meaning(PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

/* Reads all that the statement answers. A COPY would go on for ever and is given up: the connection is not at rest then. */
static enum store_end read_results(struct postgres_work *work, PGresult **kept)
{
	enum store_end end = STORE_OK, waited;
	PGresult *result;

	while ((waited = wait_for_result(work)) == STORE_OK && (result = PQgetResult(work->pg))) {
		ExecStatusType status = PQresultStatus(result);

		PQclear(*kept);
		*kept = result;
		if (end == STORE_OK)
			end = end_of(work, result);
		if (end != STORE_OK)
			explain(work->why, PQresultErrorMessage(result));
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
			break;
	}
	if (waited == STORE_OK || end != STORE_OK)
		return end;
	explain(work->why, waited == STORE_TIMEOUT ? "no answer in time" : PQerrorMessage(work->pg));
	return waited;
}

enum store_end postgres_query(struct postgres_work *work, const char *query, unsigned count, const char *const *params, PGresult **result)
{
	enum store_end end;

	*result = NULL;
	work->why[0] = '\0';
	if (!PQsendQueryParams(work->pg, query, (int)count, NULL, params, NULL, NULL, 0)) {
		explain(work->why, PQerrorMessage(work->pg));
		return PQstatus(work->pg) == CONNECTION_BAD ? STORE_LOST : STORE_REFUSED;
	}
	end = read_results(work, result);
	if (end != STORE_OK) {
		PQclear(*result);
		*result = NULL;
	}
	return end;
}

enum store_end postgres_do(struct postgres_work *work, const char *query)
{
	PGresult *result;
	enum store_end end = postgres_query(work, query, 0, NULL, &result);

	PQclear(result);
	return end;
}

void postgres_rollback(struct postgres_work *work)
{
	struct postgres_work rollback = {.pg = work->pg, .until_ns = work->until_ns};
	PGTransactionStatusType status = PQtransactionStatus(work->pg);

	if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
		postgres_do(&rollback, "ROLLBACK");
}

/* ---- rows ---- */

/* Types by their oid (catalog pg_type, fixed since the first release that had each). */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_JSON = 114, OID_FLOAT4 = 700, OID_FLOAT8 = 701, OID_NUMERIC = 1700,
       OID_JSONB = 3802 };

static cJSON *number(const char *text)
{
	char *end;
	double x = strtod(text, &end);

	return *text && !*end && x - x == 0 ? cJSON_CreateNumber(x) : cJSON_CreateString(text);	/* NaN and Infinity are no JSON */
}

static cJSON *value(Oid type, const char *text)
{
	cJSON *parsed = NULL;

	switch (type) {
	case OID_BOOL:
		return cJSON_CreateBool(text[0] == 't');
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		return number(text);
	case OID_JSON:
	case OID_JSONB:
		parsed = cJSON_Parse(text);
		break;
	}
	return parsed ? parsed : cJSON_CreateString(text);
}

cJSON *postgres_row(const PGresult *result, int row)
{
	cJSON *object = cJSON_CreateObject(), *item;

	for (int c = 0; c < PQnfields(result); c++) {
		item = PQgetisnull(result, row, c) ? cJSON_CreateNull() : value(PQftype(result, c), PQgetvalue(result, row, c));
		if (!cJSON_AddItemToObject(object, PQfname(result, c), item)) {
			cJSON_Delete(item);
			cJSON_Delete(object);
			return NULL;
		}
	}
	return object;
}

cJSON *postgres_rows(const PGresult *result)
{
	cJSON *array = cJSON_CreateArray(), *row;

	for (int r = 0; r < PQntuples(result); r++) {
		row = postgres_row(result, r);
		if (!cJSON_AddItemToArray(array, row)) {
			cJSON_Delete(row);
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
bool postgres_statement(char **statement, const char *format, const char *table)
{
	if (asprintf(statement, format, table) < 0)
		*statement = NULL;
	return *statement;
}
#pragma GCC diagnostic pop
