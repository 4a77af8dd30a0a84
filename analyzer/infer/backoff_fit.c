/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/backoff_fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/stats/stats.h"

#define STRAY 0.02		/* share of waits that may lie anywhere */
#define SLACK_SHARE 0.01	/* timers are late by more the longer they wait */
#define LIKELY 2.0		/* log likelihood below the best that is in the interval of the multiplier */
#define PILED 0.04		/* share of waits at one value that may be a cap */
#define TABLE 64		/* steps of t per unit */
#define TABLE_SIZE (FIT_DEEPEST * TABLE + 1)

struct scan {		/* one set of waits and room to work in */
	const struct fit_data *d;
	double *low, *high;	/* extreme quotients; owned */
	double *sorted;		/* the waits; owned */
	double mean[FIT_DEEPEST + 1], longest[FIT_DEEPEST + 1];
	size_t count[FIT_DEEPEST + 1];
	double stray;		/* log density of a stray wait */
	double grown[TABLE_SIZE];	/* growth(i / TABLE) */
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double slack(const struct fit_data *d, double ms)
{
	return d->slack_ms + SLACK_SHARE * ms;
}

/* ---- the likelihood of one law ---- */

struct law {
	const double *shape;
	bool additive;
	double pile_ms;		/* waits are cut to this after jitter; INFINITY: not */
};

static double width(const struct law *l, const struct fit *f, unsigned k)
{
	return l->additive ? f->added_ms : (f->high - f->low) * l->shape[k];
}

struct piece {		/* the density of wait k: uniform between from and to, and what is above the cap at the cap */
	double from, to, inside, piled;
};

static struct piece piece_of(const struct scan *s, const struct law *l, const struct fit *f, unsigned k)
{
	double from = f->low * l->shape[k], range = width(l, f, k), top = from + range, room = slack(s->d, fmin(top, l->pile_ms));
	double beyond = top > l->pile_ms ? fmin((top - fmax(l->pile_ms, from)) / fmax(range, 1e-9), 1) : 0;
	struct piece p = {fmin(from, l->pile_ms) * (1 - 1e-9), fmin(top, l->pile_ms) + room + 1e-9, 0, 0};

	p.inside = fmax(log(1 - STRAY) - log(range + room), s->stray);
	p.piled = beyond > 0 ? fmax(log(1 - STRAY) + log(beyond / room), s->stray) : p.inside;
	return p;
}

static double loglik(const struct scan *s, const struct law *l, const struct fit *f)
{
	struct piece pieces[FIT_DEEPEST + 1];
	double sum = 0;

	for (unsigned k = 1; k <= s->d->deepest; k++)
		pieces[k] = piece_of(s, l, f, k);
	for (size_t i = 0; i < s->d->n; i++) {
		const struct fit_wait *w = &s->d->waits[i];
		const struct piece *p = &pieces[w->k];

		sum += w->ms < p->from || w->ms > p->to ? s->stray : w->ms >= l->pile_ms ? p->piled : p->inside;
	}
	return sum;
}

/* ---- the ends of the support that are most likely, given the shape ---- */

struct extremes {	/* the largest of a set, in descending order */
	double *values;
	size_t room, n, seen;
};

static void extremes_add(struct extremes *e, double value)
{
	size_t i = e->n < e->room ? e->n++ : e->n - 1;

	e->seen++;
	if (i == e->room - 1 && e->seen > e->room && value <= e->values[i])
		return;
	for (; i > 0 && e->values[i - 1] < value; i--)
		e->values[i] = e->values[i - 1];
	e->values[i] = value;
}

/* The smallest quotients of waits by the shape, with the sign turned. */
static size_t quotients_low(const struct scan *s, const struct law *l, size_t room)
{
	struct extremes e = {s->low, room, 0, 0};

	for (size_t i = 0; i < s->d->n; i++)
		if (s->d->waits[i].ms < l->pile_ms)
			extremes_add(&e, -s->d->waits[i].ms / l->shape[s->d->waits[i].k]);
	return e.seen;
}

static void quotients_high(const struct scan *s, const struct law *l, double base, size_t room)
{
	struct extremes e = {s->high, room, 0, 0};

	for (size_t i = 0; i < s->d->n; i++) {
		const struct fit_wait *w = &s->d->waits[i];
		double timely = w->ms - slack(s->d, w->ms) / (1 + SLACK_SHARE);

		if (w->ms < l->pile_ms)
			extremes_add(&e, l->additive ? timely - base * l->shape[w->k] : timely / l->shape[w->k]);
	}
}

/* Added waits that are nothing beside the lateness, or all that there is, are no jitter of this kind. */
static bool adds(const struct scan *s, const struct fit *f)
{
	return f->added_ms >= 2 * s->d->slack_ms && f->low >= 0.2 * f->added_ms;
}

/* The ends touch the data but for a few stray waits: how many, is tried. */
static void support(const struct scan *s, const struct law *l, struct fit *best)
{
	size_t strays[] = {0, 1, 3, s->d->n / 50}, room = (strays[3] > 3 ? strays[3] : 3) + 1, n = quotients_low(s, l, room);
	struct fit f = *best;

	best->loglik = -INFINITY;
	if (n < 2)
		return;
	for (int i = 0; i < 4; i += i ? 2 : 1) {	/* below: none, one, 2 % */
		if (strays[i] * 10 > n || (i == 3 && strays[i] <= 1))
			continue;
		f.low = -s->low[strays[i]];
		quotients_high(s, l, f.low, room);
		for (int j = 0; j < 4; j++) {
			double top;

			if (strays[j] * 10 > n || (j == 3 && strays[j] <= 3))
				continue;
			top = s->high[strays[j]];
			f.added_ms = l->additive ? fmax(top, 0) : 0;
			f.high = l->additive ? f.low : fmax(top, f.low);
			f.loglik = l->additive && !adds(s, &f) ? -INFINITY : loglik(s, l, &f);
			if (f.loglik > best->loglik)
				*best = f;
		}
	}
}

/*
 * The ends of a uniform are known to 1/n rather than 1/sqrt(n), so that integrating them out costs log n of likelihood each: twice what BIC
 * takes for a parameter. Parts of a parameter stand for how common a law is.
 */
static double bic(const struct fit_data *d, double log_likelihood, double parameters)
{
	return 2 * parameters * log((double)d->n) - 2 * log_likelihood;
}

static void keep(struct fit *best, const struct fit *f)
{
	if (isfinite(f->loglik) && (!best->known || f->bic < best->bic)) {
		*best = *f;
		best->known = true;
	}
}

static void keep_known(struct fit *best, const struct fit *f)
{
	if (f->known)
		keep(best, f);
}

/* ---- caps ---- */

/* The plateau that begins at wait j, where waits before it follow the shape: how high it is beside the shape's first, by the means. */
static double plateau_of_means(const struct scan *s, const double *shape, unsigned j)
{
	double growing = 0, flat = 0;
	size_t before = 0, behind = 0;

	for (unsigned k = 1; k < j; k++) {
		growing += (double)s->count[k] * s->mean[k] / shape[k];
		before += s->count[k];
	}
	for (unsigned k = j; k <= s->d->deepest; k++) {
		flat += (double)s->count[k] * s->mean[k];
		behind += s->count[k];
	}
	return before && behind && growing > 0 ? flat / (double)behind / (growing / (double)before) : NAN;
}

/* The same by the longest waits: of a wide jitter they tell more than the means, of a late wait nothing. */
static double plateau_of_longest(const struct scan *s, const double *shape, unsigned j)
{
	double growing = 0, flat = 0;

	for (unsigned k = 1; k < j; k++)
		growing = fmax(growing, s->longest[k] / shape[k]);
	for (unsigned k = j; k <= s->d->deepest; k++)
		flat = fmax(flat, s->longest[k]);
	return growing > 0 ? flat / growing : NAN;
}

static void try_law(const struct scan *s, const struct law *l, struct fit f, double parameters, struct fit *best)
{
	memcpy(f.shape, l->shape, sizeof(f.shape));
	support(s, l, &f);
	f.bic = bic(s->d, f.loglik, parameters);
	keep(best, &f);
}

static void try_plateau(const struct scan *s, const double *shape, unsigned j, double height, struct fit f, double parameters, struct fit *best)
{
	double capped[FIT_DEEPEST + 1];

	if (!(height > shape[j - 2] * 1.02 && height < shape[j] * 0.98))
		return;
	for (unsigned k = 0; k <= FIT_DEEPEST; k++)
		capped[k] = fmin(shape[k], height);
	f.cap_before_jitter = true;
	f.cap_ms = height;	/* of the first wait: finish() makes it ms */
	try_law(s, &(struct law){capped, false, INFINITY}, f, parameters + 1.5, best);
}

static void try_plateaus(const struct scan *s, const double *shape, const struct fit *f, double parameters, struct fit *best)
{
	for (unsigned j = 3; j <= s->d->deepest; j++) {	/* two waits that grow */
		try_plateau(s, shape, j, plateau_of_means(s, shape, j), *f, parameters, best);
		try_plateau(s, shape, j, plateau_of_longest(s, shape, j), *f, parameters, best);
	}
}

/* The value at which most waits lie within the lateness, none but strays above it; NAN: it is none. */
static double pile(const struct scan *s)
{
	size_t n = s->d->n, most = 0, end = 0;
	double at = NAN;

	for (size_t i = 0; i < n; i++) {
		while (end < n && s->sorted[end] <= s->sorted[i] + slack(s->d, s->sorted[i]))
			end++;
		if (end - i > most && n - end <= n / 50) {
			most = end - i;
			at = s->sorted[i];
		}
	}
	return most >= 3 && (double)most >= PILED * (double)n ? at : NAN;
}

/* A shape without cap, with one before the jitter and with one after it. */
static void try_shape(const struct scan *s, const double *shape, const struct fit *f, double parameters, double pile_ms,
		      struct fit *best)
{
	try_law(s, &(struct law){shape, false, INFINITY}, *f, parameters, best);
	try_plateaus(s, shape, f, parameters, best);
	if (!isnan(pile_ms) && s->d->deepest > 1) {
		struct fit with = *f;

		with.cap_ms = pile_ms;
		try_law(s, &(struct law){shape, false, pile_ms}, with, parameters + 1.5, best);
	}
}

/* ---- the families ---- */

static void powers(double *shape, double r)
{
	shape[0] = 1;
	for (unsigned k = 1; k <= FIT_DEEPEST; k++)
		shape[k] = k == 1 ? 1 : shape[k - 1] * r;
}

static void multiples(double *shape)
{
	for (unsigned k = 0; k <= FIT_DEEPEST; k++)
		shape[k] = k ? k : 1;
}

static const double nice[] = {1.5, 1.6, 2, 3, 1.2, 1.25, 1.3, 1.8, 2.5, 4, 5};	/* usual ones first */
#define USUAL 4
#define NICE (sizeof(nice) / sizeof(nice[0]))
#define CONFIGURED 0.5	/* parameters that a multiplier is worth which people configure: one of few, not any */
#define SELDOM 1.25		/* that one is worth which few do: with full jitter 1.8 and 2 differ little */
#define UNCOMMON 1.0	/* linear backoff with jitter: few clients have it */
#define RARE 0.75	/* a jitter that is added to anything but doubling waits */
#define GRID 60
#define FINE 10

/* parameters: of the multiplier itself. */
static void at_multiplier(const struct scan *s, double r, double parameters, bool additive, double pile_ms, struct fit *best)
{
	double shape[FIT_DEEPEST + 1];
	struct fit f = {.family = additive ? BACKOFF_ADDITIVE : BACKOFF_EXPONENTIAL, .multiplier = r, .cap_ms = NAN};

	powers(shape, r);
	if (!additive) {
		try_shape(s, shape, &f, 2 + parameters, pile_ms, best);
		return;
	}
	parameters += r == 2 ? 2 : 2 + RARE;
	try_law(s, &(struct law){shape, true, INFINITY}, f, parameters, best);
	if (!isnan(pile_ms)) {
		f.cap_ms = pile_ms;
		try_law(s, &(struct law){shape, true, pile_ms}, f, parameters + 1.5, best);
	}
}

/* The multiplier by a scan, in which those that people configure need less evidence. */
static void scan_multiplier(const struct scan *s, bool additive, double pile_ms, struct fit *best)
{
	struct fit tried[NICE + GRID + 2 * FINE + 1] = {0};
	struct fit top = {0};
	double low = INFINITY, high = 0, likeliest = -INFINITY;
	size_t n = 0;

	for (size_t i = 0; i < NICE; i++)
		at_multiplier(s, nice[i], i < USUAL ? CONFIGURED : SELDOM, additive, pile_ms, &tried[n++]);
	for (int i = 0; i < GRID; i++)
		at_multiplier(s, 1.15 * pow(1.026, i), 2, additive, pile_ms, &tried[n++]);
	for (size_t i = 0; i < n; i++)
		keep_known(&top, &tried[i]);
	for (int i = -FINE; top.known && i <= FINE; i++)
		at_multiplier(s, top.multiplier * (1 + 0.0025 * i), 2, additive, pile_ms, &tried[n++]);
	for (size_t i = 0; i < n; i++)
		keep_known(&top, &tried[i]);
	for (size_t i = 0; i < n; i++)
		likeliest = tried[i].known ? fmax(likeliest, tried[i].loglik) : likeliest;
	for (size_t i = 0; i < n; i++) {
		if (!tried[i].known || tried[i].loglik < likeliest - LIKELY)
			continue;
		low = fmin(low, tried[i].multiplier);
		high = fmax(high, tried[i].multiplier);
	}
	top.multiplier_low = low;
	top.multiplier_high = high;
	keep_known(best, &top);
}

double fit_rarity(const struct fit_data *d)
{
	return 2 * UNCOMMON * log((double)(d->n ? d->n : 1));
}

/* Growth that has no name here, so that what follows it is not given another's: Fibonacci's, Envoy's, squares. */
static void nameless(const struct scan *s, double pile_ms, struct fit *best)
{
	struct fit f = {.family = BACKOFF_UNKNOWN, .multiplier = NAN, .multiplier_low = NAN, .multiplier_high = NAN, .cap_ms = NAN};
	double fibonacci[FIT_DEEPEST + 1], envoy[FIT_DEEPEST + 1], squares[FIT_DEEPEST + 1];

	for (unsigned k = 0; k <= FIT_DEEPEST; k++) {
		fibonacci[k] = k < 3 ? 1 : fibonacci[k - 1] + fibonacci[k - 2];
		envoy[k] = k ? exp2(k) - 1 : 1;
		squares[k] = k ? k * k : 1;
	}
	try_shape(s, fibonacci, &f, 2 + UNCOMMON, pile_ms, best);
	try_shape(s, envoy, &f, 2 + UNCOMMON, pile_ms, best);
	try_shape(s, squares, &f, 2 + UNCOMMON, pile_ms, best);
}

/* Linear that does not begin with its step. */
static void offset_linear(const struct scan *s, double pile_ms, struct fit *best)
{
	static const double steps[] = {0.1, 0.2, 0.25, 0.5};
	struct fit f = {.family = BACKOFF_LINEAR, .multiplier = NAN, .multiplier_low = NAN, .multiplier_high = NAN, .cap_ms = NAN};
	double shape[FIT_DEEPEST + 1];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (unsigned k = 0; k <= FIT_DEEPEST; k++)
			shape[k] = k ? 1 + steps[i] * (k - 1) : 1;
		try_shape(s, shape, &f, 3 + UNCOMMON, pile_ms, best);
	}
}

static void fixed_and_linear(const struct scan *s, double pile_ms, struct fit *fits)
{
	struct fit f = {.family = BACKOFF_FIXED, .multiplier = NAN, .multiplier_low = NAN, .multiplier_high = NAN, .cap_ms = NAN};
	double shape[FIT_DEEPEST + 1];

	powers(shape, 1);
	try_law(s, &(struct law){shape, false, INFINITY}, f, 2, &fits[BACKOFF_FIXED]);
	multiples(shape);
	f.family = BACKOFF_LINEAR;
	try_shape(s, shape, &f, 2 + UNCOMMON, pile_ms, &fits[BACKOFF_LINEAR]);
	f.family = BACKOFF_ADDITIVE;
	try_law(s, &(struct law){shape, true, INFINITY}, f, 2 + CONFIGURED + RARE, &fits[BACKOFF_ADDITIVE]);
}

static double decorrelated_top(const struct fit_wait *w, double base)
{
	return 3 * fmax(isnan(w->before) ? base : w->before, base);
}

static double decorrelated_loglik(const struct scan *s, double base, double cap_ms)
{
	double sum = 0;

	for (size_t i = 0; i < s->d->n; i++) {
		const struct fit_wait *w = &s->d->waits[i];
		double top = decorrelated_top(w, base), end = fmin(top, cap_ms), room = slack(s->d, end), log_density = s->stray;

		if (w->ms >= base && w->ms <= end + room)
			log_density = log(1 - STRAY) + (top > cap_ms && w->ms >= cap_ms ? log((top - cap_ms) / (top - base) / room) :
							-log(top - base + room));
		sum += fmax(log_density, s->stray);
	}
	return sum;
}

static void decorrelated(const struct scan *s, double pile_ms, struct fit *best)
{
	for (int strays = 0; strays < 2; strays++)
		for (int capped = 0; capped < 1 + !isnan(pile_ms); capped++) {
			double base = s->sorted[(size_t)strays < s->d->n ? strays : 0];
			struct fit f = {.family = BACKOFF_DECORRELATED, .multiplier = NAN, .multiplier_low = NAN, .multiplier_high = NAN,
					.low = base, .high = base, .cap_ms = capped ? pile_ms : NAN};

			f.loglik = decorrelated_loglik(s, base, capped ? pile_ms : INFINITY);
			f.bic = bic(s->d, f.loglik, 1 + capped);
			keep(best, &f);
		}
}

static double growth(double t)
{
	return exp2(t) * tanh(sqrt(4 * t));
}

/* t from k - 1 to k at which growth(t) is y, which it is there, and the slope. */
static double ungrow(const double *grown, unsigned k, double y, double *slope)
{
	size_t low = (k - 1) * TABLE, high = k * TABLE;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		*(grown[middle] <= y ? &low : &high) = middle;
	}
	*slope = (grown[high] - grown[low]) * TABLE;
	return ((double)low + (y - grown[low]) / (grown[high] - grown[low])) / TABLE;
}

/*
 * Up to the first wait that is cut, sums tell t; what follows it only tells how much it is short of the cap: waits behind a cut one are
 * mostly cut too.
 */
static double version2_loglik(const struct scan *s, double scale, double cap_ms)
{
	double sum = 0;
	bool cut = false;

	for (size_t i = 0; i < s->d->n; i++) {
		const struct fit_wait *w = &s->d->waits[i];
		double room = slack(s->d, w->sum), slope = 1, log_density = s->stray, t;
		double from = scale * s->grown[(w->k - 1) * TABLE], to = scale * s->grown[w->k * TABLE];

		cut = cut && w->k > 1;
		t = ungrow(s->grown, w->k, fmin(fmax(w->sum, from), to) / scale, &slope);
		if (w->ms > cap_ms + slack(s->d, cap_ms))
			log_density = s->stray;
		else if (cut)
			log_density = w->ms >= cap_ms ? log(0.8) - log(slack(s->d, cap_ms)) : log(0.2) - log(cap_ms);
		else if (w->ms >= cap_ms && w->sum < to)
			log_density = log(fmax(w->k - t, STRAY)) - log(slack(s->d, cap_ms));
		else if (w->sum >= from - room / 4 && w->sum <= to + room)
			log_density = log(1 - STRAY) - log(scale * slope + room);
		cut = cut || w->ms >= cap_ms;
		sum += fmax(log_density, s->stray);
	}
	return sum;
}

static void at_median(const struct scan *s, double median, double cap_ms, struct fit *best)
{
	struct fit f = {.family = BACKOFF_DECORRELATED_V2, .multiplier = NAN, .multiplier_low = NAN, .multiplier_high = NAN,
			.low = median, .high = median, .cap_ms = cap_ms};

	f.loglik = version2_loglik(s, median / 1.4, isnan(cap_ms) ? INFINITY : cap_ms);
	f.bic = bic(s->d, f.loglik, isnan(cap_ms) ? 1.25 : 2.25);	/* one library has it, in two languages */
	keep(best, &f);
}

static void version2(struct scan *s, double pile_ms, struct fit *best)
{
	double middle = s->mean[1] > 0 ? s->mean[1] : 1;

	for (int i = 0; i < TABLE_SIZE; i++)
		s->grown[i] = growth((double)i / TABLE);
	for (int capped = 0; capped < 1 + !isnan(pile_ms); capped++) {
		struct fit top = {0};
		double cap_ms = capped ? pile_ms : NAN, median;

		for (int i = -60; i <= 60; i++)
			at_median(s, middle * pow(1.012, i), cap_ms, &top);
		median = top.low;
		for (int i = -12; i <= 12 && top.known; i++)
			at_median(s, median * (1 + 0.001 * i), cap_ms, &top);
		keep_known(best, &top);
	}
}

/* ---- all of them ---- */

static int scan_init(struct scan *s, const struct fit_data *d)
{
	double most = 0;

	*s = (struct scan){.d = d, .low = calloc(d->n + 1, sizeof(double)), .high = calloc(d->n + 1, sizeof(double)),
			   .sorted = calloc(d->n + 1, sizeof(double))};
	if (!s->low || !s->high || !s->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++) {
		unsigned k = d->waits[i].k;

		s->sorted[i] = d->waits[i].ms;
		s->mean[k] += (d->waits[i].ms - s->mean[k]) / (double)++s->count[k];
		s->longest[k] = fmax(s->longest[k], d->waits[i].ms);
		most = fmax(most, d->waits[i].ms);
	}
	qsort(s->sorted, d->n, sizeof(*s->sorted), ascending);
	s->stray = log(STRAY) - log(most + d->slack_ms);
	return 0;
}

static void finish(struct fit *f)
{
	if (f->known && f->cap_before_jitter)
		f->cap_ms *= (f->low + f->high) / 2;
}

int fit_all(struct fit fits[BACKOFF_FAMILIES], const struct fit_data *d)
{
	struct scan s;
	int err = scan_init(&s, d);
	double pile_ms = err || !d->n ? NAN : pile(&s);

	if (!err && d->n) {
		fixed_and_linear(&s, pile_ms, fits);
		offset_linear(&s, pile_ms, &fits[BACKOFF_LINEAR]);
		nameless(&s, pile_ms, &fits[BACKOFF_UNKNOWN]);
		scan_multiplier(&s, false, pile_ms, &fits[BACKOFF_EXPONENTIAL]);
		scan_multiplier(&s, true, pile_ms, &fits[BACKOFF_ADDITIVE]);
		decorrelated(&s, pile_ms, &fits[BACKOFF_DECORRELATED]);
		version2(&s, pile_ms, &fits[BACKOFF_DECORRELATED_V2]);
		for (int i = 0; i < BACKOFF_FAMILIES; i++)
			finish(&fits[i]);
	}
	free(s.low);
	free(s.high);
	free(s.sorted);
	return err;
}

double fit_free_bic(const struct fit_data *d)
{
	double low[FIT_DEEPEST + 1], high[FIT_DEEPEST + 1] = {0}, sum = 0;
	unsigned parameters = 0;

	for (unsigned k = 0; k <= FIT_DEEPEST; k++)
		low[k] = INFINITY;
	for (size_t i = 0; i < d->n; i++) {
		const struct fit_wait *w = &d->waits[i];

		parameters += 2 * !high[w->k];
		low[w->k] = fmin(low[w->k], w->ms);
		high[w->k] = fmax(high[w->k], fmax(w->ms, 1e-9));
	}
	for (size_t i = 0; i < d->n; i++) {
		unsigned k = d->waits[i].k;

		sum += log(1 - STRAY) - log(high[k] - low[k] + slack(d, high[k]));
	}
	return bic(d, sum, parameters);
}

/* A wait that was cut may have been anywhere above the cap: a place there by lot, which is uniform as a true one's would be. */
static double place_by_lot(double from, const struct fit_wait *w)
{
	struct stats_random lot = {((uint64_t)w->request << 8) + w->k};

	return from + (1 - from) * stats_uniform(&lot);
}

static double version2_place(const struct fit *f, const struct fit_data *d, const struct fit_wait *w)
{
	double scale = f->low / 1.4, t = w->k - 1, step = 0.5;

	if (scale * (growth(w->k) - growth(w->k - 1)) < 3 * slack(d, w->sum) || (!isnan(f->cap_ms) && w->sum > f->cap_ms))
		return NAN;	/* behind a cut one, sums say nothing */
	for (int i = 0; i < 24; i++, step /= 2)
		t += scale * growth(t + step) <= w->sum ? step : 0;
	return t - (w->k - 1);
}

double fit_place(const struct fit *f, const struct fit_data *d, const struct fit_wait *w, double *blur)
{
	double from = f->low, to = decorrelated_top(w, f->low), cut = isnan(f->cap_ms) || f->cap_before_jitter ? INFINITY : f->cap_ms;

	*blur = 0;
	if (f->family == BACKOFF_DECORRELATED_V2)
		return version2_place(f, d, w);
	if (f->family != BACKOFF_DECORRELATED) {
		from = f->low * f->shape[w->k];
		to = f->added_ms > 0 ? from + f->added_ms : f->high * f->shape[w->k];
	}
	if (to - from < 3 * slack(d, to))
		return NAN;
	*blur = slack(d, to) / (to - from);
	if (w->ms >= cut && to > cut)
		return place_by_lot(fmax((cut - from) / (to - from), 0), w);
	return fmin(fmax((w->ms - from) / (to - from), 0), 1);
}

void fit_range(const struct fit *f, unsigned k, double *low, double *high)
{
	*low = *high = NAN;
	if (f->family == BACKOFF_DECORRELATED) {
		*low = f->low;
		*high = k <= 40 ? f->low * pow(3, k) : NAN;
	} else if (f->family != BACKOFF_DECORRELATED_V2 && k && k <= FIT_DEEPEST) {
		*low = f->low * f->shape[k];
		*high = f->added_ms > 0 ? *low + f->added_ms : f->high * f->shape[k];
	}
	if (!isnan(f->cap_ms) && !f->cap_before_jitter) {
		*low = fmin(*low, f->cap_ms);
		*high = fmin(*high, f->cap_ms);
	}
}
