/* SPDX-License-Identifier: MIT */
/*
 * What a breaker counts (analyzer/infer/breaker.c) where it is not known which attempts are one request's: on an event loop, and in a program that
 * serves nobody. One breaker: 7 failures in a row, open for 1 s, one half-open call.
 */
#include "tests/unit/judge.h"

#define FAILURES 7
#define OPEN_MS 1000.0
#define ATTEMPTS 3
#define WAIT_MS 20.0
#define CALL_MS 5.0
#define MOST_WORKERS 16
#define SHED_MS 0.2

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

struct world {
	int workers;
	bool around;		/* the breaker is around the retries, not inside them */
	bool patient;		/* an attempt that the breaker turns down is one: the next follows after the wait */
	bool inbound;		/* each request is one that somebody asked for, all on one thread */
	bool own_paths;		/* each has a path of its own */
	double bad[2][2];	/* when the server is */
};

struct worker {
	double at_ms, arrived_ms;	/* its next step; when its request came */
	enum { ARRIVES, CALLS, ENDS } step;
	int attempt, row;	/* row: of the inbound request */
	bool probe;
};

struct breaker {
	int failures;
	double open_until_ms;	/* below 0: closed */
	bool probing;
	unsigned opens;
};

static uint32_t dice = 1;

/* From 15 to 45 ms. */
static double pause_ms(void)
{
	dice = dice * 1103515245 + 12345;
	return 15 + (double)(dice >> 8 & 0xffff) / 0xffff * 30;
}

static bool is_bad(const struct world *w, double t)
{
	return (t >= w->bad[0][0] && t < w->bad[0][1]) || (t >= w->bad[1][0] && t < w->bad[1][1]);
}

static bool lets_in(struct breaker *b, double t, bool *probe)
{
	*probe = b->open_until_ms >= 0;
	if (*probe && (t < b->open_until_ms || b->probing))
		return false;
	b->probing = *probe;
	return true;
}

static void count(struct breaker *b, double t, bool failed, bool probe)
{
	if (b->open_until_ms >= 0 && !probe)
		return;
	b->probing = false;
	b->failures = failed ? b->failures + 1 : 0;
	b->open_until_ms = -1;
	if (failed && (probe || b->failures >= FAILURES)) {
		b->open_until_ms = t + OPEN_MS;
		b->opens++;
	}
}

static void answer(struct runs *r, const struct world *w, struct worker *k, double t, bool failed)
{
	static int requests;
	char path[32];

	snprintf(path, sizeof(path), w->own_paths ? "/in/%d" : "/in", requests++);
	if (w->inbound)
		runs_add(r, (struct runs_exchange){.connection = 2, .role = "server", .path = path, .status = failed ? 503 : 200, .at_ms = k->arrived_ms,
						   .took_ms = t - k->arrived_ms, .fingerprint = 43});
	*k = (struct worker){.at_ms = t + pause_ms(), .step = ARRIVES};
}

static void step(struct runs *r, const struct world *w, struct worker *k, struct breaker *b)
{
	double t = k->at_ms;
	bool failed = is_bad(w, t - CALL_MS);

	if (k->step == ARRIVES)
		k->arrived_ms = t;
	if (k->step != ENDS) {
		if ((k->step == ARRIVES || !w->around) && !lets_in(b, t, &k->probe)) {
			if (w->patient && ++k->attempt < ATTEMPTS) {
				k->step = CALLS;
				k->at_ms = t + WAIT_MS;
				return;
			}
			answer(r, w, k, t + SHED_MS, true);
			return;
		}
		runs_add(r, ATTEMPT(.status = is_bad(w, t) ? 503 : 200, .at_ms = t + 0.1, .took_ms = CALL_MS - 0.1));
		k->attempt++;
		k->step = ENDS;
		k->at_ms = t + CALL_MS;
		return;
	}
	if (!w->around || !failed || k->attempt == ATTEMPTS)
		count(b, t, failed, k->probe);
	if (!failed || k->attempt == ATTEMPTS) {
		answer(r, w, k, t + SHED_MS, failed);
		return;
	}
	k->step = CALLS;
	k->at_ms = t + WAIT_MS;
}

static unsigned write_world(struct runs *r, const struct world *w, double until_ms)
{
	struct worker workers[MOST_WORKERS] = {0};
	struct breaker b = {.open_until_ms = -1};

	dice = 1;
	runs_begin(r, until_ms);
	runs_process(r, 1, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < w->workers; i++)
		workers[i].at_ms = pause_ms();
	for (;;) {
		struct worker *next = workers;

		for (int i = 1; i < w->workers; i++)
			next = workers[i].at_ms < next->at_ms ? &workers[i] : next;
		if (next->at_ms >= until_ms - 100)
			return b.opens;
		step(r, w, next, &b);
	}
}

/* What it counts is told rightly or not at all; and so is how much of it. */
static void what_it_counts(const struct world *w)
{
	struct runs r;
	struct result x;
	unsigned opens = write_world(&r, w, 8000);
	const struct policy_breaker *b;
	const struct policy_retry *p;
	const char *name = w->around ? "around the retries" : w->patient ? "inside patient retries" : "inside the retries";
	const char *right = w->around ? "requests" : "attempts";

	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	p = &judge_edge(&x, "front", "127.0.0.1:81")->retry;
	ok(opens >= 2, "%s, %d at once: it opened %u times", name, w->workers, opens);
	ok(!b->absent, "and nobody says that there is none");
	ok(!b->opens || !b->counts || !strcmp(b->counts, right), "it does not count %s", b->counts ? b->counts : "-");
	ok(!b->opens || b->confidence == CONFIDENCE_LOW || (b->threshold_low <= FAILURES && b->threshold_high >= FAILURES),
	   "%d failures: %.0f to %.0f, confidence %d", FAILURES, b->threshold_low, b->threshold_high, b->confidence);
	ok(!b->opens || b->confidence == CONFIDENCE_LOW || isnan(b->half_open_probes) || b->half_open_probes == 1, "one probe: %.0f", b->half_open_probes);
	if (w->inbound)	/* a loop of its own that pauses as long as it waits could be one without retries */
		ok(!p->max_attempts || p->max_attempts == ATTEMPTS, "a request has %d attempts, not %u", ATTEMPTS, p->max_attempts);
	ok(!(p->base_ms > 2 * WAIT_MS) || p->confidence == CONFIDENCE_LOW, "its pauses are no backoff: %.0f ms", p->base_ms);
	if (w->patient && w->inbound && w->workers <= 4)
		ok(b->opens && b->threshold_low <= FAILURES && b->threshold_high >= FAILURES && b->open_high_ms >= OPEN_MS,
		   "requests that wait beside it are turned down: %u opens of %u, %.0f to %.0f", b->opens, opens, b->threshold_low, b->threshold_high);
	for (size_t i = 0; i < x.finding_count && w->around; i++)
		ok(strcmp(x.findings[i].code, "retries-open-breaker") != 0, "nobody waits for it");
	if (w->workers <= 4 && w->around)
		ok(b->opens && b->threshold_low <= FAILURES && b->threshold_high >= FAILURES, "its number is among those said: %.0f to %.0f (%s)",
		   b->threshold_low, b->threshold_high, b->ruled_out ? b->ruled_out : "");
	judge_end(&r, &x);
}

/* Two outages that no fault explains: between them the server was well, and nothing was shed then. */
static void two_outages(bool own_paths)
{
	struct runs r;
	struct result x;
	const struct policy_breaker *b;

	write_world(&r, &(struct world){.workers = 4, .inbound = true, .own_paths = own_paths, .bad = {{1500, 4000}, {10000, 12500}}}, 15000);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(b->opens >= 4 && b->opens > b->reopens, "a breaker is seen%s", own_paths ? " where each request has a path of its own" : "");
	ok(b->shed > 100 && b->collateral * 4 < b->shed, "most of the %llu that it shed would have failed", (unsigned long long)b->shed);
	for (size_t i = 0; i < x.finding_count; i++)
		ok(strcmp(x.findings[i].code, "breaker-false-open") != 0, "no finding says that it opens by chance");
	judge_end(&r, &x);
}

int main(void)
{
	static const int crowds[] = {1, 4, 16};

	for (int around = 0; around < 2; around++)
		for (int inbound = 0; inbound < 2; inbound++)
			for (size_t i = 0; i < sizeof(crowds) / sizeof(*crowds); i++)
				for (int patient = 0; patient < 2 - around; patient++)
					what_it_counts(&(struct world){.workers = crowds[i], .around = around, .patient = patient, .inbound = inbound,
								       .bad = {{1500, 5000}}});
	two_outages(false);
	two_outages(true);
	return tap_done();
}
