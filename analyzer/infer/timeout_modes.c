/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/timeout_modes.h"

#include <errno.h>
#include <math.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/read/samples.h"

#define LATE_MS 20.0
#define LATE_SHARE 0.05		/* first bytes so late that the two clocks of the rest differ */
#define EARLY_MS 1.0		/* so long before its request leaves a timer may begin: then it seems to end as much early */
#define SHORTEST_MS 5.0		/* below, a timer can not be told from the machine's own times */

struct reading {	/* the clusters of one phase on one clock */
	unsigned count;
	size_t covered;
	double spread;
	struct policy_timeout_mode modes[POLICY_MODES];
	double shortest[POLICY_MODES], top[POLICY_MODES];
	size_t firsts[POLICY_MODES];
};

/* ---- one phase on one clock ---- */

/* The sorted times of one phase on one clock. */
static int take_values(const struct timeout_edge *e, enum timeout_phase phase, enum timeout_clock clock, bool trickled)
{
	e->values->n = 0;
	for (size_t k = 0; k < e->n; k++)
		if (e->cuts[k].phase == phase && e->cuts[k].trickled == trickled && samples_add(e->values, e->cuts[k].ms[clock]))
			return -ENOMEM;
	samples_sort(e->values);
	return 0;
}

/* The attempt whose time is nearest to a mode's median. */
static uint64_t witness(const struct timeout_edge *e, enum timeout_phase phase, enum timeout_clock clock, double at_ms)
{
	double best = INFINITY;
	uint64_t id = 0;

	for (size_t k = 0; k < e->n; k++) {
		double off = fabs(e->cuts[k].ms[clock] - at_ms);

		if (e->cuts[k].phase == phase && off < best) {
			best = off;
			id = (uint64_t)given_up_exchange(e->g, e->cuts[k].exchange)->id;
		}
	}
	return id;
}

static size_t count_firsts(const struct timeout_edge *e, enum timeout_phase phase, enum timeout_clock clock, double low, double high)
{
	size_t n = 0;

	for (size_t k = 0; k < e->n; k++) {
		const struct cut *c = &e->cuts[k];

		n += c->phase == phase && c->ms[clock] >= low && c->ms[clock] <= high &&
		     e->g->m->link.logicals[given_up_exchange(e->g, c->exchange)->logical].first == c->exchange;
	}
	return n;
}

static int read_clock(const struct timeout_edge *e, enum timeout_phase phase, enum timeout_clock clock, bool trickled, struct reading *r)
{
	struct cluster found[POLICY_MODES];
	int err = take_values(e, phase, clock, trickled);

	*r = (struct reading){0};
	if (err)
		return err;
	r->count = clusters_find(e->values->values, e->values->n, found, POLICY_MODES);
	for (unsigned i = 0; i < r->count; i++) {
		const double *v = e->values->values + found[i].first;
		double median = v[(found[i].n - 1) / 2];

		r->covered += found[i].n;
		r->spread += v[found[i].n - 1] - v[0];
		r->shortest[i] = v[0];
		r->top[i] = v[found[i].n - 1 + found[i].tail];
		r->modes[i] = (struct policy_timeout_mode){.ms = median, .low_ms = NAN, .high_ms = median + EARLY_MS, .n = found[i].n + found[i].tail,
							   .witness = witness(e, phase, clock, median)};
		r->firsts[i] = count_firsts(e, phase, clock, v[0], r->top[i]);
	}
	return 0;
}

static void add_mode(struct timeout_edge *e, const struct reading *r, unsigned i, enum timeout_phase phase, enum policy_timeout_kind kind)
{
	unsigned at = e->t->mode_count;

	if (at == POLICY_MODES || r->modes[i].ms < SHORTEST_MS)
		return;
	e->t->modes[at] = r->modes[i];
	e->t->modes[at].kind = kind;
	e->phase[at] = phase;
	e->shortest[at] = r->shortest[i];
	e->top[at] = r->top[i];
	e->firsts[at] = r->firsts[i];
	e->t->mode_count++;
}

static void add_modes(struct timeout_edge *e, const struct reading *r, enum timeout_phase phase, enum policy_timeout_kind kind)
{
	for (unsigned i = 0; i < r->count; i++)
		add_mode(e, r, i, phase, kind);
}

/* ---- by phase ---- */

static int find_connect_modes(struct timeout_edge *e)
{
	struct reading connects;

	if (read_clock(e, PHASE_CONNECT, CLOCK_ATTEMPT, false, &connects))
		return -ENOMEM;
	add_modes(e, &connects, PHASE_CONNECT, TIMEOUT_CONNECT);
	return 0;
}

/* Which of two clocks the attempts agree on better; the first, when there is less in it than `matters`. */
static bool second_agrees(const struct reading *first, const struct reading *second, double matters)
{
	if (second->covered != first->covered)
		return second->covered > first->covered;
	return first->covered > 2 && second->spread * 2 < first->spread && first->spread - second->spread > matters;
}

static int find_answer_modes(struct timeout_edge *e)
{
	struct reading attempt, request;

	if (read_clock(e, PHASE_ANSWER, CLOCK_ATTEMPT, false, &attempt) || read_clock(e, PHASE_ANSWER, CLOCK_REQUEST, false, &request))
		return -ENOMEM;
	add_modes(e, second_agrees(&attempt, &request, 1) ? &request : &attempt, PHASE_ANSWER, TIMEOUT_RESPONSE);
	return 0;
}

static struct policy_timeout_mode *same_answer_mode(struct timeout_edge *e, double at_ms)
{
	for (unsigned i = 0; i < e->t->mode_count; i++)
		if (e->phase[i] == PHASE_ANSWER && clusters_same(e->t->modes[i].ms, at_ms))
			return &e->t->modes[i];
	return NULL;
}

static bool has_shorter_answer_mode(const struct timeout_edge *e, double than_ms)
{
	for (unsigned i = 0; i < e->t->mode_count; i++)
		if (e->phase[i] == PHASE_ANSWER && e->t->modes[i].ms < than_ms)
			return true;
	return false;
}

/* Whether first bytes came so late that a timer since the start and one since the last byte are not the same. */
static bool clocks_differ(const struct reading *attempt, const struct reading *byte, unsigned i)
{
	return i < byte->count && attempt->modes[i].ms - byte->modes[i].ms >= fmax(LATE_MS, LATE_SHARE * attempt->modes[i].ms);
}

/*
 * One mode of answers that stopped midway, when neither clock alone tells. It ended when one of the first byte's timers would have ended too: the same
 * timer, and one of the whole when the bytes came late. Or that long after the first byte: the timer begins anew with what comes. Or later than a timer of
 * the first byte: that one may have begun anew with a last byte that nobody dated, so the time is no limit of its own.
 */
static void place_body_mode(struct timeout_edge *e, const struct reading *attempt, const struct reading *byte, unsigned i)
{
	struct policy_timeout_mode *same = same_answer_mode(e, attempt->modes[i].ms);
	bool differ = clocks_differ(attempt, byte, i);

	if (same) {
		same->kind = differ ? TIMEOUT_TOTAL : same->kind;
		same->n += attempt->modes[i].n;
	} else if (differ && same_answer_mode(e, byte->modes[i].ms)) {
		add_mode(e, byte, i, PHASE_BODY, TIMEOUT_IDLE);
	} else if (!has_shorter_answer_mode(e, attempt->modes[i].ms)) {
		add_mode(e, attempt, i, PHASE_BODY, TIMEOUT_UNKNOWN);
	}
}

/* Answers that stopped midway: by the clock that they agree on, or that the timeout of the first byte agrees with. */
static int find_body_modes(struct timeout_edge *e)
{
	struct reading trickled, attempt, byte;

	if (read_clock(e, PHASE_BODY, CLOCK_ATTEMPT, true, &trickled) || read_clock(e, PHASE_BODY, CLOCK_ATTEMPT, false, &attempt) ||
	    read_clock(e, PHASE_BODY, CLOCK_BYTE, false, &byte))
		return -ENOMEM;
	add_modes(e, &trickled, PHASE_BODY, TIMEOUT_TOTAL);
	if (second_agrees(&attempt, &byte, LATE_MS))
		add_modes(e, &byte, PHASE_BODY, TIMEOUT_IDLE);
	else if (second_agrees(&byte, &attempt, LATE_MS))
		add_modes(e, &attempt, PHASE_BODY, TIMEOUT_TOTAL);
	else
		for (unsigned i = 0; i < attempt.count; i++)
			place_body_mode(e, &attempt, &byte, i);
	return 0;
}

int timeout_modes_find(struct timeout_edge *e)
{
	int err = find_connect_modes(e);

	if (!err)
		err = find_answer_modes(e);
	return err ? err : find_body_modes(e);
}
