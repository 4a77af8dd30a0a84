/* SPDX-License-Identifier: MIT */
/*
 * The journal: what the preload library saw and did, in one preallocated file that `aftershock`
 * creates in the run directory and every covered process maps at its start. The file is a
 * header page, then segments; a process claims a free segment, writes fixed-size records into it
 * and claims another when it is full. The recorder reads segments and frees them.
 *
 * One file mapped once, instead of one file per process: nothing is opened, grown or named on a
 * call path, so it works after setuid, chroot, fork without exec and close_range(3, ~0), and, being
 * preallocated, can not raise SIGBUS on a full disk. When no segment is free the record is counted
 * in page.lost and dropped; the target never waits.
 *
 * Invariant: a record is whole when its `commit` is not 0. A target killed in the middle leaves at most
 * one hole per thread, which the reader passes once the owner is dead.
 *
 * An exchange that ends before the reader has come to its beginning is completed in place: one record instead of two,
 * in cache lines that the writer still has. Whoever changes `commit` first has the beginning: the reader, who takes it as it
 * is (an END follows), or the writer (it becomes WHOLE).
 * Writer: lock-free, async-signal-safe, any thread, any process. Reader: one process, one thread.
 */
#ifndef AFTERSHOCK_RECORD_JOURNAL_H
#define AFTERSHOCK_RECORD_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/addr.h"
#include "base/hash.h"
#include "base/http1.h"

#define JOURNAL_MAGIC 0x3154464153524e4aull
#define JOURNAL_LAYOUT 4
#define JOURNAL_RECORD_BYTES 512
#define JOURNAL_SEGMENT_RECORDS 128
#define JOURNAL_SEGMENT_MAX 1024

enum journal_kind {
	JOURNAL_NONE,
	JOURNAL_PROCESS,	/* a process came under the library (start of an image, or a fork's first act) */
	JOURNAL_EXIT,		/* it ended in an orderly way */
	JOURNAL_EXEC,		/* it is about to become the program that `command` names (image 1), or could not (image 0) */
	JOURNAL_OPEN,		/* a connection became known: connect() called, accepted, or inherited */
	JOURNAL_CONNECTED,	/* its outcome: error 0 or errno */
	JOURNAL_CLOSE,		/* its end as this process saw it */
	JOURNAL_BEGIN,		/* an exchange began (HTTP: its request head is complete; else: first bytes of a turn; or a connect that failed) */
	JOURNAL_END,		/* the exchange ended */
	JOURNAL_INJECT,		/* a fault fired on an exchange; achieved_ns not known yet */
	JOURNAL_ACHIEVED,	/* the effect of that injection was over */
	JOURNAL_WHOLE,		/* BEGIN and END of an exchange in one; at_ns is that of the beginning */
	JOURNAL_REOPENED,	/* a BEGIN that is being completed; when its writer dies in that, it is a BEGIN still */
	JOURNAL_RESOLVED	/* a host name (conn.local) led to an address (conn.peer, port 0), for the first time in this process */
};

enum journal_role { JOURNAL_CLIENT = 1, JOURNAL_SERVER = 2 };
enum journal_protocol {
	JOURNAL_UNKNOWN, JOURNAL_HTTP1, JOURNAL_HTTP2, JOURNAL_TLS, JOURNAL_OPAQUE, JOURNAL_REDIS, JOURNAL_POSTGRESQL, JOURNAL_MEMCACHED
};
enum journal_outcome { JOURNAL_OK = 1, JOURNAL_FAILED, JOURNAL_INDETERMINATE, JOURNAL_NOT_SENT };
/* Values of journal_exchange.error that are no errno. */
enum journal_error {
	JOURNAL_EOF = -1,	/* the peer ended the stream */
	JOURNAL_CLOSED = -2,	/* the program closed it */
	JOURNAL_EAI = -1000	/* JOURNAL_EAI + EAI_AGAIN ...: the host name was not resolved */
};

enum journal_query { JOURNAL_NO_QUERY, JOURNAL_QUERY, JOURNAL_QUERY_CUT };	/* CUT: the query goes on, unknown how */

enum journal_end {	/* how a connection ended; texts in runfile.h */
	JOURNAL_END_UNKNOWN, JOURNAL_LOCAL_CLOSE, JOURNAL_PEER_CLOSE, JOURNAL_RESET, JOURNAL_REFUSED, JOURNAL_TIMEOUT,
	JOURNAL_UNREACHABLE, JOURNAL_ABANDONED, JOURNAL_EXITED, JOURNAL_UNRESOLVED
};

struct journal_process {
	uint32_t ppid;
	uint32_t image;		/* 0: fork without exec so far; 1: exec'd image with the library */
	char service[96];	/* NUL-terminated */
	char command[320];	/* argv joined by blanks, cut */
};

struct journal_connection {	/* OPEN, CONNECTED, CLOSE, RESOLVED */
	uint64_t cookie;	/* SO_COOKIE; 0 not available */
	int32_t error;		/* CONNECTED: errno */
	uint8_t role;		/* enum journal_role */
	uint8_t end;		/* CLOSE: enum journal_end */
	uint8_t mid_stream;	/* OPEN: it had carried data before it became known */
	uint8_t reserved;
	uint64_t bytes_in, bytes_out;	/* CLOSE */
	struct addr local, peer;
};

struct journal_exchange {	/* BEGIN (facts of the request), END (completed; what stands before `correlation` is enough) */
	uint64_t started_ns;	/* first byte of the request handed over (client) or come in (server); connect: its call */
	uint64_t sent_ns;	/* last request byte given to the kernel; 0: the request never left (client), or 0 for servers */
	uint64_t first_byte_ns;	/* first byte of the answer as the program saw it; 0 none */
	uint64_t ended_ns;	/* last byte of the answer, the error, or the local close; 0 in BEGIN */
	uint64_t bytes_out, bytes_in;
	uint64_t fingerprint;
	int64_t retry_after_ms;	/* -1 none */
	int32_t error;		/* errno that ended it, or enum journal_error; 0 none */
	uint16_t status;
	uint8_t role, protocol, outcome;
	uint8_t synthetic;	/* the answer was ours */
	uint8_t path_cut;
	uint8_t inferred;	/* nothing said where the answer ends: it was over when something else came, or long enough after */
	uint32_t fault_id;	/* first fault that fired; 0 none */
	uint32_t sequence;	/* 0, 1, ... on its connection */
	uint32_t answer_tid;	/* thread that gave (server) or took (client) the first byte of the answer; 0 not known */
	uint64_t correlation, idempotency_key;	/* these and what follows: of the request, so BEGIN knows them */
	uint8_t query;		/* enum journal_query */
	char method[HTTP1_METHOD_MAX];
	char path[HTTP1_TARGET_MAX];	/* NUL, and with a query that and a NUL */
};

struct journal_inject {		/* INJECT, ACHIEVED */
	uint32_t fault_id;
	uint32_t action;	/* one enum page_action bit */
	uint64_t intended_ns;	/* delay asked for; UINT64_MAX: for ever */
	uint64_t achieved_ns;	/* ACHIEVED: what it came to; UINT64_MAX in INJECT: not known yet */
	uint64_t ordinal;
	uint64_t arrived_ns;	/* when what is delayed really was there; 0 not applicable */
};

/* Takes method, path and query of a request's head; returns how many bytes of path[] say them. */
static inline size_t journal_take_target(struct journal_exchange *to, const struct http1_head *h)
{
	const char *query = http1_query(h);
	size_t before = query ? (size_t)(query - h->path) : 0, n = before + strlen(h->path + before) + 1;

	memcpy(to->method, h->method, sizeof(to->method));
	memcpy(to->path, h->path, n);
	to->query = !query ? JOURNAL_NO_QUERY : h->flags & HTTP1_QUERY_CUT ? JOURNAL_QUERY_CUT : JOURNAL_QUERY;
	return n;
}

/* Bits of a pid in a record from another pid namespace than the controller's (a container): there it names nobody. */
#define JOURNAL_PID_APART 0x80000000u
#define JOURNAL_PID_NAMESPACE 0x7fc00000u	/* which namespace, hashed */
#define JOURNAL_PID_INSIDE 0x003fffffu		/* the pid inside it; the kernel's limit is 2^22 (PID_MAX_LIMIT) */

/* The bits for the pid namespace of this inode; with a pid in it they name a process. */
static inline uint32_t journal_pid_apart(uint64_t inode)
{
	return JOURNAL_PID_APART | ((uint32_t)(hash_mix(inode) << 22) & JOURNAL_PID_NAMESPACE);
}

struct journal_record {
	_Atomic uint32_t commit;	/* enum journal_kind once the rest is written, 0 before; a BEGIN that is not read yet: and the low
					 * bits of `exchange` above it, so that nobody completes another one in its place */
	uint32_t pid;			/* getpid() of the writer; see JOURNAL_PID_APART */
	uint32_t tid;			/* gettid(), or 0 when not asked for */
	uint32_t bytes;			/* how many of this record are said; 0: all (what is not said costs no cache line) */
	uint64_t at_ns;
	uint64_t connection;		/* serial of the connection, unique in the run; 0 none */
	uint64_t exchange;		/* serial of the exchange, unique in the run; 0 none */
	union {
		struct journal_process process;
		struct journal_connection conn;
		struct journal_exchange x;
		struct journal_inject inject;
		char fill[JOURNAL_RECORD_BYTES - 40];
	};
};
_Static_assert(sizeof(struct journal_record) == JOURNAL_RECORD_BYTES, "record size is the ABI");
_Static_assert(offsetof(struct journal_record, x.correlation) == 128, "an END is two cache lines");

enum journal_segment_state { JOURNAL_FREE, JOURNAL_OWNED };

struct journal_segment {	/* bookkeeping, in the header */
	_Atomic uint32_t state;		/* enum journal_segment_state */
	_Atomic uint32_t owner;		/* pid of the process that claimed it */
	_Atomic uint32_t reserved;	/* records handed out; may run past JOURNAL_SEGMENT_RECORDS */
	uint32_t pad;
};

struct journal {		/* the mapped file */
	uint64_t magic;
	uint32_t layout;
	uint32_t segment_count;
	_Atomic uint32_t hint;		/* where to look for a free segment next */
	uint32_t pad[11];
	struct journal_segment segments[JOURNAL_SEGMENT_MAX];
	_Alignas(4096) struct journal_record records[];	/* segment i: records[i * JOURNAL_SEGMENT_RECORDS] ... */
};

/* ---- writer (preload library) ---- */

struct journal_writer {		/* one per process; zero means none claimed */
	struct journal *j;
	_Atomic int32_t segment;	/* index + 1; 0 none */
};

/*
 * Reserves a record, its first 128 bytes zero; NULL when the journal is full or absent (the caller counts it). The caller
 * fills it and calls journal_commit(). After a fork the child must set writer->segment to 0 first.
 */
struct journal_record *journal_reserve(struct journal_writer *w, uint32_t pid);
void journal_commit(struct journal_record *r, enum journal_kind kind);

/*
 * Takes the BEGIN of this exchange back, to be completed and committed as WHOLE. r: what was reserved for it, or NULL. NULL: the reader
 * was there first, or it is another process's (before a fork); an END is to be written then.
 */
struct journal_record *journal_reopen(struct journal_record *r, uint64_t exchange, uint32_t pid);

static inline enum journal_kind journal_kind(const struct journal_record *r)
{
	return (enum journal_kind)(atomic_load_explicit(&r->commit, memory_order_acquire) & 0xff);
}

/* ---- reader (recorder) ---- */

/* Creates and preallocates path with as many segments as fit (64 MiB, then 16, then 4). 0 or -errno. */
int journal_create(const char *path, struct journal **j, size_t *bytes);
void journal_unmap(struct journal *j, size_t bytes);

struct journal_reader {
	struct journal *j;
	uint32_t next[JOURNAL_SEGMENT_MAX];	/* records of each segment already read */
	uint32_t hole[JOURNAL_SEGMENT_MAX];	/* index + 1 of a hole of a dead owner seen by the last drain; 0 none */
	uint16_t heap[JOURNAL_SEGMENT_MAX];	/* segments with something to hand over, the earliest record first */
	uint64_t at_ns[JOURNAL_SEGMENT_MAX];	/* of those: when that record was */
	uint32_t heaped;
};

void journal_reader_init(struct journal_reader *r, struct journal *j);

/*
 * Hands every new whole record to fn, earliest first across segments, and frees what is read. alive(pid) tells whether an owner still lives (for holes);
 * final: every owner counts as dead. The record is valid during fn only. Returns how many records were handed over.
 */
size_t journal_drain(struct journal_reader *r, bool final, bool (*alive)(uint32_t pid),
		     void (*fn)(void *arg, const struct journal_record *rec), void *arg);

#endif
