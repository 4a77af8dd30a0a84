/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/breaker_threshold.h"

#include <math.h>

#define AGREE 3			/* opens that make a rule */

void breaker_range_init(struct breaker_range *r)
{
	*r = (struct breaker_range){NAN, NAN, NAN, NAN};
}

void breaker_range_add(struct breaker_range *r, double low, double high)
{
	r->low = isnan(r->low) || low > r->low ? low : r->low;
	r->high = isnan(r->high) || high < r->high ? high : r->high;
	r->wide_low = isnan(r->wide_low) || low < r->wide_low ? low : r->wide_low;
	r->wide_high = isnan(r->wide_high) || high > r->wide_high ? high : r->wide_high;
}

bool breaker_range_meets(const struct breaker_range *r)
{
	return r->low <= r->high;
}

void breaker_range_read(const struct breaker_range *r, double *low, double *high)
{
	bool meets = breaker_range_meets(r);

	*low = meets ? r->low : r->wide_low;
	*high = meets ? r->high : r->wide_high;
}

void breaker_threshold_init(struct breaker_threshold *t)
{
	*t = (struct breaker_threshold){0};
	breaker_range_init(&t->failures);
	breaker_range_init(&t->share);
}

void breaker_threshold_add(struct breaker_threshold *t, const struct silence_gap *g)
{
	if (!g->sure || !g->run_high)
		return;
	breaker_range_add(&t->failures, g->run_low, g->run_high);
	if (g->share_low <= g->share_high)
		breaker_range_add(&t->share, g->share_low, g->share_high);
	t->sure++;
	t->agreeing += g->run_low == g->run_high;
	t->longest_run = g->longest_run > t->longest_run ? g->longest_run : t->longest_run;
	t->most_failed = g->failed > t->most_failed ? g->failed : t->most_failed;
}

void breaker_threshold_settle(const struct breaker_threshold *t, struct policy_breaker *p)
{
	const struct breaker_range *r = &t->failures;
	bool meets = breaker_range_meets(r);

	breaker_range_read(r, &p->threshold_low, &p->threshold_high);
	breaker_range_read(&t->share, &p->share_low, &p->share_high);
	if ((t->sure >= 2 && !meets) || (t->sure && t->longest_run >= p->threshold_high && t->most_failed > 2 * p->threshold_high))
		p->threshold = THRESHOLD_RATE;
	if (p->threshold == THRESHOLD_RATE)
		p->threshold_low = p->threshold_high = NAN;
	else if (meets && t->agreeing >= AGREE && r->low == r->high && t->most_failed >= 2 * r->high && t->longest_run < r->high)
		p->threshold = THRESHOLD_CONSECUTIVE;
}
