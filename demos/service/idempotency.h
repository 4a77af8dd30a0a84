/* SPDX-License-Identifier: MIT */
/*
 * Idempotency keys as a pure state machine over a small storage: whoever repeats a request under the same key gets the answer
 * of the first, and its effect happens once. For each key the storage holds one record, and a request that comes meets:
 *
 *     no record, or one past its ttl       RUN            it is the first: it runs, and "in progress" is put down
 *     in progress, within the lease        IN_PROGRESS    409: another one is at work on it just now
 *     in progress, the lease is over       TAKE_OVER      its owner died, or is too slow: it runs again, as its new owner
 *     done                                 REPLAY         the stored answer, without running anything
 *     any of them but under another payload OTHER_PAYLOAD 422: the key was used for something else
 *     the storage can not be asked         DOWN           503: to run unrecorded would be to run twice at the next attempt
 *
 * A run that ends with an answer which settles the matter leaves "done" (idempotency_keeps()); any other end removes the record, so
 * that a repetition under the same key, which is what a client's retry is, runs again.
 *
 * What it does not promise. Between an effect and the record of it the process may die, and an owner whose lease ended may still be at
 * work: then the steps run a second time. That an effect then happens once all the same is for the effect's own transaction: it
 * has to hold a unique key (INSERT ... ON CONFLICT (key) DO NOTHING, then SELECT what is there) in the same database. The lease must be
 * longer than the longest run, and decides how long a key is blocked by a death: seconds, not the ttl of its record.
 *
 * Ages are measured by the storage, in ns since the record was put down, so that owners on several machines need not agree on the time.
 * Needs only this file, idempotency.c and a storage. No globals; as thread-safe as its storage. Model: the Idempotency-Key HTTP header
 * field (draft-ietf-httpapi-idempotency-key-header), whose statuses 409 and 422 these are.
 */
#ifndef DEMOS_SERVICE_IDEMPOTENCY_H
#define DEMOS_SERVICE_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDEMPOTENCY_KEY_MAX 255

enum idempotency_verdict {
	IDEMPOTENCY_RUN, IDEMPOTENCY_TAKE_OVER, IDEMPOTENCY_REPLAY, IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_OTHER_PAYLOAD, IDEMPOTENCY_DOWN,
	IDEMPOTENCY_VERDICTS
};

/* "run", "take_over", "replay", "in_progress", "other_payload", "down". */
extern const char *const idempotency_verdict_names[IDEMPOTENCY_VERDICTS];

struct idempotency_policy {
	uint64_t ttl_ns;		/* how long an answer is kept */
	uint64_t lease_ns;		/* how long an owner may be silent */
};

struct idempotency_record {
	uint64_t version;		/* never 0; another one whenever the record changes */
	uint64_t fingerprint;		/* of the payload */
	uint64_t age_ns;		/* filled by the storage */
	uint64_t lease_ns, ttl_ns;
	bool is_done;
	unsigned status;		/* the answer; 0 while in progress */
	char *content_type, *degraded, *body;	/* malloced by the storage that gave it, or borrowed by who stores; NULL none */
	size_t length;			/* of body */
};

enum idempotency_swap { IDEMPOTENCY_SWAPPED, IDEMPOTENCY_DIFFERS, IDEMPOTENCY_STORAGE_DOWN };

/*
 * Compares and swaps: when the record under key has the version `expected` (0: there is none), puts `record` in its place (NULL: removes
 * it) for its ttl_ns, in one step that nobody comes between. Otherwise fills *found with what is there, to be cleared with
 * idempotency_record_clear(); its version is 0 when nothing is.
 */
struct idempotency_storage {
	enum idempotency_swap (*swap)(void *context, const char *key, uint64_t expected, const struct idempotency_record *record,
				      struct idempotency_record *found);
	void *context;
};

/* One request under a key, from idempotency_begin() to idempotency_end(). */
struct idempotency {
	const struct idempotency_policy *policy;
	const struct idempotency_storage *storage;
	const char *key;
	uint64_t version, fingerprint;	/* of our own record */
	struct idempotency_record found;	/* REPLAY: what to answer with */
};

/* What a request with that payload is to do about a record (version 0: there is none). */
enum idempotency_verdict idempotency_judge(const struct idempotency_record *record, uint64_t fingerprint);

/*
 * Whether an answer settles the matter for all repetitions: below 500, and none of 408, 409, 425 and 429, which say "not now".
 * All others are to be tried again.
 */
bool idempotency_keeps(unsigned status);

/*
 * A request comes. Policy, storage and key must outlive the call; version is a random number. RUN and TAKE_OVER: idempotency_end() is
 * owed, and version + 1 is used too. idempotency_clear() is owed always.
 */
enum idempotency_verdict idempotency_begin(struct idempotency *call, const struct idempotency_policy *policy,
					   const struct idempotency_storage *storage, const char *key, uint64_t fingerprint,
					   uint64_t version);

/*
 * The run has ended with this answer (degraded: whom something stood in for, or NULL): keeps it or gives the key back. False when that
 * could not be put down, because the storage is down or another one took over: the answer stands, but a repetition may run again.
 */
bool idempotency_end(struct idempotency *call, unsigned status, const char *content_type, const char *degraded,
		     const char *body, size_t length);

void idempotency_clear(struct idempotency *call);
void idempotency_record_clear(struct idempotency_record *record);

/* FNV-1a of 64 bit: tells a client's mistake, not an attack of a client upon its own key. Begin with IDEMPOTENCY_FINGERPRINT. */
#define IDEMPOTENCY_FINGERPRINT 0xcbf29ce484222325ull
uint64_t idempotency_fingerprint(uint64_t so_far, const void *data, size_t length);

#endif
