/* SPDX-License-Identifier: MIT */
/*
 * poll and select over gated connections: what is held is masked out and the wait is cut into turns that end at the
 * next deadline; the call as a whole takes the program's own time. No descriptor of the program is touched.
 */
#ifndef AFTERSHOCK_PRELOAD_WAIT_H
#define AFTERSHOCK_PRELOAD_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/select.h>
#include <time.h>

/* Whether some descriptor in the set is a gated connection (else the call goes straight through). */
bool wait_concerns_poll(struct pollfd *fds, nfds_t n);
bool wait_concerns_select(int n, const fd_set *r, const fd_set *w, const fd_set *e);

/* As ppoll(2); t NULL: for ever. */
int wait_poll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);

/* As pselect(2); left (may be NULL) receives the time that was not used, as Linux's select does. */
int wait_select(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *mask, struct timespec *left);

#endif
