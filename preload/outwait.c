/* SPDX-License-Identifier: MIT */
#include "preload/outwait.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "preload/blocking.h"
#include "preload/epoll.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/piece.h"

int outwait_room(struct conn *c, int fd, int flags, bool all)
{
	bool wait = blocking_allowed(fd, flags);
	uint64_t limit = wait ? blocking_limit(fd, SO_SNDTIMEO, clock_now_ns()) : FOREVER;
	int error = 0;

	while (!error && (all ? c->outbox_len != 0 : outgate_hidden(c))) {
		if (all)
			outgate_block(c);
		epoll_refresh(c, clock_now_ns());
		error = wait ? blocking_hold(c, fd, outgate_deadline(c), limit) : EAGAIN;
		if (error != EBADF)
			gate_tick(c, fd, clock_now_ns());
	}
	return error;
}

int outwait_pace(struct conn *c, int fd, int flags, size_t *n)
{
	bool wait = blocking_allowed(fd, flags);
	uint64_t limit = FOREVER;
	size_t allowed;
	int error = 0;

	while (!error && !(allowed = outgate_allow(c, *n, clock_now_ns()))) {
		if (wait && limit == FOREVER)
			limit = blocking_limit(fd, SO_SNDTIMEO, clock_now_ns());
		epoll_refresh(c, clock_now_ns());
		error = wait ? blocking_hold(c, fd, outgate_deadline(c), limit) : EAGAIN;
		if (error != EBADF)
			gate_tick(c, fd, clock_now_ns());
	}
	*n = error ? *n : allowed;
	return error;
}

int outwait_head(struct conn *c, int fd, int flags)
{
	bool wait = c->held_len && blocking_allowed(fd, flags);
	uint64_t limit = wait ? blocking_limit(fd, SO_SNDTIMEO, clock_now_ns()) : FOREVER;
	int error = 0;

	while (c->held_len && !c->dead && !error) {
		piece_release(c, fd, clock_now_ns());
		if (c->held_len)
			error = wait ? blocking_either(c, fd, POLLOUT, FOREVER, limit) : EAGAIN;
	}
	return error;
}
