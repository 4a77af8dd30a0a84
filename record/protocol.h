/* SPDX-License-Identifier: MIT */
/*
 * Which protocol a stream speaks, told from the first bytes of its client, and whether an answer's first bytes
 * already say that the request failed. Guesses are made only where the bytes leave little doubt: else opaque.
 * Pure; thread-safe; never reads outside the bytes given.
 */
#ifndef AFTERSHOCK_RECORD_PROTOCOL_H
#define AFTERSHOCK_RECORD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include "record/journal.h"

enum protocol {
	PROTOCOL_UNKNOWN = JOURNAL_UNKNOWN,
	PROTOCOL_HTTP1 = JOURNAL_HTTP1,
	PROTOCOL_HTTP2 = JOURNAL_HTTP2,
	PROTOCOL_TLS = JOURNAL_TLS,
	PROTOCOL_OPAQUE = JOURNAL_OPAQUE,
	PROTOCOL_REDIS = JOURNAL_REDIS,
	PROTOCOL_POSTGRESQL = JOURNAL_POSTGRESQL,
	PROTOCOL_MEMCACHED = JOURNAL_MEMCACHED
};

/* What n first bytes of the client's direction are; PROTOCOL_OPAQUE when nothing is recognised. n may be 0. */
enum protocol protocol_detect(const void *data, size_t n);

/*
 * What these n of `bytes` bytes of a client are, that are not known to be the first of their stream but may begin a message:
 * PROTOCOL_OPAQUE also when they are the rest of something. HTTP/2 is told by its frames, TLS by its records, in either direction.
 */
enum protocol protocol_detect_mid(const void *data, size_t n, uint64_t bytes);

/* Whether an answer that begins so is an error of that protocol (Redis -ERR, PostgreSQL ErrorResponse, memcached SERVER_ERROR). */
bool protocol_answer_failed(enum protocol protocol, const void *data, size_t n);

/*
 * Whether n whole bytes of a client are a goodbye that no server answers (PostgreSQL's Terminate, memcached's quit; of what is opaque, MySQL's
 * COM_QUIT). PROTOCOL_UNKNOWN: any of these.
 */
bool protocol_is_goodbye(enum protocol protocol, const void *data, size_t n);

/* Protocols whose requests can not be told apart from outside: one exchange stands for the whole connection. */
bool protocol_is_veiled(enum protocol protocol);

#endif
