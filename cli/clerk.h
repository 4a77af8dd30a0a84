/* SPDX-License-Identifier: MIT */
/*
 * The clerk of a run: has its witnesses heard (the library's journal, the kernel's tracer) and its faults followed, and takes down what
 * they say in the run file. Calls in the order of their declaration. Single-threaded; those that return int return 0, or an exit status after
 * one sentence on stderr.
 */
#ifndef AFTERSHOCK_CLI_CLERK_H
#define AFTERSHOCK_CLI_CLERK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "cli/brief.h"
#include "cli/coverage.h"
#include "cli/faultbook.h"
#include "cli/rundir.h"
#include "record/recorder.h"

struct clerk {
	struct brief *brief;
	struct rundir *dir;
	struct journal_reader reader;
	struct recorder *recorder;
	struct faultbook faults;
	struct tracer *tracer;	/* NULL: the library alone is the witness */
	struct coverage coverage;
	pid_t helper;		/* see detach(); 0 none */
	bool told_error;	/* that the run file is not whole */
	uint64_t flushed_ns, sampled_ns;
};

/* Loads the kernel's witness, for which privileges are needed. brief may lose it, and outlives the clerk. */
int clerk_load(struct clerk *c, struct brief *brief);

/* Takes up the journal and the faults of the run directory, which outlives the clerk. */
int clerk_take_up(struct clerk *c, struct rundir *dir);

/* Gives up what is not needed any more to trace. Threads begin after it, in clerk_open(), and each has privileges of its own. */
void clerk_drop_privileges(struct clerk *c);

/* Makes the run file, and has the kernel's witness begin. */
int clerk_open(struct clerk *c);

/* The kernel's witness is to follow COMMAND. */
int clerk_follow(struct clerk *c, pid_t pid);

/* The run starts. */
void clerk_start(struct clerk *c, uint64_t now_ns);

/* Hears what there is; to be called after each clerk_rest_ms(). */
void clerk_turn(struct clerk *c);
int clerk_rest_ms(const struct clerk *c);

/* A child ended, perhaps the clerk's. */
void clerk_reap(struct clerk *c);

/* The run ended with this exit status, and COMMAND with it (0: there was none): hears the last words and closes the run file. */
void clerk_finish(struct clerk *c, pid_t command, int status, uint64_t ended_ns);

/* The run never started: no run file either. */
void clerk_abandon(struct clerk *c);

void clerk_close(struct clerk *c);

#endif
