/* SPDX-License-Identifier: MIT */
/*
 * The steps of analyze.c, in this order: each fills its part of the result from the model, the graph and the links, and writes nothing else, for
 * some run side by side. All return 0 or -ENOMEM and leave what they made in the result.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_H
#define AFTERSHOCK_ANALYZER_MEASURE_H

#include "analyzer/analyze.h"
#include "analyzer/link/chains.h"
#include "analyzer/link/graph.h"
#include "analyzer/link/hops.h"
#include "analyzer/link/link.h"
#include "analyzer/measure/demand.h"
#include "base/clock.h"

struct measure {
	struct result *r;
	struct graph graph;
	struct link link;
	struct chains chains;
	struct hops hops;		/* freed by destinations.c where there are no destinations */
	struct link_logical *wholes;	/* per logical request that begins a whole one: what that comes to; owned; NULL: no destinations */
	struct demand_shelf demand;
	struct analyze_options options;
	const char *path;	/* of the run file */
	uint64_t from_ns, to_ns;	/* [from, to) of the requests that count */
};

/* The edge that stands for a destination: behind the last that is one. Only what pools.c names knows of it. */
static inline uint32_t measure_pool(const struct measure *m, size_t destination)
{
	return (uint32_t)(m->graph.count + destination);
}

static inline bool measure_is_pool(const struct measure *m, uint32_t edge)
{
	return edge >= m->graph.count;
}

/* Whether this service is the server of an edge, or one of a pool's. In pools.c. */
bool measure_goes_to(const struct measure *m, uint32_t edge, uint32_t service);

/* The attempts of the request that a logical one is a part of, at whatever servers. In chains.c. */
struct chains_span measure_attempts(const struct measure *m, uint32_t logical);

/* The destination of an edge that is no pool; MODEL_NONE: its server stands alone. */
static inline uint32_t measure_edge_destination(const struct measure *m, uint32_t edge)
{
	return m->r->destination_count ? m->r->edges[edge].destination : MODEL_NONE;
}

/* The same of a logical request's edge. */
static inline uint32_t measure_destination_of(const struct measure *m, uint32_t logical)
{
	return measure_edge_destination(m, m->link.logicals[logical].edge);
}

/* Whether a request begins with this attempt: it is no retry, nor a hedge, at the same server or at another. */
static inline bool measure_begins(const struct measure *m, uint32_t attempt)
{
	uint32_t logical = m->r->model.exchanges[attempt].logical;

	return m->link.logicals[logical].first == attempt && (measure_destination_of(m, logical) == MODEL_NONE || m->hops.request[logical] == logical);
}

/* Whether a request that started then counts. */
static inline bool measure_counts(const struct measure *m, uint64_t started_ns)
{
	return started_ns >= m->from_ns && started_ns < m->to_ns;
}

static inline const char *measure_text(const struct measure *m, uint32_t name)
{
	return texts_text(&m->r->model.names, name);
}

/* Seconds of what counts that lie in windows of this kind; TIMELINE_KINDS: in all. */
double measure_seconds(const struct measure *m, enum timeline_kind kind);

/* Adds how long x took to a latency, when it ended. */
int measure_latency(struct latency *l, const struct model_exchange *x);

int measure_services(struct measure *m);	/* services.c: what arrived at each recorded service */
int measure_edges(struct measure *m);		/* edges.c: what each service asked of another */
int measure_destinations(struct measure *m);	/* destinations.c: the same where it asks several servers for one request */
int measure_pools(struct measure *m);		/* pools.c: destinations as edges */
int measure_excluded(struct measure *m);	/* excluded.c: attempts that look like retries and are none */
int measure_demand(struct measure *m);		/* demand.c: the same against what was asked of the caller */
int measure_wasted(struct measure *m);		/* wasted.c: what servers did for clients that had given up */
int measure_recovery(struct measure *m);	/* recovery.c: what users felt of each fault, and for how long */
int measure_faults(struct measure *m);		/* faults.c: what each fault did */
int measure_quality(struct measure *m);		/* quality.c: what is missing or doubtful */

/* What the traffic tells of policies (policy.h); each needs the steps above it. */
int measure_retries(struct measure *m);		/* retry.c */
int measure_retries_again(struct measure *m);	/* of edges whose breaker kept some back: behind measure_breakers() */
int measure_retries_elsewhere(struct measure *m);	/* of destinations; the same */
int measure_amplification(struct measure *m);	/* amplification.c: what retries cost and are worth */
int measure_paths(struct measure *m);		/* paths.c: roots to leaves through several hops */
int measure_timeouts(struct measure *m);	/* timeouts.c */
int measure_hierarchy(struct measure *m);	/* hierarchy.c: needs retries and timeouts */
int measure_breakers(struct measure *m);	/* breaker.c */
int measure_bulkheads(struct measure *m);	/* bulkhead.c */
int measure_idempotency(struct measure *m);	/* idempotency.c */
int measure_hedging(struct measure *m);		/* hedging.c */
int measure_shedding(struct measure *m);	/* shedding.c */
int measure_backpressure(struct measure *m);	/* backpressure.c */
int measure_fallbacks(struct measure *m);	/* fallback.c */
int measure_series(struct measure *m);		/* series.c */
int measure_exemplars(struct measure *m);	/* exemplars.c */
int measure_findings(struct measure *m);	/* findings.c: needs all of the above */
int measure_verdict(struct measure *m);		/* verdict.c: needs all the others */

#endif
