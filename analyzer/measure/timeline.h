/* SPDX-License-Identifier: MIT */
/*
 * When each fault was felt, and the run cut into baseline, fault and recovery by it.
 *
 * A fault is felt from the start of the first exchange it hit. When it cleared is what the run file's marks say, else the plan (`for`): a client
 * that stopped calling did not mend the dependency. Without `for`, it cleared with its last hit, when enough later
 * attempts at the same edges passed unhit to say so (chance below 1 in 1000 at the fault's own rate of hits); else it
 * lasted to the end of the run. The same test on the attempts before the first hit tells a baseline from luck.
 *
 * A fault that came on more than once, by the marks, has an episode for each time that it hit something; any other has one.
 *
 * Windows follow one another; idle time before or after a fault is in none. A request belongs to the window in
 * which its first attempt started.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_TIMELINE_H
#define AFTERSHOCK_ANALYZER_MEASURE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/model.h"

enum timeline_kind { TIMELINE_BASELINE, TIMELINE_FAULT, TIMELINE_RECOVERY, TIMELINE_KINDS };

struct timeline_span {	/* one per fault of the model, same index */
	uint64_t from_ns, to_ns;	/* felt from, cleared at; both inclusive; 0, 0: it never fired */
	uint64_t window_ns;	/* its window begins: at from_ns, or before where nothing says that all was well */
	uint64_t first_ns, last_ns;	/* its first and last injection; 0 never */
	bool cleared;		/* it ended before the run did */
	uint64_t hits;		/* exchanges hit: two actions on one count once */
	uint32_t first_exchange, last_exchange;	/* indices of the first and last one hit */
};

struct timeline_episode {
	uint32_t fault;
	unsigned number;	/* which of its fault's, from 1; 0: the fault has only this one */
	uint64_t from_ns, to_ns;	/* as in timeline_span */
	uint64_t window_ns;
	bool cleared;
};

struct timeline_window {
	enum timeline_kind kind;
	uint64_t from_ns, to_ns;	/* [from, to) */
	/* of all edges whose requests are known, by when a request started (demand.c): */
	uint64_t demand, logical, attempts, answers;	/* calls asked for, shed ones included; requests; their attempts; those that got a good answer */
	uint64_t censored;		/* requests of which the run does not tell how they ended */
};

struct timeline {
	struct timeline_span *spans;	/* owned */
	struct timeline_episode *episodes;	/* owned; by window_ns */
	size_t episode_count;
	struct timeline_window *windows;	/* owned; in order */
	size_t window_count;
};

/* Fills a zeroed timeline; needs the edges of graph.h. 0 or -ENOMEM. */
int timeline_build(struct timeline *t, const struct model *m);
void timeline_free(struct timeline *t);

/* The kind of window that holds this instant. */
enum timeline_kind timeline_at(const struct timeline *t, uint64_t at_ns);

/* "baseline", "fault", "recovery". */
const char *timeline_name(enum timeline_kind kind);

#endif
