/* SPDX-License-Identifier: MIT */
#include "demos/service/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "demos/service/clock.h"
#include "demos/service/draw.h"

/* One logical call while it is made. */
struct running {
	struct peer *peer;
	struct attempt *attempt;
	const struct deadline *outer;	/* of what it is made for; NULL none */
	struct deadline deadline;
	const struct trace_context *trace;
	struct drain *drain;
};

void peer_init(struct peer *peer, const struct peer_config *config)
{
	*peer = (struct peer){.config = config, .strategy = config->strategy};
	attempt_pool_init(&peer->pool);
	guard_init(&peer->guard, &config->breaker, &config->bulkhead);
}

void peer_clear(struct peer *peer)
{
	attempt_pool_clear(&peer->pool);
	guard_clear(&peer->guard);
}

static void count_attempt(struct peer_counts *counts, const struct peer_result *result)
{
	if (result->error == ATTEMPT_ANSWERED && result->last.status < RETRY_STATUS_MAX)
		counts->statuses[result->last.status]++;
	else
		counts->errors[result->error]++;
	if (result->attempts > 1)
		counts->retries++;
}

static void run_attempt(struct peer *peer, struct attempt *attempt, const struct trace_context *trace, struct peer_result *result)
{
	char traceparent[TRACEPARENT_SIZE];

	trace_context_attempt(trace, traceparent);
	attempt->traceparent = traceparent;
	result->error = attempt_run(&peer->pool, attempt, &result->last);
	result->attempts++;
	count_attempt(&peer->counts, result);
}

/* What the breaker counts as a failure: an answer that blames the caller is none. */
static bool is_failure(const struct retry_outcome *o)
{
	return o->end != ENDED_ANSWERED || o->status == 429 || o->status >= 500;
}

static enum fallback_cause cause_of(const struct retry_outcome *o)
{
	static const enum fallback_cause causes[] = {
		[ENDED_ANSWERED] = FAILED_STATUS, [ENDED_TIMEOUT] = FAILED_TIMEOUT, [ENDED_ERROR] = FAILED_ERROR,
	};

	return causes[o->end];
}

static bool refused(struct peer_result *result, enum fallback_cause cause)
{
	result->cause = cause;
	return false;
}

/* An attempt behind the bulkhead; false when the call is over without it. */
static bool run_inside(struct running *c, struct peer_result *result)
{
	if (!guard_enter(&c->peer->guard, deadline_left_ns(&c->deadline, clock_now_ns())))
		return refused(result, FAILED_BULKHEAD);
	c->attempt->timeout_ns = deadline_attempt_ns(&c->deadline, clock_now_ns());
	if (c->attempt->timeout_ns)
		run_attempt(c->peer, c->attempt, c->trace, result);
	guard_leave(&c->peer->guard);
	return c->attempt->timeout_ns || refused(result, FAILED_TIMEOUT);
}

/* ... and behind the breaker, when it counts attempts. */
static bool run_guarded(struct running *c, struct peer_result *result)
{
	bool is_mine = c->peer->config->breaker.scope == BREAKER_PER_ATTEMPT, was_run;
	uint64_t ticket = 0;

	if (is_mine && !guard_admits(&c->peer->guard, &ticket))
		return refused(result, FAILED_BREAKER);
	was_run = run_inside(c, result);
	if (was_run)
		result->cause = cause_of(&result->last);
	if (is_mine && was_run)
		guard_ended(&c->peer->guard, ticket, !is_failure(&result->last));
	else if (is_mine)
		guard_unused(&c->peer->guard, ticket);
	return was_run;
}

/* Whether another attempt follows, after its wait. */
static bool is_going_on(struct running *c, struct retry *retry, const struct peer_result *result)
{
	uint64_t wait_ns = 0;

	if (!retry_next(retry, &result->last, draw_uniform(), &wait_ns))
		return false;
	if (!deadline_allows(&c->deadline, clock_now_ns(), wait_ns)) {
		c->peer->counts.cut_short++;
		return false;
	}
	return drain_pause(c->drain, wait_ns);
}

static void run_attempts(struct running *c, struct peer_result *result)
{
	const struct strategy *strategy = c->peer->strategy;
	struct retry retry;

	retry_begin(&retry, &strategy->retry);
	while (run_guarded(c, result) && is_going_on(c, &retry, result))
		;
}

/* A breaker of scope request hears of the call's end, and of nothing when no attempt was made. */
static void run_call(struct running *c, struct peer_result *result)
{
	bool is_mine = c->peer->config->breaker.scope == BREAKER_PER_REQUEST;
	uint64_t ticket = 0;

	deadline_begin(&c->deadline, &c->peer->config->deadline, clock_now_ns());
	if (c->outer)
		deadline_within(&c->deadline, c->outer);
	if (is_mine && !guard_admits(&c->peer->guard, &ticket)) {
		refused(result, FAILED_BREAKER);
		return;
	}
	run_attempts(c, result);
	if (is_mine && result->attempts)
		guard_ended(&c->peer->guard, ticket, !is_failure(&result->last));
	else if (is_mine)
		guard_unused(&c->peer->guard, ticket);
}

static void call_url(struct peer *peer, const struct peer_request *request, const char *url, struct drain *drain,
		     struct peer_result *result)
{
	struct attempt attempt = {
		.method = request->method,
		.url = url,
		.body = request->body,
		.content_type = request->content_type,
		.tracestate = request->trace->state,
		.idempotency_key = request->idempotency_key,
		.says_timeout = peer->config->propagates_deadline,
		.answer = request->wants_answer ? &result->answer : NULL,
		.connect_timeout_ns = peer->config->connect_timeout_ns,
	};
	struct running call = {.peer = peer, .attempt = &attempt, .outer = request->deadline, .trace = request->trace, .drain = drain};

	run_call(&call, result);
}

bool peer_call(struct peer *peer, const struct peer_request *request, struct drain *drain, struct peer_result *result)
{
	char *url = NULL;
	bool is_ok;

	*result = (struct peer_result){.last = {.end = ENDED_ERROR}, .error = ATTEMPT_BROKEN, .cause = FAILED_ERROR};
	if (request && asprintf(&url, "%s%s", peer->config->url, request->path) >= 0) {
		call_url(peer, request, url, drain, result);
		free(url);
	}
	is_ok = result->cause == FAILED_STATUS && result->last.status < 400;
	atomic_fetch_add(is_ok ? &peer->counts.calls_ok : &peer->counts.calls_failed, 1);
	return is_ok;
}

void peer_result_clear(struct peer_result *result)
{
	attempt_answer_clear(&result->answer);
}
