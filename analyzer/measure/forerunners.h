/* SPDX-License-Identifier: MIT */
/*
 * Servers that requests ask before they ask that of an edge. One that nearly all who ask the edge (99 % of 10 or more, in the whole run, whatever failed)
 * had asked before is its forerunner: who did not come so far as to ask that says nothing of the edge, when that was not well, which may be why. While it
 * was well nobody had a reason to spare it: a client that looks at the edge's breaker before it does anything turns a request down so. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_FORERUNNERS_H
#define AFTERSHOCK_ANALYZER_MEASURE_FORERUNNERS_H

struct demands;
struct measure;

/* Marks those of an edge whose attempts are all laid to requests: `elsewhere`. 0 or -ENOMEM. O(calls of its requests). */
int forerunners_excuse(struct demands *d, const struct measure *m);

#endif
