/* SPDX-License-Identifier: MIT */
#include "demos/service/call.h"

#include <limits.h>
#include <stdlib.h>

#include "demos/service/service.h"
#include "demos/service/values.h"

#define NS_PER_S 1000000000

int call_peer(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *name = cJSON_GetStringValue(value);
	int index = name ? config_peer(f->context, name) : -1;

	if (index < 0)
		return fields_refuse(f, value, "one of peers");
	*(unsigned *)into = (unsigned)index;
	return 0;
}

static char *body_of(const struct request *r, const cJSON *template)
{
	cJSON *tree;
	char *text;

	if (cJSON_IsString(template))
		return values_text(r->values, template->valuestring);
	tree = values_tree(r->values, template);
	text = tree ? cJSON_PrintUnformatted(tree) : NULL;
	cJSON_Delete(tree);
	return text;
}

char *call_path(const struct request *r, const struct call *call)
{
	return values_url(r->values, call->path);
}

bool call_make(struct request *r, const struct call *call, struct peer_result *result)
{
	char *path = call_path(r, call), *body = call->body ? body_of(r, call->body) : NULL;
	char *key = call->idempotency_key ? values_url(r->values, call->idempotency_key) : NULL;
	struct peer_request what = {
		.method = call->method,
		.path = path,
		.body = body,
		.content_type = call->content_type,
		.idempotency_key = key,
		.wants_answer = call->wants_answer,
		.trace = &r->trace,
		.deadline = &r->deadline,
	};
	bool is_whole = path && (body || !call->body) && (key || !call->idempotency_key), is_ok;

	is_ok = peer_call(&r->service->peers[call->peer], is_whole ? &what : NULL, &r->service->drain, result);
	free(path);
	free(body);
	free(key);
	return is_ok;
}

cJSON *call_value(const char *body)
{
	cJSON *tree;

	if (!body)
		return NULL;
	tree = cJSON_ParseWithOpts(body, NULL, true);
	return tree ? tree : cJSON_CreateString(body);
}

cJSON *call_answer(const struct peer_result *result)
{
	return call_value(result->answer.text);
}

/*
 * What a peer says of the request itself is said to whoever made that: it is missing, it conflicts, it is too much. All else is
 * between this service and its peer (a request that it formed badly, credentials that it lacks), and no matter of the caller's: 502.
 */
unsigned call_status(int status)
{
	static const int handed_on[] = {404, 409, 410, 412, 422, 429};

	for (size_t i = 0; i < sizeof(handed_on) / sizeof(*handed_on); i++)
		if (status == handed_on[i])
			return (unsigned)status;
	return 502;
}

/* In whole seconds, not fewer than it said. */
static unsigned retry_after_s(const struct retry_outcome *last)
{
	int64_t s = last->retry_after_ns > 0 ? (last->retry_after_ns - 1) / NS_PER_S + 1 : 0;

	return s < UINT_MAX ? (unsigned)s : UINT_MAX;
}

void call_reply_failed(struct request *r, const struct call *call, const struct peer_result *result)
{
	const char *called = r->service->peers[call->peer].config->name, *plural = result->attempts == 1 ? "" : "s";

	switch (result->cause) {
	case FAILED_STATUS:
		request_fail(r, call_status(result->last.status), "%.60s answered %d after %u attempt%s", called, result->last.status,
			     result->attempts, plural);
		if (r->reply->status == 429)
			r->reply->retry_after_s = retry_after_s(&result->last);
		return;
	case FAILED_BREAKER:
		request_fail(r, 503, "%.60s is not called: its breaker is open", called);
		return;
	case FAILED_BULKHEAD:
		request_fail(r, 503, "%.60s is not called: its bulkhead is full", called);
		return;
	default:
		request_fail(r, result->cause == FAILED_TIMEOUT ? 504 : 502, "%.60s gave no answer after %u attempt%s: %s", called,
			     result->attempts, plural, result->attempts ? attempt_error_names[result->error] : "no time was left");
	}
}
