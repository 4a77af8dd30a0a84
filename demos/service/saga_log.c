/* SPDX-License-Identifier: MIT */
#include "demos/service/saga_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/postgres.h"

#define NS_PER_MS 1e6

/* %1$s: the table. $1 is the name of the sagas in all of them, for_ms a wait in milliseconds. */
#define FOR_MS(n) "now() + $" #n "::float8 * interval '1 millisecond'"
#define COLUMNS "id, version, state, step, tries, payload::text, reason"
static const char insert[] =
	"INSERT INTO %1$s (name, id, state, step, tries, version, payload, reason, due_at, created_at, updated_at)"
	" VALUES ($1, $2, 'running', 0, 0, 1, $3::jsonb, '', " FOR_MS(4) ", now(), now()) ON CONFLICT DO NOTHING RETURNING version";
static const char find[] = "SELECT " COLUMNS " FROM %1$s WHERE name = $1 AND id = $2";
static const char save[] =
	"UPDATE %1$s SET state = $4, step = $5::int, tries = $6::int, payload = $7::jsonb, reason = $8, due_at = " FOR_MS(9) ","
	" version = version + 1, updated_at = now() WHERE name = $1 AND id = $2 AND version = $3::bigint";
static const char claim[] =
	"UPDATE %1$s SET version = version + 1, due_at = " FOR_MS(2) " WHERE (name, id) = (SELECT name, id FROM %1$s"
	" WHERE name = $1 AND state IN ('running', 'compensating') AND due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
	" RETURNING " COLUMNS;

enum { COLUMN_ID, COLUMN_VERSION, COLUMN_STATE, COLUMN_STEP, COLUMN_TRIES, COLUMN_PAYLOAD, COLUMN_REASON };

int saga_log_init(struct saga_log *log, struct store *store, const char *name, const char *table, uint64_t lease_ns)
{
	*log = (struct saga_log){.store = store, .name = name, .lease_ns = lease_ns};
	if (postgres_statement(&log->insert, insert, table) && postgres_statement(&log->find, find, table) &&
	    postgres_statement(&log->save, save, table) && postgres_statement(&log->claim, claim, table))
		return 0;
	saga_log_clear(log);
	return -ENOMEM;
}

void saga_log_clear(struct saga_log *log)
{
	free(log->insert);
	free(log->find);
	free(log->save);
	free(log->claim);
}

void saga_kept_clear(struct saga_kept *kept)
{
	free(kept->id);
	cJSON_Delete(kept->values);
	*kept = (struct saga_kept){.id = NULL};
}

/* One statement on a connection of the pool. STORE_OK: *result is the caller's, for PQclear(). */
static enum store_end ask(struct saga_log *log, const char *statement, unsigned count, const char *const *params, PGresult **result)
{
	char why[STORE_WHY_SIZE];
	struct postgres_work work;
	enum store_end end;
	void *connection;

	*result = NULL;
	end = store_take(log->store, UINT64_MAX, &connection, why);
	if (end != STORE_OK)
		return end;
	work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(log->store, UINT64_MAX)};
	end = postgres_query(&work, statement, count, params, result);
	store_give(log->store, connection, end);
	return end;
}

static void write_ms(char text[32], uint64_t ns)
{
	snprintf(text, 32, "%.3f", (double)ns / NS_PER_MS);
}

static enum saga_state state_of(const char *name)
{
	unsigned s = 0;

	while (s < SAGA_STATES && strcmp(saga_state_names[s], name))
		s++;
	return (enum saga_state)s;
}

/* What a row says; anybody may have written to the table. */
static enum store_end take_row(const PGresult *row, const struct saga_policy *policy, struct saga_kept *kept)
{
	unsigned step = (unsigned)strtoul(PQgetvalue(row, 0, COLUMN_STEP), NULL, 10);
	unsigned tries = (unsigned)strtoul(PQgetvalue(row, 0, COLUMN_TRIES), NULL, 10);

	saga_kept_clear(kept);
	kept->id = strdup(PQgetvalue(row, 0, COLUMN_ID));
	kept->values = cJSON_Parse(PQgetvalue(row, 0, COLUMN_PAYLOAD));
	kept->version = strtoll(PQgetvalue(row, 0, COLUMN_VERSION), NULL, 10);
	snprintf(kept->reason, sizeof(kept->reason), "%s", PQgetvalue(row, 0, COLUMN_REASON));
	if (!kept->id)
		return STORE_NO_MEMORY;
	if (!saga_restore(&kept->saga, policy, state_of(PQgetvalue(row, 0, COLUMN_STATE)), step, tries) || !cJSON_IsObject(kept->values))
		return STORE_REFUSED;
	return STORE_OK;
}

static enum store_end find_kept(struct saga_log *log, struct saga_kept *kept)
{
	const char *const params[] = {log->name, kept->id};
	PGresult *result;
	enum store_end end = ask(log, log->find, 2, params, &result);

	if (end == STORE_OK)
		end = PQntuples(result) ? take_row(result, kept->saga.policy, kept) : STORE_BUSY;	/* deleted just now */
	PQclear(result);
	return end;
}

enum store_end saga_log_begin(struct saga_log *log, struct saga_kept *kept, bool *is_new)
{
	char *payload = cJSON_PrintUnformatted(kept->values), lease[32];
	const char *const params[] = {log->name, kept->id, payload, lease};
	PGresult *result = NULL;
	enum store_end end;

	write_ms(lease, log->lease_ns);
	end = payload ? ask(log, log->insert, 4, params, &result) : STORE_NO_MEMORY;
	free(payload);
	*is_new = end == STORE_OK && PQntuples(result);
	PQclear(result);
	if (end == STORE_OK && !*is_new)
		return find_kept(log, kept);
	kept->version = 1;
	return end;
}

enum store_end saga_log_save(struct saga_log *log, struct saga_kept *kept, uint64_t due_ns)
{
	char *payload = cJSON_PrintUnformatted(kept->values), version[32], step[16], tries[16], due[32];
	const char *const params[] = {log->name, kept->id, version, saga_state_names[kept->saga.state], step, tries, payload, kept->reason, due};
	PGresult *result = NULL;
	enum store_end end;

	snprintf(version, sizeof(version), "%" PRId64, kept->version);
	snprintf(step, sizeof(step), "%u", kept->saga.step);
	snprintf(tries, sizeof(tries), "%u", kept->saga.tries & INT32_MAX);
	write_ms(due, due_ns);
	end = payload ? ask(log, log->save, 9, params, &result) : STORE_NO_MEMORY;
	free(payload);
	if (end == STORE_OK && strcmp(PQcmdTuples(result), "1"))
		end = STORE_CONFLICT;
	kept->version += end == STORE_OK;
	PQclear(result);
	return end;
}

enum store_end saga_log_claim(struct saga_log *log, const struct saga_policy *policy, struct saga_kept *kept)
{
	char lease[32];
	const char *const params[] = {log->name, lease};
	PGresult *result;
	enum store_end end;

	*kept = (struct saga_kept){.id = NULL};
	write_ms(lease, log->lease_ns);
	end = ask(log, log->claim, 2, params, &result);
	if (end == STORE_OK && PQntuples(result))
		end = take_row(result, policy, kept);
	PQclear(result);
	return end;
}
