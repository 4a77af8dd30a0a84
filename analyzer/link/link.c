/* SPDX-License-Identifier: MIT */
#include "analyzer/link/link.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/crowd.h"
#include "analyzer/link/handovers.h"
#include "analyzer/link/nest.h"
#include "analyzer/link/reconnects.h"
#include "analyzer/read/spill.h"
#include "base/clock.h"
#include "base/hash.h"

#define GAP_MAX_NS (60 * NS_PER_S)
#define LOOK_BACK 1024	/* failed attempts of one group that wait for a successor and are looked at */
#define NOBODY (MODEL_NONE - 1)	/* waits */
#define DOUBT_MAX 0.01		/* share of attempts whose links may be wrong without a figure that shows it */

struct joiner {
	struct model *m;
	const struct graph *g;
	uint32_t *before, *after;	/* per exchange: its neighbours in the chain, MODEL_NONE at the ends */
	uint8_t *tier;			/* per exchange: tier of the link to the one before */
	uint64_t *cover_end;		/* per exchange: see nest.h */
	struct map headless;		/* edge and process -> 1: some connects of it failed */
	struct map latest;		/* group -> its latest failed attempt without successor; NOBODY: none any more */
	uint32_t *older;		/* per exchange that waits so: the one of its group before it; NOBODY */
	struct map loose;		/* group of time_group() -> 1: not all in it were made for inbound requests */
	uint64_t *served_ns;		/* per exchange: when its thread had last got from another server what one had refused it; 0 never */
	bool *busy;			/* per process: its threads say nothing (crowd.h, handovers.h) */
};

/* One tier: which attempts it concerns and with whom each may be joined. */
struct rule {
	uint64_t (*group)(const struct joiner *j, const struct model_exchange *x);	/* that it may be joined in; 0: not concerned */
	bool (*joins)(const struct joiner *j, uint32_t a, uint32_t b);
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t h = hash_pair(a, b);

	return h ? h : 1;
}

/* ---- the tiers ---- */

/* Whether they were surely made for different inbound requests: that those are one intent of somebody further out is no retry of this client. */
static bool asked_twice(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];

	return x->parent != MODEL_NONE && y->parent != MODEL_NONE && x->parent != y->parent && !x->guessed && !y->guessed;
}

static uint64_t key_group(const struct joiner *j, const struct model_exchange *x)
{
	return x->idempotency_key ? mix(mix(x->edge, x->target), x->idempotency_key) : 0;
}

/* A key is one request whatever became of it; but what follows a redirect or a challenge is not sent again, it is sent otherwise. */
static bool key_joins(const struct joiner *j, uint32_t a, uint32_t b)
{
	return !model_redirects(&j->m->exchanges[a]) && !model_challenges(&j->m->exchanges[a]) && !asked_twice(j, a, b);
}

static uint64_t id_group(const struct joiner *j, const struct model_exchange *x)
{
	return x->correlation ? mix(mix(x->edge, x->target), x->correlation) : 0;
}

/* One id and another key: the same sent again under a new key, when it is the same to the last byte; else two requests of one id's work. */
static bool id_joins(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];
	bool same = x->idempotency_key == y->idempotency_key || (x->fingerprint && x->fingerprint == y->fingerprint);

	return same && model_failed_before(x, y) && !asked_twice(j, a, b);
}

static uint64_t nest_group(const struct joiner *j, const struct model_exchange *x)
{
	return x->parent != MODEL_NONE && x->role == MODEL_CLIENT ? mix(mix(x->edge, 1), x->parent) : 0;
}

static bool nest_joins(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];

	return model_failed_before(x, y) && model_same_request(x, y);
}

static uint64_t lane(const struct model_exchange *x)
{
	return mix(mix(x->edge, 2), x->process);
}

/* Whether the threads of its process say who calls. */
static bool threads_tell(const struct joiner *j, const struct model_exchange *x)
{
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &j->m->processes[x->process];

	return p && !p->threadless && !model_hops(p) && !j->busy[x->process];
}

/* Whether nothing but its thread can join a call of this process to another. */
static bool thread_decides(const struct joiner *j, const struct model_exchange *x)
{
	return threads_tell(j, x) && !j->m->processes[x->process].inbound;
}

/* As small as joining allows: with a failed connect in the lane, which may belong to any request, the whole lane. */
static uint64_t time_group(const struct joiner *j, const struct model_exchange *x)
{
	uint64_t group = lane(x);

	if (x->role != MODEL_CLIENT)
		return 0;
	if (thread_decides(j, x))
		group = mix(group, x->tid);
	return map_get(&j->headless, lane(x)) == MAP_NONE ? mix(mix(group, x->target), x->fingerprint) : group;
}

/* Ids or inbound requests that differ say that these are two requests. */
static bool told_apart(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];

	if (x->idempotency_key && y->idempotency_key && x->idempotency_key != y->idempotency_key)
		return true;
	if (x->correlation && y->correlation && x->correlation != y->correlation)
		return true;
	if (x->parent != MODEL_NONE && y->parent != MODEL_NONE && x->parent != y->parent)
		return true;
	return j->cover_end[a] && j->cover_end[b] && j->cover_end[a] < y->started_ns;
}

/* Whether b may be the same caller's as a, going by where they ran. */
static bool same_caller(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];

	if (x->tid == y->tid || !x->tid || !y->tid)
		return true;
	if (x->process != MODEL_NONE && !threads_tell(j, x))
		return true;
	return j->cover_end[a] && j->cover_end[b];	/* not told apart: some inbound request spans both */
}

static bool time_joins(const struct joiner *j, uint32_t a, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[a], *y = &j->m->exchanges[b];
	uint64_t limit = GAP_MAX_NS + (x->retry_after_ms > 0 ? (uint64_t)x->retry_after_ms * NS_PER_MS : 0);

	if (!model_failed_before(x, y) || y->started_ns - x->ended_ns > limit || !model_same_request(x, y) || j->served_ns[b] > x->ended_ns)
		return false;
	return !told_apart(j, a, b) && same_caller(j, a, b);
}

static const struct rule rules[] = {	/* in order of trust */
	{key_group, key_joins}, {id_group, id_joins}, {nest_group, nest_joins}, {time_group, time_joins},
};
static const uint8_t rule_tier[] = {LINK_ID, LINK_ID, LINK_NESTING, LINK_TEMPORAL};

/* ---- joining: a walk in order of start, so that what is looked at lies close together; groups do not know of one another ---- */

/* Whether candidate c fits b better than the best so far: same thread first, then the latest end. */
static bool fits_better(const struct joiner *j, uint32_t c, uint32_t best, uint32_t b)
{
	const struct model_exchange *x = &j->m->exchanges[c], *y = &j->m->exchanges[best];
	uint32_t tid = j->m->exchanges[b].tid;

	if ((x->tid == tid) != (y->tid == tid))
		return x->tid == tid;
	return x->ended_ns > y->ended_ns;
}

/* Takes the predecessor of b out of those that wait, the latest first. MODEL_NONE: it has none. */
static uint32_t take_predecessor(struct joiner *j, const struct rule *rule, uint32_t *latest, uint32_t b)
{
	uint32_t best = MODEL_NONE, *to_best = NULL, *to = latest;

	for (unsigned looked = 0; *to != NOBODY && looked < LOOK_BACK; looked++) {
		if (rule->joins(j, *to, b) && (best == MODEL_NONE || fits_better(j, *to, best, b))) {
			best = *to;
			to_best = to;
		}
		to = &j->older[*to];
	}
	if (to_best)
		*to_best = j->older[best];
	return best;
}

/* What follows one that lost is no retry of it: its rival was answered. */
static bool can_be_retried(const struct model_exchange *x)
{
	return model_failed(x) && !x->lost;
}

static int join(struct joiner *j, size_t r, uint64_t group, uint32_t b)
{
	uint32_t found = map_get(&j->latest, group), latest = found == MAP_NONE ? NOBODY : found;

	if (j->before[b] == MODEL_NONE) {
		uint32_t a = take_predecessor(j, &rules[r], &latest, b);

		j->before[b] = a;
		j->tier[b] = rule_tier[r];
		if (a != MODEL_NONE)
			j->after[a] = b;
	}
	if (j->after[b] == MODEL_NONE && (can_be_retried(&j->m->exchanges[b]) || rules[r].joins == key_joins)) {
		j->older[b] = latest;
		latest = b;
	}
	return latest == found || (latest == NOBODY && found == MAP_NONE) ? 0 : map_put(&j->latest, group, latest);
}

/* Time alone can not join anything where all were made for inbound requests: those that share one are joined already. */
static bool settled(const struct joiner *j, size_t r, uint64_t group)
{
	return rules[r].joins == time_joins && map_get(&j->loose, group) == MAP_NONE;
}

static int apply_rule(struct joiner *j, size_t r)
{
	int err = 0;

	for (uint32_t i = 0; i < j->m->exchange_count && !err; i++) {
		uint64_t group = j->m->exchanges[i].edge == MODEL_NONE ? 0 : rules[r].group(j, &j->m->exchanges[i]);

		if (group && !settled(j, r, group))
			err = join(j, r, group, i);
	}
	map_free(&j->latest);
	return err;
}

/* The best tier that could have joined this attempt to another. */
static uint8_t best_tier(const struct joiner *j, const struct model_exchange *x)
{
	if (x->idempotency_key || x->correlation)
		return LINK_ID;
	if (j->g->edges[x->edge].external)
		return LINK_AGGREGATE;
	return x->parent != MODEL_NONE ? LINK_NESTING : LINK_TEMPORAL;
}

/* Puts an attempt that no other is joined to into the chain that `of` is in, in order of start. */
static void insert(struct joiner *j, uint32_t i, uint32_t of)
{
	uint32_t behind = MODEL_NONE, ahead = of;	/* what comes before it, and after */

	while (j->before[ahead] != MODEL_NONE)
		ahead = j->before[ahead];
	for (; ahead != MODEL_NONE && ahead < i; ahead = j->after[ahead])
		behind = ahead;
	j->before[i] = behind;
	j->after[i] = ahead;
	if (behind != MODEL_NONE)
		j->after[behind] = i;
	if (ahead != MODEL_NONE)
		j->before[ahead] = i;
}

/* Hedges at the same server: who lost is of the request of who won. */
static void join_rivals(struct joiner *j, const struct rivals *r)
{
	for (size_t i = 0; i < r->count; i++) {
		uint32_t first = r->of[i].first, second = r->of[i].second, loser;
		const struct model_exchange *x = &j->m->exchanges[first], *y = &j->m->exchanges[second];

		loser = x->lost ? first : second;
		if (x->edge != y->edge || y->started_ns - x->started_ns < RIVALS_APART_NS || j->before[loser] != MODEL_NONE || j->after[loser] != MODEL_NONE)
			continue;
		insert(j, loser, loser == first ? second : first);
		j->tier[first] = j->tier[second] = best_tier(j, x);
	}
}

static int find_headless(struct joiner *j)
{
	for (size_t i = 0; i < j->m->exchange_count; i++) {
		const struct model_exchange *x = &j->m->exchanges[i];

		if (x->role == MODEL_CLIENT && model_headless(x) && map_put(&j->headless, lane(x), 1))
			return -ENOMEM;
	}
	return 0;
}

/* Needs the headless. */
static int find_loose(struct joiner *j)
{
	for (size_t i = 0; i < j->m->exchange_count; i++) {
		const struct model_exchange *x = &j->m->exchanges[i];
		uint64_t group = x->edge == MODEL_NONE || x->parent != MODEL_NONE ? 0 : time_group(j, x);

		if (group && map_put(&j->loose, group, 1))
			return -ENOMEM;
	}
	return 0;
}

/* ---- requests that another server has answered: their failures are over ---- */

struct thread {
	uint32_t last;		/* its latest call */
	uint32_t served;	/* that succeeded right behind a failure elsewhere; MODEL_NONE */
};

static bool goes_on_elsewhere(const struct model_exchange *x, const struct model_exchange *y)
{
	return x->edge != y->edge && model_failed_before(x, y) && y->outcome == MODEL_OK && model_same_request(x, y) && !model_headless(y);
}

static void follow_thread(struct joiner *j, struct thread *t, uint32_t i)
{
	const struct model_exchange *x = &j->m->exchanges[i];

	if (t->served != MODEL_NONE && model_same_request(&j->m->exchanges[t->served], x))
		j->served_ns[i] = j->m->exchanges[t->served].ended_ns;
	if (t->last != MODEL_NONE && goes_on_elsewhere(&j->m->exchanges[t->last], x))
		t->served = i;
	t->last = i;
}

/* Of threads that say who calls. */
static int find_served(struct joiner *j)
{
	struct thread *threads = spill_realloc(NULL, (j->m->exchange_count + 1) * sizeof(*threads));
	struct map index = {0};
	uint32_t count = 0;
	int err = threads ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < j->m->exchange_count && !err; i++) {
		const struct model_exchange *x = &j->m->exchanges[i];
		const struct model_process *p = x->process == MODEL_NONE ? NULL : &j->m->processes[x->process];
		bool hops = p && model_hops(p);
		uint64_t key = hops ? mix(x->process, 1) : mix(mix(x->process, 2), x->tid);
		uint32_t at;

		if (x->edge == MODEL_NONE || x->role != MODEL_CLIENT || !p || !(hops || thread_decides(j, x)))
			continue;
		at = map_get(&index, key);
		if (at == MAP_NONE) {
			threads[at = count++] = (struct thread){MODEL_NONE, MODEL_NONE};
			err = map_put(&index, key, at);
		}
		follow_thread(j, &threads[at], i);
	}
	map_free(&index);
	spill_free(threads);
	return err;
}

/* ---- what is no retry after all ---- */

/* Hedges are not: they overlap. */
static bool is_by_time(const void *arg, uint32_t i)
{
	const struct joiner *j = arg;

	return j->tier[i] == LINK_TEMPORAL && (j->before[i] == MODEL_NONE || model_failed_before(&j->m->exchanges[j->before[i]], &j->m->exchanges[i]));
}

/* What time alone may join as one flow of calls. */
static uint64_t flow_of(const void *arg, uint32_t i)
{
	const struct joiner *j = arg;
	const struct model_exchange *x = &j->m->exchanges[i];
	uint64_t group = time_group(j, x);

	return group && threads_tell(j, x) ? mix(group, x->tid) : group;
}

static bool may_join(const void *arg, uint32_t a, uint32_t b)
{
	return time_joins(arg, a, b);
}

static int cut_crowds(struct joiner *j, struct link *l)
{
	struct crowds c = {.m = j->m, .before = j->before, .after = j->after, .by_time = is_by_time, .joins = may_join, .flow = flow_of,
			   .arg = j};

	c.of = l->crowds = calloc(j->g->count + 1, sizeof(*l->crowds));
	for (size_t e = 0; c.of && e < j->g->count; e++)
		c.of[e].accidental = NAN;
	return c.of ? crowd_cut(&c) : -ENOMEM;
}

static int cut_polls(struct joiner *j, struct link *l, uint64_t *doubtful)
{
	struct rhythm r = {.m = j->m, .before = j->before, .after = j->after, .by_time = is_by_time, .arg = j, .doubtful = doubtful};

	r.polls = l->polls = calloc(j->g->count + 1, sizeof(*l->polls));
	r.blind = l->blind = calloc(j->g->count + 1, sizeof(*l->blind));
	return r.polls && r.blind ? rhythm_cut(&r) : -ENOMEM;
}

struct standing {	/* of an edge */
	uint64_t attempts, kept;	/* kept: links by time that stand */
};

/* Which edges have more links that nobody can judge than such that stand. */
static int find_undecided(struct joiner *j, struct link *l, const uint64_t *doubtful)
{
	struct standing *of = calloc(j->g->count + 1, sizeof(*of));

	l->undecided = calloc(j->g->count + 1, sizeof(*l->undecided));
	l->crowded = calloc(j->g->count + 1, sizeof(*l->crowded));
	for (uint32_t i = 0; of && i < j->m->exchange_count; i++) {
		uint32_t e = j->m->exchanges[i].edge;

		if (e == MODEL_NONE)
			continue;
		of[e].attempts++;
		of[e].kept += j->before[i] != MODEL_NONE && is_by_time(j, i);
	}
	for (size_t e = 0; of && l->undecided && l->crowded && e < j->g->count; e++) {
		uint64_t cut = l->crowds[e].cut;

		l->undecided[e] = doubtful[e] > of[e].kept;
		l->crowded[e] = !l->undecided[e] && cut + doubtful[e] > of[e].kept && (double)cut > DOUBT_MAX * (double)of[e].attempts;
	}
	free(of);
	return of && l->undecided && l->crowded ? 0 : -ENOMEM;
}

static int cut_what_is_none(struct joiner *j, struct link *l)
{
	uint64_t *doubtful = calloc(j->g->count + 1, sizeof(*doubtful));
	int err = doubtful ? cut_crowds(j, l) : -ENOMEM;

	if (!err)
		err = cut_polls(j, l, doubtful);
	if (!err)
		err = find_undecided(j, l, doubtful);
	free(doubtful);
	return err;
}

/* ---- from links to logical requests ---- */

void link_extend(struct link_logical *q, const struct model *m, uint32_t i)
{
	const struct model_exchange *x = &m->exchanges[i];

	if (!x->lost || i == q->first) {
		q->last = i;
		q->ended_ns = x->ended_ns;
		q->ok = x->outcome == MODEL_OK || (q->ok && x->idempotency_key);
	}
	q->attempts++;
	q->delivered += x->role == MODEL_SERVER || (x->sent && !x->synthetic);
	q->lost += x->lost;
}

static void extend(struct joiner *j, struct link_logical *q, uint32_t i)
{
	link_extend(q, j->m, i);
	if (j->before[i] != MODEL_NONE && (j->tier[i] > q->tier || q->attempts == 2))
		q->tier = j->tier[i];
}

static int collect_logicals(struct joiner *j, struct link *l)
{
	size_t heads = 0;

	for (size_t i = 0; i < j->m->exchange_count; i++)
		heads += j->m->exchanges[i].edge != MODEL_NONE && j->before[i] == MODEL_NONE;
	l->logicals = spill_calloc(heads + 1, sizeof(*l->logicals));
	if (!l->logicals)
		return -ENOMEM;
	for (uint32_t i = 0; i < j->m->exchange_count; i++) {
		struct link_logical *q = &l->logicals[l->count];
		const struct model_exchange *x = &j->m->exchanges[i];

		if (x->edge == MODEL_NONE || j->before[i] != MODEL_NONE)
			continue;
		*q = (struct link_logical){.started_ns = x->started_ns, .first = i, .edge = x->edge, .tier = best_tier(j, x)};
		for (uint32_t k = i; k != MODEL_NONE; k = j->after[k]) {
			j->m->exchanges[k].logical = (uint32_t)l->count;
			extend(j, q, k);
		}
		l->count++;
	}
	return 0;
}

int link_choose_tiers(struct link *l, const struct graph *g)
{
	uint64_t (*votes)[2][LINK_TIERS] = calloc(g->count + 1, sizeof(*votes));

	free(l->tiers);
	l->tiers = calloc(g->count + 1, 1);
	if (!votes || !l->tiers) {
		free(votes);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l->count; i++)
		votes[l->logicals[i].edge][l->logicals[i].attempts > 1][l->logicals[i].tier]++;
	for (size_t e = 0; e < g->count; e++) {
		uint64_t *joined = votes[e][1], *count = votes[e][joined[0] + joined[1] + joined[2] > 0];

		for (uint8_t t = 1; t < LINK_TIERS; t++)
			if (count[t] >= count[l->tiers[e]] && count[t])
				l->tiers[e] = t;
		if (votes[e][0][LINK_AGGREGATE] || l->undecided[e] || l->crowded[e])	/* some of its requests can not be told from retries */
			l->tiers[e] = LINK_AGGREGATE;
	}
	free(votes);
	return 0;
}

static int allocate(struct joiner *j)
{
	size_t n = j->m->exchange_count + 1;

	j->before = spill_calloc(n, sizeof(*j->before));
	j->after = spill_calloc(n, sizeof(*j->after));
	j->tier = spill_calloc(n, sizeof(*j->tier));
	j->cover_end = spill_calloc(n, sizeof(*j->cover_end));
	j->older = spill_calloc(n, sizeof(*j->older));
	j->served_ns = spill_calloc(n, sizeof(*j->served_ns));
	j->busy = calloc(j->m->process_count + 1, sizeof(*j->busy));
	if (!j->before || !j->after || !j->tier || !j->cover_end || !j->older || !j->served_ns || !j->busy)
		return -ENOMEM;
	memset(j->before, 0xff, n * sizeof(*j->before));
	memset(j->after, 0xff, n * sizeof(*j->after));
	return 0;
}

int link_build(struct link *l, struct model *m, const struct graph *g)
{
	struct joiner j = {.m = m, .g = g};
	int err = allocate(&j);

	l->reconnects = calloc(g->count + 1, sizeof(*l->reconnects));
	if (!err)
		err = l->reconnects ? crowd_threads(m, j.busy) : -ENOMEM;
	if (!err)
		err = handovers_find(m, j.busy);
	if (!err)
		err = reconnects_take(m, j.busy, l->reconnects);
	if (!err)
		err = nest_build(m, j.cover_end);
	if (!err)
		err = rivals_build(&l->rivals, m, g);
	if (!err)
		err = find_headless(&j);
	if (!err)
		err = find_loose(&j);
	if (!err)
		err = find_served(&j);
	if (!err)
		join_rivals(&j, &l->rivals);
	for (size_t r = 0; !err && r < sizeof(rules) / sizeof(rules[0]); r++)
		err = apply_rule(&j, r);
	if (!err)
		err = cut_what_is_none(&j, l);
	if (!err)
		err = collect_logicals(&j, l);
	if (!err)
		err = link_choose_tiers(l, g);
	spill_free(j.before);
	spill_free(j.after);
	spill_free(j.tier);
	spill_free(j.cover_end);
	spill_free(j.older);
	spill_free(j.served_ns);
	free(j.busy);
	map_free(&j.headless);
	map_free(&j.loose);
	if (err)
		link_free(l);
	return err;
}

void link_free(struct link *l)
{
	spill_free(l->logicals);
	free(l->tiers);
	free(l->polls);
	free(l->blind);
	free(l->reconnects);
	rivals_free(&l->rivals);
	free(l->undecided);
	free(l->crowded);
	free(l->crowds);
	*l = (struct link){0};
}

const char *link_tier_name(enum link_tier tier)
{
	static const char *const names[LINK_TIERS] = {"id", "nesting", "temporal", "aggregate"};

	return names[tier];
}
