/* SPDX-License-Identifier: MIT */
/*
 * A fallback as a pure decision: a call has failed; may something else stand in for what it should have brought?
 *     static   the whole request is answered with a fixed answer
 *     default  the request goes on as if the part had come, empty
 *     cached   the request goes on with what the same call brought when it went well last, if that is not too old; else it has failed
 * Either way the answer is a degraded one and has to say so: good for the user, but no success of the call. What a caller did
 * wrong itself (4xx but for 408 and 429) is not covered, for another answer would hide it.
 *
 * Needs only this file and fallback.c. Thread-safe: values only.
 */
#ifndef DEMOS_SERVICE_FALLBACK_H
#define DEMOS_SERVICE_FALLBACK_H

#include <stdbool.h>
#include <stdint.h>

/* The header that a degraded answer carries; its value names the peers that something stood in for. */
#define FALLBACK_HEADER "X-Degraded"

enum fallback_kind { FALLBACK_NONE, FALLBACK_STATIC, FALLBACK_DEFAULT, FALLBACK_CACHED, FALLBACK_KINDS };

/* "none", "static", "default", "cached"; then NULL. */
extern const char *const fallback_kind_names[FALLBACK_KINDS + 1];

/* Why a call has failed. */
enum fallback_cause { FAILED_STATUS, FAILED_TIMEOUT, FAILED_ERROR, FAILED_BREAKER, FAILED_BULKHEAD, FAILED_CAUSES };

struct fallback_policy {
	enum fallback_kind kind;
	unsigned status;		/* static */
	const char *body;		/* static; NULL none */
	const char *content_type;	/* static */
	uint64_t ttl_ns;		/* cached: how old it may be */
};

/* Whether it stands in for a call that has failed so; status: the peer's answer, with FAILED_STATUS. */
bool fallback_covers(const struct fallback_policy *policy, enum fallback_cause cause, int status);

#endif
