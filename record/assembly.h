/* SPDX-License-Identifier: MIT */
/*
 * Inside the assembler: a connection under assembly, and what its three parts call of each other.
 * assembler.c has the table of connections and their lives, assembly_exchange.c begins, completes and voices exchanges,
 * assembly_stream.c turns bytes into them. For these files only.
 */
#ifndef AFTERSHOCK_RECORD_ASSEMBLY_H
#define AFTERSHOCK_RECORD_ASSEMBLY_H

#include "record/assembler.h"
#include "record/protocol.h"

#define ASSEMBLY_USERS 1024	/* buckets of connections by who used them last; a power of two */
#define ASSEMBLY_PIPELINE 4096	/* exchanges under way on one connection; more: the oldest is given up */

/* The two directions as the exchange has them, whichever side we are on. */
enum assembly_side { SIDE_REQUEST, SIDE_ANSWER };

struct exchange {
	struct exchange *next;
	uint64_t serial;
	uint32_t pid, tid;
	uint32_t request_flags;	/* enum http1_flag */
	uint64_t last_ns;	/* last byte of the answer so far; 0 none */
	bool answered;		/* the head of the answer, or its first bytes, were seen */
	bool failed;		/* its answer is an error of its protocol (not HTTP, which has a status) */
	struct journal_exchange x;
};

struct framing {		/* one direction of an HTTP/1 connection */
	struct http1 parser;
	bool lost;		/* part of the stream was not seen: wait for the next start */
	uint64_t began_ns;	/* first byte of the message under way */
	uint64_t bytes;		/* of it, so far */
};

struct connection {
	struct connection *chain;		/* of the hash bucket; of the free list */
	struct connection *newer, *older;	/* by last use */
	uint64_t cookie, serial;
	uint64_t bytes[2];			/* enum assembler_direction */
	uint32_t pid;				/* who opened it */
	uint32_t user_pid;			/* who used it last */
	struct connection *user_next, **user_back;	/* of the same bucket of users */
	bool exiting;				/* and ended */
	uint32_t sequence;
	uint32_t position[2];			/* where each direction stands, when placed */
	uint64_t missing[2];			/* bytes that went by unseen */
	bool placed[2];
	uint8_t end;				/* enum journal_end when the transport broke under the program */
	uint32_t under_way;			/* exchanges in the list */
	uint64_t broken_ns;			/* when it did */
	int32_t error;				/* of the last transfer that failed; 0 none */
	uint64_t opened_ns;
	uint64_t checked_ns;			/* when both directions were last compared with where they stand */
	uint8_t role;				/* enum journal_role */
	uint8_t protocol;			/* enum protocol */
	bool mid_stream;			/* and no start of a request was found yet */
	bool answer_seen;			/* before the protocol was known: the next request begins a turn */
	struct exchange *first, *last;		/* under way, oldest first */
	struct exchange *sending;		/* whose request is still coming; NULL none */
	struct framing *http;			/* two, by enum assembly_side; NULL until HTTP/1 is spoken */
	struct addr local, peer;
};

struct assembler {
	assembler_sink *sink;
	void *arg;
	unsigned max, used, mask;
	struct connection **buckets;
	struct connection *newest, *oldest;
	struct connection *users[ASSEMBLY_USERS];
	struct exchange *spare;			/* free list */
	uint64_t serials;
	uint64_t lossy_ns;			/* losses came before this; UINT64_MAX: until the next tick; 0 none so far */
	struct assembler_counts counts;
};

static inline enum assembly_side assembly_side(const struct connection *c, enum assembler_direction d)
{
	return (c->role == JOURNAL_CLIENT) == (d == ASSEMBLER_OUT) ? SIDE_REQUEST : SIDE_ANSWER;
}

/* When the first byte of a transfer moved, as far as the program can tell: it hands bytes over at entry, and has them at return. */
static inline uint64_t assembly_begin_ns(const struct assembler_moment *m, enum assembler_direction d)
{
	return d == ASSEMBLER_OUT ? m->enter_ns : m->exit_ns;
}

/* Where the bytes of one side of an exchange are counted. */
static inline uint64_t *assembly_bytes(const struct connection *c, struct exchange *e, enum assembly_side side)
{
	return (c->role == JOURNAL_CLIENT) == (side == SIDE_REQUEST) ? &e->x.bytes_out : &e->x.bytes_in;
}

/* ---- assembly_exchange.c ---- */

/* Appends an exchange to c and tells its beginning. head: NULL unless HTTP/1. NULL: no memory (counted). */
struct exchange *exchange_open(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t started_ns,
			       const struct http1_head *head);

/* Tells the end of the oldest exchange and forgets it. outcome 0: by its answer. error: errno, JOURNAL_EOF, JOURNAL_CLOSED or 0. */
void exchange_close(struct assembler *a, struct connection *c, uint8_t outcome, int error, uint64_t ended_ns);

/* Ends all that is under way: complete turns as such, the rest as broken off by `error`. */
void exchange_close_all(struct assembler *a, struct connection *c, int error, uint64_t ended_ns);

/* Forgets all that is under way without a word. */
void exchange_forget_all(struct assembler *a, struct connection *c);

/* An attempt that never left: a connect that failed, a write on a dead connection. */
void exchange_not_sent(struct assembler *a, struct connection *c, const struct assembler_moment *m, int error);

/* Whether the oldest exchange has an answer whose end only silence, or the next request, will show. */
bool exchange_seems_whole(const struct connection *c);

/* ---- assembly_stream.c ---- */

void stream_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b);
void stream_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d,
		uint64_t missing);
void stream_eof(struct assembler *a, struct connection *c, const struct assembler_moment *m);

/* Ends the exchange of which exchange_seems_whole() holds, at the last byte seen. */
void stream_settle(struct assembler *a, struct connection *c);

/* The program closed its end: a server's answer without a length is complete by that. */
void stream_closed(struct assembler *a, struct connection *c, uint64_t at_ns);

#endif
