/* SPDX-License-Identifier: MIT */
#include "analyzer/measure/timeline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LUCK 1e-3	/* a run of unhit attempts less likely than this is no luck */

struct exposure {	/* exchanges where a fault hit */
	uint64_t before, during, after;
	uint64_t passed_ns;	/* when the latest of those before began; 0 none */
	uint64_t hits;
};

struct target {			/* what a fault hit */
	struct map scopes;	/* edges and servers */
	struct map ids;		/* correlation ids */
	struct map parents;	/* indices of inbound exchanges whose calls it hit */
};

static uint64_t hit_start(const struct model *m, const struct model_injection *i)
{
	return i->exchange == MODEL_NONE ? i->at_ns : m->exchanges[i->exchange].started_ns;
}

static void note_injection(const struct model *m, struct timeline_span *s, const struct model_injection *i)
{
	uint64_t start = hit_start(m, i);

	if (!s->hits || start < s->from_ns) {
		s->from_ns = start;
		s->first_exchange = i->exchange;
	}
	s->hits += !s->hits || i->exchange == MODEL_NONE || i->exchange != s->last_exchange;
	s->last_exchange = i->exchange;
	if (start > s->to_ns)
		s->to_ns = start;
	if (!s->first_ns)
		s->first_ns = i->at_ns;
	s->last_ns = i->at_ns;
}

/* What an exchange and a fault's hits have in common: the edge, or the server for what a recorded client asked of it. */
static uint64_t scope(const struct model *m, const struct model_exchange *x)
{
	uint32_t service = x->process == MODEL_NONE ? 0 : m->processes[x->process].service;

	return x->edge != MODEL_NONE ? x->edge : 1ull << 32 | service;
}

static int note_hit(struct target *t, const struct model *m, const struct model_exchange *x)
{
	if (map_put(&t->scopes, scope(m, x), 1) || (x->correlation && map_put(&t->ids, x->correlation, 1)))
		return -ENOMEM;
	return x->parent != MODEL_NONE ? map_put(&t->parents, x->parent, 1) : 0;
}

static int find_target(struct target *t, const struct model *m, uint32_t fault)
{
	*t = (struct target){{0}, {0}, {0}};
	for (size_t i = 0; i < m->injection_count; i++) {
		uint32_t x = m->injections[i].exchange;

		if (m->injections[i].fault == fault && x != MODEL_NONE && note_hit(t, m, &m->exchanges[x]))
			return -ENOMEM;
	}
	return 0;
}

static void target_free(struct target *t)
{
	map_free(&t->scopes);
	map_free(&t->ids);
	map_free(&t->parents);
}

static struct exposure measure_exposure(const struct model *m, const struct target *t, const struct timeline_span *s)
{
	struct exposure e = {.hits = s->hits};

	for (size_t i = 0; i < m->exchange_count; i++) {
		const struct model_exchange *x = &m->exchanges[i];

		if (map_get(&t->scopes, scope(m, x)) == MAP_NONE)
			continue;
		e.before += x->started_ns < s->from_ns;
		e.passed_ns = x->started_ns < s->from_ns ? x->started_ns : e.passed_ns;
		e.after += x->started_ns > s->to_ns;
		e.during += x->started_ns >= s->from_ns && x->started_ns <= s->to_ns;
	}
	return e;
}

/* Whether n attempts in a row that were not hit are luck, for a fault that hits this share. */
static bool is_luck(const struct exposure *e, uint64_t n)
{
	double share = e->during ? fmin(1, (double)e->hits / (double)e->during) : 1;

	return n == 0 || pow(1 - share, (double)n) >= LUCK;
}

/* Whether the fault hit a request later that this exchange is part of. */
static bool is_to_be_hit(const struct target *t, const struct model *m, size_t i)
{
	uint64_t id = m->exchanges[i].correlation;

	return (id && map_get(&t->ids, id) != MAP_NONE) || map_get(&t->parents, i) != MAP_NONE;
}

/*
 * When the fault may have been there already, nothing having passed it since: the plan's `from`, else as the first of the requests began that
 * it hit. They may be at work elsewhere for a while, and are no baseline.
 */
static uint64_t earliest(const struct model *m, const struct model_fault *f, const struct timeline_span *s, const struct target *t, uint64_t passed_ns)
{
	uint64_t planned = m->started_ns + f->from_ns;

	if (f->from_ns)
		return planned > passed_ns && planned < s->from_ns ? planned : s->from_ns;
	for (size_t i = model_first_from(m, passed_ns + 1); i < m->exchange_count && m->exchanges[i].started_ns < s->from_ns; i++)
		if (is_to_be_hit(t, m, i))
			return m->exchanges[i].started_ns;
	return s->from_ns;
}

static void settle_end(const struct model *m, const struct model_fault *f, struct timeline_span *s, const struct exposure *e)
{
	uint64_t planned_end = m->started_ns + f->from_ns + f->for_ns;

	if (f->off_ns) {
		s->to_ns = f->off_ns > s->to_ns ? f->off_ns : s->to_ns;
		s->cleared = s->to_ns < m->ended_ns;
		return;
	}
	if (f->for_ns)
		s->to_ns = planned_end > s->to_ns ? planned_end : s->to_ns;
	s->cleared = f->for_ns ? s->to_ns < m->ended_ns : !is_luck(e, e->after);
	if (!s->cleared)
		s->to_ns = m->ended_ns > s->to_ns ? m->ended_ns : s->to_ns;
}

static int settle_span(const struct model *m, uint32_t fault, struct timeline_span *s)
{
	const struct model_fault *f = &m->faults[fault];
	uint64_t planned_start = m->started_ns + f->from_ns;
	struct target t;
	struct exposure e;
	int err;

	if (!s->hits)
		return 0;
	err = find_target(&t, m, fault);
	if (!err) {
		e = measure_exposure(m, &t, s);
		s->window_ns = earliest(m, f, s, &t, e.passed_ns);
		if (e.before && is_luck(&e, e.before) && planned_start < s->window_ns)
			s->window_ns = planned_start;
		settle_end(m, f, s, &e);
	}
	target_free(&t);
	return err;
}

static int add_window(struct timeline *t, enum timeline_kind kind, uint64_t from_ns, uint64_t to_ns)
{
	struct timeline_window *windows;

	if (from_ns >= to_ns)
		return 0;
	windows = realloc(t->windows, (t->window_count + 1) * sizeof(*windows));
	if (!windows)
		return -ENOMEM;
	t->windows = windows;
	t->windows[t->window_count++] = (struct timeline_window){.kind = kind, .from_ns = from_ns, .to_ns = to_ns};
	return 0;
}

/* ---- episodes ---- */

static int add_episode(struct timeline *t, const struct timeline_episode *e)
{
	size_t n = t->episode_count;

	if (!(n & (n - 1))) {	/* room is a power of two */
		struct timeline_episode *episodes = realloc(t->episodes, (n ? n * 2 : 1) * sizeof(*episodes));

		if (!episodes)
			return -ENOMEM;
		t->episodes = episodes;
	}
	t->episodes[t->episode_count++] = *e;
	return 0;
}

/* The fault's marked times, in order, into `mine`; how many. */
static size_t marked_times(const struct model *m, uint32_t fault, struct model_episode *mine)
{
	size_t n = 0;

	for (size_t i = 0; i < m->episode_count; i++)
		if (m->episodes[i].fault == fault)
			mine[n++] = m->episodes[i];
	return n;
}

/* Which of n times an injection belongs to: the last that had begun. */
static size_t time_of(const struct model_episode *mine, size_t n, uint64_t at_ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mine[middle].on_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

/* When each of the n times was first felt: 0 never. */
static void first_hits(const struct model *m, uint32_t fault, const struct model_episode *mine, size_t n, uint64_t *from_ns)
{
	for (size_t i = 0; i < m->injection_count; i++) {
		uint64_t start = hit_start(m, &m->injections[i]), *first;

		if (m->injections[i].fault != fault)
			continue;
		first = &from_ns[time_of(mine, n, m->injections[i].at_ns)];
		if (!*first || start < *first)
			*first = start;
	}
}

/* The times that hit something, when there are several; the last one ends as the fault does. */
static int split_span(struct timeline *t, const struct model *m, uint32_t fault, const struct model_episode *mine, size_t n,
		      const uint64_t *from_ns)
{
	const struct timeline_span *s = &t->spans[fault];
	unsigned number = 0;
	size_t last = n;

	for (size_t i = 0; i < n; i++)
		last = from_ns[i] ? i : last;
	for (size_t i = 0; i < n; i++) {
		struct timeline_episode e = {fault, number + 1, from_ns[i], s->to_ns, from_ns[i], s->cleared};

		if (!from_ns[i])
			continue;
		if (!number++)
			e.window_ns = s->window_ns < e.from_ns ? s->window_ns : e.from_ns;
		if (i != last || mine[i].off_ns) {
			e.to_ns = mine[i].off_ns > e.from_ns ? mine[i].off_ns : e.from_ns;
			e.cleared = e.to_ns < m->ended_ns;
		}
		if (add_episode(t, &e))
			return -ENOMEM;
	}
	return 0;
}

static int add_episodes(struct timeline *t, const struct model *m, uint32_t fault, struct model_episode *mine, uint64_t *from_ns)
{
	const struct timeline_span *s = &t->spans[fault];
	size_t n, hit = 0;

	if (!s->hits)
		return 0;
	n = marked_times(m, fault, mine);
	memset(from_ns, 0, (n + 1) * sizeof(*from_ns));
	if (n > 1)
		first_hits(m, fault, mine, n, from_ns);
	for (size_t i = 0; i < n; i++)
		hit += from_ns[i] != 0;
	if (hit > 1)
		return split_span(t, m, fault, mine, n, from_ns);
	return add_episode(t, &(struct timeline_episode){fault, 0, s->from_ns, s->to_ns, s->window_ns, s->cleared});
}

static int by_window(const void *a, const void *b)
{
	const struct timeline_episode *x = a, *y = b;

	if (x->window_ns != y->window_ns)
		return x->window_ns < y->window_ns ? -1 : 1;
	return (x->fault > y->fault) - (x->fault < y->fault);
}

static int find_episodes(struct timeline *t, const struct model *m)
{
	struct model_episode *mine = malloc((m->episode_count + 1) * sizeof(*mine));
	uint64_t *from_ns = malloc((m->episode_count + 1) * sizeof(*from_ns));
	int err = mine && from_ns ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->fault_count && !err; i++)
		err = add_episodes(t, m, i, mine, from_ns);
	if (!err && t->episode_count)
		qsort(t->episodes, t->episode_count, sizeof(*t->episodes), by_window);
	free(mine);
	free(from_ns);
	return err;
}

/* ---- windows ---- */

static bool is_idle(const struct model *m, const struct timeline_window *w)
{
	size_t first = model_first_from(m, w->from_ns);

	return first == m->exchange_count || m->exchanges[first].started_ns >= w->to_ns;
}

/* Time before a fault in which nothing was asked is no baseline, and after it no recovery. */
static void drop_idle(struct timeline *t, const struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->window_count; i++)
		if (t->window_count == 1 || t->windows[i].kind == TIMELINE_FAULT || !is_idle(m, &t->windows[i]))
			t->windows[kept++] = t->windows[i];
	t->window_count = kept;
}

/* Episodes that overlap are one window. */
static int cut(struct timeline *t, const struct model *m)
{
	uint64_t now = m->started_ns, end = m->ended_ns + 1;
	enum timeline_kind healthy = TIMELINE_BASELINE;

	for (size_t i = 0; i < t->episode_count;) {
		uint64_t from = t->episodes[i].window_ns < now ? now : t->episodes[i].window_ns, to = now;

		if (t->episodes[i].to_ns < now) {
			i++;
			continue;
		}
		for (; i < t->episode_count && (to == now || t->episodes[i].window_ns <= to); i++)
			to = t->episodes[i].to_ns + 1 > to ? t->episodes[i].to_ns + 1 : to;
		if (add_window(t, healthy, now, from) || add_window(t, TIMELINE_FAULT, from, to))
			return -ENOMEM;
		healthy = TIMELINE_RECOVERY;
		now = to;
	}
	return add_window(t, healthy, now, end);
}

int timeline_build(struct timeline *t, const struct model *m)
{
	int err = 0;

	t->spans = calloc(m->fault_count + 1, sizeof(*t->spans));
	if (!t->spans)
		return -ENOMEM;
	for (size_t i = 0; i < m->injection_count; i++)
		note_injection(m, &t->spans[m->injections[i].fault], &m->injections[i]);
	for (uint32_t i = 0; i < m->fault_count && !err; i++)
		err = settle_span(m, i, &t->spans[i]);
	if (!err)
		err = find_episodes(t, m);
	if (!err)
		err = cut(t, m);
	if (!err)
		drop_idle(t, m);
	if (err)
		timeline_free(t);
	return err;
}

void timeline_free(struct timeline *t)
{
	free(t->spans);
	free(t->episodes);
	free(t->windows);
	*t = (struct timeline){0};
}

enum timeline_kind timeline_at(const struct timeline *t, uint64_t at_ns)
{
	size_t low = 0, high = t->window_count;	/* the first window that ends after it; the last one when none does */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at_ns >= t->windows[middle].to_ns)
			low = middle + 1;
		else
			high = middle;
	}
	low = low == t->window_count && low ? low - 1 : low;
	return t->window_count ? t->windows[low].kind : TIMELINE_BASELINE;
}

const char *timeline_name(enum timeline_kind kind)
{
	static const char *const names[TIMELINE_KINDS] = {"baseline", "fault", "recovery"};

	return names[kind];
}
