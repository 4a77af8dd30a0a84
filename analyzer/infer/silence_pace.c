/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/silence_pace.h"

#include <errno.h>
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"

#define PACE_MIN 8		/* intervals that make a pace */
#define PACE_SPREAD 4		/* the 90th percentile of intervals over their median, 3.3 of independent arrivals: more is no pace */
#define PACE_SILENCE 10
#define PACE_LONGEST 4
#define PACE_LEAST_NS (100 * NS_PER_MS)

struct pace {
	uint64_t median_ns, longer_ns, silent_ns;	/* longer: the 90th percentile; silent 0: too few to tell */
	bool uneven;		/* it has no pace: what looks silent may be none */
};

static bool follows_success(const struct silence_work *w, size_t i)
{
	size_t n = silence_ended_by(w, w->in->attempts[i].start_ns);

	return n && !w->ends[n - 1].run;
}

/* Intervals between starts: those that follow a success where there are enough, else all. */
static struct pace find_pace(const struct silence_work *w, uint64_t *intervals)
{
	struct pace p = {0};
	uint64_t most;
	size_t n = 0;
	bool healthy;

	for (size_t i = 1; i < w->in->n; i++)
		if (follows_success(w, i))
			intervals[n++] = w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns;
	healthy = n >= PACE_MIN;
	for (size_t i = 1; i < w->in->n && !healthy; i++)
		if (!follows_success(w, i))
			intervals[n++] = w->in->attempts[i].start_ns - w->in->attempts[i - 1].start_ns;
	if (n < PACE_MIN)
		return p;
	times_sort(intervals, n);
	p.median_ns = intervals[n / 2];
	p.longer_ns = healthy ? intervals[n * 9 / 10] : p.median_ns;
	most = healthy ? intervals[n - 1 - n / 100] : p.median_ns;
	if (!p.median_ns)
		return p;
	p.uneven = healthy && intervals[n * 9 / 10] > PACE_SPREAD * p.median_ns;
	p.silent_ns = PACE_SILENCE * p.median_ns > PACE_LONGEST * most ? PACE_SILENCE * p.median_ns : PACE_LONGEST * most;
	p.silent_ns = p.silent_ns < PACE_LEAST_NS ? PACE_LEAST_NS : p.silent_ns;
	return p;
}

static int judge_interval(struct silence_work *w, const struct pace *p, size_t before)
{
	uint64_t from = w->in->attempts[before].start_ns, to = w->in->attempts[before + 1].start_ns;
	struct silence_gap *g;

	if (silence_is_unresolved(w, from, to)) {
		w->unresolved++;
		return 0;
	}
	if (!silence_so_far(w, silence_ended_by(w, to - 1)).run) {
		w->after_success++;
		return 0;
	}
	if (silence_in_work(w, before + 1, to - 1) >= w->most && w->most) {
		w->full++;
		return 0;
	}
	g = silence_add(w->s);
	if (!g)
		return -ENOMEM;
	*g = (struct silence_gap){.before = before, .after = before + 1, .decided_ns = to - 1, .last_shed_ns = to - p->longer_ns};
	silence_find_trip(w, g);
	if (g->trip == SIZE_MAX || to - g->trip_late_ns < p->silent_ns) {	/* the call itself took long: nothing was silent */
		w->s->count--;
		return 0;
	}
	if (p->uneven) {
		w->s->count--;
		w->s->unsure = true;
		return 0;
	}
	g->first_shed_ns = g->trip_late_ns + p->median_ns;
	g->shed = (to - g->trip_late_ns) / p->median_ns - 1;
	return 0;
}

int silence_find_by_pace(struct silence_work *w)
{
	uint64_t *intervals = spill_realloc(NULL, (w->in->n + 1) * sizeof(*intervals));
	struct pace p;
	int err = 0;

	if (!intervals)
		return -ENOMEM;
	p = find_pace(w, intervals);
	spill_free(intervals);
	w->s->pace_ns = p.median_ns;
	w->longer_ns = p.longer_ns;
	for (size_t i = 0; i + 1 < w->in->n && p.silent_ns && !err; i++)
		if (w->in->attempts[i + 1].start_ns - w->in->attempts[i].start_ns >= p.silent_ns)
			err = judge_interval(w, &p, i);
	return err;
}
