/* SPDX-License-Identifier: MIT */
/*
 * Inferred policies in words, for engineers: "4 attempts, exponential x2 from 100 ms, equal jitter (rho 0.50, 0.48..0.53), honours Retry-After; high
 * confidence". One line without a line break each; what is not known is left out, and of a policy that is not known nothing is printed. What a run
 * file holds is printed as it is: whoever shows it escapes it.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_POLICY_TEXT_H
#define AFTERSHOCK_ANALYZER_FACE_POLICY_TEXT_H

#include <stdio.h>
#include "analyzer/result.h"

enum policy_kind { POLICY_RETRY, POLICY_TIMEOUT, POLICY_BREAKER, POLICY_BULKHEAD, POLICY_IDEMPOTENCY, POLICY_HEDGING, POLICY_KINDS };

/* "retry", "timeout", "breaker", "bulkhead", "idempotency", "hedging". */
const char *policy_kind_name(enum policy_kind kind);

/* One policy of an edge. */
void policy_text(const struct result *r, const struct result_edge *e, enum policy_kind kind, FILE *out);

/* What a service does for those who call it: load shedding, fallback. */
void policy_text_shedding(const struct policy_shedding *p, FILE *out);
void policy_text_fallback(const struct result *r, const struct policy_fallback *p, FILE *out);

#endif
