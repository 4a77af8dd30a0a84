/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/design.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define EXPOSURE_APART 1.25	/* times as many hits on one side */
#define LENGTH_APART 1.25	/* times as long */

#define NOTE(c, ...) result_say(&(c)->notes, &(c)->note_count, __VA_ARGS__)

static const char *text_of(const struct result *r, uint32_t name)
{
	return texts_text(&r->model.names, name);
}

/* ---- pairs ---- */

static const char *seed_of(const struct result *r)
{
	return text_of(r, r->model.seed);
}

/* The only run of a side with this seed; count when there is none, or several. */
static size_t only_with(const struct compare_side *s, const char *seed)
{
	size_t found = s->count;

	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(seed_of(&s->runs[i]), seed))
			continue;
		if (found < s->count)
			return s->count;
		found = i;
	}
	return found;
}

/* Runs with the same seed were hit alike: each has a partner, or none counts as one. */
static void pair(struct compare *c)
{
	if (c->base.count != c->fresh.count || c->base.count < 2)
		return;
	for (size_t i = 0; i < c->base.count; i++) {
		const char *seed = seed_of(&c->base.runs[i]);

		if (!*seed || only_with(&c->base, seed) != i || only_with(&c->fresh, seed) == c->fresh.count)
			return;
	}
	for (size_t i = 0; i < c->base.count; i++) {
		size_t k = only_with(&c->fresh, seed_of(&c->base.runs[i]));
		struct result moved = c->fresh.runs[k];

		c->fresh.runs[k] = c->fresh.runs[i];
		c->fresh.runs[i] = moved;
	}
	c->paired = true;
}

/* ---- order ---- */

/* The earliest and the latest start of a side, as UTC texts, which sort as they are. */
static void bounds(const struct compare_side *s, const char **first, const char **last)
{
	*first = *last = text_of(&s->runs[0], s->runs[0].model.started);
	for (size_t i = 1; i < s->count; i++) {
		const char *at = text_of(&s->runs[i], s->runs[i].model.started);

		*first = strcmp(at, *first) < 0 ? at : *first;
		*last = strcmp(at, *last) > 0 ? at : *last;
	}
}

/* All of one side before all of the other: whatever changed on the machine in between looks like the change. */
static bool apart(const struct compare *c)
{
	const char *base[2], *fresh[2];

	if (c->base.count < 2 || c->fresh.count < 2)
		return false;
	bounds(&c->base, &base[0], &base[1]);
	bounds(&c->fresh, &fresh[0], &fresh[1]);
	return **base && **fresh && (strcmp(base[1], fresh[0]) < 0 || strcmp(fresh[1], base[0]) < 0);
}

/* ---- exposure ---- */

static double hits(const struct compare_side *s)
{
	double n = 0;

	for (size_t i = 0; i < s->count; i++)
		for (size_t f = 0; f < s->runs[i].fault_count; f++)
			n += (double)s->runs[i].faults[f].fired;
	return n / (double)s->count;
}

static double seconds(const struct compare_side *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += s->runs[i].duration_s;
	return sum / (double)s->count;
}

static bool differ(double a, double b, double times)
{
	return fmax(a, b) > 0 && fmax(a, b) > times * fmin(a, b);
}

/* What a fault does, without where: ports are others in each run. */
static cJSON *deed(const struct result *r, size_t fault)
{
	static const char *const where[] = {"name", "to", "at"};
	cJSON *spec = cJSON_Parse(text_of(r, r->model.faults[fault].spec));

	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(spec, where[i]);
	return spec;
}

static bool same_deed(const struct result *a, const struct result *b, size_t fault)
{
	cJSON *x = deed(a, fault), *y = deed(b, fault);
	bool same = (!x && !y) || cJSON_Compare(x, y, true);

	cJSON_Delete(x);
	cJSON_Delete(y);
	return same;
}

static bool same_plan(const struct result *a, const struct result *b)
{
	if (a->model.fault_count != b->model.fault_count)
		return false;
	for (size_t i = 0; i < a->model.fault_count; i++)
		if (!same_deed(a, b, i))
			return false;
	return true;
}

static bool all_same_plan(const struct compare *c, const struct compare_side *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!same_plan(&c->base.runs[0], &s->runs[i]))
			return false;
	return true;
}

static int note_exposure(struct compare *c)
{
	double base = hits(&c->base), fresh = hits(&c->fresh);

	if (!(all_same_plan(c, &c->base) && all_same_plan(c, &c->fresh)) &&
	    NOTE(c, "the faults of the runs are not the same: a difference may be theirs"))
		return -ENOMEM;
	if (differ(base, fresh, EXPOSURE_APART) &&
	    NOTE(c, "faults hit %.0f exchanges a run in base and %.0f in new: figures that count them are not alike", base, fresh))
		return -ENOMEM;
	if (differ(seconds(&c->base), seconds(&c->fresh), LENGTH_APART) &&
	    NOTE(c, "runs took %.1f s in base and %.1f s in new", seconds(&c->base), seconds(&c->fresh)))
		return -ENOMEM;
	return 0;
}

/* ---- number ---- */

static int note_number(struct compare *c)
{
	size_t few = c->base.count < c->fresh.count ? c->base.count : c->fresh.count;

	if (c->base.count == 1 && c->fresh.count == 1)
		return NOTE(c, "between-run variance unknown: one run a side; intervals are within the run");
	if (few < COMPARE_RUNS_MIN)
		return NOTE(c, "too few runs for intervals: %zu against %zu, %d a side are needed", c->base.count, c->fresh.count,
			    COMPARE_RUNS_MIN);
	return c->paired && few >= 6 ? NOTE(c, "runs are paired by their seeds") : 0;
}

int design_look(struct compare *c)
{
	pair(c);
	if (note_number(c) || note_exposure(c))
		return -ENOMEM;
	return apart(c) ? NOTE(c, "runs do not alternate: all of one side came before the other, so what else changed meanwhile counts as the change")
			: 0;
}
