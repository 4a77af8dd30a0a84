/* SPDX-License-Identifier: MIT */
/*
 * What a call of ours gives back when its thread is cancelled, ends, or leaves it by siglongjmp() from a handler:
 * CANCEL_BEGIN(routine, argument) ... CANCEL_END around a call that is a cancellation point. As pthread_cleanup_push(3), which costs
 * a setjmp a call; these are the functions that the macro stood for before it had one. libc still exports them, and runs their
 * routines in the same walk up the stack (unwind_stop() and __pthread_cleanup_upto() of nptl).
 */
#ifndef AFTERSHOCK_PRELOAD_CANCEL_H
#define AFTERSHOCK_PRELOAD_CANCEL_H

#include <pthread.h>

extern void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer, void (*routine)(void *), void *argument);
extern void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int execute);

#define CANCEL_BEGIN(routine, argument)							\
	do {										\
		struct _pthread_cleanup_buffer cleanup_;				\
											\
		_pthread_cleanup_push(&cleanup_, (routine), (argument))

#define CANCEL_END						\
		_pthread_cleanup_pop(&cleanup_, 0);		\
	} while (0)

#endif
