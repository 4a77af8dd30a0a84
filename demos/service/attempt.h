/* SPDX-License-Identifier: MIT */
/*
 * One attempt: one HTTP request to a peer and how it ended, on a kept-alive connection where there is one.
 * Invariant: at most one request goes out. Redirects are not followed, and libcurl's habit of sending a request again when a
 * reused connection ends without an answer is stopped: whether to try again is the retry policy's to say, and to count.
 * Thread-safe: a pool may be shared; curl_global_init() must have run.
 */
#ifndef DEMOS_SERVICE_ATTEMPT_H
#define DEMOS_SERVICE_ATTEMPT_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/retry.h"

#define ATTEMPT_IDLE_MAX 256

enum attempt_error { ATTEMPT_ANSWERED, ATTEMPT_TIMEOUT, ATTEMPT_RESOLVE, ATTEMPT_CONNECT, ATTEMPT_BROKEN, ATTEMPT_ERRORS };

/* "timeout", "resolve", "connect", "broken"; "none" for ATTEMPT_ANSWERED. */
extern const char *const attempt_error_names[ATTEMPT_ERRORS];

#define ATTEMPT_ANSWER_MAX (1 << 20)	/* bytes of a body that is kept; what has more ends the attempt as broken */

/* The body of an answer: NUL-terminated, allocated with malloc; NULL when it was not wanted or empty. */
struct attempt_answer {
	char *text;
	size_t length;
};

/* Handles at rest, each with its open connection. */
struct attempt_pool {
	pthread_mutex_t lock;
	CURL *idle[ATTEMPT_IDLE_MAX];
	unsigned count;
};

struct attempt {
	const char *method;
	const char *url;		/* whole */
	const char *body;		/* NULL none */
	const char *content_type;	/* of body */
	const char *traceparent;
	const char *tracestate;		/* "" none */
	const char *idempotency_key;	/* NULL or "" none */
	bool says_timeout;		/* it says how long it may take: see DEADLINE_HEADER */
	struct attempt_answer *answer;	/* where the body goes, replacing what was there; NULL: it is not kept */
	uint64_t connect_timeout_ns, timeout_ns;
};

void attempt_pool_init(struct attempt_pool *pool);
void attempt_pool_clear(struct attempt_pool *pool);

void attempt_answer_clear(struct attempt_answer *answer);	/* NULL is fine */

/* Makes the attempt and waits for its end. *outcome is always filled; ATTEMPT_ANSWERED when there was a whole answer. */
enum attempt_error attempt_run(struct attempt_pool *pool, const struct attempt *attempt, struct retry_outcome *outcome);

#endif
