/* SPDX-License-Identifier: MIT */
/*
 * The kernel's witness: loads and attaches the BPF programs, follows the chosen processes, turns raw events into
 * testimony (assembler.h) and hands it to a recorder. Loading needs CAP_BPF + CAP_PERFMON or root, and BTF.
 *
 * Not thread-safe. Never traces the calling process itself. Detaching may take the kernel long: close the recorder first.
 */
#ifndef AFTERSHOCK_EBPF_TRACER_H
#define AFTERSHOCK_EBPF_TRACER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "record/recorder.h"

struct tracer;

struct tracer_options {
	uint32_t payload_cap;	/* bytes of each message's head captured; 0: 1024 */
	uint32_t data_ring_bytes, control_ring_bytes;	/* powers of two; 0: 16 MiB and 4 MiB */
	bool all;		/* every process but ourselves */
	bool keep_query;	/* of request targets */
	const uint16_t *ports;	/* also any process with a connection from or to one of these ports */
	unsigned port_count;
	const char *const *comms;	/* also any process of this name, now or later */
	unsigned comm_count;
};

/* Whether it can work here: 0, or -errno with one sentence that names what is missing and what would help. */
int tracer_available(char *why, unsigned why_size);

/*
 * The same, one check after the other, all of them: needed ones, and the hooks that can be done without. what: what was found (0), or the
 * sentence about what is missing (-errno).
 */
typedef void tracer_tell(void *arg, const char *check, bool needed, int err, const char *what);
void tracer_examine(tracer_tell *tell, void *arg);

/*
 * In two steps, so that privileges can be given up between them. tracer_load() loads, attaches and finds out whom to follow (tracer_add_pid()
 * may too): events gather in the rings. tracer_begin() needs no privilege where tracer_works_unprivileged(); from then on the recorder is told.
 * 0 or -errno, tracer_load() with one sentence. The options are only read by tracer_load().
 */
int tracer_load(struct tracer **t, const struct tracer_options *o, char *error, unsigned error_size);
int tracer_begin(struct tracer *t, struct recorder *r, uint64_t run_started_ns);

/* The run began at another time than was said. */
void tracer_started(struct tracer *t, uint64_t run_started_ns);

/* Whether it can be drained with the effective capabilities of now. */
bool tracer_works_unprivileged(const struct tracer *t);

/* Follows a process and all its children, born already or later; connections they have are taken up. 0 or -errno (-ESRCH: no such process). */
int tracer_add_pid(struct tracer *t, pid_t pid);

/*
 * Takes what the rings hold now and feeds the recorder. To be called every TRACER_TURN_MS: no one is woken
 * for what comes. A wake-up takes the traced program's time, and one who answers each finds a little more whenever it looks: it never sleeps.
 * The ring of the usual size is full after that time when 1.6 GB/s are captured.
 */
#define TRACER_TURN_MS 10
#define TRACER_HELD_MAX (8u << 20)	/* bytes taken from the rings before they are worked on */
void tracer_drain(struct tracer *t);

/* Once a second: loss counters into the recorder. */
void tracer_sample(struct tracer *t);

/* Number of followed processes that are still alive. */
unsigned tracer_live(const struct tracer *t);

/* Events lost so far, for any reason; the run file has them apart. */
uint64_t tracer_lost(const struct tracer *t);

/* The hooks that could not be attached, comma-separated ("" none); for run.sources and data quality. */
const char *tracer_missing(const struct tracer *t);

/* Drains the rest, ends what is open, samples a last time. Then tracer_close() detaches and frees (NULL is fine). */
void tracer_finish(struct tracer *t);
void tracer_close(struct tracer *t);

#endif
