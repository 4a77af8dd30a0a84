/* SPDX-License-Identifier: MIT */
#include "demos/service/door.h"

#include <inttypes.h>

#include "demos/service/service.h"

int door_open(struct service *service)
{
	pthread_mutex_init(&service->door.lock, NULL);
	backpressure_init(&service->door.backpressure, &service->config.backpressure);
	return 0;
}

void door_close(struct service *service)
{
	pthread_mutex_destroy(&service->door.lock);
}

bool door_enter(struct request *r)
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

void door_leave(struct request *r)
{
	struct door *door = &r->service->door;

	pthread_mutex_lock(&door->lock);
	backpressure_leaves(&door->backpressure);
	pthread_mutex_unlock(&door->lock);
}

void door_write_shed(FILE *out, const char *name, struct service *service)
{
	struct door *door = &service->door;
	uint64_t shed;

	pthread_mutex_lock(&door->lock);
	shed = door->backpressure.shed;
	pthread_mutex_unlock(&door->lock);
	fprintf(out, "%s %" PRIu64 "\n", name, shed);
}
