/* SPDX-License-Identifier: MIT */
/*
 * Demand of an edge: its logical requests, and the calls that a breaker or bulkhead shed: inbound requests of the caller that normally ask
 * (demand.h) and were turned down, outside the healthy baseline. Without a baseline, or where attempts can not be laid to
 * inbound requests, demand is what was tried.
 *
 * A request counts where it started, with all its attempts. It is censored when the run does not tell how it ended: its last attempt was still open, or
 * had failed, and the run ended before the edge's longest wait between two attempts was over, while others of the edge were tried more often.
 */
#include "analyzer/measure/demand.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "analyzer/measure/calls.h"
#include "analyzer/measure/forerunners.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/grow.h"

#define NORMAL_SHARE 0.95
#define NORMAL_MIN 3
#define AT_ONCE_NS (2 * NS_PER_MS)	/* no call is so fast that a refusal is not */
#define RARE 100		/* kinds of which fewer than one in so many ever ask are no demand: they need not be looked at */

/* ---- inbound requests by process ---- */

static bool is_inbound(const struct model_exchange *x)
{
	return x->role == MODEL_SERVER && x->process != MODEL_NONE;
}

static int fill(struct demand_book *b, const struct measure *m)
{
	const struct model *run = &m->r->model;
	size_t total = 0;

	*b = (struct demand_book){NULL, calloc(run->process_count + 2, sizeof(*b->begins)), spill_calloc(run->exchange_count + 1, sizeof(*b->called))};
	if (!b->begins || !b->called)
		return -ENOMEM;
	for (size_t i = 0; i < run->exchange_count; i++)
		if (is_inbound(&run->exchanges[i])) {
			b->begins[run->exchanges[i].process + 2]++;
			total++;
		}
	b->rows = spill_realloc(NULL, (total + 1) * sizeof(*b->rows));
	if (!b->rows)
		return -ENOMEM;
	for (size_t i = 2; i < run->process_count + 2; i++)
		b->begins[i] += b->begins[i - 1];
	for (size_t i = 0; i < run->exchange_count; i++)
		if (is_inbound(&run->exchanges[i]))
			b->rows[b->begins[run->exchanges[i].process + 1]++] = (uint32_t)i;
	return 0;
}

void demand_close(struct demand_book *b)
{
	spill_free(b->rows);
	free(b->begins);
	spill_free(b->called);
	*b = (struct demand_book){0};
}

void demand_free(struct demands *d)
{
	if (!d->kept)
		spill_free(d->of);
	*d = (struct demands){0};
}

/* ---- one edge ---- */

struct habit {	/* what requests of one method and path do: while the edge is well, hardly well, and ever */
	uint64_t well, well_asked, hardly, hardly_asked, all, all_asked;
};

struct habits {
	struct map rows;	/* target -> index */
	struct habit *of;	/* owned */
	uint32_t count;
	size_t room;
	struct habit rest;	/* of all kinds too rare to tell: paths that hold a number of their own */
};

static struct habit *habit(struct habits *h, uint64_t target)
{
	uint32_t at = map_get(&h->rows, target);

	if (at != MAP_NONE)
		return &h->of[at];
	if (GROW(h->of, h->count, h->room))
		return NULL;
	h->of[h->count] = (struct habit){0};
	return map_put(&h->rows, target, h->count) ? NULL : &h->of[h->count++];
}

static void add_habit(struct habit *sum, const struct habit *of)
{
	sum->well += of->well;
	sum->well_asked += of->well_asked;
	sum->hardly += of->hardly;
	sum->hardly_asked += of->hardly_asked;
	sum->all += of->all;
	sum->all_asked += of->all_asked;
}

static bool is_rare(const struct habit *of)
{
	return of->all < NORMAL_MIN;
}

static int learn(struct habits *h, struct demands *d, const struct measure *m)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct demand *x = &d->of[i];
		bool asked = x->call_ns != 0;
		struct habit *of = habit(h, m->r->model.exchanges[x->row].target);

		if (!of)
			return -ENOMEM;
		if (x->elsewhere)
			continue;
		of->all++;
		of->all_asked += asked;
		of->well += x->well;
		of->well_asked += x->well && asked;
		of->hardly += x->hardly;
		of->hardly_asked += x->hardly && asked;
		d->told |= x->hardly && timeline_at(&m->r->timeline, x->at_ns) == TIMELINE_BASELINE;
	}
	for (uint32_t i = 0; i < h->count; i++)
		if (is_rare(&h->of[i]))
			add_habit(&h->rest, &h->of[i]);
	return 0;
}

static bool normal(const struct habit *of)
{
	bool well = of->well >= NORMAL_MIN;
	uint64_t requests = well ? of->well : of->hardly, asked = well ? of->well_asked : of->hardly_asked;

	return requests >= NORMAL_MIN && (double)asked >= NORMAL_SHARE * (double)requests && of->all_asked >= of->all / RARE;
}

static void count_normal(struct demands *d, const struct habit *of)
{
	bool well = of->well >= NORMAL_MIN;

	if (!normal(of))
		return;
	d->normal += well ? of->well : of->hardly;
	d->normal_asked += well ? of->well_asked : of->hardly_asked;
}

static void expect(const struct habits *h, struct demands *d, const struct measure *m)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct habit *of = &h->of[map_get(&h->rows, m->r->model.exchanges[d->of[i].row].target)];

		d->of[i].expected = !d->of[i].elsewhere && normal(is_rare(of) ? &h->rest : of);
	}
	for (uint32_t i = 0; i < h->count; i++)
		count_normal(d, &h->of[i]);
	count_normal(d, &h->rest);
}

struct holders {	/* requests that ask: they may hold a place of a bulkhead as long as they are there, not just during their call */
	uint64_t *from, *to;	/* owned; ascending */
	size_t n;
};

struct place {			/* where looking for an instant ended: the next one is near */
	size_t begun, over, from, to;
};

static size_t upto(const uint64_t *times, size_t n, uint64_t t, size_t *near)
{
	return times_near(times, sizeof(*times), n, t, near);
}

static int find_holders(struct holders *h, const struct demand *of, size_t n)
{
	*h = (struct holders){spill_realloc(NULL, (n + 1) * sizeof(*h->from)), spill_realloc(NULL, (n + 1) * sizeof(*h->to)), 0};
	if (!h->from || !h->to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!of[i].call_ns || of[i].end_ns <= of[i].at_ns)
			continue;
		h->from[h->n] = of[i].at_ns;
		h->to[h->n++] = of[i].end_ns;
	}
	times_sort(h->to, h->n);
	return 0;
}

/* Whether less than half of the most calls are in work, or may be. */
static bool is_idle(const struct calls *c, const struct holders *h, uint64_t t, struct place *p)
{
	size_t begun = upto(c->starts, c->n, t, &p->begun), over = calls_ended_by(c, t, &p->over);
	size_t here = upto(h->from, h->n, t, &p->from) - upto(h->to, h->n, t, &p->to);

	return (begun <= over || (begun - over) * 2 < c->most) && here * 2 < c->most + 1;
}

/* Of many that come at once the first may fill a bulkhead before the last is turned down: those that do not ask are looked at to their end. */
static void find_well(const struct calls *c, const struct holders *h, struct demand *d, struct place *p)
{
	size_t over = calls_ended_by(c, d->at_ns, &p->over), ok = over ? c->ends[over - 1].value : 0;
	bool idle = d->call_ns ? is_idle(c, h, d->at_ns - (d->at_ns > 0), p) : is_idle(c, h, d->at_ns, p) && is_idle(c, h, d->end_ns, p);

	d->well = idle && calls_well(c, over);
	d->hardly = idle && (!over || ok);
}

struct row_of_silence {	/* requests in a row that do not ask */
	bool began, well, hardly;	/* as the edge was when it began */
	uint64_t until_ns;	/* what came of the one that asked behind it was not known before */
};

/*
 * Why calls stopped is to be seen where they did: what was in work then may end well long after a breaker has opened, and does not close it. The next
 * request that asks may be a half-open call.
 */
static void carry_on(struct row_of_silence *row, struct demand *d)
{
	if (d->call_ns) {
		row->until_ns = row->began && !row->well ? d->end_ns : row->until_ns;
		row->began = false;
		return;
	}
	d->well &= d->at_ns >= row->until_ns;
	d->hardly &= d->at_ns >= row->until_ns;
	if (!row->began)
		*row = (struct row_of_silence){true, d->well, d->hardly, row->until_ns};
	d->well &= row->well;
	d->hardly &= row->hardly;
}

/* ---- who was turned down ---- */

/* Whether each thread has one request of these in work at a time: then no call is laid to another request. */
static int threads_tell(const struct measure *m, const struct demand *d, size_t n, bool *tell)
{
	struct map latest = {0};
	int err = 0;

	*tell = true;
	for (size_t i = 0; i < n && *tell && !err; i++) {
		uint32_t tid = m->r->model.exchanges[d[i].row].tid, before = tid ? map_get(&latest, tid) : MAP_NONE;

		*tell = tid && (before == MAP_NONE || (d[before].end_ns && d[before].end_ns <= d[i].at_ns));
		err = map_put(&latest, tid, (uint32_t)i);
	}
	map_free(&latest);
	return err;
}

/* Half of the median time of the requests that asked. */
static int half_usual(const struct demand *d, size_t n, uint64_t *half_ns)
{
	uint64_t *took = spill_realloc(NULL, (n + 1) * sizeof(*took));
	size_t k = 0;

	if (!took)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (d[i].call_ns && d[i].end_ns > d[i].at_ns)
			took[k++] = d[i].end_ns - d[i].at_ns;
	times_sort(took, k);
	*half_ns = k && took[k / 2] / 2 > AT_ONCE_NS ? took[k / 2] / 2 : AT_ONCE_NS;
	spill_free(took);
	return 0;
}

/* Of the requests of one process: which were answered too soon for a call. */
static int find_at_once(const struct measure *m, struct demand *d, size_t n)
{
	uint64_t half_ns;
	bool tell;
	int err = threads_tell(m, d, n, &tell);

	if (!err)
		err = half_usual(d, n, &half_ns);
	for (size_t i = 0; i < n && !err; i++)
		d[i].at_once = d[i].end_ns >= d[i].at_ns && (tell || d[i].end_ns - d[i].at_ns <= half_ns);
	return err;
}

/* Whether a call that was made for this request failed. */
static bool has_failed(const struct measure *m, uint32_t inbound)
{
	struct chains_span calls = chains_of(&m->chains.by_parent, inbound);

	for (size_t i = 0; i < calls.n; i++)
		if (model_failed(&m->r->model.exchanges[calls.members[i]]))
			return true;
	return false;
}

/* The requests of one process, against its attempts. */
static int add_process(struct demands *d, const struct demand_book *b, const struct measure *m, const struct calls *c, uint32_t process)
{
	size_t begun = 0, first = d->n;
	struct row_of_silence row = {0};
	struct place near = {0};
	struct holders h;
	int err;

	for (size_t i = b->begins[process]; i < b->begins[process + 1]; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[b->rows[i]];
		uint64_t call = b->called[b->rows[i]];

		if (!measure_counts(m, x->started_ns))
			continue;
		while (begun < c->n && c->starts[begun] < x->started_ns)
			begun++;
		if (!d->nested)
			call = begun < c->n && x->ended_ns && c->starts[begun] <= x->ended_ns ? c->starts[begun] : 0;
		d->of[d->n++] = (struct demand){.at_ns = x->started_ns, .end_ns = x->ended_ns, .call_ns = call, .row = b->rows[i], .process = process,
						.elsewhere = !call && has_failed(m, b->rows[i])};
	}
	err = find_holders(&h, d->of + first, d->n - first);
	for (size_t i = first; i < d->n && !err; i++) {
		find_well(c, &h, &d->of[i], &near);
		carry_on(&row, &d->of[i]);
	}
	spill_free(h.from);
	spill_free(h.to);
	return err ? err : find_at_once(m, d->of + first, d->n - first);
}

static int add_processes(struct demands *d, struct demand_book *b, const struct measure *m, uint32_t edge, const struct crew *crew)
{
	const struct model *run = &m->r->model;
	size_t room = 0;

	for (uint32_t p = 0; p < run->process_count; p++)
		if (run->processes[p].service == m->graph.edges[edge].client)
			room += b->begins[p + 1] - b->begins[p];
	d->of = spill_realloc(NULL, (room + 1) * sizeof(*d->of));
	if (!d->of)
		return -ENOMEM;
	for (uint32_t p = 0; p < run->process_count && room; p++) {
		struct calls c;
		int err;

		if (run->processes[p].service != m->graph.edges[edge].client || b->begins[p] == b->begins[p + 1])
			continue;
		err = calls_of(&c, m, crew_process(crew, p));
		if (!err)
			err = add_process(d, b, m, &c, p);
		calls_free(&c);
		if (err)
			return err;
	}
	return 0;
}

/* Notes the first call of each request, or wipes the notes again. */
static void mark(struct demand_book *b, const struct demands *d, const struct measure *m, uint32_t edge, bool set)
{
	struct chains_span attempts = chains_of(&m->chains.by_edge, edge);

	for (size_t i = 0; i < attempts.n && d->nested; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[attempts.members[i]];

		if (!set)
			b->called[x->parent] = 0;
		else if (!b->called[x->parent])
			b->called[x->parent] = x->started_ns ? x->started_ns : 1;
	}
}

static int find(struct demands *d, struct demand_book *b, const struct measure *m, uint32_t edge)
{
	struct chains_span attempts = chains_of(&m->chains.by_edge, edge);
	struct habits h = {0};
	struct crew crew;
	int err = b->begins ? 0 : fill(b, m);

	if (err)
		return err;
	for (size_t i = 0; i < attempts.n; i++)
		d->nested &= m->r->model.exchanges[attempts.members[i]].parent != MODEL_NONE;
	mark(b, d, m, edge, true);
	err = crew_of(&crew, m, attempts);
	if (!err)
		err = add_processes(d, b, m, edge, &crew);
	crew_free(&crew);
	mark(b, d, m, edge, false);
	if (!err && d->nested)
		err = forerunners_excuse(d, m);
	if (!err)
		err = learn(&h, d, m);
	if (!err)
		expect(&h, d, m);
	map_free(&h.rows);
	free(h.of);
	return err;
}

int demand_of(struct demands *d, struct demand_book *b, const struct measure *m, uint32_t edge)
{
	size_t attempts = chains_of(&m->chains.by_edge, edge).n;

	*d = (struct demands){.nested = attempts > 0};
	if (m->graph.edges[edge].external || !attempts)
		return 0;
	if (m->demand.of && !measure_is_pool(m, edge) && m->demand.of[edge].kept) {
		*d = m->demand.of[edge];
		return 0;
	}
	return find(d, b, m, edge);
}

/* ---- what is kept for the steps behind ---- */

/* Not more in all than there are exchanges: with many edges of one client each would have the same requests. */
static void keep(struct demand_shelf *s, const struct measure *m, uint32_t edge, struct demands *d)
{
	if (!d->of || d->n > m->r->model.exchange_count - s->rows)
		return;
	s->rows += d->n;
	d->kept = true;
	s->of[edge] = *d;
}

void demand_clear(struct measure *m)
{
	for (size_t e = 0; m->demand.of && e < m->r->edge_count; e++)
		spill_free(m->demand.of[e].of);
	free(m->demand.of);
	m->demand = (struct demand_shelf){0};
}

/* ---- the step ---- */

static struct metric per_demand(const struct result_cohort *c, uint64_t shed, bool told)
{
	struct metric all = c->amplification;

	if (c->linked && shed)
		return metric_plain((double)c->attempts / (double)c->demand, c->demand, "counts, shed calls inferred");
	if (c->linked && !told)
		all.method = "no baseline of inbound requests: demand is what was tried";
	return all;
}

static void settle(struct result_edge *e, const uint64_t shed[TIMELINE_KINDS], bool told)
{
	uint64_t all = 0;

	for (int k = 0; k < TIMELINE_KINDS; k++) {
		e->window[k].demand = e->window[k].logical + shed[k];
		e->window[k].amplification_demand = per_demand(&e->window[k], shed[k], told);
		all += shed[k];
	}
	e->demand = e->whole.demand = e->whole.logical + all;
	e->amplification_demand = e->whole.amplification_demand = per_demand(&e->whole, all, told);
}

/* The window of the run that holds this instant; NULL: none. */
static struct timeline_window *window_at(struct timeline *t, uint64_t at_ns)
{
	size_t low = 0, high = t->window_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->windows[middle].to_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->window_count && t->windows[low].from_ns <= at_ns ? &t->windows[low] : NULL;
}

struct waits {			/* of an edge */
	uint64_t longest_ns;	/* between two attempts of a request */
	uint32_t most;		/* attempts of a request */
};

static struct waits find_waits(const struct measure *m, uint32_t edge)
{
	const struct model_exchange *x = m->r->model.exchanges;
	struct chains_span requests = chains_of(&m->chains.requests, edge);
	struct waits w = {0, 0};

	for (size_t i = 0; i < requests.n; i++) {
		struct chains_span tries = chains_of(&m->chains.by_logical, requests.members[i]);

		w.most = tries.n > w.most ? (uint32_t)tries.n : w.most;
		for (size_t k = 1; k < tries.n; k++) {
			uint64_t ended = x[tries.members[k - 1]].ended_ns, next = x[tries.members[k]].started_ns;

			if (ended && next > ended && next - ended > w.longest_ns)
				w.longest_ns = next - ended;
		}
	}
	return w;
}

static bool is_censored(const struct measure *m, const struct link_logical *q, const struct waits *w)
{
	if (!q->ended_ns)
		return true;
	return !q->ok && q->attempts < w->most && q->ended_ns + w->longest_ns >= m->r->model.ended_ns;
}

static void count_requests(struct measure *m, uint32_t edge)
{
	struct result_edge *e = &m->r->edges[edge];
	struct chains_span requests = chains_of(&m->chains.requests, edge);
	struct waits waits = find_waits(m, edge);

	for (size_t i = 0; i < requests.n && e->whole.linked; i++) {
		const struct link_logical *q = &m->link.logicals[requests.members[i]];
		struct timeline_window *w = window_at(&m->r->timeline, q->started_ns);
		bool cut = is_censored(m, q, &waits);

		if (!measure_counts(m, q->started_ns))
			continue;
		e->whole.censored += cut;
		e->window[timeline_at(&m->r->timeline, q->started_ns)].censored += cut;
		if (!w)
			continue;
		w->demand++;
		w->logical++;
		w->attempts += q->attempts;
		w->answers += q->ok;
		w->censored += cut;
	}
}

int measure_demand(struct measure *m)
{
	struct demand_book b = {0};
	int err = 0;

	m->demand.of = calloc(m->r->edge_count + 1, sizeof(*m->demand.of));
	if (!m->demand.of)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->r->edge_count && !err; i++) {
		uint64_t shed[TIMELINE_KINDS] = {0};
		struct demands d;

		err = demand_of(&d, &b, m, i);
		for (size_t k = 0; k < d.n && !err && d.nested; k++) {
			enum timeline_kind kind = timeline_at(&m->r->timeline, d.of[k].at_ns);
			struct timeline_window *w = window_at(&m->r->timeline, d.of[k].at_ns);

			if (!demand_turned_down(&d.of[k]) || kind == TIMELINE_BASELINE)
				continue;
			shed[kind]++;
			if (w && m->r->edges[i].whole.linked)
				w->demand++;
		}
		if (!err)
			count_requests(m, i);
		settle(&m->r->edges[i], shed, d.nested && d.told);
		if (!err)
			keep(&m->demand, m, i, &d);
		demand_free(&d);
	}
	demand_close(&b);
	return err;
}
