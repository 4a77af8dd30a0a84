/* SPDX-License-Identifier: MIT */
/* Likelihoods of the families of jitter: waits laid evenly over what a law allows, and how likely they then are by the law's density. */
#include <math.h>
#include "analyzer/infer/backoff_fit.h"
#include "tests/lib/tap.h"

#define MANY 40
#define STRAYS 3
#define DEEP 6
#define STRAY 0.02	/* share of waits that may lie anywhere (backoff_fit.h) */

struct set {
	struct fit_wait waits[(MANY + STRAYS) * DEEP];
	struct fit_data data;
};

static void add(struct set *s, uint32_t request, unsigned k, double ms)
{
	const struct fit_wait *last = k > 1 ? &s->waits[s->data.n - 1] : NULL;

	s->waits[s->data.n++] = (struct fit_wait){ms, last ? last->ms : NAN, (last ? last->sum : 0) + ms, request, (uint16_t)k};
	s->data.waits = s->waits;
	s->data.deepest = k > s->data.deepest ? k : s->data.deepest;
}

/* Where in its range wait k of a request lies: evenly for each k, in another order for each. */
static double place(unsigned request, unsigned k)
{
	return (request * (2 * k + 1) * (2 * k + 1) % MANY + 0.5) / MANY;
}

/* Waits of laws with full jitter: the k-th is up to as long as law[k]. */
static void fill(struct set *s, const double *law, unsigned deep, double slack_ms)
{
	*s = (struct set){.data.slack_ms = slack_ms};
	for (unsigned i = 0; i < MANY; i++)
		for (unsigned k = 1; k <= deep; k++)
			add(s, i, k, law[k] * (0.5 + 0.5 * place(i, k)));
}

/* ---- decorrelated, second version ---- */

static double growth(double t)
{
	return exp2(t) * tanh(2 * sqrt(t));
}

/* t at which growth is y. */
static double ungrow(double y)
{
	double low = 0, high = FIT_DEEPEST;

	for (int i = 0; i < 60; i++)
		*(growth((low + high) / 2) < y ? &low : &high) = (low + high) / 2;
	return low;
}

/* Of sums of waits that one law can have, and of some that are too short to be its. */
static double expected(const struct set *s, double scale, double most)
{
	double sum = 0;

	for (size_t i = 0; i < s->data.n; i++) {
		const struct fit_wait *w = &s->waits[i];
		double t = ungrow(w->sum / scale), slope = (growth(t + 1e-4) - growth(fmax(t - 1e-4, 0))) / 2e-4;
		bool stray = w->request >= MANY && w->k == 2;

		sum += stray ? log(STRAY / (most + s->data.slack_ms)) : log((1 - STRAY) / (scale * slope + s->data.slack_ms + 0.01 * w->sum));
	}
	return sum;
}

static void sums_of_the_second_version(void)
{
	struct set s = {.data.slack_ms = 5};
	struct fit fits[BACKOFF_FAMILIES] = {0}, *f = &fits[BACKOFF_DECORRELATED_V2];
	double most = 0, want;

	for (unsigned i = 0; i < MANY; i++)
		for (unsigned k = 1; k <= 3; k++)
			add(&s, i, k, 100 / 1.4 * growth(k - 1 + place(i, k)) - (k > 1 ? s.waits[s.data.n - 1].sum : 0));
	for (unsigned i = MANY; i < MANY + STRAYS; i++) {	/* two waits are 137 ms at least */
		add(&s, i, 1, 25);
		add(&s, i, 2, 15);
	}
	for (size_t i = 0; i < s.data.n; i++)
		most = fmax(most, s.waits[i].ms);
	is_int(fit_all(fits, &s.data), 0, "sums of waits are fitted");
	want = expected(&s, f->low / 1.4, most);
	ok(f->known && fabs(f->low - 100) < 4, "those of a median of 100 ms have it: %.1f", f->low);
	ok(fabs(f->loglik - want) < 1.5, "each is as likely as its place, two waits too short as one that lies anywhere: %.2f, by hand %.2f", f->loglik, want);
}

/* ---- growth without a name ---- */

static void growth_without_a_name(void)
{
	static const struct { const char *name; double law[DEEP + 1]; } laws[] = {
		{"Fibonacci's numbers", {0, 1, 1, 2, 3, 5, 8}},
		{"a power of two less one", {0, 1, 3, 7, 15, 31, 63}},
		{"squares", {0, 1, 4, 9, 16, 25, 36}},
	};

	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		struct fit fits[BACKOFF_FAMILIES] = {0}, *f = &fits[BACKOFF_UNKNOWN];
		double law[DEEP + 1];
		bool same = true;
		struct set s;

		for (unsigned k = 0; k <= DEEP; k++)
			law[k] = 100 * laws[i].law[k];
		fill(&s, law, DEEP, 5);
		fit_all(fits, &s.data);
		for (unsigned k = 1; k <= DEEP; k++)
			same = same && f->shape[k] == laws[i].law[k];
		ok(f->known && same, "%s, with jitter, are a law without a name", laws[i].name);
		for (int k = BACKOFF_UNKNOWN + 1; k < BACKOFF_FAMILIES; k++)
			same = same && !(fits[k].known && fits[k].bic <= f->bic);
		ok(same, "... and no law with one is as likely");
	}
}

/* ---- caps ---- */

/* Doubling up to a cap, in ms and in a ten thousandth of that; one first wait is late, so that the longest of them tells of no cap. */
static void caps_of_any_size(void)
{
	static const double units[] = {1, 1e-4};

	for (int i = 0; i < 2; i++) {
		struct fit fits[BACKOFF_FAMILIES] = {0}, *f = &fits[BACKOFF_EXPONENTIAL];
		double law[DEEP + 1];
		struct set s;

		for (unsigned k = 1; k <= DEEP; k++)
			law[k] = units[i] * fmin(50 * exp2(k - 1.0), 200);
		fill(&s, law, DEEP, 5 * units[i]);
		s.waits[0].ms *= 4;
		fit_all(fits, &s.data);
		ok(f->known && f->cap_before_jitter && fabs(f->cap_ms / units[i] - 150) < 8,
		   "waits that double up to %g ms have that cap: %g, in the middle of them", 200 * units[i], f->cap_ms);
	}
}

int main(void)
{
	sums_of_the_second_version();
	growth_without_a_name();
	caps_of_any_size();
	return tap_done();
}
