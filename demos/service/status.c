/* SPDX-License-Identifier: MIT */
#include "demos/service/status.h"

#include <cjson/cJSON.h>

#include "demos/service/clock.h"

static void add_breaker(cJSON *breakers, struct peer *peer)
{
	struct breaker b = guard_breaker(&peer->guard);
	cJSON *o = cJSON_AddObjectToObject(breakers, peer->config->name);

	cJSON_AddStringToObject(o, "state", breaker_state_names[b.state]);
	cJSON_AddNumberToObject(o, "open_left_ms", (double)breaker_left_ns(&b, clock_now_ns()) / 1e6);
	cJSON_AddNumberToObject(o, "failures_in_a_row", b.in_a_row);
	cJSON_AddNumberToObject(o, "opened", (double)b.entered[BREAKER_OPEN]);
	cJSON_AddNumberToObject(o, "refused", (double)b.refused);
}

void status_breakers(struct service *service, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject(), *breakers = cJSON_AddObjectToObject(tree, "breakers");

	for (unsigned i = 0; i < service->config.peer_count; i++)
		if (service->peers[i].guard.has_breaker)
			add_breaker(breakers, &service->peers[i]);
	reply_json(reply, 200, tree);
}
