/* SPDX-License-Identifier: MIT */
/*
 * What is going on, counted while it is recorded: for each edge (a process and the peer that it calls; or a process and whoever calls
 * it) and second the rows of table `pulse`, for each edge its bursts of retries (bursts.h) in table `burst`.
 *
 * An attempt counts once, in the second in which it began; its outcome and its time once, in the second in which it ended. The caller keeps
 * with each exchange what was counted of it (`told`). Rows are written when their second is over and again when something late
 * has come. What comes later than SECONDS counts in the oldest second that is still kept.
 *
 * Bounded: PULSE_EDGES edges; the one that was quiet longest makes room for another, if it was quiet for PULSE_QUIET_NS; else the
 * exchanges of that other are left out and counted (they are in the run file all the same). Not thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_PULSE_H
#define AFTERSHOCK_RECORD_PULSE_H

#include <stdint.h>
#include "base/clock.h"
#include "record/journal.h"
#include "record/store.h"

#define PULSE_EDGES 512
#define PULSE_SECONDS 4
#define PULSE_QUIET_NS (500 * NS_PER_MS)
#define PULSE_SETTLE_NS (200 * NS_PER_MS)	/* from a second's end to its row */

struct pulse;

struct pulse_word {			/* what is known of an exchange; only read during the call, but for told */
	int64_t process_id;
	const struct addr *peer;	/* NULL not known; not looked at when the process serves */
	uint32_t tid;
	uint64_t cause;			/* the inbound exchange that it was made for, when known; 0 */
	const struct journal_exchange *x;	/* ended_ns 0: it has not ended yet; its path is not looked at */
	const char *path;		/* NULL none */
	uint8_t *told;			/* 0 before the first word */
};

/* Counts in seconds from started_ns on; writes to s, which must live longer. NULL: no memory. */
struct pulse *pulse_new(struct store *s, uint64_t started_ns);

/* The run began at another time. To be called before anything is counted. */
void pulse_started(struct pulse *p, uint64_t started_ns);

/* One witness tells of an exchange's beginning, its end, or both: in order of time, as far as can be. p may be NULL, here and below. */
void pulse_heard(struct pulse *p, const struct pulse_word *w);

/* It is stored as it stands: all that can be counted of it. Heard or not before. */
void pulse_stored(struct pulse *p, const struct pulse_word *w);

/* This exchange was counted before it was known to be the one of w as well, which was counted, too; told: what of it. */
void pulse_twice(struct pulse *p, const struct pulse_word *w, uint8_t told);

/* Writes the rows that are due. */
void pulse_flush(struct pulse *p, uint64_t now_ns);

/* Exchanges that were left out so far. */
uint64_t pulse_left_out(const struct pulse *p);

/* Writes all that is not written and frees. NULL is fine. */
void pulse_close(struct pulse *p);

#endif
