/* SPDX-License-Identifier: MIT */
/*
 * One request while it is worked on: what was asked, what its steps have found out, what it will be answered with. It belongs
 * to one thread.
 */
#ifndef DEMOS_SERVICE_REQUEST_H
#define DEMOS_SERVICE_REQUEST_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "demos/service/deadline.h"
#include "demos/service/reply.h"
#include "demos/service/trace_context.h"

struct route;
struct service;
struct step;

struct request {
	struct service *service;
	const struct route *route;	/* NULL until it is found, and when there is none */
	const char *method, *path;	/* path: decoded, without the query */
	const char *body;		/* NUL-terminated; "" none */
	size_t length;			/* of the body */
	const char *idempotency_key;	/* the caller's header; NULL none */
	const char *tenant;		/* by the header of the route's limits; NULL none */
	struct trace_context trace;
	struct deadline deadline;	/* the caller's, by deadline_read(); no call for it lasts longer */
	cJSON *values;			/* see values.h; an object, filled with the request's own roots only when the route names any */
	struct reply *reply;
};

/* Puts the result of a step into the values, or deletes it when nobody asked for it. The result is used up; NULL is none. */
void request_keep(struct request *r, const struct step *step, cJSON *result);

/* Says that a peer's part in the answer is not what it should be; names that no longer fit are left out. */
void request_degrade(struct request *r, const char *peer);

/* Answers {"service": NAME, "error": TEXT}. */
void request_fail(struct request *r, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
