/* SPDX-License-Identifier: MIT */
/*
 * The exchange assembler: makes exchanges out of what a witness saw of connections (opened, bytes out, bytes in, an error,
 * the end), and gives them as testimony in the shape of the journal. It knows nothing of how the bytes were seen: the
 * kernel's tracer feeds it, and any other witness could.
 *
 * HTTP/1 is framed (pipelining, interim answers, bodies of every kind), and so are the commands of Redis and the turns of PostgreSQL;
 * of other protocols a turn is an exchange: bytes of the client, then bytes of the server; TLS and HTTP/2 are one exchange per
 * connection. Where a part of the stream was not seen, framing is picked up again at the next start of a request, and counted:
 * what was answered in between is indeterminate, and no answer is laid to another request than its own.
 *
 * Invariants: every exchange that is told is told at once from beginning to end (JOURNAL_WHOLE), or begins (JOURNAL_BEGIN) and ends at
 * most once (JOURNAL_END); what never ends was still open. Of a process, a request that came in is told before one that was sent
 * meanwhile. Memory is bounded: beyond `max` connections the one that was silent longest is given up, and counted.
 * Events of one connection come in the order in which they happened. Not thread-safe; no I/O, no clock of its own.
 */
#ifndef AFTERSHOCK_RECORD_ASSEMBLER_H
#define AFTERSHOCK_RECORD_ASSEMBLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "record/journal.h"

#define ASSEMBLER_CONNECTIONS 41984	/* tests/unit/memory.h has what the recorder needs when all is full */
#define ASSEMBLER_SERIAL (1ull << 63)	/* set in all serials, so that they never meet those of the library */
#define ASSEMBLER_LINGER_NS 1000000000ull	/* silence after which a turn whose end can not be seen is over */
#define ASSEMBLER_TICK_NS 100000000ull	/* an exchange that takes longer than this is told when it begins; a shorter one when it is over */

struct assembler;

typedef void assembler_sink(void *arg, const struct journal_record *record);

enum assembler_direction { ASSEMBLER_OUT, ASSEMBLER_IN };

/* Who did it, on which connection, and when the call began and returned (CLOCK_MONOTONIC ns). */
struct assembler_moment {
	uint64_t cookie;
	uint32_t pid, tid;
	uint64_t enter_ns, exit_ns;
};

struct assembler_bytes {
	enum assembler_direction direction;
	const void *data;	/* the first `captured` bytes; may be NULL when that is 0 */
	size_t captured;
	uint64_t bytes;		/* how many moved in all */
	const void *tail;	/* the last 8 of them when captured < bytes, or NULL: not known */
	bool placed;		/* position is known: what was missed before these bytes shows */
	bool other_known;	/* other_position is */
	uint32_t position;	/* of the first byte in its direction of the stream, modulo 2^32 */
	uint32_t other_position;	/* where the other direction stood when the call returned; looked at after a loss only */
};

struct assembler_counts {
	uint64_t resynced;	/* times that framing was lost and had to be found again */
	uint64_t evicted;	/* connections given up because there were too many */
	uint64_t dropped;	/* events for which no memory was left */
};

/* At most max connections at once (0: ASSEMBLER_CONNECTIONS). NULL: no memory. sink is called from within the functions below. */
struct assembler *assembler_new(unsigned max, assembler_sink *sink, void *arg);
void assembler_keep_query(struct assembler *a);	/* from now on the queries of request targets are told too */
void assembler_free(struct assembler *a);	/* NULL is fine; says nothing more: assembler_finish() first */

bool assembler_knows(const struct assembler *a, uint64_t cookie);

/* A connection became known. mid_stream: it may have carried bytes before. Opening a known cookie again ends the older one. */
void assembler_open(struct assembler *a, const struct assembler_moment *m, enum journal_role role, bool mid_stream,
		    const struct addr *local, const struct addr *peer);

/*
 * The outcome of connecting: error 0, with the local address that it got; else the attempt failed with that errno (or
 * JOURNAL_CLOSED: given up by the program), `end` says how, and the connection is forgotten: one exchange that was not sent.
 */
void assembler_connected(struct assembler *a, const struct assembler_moment *m, const struct addr *local, int error,
			 enum journal_end end);

/* Bytes moved between program and kernel. */
void assembler_bytes(struct assembler *a, const struct assembler_moment *m, const struct assembler_bytes *b);

/*
 * The witness has lost something, on no one knows which connection, at some time before the next assembler_tick(). Until each has been
 * heard of again, a jump of the direction that did not move counts as a gap as well: so the answer that was lost is not taken
 * for one that comes later. Without a loss such a jump is only two threads at work on one stream.
 */
void assembler_lossy(struct assembler *a);

/* Where both directions stand, modulo 2^32 (ASSEMBLER_OUT, ASSEMBLER_IN); without it the first placed bytes tell. */
void assembler_place(struct assembler *a, uint64_t cookie, const uint32_t position[2]);

/* The program was told that the peer will send no more. */
void assembler_eof(struct assembler *a, const struct assembler_moment *m);

/* A transfer failed with errno `error`. */
void assembler_error(struct assembler *a, const struct assembler_moment *m, enum assembler_direction direction, int error);

/* The transport ended (reset, timeout), which the program has yet to learn; what it received before is still there to read. */
void assembler_broken(struct assembler *a, const struct assembler_moment *m, enum journal_end end, int error);

/* The connection is over for the program, at m->exit_ns. error: errno that ended it, or 0. What assembler_broken() said goes before. */
void assembler_close(struct assembler *a, const struct assembler_moment *m, enum journal_end end, int error);

/*
 * How many bytes of one direction from here on say nothing, whatever they are, and need not be captured: those of a body with a length, of
 * TLS and HTTP/2 (UINT64_MAX: to the end). 0: none, or not known.
 */
uint64_t assembler_quiet(const struct assembler *a, uint64_t cookie, enum assembler_direction d);

/*
 * How many bytes have moved that were not told of, as far as positions show: gaps, and what lies between the last bytes told and
 * `position` (ASSEMBLER_OUT, ASSEMBLER_IN; NULL: not known). 0 for a connection that is not known.
 */
uint64_t assembler_missing(const struct assembler *a, uint64_t cookie, const uint32_t *position);

/*
 * A process ended: what is under way on the connections that it was the last to use ends. The connections themselves may be held by
 * others: the end that is told of one ends it as JOURNAL_EXITED, unless someone uses it before. Those that are broken end now.
 */
void assembler_exited(struct assembler *a, uint32_t pid, uint64_t at_ns);

/*
 * Ends the turns that have been silent for ASSEMBLER_LINGER_NS, and tells of exchanges that have been under way for ASSEMBLER_TICK_NS.
 * Call that often.
 */
void assembler_tick(struct assembler *a, uint64_t now_ns);

/* The witness stops: complete exchanges end; those still under way are left to the recorder as open. */
void assembler_finish(struct assembler *a, uint64_t now_ns);

struct assembler_counts assembler_counts(const struct assembler *a);

#endif
