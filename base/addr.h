/* SPDX-License-Identifier: MIT */
/*
 * The address of one end of a stream connection, in the one shape that the control
 * page, the journal, the kernel events and the run file share: 128 bytes, no pointers,
 * no holes. IPv4-mapped IPv6 addresses are folded to IPv4 by every constructor.
 * Pure; async-signal-safe (no stdio, no allocation).
 */
#ifndef AFTERSHOCK_BASE_ADDR_H
#define AFTERSHOCK_BASE_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum addr_family { ADDR_NONE = 0, ADDR_IP4 = 4, ADDR_IP6 = 6, ADDR_UNIX = 1, ADDR_NAME = 2 /* not resolved: only its name is known */ };

#define ADDR_TEXT_MAX 128	/* longest text of addr_text(), with the NUL */

struct addr {
	uint8_t family;		/* enum addr_family */
	uint8_t len;		/* ADDR_UNIX, ADDR_NAME: bytes of path used (an abstract name begins with NUL) */
	uint16_t port;		/* host order; 0 for ADDR_UNIX */
	uint32_t reserved;	/* 0 */
	union {
		uint8_t ip[16];	/* network order; IPv4 in the first four bytes, the rest 0 */
		char path[108 + 4];	/* sun_path, not NUL-terminated when all 108 are used; ADDR_NAME: the host, cut */
	};
	uint64_t hash;		/* of the rest, so that comparing is one compare; ADDR_NAME: host_hash() of the whole name; 0 for ADDR_NONE */
};
_Static_assert(sizeof(struct addr) == 128, "struct addr is shared between processes");

/* Fills *a from a socket address of len bytes; ADDR_NONE for families that are not streams here. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len);

/* Fills *a from raw parts: family 4 or 6, ip in network order (4 or 16 bytes), port in host order. */
void addr_from_ip(struct addr *a, int family, const void *ip, uint16_t port);

/* Fills *a with the end that a host name means before it is resolved, port 0 when not known; ADDR_NONE when name is none. */
void addr_from_name(struct addr *a, const char *name, uint16_t port);

/* The inverse, into *ss; returns the length for connect(2), 0 for ADDR_NONE and ADDR_NAME. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@abstract", "host:80" or "host", "-" for none. Always terminated; returns buf. */
const char *addr_text(const struct addr *a, char *buf, size_t size);

/* True when both name the same end (family, port and address, or path). */
static inline int addr_equal(const struct addr *a, const struct addr *b)
{
	return a->hash == b->hash && a->family == b->family && a->port == b->port;
}

/* True for 127.0.0.0/8 and ::1 and Unix sockets. */
int addr_is_local(const struct addr *a);

#endif
