/* SPDX-License-Identifier: MIT */
/*
 * Children that got away: programs of the run in which the library is not, found, named with the reason, and told once a program. Two
 * sources: the library says what its processes start (recorder_silent()), and /proc says who else descends from them.
 * One struct, one thread.
 */
#ifndef AFTERSHOCK_CLI_COVERAGE_H
#define AFTERSHOCK_CLI_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "record/recorder.h"

#define COVERAGE_SUSPECTS_MAX 256
#define COVERAGE_TOLD_MAX 16	/* programs that are named on stderr; the report lists all */

struct coverage {
	char *told[COVERAGE_TOLD_MAX];
	unsigned told_count;
	uint32_t suspects[COVERAGE_SUSPECTS_MAX];	/* children without the library at the last look, sorted */
	size_t suspect_count;
};

/* Looks once; call about once a second, and with final when the run is over. descend: also look through /proc for who the library has not told of. */
void coverage_look(struct coverage *c, struct recorder *r, bool descend, bool final);

void coverage_free(struct coverage *c);

#endif
