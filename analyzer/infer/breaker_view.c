/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/breaker_view.h"

#include <errno.h>
#include "analyzer/infer/breaker_choices.h"
#include "analyzer/infer/retry.h"
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"

#define WAITED_MIN 2		/* requests: one may have been late, */
#define WAITED_PART 10		/* ... on a busy machine a few of many */
#define CALLS_BEFORE 8		/* of a request: one of these was its latest */
#define LET_THROUGH 3		/* attempts during silences of requests that are no chance */

/* Which request an attempt is of, and that; of a destination whole ones. */
static uint32_t request_of(const struct measure *m, uint32_t edge, const struct model_exchange *x)
{
	return measure_is_pool(m, edge) ? m->hops.request[x->logical] : x->logical;
}

static const struct link_logical *requests_in(const struct breaker_view *v)
{
	return measure_is_pool(v->m, v->edge) ? v->m->wholes : v->m->link.logicals;
}

/* When what an attempt's inbound request did before it was over: the latest of its calls, or its own arrival; 0 not known. */
static uint64_t asked_after(const struct measure *m, const struct model_exchange *x)
{
	const struct model *run = &m->r->model;
	struct chains_span calls;
	uint64_t after;
	size_t n;

	if (x->parent == MODEL_NONE)
		return 0;
	calls = chains_of(&m->chains.by_parent, x->parent);
	after = run->exchanges[x->parent].started_ns;
	n = chains_at(calls, run, x->started_ns);
	for (size_t i = n; i > 0 && n - i < CALLS_BEFORE; i--) {
		uint64_t end = run->exchanges[calls.members[i - 1]].ended_ns;

		after = end <= x->started_ns && end > after ? end : after;
	}
	return after;
}

/* When what an attempt's inbound request did next began: its next call, or its answer; 0 not known. */
static uint64_t counted_by(const struct measure *m, const struct model_exchange *x)
{
	const struct model *run = &m->r->model;
	struct chains_span calls;
	uint64_t next;
	size_t n;

	if (x->parent == MODEL_NONE || !x->ended_ns)
		return 0;
	calls = chains_of(&m->chains.by_parent, x->parent);
	n = chains_at(calls, run, x->ended_ns);
	next = n < calls.n ? run->exchanges[calls.members[n]].started_ns : run->exchanges[x->parent].ended_ns;
	return next >= x->ended_ns ? next : 0;	/* answered without waiting for it */
}

static int view_attempts(struct breaker_view *v)
{
	const struct measure *m = v->m;

	v->attempts = spill_realloc(NULL, (v->rows.n + 1) * sizeof(*v->attempts));
	if (!v->attempts)
		return -ENOMEM;
	for (size_t i = 0; i < v->rows.n; i++) {
		const struct model_exchange *x = &m->r->model.exchanges[v->rows.members[i]];

		if (measure_counts(m, x->started_ns))
			v->attempts[v->in.n++] = (struct silence_attempt){x->started_ns, x->ended_ns, model_failed(x) && !x->lost, true,
									   retry_is_due(m, v->rows.members[i]), request_of(m, v->edge, x),
									   v->rows.members[i], asked_after(m, x), counted_by(m, x)};
	}
	v->in.attempts = v->attempts;
	return 0;
}

/* Demand of a process is known when requests of it normally ask. */
static int view_demands(struct breaker_view *v, const struct demands *d)
{
	size_t first = 0, last, shed = 0, elsewhere = 0;

	while (first < d->n && d->of[first].process != v->process)
		first++;
	for (last = first; last < d->n && d->of[last].process == v->process;)
		last++;
	if (!d->normal || first == last)
		return breaker_choices_find(v);
	v->demands = spill_realloc(NULL, (last - first + 1) * sizeof(*v->demands));
	if (!v->demands)
		return -ENOMEM;
	for (size_t i = first; i < last; i++) {
		const struct demand *x = &d->of[i];

		if (!x->expected)
			continue;
		v->demands[v->demand_count++] = (struct silence_demand){x->at_ns, x->end_ns, demand_shed(x), x->call_ns};
		shed += demand_shed(x);
		elsewhere += demand_shed(x) && breaker_choices_asked(v->m, v->edge, x->row);
	}
	v->ejects = elsewhere * 2 > shed;
	v->in.demands = v->demands;
	v->in.demand_count = v->demand_count;
	v->in.need = silence_need(d->normal_asked, d->normal);
	return 0;
}

/* What a request waits whose attempts are all turned down at once, where its client retries around its breaker: as it waits behind failures. */
static void view_waits(struct breaker_view *v)
{
	const struct policy_retry *p = &v->m->r->edges[v->edge].retry;
	double ms = 0;

	for (size_t i = 0; i < p->gap_count; i++)
		ms += p->gaps[i].p95;
	v->in.waits_ns = (uint64_t)(ms * NS_PER_MS);
}

/* ---- attempts or requests ---- */

static bool joins_surely(const struct breaker_view *v)
{
	return v->m->link.tiers[v->edge] == LINK_ID || v->m->link.tiers[v->edge] == LINK_NESTING;
}

/* Whether an attempt that failed may be another request's: then how many attempts a request made when calls stopped is not known. */
static bool are_guessed(const struct breaker_view *v)
{
	for (size_t i = 0; i < v->in.n; i++)
		if (v->attempts[i].failed && v->m->r->model.exchanges[v->attempts[i].row].guessed)
			return true;
	return false;
}

/* The most attempts that a failed request made. */
static uint32_t most_attempts(const struct breaker_view *v)
{
	const struct link_logical *logicals = requests_in(v);
	uint32_t most = 0;

	for (size_t i = 0; i < v->in.n; i++) {
		const struct link_logical *q = &logicals[v->attempts[i].request];

		most = !q->ok && q->attempts > most ? q->attempts : most;
	}
	return most;
}

/* Silences that begin in the middle of a request, or whose requests waited between attempts: retries are counted, and shed, one by one. */
static void find_cuts(struct breaker_view *v)
{
	const struct link_logical *logicals = requests_in(v);
	uint32_t most = v->most_attempts;

	v->cuts->cut += v->s.waited > WAITED_MIN && v->s.waited * WAITED_PART > silence_shed(&v->s);
	for (size_t i = 0; i < v->s.count && v->joined && most > 1; i++) {
		const struct link_logical *q = &logicals[v->attempts[v->s.gaps[i].before].request];

		v->cuts->cut += !q->ok && q->attempts < most;
		v->cuts->uncut += !q->ok && q->attempts == most;
	}
}

/* When a request ended for its caller. One that failed with attempts left was waiting for the next, which did not come: as its caller was answered. */
static uint64_t request_end(const struct breaker_view *v, const struct link_logical *q, uint32_t most)
{
	const struct model *run = &v->m->r->model;
	const struct model_exchange *last = &run->exchanges[q->last];
	uint64_t answered = last->parent == MODEL_NONE ? 0 : run->exchanges[last->parent].ended_ns;

	return model_failed(last) && q->attempts < most && last->ended_ns && answered > last->ended_ns ? answered : last->ended_ns;
}

/* Each request as one call, from its first attempt to its end. */
static struct silence_attempt *requests_of(const struct breaker_view *v, size_t *n)
{
	const struct link_logical *logicals = requests_in(v);
	struct silence_attempt *requests = spill_realloc(NULL, (v->in.n + 1) * sizeof(*requests));

	*n = 0;
	for (size_t i = 0; requests && i < v->in.n; i++) {
		const struct silence_attempt *a = &v->attempts[i];
		const struct link_logical *q = &logicals[a->request];

		if (q->first == a->row)
			requests[(*n)++] = (struct silence_attempt){a->start_ns, request_end(v, q, v->most_attempts),
								    model_failed(&v->m->r->model.exchanges[q->last]), true, false, a->request,
								    a->row, a->asked_ns, 0};
	}
	return requests;
}

/*
 * Attempts that began while requests were shed, in the first tenth of a silence, the most of any: of requests that were let in before, by a breaker
 * that does not ask about attempts. Later ones may be probes.
 */
static uint64_t let_through(const struct breaker_view *v, const struct silences *s, const struct silence_attempt *requests, size_t n)
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
 * there is one. Silences between requests replace those between attempts; by pace, only where attempts tell already that whole requests are counted.
 */
static int recount(struct breaker_view *v)
{
	struct silence_input in = v->in;
	struct silence_attempt *requests;
	struct silences again = {0};
	int err;

	if (v->cuts->cut || !joins_surely(v))
		return 0;
	requests = requests_of(v, &in.n);
	in.attempts = requests;
	in.work = v->attempts;
	in.work_n = v->in.n;
	err = !requests ? -ENOMEM : in.n < v->in.n ? silence_find(&again, &in) : 0;
	if (!err && again.count && (!again.paced || (v->cuts->uncut > 1 && again.count >= v->s.count))) {
		v->cuts->uncut += let_through(v, &again, requests, in.n) < LET_THROUGH ? 0 : 2;
		if (v->cuts->uncut > 1) {
			silence_free(&v->s);
			spill_free(v->attempts);
			v->s = again;
			v->in = in;
			v->in.work = NULL;
			v->attempts = requests;
			return 0;
		}
	}
	silence_free(&again);
	spill_free(requests);
	return err;
}

int breaker_view_find(struct breaker_view *v, const struct demands *demands)
{
	int err = view_attempts(v) || view_demands(v, demands) ? -ENOMEM : 0;

	view_waits(v);
	err = err ? err : silence_find(&v->s, &v->in);
	/* what the pace of a server says of its clients is not known */
	if (!err && v->s.paced && v->m->r->model.processes[v->process].inbound) {
		v->s.unsure |= v->s.count > 0;
		v->s.count = 0;
		v->s.ruled_out = NULL;
	}
	if (err)
		return err;
	v->most_attempts = most_attempts(v);
	v->joined = joins_surely(v) && !are_guessed(v);
	find_cuts(v);
	return v->ejects ? 0 : recount(v);
}

void breaker_view_free(struct breaker_view *v)
{
	silence_free(&v->s);
	spill_free(v->attempts);
	spill_free(v->demands);
}

size_t breaker_view_demand_at(const struct breaker_view *v, uint64_t t)
{
	return v->demands ? times_before(&v->demands->at_ns, sizeof(*v->demands), v->demand_count, t) : 0;
}
