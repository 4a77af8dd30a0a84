/* SPDX-License-Identifier: MIT */
#include "demos/service/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "demos/service/admin.h"
#include "demos/service/health.h"
#include "demos/service/metrics.h"
#include "demos/service/projection.h"
#include "demos/service/replay.h"
#include "demos/service/routes.h"
#include "demos/service/service.h"
#include "demos/service/status.h"

struct builtin {
	const char *method, *path;
	void (*reply)(struct service *service, struct reply *reply);
	void (*reply_to)(struct service *service, const char *body, struct reply *reply);	/* instead, when it reads the body */
};

static const struct builtin builtins[] = {
	{"GET", "/health", .reply = health_live},
	{"GET", "/health/live", .reply = health_live},
	{"GET", "/health/ready", .reply = health_ready},
	{"GET", "/health/startup", .reply = health_startup},
	{"GET", "/metrics", .reply = metrics_reply},
	{"GET", "/status/breakers", .reply = status_breakers},
	{"GET", "/status/projections", .reply = projections_status},
	{"GET", "/admin/strategy", .reply = admin_get_strategy},
	{"POST", "/admin/strategy", .reply_to = admin_set_strategy},
	{"POST", "/admin/rebuild", .reply_to = projections_rebuild},
};

/* Notes a method that the path takes otherwise, for a 405. */
static void add_allowed(void *context, const char *method)
{
	struct reply *reply = context;
	size_t used = strlen(reply->allow);

	snprintf(reply->allow + used, sizeof(reply->allow) - used, "%s%s", used ? ", " : "", method);
}

static const struct builtin *find_builtin(struct request *r)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++)
		if (!strcmp(builtins[i].path, r->path)) {
			if (route_takes(builtins[i].method, r->method))
				return &builtins[i];
			add_allowed(r->reply, builtins[i].method);
		}
	return NULL;
}

void dispatch_find(struct request *r)
{
	r->route = routes_find(&r->service->config, r->method, r->path, add_allowed, r->reply);
}

static void run_builtin(struct request *r, const struct builtin *builtin)
{
	r->reply->allow[0] = '\0';
	if (builtin->reply)
		builtin->reply(r->service, r->reply);
	else
		builtin->reply_to(r->service, r->body, r->reply);
}

static void run_route(struct request *r)
{
	r->reply->allow[0] = '\0';
	if (!door_enter(r))
		return;
	if (r->route->uses_body && r->length && !cJSON_HasObjectItem(r->values, "body"))
		request_fail(r, 400, "the body is not JSON");
	else
		replay_run(&r->service->replays[r->route - r->service->config.routes], r);
	door_leave(r);
}

void dispatch_count(struct request *r)
{
	const struct config *config = &r->service->config;
	struct route_counts *counts = &r->service->routes[r->route ? r->route - config->routes : config->route_count];

	counts->statuses[r->reply->status]++;
	if (r->reply->degraded[0])
		counts->degraded++;
}

void dispatch_run(struct request *r)
{
	const struct builtin *builtin = r->route ? NULL : find_builtin(r);

	if (builtin) {
		run_builtin(r, builtin);
		return;
	}
	if (r->route)
		run_route(r);
	else if (r->reply->allow[0])
		request_fail(r, 405, "this path takes %s", r->reply->allow);
	else
		request_fail(r, 404, "no such path");
	dispatch_count(r);
}
