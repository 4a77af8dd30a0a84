/* SPDX-License-Identifier: MIT */
/*
 * Inside the assembler: a connection under assembly, and what its parts call of each other.
 * assembler.c has the table of connections and their lives, assembly_exchange.c begins, completes and voices exchanges;
 * assembly_stream.c finds out what a connection speaks, assembly_http1.c and assembly_turns.c turn its bytes into exchanges.
 * For these files only.
 */
#ifndef AFTERSHOCK_RECORD_ASSEMBLY_H
#define AFTERSHOCK_RECORD_ASSEMBLY_H

#include <sys/queue.h>
#include "base/short_addr.h"
#include "record/assembler.h"
#include "record/protocol.h"
#include "record/wire.h"

#define ASSEMBLY_PIPELINE 4096		/* exchanges under way on one connection; more: all of them are given up */
#define ASSEMBLY_PIPELINED 16384	/* exchanges behind another of their connection, on all connections; beyond, each may have one */
#define ASSEMBLY_UNTOLD 4096	/* whose beginning is not told yet; beyond, the oldest is told at once: what its request says takes much room until then */
#define ASSEMBLY_FRAMINGS 4096		/* connections with framing of HTTP/1; the idle ones give theirs back */
#define ASSEMBLY_TURNS 16384		/* with that of other messages; the same */

/* The two directions as the exchange has them, whichever side we are on. */
enum assembly_side { SIDE_REQUEST, SIDE_ANSWER };

/* A process: what it has to do with connections and requests. Freed when that is nothing. */
struct user {
	struct user *chain;			/* of the hash bucket */
	uint32_t pid;
	unsigned exchanges;			/* under way */
	LIST_HEAD(, connection) connections;	/* that it used last */
	LIST_HEAD(, exchange) inbound;		/* requests to it of which the beginning was not told yet */
};

struct exchange {
	struct exchange *next;
	struct connection *connection;
	struct user *user;			/* whose exchange it is */
	TAILQ_ENTRY(exchange) untold;		/* whose beginning was not told yet, in the order of beginning */
	LIST_ENTRY(exchange) inbound;
	uint64_t serial;
	uint32_t pid, tid;
	uint32_t request_flags;	/* enum http1_flag */
	bool told;		/* its beginning */
	bool answered;		/* the head of the answer, or its first bytes, were seen */
	bool unsure;		/* a part of its answer was not seen */
	bool failed;		/* its answer is an error of its protocol (not HTTP, which has a status) */
	uint64_t last_ns;	/* last byte of the answer so far; 0 none */
	struct journal_exchange *request;	/* what stands in it from `correlation` on: of its request, until its beginning is told; NULL nothing */
	struct journal_exchange x;	/* of it there is only what stands before `correlation` */
};

struct framing {		/* one direction of an HTTP/1 connection */
	struct http1 parser;
	bool lost;		/* part of the stream was not seen: wait for the next start */
	bool guessed;		/* the head under way was cut: parser.head has what was seen of it */
	bool unseen;		/* lost within a head or before one: more messages than one may have gone by */
	uint8_t recent_n;
	unsigned char recent[8];	/* the last bytes that went by, while they are known */
	uint64_t began_ns;	/* first byte of the message under way; lost: of the last call */
	uint64_t moved_ns;	/* when the last call returned */
	uint64_t bytes;		/* of it, so far; lost: of those that belong to no exchange */
};

struct turns {			/* of a protocol with messages: both directions, by enum assembly_side */
	struct wire wire[2];
	bool exact;		/* both are known to be in step: each answer ends where it does */
	bool encrypts;		/* PostgreSQL: the turn under way asks for encryption */
	bool cancels;		/* PostgreSQL: it asks to cancel another's query, which is answered by the end of the connection */
	bool copying;		/* PostgreSQL: the client sends data in it, until the server is ready */
	struct assembler_moment unseen;	/* Redis: the call that moved commands of which it is not known how many; exit_ns 0: none */
	uint32_t asked, reported;	/* PostgreSQL: how often the server is to say that it is ready, and did */
	uint8_t recent_n;
	unsigned char recent[8];	/* the last bytes of the answer */
};

struct connection {
	struct connection *chain;		/* of the hash bucket */
	struct connection *newer, *older;	/* by last use */
	LIST_ENTRY(connection) used_by;
	TAILQ_ENTRY(connection) quiet;		/* whose first exchange only silence may end, by its last byte; in_quiet */
	uint64_t cookie, serial;
	uint64_t bytes[2];			/* enum assembler_direction */
	struct user *user;			/* who used it last */
	uint32_t pid;				/* who opened it */
	uint32_t sequence;
	uint32_t position[2];			/* where each direction stands, when placed */
	uint64_t missing[2];			/* bytes that went by unseen */
	bool placed[2];
	uint8_t end;				/* enum journal_end when the transport broke under the program */
	uint32_t under_way;			/* exchanges in the list */
	int32_t error;				/* of the last transfer that failed; 0 none */
	uint64_t opened_ns;
	uint64_t checked_ns;			/* when both directions were last compared with where they stand */
	uint64_t exited_ns;			/* when its user ended; 0 alive */
	uint64_t broken_ns;			/* when the transport broke; 0 it stands */
	uint8_t role;				/* enum journal_role */
	uint8_t protocol;			/* enum protocol */
	bool in_quiet;
	bool met_open;				/* it was open before it was told of */
	bool mid_stream;			/* the next bytes may be in the middle of something */
	bool doubtful;				/* it was met in the middle, and no answer has confirmed its protocol */
	bool guessed;				/* its protocol is a guess for want of bytes: looked at again at the next turn */
	bool parting;				/* opaque: the turn under way is so far the head of what MySQL says goodbye with */
	bool answer_seen;			/* before the protocol was known: the next request begins a turn */
	bool answered_last;			/* the bytes before these were of the answer's side */
	bool veiled_told;			/* the one exchange of a veiled protocol was told */
	bool sliding;				/* requests are sent while others are answered: answers can not be laid to them anew */
	bool begun;				/* it speaks in messages, of which the first one went by */
	bool adrift;				/* answers were lost, so which request is answered is not known any more */
	struct exchange *first, *last;		/* under way, oldest first */
	struct exchange *sending;		/* whose request is still coming; NULL none */
	struct framing *http;			/* two, by enum assembly_side; NULL: not HTTP/1, or idle */
	struct turns *turns;			/* NULL unless its protocol has messages */
	struct short_addr local, peer;
};

struct assembler {
	assembler_sink *sink;
	void *arg;
	unsigned max, used, mask, framings, turns, pipelined, untold_count;
	bool keep_query;
	struct connection **buckets;
	struct user **users;			/* as many buckets */
	struct connection *newest, *oldest;
	TAILQ_HEAD(, connection) quiet;
	TAILQ_HEAD(, exchange) untold;
	struct exchange *spare;			/* free list */
	struct spare_request *spare_request;
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

/* The last 8 bytes of a side, kept up over its calls: of b when they are known. */
void assembly_remember(unsigned char recent[8], uint8_t *n, const struct assembler_bytes *b);

/* ---- assembler.c ---- */

/* Frees u when it has neither connections nor exchanges any more. */
void user_unused(struct assembler *a, struct user *u);

/* ---- assembly_exchange.c ---- */

/*
 * Appends an exchange to c. head: NULL unless HTTP/1. NULL: no memory (counted). Its beginning is told later, at a tick or with
 * its end.
 */
struct exchange *exchange_open(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t started_ns,
			       const struct http1_head *head);

/* Where what its request says can be noted, of what is behind `correlation`; NULL: no memory (counted). */
struct journal_exchange *exchange_request(struct assembler *a, struct exchange *e);

void exchanges_free_spare(struct assembler *a);

/* Tells the end of the oldest exchange and forgets it. outcome 0: by its answer. error: errno, JOURNAL_EOF, JOURNAL_CLOSED or 0. */
void exchange_close(struct assembler *a, struct connection *c, uint8_t outcome, int error, uint64_t ended_ns);

/* Ends all that is under way: complete turns as such, the rest as broken off by `error`. */
void exchange_close_all(struct assembler *a, struct connection *c, int error, uint64_t ended_ns);

/* Answers went by, and no one knows of which of those under way: what is known of the oldest counts, the others are indeterminate. */
void exchange_give_up(struct assembler *a, struct connection *c, uint64_t at_ns);

/* Forgets all that is under way without a word. */
void exchange_forget_all(struct assembler *a, struct connection *c);

/* An attempt that never left: a connect that failed, a write on a dead connection. */
void exchange_not_sent(struct assembler *a, struct connection *c, const struct assembler_moment *m, int error);

/* Tells the beginning of those that began at or before this and have not ended. */
void exchange_tell_begun(struct assembler *a, uint64_t before_ns);

/* Whether the oldest exchange has an answer whose end only silence, or the next request, will show. */
bool exchange_seems_whole(const struct connection *c);

/* Notes when its answer begins, and on which thread, unless it has. */
void exchange_answer_begins(struct exchange *e, const struct assembler_moment *m, enum assembler_direction d);

/* Its answer had a byte at m: if only silence shows its end, silence begins now. */
void exchange_heard(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d);

/* ---- assembly_stream.c ---- */

void stream_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b);
void stream_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d,
		uint64_t missing);
void stream_eof(struct assembler *a, struct connection *c, const struct assembler_moment *m);

/* Ends the exchange of which exchange_seems_whole() holds, at the last byte seen. */
void stream_settle(struct assembler *a, struct connection *c);

/* The program closed its end: a server's answer without a length is complete by that. */
void stream_closed(struct assembler *a, struct connection *c, uint64_t at_ns);

/* What the connection speaks is to be found out anew from its next bytes, whose place in their message is known or not. */
void stream_switch(struct assembler *a, struct connection *c, bool mid_stream);

/* What the framing of a connection holds. */
void stream_release(struct assembler *a, struct connection *c);

/*
 * Connections that are between messages, also those that wait for an answer, give their framing back when there is too much of it: it
 * is made anew when they speak again. Many at a time, as the way to them is long.
 */
void stream_take_back(struct assembler *a, bool (*is_idle)(const struct connection *c));

/* ---- assembly_http1.c ---- */

bool framing_begin(struct assembler *a, struct connection *c);	/* false: no memory (counted) */
void framing_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		   enum assembly_side side);
void framing_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		 enum assembly_side side);
void framing_restart_answer(struct connection *c);	/* its next byte begins an answer */
bool framing_is_idle(const struct connection *c);	/* it has framing of which nothing needs to be kept */

/* ---- assembly_turns.c ---- */

void turn_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		enum assembly_side side);
void turn_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembly_side side);

#endif
