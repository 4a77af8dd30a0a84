/* SPDX-License-Identifier: MIT */
/*
 * Timeouts: when a client gives up by itself. An attempt was given up when its client closed the connection (or saw a timer of its socket
 * run out) before the answer was complete. Times of attempts that were given up and that are nearly equal (clusters.h) are one timeout; it
 * lies between the longest wait that was not cut and the shortest that was. Three phases are looked at apart: connecting, waiting for the
 * first byte, and the rest of the answer.
 *
 * Where a timer starts is not known: with the attempt (connect(), where one was made for it) or with the request. The clock on which more
 * attempts agree is taken, else the attempt's. An answer that stops midway is cut by a timer since the start (total) or since its last byte (idle):
 * told apart when one clock agrees and the other does not, or agrees with the timeout of the first byte; else its kind is unknown.
 *
 * Given up, but not by a timer of its own: with the request it was made for (that is a deadline passed on), because another call for the same
 * request was answered or failed, several at once as the process's last act, at its end or the run's, by a fault that forges the error, by the
 * kernel's own end of connecting, or with what a deadline of whole requests left to their last attempts. Those who waited longer than a timeout of
 * theirs would have let them, and are not few, say that it is none. Of clients that nobody recorded the server's view is taken: five or more that
 * went away after the same time, not all at once.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

#define LONG_MS 1000.0		/* a wait that says something though nobody gave up */
#define CONNECT_NS (20 * NS_PER_MS)	/* a connection whose request follows so soon was opened for it */
#define TOGETHER_NS (20 * NS_PER_MS)
#define AT_ONCE_NS (10 * NS_PER_MS)
#define BUSY_PER_S 50		/* ends of calls in a process: above, two at once are chance */
#define AROUND_NS (100 * NS_PER_MS)
#define AROUND_MAX 6		/* the same, within 100 ms before and after */
#define SIBLINGS 256
#define LATE_MS 20.0
#define LATE_SHARE 0.05		/* first bytes so late that the two clocks of the rest differ */
#define SHORTEST_MS 5.0		/* below, a timer can not be told from the machine's own times */

enum phase { PHASE_CONNECT, PHASE_ANSWER, PHASE_BODY, PHASES };
enum clock { CLOCK_ATTEMPT, CLOCK_REQUEST, CLOCK_BYTE, CLOCKS };
enum mark { WAITED, CUT, EXPLAINED, SPOILED };	/* explained: cut for another reason; spoiled: nobody knows how long its client would have waited */

struct cut {		/* an attempt that was given up */
	uint32_t exchange;
	uint8_t phase;
	bool trickled;	/* bytes came slowly all the time: a fault throttled it */
	double ms[CLOCKS];	/* NAN: not on this clock */
};

struct ending {		/* of a call without known parent, in a process of few calls */
	uint32_t process, exchange;
	uint64_t at_ns;
};

struct room {
	struct measure *m;
	uint32_t closed, timed_out;	/* names of errors */
	uint32_t opaque, unknown;	/* names of protocols */
	uint32_t alien_ends[6];		/* names of how connections end that the client did not */
	bool *forges, *trickles, *hides;	/* per fault; hides: what the peer does comes late or not at all, its close too; owned */
	uint64_t *last_ns;		/* per process: when it was last seen to do anything; owned */
	uint8_t *marks;			/* per exchange: enum mark; owned */
	struct ending *endings;		/* by process, then time; owned */
	size_t ending_count;
	struct cut *cuts;		/* of one edge; owned, as large as the largest edge */
	struct samples values;
};

static const struct model_exchange *exchange(const struct room *w, uint32_t i)
{
	return &w->m->r->model.exchanges[i];
}

static const struct model_connection *connection(const struct room *w, const struct model_exchange *x)
{
	return x->connection == MODEL_NONE ? NULL : &w->m->r->model.connections[x->connection];
}

/* When an attempt began: with its connect, when one was made for it. */
static uint64_t start_of(const struct room *w, uint32_t i)
{
	const struct model_exchange *x = exchange(w, i);
	const struct model_connection *c = connection(w, x);

	if (!c || !c->opened_ns || c->first != i || c->opened_ns > x->started_ns)
		return x->started_ns;
	if (c->connected_ns > x->started_ns || x->started_ns - c->connected_ns > CONNECT_NS || c->connected_ns < c->opened_ns)
		return x->started_ns;
	return c->opened_ns;
}

/* ---- who gave up ---- */

/* The kernel ends connect() 2^k - 1 s after it began, k SYNs later; newer ones send 4 a second first. */
static bool is_kernels(double waited_ms)
{
	for (int k = 1; k <= 8; k++) {
		double s = (double)(1 << k) - 1;

		if (fabs(waited_ms - s * 1000) <= 250 + 20 * s || fabs(waited_ms - (s + 4) * 1000) <= 250 + 20 * s)
			return true;
	}
	return false;
}

static bool is_timer(const struct room *w, const struct model_exchange *x)
{
	static const char *const errors[] = {"EAGAIN", "EWOULDBLOCK", "EINPROGRESS"};
	const char *error = measure_text(w->m, x->error);

	if (x->error == w->closed)
		return true;
	if (x->fault != MODEL_NONE && w->forges[x->fault])
		return false;
	if (x->error == w->timed_out)
		return x->outcome != MODEL_NOT_SENT || !is_kernels(model_took_ms(x));
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(error, errors[i]))
			return true;
	return false;
}

static bool ended_by_others(const struct room *w, const struct model_exchange *x)
{
	const struct model_connection *c = connection(w, x);

	if (x->error == w->closed && x->fault != MODEL_NONE && w->hides[x->fault])
		return false;
	for (size_t i = 0; c && i < sizeof(w->alien_ends) / sizeof(w->alien_ends[0]); i++)
		if (c->end && c->end == w->alien_ends[i])
			return true;
	return false;
}

static bool is_external(const struct room *w, const struct model_exchange *x)
{
	return x->edge != MODEL_NONE && w->m->graph.edges[x->edge].external;
}

/* Seen from the server: its client went away before the answer. */
static bool was_left(const struct room *w, const struct model_exchange *x)
{
	const struct model_connection *c = connection(w, x);

	return is_external(w, x) && x->outcome == MODEL_INDETERMINATE && x->ended_ns && x->error == w->closed && c &&
	       (c->end == w->alien_ends[0] || c->end == w->alien_ends[1]);
}

static bool was_given_up(const struct room *w, const struct model_exchange *x)
{
	if (was_left(w, x))
		return true;
	if (x->role != MODEL_CLIENT || x->edge == MODEL_NONE || !x->ended_ns || x->synthetic)
		return false;
	return (x->outcome == MODEL_INDETERMINATE || x->outcome == MODEL_NOT_SENT) && is_timer(w, x) && !ended_by_others(w, x);
}

/* ---- given up for a reason that is no timer of its own ---- */

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* The request it was made for was given up by who asked: it ended with that. */
static bool ended_with_parent(const struct room *w, const struct model_exchange *x)
{
	const struct model_exchange *p = x->parent == MODEL_NONE ? NULL : exchange(w, x->parent);

	if (!p || p->outcome != MODEL_INDETERMINATE || p->error != w->closed || p->first_byte_ns || p->status)
		return false;	/* not given up, or what answered it did not notice */
	return p->ended_ns && apart(p->ended_ns, x->ended_ns) <= TOGETHER_NS;
}

/* Whether x ended because s did: both in work, s answered or failed an instant before, or had been given up after a longer wait. */
static bool ended_with(const struct room *w, uint32_t i, uint32_t sibling)
{
	const struct model_exchange *x = exchange(w, i), *s = exchange(w, sibling);
	double waited, longer;

	if (i == sibling || s->role != MODEL_CLIENT || !s->ended_ns || s->started_ns >= x->ended_ns || s->ended_ns <= x->started_ns)
		return false;
	if (s->ended_ns > x->ended_ns + NS_PER_MS || s->ended_ns + AT_ONCE_NS < x->ended_ns)
		return false;
	if (w->marks[sibling] == WAITED)
		return true;
	waited = model_ms(start_of(w, i), x->ended_ns);
	longer = model_ms(start_of(w, sibling), s->ended_ns);
	return longer > waited && !clusters_same(longer, waited);
}

static bool ended_with_sibling(const struct room *w, uint32_t i)
{
	struct chains_span s = chains_of(&w->m->chains.by_parent, exchange(w, i)->parent);

	for (size_t k = 0; k < s.n && k < SIBLINGS; k++)
		if (ended_with(w, i, s.members[k]))
			return true;
	return false;
}

/* The first of the endings of a process at or after an instant. */
static size_t ending_after(const struct room *w, uint32_t process, uint64_t at_ns)
{
	size_t low = 0, high = w->ending_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct ending *e = &w->endings[middle];

		if (e->process < process || (e->process == process && e->at_ns < at_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The same for calls whose parent is not known, in a process that makes few. */
static bool ended_with_neighbour(const struct room *w, uint32_t i)
{
	const struct model_exchange *x = exchange(w, i);
	size_t from = ending_after(w, x->process, x->ended_ns > AROUND_NS ? x->ended_ns - AROUND_NS : 0);
	size_t to = ending_after(w, x->process, x->ended_ns + AROUND_NS + 1);

	for (size_t k = from; k < to && to - from <= AROUND_MAX; k++)
		if (ended_with(w, i, w->endings[k].exchange))
			return true;
	return false;
}

/* ---- what is known of all exchanges ---- */

static int by_process(const void *a, const void *b)
{
	const struct ending *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

static bool is_orphan(const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->process != MODEL_NONE && x->parent == MODEL_NONE && x->ended_ns;
}

/* Endings of processes that gave something up and make few calls. */
static int collect_endings(struct room *w)
{
	const struct model *run = &w->m->r->model;
	uint64_t *ends = calloc(run->process_count + 1, sizeof(*ends));
	bool *cut = calloc(run->process_count + 1, sizeof(*cut));
	double most = BUSY_PER_S * fmax(1, w->m->r->duration_s);
	size_t total = 0;

	for (size_t i = 0; ends && cut && i < run->exchange_count; i++) {
		if (!is_orphan(&run->exchanges[i]))
			continue;
		ends[run->exchanges[i].process]++;
		cut[run->exchanges[i].process] |= w->marks[i] == CUT;
	}
	for (size_t p = 0; ends && cut && p < run->process_count; p++) {
		cut[p] = cut[p] && (double)ends[p] <= most;
		total += cut[p] ? ends[p] : 0;
	}
	w->endings = ends && cut ? spill_realloc(NULL, (total + 1) * sizeof(*w->endings)) : NULL;
	for (uint32_t i = 0; w->endings && i < run->exchange_count; i++)
		if (is_orphan(&run->exchanges[i]) && cut[run->exchanges[i].process])
			w->endings[w->ending_count++] = (struct ending){run->exchanges[i].process, i, run->exchanges[i].ended_ns};
	free(ends);
	free(cut);
	if (!w->endings)
		return -ENOMEM;
	qsort(w->endings, w->ending_count, sizeof(*w->endings), by_process);
	return 0;
}

static void look_at_all(struct room *w)
{
	const struct model *run = &w->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint64_t seen_ns = x->ended_ns ? x->ended_ns : x->started_ns;

		if (x->process != MODEL_NONE && seen_ns > w->last_ns[x->process])
			w->last_ns[x->process] = seen_ns;
		w->marks[i] = was_given_up(w, x) ? CUT : WAITED;
	}
}

/* Several at once as the last act of their process: it went, and did not say why. */
static int spoil_last_acts(struct room *w)
{
	const struct model *run = &w->m->r->model;
	unsigned *last = calloc(run->process_count + 1, sizeof(*last));

	for (int pass = 0; last && pass < 2; pass++) {
		for (size_t i = 0; i < run->exchange_count; i++) {
			uint32_t p = run->exchanges[i].process;

			if (w->marks[i] != CUT || p == MODEL_NONE || run->exchanges[i].ended_ns + TOGETHER_NS < w->last_ns[p])
				continue;
			if (!pass)
				last[p]++;
			else if (last[p] > 1)
				w->marks[i] = SPOILED;
		}
	}
	free(last);
	return last ? 0 : -ENOMEM;
}

/* What ended with something else was not cut by a timer, but waited so long. In two walks: a verdict does not change the next one's. */
static int judge_reasons(struct room *w)
{
	const struct model *run = &w->m->r->model;
	uint32_t *others = spill_realloc(NULL, (run->exchange_count + 1) * sizeof(*others));
	size_t n = 0;

	for (uint32_t i = 0; others && i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (w->marks[i] != CUT || x->role != MODEL_CLIENT)
			continue;
		if (ended_with_parent(w, x) || (x->parent != MODEL_NONE ? ended_with_sibling(w, i) : ended_with_neighbour(w, i)))
			others[n++] = i;
	}
	for (size_t k = 0; k < n; k++)
		w->marks[others[k]] = EXPLAINED;
	spill_free(others);
	return others ? 0 : -ENOMEM;
}

/* ---- one edge: from what was given up to modes ---- */

struct edge {
	struct policy_timeout *t;
	struct chains_span attempts;
	size_t n;			/* cuts */
	size_t explained;
	enum phase phase[POLICY_MODES];	/* of each mode */
	double exceeded[POLICY_MODES], top[POLICY_MODES];	/* waits beyond it; its longest member */
	double same_exceeded[POLICY_MODES];	/* those for something that was also given up */
	size_t firsts[POLICY_MODES];		/* how many of it were the first attempts of their requests */
	struct map targets;		/* what was given up -> 1 */
	bool external;			/* seen from the server: clients that die look like clients that give up */
	uint64_t comparable;		/* attempts at those that were not */
};

static bool is_framed(const struct room *w, const struct model_exchange *x)
{
	return x->protocol != w->opaque && x->protocol != w->unknown;
}

static struct cut make_cut(const struct room *w, uint32_t i)
{
	const struct model_exchange *x = exchange(w, i);
	const struct model_connection *c = connection(w, x);
	struct cut cut = {.exchange = i, .trickled = x->fault != MODEL_NONE && w->trickles[x->fault]};
	bool connecting = x->outcome == MODEL_NOT_SENT && (!c || !c->connected_ns);

	cut.phase = connecting ? PHASE_CONNECT : x->first_byte_ns && x->first_byte_ns <= x->ended_ns ? PHASE_BODY : PHASE_ANSWER;
	cut.ms[CLOCK_ATTEMPT] = model_ms(start_of(w, i), x->ended_ns);
	cut.ms[CLOCK_REQUEST] = model_took_ms(x);
	cut.ms[CLOCK_BYTE] = cut.phase == PHASE_BODY ? model_ms(x->first_byte_ns, x->ended_ns) : NAN;
	return cut;
}

/* A protocol that never answers has its connection closed without an answer each time: that gives nothing up. */
static bool answers(const struct room *w, const struct edge *e)
{
	for (size_t k = 0; k < e->attempts.n; k++) {
		const struct model_exchange *x = exchange(w, e->attempts.members[k]);

		if (!is_framed(w, x) && (x->first_byte_ns || x->fault != MODEL_NONE))
			return true;
	}
	return false;
}

static bool counts(const struct room *w, const struct model_exchange *x)
{
	return measure_counts(w->m, w->m->link.logicals[x->logical].started_ns);
}

static int collect_cuts(struct room *w, struct edge *e)
{
	int answered = -1;	/* not asked yet */
	uint64_t last_ns = 0;

	for (size_t k = 0; k < e->attempts.n; k++) {
		const struct model_exchange *x = exchange(w, e->attempts.members[k]);

		if (w->marks[e->attempts.members[k]] != CUT || !counts(w, x))
			continue;
		if (!is_framed(w, x) && answered < 0)
			answered = answers(w, e);
		if (!is_framed(w, x) && !answered)
			continue;
		e->external = is_external(w, x);
		if (e->external && apart(x->ended_ns, last_ns) <= TOGETHER_NS)
			continue;
		last_ns = x->ended_ns;
		w->cuts[e->n++] = make_cut(w, e->attempts.members[k]);
		if (x->target && map_put(&e->targets, x->target, 1))
			return -ENOMEM;
	}
	e->t->abandoned = e->n;
	return 0;
}

/* The sorted times of one phase on one clock. */
static int take_values(struct room *w, const struct edge *e, enum phase phase, enum clock clock, bool trickled)
{
	w->values.n = 0;
	for (size_t k = 0; k < e->n; k++)
		if (w->cuts[k].phase == phase && w->cuts[k].trickled == trickled && samples_add(&w->values, w->cuts[k].ms[clock]))
			return -ENOMEM;
	samples_sort(&w->values);
	return 0;
}

struct reading {	/* the clusters of one phase on one clock */
	unsigned count;
	size_t covered;
	double spread;
	struct policy_timeout_mode modes[POLICY_MODES];
	double top[POLICY_MODES];
	size_t firsts[POLICY_MODES];
};

/* The attempt whose time is nearest to a mode's median. */
static uint64_t witness(const struct room *w, const struct edge *e, enum phase phase, enum clock clock, double at_ms)
{
	double best = INFINITY;
	uint64_t id = 0;

	for (size_t k = 0; k < e->n; k++) {
		double off = fabs(w->cuts[k].ms[clock] - at_ms);

		if (w->cuts[k].phase == phase && off < best) {
			best = off;
			id = (uint64_t)exchange(w, w->cuts[k].exchange)->id;
		}
	}
	return id;
}

static size_t count_firsts(const struct room *w, const struct edge *e, enum phase phase, enum clock clock, double low, double high)
{
	size_t n = 0;

	for (size_t k = 0; k < e->n; k++) {
		const struct cut *c = &w->cuts[k];

		n += c->phase == phase && c->ms[clock] >= low && c->ms[clock] <= high &&
		     w->m->link.logicals[exchange(w, c->exchange)->logical].first == c->exchange;
	}
	return n;
}

static int read_clock(struct room *w, const struct edge *e, enum phase phase, enum clock clock, bool trickled, struct reading *r)
{
	struct cluster found[POLICY_MODES];
	int err = take_values(w, e, phase, clock, trickled);

	*r = (struct reading){0};
	if (err)
		return err;
	r->count = clusters_find(w->values.values, w->values.n, found, POLICY_MODES);
	for (unsigned i = 0; i < r->count; i++) {
		const double *v = w->values.values + found[i].first;
		double median = v[(found[i].n - 1) / 2];

		r->covered += found[i].n;
		r->spread += v[found[i].n - 1] - v[0];
		r->top[i] = v[found[i].n - 1 + found[i].tail];
		r->modes[i] = (struct policy_timeout_mode){.ms = median, .low_ms = NAN, .high_ms = v[0], .n = found[i].n + found[i].tail,
							   .witness = witness(w, e, phase, clock, median)};
		r->firsts[i] = count_firsts(w, e, phase, clock, v[0], r->top[i]);
	}
	return 0;
}

static void add_mode(struct edge *e, const struct reading *r, unsigned i, enum phase phase, enum policy_timeout_kind kind)
{
	unsigned at = e->t->mode_count;

	if (at == POLICY_MODES || r->modes[i].ms < SHORTEST_MS)
		return;
	e->t->modes[at] = r->modes[i];
	e->t->modes[at].kind = kind;
	e->phase[at] = phase;
	e->top[at] = r->top[i];
	e->firsts[at] = r->firsts[i];
	e->t->mode_count++;
}

static void add_modes(struct edge *e, const struct reading *r, enum phase phase, enum policy_timeout_kind kind)
{
	for (unsigned i = 0; i < r->count; i++)
		add_mode(e, r, i, phase, kind);
}

/* Which of two clocks the attempts agree on better; the first, when there is less in it than `matters`. */
static bool second_agrees(const struct reading *first, const struct reading *second, double matters)
{
	if (second->covered != first->covered)
		return second->covered > first->covered;
	return first->covered > 2 && second->spread * 2 < first->spread && first->spread - second->spread > matters;
}

static int find_answer_modes(struct room *w, struct edge *e)
{
	struct reading attempt, request;

	if (read_clock(w, e, PHASE_ANSWER, CLOCK_ATTEMPT, false, &attempt) || read_clock(w, e, PHASE_ANSWER, CLOCK_REQUEST, false, &request))
		return -ENOMEM;
	add_modes(e, second_agrees(&attempt, &request, 1) ? &request : &attempt, PHASE_ANSWER, TIMEOUT_RESPONSE);
	return 0;
}

static struct policy_timeout_mode *same_answer_mode(struct edge *e, double at_ms)
{
	for (unsigned i = 0; i < e->t->mode_count; i++)
		if (e->phase[i] == PHASE_ANSWER && clusters_same(e->t->modes[i].ms, at_ms))
			return &e->t->modes[i];
	return NULL;
}

static bool has_shorter_answer_mode(const struct edge *e, double than_ms)
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
static void place_body_mode(struct edge *e, const struct reading *attempt, const struct reading *byte, unsigned i)
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
static int find_body_modes(struct room *w, struct edge *e)
{
	struct reading trickled, attempt, byte;

	if (read_clock(w, e, PHASE_BODY, CLOCK_ATTEMPT, true, &trickled) || read_clock(w, e, PHASE_BODY, CLOCK_ATTEMPT, false, &attempt) ||
	    read_clock(w, e, PHASE_BODY, CLOCK_BYTE, false, &byte))
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

/* ---- what was not given up: bounds, and doubts ---- */

/* How long an attempt waited in a phase without being cut; NAN: it was not in it. */
static double waited(const struct room *w, uint32_t i, enum phase phase)
{
	const struct model_exchange *x = exchange(w, i);
	const struct model_connection *c = connection(w, x);
	uint64_t end = x->ended_ns ? x->ended_ns : w->m->r->model.ended_ns;
	bool connecting = x->outcome == MODEL_NOT_SENT && (!c || !c->connected_ns);

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
static bool is_both(const struct room *w, const struct edge *e, uint32_t i)
{
	for (unsigned k = 0; w->marks[i] == EXPLAINED && k < e->t->mode_count; k++)
		if (clusters_same(waited(w, i, e->phase[k]), e->t->modes[k].ms))
			return true;
	return false;
}

static void weigh(const struct room *w, struct edge *e, uint32_t i)
{
	bool same = map_get(&e->targets, exchange(w, i)->target) != MAP_NONE;

	e->comparable += same;
	for (unsigned k = 0; k < e->t->mode_count; k++) {
		struct policy_timeout_mode *mode = &e->t->modes[k];
		bool whole = e->phase[k] == PHASE_BODY && mode->kind == TIMEOUT_TOTAL;
		double wait = waited(w, i, e->phase[k] == PHASE_BODY && !whole ? PHASE_ANSWER : e->phase[k]);

		if (wait < mode->high_ms && !(wait <= mode->low_ms))
			mode->low_ms = wait;
		if (wait > e->top[k] + fmax(50, 0.05 * e->top[k])) {
			e->exceeded[k]++;
			e->same_exceeded[k] += same;
		}
	}
}

static void look_at_rest(const struct room *w, struct edge *e)
{
	for (size_t k = 0; k < e->attempts.n; k++) {
		uint32_t i = e->attempts.members[k];
		double wait;

		if (w->marks[i] == CUT || w->marks[i] == SPOILED || !counts(w, exchange(w, i)) || exchange(w, i)->synthetic)
			continue;
		e->explained += w->marks[i] == EXPLAINED;
		if (is_both(w, e, i))
			continue;
		weigh(w, e, i);
		wait = fmax(waited(w, i, PHASE_CONNECT), waited(w, i, PHASE_ANSWER));
		if (wait > e->t->longest_ms || isnan(e->t->longest_ms)) {
			e->t->longest_ms = wait;
			e->t->longest_witness = (uint64_t)exchange(w, i)->id;
		}
	}
}

/* Whether a mode is what a deadline of whole requests left to their last attempts: only later ones have it, first ones are let wait longer. */
static bool is_rest(const struct edge *e, unsigned k)
{
	for (unsigned i = 0; !e->firsts[k] && i < e->t->mode_count; i++)
		if (e->phase[i] == e->phase[k] && e->firsts[i] && e->t->modes[i].ms > e->t->modes[k].ms)
			return true;
	return false;
}

/* Whether too many waited longer for a mode to be a timeout. */
static bool is_doubtful(const struct edge *e, unsigned k)
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

static void settle(struct edge *e)
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

static int measure_edge(struct room *w, uint32_t i)
{
	struct edge e = {.t = &w->m->r->edges[i].timeout, .attempts = chains_of(&w->m->chains.by_edge, i)};
	struct reading connects;
	int err;

	e.t->longest_ms = NAN;
	err = collect_cuts(w, &e);
	if (!err)
		err = read_clock(w, &e, PHASE_CONNECT, CLOCK_ATTEMPT, false, &connects);
	if (!err)
		add_modes(&e, &connects, PHASE_CONNECT, TIMEOUT_CONNECT);
	if (!err)
		err = find_answer_modes(w, &e);
	if (!err)
		err = find_body_modes(w, &e);
	if (!err) {
		look_at_rest(w, &e);
		settle(&e);
	}
	map_free(&e.targets);
	return err;
}

/* ---- the whole ---- */

/* What of a fault's plan matters here: whether it forges an errno, or lets bytes through slowly. */
static int read_faults(struct room *w)
{
	const struct model *run = &w->m->r->model;

	w->forges = calloc(run->fault_count + 1, sizeof(*w->forges));
	w->trickles = calloc(run->fault_count + 1, sizeof(*w->trickles));
	w->hides = calloc(run->fault_count + 1, sizeof(*w->hides));
	if (!w->forges || !w->trickles || !w->hides)
		return -ENOMEM;
	for (size_t i = 0; i < run->fault_count; i++) {
		cJSON *spec = cJSON_Parse(measure_text(w->m, run->faults[i].spec));

		w->forges[i] = cJSON_HasObjectItem(spec, "error");
		w->trickles[i] = cJSON_HasObjectItem(spec, "throttle");
		w->hides[i] = w->trickles[i] || cJSON_HasObjectItem(spec, "hang") || cJSON_HasObjectItem(spec, "delay");
		cJSON_Delete(spec);
	}
	return 0;
}

static int know_words(struct room *w)
{
	static const char *const ends[] = {"peer_close", "reset", "refused", "exited", "unreachable", "unresolved"};
	struct texts *names = &w->m->r->model.names;

	w->closed = texts_add(names, "closed");
	w->timed_out = texts_add(names, "ETIMEDOUT");
	w->opaque = texts_add(names, "opaque");
	w->unknown = texts_add(names, "unknown");
	if (w->closed == MAP_NONE || w->timed_out == MAP_NONE || w->opaque == MAP_NONE || w->unknown == MAP_NONE)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		w->alien_ends[i] = texts_add(names, ends[i]);
		if (w->alien_ends[i] == MAP_NONE)
			return -ENOMEM;
	}
	return 0;
}

static int furnish(struct room *w)
{
	const struct model *run = &w->m->r->model;
	size_t largest = 0;

	for (size_t i = 0; i < w->m->r->edge_count; i++) {
		size_t n = chains_of(&w->m->chains.by_edge, i).n;

		largest = n > largest ? n : largest;
	}
	w->last_ns = calloc(run->process_count + 1, sizeof(*w->last_ns));
	w->marks = spill_calloc(run->exchange_count + 1, sizeof(*w->marks));
	w->cuts = spill_realloc(NULL, (largest + 1) * sizeof(*w->cuts));
	if (!w->last_ns || !w->marks || !w->cuts)
		return -ENOMEM;
	return 0;
}

static void clear(struct room *w)
{
	free(w->forges);
	free(w->trickles);
	free(w->hides);
	free(w->last_ns);
	spill_free(w->marks);
	spill_free(w->endings);
	spill_free(w->cuts);
	samples_free(&w->values);
}

int measure_timeouts(struct measure *m)
{
	struct room w = {.m = m};
	int err = know_words(&w);

	if (!err)
		err = read_faults(&w);
	if (!err)
		err = furnish(&w);
	if (!err) {
		look_at_all(&w);
		err = spoil_last_acts(&w);
	}
	if (!err)
		err = collect_endings(&w);
	if (!err)
		err = judge_reasons(&w);
	for (uint32_t i = 0; i < m->r->edge_count && !err; i++)
		err = measure_edge(&w, i);
	clear(&w);
	return err;
}
