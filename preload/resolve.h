/* SPDX-License-Identifier: MIT */
/*
 * Host names becoming addresses: the calls of libc that resolve them, with the faults that act there, and the memory of what came out
 * (names.h). The resolver itself works inside libc, out of reach; what is slow or fails is the call.
 *
 * A text that is an address already, no text, and AI_NUMERICHOST resolve nothing: such calls pass. A resolution that
 * fails, really or by a fault, is an attempt that was not sent, on a connection whose peer is the name.
 *
 * As the calls themselves: not for signal handlers. No lock is held while waiting; signals do not shorten the wait.
 */
#ifndef AFTERSHOCK_PRELOAD_RESOLVE_H
#define AFTERSHOCK_PRELOAD_RESOLVE_H

#include <netdb.h>

/* getaddrinfo(3) of the program. */
int resolve_addresses(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);

struct resolve_host {		/* one call of the gethostbyname(3) family */
	const char *name;
	int family;		/* -1: the call names none */
	struct hostent *into;	/* *_r: where to; NULL otherwise */
	char *buffer;
	size_t size;
	int *h_error;
};

/* The two that answer with a pointer: NULL, with h_errno set, when they fail. */
struct hostent *resolve_host(const struct resolve_host *call);

/* The two that end in _r: 0 or an errno. */
int resolve_host_r(const struct resolve_host *call, struct hostent **result);

#endif
