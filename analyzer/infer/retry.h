/* SPDX-License-Identifier: MIT */
/*
 * The requests of one edge that failed at first, and the attempts of each, as retry.c puts them before those who judge: what was retried and
 * what should not have been (retry_misuse.c), how long was waited (retry_waits.c), what it did to the rate of calls (storm.h, herding.h).
 *
 * Or those of a destination (hops.h), at whatever server. There one attempt may be a round (retry_rounds.c): where connects fail, a client that has
 * several addresses tries them one behind the other at once, and waits before it tries all of them again.
 *
 * Where nothing but time joined attempts (link.h), a run of failed ones may be several requests of a loop: it is cut where its waits begin to
 * repeat (period.h). Where the client calls again at the same pace after a success, it polls, and nothing is said of it.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_RETRY_H
#define AFTERSHOCK_ANALYZER_INFER_RETRY_H

#include "analyzer/measure.h"

enum retry_end {
	RETRY_OK,		/* an attempt succeeded */
	RETRY_GIVEN_UP,		/* the last failed, and no other followed */
	RETRY_UNSEEN,		/* the client or the run ended before another could have, or a breaker that counts attempts let no more through */
};

struct retry_request {
	size_t begin;		/* in attempts */
	uint32_t n;		/* attempts, or rounds of them; at least 1 */
	enum retry_end end;
	bool hedged;		/* its attempts overlap: it has no waits */
	bool asked;		/* an answer asked for a wait (Retry-After) before a retry */
	bool tangled;		/* it overlaps another of the same caller that asks the same */
	bool hops;		/* its attempts are on three threads or more: one flow that moves, or several that nothing tells apart */
	bool kept_back;		/* its breaker may have kept the next attempt back: its end is RETRY_UNSEEN */
	bool mute;		/* its last failure is of a kind that is never retried */
};

struct retries {
	struct measure *m;
	struct policy_retry *p;
	uint32_t edge;			/* of a destination its first */
	uint32_t destination;		/* MODEL_NONE: the edge alone */
	struct chains_span all, asked;	/* attempts, in order of start; logical requests that its requests begin with */
	const struct result_cohort *whole, *window;	/* what was measured of them */
	double median_ms;		/* of an attempt */
	bool temporal;			/* nothing but time joins its attempts */
	uint32_t *attempts;		/* indices of exchanges, request by request; of a round its last; owned */
	uint32_t *begins;		/* of a round its first; NULL: each attempt stands for itself; owned */
	uint32_t *hidden;		/* attempts that are part of a round and not its last, ascending; owned */
	size_t hidden_count;
	struct retry_request *requests;	/* in order of start; owned */
	size_t attempt_count, count;
};

static inline const struct model_exchange *retry_attempt(const struct retries *r, const struct retry_request *q, uint32_t i)
{
	return &r->m->r->model.exchanges[r->attempts[q->begin + i]];
}

/* What attempt i begins with: itself, but of a round. */
static inline const struct model_exchange *retry_begin(const struct retries *r, const struct retry_request *q, uint32_t i)
{
	return &r->m->r->model.exchanges[(r->begins ? r->begins : r->attempts)[q->begin + i]];
}

/* Whether it was tried again at another server (hops.h), which is not looked at here. */
static inline bool retry_went_on(const struct retries *r, const struct retry_request *q)
{
	const struct model_exchange *last = retry_attempt(r, q, q->n - 1);

	return r->destination == MODEL_NONE && r->m->link.logicals[last->logical].partial && !last->lost;
}

/*
 * From the end of x to the start of y, ms; 0 when they overlap. y starts when its connection is opened, where that is done for it: a slow connect
 * is no wait.
 */
double retry_gap_ms(const struct retries *r, const struct model_exchange *x, const struct model_exchange *y);

/* The wait before attempt k of a request, from 1. */
static inline double retry_wait_ms(const struct retries *r, const struct retry_request *q, uint32_t k)
{
	return retry_gap_ms(r, retry_attempt(r, q, k - 1), retry_begin(r, q, k));
}

/* From the start of a request's first attempt to the end of its last, ms. */
double retry_took_ms(const struct retries *r, const struct retry_request *q);

/* Indices of exchanges, ascending: in order of start. */
void retry_sort(uint32_t *attempts, size_t n);

/* retry_polls.c: 1 the client polls, 0 it does not or nothing tells, -ENOMEM. */
int retry_polls(struct retries *r);

/* retry_collect.c: fills r with the requests, and says which are tangled. 0 or -ENOMEM. */
int retry_collect(struct retries *r);

/* retry_rounds.c: makes rounds of a destination's attempts, where it is asked in rounds. 0 or -ENOMEM. */
int retry_rounds(struct retries *r);

/* retry_ends.c: how each request ended. */
void retry_ends(struct retries *r);

/* retry_lengths.c: number of attempts, deadline, budget. 0 or -ENOMEM. */
int retry_lengths(struct retries *r);

/* retry_reactions.c: what followed a failure of which kind, and the requests whose last failure is never retried. 0 or -ENOMEM. */
int retry_reactions(struct retries *r);

/* retry_misuse.c: retries that should not be. 0 or -ENOMEM. */
int retry_misuse(struct retries *r);

/* retry_waits.c: waits, Retry-After and the backoff. 0 or -ENOMEM. */
int retry_waits(struct retries *r);

/*
 * retry_due.c: whether an attempt (an index, with an edge) is a retry that came when the policy of its edge has it: false where no law fits its waits. After
 * measure_retries().
 */
bool retry_is_due(const struct measure *m, uint32_t attempt);

/* retry_rate.c: storms, bursts, budget, herding. 0 or -ENOMEM. */
int retry_rate(struct retries *r);

#endif
