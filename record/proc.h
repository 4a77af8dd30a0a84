/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells about a running process: parent, start, command line, service name. Everything is a snapshot of
 * something that may end meanwhile. Reads only; allocates nothing; thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_PROC_H
#define AFTERSHOCK_RECORD_PROC_H

#include <stddef.h>
#include <stdint.h>
#include "base/service.h"

#define PROC_COMMAND_MAX 320

struct proc {
	uint32_t pid, ppid;
	uint64_t started_ns;			/* CLOCK_MONOTONIC; to the clock tick (10 ms) */
	char comm[16];
	char service[SERVICE_NAME_MAX];		/* contract.md; never empty */
	char command[PROC_COMMAND_MAX];		/* arguments joined by blanks, cut */
};

/* All about a process. 0; -ESRCH when there is none (any more); other -errno. */
int proc_read(uint32_t pid, struct proc *p);

/*
 * Names a process from its arguments (n bytes, a NUL after each), told by someone who saw them; comm serves when there are none.
 * Its environment is asked while it still runs. Fills service and command only.
 */
void proc_name(uint32_t pid, const char *args, size_t n, const char *comm, struct proc *p);

/* Calls fn for every process until it returns not 0; returns that, 0, or -errno. Only pid, ppid, started_ns and comm are filled. */
int proc_each(int (*fn)(void *arg, const struct proc *p), void *arg);

#endif
