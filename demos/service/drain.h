/* SPDX-License-Identifier: MIT */
/*
 * Graceful shutdown: who is still at work, and waits that end early once the service is asked to stop.
 * Invariant: in_flight is the number of drain_enter() calls without their drain_leave().
 * Thread-safe; not for signal handlers.
 */
#ifndef DEMOS_SERVICE_DRAIN_H
#define DEMOS_SERVICE_DRAIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct drain {
	pthread_mutex_t lock;
	pthread_cond_t stopped;		/* stopping became true */
	pthread_cond_t empty;		/* in_flight became 0 */
	unsigned in_flight;
	bool stopping;
};

void drain_init(struct drain *drain);
void drain_clear(struct drain *drain);

/* Around each request. */
void drain_enter(struct drain *drain);
void drain_leave(struct drain *drain);

unsigned drain_in_flight(struct drain *drain);
bool drain_is_stopping(struct drain *drain);

/* Waits ns; false at once when the service is stopping or begins to. */
bool drain_pause(struct drain *drain, uint64_t ns);

/* Asks to stop: pauses end, new ones do not begin. */
void drain_begin(struct drain *drain);

/* Waits for the last request for at most limit_ns; how many are still at work then. */
unsigned drain_wait(struct drain *drain, uint64_t limit_ns);

#endif
