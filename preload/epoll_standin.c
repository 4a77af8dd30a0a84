/* SPDX-License-Identifier: MIT */
#include "preload/epoll_standin.h"

#include <sys/eventfd.h>
#include "base/clock.h"
#include "preload/epoll_timer.h"
#include "preload/raw.h"
#include "preload/table.h"

void standin_close(struct conn *c)
{
	int fd = c->standin - 1;

	if (fd < 0)
		return;
	c->standin = 0;
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next)
		epoll_regs[i - 1].standin = false;
	table_disown(fd);	/* the only descriptor of its file: it leaves every set */
}

void standin_leave(struct conn *c, struct reg *r)
{
	struct epoll_event ev = {0};

	if (r->standin)
		raw_epoll_ctl(epoll_sets[r->set].ep - 1, EPOLL_CTL_DEL, c->standin - 1, &ev);
	r->standin = false;
}

void standin_place(struct conn *c, struct reg *r)
{
	struct epoll_event ev = {.events = r->events & (EPOLL_INPUT | EPOLL_FLAGS), .data.u64 = reg_token(r, TOKEN_STANDIN)};

	if (r->standin || r->disarmed || !(r->events & EPOLL_INPUT))
		return;
	if (!c->standin) {
		int fd = table_own((int)RAW(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0));

		if (fd < 0) {
			guest_lost(PAGE_LOST_STANDIN);
			set_timer(r->set, clock_now_ns() + NS_PER_MS);
			r->bare = true;
			reg_await(r, clock_now_ns() + NS_PER_MS, r->held);	/* try again: descriptors come back as answers are read */
			return;
		}
		c->standin = fd + 1;
	}
	r->standin = raw_epoll_ctl(epoll_sets[r->set].ep - 1, EPOLL_CTL_ADD, c->standin - 1, &ev) == 0;
}
