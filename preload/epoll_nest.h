/* SPDX-License-Identifier: MIT */
/*
 * An epoll set that is waited for: by another set that it is in, or by poll. The kernel takes it for ready also when what is in it is ours
 * alone: its timer, an answer that has come and is to be held. Without locks.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_NEST_H
#define AFTERSHOCK_PRELOAD_EPOLL_NEST_H

#include <stdbool.h>
#include <sys/epoll.h>

/* Whether this event of the kernel's, without a token, that a wait on ep is about to return is of a set in which there is nothing for the
 * program. */
bool nest_hides(int ep, const struct epoll_event *ev);

/* Whether there is something for the program in the set that ep means. */
bool nest_is_ready(int ep);

#endif
