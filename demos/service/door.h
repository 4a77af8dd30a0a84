/* SPDX-License-Identifier: MIT */
/*
 * What stands before the routes of a service: the limits of a route's tenants and the backpressure of the whole, under one lock and on
 * the real clock. /health, /metrics, /status and /admin are let through, for who has to help a busy service must be able to see it.
 * Thread-safe.
 */
#ifndef DEMOS_SERVICE_DOOR_H
#define DEMOS_SERVICE_DOOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "demos/service/backpressure.h"
#include "demos/service/limits.h"
#include "demos/service/request.h"

struct door {
	pthread_mutex_t lock;
	struct backpressure backpressure;
	struct limits **limits;		/* as config.routes; NULL where there are none */
};

/* Parts of a service. */
int door_open(struct service *service);
void door_close(struct service *service);

/*
 * Around a route. False: the reply is filled, with Retry-After and 429 (the tenant's limit) or 503 (backpressure), and nothing is owed.
 * True: door_leave() is.
 */
bool door_enter(struct request *r);
void door_leave(struct request *r);

/* Writers of metrics. */
void door_write_shed(FILE *out, const char *name, struct service *service);
void door_write_limited(FILE *out, const char *name, struct service *service);
void door_write_tenants(FILE *out, const char *name, struct service *service);

#endif
