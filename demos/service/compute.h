/* SPDX-License-Identifier: MIT */
/* What the workers of compute steps have done, for metrics.c. Thread-safe. */
#ifndef DEMOS_SERVICE_COMPUTE_H
#define DEMOS_SERVICE_COMPUTE_H

#include <stdio.h>

struct service;

/* Writers of metrics: of each compute step with workers, by route and index of the step. */
void compute_write_taken(FILE *out, const char *name, struct service *service);
void compute_write_refused(FILE *out, const char *name, struct service *service);
void compute_write_waiting(FILE *out, const char *name, struct service *service);

#endif
