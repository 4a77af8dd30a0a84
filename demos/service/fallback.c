/* SPDX-License-Identifier: MIT */
#include "demos/service/fallback.h"

#include <stddef.h>

const char *const fallback_kind_names[FALLBACK_KINDS + 1] = {
	[FALLBACK_NONE] = "none",
	[FALLBACK_STATIC] = "static",
	[FALLBACK_DEFAULT] = "default",
	[FALLBACK_CACHED] = "cached",
};

static bool is_callers_fault(int status)
{
	return status >= 400 && status < 500 && status != 408 && status != 429;
}

bool fallback_covers(const struct fallback_policy *policy, enum fallback_cause cause, int status)
{
	if (policy->kind == FALLBACK_NONE)
		return false;
	return cause != FAILED_STATUS || !is_callers_fault(status);
}
