/* SPDX-License-Identifier: MIT */
/* How a client's retries fit into the time that its own caller waits. Pure. */
#ifndef AFTERSHOCK_ANALYZER_INFER_HIERARCHY_H
#define AFTERSHOCK_ANALYZER_INFER_HIERARCHY_H

#include "analyzer/infer/policy.h"

/*
 * How many of at most `attempts` attempts, each cut after child_ms, and the waits between them (medians of r->gaps; none where r is
 * not known; the last one again where there are more) end within parent_ms.
 */
unsigned hierarchy_fits(const struct policy_retry *r, unsigned attempts, double child_ms, double parent_ms);

#endif
