/* SPDX-License-Identifier: MIT */
#include "analyzer/policy_json.h"

cJSON *policy_json_idempotency(const struct policy_idempotency *p)
{
	return cJSON_CreateNull();
}

cJSON *policy_json_hedging(const struct policy_hedging *p)
{
	return cJSON_CreateNull();
}

cJSON *policy_json_shedding(const struct policy_shedding *p)
{
	return cJSON_CreateNull();
}

cJSON *policy_json_fallback(const struct result *r, const struct policy_fallback *p)
{
	return cJSON_CreateNull();
}
