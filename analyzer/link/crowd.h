/* SPDX-License-Identifier: MIT */
/*
 * Crowds: several requests for the same thing in flight at once from one flow of calls (an event loop, tasks, coroutines, threads that the witness
 * can not tell apart), which carry no ids. There any start may follow a failure because it retries it, or because another request was due.
 *
 * What follows a success is the placebo: in a class of waits (classes grow by a seventh) where a start follows F of n failures, and s of S
 * successes, accidents make up
 *
 *   E = p * (n - F) / (1 - p),  p = (s + 1) / (S + 1)	from F = R + p * (n - R), R retries
 *
 * of the links (the false-link rate of analysis.md). Classes in which F is at least ten times p * n hold retries, the surest first as long as
 * E is at most a twentieth of all that is joined; only such waits join. When the requests that failed in the end are then not mostly
 * alike, of one number of attempts that is at least 2, retries may be among what is not joined, and nothing is: the edge falls to
 * the aggregate tier.
 *
 * Before that, two kinds of crowd explain themselves. Waves: 2 to 5 groups of at least 2 starts, between which nothing is in flight for three times as
 * long as ever within one, and each of exactly as many starts as failed in the one before: these are their retries, the first of the first.
 * A cohort: all requests began before the first of them had ended, and nobody began another later: each start is an attempt of one of them, of
 * which there are fewer than 6 each. With 6 or more, both may as well be loops.
 *
 * A process of which some thread has calls in flight at once at least twice, and at each hundredth, moves its flows between its threads as it
 * likes: there a thread says nothing of who calls.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_CROWD_H
#define AFTERSHOCK_ANALYZER_LINK_CROWD_H

#include "analyzer/read/model.h"

struct crowd {			/* what one edge's crowds are */
	uint64_t cut;		/* links that were cut, of crowds of which nothing can be told */
	double accidental;	/* expected share of accidents among the links that stand, or would; NAN none */
	uint32_t most;		/* in flight at once */
};

struct crowds {
	const struct model *m;
	uint32_t *before, *after;	/* per exchange: its neighbours in the chain, MODEL_NONE at the ends; links are cut in them */
	bool (*by_time)(const void *arg, uint32_t exchange);	/* whether nothing but time joined it to the one before */
	bool (*joins)(const void *arg, uint32_t a, uint32_t b);	/* whether b may be the retry of a, but for the wait */
	uint64_t (*flow)(const void *arg, uint32_t exchange);	/* what it may be joined in; 0: in nothing */
	const void *arg;
	struct crowd *of;		/* per edge; zeroed, accidental NAN */
};

/* 0 or -ENOMEM; then some links may have been cut. O(n log n). */
int crowd_cut(struct crowds *c);

/* Sets busy[p] of each process whose threads say nothing. busy holds process_count falses. 0 or -ENOMEM. */
int crowd_threads(const struct model *m, bool *busy);

#endif
