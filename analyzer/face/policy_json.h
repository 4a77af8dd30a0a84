/* SPDX-License-Identifier: MIT */
/*
 * The inferred policies and the findings as parts of the report JSON (contract: Report JSON). A policy that is not known is null. Each function
 * is in the file named beside it; NULL: no memory.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_POLICY_JSON_H
#define AFTERSHOCK_ANALYZER_FACE_POLICY_JSON_H

#include <cjson/cJSON.h>
#include "analyzer/result.h"

cJSON *policy_json_retry(const struct result *r, const struct policy_retry *p);			/* retry_json.c */
cJSON *policy_json_timeout(const struct policy_timeout *p);					/* timeout_json.c */
cJSON *policy_json_hierarchy(const struct result *r, const struct policy_hierarchy *p);		/* timeout_json.c */
cJSON *policy_json_breaker(const struct policy_breaker *p);					/* breaker_json.c */
cJSON *policy_json_bulkhead(const struct policy_bulkhead *p);					/* breaker_json.c */
cJSON *policy_json_flood(const struct policy_flood *p);						/* breaker_json.c */
cJSON *policy_json_idempotency(const struct policy_idempotency *p);				/* effects_json.c */
cJSON *policy_json_hedging(const struct policy_hedging *p);					/* effects_json.c */
cJSON *policy_json_shedding(const struct policy_shedding *p);					/* effects_json.c */
cJSON *policy_json_backpressure(const struct result *r, const struct policy_backpressure *p);	/* effects_json.c */
cJSON *policy_json_fallback(const struct result *r, const struct policy_fallback *p);		/* effects_json.c */
cJSON *finding_json(const struct finding *f);							/* finding_json.c */

#endif
