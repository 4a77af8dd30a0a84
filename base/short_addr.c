/* SPDX-License-Identifier: MIT */
#include "base/short_addr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_ip(unsigned family)
{
	return family == ADDR_IP4 || family == ADDR_IP6;
}

int short_addr_set(struct short_addr *a, const struct addr *from)
{
	short_addr_clear(a);
	if (is_ip(from->family)) {
		memcpy(a->ip, from->ip, sizeof(a->ip));
	} else if (from->family) {
		a->other = malloc(sizeof(*from));
		if (!a->other)
			return -ENOMEM;
		*a->other = *from;
	}
	a->family = from->family;
	a->port = from->port;
	return 0;
}

void short_addr_get(const struct short_addr *a, struct addr *to)
{
	if (is_ip(a->family))
		addr_from_ip(to, a->family, a->ip, a->port);
	else if (a->family)
		*to = *a->other;
	else
		memset(to, 0, sizeof(*to));
}

void short_addr_clear(struct short_addr *a)
{
	if (!is_ip(a->family) && a->family)
		free(a->other);
	memset(a, 0, sizeof(*a));
}
