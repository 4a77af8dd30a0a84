/* SPDX-License-Identifier: MIT */
/*
 * Where a parser of HTTP/1 is in its message (http1.state), and what it notes of a head while it reads it. For the files of the parser alone.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_STATE_H
#define AFTERSHOCK_BASE_HTTP1_STATE_H

#include "base/http1.h"

#define HTTP1_STEP_ON (-1)	/* in an event's place: none yet, go on from the new state */
#define HTTP1_FIELDS 13		/* rows of the table in http1_field.c */

enum http1_state {
	IDLE,		/* between messages */
	IDLE_CR,	/* between messages, in an empty line */
	AFTER_INTERIM,
	START_LINE,
	NO_BODY,	/* the head was reported, the end was not */
	SWITCHED,	/* like NO_BODY; another protocol follows */
	SIZED,
	UNTIL_CLOSE,
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	TRAILER,
	OPAQUE,
	FIELDS,		/* + number of the last field, which a folded line continues */
	START_OF_FIELDS = FIELDS + HTTP1_FIELDS	/* no field yet that a folded line could continue */
};

_Static_assert(START_OF_FIELDS <= UINT8_MAX, "http1.state holds it");

/* Among http1_head.flags while the head is read; kept above the public flags, cleared when it is complete. */
enum http1_private_flag {
	SAW_CODING = 1 << 16,	/* Transfer-Encoding names a coding */
	CHUNKED_LAST = 1 << 17,
	SAW_LENGTH = 1 << 18,	/* a Content-Length field, perhaps without value so far */
	KEEP_ALIVE = 1 << 19,
	SAW_TRACE = 1 << 20,
	SAW_RETRY_AFTER = 1 << 21,
	PRIVATE_FLAGS = (int)0xffff0000u
};

#endif
