/* SPDX-License-Identifier: MIT */
#include "preload/silence.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include "base/clock.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/raw.h"
#include "preload/table.h"

/* What is kept: the descriptor (low 32 bits, never 0), the number of its fault (the byte above); 0: nothing. ids: that fault's id. */
static _Atomic uint64_t kept[SILENCE_MAX];
static _Atomic uint32_t ids[SILENCE_MAX];
static _Atomic uint32_t turn;	/* whose place is taken when all are in use */
static _Atomic uint32_t ever;

#define FD(word) ((int)(uint32_t)(word))
#define FAULT(word) ((unsigned)((word) >> 32))

/* Asked of the connection: after the program's own shutdown, poll says RDHUP for ever. */
static bool peer_left(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		return info.tcpi_state != TCP_ESTABLISHED;
	return raw_ready(fd, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR);
}

static bool over(uint64_t word, uint32_t id, uint64_t now_ns)
{
	return !exchange_fault_on(FAULT(word), id, now_ns) || peer_left(FD(word));
}

void silence_sweep(void)
{
	uint64_t now_ns, word;

	if (likely(!atomic_load_explicit(&ever, memory_order_relaxed)))
		return;
	now_ns = clock_now_ns();
	for (unsigned i = 0; i < SILENCE_MAX; i++) {
		word = atomic_load(&kept[i]);
		if (word && over(word, atomic_load(&ids[i]), now_ns) && atomic_compare_exchange_strong(&kept[i], &word, 0))
			table_disown(FD(word));
	}
}

static unsigned place(void)
{
	for (unsigned i = 0; i < SILENCE_MAX; i++)
		if (!atomic_load(&kept[i]))
			return i;
	return atomic_fetch_add(&turn, 1) % SILENCE_MAX;
}

/* The number of the fault that keeps c silent, and its id; 0 none. Under c's lock. */
static unsigned silenced_by(struct conn *c, uint32_t *id)
{
	struct exchange *x = conn_head(c);

	if (c->role != JOURNAL_SERVER)
		return 0;
	*id = x ? x->verdict.main_id : c->silent_id;
	return x ? (x->mute ? x->verdict.main_fault : 0) : c->silent;
}

unsigned silence_fault(struct conn *c, uint32_t *id)
{
	unsigned fault = 0;

	if (!conn_lock(c))
		return 0;
	fault = silenced_by(c, id);
	conn_unlock(c);
	return exchange_fault_on(fault, *id, clock_now_ns()) ? fault : 0;
}

void silence_keep(struct conn *c, int fd)
{
	uint64_t before;
	uint32_t id = 0;
	unsigned i, fault = silence_fault(c, &id);
	int own = fault ? raw_fcntl(fd, F_DUPFD_CLOEXEC, GUEST_FD_FLOOR) : -1;

	if (own < 0)
		return;		/* also when there is no room: then the peer learns of the close */
	epoll_remove(c, fd);
	table_own(own);
	atomic_store(&ever, 1);
	silence_sweep();
	i = place();
	atomic_store(&ids[i], id);
	before = atomic_exchange(&kept[i], (uint64_t)fault << 32 | (uint32_t)own);
	if (before)
		table_disown(FD(before));
}
