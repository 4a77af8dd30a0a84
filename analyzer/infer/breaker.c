/* SPDX-License-Identifier: MIT */
/*
 * Breakers, from silences (silence.h): of each process of an edge's client by itself, since breakers are of an instance; what they tell is put
 * together for the edge.
 *
 *   threshold   failures that it took, between those that had ended when the last call was let through, plus one, and those that had ended when
 *               the first was not: calls in work when it opens end later. All opens' intervals meet in it, else it spans them.
 *   kind        consecutive: three opens agree on one number and some failures between them, mixed with successes, did not open it;
 *               rate: opens disagree, or a longer run of failures did not open it. Where outcomes do not tell: unknown.
 *   open time   longer than from the failure that opened it to the last request shed, at most to the first call let through.
 *   shed        requests that came while it was open, and those that it turned away half-open while its calls were in work.
 *   doomed      demands while a fault of the edge was felt (without one: from the first failure before it opened to the last failure), times
 *               the share of attempts that failed then; shed, leak (attempts then, once it had opened), collateral from the same window.
 *   recovery tax    what it shed from when the fault cleared until it had closed, or the next fault came: of opens that this fault's failures
 *               brought about, and of those that half-open calls then brought about again.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/silence.h"
#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "analyzer/measure/demand.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"

#define OUTAGE_ATTEMPTS 50	/* failed in a row: a breaker would have opened */
#define OUTAGE_NS NS_PER_S
#define ENOUGH_SHED 10		/* for one open and close to be certain */
#define AGREE 3			/* opens that make a rule */
#define LET_THROUGH 3		/* attempts during silences of requests that are no chance */

struct moment {
	uint32_t process;
	uint64_t at_ns;
};

struct moments {		/* failures to resolve a name; by process, then time */
	struct moment *of;	/* owned */
	size_t n;
};

struct span {			/* [from, to] */
	uint64_t from_ns, to_ns;
	bool cleared;
};

struct spans {			/* when the server was bad; in order, none meets another */
	struct span *of;	/* owned */
	size_t n;
	bool faults;		/* known from faults, not guessed from failures */
};

struct scene {			/* one edge */
	struct measure *m;
	uint32_t edge;
	struct policy_breaker *p;
	struct demands demands;
	struct spans bad;
	double low, high, open_low, open_high;	/* where all opens meet */
	double wide_low, wide_high, open_wide_low, open_wide_high;
	unsigned sure, agreeing, paced, closed;
	uint32_t longest_run, most_failed;	/* that did not open it; failures before an open */
	uint64_t asked_bad, shed_bad, passed_bad, failed_bad;
	uint64_t first_ns, last_ns;	/* first open, end of the last silence */
	double failed_ms, shed_ms, growth;
	uint64_t failed, grown, cut, uncut;
	bool alike, trickle;
};

struct view {			/* one process of it */
	struct scene *c;
	uint32_t process;
	struct chains_span rows;
	struct silence_attempt *attempts;	/* owned */
	struct silence_demand *demands;		/* owned; NULL: its own pace */
	size_t demand_count;
	struct silence_input in;
	struct silences s;
};

/* ---- names that could not be resolved ---- */

static int by_process(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->process != y->process)
		return x->process > y->process ? 1 : -1;
	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

static bool is_unresolved(const struct measure *m, const struct model_exchange *x)
{
	const char *error = measure_text(m, x->error);

	return x->role == MODEL_CLIENT && x->process != MODEL_NONE && model_failed(x) && strstr(error, "EAI_");
}

static int find_unresolved(struct moments *u, const struct measure *m)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++)
		u->n += run->exchanges[i].error && is_unresolved(m, &run->exchanges[i]);
	u->of = spill_realloc(NULL, (u->n + 1) * sizeof(*u->of));
	if (!u->of)
		return -ENOMEM;
	u->n = 0;
	for (size_t i = 0; i < run->exchange_count; i++)
		if (run->exchanges[i].error && is_unresolved(m, &run->exchanges[i]))
			u->of[u->n++] = (struct moment){run->exchanges[i].process, run->exchanges[i].started_ns};
	qsort(u->of, u->n, sizeof(*u->of), by_process);
	return 0;
}

/* The moments of one process, as times alone; owned by the caller. */
static int times_of(const struct moments *u, uint32_t process, uint64_t **times, size_t *n)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->of[mid].process < process)
			low = mid + 1;
		else
			high = mid;
	}
	for (*n = 0; low + *n < u->n && u->of[low + *n].process == process;)
		++*n;
	*times = spill_realloc(NULL, (*n + 1) * sizeof(**times));
	for (size_t i = 0; *times && i < *n; i++)
		(*times)[i] = u->of[low + i].at_ns;
	return *times ? 0 : -ENOMEM;
}

/* ---- when the server was bad ---- */

/* Whether an exchange that a fault hit is one of the edge's server, seen from there. */
static bool is_at_server(const struct scene *c, uint32_t exchange)
{
	const struct model *run = &c->m->r->model;
	const struct model_exchange *x = exchange == MODEL_NONE ? NULL : &run->exchanges[exchange];

	return x && x->edge == MODEL_NONE && x->process != MODEL_NONE && run->processes[x->process].service == c->m->graph.edges[c->edge].server;
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* Faults that were felt at once are one bad time, which clears with the last of them. */
static void join(struct spans *bad)
{
	size_t n = 0;

	qsort(bad->of, bad->n, sizeof(*bad->of), by_start);
	for (size_t i = 0; i < bad->n; i++) {
		struct span *last = n ? &bad->of[n - 1] : NULL, *next = &bad->of[i];

		if (!last || next->from_ns > last->to_ns)
			bad->of[n++] = *next;
		else if (next->to_ns >= last->to_ns)
			*last = (struct span){last->from_ns, next->to_ns, next->cleared && (last->cleared || next->to_ns > last->to_ns)};
	}
	bad->n = n;
}

static int find_bad(struct scene *c)
{
	const struct model *run = &c->m->r->model;
	struct chains_span rows = chains_of(&c->m->chains.by_edge, c->edge);
	bool *hit = calloc(run->fault_count + 1, sizeof(*hit));

	c->bad.of = calloc(run->fault_count + 1, sizeof(*c->bad.of));
	if (!hit || !c->bad.of) {
		free(hit);
		return -ENOMEM;
	}
	for (size_t i = 0; i < rows.n; i++)
		if (run->exchanges[rows.members[i]].fault != MODEL_NONE)
			hit[run->exchanges[rows.members[i]].fault] = true;
	for (size_t i = 0; i < run->fault_count; i++) {
		const struct timeline_span *s = &c->m->r->timeline.spans[i];

		if (s->hits && (hit[i] || is_at_server(c, s->first_exchange) || is_at_server(c, s->last_exchange)))
			c->bad.of[c->bad.n++] = (struct span){s->from_ns, s->to_ns, s->cleared};
	}
	join(&c->bad);
	c->bad.faults = c->bad.n > 0;
	free(hit);
	return 0;
}

static bool is_bad(const struct scene *c, uint64_t t)
{
	for (size_t i = 0; i < c->bad.n; i++)
		if (t >= c->bad.of[i].from_ns && t <= c->bad.of[i].to_ns)
			return true;
	return false;
}

/* Without a fault: from the first failure of those that opened it first, to the last failure. */
static void guess_bad(const struct view *v)
{
	struct scene *c = v->c;
	const struct silence_gap *g = &v->s.gaps[0];
	struct span s = {.from_ns = v->attempts[g->trip].start_ns};

	if (c->bad.faults || c->bad.n)
		return;
	for (size_t i = g->before + 1; i > 0 && v->attempts[i - 1].failed; i--)
		s.from_ns = v->attempts[i - 1].start_ns < s.from_ns ? v->attempts[i - 1].start_ns : s.from_ns;
	for (size_t i = 0; i < v->in.n; i++)
		if (v->attempts[i].failed && v->attempts[i].end_ns > s.to_ns)
			s.to_ns = v->attempts[i].end_ns;
	c->bad.of[c->bad.n++] = s;
}

/* ---- one process: what is looked at ---- */

static int view_attempts(struct view *v)
{
	const struct measure *m = v->c->m;

	v->attempts = spill_realloc(NULL, (v->rows.n + 1) * sizeof(*v->attempts));
	if (!v->attempts)
		return -ENOMEM;
	for (size_t i = 0; i < v->rows.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[v->rows.members[i]];

		if (measure_counts(m, x->started_ns))
			v->attempts[v->in.n++] = (struct silence_attempt){x->started_ns, x->ended_ns, model_failed(x), true, x->logical,
									   v->rows.members[i]};
	}
	v->in.attempts = v->attempts;
	return 0;
}

/* Demand of a process is known when requests of it normally ask. */
static int view_demands(struct view *v)
{
	const struct demands *d = &v->c->demands;
	size_t first = 0, last;

	while (first < d->n && d->of[first].process != v->process)
		first++;
	for (last = first; last < d->n && d->of[last].process == v->process;)
		last++;
	if (!d->normal || first == last)
		return 0;
	v->demands = spill_realloc(NULL, (last - first + 1) * sizeof(*v->demands));
	if (!v->demands)
		return -ENOMEM;
	for (size_t i = first; i < last; i++)
		if (d->of[i].expected)
			v->demands[v->demand_count++] = (struct silence_demand){d->of[i].at_ns, d->of[i].end_ns, demand_shed(&d->of[i]),
										d->of[i].call_ns};
	v->in.demands = v->demands;
	v->in.demand_count = v->demand_count;
	v->in.need = silence_need(d->normal_asked, d->normal);
	return 0;
}

/* ---- attempts or requests ---- */

static bool joins_surely(const struct view *v)
{
	return v->c->m->link.tiers[v->c->edge] == LINK_ID || v->c->m->link.tiers[v->c->edge] == LINK_NESTING;
}

/* The most attempts that a failed request made. */
static uint32_t most_attempts(const struct view *v)
{
	const struct link_logical *logicals = v->c->m->link.logicals;
	uint32_t most = 0;

	for (size_t i = 0; i < v->in.n; i++) {
		const struct link_logical *q = &logicals[v->attempts[i].request];

		most = !q->ok && q->attempts > most ? q->attempts : most;
	}
	return most;
}

/* Silences that begin in the middle of a request: retries are counted, and shed, one by one. */
static void find_cuts(struct view *v)
{
	const struct link_logical *logicals = v->c->m->link.logicals;
	uint32_t most = joins_surely(v) ? most_attempts(v) : 0;

	for (size_t i = 0; i < v->s.count && most > 1; i++) {
		const struct link_logical *q = &logicals[v->attempts[v->s.gaps[i].before].request];

		v->c->cut += !q->ok && q->attempts < most;
		v->c->uncut += !q->ok && q->attempts == most;
	}
}

/* When a request ended for its caller. One that failed with attempts left was waiting for the next, which did not come: as its caller was answered. */
static uint64_t request_end(const struct view *v, const struct link_logical *q, uint32_t most)
{
	const struct model *run = &v->c->m->r->model;
	const struct model_exchange *last = &run->exchanges[q->last];
	uint64_t answered = last->parent == MODEL_NONE ? 0 : run->exchanges[last->parent].ended_ns;

	return model_failed(last) && q->attempts < most && last->ended_ns && answered > last->ended_ns ? answered : last->ended_ns;
}

/* Each request as one call, from its first attempt to its end. */
static struct silence_attempt *requests_of(const struct view *v, size_t *n)
{
	const struct link_logical *logicals = v->c->m->link.logicals;
	struct silence_attempt *requests = spill_realloc(NULL, (v->in.n + 1) * sizeof(*requests));
	uint32_t most = most_attempts(v);

	*n = 0;
	for (size_t i = 0; requests && i < v->in.n; i++) {
		const struct silence_attempt *a = &v->attempts[i];
		const struct link_logical *q = &logicals[a->request];

		if (q->first == a->row)
			requests[(*n)++] = (struct silence_attempt){a->start_ns, request_end(v, q, most),
								    model_failed(&v->c->m->r->model.exchanges[q->last]), true, a->request, a->row};
	}
	return requests;
}

/*
 * Attempts that began while requests were shed, in the first tenth of a silence, the most of any: of requests that were let in before, by a breaker
 * that does not ask about attempts. Later ones may be probes.
 */
static uint64_t let_through(const struct view *v, const struct silences *s, const struct silence_attempt *requests, size_t n)
{
	uint64_t most = 0, through = 0, until_ns = 0;
	size_t g = 0;

	for (size_t i = 0; i < v->in.n && g < s->count; i++) {
		uint64_t start = v->attempts[i].start_ns, end;

		while (g < s->count && s->gaps[g].after < n && requests[s->gaps[g].after].start_ns <= start) {
			g++;
			through = 0;
		}
		if (g == s->count)
			break;
		end = s->gaps[g].after < n ? requests[s->gaps[g].after].start_ns : v->in.end_ns;
		until_ns = s->gaps[g].decided_ns + (end > s->gaps[g].decided_ns ? end - s->gaps[g].decided_ns : 0) / 10;
		through += start > s->gaps[g].decided_ns && start <= until_ns;
		most = through > most ? through : most;
	}
	return most;
}

/*
 * Where requests are counted, they are what is shed: what was let in before goes on trying, and a gap between attempts is not the silence, if
 * there is one. Silences between requests replace those between attempts.
 */
static int recount(struct view *v)
{
	struct silence_input in = v->in;
	struct silence_attempt *requests;
	struct silences again = {0};
	int err;

	if (v->c->cut || !joins_surely(v))
		return 0;
	requests = requests_of(v, &in.n);
	in.attempts = requests;
	err = !requests ? -ENOMEM : in.n < v->in.n ? silence_find(&again, &in) : 0;
	if (!err && again.count && !again.paced) {
		v->c->uncut += let_through(v, &again, requests, in.n) < LET_THROUGH ? 0 : 2;
		if (v->c->uncut > 1) {
			silence_free(&v->s);
			spill_free(v->attempts);
			v->s = again;
			v->in = in;
			v->attempts = requests;
			return 0;
		}
	}
	silence_free(&again);
	spill_free(requests);
	return err;
}

/* ---- what its silences say ---- */

static void meet(double *low, double *high, double *wide_low, double *wide_high, double from, double to)
{
	*low = isnan(*low) || from > *low ? from : *low;
	*high = isnan(*high) || to < *high ? to : *high;
	*wide_low = isnan(*wide_low) || from < *wide_low ? from : *wide_low;
	*wide_high = isnan(*wide_high) || to > *wide_high ? to : *wide_high;
}

static void add_threshold(struct scene *c, const struct silence_gap *g)
{
	if (!g->sure || !g->run_high)
		return;
	meet(&c->low, &c->high, &c->wide_low, &c->wide_high, g->run_low, g->run_high);
	c->sure++;
	c->agreeing += g->run_low == g->run_high;
	c->longest_run = g->longest_run > c->longest_run ? g->longest_run : c->longest_run;
	c->most_failed = g->failed > c->most_failed ? g->failed : c->most_failed;
}

static void add_open_time(const struct view *v, size_t i)
{
	struct scene *c = v->c;
	const struct silence_gap *g = &v->s.gaps[i], *before = i ? g - 1 : NULL;
	double to = g->after < v->in.n ? model_ms(g->trip_early_ns, v->attempts[g->after].start_ns) : INFINITY;

	meet(&c->open_low, &c->open_high, &c->open_wide_low, &c->open_wide_high, model_ms(g->trip_late_ns, g->last_shed_ns), to);
	if (before && !g->fresh && isfinite(to) && model_ms(before->trip_early_ns, v->attempts[before->after].start_ns) > 0) {
		c->growth += log(to / model_ms(before->trip_early_ns, v->attempts[before->after].start_ns));
		c->grown++;
	}
}

/* The first demand at or after t. */
static size_t demand_at(const struct view *v, uint64_t t)
{
	return v->demands ? times_before(&v->demands->at_ns, sizeof(*v->demands), v->demand_count, t) : 0;
}

/* Requests shed in what [from, to] and [first, last] have in common. */
static uint64_t shed_in(const struct view *v, uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	from = from < first ? first : from;
	to = to > last ? last : to;
	for (size_t i = from <= to ? demand_at(v, from) : v->demand_count; i < v->demand_count && v->demands[i].at_ns <= to; i++)
		n += v->demands[i].shed;
	return n;
}

/* By pace they lie evenly. */
static uint64_t paced_in(const struct silence_gap *g, uint64_t from, uint64_t to)
{
	double span = (double)(g->last_shed_ns - g->first_shed_ns);

	from = from < g->first_shed_ns ? g->first_shed_ns : from;
	to = to > g->last_shed_ns ? g->last_shed_ns : to;
	if (from > to || g->last_shed_ns < g->first_shed_ns)
		return 0;
	return span > 0 ? (uint64_t)llround((double)g->shed * (double)(to - from) / span) : g->shed;
}

/* What a silence, and half-open behind it, shed in [from, to]. */
static uint64_t shed_between(const struct view *v, const struct silence_gap *g, uint64_t from, uint64_t to)
{
	if (v->s.paced)
		return paced_in(g, from, to);
	return shed_in(v, g->first_shed_ns, g->last_shed_ns, from, to) + shed_in(v, g->refused_first_ns, g->refused_last_ns, from, to);
}

/* When it let calls through again, all of them as far as is known. */
static uint64_t closed_ns(const struct view *v, const struct silence_gap *g)
{
	uint64_t end = g->after < v->in.n ? v->attempts[g->after].start_ns : v->in.end_ns;

	return g->refused_last_ns > end ? g->refused_last_ns : end;
}

/* root: the open that began it, of those that half-open calls brought about again. */
static void add_tax(const struct view *v, const struct silence_gap *g, const struct silence_gap *root)
{
	struct policy_breaker *p = v->c->p;
	const struct spans *bad = &v->c->bad;
	uint64_t end = closed_ns(v, g);

	for (size_t i = 0; i < bad->n; i++) {
		const struct span *s = &bad->of[i];
		uint64_t until = i + 1 < bad->n ? bad->of[i + 1].from_ns - 1 : UINT64_MAX, to = end < until ? end : until;

		if (!s->cleared || v->attempts[root->trip].start_ns > s->to_ns || s->to_ns >= to || g->trip_late_ns > until)
			continue;
		p->recovery_tax += shed_between(v, g, s->to_ns + 1, until);
		p->recovery_tax_ms = isnan(p->recovery_tax_ms) || model_ms(s->to_ns, to) > p->recovery_tax_ms ? model_ms(s->to_ns, to) : p->recovery_tax_ms;
	}
}

static bool is_false(const struct view *v, const struct silence_gap *g)
{
	size_t from = g->before + 1 > 20 ? g->before + 1 - 20 : 0, failed = 0;

	if (v->c->bad.faults)
		return !is_bad(v->c, g->trip_late_ns) && !is_bad(v->c, v->attempts[g->trip].start_ns);
	for (size_t i = from; i <= g->before; i++)
		failed += v->attempts[i].failed;
	return failed * 2 < g->before + 1 - from;
}

static void add_first(const struct view *v, const struct silence_gap *g)
{
	struct scene *c = v->c;
	uint64_t began = v->attempts[g->trip].end_ns;

	if (c->first_ns && c->first_ns <= g->trip_late_ns)
		return;
	c->first_ns = g->trip_late_ns;
	for (size_t i = g->before + 1; i > 0; i--) {
		const struct silence_attempt *a = &v->attempts[i - 1];

		if (c->bad.n && a->start_ns < c->bad.of[0].from_ns)
			break;
		if (!c->bad.n && !a->failed)
			break;
		if (a->failed && a->end_ns)
			began = a->end_ns;
	}
	c->p->time_to_open_ms = model_ms(began, g->trip_late_ns);
}

static int add_span(struct policy_breaker *p, uint64_t from_ns, uint64_t to_ns)
{
	struct policy_open *longer = realloc(p->spans, (p->span_count + 1) * sizeof(*longer));

	if (!longer)
		return -ENOMEM;
	p->spans = longer;
	longer[p->span_count++] = (struct policy_open){from_ns, to_ns > from_ns ? to_ns : from_ns};
	return 0;
}

static int add_gap(const struct view *v, size_t i, const struct silence_gap *root)
{
	struct scene *c = v->c;
	const struct silence_gap *g = &v->s.gaps[i];
	uint64_t end = g->after < v->in.n ? v->attempts[g->after].start_ns : v->in.end_ns;

	c->p->opens++;
	c->p->shed += g->shed + g->refused;
	c->p->reopens += !g->fresh;
	c->shed_ms += v->s.paced ? 0 : g->shed_ms + g->refused_ms;
	c->last_ns = end > c->last_ns ? end : c->last_ns;
	add_threshold(c, g);
	add_open_time(v, i);
	add_tax(v, g, root);
	if (i == 0)
		add_first(v, g);
	c->p->false_opens += g->fresh && is_false(v, g);
	for (size_t k = 0; k < c->bad.n; k++)
		c->shed_bad += shed_between(v, g, c->bad.of[k].from_ns, c->bad.of[k].to_ns);
	return add_span(c->p, g->trip_late_ns, end);
}

/* What passed while the server was bad, and what was asked then. */
static void add_bad(const struct view *v)
{
	struct scene *c = v->c;

	for (size_t i = 0; i < v->in.n; i++) {
		const struct silence_attempt *a = &v->attempts[i];

		c->failed += a->failed && a->end_ns;
		c->failed_ms += a->failed && a->end_ns ? model_ms(a->start_ns, a->end_ns) : 0;
		if (!is_bad(c, a->start_ns))
			continue;
		c->passed_bad++;
		c->failed_bad += a->failed;
		c->p->leak += v->s.count && a->start_ns > v->s.gaps[0].trip_late_ns;
		c->asked_bad += v->s.paced;
	}
	for (size_t i = 0; i < v->demand_count; i++)
		c->asked_bad += !v->demands[i].shed && is_bad(c, v->demands[i].call_ns);
}

static void add_probes(const struct view *v)
{
	struct policy_breaker *p = v->c->p;
	const struct silence_probes *q = &v->s.probes;

	if (!isnan(q->permits) && (isnan(p->half_open_probes) || (p->probes_at_least && (!q->at_least || q->permits > p->half_open_probes)))) {
		p->half_open_probes = q->permits;
		p->probes_at_least = q->at_least;
	}
	p->close_after = isnan(p->close_after) ? q->close_after : p->close_after;
	p->reopen = p->reopen ? p->reopen : q->reopen;
}

static void note_outage(const struct view *v)
{
	struct policy_breaker *p = v->c->p;

	if (v->s.count || v->s.longest_run < OUTAGE_ATTEMPTS || v->s.longest_ns < OUTAGE_NS || v->s.longest_run <= p->outage_attempts)
		return;
	p->outage_attempts = v->s.longest_run;
	if (!p->opens)
		p->witness = (uint64_t)v->c->m->r->model.exchanges[v->attempts[v->s.longest_at].row].id;
}

static int absorb(struct view *v)
{
	struct scene *c = v->c;
	size_t root = 0;
	int err = 0;

	if (v->s.ruled_out)
		c->p->ruled_out = v->s.ruled_out;
	note_outage(v);
	if (!v->s.count)
		return 0;
	if (!c->p->opens)
		c->p->witness = (uint64_t)c->m->r->model.exchanges[v->attempts[v->s.gaps[0].trip].row].id;
	guess_bad(v);
	c->paced += v->s.paced;
	c->alike |= v->s.paced && v->s.alike;
	c->trickle |= !v->s.paced && v->s.trickle && !v->s.closed;
	c->closed += v->s.closed;
	for (size_t i = 0; i < v->s.count && !err; i++) {
		root = v->s.gaps[i].fresh ? i : root;
		err = add_gap(v, i, &v->s.gaps[root]);
	}
	add_probes(v);
	add_bad(v);
	return err;
}

/* ---- the whole ---- */

static void settle_threshold(struct scene *c)
{
	struct policy_breaker *p = c->p;
	bool meets = c->low <= c->high;

	p->threshold_low = meets ? c->low : c->wide_low;
	p->threshold_high = meets ? c->high : c->wide_high;
	if (c->sure >= 2 && (!meets || c->longest_run >= p->threshold_high))
		p->threshold = THRESHOLD_RATE;
	else if (meets && c->agreeing >= AGREE && c->low == c->high && c->most_failed >= 2 * c->high)
		p->threshold = THRESHOLD_CONSECUTIVE;
}

/* Calls between two false opens if failures are independent: (1 - p^c) / ((1 - p) p^c). */
static double expected_false_opens(const struct scene *c)
{
	const struct model *run = &c->m->r->model;
	struct chains_span rows = chains_of(&c->m->chains.by_edge, c->edge);
	double n = 0, failed = 0, p, threshold = round((c->p->threshold_low + c->p->threshold_high) / 2), power, calls;

	for (size_t i = 0; i < rows.n && c->bad.faults; i++) {
		const struct model_exchange *x = &run->exchanges[rows.members[i]];

		if (measure_counts(c->m, x->started_ns) && timeline_at(&c->m->r->timeline, x->started_ns) == TIMELINE_BASELINE) {
			n++;
			failed += model_failed(x);
		}
	}
	if (!n || !failed || failed == n || !(threshold >= 1))
		return NAN;
	p = failed / n;
	power = pow(p, threshold);
	calls = (1 - power) / ((1 - p) * power);
	return isfinite(calls) ? calls : NAN;
}

static void settle_effects(struct scene *c)
{
	struct policy_breaker *p = c->p;
	double share = c->passed_bad ? (double)c->failed_bad / (double)c->passed_bad : 1;
	uint64_t asked = c->asked_bad + c->shed_bad;
	double minutes = c->last_ns > c->first_ns ? (double)(c->last_ns - c->first_ns) / NS_PER_S / 60 : 0;

	p->doomed = (uint64_t)llround(share * (double)asked);
	p->collateral = (uint64_t)llround((1 - share) * (double)c->shed_bad);
	p->shed_efficacy = asked ? metric_share(c->shed_bad, asked) : metric_unknown("nothing was asked while the server was bad");
	p->flaps_per_min = minutes > 0 ? p->opens / minutes : NAN;
	p->latency_saved_ms = NAN;
	if (c->failed && p->shed)
		p->latency_saved_ms = c->failed_ms / (double)c->failed * (double)p->shed - c->shed_ms;
	p->expected_false_opens_every = expected_false_opens(c);
}

static enum policy_confidence confidence(const struct scene *c)
{
	if (c->p->alike)
		return CONFIDENCE_LOW;
	if (c->paced)
		return c->p->threshold_low > 1 ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
	if (c->closed && (c->p->opens > 1 || c->p->shed >= ENOUGH_SHED))
		return CONFIDENCE_HIGH;
	return c->closed || c->p->opens > 1 || c->p->shed >= ENOUGH_SHED ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

static void settle(struct scene *c)
{
	struct policy_breaker *p = c->p;

	if (!p->opens) {
		p->absent = p->known = p->outage_attempts > 0;
		p->confidence = CONFIDENCE_MEDIUM;
		return;
	}
	p->known = true;
	p->outage_attempts = 0;
	p->ruled_out = NULL;
	settle_threshold(c);
	p->open_low_ms = c->open_low <= c->open_high ? c->open_low : c->open_wide_low;
	p->open_high_ms = c->open_low <= c->open_high ? c->open_high : c->open_wide_high;
	p->open_growth = c->grown ? exp(c->growth / (double)c->grown) : NAN;
	p->counts = c->cut ? "attempts" : c->uncut > 1 ? "requests" : NULL;
	if (c->alike)
		p->alike = "a client that waits after each failure";
	else if (c->paced && p->opens == 1)
		p->alike = "a client that pauses by itself";
	else if (c->trickle)
		p->alike = "a rate limiter";
	settle_effects(c);
	p->confidence = confidence(c);
}

static int judge_process(struct scene *c, uint32_t process, struct chains_span rows, const struct moments *unresolved)
{
	struct view v = {.c = c, .process = process, .rows = rows, .in = {.need = 1, .end_ns = c->m->r->model.ended_ns}};
	uint64_t *times = NULL;
	int err = view_attempts(&v) || view_demands(&v) || times_of(unresolved, process, &times, &v.in.unresolved_count) ? -ENOMEM : 0;

	v.in.unresolved = times;
	if (!err)
		err = silence_find(&v.s, &v.in);
	/* what the pace of a server says of its clients is not known */
	if (!err && v.s.paced && c->m->r->model.processes[process].inbound) {
		v.s.count = 0;
		v.s.ruled_out = NULL;
	}
	if (!err) {
		find_cuts(&v);
		err = recount(&v);
	}
	if (!err)
		err = absorb(&v);
	silence_free(&v.s);
	spill_free(times);
	spill_free(v.attempts);
	spill_free(v.demands);
	return err;
}

static bool ever_failed(const struct measure *m, struct chains_span rows)
{
	for (size_t i = 0; i < rows.n; i++)
		if (model_failed(&m->r->model.exchanges[rows.members[i]]))
			return true;
	return false;
}

static int judge_edge(struct measure *m, uint32_t edge, struct demand_book *book, const struct moments *unresolved)
{
	struct policy_breaker *p = &m->r->edges[edge].breaker;
	struct scene c = {.m = m, .edge = edge, .p = p, .low = NAN, .high = NAN, .open_low = NAN, .open_high = NAN, .wide_low = NAN,
			  .wide_high = NAN, .open_wide_low = NAN, .open_wide_high = NAN};
	struct crew crew = {0};
	int err;

	*p = (struct policy_breaker){.threshold_low = NAN, .threshold_high = NAN, .open_low_ms = NAN, .open_high_ms = NAN, .open_growth = NAN,
				     .half_open_probes = NAN, .close_after = NAN, .time_to_open_ms = NAN, .recovery_tax_ms = NAN,
				     .expected_false_opens_every = NAN, .flaps_per_min = NAN, .latency_saved_ms = NAN,
				     .shed_efficacy = metric_unknown("no breaker was seen")};
	if (!ever_failed(m, chains_of(&m->chains.by_edge, edge)))
		return 0;
	err = find_bad(&c) || demand_of(&c.demands, book, m, edge) || crew_of(&crew, m, chains_of(&m->chains.by_edge, edge)) ? -ENOMEM : 0;
	for (uint32_t i = 0; i < crew.count && !err; i++)
		if (crew.processes[i] != MODEL_NONE)
			err = judge_process(&c, crew.processes[i], crew_part(&crew, i), unresolved);
	if (!err)
		settle(&c);
	crew_free(&crew);
	demand_free(&c.demands);
	free(c.bad.of);
	return err;
}

int measure_breakers(struct measure *m)
{
	struct demand_book book;
	struct moments unresolved = {0};
	int err = demand_open(&book, m);

	if (!err)
		err = find_unresolved(&unresolved, m);
	for (uint32_t i = 0; i < m->r->edge_count && !err; i++)
		if (!m->graph.edges[i].external)
			err = judge_edge(m, i, &book, &unresolved);
	spill_free(unresolved.of);
	demand_close(&book);
	return err;
}
