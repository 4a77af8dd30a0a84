/* SPDX-License-Identifier: MIT */
/*
 * The kernel's witness as `run` and `trace` have it: what may be said about it on the command line and in the environment, the privileges
 * it is loaded with, and what the run file says of it. Single-threaded; the rules of privilege.h hold.
 */
#ifndef AFTERSHOCK_CLI_TRACING_H
#define AFTERSHOCK_CLI_TRACING_H

#include <stdbool.h>
#include "ebpf/tracer.h"

#define TRACING_CAPTURE_MIN 64
#define TRACING_CAPTURE_MAX 4096

/* What both commands say of these options. */
#define TRACING_CAPTURE_OPTION(take) \
	{"capture", 0, "BYTES", "look at the first BYTES of what each call moves, 64 to 4096; default 1024 (with eBPF)", take}

#define TRACING_QUERY_OPTION(take) \
	{"keep-query", 0, NULL, "record the query strings of requests; they are dropped otherwise", take}

/* --capture BYTES. 0, or CLI_MISUSE after a sentence. */
int tracing_take_capture(struct tracer_options *o, const char *value);

/* AFTERSHOCK_RING_BYTES=DATA[,CONTROL]: the sizes of the rings, for tests of what is lost. 0, or CLI_MISUSE after a sentence. */
int tracing_take_environment(struct tracer_options *o);

/* tracer_available() with all that the process may have. */
int tracing_available(char *why, unsigned why_size);

/* tracer_load(), and the processes of pids; with all that the process may have. *failed: the pid that could not be followed, 0 none. */
int tracing_load(struct tracer **t, const struct tracer_options *o, const pid_t *pids, unsigned count, pid_t *failed, char *error,
		 unsigned error_size);

/*
 * From now on the process can only do what is left to do. t may be NULL (no kernel's witness); output is the run file, which need not be there;
 * command: it has started one, whose processes may change their user.
 */
void tracing_drop(const struct tracer *t, const char *output, bool command);

/*
 * The calling thread, a recorder, wakes many times a second: as a batch job it does not push the programs that it measures off their processor
 * for that, but waits for its turn. With a slice longer than theirs it also makes way when they wake in its turn, and has its share in the
 * long run all the same, so that the rings do not overflow. Children inherit it.
 */
void tracing_yield(void);

/* Into the run file: the witnesses and the hooks that are left out (`sources`, `missing_hooks`), and `privileges`. t may be NULL. */
void tracing_note(struct recorder *r, const struct tracer *t, bool shim);

#endif
