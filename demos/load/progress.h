/* SPDX-License-Identifier: MIT */
/*
 * How far a load run is and how long it will take yet, as a line on stderr: one that is written over twice a second on a terminal, elsewhere
 * a new one every ten seconds.
 */
#ifndef DEMOS_LOAD_PROGRESS_H
#define DEMOS_LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_live;			/* stderr is a terminal */
	uint64_t every_ns;		/* between two lines */
	uint64_t requests;		/* in all, when that is known; else 0 */
	uint64_t duration_ns;		/* of the run, when that is known; else UINT64_MAX */
};

struct progress_now {
	uint64_t elapsed_ns, ended, good;
	unsigned in_flight;
	bool is_draining;		/* no more begin */
};

void progress_init(struct progress *p, uint64_t requests, uint64_t duration_ns);

/* The seconds that are left, from the time planned or from the rate so far; negative: not known. */
double progress_left_s(const struct progress *p, const struct progress_now *now);

void progress_show(const struct progress *p, const struct progress_now *now);
void progress_clear(const struct progress *p);	/* removes the line that is written over */

#endif
