/* SPDX-License-Identifier: MIT */
/*
 * ppoll(2) refuses more descriptors than RLIMIT_NOFILE allows, however many are open: in a program that gave up descriptors (vsftpd's limit is
 * 0) it asks about none. select(2) has no such limit. It knows descriptors below FD_SETSIZE, and can not tell the end of a stream from bytes.
 * Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_SELECTION_H
#define AFTERSHOCK_PRELOAD_SELECTION_H

#include <poll.h>
#include <signal.h>
#include <time.h>

/* As ppoll(2), a cancellation point. */
int selection_wait(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask);

/* What of events is ready right now on fd, POLLIN, POLLOUT and POLLPRI alone considered: POLLRDHUP is said beside POLLIN. No cancellation point. */
short selection_ready(int fd, short events);

#endif
