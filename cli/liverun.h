/* SPDX-License-Identifier: MIT */
/*
 * A run that is going on, from outside: found by its name, its path, or because it is the only one; its control page mapped
 * and its log of faults open, under the lock that those who change faults take in turn.
 * Single-threaded per struct.
 */
#ifndef AFTERSHOCK_CLI_LIVERUN_H
#define AFTERSHOCK_CLI_LIVERUN_H

#include "cli/rundir.h"
#include "plan/page.h"

struct liverun {
	char path[RUNDIR_PATH_MAX];
	char name[RUNDIR_NAME_MAX];
	struct page *page;
	int log;	/* of its faults, locked */
};

/*
 * The run called name, or at this path when there is a slash in it; NULL: the one that this process is part of ($AFTERSHOCK_RUN), else
 * the only one. everybody: for root, when this user has none such, those of all users.
 * 0, or -errno with one sentence (-ENOENT: there is none, -ENOTUNIQ: several and no name).
 */
int liverun_find(struct liverun *r, const char *name, bool everybody, char *error, unsigned error_size);

/* Finds it, maps its page and waits for its lock. 0 or -errno with one sentence; liverun_close() in both cases. */
int liverun_open(struct liverun *r, const char *name, char *error, unsigned error_size);

/* Gives the lock back for a moment: others may change faults meanwhile. */
void liverun_pause(struct liverun *r, uint64_t until_ns);

void liverun_close(struct liverun *r);

#endif
