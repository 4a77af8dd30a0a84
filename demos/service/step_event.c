/* SPDX-License-Identifier: MIT */
/*
 * The steps of event sourcing, see events.h and event_store.h:
 *
 *   {"event": "orders_db", "table": "events", "stream": "${path.id}", "type": "OrderShipped", "data": {"status": "shipped", "carrier": "${body.carrier}"},
 *    "seen": "${body.version}", "after": ["PaymentReceived"], "id": "${header.idempotency-key}", "as": "event"}
 *   {"replay": "orders_db", "table": "events", "stream": "${path.id}", "until": "${query.version}", "as": "order", "missing": 404}
 *
 * event: the result is {"stream", "version", "position", "repeated"}. `seen` that is not there is any version, 0 a stream that must be empty;
 * a version that is not the last, and an event that may not follow, end the route with 409.
 * replay: the result is {"stream", "version", "state", "history"}; without `until` of the whole stream.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config_stores.h"
#include "demos/service/event_store.h"
#include "demos/service/postgres.h"
#include "demos/service/request.h"
#include "demos/service/routes.h"
#include "demos/service/service.h"
#include "demos/service/step.h"
#include "demos/service/step_store.h"
#include "demos/service/values.h"

struct event_step {
	struct step_store at;
	const char *table, *stream, *type;
	const cJSON *data, *seen, *after, *id, *until;	/* templates; NULL none */
	unsigned missing;
};

/* ---- reading ---- */

static int read_template(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	(void)f;
	(void)field;
	*(const cJSON **)into = value;
	return 0;
}

static int read_types(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const cJSON *item;

	if (!cJSON_IsArray(value))
		return fields_refuse(f, value, "an array of types, \"\" being the empty stream");
	cJSON_ArrayForEach(item, value)
		if (!cJSON_IsString(item))
			return fields_refuse(f, item, "an array of types, \"\" being the empty stream");
	return read_template(f, field, value, into);
}

#define OF_EVENT(member) .offset = offsetof(struct event_step, member)
static const struct field event_fields[] = {
	{"event", fields_string, OF_EVENT(at.name), .required = true},
	{"table", config_table, OF_EVENT(table), .required = true},
	{"stream", fields_string, OF_EVENT(stream), .required = true},
	{"type", fields_string, OF_EVENT(type), .required = true},
	{"data", routes_body, OF_EVENT(data), .required = true},
	{"seen", read_template, OF_EVENT(seen)},
	{"after", read_types, OF_EVENT(after)},
	{"id", read_template, OF_EVENT(id)},
	STEP_AS,
	{NULL},
};
static const struct field replay_fields[] = {
	{"replay", fields_string, OF_EVENT(at.name), .required = true},
	{"table", config_table, OF_EVENT(table), .required = true},
	{"stream", fields_string, OF_EVENT(stream), .required = true},
	{"until", read_template, OF_EVENT(until)},
	{"missing", fields_count, OF_EVENT(missing), .low = 200, .high = 599},
	STEP_AS,
	{NULL},
};

static int read_step(struct fields *f, const cJSON *object, const struct field *table, struct step *step)
{
	struct event_step *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	s->missing = 404;
	err = fields_read(f, object, table, s);
	return err ? err : step_store_link(f, &s->at, &postgres_kind);
}

static int read_event(struct fields *f, const cJSON *object, struct step *step)
{
	return read_step(f, object, event_fields, step);
}

static int read_replay(struct fields *f, const cJSON *object, struct step *step)
{
	return read_step(f, object, replay_fields, step);
}

static void clear(struct step *step)
{
	free(step->policy);
}

/* ---- running ---- */

static struct event_store store_of(const struct request *r, const struct event_step *s)
{
	return (struct event_store){&r->service->stores[s->at.index], s->table};
}

/* The version that a template stands for, `otherwise` when there is none. False, the reply being filled, when it is no version. */
static bool version_of(struct request *r, const cJSON *template, int64_t otherwise, int64_t *version)
{
	char *text = NULL, *end = NULL;
	bool is_fine = !template || step_store_text(r->values, template, &text);

	*version = otherwise;
	if (text && *text) {
		*version = strtoll(text, &end, 10);
		is_fine = !*end && *version >= 0;
	}
	if (!is_fine)
		request_fail(r, 400, "\"%.40s\" is no version", text ? text : "");
	free(text);
	return is_fine;
}

/* What a template stands for as JSON text; NULL without memory. */
static char *json_of(const struct request *r, const cJSON *template)
{
	cJSON *tree = values_tree(r->values, template);
	char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;

	cJSON_Delete(tree);
	return text;
}

static cJSON *added_tree(const char *stream, const struct event_added *added)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "stream", stream);
	cJSON_AddNumberToObject(tree, "version", (double)added->version);
	cJSON_AddNumberToObject(tree, "position", (double)added->position);
	cJSON_AddBoolToObject(tree, "repeated", added->is_repeated);
	return tree;
}

static enum step_end end_event(struct request *r, const struct step *step, const char *stream, enum store_end end, const struct event_added *added)
{
	const struct event_step *s = step->policy;

	if (end != STORE_OK)
		return step_store_failed(r, &s->at, end, added->why);
	if (added->verdict == EVENTS_FOLLOWS) {
		request_keep(r, step, added_tree(stream, added));
		return STEP_GOES_ON;
	}
	if (added->verdict == EVENTS_CONFLICT)
		request_fail(r, 409, "%.60s is at version %" PRId64 ", not at the one that was seen", stream, added->last.version);
	else
		request_fail(r, 409, "%.60s: %.60s does not follow at version %" PRId64, stream, s->type, added->last.version);
	return STEP_ENDS;
}

static enum step_end run_event(struct request *r, const struct step *step)
{
	const struct event_step *s = step->policy;
	struct event_store events = store_of(r, s);
	char *stream = values_text(r->values, s->stream), *data = json_of(r, s->data), *id = NULL;
	struct event_addition what = {.stream = stream, .type = s->type, .data = data, .after = s->after};
	struct event_added added = {.why = ""};
	enum store_end stored = STORE_NO_MEMORY;
	enum step_end end = STEP_ENDS;

	if (version_of(r, s->seen, EVENTS_ANY, &what.seen)) {
		if (stream && data && (!s->id || step_store_text(r->values, s->id, &id))) {
			what.id = id && *id ? id : NULL;
			stored = event_store_add(&events, &what, r->deadline.end_ns, &added);
		}
		end = end_event(r, step, stream ? stream : "", stored, &added);
	}
	free(stream);
	free(data);
	free(id);
	return end;
}

static cJSON *state_tree(const char *stream, struct event_state *state)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "stream", stream);
	cJSON_AddNumberToObject(tree, "version", (double)state->version);
	if (cJSON_AddItemToObject(tree, "state", state->state))
		state->state = NULL;
	if (cJSON_AddItemToObject(tree, "history", state->history))
		state->history = NULL;
	return tree;
}

static enum step_end end_replay(struct request *r, const struct step *step, const char *stream, enum store_end end, struct event_state *state)
{
	const struct event_step *s = step->policy;

	if (end != STORE_OK)
		return step_store_failed(r, &s->at, end, state->why);
	if (!state->version)
		return step_store_missing(r, &s->at, s->missing);
	request_keep(r, step, state_tree(stream, state));
	return STEP_GOES_ON;
}

static enum step_end run_replay(struct request *r, const struct step *step)
{
	const struct event_step *s = step->policy;
	struct event_store events = store_of(r, s);
	char *stream = values_text(r->values, s->stream);
	struct event_state state = {.why = ""};
	enum store_end stored = STORE_NO_MEMORY;
	enum step_end end = STEP_ENDS;
	int64_t until;

	if (version_of(r, s->until, INT64_MAX, &until)) {
		if (stream)
			stored = event_store_replay(&events, stream, until, r->deadline.end_ns, &state);
		end = end_replay(r, step, stream ? stream : "", stored, &state);
	}
	event_state_clear(&state);
	free(stream);
	return end;
}

const struct step_kind step_event = {.key = "event", .read = read_event, .run = run_event, .clear = clear};
const struct step_kind step_replay = {.key = "replay", .read = read_replay, .run = run_replay, .clear = clear};
