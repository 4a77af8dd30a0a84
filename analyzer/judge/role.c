/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "analyzer/judge/rules.h"

#define CHANCE 0.1	/* of the attempts that failed: so many are followed by the same again, soon, by chance */

static bool retries(const struct result_edge *e)
{
	uint64_t again = e->whole.linked && e->whole.attempts > e->whole.logical ? e->whole.attempts - e->whole.logical : 0;

	if (e->linking && !strcmp(e->linking, "temporal"))
		return (double)again > CHANCE * (double)(e->whole.attempts - e->attempts_ok);
	return again || (e->retry.known && (e->retry.max_attempts > 1 || e->retry.unbounded));
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
