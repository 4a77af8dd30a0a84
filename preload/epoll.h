/* SPDX-License-Identifier: MIT */
/*
 * Virtual readiness in epoll sets. A gated connection is registered with a token of ours instead of the
 * program's data; while its answer is held the kernel's registration leaves the input events out and one private timerfd per set
 * wakes whoever waits at the deadline. An answer of ours is announced by a stand-in: an eventfd that is registered
 * in the socket's place with the same flags, so that the kernel itself does level, edge, one-shot and nested sets.
 *
 * Invariant: what the program sees are its own events and data, each descriptor at most once a call.
 * Async-signal-safe, thread-safe. Lock order: a connection's lock, then that of epoll_lock.h.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_H
#define AFTERSHOCK_PRELOAD_EPOLL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "preload/conn.h"

/* epoll_ctl of the program on a gated connection. */
int epoll_control(struct conn *c, int ep, int op, int fd, struct epoll_event *ev);

/* After one that went well on anything else (c NULL: not tracked): remembered in case a fault concerns the descriptor later. */
void epoll_controlled(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev);

/* fd just became connection c, or c gated (another descriptor may mean it too): the registrations made before, in whatever sets, are taken over. */
void epoll_import(struct conn *c, int fd);

/* No fault concerns c any more: its registrations become the program's own. False: not now, one of them is in between. Under c's lock. */
bool epoll_let_go(struct conn *c);

/* Brings every set's registration of c in line with its gate. Call under c's lock whenever the gate may have changed. */
void epoll_refresh(struct conn *c, uint64_t now_ns);

/* The program read less than the kernel has, by our doing: edge-triggered sets get their event again. Under c's lock. */
void epoll_rearm(struct conn *c);

/* How the program waits, so that the kernel is asked in the same way. */
enum epoll_how { EPOLL_WAIT, EPOLL_PWAIT, EPOLL_PWAIT2 };

/* Some registration bears a token of ours, or did. Until then waits are the kernel's alone. */
extern _Atomic bool epoll_tokens;

static inline bool epoll_engaged(void)
{
	return atomic_load_explicit(&epoll_tokens, memory_order_acquire);
}

/* The rest of a wait that the kernel answered with n events (> 0), and that others may have come to have a hand in; began_ns: by the coarse
 * clock, of a wait with a limit. */
int epoll_resume(enum epoll_how how, int ep, struct epoll_event *evs, int n, int max, uint64_t began_ns, const struct timespec *t,
		 const sigset_t *mask);

/* The wait; t NULL: for ever. As epoll_pwait2(2). */
int epoll_await(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask);

/* fd (of connection c) is being closed; all of c is; an epoll descriptor (or any other) is. */
void epoll_forget_fd(struct conn *c, int fd, bool stays, bool anew);	/* stays: it or a duplicate remains open; anew: it is to be connected again */
void epoll_remove(struct conn *c, int fd);	/* fd leaves the sets of the program: its last close, though the socket stays open */
void epoll_forget_conn(struct conn *c);
void epoll_forget_set(int ep);

/* After dup: when `from` is an epoll set, `to` means it too, also when `from` is closed. */
void epoll_share(int from, int to);

/* Whether the set with this number (early.h) is there. Under the lock of epoll_lock.h. */
bool epoll_set_lives(uint32_t set);

/* Whether epoll_forget_set(fd) has anything to do; lock-free. */
bool epoll_knows(int fd);

/* A private descriptor got another number. */
void epoll_moved(int from, int to);

#endif
