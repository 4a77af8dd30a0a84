/* SPDX-License-Identifier: MIT */
/*
 * What retries, overload and a dead dependency do to those who are served (definitions: policy.h; idempotency.c, hedging.c, shedding.c,
 * fallback.c, bulkhead.c, bulkhead_flood.c). Bounds: a limit that stops 10 % of the requests; hedging beyond 10 % of the requests (hedging at the 95th
 * percentile adds 5 %: Dean, Barroso, The Tail at Scale); goodput at the highest load below half of the best.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "analyzer/judge/rules.h"
#include "analyzer/stats/show.h"

#define HEDGED_MAX 0.1
#define COLLAPSE 0.5
#define FULL_MIN 20	/* requests */
#define FULL_SHARE 0.1	/* of them turned away, or made to wait */
#define OUTAGE_MIN 10	/* requests, all of which failed with their dependency */
#define DEAD_MIN 3	/* calls to it, all of which failed: a breaker lets no more through */
#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))

typedef unsigned long long ull;

static bool twice(const struct rule_subject *s)
{
	return s->edge->idempotency.known && s->edge->idempotency.violations;
}

static bool answers_differ(const struct rule_subject *s)
{
	return s->edge->idempotency.known && !s->edge->idempotency.violations && s->edge->idempotency.mismatched;
}

static void show_keys(const struct policy_idempotency *p, struct finding *f)
{
	finding_shows(f, "keys", (double)p->keys);
	finding_shows(f, "duplicates", (double)p->duplicates);
	f->witness = p->witness;
	finding_fix(f, "Let the server keep each key with its first result in the same transaction as the effect, and answer a key that it"
		       " knows with that result; while the first is in work: 409; for other contents under the same key: 422.");
}

static void tell_twice(const struct rule_subject *s, struct finding *f)
{
	const struct policy_idempotency *p = &s->edge->idempotency;

	finding_says(f, "requests with one idempotency key took effect more than once: %llu of %llu keys, to which %llu attempts came beyond the first",
		     (ull)p->violations, (ull)p->keys, (ull)p->duplicates);
	finding_shows(f, "violations", (double)p->violations);
	show_keys(p, f);
}

static void tell_answers_differ(const struct rule_subject *s, struct finding *f)
{
	const struct policy_idempotency *p = &s->edge->idempotency;

	finding_says(f, "attempts with one idempotency key got different answers: %llu of %llu that came beyond the first of their key",
		     (ull)p->mismatched, (ull)p->duplicates);
	finding_shows(f, "mismatched", (double)p->mismatched);
	show_keys(p, f);
}

static bool hedges_much(const struct rule_subject *s)
{
	return s->edge->hedging.known && s->edge->hedging.share.known && s->edge->hedging.share.value > HEDGED_MAX;
}

static void tell_hedges_much(const struct rule_subject *s, struct finding *f)
{
	const struct policy_hedging *p = &s->edge->hedging;
	char share[64], delay[64], buf[128] = "";

	if (p->delay_ms >= 0)
		snprintf(buf, sizeof(buf), ", %s after the first attempt", show_duration(p->delay_ms, delay));
	finding_says(f, "hedges %s of its requests%s; %llu of %llu second attempts answered first", show_share(&p->share, share), buf, (ull)p->wins,
		     (ull)p->hedged);
	finding_shows(f, "hedged", (double)p->hedged);
	finding_shows(f, "hedged_share", p->share.value);
	finding_shows(f, "wins", (double)p->wins);
	f->witness = s->edge->worst;
	finding_fix(f, "Hedge later, after what 95 to 99 %% of the answers take%s%s, and not at all while the server sheds load.",
		    s->edge->latency.p95 > 0 ? ": here from " : "", s->edge->latency.p95 > 0 ? show_duration(s->edge->latency.p95, delay) : "");
}

static bool collapses(const struct rule_subject *s)
{
	return s->service->shedding.collapse >= 0 && s->service->shedding.collapse < COLLAPSE;
}

static void tell_collapses(const struct rule_subject *s, struct finding *f)
{
	const struct policy_shedding *p = &s->service->shedding;

	finding_says(f, "collapses under overload: at the highest load it serves %.0f %% of what it serves at best%s", p->collapse * 100,
		     p->known ? "" : ", and turns nobody away");
	finding_shows(f, "collapse", p->collapse);
	if (p->known) {
		finding_shows(f, "shed", (double)p->shed);
		finding_shows(f, "shed_share", p->share.known ? p->share.value : NAN);
	}
	f->witness = p->collapse_witness ? p->collapse_witness : p->witness;
	finding_fix(f, "Turn requests away earlier, before work is done for them: a limit on what is in work at once (best throughput x its"
		       " latency), a short queue, 503 with Retry-After beyond it.");
}

/* ---- limits on calls ---- */

static bool is_full(const struct rule_subject *s)
{
	const struct policy_bulkhead *p = &s->edge->bulkhead;

	return p->known && p->asked >= FULL_MIN && (double)p->stopped >= FULL_SHARE * (double)p->asked;
}

static bool doubt_limit(const struct rule_subject *s)
{
	return s->edge->bulkhead.confidence == CONFIDENCE_LOW;
}

/* Slower calls fill a limit that was wide enough: then it does what it is for. */
static bool got_slow(const struct policy_bulkhead *p)
{
	return p->call_ms >= 2 * p->call_before_ms;
}

static void fix_full(const struct policy_bulkhead *p, const char *server, struct finding *f)
{
	if (got_slow(p))
		finding_fix(f, "Leave the limit: it keeps the rest of the service free. Give calls to %s a timeout nearer to what they usually take,"
			       " %s.", server,
			    p->mode == BULKHEAD_QUEUE ? "and let requests wait for a place for a short time only, then answer without it"
						      : "and answer what is turned away without it");
	else
		finding_fix(f, "Widen the limit if %s can take more (throughput x time of a call: %.1f on the average at the limit); else ask less of it,"
			       " or turn requests away where they come in.",
			    server, p->little > 0 ? p->little : p->width);
}

static void tell_full(const struct rule_subject *s, struct finding *f)
{
	const struct policy_bulkhead *p = &s->edge->bulkhead;
	char wait[64], now[64], before[64], waits[96] = "", slow[192] = "";

	if (p->mode == BULKHEAD_QUEUE && p->wait_ms >= 0)
		snprintf(waits, sizeof(waits), ", %s at the median", show_duration(p->wait_ms, wait));
	if (got_slow(p))
		snprintf(slow, sizeof(slow), " while a call took %s instead of %s", show_duration(p->call_ms, now), show_duration(p->call_before_ms, before));
	finding_says(f, "has as many calls in work as it may, %u at once: %llu of %llu requests %s%s%s", p->width, (ull)p->stopped, (ull)p->asked,
		     p->mode == BULKHEAD_QUEUE ? "had to wait" : "were turned away", waits, slow);
	finding_shows(f, "width", p->width);
	finding_shows(f, "asked", (double)p->asked);
	finding_shows(f, "stopped", (double)p->stopped);
	finding_shows(f, "stopped_share", (double)p->stopped / (double)p->asked);
	finding_shows(f, "wait_p50_ms", p->wait_ms);
	finding_shows(f, "call_ms", p->call_ms);
	finding_shows(f, "call_before_ms", p->call_before_ms);
	f->witness = p->witness;
	fix_full(p, s->edge->server, f);
}

static bool floods(const struct rule_subject *s)
{
	return !s->edge->bulkhead.known && s->edge->bulkhead.flood.known;
}

static void tell_floods(const struct rule_subject *s, struct finding *f)
{
	const struct policy_flood *p = &s->edge->bulkhead.flood;
	char now[64], before[64], call[64], failed[64] = "";

	if (p->others_failed)
		snprintf(failed, sizeof(failed), ", %llu failed", (ull)p->others_failed);
	finding_says(f, "lets calls pile up while the server is slow (%s each): %.1f in work on the average instead of %.1f; requests"
			" to other routes of %s took %s at the median instead of %s (%llu of them%s)",
		     show_duration(p->call_ms, call), p->in_work, p->in_work_before, s->edge->client, show_duration(p->others_ms, now),
		     show_duration(p->others_before_ms, before), (ull)p->others, failed);
	finding_shows(f, "in_work", p->in_work);
	finding_shows(f, "in_work_before", p->in_work_before);
	finding_shows(f, "call_ms", p->call_ms);
	finding_shows(f, "call_before_ms", p->call_before_ms);
	finding_shows(f, "others", (double)p->others);
	finding_shows(f, "others_failed", (double)p->others_failed);
	finding_shows(f, "others_ms", p->others_ms);
	finding_shows(f, "others_before_ms", p->others_before_ms);
	f->witness = p->witness;
	finding_fix(f, "Give calls to %s a limit of their own (a bulkhead), below what %s has of workers or connections in all: before, %.1f were in"
		       " work on the average and %u at most. Turn requests away at once beyond it, and shorten their timeout.",
		    s->edge->server, s->edge->client, p->in_work_before, p->most_before);
}

/* ---- no fallback ---- */

/* A call of this service of which every request failed while the fault lasted; NULL: none. */
static const struct result_edge *dead_call(const struct rule_subject *s)
{
	for (size_t i = 0; i < s->r->edge_count; i++) {
		const struct result_edge *e = &s->r->edges[i];
		const struct result_cohort *c = &e->window[TIMELINE_FAULT];

		if (e->client && !strcmp(e->client, s->service->name) && c->linked && c->logical >= DEAD_MIN && !c->succeeded)
			return e;
	}
	return NULL;
}

static bool all_failed(const struct rule_subject *s)
{
	const struct result_load *l = &s->service->window[TIMELINE_FAULT];

	return l->requests >= OUTAGE_MIN && l->failed == l->requests && dead_call(s);
}

static bool no_fallback(const struct rule_subject *s)
{
	const struct policy_fallback *p = &s->service->fallback;

	return !p->degraded && (p->failed >= OUTAGE_MIN || all_failed(s));
}

static void tell_no_fallback(const struct rule_subject *s, struct finding *f)
{
	const struct policy_fallback *p = &s->service->fallback;
	bool seen = p->failed >= OUTAGE_MIN;
	const struct result_edge *dead = !seen ? dead_call(s) : p->failed_for < s->r->edge_count ? &s->r->edges[p->failed_for] : NULL;
	uint64_t failed = seen ? p->failed : s->service->window[TIMELINE_FAULT].failed;

	finding_says(f, "has no fallback%s%s: all %llu requests that it got while that was not to be had failed", dead ? " for " : " for what it"
			" depends on",
		     dead ? dead->server : "", (ull)failed);
	finding_shows(f, "failed", (double)failed);
	finding_shows(f, "degraded", (double)p->degraded);
	f->witness = seen ? p->failed_witness : dead ? dead->worst : 0;
	finding_fix(f, "Answer without it where that is better than an error: the last good value, a default, or a part of the page, marked"
		       " as degraded; else fail at once, without a retry.");
}

static const struct rule rules[] = {
	{"idempotency-violated", SEVERITY_CRITICAL, RULE_EDGE, twice, NULL, tell_twice},
	{"idempotency-violated", SEVERITY_MEDIUM, RULE_EDGE, answers_differ, NULL, tell_answers_differ},
	{"collapses-under-overload", SEVERITY_HIGH, RULE_SERVICE, collapses, NULL, tell_collapses},
	{"no-bulkhead", SEVERITY_HIGH, RULE_EDGE, floods, NULL, tell_floods},
	{"bulkhead-full", SEVERITY_MEDIUM, RULE_EDGE, is_full, doubt_limit, tell_full},
	{"hedging-load", SEVERITY_MEDIUM, RULE_EDGE, hedges_much, NULL, tell_hedges_much},
	{"no-fallback", SEVERITY_MEDIUM, RULE_SERVICE, no_fallback, NULL, tell_no_fallback},
};

const struct rules rules_effects = {rules, COUNT(rules)};
