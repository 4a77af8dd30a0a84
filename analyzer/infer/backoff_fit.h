/* SPDX-License-Identifier: MIT */
/*
 * How well each family of backoff with jitter explains a set of waits. Pure.
 *
 *   scaled        wait k is uniform in [low s_k, high s_k], s = 1 (fixed), k (linear), r^(k-1) (exponential), all capped or not
 *   additive      wait k is low s_k + uniform [0, width]
 *   decorrelated  wait k is uniform in [low, 3 x the wait before], the first in [low, 3 low] (AWS)
 *   decorrelated, second version: the sum of the first k waits is median/1.4 f(t_k), f(t) = 2^t tanh sqrt(4t), t_k uniform in
 *                 [k-1, k] (Polly, cockatiel)
 *
 * Every upper end has room for the lateness of timers; one wait in 50 may lie anywhere, so that one late wait does not decide.
 * The support of a uniform is found in closed form (its likelihood rises until the ends touch the data), the multiplier by a scan.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BACKOFF_FIT_H
#define AFTERSHOCK_ANALYZER_INFER_BACKOFF_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/infer/policy.h"

#define FIT_DEEPEST 10	/* waits of a request that are looked at */

struct fit_wait {
	double ms, before, sum;		/* the one before, NAN: none; all so far, with this one */
	uint32_t request;
	uint16_t k;			/* from 1 */
};

struct fit_data {
	struct fit_wait *waits;		/* in order of request, then k */
	size_t n;
	unsigned deepest;		/* largest k; at most FIT_DEEPEST */
	double slack_ms;		/* lateness that is nothing unusual */
};

struct fit {
	bool known;
	enum policy_backoff family;
	double multiplier, multiplier_low, multiplier_high;	/* NAN: it has none */
	double low, high;	/* of the first wait; decorrelated: both the least wait; version 2: both the median */
	double added_ms;	/* additive: the width, else 0 */
	double cap_ms;		/* NAN none */
	bool cap_before_jitter;
	double shape[FIT_DEEPEST + 1];	/* s_k, cap before jitter included */
	double loglik, bic;
};

/*
 * The best of each family, in fits[family]; those that were not tried are not known; fits[BACKOFF_UNKNOWN] is the best of some laws without
 * a name here. 0 or -ENOMEM.
 */
int fit_all(struct fit fits[BACKOFF_FAMILIES], const struct fit_data *d);

/* What the BIC of a law without a name here has for being uncommon alone. */
double fit_rarity(const struct fit_data *d);

/* BIC of a law with ends of its own for each k: what no family needs to beat, but must not fall far behind. */
double fit_free_bic(const struct fit_data *d);

/*
 * Where in its range under the fit a wait lies, 0 to 1, uniform when the fit is true; NAN where its range is not much wider than the lateness.
 * *blur: by how much lateness may have moved it.
 */
double fit_place(const struct fit *f, const struct fit_data *d, const struct fit_wait *w, double *blur);

/* The least and largest wait k under the fit; NAN where the wait before decides. */
void fit_range(const struct fit *f, unsigned k, double *low, double *high);

#endif
