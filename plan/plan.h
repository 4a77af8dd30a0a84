/* SPDX-License-Identifier: MIT */
/*
 * A plan as the user gave it: parsed from JSON or --fault specs, checked in full, with one
 * sentence for what is wrong; compiled to the control page. Made from one table of keys (fault.c).
 * Not for guests: uses cJSON and malloc. Single-threaded use per plan.
 */
#ifndef AFTERSHOCK_PLAN_PLAN_H
#define AFTERSHOCK_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "plan/page.h"

#define PLAN_ERROR_MAX 512

struct plan_fault; /* one fault: its keys as text and as values */

struct plan {
	uint64_t seed;
	bool seed_given; /* set it with seed to override what files say, before or after adding them */
	bool seed_in_file; /* private: seed came from a file, so another file may not differ */
	struct plan_fault *faults; /* owned */
	unsigned fault_count;
	char error[PLAN_ERROR_MAX]; /* after a failure: one sentence, no newline, with file, line and column or key */
};

void plan_init(struct plan *p);
void plan_clear(struct plan *p);

/* Adds the faults of `key=value key=value` (values with spaces in single or double quotes). 0, -EINVAL (see error), -ENOMEM. */
int plan_add_spec(struct plan *p, const char *spec);

/* Adds the faults of a JSON file. 0, -EINVAL (see error), -ENOMEM, or the negative errno of reading it (error says which file). */
int plan_add_file(struct plan *p, const char *path);

/*
 * Checks across faults (names unique, at most PAGE_FAULT_MAX, texts fit). 0, -EINVAL (see error), -ENOMEM.
 */
int plan_check(struct plan *p);

/*
 * Fills a zeroed page (faults, text, seed, magic, layout, bytes; not mode, started_ns or heartbeat).
 * 0, or -EINVAL as plan_check(). Fault i of the plan is faults[i], id i + 1.
 */
int plan_compile(struct plan *p, struct page *page);

/* Counts the windows (`from`, `for`) of all faults from by_ns after the run's start, to the millisecond below, instead of from it. 0, -ENOMEM. */
int plan_shift(struct plan *p, uint64_t by_ns);

/*
 * The whole plan as canonical JSON ({"seed":..,"faults":[..]}; seed only when given), malloc'd; and one fault's. NULL without
 * memory. Adding what was written gives the same plan again.
 */
char *plan_json(const struct plan *p);
char *plan_fault_json(const struct plan *p, unsigned index);
const char *plan_fault_name(const struct plan *p, unsigned index);

/*
 * `plan explain`: each fault in a sentence, then its first 20 decisions for the seed.
 * 0, -EINVAL (see error), -ENOMEM. `plan keys`: the table, for a terminal or as Markdown.
 */
int plan_explain(struct plan *p, FILE *out);
void plan_keys(FILE *out);
void plan_keys_markdown(FILE *out);

#endif
