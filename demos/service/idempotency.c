/* SPDX-License-Identifier: MIT */
#include "demos/service/idempotency.h"

#include <stdlib.h>

#define FNV_PRIME 0x100000001b3ull
#define TRIES 4	/* a record can change under us each time, but then others are at work on the key */

const char *const idempotency_verdict_names[IDEMPOTENCY_VERDICTS] = {
	[IDEMPOTENCY_RUN] = "run",
	[IDEMPOTENCY_TAKE_OVER] = "take_over",
	[IDEMPOTENCY_REPLAY] = "replay",
	[IDEMPOTENCY_IN_PROGRESS] = "in_progress",
	[IDEMPOTENCY_OTHER_PAYLOAD] = "other_payload",
	[IDEMPOTENCY_DOWN] = "down",
};

enum state { ABSENT, AT_WORK, ABANDONED, DONE };

/* [state][whether the payload is the same] */
static const enum idempotency_verdict verdicts[][2] = {
	[ABSENT] = {IDEMPOTENCY_RUN, IDEMPOTENCY_RUN},
	[AT_WORK] = {IDEMPOTENCY_OTHER_PAYLOAD, IDEMPOTENCY_IN_PROGRESS},
	[ABANDONED] = {IDEMPOTENCY_OTHER_PAYLOAD, IDEMPOTENCY_TAKE_OVER},
	[DONE] = {IDEMPOTENCY_OTHER_PAYLOAD, IDEMPOTENCY_REPLAY},
};

static enum state state_of(const struct idempotency_record *r)
{
	if (!r->version || r->age_ns >= r->ttl_ns)
		return ABSENT;
	if (r->is_done)
		return DONE;
	return r->age_ns < r->lease_ns ? AT_WORK : ABANDONED;
}

enum idempotency_verdict idempotency_judge(const struct idempotency_record *record, uint64_t fingerprint)
{
	return verdicts[state_of(record)][record->fingerprint == fingerprint];
}

bool idempotency_keeps(unsigned status)
{
	return status < 500 && status != 408 && status != 409 && status != 425 && status != 429;
}

static bool runs(enum idempotency_verdict verdict)
{
	return verdict == IDEMPOTENCY_RUN || verdict == IDEMPOTENCY_TAKE_OVER;
}

enum idempotency_verdict idempotency_begin(struct idempotency *call, const struct idempotency_policy *policy,
					   const struct idempotency_storage *storage, const char *key, uint64_t fingerprint,
					   uint64_t version)
{
	struct idempotency_record mine = {.fingerprint = fingerprint, .lease_ns = policy->lease_ns, .ttl_ns = policy->ttl_ns};
	enum idempotency_verdict verdict = IDEMPOTENCY_RUN;

	*call = (struct idempotency){.policy = policy, .storage = storage, .key = key, .fingerprint = fingerprint};
	call->version = mine.version = version && version < UINT64_MAX ? version : 1;
	for (unsigned i = 0; i < TRIES && runs(verdict); i++) {
		uint64_t expected = call->found.version;

		idempotency_record_clear(&call->found);
		switch (storage->swap(storage->context, key, expected, &mine, &call->found)) {
		case IDEMPOTENCY_SWAPPED:
			return verdict;
		case IDEMPOTENCY_STORAGE_DOWN:
			return IDEMPOTENCY_DOWN;
		case IDEMPOTENCY_DIFFERS:
			verdict = idempotency_judge(&call->found, fingerprint);
		}
	}
	return runs(verdict) ? IDEMPOTENCY_IN_PROGRESS : verdict;
}

bool idempotency_end(struct idempotency *call, unsigned status, const char *content_type, const char *degraded,
		     const char *body, size_t length)
{
	struct idempotency_record done = {
		.version = call->version + 1,
		.fingerprint = call->fingerprint,
		.lease_ns = call->policy->lease_ns,
		.ttl_ns = call->policy->ttl_ns,
		.is_done = true,
		.status = status,
		.content_type = (char *)content_type,
		.degraded = (char *)degraded,
		.body = (char *)body,
		.length = length,
	};
	struct idempotency_record found = {.version = 0};
	enum idempotency_swap swap;

	swap = call->storage->swap(call->storage->context, call->key, call->version, idempotency_keeps(status) ? &done : NULL, &found);
	idempotency_record_clear(&found);
	return swap == IDEMPOTENCY_SWAPPED;
}

void idempotency_record_clear(struct idempotency_record *record)
{
	free(record->content_type);
	free(record->degraded);
	free(record->body);
	*record = (struct idempotency_record){.version = 0};
}

void idempotency_clear(struct idempotency *call)
{
	idempotency_record_clear(&call->found);
}

uint64_t idempotency_fingerprint(uint64_t so_far, const void *data, size_t length)
{
	for (const unsigned char *p = data, *end = p + length; p < end; p++)
		so_far = (so_far ^ *p) * FNV_PRIME;
	return so_far;
}
