/* SPDX-License-Identifier: MIT */
/*
 * Bursts of retries on one edge, found while they come. Time is cut into bins as long as max(100 ms, twice the median time of an
 * attempt); a burst is a maximal run of bins of which each has at least max(5, Q) retries, where Q is the 99.9 % quantile of the Poisson
 * distribution with the mean that first attempts have in a bin before anything fails (or, when too little came before that, in the
 * run so far). So what a steady flow of requests would do by chance is none.
 *
 * A bin is judged BURSTS_LATE_NS after its end; an attempt that is told of later still counts in the burst that it falls in.
 * Bounded: 12.8 s of bins. Not thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_BURSTS_H
#define AFTERSHOCK_RECORD_BURSTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"

#define BURSTS_BIN_NS (100 * NS_PER_MS)
#define BURSTS_BINS 128			/* that are kept */
#define BURSTS_WIDTH_MAX 50		/* bins that are judged as one, at most */
#define BURSTS_LATE_NS (2 * NS_PER_S)
#define BURSTS_BASELINE_NS (500 * NS_PER_MS)	/* less before the first failure is no baseline */

struct burst {
	int64_t id;		/* 0: none */
	uint64_t from, to;	/* bins; to is not in it */
	uint64_t attempts, peak, width;	/* retries; the most in one stretch of `width` bins */
};

struct bursts {
	uint64_t start_ns;			/* of bin 0 */
	void (*tell)(void *arg, const struct burst *b);	/* one that is new or has grown; those of the same id are the same */
	void *arg;
	int64_t *ids;				/* last id given */
	uint32_t retries[BURSTS_BINS];		/* of bin b at b % BURSTS_BINS */
	uint64_t newest, judged, unjudged;	/* bins: the newest seen, the first not judged; retries in those not judged */
	uint64_t first_ns, firsts;		/* first attempts: when the first began, how many */
	uint64_t latest_ns;			/* of all attempts */
	uint64_t calm_ns, calm_firsts;		/* the same as it was when something failed first; calm_ns 0: nothing has yet */
	uint64_t rtt_ns;			/* median time of an attempt */
	struct burst last;			/* the one that goes on, or the last */
	bool goes_on, grown;
};

/* The smallest k for which a Poisson variable of this mean is at most k with a probability of 99.9 %. */
uint64_t bursts_quantile(double mean);

void bursts_init(struct bursts *b, uint64_t start_ns, int64_t *ids, void (*tell)(void *arg, const struct burst *b), void *arg);

/* An attempt began, and something failed for the first time or again. */
void bursts_attempt(struct bursts *b, uint64_t at_ns, bool retry);
void bursts_failure(struct bursts *b, uint64_t at_ns);

/* The median time of an attempt, while nothing has failed yet or none is known; 0 is passed over. */
void bursts_rtt(struct bursts *b, uint64_t ns);

/* Judges the bins that ended long enough before now_ns and tells what has come of it. */
void bursts_judge(struct bursts *b, uint64_t now_ns);

/* Judges all bins: nothing more is to come. */
void bursts_finish(struct bursts *b);

static inline uint64_t bursts_began_ns(const struct bursts *b, const struct burst *u)
{
	return b->start_ns + u->from * BURSTS_BIN_NS;
}

static inline uint64_t bursts_ended_ns(const struct bursts *b, const struct burst *u)
{
	return b->start_ns + u->to * BURSTS_BIN_NS;
}

#endif
