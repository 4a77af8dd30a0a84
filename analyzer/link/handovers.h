/* SPDX-License-Identifier: MIT */
/*
 * Programs whose threads make calls for one another (the JDK's HttpClient sends from any thread of its pool): there a thread says nothing of who calls.
 * What a thread failed to get comes back on another one, mostly: at least 8 things do, which are asked for one attempt after the other, not again
 * once they are had, and within less than half of the time in which the program calls. Workers that go through one list meet its places all the time.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_HANDOVERS_H
#define AFTERSHOCK_ANALYZER_LINK_HANDOVERS_H

#include "analyzer/read/model.h"

/* Sets busy[p] of each such process that serves no requests itself. 0 or -ENOMEM. */
int handovers_find(const struct model *m, bool *busy);

#endif
