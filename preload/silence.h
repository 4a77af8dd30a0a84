/* SPDX-License-Identifier: MIT */
/*
 * Sockets of a server that hangs (hang=response under `at`) and that its program has closed. Many servers close after each answer; the
 * FIN would tell the client at once what a host that hangs never tells. The socket is kept open by a descriptor of the guest's own,
 * until its peer gives up, the fault ends, the program does, or SILENCE_MAX later ones need the place.
 *
 * Invariant: a kept descriptor is in one place only, and who takes it from there closes it. Lock-free, async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_SILENCE_H
#define AFTERSHOCK_PRELOAD_SILENCE_H

#include <stdint.h>
#include "preload/conn.h"

#define SILENCE_MAX 64

/* The number of the fault, still on, that swallowed the answer under way on c, or its last one; its id. 0: c's peer hears of it. */
unsigned silence_fault(struct conn *c, uint32_t *id);

/* Before the last descriptor of c goes, which is fd: keeps the socket when c is silent, and takes it out of the program's epoll sets, as
 * the close would. */
void silence_keep(struct conn *c, int fd);

/* Lets go of those that nobody waits for any more. One load when there are none. Keeps errno. */
void silence_sweep(void);

#endif
