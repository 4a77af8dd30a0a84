/* SPDX-License-Identifier: MIT */
/*
 * Attempts that the client gave up at its timeout, but whose connection it closes only when it tries again: urllib3, and requests on it, sleep their
 * backoff first. On the wire such an attempt lasts as long as timeout and wait together, and the retry follows at once.
 *
 * The last attempt of a request that is given up has no wait behind it, so it shows the timeout. An edge is such a client's when those last ones
 * agree (80 of 100 within 5 ms or 1 %), a quarter of the first ones last as long (their retry does not wait; a program that starts is late), and
 * others longer, each until just before the next one, in requests whose last one agrees. Without such first ones, a timeout of its own for the
 * first attempt, or what a deadline leaves to the last, would look the same.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_CLOSES_H
#define AFTERSHOCK_ANALYZER_LINK_CLOSES_H

#include "analyzer/measure.h"

/* Dates the end of those attempts by the timeout, with a note. 0 or -ENOMEM. O(n log n). */
int closes_date(struct measure *m);

#endif
