/* SPDX-License-Identifier: MIT */
/*
 * What users felt of a fault, second by second: the share of good requests at the entry edges (those of clients that nobody recorded calls) from
 * which the service that the fault struck can be reached. Seconds are counted from the instant at which an episode of the fault cleared, so that
 * recovery begins with a whole one. A request belongs to the second in which it started; one that went on at another server, to that of its last.
 *
 *   bad    even the upper end of Wilson's interval of the second's share is below theta
 *   good   the share is at least theta: the SLO, else max(0.95 mu, mu - 3 sigma) of the baseline's share mu; and users asked: a twentieth at least of
 *          what they ask in the baseline, or in the bad seconds if that is less
 *   holds  for 5 s: none of them is bad, and all together are good. One by one they need not be: where a baseline fails in part, chance alone
 *          leaves single seconds below theta.
 *
 * The baseline is the run's, in which no fault was there; for an episode that lies inside the time of another fault, it is the time in which that
 * other was there alone.
 *
 * Used by recovery.c, lag.c and metastable.c only. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_FELT_H
#define AFTERSHOCK_ANALYZER_MEASURE_FELT_H

#include "analyzer/measure.h"

#define FELT_HOLD_S 5

struct felt_second {
	uint32_t n, ok;			/* requests at the entry edges */
	uint32_t attempts, firsts;	/* at the struck service: attempts, first attempts */
	uint64_t first_failed_ns;	/* 0 none */
};

struct felt {
	struct measure *m;
	/* of the fault: */
	bool *entry;		/* per edge: an entry edge from which the fault is felt; owned */
	bool *struck;		/* per edge: one to a service that the fault struck; owned */
	/* of the baseline of the episode: */
	bool is_based;
	uint64_t asked_from_ns, asked_to_ns;	/* which it was to be; it is the run's where nobody asked anything then */
	uint64_t calm_from_ns, calm_to_ns;	/* [from, to); 0, 0: the run's baseline */
	double mu;		/* share of good requests in the baseline; 1 without one */
	uint64_t base;		/* requests it rests on */
	double load, attempts;	/* requests at the entry edges, attempts at the struck service, per second of the baseline; NAN without one */
	double took_ms;		/* how long requests took then: 95 of 100; NAN: too few ended */
	double usual_ms;	/* what lag.c knows of how long attempts took then; 0: not asked yet */
	/* of one of its episodes: */
	const struct timeline_episode *episode;
	struct felt_second *seconds;	/* owned */
	long room;		/* seconds that there is memory for */
	long count, zero;	/* seconds[zero] begins as the episode cleared, seconds[0] in the second in which it was first felt or before */
	double least;		/* requests of a good second */
	uint64_t until_ns;	/* what comes then or later is another's doing, or the run is over */
	double episode_took_ms;	/* as took_ms, of requests that began while the fault was there */
};

/* Fills a struct, zeroed or of another fault, for a fault. 0 or -ENOMEM. */
int felt_fault(struct felt *f, struct measure *m, uint32_t fault);

/* Fills the seconds of one of its episodes. 0 or -ENOMEM. */
int felt_episode(struct felt *f, const struct timeline_episode *e, uint64_t until_ns);

void felt_free(struct felt *f);

/* When second i began. */
uint64_t felt_start(const struct felt *f, long i);

/* Whether enough was asked in the baseline to measure against. */
bool felt_has_baseline(const struct felt *f);

/* Whether that instant lies in the baseline. */
bool felt_calm(const struct felt *f, uint64_t at_ns);

/* i is in 0..count-1. A second in which nothing was asked is neither, and one in which next to nothing was asked is not good. */
bool felt_bad(const struct felt *f, long i);
bool felt_good(const struct felt *f, long i);

/* Whether it is well for FELT_HOLD_S from second i on, all of them in the run. */
bool felt_holds(const struct felt *f, long i);

#endif
