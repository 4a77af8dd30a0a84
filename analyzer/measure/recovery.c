/* SPDX-License-Identifier: MIT */
/*
 * What users felt of each fault, and for how long (felt.h). Impact begins with the first request that failed in a bad second. Recovered is the first
 * good second after the last bad one from which 5 s hold; when the run ended before that, or another fault began, the recovery is censored,
 * never guessed. A fault that came on several times is judged each time.
 *
 * Several recoveries have a median, by Kaplan and Meier: a mean would leave out those that were not seen, which are the longest.
 */
#include "analyzer/measure/recovery.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/stats/stats.h"

#define SLOW_MS 5000.0

static long first_bad(const struct felt *f)
{
	for (long i = 0; i < f->count; i++)
		if (felt_start(f, i + 1) > f->episode->from_ns && felt_bad(f, i))
			return i;
	return -1;
}

/* The second from which all was well again; -1: not seen. */
static long recovered(const struct felt *f, long bad)
{
	long last = bad;

	for (long i = bad; i < f->count; i++)
		if (felt_bad(f, i))
			last = i;
	for (long i = last + 1; i < f->count; i++)
		if (felt_good(f, i) && felt_holds(f, i))
			return i;
	return -1;
}

/* How long it had been good at the end of what was seen; NAN: the last request came in a bad second. */
static double good_at_end(const struct felt *f, long bad, uint64_t end_ns)
{
	long last = bad;

	for (long i = bad; i < f->count; i++)
		if (felt_bad(f, i))
			last = i;
	for (long i = last + 1; i < f->count; i++)
		if (felt_good(f, i))
			return model_ms(felt_start(f, i), end_ns);
	return NAN;
}

static uint64_t last_failed(const struct felt *f)
{
	const struct link *l = &f->m->link;

	for (size_t i = l->count; i-- > 0;)
		if (f->entry[l->logicals[i].edge] && !l->logicals[i].ok && l->logicals[i].started_ns < f->until_ns)
			return (uint64_t)f->m->r->model.exchanges[l->logicals[i].first].id;
	return 0;
}

/* ---- the shape ---- */

/* Good requests that there were not, of those that the baseline's load would have asked; up to the last second in which anything was asked. */
static double lost_goodput(const struct felt *f, long from, long to)
{
	double lost = 0;

	while (to > from && !f->seconds[to - 1].n)
		to--;
	for (long i = from; i < to; i++) {
		bool whole = i + 1 < f->count && felt_start(f, i + 1) - felt_start(f, i) == NS_PER_S;
		double asked = isnan(f->load) || !whole ? f->seconds[i].n : fmax(f->load, f->seconds[i].n);

		lost += f->mu * asked - f->seconds[i].ok;
	}
	return lost > 0 ? lost : 0;
}

static void count_flips(const struct felt *f, long bad, long end, struct result_recovery *r)
{
	bool is_bad = true;

	for (long i = bad; i < end; i++) {
		if (is_bad && felt_good(f, i)) {
			is_bad = false;
			if (isnan(r->first_exit_ms))
				r->first_exit_ms = model_ms(f->seconds[bad].first_failed_ns, felt_start(f, i));
		} else if (!is_bad && felt_bad(f, i)) {
			is_bad = true;
			r->flaps++;
		}
	}
}

static double share(const struct felt *f, long i)
{
	return (double)f->seconds[i].ok / f->seconds[i].n;
}

static double half_recovery(const struct felt *f, long bad)
{
	long worst = bad;

	for (long i = bad; i < f->count; i++)
		if (f->seconds[i].n && share(f, i) < share(f, worst))
			worst = i;
	for (long i = worst > f->zero ? worst : f->zero; i < f->count; i++)
		if (f->seconds[i].n && share(f, i) >= (f->mu + share(f, worst)) / 2)
			return model_ms(f->episode->to_ns, felt_start(f, i));
	return NAN;
}

static double overshoot(const struct felt *f)
{
	uint32_t most = 0;

	for (long i = f->zero; i < f->count; i++)
		most = f->seconds[i].attempts > most ? f->seconds[i].attempts : most;
	return f->attempts > 0 && f->count > f->zero ? most / f->attempts : NAN;
}

/* ---- the judgement ---- */

static const char *label(const struct felt *f, const struct result_recovery *r, const struct metastable *s, double lag_ms)
{
	if (!f->episode->cleared || (r->censored && lag_ms < FELT_HOLD_S * 1e3))
		return NULL;	/* it lasted to the end, or the rest of the run is too short to tell */
	if (lag_ms > SLOW_MS && s->confirmed)
		return "metastable_confirmed";
	if (lag_ms > SLOW_MS && lag_ms > 3 * s->explained_ms && s->sustained)
		return "metastable_suspected";
	return r->censored || lag_ms > SLOW_MS ? "slow_recovery" : "recovered";
}

static bool is_unsure(const struct felt *f)
{
	for (size_t e = 0; e < f->m->graph.count; e++)
		if (f->entry[e] && f->m->r->edges[e].retry.alike)
			return true;
	return false;
}

static void judge(struct felt *f, struct result_recovery *r)
{
	long bad = first_bad(f), well = bad < 0 ? -1 : recovered(f, bad);
	uint64_t end = f->until_ns < f->m->r->model.ended_ns ? f->until_ns : f->m->r->model.ended_ns, felt_ns, well_ns;
	struct metastable s = {0};

	r->unsure = is_unsure(f);
	r->took_ms = f->episode_took_ms;
	r->usual_ms = f->took_ms;
	if (bad < 0) {
		r->label = "no_impact";
		return;
	}
	felt_ns = f->seconds[bad].first_failed_ns;
	well_ns = well < 0 ? end : felt_start(f, well);
	r->guessed = !felt_has_baseline(f);
	r->impact_ms = model_ms(f->episode->from_ns, felt_ns);
	r->censored = well < 0;
	r->lost_goodput = lost_goodput(f, bad, well < 0 ? f->count : well);
	count_flips(f, bad, f->count, r);
	r->half_recovery_ms = f->episode->cleared ? half_recovery(f, bad) : NAN;
	r->overshoot = f->episode->cleared ? overshoot(f) : NAN;
	metastable_load(f, well, r);
	if (well < 0 || model_ms(f->episode->to_ns, well_ns) > SLOW_MS)
		s = metastable_judge(f, well, r);
	if (well < 0) {
		r->observed_ms = model_ms(felt_ns, end);
		r->good_ms = good_at_end(f, bad, end);
	} else {
		r->mttr_ms = model_ms(felt_ns, well_ns);
		r->recovery_lag_ms = model_ms(f->episode->to_ns, well_ns);
		lag_explain(f, well_ns, r);
	}
	r->label = label(f, r, &s, model_ms(f->episode->to_ns, well_ns));
	r->witness = s.sustained || s.confirmed ? last_failed(f) : 0;
}

/* When the next episode begins after this one is over: what comes then is not this one's doing. */
static uint64_t next_episode(const struct timeline *t, const struct timeline_episode *e)
{
	const struct timeline_episode *end = t->episodes + t->episode_count;
	uint64_t first = UINT64_MAX;

	for (const struct timeline_episode *next = e + 1; next < end && next->window_ns < first; next++)	/* from_ns is not below it */
		if (next->from_ns > e->to_ns && next->from_ns < first)
			first = next->from_ns;
	return first;
}

static int judge_episode(struct measure *m, struct felt *f, const struct timeline_episode *e)
{
	struct result_recovery *r = &m->r->recoveries[m->r->recovery_count++];
	int err = felt_episode(f, e, next_episode(&m->r->timeline, e));

	*r = (struct result_recovery){
		.fault = measure_text(m, m->r->model.faults[e->fault].name), .number = e->number, .impact_ms = NAN, .mttr_ms = NAN,
		.recovery_lag_ms = NAN, .observed_ms = NAN, .first_exit_ms = NAN, .half_recovery_ms = NAN, .overshoot = NAN,
		.lag_breaker_ms = NAN, .lag_backoff_ms = NAN, .lag_drain_ms = NAN, .lag_rest_ms = NAN, .load_ratio = NAN,
		.load_amplification = NAN, .capacity_rps = NAN, .margin = NAN, .good_ms = NAN, .took_ms = NAN, .usual_ms = NAN,
	};
	if (!err)
		judge(f, r);
	return err;
}

static int judge_fault(struct measure *m, struct felt *f, uint32_t fault)
{
	const struct timeline *t = &m->r->timeline;
	int err = felt_fault(f, m, fault);

	for (size_t i = 0; i < t->episode_count && !err; i++)
		if (t->episodes[i].fault == fault)
			err = judge_episode(m, f, &t->episodes[i]);
	return err;
}

/* ---- together ---- */

static struct metric median_time(const struct stats_survival *s, double only_ms)
{
	struct metric median;

	if (s->n == 1 && s->events == 1)
		return metric_plain(only_ms, 1, "one fault");
	if (!s->events)
		return metric_unknown("not recovered in the run");
	if (isnan(s->median))
		return metric_unknown("too few recovered in the run for a median");
	median = metric_plain(s->median, s->n, "Kaplan-Meier median");
	median.low = s->interval.low;
	median.high = s->interval.high;
	median.bounded = s->interval.known;
	return median;
}

static int summarize(struct result *r)
{
	struct stats_time *times = malloc((r->recovery_count + 1) * sizeof(*times));
	struct stats_survival s;
	size_t n = 0;

	if (!times)
		return -ENOMEM;
	for (size_t i = 0; i < r->recovery_count; i++) {
		const struct result_recovery *q = &r->recoveries[i];

		if (q->censored || !isnan(q->mttr_ms))
			times[n++] = (struct stats_time){q->censored ? q->observed_ms : q->mttr_ms, q->censored};
	}
	s = stats_kaplan_meier(times, n);
	r->mttr_ms = n ? median_time(&s, times[0].time) : metric_unknown(r->recovery_count ? "no impact" : "no fault");
	r->mttr_ms.n = n ? s.n : 0;
	r->recovered_count = s.events;
	free(times);
	return 0;
}

int measure_recovery(struct measure *m)
{
	size_t faults = m->r->model.fault_count;
	struct felt f = {0};
	int err = 0;

	m->r->recoveries = calloc(m->r->timeline.episode_count + 1, sizeof(*m->r->recoveries));
	if (!m->r->recoveries)
		return -ENOMEM;
	for (uint32_t i = 0; i < faults && !err; i++)
		if (m->r->timeline.spans[i].hits)
			err = judge_fault(m, &f, i);
	felt_free(&f);
	return err ? err : summarize(m->r);
}
