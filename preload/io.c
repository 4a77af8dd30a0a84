/* SPDX-License-Identifier: MIT */
#include "preload/io.h"

#include <limits.h>
#include <string.h>
#include "preload/failure.h"
#include "preload/guest.h"
#include "preload/real.h"

ssize_t io_call(struct io *io)
{
	switch (io->op) {
	case IO_SEND:
		return real.send(io->fd, io->one.iov_base, io->one.iov_len, io->flags);
	case IO_SENDTO:
		return real.sendto(io->fd, io->one.iov_base, io->one.iov_len, io->flags, io->sa, io->len ? *io->len : 0);
	case IO_SENDMSG:
		return real.sendmsg(io->fd, io->msg, io->flags);
	case IO_WRITE:
		return real.write(io->fd, io->one.iov_base, io->one.iov_len);
	case IO_WRITEV:
		return real.writev(io->fd, io->iov, (int)io->count);
	case IO_RECV:
		return real.recv(io->fd, io->one.iov_base, io->one.iov_len, io->flags);
	case IO_RECVFROM:
		return real.recvfrom(io->fd, io->one.iov_base, io->one.iov_len, io->flags, io->sa, io->len);
	case IO_RECVMSG:
		return real.recvmsg(io->fd, io->msg, io->flags);
	case IO_READ:
		return real.read(io->fd, io->one.iov_base, io->one.iov_len);
	case IO_READV:
		return real.readv(io->fd, io->iov, (int)io->count);
	}
	return fail(ENOSYS);
}

size_t io_total(const struct io *io)
{
	size_t n = 0;

	for (size_t i = 0; i < io->count; i++)
		n += io_pieces(io)[i].iov_len;
	return n - io->done;
}

int io_slice(const struct io *io, size_t at, size_t n, struct iovec *to, int room)
{
	int k = 0;

	for (size_t i = 0; i < io->count && n && k < room; i++) {
		struct iovec v = io_pieces(io)[i];

		if (at >= v.iov_len) {
			at -= v.iov_len;
			continue;
		}
		v.iov_base = (char *)v.iov_base + at;
		v.iov_len = v.iov_len - at < n ? v.iov_len - at : n;
		n -= v.iov_len;
		at = 0;
		to[k++] = v;
	}
	return k;
}

bool io_is_sound(const struct io *io)
{
	const struct iovec *v = io_pieces(io);
	bool unused = io_is_in(io) && (io->flags & MSG_TRUNC);	/* nothing is put there (tcp(7)) */

	if (io->count > IOV_MAX || !guest_plausible(v))
		return false;
	for (size_t i = 0; i < io->count; i++)
		if (v[i].iov_len > SSIZE_MAX || (v[i].iov_len && !unused && !guest_plausible(v[i].iov_base)))
			return false;
	return true;
}

ssize_t io_call_cut(struct io *io, size_t limit)
{
	struct iovec v[IO_PIECES];
	struct msghdr m = {.msg_name = io->sa, .msg_namelen = io->len ? *io->len : 0};
	ssize_t r;

	if (io->msg)
		m = *io->msg;
	m.msg_iov = v;
	m.msg_iovlen = (size_t)io_slice(io, io->done, limit, v, IO_PIECES);
	r = real.recvmsg(io->fd, &m, io->flags & ~MSG_WAITALL);
	if (r >= 0 && io->msg) {
		io->msg->msg_namelen = m.msg_namelen;
		io->msg->msg_controllen = m.msg_controllen;
		io->msg->msg_flags = m.msg_flags;
	} else if (r >= 0 && io->len) {
		*io->len = m.msg_namelen;
	}
	return r;
}

size_t io_fill(const struct io *io, const struct iovec from[2], size_t at)
{
	size_t n = 0, m;
	struct iovec to;

	while (io_slice(io, io->done + n, SIZE_MAX, &to, 1)) {
		size_t head = from[0].iov_len, pos = at + n;
		const struct iovec *f = &from[pos >= head];

		pos -= pos >= head ? head : 0;
		m = f->iov_len - pos < to.iov_len ? f->iov_len - pos : to.iov_len;
		if (!m)
			break;
		memcpy(to.iov_base, (char *)f->iov_base + pos, m);
		n += m;
	}
	return n;
}

void io_report_nothing(struct io *io)
{
	if (io->msg)
		io->msg->msg_namelen = 0, io->msg->msg_controllen = 0, io->msg->msg_flags = 0;
	else if (io->len)
		*io->len = 0;
}
