/* SPDX-License-Identifier: MIT */
#include "preload/epoll_translate.h"

#include "base/clock.h"
#include "preload/attempt.h"
#include "preload/epoll.h"
#include "preload/epoll_lock.h"
#include "preload/epoll_nest.h"
#include "preload/epoll_sets.h"
#include "preload/epoll_timer.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/raw.h"

#define TROUBLE (EPOLLHUP | EPOLLERR)

struct batch {		/* what one wait returns */
	struct epoll_event *evs;
	uint32_t id, n;
};

static uint32_t batches;	/* under the lock */

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
	if (!epoll_lock())
		return;
	for (int32_t i = epoll_sets[s].waiting; i && b->n < room; i = epoll_regs[i - 1].next_waiting)
		if (epoll_regs[i - 1].bare && !epoll_regs[i - 1].disarmed)
			batch_add(b, &epoll_regs[i - 1], epoll_regs[i - 1].events & (EPOLLIN | EPOLLRDNORM));
	epoll_unlock();
}

/* Who reads less than asked for and was told of a hang-up takes it for the end of the stream (libuv). */
static uint32_t shown_end(struct conn *c, int fd, uint32_t events)
{
	bool later = (events & EPOLLIN) && (events & (EPOLLHUP | EPOLLRDHUP)) && gate_end_is_later(c, fd);

	return later ? events & ~(uint32_t)(EPOLLHUP | EPOLLRDHUP) : events;
}

uint32_t epoll_admit(struct conn *c, int fd, uint32_t events, uint64_t now_ns)
{
	if (c->dialling && !attempt_look(c, fd, now_ns)) {
		epoll_refresh(c, now_ns);
		return 0;
	}
	if (c->connecting)
		events &= (uint32_t)(uint16_t)raw_ready(fd, (short)events);	/* the kernel's event may be of a connect before this one */
	if (outgate_hidden(c))
		events &= ~EPOLL_OUTPUT;
	c->input_known = (events & (EPOLLIN | TROUBLE)) == EPOLLIN;
	c->more_behind |= c->judged_bytes != 0;	/* an edge of what came behind that, before it was read */
	if (!(events & (EPOLL_INPUT | TROUBLE)) || gate_readable(c, fd, now_ns)) {
		if (c->dead)	/* perhaps just now: the bits of the reset as well */
			events |= (uint32_t)(uint16_t)raw_ready(fd, POLLIN | POLLOUT | POLLRDHUP);
		return shown_end(c, fd, events);
	}
	if (events & TROUBLE)
		c->hup_hidden = true;
	epoll_refresh(c, now_ns);
	/* Urgent data is no part of a request that is not whole. */
	return events & (~(EPOLL_INPUT | TROUBLE) | (gate_hidden(c, now_ns) ? 0 : EPOLLPRI));
}

static uint32_t admit_standin(struct conn *c, uint32_t events, uint64_t now_ns)
{
	return gate_answer_ready(c, now_ns) ? events & (EPOLLIN | EPOLLRDNORM) : 0;
}

static void translate_socket(struct batch *b, struct epoll_event e)
{
	bool standin = token_kind(e.data.u64) == TOKEN_STANDIN;
	struct conn *c = NULL;
	struct reg *r;
	uint32_t events = 0;
	int fd = -1;

	if (!epoll_lock())
		return;
	r = reg_of(e.data.u64);
	if (r && conn_hold(conn_at(r->conn))) {
		c = conn_at(r->conn);
		fd = r->fd;
	}
	epoll_unlock();
	if (!c)
		return;
	if (conn_lock(c)) {
		events = standin ? admit_standin(c, e.events, clock_now_ns()) : epoll_admit(c, fd, e.events, clock_now_ns());
		conn_unlock(c);
	}
	if (epoll_lock()) {
		r = reg_of(e.data.u64);
		if (r && r->disarmed && r->batch != b->id)
			;	/* EPOLLONESHOT: the other of socket and stand-in has had its event */
		else if (r && events)
			batch_add(b, r, events & (r->events | (standin ? 0 : TROUBLE)));
		else if (r && (r->events & EPOLLONESHOT) && !r->outside)
			reg_apply(r, r->applied);	/* the kernel disarmed it for an event the program never saw */
		epoll_unlock();
	}
	conn_put(c);
}

static void batch_begin(struct batch *b, struct epoll_event *evs)
{
	*b = (struct batch){.evs = evs};
	epoll_lock();
	b->id = ++batches;
	epoll_unlock();
}

static void fire(struct batch *b, int s, uint32_t room)
{
	set_fire(s);
	announce_bare(b, s, room);
}

/* In a handler that has interrupted this library what it receives passes straight through: so do the kernel's events. */
static int translate_inside(struct epoll_event *evs, int n)
{
	bool mine = epoll_lock();	/* or the holder is interrupted, and nothing changes meanwhile */
	int k = 0;

	for (int i = 0; i < n; i++) {
		struct epoll_event e = evs[i];
		struct reg *r = is_token(e.data.u64) && token_kind(e.data.u64) == TOKEN_SOCKET ? reg_of(e.data.u64) : NULL;

		if (r && (r->events & EPOLLONESHOT))
			r->disarmed = true;
		if (r)
			e.data.u64 = r->data;
		if (!is_token(e.data.u64))
			evs[k++] = e;
	}
	if (mine)
		epoll_unlock();
	return k;
}

int epoll_translate(int ep, struct epoll_event *evs, int n)
{
	struct batch b;

	if (!conn_may_lock())
		return translate_inside(evs, n);
	batch_begin(&b, evs);
	for (int i = 0; i < n; i++) {
		struct epoll_event e = evs[i];

		if (is_token(e.data.u64) && token_kind(e.data.u64) == TOKEN_TIMER)
			fire(&b, token_index(e.data.u64) % EPOLL_SETS, (uint32_t)i + 1);
		else if (is_token(e.data.u64))
			translate_socket(&b, e);
		else if (!nest_hides(ep, &e))
			evs[b.n++] = e;
	}
	return (int)b.n;
}

int epoll_translate_untimed(int s, struct epoll_event *evs, int max)
{
	struct batch b;

	if (!conn_may_lock())
		return 0;
	batch_begin(&b, evs);
	fire(&b, s, (uint32_t)max);
	return (int)b.n;
}
