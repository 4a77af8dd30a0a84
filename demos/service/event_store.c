/* SPDX-License-Identifier: MIT */
#include "demos/service/event_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/postgres.h"

#define TRIES 10	/* to add at any version; each lost to another who was faster */
#define SQL_SIZE 700

/* %1$s: the table. */
static const char look[] =
	"SELECT last.version, last.type, own.version, own.position FROM (SELECT 1) AS one"
	" LEFT JOIN (SELECT version, type FROM %1$s WHERE stream = $1 ORDER BY version DESC LIMIT 1) AS last ON true"
	" LEFT JOIN (SELECT version, position FROM %1$s WHERE stream = $1 AND id = $2) AS own ON true";
static const char add[] = "INSERT INTO %1$s (stream, version, type, data, id) VALUES"
			  " ($1, $2::bigint, $3, $4::jsonb, coalesce($5, gen_random_uuid()::text)) RETURNING position";
static const char replay[] = "SELECT version, type, data::text, at FROM %1$s WHERE stream = $1 AND version <= $2::bigint ORDER BY version";

enum { LAST_VERSION, LAST_TYPE, OWN_VERSION, OWN_POSITION };
enum { REPLAY_VERSION, REPLAY_TYPE, REPLAY_DATA, REPLAY_AT };

/* A statement about the table of `events`, on a connection that is at hand. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static enum store_end ask(const struct event_store *events, struct postgres_work *work, const char *format, unsigned count,
			  const char *const *params, PGresult **result)
{
	char statement[SQL_SIZE];

	*result = NULL;
	if (snprintf(statement, sizeof(statement), format, events->table) >= SQL_SIZE)
		return STORE_REFUSED;
	return postgres_query(work, statement, count, params, result);
}
#pragma GCC diagnostic pop

static int64_t whole(const PGresult *result, int column)
{
	return PQgetisnull(result, 0, column) ? 0 : strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* Fills *added with what is there: the event itself, or what it would have to follow. */
static enum store_end judge(const struct event_store *events, struct postgres_work *work, const struct event_addition *what,
			    struct event_added *added)
{
	const char *const params[] = {what->stream, what->id};
	PGresult *result;
	enum store_end end = ask(events, work, look, 2, params, &result);

	if (end == STORE_OK) {
		added->last.version = whole(result, LAST_VERSION);
		added->last.type = PQgetisnull(result, 0, LAST_TYPE) ? NULL : PQgetvalue(result, 0, LAST_TYPE);
		added->is_repeated = !PQgetisnull(result, 0, OWN_VERSION);
		added->version = added->is_repeated ? whole(result, OWN_VERSION) : added->last.version + 1;
		added->position = whole(result, OWN_POSITION);
		added->verdict = added->is_repeated ? EVENTS_FOLLOWS : events_judge(&added->last, what->seen, what->after);
		added->last.type = NULL;	/* it goes with the result */
	}
	PQclear(result);
	return end;
}

static enum store_end insert(const struct event_store *events, struct postgres_work *work, const struct event_addition *what,
			     struct event_added *added)
{
	char version[32];
	const char *const params[] = {what->stream, version, what->type, what->data, what->id};
	PGresult *result;
	enum store_end end;

	snprintf(version, sizeof(version), "%" PRId64, added->version);
	end = ask(events, work, add, 5, params, &result);
	if (end == STORE_OK)
		added->position = whole(result, 0);
	PQclear(result);
	return end;
}

/* Who was told to be the next may find that another was faster. */
static enum store_end try_to_add(const struct event_store *events, struct postgres_work *work, const struct event_addition *what,
				 struct event_added *added)
{
	enum store_end end = STORE_CONFLICT;

	for (unsigned i = 0; end == STORE_CONFLICT && i < TRIES; i++) {
		end = judge(events, work, what, added);
		if (end != STORE_OK || added->verdict != EVENTS_FOLLOWS || added->is_repeated)
			return end;
		end = insert(events, work, what, added);
	}
	return end;
}

enum store_end event_store_add(const struct event_store *events, const struct event_addition *what, uint64_t until_ns, struct event_added *added)
{
	struct postgres_work work;
	enum store_end end;
	void *connection;

	*added = (struct event_added){.version = 0};
	end = store_take(events->store, until_ns, &connection, added->why);
	if (end != STORE_OK)
		return end;
	work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(events->store, until_ns)};
	end = try_to_add(events, &work, what, added);
	if (end != STORE_OK)
		memcpy(added->why, work.why, sizeof(added->why));
	store_give(events->store, connection, end);
	return end;
}

void event_state_clear(struct event_state *state)
{
	cJSON_Delete(state->state);
	cJSON_Delete(state->history);
	state->state = state->history = NULL;
}

static bool note(cJSON *history, const PGresult *result, int row)
{
	cJSON *item = cJSON_CreateObject();

	cJSON_AddNumberToObject(item, "version", row + 1);
	cJSON_AddStringToObject(item, "type", PQgetvalue(result, row, REPLAY_TYPE));
	cJSON_AddStringToObject(item, "at", PQgetvalue(result, row, REPLAY_AT));
	return cJSON_AddItemToArray(history, item);
}

/* The next event of a stream, which is row + 1 or the stream is not whole. */
static enum store_end fold_row(const PGresult *result, int row, struct event_state *state)
{
	cJSON *data;

	if (strtoll(PQgetvalue(result, row, REPLAY_VERSION), NULL, 10) != row + 1) {
		snprintf(state->why, sizeof(state->why), "version %d is missing", row + 1);
		return STORE_REFUSED;
	}
	data = cJSON_Parse(PQgetvalue(result, row, REPLAY_DATA));
	state->state = events_fold(state->state, data);
	cJSON_Delete(data);
	state->version = row + 1;
	return state->state && note(state->history, result, row) ? STORE_OK : STORE_NO_MEMORY;
}

static enum store_end fold_rows(const PGresult *result, struct event_state *state)
{
	enum store_end end = STORE_OK;

	state->history = cJSON_CreateArray();
	for (int row = 0; end == STORE_OK && row < PQntuples(result); row++)
		end = fold_row(result, row, state);
	return end;
}

enum store_end event_store_replay(const struct event_store *events, const char *stream, int64_t until_version, uint64_t until_ns,
				  struct event_state *state)
{
	char version[32];
	const char *const params[] = {stream, version};
	struct postgres_work work;
	PGresult *result;
	enum store_end end;
	void *connection;

	*state = (struct event_state){.version = 0};
	snprintf(version, sizeof(version), "%" PRId64, until_version);
	end = store_take(events->store, until_ns, &connection, state->why);
	if (end != STORE_OK)
		return end;
	work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(events->store, until_ns)};
	end = ask(events, &work, replay, 2, params, &result);
	if (end != STORE_OK)
		memcpy(state->why, work.why, sizeof(state->why));
	store_give(events->store, connection, end);
	if (end == STORE_OK)
		end = fold_rows(result, state);
	PQclear(result);
	return end;
}
