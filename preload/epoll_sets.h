/* SPDX-License-Identifier: MIT */
/*
* The epoll sets of the program that we know of, and the registrations of gated connections in them: two tables, linked by index + 1 (0 is
 * none), so that a connection finds its registrations (conn.regs), a set all of its own, and those for which time may do something.
 * All under the lock (epoll_lock.h), where nothing else is said. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_SETS_H
#define AFTERSHOCK_PRELOAD_EPOLL_SETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "preload/conn.h"
#include "preload/epoll_token.h"

#define EPOLL_SETS 4096
#define EPOLL_REGS 65536
#define EPOLL_INPUT (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP)
#define EPOLL_OUTPUT (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
#define EPOLL_FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

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
	uint32_t round;		/* of the set: when this was last looked at, not because of its own deadline */
	uint32_t conn;
	int32_t next, next_in_set, before_in_set;	/* index + 1 */
	int32_t next_waiting, before_waiting;
	bool waiting;		/* in its set's list of those with a deadline, or held */
	uint32_t batch, slot;	/* where its event stands in the batch being returned */
};

struct set {			/* one epoll set of the program */
	int ep;			/* + 1; 0 free */
	int fds;		/* descriptors that mean it: ep and its duplicates */
	int timer;		/* + 1; 0 none */
	int32_t regs, waiting;	/* all registrations; those for which time may do something */
	uint64_t armed_ns;	/* what the timer is set to; FOREVER: not */
	uint64_t version;	/* of the faults, when the timer fired last */
	uint32_t rounds;	/* how often all that is held, or may come to be, was looked at */
	bool nested;		/* it is in another set, or was */
};

extern struct reg *epoll_regs;	/* of EPOLL_REGS */
extern struct set epoll_sets[EPOLL_SETS];

/* Makes room, before anything else here is called; false when there is none. */
bool sets_start(void);

/* The set that ep means, -1 none; make: it is one, -1 when there is no room. Lock-free unless it makes one. */
int set_find(int ep, bool make);

/* ep means set s as well. */
void set_means(int ep, int s);

/* The first set from s on that is there, the first descriptor from fd on that means set s; -1 none. */
int set_next(int s);
int set_next_fd(int s, int fd);

/* Set s is in another one. */
void set_nests(int s);

/* Whether any set is, or was. Lock-free. */
bool sets_nest(void);

/* A number that names set s and no later one in its place (lock-free); the set of such a number, -1: it is gone. */
uint32_t set_number(int s);
int set_of_number(uint32_t number);

/* ep is closed: with the last of its descriptors a set goes, and all of its registrations. */
void set_forget(int ep);

/* Whether ep means a set. Lock-free. */
bool set_is_known(int ep);

/* A private descriptor got another number. */
void sets_moved(int from, int to);

/* NULL: there is none. */
struct reg *reg_find(struct conn *c, int set, int fd);

/* The registration that a token names; NULL when it is gone. */
struct reg *reg_of(uint64_t data);

/* NULL (counted): there is no room for it, or was none for its set (-1). */
struct reg *reg_new(struct conn *c, int set, int fd);
void reg_drop(struct conn *c, struct reg *r);

/* What time may do for r: until_ns FOREVER and not held: nothing. */
void reg_await(struct reg *r, uint64_t until_ns, bool held);

/* How many registrations of the process time may do something for: a wait may end for that alone, and go on. */
extern _Atomic uint32_t epoll_waiting;

static inline bool sets_wait(void)
{
	return atomic_load_explicit(&epoll_waiting, memory_order_relaxed) != 0;
}

/* Whether the program waits for no input there: what ends the connection is to be noticed all the same. */
static inline bool reg_is_blind(const struct reg *r)
{
	return !(r->events & (EPOLLIN | EPOLLRDNORM));
}

uint64_t reg_token(const struct reg *r, enum token_kind kind);

/* Gives the kernel these events for r's descriptor. 0 or -errno. */
int reg_apply(struct reg *r, uint32_t events);

/* The kernel's set is without r's descriptor until reg_apply(). */
void reg_take_out(struct reg *r);

/* The kernel keeps a registration while a duplicate of its descriptor is open: it becomes plain, with the program's own data. */
void reg_release(const struct reg *r);

#endif
