/* SPDX-License-Identifier: MIT */
/*
 * Which attempt repeats one that failed, told while they come: the same caller asks the same of the same peer, at most a minute (and the
 * peer's Retry-After) after the one before had failed, with no success of the same in between. A caller is a thread, or whoever sends
 * the same id; ids, or causes, that differ tell two callers apart. (Of one who
 * never does two things at a time pulse.c knows that he may go on in another thread.) A connect that failed asked for nothing
 * yet: it goes with whatever its thread asks before or after. A failure is followed by one retry at most.
 *
 * Bounded: the last RETRIES_MAX failures that nothing followed are remembered, and of one caller the last few are looked at.
 * Not thread-safe. The analyzer, who has all of the run at once, knows better (analyzer/link.h).
 */
#ifndef AFTERSHOCK_RECORD_RETRIES_H
#define AFTERSHOCK_RECORD_RETRIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define RETRIES_MAX 4096
#define RETRIES_CHAINS 2048	/* power of two */

struct retries_call {
	uint64_t edge;			/* whose calls to whom; not 0 */
	uint32_t tid;			/* 0 not known */
	bool headless;			/* a connect that failed */
	uint64_t target, fingerprint;	/* what it asks; fingerprint 0: not known */
	uint64_t id;			/* of the request, the same in each attempt; 0 none */
	uint64_t cause;			/* what it is made for; 0 not known */
	uint64_t started_ns, ended_ns;	/* ended_ns: not looked at by retries_take() */
};

struct retries_failure {
	uint64_t caller, target, fingerprint, id, cause, ended_ns, until_ns;
	bool headless, used;
	TAILQ_ENTRY(retries_failure) chain;
};

struct retries {	/* about 400 KiB */
	TAILQ_HEAD(retries_chain, retries_failure) chains[RETRIES_CHAINS];
	struct retries_failure failures[RETRIES_MAX];	/* the oldest makes room */
	unsigned next, count;
};

void retries_init(struct retries *r);

/* Whether the attempt that begins is a retry. The failure that it follows has been followed then. */
bool retries_take(struct retries *r, const struct retries_call *c);

/* It failed. retry_after_ms: what the peer asked for, -1 nothing. */
void retries_failed(struct retries *r, const struct retries_call *c, int64_t retry_after_ms);

void retries_succeeded(struct retries *r, const struct retries_call *c);

#endif
