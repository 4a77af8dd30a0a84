/* SPDX-License-Identifier: MIT */
/*
 * When the server of an edge was bad, as far as breakers are concerned: while a fault was felt there; without one, as its failures say.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_BAD_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_BAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/infer/silence.h"

struct measure;

struct breaker_span {		/* [from, to] */
	uint64_t from_ns, to_ns;
	bool cleared;
};

struct breaker_bad {		/* in order, none meets another */
	struct breaker_span *of;	/* owned */
	size_t n;
	struct breaker_span *out;	/* owned; when it was out: of faults that hit half or more of the calls made meanwhile; the same where none did */
	size_t out_n;
	bool faults;		/* known from faults, not guessed from failures */
};

/* Fills a zeroed one from the run's faults. 0 or -ENOMEM; free also then. */
int breaker_bad_find(struct breaker_bad *bad, const struct measure *m, uint32_t edge);
void breaker_bad_free(struct breaker_bad *bad);

/* Without a fault, and guessed once: from the first of the failures that opened it to the last before ten successes in a row. 0 or -ENOMEM. */
int breaker_bad_guess(struct breaker_bad *bad, const struct silence_input *in, const struct silences *s);

/* Whether it was bad at t; out. */
bool breaker_bad_at(const struct breaker_bad *bad, uint64_t t);
bool breaker_out_at(const struct breaker_bad *bad, uint64_t t);

#endif
