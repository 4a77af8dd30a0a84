/* SPDX-License-Identifier: MIT */
#include "demos/service/health.h"

#include <cjson/cJSON.h>
#include <unistd.h>

static void reply_health(const struct service *service, unsigned status, const char *word, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "service", service->config.name);
	cJSON_AddStringToObject(tree, "status", word);
	cJSON_AddNumberToObject(tree, "pid", getpid());
	reply_json(reply, status, tree);
}

void health_live(struct service *service, struct reply *reply)
{
	reply_health(service, 200, "ok", reply);
}

static bool are_stores_reachable(const struct service *service)
{
	for (unsigned i = 0; i < service->config.store_count; i++)
		if (!store_is_reachable(&service->stores[i]))
			return false;
	return true;
}

void health_startup(struct service *service, struct reply *reply)
{
	if (!service->has_started && are_stores_reachable(service))
		service->has_started = true;
	reply_health(service, service->has_started ? 200 : 503, service->has_started ? "started" : "starting", reply);
}

void health_ready(struct service *service, struct reply *reply)
{
	bool stopping = drain_is_stopping(&service->drain);
	const char *why = stopping ? "stopping" : NULL;

	if (!why && !are_stores_reachable(service))
		why = "a store is not reachable";
	reply_health(service, why ? 503 : 200, why ? why : "ready", reply);
}
