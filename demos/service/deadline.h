/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of a call as pure arithmetic: how long may an attempt take that begins now, and is there time for another at all?
 * An attempt has `attempt_ns`; a call with all its attempts and the waits between them has `total_ns`. A deadline can be handed on: who
 * calls says in a header how long it will wait yet, and nothing that the callee does for it lasts longer. It is a span, not an instant,
 * because clocks of two machines differ; the time on the way is lost to both.
 *
 * Needs only this file and deadline.c. Time is the caller's, in ns. Thread-safe: values only.
 */
#ifndef DEMOS_SERVICE_DEADLINE_H
#define DEMOS_SERVICE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* The header that hands on a deadline: whole milliseconds from now. */
#define DEADLINE_HEADER "X-Request-Timeout-Ms"
#define DEADLINE_MS_MAX 3600000000ull

struct deadline_policy {
	uint64_t attempt_ns;		/* > 0 */
	uint64_t total_ns;		/* 0: none */
};

struct deadline {
	const struct deadline_policy *policy;	/* NULL: it was read from a header */
	uint64_t end_ns;		/* UINT64_MAX: never */
};

/* A call begins; the policy must outlive it. */
void deadline_begin(struct deadline *call, const struct deadline_policy *policy, uint64_t now_ns);

/* The deadline that a header says (NULL, or not a number up to DEADLINE_MS_MAX: it never ends). It has no time for an attempt. */
void deadline_read(struct deadline *given, const char *header, uint64_t now_ns);

/* Makes a call end no later than what it is made for. */
void deadline_within(struct deadline *call, const struct deadline *outer);

/* Whether it is over. */
bool deadline_is_over(const struct deadline *call, uint64_t now_ns);

/* What is left of the whole call; 0 once it is over. */
uint64_t deadline_left_ns(const struct deadline *call, uint64_t now_ns);

/* The time limit of an attempt that begins now: the attempt's own or what is left of the call, whichever is less; 0: too late to begin. */
uint64_t deadline_attempt_ns(const struct deadline *call, uint64_t now_ns);

/* Whether a wait from now would end before the call has to. A wait that would not is not worth beginning. */
bool deadline_allows(const struct deadline *call, uint64_t now_ns, uint64_t wait_ns);

#endif
