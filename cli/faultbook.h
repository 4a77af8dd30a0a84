/* SPDX-License-Identifier: MIT */
/*
 * What the controller of a run knows of its faults: those of the plan and those set since, each from its first line in the
 * log (faultlog.h) to the end of the run, also when its slot on the control page has long been another's. It tells the recorder of each
 * fault, of its counters, and of each moment in which it began or ceased to act (marks "fault on NAME", "fault off NAME", "fault end NAME").
 * Single-threaded.
 */
#ifndef AFTERSHOCK_CLI_FAULTBOOK_H
#define AFTERSHOCK_CLI_FAULTBOOK_H

#include <stdbool.h>
#include <stdint.h>
#include "cli/faultlog.h"
#include "plan/plan.h"
#include "record/recorder.h"

struct faultbook_entry;

struct faultbook {
	struct page *page;
	struct recorder *recorder;
	struct faultlog log;
	struct faultbook_entry *entries;	/* owned */
	unsigned count;
	bool no_memory;
};

/* Logs the plan's faults, which lie on the page. dir: of the run. 0 or -errno. */
int faultbook_open(struct faultbook *b, int dir, struct page *page, const struct plan *plan);

/* Takes up what changed since the last call, up to now_ns. Call several times a second. */
void faultbook_follow(struct faultbook *b, uint64_t now_ns);

/* Calls fn for each name under which no fault ever fired, but for those that only watch; returns how many. matched: by all of that name. */
unsigned faultbook_idle(const struct faultbook *b, void (*fn)(const char *name, uint64_t matched));

void faultbook_close(struct faultbook *b);

#endif
