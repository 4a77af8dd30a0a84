/* SPDX-License-Identifier: MIT */
/*
 * The interposed calls that carry bytes, one function each, for what calls.h lists: out and in.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "preload/cancel.h"
#include "preload/dial.h"
#include "preload/file.h"
#include "preload/guest.h"
#include "preload/inkernel.h"
#include "preload/real.h"
#include "preload/stream.h"
#include "preload/table.h"
#include "preload/wrappers.h"

/* ---- out ---- */

/* Not straight from the wrapper: a fault may concern it, or its descriptor is no connection any more. -2: none of ours. */
static ssize_t other(struct io *io)
{
	ssize_t r;
	int error;

	if (!io->conn)
		return table_is_private(io->fd) ? (errno = EBADF, -1) : -2;
	r = stream_gated(io);
	error = errno;
	stream_over(io);
	errno = error;
	return r;
}

/* The call NAME on a descriptor that is tracked, in a function of its own: its frame and the registers that it saves are not the wrapper's,
 * which jumps. */
#define THROUGH(name, params, args, ...)							\
	static __attribute__((noinline)) ssize_t through_##name params				\
	{											\
		struct io io_ = {__VA_ARGS__};						\
		ssize_t r_;									\
												\
		io_.locks = locks_depth();							\
		CANCEL_BEGIN(stream_cancelled, &io_);						\
		r_ = likely(stream_free(&io_)) ? stream_freed(&io_, real.name args) : other(&io_);	\
		CANCEL_END;									\
		return r_ == -2 ? real.name args : r_;						\
	}

THROUGH(send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
	.op = IO_SEND, .fd = fd, .flags = flags, .one = {(void *)buf, n}, .count = 1)

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	return UNTRACKED(fd) ? real.send(fd, buf, n, flags) : through_send(fd, buf, n, flags);
}

THROUGH(sendto, (int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len), (fd, buf, n, flags, sa, len),
	.op = IO_SENDTO, .fd = fd, .flags = flags, .one = {(void *)buf, n}, .count = 1, .sa = (struct sockaddr *)sa, .len = &len)

static inline ssize_t sendto_opened(int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len)
{
	return UNTRACKED(fd) ? real.sendto(fd, buf, n, flags, sa, len) : through_sendto(fd, buf, n, flags, sa, len);
}

static __attribute__((noinline)) ssize_t sendto_fast_open(int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len)
{
	int opened = dial_fast_open(fd, flags, sa, len);

	if (!opened)
		return sendto_opened(fd, buf, n, flags, sa, len);
	return opened < 0 ? -1 : send(fd, buf, n, flags & ~MSG_FASTOPEN);
}

ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *sa, socklen_t len)
{
	return unlikely(flags & MSG_FASTOPEN) ? sendto_fast_open(fd, buf, n, flags, sa, len) : sendto_opened(fd, buf, n, flags, sa, len);
}

THROUGH(sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags),
	.op = IO_SENDMSG, .fd = fd, .flags = flags, .iov = msg->msg_iov, .count = msg->msg_iovlen, .msg = (struct msghdr *)msg)

typedef void descriptor_fn(int fd);

/* Descriptors that a message carries. */
static void each_passed(const struct msghdr *msg, descriptor_fn *act)
{
	const unsigned char *all = (unsigned char *)msg->msg_control + msg->msg_controllen;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR((struct msghdr *)msg, m)) {
		const unsigned char *at = CMSG_DATA(m), *end = (unsigned char *)m + m->cmsg_len;
		int fd;

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (end = end < all ? end : all; end - at >= (ptrdiff_t)sizeof(fd); at += sizeof(fd)) {
			memcpy(&fd, at, sizeof(fd));
			act(fd);
		}
	}
}

static void pass(int fd)
{
	struct conn *c = TABLE_GET(fd);

	if (c)
		stream_pass(c, fd);
	conn_put(c);
}

static inline ssize_t sendmsg_opened(int fd, const struct msghdr *msg, int flags)
{
	return UNTRACKED(fd) || !guest_plausible(msg) ? real.sendmsg(fd, msg, flags) : through_sendmsg(fd, msg, flags);
}

static __attribute__((noinline)) ssize_t sendmsg_fast_open(int fd, const struct msghdr *msg, int flags)
{
	int opened = guest_plausible(msg) ? dial_fast_open(fd, flags, msg->msg_name, msg->msg_namelen) : 0;
	struct msghdr m;

	if (!opened)
		return sendmsg_opened(fd, msg, flags);
	m = *msg;
	m.msg_name = NULL;
	m.msg_namelen = 0;
	return opened < 0 ? -1 : sendmsg(fd, &m, flags & ~MSG_FASTOPEN);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (conn_gating() && guest_plausible(msg) && unlikely(msg->msg_controllen) && guest_plausible(msg->msg_control))
		each_passed(msg, pass);
	return unlikely(flags & MSG_FASTOPEN) ? sendmsg_fast_open(fd, msg, flags) : sendmsg_opened(fd, msg, flags);
}

THROUGH(write, (int fd, const void *buf, size_t n), (fd, buf, n), .op = IO_WRITE, .fd = fd, .one = {(void *)buf, n}, .count = 1)

ssize_t write(int fd, const void *buf, size_t n)
{
	return UNTRACKED(fd) ? real.write(fd, buf, n) : through_write(fd, buf, n);
}

THROUGH(writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), .op = IO_WRITEV, .fd = fd, .iov = iov, .count = (size_t)n)

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return UNTRACKED(fd) || n <= 0 ? real.writev(fd, iov, n) : through_writev(fd, iov, n);
}

/* An error counts only when no message went before it (sendmmsg(2)). */
int sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	unsigned int i;

	if ((UNTRACKED(fd) && !(flags & MSG_FASTOPEN)) || !guest_plausible(vec))
		return real.sendmmsg(fd, vec, n, flags);
	n = n < IOV_MAX ? n : IOV_MAX;
	for (i = 0; i < n; i++) {
		ssize_t r = sendmsg(fd, &vec[i].msg_hdr, flags);

		if (r < 0)
			return i ? (int)i : -1;
		vec[i].msg_len = (unsigned)r;
	}
	return (int)i;
}

/* The vector calls with an offset mean the stream when it is -1; any other is ESPIPE on a socket. Of the flags only "do not wait" changes
 * anything on a socket, and of that there is a name in the calls for sockets. */
static bool on_stream(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
	return !UNTRACKED(fd) && n > 0 && at == -1 && !(flags & ~(RWF_NOWAIT | RWF_HIPRI));
}

static struct msghdr message(const struct iovec *iov, int n)
{
	return (struct msghdr){.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
	struct msghdr m = message(iov, n);

	if (!on_stream(fd, iov, n, at, flags))
		return real.pwritev64v2(fd, iov, n, at, flags);
	return flags & RWF_NOWAIT ? sendmsg(fd, &m, MSG_DONTWAIT) : writev(fd, iov, n);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return pwritev64v2(fd, iov, n, at, flags);
}

int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
	return UNTRACKED(fd) ? real.__vdprintf_chk(fd, flag, format, ap) : file_print(fd, flag, format, ap);
}

int vdprintf(int fd, const char *format, va_list ap)
{
	return UNTRACKED(fd) ? real.vdprintf(fd, format, ap) : file_print(fd, 0, format, ap);
}

int dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vdprintf_chk(fd, flag, format, ap);
	va_end(ap);
	return r;
}

ssize_t sendfile64(int out_fd, int in_fd, off64_t *offset, size_t n)
{
	struct conn *c = TABLE_GET(out_fd);
	struct conn_call call;
	ssize_t r;
	int error;

	if (!c)
		return real.sendfile64(out_fd, in_fd, offset, n);
	call = (struct conn_call){{c}, locks_depth()};
	CANCEL_BEGIN(conn_call_left, &call);
	r = inkernel_sendfile(c, out_fd, in_fd, offset, n);
	CANCEL_END;
	error = errno;
	conn_put(c);
	errno = error;
	return r;
}

ssize_t sendfile(int out_fd, int in_fd, off_t *offset, size_t n)
{
	if (UNTRACKED(out_fd))
		return real.sendfile(out_fd, in_fd, offset, n);
	_Static_assert(sizeof(off_t) == sizeof(off64_t), "64-bit only");
	return sendfile64(out_fd, in_fd, (off64_t *)offset, n);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned int flags)
{
	struct conn *a = TABLE_GET(from), *b = TABLE_GET(to);
	struct conn_call call;
	ssize_t r;
	int error;

	if (!a && !b)
		return real.splice(from, from_at, to, to_at, n, flags);
	call = (struct conn_call){{a, b}, locks_depth()};
	CANCEL_BEGIN(conn_call_left, &call);
	r = inkernel_splice(a, b, from, from_at, to, to_at, n, flags);
	CANCEL_END;
	error = errno;
	conn_put(a);
	conn_put(b);
	errno = error;
	return r;
}

/* ---- in ---- */

/* The faults changed while a receive waited that had gone straight on: what it brought may be theirs. */
static ssize_t late(ssize_t r, struct io *io)
{
	struct conn *c = table_get(io->fd);
	struct conn_call call = {{c}, locks_depth()};
	int error;

	CANCEL_BEGIN(conn_call_left, &call);
	if (c)
		r = stream_late(c, io, r);
	CANCEL_END;
	error = errno;
	conn_put(c);
	errno = error;
	return r;
}

/* The call NAME that receives, as receive_NAME(): on what is no connection, on one that no fault concerns now, on one that is tracked. */
#define RECEIVE(name, params, args, ...)							\
	THROUGH(name, params, args, __VA_ARGS__)						\
												\
	static __attribute__((noinline)) ssize_t marked_##name params				\
	{											\
		ssize_t n_ = real.name args;							\
												\
		return likely(n_ <= 0 || UNTRACKED(fd)) ? n_ : late(n_, &(struct io){__VA_ARGS__});	\
	}											\
												\
	static inline ssize_t receive_##name params						\
	{											\
		if (!table_knows(fd))								\
			return real.name args;							\
		return UNTRACKED(fd) ? marked_##name args : through_##name args;		\
	}

RECEIVE(recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
	.op = IO_RECV, .fd = fd, .flags = flags, .one = {buf, n}, .count = 1)

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	return receive_recv(fd, buf, n, flags);
}

RECEIVE(recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *sa, socklen_t *len), (fd, buf, n, flags, sa, len),
	.op = IO_RECVFROM, .fd = fd, .flags = flags, .one = {buf, n}, .count = 1, .sa = sa, .len = len)

ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *sa, socklen_t *len)
{
	return receive_recvfrom(fd, buf, n, flags, sa, len);
}

THROUGH(recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags),
	.op = IO_RECVMSG, .fd = fd, .flags = flags, .iov = msg->msg_iov, .count = msg->msg_iovlen, .msg = msg)

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	if (!UNTRACKED(fd) && guest_plausible(msg))
		return through_recvmsg(fd, msg, flags);
	r = real.recvmsg(fd, msg, flags);
	if (r >= 0 && unlikely(msg->msg_controllen) && guest.page) {
		int error = errno;

		each_passed(msg, table_adopt);	/* they may be connections */
		errno = error;
	}
	if (likely(r <= 0 || UNTRACKED(fd)))
		return r;
	return late(r, &(struct io){.op = IO_RECVMSG, .fd = fd, .flags = flags, .iov = msg->msg_iov, .count = msg->msg_iovlen, .msg = msg});
}

static bool timespec_valid(const struct timespec *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < (long)NS_PER_S;
}

static struct timespec time_left(uint64_t end_ns)
{
	uint64_t now = clock_now_ns(), left = end_ns > now ? end_ns - now : 0;

	return (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
}

/* As do_recvmmsg() of the kernel: the timeout is looked at between messages only, and an error counts when none came before it. */
static int receive_messages(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	uint64_t end = timeout ? clock_now_ns() + (uint64_t)timeout->tv_sec * NS_PER_S + (uint64_t)timeout->tv_nsec : FOREVER;
	unsigned int i = 0;

	while (i < n && (!timeout || !i || timeout->tv_sec || timeout->tv_nsec)) {
		ssize_t r = recvmsg(fd, &vec[i].msg_hdr, flags & ~MSG_WAITFORONE);

		if (r < 0)
			return i ? (int)i : -1;
		vec[i++].msg_len = (unsigned)r;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (timeout)
			*timeout = time_left(end);
	}
	return (int)i;
}

int recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	if (UNTRACKED(fd) || !guest_plausible(vec) || (timeout && (!guest_plausible(timeout) || !timespec_valid(timeout))))
		return real.recvmmsg(fd, vec, n, flags, timeout);
	return receive_messages(fd, vec, n < IOV_MAX ? n : IOV_MAX, flags, timeout);
}

RECEIVE(read, (int fd, void *buf, size_t n), (fd, buf, n), .op = IO_READ, .fd = fd, .one = {buf, n}, .count = 1)

ssize_t read(int fd, void *buf, size_t n)
{
	return receive_read(fd, buf, n);
}

RECEIVE(readv, (int fd, const struct iovec *iov, int n), (fd, iov, n), .op = IO_READV, .fd = fd, .iov = iov, .count = (size_t)n)

ssize_t readv(int fd, const struct iovec *iov, int n)
{
	return n <= 0 ? real.readv(fd, iov, n) : receive_readv(fd, iov, n);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
	struct msghdr m = message(iov, n);

	if (!on_stream(fd, iov, n, at, flags))
		return real.preadv64v2(fd, iov, n, at, flags);
	return flags & RWF_NOWAIT ? recvmsg(fd, &m, MSG_DONTWAIT) : readv(fd, iov, n);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return preadv64v2(fd, iov, n, at, flags);
}

/* The FORTIFY variants: libc checks and aborts when the buffer is too small; otherwise they are the plain calls. */
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	return UNTRACKED(fd) || n > room ? real.__recv_chk(fd, buf, n, room, flags) : recv(fd, buf, n, flags);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *sa, socklen_t *len)
{
	return UNTRACKED(fd) || n > room ? real.__recvfrom_chk(fd, buf, n, room, flags, sa, len) : recvfrom(fd, buf, n, flags, sa, len);
}

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return UNTRACKED(fd) || n > room ? real.__read_chk(fd, buf, n, room) : read(fd, buf, n);
}
