/* SPDX-License-Identifier: MIT */
/*
* The timer of an epoll set: a private timerfd in it that wakes whoever waits when something is due on one of its connections.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_TIMER_H
#define AFTERSHOCK_PRELOAD_EPOLL_TIMER_H

#include <stdint.h>

/* Fires at until_ns (0: at once), or before when it is set to that. Under the lock (epoll_lock.h). */
void set_timer(int s, uint64_t until_ns);

/* It has fired: does what is due on the connections of set s. Without locks. */
void set_fire(int s);

/* The deadline of ep's set, *s, when no timer could be had for it; FOREVER: it has one, or nothing is held. Without the lock. */
uint64_t set_untimed(int ep, int *s);

#endif
