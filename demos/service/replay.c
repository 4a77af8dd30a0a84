/* SPDX-License-Identifier: MIT */
#include "demos/service/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/clock.h"
#include "demos/service/config.h"
#include "demos/service/idempotency_memory.h"
#include "demos/service/idempotency_redis.h"
#include "demos/service/request.h"
#include "demos/service/service.h"
#include "demos/service/steps.h"

int replay_init(struct replay *replay, const struct replay_config *config, struct store *store)
{
	*replay = (struct replay){.config = config};
	if (!config->store_name)
		return 0;
	if (strcmp(config->store_name, REPLAY_MEMORY)) {
		replay->storage = idempotency_redis_storage(store);
		return 0;
	}
	replay->memory = idempotency_memory_new(config->max_keys, clock_now_ns);
	if (!replay->memory)
		return -ENOMEM;
	replay->storage = idempotency_memory_storage(replay->memory);
	return 0;
}

void replay_clear(struct replay *replay)
{
	idempotency_memory_free(replay->memory);
}

bool replay_is_on(const struct replay *replay)
{
	return replay->config->store_name;
}

static bool is_key(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] < '!' || text[i] > '~')
			return false;
	return n >= 1 && n <= IDEMPOTENCY_KEY_MAX;
}

/* The payload: what makes two requests under one key the same. */
static uint64_t fingerprint(const struct request *r)
{
	uint64_t print = idempotency_fingerprint(IDEMPOTENCY_FINGERPRINT, r->method, strlen(r->method) + 1);

	print = idempotency_fingerprint(print, r->path, strlen(r->path) + 1);
	return idempotency_fingerprint(print, r->body, r->length);
}

static uint64_t draw_version(void)
{
	return (uint64_t)arc4random() << 32 | arc4random();
}

static void answer_again(struct request *r, const struct idempotency_record *done)
{
	char *body = done->body ? strdup(done->body) : NULL;

	if (done->body)
		reply_owned(r->reply, done->status, done->content_type ? done->content_type : "", body);
	else
		reply_borrowed(r->reply, done->status, done->content_type ? done->content_type : "", NULL);
	snprintf(r->reply->degraded, sizeof(r->reply->degraded), "%s", done->degraded ? done->degraded : "");
	r->reply->is_replayed = true;
}

static void run(struct replay *replay, struct idempotency *call, struct request *r)
{
	const struct reply *reply = r->reply;

	steps_run(r);
	if (!idempotency_end(call, reply->status, reply->content_type, reply->degraded[0] ? reply->degraded : NULL, reply->body, reply->length))
		replay->unstored++;
}

static void fail_for_now(struct request *r, unsigned status, const char *why)
{
	request_fail(r, status, "%s", why);
	r->reply->retry_after_s = 1;
}

static void run_under(struct replay *replay, struct request *r, const char *key)
{
	struct idempotency call;
	enum idempotency_verdict verdict = idempotency_begin(&call, &replay->config->policy, &replay->storage, key, fingerprint(r), draw_version());

	replay->verdicts[verdict]++;
	switch (verdict) {
	case IDEMPOTENCY_REPLAY:
		answer_again(r, &call.found);
		break;
	case IDEMPOTENCY_IN_PROGRESS:
		fail_for_now(r, 409, "a request under this Idempotency-Key is in progress");
		break;
	case IDEMPOTENCY_OTHER_PAYLOAD:
		request_fail(r, 422, "this Idempotency-Key was used for another request");
		break;
	case IDEMPOTENCY_DOWN:
		fail_for_now(r, 503, "the store of idempotency keys does not answer");
		break;
	default:
		run(replay, &call, r);
	}
	idempotency_clear(&call);
}

void replay_run(struct replay *replay, struct request *r)
{
	char *name = NULL;

	if (!replay_is_on(replay) || (!r->idempotency_key && !replay->config->is_required)) {
		steps_run(r);
	} else if (!r->idempotency_key || !is_key(r->idempotency_key)) {
		replay->refused++;
		request_fail(r, 400, "an Idempotency-Key of 1 to %d visible characters is needed", IDEMPOTENCY_KEY_MAX);
	} else if (asprintf(&name, "%s %s %s %s", r->service->config.name, r->route->method, r->route->path, r->idempotency_key) < 0) {
		request_fail(r, 503, "out of memory");
	} else {
		run_under(replay, r, name);
		free(name);
	}
}
