/* SPDX-License-Identifier: MIT */
#include "demos/service/admin.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "demos/service/fields.h"

struct wish {
	const char *strategy;
	const char *peer;	/* NULL all */
};

static const struct field wish_fields[] = {
	{"strategy", fields_string, .offset = offsetof(struct wish, strategy), .required = true},
	{"peer", fields_string, .offset = offsetof(struct wish, peer)},
	{NULL},
};

void admin_get_strategy(struct service *service, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject(), *peers = cJSON_AddObjectToObject(tree, "peers");
	cJSON *known = cJSON_AddArrayToObject(tree, "strategies");

	for (unsigned i = 0; i < service->config.peer_count; i++) {
		const struct strategy *strategy = service->peers[i].strategy;

		cJSON_AddStringToObject(peers, service->peers[i].config->name, strategy->name);
	}
	for (unsigned i = 0; i < service->config.strategy_count; i++)
		cJSON_AddItemToArray(known, cJSON_CreateString(service->config.strategies[i].name));
	reply_json(reply, 200, tree);
}

static bool is_wished(const struct wish *wish, const struct peer *peer)
{
	return !wish->peer || !strcmp(wish->peer, peer->config->name);
}

static unsigned count_wished(const struct service *service, const struct wish *wish)
{
	unsigned n = 0;

	for (unsigned i = 0; i < service->config.peer_count; i++)
		n += is_wished(wish, &service->peers[i]);
	return n;
}

static void grant(struct service *service, const struct wish *wish, struct reply *reply)
{
	const struct strategy *strategy = config_strategy(&service->config, wish->strategy);

	if (!strategy) {
		reply_error(reply, 400, service->config.name, "no strategy is called \"%.60s\"", wish->strategy);
		return;
	}
	if (!count_wished(service, wish)) {
		reply_error(reply, 400, service->config.name, "no peer is called \"%.60s\"", wish->peer ? wish->peer : "");
		return;
	}
	for (unsigned i = 0; i < service->config.peer_count; i++)
		if (is_wished(wish, &service->peers[i]))
			service->peers[i].strategy = strategy;
	admin_get_strategy(service, reply);
}

void admin_set_strategy(struct service *service, const char *body, struct reply *reply)
{
	struct fields f = {.place = ""};
	struct wish wish = {.peer = NULL};
	cJSON *tree = fields_parse(&f, body, wish_fields, &wish);

	if (tree)
		grant(service, &wish, reply);
	else
		reply_error(reply, 400, service->config.name, "%s", f.why);
	cJSON_Delete(tree);
}
