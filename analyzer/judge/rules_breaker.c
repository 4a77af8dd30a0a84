/* SPDX-License-Identifier: MIT */
/*
 * What a circuit breaker, or none, does to a client and its recovery (definitions: policy.h, breaker.c). Bounds: an outage of at
 * least 20 failed attempts in a row, severe from 100 on, those not counted that the server's own breaker turned away (neither time nor work is lost
 * with them); a second of calls shed after the fault had cleared by one that stays open for more than 2 s, severe from 10 s on; a false open every
 * 10,000 calls, or 20 calls turned away that would have been answered, the greater part (analysis of E[calls] = (1 - p^c) / ((1 - p) p^c)).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "analyzer/judge/rules.h"
#include "analyzer/stats/show.h"

#define OUTAGE_MIN 20
#define OUTAGE_HIGH 100
#define TAX_MS 1000
#define TAX_HIGH_MS 10000
#define FALSE_EVERY 10000
#define CHANCE_MIN 20	/* calls turned away that would have been answered */
#define WAITED_MIN 20	/* requests that waited for an open breaker: 100 ms or longer, most of those turned away, about as its retries do */
#define WAITED_MS 100
#define SHORT_OPEN_MS 2100	/* what is recommended, and the inexactness of what is seen of it */
#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))

#define BREAKER(s) result_seen_breaker((s)->r, (s)->edge)

typedef unsigned long long ull;

static bool doubt(const struct rule_subject *s)
{
	return BREAKER(s)->confidence == CONFIDENCE_LOW || BREAKER(s)->alike;
}

static bool opens(const struct rule_subject *s)
{
	return BREAKER(s)->known && !BREAKER(s)->absent && !BREAKER(s)->ejects;
}

/* " after 5 failures", " after 5 to 8 failures", "" when it is not known. */
static const char *threshold(const struct policy_breaker *b, char *buf, size_t size)
{
	buf[0] = 0;
	if (b->threshold_low >= 1 && b->threshold_high > b->threshold_low)
		snprintf(buf, size, " after %.0f to %.0f failures", b->threshold_low, b->threshold_high);
	else if (b->threshold_low >= 1)
		snprintf(buf, size, " after %.0f failure%s", b->threshold_low, b->threshold_low > 1 ? "s" : "");
	return buf;
}

/* ---- none ---- */

/* A server that answers 429 is not out: it says how often it may be asked. */
static bool is_limited(const struct result_edge *e)
{
	uint64_t limited = 0, failed = e->whole.attempts - e->attempts_ok;

	for (size_t i = 0; i < e->statuses.used; i++)
		if (e->statuses.cells[i].value == 429)
			limited = e->statuses.cells[i].count;
	return limited * 2 > failed;
}

/* How many calls a service's own breaker turned away, the one that did most of it. */
static double shed_by(const struct result *r, const char *service)
{
	double shed = 0;

	for (size_t i = 0; i < r->edge_count; i++) {
		const struct policy_breaker *b = result_breaker_of(r, &r->edges[i]);

		if (b->known && !b->absent && b->confidence > CONFIDENCE_LOW && !strcmp(r->edges[i].client, service))
			shed = fmax(shed, (double)b->shed);
	}
	return shed;
}

/* This edge's part of what its server turned away: refusals that cost neither side more than the asking. */
static double refused(const struct rule_subject *s)
{
	for (size_t i = 0; i < s->r->service_count; i++) {
		const struct result_service *to = &s->r->services[i];

		if (!strcmp(to->name, s->edge->server) && to->whole.requests)
			return shed_by(s->r, to->name) * fmin(1, (double)s->edge->whole.attempts / (double)to->whole.requests);
	}
	return 0;
}

/* What a breaker would have saved of an outage: failed attempts in a row that were no mere refusals. */
static double in_vain(const struct rule_subject *s)
{
	const struct policy_breaker *b = BREAKER(s);

	return b->known && b->absent && b->outage_attempts >= OUTAGE_MIN && !is_limited(s->edge) ? (double)b->outage_attempts - refused(s) : 0;
}

static bool none(const struct rule_subject *s)
{
	return in_vain(s) >= OUTAGE_MIN && in_vain(s) < OUTAGE_HIGH && rules_role(s) == RULES_PART;
}

static bool none_at_all(const struct rule_subject *s)
{
	return in_vain(s) >= OUTAGE_HIGH && rules_role(s) == RULES_PART;
}

static bool none_perhaps(const struct rule_subject *s)
{
	return in_vain(s) >= OUTAGE_MIN && rules_role(s) == RULES_DRIVER_OR_PART;
}

static const char fix_none[] = "Put a circuit breaker around this call: open it when half of at least 20 calls within 10 s failed, for a second or two,"
			       " then let one probe through; answer from a fallback, or at once with an error, while it is open.";

static void show_outage(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);

	finding_shows(f, "outage_attempts", (double)b->outage_attempts);
	finding_shows(f, "shed", refused(s) > 0 ? refused(s) : NAN);
	finding_shows(f, "peak_attempts_per_s", s->edge->peak_attempts_per_s);
	f->witness = b->witness ? b->witness : s->edge->worst;
}

/* " (about 40 of them turned away by that server's own breaker)", or nothing. */
static const char *by_its_own(const struct rule_subject *s, char *buf, size_t size)
{
	buf[0] = 0;
	if (refused(s) >= 1)
		snprintf(buf, size, " (about %.0f of them turned away by that server's own breaker)", refused(s));
	return buf;
}

/* A driver has to do this, a part of a system should not. */
static void tell_none_perhaps(const struct rule_subject *s, struct finding *f)
{
	char buf[96];

	finding_says(f, "goes on calling a server that is out: %llu failed attempts in a row%s", (ull)BREAKER(s)->outage_attempts,
		     by_its_own(s, buf, sizeof(buf)));
	show_outage(s, f);
	finding_fix(f, "Nothing, if %s is the load of an experiment or a user. If it is a part of a system: %s", s->edge->client, fix_none);
}

static void tell_none(const struct rule_subject *s, struct finding *f)
{
	char buf[96];

	finding_says(f, "goes on calling a server that is out: %llu failed attempts in a row%s, and no circuit breaker opened",
		     (ull)BREAKER(s)->outage_attempts, by_its_own(s, buf, sizeof(buf)));
	show_outage(s, f);
	finding_fix(f, "%s", fix_none);
}

/* ---- one that opens without need ---- */

static bool false_opens(const struct rule_subject *s)
{
	return opens(s) && BREAKER(s)->false_opens;
}

/* By chance, where failures are the lesser part: most of what it turned away would have been answered. */
static bool opens_by_chance(const struct rule_subject *s)
{
	const struct policy_breaker *b = BREAKER(s);

	return opens(s) && !b->false_opens && b->collateral >= CHANCE_MIN && b->collateral * 2 > b->shed;
}

static bool will_open_falsely(const struct rule_subject *s)
{
	return opens(s) && !BREAKER(s)->false_opens && !opens_by_chance(s) && BREAKER(s)->expected_false_opens_every > 0 &&
	       BREAKER(s)->expected_false_opens_every < FALSE_EVERY;
}

static void show_opens(const struct policy_breaker *b, struct finding *f)
{
	finding_shows(f, "opens", b->opens);
	finding_shows(f, "threshold_low", b->threshold_low);
	finding_shows(f, "threshold_high", b->threshold_high);
	f->witness = b->witness;
}

static void fix_threshold(struct finding *f)
{
	finding_fix(f, "Let it open by the share of failures over enough calls (half of the last 20, at least 20 within 10 s) instead of a"
		       " few in a row.");
}

static void tell_false_opens(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);
	char buf[64];

	finding_says(f, "opens its circuit breaker%s though no fault was there: %u of %u times", threshold(b, buf, sizeof(buf)), b->false_opens, b->opens);
	finding_shows(f, "false_opens", b->false_opens);
	show_opens(b, f);
	finding_shows(f, "calls_between_false_opens", b->expected_false_opens_every);
	fix_threshold(f);
}

static void tell_opens_by_chance(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);
	char buf[64];

	finding_says(f, "opens its circuit breaker%s though most calls are answered: of the %llu that it turned away about %llu would have been",
		     threshold(b, buf, sizeof(buf)), (ull)b->shed, (ull)b->collateral);
	finding_shows(f, "shed", (double)b->shed);
	finding_shows(f, "collateral", (double)b->collateral);
	show_opens(b, f);
	fix_threshold(f);
}

static void tell_will_open_falsely(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);
	char buf[64];

	finding_says(f, "opens its circuit breaker%s, which the failures of a healthy time alone bring about every %.0f calls", threshold(b, buf, sizeof(buf)),
		     b->expected_false_opens_every);
	show_opens(b, f);
	finding_shows(f, "calls_between_false_opens", b->expected_false_opens_every);
	fix_threshold(f);
}

/* ---- one that stays open too long ---- */

/* Of one that is open for no longer than is recommended the server is to blame, as it goes on failing the probes. */
static bool stays_open(const struct rule_subject *s)
{
	return opens(s) && BREAKER(s)->recovery_tax && BREAKER(s)->recovery_tax_ms >= TAX_MS && !(BREAKER(s)->open_high_ms <= SHORT_OPEN_MS);
}

static bool slows(const struct rule_subject *s)
{
	return stays_open(s) && BREAKER(s)->recovery_tax_ms < TAX_HIGH_MS;
}

static bool slows_much(const struct rule_subject *s)
{
	return stays_open(s) && BREAKER(s)->recovery_tax_ms >= TAX_HIGH_MS;
}

static void tell_slows(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);
	char tax[64], open[64], buf[128] = "";

	if (b->open_high_ms > 0)
		snprintf(buf, sizeof(buf), "; it stays open for %s", show_duration(b->open_high_ms, open));
	finding_says(f, "keeps its circuit breaker open after the fault has gone: %llu requests were turned away for %s%s", (ull)b->recovery_tax,
		     show_duration(b->recovery_tax_ms, tax), buf);
	finding_shows(f, "recovery_tax", (double)b->recovery_tax);
	finding_shows(f, "recovery_tax_ms", b->recovery_tax_ms);
	finding_shows(f, "open_low_ms", b->open_low_ms);
	finding_shows(f, "open_high_ms", b->open_high_ms);
	show_opens(b, f);
	finding_fix(f, "Shorten the time that it stays open (a second or two are enough), and let a probe through as soon as it is over; let"
		       " probes vary by some percent between instances.");
}

/* ---- one inside of retries ---- */

/* Whether it is what the retries of a request wait in all, as far as their waits were seen: a slow fallback may take any time. */
static bool as_retries_wait(const struct policy_retry *p, double ms)
{
	bool all = p->gap_count && p->gap_count + 1 == p->max_attempts;
	double sum = 0;

	for (size_t i = 0; i < p->gap_count; i++)
		sum += p->gaps[i].p50;
	return ms > 0.7 * sum && (!all || ms < 1.4 * sum);
}

static bool retried_around(const struct rule_subject *s)
{
	const struct policy_breaker *b = BREAKER(s);

	return opens(s) && b->waited >= WAITED_MIN && b->waited * 2 > b->shed && b->waited_ms >= WAITED_MS && b->counts &&
	       !strcmp(b->counts, "attempts") && as_retries_wait(&s->edge->retry, b->waited_ms);
}

static void tell_retried_around(const struct rule_subject *s, struct finding *f)
{
	const struct policy_breaker *b = BREAKER(s);
	char buf[64];

	finding_says(f, "retries what its own open circuit breaker turns away: %llu requests were answered only after %s of waits between attempts that"
			" were not made", (ull)b->waited, show_duration(b->waited_ms, buf));
	finding_shows(f, "waited", (double)b->waited);
	finding_shows(f, "waited_ms", b->waited_ms);
	finding_shows(f, "shed", (double)b->shed);
	f->witness = b->witness;
	finding_fix(f, "Let an open breaker end the request at once: take its error out of what is retried (resilience4j: ignoreExceptions ="
		       " CallNotPermittedException; cockatiel: not BrokenCircuitError), or put the breaker around the retries.");
}

/* ---- what users felt ---- */

static bool metastable(const struct rule_subject *s)
{
	return s->recovery->label && !strncmp(s->recovery->label, "metastable", 10);
}

/* That it got well as the load dipped proves it; else something outside of what was recorded may keep it bad. */
static bool suspected(const struct rule_subject *s)
{
	return strcmp(s->recovery->label, "metastable_confirmed") != 0;
}

static void tell_metastable(const struct rule_subject *s, struct finding *f)
{
	const struct result_recovery *v = s->recovery;
	char buf[64], lasting[96] = "", making[96] = "";

	if (v->observed_ms > 0)
		snprintf(lasting, sizeof(lasting), ": bad for more than %s", show_duration(v->observed_ms, buf));
	else if (v->mttr_ms > 0)
		snprintf(lasting, sizeof(lasting), ": bad for %s", show_duration(v->mttr_ms, buf));
	if (v->load_amplification > 1)
		snprintf(making, sizeof(making), ", under %.1f attempts per request of its own making", v->load_amplification);
	finding_says(f, "the system stays bad by itself although the fault has gone%s%s%s", lasting, making,
		     suspected(s) ? "" : "; it got well as its load dipped");
	finding_shows(f, "observed_ms", v->observed_ms);
	finding_shows(f, "recovery_lag_ms", v->recovery_lag_ms);
	finding_shows(f, "lost_goodput", v->lost_goodput);
	finding_shows(f, "load_ratio", v->load_ratio);
	finding_shows(f, "load_amplification", v->load_amplification);
	finding_shows(f, "capacity_margin", v->margin);
	f->witness = v->witness;
	finding_fix(f, "To get out: take load off for some seconds (stop retries, shed requests). To stay out: a retry budget of 10 to 20"
		       " %%, a circuit breaker that is open for a second or two, a short queue, and work that is dropped when its caller has"
		       " gone.");
}

static const struct rule rules[] = {
	{"metastable", SEVERITY_CRITICAL, RULE_RECOVERY, metastable, suspected, tell_metastable},
	{"no-breaker-under-outage", SEVERITY_HIGH, RULE_EDGE, none_at_all, doubt, tell_none},
	{"no-breaker-under-outage", SEVERITY_MEDIUM, RULE_EDGE, none, doubt, tell_none},
	{"no-breaker-under-outage", SEVERITY_INFO, RULE_EDGE, none_perhaps, NULL, tell_none_perhaps},
	{"breaker-false-open", SEVERITY_HIGH, RULE_EDGE, false_opens, doubt, tell_false_opens},
	{"breaker-false-open", SEVERITY_MEDIUM, RULE_EDGE, opens_by_chance, doubt, tell_opens_by_chance},
	{"breaker-false-open", SEVERITY_MEDIUM, RULE_EDGE, will_open_falsely, doubt, tell_will_open_falsely},
	{"breaker-slows-recovery", SEVERITY_HIGH, RULE_EDGE, slows_much, doubt, tell_slows},
	{"breaker-slows-recovery", SEVERITY_MEDIUM, RULE_EDGE, slows, doubt, tell_slows},
	{"retries-open-breaker", SEVERITY_MEDIUM, RULE_EDGE, retried_around, doubt, tell_retried_around},
};

const struct rules rules_breaker = {rules, COUNT(rules)};
