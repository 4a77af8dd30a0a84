/* SPDX-License-Identifier: MIT */
/*
 * Inside the tracer: its state, and what its parts call of each other. tracer.c loads, attaches and drains; testimony.c and
 * testimony_processes.c make testimony of events; follow.c knows whom to follow and takes up what is open already;
 * latency.c reads the histograms.
 * For these files only.
 */
#ifndef AFTERSHOCK_EBPF_WITNESS_H
#define AFTERSHOCK_EBPF_WITNESS_H

#include <bpf/libbpf.h>
#include "ebpf/events.h"
#include "ebpf/order.h"
#include "ebpf/processes.h"
#include "ebpf/ring.h"
#include "ebpf/tracer.h"
#include "record/assembler.h"

#define WITNESS_LINKS 16
#define WITNESS_PORTS 65536

struct tracer_bpf;

enum { WITNESS_DATA, WITNESS_CONTROL, WITNESS_LATE };	/* lanes of `order`: one for each ring, and one for what is put off */

struct tracer {
	struct tracer_bpf *programs;
	struct bpf_link *links[WITNESS_LINKS];
	unsigned link_count;
	struct ring data, control;
	struct order order;
	struct assembler *assembler;
	struct recorder *recorder;	/* NULL until tracer_begin() */
	struct processes processes;
	uint8_t *followed;		/* the kernel's map of it, a byte a pid (EVENT_PIDS): it clears what has ended */
	uint64_t run_started_ns;
	uint64_t ticked_ns, looked_ns;	/* last tick of the assembler, last look for the dead */
	uint32_t latency_second;	/* of the run: which one the counters are of */
	uint64_t events, taken, no_memory;
	uint64_t no_cookie;		/* transfers on sockets without one, of which nothing can be told */
	uint64_t unseen_connections;	/* whose bytes moved by no call of ours, some or all */
	uint64_t lossy;			/* witness_lost() when we looked last */
	bool all;
	bool rings_watched;		/* transfers by io_uring are */
	const uint16_t *ports;		/* of the options; only used while opening */
	unsigned port_count;
	int look_err;			/* of the snapshot's first pass */
	uint8_t listening[WITNESS_PORTS / 8];	/* local ports that had a listener when we last looked */
	char missing[1024];
};

static inline bool witness_listens(const struct tracer *t, uint16_t port)
{
	return t->listening[port / 8] >> (port % 8) & 1;
}

/* Whether records of bytes may be missing. */
bool witness_has_lost(const struct tracer *t);

/* ---- testimony.c ---- */

/* One record of a ring, in order. */
void testimony_take(void *tracer, const void *record, size_t size);

/* When a record counts: bytes go out when the call begins, come in when it returns. */
uint64_t testimony_key(const void *record);

/* A connection that was open, or on its way to be, before it was seen. */
void testimony_take_up(struct tracer *t, const struct assembler_moment *m, bool mid_stream, const struct event_ends *ends);

/* What the kernel counts for a connection, and where it stands (NULL: not known). */
void testimony_facts(struct tracer *t, uint64_t cookie, const uint32_t *position, const struct event_facts *facts);

/* ---- testimony_processes.c ---- */

/* What a record says of a process. */
void testimony_take_process(struct tracer *t, const struct event_process *p);

/* Tells the recorder who a process is, unless that was done. */
void testimony_process(struct tracer *t, struct processes_entry *e);

/* Someone who does something on a network: everyone followed is known, but with --all only by that. */
void testimony_meet(struct tracer *t, uint32_t pid);

/* Once a second: ends what is gone although its end was not told (the ring was full). */
void testimony_look_for_the_dead(struct tracer *t, uint64_t now_ns);

/* ---- follow.c ---- */

int follow_open(struct tracer *t);			/* once the programs are loaded */
void follow_close(struct tracer *t);
int follow_pid(struct tracer *t, uint32_t pid);		/* with its children; nothing is taken up yet */
int follow_comm(struct tracer *t, const char *comm);	/* all of that name, now and later */
int follow_snapshot(struct tracer *t);			/* takes up the open connections of all that are followed, when there is a recorder */
int follow_begin(struct tracer *t);			/* there is: tells it of all that are followed */
int follow_last_look(struct tracer *t);			/* what the kernel counts for those that are open still */

/* ---- latency.c ---- */

void latency_follow(struct tracer *t, uint64_t now_ns);	/* often: what a second of the run had is told when it is over */
void latency_finish(struct tracer *t);			/* tells the rest */

#endif
