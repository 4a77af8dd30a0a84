/* SPDX-License-Identifier: MIT */
#include "analyzer/face/policy_text.h"

#include <math.h>
#include <string.h>
#include "analyzer/face/face.h"
#include "analyzer/stats/show.h"

#define NO_JITTER 0.97	/* rho from which what is left is how exactly a sleep ends */
#define GROWTH_LEAST 1.2	/* of open times that are longer each time: less is chance */
#define SHARE_LIKELY 0.1	/* of failures when a breaker opens: one that opens at less would open all the time */
#define REACTIONS_MAX 6	/* statuses and errors that are named */

typedef unsigned long long ull;

static const char *ms(double value, char *buf)
{
	return show_duration(value, buf);
}

/* " (1.48 s..1.53 s)" where the bounds say more than the value. */
static void range(FILE *out, double low, double high)
{
	char a[64], b[64];

	if (low < high && strcmp(ms(low, a), ms(high, b)))
		fprintf(out, " (%s..%s)", a, b);
}

static void confidence(FILE *out, enum policy_confidence c)
{
	fprintf(out, "; %s confidence", policy_confidence_name(c));
}

/* ---- retry ---- */

/* Whose retries: of an edge, or of the whole requests to a destination, at the first of its edges. */
struct retried {
	const struct policy_retry *policy;
	const struct result_cohort *whole;
	uint32_t longest;	/* attempts of a request */
	size_t servers;		/* of the destination; 0: an edge */
};

static struct retried retried_of(const struct result *r, const struct result_edge *e)
{
	const struct policy_retry *p = result_seen_retry(r, e);
	const struct result_destination *d = p == &e->retry || !p->known ? NULL : &r->destinations[e->destination];

	return d ? (struct retried){p, &d->whole, d->whole.chain.n ? (uint32_t)tally_percentile(&d->whole.chain, 1) : 0, d->edge_count} :
		   (struct retried){p, &e->whole, e->worst_attempts, 0};
}

/* Whether a tenth or more of the failed requests were tried again though most were not: a budget, or several policies. */
static bool gives_most_up(const struct retried *t)
{
	uint64_t again = t->whole->linked && t->whole->attempts > t->whole->logical ? t->whole->attempts - t->whole->logical : 0;

	return t->policy->max_attempts == 1 && t->longest > 1 && again * 10 >= t->policy->failed_requests && again;
}

static void say_servers(FILE *out, const struct retried *t)
{
	if (t->policy->servers > 1)
		fprintf(out, ", each at %u servers", t->policy->servers);
	else if (t->servers)
		fprintf(out, ", at %zu servers in all", t->servers);
}

static void say_attempts(FILE *out, const struct retried *t)
{
	const struct policy_retry *p = t->policy;
	char buf[64];

	if (p->unbounded && p->max_attempts)
		fprintf(out, "no limit seen (up to %u attempts)", p->max_attempts);
	else if (gives_most_up(t))
		fprintf(out, "most failed requests are given up, others are tried again, up to %u attempts", t->longest);
	else if (p->max_attempts == 1)
		fputs("none: a failed request is given up", out);
	else if (p->max_attempts)
		fprintf(out, "%u attempts", p->max_attempts);
	else if (p->tangled)
		fputs("of requests that overlap, so that nobody can tell how many attempts are whose", out);
	else if (t->longest > 1)
		fprintf(out, "%u attempts or more", t->longest);
	else
		fputs("attempts not known", out);
	if (p->max_attempts != 1)
		say_servers(out, t);
	if (p->deadline_ms > 0)
		fprintf(out, ", until %s are over", ms(p->deadline_ms, buf));
}

static void say_family(FILE *out, enum policy_backoff family, double multiplier)
{
	static const char *const words[BACKOFF_FAMILIES] = {
		[BACKOFF_NONE] = "no backoff", [BACKOFF_FIXED] = "fixed", [BACKOFF_LINEAR] = "linear", [BACKOFF_EXPONENTIAL] = "exponential",
		[BACKOFF_ADDITIVE] = "backoff plus a random part", [BACKOFF_DECORRELATED] = "decorrelated",
		[BACKOFF_DECORRELATED_V2] = "decorrelated (v2)",
	};

	fputs(words[family] ? words[family] : "unknown", out);
	if (family == BACKOFF_EXPONENTIAL && multiplier > 0)
		fprintf(out, " x%.3g", multiplier);
}

static void say_ambiguous(FILE *out, const struct policy_retry *p)
{
	fputs(", backoff ambiguous", out);
	for (unsigned i = 0; i < p->candidate_count && i < POLICY_CANDIDATES; i++) {
		fputs(!i ? ": " : i + 1 == p->candidate_count ? " or " : ", ", out);
		say_family(out, p->candidates[i].family, p->candidates[i].multiplier);
	}
}

static const char *first_wait(enum policy_backoff family)
{
	return family == BACKOFF_FIXED ? " of" : family == BACKOFF_AMBIGUOUS ? ", first wait" : " from";
}

/* What the schedule begins with: where jitter takes from it, the median of what was waited is less, where it adds, more. */
static double base(const struct policy_retry *p)
{
	if (!p->jitter_low.known || p->jitter_low.value >= 1 || !(p->base_high_ms > 0) || policy_jitter_is(p, "±"))
		return p->base_ms;
	return policy_jitter_is(p, "+") ? p->base_low_ms : p->base_high_ms;
}

static void say_cap(FILE *out, const struct policy_retry *p)
{
	bool beyond = p->cap_before_jitter && (policy_jitter_is(p, "±") || policy_jitter_is(p, "+"));
	char buf[64];

	if (p->cap_ms > 0)
		fprintf(out, ", at most %s%s", ms(p->cap_ms, buf), beyond ? " before jitter" : "");
}

static void say_backoff(FILE *out, const struct policy_retry *p)
{
	char buf[64];

	if (p->backoff == BACKOFF_UNKNOWN)
		return;
	if (p->skip_first)
		fputs(", the first retry at once, then", out);
	else if (p->backoff != BACKOFF_AMBIGUOUS)
		fputs(",", out);
	if (p->backoff == BACKOFF_AMBIGUOUS) {
		say_ambiguous(out, p);
	} else {
		fputc(' ', out);
		say_family(out, p->backoff, p->multiplier);
	}
	if (p->backoff != BACKOFF_NONE && base(p) > 0)
		fprintf(out, "%s %s", first_wait(p->backoff), ms(base(p), buf));
	if (p->backoff == BACKOFF_LINEAR && p->step_ms > 0 && p->base_ms > 0)
		fprintf(out, ", %s more each time", ms(p->step_ms * base(p) / p->base_ms, buf));
	if (p->added_ms > 0)
		fprintf(out, " plus 0 to %s", ms(p->added_ms, buf));
	say_cap(out, p);
}

static void say_jitter(FILE *out, const struct policy_retry *p)
{
	char bounds[64];

	if (!p->jitter_low.known || p->backoff == BACKOFF_NONE)
		return;
	if (p->jitter_name_count ? p->jitter_name_count == 1 && !strcmp(p->jitter_names[0], "none") : p->jitter_low.value >= NO_JITTER) {
		fputs(", no jitter", out);
		return;
	}
	fputs(", ", out);
	for (unsigned i = 0; i < p->jitter_name_count && i < POLICY_NAMES; i++)
		fprintf(out, "%s%s", i ? " or " : "", p->jitter_names[i]);
	fprintf(out, "%sjitter (rho %.2f", p->jitter_name_count ? " " : "", p->jitter_low.value);
	if (*show_bounds(&p->jitter_low, false, bounds))
		fprintf(out, ", %s", bounds);
	fputs(")", out);
}

static void say_retry_after(FILE *out, const struct policy_retry *p)
{
	char buf[64];

	if (p->retry_after == RETRY_AFTER_HONOURED)
		fputs(", honours Retry-After", out);
	else if (p->retry_after == RETRY_AFTER_IGNORED)
		fputs(", ignores Retry-After", out);
	else if (p->retry_after == RETRY_AFTER_CAPPED)
		fprintf(out, ", honours Retry-After%s%s", p->retry_after_cap_ms > 0 ? " up to " : " in part",
			p->retry_after_cap_ms > 0 ? ms(p->retry_after_cap_ms, buf) : "");
}

/* "; after 503, ECONNREFUSED", "; not after 404". */
static void say_reactions(FILE *out, const struct result *r, const struct policy_retry *p, bool retried)
{
	unsigned shown = 0;

	for (size_t i = 0; i < p->reaction_count; i++) {
		const struct policy_reaction *x = &p->reactions[i];

		if (retried ? !x->retried : x->retried || !x->not_retried)
			continue;
		if (shown == REACTIONS_MAX) {
			fputs(" ...", out);
			return;
		}
		fputs(shown++ ? ", " : retried ? "; after " : "; not after ", out);
		if (x->status)
			fprintf(out, "%u", x->status);
		else
			fputs(texts_text(&r->model.names, x->error), out);
	}
}

/* "; never POST, PATCH": methods whose failures it hands on, where it retries others. */
static void say_methods(FILE *out, const struct result *r, const struct policy_retry *p)
{
	unsigned never = 0, shown = 0;

	for (size_t i = 0; i < p->method_count; i++)
		never += !p->methods[i].retried && p->methods[i].not_retried;
	if (never == p->method_count)
		return;
	for (size_t i = 0; i < p->method_count && shown < REACTIONS_MAX; i++)
		if (!p->methods[i].retried && p->methods[i].not_retried)
			fprintf(out, "%s%s", shown++ ? ", " : "; never ", texts_text(&r->model.names, p->methods[i].method));
}

/* Whether there is more to say than that something failed. */
static bool tells(const struct policy_retry *p)
{
	return p->max_attempts || p->deadline_ms > 0 || p->backoff != BACKOFF_UNKNOWN || p->retry_after != RETRY_AFTER_NONE_SEEN || p->reaction_count;
}

static void say_retry(const struct result *r, const struct result_edge *e, FILE *out)
{
	struct retried t = retried_of(r, e);
	const struct policy_retry *p = t.policy;

	if (!p->known || !tells(p))
		return;
	say_attempts(out, &t);
	if (p->max_attempts != 1) {
		say_backoff(out, p);
		say_jitter(out, p);
		say_retry_after(out, p);
		say_reactions(out, r, p, true);
		say_reactions(out, r, p, false);
		say_methods(out, r, p);
	}
	if (p->mixed)
		fputs("; several policies at work", out);
	if (p->budget && p->budget_ratio >= 0)
		fprintf(out, "; a retry budget of %.2f per request", p->budget_ratio);
	if (p->alike)
		fprintf(out, "; %s would look the same", p->alike);
	if (p->max_attempts != 1 && p->backoff != BACKOFF_UNKNOWN && p->backoff != BACKOFF_AMBIGUOUS)
		confidence(out, p->confidence);
}

/* ---- timeout ---- */

static void say_timeout(const struct result *r, const struct result_edge *e, FILE *out)
{
	static const char *const words[TIMEOUT_KINDS] = {"", " to connect", " for an answer", " between two parts of an answer", " in all"};
	const struct policy_timeout *p = &e->timeout;
	char buf[64];

	if (!p->known)
		return;
	for (unsigned i = 0; i < p->mode_count && i < POLICY_MODES; i++) {
		const struct policy_timeout_mode *m = &p->modes[i];

		fprintf(out, "%s%s", i ? "; " : "", ms(m->ms, buf));
		range(out, m->low_ms, m->high_ms);
		fprintf(out, m->n == 1 ? "%s, seen once" : "%s, seen %llu times", words[m->kind], (ull)m->n);
	}
	if (!p->mode_count && p->longest_ms > 0)
		fprintf(out, "none up to %s", ms(p->longest_ms, buf));
}

/* ---- breaker ---- */

static void say_share(FILE *out, const struct policy_breaker *p)
{
	long low = lround(100 * p->share_low), high = lround(100 * p->share_high);

	fputs(p->threshold == THRESHOLD_RATE ? " (" : ", or by their share (", out);
	if (low < high)
		fprintf(out, "%ld %% to ", low);
	fprintf(out, "%ld %%)", high);
}

static void say_threshold(FILE *out, const struct policy_breaker *p)
{
	fputs(p->ejects ? "leaves the server out" : "opens", out);
	if (p->threshold_low >= 1) {
		fprintf(out, " after %.0f", p->threshold_low);
		if (p->threshold_high > p->threshold_low)
			fprintf(out, " to %.0f", p->threshold_high);
		fprintf(out, " failure%s%s", fmax(p->threshold_low, p->threshold_high) > 1 ? "s" : "",
			p->threshold == THRESHOLD_CONSECUTIVE ? " in a row" : "");
	}
	if (p->threshold == THRESHOLD_RATE)
		fputs(" by the share of failures", out);
	if (p->threshold != THRESHOLD_CONSECUTIVE && p->share_low >= SHARE_LIKELY)
		say_share(out, p);
}

static void say_open(FILE *out, const struct policy_breaker *p)
{
	char buf[64];

	if (isinf(p->open_high_ms) && p->open_low_ms > 0)
		fprintf(out, " for more than %s", ms(p->open_low_ms, buf));
	if (!(p->open_high_ms > 0) || isinf(p->open_high_ms))
		return;
	fprintf(out, " for %s", ms(p->open_low_ms > 0 ? (p->open_low_ms + p->open_high_ms) / 2 : p->open_high_ms, buf));
	range(out, p->open_low_ms, p->open_high_ms);
	if (p->open_growth >= GROWTH_LEAST)
		fprintf(out, ", growing x%.2g", p->open_growth);
}

static void say_probes(FILE *out, const struct policy_breaker *p)
{
	if (p->half_open_probes >= 1)
		fprintf(out, ", %s%.0f probe%s", p->probes_at_least ? "at least " : "", p->half_open_probes, p->half_open_probes > 1 ? "s" : "");
	if (p->close_after >= 1)
		fprintf(out, ", closes after %.0f success%s", p->close_after, p->close_after > 1 ? "es" : "");
	if (p->reopen)
		fprintf(out, ", opens again on %s", p->reopen);
	if (p->counts)
		fprintf(out, ", counts %s", p->counts);
}

static void say_breaker(const struct result *r, const struct result_edge *e, FILE *out)
{
	const struct policy_breaker *p = result_seen_breaker(r, e);
	bool told = !p->paced || !p->alike;	/* of calls that nobody saw, and that may never have been, no number */
	char share[64];

	if (!p->known)
		return;
	if (p->absent) {
		fprintf(out, "none: %llu failed attempts in a row went through", (ull)p->outage_attempts);
		confidence(out, p->confidence);
		return;
	}
	if (p != &e->breaker)
		fprintf(out, "one for all %zu servers, ", r->destinations[e->destination].edge_count);
	say_threshold(out, p);
	say_open(out, p);
	say_probes(out, p);
	fprintf(out, "; opened %u time%s", p->opens, p->opens == 1 ? "" : "s");
	if (p->reopens)
		fprintf(out, " (%u after a probe failed)", p->reopens);
	if (p->shed && told)
		fprintf(out, p->ejects ? ", sent %llu calls to other servers" : p->paced ? ", turned about %llu calls away" : ", turned %llu calls away",
			(ull)p->shed);
	if (p->shed_efficacy.known && told)
		fprintf(out, ", %s of the doomed ones", show_share(&p->shed_efficacy, share));
	if (p->alike)
		fprintf(out, "; %s would look the same", p->alike);
	confidence(out, p->confidence);
}

/* ---- the rest of an edge ---- */

static void say_bulkhead(const struct result *r, const struct result_edge *e, FILE *out)
{
	static const char *const words[] = {"", ", the rest waits", ", the rest is turned away"};
	const struct policy_bulkhead *p = &e->bulkhead;

	if (!p->known && p->flood.known)
		fprintf(out, "none: %.1f calls in work instead of %.1f, and other routes suffered", p->flood.in_work, p->flood.in_work_before);
	if (!p->known)
		return;
	if (p->moving)
		fprintf(out, "a limit that moves: %u to %u at once", p->low, p->high);
	else
		fprintf(out, "%u at once", p->width);
	fputs(words[p->mode], out);
	if (p->rejected)
		fprintf(out, " (%llu)", (ull)p->rejected);
	for (unsigned i = 0; i < p->candidate_count && i < POLICY_NAMES; i++)
		fprintf(out, "%s%s", i ? " or " : "; ", p->candidates[i]);
	confidence(out, p->confidence);
}

static void say_idempotency(const struct result *r, const struct result_edge *e, FILE *out)
{
	const struct policy_idempotency *p = &e->idempotency;

	if (!p->known)
		return;
	fprintf(out, "%llu keys, %llu attempts beyond the first of theirs", (ull)p->keys, (ull)p->duplicates);
	if (p->violations)
		fprintf(out, ", %llu TOOK EFFECT MORE THAN ONCE", (ull)p->violations);
	else if (p->duplicates)
		fputs(", none of which took effect again", out);
	if (p->mismatched)
		fprintf(out, ", %llu got different answers", (ull)p->mismatched);
	if (p->lost)
		fprintf(out, ", %llu had no effect at all", (ull)p->lost);
	if (p->conflicts)
		fprintf(out, ", %llu answered 409 or 422", (ull)p->conflicts);
}

static void say_hedging(const struct result *r, const struct result_edge *e, FILE *out)
{
	const struct policy_hedging *p = &e->hedging;
	char buf[64];

	if (!p->known)
		return;
	fputs("a second attempt", out);
	if (p->delay_ms >= 0)
		fprintf(out, " after %s", ms(p->delay_ms, buf));
	range(out, p->delay_low_ms, p->delay_high_ms);
	fprintf(out, " for %llu requests", (ull)p->hedged);
	if (p->share.known)
		fprintf(out, " (%s)", show_share(&p->share, buf));
	fprintf(out, ", %llu answered first, %llu losers given up", (ull)p->wins, (ull)p->cancelled);
}

static const struct {
	const char *name;
	void (*say)(const struct result *r, const struct result_edge *e, FILE *out);
} kinds[POLICY_KINDS] = {
	[POLICY_RETRY] = {"retry", say_retry}, [POLICY_TIMEOUT] = {"timeout", say_timeout}, [POLICY_BREAKER] = {"breaker", say_breaker},
	[POLICY_BULKHEAD] = {"bulkhead", say_bulkhead}, [POLICY_IDEMPOTENCY] = {"idempotency", say_idempotency},
	[POLICY_HEDGING] = {"hedging", say_hedging},
};

const char *policy_kind_name(enum policy_kind kind)
{
	return kinds[kind].name;
}

void policy_text(const struct result *r, const struct result_edge *e, enum policy_kind kind, FILE *out)
{
	kinds[kind].say(r, e, out);
}

/* ---- of a service ---- */

void policy_text_shedding(const struct policy_shedding *p, FILE *out)
{
	char a[64], b[64];

	if (!p->known)
		return;
	fprintf(out, "turned %llu requests away", (ull)p->shed);
	if (p->share.known)
		fprintf(out, " (%s)", show_share(&p->share, a));
	if (p->latency_ms >= 0 && p->success_latency_ms >= 0)
		fprintf(out, " within %s, where a success takes %s", ms(p->latency_ms, a), ms(p->success_latency_ms, b));
	if (p->collapse >= 0)
		fprintf(out, "; at the highest load it serves %.0f %% of its best", p->collapse * 100);
}

void policy_text_fallback(const struct result *r, const struct policy_fallback *p, FILE *out)
{
	if (!p->known)
		return;
	fprintf(out, "%llu answers without %s, %llu failures", (ull)p->degraded,
		p->dependency < r->edge_count ? r->edges[p->dependency].server : "what it depends on", (ull)p->failed);
	if (p->distinct)
		fputs("; they differ from healthy ones", out);
}
