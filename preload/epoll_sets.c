/* SPDX-License-Identifier: MIT */
#include "preload/epoll_sets.h"

#include "preload/descriptors.h"
#include "preload/early.h"
#include "preload/epoll.h"
#include "preload/raw.h"
#include "preload/table.h"

_Atomic uint32_t epoll_waiting;
struct reg *epoll_regs;
struct set epoll_sets[EPOLL_SETS];
_Atomic bool epoll_tokens;
static _Atomic uint16_t *set_of;		/* of TABLE_FDS: index + 1 by epoll descriptor */
static _Atomic uint32_t lives[EPOLL_SETS];	/* how many sets have been at each index */
static uint32_t reg_made, set_made;
static int32_t reg_free;
static _Atomic bool any_nested;

_Static_assert(EPOLL_REGS <= UINT16_MAX + 1 && EPOLL_SETS <= UINT16_MAX + 1, "a token has 16 bits for either");

/* ---- sets ---- */

bool sets_start(void)
{
	set_of = descriptors_room(TABLE_FDS * sizeof(*set_of));
	epoll_regs = descriptors_room(EPOLL_REGS * sizeof(*epoll_regs));
	return set_of && epoll_regs;
}

static int set_at(int ep)
{
	return atomic_load_explicit(&set_of[ep], memory_order_relaxed) - 1;
}

static void set_put(int ep, int s)
{
	atomic_store_explicit(&set_of[ep], (uint16_t)(s + 1), memory_order_relaxed);
}

uint32_t set_number(int s)
{
	return atomic_load_explicit(&lives[s], memory_order_relaxed) * EPOLL_SETS + (uint32_t)s + 1;
}

int set_of_number(uint32_t number)
{
	int s = (int)((number - 1) % EPOLL_SETS);

	return epoll_sets[s].ep && set_number(s) == number ? s : -1;
}

bool epoll_set_lives(uint32_t set)
{
	return set_of_number(set) >= 0;
}

void set_means(int ep, int s)
{
	if (!descriptor_note(ep))
		return;
	set_put(ep, s);
	epoll_sets[s].fds++;
}

int set_next(int s)
{
	while (s < (int)set_made && !epoll_sets[s].ep)
		s++;
	return s < (int)set_made ? s : -1;
}

/* The first descriptor from fd on that means set s; -1 none. */
static int meaning(int s, int fd)
{
	while (descriptor_may_be_known(fd) && set_at(fd) != s)
		fd++;
	return descriptor_may_be_known(fd) ? fd : -1;
}

int set_next_fd(int s, int fd)
{
	int only = epoll_sets[s].ep - 1;

	if (epoll_sets[s].fds != 1)
		return meaning(s, fd);
	return fd <= only ? only : -1;
}

void set_nests(int s)
{
	epoll_sets[s].nested = true;
	atomic_store_explicit(&any_nested, true, memory_order_relaxed);
}

bool sets_nest(void)
{
	return atomic_load_explicit(&any_nested, memory_order_relaxed);
}

static __attribute__((noinline)) int set_make(int ep)
{
	for (uint32_t i = 0; i < EPOLL_SETS; i++) {
		if (epoll_sets[i].ep)
			continue;
		atomic_fetch_add_explicit(&lives[i], 1, memory_order_relaxed);
		epoll_sets[i] = (struct set){.ep = ep + 1, .armed_ns = FOREVER, .version = page_version(guest.page)};
		set_means(ep, (int)i);
		set_made = i >= set_made ? i + 1 : set_made;
		if (early_known(ep))
			set_nests((int)i);
		return (int)i;
	}
	return -1;
}

int set_find(int ep, bool make)
{
	int s;

	if (!(make ? descriptor_note(ep) : descriptor_may_be_known(ep)))
		return -1;
	s = set_at(ep);
	return s >= 0 || !make ? s : set_make(ep);
}

static void set_free(int s)
{
	while (epoll_sets[s].regs) {
		struct reg *r = &epoll_regs[epoll_sets[s].regs - 1];

		reg_drop(conn_at(r->conn), r);
	}
	table_disown(epoll_sets[s].timer - 1);
	epoll_sets[s] = (struct set){0};
}

/* One of the descriptors of a set is closed: another one means it from now on. */
static void set_moves(int s, int closed)
{
	if (epoll_sets[s].ep == closed + 1)
		epoll_sets[s].ep = meaning(s, 0) + 1;
}

void set_forget(int ep)
{
	int s = set_find(ep, false);

	if (s < 0)
		return;
	set_put(ep, -1);
	if (--epoll_sets[s].fds)
		set_moves(s, ep);
	else
		set_free(s);
}

bool set_is_known(int ep)
{
	return descriptor_may_be_known(ep) && set_at(ep) >= 0;
}

void sets_moved(int from, int to)
{
	for (uint32_t i = 0; i < set_made; i++)
		if (epoll_sets[i].timer == from + 1)
			epoll_sets[i].timer = to + 1;
	for (uint32_t i = 0; i < reg_made; i++)
		if (epoll_regs[i].used && conn_at(epoll_regs[i].conn)->standin == from + 1)
			conn_at(epoll_regs[i].conn)->standin = to + 1;
}

/* ---- registrations ---- */

struct reg *reg_find(struct conn *c, int set, int fd)
{
	for (int32_t i = c->regs; i; i = epoll_regs[i - 1].next)
		if (epoll_regs[i - 1].set == set && epoll_regs[i - 1].fd == fd)
			return &epoll_regs[i - 1];
	return NULL;
}

struct reg *reg_of(uint64_t data)
{
	struct reg *r = &epoll_regs[token_index(data)];

	return r->used && r->generation == token_generation(data) ? r : NULL;
}

struct reg *reg_new(struct conn *c, int set, int fd)
{
	struct reg *r;
	uint32_t i;

	if (set >= 0 && reg_free) {
		i = (uint32_t)reg_free - 1;
		reg_free = epoll_regs[i].next;
	} else if (set >= 0 && reg_made < EPOLL_REGS) {
		i = reg_made++;
	} else {
		guest_lost(PAGE_LOST_WATCH);
		return NULL;
	}
	r = &epoll_regs[i];
	*r = (struct reg){.generation = r->generation, .used = true, .set = set, .fd = fd, .conn = c->index, .until_ns = FOREVER,
			  .next = c->regs, .next_in_set = epoll_sets[set].regs};
	if (r->next_in_set)
		epoll_regs[r->next_in_set - 1].before_in_set = (int32_t)i + 1;
	c->regs = epoll_sets[set].regs = (int32_t)i + 1;
	atomic_store(&epoll_tokens, true);
	return r;
}

/* A connection is in few sets, a set has many connections. */
static void leave_conn(struct conn *c, const struct reg *r, int32_t index)
{
	int32_t at = c->regs;

	if (at == index) {
		c->regs = r->next;
		return;
	}
	while (at && epoll_regs[at - 1].next != index)
		at = epoll_regs[at - 1].next;
	if (at)
		epoll_regs[at - 1].next = r->next;
}

static void leave_set(const struct reg *r)
{
	if (r->next_in_set)
		epoll_regs[r->next_in_set - 1].before_in_set = r->before_in_set;
	if (r->before_in_set)
		epoll_regs[r->before_in_set - 1].next_in_set = r->next_in_set;
	else
		epoll_sets[r->set].regs = r->next_in_set;
}

static void join_waiting(struct reg *r, int32_t index, int32_t *head)
{
	r->next_waiting = *head;
	r->before_waiting = 0;
	if (*head)
		epoll_regs[*head - 1].before_waiting = index;
	*head = index;
}

static void leave_waiting(const struct reg *r, int32_t *head)
{
	if (r->next_waiting)
		epoll_regs[r->next_waiting - 1].before_waiting = r->before_waiting;
	if (r->before_waiting)
		epoll_regs[r->before_waiting - 1].next_waiting = r->next_waiting;
	else
		*head = r->next_waiting;
}

/* A set has many registrations, of which few wait. */
void reg_await(struct reg *r, uint64_t until_ns, bool held)
{
	bool waits = held || until_ns != FOREVER;

	r->until_ns = until_ns;
	r->held = held;
	atomic_fetch_add_explicit(&epoll_waiting, (uint32_t)(waits - r->waiting), memory_order_relaxed);
	if (waits && !r->waiting)
		join_waiting(r, (int32_t)(r - epoll_regs) + 1, &epoll_sets[r->set].waiting);
	else if (!waits && r->waiting)
		leave_waiting(r, &epoll_sets[r->set].waiting);
	r->waiting = waits;
}

void reg_drop(struct conn *c, struct reg *r)
{
	int32_t index = (int32_t)(r - epoll_regs) + 1;

	reg_await(r, FOREVER, false);
	leave_conn(c, r, index);
	leave_set(r);
	r->used = false;
	r->generation++;
	r->next = reg_free;
	reg_free = index;
}

uint64_t reg_token(const struct reg *r, enum token_kind kind)
{
	return token(kind, r->generation, (uint16_t)(r - epoll_regs));
}

/* An exclusive registration can not be modified (epoll_ctl(2)), only made anew. */
int reg_apply(struct reg *r, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = reg_token(r, TOKEN_SOCKET)};
	int ep = epoll_sets[r->set].ep - 1, ret;

	if (r->outside) {
		ret = raw_epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	} else if (events & EPOLLEXCLUSIVE) {
		raw_epoll_ctl(ep, EPOLL_CTL_DEL, r->fd, &ev);
		ret = raw_epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	} else {
		ret = raw_epoll_ctl(ep, EPOLL_CTL_MOD, r->fd, &ev);
	}
	r->outside = false;
	r->applied = events;
	return ret;
}

void reg_take_out(struct reg *r)
{
	struct epoll_event ev = {0};

	if (!r->outside)
		raw_epoll_ctl(epoll_sets[r->set].ep - 1, EPOLL_CTL_DEL, r->fd, &ev);
	r->outside = true;
}

void reg_release(const struct reg *r)
{
	struct epoll_event ev = {.events = r->events, .data.u64 = r->data};
	int ep = epoll_sets[r->set].ep - 1;

	if (r->outside)
		raw_epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	else if (!(r->events & EPOLLEXCLUSIVE))
		raw_epoll_ctl(ep, EPOLL_CTL_MOD, r->fd, &ev);
}
