/* SPDX-License-Identifier: MIT */
/*
 * Timeouts that are missing, and those of neighbouring layers that do not fit (definitions: policy.h, timeouts.c, hierarchy.c). A client without
 * a timeout is one that waited for 10 s and gave nothing up, or that hierarchy.c names.
 */
#include <math.h>
#include <stdio.h>
#include "analyzer/judge/rules.h"
#include "analyzer/stats/show.h"

#define PATIENCE_MS 10000
#define PATIENCE_HIGH_MS 30000
#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))

typedef unsigned long long ull;

static const struct result_edge *edge_at(const struct result *r, uint32_t edge)
{
	return edge < r->edge_count ? &r->edges[edge] : NULL;
}

/* ---- none ---- */

/* How long a client waited that never gave anything up; NAN: it did, or it is not known. */
static double patience(const struct result_edge *e)
{
	const struct policy_timeout *t = &e->timeout;

	return t->known && !t->mode_count && !t->abandoned ? t->longest_ms : NAN;
}

static bool timeless(const struct rule_subject *s)
{
	return patience(s->edge) >= PATIENCE_HIGH_MS && rules_role(s) != RULES_DRIVER;
}

static bool patient(const struct rule_subject *s)
{
	return patience(s->edge) >= PATIENCE_MS && !timeless(s) && rules_role(s) != RULES_DRIVER;
}

static bool named_timeless(const struct rule_subject *s)
{
	const struct result_edge *e = edge_at(s->r, s->misfit->child);

	return s->misfit->what == MISFIT_NONE && e && e->timeout.known && !e->timeout.mode_count && !(patience(e) >= PATIENCE_MS);
}

static void tell_edge_timeless(const struct policy_timeout *t, struct finding *f)
{
	char waited[64];

	if (isnan(t->longest_ms))
		finding_says(f, "has no timeout that this run could see");
	else
		finding_says(f, "waited %s for an answer and did not give up: it has no timeout, or a longer one", show_duration(t->longest_ms, waited));
	finding_shows(f, "longest_ms", t->longest_ms);
	f->witness = t->longest_witness;
	finding_fix(f, "Set a connect timeout and one for the whole answer, somewhat above the slowest answer that is still useful (p99.9)"
		       " and below the deadline of whoever calls this client.");
}

static void tell_timeless(const struct rule_subject *s, struct finding *f)
{
	tell_edge_timeless(&s->edge->timeout, f);
}

static void tell_named_timeless(const struct rule_subject *s, struct finding *f)
{
	tell_edge_timeless(&s->r->edges[s->misfit->child].timeout, f);
}

/* ---- that do not fit ---- */

static bool is(const struct rule_subject *s, enum policy_misfit what)
{
	return s->misfit->what == what && edge_at(s->r, s->misfit->parent) && edge_at(s->r, s->misfit->child);
}

/* A callee without a timeout of its own that went on is inverted too. */
static bool inverted(const struct rule_subject *s)
{
	const struct policy_hierarchy *h = s->misfit;

	return is(s, MISFIT_INVERSION) && (h->parent_ms < h->child_ms || (h->parent_ms > 0 && isnan(h->child_ms) && h->count));
}

static bool does_not_fit(const struct rule_subject *s)
{
	return is(s, MISFIT_RETRIES) && s->misfit->fits < s->misfit->attempts;
}

static bool equal(const struct rule_subject *s)
{
	return is(s, MISFIT_EQUAL) && s->misfit->parent_ms > 0 && s->misfit->child_ms > 0;
}

static bool not_propagated(const struct rule_subject *s)
{
	return is(s, MISFIT_NOT_PROPAGATED) && s->misfit->count;
}

static void show_misfit(const struct policy_hierarchy *h, struct finding *f)
{
	finding_shows(f, "timeout_caller_ms", h->parent_ms);
	finding_shows(f, "timeout_callee_ms", h->child_ms);
	finding_shows(f, "orphan_ms", h->orphan_ms > 0 ? h->orphan_ms : NAN);
	finding_shows(f, "count", h->count ? (double)h->count : NAN);
	f->witness = h->parent_witness ? h->parent_witness : h->child_witness;
}

static void tell_inverted(const struct rule_subject *s, struct finding *f)
{
	const struct policy_hierarchy *h = s->misfit;
	const struct result_edge *parent = edge_at(s->r, h->parent), *child = edge_at(s->r, h->child);
	char a[64], b[64], c[64], waits[80] = "on", orphan[128] = "";

	if (!isnan(h->child_ms))
		snprintf(waits, sizeof(waits), "%s", show_duration(h->child_ms, b));
	if (h->orphan_ms > 0)
		snprintf(orphan, sizeof(orphan), "; work that nobody waited for took %s", show_duration(h->orphan_ms, c));
	finding_says(f, "%s gives up after %s, but %s waits %s for %s%s", parent->client, show_duration(h->parent_ms, a), child->client,
		     waits, child->server, orphan);
	show_misfit(h, f);
	finding_fix(f, "Give %s -> %s a timeout that leaves its caller time for an answer (below %s, its retries and waits included), or"
		       " pass the caller's deadline on.",
		    child->client, child->server, show_duration(h->parent_ms * 0.9, a));
}

static void tell_does_not_fit(const struct rule_subject *s, struct finding *f)
{
	const struct policy_hierarchy *h = s->misfit;
	const struct result_edge *parent = edge_at(s->r, h->parent), *child = edge_at(s->r, h->child);
	char a[64];

	finding_says(f, "only %u of the %u attempts at %s fit into the %s that %s waits", h->fits, h->attempts, child->server,
		     show_duration(h->parent_ms, a), parent->client);
	finding_shows(f, "attempts", h->attempts);
	finding_shows(f, "attempts_that_fit", h->fits);
	show_misfit(h, f);
	finding_fix(f, "Make at most %u attempts here, shorten the timeout of each, or raise the caller's timeout above attempts x timeout"
		       " plus all waits.",
		    h->fits ? h->fits : 1);
}

static void tell_equal(const struct rule_subject *s, struct finding *f)
{
	const struct policy_hierarchy *h = s->misfit;
	const struct result_edge *parent = edge_at(s->r, h->parent), *child = edge_at(s->r, h->child);
	char a[64];

	finding_says(f, "%s and %s give up at the same time, after %s: the answer of a fallback or a retry comes too late", parent->client, child->client,
		     show_duration(h->parent_ms, a));
	show_misfit(h, f);
	finding_fix(f, "Give %s -> %s the shorter timeout, so that %s has time left to answer (about 80 %% of its caller's: %s).", child->client, child->server,
		    child->client, show_duration(h->parent_ms * 0.8, a));
}

static void tell_not_propagated(const struct rule_subject *s, struct finding *f)
{
	const struct policy_hierarchy *h = s->misfit;
	const struct result_edge *parent = edge_at(s->r, h->parent), *child = edge_at(s->r, h->child);

	finding_says(f, "%s asks %s for requests that %s has given up already: %llu attempts", child->client, child->server, parent->client, (ull)h->count);
	show_misfit(h, f);
	finding_fix(f, "Pass the deadline on with each request (a header such as grpc-timeout), stop when the caller has closed its"
		       " connection, and start no attempt behind the deadline.");
}

static const struct rule rules[] = {
	{"no-timeout", SEVERITY_HIGH, RULE_EDGE, timeless, NULL, tell_timeless},
	{"no-timeout", SEVERITY_MEDIUM, RULE_EDGE, patient, NULL, tell_timeless},
	{"no-timeout", SEVERITY_MEDIUM, RULE_MISFIT, named_timeless, NULL, tell_named_timeless},
	{"timeout-inversion", SEVERITY_HIGH, RULE_MISFIT, inverted, NULL, tell_inverted},
	{"retries-exceed-deadline", SEVERITY_MEDIUM, RULE_MISFIT, does_not_fit, NULL, tell_does_not_fit},
	{"deadline-not-propagated", SEVERITY_MEDIUM, RULE_MISFIT, not_propagated, NULL, tell_not_propagated},
	{"equal-timeouts", SEVERITY_MEDIUM, RULE_MISFIT, equal, NULL, tell_equal},
};

const struct rules rules_timeout = {rules, COUNT(rules)};
