/* SPDX-License-Identifier: MIT */
/*
 * A store: a database or cache that a service keeps things in, and a pool of connections to it that is its bulkhead. At most `pool`
 * connections exist and as many requests are at work in the store; others wait in order for a place, for at most wait_ns, and are
 * refused then. So a store that hangs takes `pool` threads, not all.
 *
 * A connection is handed out only if it is at rest: what became of one that the server has closed meanwhile, or that was given back in the
 * middle of something, is found out before it is used again, and a new one is opened in its place. A server that was restarted is
 * therefore met with new connections, at the price of none of the requests that come after it. What was at work when it died fails, for
 * nobody knows whether it took effect: to repeat that is for whoever knows that it may be repeated.
 * Invariants: connections at rest and in use <= pool; nothing here waits longer than it was told.
 *
 * Thread-safe. The kinds of store are tables of functions: postgres.h, redis.h.
 */
#ifndef DEMOS_SERVICE_STORE_H
#define DEMOS_SERVICE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "demos/service/guard.h"

#define STORE_WHY_SIZE 192

/* How work at a store ended. */
enum store_end {
	STORE_OK,
	STORE_EXHAUSTED,	/* the pool had no place in time */
	STORE_UNREACHABLE,	/* no connection could be opened: nothing was done */
	STORE_LOST,		/* the connection broke in the middle: it may have been done or not */
	STORE_TIMEOUT,		/* it took too long, and the same holds */
	STORE_BUSY,		/* locks, deadlock, serialization, too many connections, still starting: undone, may be tried again */
	STORE_CONFLICT,		/* a constraint says no: unique, foreign key, check, exclusion */
	STORE_INVALID,		/* a value that does not fit its type */
	STORE_REFUSED,		/* anything else that the server calls an error */
	STORE_NO_MEMORY,
	STORE_ENDS
};

/* Each end's name, as in /metrics, and the HTTP status that tells it to a caller. */
extern const struct store_meaning {
	const char *name;
	unsigned status;
} store_meanings[STORE_ENDS];

struct store_config;

/* Connections are the kind's own. Until_ns: a moment of clock_now_ns(). */
struct store_kind {
	const char *key;	/* in the configuration: its value is the address */
	/* A connection that has been answered on; NULL with *end and why filled. */
	void *(*open)(const struct store_config *config, uint64_t until_ns, enum store_end *end, char why[STORE_WHY_SIZE]);
	/* Whether nothing is under way on it and the server has not closed it. Does not wait. */
	bool (*is_at_rest)(void *connection);
	void (*close)(void *connection);
};

struct store_config {
	const char *name;
	const char *service;		/* whose store it is: told to the server where it can be */
	const struct store_kind *kind;
	const char *address;
	struct bulkhead_policy pool;	/* width: connections; queue, wait_ns: who waits for one */
	unsigned min_idle;		/* connections that are opened before anybody wants them; at most pool.width */
	uint64_t connect_timeout_ns;	/* until the first answer */
	uint64_t timeout_ns;		/* of one piece of work, from when it has its connection */
};

struct store_counts {
	_Atomic uint64_t ends[STORE_ENDS];	/* pieces of work */
	_Atomic uint64_t opened;		/* connections */
	_Atomic uint64_t replaced;		/* connections that were no longer at rest when they were wanted, or given back */
};

struct store {
	const struct store_config *config;
	struct guard pool;		/* its bulkhead; it has no breaker */
	void **idle;			/* at rest, the one used last on top; under idle_lock */
	unsigned idle_count;
	pthread_mutex_t idle_lock;
	struct store_counts counts;
};

/* 0 or -ENOMEM. The configuration must outlive it. Opens nothing yet. */
int store_init(struct store *store, const struct store_config *config);
/*
 * Opens the min_idle connections, one after the other, before others know of the store. One that cannot be opened ends it without an
 * error: a service starts whether its stores are there or not, and connections are then opened when they are wanted.
 */
void store_warm(struct store *store);
/* Closes what is at rest; nobody may be at work. */
void store_clear(struct store *store);

/*
 * Takes a connection for one piece of work: waits for a place in the pool and for a connection to open, but not beyond until_ns
 * (UINT64_MAX: as configured). STORE_OK: store_give() is owed. Else *connection is NULL and why holds one sentence.
 */
enum store_end store_take(struct store *store, uint64_t until_ns, void **connection, char why[STORE_WHY_SIZE]);

/* Gives it back, after work that ended so; a connection that is not at rest is closed. */
void store_give(struct store *store, void *connection, enum store_end end);

/* Until when a piece of work that begins now may take, for a caller who waits until until_ns (UINT64_MAX: for ever). */
uint64_t store_until(const struct store *store, uint64_t until_ns);

/* Whether it answers, on a connection of its own beside the pool: a full pool is not a store that is gone. Takes connect_timeout_ns at most. */
bool store_is_reachable(const struct store *store);

/* How many connections are at rest. */
unsigned store_idle(struct store *store);

/* Waits until the descriptor is ready for these events of poll(2); false when until_ns comes first. Errors of the descriptor are "ready". */
bool store_wait(int fd, short events, uint64_t until_ns);

#endif
