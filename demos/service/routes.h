/* SPDX-License-Identifier: MIT */
/* The routes of a service: reading them, and finding the one that a request means. Thread-safe once read. */
#ifndef DEMOS_SERVICE_ROUTES_H
#define DEMOS_SERVICE_ROUTES_H

#include "demos/service/config.h"
#include "demos/service/fields.h"

/* Reads "routes" into the struct config at `into`, peers and stores being known. 0, -ENOMEM, or -EINVAL after fields_refuse(). */
int routes_read(struct fields *f, const struct field *field, const cJSON *value, void *into);
void routes_clear(struct route *routes, unsigned count);

/* Whether a route of that method answers a request of this one. */
bool route_takes(const char *offered, const char *asked);

/*
 * The route that a request means: a path without named segments is preferred, then the first in the file. NULL when there is none;
 * then `allowed` is called with each method that this path is there for.
 */
const struct route *routes_find(const struct config *config, const char *method, const char *path,
				void (*allowed)(void *context, const char *method), void *context);

/* Field readers. The member's type: const char *. A path of a route or a call; an HTTP method; what Content-Type may say. */
int routes_path(struct fields *f, const struct field *field, const cJSON *value, void *into);
int routes_method(struct fields *f, const struct field *field, const cJSON *value, void *into);
int routes_content_type(struct fields *f, const struct field *field, const cJSON *value, void *into);

/* The member's type: const cJSON *: a text, or an object or array that is sent as JSON. */
int routes_body(struct fields *f, const struct field *field, const cJSON *value, void *into);

#endif
