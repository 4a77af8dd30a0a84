/* SPDX-License-Identifier: MIT */
/*
* The kernel's events become the program's: what stands for a connection gets the program's data, what the gate hides is left out, and what
 * is ours alone does its work. Without locks; a handler that has interrupted one gets the kernel's events.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_TRANSLATE_H
#define AFTERSHOCK_PRELOAD_EPOLL_TRANSLATE_H

#include <stdint.h>
#include <sys/epoll.h>
#include "preload/conn.h"

/* Of the n events at evs, of a wait on ep; returns how many are left. */
int epoll_translate(int ep, struct epoll_event *evs, int n);

/* What the program may see of the events of c's socket fd, which the gate is told. Under c's lock. */
uint32_t epoll_admit(struct conn *c, int fd, uint32_t events, uint64_t now_ns);

/* The deadline of set s, which has no timer, has come: up to max events. */
int epoll_translate_untimed(int s, struct epoll_event *evs, int max);

#endif
