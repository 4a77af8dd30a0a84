/* SPDX-License-Identifier: MIT */
/*
 * All exchanges of a run file, of a large one with two threads.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_LOAD_EXCHANGES_H
#define AFTERSHOCK_ANALYZER_READ_LOAD_EXCHANGES_H

#include "analyzer/read/loader.h"

/* After processes, connections and faults. 0 or -errno, with the error's sentence. */
int load_exchanges(struct loader *l);

#endif
