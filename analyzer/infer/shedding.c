/* SPDX-License-Identifier: MIT */
/*
 * Load shedding: requests that a service turned away at once, to keep the others. It answered 429 or 503, or closed the connection without an answer,
 * within 10 % of the median time of a good answer, and asked nobody else.
 *
 * Not shedding: answers of a fault; 503 and closes when nothing was answered well within a second (then it is out, not busy), or when the last call
 * of an edge of its own had failed (a breaker that fails fast).
 *
 * An answer that its client did not wait for is not a good one.
 *
 * collapse, of any service, for the one that breaks down may turn nobody away: seconds outside of faults are put in order of what was asked in them,
 * and into up to 10 groups of 3 or more. It is the goodput of the group with the most load over that of the best, where that load is at least 1.5
 * times the best goodput; near 1 the service sheds well, near 0 it breaks down. Not known where most of what failed under that load failed for
 * another reason: with a call of its own, as something that it calls was out, or at once with an error, which is no work that came too late.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "base/grow.h"

#define FAST 0.1
#define SHED_MIN 3
#define GROUPS 10
#define GROUP_MIN 3		/* seconds */
#define OVERLOAD 1.5
#define LOOK_BACK 64		/* attempts without an end that are passed over */
#define LOOKED_AT 64		/* failures of a second whose reason is looked for */
#define GOOD_MIN 20		/* answers of the best group */

struct second {
	uint32_t service;	/* row of the result */
	uint32_t looked, excused;	/* failures that were looked at; those of them that load is not the reason of */
	uint64_t second;	/* of the run */
	uint64_t offered, good;
	uint64_t witness;	/* the first request that was not answered well; 0 none */
};

struct desk {		/* of one service */
	struct samples good, shed;	/* ms */
	bool refuses;			/* some answers look like shedding */
	uint64_t near_second[2];	/* the last seconds asked for: of starts, of ends */
	uint32_t near[2];		/* where they are; valid below second_count */
	double good_ms, good_count;	/* sum, and number, of what good answers took so far */
};

struct need {		/* an edge, of who calls over it */
	uint32_t client, edge;
};

struct door {
	struct measure *m;
	struct map service_at;	/* service name -> row of the result */
	struct desk *desks;	/* per service; owned */
	struct map second_at;	/* service and second -> seconds */
	struct second *seconds;	/* owned */
	size_t second_count, second_room;
	uint32_t closed, local_close;	/* names */
	struct need *needs;	/* all edges, by client; owned */
};

/* The row of the service that was asked; MAP_NONE: it does not count. */
static uint32_t asked(const struct door *d, const struct model_exchange *y)
{
	if (y->role != MODEL_SERVER || y->process == MODEL_NONE || !measure_counts(d->m, y->started_ns))
		return MAP_NONE;
	return map_get(&d->service_at, d->m->r->model.processes[y->process].service);
}

static bool was_closed(const struct door *d, const struct model_exchange *y)
{
	const struct model *run = &d->m->r->model;

	return !y->status && !y->first_byte_ns && y->outcome == MODEL_INDETERMINATE && y->error == d->closed && y->connection != MODEL_NONE &&
	       run->connections[y->connection].end == d->local_close;
}

/* What may be shedding, going by its answer alone. */
static bool is_refusal(const struct door *d, const struct model_exchange *y)
{
	return y->ended_ns && !y->synthetic && (y->status == 429 || y->status == 503 || was_closed(d, y));
}

/* ---- second by second ---- */

static struct second *second_of(struct door *d, uint32_t service, uint64_t at_ns, int which)
{
	uint64_t started_ns = d->m->r->model.started_ns, s = at_ns > started_ns ? (at_ns - started_ns) / NS_PER_S : 0;
	uint64_t key = (uint64_t)service << 40 | (s & 0xffffffffffull);
	struct desk *desk = &d->desks[service];
	uint32_t at;

	if (desk->near_second[which] == s && desk->near[which] < d->second_count && d->seconds[desk->near[which]].service == service)
		return &d->seconds[desk->near[which]];
	at = map_get(&d->second_at, key);
	if (at == MAP_NONE) {
		if (GROW(d->seconds, d->second_count, d->second_room) || map_put(&d->second_at, key, (uint32_t)d->second_count))
			return NULL;
		at = (uint32_t)d->second_count++;
		d->seconds[at] = (struct second){.service = service, .second = s};
	}
	desk->near_second[which] = s;
	desk->near[which] = at;
	return &d->seconds[at];
}

static bool is_good(const struct model_exchange *y)
{
	return y->outcome == MODEL_OK && y->ended_ns && y->status < 400 && !y->unwanted;
}

static bool lacks_something(const struct door *d, uint32_t service, uint64_t at_ns);

/* Whether it is not load that let a request fail: the caller's fault, an error at once, or something that it needs. */
static bool is_excused(const struct door *d, const struct desk *desk, uint32_t i)
{
	const struct model_exchange *y = &d->m->r->model.exchanges[i];
	struct chains_span calls = chains_of(&d->m->chains.by_parent, i);
	bool turned_away = y->status == 429 || y->status == 503;

	if (y->status >= 400 && !turned_away && (y->status < 500 || model_took_ms(y) * desk->good_count <= desk->good_ms))
		return true;
	for (size_t k = 0; k < calls.n; k++)
		if (model_failed(&d->m->r->model.exchanges[calls.members[k]]))
			return true;
	return lacks_something(d, d->m->r->model.processes[y->process].service, y->started_ns);
}

static void note_failure(struct door *d, struct second *s, uint32_t i)
{
	s->witness = s->witness ? s->witness : (uint64_t)d->m->r->model.exchanges[i].id;
	if (s->looked == LOOKED_AT)
		return;
	s->looked++;
	s->excused += is_excused(d, &d->desks[s->service], i);
}

static int note_load(struct door *d, uint32_t service, uint32_t i)
{
	const struct model_exchange *y = &d->m->r->model.exchanges[i];
	struct second *s = second_of(d, service, y->started_ns, 0);
	struct desk *desk = &d->desks[service];

	if (!s)
		return -ENOMEM;
	s->offered++;
	if (!is_good(y)) {
		note_failure(d, s, i);
		return 0;
	}
	s = second_of(d, service, y->ended_ns, 1);
	if (!s)
		return -ENOMEM;
	s->good++;
	desk->good_ms += model_took_ms(y);
	desk->good_count++;
	return desk->refuses ? samples_add(&desk->good, model_took_ms(y)) : 0;
}

/* Whether the service answered something well within a second of then. */
static bool is_alive(struct door *d, uint32_t service, uint64_t at_ns)
{
	for (int k = -1; k <= 1; k++) {
		uint64_t started_ns = d->m->r->model.started_ns, s = at_ns > started_ns ? (at_ns - started_ns) / NS_PER_S : 0;
		uint32_t at = map_get(&d->second_at, (uint64_t)service << 40 | ((s + (uint64_t)k) & 0xffffffffffull));

		if (at != MAP_NONE && d->seconds[at].good)
			return true;
	}
	return false;
}

/* ---- who sheds ---- */

/* Whether the last attempt on an edge that ended before then had failed. */
static bool had_failed(const struct door *d, uint32_t edge, uint64_t at_ns)
{
	const struct model *run = &d->m->r->model;
	struct chains_span s = chains_of(&d->m->chains.by_edge, edge);
	size_t low = chains_at(s, run, at_ns);

	for (size_t looked = 0; low-- > 0 && looked < LOOK_BACK; looked++) {
		const struct model_exchange *x = &run->exchanges[s.members[low]];

		if (x->ended_ns && x->ended_ns <= at_ns)
			return model_failed(x);
	}
	return false;
}

/* Whether anything that a service calls was out then. */
static bool lacks_something(const struct door *d, uint32_t service, uint64_t at_ns)
{
	size_t low = 0, high = d->m->graph.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->needs[middle].client < service)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < d->m->graph.count && d->needs[low].client == service; low++)
		if (!d->m->graph.edges[d->needs[low].edge].external && had_failed(d, d->needs[low].edge, at_ns))
			return true;
	return false;
}

static int judge(struct door *d, uint32_t i)
{
	const struct model_exchange *y = &d->m->r->model.exchanges[i];
	uint32_t at = is_refusal(d, y) ? asked(d, y) : MAP_NONE;
	struct policy_shedding *p = at == MAP_NONE ? NULL : &d->m->r->services[at].shedding;

	if (!p || chains_of(&d->m->chains.by_parent, i).n || model_took_ms(y) > FAST * p->success_latency_ms || isnan(p->success_latency_ms))
		return 0;
	if (y->status != 429 && (!is_alive(d, at, y->started_ns) ||
				 lacks_something(d, d->m->r->model.processes[y->process].service, y->started_ns)))
		return 0;
	if (!p->shed++)
		p->witness = (uint64_t)y->id;
	p->told += y->retry_after_ms >= 0;
	return samples_add(&d->desks[at].shed, model_took_ms(y));
}

/* ---- what the load did to it ---- */

static int by_load(const void *a, const void *b)
{
	const struct second *x = a, *y = b;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return (x->offered > y->offered) - (x->offered < y->offered);
}

/* What a fault does to a second is not what its load does. */
static void drop_faulty(struct door *d)
{
	const struct result *r = d->m->r;
	size_t kept = 0;

	for (size_t i = 0; i < d->second_count; i++) {
		uint64_t from_ns = r->model.started_ns + d->seconds[i].second * NS_PER_S;

		if (timeline_at(&r->timeline, from_ns) != TIMELINE_FAULT && timeline_at(&r->timeline, from_ns + NS_PER_S - 1) != TIMELINE_FAULT)
			d->seconds[kept++] = d->seconds[i];
	}
	d->second_count = kept;
}

/* The last seconds of n, in order of their load, are those of the highest: whether load explains what failed then. *witness: a failure. */
static bool is_load(const struct second *s, size_t from, size_t n, uint64_t *witness)
{
	uint64_t looked = 0, excused = 0;

	*witness = 0;
	for (size_t i = from; i < n; i++) {
		looked += s[i].looked;
		excused += s[i].excused;
		*witness = *witness ? *witness : s[i].witness;
	}
	return excused * 2 <= looked;
}

/* Of n seconds in order of their load. */
static double collapse(const struct second *s, size_t n, uint64_t *witness)
{
	size_t groups = n / GROUP_MIN < GROUPS ? n / GROUP_MIN : GROUPS;
	double best = 0, good = 0, offered = 0, answers = 0;

	for (size_t g = 0; g < groups; g++) {
		size_t from = n * g / groups, to = n * (g + 1) / groups;

		good = offered = 0;
		for (size_t i = from; i < to; i++) {
			good += (double)s[i].good / (double)(to - from);
			offered += (double)s[i].offered / (double)(to - from);
		}
		answers = good > best ? good * (double)(to - from) : answers;
		best = fmax(best, good);
	}
	if (answers < GOOD_MIN || offered < OVERLOAD * best || !is_load(s, n * (groups - 1) / groups, n, witness))
		return NAN;
	return good / best;
}

static void settle(struct door *d)
{
	struct result *r = d->m->r;

	drop_faulty(d);
	if (d->seconds)
		qsort(d->seconds, d->second_count, sizeof(*d->seconds), by_load);
	for (size_t i = 0, from = 0, to; i < r->service_count; i++, from = to) {
		struct policy_shedding *p = &r->services[i].shedding;

		for (to = from; to < d->second_count && d->seconds[to].service == i;)
			to++;
		p->known = p->shed >= SHED_MIN;
		p->collapse = collapse(d->seconds + from, to - from, &p->collapse_witness);
		p->share = metric_share(p->shed, r->services[i].whole.requests);
		samples_sort(&d->desks[i].shed);
		p->latency_ms = samples_percentile(&d->desks[i].shed, 0.5);
	}
}

/* ---- the whole ---- */

static int by_client(const void *a, const void *b)
{
	const struct need *x = a, *y = b;

	return (x->client > y->client) - (x->client < y->client);
}

static int furnish(struct door *d)
{
	struct result *r = d->m->r;

	d->closed = texts_find(&r->model.names, "closed");
	d->local_close = texts_find(&r->model.names, "local_close");
	d->desks = calloc(r->service_count + 1, sizeof(*d->desks));
	d->needs = calloc(d->m->graph.count + 1, sizeof(*d->needs));
	if (!d->desks || !d->needs)
		return -ENOMEM;
	for (uint32_t e = 0; e < d->m->graph.count; e++)
		d->needs[e] = (struct need){d->m->graph.edges[e].client, e};
	qsort(d->needs, d->m->graph.count, sizeof(*d->needs), by_client);
	for (size_t i = 0; i < r->service_count; i++)
		if (map_put(&d->service_at, texts_find(&r->model.names, r->services[i].name), (uint32_t)i))
			return -ENOMEM;
	return 0;
}

/* Load and good answers. */
static int learn(struct door *d)
{
	const struct model *run = &d->m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++) {
		uint32_t at = is_refusal(d, &run->exchanges[i]) ? asked(d, &run->exchanges[i]) : MAP_NONE;

		if (at != MAP_NONE)
			d->desks[at].refuses = true;
	}
	for (uint32_t i = 0; i < run->exchange_count; i++) {
		uint32_t at = asked(d, &run->exchanges[i]);

		if (at != MAP_NONE && note_load(d, at, i))
			return -ENOMEM;
	}
	for (size_t i = 0; i < d->m->r->service_count; i++) {
		samples_sort(&d->desks[i].good);
		d->m->r->services[i].shedding.success_latency_ms = samples_percentile(&d->desks[i].good, 0.5);
	}
	return 0;
}

int measure_shedding(struct measure *m)
{
	struct door d = {.m = m};
	int err = furnish(&d);

	if (!err)
		err = learn(&d);
	for (uint32_t i = 0; i < m->r->model.exchange_count && !err; i++)
		err = judge(&d, i);
	if (!err)
		settle(&d);
	for (size_t i = 0; d.desks && i < m->r->service_count; i++) {
		samples_free(&d.desks[i].good);
		samples_free(&d.desks[i].shed);
	}
	free(d.desks);
	free(d.seconds);
	free(d.needs);
	map_free(&d.service_at);
	map_free(&d.second_at);
	return err;
}
