/* SPDX-License-Identifier: MIT */
/*
 * A limited number of workers with one queue, as a pure schedule: work is begun in the order in which it comes, by the worker that is
 * free first, and takes a time that is known when it comes. So its end is known then as well: who brings it waits until then. Once taken
 * it takes its time, whether or not anybody still waits for it: that is what makes overload dangerous.
 * Invariant: work begins in the order of workers_take(), and at most `count` is worked on at any instant.
 *
 * Needs only this file and workers.c. Time and chance are the caller's: any clock in ns that does not go back. No globals; not
 * thread-safe, callers hold a lock of their own around workers_take(), which does not wait.
 */
#ifndef DEMOS_SERVICE_WORKERS_H
#define DEMOS_SERVICE_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#define WORKERS_MAX 1000

struct workers_policy {
	unsigned count;			/* 1..WORKERS_MAX */
	unsigned queue;			/* how much work may wait for a worker; 0: none */
};

struct workers {
	const struct workers_policy *policy;
	uint64_t *free_ns;		/* when each worker has done all that it was given */
	uint64_t *begins_ns;		/* a ring: when each piece of work that waits will begin, in order */
	unsigned first, waiting;
	uint64_t taken, refused;
};

/* All are free; the policy must outlive it. 0 or -ENOMEM. */
int workers_init(struct workers *w, const struct workers_policy *policy);
void workers_clear(struct workers *w);

/* Brings work of take_ns. True: it is done at *end_ns. False: the queue is full and nothing has changed. */
bool workers_take(struct workers *w, uint64_t now_ns, uint64_t take_ns, uint64_t *end_ns);

/* How much work waits for a worker. */
unsigned workers_waiting(struct workers *w, uint64_t now_ns);

/* A time of an exponential distribution with that mean (inverse transform); uniform is a draw from [0,1). At most 45 times the mean. */
uint64_t workers_exponential_ns(uint64_t mean_ns, double uniform);

#endif
