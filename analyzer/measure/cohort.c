/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/cohort.h"

#include <errno.h>

#define SEED 0x6166746572736831ull	/* any constant: the same data must give the same intervals */

int cohort_add(struct result_cohort *c, const struct link_logical *q)
{
	c->logical++;
	c->attempts += q->attempts;
	c->delivered += q->delivered;
	c->succeeded += q->ok;
	return tally_add(&c->chain, q->attempts, 1) || tally_add(&c->chain_delivered, q->delivered, 1) ? -ENOMEM : 0;
}

void cohort_settle(struct result_cohort *c, bool linked)
{
	c->linked = linked;
	if (!linked) {
		c->amplification = c->amplification_delivered = c->success = metric_unknown("aggregate");
		return;
	}
	c->amplification = metric_mean(&c->chain, SEED);
	c->amplification_delivered = metric_mean(&c->chain_delivered, SEED + 1);
	c->success = metric_share(c->succeeded, c->logical);
}
