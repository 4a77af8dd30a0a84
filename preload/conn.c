/* SPDX-License-Identifier: MIT */
#include "preload/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "preload/descriptors.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/names.h"
#include "preload/piece.h"
#include "preload/raw.h"
#include "preload/signals.h"

#define CHUNK 64	/* connections made at once */
#define POOL_MAX (2 * CONN_MAX)	/* buffers: what each connection holds at once, and calls under way */

/* Connections and buffers come from the kernel in chunks, are never given back, and go round on free lists whose
 * heads carry a tag against ABA: tag << 32 | index + 1. */
static struct conn *_Atomic chunks[CONN_MAX / CHUNK];
static _Atomic uint32_t conn_made;
static _Atomic uint64_t conn_free;
_Atomic uint32_t conn_gated;
static struct buffer {
	char *_Atomic at;
	_Atomic uint32_t next_free;	/* beside it: who is too late to take it reads this, and by then it may be in use */
} *buffers;				/* of POOL_MAX */
static _Atomic uint32_t buffer_made;
static _Atomic uint64_t buffer_free;

/* ---- locks ---- */

static bool stale(uint64_t owner, uint64_t self)
{
	return (owner ^ self) >> 48 != 0;	/* taken before a fork by a thread that does not exist here */
}

#define DEPTH 4		/* a connection's, and epoll_lock.c's inside it; handlers take no connection's beyond that */

/* Locks that this thread holds, or is about to. */
static __thread unsigned locks_held;
static __thread _Atomic uint64_t *held[DEPTH];

bool lock_take(_Atomic uint64_t *lock)
{
	uint64_t self = guest_self();

	held[locks_held % DEPTH] = lock;
	locks_held++;	/* before it is so: a signal handler that comes in between must not wait */
	for (;;) {
		uint64_t owner = 0;

		if (atomic_compare_exchange_strong_explicit(lock, &owner, self, memory_order_acquire, memory_order_relaxed))
			return true;
		if (owner == self)
			break;
		if (stale(owner, self) && atomic_compare_exchange_strong(lock, &owner, self))
			return true;
		raw_yield();
	}
	locks_held--;
	return false;
}

void lock_give(_Atomic uint64_t *lock)
{
	atomic_store_explicit(lock, 0, memory_order_release);
	locks_held--;
}

unsigned locks_depth(void)
{
	return locks_held;
}

void locks_unwind(unsigned depth)
{
	while (locks_held > depth) {
		_Atomic uint64_t *lock = held[(locks_held - 1) % DEPTH];

		if (atomic_load(lock) == guest_self())
			atomic_store_explicit(lock, 0, memory_order_release);
		locks_held--;
	}
}

bool conn_may_lock(void)
{
	return !locks_held;
}

bool conn_lock(struct conn *c)
{
	return conn_may_lock() && lock_take(&c->lock);
}

bool conn_enter(struct conn *c)
{
	bool taken = conn_lock(c);

	if (!taken && c->gated)
		guest_lost(PAGE_LOST_HANDLER);
	return taken;
}

void conn_unlock(struct conn *c)
{
	lock_give(&c->lock);
	if (unlikely(signals_thread.kept))
		signals_give_back(&signals_thread);
}

/* ---- memory ---- */

struct conn *conn_at(uint32_t index)
{
	return &atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire)[index % CHUNK];
}

static struct conn *conn_recycled(void)
{
	uint64_t head = atomic_load_explicit(&conn_free, memory_order_acquire);

	while ((uint32_t)head) {
		struct conn *c = conn_at((uint32_t)head - 1);
		uint64_t next = ((head >> 32) + 1) << 32 | atomic_load_explicit(&c->next_free, memory_order_relaxed);

		if (atomic_compare_exchange_weak(&conn_free, &head, next))
			return c;
	}
	return NULL;
}

static struct conn *conn_fresh(void)
{
	uint32_t i = atomic_load(&conn_made);
	struct conn *chunk, *none = NULL;

	do {
		if (i >= CONN_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&conn_made, &i, i + 1));
	chunk = atomic_load(&chunks[i / CHUNK]);
	if (!chunk) {
		chunk = guest_pages(CHUNK * sizeof(*chunk));
		if (!chunk)
			return NULL;
		if (!atomic_compare_exchange_strong(&chunks[i / CHUNK], &none, chunk))
			RAW(SYS_munmap, chunk, CHUNK * sizeof(*chunk), 0, 0, 0, 0);
	}
	conn_at(i)->index = i;
	return conn_at(i);
}

static void conn_recycle(struct conn *c)
{
	uint64_t head = atomic_load(&conn_free), next;

	do {
		atomic_store_explicit(&c->next_free, (uint32_t)head, memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | (c->index + 1);
	} while (!atomic_compare_exchange_weak(&conn_free, &head, next));
}

bool pool_start(void)
{
	buffers = descriptors_room(POOL_MAX * sizeof(*buffers));
	return buffers != NULL;
}

char *pool_take(void)
{
	uint64_t head = atomic_load(&buffer_free);
	uint32_t i;

	while ((uint32_t)head) {
		struct buffer *b = &buffers[(uint32_t)head - 1];
		uint64_t next = ((head >> 32) + 1) << 32 | atomic_load_explicit(&b->next_free, memory_order_relaxed);

		if (atomic_compare_exchange_weak(&buffer_free, &head, next))
			return atomic_load(&b->at);
	}
	i = atomic_load(&buffer_made);
	do {
		if (i >= POOL_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&buffer_made, &i, i + 1));
	/* One word more than promised, behind the buffer, remembers its number. */
	char *b = guest_pages(CONN_BUFFER_BYTES + sizeof(uint32_t));
	if (!b)
		return NULL;
	memcpy(b + CONN_BUFFER_BYTES, &i, sizeof(i));
	atomic_store(&buffers[i].at, b);
	return b;
}

void pool_give(char *buffer)
{
	uint64_t head = atomic_load(&buffer_free), next;
	uint32_t i;

	if (!buffer)
		return;
	memcpy(&i, buffer + CONN_BUFFER_BYTES, sizeof(i));
	do {
		atomic_store_explicit(&buffers[i].next_free, (uint32_t)head, memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | (i + 1);
	} while (!atomic_compare_exchange_weak(&buffer_free, &head, next));
}

void pool_drop(char **buffer)
{
	pool_give(*buffer);
	*buffer = NULL;
}

/* ---- life ---- */

uint64_t conn_candidates(uint64_t version, enum page_side side, const struct addr *end)
{
	uint64_t faults = 0;

	for (uint64_t live = page_live(guest.page, version); live; live &= live - 1) {
		const struct page_fault *f = &guest.page->faults[__builtin_ctzll(live)];

		if (guest_fault_sound(f) && decide_concerns(guest.page, f, side, end, names_may_match(f, side, end), guest.service))
			faults |= live & -live;
	}
	return faults;
}

/* ---- following the faults as they change ---- */

static void set_gated(struct conn *c, bool on)
{
	if (c->gated == on)
		return;
	c->gated = on;
	if (on)
		atomic_fetch_add_explicit(&conn_gated, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&conn_gated, 1, memory_order_relaxed);
}

/* No fault reaches the connection, because its process has given up the system calls for it. */
static uint64_t forgone(uint64_t faults)
{
	bool lost = false;

	for (; faults; faults &= faults - 1)
		lost |= !guest.page->faults[__builtin_ctzll(faults)].watch_only;
	if (lost)
		guest_lost(PAGE_LOST_CONFINED);
	return 0;
}

void conn_match(struct conn *c)
{
	bool client = c->role == JOURNAL_CLIENT;
	uint64_t version = page_version(guest.page);
	uint64_t faults = conn_candidates(version, client ? PAGE_TO : PAGE_AT, client ? &c->peer : &c->local);
	bool needs_head = false, can_answer = false, can_hold = false;

	if (unlikely(atomic_load_explicit(&guest.confined, memory_order_relaxed)))
		faults = forgone(faults);
	for (uint64_t rest = faults; rest; rest &= rest - 1) {
		const struct page_fault *f = &guest.page->faults[__builtin_ctzll(rest)];

		needs_head |= decide_needs_head(f);
		can_answer |= (f->actions & PAGE_STATUS) != 0;
		can_hold |= (f->actions & PAGE_DELAY) && f->delay_on == PAGE_REQUEST;
	}
	c->needs_head = needs_head;
	atomic_store_explicit(&c->can_answer, can_answer, memory_order_relaxed);
	atomic_store_explicit(&c->can_hold, can_hold, memory_order_relaxed);
	atomic_store_explicit(&c->faults, faults, memory_order_relaxed);
	atomic_store_explicit(&c->version, version, memory_order_relaxed);
}

/* Part of a request's head has gone by: what is left of it can not be decided. */
static bool inside_head(const struct conn *c)
{
	const struct exchange *x = c->count ? conn_nth(c, c->count - 1) : NULL;

	return !c->opaque && !http1_idle(&c->requests) && !(x && x->head_passed && !x->request_done);
}

/* Nothing of ours is left on it. */
static bool is_plain(const struct conn *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct exchange *x = conn_nth(c, i);

		if (x->gate != GATE_OPEN || x->synthetic || x->mute || x->verdict.actions)
			return false;
	}
	if (c->held_len || c->kept_len || c->outbox_len || c->paced_ns || c->sink || c->cut || c->deaf || c->lowat || c->hup_hidden || c->connecting)
		return false;
	return !inside_head(c) && !c->swap_error && !c->late_error && !c->connect_swap;
}

void conn_follow_locked(struct conn *c, int fd)
{
	if (c->dead || (!c->gated && inside_head(c)))
		return;
	conn_match(c);
	if (c->faults && !c->gated) {
		set_gated(c, true);
		epoll_import(c, fd);
	} else if (!c->faults && c->gated && is_plain(c) && epoll_let_go(c)) {
		c->next_judged = false;
		c->judged_bytes = 0;
		set_gated(c, false);
	}
}

void conn_follow(struct conn *c, int fd)
{
	if (guest_is_borrowed() || !conn_lock(c))
		return;
	conn_follow_locked(c, fd);
	conn_unlock(c);
}

static void journal_conn(struct conn *c, enum journal_kind kind, int error, enum journal_end end, uint64_t now_ns)
{
	struct journal_record *r = guest_record(c->serial, 0, now_ns);

	if (!r)
		return;
	r->conn.cookie = c->cookie;
	r->conn.error = error;
	r->conn.role = c->role;
	r->conn.end = (uint8_t)end;
	r->conn.mid_stream = c->mid_stream;
	r->conn.bytes_in = c->bytes_in;
	r->conn.bytes_out = c->bytes_out;
	r->conn.local = c->local;
	r->conn.peer = c->peer;
	journal_commit(r, kind);
}

struct conn *conn_new(enum journal_role role, const struct addr *local, const struct addr *peer, uint64_t now_ns)
{
	struct conn *c = conn_recycled();

	if (!c)
		c = conn_fresh();
	if (!c) {
		guest_lost(PAGE_LOST_CONN);
		return NULL;
	}
	memset((char *)c + offsetof(struct conn, lock), 0, sizeof(*c) - offsetof(struct conn, lock));
	c->ring = c->few;
	c->room = CONN_FEW;
	c->serial = guest_serial();
	c->role = (uint8_t)role;
	c->local = *local;
	c->peer = *peer;
	conn_match(c);
	set_gated(c, c->faults != 0);
	c->journalled = guest.mode == PAGE_JOURNAL_ALL || (guest.mode == PAGE_JOURNAL_MATCHED && c->gated);
	c->opened_ns = now_ns;
	c->owner_pid = guest_pid();
	c->protocol = JOURNAL_UNKNOWN;
	http1_init(&c->requests, HTTP1_REQUEST);
	if (guest.page->keep_query)
		http1_keep_query(&c->requests);
	http1_init(&c->answers, HTTP1_RESPONSE);
	atomic_store_explicit(&c->refs, 1, memory_order_release);
	return c;
}

bool conn_hold(struct conn *c)
{
	uint32_t refs = atomic_load_explicit(&c->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(&c->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

/* ---- what is in flight ---- */

#define DEEP_BYTES (CONN_PIPELINE * sizeof(struct exchange))	/* the kernel backs what is used of it */

static void give_ring(struct conn *c)
{
	if (c->ring != c->few)
		RAW(SYS_munmap, c->ring, DEEP_BYTES, 0, 0, 0, 0);
	c->ring = c->few;
	c->room = CONN_FEW;
}

static bool grow_ring(struct conn *c)
{
	struct exchange *deep = c->room < CONN_PIPELINE ? guest_pages(DEEP_BYTES) : NULL;

	if (!deep)
		return false;
	for (uint32_t i = 0; i < c->count; i++)
		deep[i] = *conn_nth(c, i);
	c->ring = deep;
	c->room = CONN_PIPELINE;
	c->first = 0;
	return true;
}

struct exchange *conn_append(struct conn *c)
{
	if (c->count == c->room && !grow_ring(c))
		return NULL;
	if (!c->count)
		c->first = 0;	/* a deep ring is used, and backed, as far as it is deep */
	return conn_nth(c, c->count++);
}

void conn_drop(struct conn *c)
{
	c->first = (c->first + 1) & (c->room - 1);
	c->count--;
}

void conn_put(struct conn *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	piece_drop(c);
	pool_drop(&c->outbox);
	pool_drop(&c->kept);
	pool_drop(&c->reply);
	give_ring(c);
	set_gated(c, false);
	conn_recycle(c);
}

void conn_call_left(void *conn_call)
{
	struct conn_call *call = conn_call;

	locks_unwind(call->locks);
	conn_put(call->conns[0]);
	conn_put(call->conns[1]);
}

/* ---- its beginning and end, as evidence ---- */

static void learn(struct conn *c, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (fd < 0)
		return;
	if (!c->cookie)
		c->cookie = raw_cookie(fd);
	if (!c->local.hash && RAW(SYS_getsockname, fd, &ss, &len, 0, 0, 0) == 0)
		addr_from_sockaddr(&c->local, (struct sockaddr *)&ss, len);
}

/* A connect that failed is an attempt as well: an exchange that was not sent. */
static void failed_attempt(struct conn *c, int error, uint64_t now_ns)
{
	struct exchange *x = conn_head(c);

	if (!x && c->role == JOURNAL_CLIENT) {
		x = exchange_begin(c, NULL, NULL, c->opened_ns);
		if (x)
			x->verdict = c->attempt.verdict;
	}
	if (x)
		exchange_end_all(c, error, now_ns);
}

void conn_connected(struct conn *c, int fd, int error, uint64_t now_ns)
{
	c->connecting = false;
	learn(c, fd);
	if (c->journalled)
		journal_conn(c, JOURNAL_OPEN, 0, JOURNAL_END_UNKNOWN, c->opened_ns);
	if (c->journalled && c->role == JOURNAL_CLIENT)
		journal_conn(c, JOURNAL_CONNECTED, error, JOURNAL_END_UNKNOWN, now_ns);
	if (error) {
		c->dead = true;
		failed_attempt(c, error, now_ns);
	}
}

static enum journal_end end_of(const struct conn *c, int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (c->dead)
		return JOURNAL_RESET;
	if (c->eof_in)
		return JOURNAL_PEER_CLOSE;
	if (fd >= 0 && raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_CLOSE_WAIT)
		return JOURNAL_PEER_CLOSE;
	return JOURNAL_LOCAL_CLOSE;
}

/* A non-blocking connect whose outcome the program never asked for. */
static void settle_connect(struct conn *c, int fd, uint64_t now_ns)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int error;

	if (c->dialling != DIAL_PLAIN) {
		conn_connected(c, fd, JOURNAL_CLOSED, now_ns);	/* whatever the kernel knows: the program was not told */
		return;
	}
	if (raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_SYN_SENT) {
		conn_connected(c, fd, 0, now_ns);
		return;
	}
	error = raw_sockopt_int(fd, SOL_SOCKET, SO_ERROR);
	if (error > 0 && c->connect_swap)
		error = c->connect_swap;
	conn_connected(c, fd, error > 0 ? error : JOURNAL_CLOSED, now_ns);
}

void conn_closing(struct conn *c, int fd, uint64_t now_ns)
{
	if (c->owner_pid != guest_pid())
		return;	/* inherited across fork and never used here: another process tells its story */
	if (c->connecting)
		settle_connect(c, fd, now_ns);
	if (c->next_judged && c->next.actions)	/* it came, was decided, and is not read any more: evidence all the same */
		exchange_begin(c, NULL, &c->next, now_ns);
	exchange_end_by_close(c, c->eof_in ? JOURNAL_EOF : JOURNAL_CLOSED, now_ns);
	if (c->journalled)
		journal_conn(c, JOURNAL_CLOSE, 0, end_of(c, fd), now_ns);
}

bool conn_is_at(const struct conn *c, int fd)
{
	return !c->cookie || raw_cookie(fd) == c->cookie;
}

void conn_each(void (*act)(struct conn *c))
{
	uint32_t made = atomic_load(&conn_made);

	for (uint32_t i = 0; i < made; i++) {
		struct conn *c = atomic_load(&chunks[i / CHUNK]) ? conn_at(i) : NULL;

		if (!c || !conn_hold(c))
			continue;
		if (atomic_load(&c->descriptors))
			act(c);
		conn_put(c);
	}
}

static void end(struct conn *c)
{
	if (!conn_lock(c))
		return;
	conn_closing(c, -1, clock_now_ns());
	conn_unlock(c);
}

void conn_exit(void)
{
	conn_each(end);
}
