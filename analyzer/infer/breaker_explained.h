/* SPDX-License-Identifier: MIT */
/*
 * Breakers that are another's: a client that asks one server and then another does not ask the second while the breaker of the first is open. Calls of
 * both stop and come back together, those of the second a little later.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BREAKER_EXPLAINED_H
#define AFTERSHOCK_ANALYZER_INFER_BREAKER_EXPLAINED_H

#include <stdbool.h>
#include "analyzer/infer/policy.h"

/* Whether nearly all of the time that b was open a was open as well, and calls of a came back first. O(n) in their spans. */
bool breaker_is_explained(const struct policy_breaker *b, const struct policy_breaker *a);

#endif
