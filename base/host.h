/* SPDX-License-Identifier: MIT */
/*
 * Host names as the project compares them: in any case, with or without the dot of the root at the end (RFC 4343, RFC 1034 §3.1).
 * A name is kept as a hash where only sameness counts: in request heads, on the control page, in the guest's memory of what was
 * resolved.
 * Pure; async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_HOST_H
#define AFTERSHOCK_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_MAX 253	/* bytes of a name (RFC 1035 §2.3.4) */

struct authority {		/* "host:port" of a request (RFC 3986 §3.2) */
	uint64_t host;		/* host_hash(); 0: none */
	uint32_t port;		/* 0: not given */
	uint32_t reserved;
};

/* The n bytes of name in lower case, without a dot at the end, NUL-terminated; returns the length, 0 when that is no name (empty, or longer
 * than HOST_MAX). */
size_t host_normal(const char *name, size_t n, char out[HOST_MAX + 1]);

/* A number for the name, never 0; 0 when it is none. */
uint64_t host_hash(const char *name, size_t n);

/* Whether resolvers take text for an address and ask nobody: 10.0.0.1, 127.1, 0x7f000001, ::1, fe80::1%eth0. */
bool host_is_address(const char *text);

#endif
