/* SPDX-License-Identifier: MIT */
/*
 * Requests that time alone had joined across a pause of the client's circuit breaker: what came when it let something through again is another request
 * than what had failed before, as calls in between were turned away and are not seen. Only where the breaker is more than a guess (medium confidence):
 * else a retry that waits would look the same.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_PAUSES_H
#define AFTERSHOCK_ANALYZER_LINK_PAUSES_H

#include <stdbool.h>
#include <stddef.h>
#include "analyzer/measure.h"

/* Links of an edge, or of one of its requests, that lie across a pause of its breaker, whatever its confidence. */
size_t pauses_across(const struct measure *m, uint32_t edge);
size_t pauses_within(const struct measure *m, uint32_t logical);

/*
 * Makes those links ends of requests; the links' and the attempts' requests are new then, and all that was measured of them is out of date.
 * Needs measure_breakers(). *parted: whether there was any. 0 or -ENOMEM. O(n) over attempts.
 */
int pauses_part(struct measure *m, bool *parted);

#endif
