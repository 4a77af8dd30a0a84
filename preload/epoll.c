/* SPDX-License-Identifier: MIT */
#include "preload/epoll.h"

#include <string.h>
#include "base/clock.h"
#include "preload/early.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_sets.h"
#include "preload/epoll_standin.h"
#include "preload/epoll_timer.h"
#include "preload/gate.h"
#include "preload/hear.h"
#include "preload/hold.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/spawn.h"
#include "preload/table.h"

/* ---- following the gate ---- */

static void reg_refresh(struct conn *c, struct reg *r, bool hidden, uint64_t until_ns, uint64_t tick_ns, uint64_t look_ns)
{
	uint32_t want = r->events & ~((hidden ? EPOLL_INPUT : 0) | (outgate_hidden(c) ? EPOLL_OUTPUT : 0));

	r->bare = false;
	if (reg_is_blind(r) && look_ns < until_ns)
		until_ns = look_ns;
	reg_await(r, until_ns, tick_ns != FOREVER);
	if (until_ns != FOREVER || r->held)
		set_timer(r->set, until_ns < tick_ns ? until_ns : tick_ns);
	if (c->dialling == DIAL_HELD || (hidden && c->hup_hidden))
		reg_take_out(r);
	else if (!r->disarmed && (r->outside || want != r->applied))
		reg_apply(r, want);
}

void epoll_refresh(struct conn *c, uint64_t now_ns)
{
	bool hidden, ready;
	uint64_t until, tick, look;

	if (!c->regs || !epoll_lock())
		return;
	hidden = gate_hidden(c, now_ns);
	ready = gate_answer_ready(c, now_ns);
	until = ready ? outgate_deadline(c) : gate_deadline(c);
	tick = gate_holds(c, now_ns) ? gate_next_tick(now_ns) : FOREVER;
	if (hold_is_followed(c) && tick < until)
		until = tick;
	look = hear_awaits(c) ? gate_next_tick(now_ns) : FOREVER;
	if (!ready)
		standin_close(c);
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next) {
		reg_refresh(c, &epoll_regs[i - 1], hidden, until, tick, look);
		if (ready)
			standin_place(c, &epoll_regs[i - 1]);
	}
	epoll_unlock();
}

void epoll_rearm(struct conn *c)
{
	if (!c->regs || !epoll_lock())
		return;
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next)
		if ((epoll_regs[i - 1].events & EPOLLET) && !epoll_regs[i - 1].outside && !epoll_regs[i - 1].disarmed)
			reg_apply(&epoll_regs[i - 1], epoll_regs[i - 1].applied);
	epoll_unlock();
}

bool epoll_let_go(struct conn *c)
{
	bool plain = !c->standin;

	if (!c->regs)
		return true;
	if (!epoll_lock())
		return false;
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next)
		plain &= !epoll_regs[i - 1].disarmed && !epoll_regs[i - 1].outside && !(epoll_regs[i - 1].events & EPOLLEXCLUSIVE);
	while (plain && c->regs) {
		struct reg *r = &epoll_regs[c->regs - 1];

		reg_release(r);
		early_put(r->fd, (struct early){set_number(r->set), r->events, r->data});
		reg_drop(c, r);
	}
	epoll_unlock();
	return plain;
}

/* ---- forgetting ---- */

enum { CLOSES, STAYS, ANEW };	/* change.op of forget_fd() */

/* A fork's child that closes its copy changes nothing in the kernel's sets, which are its parent's too. */
static void forget_fd(const struct change *w)
{
	bool shared = w->c->owner_pid != guest_pid();

	for (int32_t i = w->c->regs, next; i; i = next) {
		struct reg *r = &epoll_regs[i - 1];

		next = r->next;
		if (r->fd != w->fd)
			continue;
		if (!shared)
			standin_leave(w->c, r);
		if (w->op != CLOSES && !shared)
			reg_release(r);
		if (w->op == ANEW)
			early_put(w->fd, (struct early){set_number(r->set), r->events, r->data});
		reg_drop(w->c, r);
	}
}

void epoll_forget_fd(struct conn *c, int fd, bool stays, bool anew)
{
	if (c->regs || epoll_pending())
		epoll_change(&(struct change){forget_fd, c, fd, .op = anew ? ANEW : stays ? STAYS : CLOSES});
}

void epoll_remove(struct conn *c, int fd)
{
	if (!c->regs || !epoll_lock())
		return;
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next)
		if (epoll_regs[i - 1].fd == fd && !epoll_regs[i - 1].outside)
			raw_epoll_ctl(epoll_sets[epoll_regs[i - 1].set].ep - 1, EPOLL_CTL_DEL, fd, NULL);
	epoll_unlock();
}

static void forget_conn(const struct change *w)
{
	standin_close(w->c);
}

void epoll_forget_conn(struct conn *c)
{
	if (c->standin || epoll_pending())
		epoll_change(&(struct change){forget_conn, .c = c});
}

static void forget_set(const struct change *w)
{
	early_forget(w->fd);
	set_forget(w->fd);
}

void epoll_forget_set(int fd)
{
	if ((unsigned)fd < TABLE_FDS && !guest_is_borrowed())
		epoll_change(&(struct change){forget_set, .fd = fd});
}

/* ---- other numbers ---- */

static void share(const struct change *w)
{
	int s = set_find(w->ep, true);

	if (s >= 0)
		set_means(w->fd, s);
}

void epoll_share(int from, int to)
{
	char what[SPAWN_FILE_MAX];

	if (epoll_knows(to))
		epoll_forget_set(to);	/* closed by means we do not see */
	if ((unsigned)to < TABLE_FDS && !guest_is_borrowed() && !strcmp(spawn_file_of(from, what), "anon_inode:[eventpoll]"))
		epoll_change(&(struct change){share, .fd = to, .ep = from});
}

static void moved(const struct change *w)
{
	sets_moved(w->op, w->fd);
}

void epoll_moved(int from, int to)
{
	epoll_change(&(struct change){moved, .fd = to, .op = from});
}

bool epoll_knows(int fd)
{
	return descriptor_may_be_known(fd) && (early_known(fd) || set_is_known(fd) || epoll_pending());
}
