/* SPDX-License-Identifier: MIT */
#include "analyzer/link/hops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/link/balance.h"
#include "analyzer/read/spill.h"
#include "base/clock.h"
#include "base/hash.h"

#define GAP_MAX_NS (60 * NS_PER_S)	/* as of retries at one server (link.h) */
#define PLACEBO_MAX 0.05
#define PLACEBO_MIN 10		/* successes of a client's other edges that tell how it goes on */

enum { AT_ONCE, LATER, PACES };		/* how soon the next server was asked */

struct source {			/* an edge that hops may begin at */
	uint64_t successes[LINK_TIERS];		/* by what would join */
	uint64_t followed[LINK_TIERS][PACES];	/* after how many of them another server was asked the same */
	uint64_t went_on[LINK_TIERS][PACES];	/* after how many another was asked anything */
};

struct walk {
	struct hops *h;
	const struct link *l;
	const struct model *m;
	const struct graph *g;
	const struct chains *chains;
	struct source *sources;	/* owned; per edge */
	struct source *clients;	/* owned; per name: of all edges of a client */
	uint32_t *servers;	/* owned; per name: how many it calls */
	bool *busy;		/* owned; per process: its threads say nothing */
	uint32_t *before;	/* owned; per exchange: the failure at another server that it may go on from; MODEL_NONE */
	uint8_t *tier;		/* owned; by what */
	struct map same, headless, any;	/* intent and request; intent: its latest attempt; its latest failed connect; any */
};

/* Whose intent it is, and by which tier that is known. 0: unknown. */
static uint64_t intent(const struct walk *w, const struct model_exchange *x, uint8_t *tier)
{
	const struct model_process *p = x->process == MODEL_NONE ? NULL : &w->m->processes[x->process];

	*tier = LINK_ID;
	if (x->idempotency_key)
		return hash_pair(hash_pair(1, x->process), x->idempotency_key);
	if (x->parent != MODEL_NONE) {	/* before correlation: a trace may hold several requests, and a failed connect has no id */
		*tier = LINK_NESTING;
		return hash_pair(3, x->parent);
	}
	if (x->correlation)
		return hash_pair(hash_pair(2, x->process), x->correlation);
	*tier = LINK_TEMPORAL;
	if (!p || p->inbound || w->busy[x->process] || (p->threadless && !model_hops(p)))
		return 0;
	return hash_pair(hash_pair(4, x->process), model_hops(p) ? 0 : x->tid);
}

static uint64_t request_of(uint64_t who, const struct model_exchange *x)
{
	return hash_pair(hash_pair(who, x->target), x->fingerprint);
}

/* Of two attempts the one that began later; MODEL_NONE is none. They are in order of start. */
static uint32_t later(uint32_t a, uint32_t b)
{
	return a == MODEL_NONE || (b != MODEL_NONE && b > a) ? b : a;
}

/* What of the same intent asked the same, or may have, before. */
static uint32_t predecessor(const struct walk *w, uint64_t who, const struct model_exchange *x)
{
	if (model_headless(x))
		return map_get(&w->any, who);
	return later(map_get(&w->same, request_of(who, x)), map_get(&w->headless, who));
}

static int note(struct walk *w, uint64_t who, uint32_t i)
{
	const struct model_exchange *x = &w->m->exchanges[i];

	if (map_put(&w->any, who, i))
		return -ENOMEM;
	return model_headless(x) ? map_put(&w->headless, who, i) : map_put(&w->same, request_of(who, x), i);
}

static int pace(const struct model_exchange *x, const struct model_exchange *y)
{
	return y->started_ns - x->ended_ns <= HOPS_AT_ONCE_NS ? AT_ONCE : LATER;
}

/* Whether y came after x, to another server. */
static bool follows(const struct model_exchange *x, const struct model_exchange *y)
{
	if (x->edge == y->edge || x->process != y->process || !x->ended_ns || x->ended_ns > y->started_ns)
		return false;
	return y->started_ns - x->ended_ns <= GAP_MAX_NS && !model_redirects(x) && !model_challenges(x);
}

/* Whether its client may go on elsewhere: who calls one server only has nowhere to go, and need not be followed. */
static bool has_choice(const struct walk *w, const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->edge != MODEL_NONE && w->servers[w->g->edges[x->edge].client] > 1;
}

/* What is called next anyway: a failed connect names no request, so anything may seem to go on from it. */
static void note_next(struct walk *w, uint64_t who, uint8_t tier, const struct model_exchange *x)
{
	uint32_t latest = map_get(&w->any, who);
	const struct model_exchange *y = latest == MAP_NONE ? NULL : &w->m->exchanges[latest];

	if (y && follows(y, x) && !model_failed(y))
		w->sources[y->edge].went_on[tier][pace(y, x)]++;
}

static int look_at(struct walk *w, uint32_t i)
{
	const struct model_exchange *x = &w->m->exchanges[i], *y;
	uint8_t tier;
	uint64_t who = has_choice(w, x) ? intent(w, x, &tier) : 0;
	uint32_t p = who ? predecessor(w, who, x) : MODEL_NONE;

	if (!who)
		return 0;
	w->sources[x->edge].successes[tier] += !model_failed(x);
	note_next(w, who, tier, x);
	y = p == MODEL_NONE ? NULL : &w->m->exchanges[p];
	if (y && follows(y, x) && model_failed(y)) {
		w->before[i] = p;
		w->tier[i] = tier;
	} else if (y && follows(y, x)) {
		w->sources[y->edge].followed[tier][pace(y, x)]++;
	}
	return note(w, who, i);
}

/* ---- which of them stand ---- */

static bool same_name(const struct hops *h, uint32_t a, uint32_t b)
{
	return h->name[a] && h->name[a] == h->name[b];
}

/* After how many successes what a hop looks like came as well. Of a thread, which goes from request to request, at the pace of the hop. */
static uint64_t by_chance(const struct source *s, uint8_t tier, const struct model_exchange *y, const struct model_exchange *x)
{
	const uint64_t *next = s->went_on[tier];

	if (!model_headless(y))
		return s->followed[tier][pace(y, x)];
	return tier == LINK_TEMPORAL ? next[pace(y, x)] : next[AT_ONCE] + next[LATER];
}

static bool stands(const struct walk *w, uint32_t i)
{
	const struct model_exchange *x = &w->m->exchanges[i], *y = &w->m->exchanges[w->before[i]];
	uint8_t tier = w->tier[i];
	const struct source *s = &w->sources[y->edge];

	if (!s->successes[tier])	/* out all the time: going by its other servers */
		s = &w->clients[w->g->edges[y->edge].client];
	if (s->successes[tier] < (s == &w->sources[y->edge] ? 1 : PLACEBO_MIN))
		return tier != LINK_TEMPORAL || same_name(w->h, x->edge, y->edge);
	return (double)by_chance(s, tier, y, x) <= PLACEBO_MAX * (double)s->successes[tier];
}

/* The first of those that are one with i. */
static uint32_t root_of(uint32_t *of, uint32_t i)
{
	while (of[i] != i)
		i = of[i] = of[of[i]];
	return i;
}

static void unite(uint32_t *of, uint32_t a, uint32_t b)
{
	a = root_of(of, a);
	b = root_of(of, b);
	of[a > b ? a : b] = a > b ? b : a;
}

static void sum_up(struct walk *w)
{
	for (size_t e = 0; e < w->g->count; e++) {
		const struct source *s = &w->sources[e];
		struct source *to = &w->clients[w->g->edges[e].client];

		for (int t = 0; t < LINK_TIERS; t++) {
			to->successes[t] += s->successes[t];
			for (int p = 0; p < PACES; p++) {
				to->followed[t][p] += s->followed[t][p];
				to->went_on[t][p] += s->went_on[t][p];
			}
		}
	}
}

/* Whether only time joined it to an attempt at its server though y, which was sent, came in between. */
static bool is_astray(const struct walk *w, uint32_t i, const struct model_exchange *y)
{
	const struct model_exchange *x = &w->m->exchanges[i];

	return w->tier[i] == LINK_TEMPORAL && w->l->logicals[x->logical].first != i && !model_headless(y);
}

/* A second server that was asked meanwhile, some time after the first (hedging): where both were asked at once, that is how it asks. */
static void unite_rivals(struct walk *w)
{
	const struct rivals *r = &w->l->rivals;

	for (size_t i = 0; i < r->count; i++) {
		const struct model_exchange *x = &w->m->exchanges[r->of[i].first], *y = &w->m->exchanges[r->of[i].second];

		if (x->edge == y->edge || y->started_ns - x->started_ns < RIVALS_APART_NS)
			continue;
		w->h->count++;
		w->h->tiers[y->edge][x->correlation ? LINK_ID : x->parent != MODEL_NONE ? LINK_NESTING : LINK_TEMPORAL]++;
		unite(w->h->request, x->logical, y->logical);
		unite(w->h->destination, x->edge, y->edge);
	}
}

static void unite_chosen(void *arg, uint32_t a, uint32_t b)
{
	unite(((struct walk *)arg)->h->destination, a, b);
}

static int settle(struct walk *w)
{
	struct hops *h = w->h;

	sum_up(w);
	for (uint32_t i = 0; i < w->m->exchange_count; i++) {
		const struct model_exchange *x = &w->m->exchanges[i], *y;

		if (w->before[i] == MODEL_NONE)
			continue;
		y = &w->m->exchanges[w->before[i]];
		if (!stands(w, i)) {
			h->astray[x->edge] += is_astray(w, i, y);
			continue;
		}
		h->count++;
		h->tiers[x->edge][w->tier[i]]++;
		unite(h->request, y->logical, x->logical);
		unite(h->destination, y->edge, x->edge);
	}
	unite_rivals(w);
	if (balance_find(w->m, w->g, w->chains, unite_chosen, w))
		return -ENOMEM;
	for (uint32_t q = 0; q < w->l->count; q++)
		h->request[q] = root_of(h->request, q);
	for (uint32_t e = 0; e < w->g->count; e++)
		h->destination[e] = root_of(h->destination, e);
	return 0;
}

/* ---- names ---- */

/* Address texts have a number each: those of "address:port" are found by the address. */
static int find_names(struct hops *h, const struct model *m, const struct graph *g)
{
	struct map named = {0};
	int err = 0;

	for (size_t i = 0; i < m->host_count && !err; i++) {
		const char *address = texts_text(&m->names, m->hosts[i].address);

		err = map_put(&named, hash_bytes(HASH_SEED, address, strlen(address)), m->hosts[i].name);
	}
	for (size_t e = 0; e < g->count && !err; e++) {
		const char *server = texts_text(&m->names, g->edges[e].server), *colon = strrchr(server, ':');
		uint32_t name = map_get(&named, hash_bytes(HASH_SEED, server, colon ? (size_t)(colon - server) : strlen(server)));

		h->name[e] = name == MAP_NONE ? 0 : name;
	}
	map_free(&named);
	return err;
}

static int allocate(struct hops *h, struct walk *w)
{
	h->request = spill_calloc(w->l->count + 1, sizeof(*h->request));
	h->destination = calloc(w->g->count + 1, sizeof(*h->destination));
	h->name = calloc(w->g->count + 1, sizeof(*h->name));
	h->tiers = calloc(w->g->count + 1, sizeof(*h->tiers));
	h->astray = calloc(w->g->count + 1, sizeof(*h->astray));
	w->sources = calloc(w->g->count + 1, sizeof(*w->sources));
	w->clients = calloc(w->g->name_count + 1, sizeof(*w->clients));
	w->servers = calloc(w->g->name_count + 1, sizeof(*w->servers));
	w->busy = calloc(w->m->process_count + 1, sizeof(*w->busy));
	w->before = spill_calloc(w->m->exchange_count + 1, sizeof(*w->before));
	w->tier = spill_calloc(w->m->exchange_count + 1, sizeof(*w->tier));
	if (!h->request || !h->destination || !h->name || !h->tiers || !h->astray || !w->sources || !w->clients || !w->servers || !w->busy ||
	    !w->before || !w->tier)
		return -ENOMEM;
	memset(w->before, 0xff, w->m->exchange_count * sizeof(*w->before));
	for (uint32_t q = 0; q < w->l->count; q++)
		h->request[q] = q;
	for (uint32_t e = 0; e < w->g->count; e++) {
		h->destination[e] = e;
		w->servers[w->g->edges[e].client]++;
	}
	return 0;
}

int hops_build(struct hops *h, const struct link *l, const struct model *m, const struct graph *g, const struct chains *chains)
{
	struct walk w = {.h = h, .l = l, .m = m, .g = g, .chains = chains};
	int err = allocate(h, &w);

	if (!err)
		err = find_names(h, m, g);
	if (!err)
		err = crowd_threads(m, w.busy);
	for (uint32_t i = 0; !err && i < m->exchange_count; i++)
		err = look_at(&w, i);
	if (!err)
		err = settle(&w);
	map_free(&w.same);
	map_free(&w.headless);
	map_free(&w.any);
	free(w.sources);
	free(w.clients);
	free(w.servers);
	free(w.busy);
	spill_free(w.before);
	spill_free(w.tier);
	return err;
}

/* Whether it shares a destination: of edges that do, the smallest stands for all. */
static bool *find_shared(const struct hops *h, const struct graph *g)
{
	bool *shared = calloc(g->count + 1, sizeof(*shared));

	for (size_t e = 0; shared && e < g->count; e++)
		if (h->destination[e] != e)
			shared[e] = shared[h->destination[e]] = true;
	return shared;
}

int hops_doubt(const struct hops *h, struct link *l, const struct graph *g)
{
	bool *shared = find_shared(h, g);
	uint64_t *links = calloc(g->count + 1, sizeof(*links));
	int err = shared && links ? 0 : -ENOMEM;

	for (size_t q = 0; !err && q < l->count; q++)
		links[l->logicals[q].edge] += l->logicals[q].attempts - 1;
	for (size_t e = 0; !err && e < g->count; e++)
		if (!shared[e] && h->astray[e] * 2 > links[e] && l->tiers[e] == LINK_TEMPORAL) {
			l->undecided[e] = true;
			l->tiers[e] = LINK_AGGREGATE;
		}
	free(shared);
	free(links);
	return err;
}

void hops_free(struct hops *h)
{
	spill_free(h->request);
	free(h->destination);
	free(h->name);
	free(h->tiers);
	free(h->astray);
	*h = (struct hops){0};
}
