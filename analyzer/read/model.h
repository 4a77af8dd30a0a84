/* SPDX-License-Identifier: MIT */
/*
 * A run file in memory: what the analyzer needs of each row, in arrays, with texts as numbers (texts.h) and
 * references as indices. Exchanges are in order of their start. Read in one transaction, so a file that is
 * still being written is seen as it was at one moment. Not thread-safe.
 *
 * Invariant: every index is MODEL_NONE or inside its array, every exchange has a start, outcome is never unknown.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_MODEL_H
#define AFTERSHOCK_ANALYZER_READ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/map.h"
#include "analyzer/read/texts.h"
#include "base/clock.h"
#include "base/hash.h"

#define MODEL_NONE MAP_NONE

#define MODEL_NEAR 3

enum model_role { MODEL_NO_ROLE, MODEL_CLIENT, MODEL_SERVER };
enum model_outcome { MODEL_OK, MODEL_FAILED, MODEL_INDETERMINATE, MODEL_NOT_SENT, MODEL_OUTCOMES };

struct model_process {
	int64_t id, pid;
	uint32_t service;	/* name; never 0: "pid N" when the file does not say */
	uint32_t why;		/* name; why the library is not in it */
	bool covered;
	bool inbound;		/* has server-role exchanges */
	bool outbound;		/* has client-role exchanges */
	bool overlaps, returns;	/* two of its calls were in work at once; it came back to a thread it had left */
	uint64_t near, far;	/* calls on a thread that had made one of the MODEL_NEAR before; that had made an earlier one */
	uint64_t crossings, turns;	/* of them, those on another thread than the call before; and at once behind it, after a long wait of their own */
	uint32_t latest[MODEL_NEAR];	/* its latest calls, the last first; 0 none, else index + 1 */
	bool threadless;	/* the thread of some of its calls is not known */
	uint64_t answered, handed;	/* of the requests to it: with an answer; with one that no thread of its own can be named for */
	uint64_t busy_until_ns;	/* the latest end of its calls */
	uint64_t ended_ns;	/* when it ended; 0: it did not, or nobody saw it */
	bool exited;		/* and of its own accord, not by a signal */
};

struct model_connection {
	int64_t id;
	uint32_t process;	/* index */
	uint32_t local, peer;	/* names; 0 unknown */
	uint8_t role;		/* enum model_role */
	uint64_t retransmits;	/* TCP segments sent again; 0 also unknown */
	uint64_t unseen;	/* bytes that went past the kernel's witness */
	uint64_t opened_ns, connected_ns;	/* 0 unknown */
	uint32_t first;		/* index of the first exchange on it; MODEL_NONE */
	uint32_t end;		/* name: who ended it and how (runfile.h); 0 unknown */
	bool unresolved;	/* peer was a host name that was not resolved (hosts.c puts the address in its place when one is known) */
};

struct model_host {
	uint32_t name, address;	/* names: what was resolved, to what ("10.0.0.1") */
};

struct model_exchange {
	uint64_t started_ns;
	uint64_t ended_ns;	/* 0: still open when the run ended, or end before start (damaged) */
	uint64_t first_byte_ns;	/* of the answer; 0 none, or not known */
	uint64_t fingerprint;	/* 0 unknown */
	uint64_t correlation, idempotency_key;	/* 0 none */
	uint64_t target;	/* hash of method and path; 0: the file does not know them */
	int64_t id;
	uint32_t process, connection;	/* indices */
	uint32_t tid;		/* 0 unknown */
	uint32_t parent;	/* index of the inbound exchange that caused it; filled by link.c when the file does not say */
	uint32_t edge;		/* filled by graph.c; MODEL_NONE: not an attempt */
	uint32_t logical;	/* filled by link.c */
	uint32_t error, protocol, method;	/* names */
	uint32_t fault;		/* index of the fault that hit it; MODEL_NONE */
	uint32_t bytes_in;	/* of the answer, head and body, which a server sent; UINT32_MAX: that or more */
	int32_t retry_after_ms;	/* -1 none */
	uint16_t status;	/* 0 none */
	uint8_t role, outcome;	/* enum model_role, enum model_outcome */
	bool sent;		/* its request left the program towards the peer */
	bool synthetic;		/* answered by a fault */
	bool unwanted;		/* of a server: its client gave it up before it ended; filled by wasted.c */
	bool lost : 1;		/* given up as another attempt at the same was answered (rivals.h); filled by link.c */
	bool guessed : 1;	/* its parent is the likeliest of several; filled by link.c */
	bool unheeded : 1;	/* not framed, without an answer, and nobody waited for one: it was left at once, or more was sent (load_exchange.c) */
};

struct model_fault {
	int64_t id;
	uint32_t name, spec;	/* names */
	uint64_t matched, fired;
	uint64_t from_ns, for_ns;	/* the plan's window since the run's start; 0 not given */
	uint64_t off_ns;	/* when it was switched off, taken away or its window ended, for the last time; 0: it never was, or came on again */
	bool on;		/* while marks are read: it has come on */
	uint32_t episode;	/* while marks are read: of model_episode, its latest */
	bool watch_only;	/* probability 0 */
};

struct model_episode {	/* a fault came on, by the marks of the run file */
	uint32_t fault;		/* index */
	uint64_t on_ns, off_ns;	/* off 0: it stayed on */
};

struct model_injection {
	uint64_t at_ns;
	uint32_t fault, exchange;	/* indices */
	uint32_t action;	/* name */
	int64_t intended_ns, achieved_ns;	/* -1: for ever; not over when the run ended */
};

struct model_loss {
	uint32_t source, reason;	/* names */
	uint64_t count;
};

struct model_clocks {	/* read at one moment, in ns; all 0: not known */
	uint64_t real_ns, monotonic_ns, boot_ns;
};

struct model {
	struct texts names;
	struct model_process *processes;
	struct model_connection *connections;
	struct model_exchange *exchanges;
	struct model_fault *faults;
	struct model_injection *injections;
	struct model_episode *episodes;	/* in order of time */
	struct model_loss *losses;
	struct model_host *hosts;
	size_t host_count, episode_count;
	size_t process_count, connection_count, exchange_count, fault_count, injection_count, loss_count;
	uint64_t started_ns, ended_ns;	/* of the run; guessed from the exchanges when the file does not say */
	uint32_t started, host, sources, seed;	/* names: UTC text, host, JSON array of witnesses, decimal digits */
	uint32_t missing_hooks;	/* name: what the kernel's witness had to do without, comma-separated; 0 nothing */
	struct model_clocks clocks_start, clocks_end;
	bool clean_end;
	uint64_t undated;	/* exchanges left out: the file holds no time for them */
	uint64_t inferred;	/* exchanges of which nothing said where they end */
	uint64_t unheeded;	/* exchanges that are */
};

/*
 * Fills a zeroed model from the run file at path. 0; -ENOENT; -EINVAL not a run file; -ENOMEM; other -errno. On
 * failure error holds one sentence with the path, and m holds nothing to free.
 */
int model_load(struct model *m, const char *path, char *error, unsigned error_size);
void model_free(struct model *m);

/* The first exchange that started then or later; exchange_count: none. */
size_t model_first_from(const struct model *m, uint64_t at_ns);

/* ms from an instant to a later one; 0 when it is not later. */
static inline double model_ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_MS : 0;
}

/* How long an exchange took, of one that ended. */
static inline double model_took_ms(const struct model_exchange *x)
{
	return model_ms(x->started_ns, x->ended_ns);
}

/*
 * Whether it is one flow of calls that moves between threads: then a thread says nothing of who calls. Calls that never overlap say so only
 * together with where they run: a flow stays on few threads and comes back to one that it has just left (schedulers wake the latest idle
 * first), while callers of their own, whose calls are short against their waits, take turns with all the others. Few callers are known by their
 * turns: each has waited long, and yet now and then calls at once behind another, as a flow that waits between its calls never does.
 */
static inline bool model_hops(const struct model_process *p)
{
	return p->returns && !p->overlaps && p->far <= p->near && p->turns * 10 < p->crossings;
}

/* Whether its answer was not a success: a retry may follow. */
static inline bool model_failed(const struct model_exchange *x)
{
	return x->outcome != MODEL_OK;
}

/* What is asked, and by which process: a key. */
static inline uint64_t model_request(const struct model_exchange *x)
{
	return hash_mix(hash_mix(hash_mix(x->process) ^ x->target) ^ x->fingerprint);
}

/* Whether it had failed when y started. */
static inline bool model_failed_before(const struct model_exchange *x, const struct model_exchange *y)
{
	return model_failed(x) && x->ended_ns && x->ended_ns <= y->started_ns;
}

/* Whether its answer sends the client elsewhere. */
static inline bool model_redirects(const struct model_exchange *x)
{
	return x->status == 301 || x->status == 302 || x->status == 303 || x->status == 307 || x->status == 308;
}

/* Whether its answer asks for credentials. */
static inline bool model_challenges(const struct model_exchange *x)
{
	return x->status == 401 || x->status == 407;
}

/* A connect that failed: nobody knows what would have been asked. */
static inline bool model_headless(const struct model_exchange *x)
{
	return !x->target && !x->fingerprint && x->outcome == MODEL_NOT_SENT;
}

/* Whether both ask the same, as far as is known. */
static inline bool model_same_request(const struct model_exchange *x, const struct model_exchange *y)
{
	return (x->target == y->target && x->fingerprint == y->fingerprint) || model_headless(x) || model_headless(y);
}

#endif
