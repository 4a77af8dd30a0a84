/* SPDX-License-Identifier: MIT */
/*
 * Event sourcing as pure functions: may this event follow those that are there, and what do events add up to?
 *
 * A stream is one thing's history: events numbered by version 1, 2, ... without a gap, never changed, only added to. Who adds one says
 * which version it has seen (optimistic concurrency): when somebody else was faster, its decision was made on something else, and it is
 * told so. What may follow what is a rule on the last event's type, so that a thing's life is a state machine over types.
 *
 * The state of a stream is its events' data, each applied to what came before as a JSON merge patch (RFC 7396: members are replaced,
 * null deletes, objects are merged, anything else replaces the whole). So a state can be had at any version, and again at any time.
 *
 * Needs only this file, events.c and cJSON. Thread-safe: no globals, no clock, no storage; what keeps events is event_store.h.
 */
#ifndef DEMOS_SERVICE_EVENTS_H
#define DEMOS_SERVICE_EVENTS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#define EVENTS_ANY (-1)

/* What a stream ends with; version 0 and type NULL: it is empty. */
struct events_last {
	int64_t version;
	const char *type;
};

enum events_verdict {
	EVENTS_FOLLOWS,		/* as version last + 1 */
	EVENTS_CONFLICT,	/* the stream is not at the version that was seen */
	EVENTS_OUT_OF_PLACE	/* such an event does not follow one of the last type */
};

/*
 * Whether an event may be added. seen: the version, 0 for a stream that must not exist yet, EVENTS_ANY whatever it is.
 * after: array of the types that it may follow, "" for the empty stream; NULL: any.
 */
enum events_verdict events_judge(const struct events_last *last, int64_t seen, const cJSON *after);

/*
 * Applies the data of the next event to a state (NULL: none yet), which is used up. Returns the new state, the caller's to delete;
 * NULL without memory.
 */
cJSON *events_fold(cJSON *state, const cJSON *data);

#endif
