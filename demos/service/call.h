/* SPDX-License-Identifier: MIT */
/*
 * A call of a peer as the configuration says it: where templates become a request, and what a call that failed means for the
 * route. For step_call.c and for any other kind of step that calls peers. Thread-safe once read.
 */
#ifndef DEMOS_SERVICE_CALL_H
#define DEMOS_SERVICE_CALL_H

#include <stdbool.h>

#include "demos/service/fallback.h"
#include "demos/service/fields.h"
#include "demos/service/peer.h"
#include "demos/service/request.h"

struct call {
	unsigned peer;				/* index in config.peers */
	const char *method;
	const char *path;			/* template */
	const cJSON *body;			/* template; NULL none */
	const char *content_type;
	const char *idempotency_key;		/* template; NULL none, as is one that comes out empty */
	struct fallback_policy fallback;
	bool wants_answer;			/* the body of the answer is read */
};

/*
 * Rows for a table of fields of a structure that has a struct call as its member `call`. The peer's name is the value of `key`.
 * CALL_INIT are the defaults.
 */
#define CALL_FIELDS(key, type, call) \
	{key, call_peer, .offset = offsetof(type, call.peer), .required = true}, \
	{"method", routes_method, .offset = offsetof(type, call.method)}, \
	{"path", routes_path, .offset = offsetof(type, call.path), .required = true}, \
	{"body", routes_body, .offset = offsetof(type, call.body)}, \
	{"content_type", routes_content_type, .offset = offsetof(type, call.content_type)}, \
	{"idempotency_key", fields_string, .offset = offsetof(type, call.idempotency_key)}
#define CALL_INIT {.method = "GET", .content_type = CONTENT_TYPE_JSON}

/* Field reader. The member's type: unsigned, the index of the peer of that name. */
int call_peer(struct fields *f, const struct field *field, const cJSON *value, void *into);

/* Makes the call, as peer_call() says; r->reply is not touched. peer_result_clear() is owed. */
bool call_make(struct request *r, const struct call *call, struct peer_result *result);

/* Which path the call is made to for this request. Caller frees; NULL without memory. */
char *call_path(const struct request *r, const struct call *call);

/* The body of an answer as a value: JSON when it is that, else a text. NULL without a body or memory. */
cJSON *call_answer(const struct peer_result *result);
cJSON *call_value(const char *body);	/* the same of a body, or NULL */

/* Which status a route has for a call that was answered with this one, of 400 or more: 404, 409, 410, 412, 422 and 429 as they are, else 502. */
unsigned call_status(int status);

/*
 * Answers for a call that failed: with call_status() when the last attempt was answered (of a 429 its Retry-After too), 504 when the
 * peer did not answer in time, 503 when breaker or bulkhead refused, else 502.
 */
void call_reply_failed(struct request *r, const struct call *call, const struct peer_result *result);

#endif
