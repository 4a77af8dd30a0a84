/* SPDX-License-Identifier: MIT */
#include "demos/service/steps.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static void reply_failed_call(const struct service *service, const struct peer *peer, const struct peer_result *result,
			      struct reply *reply)
{
	const char *name = service->config.name, *plural = result->attempts == 1 ? "" : "s";

	if (result->last.end == ENDED_ANSWERED)
		reply_error(reply, 502, name, "%.60s answered %d after %u attempt%s", peer->config->name, result->last.status,
			    result->attempts, plural);
	else
		reply_error(reply, result->error == ATTEMPT_TIMEOUT ? 504 : 502, name, "%.60s gave no answer after %u attempt%s: %s",
			    peer->config->name, result->attempts, plural, attempt_error_names[result->error]);
}

/*
 * Takes that much time, as a service with that service time does, but leaves the processor alone: a topology of
 * several services must fit on a small machine without slowing its own parts.
 */
static void compute(uint64_t ns)
{
	struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static void reply_step(const struct step *step, struct reply *reply)
{
	*reply = (struct reply){.status = step->status, .content_type = step->content_type, .body = (char *)step->body};
	if (step->body)
		reply->length = strlen(step->body);
}

static void reply_default(const struct service *service, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "service", service->config.name);
	cJSON_AddStringToObject(tree, "status", "ok");
	reply_json(reply, 200, tree);
}

/* Runs one step; false when it has filled the reply and the route is over. */
static bool step_run(struct service *service, const struct step *step, const struct trace_context *trace, struct reply *reply)
{
	struct peer *peer = &service->peers[step->peer];
	struct peer_result result;

	switch (step->kind) {
	case STEP_COMPUTE:
		compute(step->compute_ns);
		return true;
	case STEP_CALL:
		if (peer_call(peer, step, trace, &service->drain, &result))
			return true;
		reply_failed_call(service, peer, &result, reply);
		return false;
	case STEP_ANSWER:
		reply_step(step, reply);
		return false;
	}
	return true;
}

void steps_run(struct service *service, const struct route *route, const struct trace_context *trace, struct reply *reply)
{
	unsigned i = 0;

	while (i < route->step_count && step_run(service, &route->steps[i], trace, reply))
		i++;
	if (i == route->step_count)
		reply_default(service, reply);
}
