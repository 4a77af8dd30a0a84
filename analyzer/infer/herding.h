/* SPDX-License-Identifier: MIT */
/*
 * Whether many clients retry at once: Morisita's index of how crowded instants are (Morisita 1959), I = Q sum n_i (n_i - 1) / (N (N - 1)) over
 * Q bins; 1 when the instants are spread by chance, Q when all share one bin. Pure.
 *
 * Only a crowd that arrived at once tells whether retries keep it together: the cohort is those whose first attempts lie in the densest
 * HERDING_CROWD_BINS bins, when they are many and more than the rate of arrivals explains.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_HERDING_H
#define AFTERSHOCK_ANALYZER_INFER_HERDING_H

#include <stdbool.h>
#include <stddef.h>

#define HERDING_MIN 20		/* requests */
#define HERDING_BIN_MIN_MS 50.0
#define HERDING_CROWD_BINS 2
#define HERDING_BINS_MIN 20	/* Q: from the first attempt to the last retry, but no fewer; else one retry's own spread would be all there is */

struct herding_request {
	double first_ms, retry_ms;	/* starts of its first attempt and of its first retry */
	double last_ms;			/* and of its last */
};

struct herding {
	bool known;
	double index;		/* S_1 = (I_1 - 1) / (Q - 1): 0 spread by chance, 1 all in one bin */
	double preserved;	/* H_1 = I_1 / I_0 */
	size_t n;		/* requests of the crowd */
};

/* requests are in order of first_ms; their array is sorted anew. bin_ms above 0. */
struct herding herding_measure(struct herding_request *requests, size_t n, double bin_ms);

#endif
