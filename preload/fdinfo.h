/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of an epoll set's registrations (/proc/self/fdinfo). Without libc; async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_FDINFO_H
#define AFTERSHOCK_PRELOAD_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

/* Whether fd's registration in ep waits for anything beside these flags; true when the kernel does not say. */
bool fdinfo_armed(int ep, int fd, uint32_t flags);

#endif
