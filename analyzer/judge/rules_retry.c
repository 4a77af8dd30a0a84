/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with how a client retries (definitions: policy.h, retry.c).
 *
 * Bounds: a herd from a normalised Morisita index of 0.8 on, over 20 retries at least. Over budget: more than 20 % retries (the
 * budget of Finagle, Envoy and failsafe-go; Google's SRE book asks for 10 %) at 10 a second for 3 s; or amplification of at least 10 requests
 * that is surely above 1.2 while the fault lasted. What may be retried: RFC 9110, 9.2.2 and 10.2.3; statuses 408, 425, 429, 500, 502, 503, 504.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "analyzer/judge/rules.h"
#include "analyzer/stats/show.h"

#define HERD 0.8
#define HERD_MIN 20
#define ENDLESS 10	/* attempts of one request that nobody sets as a limit */
#define BUDGET 0.2
#define BUDGET_SECONDS 3
#define COHORT_MIN 10
#define STORM_DEMAND 1.5	/* attempts per call asked for */
#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))

#define RETRY(s) (&(s)->edge->retry)			/* at this server */
#define SEEN(s) result_seen_retry((s)->r, (s)->edge)	/* at whatever server of its destination */

typedef unsigned long long ull;

bool rules_doubt_link(const struct rule_subject *s)
{
	return s->edge->linking && !strcmp(s->edge->linking, "temporal") && s->edge->false_link_rate > RULES_LINK_DOUBT;
}

static bool doubt_backoff(const struct rule_subject *s)
{
	return RETRY(s)->confidence == CONFIDENCE_LOW || rules_doubt_link(s);
}

double rules_base_ms(const struct result_edge *e)
{
	static const double steps[] = {100, 200, 500};

	for (size_t i = 0; i < COUNT(steps); i++)
		if (!(e->latency.p95 > steps[i]))
			return steps[i];
	return 1000;
}

static void fix_backoff(const struct rule_subject *s, struct finding *f, const char *what)
{
	double base = rules_base_ms(s->edge);

	finding_fix(f, "%s: exponential backoff with full jitter, base %.0f ms, doubled, at most %.0f s (a random wait from 0 to %.0f,"
		       " %.0f, %.0f ms ...), and 3 attempts in all; see \"Exponential Backoff And Jitter\" in the AWS Architecture Blog.",
		    what, base, ceil(base * 20 / 1000), base, base * 2, base * 4);
}

/* ---- how long it waits ---- */

static bool at_once(const struct rule_subject *s)
{
	return RETRY(s)->known && RETRY(s)->backoff == BACKOFF_NONE && (RETRY(s)->max_attempts > 2 || RETRY(s)->unbounded);
}

static bool once_at_once(const struct rule_subject *s)
{
	return RETRY(s)->known && RETRY(s)->backoff == BACKOFF_NONE && RETRY(s)->max_attempts == 2 && !RETRY(s)->unbounded;
}

static void tell_at_once(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = RETRY(s);
	double wait = r->gap_count ? r->gaps[0].p50 : NAN;
	char buf[64];

	finding_says(f, "tries a failed request again at once: %u attempts%s%s%s", r->max_attempts, r->unbounded ? " and more" : "",
		     isnan(wait) ? "" : ", with a median wait before the first retry of ", isnan(wait) ? "" : show_duration(wait, buf));
	finding_shows(f, "max_attempts", r->max_attempts);
	finding_shows(f, "wait_p50_ms", wait);
	finding_shows(f, "peak_attempts_per_s", s->edge->peak_attempts_per_s);
	f->witness = s->edge->worst;
	fix_backoff(s, f, "Let the client wait before each retry");
}

static bool herd(const struct rule_subject *s)
{
	const struct metric *m = &SEEN(s)->herding;

	return SEEN(s)->known && m->known && m->n >= HERD_MIN && m->value >= HERD;
}

static void tell_herd(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = SEEN(s);

	finding_says(f, "retries of different requests come at the same moments: herd index %.2f over %llu first retries (1: all at once),"
			" up to %.0f attempts within a second", r->herding.value, (ull)r->herding.n, s->edge->peak_attempts_per_s);
	finding_shows(f, "herd_index", r->herding.value);
	finding_shows(f, "herd_preservation", r->herd_preservation);
	finding_shows(f, "retries", (double)r->herding.n);
	finding_shows(f, "peak_attempts_per_s", s->edge->peak_attempts_per_s);
	f->witness = s->edge->worst;
	fix_backoff(s, f, r->jitter_low.known && r->jitter_low.value < 0.95 ? "Widen the client's jitter to full" : "Give the client's"
		" waits jitter");
}

static bool heedless(const struct rule_subject *s)
{
	return RETRY(s)->known && RETRY(s)->retry_after == RETRY_AFTER_IGNORED && RETRY(s)->retry_after_seen;
}

static void tell_heedless(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = RETRY(s);

	finding_says(f, "comes back before the time that Retry-After asks for: %llu of %llu answers with it were followed by a retry that"
			" had waited",
		     (ull)r->retry_after_kept, (ull)r->retry_after_seen);
	finding_shows(f, "retry_after_seen", (double)r->retry_after_seen);
	finding_shows(f, "retry_after_kept", (double)r->retry_after_kept);
	f->witness = r->retry_after_witness ? r->retry_after_witness : s->edge->worst;
	finding_fix(f, "Let the client wait at least as long as Retry-After says (RFC 9110, 10.2.3), or give up at once where that is past"
		       " its deadline.");
}

/* ---- how much it asks for ---- */

static bool endless(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->unbounded && SEEN(s)->max_attempts >= ENDLESS;
}

static void tell_endless(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = SEEN(s);

	finding_says(f, "gives up no request while it fails: up to %u attempts for one, and no limit seen", r->max_attempts);
	finding_shows(f, "max_attempts", r->max_attempts);
	finding_shows(f, "failed", (double)r->failed_requests);
	f->witness = s->edge->worst;
	finding_fix(f, "Stop after 3 attempts, or when the caller's deadline is over if that is earlier, and keep retries below 20 %% of"
		       " the requests with a retry budget.");
}

/* Attempts per call that was asked for while the fault lasted, what a breaker turned away included; NAN: as per request. */
static double per_demand(const struct rule_subject *s)
{
	const struct result_cohort *c = &s->edge->window[TIMELINE_FAULT];

	return c->amplification_demand.known && c->demand > c->logical ? c->amplification_demand.value : NAN;
}

/* What is let through before a breaker opens is retried too; it is no storm if the server gets less than what was asked for. */
static bool storm(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->storm && !(per_demand(s) < STORM_DEMAND);
}

static void tell_storm(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = SEEN(s);
	char amplified[64] = "", lasting[64] = "", buf[64];

	if (r->storm_amplification > 0)
		snprintf(amplified, sizeof(amplified), ": %.1f attempts per request", r->storm_amplification);
	if (r->storm_seconds > 0)
		snprintf(lasting, sizeof(lasting), " for %s", show_duration(r->storm_seconds * 1000, buf));
	finding_says(f, "drives a retry storm%s%s, of which next to none helps", amplified, lasting);
	finding_shows(f, "amplification", r->storm_amplification);
	finding_shows(f, "seconds", r->storm_seconds);
	finding_shows(f, "peak_attempts_per_s", s->edge->peak_attempts_per_s);
	if (r->yield.known)
		finding_shows(f, "yield", r->yield.value);
	f->witness = s->edge->worst;
	finding_fix(f, "Keep retries below 20 %% of the requests with a retry budget (a token bucket in the client), open a circuit breaker"
		       " while the server is out, and retry at one layer only; backoff alone spreads the load, it does not lower it.");
}

/* Requests while the fault lasted; all of them where nothing divides the run. Whole ones at the first server of a destination; NULL at its others. */
static const struct result_cohort *in_fault(const struct rule_subject *s)
{
	const struct result_cohort *whole = result_seen(s->r, s->edge), *c;

	if (!whole)
		return NULL;
	c = whole == &s->edge->whole ? s->edge->window : s->r->destinations[s->edge->destination].window;
	return c[TIMELINE_FAULT].attempts ? &c[TIMELINE_FAULT] : whole;
}

/* What hedging adds has a rule of its own. */
static bool over_budget(const struct rule_subject *s)
{
	const struct result_cohort *c = in_fault(s);
	const struct metric *m = c ? &c->amplification : NULL;

	return (SEEN(s)->known && SEEN(s)->budget_over_s >= BUDGET_SECONDS) ||
	       (m && !s->edge->hedging.known && m->known && m->n >= COHORT_MIN && m->bounded && m->low > 1 + BUDGET && !(per_demand(s) <= 1 + BUDGET));
}

static void tell_over_budget(const struct rule_subject *s, struct finding *f)
{
	const struct result_cohort *c = in_fault(s);
	const struct metric *m = c ? &c->amplification : NULL;
	bool whole = c == result_seen(s->r, s->edge), several = c && c != &s->edge->whole && c != &s->edge->window[TIMELINE_FAULT];
	bool rated = SEEN(s)->known && SEEN(s)->budget_over_s >= BUDGET_SECONDS;
	const char *place = several ? result_seen_server(s->r, s->edge) : "";
	char buf[64];

	if (rated)
		finding_says(f, "retries take more than 20 %% on top of its requests%s%s for %s (at most %.0f %% within 10 s)", several ? " to " : "", place,
			     show_duration(SEEN(s)->budget_over_s * 1000, buf), SEEN(s)->budget_peak * 100);
	else
		finding_says(f, "makes %.2f attempts per request%s%s%s; a retry budget of 20 %% allows 1.20", m->value,
			     several ? " at " : "", place, whole ? "" : " while the fault lasts");
	if (m && m->known) {
		finding_shows(f, "amplification", m->value);
		finding_shows(f, "requests", (double)m->n);
	}
	if (rated) {
		finding_shows(f, "retries_per_request", SEEN(s)->budget_peak);
		finding_shows(f, "seconds", SEEN(s)->budget_over_s);
	}
	f->witness = s->edge->worst;
	finding_fix(f, "Give the client a retry budget: retries up to 10 to 20 %% of its requests over 10 s, then failures go to the caller"
		       " at once. Each layer that retries multiplies: retry at one.");
}

static bool budgeted(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->budget && SEEN(s)->budget_ratio >= 0;
}

static void tell_budgeted(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = SEEN(s);

	finding_says(f, "keeps a retry budget: while everything fails its retries settle at %.0f %% of its requests", r->budget_ratio * 100);
	finding_shows(f, "retries_per_request", r->budget_ratio);
	finding_fix(f, r->budget_ratio > BUDGET ? "Lower it to 20 %% or less." : "Keep it; 10 to 20 %% is what is recommended.");
}

/* ---- what it repeats ---- */

static bool pointless(const struct rule_subject *s)
{
	return RETRY(s)->known && RETRY(s)->pointless.count;
}

static bool may_help(uint32_t status)
{
	static const uint32_t statuses[] = {0, 408, 425, 429, 500, 502, 503, 504};

	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static void tell_pointless(const struct rule_subject *s, struct finding *f)
{
	const struct policy_retry *r = RETRY(s);
	char list[96] = "";
	size_t n = 0;

	for (size_t i = 0; i < r->reaction_count && n < sizeof(list) - 16; i++)
		if (r->reactions[i].retried && !may_help(r->reactions[i].status))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%u", n ? ", " : "", r->reactions[i].status);
	finding_says(f, "repeats requests that a repetition can not mend: %llu after %s", (ull)r->pointless.count, n ? list : "answers that"
			" are final");
	finding_shows(f, "retries", (double)r->pointless.count);
	f->witness = r->pointless.witness;
	finding_fix(f, "Retry only after 408, 425, 429, 502, 503, 504 and failed connections; hand any other answer to the caller at"
		       " once.");
}

static bool unsafe_unknown(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->unsafe_indeterminate.count;
}

static void fix_unsafe(struct finding *f)
{
	finding_fix(f, "Send an Idempotency-Key with every POST and PATCH, the same for all attempts of one request, and let the server"
		       " answer a key that it knows with the first result; without one, hand the failure to the caller (RFC 9110, 9.2.2).");
}

static void tell_unsafe_unknown(const struct rule_subject *s, struct finding *f)
{
	const struct policy_misuse *u = &SEEN(s)->unsafe_indeterminate;

	finding_says(f, "repeats requests that may have been carried out: %llu POST or PATCH without an idempotency key, after a timeout, a"
			" reset or a cut answer",
		     (ull)u->count);
	finding_shows(f, "retries", (double)u->count);
	f->witness = u->witness;
	fix_unsafe(f);
}

static bool unsafe_failed(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->unsafe_failed.count;
}

static void tell_unsafe_failed(const struct rule_subject *s, struct finding *f)
{
	const struct policy_misuse *u = &SEEN(s)->unsafe_failed;

	finding_says(f, "repeats requests that may have been carried out in part: %llu POST or PATCH without an idempotency key, after a"
			" 5xx", (ull)u->count);
	finding_shows(f, "retries", (double)u->count);
	f->witness = u->witness;
	fix_unsafe(f);
}

static bool new_keys(const struct rule_subject *s)
{
	return SEEN(s)->known && SEEN(s)->new_key.count;
}

static void tell_new_keys(const struct rule_subject *s, struct finding *f)
{
	const struct policy_misuse *u = &SEEN(s)->new_key;

	finding_says(f, "makes a new idempotency key for each attempt, so no server can tell a retry from a new request: %llu retries", (ull)u->count);
	finding_shows(f, "retries", (double)u->count);
	f->witness = u->witness;
	finding_fix(f, "Make the key once for each request, outside the retry loop, and send the same one with every attempt.");
}

static const struct rule rules[] = {
	{"unsafe-retry", SEVERITY_CRITICAL, RULE_EDGE, unsafe_unknown, rules_doubt_link, tell_unsafe_unknown},
	{"unsafe-retry", SEVERITY_HIGH, RULE_EDGE, unsafe_failed, rules_doubt_link, tell_unsafe_failed},
	{"retry-storm", SEVERITY_HIGH, RULE_EDGE, storm, rules_doubt_link, tell_storm},
	{"retry-without-backoff", SEVERITY_HIGH, RULE_EDGE, at_once, doubt_backoff, tell_at_once},
	{"retry-without-backoff", SEVERITY_MEDIUM, RULE_EDGE, once_at_once, doubt_backoff, tell_at_once},
	{"unbounded-retries", SEVERITY_HIGH, RULE_EDGE, endless, rules_doubt_link, tell_endless},
	{"synchronised-retries", SEVERITY_HIGH, RULE_EDGE, herd, rules_doubt_link, tell_herd},
	{"new-key-per-attempt", SEVERITY_HIGH, RULE_EDGE, new_keys, rules_doubt_link, tell_new_keys},
	{"amplification-over-budget", SEVERITY_MEDIUM, RULE_EDGE, over_budget, rules_doubt_link, tell_over_budget},
	{"ignores-retry-after", SEVERITY_MEDIUM, RULE_EDGE, heedless, rules_doubt_link, tell_heedless},
	{"retries-non-retryable", SEVERITY_MEDIUM, RULE_EDGE, pointless, rules_doubt_link, tell_pointless},
	{"retry-budget", SEVERITY_INFO, RULE_EDGE, budgeted, rules_doubt_link, tell_budgeted},
};

const struct rules rules_retry = {rules, COUNT(rules)};
