/* SPDX-License-Identifier: MIT */
/*
 * Framing of the protocols that are not HTTP, as far as it shows where an answer ends and whether it is an error: Redis
 * (RESP2 and RESP3, both directions), PostgreSQL (both directions), memcached (its text, both directions). Incremental; bytes
 * that were not seen are passed over by count where a length says how many there are.
 *
 * Invariant: never reads outside the bytes given, and after any input can go on or says WIRE_LOST until wire_init().
 * Pure, no allocation; not thread-safe for the same wire.
 */
#ifndef AFTERSHOCK_RECORD_WIRE_H
#define AFTERSHOCK_RECORD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "record/protocol.h"

#define WIRE_LINE_MAX 48	/* bytes of a line that are looked at */
#define WIRE_NAME_MAX 24	/* of a command's name, with the NUL */

enum wire_side { WIRE_ASKS, WIRE_ANSWERS };

enum wire_event {
	WIRE_MORE,	/* all bytes were used, nothing completed */
	WIRE_NAMED,	/* Redis: the name of the command under way is known */
	WIRE_DONE,	/* Redis: a command, or a reply to one, is complete. memcached: a command is. PostgreSQL: a message that makes the server
			 * report that it is ready, or that report: as many of these as of those */
	WIRE_LOST	/* where messages begin is not known any more: nothing used */
};

struct wire {
	uint8_t protocol, side, state;
	bool failed;		/* an error was among the answers; the reader clears it */
	bool copies;		/* PostgreSQL: among the answers was one that begins the client's COPY; the reader clears it */
	bool silences;		/* the command under way, or the last one, has no answer (memcached), or says which do not come (Redis' CLIENT REPLY) */
	bool aside;		/* RESP3: what is under way answers nothing: it was pushed, or is an attribute of the reply behind it */
	uint8_t have;		/* bytes in line[] */
	uint64_t skip;		/* bytes of a value still to be passed over */
	uint64_t parts;		/* Redis: parts of the message still to come, the one under way too */
	uint32_t part;		/* Redis: how many parts were begun. PostgreSQL: whether the message under way counts. memcached: blanks so far */
	char name[WIRE_NAME_MAX];	/* Redis: of the last command, in capitals */
	unsigned char line[WIRE_LINE_MAX];
};

/* Begins at the start of a message. startup: of PostgreSQL's client, the start of the connection, whose message has no type. */
void wire_init(struct wire *w, enum protocol protocol, enum wire_side side, bool startup);

/* Takes up to n bytes and stops at the first event; returns how many it used. Call again with the rest while *event is not WIRE_MORE. */
size_t wire_feed(struct wire *w, const void *data, size_t n, enum wire_event *event);

/* Like wire_feed for n > 0 bytes that were not seen. */
uint64_t wire_skip(struct wire *w, uint64_t n, enum wire_event *event);

/* Between messages. */
bool wire_idle(const struct wire *w);

/* Whether these, the last bytes of an answer of PostgreSQL, are its report that it is ready. */
bool wire_ends_ready(const unsigned char *last, size_t n);

#endif
