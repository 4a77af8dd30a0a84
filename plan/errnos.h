/* SPDX-License-Identifier: MIT */
/*
 * The errors that each call on a stream socket can really return, so that a program is never
 * shown one that no network gives it. Sources, by letter:
 *   C connect(2)   S send(2)   R recv(2)   T tcp(7)   I ip(7)   U unix(7)   P POSIX.1-2017 of the same call
 * EAGAIN, EINTR, EINPROGRESS and the errors of wrong arguments are no faults of a network.
 * Header only; pure.
 */
#ifndef AFTERSHOCK_PLAN_ERRNOS_H
#define AFTERSHOCK_PLAN_ERRNOS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum errno_call { ERRNO_CONNECT = 1, ERRNO_SEND = 2, ERRNO_RECV = 4 };

struct errno_row {
	int value;
	unsigned calls; /* enum errno_call bits */
	const char *name;
};

#define ERRNO_ROW(name, calls)                                                                                                   \
	{                                                                                                                        \
		name, calls, #name                                                                                               \
	}

static const struct errno_row errno_rows[] = {
	ERRNO_ROW(ECONNREFUSED, ERRNO_CONNECT), /* C: nobody listens on the remote address */
	ERRNO_ROW(ECONNRESET, ERRNO_CONNECT | ERRNO_SEND | ERRNO_RECV), /* P connect, S, P recv: RST from the peer */
	ERRNO_ROW(ETIMEDOUT, ERRNO_CONNECT | ERRNO_SEND | ERRNO_RECV), /* C, T: retransmissions never acknowledged */
	ERRNO_ROW(EHOSTUNREACH, ERRNO_CONNECT | ERRNO_SEND | ERRNO_RECV), /* I: ICMP message or routing table */
	ERRNO_ROW(ENETUNREACH, ERRNO_CONNECT | ERRNO_SEND | ERRNO_RECV), /* C, P send; recv: ICMP left in SO_ERROR */
	ERRNO_ROW(EADDRNOTAVAIL, ERRNO_CONNECT), /* C: all ephemeral ports are in use */
	ERRNO_ROW(EACCES, ERRNO_CONNECT), /* C: denied by a firewall or by the socket's mode */
	ERRNO_ROW(EPIPE, ERRNO_SEND), /* S, T: the connection was shut down */
	ERRNO_ROW(ENOBUFS, ERRNO_SEND), /* S: no memory for the packet */
	ERRNO_ROW(ENOMEM, ERRNO_RECV), /* R: no memory for the data */
};

#define ERRNO_ROWS (sizeof(errno_rows) / sizeof(errno_rows[0]))

/* The error called name that one of these calls can return, or NULL. */
static inline const struct errno_row *errno_find(unsigned calls, const char *name)
{
	for (size_t i = 0; i < ERRNO_ROWS; i++)
		if ((errno_rows[i].calls & calls) && !strcmp(errno_rows[i].name, name))
			return &errno_rows[i];
	return NULL;
}

#endif
