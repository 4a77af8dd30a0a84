/* SPDX-License-Identifier: MIT */
/*
 * How far a long piece of work is: "reading 43 %" on standard error, when that is a terminal and only once the work has taken more than a second.
 * One piece of work at a time, in parts that follow one another. progress_add() may be called by several threads, the others by one.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_PROGRESS_H
#define AFTERSHOCK_ANALYZER_READ_PROGRESS_H

#include <stdint.h>

/* A part begins, of so many steps (0 counts as 1). what is static. */
void progress_begin(const char *what, uint64_t steps);

/* So many more steps are done. */
void progress_add(uint64_t steps);

/* The work is done: its line is erased. */
void progress_end(void);

#endif
