/* SPDX-License-Identifier: MIT */
#include "preload/epoll_lock.h"

#include "preload/descriptors.h"

#define PUT_OFF 64	/* changes that signal handlers want while one piece of this code is interrupted */

static _Atomic uint64_t lock;

/* What a signal handler wants to be changed while its own thread holds the lock. It can not wait for that, and what is under the lock may be
 * half done: the holder makes the change before it gives the lock back. */
static struct change put_off[PUT_OFF];
static _Atomic uint32_t put_off_count;	/* changed by the holder and by handlers that have interrupted it */

bool epoll_pending(void)
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

bool epoll_lock(void)
{
	return lock_take(&lock);
}

void epoll_unlock(void)
{
	do {
		if (epoll_pending())
			make_put_off();
		lock_give(&lock);
	} while (epoll_pending() && epoll_lock());
}

void epoll_put_off(const struct change *how)
{
	uint32_t n;

	if (how->c && !conn_hold(how->c))
		return;
	n = atomic_fetch_add(&put_off_count, 1);
	if (n < PUT_OFF) {
		descriptor_note(how->fd);	/* what is not there yet may be closed by then */
		descriptor_note(how->ep);
		put_off[n] = *how;
		return;
	}
	atomic_fetch_sub(&put_off_count, 1);
	conn_put(how->c);
	guest_lost(PAGE_LOST_WATCH);
}
