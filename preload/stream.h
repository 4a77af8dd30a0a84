/* SPDX-License-Identifier: MIT */
/*
* Sending and receiving on a tracked connection, whatever the call's name: each wrapper describes its call as a
 * struct io and comes here. Results and errno are those of the call on a slow or failing network.
 */
#ifndef AFTERSHOCK_PRELOAD_STREAM_H
#define AFTERSHOCK_PRELOAD_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include "preload/io.h"

/*
 * A call that no fault concerns is made by its wrapper itself, between these two: the kernel's own calls spoil what the processor
 * predicts of returns, so each frame of ours that is open meanwhile costs 10 to 20 ns. stream_free: whether it may be made as it is
 * (io->conn is held then; it may be also when not). stream_freed: the books after it; what the program gets, errno as the call left it.
 */
bool stream_free(struct io *io);
ssize_t stream_freed(struct io *io, ssize_t r);

/* Any other, with io->conn held; -2: it is none of ours. */
ssize_t stream_gated(struct io *io);

/* Gives back what io holds; stream_freed() has done so. */
void stream_over(struct io *io);

/* The thread was cancelled in any of these or between them, or a handler left it by siglongjmp(): nothing of this struct io stays behind. */
void stream_cancelled(void *io);

/* A receive that went past us has brought r bytes, and a fault for connections like this one (a server's) was set while it waited: r, or
 * what the program gets instead. */
ssize_t stream_late(struct conn *c, struct io *io, ssize_t r);

/* FIONREAD: whether *n was set to what the program may read now; false: the kernel's word is the truth. */
bool stream_readable(struct conn *c, int fd, int *n);

/* Before the kernel is asked for the socket's error: a reset that is due is made. */
void stream_ask_error(int fd);

/* shutdown: held bytes go out first, threads that wait inside us wake. */
int stream_shutdown(struct conn *c, int fd, int how);

/* Before a descriptor of it is passed to another process, which knows nothing of what is held: what waits to be sent leaves. */
void stream_pass(struct conn *c, int fd);

/* Sends request bytes that were held back (an incomplete head) before the connection closes. */
void stream_flush(struct conn *c, int fd);

/* ... and before the process ends, or becomes another program (exec). */
void stream_flush_all(void);

#endif
