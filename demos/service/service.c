/* SPDX-License-Identifier: MIT */
#include "demos/service/service.h"

#include <errno.h>
#include <stdlib.h>

#include "demos/service/orchestrator.h"
#include "demos/service/projection.h"

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

static void clear_stores(struct service *service, unsigned count)
{
	while (count)
		store_clear(&service->stores[--count]);
	free(service->stores);
}

static int stores_open(struct service *service)
{
	int err;

	service->stores = calloc(service->config.store_count + 1, sizeof(*service->stores));
	if (!service->stores)
		return -ENOMEM;
	for (unsigned i = 0; i < service->config.store_count; i++) {
		err = store_init(&service->stores[i], &service->config.stores[i]);
		if (err) {
			clear_stores(service, i);
			return err;
		}
		store_warm(&service->stores[i]);
	}
	return 0;
}

static void stores_close(struct service *service)
{
	clear_stores(service, service->config.store_count);
}

static void clear_replays(struct service *service, unsigned count)
{
	while (count)
		replay_clear(&service->replays[--count]);
	free(service->replays);
}

static int replays_open(struct service *service)
{
	int err;

	service->replays = calloc(service->config.route_count + 1, sizeof(*service->replays));
	if (!service->replays)
		return -ENOMEM;
	for (unsigned i = 0; i < service->config.route_count; i++) {
		const struct replay_config *config = &service->config.routes[i].idempotency;

		err = replay_init(&service->replays[i], config, &service->stores[config->store]);
		if (err) {
			clear_replays(service, i);
			return err;
		}
	}
	return 0;
}

static void replays_close(struct service *service)
{
	clear_replays(service, service->config.route_count);
}

static void stop_outboxes(struct service *service, unsigned count)
{
	while (count)
		outbox_stop(&service->outboxes[--count], service->config.drain_ns);
	free(service->outboxes);
}

static int outboxes_open(struct service *service)
{
	int err;

	service->outboxes = calloc(service->config.outbox_count + 1, sizeof(*service->outboxes));
	if (!service->outboxes)
		return -ENOMEM;
	for (unsigned i = 0; i < service->config.outbox_count; i++) {
		err = outbox_start(&service->outboxes[i], &service->config.outboxes[i], service);
		if (err) {
			stop_outboxes(service, i);
			return err;
		}
	}
	return 0;
}

static void outboxes_close(struct service *service)
{
	stop_outboxes(service, service->config.outbox_count);
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
	{stores_open, stores_close},
	{replays_open, replays_close},
	{orchestrators_open, orchestrators_close},
	{projections_open, projections_close},
	{outboxes_open, outboxes_close},	/* the first to end: it calls peers and asks stores */
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
