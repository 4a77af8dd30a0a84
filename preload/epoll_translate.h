/* SPDX-License-Identifier: MIT */
/*
* The kernel's events become the program's: what stands for a connection gets the program's data, what the gate hides is left out, and what
 * is ours alone does its work. Without locks; a handler that has interrupted one gets the kernel's events.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_TRANSLATE_H
#define AFTERSHOCK_PRELOAD_EPOLL_TRANSLATE_H

#include <sys/epoll.h>

/* Of the n events at evs; returns how many are left. */
int epoll_translate(struct epoll_event *evs, int n);

/* The deadline of set s, which has no timer, has come: up to max events. */
int epoll_translate_untimed(int s, struct epoll_event *evs, int max);

#endif
