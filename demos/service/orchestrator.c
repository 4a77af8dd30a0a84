/* SPDX-License-Identifier: MIT */
#include "demos/service/orchestrator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/clock.h"
#include "demos/service/idempotency.h"
#include "demos/service/service.h"
#include "demos/service/step.h"

#define TRACE "trace"	/* the value under which a saga's trace is kept */

const char *const saga_direction_names[SAGA_DIRECTIONS] = {"do", "undo"};
const char *const saga_end_names[SAGA_ACT_ENDS] = {[SAGA_DONE] = "done", [SAGA_REFUSED] = "refused", [SAGA_UNKNOWN] = "unknown"};

/* From [0,1). */
static double draw(void)
{
	return arc4random() / 4294967296.0;
}

/* ---- one act ---- */

static enum saga_end end_of(bool is_ok, const struct peer_result *result)
{
	if (is_ok)
		return SAGA_DONE;
	return result->cause == FAILED_STATUS && idempotency_keeps((unsigned)result->last.status) ? SAGA_REFUSED : SAGA_UNKNOWN;
}

/* The last failure is the reason that is kept: it is the one that turned the saga, or got it stuck. */
static void explain(struct saga_kept *kept, const char *step, enum saga_direction direction, const struct peer_result *result)
{
	char what[48];

	if (result->cause == FAILED_STATUS)
		snprintf(what, sizeof(what), "answered %d", result->last.status);
	else if (result->attempts)
		snprintf(what, sizeof(what), "%s", attempt_error_names[result->error]);
	else
		snprintf(what, sizeof(what), "not called");
	snprintf(kept->reason, sizeof(kept->reason), "%s %.60s: %s", saga_direction_names[direction], step, what);
}

static void keep_answer(struct saga_kept *kept, const struct saga_act *act, const struct peer_result *result)
{
	struct request r = {.values = kept->values};
	struct step step = {.as = act->as};

	request_keep(&r, &step, call_answer(result));
}

static enum saga_end perform(struct orchestrator *o, struct saga_kept *kept)
{
	enum saga_direction direction = kept->saga.state == SAGA_RUNNING ? SAGA_DO : SAGA_UNDO;
	const struct saga_step *step = &o->config->steps[kept->saga.step];
	const struct saga_act *act = &step->acts[direction];
	/* No deadline: what has begun is brought to an end whether somebody waits for it or not. */
	struct request r = {.service = o->service, .values = kept->values, .deadline = {.end_ns = UINT64_MAX}};
	struct peer_result result;
	enum saga_end end;

	trace_context_read(&r.trace, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(kept->values, TRACE)), NULL);
	end = end_of(call_make(&r, &act->call, &result), &result);
	if (end == SAGA_DONE)
		keep_answer(kept, act, &result);
	else if (kept->saga.state == SAGA_RUNNING)
		explain(kept, step->name, direction, &result);
	peer_result_clear(&result);
	o->acts[kept->saga.step].ends[direction][end]++;
	return end;
}

/* ---- one saga ---- */

static uint64_t in(uint64_t ns)
{
	uint64_t now_ns = clock_now_ns();

	return ns < UINT64_MAX - now_ns ? now_ns + ns : UINT64_MAX;
}

/*
 * Goes on until it is over, or a wait would end after until_ns: then it is left to a worker. What could not be put down is left too: when
 * the lease is over it is taken up where it was put down last. Does the service stop, the next one takes it up.
 */
static void drive(struct orchestrator *o, struct saga_kept *kept, uint64_t until_ns)
{
	while (!saga_is_over(&kept->saga) && !drain_is_stopping(&o->service->drain)) {
		uint64_t wait_ns = saga_ended(&kept->saga, perform(o, kept), draw());
		bool stays = in(wait_ns) < until_ns;

		if (saga_log_save(&o->log, kept, stays ? wait_ns + o->log.lease_ns : wait_ns) != STORE_OK) {
			o->lost++;
			return;
		}
		if (saga_is_over(&kept->saga))
			o->over[kept->saga.state]++;
		else if (!stays || (wait_ns && !drain_pause(&o->service->drain, wait_ns)))
			return;
	}
}

enum store_end orchestrator_run(struct orchestrator *o, struct saga_kept *kept, const struct trace_context *trace)
{
	uint64_t until_ns = in(o->config->answer_ns);
	char traceparent[TRACEPARENT_SIZE];
	enum store_end end;
	bool is_new;

	trace_context_attempt(trace, traceparent);
	cJSON_DeleteItemFromObjectCaseSensitive(kept->values, TRACE);
	cJSON_AddStringToObject(kept->values, TRACE, traceparent);
	saga_begin(&kept->saga, &o->config->policy);
	end = saga_log_begin(&o->log, kept, &is_new);
	if (end != STORE_OK || !is_new)
		return end;
	o->begun++;
	drive(o, kept, until_ns);
	return STORE_OK;
}

/* ---- workers ---- */

/* Takes up one that is due; false when there is none, or the database does not say. */
static bool take_up(struct orchestrator *o)
{
	struct saga_kept kept;
	enum store_end end = saga_log_claim(&o->log, &o->config->policy, &kept);
	bool has_claimed = kept.id;

	if (end == STORE_OK && has_claimed) {
		o->resumed++;
		drive(o, &kept, clock_now_ns() + o->log.lease_ns / 2);
	}
	o->misfits += end == STORE_REFUSED && has_claimed;
	saga_kept_clear(&kept);
	return has_claimed;
}

static void *work(void *context)
{
	struct orchestrator *o = context;

	while (!drain_is_stopping(&o->service->drain))
		if (!take_up(o))
			drain_pause(&o->service->drain, o->config->poll_ns);
	return NULL;
}

/* Once the service is stopping. */
static void stop(struct orchestrator *o)
{
	while (o->worker_count)
		pthread_join(o->workers[--o->worker_count], NULL);
	saga_log_clear(&o->log);
	free(o->acts);
}

static int start(struct orchestrator *o, struct service *service, const struct saga_config *config)
{
	int err;

	*o = (struct orchestrator){.config = config, .service = service, .acts = calloc(config->policy.steps, sizeof(*o->acts))};
	err = o->acts ? saga_log_init(&o->log, &service->stores[config->store], config->name, config->table, config->lease_ns) : -ENOMEM;
	while (!err && o->worker_count < config->workers) {
		err = -pthread_create(&o->workers[o->worker_count], NULL, work, o);
		o->worker_count += !err;
	}
	if (err) {
		drain_begin(&service->drain);
		stop(o);
	}
	return err;
}

/* ---- all of a service ---- */

/* Calls `found` with each step of the kind saga, in the order of the file; the first error ends it. */
static int each_saga(struct service *service, int (*found)(struct service *service, struct saga_config *config))
{
	int err = 0;

	for (unsigned i = 0; i < service->config.route_count; i++) {
		const struct route *route = &service->config.routes[i];

		for (unsigned k = 0; !err && k < route->step_count; k++)
			if (route->steps[k].kind == &step_saga)
				err = found(service, route->steps[k].policy);
	}
	return err;
}

static int count_saga(struct service *service, struct saga_config *config)
{
	config->index = service->orchestrator_count++;
	return 0;
}

static int start_saga(struct service *service, struct saga_config *config)
{
	int err = start(&service->orchestrators[config->index], service, config);

	service->orchestrator_count += !err;
	return err;
}

int orchestrators_open(struct service *service)
{
	int err;

	each_saga(service, count_saga);
	service->orchestrators = calloc(service->orchestrator_count + 1, sizeof(*service->orchestrators));
	service->orchestrator_count = 0;
	if (!service->orchestrators)
		return -ENOMEM;
	err = each_saga(service, start_saga);
	if (err)
		orchestrators_close(service);
	return err;
}

void orchestrators_close(struct service *service)
{
	drain_begin(&service->drain);	/* where it has not begun to stop: workers end by that */
	while (service->orchestrator_count)
		stop(&service->orchestrators[--service->orchestrator_count]);
	free(service->orchestrators);
}
