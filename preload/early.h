/* SPDX-License-Identifier: MIT */
/*
 * What the program registered in epoll sets of descriptors that no fault concerns (yet): kept so that a fault that
 * appears later finds them, in every set. A set is named by a number that is never used again (epoll_sets.h), 0 is none.
 *
 * Invariant: a descriptor has one entry for each set at most. Under the lock of epoll_lock.h, where nothing else is said.
 */
#ifndef AFTERSHOCK_PRELOAD_EARLY_H
#define AFTERSHOCK_PRELOAD_EARLY_H

#include <stdbool.h>
#include <stdint.h>

struct early {
	uint32_t set;		/* 0: none */
	uint32_t events;	/* the program's */
	uint64_t data;
};

/* Makes room, before anything else here is called; false when there is none. */
bool early_start(void);

/* Whether there is anything about fd. Lock-free. */
bool early_known(int fd);

/* The same as early_put(), and for EPOLL_CTL_DEL as early_drop(), without the lock: where fd has an entry of this set that is looked at
 * first, with the same data. False: it has none. Of a fault that appears at this moment the caller learns afterwards, and puts it once
 * more: this is a full barrier. */
bool early_update(int fd, int op, struct early e);

/* fd is in a set, with these events and data from now on; entries of sets that are gone make room. */
void early_put(int fd, struct early e);

/* What it was told of that set. False: it is not in it. */
bool early_find(int fd, uint32_t set, struct early *e);

/* fd is in that set no more; in none. */
void early_drop(int fd, uint32_t set);
void early_forget(int fd);

/* Takes one out; false: there is none. */
bool early_take(int fd, struct early *e);

/* There is no room for something about fd; whether that was so, told once. */
void early_lose(int fd);
bool early_lost(int fd);

#endif
