/* SPDX-License-Identifier: MIT */
#include "preload/epoll.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/early.h"
#include "preload/fdinfo.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/spawn.h"
#include "preload/table.h"

#define INPUT (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP)
#define OUTPUT (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
#define TROUBLE (EPOLLHUP | EPOLLERR)
#define FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)
#define SETS 4096
#define REGS 65536
#define MAGIC 0xaf7e5ull	/* 20 bits that begin every token; no valid pointer has them */
#define DUE_BATCH 32
#define PUT_OFF 64	/* changes that signal handlers want while one piece of this code is interrupted */

/* token: MAGIC 20 | kind 4 | generation 16 | - 8 | index 16 */
enum token_kind { TOKEN_SOCKET, TOKEN_STANDIN, TOKEN_TIMER };

struct reg {			/* one (epoll set, descriptor) of a gated connection */
	uint16_t generation;
	bool bare;		/* an answer of ours is ready and no descriptor could be had to announce it */
	bool used, standin, outside, disarmed;	/* outside: taken out of the kernel's set for now; disarmed: EPOLLONESHOT has fired */
	int set;		/* index of its set */
	int fd;
	uint32_t events;	/* the program's */
	uint32_t applied;	/* the kernel's */
	uint64_t data;		/* the program's */
	uint64_t until_ns;	/* its connection's deadline; FOREVER none */
	bool held;		/* something is held that ends with its fault */
	uint32_t round;		/* of the set: when that was last looked at because the faults had changed */
	uint32_t conn;
	int32_t next, next_in_set, before_in_set;	/* index + 1 */
	int32_t next_waiting, before_waiting;
	bool waiting;		/* in its set's list of those with a deadline, or held */
	uint32_t batch, slot;	/* where its event stands in the batch being returned */
};

struct set {			/* one epoll set of the program */
	uint32_t life;		/* how many have been here before it */
	int ep;			/* + 1; 0 free */
	int fds;		/* descriptors that mean it: ep and its duplicates */
	int timer;		/* + 1; 0 none */
	int32_t regs, waiting;	/* all registrations; those for which time may do something */
	uint64_t armed_ns;	/* what the timer is set to; FOREVER: not */
	uint64_t version;	/* of the faults, when the timer fired last */
	uint32_t rounds;	/* how often all that is held was looked at */
};

static _Atomic uint64_t lock;
static struct reg regs[REGS];
static struct set sets[SETS];
static uint16_t set_of[TABLE_FDS];	/* index + 1 by epoll descriptor */
static int set_top;			/* the highest of them so far */
static uint32_t reg_made, set_made;
static int32_t reg_free;
static uint32_t batches;
static _Atomic bool starved;		/* some set could not have its timer */
_Atomic bool epoll_tokens;

static uint64_t token(enum token_kind kind, unsigned generation, unsigned index)
{
	return MAGIC << 44 | (uint64_t)kind << 40 | (uint64_t)generation << 24 | index;
}

static bool is_token(uint64_t data)
{
	return data >> 44 == MAGIC;
}

/* ---- the lock ---- */

/* What a signal handler wants to be changed while its own thread holds the lock. It can not wait for that, and what is under the lock may be
 * half done: the holder makes the change before it gives the lock back. */
struct change {
	void (*make)(const struct change *);
	struct conn *c;
	int fd, ep, op;		/* op: EPOLL_CTL_*, or a number of the change's own */
	struct epoll_event ev;
};

static struct change put_off[PUT_OFF];
static _Atomic uint32_t put_off_count;	/* changed by the holder and by handlers that have interrupted it */

/* Whether what the tables say may not be all: asked before a change that they show no need for. */
static inline bool pending(void)
{
	return unlikely(atomic_load_explicit(&put_off_count, memory_order_relaxed));
}

static void make_put_off(void)
{
	uint32_t n = 0, all;

	do {
		for (; n < (all = atomic_load(&put_off_count)); n++) {
			put_off[n].make(&put_off[n]);
			conn_put(put_off[n].c);
		}
	} while (!atomic_compare_exchange_strong(&put_off_count, &all, 0));
}

static bool take(void)
{
	return lock_take(&lock);
}

static void give(void)
{
	do {
		if (pending())
			make_put_off();
		lock_give(&lock);
	} while (pending() && take());
}

/* Makes the change, or has it made. */
static void change(const struct change *how)
{
	uint32_t n;

	if (take()) {
		how->make(how);
		give();
		return;
	}
	if (how->c && !conn_hold(how->c))
		return;
	n = atomic_fetch_add(&put_off_count, 1);
	if (n < PUT_OFF) {
		put_off[n] = *how;
		return;
	}
	atomic_fetch_sub(&put_off_count, 1);
	conn_put(how->c);
	guest_lost(PAGE_LOST_WATCH);
}

/* ---- sets and registrations; all under the lock ---- */

static uint32_t set_number(int s)
{
	return sets[s].life * SETS + (uint32_t)s + 1;
}

/* -1: it is gone. */
static int set_of_number(uint32_t number)
{
	int s = (int)((number - 1) % SETS);

	return sets[s].ep && set_number(s) == number ? s : -1;
}

bool epoll_set_lives(uint32_t set)
{
	return set_of_number(set) >= 0;
}

static void set_means(int ep, int s)
{
	set_of[ep] = (uint16_t)(s + 1);
	sets[s].fds++;
	set_top = ep > set_top ? ep : set_top;
}

static int set_find(int ep, bool make)
{
	if ((unsigned)ep >= TABLE_FDS)
		return -1;
	if (set_of[ep] || !make)
		return set_of[ep] - 1;
	for (uint32_t i = 0; i < SETS; i++) {
		if (sets[i].ep)
			continue;
		sets[i] = (struct set){.life = sets[i].life + 1, .ep = ep + 1, .armed_ns = FOREVER, .version = page_version(guest.page)};
		set_means(ep, (int)i);
		set_made = i >= set_made ? i + 1 : set_made;
		return (int)i;
	}
	return -1;
}

static struct reg *reg_find(struct conn *c, int set, int fd)
{
	for (int32_t i = c->regs; i; i = regs[i - 1].next)
		if (regs[i - 1].set == set && regs[i - 1].fd == fd)
			return &regs[i - 1];
	return NULL;
}

/* NULL (counted): there is no room for it, or was none for its set (-1). */
static struct reg *reg_new(struct conn *c, int set, int fd)
{
	struct reg *r;
	uint32_t i;

	if (set >= 0 && reg_free) {
		i = (uint32_t)reg_free - 1;
		reg_free = regs[i].next;
	} else if (set >= 0 && reg_made < REGS) {
		i = reg_made++;
	} else {
		guest_lost(PAGE_LOST_WATCH);
		return NULL;
	}
	r = &regs[i];
	*r = (struct reg){.generation = r->generation, .used = true, .set = set, .fd = fd, .conn = c->index, .until_ns = FOREVER,
			  .next = c->regs, .next_in_set = sets[set].regs};
	if (r->next_in_set)
		regs[r->next_in_set - 1].before_in_set = (int32_t)i + 1;
	c->regs = sets[set].regs = (int32_t)i + 1;
	atomic_store(&epoll_tokens, true);
	return r;
}

/* A connection is in few sets, a set has many connections. */
static void leave_conn(struct conn *c, const struct reg *r, int32_t index)
{
	int32_t *at = &c->regs;

	while (*at && *at != index)
		at = &regs[*at - 1].next;
	if (*at)
		*at = r->next;
}

static void leave_set(const struct reg *r)
{
	if (r->next_in_set)
		regs[r->next_in_set - 1].before_in_set = r->before_in_set;
	if (r->before_in_set)
		regs[r->before_in_set - 1].next_in_set = r->next_in_set;
	else
		sets[r->set].regs = r->next_in_set;
}

static void join_waiting(struct reg *r, int32_t index, int32_t *head)
{
	r->next_waiting = *head;
	r->before_waiting = 0;
	if (*head)
		regs[*head - 1].before_waiting = index;
	*head = index;
}

static void leave_waiting(const struct reg *r, int32_t *head)
{
	if (r->next_waiting)
		regs[r->next_waiting - 1].before_waiting = r->before_waiting;
	if (r->before_waiting)
		regs[r->before_waiting - 1].next_waiting = r->next_waiting;
	else
		*head = r->next_waiting;
}

/* What time may do for r: until_ns FOREVER and not held: nothing. A set has many registrations, of which few wait. */
static void reg_await(struct reg *r, uint64_t until_ns, bool held)
{
	bool waits = held || until_ns != FOREVER;

	r->until_ns = until_ns;
	r->held = held;
	if (waits && !r->waiting)
		join_waiting(r, (int32_t)(r - regs) + 1, &sets[r->set].waiting);
	else if (!waits && r->waiting)
		leave_waiting(r, &sets[r->set].waiting);
	r->waiting = waits;
}

static void reg_drop(struct conn *c, struct reg *r)
{
	int32_t index = (int32_t)(r - regs) + 1;

	reg_await(r, FOREVER, false);
	leave_conn(c, r, index);
	leave_set(r);
	r->used = false;
	r->generation++;
	r->next = reg_free;
	reg_free = index;
}

static uint64_t reg_token(const struct reg *r, enum token_kind kind)
{
	return token(kind, r->generation, (unsigned)(r - regs));
}

/* Gives the kernel these events for r's descriptor. An exclusive registration can not be modified (epoll_ctl(2)), only made anew. */
static int reg_apply(struct reg *r, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = reg_token(r, TOKEN_SOCKET)};
	int ep = sets[r->set].ep - 1, ret;

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

static void reg_take_out(struct reg *r)
{
	struct epoll_event ev = {0};

	if (!r->outside)
		raw_epoll_ctl(sets[r->set].ep - 1, EPOLL_CTL_DEL, r->fd, &ev);
	r->outside = true;
}

/* ---- the timer of a set ---- */

static void set_timer(int s, uint64_t until_ns)
{
	struct set *set = &sets[s];
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = token(TOKEN_TIMER, 0, (unsigned)s)};
	struct itimerspec it = {.it_value = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) + !until_ns}};	/* 0 would disarm it */
	int fd;

	if (until_ns >= set->armed_ns)
		return;
	if (!set->timer) {
		fd = table_own((int)RAW(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK, 0, 0, 0, 0));
		if (fd < 0) {
			set->armed_ns = until_ns;	/* who waits on the set ends its turn there */
			atomic_store(&starved, true);
			return;
		}
		set->timer = fd + 1;
		raw_epoll_ctl(set->ep - 1, EPOLL_CTL_ADD, fd, &ev);
	}
	RAW(SYS_timerfd_settime, set->timer - 1, TFD_TIMER_ABSTIME, &it, 0, 0, 0);
	set->armed_ns = until_ns;
}

/* The deadlines of a set that have passed, and (round not 0: the faults have changed) all that is held, once a round, for another fault may go on
 * holding it: up to DUE_BATCH connections, each held; the timer is set for the rest. */
static int set_due(int s, uint32_t round, uint64_t now_ns, struct conn *due[], int fds[])
{
	uint64_t next = FOREVER, tick = gate_next_tick(now_ns);
	int n = 0;

	sets[s].armed_ns = FOREVER;
	for (int32_t i = sets[s].waiting, after; i; i = after) {
		struct reg *r = &regs[i - 1];

		after = r->next_waiting;
		if ((r->until_ns <= now_ns || (round && r->held && r->round != round)) && n < DUE_BATCH && conn_hold(conn_at(r->conn))) {
			due[n] = conn_at(r->conn);
			fds[n++] = r->fd;
			r->round = round;
			reg_await(r, FOREVER, false);
		}
		next = r->until_ns < next ? r->until_ns : next;
		next = r->held && tick < next ? tick : next;
	}
	if (next != FOREVER)
		set_timer(s, next);
	return n;
}

/* Takes the set's timer back; whether the faults have changed since it fired last. */
static bool timer_read(struct set *set)
{
	uint64_t expired, version = page_version(guest.page);
	bool changed = set->version != version;

	if (set->timer)
		raw_read(set->timer - 1, &expired, sizeof(expired));
	set->version = version;
	return changed;
}

static void set_fire(int s)
{
	bool alone = !guest_faults_on(clock_now_ns());
	struct conn *due[DUE_BATCH];
	int fds[DUE_BATCH], n;
	uint32_t round = 0;

	do {
		if (!take())
			return;
		if (timer_read(&sets[s]) || (alone && !round))
			round = ++sets[s].rounds;
		n = set_due(s, round, clock_now_ns(), due, fds);
		give();
		for (int i = 0; i < n; i++) {
			if (conn_lock(due[i])) {
				gate_tick(due[i], fds[i], clock_now_ns());
				conn_unlock(due[i]);
			}
			conn_put(due[i]);
		}
	} while (n == DUE_BATCH);
}

/* ---- stand-ins ---- */

static void standin_close(struct conn *c)
{
	int fd = c->standin - 1;

	if (fd < 0)
		return;
	c->standin = 0;
	for (int32_t i = c->regs; i; i = regs[i - 1].next)
		regs[i - 1].standin = false;
	table_disown(fd);	/* the only descriptor of its file: it leaves every set */
}

/* r's set no longer has it. */
static void standin_leave(struct conn *c, struct reg *r)
{
	struct epoll_event ev = {0};

	if (r->standin)
		raw_epoll_ctl(sets[r->set].ep - 1, EPOLL_CTL_DEL, c->standin - 1, &ev);
	r->standin = false;
}

static void standin_place(struct conn *c, struct reg *r)
{
	struct epoll_event ev = {.events = r->events & (INPUT | FLAGS), .data.u64 = reg_token(r, TOKEN_STANDIN)};

	if (r->standin || r->disarmed || !(r->events & INPUT))
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
	r->standin = raw_epoll_ctl(sets[r->set].ep - 1, EPOLL_CTL_ADD, c->standin - 1, &ev) == 0;
}

/* ---- following the gate ---- */

static void reg_refresh(struct conn *c, struct reg *r, bool hidden, uint64_t until_ns, uint64_t tick_ns)
{
	uint32_t want = r->events & ~((hidden ? INPUT : 0) | (outgate_hidden(c) ? OUTPUT : 0));

	r->bare = false;
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
	uint64_t until, tick;

	if (!c->regs || !take())
		return;
	hidden = gate_hidden(c, now_ns);
	ready = gate_answer_ready(c, now_ns);
	until = ready ? outgate_deadline(c) : gate_deadline(c);
	tick = gate_holds(c, now_ns) ? gate_next_tick(now_ns) : FOREVER;
	if (!ready)
		standin_close(c);
	for (int32_t i = c->regs; i; i = regs[i - 1].next) {
		reg_refresh(c, &regs[i - 1], hidden, until, tick);
		if (ready)
			standin_place(c, &regs[i - 1]);
	}
	give();
}

void epoll_rearm(struct conn *c)
{
	if (!c->regs || !take())
		return;
	for (int32_t i = c->regs; i; i = regs[i - 1].next)
		if ((regs[i - 1].events & EPOLLET) && !regs[i - 1].outside && !regs[i - 1].disarmed)
			reg_apply(&regs[i - 1], regs[i - 1].applied);
	give();
}

/* ---- what was registered before ---- */

/* A registration that the program made with its own data becomes ours; NULL: it is gone, or there is no room for it. */
static struct reg *take_over(struct conn *c, int fd, int s, uint32_t events, uint64_t data, bool armed)
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
		take_over(c, fd, s, e->events, e->data, !(e->events & EPOLLONESHOT) || fdinfo_armed(sets[s].ep - 1, fd, (uint32_t)FLAGS));
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
	if (c->gated && (early_known(fd) || atomic_load(&c->descriptors) > 1 || pending()))
		change(&(struct change){import, .c = c, .fd = fd});
}

/* ---- epoll_ctl ---- */

/* A registration of a descriptor that no fault concerns, as the program made it. */
static void remember(const struct change *w)
{
	int s = set_find(w->ep, w->op != EPOLL_CTL_DEL);

	if (w->op == EPOLL_CTL_DEL && s >= 0)
		early_drop(w->fd, set_number(s));
	else if (w->op != EPOLL_CTL_DEL && s >= 0)
		early_put(w->fd, (struct early){set_number(s), w->ev.events, w->ev.data.u64});
	else if (w->op != EPOLL_CTL_DEL)
		early_lose(w->fd);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

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

static void record(const struct change *w);

/* Nearly always the descriptor is in this set already, and in no other. */
static bool updated(int ep, int op, int fd, const struct epoll_event *ev)
{
	int s = op == EPOLL_CTL_MOD ? set_find(ep, false) : -1;

	return s >= 0 && early_update(fd, (struct early){set_number(s), ev->events, ev->data.u64});
}

static void remember_change(int ep, int op, int fd, const struct epoll_event *ev)
{
	change(&(struct change){remember, .fd = fd, .ep = ep, .op = op, .ev = ev ? *ev : (struct epoll_event){0}});
}

/* A connection that no fault concerned when the kernel was asked, but does now: whoever saw to that may have come before or after. */
static void controlled_late(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev)
{
	if (!conn_lock(c)) {
		change(&(struct change){record, c, fd, ep, op, ev ? *ev : (struct epoll_event){0}});
		return;
	}
	if (op == EPOLL_CTL_DEL) {
		change(&(struct change){record, c, fd, ep, op, {0}});
	} else {
		remember_change(ep, op, fd, ev);
		epoll_import(c, fd);
	}
	epoll_refresh(c, clock_now_ns());
	conn_unlock(c);
}

void epoll_controlled(struct conn *c, int ep, int op, int fd, const struct epoll_event *ev)
{
	struct conn *now;

	if (!updated(ep, op, fd, ev))
		remember_change(ep, op, fd, ev);
	now = c ? c : TABLE_GET(fd);	/* another thread may have made it a connection meanwhile */
	if (now && atomic_load(&now->gated))
		controlled_late(now, ep, op, fd, ev);
	if (now != c)
		conn_put(now);
}

/* A handler's epoll_ctl on a connection, with locks of ours taken below it: the kernel's first, then its record. What the gate makes of it is
 * seen to by the next wait. */
static void record(const struct change *w)
{
	int s = w->c->gated ? set_find(w->ep, w->op != EPOLL_CTL_DEL) : -1;
	struct reg *reg = s < 0 ? NULL : reg_find(w->c, s, w->fd);

	if (!w->c->gated) {
		remember(w);
	} else if (w->op != EPOLL_CTL_DEL && (reg = take_over(w->c, w->fd, s, w->ev.events, w->ev.data.u64, true))) {
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
		change(&(struct change){record, c, fd, ep, op, ev ? *ev : (struct epoll_event){0}});
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
	take();	/* true: with one of our locks taken below, the connection's was not to be had */
	reg = reg_find(c, set_find(ep, false), fd);
	if (op == EPOLL_CTL_ADD)
		r = reg ? fail(EEXIST) : control_add(c, ep, fd, ev);
	else if (!reg)
		r = real.epoll_ctl(ep, op, fd, ev);
	else
		r = op == EPOLL_CTL_MOD ? control_mod(c, reg, ev) : control_del(c, reg, ep, fd, ev);
	give();
	epoll_refresh(c, clock_now_ns());
	conn_unlock(c);
	return r;
}


/* ---- waiting ---- */

struct batch {
	struct epoll_event *evs;
	uint32_t id, n;
};

/* Adds an event of r to what is returned; one that stands there already is merged: a descriptor has one event in a batch. */
static void batch_add(struct batch *b, struct reg *r, uint32_t events)
{
	if (r->batch == b->id) {
		b->evs[r->slot].events |= events;
		return;
	}
	r->batch = b->id;
	r->slot = b->n;
	b->evs[b->n++] = (struct epoll_event){.events = events, .data.u64 = r->data};
	if (r->events & EPOLLONESHOT)
		r->disarmed = true;
}

/* Adds the answers of set s that nothing announces, as far as the batch has room. */
static void announce_bare(struct batch *b, int s, uint32_t room)
{
	if (!take())
		return;
	for (int32_t i = sets[s].waiting; i && b->n < room; i = regs[i - 1].next_waiting)
		if (regs[i - 1].bare && !regs[i - 1].disarmed)
			batch_add(b, &regs[i - 1], regs[i - 1].events & (EPOLLIN | EPOLLRDNORM));
	give();
}

/* The registration a token names, if it still exists; under the lock. */
static struct reg *reg_of(uint64_t data)
{
	unsigned index = data & 0xffff;

	return regs[index].used && regs[index].generation == (uint16_t)(data >> 24) ? &regs[index] : NULL;
}

/* What of these events the program may see; under the connection's lock. */
static uint32_t admit(struct conn *c, int fd, uint32_t events, bool standin, uint64_t now_ns)
{
	if (standin)
		return gate_answer_ready(c, now_ns) ? events & (EPOLLIN | EPOLLRDNORM) : 0;
	if (c->dialling && !attempt_look(c, fd, now_ns)) {
		epoll_refresh(c, now_ns);
		return 0;
	}
	if (c->connecting)
		events &= (uint32_t)(uint16_t)raw_ready(fd, (short)events);	/* the kernel's event may be of a connect before this one */
	if (outgate_hidden(c))
		events &= ~OUTPUT;
	if (!(events & (INPUT | TROUBLE)) || gate_readable(c, fd, now_ns)) {
		if (c->dead && (events & TROUBLE))
			events |= EPOLLIN;
		return events;
	}
	if (events & TROUBLE)
		c->hup_hidden = true;
	epoll_refresh(c, now_ns);
	/* Urgent data is no part of a request that is not whole. */
	return events & (~(INPUT | TROUBLE) | (gate_hidden(c, now_ns) ? 0 : EPOLLPRI));
}

static void translate_socket(struct batch *b, struct epoll_event e)
{
	bool standin = (e.data.u64 >> 40 & 15) == TOKEN_STANDIN;
	struct conn *c = NULL;
	struct reg *r;
	uint32_t events = 0;
	int fd = -1;

	if (!take())
		return;
	r = reg_of(e.data.u64);
	if (r && conn_hold(conn_at(r->conn))) {
		c = conn_at(r->conn);
		fd = r->fd;
	}
	give();
	if (!c)
		return;
	if (conn_lock(c)) {
		events = admit(c, fd, e.events, standin, clock_now_ns());
		conn_unlock(c);
	}
	if (take()) {
		r = reg_of(e.data.u64);
		if (r && r->disarmed && r->batch != b->id)
			;	/* EPOLLONESHOT: the other of socket and stand-in has had its event */
		else if (r && events)
			batch_add(b, r, standin ? events & r->events : events);
		else if (r && (r->events & EPOLLONESHOT) && !r->outside)
			reg_apply(r, r->applied);	/* the kernel disarmed it for an event the program never saw */
		give();
	}
	conn_put(c);
}

static void batch_begin(struct batch *b, struct epoll_event *evs)
{
	*b = (struct batch){.evs = evs};
	take();
	b->id = ++batches;
	give();
}

static void fire(struct batch *b, int s, uint32_t room)
{
	set_fire(s);
	announce_bare(b, s, room);
}

/* In a handler that has interrupted this library what it receives passes straight through: so do the kernel's events. */
static int translate_inside(struct epoll_event *evs, int n)
{
	bool mine = take();	/* or the holder is interrupted, and nothing changes meanwhile */
	int k = 0;

	for (int i = 0; i < n; i++) {
		struct epoll_event e = evs[i];
		struct reg *r = is_token(e.data.u64) && (e.data.u64 >> 40 & 15) == TOKEN_SOCKET ? reg_of(e.data.u64) : NULL;

		if (r && (r->events & EPOLLONESHOT))
			r->disarmed = true;
		if (r)
			e.data.u64 = r->data;
		if (!is_token(e.data.u64))
			evs[k++] = e;
	}
	if (mine)
		give();
	return k;
}

static int translate(struct epoll_event *evs, int n)
{
	struct batch b;

	if (!conn_may_lock())
		return translate_inside(evs, n);
	batch_begin(&b, evs);
	for (int i = 0; i < n; i++) {
		struct epoll_event e = evs[i];

		if (!is_token(e.data.u64))
			evs[b.n++] = e;
		else if ((e.data.u64 >> 40 & 15) == TOKEN_TIMER)
			fire(&b, (int)(e.data.u64 & 0xffff) % SETS, (uint32_t)i + 1);
		else
			translate_socket(&b, e);
	}
	return (int)b.n;
}

/* The deadline of a set without a timer has come. */
static int fire_untimed(int s, struct epoll_event *evs, int max)
{
	struct batch b;

	if (!conn_may_lock())
		return 0;
	batch_begin(&b, evs);
	fire(&b, s, (uint32_t)max);
	return (int)b.n;
}

static int ask(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask)
{
	int64_t ms = t ? t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000 : -1;

	ms = ms > INT32_MAX ? INT32_MAX : ms;
	if (how == EPOLL_PWAIT2)
		return real.epoll_pwait2(ep, evs, max, t, mask);
	return how == EPOLL_PWAIT ? real.epoll_pwait(ep, evs, max, (int)ms, mask) : real.epoll_wait(ep, evs, max, (int)ms);
}

/* The deadline of ep's set, *s, when no timer could be had for it; FOREVER: it has one, or nothing is held. */
static uint64_t untimed(int ep, int *s)
{
	uint64_t until = FOREVER;

	if (likely(!atomic_load_explicit(&starved, memory_order_relaxed)) || !take())
		return FOREVER;
	*s = set_find(ep, false);
	if (*s >= 0 && !sets[*s].timer)
		until = sets[*s].armed_ns;
	give();
	return until;
}

static struct timespec span(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t left = to_ns > from_ns ? to_ns - from_ns : 0;

	return (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
}

int epoll_await(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask)
{
	uint64_t end = t ? clock_now_ns() + (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec : FOREVER;
	struct timespec left = t ? *t : (struct timespec){0, 0};
	bool over = false;

	for (;;) {
		int s = -1, n;
		uint64_t now, until = untimed(ep, &s);
		bool ours = until < end;

		if (ours)
			left = span(clock_now_ns(), until);
		n = ask(how, ep, evs, max, t || ours ? &left : NULL, mask);
		if (n < 0 || (!n && !ours) || !epoll_engaged())
			return n;
		n = n ? translate(evs, n) : fire_untimed(s, evs, max);
		if (n)
			return n;
		now = clock_now_ns();
		if (over)
			return 0;
		over = now >= end;	/* what just came may have let others in: they are asked for once more, without waiting */
		now = over ? end : now;
		left = span(now, end);
	}
}

int epoll_resume(enum epoll_how how, int ep, struct epoll_event *evs, int n, int max, uint64_t began_ns, const struct timespec *t,
		 const sigset_t *mask)
{
	struct timespec left;

	n = translate(evs, n);
	if (n)
		return n;
	if (t)
		left = span(clock_now_ns(), began_ns + CLOCK_COARSE_NS + (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec);
	return epoll_await(how, ep, evs, max, t ? &left : NULL, mask);
}

/* ---- forgetting ---- */

/* The kernel keeps a registration while a duplicate of its descriptor is open: it becomes plain, with the program's own data. */
static void reg_release(struct reg *r)
{
	struct epoll_event ev = {.events = r->events, .data.u64 = r->data};
	int ep = sets[r->set].ep - 1;

	if (r->outside)
		raw_epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	else if (!(r->events & EPOLLEXCLUSIVE))
		raw_epoll_ctl(ep, EPOLL_CTL_MOD, r->fd, &ev);
}

bool epoll_let_go(struct conn *c)
{
	bool plain = !c->standin;

	if (!c->regs)
		return true;
	if (!take())
		return false;
	for (int32_t i = c->regs; i; i = regs[i - 1].next)
		plain &= !regs[i - 1].disarmed && !regs[i - 1].outside && !(regs[i - 1].events & EPOLLEXCLUSIVE);
	while (plain && c->regs) {
		struct reg *r = &regs[c->regs - 1];

		reg_release(r);
		early_put(r->fd, (struct early){set_number(r->set), r->events, r->data});
		reg_drop(c, r);
	}
	give();
	return plain;
}

enum { CLOSES, STAYS, ANEW };	/* change.op of forget_fd() */

static void forget_fd(const struct change *w)
{
	for (int32_t i = w->c->regs, next; i; i = next) {
		struct reg *r = &regs[i - 1];

		next = r->next;
		if (r->fd != w->fd)
			continue;
		standin_leave(w->c, r);
		if (w->op != CLOSES)
			reg_release(r);
		if (w->op == ANEW)
			early_put(w->fd, (struct early){set_number(r->set), r->events, r->data});
		reg_drop(w->c, r);
	}
}

void epoll_forget_fd(struct conn *c, int fd, bool stays, bool anew)
{
	if (c->regs || pending())
		change(&(struct change){forget_fd, c, fd, .op = anew ? ANEW : stays ? STAYS : CLOSES});
}

void epoll_remove(struct conn *c, int fd)
{
	if (!c->regs || !take())
		return;
	for (int32_t i = c->regs; i; i = regs[i - 1].next)
		if (regs[i - 1].fd == fd && !regs[i - 1].outside)
			raw_epoll_ctl(sets[regs[i - 1].set].ep - 1, EPOLL_CTL_DEL, fd, NULL);
	give();
}

static void forget_conn(const struct change *w)
{
	standin_close(w->c);
}

void epoll_forget_conn(struct conn *c)
{
	if (c->standin || pending())
		change(&(struct change){forget_conn, .c = c});
}

static void set_free(int s)
{
	while (sets[s].regs) {
		struct reg *r = &regs[sets[s].regs - 1];

		reg_drop(conn_at(r->conn), r);
	}
	table_disown(sets[s].timer - 1);
	sets[s] = (struct set){.life = sets[s].life};
}

/* One of the descriptors of a set is closed: another one means it from now on. */
static void set_moves(int s, int closed)
{
	int fd = sets[s].ep - 1;

	if (fd == closed)
		for (fd = 0; fd < set_top && set_of[fd] != s + 1; fd++)
			;
	sets[s].ep = fd + 1;
}

static void forget_set(const struct change *w)
{
	int s = set_of[w->fd] - 1;

	early_forget(w->fd);
	set_of[w->fd] = 0;
	if (s >= 0 && --sets[s].fds)
		set_moves(s, w->fd);
	else if (s >= 0)
		set_free(s);
}

void epoll_forget_set(int fd)
{
	if ((unsigned)fd < TABLE_FDS && !guest_is_borrowed())
		change(&(struct change){forget_set, .fd = fd});
}

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
		change(&(struct change){share, .fd = to, .ep = from});
}

static void moved(const struct change *w)
{
	int from = w->op, to = w->fd;

	for (uint32_t i = 0; i < set_made; i++)
		if (sets[i].timer == from + 1)
			sets[i].timer = to + 1;
	for (uint32_t i = 0; i < reg_made; i++)
		if (regs[i].used && conn_at(regs[i].conn)->standin == from + 1)
			conn_at(regs[i].conn)->standin = to + 1;
}

void epoll_moved(int from, int to)
{
	change(&(struct change){moved, .fd = to, .op = from});
}

bool epoll_knows(int fd)
{
	return (unsigned)fd < TABLE_FDS && (early_known(fd) || set_of[fd] || pending());
}
