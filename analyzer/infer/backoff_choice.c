/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/backoff_choice.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/read/samples.h"

#define PLACES_MIN 10		/* fewer say nothing of how they are spread */
#define MARGIN_FAR 40.0		/* whatever timers are late by */
#define SLACK_TIMES 4		/* so much later than an idle machine a busy one may be */

/* ---- whether a law fits ---- */

struct places {		/* of the waits of one number, or of all */
	struct samples at;
	double blur;
};

/* Kolmogorov-Smirnov at 0.1 % (0.05 % for each number), with room for lateness. */
static bool is_uniform(struct places *p, double most)
{
	double off = 0, n = (double)p->at.n;

	samples_sort(&p->at);
	for (size_t i = 0; i < p->at.n; i++)
		off = fmax(off, fmax((double)(i + 1) / n - p->at.values[i], p->at.values[i] - (double)i / n));
	return p->at.n < PLACES_MIN || off <= most / sqrt(n) + 0.04 + p->blur / n;
}

struct variance {	/* of places, between requests and within them */
	double sum, squares;	/* of the request at hand */
	uint32_t request;
	size_t n, groups, all;
	double within, between, total;
};

static void close_request(struct variance *v)
{
	if (v->n > 1) {
		double mean = v->sum / (double)v->n;

		v->within += v->squares - v->sum * mean;
		v->between += v->sum * mean;
		v->total += v->sum;
		v->groups++;
		v->all += v->n;
	}
	v->sum = v->squares = 0;
	v->n = 0;
}

static void add_place(struct variance *v, uint32_t request, double place)
{
	if (request != v->request)
		close_request(v);
	v->request = request;
	v->sum += place;
	v->squares += place * place;
	v->n++;
}

/* Whether requests differ by more than their waits do: F of the analysis of variance, its logarithm taken as normal, at 0.05 %. */
static bool are_alike(struct variance *v)
{
	double groups, rest, f;

	close_request(v);
	groups = (double)v->groups - 1;
	rest = (double)v->all - (double)v->groups;
	if (v->groups < 6 || v->within <= 0)
		return true;
	f = (v->between - v->total * v->total / (double)v->all) / groups / (v->within / rest);
	return log(fmax(f, 1e-9)) <= 3.3 * sqrt(2 / groups + 2 / rest);
}

static int add_places(const struct fit *f, const struct fit_data *d, struct places *by_k, struct variance *v)
{
	for (size_t i = 0; i < d->n; i++) {
		double blur, place = fit_place(f, d, &d->waits[i], &blur);
		struct places *own = &by_k[d->waits[i].k];

		if (isnan(place))
			continue;
		if (samples_add(&by_k[0].at, place) || samples_add(&own->at, place))
			return -ENOMEM;
		by_k[0].blur += blur;
		own->blur += blur;
		add_place(v, d->waits[i].request, place);
	}
	return 0;
}

int choice_misfit(const struct fit *f, const struct fit_data *d, int *what)
{
	struct places by_k[FIT_DEEPEST + 1] = {0};	/* [0]: all */
	struct variance v = {0};
	int err = add_places(f, d, by_k, &v);

	for (unsigned k = 0; k <= FIT_DEEPEST; k++) {
		if (!err && !is_uniform(&by_k[k], k ? 2.05 : 1.95))
			*what = 1;
		samples_free(&by_k[k].at);
	}
	if (!err && !are_alike(&v))
		*what = 2;
	return err;
}

/* ---- the best ---- */

enum policy_backoff choice_best(const struct fit *fits, double *margin)
{
	enum policy_backoff best = BACKOFF_UNKNOWN;

	for (int i = 0; i < BACKOFF_FAMILIES; i++)
		if (fits[i].known && (!fits[best].known || fits[i].bic < fits[best].bic))
			best = i;
	*margin = INFINITY;
	for (int i = 0; i < BACKOFF_FAMILIES; i++)
		if (fits[i].known && i != (int)best)
			*margin = fmin(*margin, fits[i].bic - fits[best].bic);
	return best;
}

double choice_sure_margin(const struct fit *fits, const struct fit_data *d)
{
	double margin, nameless;
	enum policy_backoff best = choice_best(fits, &margin);

	nameless = fits[BACKOFF_UNKNOWN].known ? fits[BACKOFF_UNKNOWN].bic - fit_rarity(d) - fits[best].bic : INFINITY;
	return best == BACKOFF_UNKNOWN ? 0 : fmin(margin, nameless);
}

/* Whether a family wins by so much, and its law fits. 1, 0, or -ENOMEM. */
static int stands_out(const struct fit *fits, const struct fit_data *d, double by)
{
	double margin;
	enum policy_backoff best = choice_best(fits, &margin);
	int wrong = 0, err = fits[best].known ? choice_misfit(&fits[best], d, &wrong) : 0;

	return err ? err : choice_sure_margin(fits, d) >= by && !wrong;
}

int choice_fit(struct fit fits[BACKOFF_FAMILIES], struct fit_data *d, bool *unsure)
{
	double slack = d->slack_ms, margin;
	int err = fit_all(fits, d), far = err ? err : stands_out(fits, d, MARGIN_FAR), settled = far ? far : stands_out(fits, d, CHOICE_MARGIN_HIGH);

	for (int times = 2; times <= SLACK_TIMES && !far && settled >= 0; times *= 2) {
		struct fit tried[BACKOFF_FAMILIES] = {0};
		struct fit_data busy = *d;
		enum policy_backoff best = choice_best(fits, &margin), other;
		int clear;

		busy.slack_ms = times * slack;
		err = fit_all(tried, &busy);
		clear = err ? err : stands_out(tried, &busy, CHOICE_MARGIN_HIGH);
		if (clear < 0)
			return clear;
		other = choice_best(tried, &margin);
		*unsure = *unsure || (tried[other].bic < fits[best].bic + CHOICE_MARGIN_HIGH && (other != best || !clear));
		if (settled || !clear || tried[other].bic + CHOICE_MARGIN_HIGH > fits[best].bic)
			continue;
		memcpy(fits, tried, sizeof(tried));
		*d = busy;
		*unsure = true;
		settled = 1;
	}
	return settled < 0 ? settled : 0;
}
