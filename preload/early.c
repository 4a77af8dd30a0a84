/* SPDX-License-Identifier: MIT */
#include "preload/early.h"

#include "preload/epoll.h"
#include "preload/table.h"

#define MORE 65536	/* entries of descriptors that are in a second set, a third ... */
#define LOST (1u << 31)	/* in a link: there was no room for one */

static struct early first[TABLE_FDS];
static uint32_t rest[TABLE_FDS];	/* index + 1 of a descriptor's second, and LOST */
static struct {
	struct early e;
	uint32_t next;
} more[MORE];
static uint32_t made, unused;			/* unused: index + 1 of the first of those that were given back */

static uint32_t *link_of(uint32_t at)
{
	return &more[at - 1].next;
}

static uint32_t chain(int fd)
{
	return rest[fd] & ~LOST;
}

static void set_chain(int fd, uint32_t at)
{
	rest[fd] = at | (rest[fd] & LOST);
}

/* Takes the entry behind `before` (0: the first of the chain) out. */
static void give_back(int fd, uint32_t before, uint32_t at)
{
	if (before)
		*link_of(before) = *link_of(at);
	else
		set_chain(fd, *link_of(at));
	more[at - 1].e.set = 0;
	*link_of(at) = unused;
	unused = at;
}

/* The entry of fd for that set, or one that is free; entries of sets that are gone are thrown out on the way. NULL: neither. */
static struct early *place(int fd, uint32_t set)
{
	struct early *free = NULL;
	uint32_t next;

	if (first[fd].set == set)
		return &first[fd];
	if (!first[fd].set || !epoll_set_lives(first[fd].set)) {
		first[fd].set = 0;
		free = &first[fd];
	}
	for (uint32_t at = chain(fd), before = 0; at; at = next) {
		next = *link_of(at);
		if (more[at - 1].e.set == set)
			return &more[at - 1].e;
		if (epoll_set_lives(more[at - 1].e.set))
			before = at;
		else
			give_back(fd, before, at);
	}
	return free;
}

static struct early *make(int fd)
{
	uint32_t at = unused;

	if (at)
		unused = *link_of(at);
	else if (made < MORE)
		at = ++made;
	else
		return NULL;
	*link_of(at) = chain(fd);
	set_chain(fd, at);
	return &more[at - 1].e;
}

bool early_known(int fd)
{
	return (unsigned)fd < TABLE_FDS && (first[fd].set || rest[fd]);
}

bool early_update(int fd, struct early e)
{
	if ((unsigned)fd >= TABLE_FDS || first[fd].set != e.set)
		return false;
	first[fd].events = e.events;
	first[fd].data = e.data;
	return true;
}

void early_put(int fd, struct early e)
{
	struct early *p;

	if ((unsigned)fd >= TABLE_FDS)
		return;
	p = place(fd, e.set);
	p = p ? p : make(fd);
	if (p)
		*p = e;
	else
		early_lose(fd);
}

void early_drop(int fd, uint32_t set)
{
	if ((unsigned)fd >= TABLE_FDS)
		return;
	if (first[fd].set == set)
		first[fd].set = 0;
	for (uint32_t at = chain(fd), before = 0; at; before = at, at = *link_of(at))
		if (more[at - 1].e.set == set) {
			give_back(fd, before, at);
			return;
		}
}

bool early_take(int fd, struct early *e)
{
	uint32_t at;

	if ((unsigned)fd >= TABLE_FDS)
		return false;
	at = first[fd].set ? 0 : chain(fd);
	*e = at ? more[at - 1].e : first[fd];
	if (at)
		give_back(fd, 0, at);
	first[fd].set = 0;
	return e->set != 0;
}

void early_forget(int fd)
{
	struct early e;

	while (early_take(fd, &e))
		;
	early_lost(fd);
}

void early_lose(int fd)
{
	if ((unsigned)fd < TABLE_FDS)
		rest[fd] |= LOST;
}

bool early_lost(int fd)
{
	bool lost = (unsigned)fd < TABLE_FDS && (rest[fd] & LOST);

	if (lost)
		rest[fd] &= ~LOST;
	return lost;
}
