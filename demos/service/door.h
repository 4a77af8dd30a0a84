/* SPDX-License-Identifier: MIT */
/*
 * What stands before all routes of a service: its backpressure, under a lock. /health, /metrics, /status and /admin are let through,
 * for who has to help a busy service must be able to see it. Thread-safe.
 */
#ifndef DEMOS_SERVICE_DOOR_H
#define DEMOS_SERVICE_DOOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "demos/service/backpressure.h"
#include "demos/service/request.h"

struct door {
	pthread_mutex_t lock;
	struct backpressure backpressure;
};

/* Parts of a service. */
int door_open(struct service *service);
void door_close(struct service *service);

/* Around a route. False: the reply is filled, with 503 and Retry-After, and nothing is owed. True: door_leave() is. */
bool door_enter(struct request *r);
void door_leave(struct request *r);

/* Writer of a metric. */
void door_write_shed(FILE *out, const char *name, struct service *service);

#endif
