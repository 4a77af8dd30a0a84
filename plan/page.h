/* SPDX-License-Identifier: MIT */
/*
 * The control page: the plan compiled to one flat, pointer-free, fixed-width file that
 * `aftershock` writes and every covered process maps shared and writable (it counts in it).
 * Same layout for 32- and 64-bit. Faults are changed while readers run (live.h): one store to `version` switches
 * from one set of faults to the next, and readers never block: page_live() of the version that they loaded is the whole set.
 *
 * Invariant: a slot (struct page_fault) whose bit is in the live mask is not written, nor its texts, until
 * PAGE_REST_NS after that bit has left the mask for good; its id then changes, so that who still holds the slot's
 * number from before can tell. A reader that finds a wrong magic, layout or size must not touch the rest and injects nothing
 * (fail open); text references are checked against text[] before they are followed.
 * Signal- and fork-safe: only loads and atomic adds.
 */
#ifndef AFTERSHOCK_PLAN_PAGE_H
#define AFTERSHOCK_PLAN_PAGE_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/addr.h"

#define PAGE_MAGIC 0x314b434f48534641ull	/* "AFSHOCK1" */
#define PAGE_LAYOUT 4				/* changes with any field below */
#define PAGE_FAULT_MAX 64			/* one bit each in a 64-bit candidate mask */
#define PAGE_TEXT_BYTES 65536
#define PAGE_ORDINAL_SLOTS 4096			/* power of two */
#define PAGE_HEARTBEAT_STALE_NS 2000000000ull	/* no beat for this long: no faults */
#define PAGE_VERSIONS 64			/* live masks that are kept, of the last versions; power of two */
#define PAGE_SERIAL_BLOCK 256			/* power of two */
#define PAGE_REST_NS 2000000000ull		/* from a slot's leaving the live mask to its next use */

#define PAGE_FILE "control"			/* file names inside the run directory */
#define JOURNAL_FILE "journal"

enum page_mode {	/* what the library journals */
	PAGE_JOURNAL_OFF,	/* injections only */
	PAGE_JOURNAL_MATCHED,	/* connections that a fault could match (the kernel witnesses the rest) */
	PAGE_JOURNAL_ALL	/* every stream connection */
};

enum page_side { PAGE_TO = 1, PAGE_AT = 2 };

enum page_peer {
	PAGE_PEER_ANY,		/* * */
	PAGE_PEER_PORT,		/* :port */
	PAGE_PEER_NET,		/* address or CIDR, port 0 = any */
	PAGE_PEER_UNIX,		/* unix:/path */
	PAGE_PEER_HOST		/* a name: addresses it was resolved to, and requests whose Host it is; port 0 = any */
};

enum page_action {	/* bits of page_fault.actions */
	PAGE_DELAY = 1 << 0,
	PAGE_STATUS = 1 << 1,
	PAGE_REFUSE = 1 << 2,
	PAGE_HANG = 1 << 3,
	PAGE_RESET = 1 << 4,
	PAGE_ERROR = 1 << 5,
	PAGE_TRUNCATE = 1 << 6,
	PAGE_THROTTLE = 1 << 7,
	PAGE_RESOLVE = 1 << 8
};

enum page_place { PAGE_RESPONSE, PAGE_REQUEST, PAGE_CONNECT, PAGE_NAME };	/* delay_on, hang, reset: where */
enum page_call { PAGE_CALL_CONNECT, PAGE_CALL_SEND, PAGE_CALL_RECV };		/* error: at which call */
enum page_dist { PAGE_FIXED, PAGE_UNIFORM, PAGE_NORMAL, PAGE_LOGNORMAL };	/* delay: its distribution */

struct page_text {	/* a string in text[]; len 0: not given */
	uint32_t at;
	uint32_t len;
};

struct page_fault {
	_Atomic uint32_t id;		/* 1..: row id of `fault` in the run file; never used twice; 0: nothing is here */
	_Atomic uint32_t listed;	/* 1: users see it, on or off; 0: replaced or cleared */
	uint32_t side;			/* enum page_side */
	uint32_t peer;			/* enum page_peer */
	uint32_t prefix;		/* PAGE_PEER_NET: bits of addr that count */
	uint32_t port;			/* host order; 0 any */
	struct addr addr;		/* PAGE_PEER_NET: network address; PAGE_PEER_UNIX: path */
	uint64_t host_hash;		/* PAGE_PEER_HOST: host_hash() of the name */
	struct page_text name, host, process, method, path, header, header_glob, pattern;
	struct page_text reply_headers;	/* complete header lines, each ended by CR LF */
	struct page_text body;
	uint64_t hit_below;		/* probability * 2^32, 0..2^32 */
	uint64_t every, after, first, max;	/* 0: not given */
	uint64_t from_ns, for_ns;	/* window since page.started_ns; for_ns 0: open end */
	uint32_t actions;		/* enum page_action bits */
	uint32_t dist;			/* enum page_dist */
	uint32_t delay_on;		/* enum page_place */
	uint32_t status;		/* 200..599 */
	double delay_a, delay_b;	/* FIXED: a ns · UNIFORM: a..b ns · NORMAL: mean a, sd b ns · LOGNORMAL: mu a, sigma b of ln(ns) */
	uint32_t hang, reset;		/* enum page_place */
	uint64_t reset_after;		/* bytes of the response before the reset; with reset = PAGE_RESPONSE, 0: at its first byte */
	uint32_t error_call;		/* enum page_call */
	int32_t error_errno;
	int32_t resolve_eai;
	uint32_t watch_only;		/* probability was 0: matching is counted, nothing is ever done */
	int64_t retry_after_s;		/* -1: not given */
	uint64_t truncate_bytes, throttle_bytes_per_s;
	_Atomic uint64_t matched;	/* exchanges that met every condition but chance, counts and window */
	_Atomic uint64_t fired;		/* exchanges hit */
	_Atomic uint64_t shared_ordinal;	/* next ordinal of all destinations for which page.ordinals had no slot */
	_Atomic uint64_t retired_ns;	/* when it was replaced or cleared */
};

struct page_ordinal {		/* next ordinal of one (fault, destination) */
	_Atomic uint64_t key;	/* 0: free */
	_Atomic uint64_t next;
};

enum page_loss {		/* what the library had to leave out; shown in every report */
	PAGE_LOST_JOURNAL,	/* journal records: all segments full */
	PAGE_LOST_CONN,		/* connections: table full */
	PAGE_LOST_FD,		/* descriptors above the table */
	PAGE_LOST_PIPELINE,	/* exchanges: too many in flight on one connection */
	PAGE_LOST_FRAMING,	/* connections that turned opaque inside a message */
	PAGE_LOST_ORDINAL,	/* decisions made on the fault's shared ordinal: table full */
	PAGE_LOST_STANDIN,	/* private descriptors that could not be made */
	PAGE_LOST_NAME,		/* resolved names that had to make room for others */
	PAGE_LOST_WATCH,	/* registrations in epoll sets that a fault does not hold back: tables full */
	PAGE_LOST_HANDLER,	/* calls of signal handlers that had interrupted this library: passed untouched */
	PAGE_LOST_CONFINED,	/* connections that faults concern, in a process whose seccomp filter bars our system calls */
	PAGE_LOST_KINDS = 16
};

struct page {
	uint64_t magic;			/* PAGE_MAGIC */
	uint32_t layout;		/* PAGE_LAYOUT */
	uint32_t bytes;			/* sizeof(struct page) */
	uint64_t started_ns;		/* CLOCK_MONOTONIC at the run's start: `from` counts from here */
	uint64_t seed;
	uint32_t mode;			/* enum page_mode */
	uint32_t fault_count;		/* slots that are or were in use, from the front; only grows */
	uint32_t keep_query;		/* 1: the queries of request targets are journalled too */
	uint32_t reserved;
	_Atomic uint64_t version;	/* which set of faults is on; a change means: match connections anew */
	_Atomic uint64_t heartbeat_ns;	/* CLOCK_MONOTONIC of the controller's last sign of life */
	uint64_t ids;			/* fault ids given out */
	uint64_t pid_namespace;		/* of the controller: inode of /proc/self/ns/pid */
	_Atomic uint64_t live[PAGE_VERSIONS];	/* of version v, at v % PAGE_VERSIONS: the faults that are on, one bit each */
	_Atomic uint64_t serial_block;	/* next block of PAGE_SERIAL_BLOCK connection/exchange serials of the run; from 1 on */
	_Atomic uint64_t lost[PAGE_LOST_KINDS];
	struct page_fault faults[PAGE_FAULT_MAX];
	struct page_ordinal ordinals[PAGE_ORDINAL_SLOTS];
	char text[PAGE_TEXT_BYTES];
};

/* The version of the faults; page_live() of it is the set that belongs to it, whatever is switched meanwhile. */
static inline uint64_t page_version(const struct page *p)
{
	return atomic_load_explicit(&p->version, memory_order_acquire);
}

static inline uint64_t page_live(const struct page *p, uint64_t version)
{
	return atomic_load_explicit(&p->live[version % PAGE_VERSIONS], memory_order_acquire);
}

_Static_assert(sizeof(struct page_fault) % 8 == 0, "no tail padding that differs between word sizes");
_Static_assert(sizeof(struct page_ordinal) == 16, "two words");

#endif
