/* SPDX-License-Identifier: MIT */
/*
 * Readers of policies, for tables of struct field; each fills one structure from one object. Thread-safe.
 */
#ifndef DEMOS_SERVICE_CONFIG_POLICIES_H
#define DEMOS_SERVICE_CONFIG_POLICIES_H

#include "demos/service/fields.h"

/*
 * The member's type: struct breaker_policy · struct bulkhead_policy · struct fallback_policy · struct backpressure_policy ·
 * struct limits_policy.
 */
int config_breaker(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_bulkhead(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_fallback(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_backpressure(struct fields *f, const struct field *field, const cJSON *value, void *into);
int config_limits(struct fields *f, const struct field *field, const cJSON *value, void *into);

#endif
