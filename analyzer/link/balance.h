/* SPDX-License-Identifier: MIT */
/*
 * Servers that a client spreads its requests over: for inbound requests of one kind (method and path) it asks the same, of one server or of another, and
 * not of both. Each is chosen for 20 such requests at least; of those for which it is, at most a twentieth ask another after it has answered well.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_BALANCE_H
#define AFTERSHOCK_ANALYZER_LINK_BALANCE_H

#include "analyzer/link/chains.h"
#include "analyzer/link/graph.h"
#include "analyzer/read/model.h"

/* Calls back with pairs of edges that are chosen between: of a group, each with the first. Needs chains->by_parent. 0 or -ENOMEM. O(n). */
int balance_find(const struct model *m, const struct graph *g, const struct chains *chains, void (*pair)(void *arg, uint32_t a, uint32_t b), void *arg);

#endif
