/* SPDX-License-Identifier: MIT */
/*
* Registrations that the program made with its own data, of a descriptor that a fault concerns only now, become ours.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_TAKEOVER_H
#define AFTERSHOCK_PRELOAD_EPOLL_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>
#include "preload/epoll_sets.h"

/* fd's in set s, as the program made it; armed: its EPOLLONESHOT, if it has one, has not fired. NULL: it is gone, or there is no room for it.
 * Under the lock (epoll_lock.h). */
struct reg *reg_take_over(struct conn *c, int fd, int s, uint32_t events, uint64_t data, bool armed);

#endif
