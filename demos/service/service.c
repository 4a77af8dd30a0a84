/* SPDX-License-Identifier: MIT */
#include "demos/service/service.h"

#include <errno.h>
#include <stdlib.h>

int service_init(struct service *service, const struct config *config)
{
	*service = (struct service){.config = *config};
	service->peers = calloc(config->peer_count + 1, sizeof(*service->peers));
	service->routes = calloc(config->route_count + 1, sizeof(*service->routes));
	if (!service->peers || !service->routes) {
		free(service->peers);
		free(service->routes);
		return -ENOMEM;
	}
	drain_init(&service->drain);
	for (unsigned i = 0; i < config->peer_count; i++)
		peer_init(&service->peers[i], &service->config.peers[i]);
	return 0;
}

void service_clear(struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++)
		peer_clear(&service->peers[i]);
	drain_clear(&service->drain);
	free(service->peers);
	free(service->routes);
	config_free(&service->config);
}
