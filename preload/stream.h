/* SPDX-License-Identifier: MIT */
/*
 * Sending and receiving on a tracked connection, whatever the call's name: each wrapper describes its call as a
 * struct io and comes here. Results and errno are those of the call on a slow or failing network.
 */
#ifndef AFTERSHOCK_PRELOAD_STREAM_H
#define AFTERSHOCK_PRELOAD_STREAM_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "preload/conn.h"

enum io_op {
	IO_SEND, IO_SENDTO, IO_SENDMSG, IO_WRITE, IO_WRITEV,	/* out */
	IO_RECV, IO_RECVFROM, IO_RECVMSG, IO_READ, IO_READV	/* in */
};

struct io {
	enum io_op op;
	int fd;
	int flags;		/* MSG_*; 0 for read and write */
	struct iovec one;	/* the buffer of a call without vectors */
	const struct iovec *iov;	/* NULL: &one */
	size_t count;
	size_t done;		/* in: bytes of the buffers that are filled already (MSG_WAITALL, in parts) */
	struct msghdr *msg;	/* *MSG */
	struct sockaddr *sa;	/* SENDTO, RECVFROM */
	socklen_t *len;		/* RECVFROM; SENDTO: its value */
	struct conn *conn;	/* held for the time of the call */
	unsigned locks;		/* that its thread held when it began */
	uint64_t began_ns;	/* out: when the call began */
	bool sending;		/* counted in conn->sending */
};

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

/* sendfile and splice: data that moves inside the kernel. splice's in or out may be the connection. */
ssize_t stream_sendfile(struct conn *c, int out, int in, off64_t *offset, size_t n);
ssize_t stream_splice(struct conn *in_conn, struct conn *out_conn, int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
		      unsigned int flags);

/* FIONREAD: whether *n was set to what the program may read now; false: the kernel's word is the truth. */
bool stream_readable(struct conn *c, int fd, int *n);

/* shutdown: held bytes go out first, threads that wait inside us wake. */
int stream_shutdown(struct conn *c, int fd, int how);

/* Waits with the lock free until until_ns, the end of the call's own time (limit_ns), a wake or a signal, as the kernel would in a blocking
 * call. 0 look again, EAGAIN the limit was reached, EINTR. Enters and leaves locked. */
int stream_hold(struct conn *c, uint64_t until_ns, uint64_t limit_ns);

/* When a blocking call that begins now ends by SO_RCVTIMEO or SO_SNDTIMEO (option); FOREVER without one. */
uint64_t stream_limit(int fd, int option, uint64_t now_ns);

/* Sends request bytes that were held back (an incomplete head) before the connection closes. */
void stream_flush(struct conn *c, int fd);

#endif
