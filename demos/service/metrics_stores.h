/* SPDX-License-Identifier: MIT */
/* Writers of the metrics families of stores, outboxes and idempotent routes, for the table in metrics.c. Thread-safe. */
#ifndef DEMOS_SERVICE_METRICS_STORES_H
#define DEMOS_SERVICE_METRICS_STORES_H

#include <stdio.h>

struct service;

void metrics_store_operations(FILE *out, const char *name, struct service *service);
void metrics_store_opened(FILE *out, const char *name, struct service *service);
void metrics_store_replaced(FILE *out, const char *name, struct service *service);
void metrics_store_connections(FILE *out, const char *name, struct service *service);

void metrics_outbox_messages(FILE *out, const char *name, struct service *service);
void metrics_outbox_unmarked(FILE *out, const char *name, struct service *service);
void metrics_outbox_database_failures(FILE *out, const char *name, struct service *service);
void metrics_outbox_pending(FILE *out, const char *name, struct service *service);

void metrics_idempotent_requests(FILE *out, const char *name, struct service *service);
void metrics_idempotent_refused(FILE *out, const char *name, struct service *service);
void metrics_idempotent_unstored(FILE *out, const char *name, struct service *service);

#endif
