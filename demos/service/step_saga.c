/* SPDX-License-Identifier: MIT */
/*
 * The step that is a saga, see orchestrator.h:
 *
 *   {"saga": "checkout", "store": "sagas", "table": "sagas", "id": "${body.order_id}", "as": "checkout",
 *    "steps": [{"name": "payment", "do": {"call": "payments", "method": "POST", "path": "/payments/${body.order_id}", "as": "payment"},
 *                                  "undo": {"call": "payments", "method": "DELETE", "path": "/payments/${body.order_id}"}}, ...],
 *    "tries": 3, "undo_tries": 0, "backoff_ms": 100, "backoff_max_ms": 10000, "lease_ms": 30000, "answer_ms": 2000, "poll_ms": 200,
 *    "workers": 4}
 *
 * The values known when it begins, but for the request's header, are kept with it, and so is what its actions answer ("as"): templates of
 * later acts name both. Its result is {"id", "state", "step", "reason"}. A saga that is completed lets the route go on; 409 ends it when
 * the saga is compensated, 202 when its end was not waited for, 500 when it is stuck. The same id asked for again answers the same.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config_stores.h"
#include "demos/service/orchestrator.h"
#include "demos/service/postgres.h"
#include "demos/service/routes.h"
#include "demos/service/service.h"
#include "demos/service/step.h"
#include "demos/service/step_store.h"
#include "demos/service/values.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define ID_SIZE 200
#define SELF "saga"	/* the value that is its id, for the acts' keys */

/* What the table of fields fills; the step's policy is the struct saga_config in it. */
struct saga_reading {
	struct saga_config config;
	struct step_store at;
};

/* ---- reading ---- */

#define OF_ACT(member) .offset = offsetof(struct saga_act, member)
static const struct field act_fields[] = {
	CALL_FIELDS("call", struct saga_act, call),
	{"as", fields_string, OF_ACT(as)},
	{NULL},
};

static int read_act(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct saga_act *act = into;
	int err;

	(void)field;
	act->call = (struct call)CALL_INIT;
	err = fields_read(f, value, act_fields, act);
	act->call.wants_answer = act->as;
	return err;
}

#define OF_STEP(member) .offset = offsetof(struct saga_step, member)
static const struct field step_fields[] = {
	{"name", fields_string, OF_STEP(name), .required = true},
	{"do", read_act, OF_STEP(acts[SAGA_DO]), .required = true},
	{"undo", read_act, OF_STEP(acts[SAGA_UNDO])},
	{NULL},
};

/* The key that an act has of itself. */
static int settle_key(struct saga_act *act, const char *step, enum saga_direction direction)
{
	if (!act->call.method || act->call.idempotency_key)
		return 0;
	if (asprintf(&act->own_key, "${" SELF "}:%s:%s", step, saga_direction_names[direction]) < 0) {
		act->own_key = NULL;
		return -ENOMEM;
	}
	act->call.idempotency_key = act->own_key;
	return 0;
}

static int read_saga_step(struct fields *f, const cJSON *item, struct saga_config *c, unsigned i)
{
	struct saga_step *step = &c->steps[i];
	int err = fields_read(f, item, step_fields, step);

	for (unsigned k = 0; !err && k < i; k++)
		if (!strcmp(c->steps[k].name, step->name))
			err = fields_refuse(f, NULL, "called otherwise than steps[%u]", k);
	if (!err && cJSON_HasObjectItem(item, "undo"))
		c->policy.undoable |= 1ull << i;
	for (unsigned d = 0; !err && d < SAGA_DIRECTIONS; d++)
		err = settle_key(&step->acts[d], step->name, d);
	return err;
}

static int read_saga_steps(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct saga_config *c = into;
	const cJSON *item;
	unsigned i = 0;

	(void)field;
	if (!cJSON_IsArray(value) || !cJSON_GetArraySize(value) || cJSON_GetArraySize(value) > SAGA_STEPS_MAX)
		return fields_refuse(f, value, "an array of 1 to %d steps", SAGA_STEPS_MAX);
	c->steps = fields_list(f, value, false, 0, sizeof(*c->steps), &c->policy.steps);
	if (!c->steps)
		return -ENOMEM;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);
		int err = read_saga_step(f, item, c, i++);

		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

#define OF_SAGA(member) .offset = offsetof(struct saga_reading, member)
static const struct field saga_fields[] = {
	{"saga", fields_string, OF_SAGA(config.name), .required = true},
	{"store", fields_string, OF_SAGA(at.name), .required = true},
	{"table", config_table, OF_SAGA(config.table), .required = true},
	{"id", fields_string, OF_SAGA(config.id), .required = true},
	STEP_AS,
	{"steps", read_saga_steps, OF_SAGA(config), .required = true},
	{"tries", fields_count, OF_SAGA(config.policy.tries), .low = 1, .high = 1000},
	{"undo_tries", fields_count, OF_SAGA(config.policy.undo_tries), .low = 0, .high = 1000000},
	{"backoff_ms", fields_ms, OF_SAGA(config.policy.base_ns), .low = 0, .high = HOUR_MS},
	{"backoff_max_ms", fields_ms, OF_SAGA(config.policy.cap_ns), .low = 0, .high = HOUR_MS},
	{"lease_ms", fields_ms, OF_SAGA(config.lease_ns), .low = 10, .high = HOUR_MS},
	{"answer_ms", fields_ms, OF_SAGA(config.answer_ns), .low = 0, .high = HOUR_MS},
	{"poll_ms", fields_ms, OF_SAGA(config.poll_ns), .low = 1, .high = HOUR_MS},
	{"workers", fields_count, OF_SAGA(config.workers), .low = 1, .high = ORCHESTRATOR_WORKERS_MAX},
	{NULL},
};

static int saga_read(struct fields *f, const cJSON *object, struct step *step)
{
	struct saga_reading *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	s->config = (struct saga_config){
		.lease_ns = 30000 * NS_PER_MS,
		.answer_ns = 2000 * NS_PER_MS,
		.poll_ns = 200 * NS_PER_MS,
		.workers = 4,
		.policy = {.tries = 3, .base_ns = 100 * NS_PER_MS, .cap_ns = 10000 * NS_PER_MS},
	};
	err = fields_read(f, object, saga_fields, s);
	if (!err && s->config.policy.cap_ns < s->config.policy.base_ns)
		err = fields_refuse(f, NULL, "given a backoff_max_ms of at least backoff_ms");
	if (!err)
		err = step_store_link(f, &s->at, &postgres_kind);
	s->config.store = s->at.index;
	return err;
}

static void saga_clear(struct step *step)
{
	struct saga_reading *s = step->policy;

	for (unsigned i = 0; s && s->config.steps && i < s->config.policy.steps; i++)
		for (unsigned d = 0; d < SAGA_DIRECTIONS; d++)
			free(s->config.steps[i].acts[d].own_key);
	if (s)
		free(s->config.steps);
	free(s);
}

/* ---- running ---- */

static cJSON *result_tree(const struct saga_config *c, const struct saga_kept *kept)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "id", kept->id);
	cJSON_AddStringToObject(tree, "state", saga_state_names[kept->saga.state]);
	cJSON_AddStringToObject(tree, "step", c->steps[kept->saga.step].name);
	cJSON_AddStringToObject(tree, "reason", kept->reason);
	return tree;
}

/* The id and the values of a saga that is to begin; false, the reply being filled, when there is none. */
static bool prepare(struct request *r, const struct saga_config *c, struct saga_kept *kept)
{
	kept->id = values_text(r->values, c->id);
	kept->values = cJSON_Duplicate(r->values, true);
	if (!kept->id || !kept->values) {
		request_fail(r, 503, "%.60s: no memory", c->name);
		return false;
	}
	if (!kept->id[0] || strlen(kept->id) >= ID_SIZE) {
		request_fail(r, 400, "%.60s: its id has to be of 1 to %d characters", c->name, ID_SIZE - 1);
		return false;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(kept->values, "header");
	cJSON_DeleteItemFromObjectCaseSensitive(kept->values, SELF);
	cJSON_AddStringToObject(kept->values, SELF, kept->id);
	return true;
}

static enum step_end end_step(struct request *r, const struct step *step, const struct saga_kept *kept)
{
	static const unsigned statuses[SAGA_STATES] = {
		[SAGA_RUNNING] = 202, [SAGA_COMPENSATING] = 202, [SAGA_COMPENSATED] = 409, [SAGA_STUCK] = 500};
	const struct saga_reading *s = step->policy;
	cJSON *tree = result_tree(&s->config, kept);

	if (kept->saga.state == SAGA_COMPLETED) {
		request_keep(r, step, tree);
		return STEP_GOES_ON;
	}
	reply_json(r->reply, statuses[kept->saga.state], tree);
	return STEP_ENDS;
}

static enum step_end saga_run(struct request *r, const struct step *step)
{
	const struct saga_reading *s = step->policy;
	struct saga_kept kept = {.id = NULL};
	enum step_end end = STEP_ENDS;
	enum store_end kept_end;

	if (prepare(r, &s->config, &kept)) {
		kept_end = orchestrator_run(&r->service->orchestrators[s->config.index], &kept, &r->trace);
		end = kept_end == STORE_OK ? end_step(r, step, &kept) : step_store_failed(r, &s->at, kept_end, "");
	}
	saga_kept_clear(&kept);
	return end;
}

const struct step_kind step_saga = {.key = "saga", .read = saga_read, .run = saga_run, .clear = saga_clear};
