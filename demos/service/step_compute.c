/* SPDX-License-Identifier: MIT */
/*
 * {"compute_ms": 30}: takes that much time, as a service with that service time does, but leaves the processor alone: a topology of
 * several services must fit on a small machine without slowing its own parts.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "demos/service/request.h"
#include "demos/service/step.h"

#define NS_PER_S 1000000000ull
#define HOUR_MS 3600000.0

struct compute_step {
	uint64_t ns;
};

static const struct field compute_fields[] = {
	{"compute_ms", fields_ms, .offset = offsetof(struct compute_step, ns), .required = true, .low = 0, .high = HOUR_MS},
	{NULL},
};

static int read_compute(struct fields *f, const cJSON *object, struct step *step)
{
	step->policy = calloc(1, sizeof(struct compute_step));
	return step->policy ? fields_read(f, object, compute_fields, step->policy) : -ENOMEM;
}

static enum step_end run_compute(struct request *r, const struct step *step)
{
	const struct compute_step *s = step->policy;
	struct timespec left = {.tv_sec = (time_t)(s->ns / NS_PER_S), .tv_nsec = (long)(s->ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
	return STEP_GOES_ON;
}

static void clear_compute(struct step *step)
{
	free(step->policy);
}

const struct step_kind step_compute = {.key = "compute_ms", .read = read_compute, .run = run_compute, .clear = clear_compute};
