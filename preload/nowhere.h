/* SPDX-License-Identifier: MIT */
/*
 * Loopback addresses where nobody is: one that refuses and one that never answers, so that the kernel itself fails a connect in the
 * way that a fault asks for. Async-signal-safe, thread-safe; system calls only, none blocks.
 */
#ifndef AFTERSHOCK_PRELOAD_NOWHERE_H
#define AFTERSHOCK_PRELOAD_NOWHERE_H

#include <stdbool.h>
#include <sys/socket.h>

struct nowhere {	/* for connect(2) on the program's socket */
	struct sockaddr_storage at;
	socklen_t len;
};

/* A port that is bound and not listening, reached as the peer is: over IPv6, or over IPv4 on a socket of domain AF_INET or AF_INET6 (which then
 * gets a mapped address: ::1 need not exist). Returns the descriptor that keeps it so, to be closed after the connect, or < 0. */
int nowhere_refusing(bool ip6, int domain, struct nowhere *to);

/* A port whose listener drops every packet: a connect to it stays in SYN_SENT. One private listener per process and kind of address, made
 * when first asked for, shared with children of a fork (it takes nothing in), gone on exec. 0 or -errno. */
int nowhere_silent(bool ip6, int domain, struct nowhere *to);

/* Turns an IPv4 address into the IPv6 address that it is mapped to, when a socket of this domain needs that. */
void nowhere_map(int domain, struct nowhere *to);

#endif
