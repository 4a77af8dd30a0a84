/* SPDX-License-Identifier: MIT */
#include "preload/early.h"

#include <stdatomic.h>
#include "preload/descriptors.h"
#include "preload/epoll.h"

#define MORE 65536	/* entries of descriptors that are in a second set, a third ... */
#define LOST (1u << 31)	/* in a link: there was no room for one */

#define GONE (~0u)	/* events of a first entry whose set has the descriptor no more; with all of these the kernel takes none */

/* Of one set each, also when that has the descriptor no more: it often comes back to it. Who holds the lock may make it another's. */
static struct {
	_Atomic uint64_t what;	/* set << 32 | events; 0 none */
	_Atomic uint64_t data;
} *first;			/* of TABLE_FDS */
static _Atomic uint32_t *rest;	/* of TABLE_FDS: index + 1 of a descriptor's second, and LOST */
static struct {
	struct early e;
	uint32_t next;
} *more;			/* of MORE */
static uint32_t made, unused;			/* unused: index + 1 of the first of those that were given back */

bool early_start(void)
{
	first = descriptors_room(TABLE_FDS * sizeof(*first));
	rest = descriptors_room(TABLE_FDS * sizeof(*rest));
	more = descriptors_room(MORE * sizeof(*more));
	return first && rest && more;
}

static uint64_t what(uint32_t set, uint32_t events)
{
	return (uint64_t)set << 32 | events;
}

static uint32_t set_in(uint64_t what)
{
	return (uint32_t)(what >> 32);
}

static bool is_there(uint64_t what)
{
	return what && (uint32_t)what != GONE;
}

static uint32_t *link_of(uint32_t at)
{
	return &more[at - 1].next;
}

/* Changed under the lock, looked at by early_known() without. */
static uint32_t rest_of(int fd)
{
	return atomic_load_explicit(&rest[fd], memory_order_relaxed);
}

static void set_rest(int fd, uint32_t to)
{
	atomic_store_explicit(&rest[fd], to, memory_order_relaxed);
}

static uint32_t chain(int fd)
{
	return rest_of(fd) & ~LOST;
}

static void set_chain(int fd, uint32_t at)
{
	set_rest(fd, at | (rest_of(fd) & LOST));
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

/* The entry of fd for that set behind its first; entries of sets that are gone are thrown out on the way. NULL: there is none. */
static struct early *find_behind(int fd, uint32_t set)
{
	uint32_t next;

	for (uint32_t at = chain(fd), before = 0; at; at = next) {
		next = *link_of(at);
		if (more[at - 1].e.set == set)
			return &more[at - 1].e;
		if (epoll_set_lives(more[at - 1].e.set))
			before = at;
		else
			give_back(fd, before, at);
	}
	return NULL;
}

/* The first entry of fd is that set's, or becomes it. False: it is another's, or that has just come back to it (early_update()). */
static bool claim(int fd, uint32_t set)
{
	uint64_t was = atomic_load(&first[fd].what);

	if (set_in(was) == set)
		return true;
	return (!is_there(was) || !epoll_set_lives(set_in(was))) && atomic_compare_exchange_strong(&first[fd].what, &was, what(set, GONE));
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
	return descriptor_may_be_known(fd) && (is_there(atomic_load_explicit(&first[fd].what, memory_order_relaxed)) || rest_of(fd));
}

/* One word changes, or none does: what was compared is still true then, whatever other threads and handlers do in between. */
bool early_update(int fd, int op, struct early e)
{
	uint64_t was;

	if (!descriptor_may_be_known(fd))
		return false;
	was = atomic_load_explicit(&first[fd].what, memory_order_relaxed);
	if (set_in(was) != e.set || (op != EPOLL_CTL_ADD && !is_there(was)))
		return false;
	if (op != EPOLL_CTL_DEL && atomic_load_explicit(&first[fd].data, memory_order_relaxed) != e.data)
		return false;
	return atomic_compare_exchange_strong(&first[fd].what, &was, what(e.set, op == EPOLL_CTL_DEL ? GONE : e.events));
}

void early_put(int fd, struct early e)
{
	struct early *p;

	if (!descriptor_note(fd))
		return;
	p = find_behind(fd, e.set);
	if (!p && claim(fd, e.set)) {
		atomic_store(&first[fd].data, e.data);
		atomic_store(&first[fd].what, what(e.set, e.events));
		return;
	}
	p = p ? p : make(fd);
	if (p)
		*p = e;
	else
		early_lose(fd);
}

bool early_find(int fd, uint32_t set, struct early *e)
{
	uint64_t was;
	const struct early *p;

	if (!descriptor_may_be_known(fd))
		return false;
	was = atomic_load(&first[fd].what);
	if (is_there(was) && set_in(was) == set) {
		*e = (struct early){set, (uint32_t)was, atomic_load(&first[fd].data)};
		return true;
	}
	p = find_behind(fd, set);
	if (p)
		*e = *p;
	return p != NULL;
}

void early_drop(int fd, uint32_t set)
{
	if (!descriptor_may_be_known(fd))
		return;
	if (set_in(atomic_load(&first[fd].what)) == set)
		atomic_store(&first[fd].what, what(set, GONE));
	for (uint32_t at = chain(fd), before = 0; at; before = at, at = *link_of(at))
		if (more[at - 1].e.set == set) {
			give_back(fd, before, at);
			return;
		}
}

bool early_take(int fd, struct early *e)
{
	uint64_t was;
	uint32_t at;

	if (!descriptor_may_be_known(fd))
		return false;
	was = atomic_exchange(&first[fd].what, 0);
	*e = (struct early){set_in(was), (uint32_t)was, atomic_load(&first[fd].data)};
	if (is_there(was))
		return true;
	at = chain(fd);
	if (!at)
		return false;
	*e = more[at - 1].e;
	give_back(fd, 0, at);
	return true;
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
	if (descriptor_note(fd))
		set_rest(fd, rest_of(fd) | LOST);
}

bool early_lost(int fd)
{
	bool lost = descriptor_may_be_known(fd) && (rest_of(fd) & LOST);

	if (lost)
		set_rest(fd, rest_of(fd) & ~LOST);
	return lost;
}
