/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells about a running process: parent, start, command line, service name. Everything is a snapshot of
 * something that may end meanwhile. Reads only; allocates nothing; thread-safe.
 */
#ifndef AFTERSHOCK_RECORD_PROC_H
#define AFTERSHOCK_RECORD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/service.h"

#define PROC_COMMAND_MAX 320

struct proc {
	uint32_t pid, ppid;
	uint64_t started_ns;			/* CLOCK_MONOTONIC; to the clock tick (10 ms) */
	uint32_t inner_pid;			/* its pid in its own pid namespace, when that is not ours; else 0 */
	uint64_t pid_ns;			/* that namespace's inode; 0 as well when it may not be read */
	char comm[16];
	char service[SERVICE_NAME_MAX];		/* contract.md; never empty */
	char command[PROC_COMMAND_MAX];		/* arguments joined by blanks, cut */
};

/* All about a process. 0; -ESRCH when there is none (any more); other -errno. */
int proc_read(uint32_t pid, struct proc *p);

/* What someone saw of a program that may be gone by now. */
struct proc_image {
	const char *args;	/* n bytes, a NUL after each argument */
	size_t n;
	const char *comm;	/* serves when there are no arguments */
	const char *exe;	/* the program file's name; "" unknown */
	const char *service;	/* what its environment calls it; "" nothing was found */
	bool whole_environment;	/* ... and there is nothing */
};

/* Names a process; what was not seen is asked of the process, if it still runs. Fills service and command only. */
void proc_name(uint32_t pid, const struct proc_image *image, struct proc *p);

/* The process that a thread's id stands for, or 0: there is no such thread. */
uint32_t proc_of_thread(uint32_t tid);

/* Whether it has ended: it is gone, or only its exit status is left of it. */
bool proc_ended(uint32_t pid);

/* Calls fn for every process until it returns not 0; returns that, 0, or -errno. Only pid, ppid, started_ns and comm are filled. */
int proc_each(int (*fn)(void *arg, const struct proc *p), void *arg);

#endif
