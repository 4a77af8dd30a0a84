/* SPDX-License-Identifier: MIT */
/*
 * A rate limit for each tenant, as a pure state machine: a token bucket each. A bucket holds at most `burst` tokens and begins full; one
 * comes back every minute / per_minute; a request takes one, or is refused and told when the next will be there. What is kept of a bucket
 * is the instant at which it is full again, which says the same without fractions (the virtual scheduling algorithm of ITU-T I.371).
 * A bucket that is full again says nothing and is forgotten, so that memory is bounded by the tenants seen lately. When LIMITS_TENANTS
 * of them are not full, those who come new share one bucket: who makes up names gains nothing.
 *
 * Needs only this file and limits.c. Time is the caller's: any clock in ns that does not go back. No globals; not thread-safe, callers
 * hold a lock of their own around each function.
 */
#ifndef DEMOS_SERVICE_LIMITS_H
#define DEMOS_SERVICE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_TENANTS 4096
#define LIMITS_SLOTS 1024

struct limits_policy {
	const char *tenant_header;	/* whose value names the tenant; for the caller's use. Without it all are one tenant */
	unsigned per_minute;		/* 0: no limit */
	unsigned burst;			/* >= 1; burst / per_minute below a million minutes */
};

struct limits_bucket {
	struct limits_bucket *next;	/* in its slot */
	uint64_t full_ns, hash;
	char tenant[];
};

struct limits {
	const struct limits_policy *policy;
	struct limits_bucket *slots[LIMITS_SLOTS];
	struct limits_bucket others;	/* of those for whom there is no bucket of their own */
	unsigned count;
	uint64_t refused;
};

/* Begins without tenants; the policy must outlive it. */
void limits_init(struct limits *l, const struct limits_policy *policy);
void limits_clear(struct limits *l);

/* A request of that tenant. True: it may go on. False: refused, and in *wait_ns (> 0) there will be a token. */
bool limits_take(struct limits *l, const char *tenant, uint64_t now_ns, uint64_t *wait_ns);

#endif
