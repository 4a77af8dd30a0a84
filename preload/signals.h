/* SPDX-License-Identifier: MIT */
/*
 * The program's signals while a wait of ours goes round: it looks at its fault now and then, and a handler that runs just then would not end
 * the call, as it would in the kernel. They are kept out therefore, but for the moments in which the kernel waits.
 *
 * Handlers never run while a thread keeps signals: what they find, and leave by siglongjmp(), is the thread's own mask. Faults of the
 * processor (SIGSEGV and the like) and pthread_cancel() are never kept out. Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_SIGNALS_H
#define AFTERSHOCK_PRELOAD_SIGNALS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct signals {
	union {			/* the thread's mask as the program knows it */
		uint64_t program;	/* as the kernel has it: the front of ... */
		sigset_t set;		/* ... which is read whole by who stands between us and libc (ASan's ppoll) */
	};
	uint64_t awaited;	/* of those that the program lets in: kept out while the kernel waits, too (signals_wait()) */
	bool kept;
};

/* Keeps them out from now on; what the thread keeps already (signals_hand_on()) passes to s. Again: nothing. */
void signals_keep(struct signals *s);

/* Lets them in: handlers run in here. Nothing is kept: nothing. */
void signals_give_back(struct signals *s);

/* For CANCEL_BEGIN (cancel.h), of a struct signals: the thread leaves the wait, and what is still kept out is let in. */
void signals_left(void *signals);

/* Kept until the thread gives its connection's lock back (conn_unlock()): its call may come to wait again before. */
void signals_hand_on(struct signals *s);

/* What the thread keeps, for conn_unlock(). */
extern __thread struct signals signals_thread;

/* The mask with which the kernel waits, for ppoll(2) and its like: the program's own (NULL), or the call's. */
static inline const sigset_t *signals_mask(const struct signals *s, const sigset_t *call)
{
	return s->kept && !call ? &s->set : call;
}

/* A part of a call's wait: ppoll(2) of n descriptors with room for one more; t NULL: no end. restarts: the call is one that a handler with
 * SA_RESTART does not end; another, as with a timeout of its own set, ends by any, and when its process is stopped and continued (signal(7)).
 * How many are ready; 0 look again, -1 EINTR. Cancellation point: *fd is to be closed by waker_close() then and in any case, -1 before. */
int signals_wait(struct signals *s, struct pollfd *p, nfds_t n, const struct timespec *t, bool restarts, int *fd);

#endif
