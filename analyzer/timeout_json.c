/* SPDX-License-Identifier: MIT */
#include "analyzer/policy_json.h"

cJSON *policy_json_timeout(const struct policy_timeout *p)
{
	return cJSON_CreateNull();
}

cJSON *policy_json_hierarchy(const struct result *r, const struct policy_hierarchy *p)
{
	return cJSON_CreateNull();
}
