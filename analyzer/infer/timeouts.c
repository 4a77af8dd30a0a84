/* SPDX-License-Identifier: MIT */
/*
 * Timeouts: when a client gives up by itself (given_up.h). Times of attempts that were given up and that are nearly equal (clusters.h) are one
 * timeout; what was set lies between the longest wait that was not cut and little more than their median. (Not the shortest that was cut: a timer
 * that begins before its request leaves, as most do, seems to end early.) Three phases are looked at apart: connecting, waiting for the first byte,
 * and the rest of the answer.
 *
 * Where a timer starts is not known: with the attempt (connect(), where one was made for it) or with the request. The clock on which more
 * attempts agree is taken, else the attempt's. An answer that stops midway is cut by a timer since the start (total) or since its last byte (idle):
 * told apart when one clock agrees and the other does not, or agrees with the timeout of the first byte; else its kind is unknown.
 *
 * No timeout is what a deadline of whole requests left to their last attempts, nor what those who waited longer than it would have let them, and are
 * not few, speak against. Of clients that nobody recorded five or more must have gone away after the same time, not all at once.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/infer/given_up.h"
#include "analyzer/infer/timeout_modes.h"
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

#define LONG_MS 1000.0		/* a wait that says something though nobody gave up */

/* ---- what was given up ---- */

static bool is_framed(const struct given_up *g, const struct model_exchange *x)
{
	return x->protocol != g->opaque && x->protocol != g->unknown;
}

static bool was_connecting(const struct model_exchange *x, const struct model_connection *c)
{
	return x->outcome == MODEL_NOT_SENT && (!c || !c->connected_ns);
}

static struct cut make_cut(const struct given_up *g, uint32_t i)
{
	const struct model_exchange *x = given_up_exchange(g, i);
	const struct model_connection *c = given_up_connection(g, x);
	struct cut cut = {.exchange = i, .trickled = x->fault != MODEL_NONE && g->trickles[x->fault]};
	bool connecting = was_connecting(x, c);

	cut.phase = connecting ? PHASE_CONNECT : x->first_byte_ns && x->first_byte_ns <= x->ended_ns ? PHASE_BODY : PHASE_ANSWER;
	cut.ms[CLOCK_ATTEMPT] = model_ms(given_up_start(g, i), x->ended_ns);
	cut.ms[CLOCK_REQUEST] = model_took_ms(x);
	cut.ms[CLOCK_BYTE] = cut.phase == PHASE_BODY ? model_ms(x->first_byte_ns, x->ended_ns) : NAN;
	return cut;
}

/* A protocol that never answers has its connection closed without an answer each time: that gives nothing up. */
static bool answers(const struct timeout_edge *e)
{
	for (size_t k = 0; k < e->attempts.n; k++) {
		const struct model_exchange *x = given_up_exchange(e->g, e->attempts.members[k]);

		if (!is_framed(e->g, x) && (x->first_byte_ns || x->fault != MODEL_NONE))
			return true;
	}
	return false;
}

static bool counts(const struct given_up *g, const struct model_exchange *x)
{
	return measure_counts(g->m, g->m->link.logicals[x->logical].started_ns);
}

static int collect_cuts(struct timeout_edge *e)
{
	int answered = -1;	/* not asked yet */
	uint64_t last_ns = 0;

	for (size_t k = 0; k < e->attempts.n; k++) {
		const struct model_exchange *x = given_up_exchange(e->g, e->attempts.members[k]);

		if (e->g->marks[e->attempts.members[k]] != CUT || !counts(e->g, x))
			continue;
		if (!is_framed(e->g, x) && answered < 0)
			answered = answers(e);
		if (!is_framed(e->g, x) && !answered)
			continue;
		e->external = given_up_is_external(e->g, x);
		if (e->external && given_up_apart(x->ended_ns, last_ns) <= GIVEN_UP_TOGETHER_NS)
			continue;
		last_ns = x->ended_ns;
		e->cuts[e->n++] = make_cut(e->g, e->attempts.members[k]);
		if (x->target && map_put(&e->targets, x->target, 1))
			return -ENOMEM;
	}
	e->t->abandoned = e->n;
	return 0;
}

/* ---- what was not given up: bounds, and doubts ---- */

/* How long an attempt waited in a phase without being cut; NAN: it was not in it. */
static double waited(const struct given_up *g, uint32_t i, enum timeout_phase phase)
{
	const struct model_exchange *x = given_up_exchange(g, i);
	const struct model_connection *c = given_up_connection(g, x);
	uint64_t end = x->ended_ns ? x->ended_ns : g->m->r->model.ended_ns;
	bool connecting = was_connecting(x, c);

	if (phase == PHASE_CONNECT) {
		if (connecting)
			return model_ms(x->started_ns, end);
		return c && c->opened_ns && c->connected_ns >= c->opened_ns && c->first == i ? model_ms(c->opened_ns, c->connected_ns) : NAN;
	}
	if (connecting)
		return NAN;
	return model_ms(x->started_ns, phase == PHASE_ANSWER && x->first_byte_ns ? x->first_byte_ns : end);
}

/* Whether what was cut for another reason had waited as long as a timeout allows: perhaps both. */
static bool is_both(const struct timeout_edge *e, uint32_t i)
{
	for (unsigned k = 0; e->g->marks[i] == EXPLAINED && k < e->t->mode_count; k++)
		if (clusters_same(waited(e->g, i, e->phase[k]), e->t->modes[k].ms))
			return true;
	return false;
}

static void weigh(struct timeout_edge *e, uint32_t i)
{
	bool same = map_get(&e->targets, given_up_exchange(e->g, i)->target) != MAP_NONE;

	e->comparable += same;
	for (unsigned k = 0; k < e->t->mode_count; k++) {
		struct policy_timeout_mode *mode = &e->t->modes[k];
		bool whole = e->phase[k] == PHASE_BODY && mode->kind == TIMEOUT_TOTAL;
		double wait = waited(e->g, i, e->phase[k] == PHASE_BODY && !whole ? PHASE_ANSWER : e->phase[k]);

		if (wait < e->shortest[k] && !(wait <= mode->low_ms))
			mode->low_ms = wait;
		if (wait > e->top[k] + fmax(50, 0.05 * e->top[k])) {
			e->exceeded[k]++;
			e->same_exceeded[k] += same;
		}
	}
}

static void look_at_rest(struct timeout_edge *e)
{
	for (size_t k = 0; k < e->attempts.n; k++) {
		uint32_t i = e->attempts.members[k];
		double wait;

		if (e->g->marks[i] == CUT || e->g->marks[i] == SPOILED || !counts(e->g, given_up_exchange(e->g, i)) || given_up_exchange(e->g, i)->synthetic)
			continue;
		e->explained += e->g->marks[i] == EXPLAINED;
		if (is_both(e, i))
			continue;
		weigh(e, i);
		wait = fmax(waited(e->g, i, PHASE_CONNECT), waited(e->g, i, PHASE_ANSWER));
		if (wait > e->t->longest_ms || isnan(e->t->longest_ms)) {
			e->t->longest_ms = wait;
			e->t->longest_witness = (uint64_t)given_up_exchange(e->g, i)->id;
		}
	}
}

/* Whether a mode is what a deadline of whole requests left to their last attempts: only later ones have it, first ones are let wait longer. */
static bool is_rest(const struct timeout_edge *e, unsigned k)
{
	for (unsigned i = 0; !e->firsts[k] && i < e->t->mode_count; i++)
		if (e->phase[i] == e->phase[k] && e->firsts[i] && e->t->modes[i].ms > e->t->modes[k].ms)
			return true;
	return false;
}

/* Whether too many waited longer for a mode to be a timeout. */
static bool is_doubtful(const struct timeout_edge *e, unsigned k)
{
	double n = (double)e->t->modes[k].n, beyond = e->comparable >= n ? e->same_exceeded[k] : e->exceeded[k];

	if (n < CLUSTERS_MIN && (e->external || (double)e->explained >= n))
		return true;	/* few, where clients die or as many have another reason */
	return n < CLUSTERS_MIN ? beyond > 0 : beyond * 2 > n;
}

static int most_first(const void *a, const void *b)
{
	const struct policy_timeout_mode *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return (x->ms > y->ms) - (x->ms < y->ms);
}

static void settle(struct timeout_edge *e)
{
	bool drop[POLICY_MODES];
	unsigned kept = 0;

	for (unsigned k = 0; k < e->t->mode_count; k++)
		drop[k] = is_doubtful(e, k) || is_rest(e, k);
	for (unsigned k = 0; k < e->t->mode_count; k++)
		if (!drop[k])
			e->t->modes[kept++] = e->t->modes[k];
	e->t->mode_count = kept;
	qsort(e->t->modes, kept, sizeof(e->t->modes[0]), most_first);
	e->t->known = e->t->abandoned || e->t->longest_ms >= LONG_MS;
}

/* ---- the whole ---- */

static int measure_edge(struct timeout_edge e)
{
	int err;

	e.t->longest_ms = NAN;
	err = collect_cuts(&e);
	if (!err)
		err = timeout_modes_find(&e);
	if (!err) {
		look_at_rest(&e);
		settle(&e);
	}
	map_free(&e.targets);
	return err;
}

/* As many as the largest edge may need; NULL without memory. */
static struct cut *room_for_cuts(const struct measure *m)
{
	size_t largest = 0;

	for (size_t i = 0; i < m->r->edge_count; i++) {
		size_t n = chains_of(&m->chains.by_edge, i).n;

		largest = n > largest ? n : largest;
	}
	return spill_realloc(NULL, (largest + 1) * sizeof(struct cut));
}

int measure_timeouts(struct measure *m)
{
	struct cut *cuts = room_for_cuts(m);
	struct samples values = {0};
	struct given_up g;
	int err = given_up_find(&g, m);

	if (!cuts)
		err = -ENOMEM;
	for (uint32_t i = 0; i < m->r->edge_count && !err; i++)
		err = measure_edge((struct timeout_edge){.g = &g, .t = &m->r->edges[i].timeout, .cuts = cuts, .values = &values,
							 .attempts = chains_of(&m->chains.by_edge, i)});
	given_up_free(&g);
	spill_free(cuts);
	samples_free(&values);
	return err;
}
