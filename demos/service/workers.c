/* SPDX-License-Identifier: MIT */
#include "demos/service/workers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TIMES_MEAN_MAX 45.0	/* a draw so far out comes once in 3e19 */

int workers_init(struct workers *w, const struct workers_policy *policy)
{
	*w = (struct workers){.policy = policy};
	w->free_ns = calloc(policy->count, sizeof(*w->free_ns));
	w->begins_ns = calloc(policy->queue + 1u, sizeof(*w->begins_ns));
	if (w->free_ns && w->begins_ns)
		return 0;
	workers_clear(w);
	return -ENOMEM;
}

void workers_clear(struct workers *w)
{
	free(w->free_ns);
	free(w->begins_ns);
	*w = (struct workers){.policy = w->policy};
}

/* Of several that are free, the one that has been longest; only the earliest matters. */
static uint64_t *first_free(struct workers *w)
{
	uint64_t *first = w->free_ns;

	for (unsigned i = 1; i < w->policy->count; i++)
		if (w->free_ns[i] < *first)
			first = &w->free_ns[i];
	return first;
}

unsigned workers_waiting(struct workers *w, uint64_t now_ns)
{
	while (w->waiting && w->begins_ns[w->first] <= now_ns) {
		w->first = (w->first + 1) % (w->policy->queue + 1);
		w->waiting--;
	}
	return w->waiting;
}

bool workers_take(struct workers *w, uint64_t now_ns, uint64_t take_ns, uint64_t *end_ns)
{
	uint64_t *free_ns = first_free(w), begin_ns = *free_ns > now_ns ? *free_ns : now_ns;

	if (begin_ns > now_ns) {
		if (workers_waiting(w, now_ns) >= w->policy->queue) {
			w->refused++;
			return false;
		}
		w->begins_ns[(w->first + w->waiting++) % (w->policy->queue + 1)] = begin_ns;
	}
	w->taken++;
	*free_ns = *end_ns = begin_ns + take_ns;
	return true;
}

uint64_t workers_exponential_ns(uint64_t mean_ns, double uniform)
{
	double times = -log1p(-uniform);

	return (uint64_t)((double)mean_ns * (times < TIMES_MEAN_MAX ? times : TIMES_MEAN_MAX));
}
