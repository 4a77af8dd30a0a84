/* SPDX-License-Identifier: MIT */
#include "preload/strike.h"

#include <sys/socket.h>
#include "preload/cut.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/failure.h"
#include "preload/raw.h"

bool strike_is_due(const struct exchange *x, enum page_call where)
{
	const struct page_fault *f = x && (x->verdict.actions & PAGE_ERROR) ? exchange_fault(x->verdict.main_fault, x->verdict.main_id) : NULL;

	return f && f->error_call == where;
}

int strike(struct conn *c, struct exchange *x, int fd, uint64_t now)
{
	int error = exchange_errno(x);

	exchange_achieved(c, x, PAGE_ERROR, now);
	if (!is_transient(error))
		cut_reset(c, fd, error);
	exchange_end_all(c, error, now);
	epoll_refresh(c, now);
	c->swap_error = 0;
	if (!is_transient(error))
		raw_sockopt_int(fd, SOL_SOCKET, SO_ERROR);	/* this call reported it: the next one sees the end only */
	return fail(error);
}
