/* SPDX-License-Identifier: MIT */
/* {"call": PEER, "method", "path", "body", "content_type", "idempotency_key", "as", "fallback"}: calls a peer, see call.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/cache.h"
#include "demos/service/call.h"
#include "demos/service/clock.h"
#include "demos/service/config_policies.h"
#include "demos/service/routes.h"
#include "demos/service/service.h"
#include "demos/service/step.h"

#define CACHE_ENTRIES 1024
#define CACHE_BYTES (16u << 20)

struct call_step {
	struct call call;
	struct cache_policy cache_policy;
	struct cache cache;		/* with a fallback of cached: the last good answers, by path */
	pthread_mutex_t lock;		/* of the cache */
};

#define OF_STEP(member) .offset = offsetof(struct call_step, member)
static const struct field call_fields[] = {
	CALL_FIELDS("call", struct call_step, call),
	{"fallback", config_fallback, OF_STEP(call.fallback)},
	STEP_AS,
	{NULL},
};

static bool is_cached(const struct call_step *s)
{
	return s->call.fallback.kind == FALLBACK_CACHED;
}

static int read_call(struct fields *f, const cJSON *object, struct step *step)
{
	struct call_step *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->call = (struct call)CALL_INIT;
	err = fields_read(f, object, call_fields, s);
	s->call.wants_answer = is_cached(s) || cJSON_HasObjectItem(object, "as");
	s->cache_policy = (struct cache_policy){CACHE_ENTRIES, CACHE_BYTES, s->call.fallback.ttl_ns};
	cache_init(&s->cache, &s->cache_policy);
	if (!err && is_cached(s) && strcmp(s->call.method, "GET"))
		err = fields_refuse(f, NULL, "a GET, for it has a fallback of cached");
	return err;
}

/* Keeps a good answer for worse times. */
static void remember(struct request *r, struct call_step *s, const char *text)
{
	char *path = is_cached(s) && text ? call_path(r, &s->call) : NULL;

	if (!path)
		return;
	pthread_mutex_lock(&s->lock);
	cache_put(&s->cache, path, text, clock_now_ns());
	pthread_mutex_unlock(&s->lock);
	free(path);
}

/* The last good answer to this call; caller frees; NULL when there is none that is young enough. */
static char *recall(struct request *r, struct call_step *s)
{
	char *path = call_path(r, &s->call), *copy;
	const char *text;

	pthread_mutex_lock(&s->lock);
	text = path ? cache_get(&s->cache, path, clock_now_ns()) : NULL;
	copy = text ? strdup(text) : NULL;
	pthread_mutex_unlock(&s->lock);
	free(path);
	return copy;
}

static void count_fallback(struct request *r, const struct call_step *s)
{
	struct peer *peer = &r->service->peers[s->call.peer];

	peer->counts.fallbacks[s->call.fallback.kind]++;
	request_degrade(r, peer->config->name);
}

/* After a call that failed. */
static enum step_end fall_back(struct request *r, const struct step *step, const struct peer_result *result)
{
	struct call_step *s = step->policy;
	const struct fallback_policy *policy = &s->call.fallback;
	bool is_covered = fallback_covers(policy, result->cause, result->last.status);
	char *cached = is_covered && is_cached(s) ? recall(r, s) : NULL;

	if (!is_covered || (is_cached(s) && !cached)) {
		call_reply_failed(r, &s->call, result);
		return STEP_ENDS;
	}
	count_fallback(r, s);
	if (policy->kind == FALLBACK_STATIC) {
		reply_borrowed(r->reply, policy->status, policy->content_type, policy->body);
		return STEP_ENDS;
	}
	request_keep(r, step, call_value(cached));
	free(cached);
	return STEP_GOES_ON;
}

static enum step_end run_call(struct request *r, const struct step *step)
{
	struct call_step *s = step->policy;
	struct peer_result result;
	enum step_end end = STEP_GOES_ON;

	if (call_make(r, &s->call, &result)) {
		remember(r, s, result.answer.text);
		request_keep(r, step, call_answer(&result));
	} else {
		end = fall_back(r, step, &result);
	}
	peer_result_clear(&result);
	return end;
}

static void clear_call(struct step *step)
{
	struct call_step *s = step->policy;

	if (!s)
		return;
	cache_clear(&s->cache);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct step_kind step_call = {.key = "call", .read = read_call, .run = run_call, .clear = clear_call};
