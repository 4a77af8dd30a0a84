/* SPDX-License-Identifier: MIT */
/*
 * What users felt of a fault: the share of good requests per second at the entry edges (those of clients that nobody
 * recorded calls) from which the faulted service can be reached. Seconds are counted from the instant the fault
 * cleared, so that recovery begins with a whole one. A request belongs to the second in which it started.
 *
 *   bad    even the upper end of Wilson's interval of the second's share is below theta
 *   good   the share is at least theta: the SLO, else max(0.95 mu, mu - 3 sigma) of the baseline's share mu
 *
 * Impact begins with the first request that failed in a bad second. Recovered is the first good second after the last bad one
 * from which 5 s hold good; when the run ended before that, the recovery is censored, never guessed.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "analyzer/stats.h"

#define HOLD_S 5
#define BASELINE_MIN 5		/* requests that make a baseline */
#define SECONDS_MAX (1l << 22)	/* seven weeks; a damaged file may claim centuries */
#define HEALTHY 0.95		/* of the baseline's share; of all requests when there is no baseline */
#define SLOW_MS 5000.0
#define STORM 1.5		/* amplification after the fault that sustains an overload */

struct second {
	uint64_t n, ok;
	uint64_t first_failed_ns;	/* 0 none */
};

struct felt {	/* one fault, second by second */
	struct measure *m;
	const struct timeline_span *span;
	struct second *seconds;	/* owned; [0] is the first of the run */
	long count, zero;	/* seconds[zero] begins as the fault cleared */
	double mu;		/* share of good requests in the baseline */
	uint64_t base;		/* requests it rests on */
	bool *entry;		/* per edge: an entry edge from which the fault is felt; owned */
};

static uint64_t second_start(const struct felt *f, long i)
{
	int64_t at = (int64_t)f->span->to_ns + (int64_t)(i - f->zero) * (int64_t)NS_PER_S;

	return at < (int64_t)f->m->r->model.started_ns ? f->m->r->model.started_ns : (uint64_t)at;
}

/* ---- which edges ---- */

/* The service whose answers the fault spoiled, for an exchange that it hit. */
static uint32_t hit_service(const struct measure *m, const struct model_exchange *x)
{
	if (x->edge != MODEL_NONE)
		return m->graph.edges[x->edge].server;
	return x->process == MODEL_NONE ? 0 : m->r->model.processes[x->process].service;
}

static void mark_hit(const struct measure *m, uint32_t fault, bool *hit)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->injection_count; i++)
		if (run->injections[i].fault == fault && run->injections[i].exchange != MODEL_NONE)
			hit[hit_service(m, &run->exchanges[run->injections[i].exchange])] = true;
}

/* Spreads `hit` from servers to their clients. */
static void spread_back(const struct graph *g, bool *hit)
{
	for (bool grew = true; grew;) {
		grew = false;
		for (size_t e = 0; e < g->count; e++) {
			grew |= hit[g->edges[e].server] && !hit[g->edges[e].client];
			hit[g->edges[e].client] |= hit[g->edges[e].server];
		}
	}
}

static int find_entries(struct felt *f, uint32_t fault)
{
	const struct graph *g = &f->m->graph;
	bool *hit = calloc(g->name_count, sizeof(*hit));

	f->entry = calloc(g->count + 1, sizeof(*f->entry));
	if (!hit || !f->entry) {
		free(hit);
		return -ENOMEM;
	}
	mark_hit(f->m, fault, hit);
	spread_back(g, hit);
	for (size_t e = 0; e < g->count; e++)
		f->entry[e] = graph_is_root(g, g->edges[e].client) && hit[g->edges[e].server];
	free(hit);
	return 0;
}

/* ---- the seconds ---- */

static void count_request(struct felt *f, const struct link_logical *q)
{
	int64_t since = (int64_t)(q->started_ns - f->span->to_ns);
	long at = f->zero + (long)(since >= 0 ? since / (int64_t)NS_PER_S : -((-since - 1) / (int64_t)NS_PER_S) - 1);
	struct second *s;

	if (at < 0 || at >= f->count)
		return;
	s = &f->seconds[at];
	s->n++;
	s->ok += q->ok;
	if (!q->ok && !s->first_failed_ns)
		s->first_failed_ns = q->started_ns;
}

static long whole_seconds(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t seconds = to_ns > from_ns ? (to_ns - from_ns) / NS_PER_S : 0;

	return seconds > SECONDS_MAX ? SECONDS_MAX : (long)seconds;
}

static int fill(struct felt *f)
{
	const struct measure *m = f->m;
	const struct model *run = &m->r->model;
	uint64_t good = 0;

	f->zero = whole_seconds(run->started_ns, f->span->to_ns) + 1;
	f->count = f->zero + whole_seconds(f->span->to_ns, run->ended_ns) + 1;
	f->seconds = calloc((size_t)f->count, sizeof(*f->seconds));
	if (!f->seconds)
		return -ENOMEM;
	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];

		if (!f->entry[q->edge] || !measure_counts(m, q->started_ns))
			continue;
		count_request(f, q);
		if (timeline_at(&m->r->timeline, q->started_ns) == TIMELINE_BASELINE) {
			f->base++;
			good += q->ok;
		}
	}
	f->mu = f->base >= BASELINE_MIN ? (double)good / (double)f->base : 1;
	return 0;
}

/* What share of n requests is good enough. sigma: from the share shrunk towards one half (Agresti, Coull), as a baseline
 * without any failure does not prove that there are none. */
static double theta(const struct felt *f, uint64_t n)
{
	double shrunk, sigma;

	if (!isnan(f->m->options.slo))
		return f->m->options.slo;
	if (f->base < BASELINE_MIN)
		return HEALTHY;
	shrunk = (f->mu * (double)f->base + 2) / ((double)f->base + 4);
	sigma = sqrt(shrunk * (1 - shrunk) / (double)n);
	return fmax(HEALTHY * f->mu, f->mu - 3 * sigma);
}

static bool is_bad(const struct felt *f, const struct second *s)
{
	return s->n && stats_wilson(s->ok, s->n).high < theta(f, s->n);
}

static bool is_good(const struct felt *f, const struct second *s)
{
	return s->n && (double)s->ok / (double)s->n >= theta(f, s->n);
}

/* ---- impact and recovery ---- */

static long first_bad(const struct felt *f)
{
	for (long i = 0; i < f->count; i++)
		if (second_start(f, i + 1) > f->span->from_ns && is_bad(f, &f->seconds[i]))
			return i;
	return -1;
}

/* The second before which the next fault has not begun: what comes later is not this fault's doing. */
static long horizon(const struct felt *f)
{
	const struct timeline *t = &f->m->r->timeline;
	long last = f->count;

	for (size_t i = 0; i < f->m->r->model.fault_count; i++) {
		const struct timeline_span *s = &t->spans[i];

		if (s->hits && s->from_ns > f->span->to_ns) {
			long at = f->zero + (long)((s->from_ns - f->span->to_ns) / NS_PER_S);

			last = at < last ? at : last;
		}
	}
	return last;
}

static bool holds(const struct felt *f, long from, long end)
{
	if (from + HOLD_S > end || second_start(f, from + HOLD_S) > f->m->r->model.ended_ns)
		return false;
	for (long i = from; i < from + HOLD_S; i++)
		if (f->seconds[i].n && !is_good(f, &f->seconds[i]))
			return false;
	return true;
}

/* The second from which all was well again; -1: not seen. */
static long recovered(const struct felt *f, long bad)
{
	long end = horizon(f), last = bad;

	for (long i = bad; i < end; i++)
		if (is_bad(f, &f->seconds[i]))
			last = i;
	for (long i = last + 1; i < end; i++)
		if (is_good(f, &f->seconds[i]) && holds(f, i, end))
			return i;
	return -1;
}

static double lost_goodput(const struct felt *f, long from, long to)
{
	double lost = 0;

	for (long i = from; i < to; i++)
		lost += f->mu * (double)f->seconds[i].n - (double)f->seconds[i].ok;
	return lost > 0 ? lost : 0;
}

/* Whether retries keep the overload up though users ask no more than before. */
static bool sustained(const struct felt *f)
{
	const struct measure *m = f->m;
	double before = measure_seconds(m, TIMELINE_BASELINE), after = measure_seconds(m, TIMELINE_RECOVERY), most = 0;
	uint64_t base = 0, later = 0;

	for (size_t e = 0; e < m->r->edge_count; e++) {
		const struct result_cohort *c = m->r->edges[e].window;

		if (c[TIMELINE_RECOVERY].amplification.known && c[TIMELINE_RECOVERY].amplification.value > most)
			most = c[TIMELINE_RECOVERY].amplification.value;
		base += f->entry[e] ? c[TIMELINE_BASELINE].logical : 0;
		later += f->entry[e] ? c[TIMELINE_RECOVERY].logical : 0;
	}
	return most >= STORM && before > 0 && after > 0 && (double)later / after <= 1.05 * (double)base / before;
}

/* The longest that one request's attempts and waits took: three times that explain a slow recovery. */
static double longest_request_ms(const struct measure *m)
{
	double longest = 0;

	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];

		if (q->ended_ns)
			longest = fmax(longest, (double)(q->ended_ns - q->started_ns) / NS_PER_MS);
	}
	return longest;
}

static const char *label(const struct felt *f, const struct result_recovery *r, double lag_ms)
{
	if (!f->span->cleared || (r->censored && lag_ms < HOLD_S * 1e3))
		return NULL;	/* it lasted to the end, or the rest of the run is too short to tell */
	if (lag_ms > 3 * longest_request_ms(f->m) && lag_ms > SLOW_MS && sustained(f))
		return "metastable_suspected";
	return r->censored || lag_ms > SLOW_MS ? "slow_recovery" : "recovered";
}

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_MS : 0;
}

static void judge(const struct felt *f, struct result_recovery *r)
{
	long bad = first_bad(f), well = bad < 0 ? -1 : recovered(f, bad);
	uint64_t end = f->m->r->model.ended_ns, felt_ns;

	if (bad < 0) {
		r->label = "no_impact";
		return;
	}
	felt_ns = f->seconds[bad].first_failed_ns;
	r->impact_ms = ms_between(f->span->from_ns, felt_ns);
	r->censored = well < 0;
	r->lost_goodput = lost_goodput(f, bad, well < 0 ? horizon(f) : well);
	if (well < 0) {
		r->observed_ms = ms_between(felt_ns, end);
		r->label = label(f, r, ms_between(f->span->to_ns, end));
		return;
	}
	r->mttr_ms = ms_between(felt_ns, second_start(f, well));
	r->recovery_lag_ms = ms_between(f->span->to_ns, second_start(f, well));
	r->label = label(f, r, r->recovery_lag_ms);
}

static int measure_one(struct measure *m, uint32_t fault)
{
	struct felt f = {.m = m, .span = &m->r->timeline.spans[fault]};
	struct result_recovery *r = &m->r->recoveries[m->r->recovery_count++];
	int err = find_entries(&f, fault);

	*r = (struct result_recovery){measure_text(m, m->r->model.faults[fault].name), NAN, NAN, NAN, NAN, 0, false, NULL};
	if (!err)
		err = fill(&f);
	if (!err)
		judge(&f, r);
	free(f.seconds);
	free(f.entry);
	return err;
}

/* Never a mean over censored times. */
static struct metric mean_time(const struct result *r)
{
	struct metric mean;
	unsigned felt = 0, known = 0;
	double sum = 0;

	for (size_t i = 0; i < r->recovery_count; i++) {
		felt += r->recoveries[i].censored || !isnan(r->recoveries[i].mttr_ms);
		known += !isnan(r->recoveries[i].mttr_ms);
		sum += isnan(r->recoveries[i].mttr_ms) ? 0 : r->recoveries[i].mttr_ms;
	}
	mean = metric_plain(known ? sum / known : 0, known, felt == 1 ? "one fault" : "mean");
	mean.known = known && known == felt;
	if (known != felt)
		mean.method = known ? "some faults not recovered in the run" : "not recovered in the run";
	else if (!felt)
		mean.method = r->recovery_count ? "no impact" : "no fault";
	return mean;
}

int measure_recovery(struct measure *m)
{
	size_t faults = m->r->model.fault_count;
	int err = 0;

	m->r->recoveries = calloc(faults + 1, sizeof(*m->r->recoveries));
	if (!m->r->recoveries)
		return -ENOMEM;
	for (uint32_t i = 0; i < faults && !err; i++)
		if (m->r->timeline.spans[i].hits)
			err = measure_one(m, i);
	m->r->mttr_ms = mean_time(m->r);
	return err;
}
