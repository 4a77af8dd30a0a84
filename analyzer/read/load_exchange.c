/* SPDX-License-Identifier: MIT */
#include "analyzer/read/load_exchange.h"

#include <stdio.h>
#include <string.h>
#include "analyzer/read/column.h"
#include "analyzer/read/progress.h"
#include "analyzer/read/spill.h"
#include "base/clock.h"
#include "base/hash.h"

#define AT_ONCE_NS (5 * NS_PER_MS)
#define SENDING_NS (10 * NS_PER_MS)	/* more than one message takes */
#define STRIDE 16384	/* rows from one look at the clock to the next */

/* The stored outcome; without one, what the rest of the row says (contract: 5xx, 429 and 408 are failures). */
static uint8_t outcome(const struct model_exchange *x, const char *stored)
{
	static const char *const names[MODEL_OUTCOMES] = {"ok", "failed", "indeterminate", "not_sent"};

	for (uint8_t i = 0; stored && i < MODEL_OUTCOMES; i++)
		if (!strcmp(stored, names[i]))
			return i;
	if (x->status)
		return x->status >= 500 || x->status == 429 || x->status == 408 ? MODEL_FAILED : MODEL_OK;
	if (x->ended_ns && !x->error)
		return MODEL_OK;
	return x->sent || x->role == MODEL_SERVER ? MODEL_INDETERMINATE : MODEL_NOT_SENT;
}

static uint64_t target(const char *method, const char *path)
{
	uint64_t h = HASH_SEED;

	if (!method && !path)
		return 0;
	h = hash_bytes(h, method ? method : "", method ? strlen(method) + 1 : 1);
	h = hash_mix(hash_bytes(h, path ? path : "", path ? strlen(path) : 0));
	return h ? h : 1;
}

static int note_parent(struct loader *l, int64_t parent)
{
	if (SPILL_GROW(l->kin, l->kin_count, l->kin_room))
		return -ENOMEM;
	l->kin[l->kin_count++] = (struct kin){l->m->exchanges[l->m->exchange_count].id, parent};
	return 0;
}

/* Columns of an exchange, in the order of its SELECT. */
enum { X_ID, X_CONNECTION, X_PROCESS, X_TID, X_ROLE, X_PROTOCOL, X_METHOD, X_PATH, X_STATUS, X_OUTCOME, X_ERROR, X_STARTED,
       X_SENT, X_FIRST_BYTE, X_ENDED, X_FINGERPRINT, X_CORRELATION, X_KEY, X_RETRY_AFTER, X_PARENT, X_SYNTHETIC,
       X_INFERRED, X_BYTES_IN, X_FAULT, X_BYTES_OUT };

static void take_times(struct model_exchange *x, sqlite3_stmt *row)
{
	x->started_ns = column_positive(row, X_STARTED);
	if (!x->started_ns)
		x->started_ns = column_positive(row, X_SENT);
	if (!x->started_ns)
		x->started_ns = column_positive(row, X_FIRST_BYTE);
	if (!x->started_ns)
		x->started_ns = column_positive(row, X_ENDED);
	x->ended_ns = column_positive(row, X_ENDED) < x->started_ns ? 0 : column_positive(row, X_ENDED);
	x->first_byte_ns = column_positive(row, X_FIRST_BYTE) < x->started_ns ? 0 : column_positive(row, X_FIRST_BYTE);
}

/*
 * Whether nobody waited for an answer that did not come, in a protocol that is not framed: the program went on sending for longer than it then waited, or
 * left at once. Of a server is known when its client left.
 */
static bool is_unheeded(const struct model_exchange *x, sqlite3_stmt *row)
{
	const char *protocol = column_text(row, X_PROTOCOL), *error = column_text(row, X_ERROR);
	uint64_t sent = column_positive(row, X_SENT), sending = sent > x->started_ns ? sent - x->started_ns : 0;

	if (x->first_byte_ns || x->status || x->bytes_in || (protocol && strcmp(protocol, "opaque") != 0) ||
	    (error && strcmp(error, "closed") != 0 && strcmp(error, "eof") != 0 && strcmp(error, "open") != 0))
		return false;
	if (!x->ended_ns)
		return sending >= SENDING_NS;
	sent = x->role == MODEL_SERVER ? x->started_ns : sent;
	return sent && x->ended_ns <= sent + (sending > AT_ONCE_NS ? sending : AT_ONCE_NS);
}

/* The index of a process; nearly always it is that of the connection. */
static uint32_t process_of(const struct loader *l, uint32_t connection, uint64_t id)
{
	uint32_t its = connection == MODEL_NONE ? MODEL_NONE : l->connected[connection].process;

	return its != MODEL_NONE && (uint64_t)l->owners[its].id == id ? its : map_get(&l->processes, id);
}

static int take_exchange(struct loader *l, sqlite3_stmt *row)
{
	struct model_exchange *x;
	int64_t retry_after = column_or_minus_one(row, X_RETRY_AFTER);
	uint32_t connection = rows_get(&l->connections, sqlite3_column_int64(row, X_CONNECTION));
	uint8_t side = loader_role(row, X_ROLE);
	uint64_t answer = column_positive(row, side == MODEL_SERVER ? X_BYTES_OUT : X_BYTES_IN);

	if (++l->taken % STRIDE == 0)
		progress_add(STRIDE);
	if (LOADER_GROW(l, exchanges, exchange_count))
		return -ENOMEM;
	x = &l->m->exchanges[l->m->exchange_count];
	*x = (struct model_exchange){
		.id = sqlite3_column_int64(row, X_ID), .parent = MODEL_NONE, .edge = MODEL_NONE, .logical = MODEL_NONE,
		.connection = connection,
		.process = process_of(l, connection, column_word(row, X_PROCESS)), .tid = (uint32_t)column_word(row, X_TID),
		.role = side, .fingerprint = column_word(row, X_FINGERPRINT), .correlation = column_word(row, X_CORRELATION),
		.idempotency_key = column_word(row, X_KEY), .target = target(column_text(row, X_METHOD), column_text(row, X_PATH)),
		.retry_after_ms = retry_after < 0 ? -1 : retry_after > INT32_MAX ? INT32_MAX : (int32_t)retry_after,
		.fault = map_get(&l->faults, column_word(row, X_FAULT)),
		.bytes_in = (uint32_t)(answer > UINT32_MAX ? UINT32_MAX : answer),
		.status = (uint16_t)(column_positive(row, X_STATUS) > UINT16_MAX ? 0 : column_positive(row, X_STATUS)),
		.synthetic = column_word(row, X_SYNTHETIC) != 0, .sent = !column_is_null(row, X_SENT),
	};
	take_times(x, row);
	if (!x->started_ns) {
		l->m->undated++;
		return 0;
	}
	if (loader_name_again(l, row, X_PROTOCOL, &l->recent[0], &x->protocol) || loader_name_again(l, row, X_ERROR, &l->recent[1], &x->error) ||
	    loader_name_again(l, row, X_METHOD, &l->recent[2], &x->method))
		return -ENOMEM;
	x->outcome = outcome(x, column_text(row, X_OUTCOME));
	x->unheeded = x->outcome == MODEL_INDETERMINATE && is_unheeded(x, row);
	l->m->unheeded += x->unheeded;
	l->m->inferred += column_word(row, X_INFERRED) != 0;
	if (!column_is_null(row, X_PARENT) && note_parent(l, sqlite3_column_int64(row, X_PARENT)))
		return -ENOMEM;
	l->m->exchange_count++;
	return 0;
}

int load_exchanges_between(struct loader *l, int64_t low, int64_t high)
{
	char sql[640];

	snprintf(sql, sizeof(sql), "SELECT id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns,"
		 " sent_ns, first_byte_ns, ended_ns, fingerprint, correlation, idempotency_key, retry_after_ms, parent_id, synthetic,"
		 " end_inferred, bytes_in, fault_id, bytes_out FROM exchange WHERE id BETWEEN %lld AND %lld ORDER BY id", (long long)low, (long long)high);
	return loader_table(l, &(struct table){sql, take_exchange});
}
