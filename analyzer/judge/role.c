/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "analyzer/judge/rules.h"

static bool retries(const struct result_edge *e)
{
	return (e->retry.known && (e->retry.max_attempts > 1 || e->retry.unbounded)) || (e->whole.linked && e->whole.attempts > e->whole.logical);
}

static bool was_recorded(const struct result *r, const char *service)
{
	for (size_t i = 0; i < r->service_count; i++)
		if (r->services[i].whole.requests && !strcmp(r->services[i].name, service))
			return true;
	return false;
}

enum rules_role rules_role(const struct rule_subject *s)
{
	if (!s->edge->root || retries(s->edge))
		return RULES_PART;
	return was_recorded(s->r, s->edge->server) ? RULES_DRIVER : RULES_DRIVER_OR_PART;
}
