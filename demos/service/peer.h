/* SPDX-License-Identifier: MIT */
/*
 * A peer and the logical calls made to it: each is one or more attempts, as the strategy in force when the call begins says.
 * Counts everything it does, so that what others infer from outside can be held against it.
 * Thread-safe.
 */
#ifndef DEMOS_SERVICE_PEER_H
#define DEMOS_SERVICE_PEER_H

#include <stdatomic.h>
#include <stdint.h>

#include "demos/service/attempt.h"
#include "demos/service/config.h"
#include "demos/service/deadline.h"
#include "demos/service/drain.h"
#include "demos/service/guard.h"
#include "demos/service/trace_context.h"

struct peer_counts {
	_Atomic uint64_t calls_ok, calls_failed;
	_Atomic uint64_t retries;			/* attempts that were not a call's first */
	_Atomic uint64_t cut_short;			/* calls that failed for want of time for another attempt */
	_Atomic uint64_t fallbacks[FALLBACK_KINDS];	/* calls that something else stood in for */
	_Atomic uint64_t statuses[RETRY_STATUS_MAX];	/* attempts answered with this status */
	_Atomic uint64_t errors[ATTEMPT_ERRORS];	/* attempts that ended without an answer */
};

struct peer {
	const struct peer_config *config;
	const struct strategy *_Atomic strategy;	/* one of config's */
	struct attempt_pool pool;
	struct guard guard;
	struct peer_counts counts;
};

/* What is asked of a peer; all texts are ready to be sent. */
struct peer_request {
	const char *method;
	const char *path;			/* with the query */
	const char *body;			/* NULL none */
	const char *content_type;		/* of body */
	const char *idempotency_key;		/* the same for all attempts; NULL or "" none */
	bool wants_answer;
	const struct trace_context *trace;
	const struct deadline *deadline;	/* of whoever asks for it; NULL none */
};

struct peer_result {
	struct retry_outcome last;
	struct attempt_answer answer;	/* of the last attempt, when wanted */
	enum attempt_error error;	/* of the last attempt */
	enum fallback_cause cause;	/* why the call has failed */
	unsigned attempts;
};

void peer_init(struct peer *peer, const struct peer_config *config);
void peer_clear(struct peer *peer);

/*
 * Calls the peer and waits for the end, which may take all attempts and the waits between them, but no longer than the total
 * timeout, nor than the deadline of whoever asks for it; a service that is stopping makes no further attempt. A breaker of scope
 * request is asked once, one of scope attempt before each attempt; a place in the bulkhead is held while an attempt is at work.
 * What either refuses ends the call. To the breaker, timeouts, errors, 429 and 5xx are failures. Returns whether the last answer was
 * below 400. request NULL is a caller short of memory: the call fails without an attempt, as it does when memory is short here.
 * peer_result_clear() is owed in any case.
 */
bool peer_call(struct peer *peer, const struct peer_request *request, struct drain *drain, struct peer_result *result);
void peer_result_clear(struct peer_result *result);

#endif
