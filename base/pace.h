/* SPDX-License-Identifier: MIT */
/*
 * A rate of bytes: how many may pass by now, and when more may. Bytes are earned continuously from pace_begin() on and
 * given out in slices of about 10 ms, so that who waits is woken a hundred times a second at most and not byte by byte.
 *
 * Invariant: who takes no more than pace_credit() says has taken at most rate * (t - begin) bytes by any time t.
 * Pure; async-signal-safe; not thread-safe for the same pace.
 */
#ifndef AFTERSHOCK_BASE_PACE_H
#define AFTERSHOCK_BASE_PACE_H

#include <stdint.h>

struct pace {
	uint64_t bytes_per_s;
	uint64_t since_ns;	/* earning began; moved on by pace_forfeit() */
	uint64_t taken;		/* bytes since then */
};

/* Begins to earn at now_ns (CLOCK_MONOTONIC). bytes_per_s: 1 .. */
void pace_begin(struct pace *p, uint64_t bytes_per_s, uint64_t now_ns);

/* Bytes of a slice, at least 1. */
uint64_t pace_slice(const struct pace *p);

/* Bytes that a network's buffers keep for who comes late: 64 KB (Linux's first window), of a fast rate 100 ms' worth. */
uint64_t pace_backlog(const struct pace *p);

/* Bytes earned by now_ns and not taken. */
uint64_t pace_credit(const struct pace *p, uint64_t now_ns);

/* When that many are; never before since_ns. */
uint64_t pace_due_ns(const struct pace *p, uint64_t bytes);

/* These bytes pass; more than the credit is a debt that is worked off first. */
void pace_take(struct pace *p, uint64_t bytes);

/* Lets go of all credit beyond most: nothing was there that could have used it. */
void pace_forfeit(struct pace *p, uint64_t most, uint64_t now_ns);

#endif
