/* SPDX-License-Identifier: MIT */
#include "demos/service/steps.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static void reply_failed_call(const struct service *service, const struct peer *peer, const struct peer_result *result,
			      struct reply *reply)
{
	const char *name = service->config.name, *called = peer->config->name, *plural = result->attempts == 1 ? "" : "s";

	switch (result->cause) {
	case FAILED_STATUS:
		reply_error(reply, 502, name, "%.60s answered %d after %u attempt%s", called, result->last.status, result->attempts, plural);
		return;
	case FAILED_BREAKER:
		reply_error(reply, 503, name, "%.60s is not called: its breaker is open", called);
		return;
	case FAILED_BULKHEAD:
		reply_error(reply, 503, name, "%.60s is not called: its bulkhead is full", called);
		return;
	default:
		reply_error(reply, result->cause == FAILED_TIMEOUT ? 504 : 502, name, "%.60s gave no answer after %u attempt%s: %s", called,
			    result->attempts, plural, result->attempts ? attempt_error_names[result->error] : "no time was left");
	}
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

static void reply_text(struct reply *reply, unsigned status, const char *content_type, const char *body)
{
	reply->status = status;
	reply->content_type = content_type;
	reply->body = (char *)body;
	reply->length = body ? strlen(body) : 0;
}

static void reply_default(const struct service *service, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject();
	char degraded[sizeof(reply->degraded)];

	cJSON_AddStringToObject(tree, "service", service->config.name);
	cJSON_AddStringToObject(tree, "status", "ok");
	memcpy(degraded, reply->degraded, sizeof(degraded));
	reply_json(reply, 200, tree);
	memcpy(reply->degraded, degraded, sizeof(degraded));
}

/* Says that a peer's part is not what it should be; those that no longer fit are not named. */
static void mark_degraded(struct reply *reply, const char *peer)
{
	size_t used = strlen(reply->degraded), room = sizeof(reply->degraded) - used;

	if (strlen(peer) + 3 <= room)
		snprintf(reply->degraded + used, room, "%s%s", used ? ", " : "", peer);
}

/* After a call has failed; true when the route goes on without it. */
static bool fall_back(struct service *service, const struct step *step, const struct peer_result *result, struct reply *reply)
{
	const struct fallback_policy *policy = &step->fallback;
	struct peer *peer = &service->peers[step->peer];

	if (!fallback_covers(policy, result->cause, result->last.status)) {
		reply_failed_call(service, peer, result, reply);
		return false;
	}
	peer->counts.fallbacks++;
	mark_degraded(reply, peer->config->name);
	if (policy->kind == FALLBACK_DEFAULT)
		return true;
	reply_text(reply, policy->status, policy->content_type, policy->body);
	return false;
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
		return fall_back(service, step, &result, reply);
	case STEP_ANSWER:
		reply_text(reply, step->status, step->content_type, step->body);
		return false;
	}
	return true;
}

void steps_run(struct service *service, const struct route *route, const struct trace_context *trace, struct reply *reply)
{
	unsigned i = 0;

	*reply = (struct reply){.status = 500};
	while (i < route->step_count && step_run(service, &route->steps[i], trace, reply))
		i++;
	if (i == route->step_count)
		reply_default(service, reply);
}
