/* SPDX-License-Identifier: MIT */
#include "analyzer/policy_json.h"

cJSON *policy_json_breaker(const struct policy_breaker *p)
{
	return cJSON_CreateNull();
}

cJSON *policy_json_bulkhead(const struct policy_bulkhead *p)
{
	return cJSON_CreateNull();
}
