/* SPDX-License-Identifier: MIT */
/*
 * One stream connection as this process knows it: who the ends are, which faults may concern it, what is in
 * flight on it, and what of its readiness is held back. Several descriptors may mean the same connection.
 *
 * Invariants: the exchanges in flight are in the order of their requests; only the first (the oldest) decides what
 * may be read (client) or is being answered (server).
 *
 * Locking: fields below `lock` are guarded by it, except where a comment says otherwise. A signal handler that
 * interrupts its own thread while that holds a lock of ours, whichever, passes straight through: who has the lock that it
 * would take may be waiting for the one that its thread holds. No lock is held across a call that can block.
 */
#ifndef AFTERSHOCK_PRELOAD_CONN_H
#define AFTERSHOCK_PRELOAD_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/http1.h"
#include "base/pace.h"
#include "preload/guest.h"

#define CONN_MAX 65536		/* connections at once; made in chunks as needed */
#define CONN_FEW 16		/* exchanges in flight that a connection has room for itself; a deep pipeline gets more */
#define CONN_PIPELINE 4096	/* exchanges in flight on one connection; more: it turns opaque (counted) */
#define CONN_SIGHTS 8		/* times of arrival that are kept of answers not yet read */
#define CONN_WAITERS 4		/* threads that wait inside us on one connection */
#define FOREVER UINT64_MAX
#define KERNEL_KNOWS (-1)

enum gate {		/* what the oldest exchange does to reading */
	GATE_OPEN,	/* nothing: the kernel's truth */
	GATE_ARMED,	/* something begins when the bytes really arrive */
	GATE_HELD,	/* arrived; hidden until `until_ns` */
	GATE_PACED,	/* part of it was read; the next part is hidden until `until_ns` */
	GATE_ANSWER	/* our answer, readable from `until_ns` on; the kernel is not asked */
};

enum cut {		/* how a fault ends the stream of answers at its place */
	CUT_NOT,
	CUT_FIN, CUT_RST,	/* the place is reached: due before the program does anything else */
	CUT_ENDED		/* as by a FIN. Client: there is nothing more to read; server: what the program sends goes nowhere */
};

enum dialling {		/* a connect under way, as far as a fault concerns it */
	DIAL_PLAIN,	/* not, or no more: the kernel's truth */
	DIAL_ARMED,	/* something begins when its outcome is there */
	DIAL_HELD,	/* the outcome is there; hidden until attempt.until_ns */
	DIAL_NOWHERE,	/* its SYN went where nobody answers; attempt.until_ns: the next look whether that is still asked for */
	DIAL_LATER	/* a Unix socket, not connected; may be from attempt.until_ns on */
};

struct verdict {		/* what the faults decided for one exchange or connect */
	uint32_t actions;	/* enum page_action bits that fired */
	uint8_t delay_fault;	/* index + 1 of the fault whose delay it is; 0 none */
	uint8_t throttle_fault;	/* the same for the rate */
	uint8_t main_fault;	/* index + 1 of the fault with the other action, which says how it ends; 0 none */
	uint8_t reset;		/* PAGE_RESET: enum page_place */
	uint8_t delay_on;	/* PAGE_DELAY: enum page_place */
	bool goodbye;		/* what the client says before it closes, and no server answers: no request; no fault hits it, no evidence is made of it */
	uint8_t reserved[2];
	uint32_t delay_id, throttle_id, main_id;	/* ids of these faults: a slot may hold another one later */
	uint64_t delay_ns;
	uint64_t bytes_per_s;	/* PAGE_THROTTLE; 0 none */
	uint64_t cut_bytes;	/* bytes of the answer (PAGE_TRUNCATE: of its body) before it is cut; NO_CUT */
	uint64_t delay_ordinal, throttle_ordinal, main_ordinal;
};

#define NO_CUT UINT64_MAX

struct exchange {
	uint64_t serial;
	struct journal_record *begun;	/* the record of its beginning, to be completed; NULL */
	uint64_t started_ns, sent_ns, first_byte_ns;
	uint64_t last_ns;	/* last byte of the answer so far */
	uint64_t arrived_ns;	/* when what is held really was there */
	uint64_t leave_ns;	/* delay_on=request: its bytes leave from then on */
	uint64_t until_ns;	/* GATE_HELD, GATE_PACED, GATE_ANSWER: the end of it; FOREVER */
	struct pace pace;	/* PAGE_THROTTLE: since the answer could first be read; bytes_per_s 0: not yet */
	uint64_t grant;		/* PAGE_THROTTLE, GATE_OPEN: bytes that may be read before the next look at the pace */
	uint64_t bytes_out, bytes_in;
	uint64_t fingerprint, correlation, idempotency_key;
	int64_t retry_after_ms;
	struct verdict verdict;
	uint32_t request_flags;	/* enum http1_flag of the request */
	uint32_t out_bytes;	/* of its request, in the outbox */
	uint32_t answer_at;	/* GATE_ANSWER: bytes of the answer already read */
	int32_t error;
	uint32_t sequence;
	uint32_t tid;		/* thread that began it */
	uint16_t status;
	uint8_t gate;		/* enum gate */
	uint8_t protocol;	/* enum journal_protocol */
	bool head_passed;	/* its request head went by (before: decided, but not moved yet) */
	bool request_done;	/* the whole request has passed */
	bool answer_failed;	/* an error of its protocol (Redis -ERR ...) */
	bool answer_done;	/* the whole answer has passed, perhaps before the request was done */
	bool swallowed;		/* its request does not reach the other side */
	bool synthetic;		/* swallowed, and answered by us */
	bool hung;		/* client: the verdict was to hang */
	bool mute;		/* server: the program's answer is swallowed (hang) */
	bool cut;		/* a fault ended its answer */
	bool dry;		/* PAGE_THROTTLE: the program read all that the kernel had */
	bool slowed;		/* PAGE_THROTTLE: it waited at least once */
};

struct sight {
	uint64_t to, ns;	/* the bytes of answers before the to-th (and behind those of the sight before) were there at ns */
};

struct conn {
	_Atomic uint32_t refs;		/* descriptors + calls under way; 0: free */
	uint32_t index;
	_Atomic uint32_t next_free;	/* also read by who is about to see that it is not free any more */
	_Atomic uint64_t lock;		/* guest_self() of the holder; 0 free */

	/* set before the connection is visible; what follows from the faults changes between exchanges, under lock */
	uint64_t serial;
	_Atomic uint64_t version;	/* of the page: when it was matched with the faults */
	_Atomic uint64_t faults;	/* faults of that version that may concern it, one bit each */
	struct addr local, peer;
	uint8_t role;			/* enum journal_role */
	_Atomic bool gated;		/* reading and waiting go through the gate: there are faults, or what they began is not over */
	bool needs_head;		/* some of them need the request head before a byte may leave or be seen */
	_Atomic bool can_answer;	/* some of them answer with a status */
	_Atomic bool can_hold;		/* some of them hold requests back (outgate.h) */
	bool journalled;		/* its exchanges are evidence, not only its injections */
	bool mid_stream;

	/* under lock */
	uint64_t cookie;
	uint64_t opened_ns;
	uint64_t bytes_in, bytes_out;
	struct authority tunnel;	/* what the last CONNECT asked for: the end of all that follows it */
	uint64_t pending_bytes;		/* request bytes seen before their head was complete */
	uint64_t pending_ns;		/* when the first of them moved */
	struct sight sight[CONN_SIGHTS];	/* client: what came of answers that are not read yet, the oldest first */
	uint32_t sights;
	int asked_fd;			/* client: through which descriptor the newest request came */
	uint64_t patience_ns;		/* until when the rest of a request head is waited for; 0 it is not */
	uint32_t patience_bytes;	/* how much of it was there */
	_Atomic uint32_t owner_pid;	/* the process whose act on it was the last */
	_Atomic uint32_t descriptors;	/* of this process */
	_Atomic bool connecting;	/* connect() said EINPROGRESS and the outcome was not seen yet */
	bool opaque;			/* not HTTP/1, or no longer */
	bool switched;			/* opaque by the answer to an upgrade: what it carries shows in the next bytes of its client */
	uint8_t protocol;		/* enum journal_protocol of what flows now */
	_Atomic uint32_t sending;	/* a client's sends under way with the lock free, whose bytes are not in the books yet */
	bool sink;			/* what the program still sends goes nowhere: its request was answered before it was whole */
	uint32_t unread;		/* server, opaque: bytes that were there when its answer began, and so belong to what it answers */
	uint8_t silent;			/* server: number of the fault that swallowed the last answer: its peer is not to hear of a close either; 0 none */
	uint32_t silent_id;		/* that fault's id */
	bool dead;			/* we reset it, or an error ended it */
	uint8_t cut;			/* enum cut */
	uint64_t cut_ns;		/* CUT_RST, server: the next look whether what comes before the place has left */
	bool eof_in;			/* the stream of answers (client) or requests (server) ended */
	bool shut_in;			/* ... because the program shut it down */
	bool deaf;			/* ... while an answer, or its request, was held: it was not there yet, and is not read any more */
	bool passed;			/* another process was given a descriptor of it */
	bool shut_out;			/* the program shut its own direction down: what it sends is the kernel's to refuse */
	bool hup_hidden;		/* a hang-up is hidden: leave the descriptor out of the kernel's sets */
	int32_t swap_error;		/* errno to show instead of the kernel's next error on this socket; 0 none */
	int32_t late_error;		/* an error that was consumed when its arrival was noticed; to show after the hold */
	int32_t connect_swap;		/* the same for the outcome of a non-blocking connect */
	_Atomic uint8_t dialling;	/* enum dialling */
	int32_t next_connect;		/* errno of the program's next connect, which dials nothing; KERNEL_KNOWS: the kernel's; 0 it dials */
	uint64_t judged, owed;		/* faults that were decided at the connect, one bit each; those that fired and have an action for
					 * the first exchange too */
	struct exchange attempt;	/* the connect under a fault: its verdict and times; the first exchange gets its serial.
					 * error: its outcome, when a call that was cut short took it from the kernel */
	uint16_t lowat;			/* SO_RCVLOWAT we set above what is there already; 0 none */
	uint64_t look_ns;		/* the same for a Unix socket, which has no such mark in poll: hidden until then; 0 not */
	int32_t own_lowat;		/* ... and the program's own meanwhile */
	uint32_t sequence;
	struct http1 requests, answers;	/* framing of either direction */
	uint64_t judged_bytes;		/* of requests, from here on: each that begins in them is decided and passes untouched */
	bool more_behind;			/* server: who has read just these may have left bytes behind them that no edge announces */
	bool input_known;			/* server: the kernel has just said that there is input and no error; forgotten by the next look */
	bool next_judged;			/* the request that begins (server: or is cut short) behind these is decided as well: */
	struct verdict next;
	struct exchange *ring;		/* of those in flight: `room` (a power of 2) places, the oldest at `first` */
	uint32_t room, first, count;
	struct exchange few[CONN_FEW];	/* the ring until it grows */
	char *held;			/* bytes of a request head accepted from the program and not yet sent; a pool buffer */
	uint32_t held_len;
	int held_fd;			/* through which descriptor they came */
	_Atomic uint32_t *fate;		/* what became of them (piece.h); NULL: no other process has them */
	char *outbox;			/* request bytes that have not left yet; a pool buffer (outgate.h) */
	uint32_t outbox_len;
	uint32_t outbox_pid;		/* the process that put them there */
	int outbox_fd;			/* through which descriptor */
	bool outbox_full;		/* a send found no room */
	uint64_t paced_ns;		/* server: the rate of its answer lets nothing more out before; 0 it does */
	uint64_t outbox_retry_ns;	/* when to try again what the kernel had no room for; 0 it had */
	char *kept;			/* bytes of an answer that come before its end, and were not read (hear.h); a pool buffer */
	uint32_t kept_len;
	char *reply;			/* head of the answer being read; a pool buffer */
	uint32_t reply_len;
	int waiters[CONN_WAITERS];	/* descriptors that wake threads waiting in us, + 1; 0 none */
	_Atomic int32_t regs;		/* first registration in an epoll set, + 1; changes under the lock of epoll_lock.h alone: a set closes */
	int standin;			/* descriptor that is readable in our answer's stead, + 1; 0 none (epoll_lock.h) */
};

#define CONN_PATIENCE_NS (400 * NS_PER_MS)	/* how long after a piece of a request head the next one may come */
#define CONN_BUFFER_BYTES 65536	/* size of a pool buffer; the kernel backs what is used of it */

/* A new connection with one reference, matched with the faults that are on; NULL (counted) when the table is full. */
struct conn *conn_new(enum journal_role role, const struct addr *local, const struct addr *peer, uint64_t now_ns);

/* Whether the faults were changed since c was matched, or a gate that no fault needs any more may go. Lock-free. */
static inline bool conn_is_behind(const struct conn *c)
{
	return atomic_load_explicit(&c->version, memory_order_relaxed) != page_version(guest.page) ||
	       (atomic_load_explicit(&c->gated, memory_order_relaxed) && !atomic_load_explicit(&c->faults, memory_order_relaxed));
}

/* Whether the program's call may go ahead before the connection is locked: no fault concerns it, and nothing about it is to be learned first. What
 * changes while the call lasts counts from the next call on, as it does when the lock is given back for the call. */
static inline bool conn_is_free(const struct conn *c)
{
	return !atomic_load_explicit(&c->gated, memory_order_relaxed) && !atomic_load_explicit(&c->connecting, memory_order_relaxed) &&
	       !atomic_load_explicit(&c->dialling, memory_order_relaxed) &&
	       atomic_load_explicit(&c->owner_pid, memory_order_relaxed) == guest_pid();
}

/* Matches c with the faults that are on now. Under its lock. */
void conn_match(struct conn *c);

/* The same between exchanges, with all that follows from it; in the middle of a request's head it is left to a later call. fd is one of
 * its descriptors. */
void conn_follow(struct conn *c, int fd);
void conn_follow_locked(struct conn *c, int fd);

/* How many connections of this process are gated; or some fault is on, so that the next may be. */
extern _Atomic uint32_t conn_gated;

static inline bool conn_gating(void)
{
	return guest.page && (atomic_load_explicit(&conn_gated, memory_order_relaxed) || page_live(guest.page, page_version(guest.page)));
}

/* Takes one more reference unless the connection is free. */
bool conn_hold(struct conn *c);

/* Gives a reference back; the last one frees. NULL is fine. */
void conn_put(struct conn *c);

/* For CANCEL_BEGIN (cancel.h) around a call with connections that conn_put() is to give back: that, and the locks taken in it. */
struct conn_call {
	struct conn *conns[2];	/* NULL is fine */
	unsigned locks;		/* locks_depth() before it */
};

void conn_call_left(void *conn_call);

/* The connection with this index (valid memory even when free). */
struct conn *conn_at(uint32_t index);

/* False when this very thread holds a lock already (a signal handler): pass through then. */
bool conn_lock(struct conn *c);

/* The same for a call of the program that a fault may concern: counted when it passes. */
bool conn_enter(struct conn *c);
void conn_unlock(struct conn *c);

/* Whether conn_lock() would wait for others only: no lock is held below. */
bool conn_may_lock(void);

/* The same lock discipline for another word (epoll_lock.c). */
bool lock_take(_Atomic uint64_t *lock);
void lock_give(_Atomic uint64_t *lock);

/* How many locks this thread holds; gives back those taken since then, by code that a cancellation, or a siglongjmp() out of a handler, has
 * left. */
unsigned locks_depth(void);
void locks_unwind(unsigned depth);

/* The i-th oldest of the c->count exchanges in flight. */
static inline struct exchange *conn_nth(const struct conn *c, uint32_t i)
{
	return &c->ring[(c->first + i) & (c->room - 1)];
}

/* A place behind the newest, which is the newest from now on; NULL when there are too many in flight. What conn_head() and the like
 * returned before is not valid any more. */
struct exchange *conn_append(struct conn *c);

/* The oldest is over. */
void conn_drop(struct conn *c);

/* The oldest exchange in flight, the newest; NULL when there is none. */
static inline struct exchange *conn_head(struct conn *c)
{
	return c->count ? conn_nth(c, 0) : NULL;
}

static inline struct exchange *conn_tail(struct conn *c)
{
	return c->count ? conn_nth(c, c->count - 1) : NULL;
}

/* A client's program has been told, or told us, that it reads nothing more, whatever the kernel has. */
static inline bool conn_is_read_out(const struct conn *c)
{
	return c->role == JOURNAL_CLIENT && (c->cut == CUT_ENDED || c->deaf);
}

/* The faults of this version of the page that may concern a connection with this end on this side, or (end: a name) a resolution. */
uint64_t conn_candidates(uint64_t version, enum page_side side, const struct addr *end);

/* Journals the outcome of the connect; error 0 or errno. Learns the cookie and local address from fd (>= 0). */
void conn_connected(struct conn *c, int fd, int error, uint64_t now_ns);

/* The last descriptor of this process goes: what is in flight ends, the connection's end is journalled. fd is still open. */
void conn_closing(struct conn *c, int fd, uint64_t now_ns);

/* Whether fd still is c's socket: a number closed by means we do not see (a raw system call) may by now be a file of the program. */
bool conn_is_at(const struct conn *c, int fd);

/* Acts on each connection that has a descriptor in this process, with a reference, not locked. */
void conn_each(void (*act)(struct conn *c));

/* The process ends in an orderly way: as if it closed what is still open. */
void conn_exit(void);

/* Makes room for the pool, before a buffer is taken; false when there is none. */
bool pool_start(void);

/* A buffer of CONN_BUFFER_BYTES; NULL when the pool is empty. */
char *pool_take(void);
void pool_give(char *buffer);

/* The same for one that a connection keeps: as soon as nothing is in it, for there are more connections than buffers in memory. */
void pool_drop(char **buffer);

#endif
