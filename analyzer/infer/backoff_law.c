/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/backoff_law.h"

#include <math.h>
#include <stdbool.h>

#define EXACT_SHARE 0.015	/* timers are late by more the longer they wait */
#define WARM_UP_MS 10.0		/* a runtime's first wait may be later by this */
#define SAME 0.05		/* waits that differ by less are one */

struct series {
	const struct law_point *w;
	size_t n;
	size_t growing;		/* waits before the plateau; n: there is none */
	double cap_ms;
};

double law_wait(const struct law_fit *f, size_t k)
{
	double ms = f->first_ms;

	if (f->family == BACKOFF_LINEAR)
		ms += f->step_ms * (double)(k - 1);
	else if (f->family == BACKOFF_EXPONENTIAL)
		ms *= pow(f->multiplier, (double)(k - 1));
	return isnan(f->cap_ms) ? ms : fmin(ms, f->cap_ms);
}

/* How far the median of wait k may be from the law. */
static double room(const struct series *s, size_t k, double ms)
{
	const struct law_point *w = &s->w[k - 1];
	return fmax(1 + 4 / sqrt((double)w->n), EXACT_SHARE * ms);
}

static bool is_near(const struct series *s, size_t k, double ms)
{
	double off = s->w[k - 1].ms - ms, warm_up = k == 1 ? fmin(WARM_UP_MS, 0.2 * ms) : 0;

	return off >= -room(s, k, ms) && off <= room(s, k, ms) + warm_up;
}

static bool follows(const struct series *s, const struct law_fit *f)
{
	for (size_t k = 1; k <= s->n; k++) {
		if (!is_near(s, k, law_wait(f, k)))
			return false;
	}
	return true;
}

static double wait(const struct series *s, size_t k)
{
	return s->w[k - 1].ms;
}

/* ---- each law's numbers from the waits before the plateau ---- */

static bool fixed(const struct series *s, struct law_fit *f)
{
	double low = INFINITY, high = 0;

	for (size_t k = s->n > 2 ? 2 : 1; k <= s->n; k++) {
		low = fmin(low, wait(s, k));
		high = fmax(high, wait(s, k));
	}
	*f = (struct law_fit){BACKOFF_FIXED, (low + high) / 2, NAN, NAN, NAN};
	return high <= low * (1 + SAME) && (is_near(s, 1, f->first_ms) || fabs(wait(s, 1) - f->first_ms) <= SAME * f->first_ms);
}

static bool linear(const struct series *s, struct law_fit *f)
{
	size_t g = s->growing;
	double step = g > 2 ? (wait(s, g) - wait(s, 2)) / (double)(g - 2) : wait(s, 2) - wait(s, 1);

	if (fabs(wait(s, g) - step * (double)g) <= room(s, g, wait(s, g)) * 2)	/* k times the step, as it is mostly */
		step = wait(s, g) / (double)g;
	*f = (struct law_fit){BACKOFF_LINEAR, wait(s, g) - step * (double)(g - 1), step, NAN, s->cap_ms};
	return step > SAME * wait(s, 1) && follows(s, f);
}

static double configured(double r)
{
	static const double nice[] = {1.1, 1.2, 1.25, 1.3, 1.5, 1.6, 1.618, 1.8, 2, 2.5, 3, 4, 5, 10};

	for (size_t i = 0; i < sizeof(nice) / sizeof(nice[0]); i++)
		if (fabs(r / nice[i] - 1) < 0.02)
			return nice[i];
	return r;
}

static bool exponential(const struct series *s, struct law_fit *f)
{
	size_t g = s->growing;
	double r = g > 2 ? pow(wait(s, g) / wait(s, 2), 1 / (double)(g - 2)) : wait(s, 2) / wait(s, 1), tried[] = {configured(r), r};

	for (int i = 0; i < 2; i++) {
		*f = (struct law_fit){BACKOFF_EXPONENTIAL, wait(s, g) / pow(tried[i], (double)(g - 1)), NAN, tried[i], s->cap_ms};
		if (tried[i] > 1 + SAME && follows(s, f))
			return true;
	}
	return false;
}

/* ---- the plateau ---- */

/* Waits at the end that are one: the cap, when waits before are shorter. */
static void find_plateau(struct series *s)
{
	size_t k = s->n;

	s->growing = s->n;
	s->cap_ms = NAN;
	while (k > 1 && fabs(wait(s, k - 1) - wait(s, s->n)) <= fmax(SAME / 2 * wait(s, s->n), room(s, k - 1, wait(s, s->n))))
		k--;
	if (k == s->n || k == 1)
		return;
	s->growing = k - 1;
	s->cap_ms = wait(s, s->n);
}

/* No plateau, but after three waits that grow by a law a last one that is shorter than it: cut once. */
static void cut_last(struct series *s)
{
	s->growing = s->n - 1;
	s->cap_ms = wait(s, s->n);
}

static unsigned grown(const struct series *s, struct law_fit *fits)
{
	unsigned found = 0;

	if (s->growing < 2)
		return 0;
	found += linear(s, &fits[found]);
	found += exponential(s, &fits[found]);
	return found;
}

/* Two waits, or two that grow before a plateau: what fits does so because two points always do. */
static unsigned name_both(const struct series *s, struct law_fit *fits)
{
	double r = s->growing < 2 ? NAN : configured(wait(s, 2) / wait(s, 1));

	fits[0] = (struct law_fit){BACKOFF_LINEAR, wait(s, 1), s->growing < 2 ? NAN : wait(s, 2) - wait(s, 1), NAN, s->cap_ms};
	fits[1] = (struct law_fit){BACKOFF_EXPONENTIAL, wait(s, 1), NAN, r, s->cap_ms};
	return 2;
}

static unsigned one_wait(const struct series *s, struct law_fit *fits)
{
	static const enum policy_backoff families[LAWS] = {BACKOFF_FIXED, BACKOFF_LINEAR, BACKOFF_EXPONENTIAL};

	for (int i = 0; i < LAWS; i++)
		fits[i] = (struct law_fit){families[i], wait(s, 1), NAN, NAN, NAN};
	return LAWS;
}

unsigned law_find(struct law_fit fits[LAWS], const struct law_point *w, size_t n)
{
	struct series s = {.w = w, .n = n};
	unsigned found;

	for (size_t k = 0; k < n; k++)
		if (!w[k].n || !(w[k].ms > 0))
			return 0;
	if (n < 2)
		return n ? one_wait(&s, fits) : 0;
	if (fixed(&s, &fits[0]))
		return 1;
	find_plateau(&s);
	if (s.growing < 2)
		return wait(&s, 2) > wait(&s, 1) ? name_both(&s, fits) : 0;
	if (n == 2)
		return wait(&s, 2) > wait(&s, 1) ? name_both(&s, fits) : 0;
	found = grown(&s, fits);
	if (!found && isnan(s.cap_ms) && n > 3) {
		cut_last(&s);
		found = grown(&s, fits);
	}
	return found;
}
