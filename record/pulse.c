/* SPDX-License-Identifier: MIT */
#include "record/pulse.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "base/hash.h"
#include "base/hist.h"
#include "record/bursts.h"
#include "record/index.h"
#include "record/retries.h"
#include "record/text.h"

#define AGAIN_NS (500 * NS_PER_MS)	/* between two writings of one row */
#define PEER_MAX (4 * ADDR_TEXT_MAX)

enum told { TOLD_BEGIN = 1, TOLD_END = 2, TOLD_OUTCOME = 4, TOLD_RETRY = 8 };

struct second {
	int64_t row;		/* 0: not in use */
	uint32_t second;
	bool dirty;
	uint64_t written_ns;
	uint64_t attempts, retries, outcomes[JOURNAL_NOT_SENT + 1], timed;
	uint32_t times[HIST_BUCKETS];
};

struct edge {
	struct pulse *pulse;
	uint64_t key;			/* 0: not in use */
	int64_t process_id;
	char *peer;			/* owned; NULL: whoever calls the process */
	uint64_t heard_ns;
	uint64_t under_way, busy_until_ns;
	bool overlaps;			/* it had two calls under way at a time: threads tell callers apart */
	uint32_t failed_tid;		/* of the last call that failed */
	struct second seconds[PULSE_SECONDS];	/* of second n at n % PULSE_SECONDS */
	struct bursts bursts;
	TAILQ_ENTRY(edge) order;
};

struct pulse {
	struct store *store;
	uint64_t started_ns, now_ns;
	int64_t rows, bursts;		/* last ids given */
	uint64_t left_out;
	struct index keys;
	unsigned count;
	TAILQ_HEAD(, edge) order;	/* the one heard of last at the end */
	struct retries retries;
	struct edge edges[PULSE_EDGES];
};

/* ---- rows ---- */

/* The time that a share of those that ended in this second took at most. */
static uint64_t quantile(const struct second *s, double share)
{
	uint64_t rank = (uint64_t)(share * (double)s->timed + 0.999999), seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += s->times[i];
		if (seen >= rank && seen)
			return hist_upper_ns(i);
	}
	return 0;
}

static void write_second(struct edge *e, struct second *s, uint64_t now_ns)
{
	struct row_pulse row = {
		.id = s->row, .second = s->second, .process_id = e->process_id, .peer = e->peer, .attempts = s->attempts, .retries = s->retries,
		.ok = s->outcomes[JOURNAL_OK], .failed = s->outcomes[JOURNAL_FAILED], .indeterminate = s->outcomes[JOURNAL_INDETERMINATE],
		.not_sent = s->outcomes[JOURNAL_NOT_SENT], .p50_ns = quantile(s, 0.5), .p99_ns = quantile(s, 0.99),
	};

	store_pulse(e->pulse->store, &row);
	s->dirty = false;
	s->written_ns = now_ns;
}

static void write_burst(void *arg, const struct burst *b)
{
	struct edge *e = arg;
	struct row_burst row = {
		.id = b->id, .process_id = e->process_id, .peer = e->peer, .started_ns = bursts_began_ns(&e->bursts, b),
		.ended_ns = bursts_ended_ns(&e->bursts, b), .attempts = b->attempts,
		.peak_per_s = (double)b->peak * NS_PER_S / (double)(b->width * BURSTS_BIN_NS),
	};

	store_burst(e->pulse->store, &row);
}

static bool is_due(const struct pulse *p, const struct second *s, uint64_t now_ns)
{
	uint64_t end = p->started_ns + (s->second + 1ull) * NS_PER_S;

	return s->row && s->dirty && now_ns >= end + PULSE_SETTLE_NS && now_ns >= s->written_ns + AGAIN_NS;
}

static void finish_edge(struct edge *e)
{
	for (unsigned i = 0; i < PULSE_SECONDS; i++)
		if (e->seconds[i].dirty)
			write_second(e, &e->seconds[i], e->pulse->now_ns);
	bursts_finish(&e->bursts);
}

/* ---- edges ---- */

static void edge_free(struct pulse *p, struct edge *e)
{
	finish_edge(e);
	TAILQ_REMOVE(&p->order, e, order);
	index_remove(&p->keys, e->key);
	free(e->peer);
	e->key = 0;
}

/* Room for one more: the next one that never was in use, else that of the one quiet longest. */
static struct edge *find_room(struct pulse *p)
{
	struct edge *e = TAILQ_FIRST(&p->order);

	if (p->count < PULSE_EDGES)
		return &p->edges[p->count++];
	if (e && p->now_ns < e->heard_ns + PULSE_QUIET_NS)
		return NULL;
	edge_free(p, e);
	return e;
}

static bool set_peer(struct edge *e, const struct addr *peer)
{
	char raw[ADDR_TEXT_MAX], shown[PEER_MAX];

	text_utf8(shown, sizeof(shown), addr_text(peer, raw, sizeof(raw)), sizeof(raw));
	e->peer = strdup(shown);
	return e->peer;
}

static struct edge *edge_new(struct pulse *p, uint64_t key, const struct pulse_word *w, const struct addr *peer)
{
	struct edge *e = find_room(p);

	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->pulse = p;
	e->process_id = w->process_id;
	e->key = key;
	TAILQ_INSERT_TAIL(&p->order, e, order);
	bursts_init(&e->bursts, p->started_ns, &p->bursts, write_burst, e);
	if ((!peer || set_peer(e, peer)) && !index_put(&p->keys, key, e))
		return e;
	edge_free(p, e);
	return NULL;
}

static uint64_t key_of(int64_t process_id, const struct addr *peer)
{
	uint64_t key = hash_mix(hash_mix((uint64_t)process_id + !peer) ^ (peer ? peer->hash + peer->port : HASH_SEED));

	return key ? key : 1;
}

static struct edge *edge_of(struct pulse *p, const struct pulse_word *w)
{
	static const struct addr unknown;
	const struct addr *peer = w->x->role == JOURNAL_SERVER ? NULL : w->peer ? w->peer : &unknown;
	uint64_t key = key_of(w->process_id, peer);
	struct edge *e = index_get(&p->keys, key);

	if (!e)
		e = edge_new(p, key, w, peer);
	if (!e)
		return NULL;
	e->heard_ns = p->now_ns;
	if (TAILQ_NEXT(e, order)) {
		TAILQ_REMOVE(&p->order, e, order);
		TAILQ_INSERT_TAIL(&p->order, e, order);
	}
	return e;
}

/* ---- seconds ---- */

/* The median of the seconds that are kept, before the next one replaces one of them. */
static uint64_t median_ns(const struct edge *e)
{
	uint64_t timed = 0, seen = 0;

	for (unsigned i = 0; i < PULSE_SECONDS; i++)
		timed += e->seconds[i].timed;
	for (unsigned b = 0; b < HIST_BUCKETS && timed; b++) {
		for (unsigned i = 0; i < PULSE_SECONDS; i++)
			seen += e->seconds[i].times[b];
		if (2 * seen >= timed)
			return hist_upper_ns(b);
	}
	return 0;
}

static struct second *oldest(struct edge *e)
{
	struct second *found = NULL;

	for (unsigned i = 0; i < PULSE_SECONDS; i++)
		if (e->seconds[i].row && (!found || e->seconds[i].second < found->second))
			found = &e->seconds[i];
	return found;
}

static struct second *second_of(struct edge *e, uint64_t at_ns)
{
	uint64_t since = at_ns > e->pulse->started_ns ? at_ns - e->pulse->started_ns : 0;
	uint32_t second = (uint32_t)(since / NS_PER_S);
	struct second *s = &e->seconds[second % PULSE_SECONDS];

	if (s->row && s->second == second)
		return s;
	if (s->row && s->second > second)
		return oldest(e);
	bursts_rtt(&e->bursts, median_ns(e));
	if (s->dirty)
		write_second(e, s, e->pulse->now_ns);
	memset(s, 0, sizeof(*s));
	s->row = ++e->pulse->rows;
	s->second = second;
	return s;
}

/* ---- what is told of an exchange ---- */

static uint64_t target_of(const struct pulse_word *w)
{
	uint64_t h = hash_bytes(HASH_SEED, w->x->method, strnlen(w->x->method, sizeof(w->x->method)));

	return w->path ? hash_bytes(h ^ 0xff, w->path, strlen(w->path)) : h;
}

/* The fingerprint of a message is whole when all of it has passed: at its head it is not known yet. */
static struct retries_call call_of(const struct edge *e, const struct pulse_word *w)
{
	const struct journal_exchange *x = w->x;
	bool asked = *x->method || x->fingerprint, unsent = x->ended_ns ? x->outcome == JOURNAL_NOT_SENT : x->protocol == JOURNAL_UNKNOWN;

	return (struct retries_call){
		.edge = e->key, .tid = w->tid, .cause = w->cause, .target = target_of(w), .fingerprint = *x->method && !x->ended_ns ? 0 : x->fingerprint,
		.headless = !asked && unsent,
		.id = x->idempotency_key ? x->idempotency_key : x->correlation, .started_ns = x->started_ns, .ended_ns = x->ended_ns,
	};
}

/* Whether it is a retry. Nothing has to be looked at while nothing has failed. */
static bool follows(struct edge *e, const struct pulse_word *w)
{
	struct retries *r = &e->pulse->retries;
	struct retries_call call;

	if (w->x->role == JOURNAL_SERVER || !r->count)
		return false;
	call = call_of(e, w);
	if (retries_take(r, &call))
		return true;
	call.tid = e->failed_tid;
	return !e->overlaps && retries_take(r, &call);
}

static void count_begin(struct edge *e, const struct pulse_word *w)
{
	struct second *s = second_of(e, w->x->started_ns);
	bool retry;

	e->overlaps |= e->under_way || w->x->started_ns < e->busy_until_ns;
	e->under_way++;
	retry = follows(e, w);
	*w->told |= retry ? TOLD_RETRY : 0;
	s->attempts++;
	s->retries += retry;
	s->dirty = true;
	if (w->x->role != JOURNAL_SERVER)
		bursts_attempt(&e->bursts, w->x->started_ns, retry);
}

/* What may be told of a failure, or a success, to those that come after. */
static void remember_end(struct edge *e, const struct pulse_word *w)
{
	const struct journal_exchange *x = w->x;
	bool failed = x->outcome != JOURNAL_OK;
	struct retries_call call;

	e->under_way -= e->under_way > 0;
	if (x->ended_ns > e->busy_until_ns)
		e->busy_until_ns = x->ended_ns;
	if (x->role == JOURNAL_SERVER || (!failed && !e->pulse->retries.count))
		return;
	call = call_of(e, w);
	if (failed) {
		e->failed_tid = w->tid;
		retries_failed(&e->pulse->retries, &call, x->retry_after_ms);
		bursts_failure(&e->bursts, x->ended_ns);
	} else {
		retries_succeeded(&e->pulse->retries, &call);
	}
}

static void count_outcome(struct edge *e, const struct journal_exchange *x)
{
	struct second *s = second_of(e, x->ended_ns);

	if (x->outcome < sizeof(s->outcomes) / sizeof(*s->outcomes))
		s->outcomes[x->outcome]++;
	s->times[hist_index(x->ended_ns > x->started_ns ? x->ended_ns - x->started_ns : 0)]++;
	s->timed++;
	s->dirty = true;
}

/* Which of `what` is news. */
static uint8_t news(const struct pulse_word *w, uint8_t what)
{
	what &= (uint8_t)~*w->told;
	if (!w->x->ended_ns)
		what &= TOLD_BEGIN;
	return w->x->started_ns ? what : 0;
}

static void take(struct pulse *p, const struct pulse_word *w, uint8_t what)
{
	struct edge *e;

	what = p ? news(w, what) : 0;
	if (!what)
		return;
	e = edge_of(p, w);
	p->left_out += !e && what & TOLD_BEGIN;
	*w->told |= what;
	if (e && what & TOLD_BEGIN)
		count_begin(e, w);
	if (e && what & TOLD_END)
		remember_end(e, w);
	if (e && what & TOLD_OUTCOME)
		count_outcome(e, w->x);
}

void pulse_heard(struct pulse *p, const struct pulse_word *w)
{
	take(p, w, TOLD_BEGIN | TOLD_END);
}

void pulse_stored(struct pulse *p, const struct pulse_word *w)
{
	take(p, w, TOLD_BEGIN | TOLD_END | TOLD_OUTCOME);
}

void pulse_twice(struct pulse *p, const struct pulse_word *w, uint8_t told)
{
	struct edge *e = p && told & *w->told & TOLD_BEGIN ? edge_of(p, w) : NULL;
	struct second *s = e ? second_of(e, w->x->started_ns) : NULL;

	if (!s)
		return;
	s->attempts -= s->attempts > 0;
	s->retries -= told & TOLD_RETRY && s->retries > 0;
	s->dirty = true;
	e->under_way -= e->under_way > 0;
}

/* ---- beginning, writing, end ---- */

struct pulse *pulse_new(struct store *s, uint64_t started_ns)
{
	struct pulse *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->store = s;
	p->now_ns = clock_now_ns();
	TAILQ_INIT(&p->order);
	retries_init(&p->retries);
	pulse_started(p, started_ns);
	return p;
}

void pulse_started(struct pulse *p, uint64_t started_ns)
{
	if (p)
		p->started_ns = started_ns;
}

void pulse_flush(struct pulse *p, uint64_t now_ns)
{
	struct edge *e;

	if (!p)
		return;
	p->now_ns = now_ns;
	TAILQ_FOREACH (e, &p->order, order) {
		for (unsigned i = 0; i < PULSE_SECONDS; i++)
			if (is_due(p, &e->seconds[i], now_ns))
				write_second(e, &e->seconds[i], now_ns);
		bursts_judge(&e->bursts, now_ns);
	}
}

uint64_t pulse_left_out(const struct pulse *p)
{
	return p ? p->left_out : 0;
}

void pulse_close(struct pulse *p)
{
	struct edge *e;

	while (p && (e = TAILQ_FIRST(&p->order)))
		edge_free(p, e);
	if (p)
		index_clear(&p->keys);
	free(p);
}
