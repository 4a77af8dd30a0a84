/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "analyzer/infer/herding.h"
#include "analyzer/infer/retry.h"
#include "analyzer/infer/storm.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/samples.h"
#include "analyzer/read/spill.h"

#define COHORT_MIN 10
#define COHORT_AMPLIFICATION 2.0
#define COHORT_FAILED 0.9
#define COHORT_WAIT_MS 1000.0

static double since_ms(const struct retries *r, uint64_t at_ns)
{
	return model_ms(r->m->r->model.started_ns, at_ns);
}

/* ---- second by second ---- */

/* First attempts a second in the baseline; NAN: there is none. */
static double base_rate(const struct retries *r)
{
	double seconds = measure_seconds(r->m, TIMELINE_BASELINE);

	return seconds > 1 ? (double)r->window[TIMELINE_BASELINE].logical / seconds : NAN;
}

/* The exchanges that are retries, ascending; *n of them. NULL: no memory. */
static uint32_t *list_retries(const struct retries *r, size_t *n)
{
	uint32_t *list = spill_realloc(NULL, (r->attempt_count + 1) * sizeof(*list));

	*n = 0;
	for (size_t i = 0; list && i < r->count; i++)
		for (uint32_t k = 1; k < r->requests[i].n; k++)
			list[(*n)++] = r->attempts[r->requests[i].begin + k];
	if (list)
		retry_sort(list, *n);
	return list;
}

/* Whether it is the next of an ascending list; then the one behind it is. */
static bool is_next(const uint32_t *list, size_t n, size_t *next, uint32_t value)
{
	bool is = *next < n && list[*next] == value;

	*next += is;
	return is;
}

static size_t list_attempts(const struct retries *r, const uint32_t *retries, size_t retry_count, struct storm_attempt *attempts)
{
	size_t n = 0, next = 0, next_hidden = 0;

	for (size_t i = 0; i < r->all.n; i++) {
		const struct model_exchange *x = &r->m->r->model.exchanges[r->all.members[i]];
		bool retry = is_next(retries, retry_count, &next, r->all.members[i]);

		if (!is_next(r->hidden, r->hidden_count, &next_hidden, r->all.members[i]) && measure_counts(r->m, r->m->link.logicals[x->logical].started_ns))
			attempts[n++] = (struct storm_attempt){since_ms(r, x->started_ns), retry, !model_failed(x)};
	}
	return n;
}

static int measure_seconds_of(struct retries *r, struct storm *s)
{
	size_t retry_count = 0, n;
	uint32_t *retries = list_retries(r, &retry_count);
	struct storm_attempt *attempts = spill_realloc(NULL, (r->all.n + 1) * sizeof(*attempts));

	if (retries && attempts) {
		n = list_attempts(r, retries, retry_count, attempts);
		storm_measure(s, attempts, n, r->median_ms, base_rate(r));
	}
	n = !retries || !attempts;
	spill_free(retries);
	spill_free(attempts);
	return n ? -ENOMEM : 0;
}

/* ---- a fault too short for seconds ---- */

struct cohort {		/* requests of the fault's window */
	double out, retries, failed;	/* attempts that left, or would have; retries; those that failed */
	struct samples waits;
};

static int add_to_cohort(const struct retries *r, const struct retry_request *q, struct cohort *c)
{
	for (uint32_t k = 0; k < q->n; k++) {
		const struct model_exchange *x = retry_attempt(r, q, k);

		c->out += x->outcome != MODEL_NOT_SENT;
		c->retries += k > 0;
		c->failed += k > 0 && model_failed(x);
		if (k && samples_add(&c->waits, retry_wait_ms(r, q, k)))
			return -ENOMEM;
	}
	return 0;
}

static int cohort_storm(struct retries *r)
{
	const struct result_cohort *fault = &r->window[TIMELINE_FAULT];
	struct cohort c = {0};
	double logical = 0, amplification;
	int err = 0;

	for (size_t i = 0; i < r->count && !err; i++) {
		uint64_t at = retry_attempt(r, &r->requests[i], 0)->started_ns;

		if (timeline_at(&r->m->r->timeline, at) != TIMELINE_FAULT)
			continue;
		logical++;
		err = add_to_cohort(r, &r->requests[i], &c);
	}
	logical += (double)fault->succeeded;	/* about: those that a retry saved are in both, which makes a storm less likely */
	c.out += (double)fault->succeeded;
	samples_sort(&c.waits);
	amplification = logical > 0 ? c.out / logical : 0;
	if (!err && logical >= COHORT_MIN && amplification >= COHORT_AMPLIFICATION && c.failed >= COHORT_FAILED * c.retries &&
	    samples_percentile(&c.waits, 0.5) < COHORT_WAIT_MS) {
		r->p->storm = true;
		r->p->storm_amplification = amplification;
	}
	samples_free(&c.waits);
	return err;
}

/* ---- herding ---- */

/* How many of them were there at once, from the first attempt to the first retry: those of a client that asks one thing after another are no crowd. */
static int find_most(const struct herding_request *list, size_t n, size_t *most)
{
	double *ends = spill_realloc(NULL, (n + 1) * sizeof(*ends));
	size_t over = 0;
	int err;

	if (!ends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ends[i] = list[i].retry_ms;
	err = radix_sort_doubles(ends, n);
	for (size_t i = 0; i < n && !err; i++) {
		while (over < n && ends[over] < list[i].first_ms)
			over++;
		*most = i + 1 - over > *most ? i + 1 - over : *most;
	}
	spill_free(ends);
	return err;
}

static int measure_herding(struct retries *r)
{
	struct herding_request *list = spill_realloc(NULL, (r->count + 1) * sizeof(*list));
	double median = r->median_ms;
	struct herding h = {0};
	size_t n = 0, most = 0;
	int err;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < r->count; i++)
		if (r->requests[i].n > 1)
			list[n++] = (struct herding_request){since_ms(r, retry_attempt(r, &r->requests[i], 0)->started_ns),
							     since_ms(r, retry_attempt(r, &r->requests[i], 1)->started_ns),
							     since_ms(r, retry_attempt(r, &r->requests[i], r->requests[i].n - 1)->started_ns)};
	err = find_most(list, n, &most);
	if (most >= HERDING_MIN)
		h = herding_measure(list, n, fmax(HERDING_BIN_MIN_MS, isnan(median) ? 0 : fmin(median, 1e4)));
	spill_free(list);
	r->p->herding = h.known ? metric_plain(h.index, h.n, "morisita") :
				  metric_unknown(n < HERDING_MIN ? "fewer than 20 retried requests" : most < HERDING_MIN ?
						 "fewer than 20 retried requests at once" : "arrivals not synchronised");
	r->p->herding.n = h.n;
	r->p->herd_preservation = h.known ? h.preserved : NAN;
	return err;
}

int retry_rate(struct retries *r)
{
	struct storm s = {0};
	int err = measure_seconds_of(r, &s);

	if (err)
		return err;
	r->p->storm = s.storm;
	r->p->storm_amplification = s.storm ? s.amplification : NAN;
	r->p->storm_seconds = s.storm ? s.seconds : NAN;
	r->p->bursts = s.bursts;
	r->p->burst_peak = s.burst_peak;
	r->p->budget_peak = s.budget_peak;
	r->p->budget_over_s = s.budget_over_s;
	if (!s.storm)
		err = cohort_storm(r);
	return err ? err : measure_herding(r);
}
