/* SPDX-License-Identifier: MIT */
#include "demos/service/service.h"

#include <errno.h>
#include <stdlib.h>

static int peers_open(struct service *service)
{
	service->peers = calloc(service->config.peer_count + 1, sizeof(*service->peers));
	if (!service->peers)
		return -ENOMEM;
	for (unsigned i = 0; i < service->config.peer_count; i++)
		peer_init(&service->peers[i], &service->config.peers[i]);
	return 0;
}

static void peers_close(struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++)
		peer_clear(&service->peers[i]);
	free(service->peers);
}

static int counts_open(struct service *service)
{
	service->routes = calloc(service->config.route_count + 1, sizeof(*service->routes));
	return service->routes ? 0 : -ENOMEM;
}

static void counts_close(struct service *service)
{
	free(service->routes);
}

/*
 * What a service is made of: opened in this order before it listens, closed in reverse after the last request has ended. A further
 * part is a row here and a member of struct service, both declared where the part is written. What could not be opened is not closed.
 */
static const struct part {
	int (*open)(struct service *service);	/* 0 or a negative errno */
	void (*close)(struct service *service);
} parts[] = {
	{counts_open, counts_close},
	{door_open, door_close},
	{peers_open, peers_close},
};

#define PARTS (sizeof(parts) / sizeof(*parts))

static void close_parts(struct service *service, size_t count)
{
	while (count)
		parts[--count].close(service);
	drain_clear(&service->drain);
}

int service_init(struct service *service, const struct config *config)
{
	int err;

	*service = (struct service){.config = *config};
	drain_init(&service->drain);
	for (size_t i = 0; i < PARTS; i++) {
		err = parts[i].open(service);
		if (err) {
			close_parts(service, i);
			return err;
		}
	}
	return 0;
}

void service_clear(struct service *service)
{
	close_parts(service, PARTS);
	config_free(&service->config);
}
