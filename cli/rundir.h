/* SPDX-License-Identifier: MIT */
/*
 * The run directory: $XDG_RUNTIME_DIR/aftershock/NAME, else <temporary directory>/aftershock-UID/NAME, mode 0700, with the
 * control page, the journal, the log of faults, the path of the run file and a lock that its run holds. Directories of runs that died
 * are cleaned at the next start.
 * A thread beats the page's heartbeat every 100 ms, whatever the rest of the process waits for.
 *
 * Invariant: who holds the lock of a directory owns it; base directories are changed under their own lock.
 * One struct, one thread; the heartbeat thread only stores heartbeat_ns.
 */
#ifndef AFTERSHOCK_CLI_RUNDIR_H
#define AFTERSHOCK_CLI_RUNDIR_H

#include <pthread.h>
#include <stdbool.h>
#include "plan/page.h"
#include "record/journal.h"

#define RUNDIR_PATH_MAX 512
#define RUNDIR_NAME_MAX 64

struct rundir {
	char path[RUNDIR_PATH_MAX];
	char name[RUNDIR_NAME_MAX];
	struct page *page;
	struct journal *journal;
	size_t journal_bytes;
	int lock;
	int stop;		/* eventfd that ends the heartbeat */
	bool beating;
	pthread_t heart;
};

/* 0 when name can name a run: 1..63 of A-Z a-z 0-9 . _ -, not beginning with a dot; else -EINVAL. */
int rundir_name_check(const char *name);

/*
 * Makes the directory with a zeroed page and an empty journal. name NULL: made from command and pid.
 * 0 or -errno with one sentence; *d is ready for rundir_remove() in both cases.
 */
int rundir_make(struct rundir *d, const char *name, const char *command, char *error, unsigned error_size);

/* Notes where the run file is, which exists by now, for those who look for it. 0 or -errno. */
int rundir_set_output(const struct rundir *d, const char *file);

/* The absolute path of the run file of the run in the directory path. 0, -ENOENT: not known yet, or no run; other -errno. */
int rundir_output(const char *path, char *file, size_t size);

struct rundir_found {
	char path[RUNDIR_PATH_MAX];
	char name[RUNDIR_NAME_MAX];
};

/* The live runs of this user (everybody: for root, of all users), at most max; returns how many. */
unsigned rundir_list(struct rundir_found *found, unsigned max, bool everybody);

/* Who controls the run in the directory path: *pid. Returns its lock (held by that process while it lives), to be closed, or -errno. */
int rundir_controller(const char *path, int *pid);

/* Starts the heartbeat. 0 or -errno. */
int rundir_beat(struct rundir *d);

/* Ends all faults at once in processes that live on: disabled, version moved, heartbeat stopped and stale. */
void rundir_end_faults(struct rundir *d);

/* Unmaps and removes everything. Harmless to repeat. */
void rundir_remove(struct rundir *d);

#endif
