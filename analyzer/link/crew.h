/* SPDX-License-Identifier: MIT */
/*
 * The attempts of one edge, process by process: breakers and bulkheads are of a process, not of a service. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_CREW_H
#define AFTERSHOCK_ANALYZER_LINK_CREW_H

#include "analyzer/link/chains.h"
#include "analyzer/read/map.h"

struct crew {
	struct map parts;	/* process -> its part */
	uint32_t *members;	/* owned; rows, parts behind one another, each in order of start */
	uint32_t *processes;	/* owned; of each part; MODEL_NONE: attempts of which the process is not known */
	size_t *begins;		/* owned; part i is members[begins[i]] to members[begins[i + 1]] exclusive */
	uint32_t count;
};

/* Fills *c; to be freed also after an error. 0 or -ENOMEM. */
int crew_of(struct crew *c, const struct measure *m, struct chains_span attempts);
void crew_free(struct crew *c);

static inline struct chains_span crew_part(const struct crew *c, uint32_t i)
{
	return (struct chains_span){c->members + c->begins[i], c->begins[i + 1] - c->begins[i]};
}

/* The attempts of this process; none: n is 0. */
struct chains_span crew_process(const struct crew *c, uint32_t process);

#endif
