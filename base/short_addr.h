/* SPDX-License-Identifier: MIT */
/*
 * An address as it is kept where there are very many: struct addr takes five times as much, for names that are hardly ever there.
 * Those have memory of their own. Not thread-safe.
 */
#ifndef AFTERSHOCK_BASE_SHORT_ADDR_H
#define AFTERSHOCK_BASE_SHORT_ADDR_H

#include "base/addr.h"

struct short_addr {		/* all zero: ADDR_NONE */
	uint16_t family, port;	/* enum addr_family; host order */
	union {
		uint8_t ip[16];
		struct addr *other;	/* whole, when it is no IP address; owned; NULL none */
	};
};

/* 0, or -ENOMEM: then it is ADDR_NONE. */
int short_addr_set(struct short_addr *a, const struct addr *from);
void short_addr_get(const struct short_addr *a, struct addr *to);
void short_addr_clear(struct short_addr *a);	/* ADDR_NONE */

#endif
