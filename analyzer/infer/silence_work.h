/* SPDX-License-Identifier: MIT */
/*
 * One search for silences (silence.h) under way: what had ended by an instant, what was in work then, and the silences found so far.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_WORK_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/infer/silence.h"

#define SILENCE_RECENT 10	/* completions among which the failure is that opened it, or the success that closed it */

struct silence_end {		/* a completion */
	uint64_t at_ns;
	size_t attempt;
	uint32_t run, failed, ok;	/* failures in a row up to it; failures, successes so far */
};

struct silence_work {
	const struct silence_input *in;
	struct silences *s;
	struct silence_end *ends;	/* owned; ascending */
	size_t ended;
	size_t most;		/* calls in work at once */
	size_t places;		/* the same, of what fills a bulkhead (silence_input's work) */
	uint64_t *full_from, *full_to;	/* owned; ascending: when so many were */
	size_t fulls;
	uint64_t *taken, *given_back;	/* owned; ascending: requests that called are there from, to */
	size_t holders;
	uint64_t usual_ns;	/* an answer's time */
	uint64_t waits_ns;	/* that of one whose attempts were all turned down: silence_input's, or what they agree in */
	uint64_t longer_ns;	/* by pace: the 90th percentile of intervals */
	uint64_t failing_since_ns;
	size_t longest_end;	/* where the longest run of failures ends */
	uint64_t failed_ns;	/* the first failure since the silence before ended; UINT64_MAX none */
	unsigned need;		/* requests that make a silence */
	unsigned after_success, slow, full, unresolved;	/* silences that are none, by why */
	uint64_t shed_after_success;
};

/* Makes a zeroed one (with in and s) ready. 0 or -ENOMEM; to be freed also then. */
int silence_work_init(struct silence_work *w);
void silence_work_free(struct silence_work *w);

/* How many completions are at or before t; before it. */
size_t silence_ended_by(const struct silence_work *w, uint64_t t);
size_t silence_ended_before(const struct silence_work *w, uint64_t t);

/*
 * Failures that the client may have counted on the other side of completion n, a success: among those behind `from` and before it, and among those
 * behind it up to `to`.
 */
uint32_t silence_late_before(const struct silence_work *w, size_t n, size_t from);
uint32_t silence_early_behind(const struct silence_work *w, size_t n, size_t to);

/* Figures of completions 1 to n. */
struct silence_end silence_so_far(const struct silence_work *w, size_t n);

/* Calls in work at t, of the first `begun`, or of all. */
size_t silence_in_work(const struct silence_work *w, size_t begun, uint64_t t);
size_t silence_in_work_at(const struct silence_work *w, uint64_t t);

/* Whether as many calls as ever were in work at some time in [from, to]. */
bool silence_was_full(const struct silence_work *w, uint64_t from, uint64_t to);

/* Room for one more; NULL without memory. */
struct silence_gap *silence_add(struct silences *s);

/* Whether a server's name could not be resolved within [from, to]. */
bool silence_is_unresolved(const struct silence_work *w, uint64_t from, uint64_t to);

/* When call i was let through, at the earliest: what had failed by then did not open it. */
uint64_t silence_let_through_ns(const struct silence_work *w, size_t i);

/*
 * When it opened: at a failure after the last call it let through, and before the first request it shed; where none was, at one of the latest before.
 * trip: SIZE_MAX, nothing had failed.
 */
void silence_find_trip(const struct silence_work *w, struct silence_gap *g);

#endif
