/* SPDX-License-Identifier: MIT */
/*
 * Where connections come from: connect, accept, and the outcome of a non-blocking connect as SO_ERROR tells it.
 */
#ifndef AFTERSHOCK_PRELOAD_DIAL_H
#define AFTERSHOCK_PRELOAD_DIAL_H

#include <stdbool.h>
#include <sys/socket.h>

/* connect(2) of the program, with the faults that act there. */
int dial_connect(int fd, const struct sockaddr *sa, socklen_t len);

/* A send with MSG_FASTOPEN, which connects: 0 it goes as it is, 1 the connection is made and the send goes on without that flag, -1 (errno) not.
 * What is sent is decided after the connect, so it can not travel with it: as to a server that the kernel has no cookie of. */
int dial_fast_open(int fd, int flags, const struct sockaddr *sa, socklen_t len);

/* A descriptor that accept(2) just returned. errno is kept. */
void dial_accepted(int fd);

/* Whether fd is being connected and the program may not know the outcome yet: SO_ERROR is 0 then, and there is no peer. */
bool dial_hidden(int fd);

/* Whether fd is being connected to an address of ours: then the program is told the local address of the way to its peer, as getsockname(2)
 * tells it. */
bool dial_sockname(int fd, struct sockaddr *sa, socklen_t *len);

/* After getsockopt(SO_ERROR) told *error: what the program shall see in its place is put there. */
void dial_so_error(int fd, int *error);

#endif
