/* SPDX-License-Identifier: MIT */
/*
 * Streams of events kept in a table of PostgreSQL that is only added to. It has the columns
 *     stream    text, version bigint: PRIMARY KEY (stream, version)      id    text, unique: what an addition is asked for under
 *     type      text             data  jsonb, not null                   at    timestamptz, not null, default now()
 *     position  bigserial        tx    xid8, not null, default pg_current_xact_id(); an index on (tx, position)
 *
 * The key is the optimistic lock: of two who add version n, one meets a row that is there. Tx and position are the order of all streams
 * in which readers follow (projection.h): positions are given out before a commit and become visible in any order, transactions below
 * the oldest that runs are all over.
 * Thread-safe.
 */
#ifndef DEMOS_SERVICE_EVENT_STORE_H
#define DEMOS_SERVICE_EVENT_STORE_H

#include "demos/service/events.h"
#include "demos/service/store.h"

struct event_store {
	struct store *store;
	const char *table;		/* part of statements as it is */
};

struct event_addition {
	const char *stream, *type, *data;	/* data: JSON */
	const char *id;				/* NULL: one is made up */
	int64_t seen;				/* see events_judge() */
	const cJSON *after;
};

struct event_added {
	enum events_verdict verdict;		/* with STORE_OK; the event is there when it FOLLOWS */
	int64_t version, position;
	bool is_repeated;			/* it was there already, under that id */
	struct events_last last;		/* what it was judged by; its type is not kept */
	char why[STORE_WHY_SIZE];
};

/*
 * Adds an event, unless one of that id is in the stream. Where any version will do, it is tried again when another was faster. An end
 * of STORE_LOST or STORE_TIMEOUT: it may be there or not, which asking again under the same id finds out.
 */
enum store_end event_store_add(const struct event_store *events, const struct event_addition *what, uint64_t until_ns, struct event_added *added);

/* The state of a stream at a version (INT64_MAX: the last). */
struct event_state {
	int64_t version;		/* 0: there are no events */
	cJSON *state;			/* the caller's to delete */
	cJSON *history;			/* array of {"version", "type", "at"}; the caller's too */
	char why[STORE_WHY_SIZE];
};

/* STORE_REFUSED also when a version is missing between others: what can not be told is not told. */
enum store_end event_store_replay(const struct event_store *events, const char *stream, int64_t until_version, uint64_t until_ns,
				  struct event_state *state);
void event_state_clear(struct event_state *state);

#endif
