/* SPDX-License-Identifier: MIT */
/*
 * The rhythm in which a client goes on, to tell its next request from a retry where nothing but time joined the two (link.h: temporal):
 *
 *   period   the waits of an edge's chains repeat after every m attempts (a wait of backoff never stands where the client's own step does):
 *            each request has m attempts, the chain is cut behind each m-th. Chosen among no period, 2 to 32, and "no repetition" by BIC of
 *            Laplace-distributed logarithms of waits around the median of their place in the period. None where the pace says otherwise.
 *   pace     how soon the client goes on after a success, from one start or one end to the next start, whichever varies less (where both do
 *            alike, what follows failures tells). When it is steady, what follows a failure at that pace is its next request; when it is not,
 *            and waits after failures are distributed like those after successes (Kolmogorov, Smirnov), all of it is; so it is where each
 *            thread's are, compared by themselves. A client that goes on without pause and yet waits before each second retry has made the
 *            first without a wait: that one is none of its steps. Nor are waits that half of all failures are followed by and that lie within
 *            a tenth of the range of its pace: a backoff that is always the same. Where three in five of the steps after failures are on
 *            time, those that are late by up to half are steps too, and a clock's next ones, as early.
 *   drone    without any success: at least 6 attempts at one unvarying distance (one in ten, or one, may be late), which nobody ends (13 in all, or
 *            the process goes on living without another attempt), and not as many each time. Polling, or retries without end: nobody can tell.
 *            So are attempts without a wait (6, or 13 where there are less than 3 chains), when no number of attempts is usual: a loop without
 *            pause. And so are more than 13 after waits of any length that do not grow, of which the last failed too, however many are usual:
 *            users who think between their requests, workers of a load generator that have so many each.
 *
 * Lanes whose requests overlap have no rhythm and are left alone.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_RHYTHM_H
#define AFTERSHOCK_ANALYZER_LINK_RHYTHM_H

#include "analyzer/read/model.h"

/* What follows a failure after so long was taken for the client's next request, and may have been a retry: a hole in the waits that are seen. */
struct rhythm_blind {
	double low_ms, high_ms;		/* high_ms 0: none */
};

struct rhythm {
	const struct model *m;
	uint32_t *before, *after;	/* per exchange: its neighbours in the chain, MODEL_NONE at the ends; links are cut in them */
	bool (*by_time)(const void *arg, uint32_t exchange);	/* whether nothing but time joined it to the one before */
	const void *arg;
	uint64_t *polls;		/* per edge: attempts that were cut off as requests of their own */
	uint64_t *doubtful;		/* per edge: those of them that may as well be retries */
	struct rhythm_blind *blind;	/* per edge */
};

/* 0 or -ENOMEM; then some links may have been cut. */
int rhythm_cut(struct rhythm *r);

#endif
