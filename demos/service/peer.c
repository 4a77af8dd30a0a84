/* SPDX-License-Identifier: MIT */
#include "demos/service/peer.h"

#include <stdio.h>
#include <stdlib.h>

void peer_init(struct peer *peer, const struct peer_config *config)
{
	*peer = (struct peer){.config = config, .strategy = config->strategy};
	attempt_pool_init(&peer->pool);
}

void peer_clear(struct peer *peer)
{
	attempt_pool_clear(&peer->pool);
}

/* From [0,1). */
static double draw(void)
{
	return arc4random() / 4294967296.0;
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

static void run_attempts(struct peer *peer, struct attempt *attempt, const struct trace_context *trace, struct drain *drain,
			 struct peer_result *result)
{
	const struct strategy *strategy = peer->strategy;
	struct retry call;
	uint64_t wait_ns = 0;

	retry_begin(&call, &strategy->retry);
	do {
		run_attempt(peer, attempt, trace, result);
	} while (retry_next(&call, &result->last, draw(), &wait_ns) && drain_pause(drain, wait_ns));
}

bool peer_call(struct peer *peer, const struct step *step, const struct trace_context *trace, struct drain *drain,
	       struct peer_result *result)
{
	struct attempt attempt = {
		.method = step->method,
		.body = step->body,
		.content_type = step->content_type,
		.tracestate = trace->state,
		.connect_timeout_ns = peer->config->connect_timeout_ns,
		.timeout_ns = peer->config->attempt_timeout_ns,
	};
	char *url = NULL;
	bool is_ok;

	*result = (struct peer_result){.last = {.end = ENDED_ERROR}, .error = ATTEMPT_BROKEN};
	if (asprintf(&url, "%s%s", peer->config->url, step->path) >= 0) {
		attempt.url = url;
		run_attempts(peer, &attempt, trace, drain, result);
		free(url);
	}
	is_ok = result->last.end == ENDED_ANSWERED && result->last.status < 400;
	atomic_fetch_add(is_ok ? &peer->counts.calls_ok : &peer->counts.calls_failed, 1);
	return is_ok;
}
