/* SPDX-License-Identifier: MIT */
/*
 * Which inbound request of a process an attempt of it was made for. Certain when the file says so, when exactly one
 * inbound request is in work on the attempt's thread, or when none is there and exactly one is in work in the process.
 * Threads do not count where requests go from one to another (runfile_hands_over): goroutines, tasks that a pool shares.
 *
 * An event loop has several in work on one thread. There an attempt is laid to one that asked for the same itself, if
 * any is in work (a proxy passes on what it is asked). Of those, or else of all, to the one that was refused the same
 * before, when nobody else asks that (spans.h); else to the one with the closest cause: one
 * that arrived, or saw an attempt fail (at whatever server), within the last 5 ms; else the one that has waited longest since an attempt of
 * it failed; else the latest that has made none. Which of them it is may be wrong, how many there are is not: each request
 * is given one first attempt, and only requests whose attempt failed are given another.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_NEST_H
#define AFTERSHOCK_ANALYZER_LINK_NEST_H

#include "analyzer/read/model.h"

/*
 * Sets `parent` of attempts, `guessed` of those whose parent may be another, and cover_end[i] of every attempt i: when the last of the inbound
 * requests ends that were in work as it started (UINT64_MAX: open for ever; 0: none was in work). Needs `edge`. cover_end holds a zero per
 * exchange. 0 or -ENOMEM.
 */
int nest_build(struct model *m, uint64_t *cover_end);

#endif
