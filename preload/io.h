/* SPDX-License-Identifier: MIT */
/*
* A call of the program that sends or receives, whatever its name: each wrapper describes its own as a struct io. Its buffers are one
 * run of bytes in pieces, of which any part can be had. Neither locks nor books: what the bytes mean is others'.
 */
#ifndef AFTERSHOCK_PRELOAD_IO_H
#define AFTERSHOCK_PRELOAD_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "preload/conn.h"

#define IO_PIECES 32	/* vectors of a call that is sent or received in part; what is beyond waits for the program's next call */
#define IO_BESIDE (MSG_OOB | MSG_ERRQUEUE)	/* urgent data and notices of the kernel: no part of the stream, never waited for */

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

static inline bool io_is_in(const struct io *io)
{
	return io->op >= IO_RECV;
}

static inline const struct iovec *io_pieces(const struct io *io)
{
	return io->iov ? io->iov : &io->one;
}

/* Bytes of the call's buffers, less those filled already. */
size_t io_total(const struct io *io);

/* The part [at, at + n) of the call's buffers, in at most room pieces; returns how many. */
int io_slice(const struct io *io, size_t at, size_t n, struct iovec *to, int room);

/* Whether its buffers can be looked at, as far as that shows; of others the kernel says EFAULT, EINVAL or EMSGSIZE. */
bool io_is_sound(const struct io *io);

/* The call as the program made it. Result and errno are the kernel's; may block: no lock is held. */
ssize_t io_call(struct io *io);

/* The receive, cut to limit bytes behind those that are filled; all else that it reports (name, control data, flags) is reported. As io_call(). */
ssize_t io_call_cut(struct io *io, size_t limit);

/* Fills the call's buffers from the bytes of two pieces, from the at-th on; returns how many. */
size_t io_fill(const struct io *io, const struct iovec from[2], size_t at);

/* Reports no name, no control data, no flags: what a stream's recvmsg does. */
void io_report_nothing(struct io *io);

/* Counts the sends under way on its connection. */
static inline void io_set_sending(struct io *io, bool on)
{
	if (on)
		atomic_fetch_add_explicit(&io->conn->sending, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&io->conn->sending, 1, memory_order_release);
	io->sending = on;
}

#endif
