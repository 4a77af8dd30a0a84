/* SPDX-License-Identifier: MIT */
#include "analyzer/link/crowd.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/radix.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"
#include "base/hash.h"

#define OVERLAPS_MIN 2
#define OVERLAPS_ONE_IN 100	/* starts */
#define FLOOR_MS 5.0		/* below it waits differ by chance */
#define GROWTH 1.15		/* of a class of waits over the one before */
#define CLASSES 70		/* the last begins at about 77 s: none is longer */
#define ACCIDENTS_MAX 0.05
#define ODDS_MIN 10		/* starts after failures against those after successes: outages may make a client that much quicker */
#define ALIKE 0.8
#define WAVE_MIN 2		/* requests */
#define WAVES_APART 3		/* a pause between waves against the longest within one */
#define LOOK 32			/* starts behind an end, failures before a start that are looked at */
#define DRONE 6			/* attempts: as many may be a loop (rhythm.h) */

struct group {			/* one flow of calls for the same thing */
	uint64_t latest_end_ns;
	uint32_t n, overlaps, links;
	uint32_t at;		/* where its members begin */
	bool crowd;
};

struct class {			/* of waits */
	double links, placebos;
	double share;		/* of successes that a start follows so, at most: so often one does by accident */
	double expected;	/* links by accident */
	bool certain;
};

struct crowd_work {
	struct crowds *c;
	struct map index;	/* flow -> group */
	struct group *groups;	/* owned */
	size_t count, room;
	uint32_t *members;	/* owned; of crowds, behind one another, in order of start */
	uint64_t *starts, *ends;	/* owned; of the crowd that is looked at */
	struct radix_item *failed;	/* owned; likewise, by end */
	struct class classes[CLASSES];
};

static double gap_ms(const struct model_exchange *a, const struct model_exchange *b)
{
	return (double)(b->started_ns - a->ended_ns) / NS_PER_MS;
}

static bool is_link(const struct crowds *c, uint32_t i)
{
	return c->before[i] != MODEL_NONE && c->by_time(c->arg, i);
}

/* ---- which threads say nothing ---- */

struct thread {
	uint64_t end_ns;	/* the latest end of its calls */
	uint32_t connection;	/* which that was on */
	uint32_t process, calls, overlaps;
};

static int count_overlaps(const struct model *m, struct map *index, struct thread *threads)
{
	uint32_t count = 0;

	for (size_t i = 0; i < m->exchange_count; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint64_t key = (uint64_t)x->process << 32 | x->tid;
		struct thread *t;
		uint32_t at;

		if (x->role != MODEL_CLIENT || x->process == MODEL_NONE || !x->tid)
			continue;
		at = map_get(index, key);
		if (at == MAP_NONE && map_put(index, key, at = count++))
			return -ENOMEM;
		t = &threads[at];
		t->process = x->process;
		t->calls++;
		t->overlaps += x->started_ns < t->end_ns && x->connection != t->connection;	/* a pipeline is of one caller */
		if (x->ended_ns > t->end_ns) {
			t->end_ns = x->ended_ns;
			t->connection = x->connection;
		}
	}
	return (int)count;
}

int crowd_threads(const struct model *m, bool *busy)
{
	struct map index = {0};
	struct thread *threads = spill_calloc(m->exchange_count + 1, sizeof(*threads));
	int count = threads ? count_overlaps(m, &index, threads) : -ENOMEM;

	for (int i = 0; i < count; i++)
		if (threads[i].overlaps >= OVERLAPS_MIN && threads[i].overlaps >= threads[i].calls / OVERLAPS_ONE_IN)
			busy[threads[i].process] = true;
	map_free(&index);
	spill_free(threads);
	return count < 0 ? count : 0;
}

/* ---- which groups are crowds ---- */

static int find_group(struct crowd_work *w, uint64_t flow, struct group **g)
{
	uint32_t at = map_get(&w->index, flow);

	if (at == MAP_NONE) {
		if (w->count == w->room) {
			size_t room = w->room ? 2 * w->room : 64;
			struct group *groups = spill_realloc(w->groups, room * sizeof(*groups));

			if (!groups)
				return -ENOMEM;
			w->groups = groups;
			w->room = room;
		}
		at = (uint32_t)w->count++;
		w->groups[at] = (struct group){0};
		if (map_put(&w->index, flow, at))
			return -ENOMEM;
	}
	*g = &w->groups[at];
	return 0;
}

static bool is_crowd(const struct group *g)
{
	return g->links && g->overlaps >= OVERLAPS_MIN && g->overlaps >= g->n / OVERLAPS_ONE_IN;
}

static int count_groups(struct crowd_work *w)
{
	const struct model *m = w->c->m;

	for (uint32_t i = 0; i < m->exchange_count; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint64_t flow = x->edge == MODEL_NONE ? 0 : w->c->flow(w->c->arg, i);
		struct group *g;

		if (!flow)
			continue;
		if (find_group(w, flow, &g))
			return -ENOMEM;
		g->n++;
		g->overlaps += x->started_ns < g->latest_end_ns;
		g->links += is_link(w->c, i);
		g->latest_end_ns = x->ended_ns > g->latest_end_ns ? x->ended_ns : g->latest_end_ns;
	}
	return 0;
}

static int gather(struct crowd_work *w)
{
	const struct model *m = w->c->m;
	uint32_t total = 0, largest = 0;

	for (size_t k = 0; k < w->count; k++) {
		struct group *g = &w->groups[k];

		g->crowd = is_crowd(g);
		if (!g->crowd)
			continue;
		g->at = total;
		total += g->n;
		largest = g->n > largest ? g->n : largest;
		g->n = 0;
	}
	if (!total)
		return 0;
	w->members = spill_realloc(NULL, total * sizeof(*w->members));
	w->starts = spill_realloc(NULL, largest * sizeof(*w->starts));
	w->ends = spill_realloc(NULL, largest * sizeof(*w->ends));
	w->failed = spill_realloc(NULL, largest * sizeof(*w->failed));
	if (!w->members || !w->starts || !w->ends || !w->failed)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->exchange_count; i++) {
		uint64_t flow = m->exchanges[i].edge == MODEL_NONE ? 0 : w->c->flow(w->c->arg, i);
		struct group *g = flow ? &w->groups[map_get(&w->index, flow)] : NULL;

		if (g && g->crowd)
			w->members[g->at + g->n++] = i;
	}
	return 0;
}

/* ---- one crowd: what waits tell ---- */

static size_t class_of(double ms)
{
	double k = log(1 + ms / FLOOR_MS) / log(GROWTH);

	return k < CLASSES - 1 ? (size_t)k : CLASSES - 1;
}

/* Marks each class in which one of the next starts follows the end of e; beyond those that are looked at one may follow a success at any time. */
static void mark(struct crowd_work *w, const struct model_exchange *e, uint32_t n, size_t *near)
{
	size_t next = times_near(w->starts, sizeof(*w->starts), n, e->ended_ns - 1, near), last = CLASSES;

	for (size_t i = next; i < n && i < next + LOOK; i++) {
		size_t k = class_of((double)(w->starts[i] - e->ended_ns) / NS_PER_MS);

		if (k == last)
			continue;
		last = k;
		if (model_failed(e))
			w->classes[k].links++;
		else
			w->classes[k].placebos++;
	}
	for (size_t k = last + 1; !model_failed(e) && next + LOOK < n && k < CLASSES; k++)
		w->classes[k].placebos++;
}

static void weigh(struct crowd_work *w, const uint32_t *members, uint32_t n, double *failures, double *successes)
{
	size_t near = 0;

	for (size_t k = 0; k < CLASSES; k++)
		w->classes[k] = (struct class){0};
	for (uint32_t i = 0; i < n; i++) {
		const struct model_exchange *e = &w->c->m->exchanges[members[i]];

		if (!e->ended_ns)
			continue;
		*(model_failed(e) ? failures : successes) += 1;
		mark(w, e, n, &near);
	}
}

/* The class that is the surest of those not taken yet; NULL: none holds more retries than accidents. */
static struct class *surest(struct crowd_work *w, double failures)
{
	struct class *best = NULL;

	for (size_t k = 0; k < CLASSES; k++) {
		struct class *c = &w->classes[k];

		if (c->certain || !(c->links > 0) || c->links < ODDS_MIN * c->share * failures)
			continue;
		if (!best || c->expected * best->links < best->expected * c->links)
			best = c;
	}
	return best;
}

/* The surest first, as long as no more than ACCIDENTS_MAX of all that stands is expected to be accident. The share that is. */
static double choose(struct crowd_work *w, double failures, double successes)
{
	double links = 0, expected = 0;
	struct class *c;

	for (size_t k = 0; k < CLASSES; k++) {
		c = &w->classes[k];
		c->share = fmin((c->placebos + 1) / (successes + 1), 0.5);
		c->expected = c->share * fmax(failures - c->links, 0) / (1 - c->share);
	}
	while ((c = surest(w, failures)) && expected + c->expected <= ACCIDENTS_MAX * (links + c->links)) {
		links += c->links;
		expected += c->expected;
		c->certain = true;
	}
	return links > 0 ? expected / links : NAN;
}

/* ---- one crowd: its links ---- */

static void cut_links(struct crowds *c, const uint32_t *members, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = members[i];

		if (!is_link(c, b))
			continue;
		c->after[c->before[b]] = MODEL_NONE;
		c->before[b] = MODEL_NONE;
	}
}

static const struct class *class_between(const struct crowd_work *w, uint32_t a, uint32_t b)
{
	return &w->classes[class_of(gap_ms(&w->c->m->exchanges[a], &w->c->m->exchanges[b]))];
}

/* Takes the failure out of those that wait, of which b is the retry: at the surest wait, then the latest. MODEL_NONE: of none. */
static uint32_t take_failure(struct crowd_work *w, uint32_t *waiting, size_t *count, uint32_t b)
{
	const struct class *best = NULL;
	size_t at = 0;
	uint32_t a;

	for (size_t i = *count; i-- > 0;) {
		const struct class *c = class_between(w, waiting[i], b);

		if (c->certain && (!best || c->expected * best->links < best->expected * c->links) && w->c->joins(w->c->arg, waiting[i], b)) {
			best = c;
			at = i;
		}
	}
	if (!best)
		return MODEL_NONE;
	a = waiting[at];
	memmove(&waiting[at], &waiting[at + 1], (--*count - at) * sizeof(*waiting));
	return a;
}

/* A failure that waits while LOOK others began to wait is given up. */
static void add_failure(uint32_t *waiting, size_t *count, uint32_t a)
{
	if (*count == LOOK)
		memmove(&waiting[0], &waiting[1], --*count * sizeof(*waiting));
	waiting[(*count)++] = a;
}

/* Joins again, by certain waits only. Failures wait from their end: those that end later are looked at when something starts. */
static int link_again(struct crowd_work *w, const uint32_t *members, uint32_t n)
{
	struct crowds *c = w->c;
	const struct model_exchange *x = c->m->exchanges;
	uint32_t waiting[LOOK];
	size_t count = 0, over = 0, failed = 0;

	for (uint32_t i = 0; i < n; i++)
		if (model_failed(&x[members[i]]) && x[members[i]].ended_ns && c->after[members[i]] == MODEL_NONE)
			w->failed[failed++] = (struct radix_item){x[members[i]].ended_ns, members[i]};
	if (radix_sort(w->failed, failed))
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = members[i], a;

		while (over < failed && w->failed[over].key <= x[b].started_ns)
			add_failure(waiting, &count, w->failed[over++].value);
		a = c->before[b] == MODEL_NONE ? take_failure(w, waiting, &count, b) : MODEL_NONE;
		if (a == MODEL_NONE)
			continue;
		c->before[b] = a;
		c->after[a] = b;
	}
	return 0;
}

static uint32_t length_to(const struct crowds *c, uint32_t last)
{
	uint32_t length = 1;

	for (uint32_t i = last; c->before[i] != MODEL_NONE; i = c->before[i])
		length++;
	return length;
}

/* Attempts of the request that ended in failure with this one; 0: it did not. */
static uint32_t exhausted(const struct crowds *c, uint32_t i)
{
	return model_failed(&c->m->exchanges[i]) && c->after[i] == MODEL_NONE ? length_to(c, i) : 0;
}

/* Whether requests that failed in the end mostly have one number of attempts, and that they have more than one. */
static bool alike(const struct crowds *c, const uint32_t *members, uint32_t n)
{
	uint32_t usual = 0, votes = 0, ended = 0, of_usual = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t length = exhausted(c, members[i]);

		if (!length)
			continue;
		if (!votes)
			usual = length;
		votes += length == usual ? 1 : -1u;
		ended++;
	}
	for (uint32_t i = 0; i < n; i++)
		of_usual += ended && exhausted(c, members[i]) == usual;
	return !ended || (usual > 1 && (double)of_usual >= ALIKE * (double)ended);
}

/* Whether nobody began another request after the first of all had ended. */
static bool is_cohort(const struct crowd_work *w, const uint32_t *members, uint32_t n)
{
	const struct model_exchange *x = w->c->m->exchanges;
	uint64_t first_end = UINT64_MAX;

	for (uint32_t i = 0; i < n; i++)
		if (x[members[i]].ended_ns && x[members[i]].ended_ns < first_end)
			first_end = x[members[i]].ended_ns;
	for (uint32_t i = 0; i < n; i++) {
		if (w->c->before[members[i]] == MODEL_NONE && x[members[i]].started_ns >= first_end)
			return false;
		if (w->c->after[members[i]] == MODEL_NONE && length_to(w->c, members[i]) >= DRONE)
			return false;
	}
	return true;
}

/* ---- waves ---- */

struct wave {
	uint32_t from, failed;	/* its first member; how many of it failed */
};

/* The longest idle times before a start, the longest first; at[i]: before which member. Their number. */
static uint32_t find_pauses(const struct crowd_work *w, const uint32_t *members, uint32_t n, double *pauses, uint32_t *at)
{
	const struct model_exchange *x = w->c->m->exchanges;
	uint64_t over = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		double ms = i && x[members[i]].started_ns > over ? (double)(x[members[i]].started_ns - over) / NS_PER_MS : 0;
		uint32_t k = count;

		over = x[members[i]].ended_ns > over ? x[members[i]].ended_ns : over;
		while (k > 0 && pauses[k - 1] < ms)
			k--;
		if (k == DRONE)
			continue;
		count += count < DRONE;
		memmove(&pauses[k + 1], &pauses[k], (count - k - 1) * sizeof(*pauses));
		memmove(&at[k + 1], &at[k], (count - k - 1) * sizeof(*at));
		pauses[k] = ms;
		at[k] = i;
	}
	return count;
}

/* Parts the members before the `pauses` longest of them, and counts. Whether as many start in each as have failed in the one before. */
static bool part(const struct crowd_work *w, const uint32_t *members, uint32_t n, const uint32_t *at, uint32_t pauses, struct wave *waves)
{
	for (uint32_t k = 0; k <= pauses; k++)
		waves[k] = (struct wave){k ? at[k - 1] : 0, 0};
	for (uint32_t k = 1; k <= pauses; k++)
		for (uint32_t i = k; i > 1 && waves[i].from < waves[i - 1].from; i--) {
			struct wave swap = waves[i];

			waves[i] = waves[i - 1];
			waves[i - 1] = swap;
		}
	waves[pauses + 1].from = n;
	for (uint32_t k = 0; k <= pauses; k++) {
		uint32_t before = k ? waves[k - 1].failed : waves[1].from;

		if (waves[k + 1].from - waves[k].from != before || before < WAVE_MIN)
			return false;
		for (uint32_t i = waves[k].from; i < waves[k + 1].from; i++)
			waves[k].failed += model_failed(&w->c->m->exchanges[members[i]]) && w->c->m->exchanges[members[i]].ended_ns;
	}
	return true;
}

static int by_end(const struct crowd_work *w, const uint32_t *members, uint32_t from, uint32_t to)
{
	size_t failed = 0;

	for (uint32_t i = from; i < to; i++) {
		const struct model_exchange *e = &w->c->m->exchanges[members[i]];

		if (model_failed(e) && e->ended_ns)
			w->failed[failed++] = (struct radix_item){e->ended_ns, members[i]};
	}
	return radix_sort(w->failed, failed);
}

/* Joins each wave's to the failures of the one before, the first to the first. */
static int link_waves(struct crowd_work *w, const uint32_t *members, const struct wave *waves, uint32_t pauses)
{
	struct crowds *c = w->c;

	for (uint32_t k = 1; k <= pauses; k++) {
		if (by_end(w, members, waves[k - 1].from, waves[k].from))
			return -ENOMEM;
		for (uint32_t i = 0; i < waves[k - 1].failed; i++) {
			uint32_t a = w->failed[i].value, b = members[waves[k].from + i];

			if (c->after[a] != MODEL_NONE || c->before[b] != MODEL_NONE || !c->joins(c->arg, a, b))
				continue;
			c->after[a] = b;
			c->before[b] = a;
		}
	}
	return 0;
}

/* *waves: whether it is some, and joined so. The most waves that tell: their pauses stand out from all others. */
static int judge_waves(struct crowd_work *w, const uint32_t *members, uint32_t n, bool *are)
{
	double pauses[DRONE + 1] = {0};
	uint32_t at[DRONE + 1] = {0}, count = find_pauses(w, members, n, pauses, at);

	*are = false;
	for (uint32_t m = DRONE - 2; m > 0; m--) {
		struct wave waves[DRONE + 1];

		if (m >= count || pauses[m - 1] < WAVES_APART * pauses[m] || !(pauses[m - 1] > 0) || !part(w, members, n, at, m, waves))
			continue;
		*are = true;
		cut_links(w->c, members, n);
		return link_waves(w, members, waves, m);
	}
	return 0;
}

static uint32_t most_at_once(struct crowd_work *w, const uint32_t *members, uint32_t n)
{
	uint32_t ended = 0, over = 0, most = 0;

	for (uint32_t i = 0; i < n; i++)
		if (w->c->m->exchanges[members[i]].ended_ns)
			w->ends[ended++] = w->c->m->exchanges[members[i]].ended_ns;
	times_sort(w->ends, ended);
	for (uint32_t i = 0; i < n; i++) {
		while (over < ended && w->ends[over] <= w->starts[i])
			over++;
		most = i + 1 - over > most ? i + 1 - over : most;
	}
	return most;
}

static int judge(struct crowd_work *w, const struct group *g)
{
	const uint32_t *members = w->members + g->at;
	const struct model_exchange *x = w->c->m->exchanges;
	struct crowd *of = &w->c->of[x[members[0]].edge];
	double failures = 0, successes = 0, share;
	uint32_t most;
	bool waves;

	for (uint32_t i = 0; i < g->n; i++)
		w->starts[i] = x[members[i]].started_ns;
	if (judge_waves(w, members, g->n, &waves))
		return -ENOMEM;
	if (waves || is_cohort(w, members, g->n))
		return 0;
	weigh(w, members, g->n, &failures, &successes);
	share = choose(w, failures, successes);
	cut_links(w->c, members, g->n);
	if (!isnan(share) && link_again(w, members, g->n))
		return -ENOMEM;
	if (isnan(share) || !alike(w->c, members, g->n)) {
		cut_links(w->c, members, g->n);
		of->cut += g->links;
	} else if (!(of->accidental > share)) {
		of->accidental = share;
	}
	most = most_at_once(w, members, g->n);
	of->most = most > of->most ? most : of->most;
	return 0;
}

int crowd_cut(struct crowds *c)
{
	struct crowd_work w = {.c = c};
	int err = count_groups(&w);

	if (!err)
		err = gather(&w);
	for (size_t k = 0; !err && w.members && k < w.count; k++)
		if (w.groups[k].crowd)
			err = judge(&w, &w.groups[k]);
	map_free(&w.index);
	spill_free(w.groups);
	spill_free(w.members);
	spill_free(w.starts);
	spill_free(w.ends);
	spill_free(w.failed);
	return err;
}
