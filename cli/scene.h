/* SPDX-License-Identifier: MIT */
/*
 * What `aftershock watch` shows: the edges of a run, its faults and its losses, as they are in the run file. Read in one short
 * transaction each time, so that the log of a run that is going on does not grow for it.
 *
 * An edge leads from a service to a service (processes of one name are one), or to an address of which no recorded process is known to
 * listen there; what comes to a service from outside of the run is shown where no recorded client leads to it. Texts are escaped: they
 * can not move a cursor, and lines of them stay lines. Single-threaded.
 */
#ifndef AFTERSHOCK_CLI_SCENE_H
#define AFTERSHOCK_CLI_SCENE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/map.h"

#define SCENE_RECENT_S 10	/* amplification is that of the last so many seconds */
#define SCENE_WHOLE UINT32_MAX	/* instead of a second: the whole run */

struct scene_counts {
	uint64_t attempts, retries, ok, errors;
};

struct scene_edge {
	char *client, *server;		/* owned */
	bool inbound;			/* the client is not recorded: retries can not be told */
	struct scene_counts now, recent;	/* of the second that is shown, and of the last SCENE_RECENT_S; both: of the whole run */
	uint64_t p50_ns, p99_ns;	/* 0: none ended */
	uint64_t weight;		/* attempts of the process that p50_ns is of */
	uint32_t *times;		/* owned; whole run: by bucket of base/hist.h */
};

struct scene_fault {
	char *name;			/* owned */
	const char *state;		/* on, off, ended, waiting */
	uint64_t matched, fired, fired_before;	/* before: when the scene was read last */
};

struct scene_loss {
	char *source, *reason;		/* owned */
	uint64_t count;
};

struct scene {			/* zeroed: nothing read yet */
	char *name;			/* of the run; owned */
	uint64_t started_ns, ended_ns;	/* ended_ns 0: not known */
	bool clean_end;
	uint32_t second;		/* that is shown, or SCENE_WHOLE */
	uint64_t lost, bursts, left_out;
	struct scene_edge *edges;	/* those with traffic, the busiest first */
	struct scene_fault *faults;
	struct scene_loss *losses;
	size_t edge_count, fault_count, loss_count;

	/* kept from one reading to the next */
	struct scene_listener *listeners;	/* local addresses of servers */
	size_t listener_count;
	int64_t connections_seen;	/* rows of `connection` looked at so far */
	struct map places;		/* process and peer -> edge, during a reading */
	bool looked, no_memory;
};

/* When the run began: 0 and *started_ns, or -errno with one sentence. */
int scene_began(const char *path, uint64_t *started_ns, char *error, unsigned error_size);

/* Reads a second of the run (since its start), or the whole. 0 or -errno with one sentence; what was read before is gone in both cases. */
int scene_read(struct scene *s, const char *path, uint32_t second, char *error, unsigned error_size);

void scene_free(struct scene *s);

#endif
