/* SPDX-License-Identifier: MIT */
/* Polling: the client calls again at the same pace after a success and after a failure. */
#include "analyzer/infer/retry.h"

#include <errno.h>
#include <math.h>
#include "analyzer/read/samples.h"
#include "base/hash.h"

#define POLL_MIN 3		/* calls after a success that show a pace */
#define POLL_SAME 0.1

struct pace {
	struct samples after_ok, after_failure, period_ok, period_failure;
};

static uint64_t lane_of(const struct model_exchange *x)
{
	return hash_mix(hash_mix(hash_mix((uint64_t)x->process << 32 | x->tid) ^ x->target) ^ x->fingerprint);
}

static int add_follower(struct pace *p, const struct model_exchange *x, const struct model_exchange *y)
{
	bool good = x->outcome == MODEL_OK;
	double gap = (double)(y->started_ns - x->ended_ns) / NS_PER_MS, period = (double)(y->started_ns - x->started_ns) / NS_PER_MS;

	if (!x->ended_ns || y->started_ns < x->ended_ns)
		return 0;
	return samples_add(good ? &p->after_ok : &p->after_failure, gap) ||
			       samples_add(good ? &p->period_ok : &p->period_failure, period) ?
		       -ENOMEM : 0;
}

/* How soon the same thread asks the same again, after a success and after a failure. */
static int measure_pace(struct retries *r, struct pace *p)
{
	struct map last = {0};
	int err = 0;

	for (size_t i = 0; i < r->all.n && !err; i++) {
		const struct model_exchange *y = &r->m->r->model.exchanges[r->all.members[i]];
		uint32_t before;

		if (y->role != MODEL_CLIENT || model_headless(y))
			continue;
		before = map_get(&last, lane_of(y));
		if (before != MAP_NONE)
			err = add_follower(p, &r->m->r->model.exchanges[before], y);
		if (!err)
			err = map_put(&last, lane_of(y), r->all.members[i]);
	}
	map_free(&last);
	return err;
}

static bool same_pace(struct samples *a, struct samples *b)
{
	double x, y;

	samples_sort(a);
	samples_sort(b);
	x = samples_percentile(a, 0.5);
	y = samples_percentile(b, 0.5);
	return fabs(x - y) <= fmax(3, POLL_SAME * fmin(x, y)) &&
	       samples_percentile(b, 0.9) - samples_percentile(b, 0.1) <= fmax(6, POLL_SAME * 3 * y);
}

int retry_polls(struct retries *r)
{
	struct pace p = {0};
	int err = measure_pace(r, &p), found = 0;

	if (!err && p.after_ok.n >= POLL_MIN && p.after_failure.n)
		found = same_pace(&p.after_ok, &p.after_failure) || same_pace(&p.period_ok, &p.period_failure);
	samples_free(&p.after_ok);
	samples_free(&p.after_failure);
	samples_free(&p.period_ok);
	samples_free(&p.period_failure);
	return err ? err : found;
}
