/* SPDX-License-Identifier: MIT */
#include "preload/epoll.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/early.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_sets.h"
#include "preload/epoll_standin.h"
#include "preload/epoll_takeover.h"
#include "preload/epoll_timer.h"
#include "preload/failure.h"
#include "preload/real.h"
#include "preload/table.h"

/* ---- what no fault concerns ---- */

/* A registration of a descriptor that no fault concerns, as the program made it. */
static void remember(const struct change *w)
{
	int s = set_find(w->ep, w->op != EPOLL_CTL_DEL), inner = set_find(w->fd, false);

	if (inner >= 0)
		set_nests(inner);
	if (w->op == EPOLL_CTL_DEL && s >= 0)
		early_drop(w->fd, set_number(s));
	else if (w->op != EPOLL_CTL_DEL && s >= 0)
		early_put(w->fd, (struct early){set_number(s), w->ev.events, w->ev.data.u64});
	else if (w->op != EPOLL_CTL_DEL)
		early_lose(w->fd);
}

/* What a removal says of events nobody reads: not the kernel either, so that it may point anywhere. */
static struct epoll_event said(int op, const struct epoll_event *ev)
{
	return op == EPOLL_CTL_DEL ? (struct epoll_event){0} : *ev;
}

/* Nearly always the descriptor is in this set already, or was, and in no other. What handlers have left behind comes first. */
static bool updated(int ep, int op, int fd, const struct epoll_event *ev)
{
	int s = epoll_pending() ? -1 : set_find(ep, false);
	struct epoll_event e = said(op, ev);

	return s >= 0 && early_update(fd, op, (struct early){set_number(s), e.events, e.data.u64});
}

static void remember_change(int ep, int op, int fd, const struct epoll_event *ev)
{
	epoll_change(&(struct change){remember, .fd = fd, .ep = ep, .op = op, .ev = said(op, ev)});
}

/* ---- what a fault concerns ---- */

static int control_add(struct conn *c, int ep, int fd, struct epoll_event *ev)
{
	int s = set_find(ep, true), r;
	struct reg *reg = reg_new(c, s, fd);
	struct epoll_event mine;

	if (!reg)
		return real.epoll_ctl(ep, EPOLL_CTL_ADD, fd, ev);
	reg->events = reg->applied = ev->events;
	reg->data = ev->data.u64;
	mine = (struct epoll_event){.events = ev->events, .data.u64 = reg_token(reg, TOKEN_SOCKET)};
	r = real.epoll_ctl(ep, EPOLL_CTL_ADD, fd, &mine);
	if (r < 0)
		reg_drop(c, reg);
	return r;
}

static int control_mod(struct conn *c, struct reg *reg, struct epoll_event *ev)
{
	int r;

	if ((reg->events | ev->events) & EPOLLEXCLUSIVE)
		return fail(EINVAL);
	reg->events = ev->events;
	reg->data = ev->data.u64;
	reg->disarmed = false;
	standin_close(c);	/* placed anew with the new flags by the refresh that follows */
	r = reg_apply(reg, ev->events);
	return r < 0 ? fail(-r) : 0;
}

static int control_del(struct conn *c, struct reg *reg, int ep, int fd, struct epoll_event *ev)
{
	int r = reg->outside ? 0 : real.epoll_ctl(ep, EPOLL_CTL_DEL, fd, ev);

	standin_leave(c, reg);
	reg_drop(c, reg);
	return r;
}

/* A handler's epoll_ctl on a connection, with locks of ours taken below it: the kernel's first, then its record. What the gate makes of it is
 * seen to by the next wait. */
static void record(const struct change *w)
{
	int s = w->c->gated ? set_find(w->ep, w->op != EPOLL_CTL_DEL) : -1;
	struct reg *reg = s < 0 ? NULL : reg_find(w->c, s, w->fd);

	if (!w->c->gated) {
		remember(w);
	} else if (w->op != EPOLL_CTL_DEL && (reg = reg_take_over(w->c, w->fd, s, w->ev.events, w->ev.data.u64, true))) {
		reg_await(reg, 0, false);
		set_timer(s, 0);
	} else if (reg) {
		standin_leave(w->c, reg);
		reg_drop(w->c, reg);
	}
}

static int control_inside(struct conn *c, int ep, int op, int fd, struct epoll_event *ev)
{
	int r = real.epoll_ctl(ep, op, fd, ev);

	if (r == 0)
		epoll_change(&(struct change){record, c, fd, ep, op, said(op, ev)});
	return r;
}

int epoll_control(struct conn *c, int ep, int op, int fd, struct epoll_event *ev)
{
	struct reg *reg;
	int r;

	if (!conn_lock(c))
		return control_inside(c, ep, op, fd, ev);
	if (!c->gated) {	/* just now */
		r = real.epoll_ctl(ep, op, fd, ev);
		if (r == 0)
			remember_change(ep, op, fd, ev);
		conn_unlock(c);
		return r;
	}
	epoll_lock();	/* true: with one of our locks taken below, the connection's was not to be had */
	reg = reg_find(c, set_find(ep, false), fd);
	if (op == EPOLL_CTL_ADD)
		r = reg ? fail(EEXIST) : control_add(c, ep, fd, ev);
	else if (!reg)
		r = real.epoll_ctl(ep, op, fd, ev);
	else
		r = op == EPOLL_CTL_MOD ? control_mod(c, reg, ev) : control_del(c, reg, ep, fd, ev);
	epoll_unlock();
	epoll_refresh(c, clock_now_ns());
	conn_unlock(c);
	return r;
}

/* ---- both, one after the other ---- */

/* A connection that no fault concerned when the kernel was asked, but does now: whoever saw to that may have come before or after. */
static void controlled_late(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev)
{
	if (!conn_lock(c)) {
		epoll_change(&(struct change){record, c, fd, ep, op, said(op, ev)});
		return;
	}
	if (op == EPOLL_CTL_DEL) {
		epoll_change(&(struct change){record, c, fd, ep, op, {0}});
	} else {
		remember_change(ep, op, fd, ev);
		epoll_import(c, fd);
	}
	epoll_refresh(c, clock_now_ns());
	conn_unlock(c);
}

static __attribute__((noinline)) void follow_up(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev, bool told)
{
	struct conn *now;
	int error = errno;

	if (!told)
		remember_change(ep, op, fd, ev);
	now = c ? c : TABLE_GET(fd);	/* another thread may have made it a connection meanwhile */
	if (now && atomic_load(&now->gated))
		controlled_late(now, ep, op, fd, ev);
	if (now != c)
		conn_put(now);
	errno = error;
}

void epoll_controlled(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev)
{
	bool told = updated(ep, op, fd, ev);

	if (unlikely(!told || c || table_tracks(fd)))
		follow_up(c, ep, op, fd, ev, told);
}
