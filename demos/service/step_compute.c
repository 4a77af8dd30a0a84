/* SPDX-License-Identifier: MIT */
/*
 * {"compute_ms": 30, "distribution": "fixed|exponential", "workers": 4, "queue": 1000}: takes that much time, or a time of that mean, as
 * a service with that service time does, but leaves the processor alone: a topology of several services must fit on a small machine without
 * slowing its own parts. With workers, so many requests at once, the others in order of arrival; 503 when the queue is full. Nothing ends
 * the work early, not even a caller that has gone.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "demos/service/clock.h"
#include "demos/service/compute.h"
#include "demos/service/draw.h"
#include "demos/service/metrics.h"
#include "demos/service/request.h"
#include "demos/service/service.h"
#include "demos/service/step.h"
#include "demos/service/workers.h"

#define NS_PER_S 1000000000ull
#define HOUR_MS 3600000.0
#define QUEUE_DEFAULT 1000

enum distribution { FIXED, EXPONENTIAL };

static const char *const distribution_names[] = {"fixed", "exponential", NULL};

struct compute_step {
	uint64_t ns;
	enum distribution distribution;
	struct workers_policy policy;	/* count 0: as many as there are requests */
	struct workers workers;
	pthread_mutex_t lock;
};

#define OF_STEP(member) .offset = offsetof(struct compute_step, member)
static const struct field compute_fields[] = {
	{"compute_ms", fields_ms, OF_STEP(ns), .required = true, .low = 0, .high = HOUR_MS},
	{"distribution", fields_name, OF_STEP(distribution), .names = distribution_names},
	{"workers", fields_count, OF_STEP(policy.count), .low = 1, .high = WORKERS_MAX},
	{"queue", fields_count, OF_STEP(policy.queue), .low = 0, .high = 1e6},
	{NULL},
};

static int read_compute(struct fields *f, const cJSON *object, struct step *step)
{
	struct compute_step *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->policy.queue = QUEUE_DEFAULT;
	err = fields_read(f, object, compute_fields, s);
	if (!err && !s->policy.count && cJSON_HasObjectItem(object, "queue"))
		err = fields_refuse(f, NULL, "given queue only together with workers");
	if (!err && s->policy.count)
		err = workers_init(&s->workers, &s->policy);
	return err;
}

static void sleep_until(uint64_t ns)
{
	struct timespec until = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* The clock is read under the lock: the order in which requests come to it is the order of their work. */
static bool give_to_workers(struct compute_step *s, uint64_t take_ns, uint64_t *end_ns)
{
	bool is_taken;

	pthread_mutex_lock(&s->lock);
	is_taken = workers_take(&s->workers, clock_now_ns(), take_ns, end_ns);
	pthread_mutex_unlock(&s->lock);
	return is_taken;
}

static enum step_end run_compute(struct request *r, const struct step *step)
{
	struct compute_step *s = step->policy;
	uint64_t take_ns = s->distribution == EXPONENTIAL ? workers_exponential_ns(s->ns, draw_uniform()) : s->ns, end_ns;

	if (!s->policy.count) {
		sleep_until(clock_now_ns() + take_ns);
		return STEP_GOES_ON;
	}
	if (give_to_workers(s, take_ns, &end_ns)) {
		sleep_until(end_ns);
		return STEP_GOES_ON;
	}
	request_fail(r, 503, "all workers are busy, and as much work as may wait is waiting");
	return STEP_ENDS;
}

static void clear_compute(struct step *step)
{
	struct compute_step *s = step->policy;

	if (!s)
		return;
	workers_clear(&s->workers);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct step_kind step_compute = {.key = "compute_ms", .read = read_compute, .run = run_compute, .clear = clear_compute};

/* ---- metrics ---- */

static uint64_t taken_of(struct workers *w)
{
	return w->taken;
}

static uint64_t refused_of(struct workers *w)
{
	return w->refused;
}

static uint64_t waiting_of(struct workers *w)
{
	return workers_waiting(w, clock_now_ns());
}

static void write_step(FILE *out, const char *name, const struct route *route, unsigned index, uint64_t (*figure)(struct workers *w))
{
	struct compute_step *s = route->steps[index].policy;
	uint64_t n;

	if (route->steps[index].kind != &step_compute || !s->policy.count)
		return;
	pthread_mutex_lock(&s->lock);
	n = figure(&s->workers);
	pthread_mutex_unlock(&s->lock);
	metrics_route(out, name, route);
	fprintf(out, ",step=\"%u\"} %llu\n", index, (unsigned long long)n);
}

static void write_all(FILE *out, const char *name, const struct service *service, uint64_t (*figure)(struct workers *w))
{
	for (unsigned r = 0; r < service->config.route_count; r++)
		for (unsigned i = 0; i < service->config.routes[r].step_count; i++)
			write_step(out, name, &service->config.routes[r], i, figure);
}

void compute_write_taken(FILE *out, const char *name, struct service *service)
{
	write_all(out, name, service, taken_of);
}

void compute_write_refused(FILE *out, const char *name, struct service *service)
{
	write_all(out, name, service, refused_of);
}

void compute_write_waiting(FILE *out, const char *name, struct service *service)
{
	write_all(out, name, service, waiting_of);
}
