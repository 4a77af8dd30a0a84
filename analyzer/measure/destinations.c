/* SPDX-License-Identifier: MIT */
/*
 * Destinations: several servers that a client tries one after another for one request, or spreads its requests over (hops.h), measured as one. The
 * edge of each server stays as it is: what a request did there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/hops.h"
#include "analyzer/measure.h"
#include "analyzer/measure/cohort.h"
#include "analyzer/measure/returns.h"
#include "analyzer/read/spill.h"

/* Adds what the request did at another server. Its end is what its last attempt came to that was not given up for
 * another; with an idempotency key what any did. */
static void extend(const struct model *run, struct link_logical *whole, const struct link_logical *q)
{
	bool keyed = run->exchanges[q->first].idempotency_key != 0;
	bool later = run->exchanges[whole->last].lost || (q->last > whole->last && !run->exchanges[q->last].lost);

	whole->ok = (later ? q->ok : whole->ok) || (keyed && (whole->ok || q->ok));
	if (later) {
		whole->last = q->last;
		whole->ended_ns = q->ended_ns;
	}
	whole->attempts += q->attempts;
	whole->delivered += q->delivered;
	whole->lost += q->lost;
}

static int add_request(struct measure *m, struct result_destination *to, const struct link_logical *q, const struct link_logical *whole)
{
	bool troubled = link_failed_first(whole, &m->r->model);

	to->hops += whole->attempts > q->attempts;
	to->retries += link_retries(whole);
	to->saved += whole->ok && troubled;
	to->troubled += troubled && whole->ended_ns;
	to->exhausted += troubled && whole->ended_ns && !whole->ok;
	return cohort_add(&to->whole, whole) || cohort_add(&to->window[timeline_at(&m->r->timeline, whole->started_ns)], whole) ? -ENOMEM : 0;
}

static int add_requests(struct measure *m, const struct hops *h)
{
	struct link *l = &m->link;
	struct link_logical *wholes = spill_realloc(NULL, (l->count + 1) * sizeof(*wholes));
	int err = wholes ? 0 : -ENOMEM;

	for (uint32_t q = 0; q < l->count && !err; q++) {
		if (h->request[q] == q)
			wholes[q] = l->logicals[q];
		else
			extend(&m->r->model, &wholes[h->request[q]], &l->logicals[q]);
	}
	for (uint32_t q = 0; q < l->count && !err; q++) {
		uint32_t d = m->r->edges[l->logicals[q].edge].destination;

		l->logicals[q].partial = l->logicals[q].last != wholes[h->request[q]].last;
		if (d != MODEL_NONE && h->request[q] == q && measure_counts(m, l->logicals[q].started_ns))
			err = add_request(m, &m->r->destinations[d], &l->logicals[q], &wholes[q]);
	}
	m->wholes = wholes;
	return err ? err : returns_count(m, h, wholes);
}

/* The name that all are addresses of, or the first and how many more. */
static int call(struct measure *m, const struct hops *h, struct result_destination *to)
{
	uint32_t name = h->name[to->edges[0]];

	for (size_t i = 1; i < to->edge_count; i++)
		name = h->name[to->edges[i]] == name ? name : 0;
	if (name) {
		to->name = strdup(measure_text(m, name));
		return to->name ? 0 : -ENOMEM;
	}
	if (asprintf(&to->name, "%s and %zu more", m->r->edges[to->edges[0]].server, to->edge_count - 1) < 0)
		to->name = NULL;
	return to->name ? 0 : -ENOMEM;
}

/* Makes the destinations of at least two edges, in order of their first. */
static int list(struct measure *m, const struct hops *h)
{
	struct result *r = m->r;

	r->destinations = calloc(r->edge_count + 1, sizeof(*r->destinations));
	if (!r->destinations)
		return -ENOMEM;
	for (size_t e = 0; e < r->edge_count; e++)
		r->edges[e].destination = MODEL_NONE;
	for (size_t e = 0; e < r->edge_count; e++) {
		struct result_edge *first = &r->edges[h->destination[e]];
		struct result_destination *to;
		size_t *edges;

		if (h->destination[e] == e)
			continue;
		if (first->destination == MODEL_NONE) {
			first->destination = (uint32_t)r->destination_count++;
			to = &r->destinations[first->destination];
			to->client = first->client;
			to->root = first->root;
			to->edges = malloc(sizeof(*to->edges));
			if (!to->edges)
				return -ENOMEM;
			to->edges[to->edge_count++] = h->destination[e];
		}
		to = &r->destinations[first->destination];
		edges = realloc(to->edges, (to->edge_count + 1) * sizeof(*edges));
		if (!edges)
			return -ENOMEM;
		to->edges = edges;
		edges[to->edge_count++] = e;
		r->edges[e].destination = first->destination;
	}
	return 0;
}

/* Whether too many of its requests may be several: were they, the share that failed everywhere would be outside its interval. */
static bool doubtful(const struct result_destination *to)
{
	struct metric share = metric_share(to->exhausted, to->troubled);

	return to->returns && (!share.known || (double)(to->exhausted + to->returns) > share.high * (double)to->troubled);
}

static int settle(struct measure *m, const struct hops *h, struct result_destination *to)
{
	uint64_t votes[LINK_TIERS] = {0};
	bool linked = !doubtful(to);
	int tier = LINK_ID;

	for (size_t i = 0; i < to->edge_count; i++) {
		linked &= m->r->edges[to->edges[i]].whole.linked;
		for (int t = 0; t < LINK_TIERS; t++)
			votes[t] += h->tiers[to->edges[i]][t];
	}
	for (size_t i = 0; i < to->edge_count && !to->hops; i++)
		votes[m->link.tiers[to->edges[i]]]++;
	for (int t = 0; t < LINK_TIERS; t++)
		tier = votes[t] > votes[tier] ? t : tier;
	to->linking = link_tier_name(linked ? tier : LINK_AGGREGATE);
	cohort_settle(&to->whole, linked);
	for (int k = 0; k < TIMELINE_KINDS; k++)
		cohort_settle(&to->window[k], linked);
	to->retry_yield = linked ? metric_share(to->saved, to->retries) : metric_unknown("aggregate");
	to->exhausted_share = linked ? metric_share(to->exhausted, to->troubled) : metric_unknown("aggregate");
	return call(m, h, to);
}

int measure_destinations(struct measure *m)
{
	struct hops *h = &m->hops;
	int err = list(m, h);

	if (!err && m->r->destination_count)
		err = add_requests(m, h);
	for (size_t i = 0; !err && i < m->r->destination_count; i++)
		err = settle(m, h, &m->r->destinations[i]);
	if (!err && m->r->destination_count)
		return chains_join(&m->chains, m);
	hops_free(h);
	return err;
}
