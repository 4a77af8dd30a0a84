/* SPDX-License-Identifier: MIT */
#include "demos/service/door.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "demos/service/clock.h"
#include "demos/service/metrics.h"
#include "demos/service/service.h"

#define NS_PER_S 1000000000ull

int door_open(struct service *service)
{
	const struct config *c = &service->config;
	struct door *door = &service->door;
	int err = 0;

	pthread_mutex_init(&door->lock, NULL);
	backpressure_init(&door->backpressure, &c->backpressure);
	door->limits = calloc(c->route_count + 1, sizeof(*door->limits));
	for (unsigned i = 0; door->limits && !err && i < c->route_count; i++) {
		if (!c->routes[i].limits.per_minute)
			continue;
		door->limits[i] = malloc(sizeof(**door->limits));
		if (door->limits[i])
			limits_init(door->limits[i], &c->routes[i].limits);
		else
			err = -ENOMEM;
	}
	if (door->limits && !err)
		return 0;
	door_close(service);
	return -ENOMEM;
}

void door_close(struct service *service)
{
	struct door *door = &service->door;

	for (unsigned i = 0; door->limits && i < service->config.route_count; i++)
		if (door->limits[i]) {
			limits_clear(door->limits[i]);
			free(door->limits[i]);
		}
	free(door->limits);
	door->limits = NULL;
	pthread_mutex_destroy(&door->lock);
}

static struct limits *limits_of(const struct request *r)
{
	return r->service->door.limits[r->route - r->service->config.routes];
}

static bool is_within_limits(struct request *r)
{
	struct limits *limits = limits_of(r);
	struct door *door = &r->service->door;
	uint64_t wait_ns = 0;
	bool is_in;

	if (!limits)
		return true;
	pthread_mutex_lock(&door->lock);
	is_in = limits_take(limits, r->tenant ? r->tenant : "", clock_now_ns(), &wait_ns);
	pthread_mutex_unlock(&door->lock);
	if (is_in)
		return true;
	request_fail(r, 429, "no more than %u requests a minute", limits->policy->per_minute);
	r->reply->retry_after_s = (unsigned)((wait_ns + NS_PER_S - 1) / NS_PER_S);
	return false;
}

static bool is_not_too_much(struct request *r)
{
	struct door *door = &r->service->door;
	bool is_in;

	pthread_mutex_lock(&door->lock);
	is_in = backpressure_admits(&door->backpressure);
	pthread_mutex_unlock(&door->lock);
	if (is_in)
		return true;
	request_fail(r, 503, "busy: %u requests are at work", door->backpressure.policy->max_in_flight);
	r->reply->retry_after_s = door->backpressure.policy->retry_after_s;
	return false;
}

bool door_enter(struct request *r)
{
	return is_within_limits(r) && is_not_too_much(r);
}

void door_leave(struct request *r)
{
	struct door *door = &r->service->door;

	pthread_mutex_lock(&door->lock);
	backpressure_leaves(&door->backpressure);
	pthread_mutex_unlock(&door->lock);
}

/* ---- metrics ---- */

void door_write_shed(FILE *out, const char *name, struct service *service)
{
	struct door *door = &service->door;
	uint64_t shed;

	pthread_mutex_lock(&door->lock);
	shed = door->backpressure.shed;
	pthread_mutex_unlock(&door->lock);
	fprintf(out, "%s %" PRIu64 "\n", name, shed);
}

static uint64_t refused_of(const struct limits *limits)
{
	return limits->refused;
}

static uint64_t tenants_of(const struct limits *limits)
{
	return limits->count;
}

static void write_limits(FILE *out, const char *name, struct service *service, uint64_t (*figure)(const struct limits *limits))
{
	struct door *door = &service->door;
	uint64_t n;

	for (unsigned i = 0; i < service->config.route_count; i++) {
		if (!door->limits[i])
			continue;
		pthread_mutex_lock(&door->lock);
		n = figure(door->limits[i]);
		pthread_mutex_unlock(&door->lock);
		metrics_route(out, name, &service->config.routes[i]);
		fprintf(out, "} %" PRIu64 "\n", n);
	}
}

void door_write_limited(FILE *out, const char *name, struct service *service)
{
	write_limits(out, name, service, refused_of);
}

void door_write_tenants(FILE *out, const char *name, struct service *service)
{
	write_limits(out, name, service, tenants_of);
}
