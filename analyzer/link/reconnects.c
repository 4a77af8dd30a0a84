/* SPDX-License-Identifier: MIT */
#include "analyzer/link/reconnects.h"

#include <errno.h>
#include <string.h>
#include "analyzer/read/spill.h"
#include "base/clock.h"
#include "base/hash.h"

#define CLOSED_NS (100 * NS_PER_MS)
#define AGAIN_NS (50 * NS_PER_MS)
#define LOOK 64			/* at once in one caller */
#define NOBODY (MODEL_NONE - 1)	/* waits */

struct stale {
	struct model *m;
	const bool *busy;
	uint64_t *counts;
	struct map latest;	/* caller and edge -> the latest that may be one */
	uint32_t *older;	/* owned; per exchange: the one of its caller before it; NOBODY */
};

static bool among(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static bool is_first(const struct model *m, uint32_t i)
{
	uint32_t connection = m->exchanges[i].connection;

	return connection == MODEL_NONE || m->connections[connection].first == i;
}

/* Whether the server closed the connection under it. */
static bool was_late(const struct model *m, uint32_t i)
{
	static const char *const closed[] = {"eof", "ECONNRESET", "EPIPE", NULL};
	static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", NULL};
	const struct model_exchange *x = &m->exchanges[i];

	return x->role == MODEL_CLIENT && x->edge != MODEL_NONE && x->outcome == MODEL_INDETERMINATE && !x->first_byte_ns && !x->status &&
	       x->fault == MODEL_NONE && x->ended_ns && x->ended_ns - x->started_ns <= CLOSED_NS && !is_first(m, i) &&
	       among(texts_text(&m->names, x->error), closed) && among(texts_text(&m->names, x->method), idempotent);
}

static uint64_t caller(const struct stale *s, const struct model_exchange *x)
{
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &s->m->processes[x->process];
	bool tells = p && !s->busy[x->process] && !model_hops(p) && !p->threadless;

	return hash_mix(hash_mix((uint64_t)x->process << 32 | x->edge) ^ (tells ? x->tid : 0));
}

static bool is_again(const struct model *m, uint32_t late, uint32_t i)
{
	const struct model_exchange *x = &m->exchanges[late], *y = &m->exchanges[i];

	return x->ended_ns <= y->started_ns && y->started_ns - x->ended_ns <= AGAIN_NS && model_same_request(x, y);
}

/* Takes what i sends again out of those that wait; MODEL_NONE: nothing. */
static uint32_t take(struct stale *s, uint32_t *latest, uint32_t i)
{
	uint32_t *to = latest, found;

	for (unsigned looked = 0; *to != NOBODY && looked < LOOK; looked++, to = &s->older[*to]) {
		if (!is_again(s->m, *to, i))
			continue;
		found = *to;
		*to = s->older[found];
		return found;
	}
	return MODEL_NONE;
}

static int look_at(struct stale *s, uint32_t i)
{
	struct model_exchange *x = &s->m->exchanges[i];
	bool late = was_late(s->m, i), may_be_again = x->role == MODEL_CLIENT && x->edge != MODEL_NONE && is_first(s->m, i);
	uint64_t key = late || may_be_again ? caller(s, x) : 0;
	uint32_t before = key ? map_get(&s->latest, key) : MAP_NONE, latest = before == MAP_NONE ? NOBODY : before, found;

	if (may_be_again && (found = take(s, &latest, i)) != MODEL_NONE) {
		s->counts[x->edge]++;
		s->m->exchanges[found].edge = MODEL_NONE;
	}
	if (late) {
		s->older[i] = latest;
		latest = i;
	}
	return latest == before || (latest == NOBODY && before == MAP_NONE) ? 0 : map_put(&s->latest, key, latest);
}

int reconnects_take(struct model *m, const bool *busy, uint64_t *counts)
{
	struct stale s = {.m = m, .busy = busy, .counts = counts, .older = spill_calloc(m->exchange_count + 1, sizeof(*s.older))};
	int err = s.older ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->exchange_count && !err; i++)
		err = look_at(&s, i);
	map_free(&s.latest);
	spill_free(s.older);
	return err;
}
