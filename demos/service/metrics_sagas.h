/* SPDX-License-Identifier: MIT */
/* Writers of the metrics families of sagas and projections, for the table in metrics.c. Thread-safe. */
#ifndef DEMOS_SERVICE_METRICS_SAGAS_H
#define DEMOS_SERVICE_METRICS_SAGAS_H

#include <stdio.h>

struct service;

void metrics_sagas_begun(FILE *out, const char *name, struct service *service);
void metrics_sagas_resumed(FILE *out, const char *name, struct service *service);
void metrics_sagas_over(FILE *out, const char *name, struct service *service);
void metrics_saga_acts(FILE *out, const char *name, struct service *service);
void metrics_saga_lost(FILE *out, const char *name, struct service *service);
void metrics_saga_misfits(FILE *out, const char *name, struct service *service);

void metrics_projection_events(FILE *out, const char *name, struct service *service);
void metrics_projection_rebuilds(FILE *out, const char *name, struct service *service);
void metrics_projection_failures(FILE *out, const char *name, struct service *service);

#endif
