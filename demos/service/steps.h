/* SPDX-License-Identifier: MIT */
/* The steps of a route: reading them and running them. The kinds there are: the table in steps.c. Thread-safe once read. */
#ifndef DEMOS_SERVICE_STEPS_H
#define DEMOS_SERVICE_STEPS_H

#include <stdio.h>

#include "demos/service/request.h"
#include "demos/service/step.h"

/*
 * Reads an array of steps into a new list, and checks that each name in a template is one that is there by then: of the request, of the
 * route's path, or an "as". 0, -ENOMEM or -EINVAL after fields_refuse(); steps_clear() is needed in any case.
 */
int steps_read(struct fields *f, const cJSON *array, const char *path, struct step **steps, unsigned *count);
void steps_clear(struct step *steps, unsigned count);

/*
 * Runs those of r->route and fills the reply, which is 200 with a default body when none of them does. Once the caller's time is over
 * no further step begins but one that answers: 504, for what is left would be done for nobody. Blocks its thread.
 */
void steps_run(struct request *r);

/* Writer of a metric. */
void steps_write_over(FILE *out, const char *name, struct service *service);

#endif
