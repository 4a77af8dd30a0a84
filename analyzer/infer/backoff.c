/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/backoff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/backoff_choice.h"
#include "analyzer/infer/backoff_fit.h"
#include "analyzer/infer/backoff_law.h"
#include "analyzer/infer/backoff_shape.h"
#include "analyzer/read/samples.h"
#include "analyzer/stats/stats.h"

#define SEED 0x6261636b6f666631ull
#define REQUESTS_FITTED 200	/* more do not make a name surer */
#define JITTER_WAITS_MIN 12	/* fewer say nothing of a distribution */
#define MARGIN 6.0		/* of BIC: closer families are both possible */
#define MARGIN_NAME 1.0		/* the best is named, with the others as candidates */
#define REQUESTS_HIGH 30
#define REQUESTS_MEDIUM 10
#define DEPTH_SURE 3		/* waits that tell a law of growth */
#define SHAPE_EVEN 0.06	/* of evenness, per wait: a third of what waits of an even jitter have */
#define SHAPE_WAITS 60	/* of fewer, evenly spread ones may look otherwise by chance */
#define TICK_MS 1.0
#define LATE_SHARE 0.015

struct bench {
	struct policy_retry *p;
	const struct backoff_waits *w;
	double late;
	struct samples *by_k;	/* [k - 1], sorted; owned */
	size_t depth, all;	/* of by_k: waits that enough requests have, all */
	unsigned skipped;	/* waits at the start that are none */
	size_t usable;		/* numbers of waits behind those, of which enough requests have one */
	size_t deep;		/* requests with DEPTH_SURE waits behind those skipped */
	bool lawless;		/* the likeliest law does not fit them */
};

static size_t waits_of(const struct backoff_waits *w, size_t i)
{
	return w->begins[i + 1] - w->begins[i];
}

/* Those that are looked at. */
static size_t deep_in(const struct bench *b, size_t i)
{
	size_t n = waits_of(b->w, i);

	return n < b->depth ? n : b->depth;
}

/* ---- by number ---- */

static int sort_by_number(struct bench *b)
{
	for (size_t i = 0; i < b->w->requests; i++)
		b->depth = waits_of(b->w, i) > b->depth ? waits_of(b->w, i) : b->depth;
	b->all = b->depth;
	b->by_k = calloc(b->depth + 1, sizeof(*b->by_k));
	if (!b->by_k)
		return -ENOMEM;
	for (size_t i = 0; i < b->w->requests; i++)
		for (size_t k = 0; k < waits_of(b->w, i); k++)
			if (samples_add(&b->by_k[k], b->w->ms[b->w->begins[i] + k]))
				return -ENOMEM;
	for (size_t k = 0; k < b->depth; k++)
		samples_sort(&b->by_k[k]);
	return 0;
}

/* What few requests did beyond what the others do is no part of the policy. */
static void leave_rare(struct bench *b)
{
	while (b->depth > 1 && b->by_k[b->depth - 1].n * 10 < b->by_k[0].n)
		b->depth--;
}

static int show_gaps(struct bench *b)
{
	b->p->gaps = calloc(b->depth + 1, sizeof(*b->p->gaps));
	if (!b->p->gaps)
		return -ENOMEM;
	b->p->gap_count = b->depth;
	for (size_t k = 0; k < b->depth; k++) {
		const struct samples *s = &b->by_k[k];

		b->p->gaps[k] = (struct policy_gap){(unsigned)k + 1, samples_percentile(s, 0.05), samples_percentile(s, 0.5),
						    samples_percentile(s, 0.95), NAN, NAN, s->n};
	}
	return 0;
}

static double median(const struct bench *b, size_t k)
{
	return samples_percentile(&b->by_k[k], 0.5);
}

static double at_once_ms(const struct bench *b)
{
	return fmax(BACKOFF_AT_ONCE_MS, 5 * b->late);
}

/* Below this nobody waits on purpose. */
static double nothing_ms(const struct bench *b)
{
	return fmax(5, 3 * b->late);
}

static void decide(struct bench *b, enum policy_backoff family)
{
	b->p->backoff = family;
	if (family == BACKOFF_AMBIGUOUS || b->usable < DEPTH_SURE || b->p->bic_margin < MARGIN)
		b->p->confidence = CONFIDENCE_LOW;
	else if (b->deep >= REQUESTS_HIGH && !(b->p->bic_margin <= CHOICE_MARGIN_HIGH))
		b->p->confidence = CONFIDENCE_HIGH;
	else
		b->p->confidence = b->deep >= REQUESTS_MEDIUM ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

static void add_candidate(struct policy_retry *p, enum policy_backoff family, double multiplier)
{
	if (family == BACKOFF_UNKNOWN)
		return;
	for (unsigned i = 0; i < p->candidate_count; i++)
		if (p->candidates[i].family == family)
			return;
	if (p->candidate_count < POLICY_CANDIDATES)
		p->candidates[p->candidate_count++] = (struct policy_candidate){family, multiplier};
}

static void count_usable(struct bench *b)
{
	b->usable = b->depth > b->skipped ? b->depth - b->skipped : 0;
	b->deep = b->p->chains = 0;
	for (size_t i = 0; i < b->w->requests; i++) {
		b->deep += waits_of(b->w, i) >= b->skipped + DEPTH_SURE;
		b->p->chains += waits_of(b->w, i) > b->skipped;
	}
}

/* What can not be known for certain is not said to be. */
static void doubt(struct bench *b, enum policy_confidence most)
{
	b->p->confidence = b->p->confidence > most ? most : b->p->confidence;
}

/* ---- nothing waited ---- */

struct short_waits {
	double mean_ms;		/* of the medians */
	size_t n, longer;	/* waits; those that are none of this kind */
	bool all;		/* every median is short */
};

static struct short_waits look_short(const struct bench *b)
{
	struct short_waits s = {.all = true};

	for (size_t k = 0; k < b->depth; k++) {
		s.all = s.all && median(b, k) < at_once_ms(b);
		s.mean_ms += median(b, k) * (double)b->by_k[k].n;
		s.n += b->by_k[k].n;
		for (size_t i = b->by_k[k].n; i > 0 && b->by_k[k].values[i - 1] >= at_once_ms(b); i--)
			s.longer++;
	}
	s.mean_ms /= (double)s.n;
	return s;
}

static bool waits_nothing(struct bench *b)
{
	struct short_waits s = look_short(b);
	bool none = s.mean_ms <= nothing_ms(b), many = s.longer > 1 && s.longer * 10 > s.n;

	if (!s.all || (!none && (many || (b->depth > 2 && median(b, b->depth - 1) > 2 * median(b, 0)))))
		return false;		/* short waits that grow, or are spread */
	b->p->mixed = many;
	if (none && !many) {
		decide(b, BACKOFF_NONE);
		if (s.mean_ms > fmax(2, 2 * b->late))
			doubt(b, CONFIDENCE_MEDIUM);	/* a wait of 3 ms, or a slow client */
		return true;
	}
	add_candidate(b->p, BACKOFF_NONE, NAN);
	if (!many)		/* a short wait, or a slow client */
		add_candidate(b->p, BACKOFF_FIXED, NAN);
	decide(b, BACKOFF_AMBIGUOUS);
	return true;
}

/* The first retry at once, all others not: late waits of a small base are not this small beside the next. */
static void find_skipped(struct bench *b)
{
	double first = median(b, 0), next = b->depth > 1 ? median(b, 1) : NAN;

	if (b->depth < 2 || first >= at_once_ms(b) || samples_percentile(&b->by_k[0], 0.8) >= 2 * at_once_ms(b) ||
	    !(first <= nothing_ms(b) || first < 0.2 * next))
		return;
	for (size_t k = 1; k < b->depth; k++)
		if (median(b, k) < at_once_ms(b))
			return;
	b->skipped = 1;
	b->p->skip_first = true;
}

/* ---- without jitter ---- */

/* What waits without jitter seldom differ by. */
static double unusual_ms(double ms)
{
	return fmax(fmax(7, fmin(15, 0.15 * ms)), 0.04 * ms);
}

/*
 * Whether waits of one number agree, but for some that are late: either four in five do (of few, three), or they crowd at the lower end and thin out above it,
 * as the waits of a busy client do. A uniform jitter does neither.
 */
static bool agree(const struct samples *s)
{
	double low = samples_percentile(s, 0.05), m = samples_percentile(s, 0.5), high = samples_percentile(s, 0.95);

	if (samples_percentile(s, s->n < REQUESTS_MEDIUM ? 0.6 : 0.8) - low <= unusual_ms(m))
		return true;
	return s->n >= REQUESTS_MEDIUM && m - low <= fmax(12, 0.1 * m) && m - low <= 0.5 * (high - m);
}

static bool is_late(const struct bench *b, size_t k, double ms)
{
	double low = samples_percentile(&b->by_k[k], 0.1);

	return ms > low + unusual_ms(low);
}

/*
 * Whether it is by chance which waits are late. Where another client has waits of its own they are late together: then requests are late in all
 * their waits more often than the share of late ones makes it likely.
 */
static bool late_by_chance(const struct bench *b)
{
	double late = 0, all = 0, expected = 0, seen = 0;

	for (size_t i = 0; i < b->w->requests; i++)
		for (size_t k = b->skipped; k < deep_in(b, i); k++, all++)
			late += is_late(b, k, b->w->ms[b->w->begins[i] + k]);
	for (size_t i = 0; i < b->w->requests; i++) {
		size_t n = deep_in(b, i), together = 0;

		for (size_t k = b->skipped; k < n; k++)
			together += is_late(b, k, b->w->ms[b->w->begins[i] + k]);
		if (n < b->skipped + 2)
			continue;
		expected += pow(late / all, (double)(n - b->skipped));
		seen += together == n - b->skipped;
	}
	return seen - expected <= 3 * sqrt(expected + 0.5);
}

static bool is_regular(const struct bench *b)
{
	size_t first = b->usable > DEPTH_SURE ? b->skipped + 1 : b->skipped;	/* while a runtime starts, the first wait is late by any time */

	for (size_t k = first; k < b->depth; k++)
		if (!agree(&b->by_k[k]))
			return false;
	return late_by_chance(b);
}

static void show_fan(struct policy_gap *g, double low, double high)
{
	g->fitted_low = low;
	g->fitted_high = high;
}

/*
 * What the first wait is set to, if it has no jitter: timers count in milliseconds, are late by what the run's are (taken off already, as a median), and
 * by more the longer they wait.
 */
static void take_base(struct bench *b, double ms)
{
	b->p->base_ms = ms;
	b->p->base_low_ms = fmax(0, ms - fmax(TICK_MS + b->late, LATE_SHARE * ms));
	b->p->base_high_ms = ms + fmax(TICK_MS, LATE_SHARE * ms);
}

static void take_law(struct bench *b, const struct law_fit *f)
{
	struct policy_retry *p = b->p;

	take_base(b, law_wait(f, 1));
	p->multiplier = f->multiplier;
	p->step_ms = f->step_ms;
	p->cap_ms = f->cap_ms;
	for (size_t k = b->skipped; k < b->depth; k++)
		show_fan(&p->gaps[k], law_wait(f, k - b->skipped + 1), law_wait(f, k - b->skipped + 1));
}

/* Lateness only adds: a wait without jitter lies near the lower end. */
static double timely(const struct bench *b, size_t k)
{
	return fmax(samples_percentile(&b->by_k[k], 0.1) - b->late / 2, 0);
}

#define TIED 0.7	/* of the spread of the last wait: sums that spread less depend on it; with a wait of its own they spread more */

static double spread(struct samples *s)
{
	samples_sort(s);
	return samples_percentile(s, 0.9) - samples_percentile(s, 0.1);
}

/*
 * Whether a last wait that is shorter than the law's ends all requests at the same time after their first failure, and so makes up for what the waits before
 * it were late by: then a deadline cut it, not a cap.
 */
static bool cut_by_deadline(const struct bench *b)
{
	struct samples last = {0}, all = {0};
	bool deadline;

	for (size_t i = 0; i < b->w->requests; i++) {
		double sum = 0;

		for (size_t k = 0; k < deep_in(b, i); k++)
			sum += b->w->ms[b->w->begins[i] + k];
		if (deep_in(b, i) == b->depth) {
			(void)samples_add(&last, b->w->ms[b->w->begins[i] + b->depth - 1]);
			(void)samples_add(&all, sum);
		}
	}
	deadline = last.n >= REQUESTS_MEDIUM && spread(&last) > 2 * TICK_MS && spread(&all) < TIED * spread(&last);
	samples_free(&last);
	samples_free(&all);
	return deadline;
}

/* The laws that the waits follow; true when that is decided: one does, several do, or waits too regular for jitter follow none. */
static bool regular(struct bench *b)
{
	struct law_fit fits[LAWS];
	struct law_point waits[LAW_DEEPEST];
	size_t n = 0;
	unsigned found;

	if (!is_regular(b))
		return false;
	for (size_t k = b->skipped; k < b->depth && n < LAW_DEEPEST; k++)
		waits[n++] = (struct law_point){timely(b, k), b->by_k[k].n};
	found = law_find(fits, waits, n);
	if (!found && b->p->chains < REQUESTS_MEDIUM)
		return false;		/* so few may agree by chance */
	if (found)
		take_law(b, &fits[0]);
	b->p->jitter_low = metric_plain(1, b->p->chains, "regular");
	for (unsigned i = 0; i < found && found > 1; i++)
		add_candidate(b->p, fits[i].family, fits[i].multiplier);
	if (found == 1)
		decide(b, fits[0].family);
	else
		decide(b, BACKOFF_AMBIGUOUS);
	if (found != 1)
		b->p->multiplier = b->p->step_ms = NAN;
	if (n > 3 && waits[n - 2].ms < (1 - LATE_SHARE) * b->p->cap_ms && cut_by_deadline(b))
		b->p->cap_ms = NAN;
	if (b->p->base_ms <= at_once_ms(b))
		doubt(b, CONFIDENCE_MEDIUM);	/* a tick of the clock is as long */
	return true;
}

/* ---- with jitter ---- */

static int gather(const struct bench *b, struct fit_data *d)
{
	size_t stride = (b->w->requests + REQUESTS_FITTED - 1) / REQUESTS_FITTED, room = (REQUESTS_FITTED + 1) * FIT_DEEPEST;
	struct stats_random lot = {SEED};

	*d = (struct fit_data){.waits = malloc(room * sizeof(*d->waits)), .slack_ms = fmax(5, 4 * b->late)};
	if (!d->waits)
		return -ENOMEM;
	for (size_t block = 0; block < b->w->requests; block += stride) {
		size_t i = block + (size_t)(stats_uniform(&lot) * (double)stride);	/* every second one may be all of one client */
		double before = NAN, sum = 0;

		if (i >= b->w->requests)
			break;

		for (size_t k = b->skipped; k < deep_in(b, i) && k - b->skipped < FIT_DEEPEST; k++) {
			double ms = fmax(b->w->ms[b->w->begins[i] + k] - b->late, 0);
			unsigned number = (unsigned)(k - b->skipped) + 1;

			sum += ms;
			d->waits[d->n++] = (struct fit_wait){ms, before, sum, (uint32_t)i, (uint16_t)number};
			d->deepest = number > d->deepest ? number : d->deepest;
			before = ms;
		}
	}
	return 0;
}

/* ---- jitter ---- */

static const struct { double rho; const char *name; } jitters[] = {
	{0, "full"}, {1.0 / 3, "±50 %"}, {0.5, "equal"}, {0.7 / 1.3, "±30 %"}, {0.6, "±25 %"}, {2.0 / 3, "±20 %"}, {0.9 / 1.1, "±10 %"},
	{1 / 1.2, "+20 %"}, {1, "none"},
};

/* Ends of a uniform whose 5th and 95th of a hundred are these. */
static double ratio(double low, double high)
{
	double rest = (high - low) / 0.9 * 0.05;

	return fmin(fmax((low - rest) / (high + rest), 0), 1);
}

/*
 * rho from the quantiles of all waits brought to the scale of the first; its interval from where in the sorted waits the true quantiles
 * may lie. The ends themselves would be drawn apart by late timers, the more the longer the run (analysis of 8.3).
 */
static struct metric jitter(const struct samples *scaled)
{
	struct stats_random random = {SEED};
	double draws[STATS_RESAMPLES];
	struct stats_interval i;
	struct metric m;

	for (int k = 0; k < STATS_RESAMPLES; k++)
		draws[k] = ratio(stats_resample_percentile(&random, scaled, 0.05), stats_resample_percentile(&random, scaled, 0.95));
	i = stats_middle(draws, STATS_RESAMPLES);
	m = metric_plain(ratio(samples_percentile(scaled, 0.05), samples_percentile(scaled, 0.95)), scaled->n, "quantiles");
	m.low = i.low;
	m.high = i.high;
	m.bounded = scaled->n >= JITTER_WAITS_MIN;
	return m;
}

#define CAP_ALIKE 1.1	/* times the middle wait: so long is the longest at most */
#define NAME_ROOM 0.005	/* what the interval does not know: lateness that is not the median's */

static void name_jitter(struct policy_retry *p)
{
	const struct metric *m = &p->jitter_low;
	double low = m->bounded ? m->low : m->value, high = m->bounded ? m->high : m->value;

	for (size_t i = 0; i < sizeof(jitters) / sizeof(jitters[0]); i++) {
		bool none = (jitters[i].rho == 1 && high > 0.97) || (jitters[i].rho == 0 && low < 0.05);	/* lateness lifts the least */

		if (p->jitter_name_count < POLICY_NAMES && (none || (jitters[i].rho >= low - NAME_ROOM && jitters[i].rho <= high + NAME_ROOM)))
			p->jitter_names[p->jitter_name_count++] = jitters[i].name;
	}
}

/*
 * Jitter called ±x % is around the schedule, +x % above it, all other takes from its steps: there the schedule's cap is the longest wait, not the middle
 * one. Jitter without a name may be any; they are alike where it is small.
 */
static void scale_cap(struct policy_retry *p)
{
	double longest = 2 / (1 + p->jitter_low.value);

	if (!p->cap_before_jitter || !p->jitter_low.known || policy_jitter_is(p, "±"))
		return;
	if (policy_jitter_is(p, "+"))
		p->cap_ms *= longest * p->jitter_low.value;
	else
		p->cap_ms *= p->jitter_name_count || longest <= CAP_ALIKE ? longest : NAN;
}

static int measure_jitter(struct bench *b, const struct fit *f)
{
	struct samples scaled = {0};
	int err = 0;

	for (size_t k = b->skipped; k < b->depth && k - b->skipped < FIT_DEEPEST && !err; k++) {
		double shape = f->shape[k - b->skipped + 1];

		if (!isnan(f->cap_ms) && !f->cap_before_jitter && f->high * shape > f->cap_ms)
			break;	/* cut waits have no jitter of their own */
		for (size_t i = 0; i < b->by_k[k].n && !err; i++)
			err = samples_add(&scaled, fmax(b->by_k[k].values[i] - b->late, 0) / shape);
	}
	samples_sort(&scaled);
	if (!err && scaled.n) {
		double even = shape_evenness(&scaled);

		b->p->jitter_low = jitter(&scaled);
		if (even > -SHAPE_MARGIN)
			name_jitter(b->p);
		else
			b->p->jitter_low.method = "quantiles; the waits crowd in the middle, which no jitter with a name makes them do";
		if (even > -SHAPE_MARGIN && even <= fmax(SHAPE_MARGIN, SHAPE_EVEN * (double)scaled.n))
			doubt(b, CONFIDENCE_MEDIUM);
		scale_cap(b->p);
	}
	samples_free(&scaled);
	return err;
}

/* ---- the winner among families with jitter ---- */

static void take_fit(struct bench *b, const struct fit *f)
{
	struct policy_retry *p = b->p;
	bool mult = f->family == BACKOFF_EXPONENTIAL || f->family == BACKOFF_LINEAR || f->family == BACKOFF_FIXED;

	p->base_ms = mult ? (f->low + f->high) / 2 : f->low;
	p->base_low_ms = f->low;
	p->base_high_ms = f->family == BACKOFF_DECORRELATED ? 3 * f->low : f->high + f->added_ms;
	p->multiplier = f->multiplier;
	p->step_ms = f->family == BACKOFF_LINEAR ? p->base_ms * (f->shape[2] - f->shape[1]) : NAN;
	p->cap_ms = f->cap_ms;
	p->cap_before_jitter = f->cap_before_jitter;
	p->added_ms = f->added_ms > 0 ? f->added_ms : NAN;
	for (size_t k = b->skipped; k < b->depth; k++) {
		double low, high;

		fit_range(f, (unsigned)(k - b->skipped) + 1, &low, &high);
		show_fan(&p->gaps[k], low, high);
	}
}

static bool grows(enum policy_backoff f)
{
	return f == BACKOFF_LINEAR || f == BACKOFF_EXPONENTIAL;
}

/* All families that are as likely, best first. */
static void list_candidates(struct policy_retry *p, const struct fit *fits, enum policy_backoff best, double within)
{
	add_candidate(p, best, fits[best].multiplier);
	for (int i = 0; i < BACKOFF_FAMILIES; i++)
		if (fits[i].known && fits[i].bic <= fits[best].bic + within)
			add_candidate(p, i, fits[i].multiplier);
}

/*
 * Two waits: a jittered linear law is an exponential one too, with the multiplier 2. Where the exponential's interval is not near 2, it is
 * the better name for both.
 */
static bool two_waits_undecided(const struct bench *b, const struct fit *f)
{
	return b->usable < DEPTH_SURE && grows(f->family) &&
	       (f->family == BACKOFF_LINEAR || (f->multiplier_low <= 2.2 && f->multiplier_high >= 1.8));
}

#define CUT_ALIKE 0.95	/* of the cap: a wait that near may be the cap */

/* A cap before the jitter that all waits but the first have: they grow once, which every law of growth may do. */
static bool grows_once(const struct fit *f)
{
	return grows(f->family) && f->cap_before_jitter && f->shape[2] >= CUT_ALIKE * f->shape[FIT_DEEPEST];
}

/* How evenly what was added to the law is spread (backoff_shape.h); without memory not at all. */
static double shape_of_added(const struct bench *b, const struct fit *f)
{
	struct samples added = {0};
	double even;

	for (size_t k = b->skipped; k < b->depth && k - b->skipped < FIT_DEEPEST; k++)
		for (size_t i = 0; i < b->by_k[k].n; i++)
			(void)samples_add(&added, b->by_k[k].values[i] - f->low * f->shape[k - b->skipped + 1]);
	samples_sort(&added);
	even = shape_evenness(&added);
	samples_free(&added);
	return even;
}

#define SLOW_TIMES 6	/* what may be nothing but lateness, so often: longer is waited on purpose */
#define SKEWED 0.37	/* of the way from the 5th to the 95th percentile: where evenly spread waits seldom have their middle */

/* Waits from next to nothing on that thin out upwards, rather than being spread evenly: those of a client that waits for nothing, but is slow to go on. */
static bool may_be_slow(const struct bench *b, const struct fit *f)
{
	struct samples all = {0};
	double low, middle, high, even;

	if (f->family != BACKOFF_FIXED || f->low > at_once_ms(b) / 2 || f->high > SLOW_TIMES * at_once_ms(b))
		return false;
	for (size_t k = b->skipped; k < b->depth; k++)
		for (size_t i = 0; i < b->by_k[k].n; i++)
			(void)samples_add(&all, b->by_k[k].values[i]);
	samples_sort(&all);
	low = samples_percentile(&all, 0.05);
	middle = samples_percentile(&all, 0.5);
	high = samples_percentile(&all, 0.95);
	even = shape_evenness(&all);
	samples_free(&all);
	return even < 0 || middle - low < SKEWED * (high - low);
}

/* Which of the two it is can not be told, nor how long the wait would be. */
static void none_or_fixed(struct bench *b)
{
	struct policy_retry *p = b->p;

	add_candidate(p, BACKOFF_NONE, NAN);
	add_candidate(p, BACKOFF_FIXED, NAN);
	p->base_ms = p->base_low_ms = p->base_high_ms = NAN;
	for (size_t k = b->skipped; k < b->depth; k++)
		show_fan(&p->gaps[k], NAN, NAN);
	decide(b, BACKOFF_AMBIGUOUS);
}

static int judge_jittered(struct bench *b, const struct fit *fits, const struct fit_data *d)
{
	enum policy_backoff best = choice_best(fits, &b->p->bic_margin);
	bool few = d->n < JITTER_WAITS_MIN || b->p->chains < 3, once, undecided;
	int wrong = 0, err;

	if (!fits[best].known)
		return 0;
	once = grows_once(&fits[best]);
	undecided = once || two_waits_undecided(b, &fits[best]);
	err = few ? 0 : choice_misfit(&fits[best], d, &wrong);
	if (err)
		return err;
	if (best == BACKOFF_UNKNOWN || (!wrong && !few && fit_free_bic(d) + CHOICE_MARGIN_HIGH < fits[best].bic))
		wrong = 1;
	b->p->mixed = wrong == 2;
	b->lawless = wrong;
	take_fit(b, &fits[best]);
	if (may_be_slow(b, &fits[best])) {
		none_or_fixed(b);
		return 0;
	}
	if (once) {
		add_candidate(b->p, BACKOFF_LINEAR, NAN);
		add_candidate(b->p, BACKOFF_EXPONENTIAL, NAN);
		b->p->multiplier = b->p->step_ms = NAN;
	}
	if (best == BACKOFF_ADDITIVE && b->p->added_ms < BACKOFF_AT_ONCE_MS) {	/* a busy machine is as late */
		add_candidate(b->p, BACKOFF_ADDITIVE, fits[best].multiplier);
		add_candidate(b->p, BACKOFF_EXPONENTIAL, fits[best].multiplier);
		b->p->bic_margin = 0;
	}
	if (best == BACKOFF_ADDITIVE && shape_of_added(b, &fits[best]) < (d->n < SHAPE_WAITS ? -SHAPE_MARGIN : SHAPE_MARGIN)) {	/* around the law, maybe */
		add_candidate(b->p, BACKOFF_ADDITIVE, fits[best].multiplier);
		add_candidate(b->p, BACKOFF_EXPONENTIAL, NAN);
		b->p->bic_margin = 0;
	}
	if (few || wrong || undecided || b->usable < 2 || b->p->bic_margin < MARGIN)
		list_candidates(b->p, fits, best, few ? 2 * CHOICE_MARGIN_HIGH : undecided ? 0 : MARGIN);
	if (few || wrong || undecided || b->usable < 2 || b->p->bic_margin < MARGIN_NAME) {
		if (undecided || b->usable < 2) {
			add_candidate(b->p, BACKOFF_LINEAR, NAN);
			add_candidate(b->p, BACKOFF_EXPONENTIAL, fits[BACKOFF_EXPONENTIAL].multiplier);
		}
		decide(b, BACKOFF_AMBIGUOUS);
	} else {
		decide(b, best);
	}
	if (b->p->base_high_ms <= at_once_ms(b))
		doubt(b, CONFIDENCE_MEDIUM);
	return few || wrong || best == BACKOFF_DECORRELATED || best == BACKOFF_DECORRELATED_V2 || best == BACKOFF_ADDITIVE ?
		       0 : measure_jitter(b, &fits[best]);
}

static int jittered(struct bench *b)
{
	struct fit fits[BACKOFF_FAMILIES] = {0};
	struct fit_data d;
	bool unsure = false;
	int err = gather(b, &d);

	if (!err)
		err = choice_fit(fits, &d, &unsure);
	if (!err)
		err = judge_jittered(b, fits, &d);
	if (!err && (unsure || choice_sure_margin(fits, &d) <= CHOICE_MARGIN_HIGH))
		doubt(b, CONFIDENCE_MEDIUM);
	free(d.waits);
	return err;
}

/* ---- all ---- */

/*
 * What fits no law is not sure to be of one: those that do as it does, in that they grow or do not, are all that can be said. Of a client that drowns each
 * wait is as long as it gets no turn; the likeliest law may then be one of a wide range that does not grow, though the waits do.
 */
static void add_likely(struct bench *b)
{
	struct policy_retry *p = b->p;
	bool grow = b->depth > b->skipped + 1 && median(b, b->depth - 1) > 1.25 * median(b, b->skipped);
	bool steady = p->candidates[0].family == BACKOFF_FIXED || p->candidates[0].family == BACKOFF_NONE;

	if (p->backoff != BACKOFF_AMBIGUOUS || (p->candidate_count && (!b->lawless || steady != grow)))
		return;
	add_candidate(p, grow ? BACKOFF_EXPONENTIAL : BACKOFF_FIXED, NAN);
	if (grow)
		add_candidate(p, BACKOFF_LINEAR, NAN);
}

static int infer(struct bench *b)
{
	int err = sort_by_number(b);

	if (!err)
		err = show_gaps(b);
	if (err || !b->depth)
		return err;
	leave_rare(b);
	count_usable(b);
	if (waits_nothing(b))
		return 0;
	find_skipped(b);
	count_usable(b);
	if (!regular(b))
		err = jittered(b);
	add_likely(b);
	return err;
}

int backoff_infer(struct policy_retry *p, const struct backoff_waits *w, double lateness_ms)
{
	struct bench b = {.p = p, .w = w, .late = fmin(fmax(lateness_ms, 0), 10)};
	int err;

	p->base_ms = p->multiplier = p->cap_ms = p->added_ms = p->step_ms = NAN;
	p->base_low_ms = p->base_high_ms = p->bic_margin = NAN;
	p->jitter_low = metric_unknown("quantiles");
	err = infer(&b);
	for (size_t k = 0; b.by_k && k < b.all; k++)
		samples_free(&b.by_k[k]);
	free(b.by_k);
	return err;
}
