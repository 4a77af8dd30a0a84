/* SPDX-License-Identifier: MIT */
/*
 * Loopback addresses where nobody is: one that refuses and one that never answers, so that the kernel itself fails a connect in the
 * way that a fault asks for. Async-signal-safe, thread-safe; system calls only, none blocks.
 */
#ifndef AFTERSHOCK_PRELOAD_NOWHERE_H
#define AFTERSHOCK_PRELOAD_NOWHERE_H

#include <sys/socket.h>

/* A port that is bound and not listening, in family (AF_INET, AF_INET6). Returns the descriptor that keeps it so, to be closed after the
 * connect, or < 0. */
int nowhere_refusing(int family, struct sockaddr_storage *ss, socklen_t *len);

/* A port whose listener drops every packet: a connect to it stays in SYN_SENT. One private listener per process and family, made when
 * first asked for, shared with children of a fork (it takes nothing in), gone on exec. 0 or -errno. */
int nowhere_silent(int family, struct sockaddr_storage *ss, socklen_t *len);

#endif
