/* SPDX-License-Identifier: MIT */
/*
 * Rows grouped: the attempts of each edge, of each logical request, the calls that each inbound request caused, and the logical requests of each
 * edge; and the same of destinations. Members of a group are indices in order of their start. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_CHAINS_H
#define AFTERSHOCK_ANALYZER_LINK_CHAINS_H

#include <stddef.h>
#include <stdint.h>

struct measure;
struct model;

struct chains_group {
	uint32_t *members;	/* all groups behind one another; owned */
	size_t *begins;		/* group i is members[begins[i]] to members[begins[i + 1]] exclusive; owned */
};

struct chains {
	struct chains_group by_edge;	/* attempts of an edge; behind the last, of a pool (measure.h), by chains_join() */
	struct chains_group by_logical;	/* attempts of a logical request */
	struct chains_group by_parent;	/* attempts that an inbound exchange caused; groups are exchanges */
	struct chains_group requests;	/* logical requests of an edge */
	struct chains_group by_whole;	/* attempts of a whole request, at whatever server; groups are the logical requests that one begins with. This and
					   below by chains_join(), else empty */
	struct chains_group wholes;	/* the logical requests that whole requests of a destination begin with */
};

struct chains_span {		/* one group */
	const uint32_t *members;
	size_t n;
};

static inline struct chains_span chains_of(const struct chains_group *g, size_t i)
{
	return (struct chains_span){g->members + g->begins[i], g->begins[i + 1] - g->begins[i]};
}

/* The first of a group's attempts, which are in order of start, that does not begin before t; its size when all do. */
size_t chains_at(struct chains_span s, const struct model *m, uint64_t t);

/* Fills a zeroed struct from the model and the links. 0 or -ENOMEM. */
int chains_build(struct chains *c, const struct measure *m);

/* Groups what was asked of destinations, when there are any and hops.h says which logical requests are one. 0 or -ENOMEM. */
int chains_join(struct chains *c, const struct measure *m);
void chains_free(struct chains *c);

#endif
