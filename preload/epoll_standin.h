/* SPDX-License-Identifier: MIT */
/*
* The stand-in of a connection in the program's epoll sets: an eventfd that is readable while an answer of ours is, registered with the
 * flags of the program. Under the connection's lock and epoll_lock.h.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_STANDIN_H
#define AFTERSHOCK_PRELOAD_EPOLL_STANDIN_H

#include "preload/epoll_sets.h"

/* Announces c's answer in r's set, once. */
void standin_place(struct conn *c, struct reg *r);

/* r's set no longer has it; no set has it. */
void standin_leave(struct conn *c, struct reg *r);
void standin_close(struct conn *c);

#endif
