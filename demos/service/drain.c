/* SPDX-License-Identifier: MIT */
#include "demos/service/drain.h"

#include <time.h>

#define NS_PER_S 1000000000ull

static struct timespec deadline_in(uint64_t ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / NS_PER_S);
	t.tv_nsec = (long)(ns % NS_PER_S);
	return t;
}

void drain_init(struct drain *drain)
{
	pthread_condattr_t monotonic;

	*drain = (struct drain){.in_flight = 0};
	pthread_mutex_init(&drain->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&drain->stopped, &monotonic);
	pthread_cond_init(&drain->empty, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void drain_clear(struct drain *drain)
{
	pthread_cond_destroy(&drain->empty);
	pthread_cond_destroy(&drain->stopped);
	pthread_mutex_destroy(&drain->lock);
}

void drain_enter(struct drain *drain)
{
	pthread_mutex_lock(&drain->lock);
	drain->in_flight++;
	pthread_mutex_unlock(&drain->lock);
}

void drain_leave(struct drain *drain)
{
	pthread_mutex_lock(&drain->lock);
	if (!--drain->in_flight)
		pthread_cond_signal(&drain->empty);
	pthread_mutex_unlock(&drain->lock);
}

unsigned drain_in_flight(struct drain *drain)
{
	unsigned n;

	pthread_mutex_lock(&drain->lock);
	n = drain->in_flight;
	pthread_mutex_unlock(&drain->lock);
	return n;
}

bool drain_is_stopping(struct drain *drain)
{
	bool stopping;

	pthread_mutex_lock(&drain->lock);
	stopping = drain->stopping;
	pthread_mutex_unlock(&drain->lock);
	return stopping;
}

bool drain_pause(struct drain *drain, uint64_t ns)
{
	struct timespec until = deadline_in(ns);
	bool stopping;
	int err = 0;

	pthread_mutex_lock(&drain->lock);
	while (!drain->stopping && !err)
		err = pthread_cond_timedwait(&drain->stopped, &drain->lock, &until);
	stopping = drain->stopping;
	pthread_mutex_unlock(&drain->lock);
	return !stopping;
}

void drain_begin(struct drain *drain)
{
	pthread_mutex_lock(&drain->lock);
	drain->stopping = true;
	pthread_cond_broadcast(&drain->stopped);
	pthread_mutex_unlock(&drain->lock);
}

unsigned drain_wait(struct drain *drain, uint64_t limit_ns)
{
	struct timespec until = deadline_in(limit_ns);
	unsigned left;
	int err = 0;

	pthread_mutex_lock(&drain->lock);
	while (drain->in_flight && !err)
		err = pthread_cond_timedwait(&drain->empty, &drain->lock, &until);
	left = drain->in_flight;
	pthread_mutex_unlock(&drain->lock);
	return left;
}
