/* SPDX-License-Identifier: MIT */
#include "preload/epoll_takeover.h"

#include "preload/early.h"
#include "preload/epoll.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_standin.h"
#include "preload/fdinfo.h"
#include "preload/table.h"

struct reg *reg_take_over(struct conn *c, int fd, int s, uint32_t events, uint64_t data, bool armed)
{
	struct reg *reg = reg_find(c, s, fd);

	if (reg)
		standin_leave(c, reg);
	else if (!(reg = reg_new(c, s, fd)))
		return NULL;
	reg->events = reg->applied = events;
	reg->data = data;
	reg->disarmed = !armed;
	reg->outside = false;
	if (armed && reg_apply(reg, events) < 0) {
		reg_drop(c, reg);
		return NULL;
	}
	return reg;
}

static void import_one(struct conn *c, int fd, const struct early *e)
{
	int s = set_of_number(e->set);

	if (s >= 0)
		reg_take_over(c, fd, s, e->events, e->data, !(e->events & EPOLLONESHOT) || fdinfo_armed(epoll_sets[s].ep - 1, fd, (uint32_t)EPOLL_FLAGS));
}

static void import_all(struct conn *c, int fd)
{
	struct early e;

	if (early_lost(fd))
		guest_lost(PAGE_LOST_WATCH);
	while (early_take(fd, &e))
		import_one(c, fd, &e);
}

static void import(const struct change *w)
{
	uint32_t n = atomic_load(&w->c->descriptors);

	import_all(w->c, w->fd);
	for (int at = 0; n > 1 && (at = table_next(w->c, at)) >= 0; at++)
		if (at != w->fd) {
			import_all(w->c, at);
			n--;
		}
}

void epoll_import(struct conn *c, int fd)
{
	if (c->gated && (early_known(fd) || atomic_load(&c->descriptors) > 1 || epoll_pending()))
		epoll_change(&(struct change){import, .c = c, .fd = fd});
}
