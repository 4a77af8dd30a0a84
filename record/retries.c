/* SPDX-License-Identifier: MIT */
#include "record/retries.h"

#include <string.h>
#include "base/clock.h"
#include "base/hash.h"

#define GAP_MAX_NS (60 * NS_PER_S)
#define LOOKS 16	/* failures of one caller that are looked at, the latest first */

void retries_init(struct retries *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < RETRIES_CHAINS; i++)
		TAILQ_INIT(&r->chains[i]);
}

static uint64_t caller_by_thread(const struct retries_call *c)
{
	return hash_mix(hash_mix(c->edge) ^ c->tid);
}

static uint64_t caller_by_id(const struct retries_call *c)
{
	return hash_mix(hash_mix(c->edge ^ 1) ^ c->id);
}

static struct retries_chain *chain_of(struct retries *r, uint64_t caller)
{
	return &r->chains[caller % RETRIES_CHAINS];
}

static void forget(struct retries *r, struct retries_failure *f)
{
	TAILQ_REMOVE(chain_of(r, f->caller), f, chain);
	f->used = false;
	r->count--;
}

static bool asks_the_same(const struct retries_failure *f, const struct retries_call *c)
{
	if ((f->id && c->id && f->id != c->id) || (f->cause && c->cause && f->cause != c->cause))
		return false;
	if (f->headless || c->headless)
		return true;
	return f->target == c->target && (!f->fingerprint || !c->fingerprint || f->fingerprint == c->fingerprint);
}

/* The latest failure of this caller that the attempt may follow; those whose time is over go. */
static struct retries_failure *find(struct retries *r, const struct retries_call *c, uint64_t caller)
{
	struct retries_failure *f, *before;
	unsigned looks = LOOKS;

	for (f = TAILQ_LAST(chain_of(r, caller), retries_chain); f && looks--; f = before) {
		before = TAILQ_PREV(f, retries_chain, chain);
		if (f->caller != caller || f->ended_ns > c->started_ns)
			continue;
		if (f->until_ns < c->started_ns)
			forget(r, f);
		else if (asks_the_same(f, c))
			return f;
	}
	return NULL;
}

bool retries_take(struct retries *r, const struct retries_call *c)
{
	struct retries_failure *f = r->count && c->id ? find(r, c, caller_by_id(c)) : NULL;

	if (!f && r->count)
		f = find(r, c, caller_by_thread(c));
	if (f)
		forget(r, f);
	return f;
}

void retries_failed(struct retries *r, const struct retries_call *c, int64_t retry_after_ms)
{
	struct retries_failure *f = &r->failures[r->next++ % RETRIES_MAX];
	uint64_t wait_ns = retry_after_ms > 0 ? (uint64_t)retry_after_ms * NS_PER_MS : 0;

	if (f->used)
		forget(r, f);
	*f = (struct retries_failure){.caller = c->id ? caller_by_id(c) : caller_by_thread(c), .target = c->target, .fingerprint = c->fingerprint,
				      .id = c->id, .cause = c->cause, .ended_ns = c->ended_ns, .until_ns = c->ended_ns + GAP_MAX_NS + wait_ns,
				      .headless = c->headless, .used = true};
	TAILQ_INSERT_TAIL(chain_of(r, f->caller), f, chain);
	r->count++;
}

void retries_succeeded(struct retries *r, const struct retries_call *c)
{
	struct retries_failure *f, *before, *last = r->count ? TAILQ_LAST(chain_of(r, caller_by_thread(c)), retries_chain) : NULL;
	unsigned looks = LOOKS;

	for (f = last; f && looks--; f = before) {
		before = TAILQ_PREV(f, retries_chain, chain);
		if (f->caller == caller_by_thread(c) && f->ended_ns <= c->ended_ns && asks_the_same(f, c))
			forget(r, f);
	}
}
