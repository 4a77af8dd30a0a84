/* SPDX-License-Identifier: MIT */
/*
 * Each rule of the findings, on results filled by hand: it fires on its case, not on what looks like it and is not, and its bound holds on both
 * sides. FIRES and SILENT take the code, for FIRES the severity, and what is so, as assignments.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include "analyzer/judge/findings.h"
#include "analyzer/judge/rules.h"
#include "tests/lib/tap.h"

#define SCHEMA "tests/schema/report.schema.json"

static struct result result;
static struct result_edge edges[2], *edge = edges;
static struct result_service services[1], *service = services;
static struct result_recovery recoveries[1], *recovery = recoveries;
static struct policy_hierarchy misfits[1], *misfit = misfits;
static struct policy_retry *retry = &edges[0].retry;
static struct policy_timeout *timeout = &edges[0].timeout;
static struct policy_breaker *breaker = &edges[0].breaker;
static struct policy_gap gap = {.k = 1, .p50 = 0.4};
static struct policy_reaction reactions[] = {{.status = 404, .retried = 7}, {.status = 503, .retried = 5}};
static cJSON *schema, *schema_keys;

static void forget(void)
{
	for (size_t i = 0; i < result.finding_count; i++)
		finding_free(&result.findings[i]);
	free(result.findings);
	for (size_t i = 0; i < result.reason_count; i++)
		free(result.reasons[i]);
	free(result.reasons);
}

/* front -> back, edge 0, and back -> store, edge 1; nothing is known of any policy: figures are NAN. */
static void fresh(void)
{
	forget();
	result = (struct result){.edges = edges, .edge_count = 2, .services = services, .service_count = 1, .recoveries = recoveries,
				 .recovery_count = 1, .hierarchies = misfits, .hierarchy_count = 1, .false_link_rate = NAN, .slo = NAN};
	result.model.exchange_count = 1000;
	memset(edges, 0, sizeof(edges));
	for (int i = 0; i < 2; i++) {
		edges[i].client = i ? "back" : "front";
		edges[i].server = i ? "store" : "back";
		edges[i].linking = "nesting";
		edges[i].false_link_rate = NAN;
		edges[i].worst = 100 + (unsigned)i;
		edges[i].latency.p95 = 30;
		edges[i].peak_attempts_per_s = 40;
	}
	*retry = (struct policy_retry){.deadline_ms = NAN, .base_ms = NAN, .multiplier = NAN, .cap_ms = NAN, .storm_amplification = NAN,
				       .storm_seconds = NAN, .budget_ratio = NAN, .budget_peak = NAN, .budget_over_s = NAN, .herd_preservation = NAN};
	*timeout = (struct policy_timeout){.longest_ms = NAN, .longest_witness = 9};
	*breaker = (struct policy_breaker){.threshold_low = NAN, .threshold_high = NAN, .open_low_ms = NAN, .open_high_ms = NAN,
					   .recovery_tax_ms = NAN, .expected_false_opens_every = NAN, .confidence = CONFIDENCE_HIGH, .witness = 8};
	edges[0].hedging.delay_ms = NAN;
	*service = (struct result_service){.name = "front", .shedding = {.collapse = NAN}};
	*recovery = (struct result_recovery){.fault = "outage", .impact_ms = NAN, .mttr_ms = NAN, .recovery_lag_ms = NAN, .observed_ms = NAN,
					     .load_ratio = NAN, .load_amplification = NAN, .margin = NAN};
	*misfit = (struct policy_hierarchy){.what = MISFITS, .parent = 0, .child = 1, .parent_ms = NAN, .child_ms = NAN, .orphan_ms = NAN};
}

static struct finding *find(const char *code)
{
	findings_make(&result);
	for (size_t i = 0; i < result.finding_count; i++)
		if (!strcmp(result.findings[i].code, code))
			return &result.findings[i];
	return NULL;
}

static int listed(const char *code)
{
	for (size_t i = 0; findings_code(i); i++)
		if (!strcmp(findings_code(i), code))
			return 1;
	return 0;
}

/* That it says what an engineer needs, in words and numbers that the report's schema knows. */
static int whole(const struct finding *f)
{
	int good = listed(f->code) && f->where && *f->where && f->message && strlen(f->message) > 20 && f->fix && strlen(f->fix) > 20;

	good = good && f->fix[strlen(f->fix) - 1] == '.' && f->message[strlen(f->message) - 1] != '.';
	good = good && !strstr(f->message, "nan") && !strstr(f->fix, "nan") && !strstr(f->message, "(null)") && !strstr(f->fix, "(null)") && f->evidence_count;
	for (size_t i = 0; i < f->evidence_count; i++)
		good = good && isfinite(f->evidence[i].value) && finding_knows(f->evidence[i].key) &&
		       cJSON_GetObjectItemCaseSensitive(schema_keys, f->evidence[i].key);
	return good;
}

static void expect(const char *code, int severity, const char *when, int line)
{
	struct finding *f = find(code);

	if (severity < 0) {
		tap_ok(!f, __FILE__, line, "no %s: %s", code, when);
		return;
	}
	tap_ok(f && (int)f->severity == severity, __FILE__, line, "%s %s: %s", severity_name((enum severity)severity), code, when);
	if (f && !tap_ok(whole(f), __FILE__, line, "it is whole: %s: %s", f->where, f->message))
		printf("# fix: %s\n", f->fix ? f->fix : "none");
}

#define FIRES(code, severity, ...) (fresh(), (void)(__VA_ARGS__), expect(code, SEVERITY_##severity, #__VA_ARGS__, __LINE__))
#define SILENT(code, ...) (fresh(), (void)(__VA_ARGS__), expect(code, -1, #__VA_ARGS__, __LINE__))
#define SHARE(v, k) ((struct metric){.value = (v), .n = (k), .known = true, .method = "test"})
#define BETWEEN(l, v, h, k) ((struct metric){.value = (v), .low = (l), .high = (h), .n = (k), .known = true, .bounded = true, .method = "test"})

static double rules_base(double p95_ms)
{
	struct result_edge e = {.latency.p95 = p95_ms};

	return rules_base_ms(&e);
}

static void waits(void)
{
#define NONE retry->known = true, retry->backoff = BACKOFF_NONE, retry->confidence = CONFIDENCE_HIGH
	FIRES("retry-without-backoff", HIGH, (NONE, retry->max_attempts = 3, retry->gaps = &gap, retry->gap_count = 1));
	FIRES("retry-without-backoff", MEDIUM, (NONE, retry->max_attempts = 2));
	SILENT("retry-without-backoff", (NONE, retry->max_attempts = 1));
	SILENT("retry-without-backoff", (NONE, retry->max_attempts = 0));
	SILENT("retry-without-backoff", (NONE, retry->max_attempts = 3, retry->known = false));
	SILENT("retry-without-backoff", (NONE, retry->max_attempts = 3, retry->backoff = BACKOFF_FIXED));
	SILENT("retry-without-backoff", (NONE, retry->max_attempts = 3, retry->backoff = BACKOFF_UNKNOWN));
	FIRES("retry-without-backoff", MEDIUM, (NONE, retry->max_attempts = 3, retry->confidence = CONFIDENCE_LOW));
	ok(strstr(result.findings[0].message, "probably ") == result.findings[0].message, "low confidence: it says probably");
	FIRES("retry-without-backoff", HIGH, (NONE, retry->max_attempts = 3, retry->confidence = CONFIDENCE_MEDIUM));
	ok(!strstr(result.findings[0].message, "probably"), "medium confidence: it does not");
	FIRES("retry-without-backoff", MEDIUM, (NONE, retry->max_attempts = 3, edge->linking = "temporal", edge->false_link_rate = 0.011));
	FIRES("retry-without-backoff", HIGH, (NONE, retry->max_attempts = 3, edge->linking = "temporal", edge->false_link_rate = 0.01));
	FIRES("retry-without-backoff", HIGH, (NONE, retry->max_attempts = 3, edge->linking = "id", edge->false_link_rate = 0.5));

	FIRES("synchronised-retries", HIGH, (retry->known = true, retry->herding = SHARE(0.8, 20)));
	SILENT("synchronised-retries", (retry->known = true, retry->herding = SHARE(0.79, 20)));
	FIRES("synchronised-retries", HIGH, (retry->known = true, retry->herding = SHARE(1, 20), retry->jitter_low = SHARE(0.5, 30)));
	ok(strstr(result.findings[0].fix, "Widen"), "a client that has jitter is told to widen it");
	FIRES("synchronised-retries", HIGH, (retry->known = true, retry->herding = SHARE(1, 20), retry->jitter_low = SHARE(0.99, 30)));
	ok(!strstr(result.findings[0].fix, "Widen"), "one without is told to have some");
	SILENT("synchronised-retries", (retry->known = true, retry->herding = SHARE(1, 19)));
	SILENT("synchronised-retries", (retry->known = true, retry->herding = SHARE(1, 20), retry->herding.known = false));

	FIRES("ignores-retry-after", MEDIUM, (retry->known = true, retry->retry_after = RETRY_AFTER_IGNORED, retry->retry_after_seen = 1));
	FIRES("ignores-retry-after", MEDIUM, (retry->known = true, retry->retry_after = RETRY_AFTER_IGNORED, retry->retry_after_seen = 1,
					    retry->retry_after_witness = 5));
	is_int(result.findings[0].witness, 5, "its witness is a retry that did not wait");
	SILENT("ignores-retry-after", (retry->known = true, retry->retry_after = RETRY_AFTER_IGNORED));
	SILENT("ignores-retry-after", (retry->known = true, retry->retry_after = RETRY_AFTER_HONOURED, retry->retry_after_seen = 1));
	SILENT("ignores-retry-after", (retry->known = true, retry->retry_after = RETRY_AFTER_CAPPED, retry->retry_after_seen = 1));
	ok(rules_base(30) == 100 && rules_base(100) == 100 && rules_base(101) == 200 && rules_base(NAN) == 100 && rules_base(9999) == 1000,
	   "the base that it recommends fits the latency of the edge");
}

static void amounts(void)
{
	FIRES("unbounded-retries", HIGH, (retry->known = true, retry->unbounded = true, retry->max_attempts = 10));
	SILENT("unbounded-retries", (retry->known = true, retry->unbounded = true, retry->max_attempts = 9));
	SILENT("unbounded-retries", (retry->known = true, retry->unbounded = false, retry->max_attempts = 10));

	FIRES("retry-storm", HIGH, (retry->known = true, retry->storm = true, retry->storm_amplification = 2.9, retry->storm_seconds = 4));
	FIRES("retry-storm", HIGH, (retry->known = true, retry->storm = true, retry->yield = SHARE(0.02, 100)));
	SILENT("retry-storm", (retry->storm = true, retry->storm_amplification = 2.9));

	FIRES("amplification-over-budget", MEDIUM, (retry->known = true, retry->budget_over_s = 3, retry->budget_peak = 1.4));
	SILENT("amplification-over-budget", (retry->known = true, retry->budget_over_s = 2.9, retry->budget_peak = 1.4));
	FIRES("amplification-over-budget", MEDIUM, (edge->whole.amplification = BETWEEN(3, 3, 3, 10)));
	SILENT("amplification-over-budget", (edge->whole.amplification = BETWEEN(3, 3, 3, 9)));
	SILENT("amplification-over-budget", (edge->whole.amplification = BETWEEN(1.2, 1.5, 1.8, 10)));
	FIRES("amplification-over-budget", MEDIUM, (edge->whole.amplification = BETWEEN(1.21, 1.5, 1.8, 10)));
	SILENT("amplification-over-budget", (edge->whole.amplification = SHARE(3, 10)));
	SILENT("amplification-over-budget", (edge->whole.amplification = BETWEEN(3, 3, 3, 10), edge->hedging.known = true));
	FIRES("amplification-over-budget", MEDIUM,
	      (edge->window[TIMELINE_FAULT].attempts = 30, edge->window[TIMELINE_FAULT].amplification = BETWEEN(3, 3, 3, 10)));
	SILENT("amplification-over-budget", (edge->window[TIMELINE_FAULT].attempts = 10, edge->whole.amplification = BETWEEN(3, 3, 3, 10)));

	FIRES("retry-budget", INFO, (retry->known = true, retry->budget = true, retry->budget_ratio = 0.1));
	ok(strstr(result.findings[0].fix, "Keep"), "a budget of 10 %% is a good one");
	FIRES("retry-budget", INFO, (retry->known = true, retry->budget = true, retry->budget_ratio = 0.5));
	ok(strstr(result.findings[0].fix, "Lower"), "one of 50 %% is not");
	FIRES("retry-budget", INFO, (retry->known = true, retry->budget = true, retry->budget_ratio = 0.1, edge->false_link_rate = 1,
				     edge->linking = "temporal"));
	SILENT("retry-budget", (retry->known = true, retry->budget = false, retry->budget_ratio = 0.1));
	SILENT("retry-budget", (retry->known = true, retry->budget = true));
}

static void repeats(void)
{
	struct policy_misuse one = {1, 77};

	FIRES("retries-non-retryable", MEDIUM, (retry->known = true, retry->pointless = one, retry->reactions = reactions, retry->reaction_count = 2));
	ok(strstr(result.findings[0].message, "404") && !strstr(result.findings[0].message, "503"), "it names the statuses that a repetition can not mend");
	is_int(result.findings[0].witness, 77, "and a retry");
	SILENT("retries-non-retryable", (retry->known = true, retry->pointless.count = 0, retry->reactions = reactions, retry->reaction_count = 2));
	SILENT("retries-non-retryable", (retry->pointless = one));
	FIRES("unsafe-retry", CRITICAL, (retry->known = true, retry->unsafe_indeterminate = one));
	is_int(result.findings[0].witness, 77, "its witness is the retry");
	FIRES("unsafe-retry", HIGH, (retry->known = true, retry->unsafe_failed = one));
	SILENT("unsafe-retry", (retry->known = true, retry->unsafe_failed.witness = 77));
	SILENT("unsafe-retry", (retry->unsafe_indeterminate = one, retry->unsafe_failed = one));
	FIRES("unsafe-retry", HIGH, (retry->known = true, retry->unsafe_indeterminate = one, edge->linking = "temporal", edge->false_link_rate = 0.2));
	FIRES("new-key-per-attempt", HIGH, (retry->known = true, retry->new_key = one));
	SILENT("new-key-per-attempt", (retry->known = true, retry->new_key.count = 0));
}

static void timeouts(void)
{
	FIRES("no-timeout", HIGH, (timeout->known = true, timeout->longest_ms = 30000));
	is_int(result.findings[0].witness, 9, "its witness is the longest wait");
	FIRES("no-timeout", MEDIUM, (timeout->known = true, timeout->longest_ms = 29999));
	FIRES("no-timeout", MEDIUM, (timeout->known = true, timeout->longest_ms = 10000));
	SILENT("no-timeout", (timeout->known = true, timeout->longest_ms = 9999));
	SILENT("no-timeout", (timeout->known = true, timeout->longest_ms = 40000, timeout->mode_count = 1));
	SILENT("no-timeout", (timeout->known = true, timeout->longest_ms = 40000, timeout->abandoned = 1));
	SILENT("no-timeout", (timeout->longest_ms = 40000));
#define NAMED misfit->what = MISFIT_NONE, misfit->parent = MODEL_NONE, misfit->child = 0
	FIRES("no-timeout", MEDIUM, (NAMED, timeout->known = true, timeout->longest_ms = 5000));
	is_str(result.findings[0].where, "front -> back", "it is at the edge alone");
	FIRES("no-timeout", HIGH, (NAMED, timeout->known = true, timeout->longest_ms = 40000));
	is_int(result.finding_count, 1, "and not told twice");
	SILENT("no-timeout", (NAMED, misfit->child = 2, timeout->known = true));
	FIRES("no-timeout", MEDIUM, (NAMED, misfit->parent = 2, timeout->known = true, timeout->longest_ms = 10));
	FIRES("no-timeout", MEDIUM, (NAMED, timeout->known = true, timeout->longest_ms = 10000));
	is_int(result.finding_count, 1, "10 s that hierarchy.c names too are one finding");
	SILENT("no-timeout", (NAMED, timeout->known = true, timeout->mode_count = 1));

#define MISFIT(k) misfit->what = MISFIT_##k, misfit->parent_ms = 1000, misfit->count = 4, misfit->parent_witness = 55
	FIRES("timeout-inversion", HIGH, (MISFIT(INVERSION), misfit->child_ms = 1001, misfit->orphan_ms = 300));
	is_str(result.findings[0].where, "front -> back -> store", "it is at both edges");
	is_int(result.findings[0].witness, 55, "with the request that was given up");
	FIRES("timeout-inversion", HIGH, (MISFIT(INVERSION), misfit->child_ms = NAN, misfit->count = 2));
	SILENT("timeout-inversion", (MISFIT(INVERSION), misfit->child_ms = NAN, misfit->count = 0));
	SILENT("timeout-inversion", (MISFIT(INVERSION), misfit->child_ms = 1000));
	SILENT("timeout-inversion", (MISFIT(INVERSION), misfit->parent_ms = NAN, misfit->child_ms = 5000));
	SILENT("timeout-inversion", (MISFIT(INVERSION), misfit->child_ms = 5000, misfit->child = 2));
	SILENT("timeout-inversion", (MISFIT(INVERSION), misfit->child_ms = 5000, misfit->parent = MODEL_NONE));
	FIRES("retries-exceed-deadline", MEDIUM, (MISFIT(RETRIES), misfit->fits = 2, misfit->attempts = 3));
	SILENT("retries-exceed-deadline", (MISFIT(RETRIES), misfit->fits = 3, misfit->attempts = 3));
	FIRES("equal-timeouts", MEDIUM, (MISFIT(EQUAL), misfit->child_ms = 1000));
	SILENT("equal-timeouts", (MISFIT(EQUAL), misfit->child_ms = NAN));
	SILENT("equal-timeouts", (MISFIT(EQUAL), misfit->child_ms = 0));
	SILENT("equal-timeouts", (MISFIT(EQUAL), misfit->child_ms = 1000, misfit->parent_ms = 0));
	SILENT("equal-timeouts", (MISFIT(RETRIES), misfit->child_ms = 1000));
	FIRES("deadline-not-propagated", MEDIUM, (MISFIT(NOT_PROPAGATED)));
	SILENT("deadline-not-propagated", (MISFIT(NOT_PROPAGATED), misfit->count = 0));
}

static void no_breaker(void)
{
	struct tally_cell answers[] = {{429, 0}, {503, 0}};
	size_t second = 1;
	struct result_destination pool = {.edges = &second, .edge_count = 1};

#define OUT(n) breaker->known = true, breaker->absent = true, breaker->outage_attempts = (n)
	FIRES("no-breaker-under-outage", MEDIUM, (OUT(20)));
	FIRES("no-breaker-under-outage", MEDIUM, (OUT(99)));
	FIRES("no-breaker-under-outage", HIGH, (OUT(100)));
	is_int(result.finding_count, 1, "which is not told twice");
	FIRES("no-breaker-under-outage", INFO, (OUT(20), breaker->confidence = CONFIDENCE_LOW));
	SILENT("no-breaker-under-outage", (OUT(19)));
	SILENT("no-breaker-under-outage", (OUT(200), breaker->absent = false, breaker->opens = 1));
	SILENT("no-breaker-under-outage", (OUT(200), breaker->known = false));
#define FAILED(n429, n503) edge->whole.attempts = 200, edge->statuses = (struct tally){.cells = answers, .used = 2}, answers[0].count = (n429), \
	answers[1].count = (n503)
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), FAILED(100, 100)));
	SILENT("no-breaker-under-outage", (OUT(200), FAILED(101, 99)));
	/* back's own breaker turns away what nobody can answer: of front's calls those count that it let in */
#define FAR(n, m) service->name = "back", service->whole.requests = (m), edge->whole.attempts = 400, edges[1].breaker.known = true, \
	edges[1].breaker.opens = 1, edges[1].breaker.shed = (n), edges[1].breaker.confidence = CONFIDENCE_HIGH
	SILENT("no-breaker-under-outage", (OUT(200), FAR(181, 400)));
	FIRES("no-breaker-under-outage", MEDIUM, (OUT(200), FAR(180, 400)));
	ok(strstr(result.findings[0].message, "200 failed attempts in a row (about 180 of them turned away by that server's own breaker), and no"),
	   "and says how many those were not");
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), FAR(181, 800)));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), FAR(181, 400), edges[1].breaker.confidence = CONFIDENCE_LOW));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), FAR(181, 400), edges[1].client = "other"));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), FAR(181, 0)));
	/* the same of one around several servers that back calls */
	pool.breaker = (struct policy_breaker){.known = true, .opens = 1, .shed = 181, .confidence = CONFIDENCE_HIGH};
	SILENT("no-breaker-under-outage", (OUT(200), FAR(0, 400), result.destinations = &pool, result.destination_count = 1,
						  edges[0].destination = MODEL_NONE));
}

static void false_opens(void)
{
#define OPENS breaker->known = true, breaker->opens = 3, breaker->threshold_low = 5, breaker->threshold_high = 6
	FIRES("breaker-false-open", HIGH, (OPENS, breaker->false_opens = 1));
	is_int(result.findings[0].witness, 8, "its witness is the attempt that opened it");
	FIRES("breaker-false-open", MEDIUM, (OPENS, breaker->false_opens = 1, breaker->alike = "a rate limiter"));
	ok(strstr(result.findings[0].message, "probably "), "what may be something else is probable only");
	SILENT("breaker-false-open", (OPENS));
	SILENT("breaker-false-open", (OPENS, breaker->known = false, breaker->false_opens = 1));
	FIRES("breaker-false-open", MEDIUM, (OPENS, breaker->expected_false_opens_every = 9999));
	SILENT("breaker-false-open", (OPENS, breaker->expected_false_opens_every = 10000));
	SILENT("breaker-false-open", (OPENS, breaker->expected_false_opens_every = 0));
	FIRES("breaker-false-open", HIGH, (OPENS, breaker->false_opens = 1, breaker->expected_false_opens_every = 62));
	is_int(result.finding_count, 1, "and not told twice");

	FIRES("breaker-false-open", MEDIUM, (OPENS, breaker->shed = 39, breaker->collateral = 20));
	FIRES("breaker-false-open", MEDIUM, (OPENS, breaker->shed = 39, breaker->collateral = 20, breaker->expected_false_opens_every = 62));
	is_int(result.finding_count, 1, "and not told twice");
	FIRES("breaker-false-open", HIGH, (OPENS, breaker->shed = 39, breaker->collateral = 20, breaker->false_opens = 1));
	is_int(result.finding_count, 1, "nor that");
	SILENT("breaker-false-open", (OPENS, breaker->shed = 40, breaker->collateral = 20));
	SILENT("breaker-false-open", (OPENS, breaker->shed = 20, breaker->collateral = 19));
}

static void slow_breakers(void)
{
	FIRES("breaker-slows-recovery", MEDIUM, (OPENS, breaker->recovery_tax = 1, breaker->recovery_tax_ms = 1000, breaker->open_high_ms = 30000));
	FIRES("breaker-slows-recovery", MEDIUM, (OPENS, breaker->recovery_tax = 1, breaker->recovery_tax_ms = 9999));
	FIRES("breaker-slows-recovery", HIGH, (OPENS, breaker->recovery_tax = 1, breaker->recovery_tax_ms = 10000));
	is_int(result.finding_count, 1, "which is not told twice");
	SILENT("breaker-slows-recovery", (OPENS, breaker->recovery_tax = 1, breaker->recovery_tax_ms = 999));
	FIRES("breaker-slows-recovery", MEDIUM, (OPENS, breaker->recovery_tax = 1, breaker->recovery_tax_ms = 1000, breaker->open_high_ms = 2101));
	SILENT("breaker-slows-recovery", (OPENS, breaker->recovery_tax = 9, breaker->recovery_tax_ms = 12000, breaker->open_high_ms = 2100));
	SILENT("breaker-slows-recovery", (OPENS, breaker->recovery_tax = 0, breaker->recovery_tax_ms = 20000));
}

static void retries_around_a_breaker(void)
{
#define WAITED(n, ms) OPENS, breaker->shed = 100, breaker->waited = (n), breaker->waited_ms = (ms), breaker->counts = "attempts"
	static struct policy_gap gaps[] = {{.k = 1, .p50 = 200}, {.k = 2, .p50 = 400}};
	FIRES("retries-open-breaker", MEDIUM, (WAITED(51, 100)));
	is_int(result.findings[0].witness, 8, "its witness is the attempt that opened it");
#define GAPS edge->retry.gaps = gaps, edge->retry.gap_count = 2
	FIRES("retries-open-breaker", MEDIUM, (WAITED(51, 600), GAPS, edge->retry.max_attempts = 3));
	SILENT("retries-open-breaker", (WAITED(51, 300), GAPS, edge->retry.max_attempts = 3));
	SILENT("retries-open-breaker", (WAITED(51, 900), GAPS, edge->retry.max_attempts = 3));
	FIRES("retries-open-breaker", MEDIUM, (WAITED(51, 900), GAPS));
	SILENT("retries-open-breaker", (WAITED(50, 600)));
	SILENT("retries-open-breaker", (WAITED(51, 99)));
	SILENT("retries-open-breaker", (WAITED(51, 600), breaker->counts = "requests"));
	SILENT("retries-open-breaker", (WAITED(51, 600), breaker->ejects = true));
	SILENT("retries-open-breaker", (WAITED(19, 600), breaker->shed = 30));
}

static void metastable(void)
{
	FIRES("metastable", HIGH, (recovery->label = "metastable_suspected", recovery->observed_ms = 40000, recovery->lost_goodput = 500,
				   recovery->witness = 7));
	is_str(result.findings[0].where, "outage", "it is at the fault");
	ok(strstr(result.findings[0].message, "probably ") == result.findings[0].message, "what no dip has proved is probable only");
	is_int(result.findings[0].witness, 7, "its witness is a request that failed after the fault");
	FIRES("metastable", CRITICAL, (recovery->label = "metastable_confirmed", recovery->number = 2, recovery->load_amplification = 2.4,
				     recovery->load_ratio = 1));
	is_str(result.findings[0].where, "outage no. 2", "at the time that it came on");
	ok(strstr(result.findings[0].message, "2.4 attempts per request"), "it says what keeps it bad");
	FIRES("metastable", CRITICAL, (recovery->label = "metastable_confirmed", recovery->mttr_ms = 30000, recovery->lost_goodput = 9));
	ok(strstr(result.findings[0].message, "bad for 30.0 s; it got well as its load dipped"), "and what ended it");
	SILENT("metastable", (recovery->label = "slow_recovery", recovery->observed_ms = 40000));
	SILENT("metastable", (recovery->label = NULL, recovery->observed_ms = 40000));
}

static void effects(void)
{
	struct policy_idempotency *keys = &edge->idempotency;
	struct policy_hedging *hedging = &edge->hedging;
	struct policy_bulkhead *bulkhead = &edge->bulkhead;
	struct policy_flood *flood = &bulkhead->flood;
	struct policy_shedding *shedding = &service->shedding;
	struct policy_fallback *fallback = &service->fallback;

#define KEYS keys->known = true, keys->keys = 9, keys->duplicates = 4, keys->witness = 5
	FIRES("idempotency-violated", CRITICAL, (KEYS, keys->violations = 1));
	FIRES("idempotency-violated", MEDIUM, (KEYS, keys->mismatched = 1));
	SILENT("idempotency-violated", (KEYS));
	SILENT("idempotency-violated", (KEYS, keys->known = false, keys->violations = 1));

	FIRES("hedging-load", MEDIUM, (hedging->known = true, hedging->share = SHARE(0.11, 100), hedging->delay_ms = 20));
	SILENT("hedging-load", (hedging->known = true, hedging->share = SHARE(0.1, 100)));
	SILENT("hedging-load", (hedging->known = true, hedging->share = SHARE(0.11, 100), hedging->share.known = false));

	FIRES("collapses-under-overload", HIGH, (shedding->known = true, shedding->collapse = 0.49));
	FIRES("collapses-under-overload", HIGH, (shedding->known = true, shedding->collapse = 0));
	SILENT("collapses-under-overload", (shedding->known = true, shedding->collapse = 0.5));
	SILENT("collapses-under-overload", (shedding->known = true));
	FIRES("collapses-under-overload", HIGH, (shedding->collapse = 0.1, shedding->collapse_witness = 3));
	ok(strstr(result.findings[0].message, "turns nobody away") && result.findings[0].witness == 3, "nor need it have turned anybody away");

#define LIMIT bulkhead->known = true, bulkhead->width = 4, bulkhead->mode = BULKHEAD_REJECT, bulkhead->confidence = CONFIDENCE_HIGH, \
	bulkhead->little = 3.9, bulkhead->wait_ms = NAN, bulkhead->asked = 100, bulkhead->stopped = 10, bulkhead->call_ms = bulkhead->call_before_ms = 12
	FIRES("bulkhead-full", MEDIUM, (LIMIT));
	ok(strstr(result.findings[0].fix, "Widen"), "calls take what they always took: a wider limit helps");
	FIRES("bulkhead-full", MEDIUM, (LIMIT, bulkhead->call_ms = 24));
	ok(strstr(result.findings[0].fix, "Leave the limit"), "the server got slow: the limit does what it is for");
	FIRES("bulkhead-full", MEDIUM, (LIMIT, bulkhead->mode = BULKHEAD_QUEUE, bulkhead->wait_ms = 35, bulkhead->call_ms = 240));
	FIRES("bulkhead-full", INFO, (LIMIT, bulkhead->confidence = CONFIDENCE_LOW));
	FIRES("bulkhead-full", MEDIUM, (LIMIT, bulkhead->asked = 20, bulkhead->stopped = 2, bulkhead->call_before_ms = NAN));
	SILENT("bulkhead-full", (LIMIT, bulkhead->stopped = 9));
	SILENT("bulkhead-full", (LIMIT, bulkhead->asked = 19));
	SILENT("bulkhead-full", (LIMIT, bulkhead->known = false));

#define FLOOD flood->known = true, flood->in_work = 40, flood->in_work_before = 2, flood->call_ms = 900, flood->call_before_ms = 10, flood->others = 30, \
	flood->others_ms = 600, flood->others_before_ms = 2, flood->witness = 4
	FIRES("no-bulkhead", HIGH, (FLOOD));
	FIRES("no-bulkhead", HIGH, (FLOOD, flood->others_failed = 12));
	SILENT("no-bulkhead", (FLOOD, flood->known = false));
	SILENT("no-bulkhead", (FLOOD, LIMIT));

	FIRES("no-fallback", MEDIUM, (fallback->failed = 10, fallback->failed_witness = 6, fallback->failed_for = MODEL_NONE));
	is_int(result.findings[0].witness, 6, "its witness is a request that failed");
	FIRES("no-fallback", MEDIUM, (fallback->failed = 10, fallback->failed_for = 1));
	ok(strstr(result.findings[0].message, "for store"), "it names what there is no fallback for");
	SILENT("no-fallback", (fallback->failed = 9));
	SILENT("no-fallback", (fallback->known = true, fallback->failed = 30, fallback->degraded = 1));
#define DEAD(n) edge->window[TIMELINE_FAULT].linked = true, edge->window[TIMELINE_FAULT].logical = (n), service->window[TIMELINE_FAULT].requests = (n), \
	service->window[TIMELINE_FAULT].failed = (n)
	FIRES("no-fallback", MEDIUM, (DEAD(10)));
	FIRES("no-fallback", MEDIUM, (DEAD(10), edge->window[TIMELINE_FAULT].logical = 3));
	SILENT("no-fallback", (DEAD(10), edge->window[TIMELINE_FAULT].logical = 2));
	SILENT("no-fallback", (DEAD(9)));
	SILENT("no-fallback", (DEAD(10), service->window[TIMELINE_FAULT].failed = 9));
	SILENT("no-fallback", (DEAD(10), edge->window[TIMELINE_FAULT].succeeded = 1));
	SILENT("no-fallback", (DEAD(10), edge->client = "other"));
}

/* Who drives an experiment is no part of what is judged; whether a program that serves nobody does can not always be told. */
static void drivers(void)
{
#define USER edge->root = true, service->name = edge->server
	FIRES("no-breaker-under-outage", INFO, (OUT(200), USER));
	ok(strstr(result.findings[0].fix, "Nothing, if front is the load"), "of a program whose server was not recorded nothing is asked if it is the load");
	SILENT("no-breaker-under-outage", (OUT(200), USER, service->whole.requests = 1));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), USER, service->whole.requests = 1, edge->root = false));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), USER, service->whole.requests = 1, retry->known = true, retry->max_attempts = 2));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), USER, edge->whole.linked = true, edge->whole.logical = 9, edge->whole.attempts = 10));
#define AGAIN(n) edge->linking = "temporal", edge->whole.linked = true, edge->whole.attempts = 400, edge->attempts_ok = 200, edge->whole.logical = 400 - (n)
	SILENT("no-breaker-under-outage", (OUT(200), USER, service->whole.requests = 1, AGAIN(20)));
	FIRES("no-breaker-under-outage", HIGH, (OUT(200), USER, service->whole.requests = 1, AGAIN(21)));
	FIRES("no-timeout", HIGH, (USER, timeout->known = true, timeout->longest_ms = 30000));
	SILENT("no-timeout", (USER, service->whole.requests = 1, timeout->known = true, timeout->longest_ms = 30000));
	SILENT("no-timeout", (USER, service->whole.requests = 1, timeout->known = true, timeout->longest_ms = 20000));
}

/* A breaker that turned away what else would have been tried: what came before it opened is no storm. */
static void shielded(void)
{
	struct result_cohort *fault = &edge->window[TIMELINE_FAULT];

#define STORMY retry->known = true, retry->storm = true, retry->storm_amplification = 3
#define DEMAND(n, per) fault->attempts = 48, fault->logical = 16, fault->demand = (n), fault->amplification = BETWEEN(3, 3, 3, 16), \
	fault->amplification_demand = SHARE(per, n)
	SILENT("retry-storm", (STORMY, DEMAND(150, 0.32)));
	FIRES("retry-storm", HIGH, (STORMY, DEMAND(20, 2.4)));
	FIRES("retry-storm", HIGH, (STORMY, DEMAND(16, 0.32)));
	SILENT("amplification-over-budget", (DEMAND(150, 0.32)));
	FIRES("amplification-over-budget", MEDIUM, (DEMAND(30, 1.6)));
}

/* Neither zeros nor unknowns, nor rows that lead nowhere, make a finding. */
static void nothing(void)
{
	fresh();
	findings_make(&result);
	is_int(result.finding_count, 0, "no finding where nothing is known");
	for (int k = 0; k < MISFITS; k++) {
		fresh();
		misfit->what = (enum policy_misfit)k;
		misfit->child = misfit->parent = 2;
		findings_make(&result);
		is_int(result.finding_count, 0, "none of a damaged %s", policy_misfit_name(misfit->what));
	}
	fresh();
	result.edge_count = result.service_count = result.hierarchy_count = result.recovery_count = 0;
	is_int(findings_make(&result) + (int)result.finding_count, 0, "none of an empty run");
}

static void order(void)
{
	fresh();
	retry->known = true;
	retry->budget = true;
	retry->budget_ratio = 0.1;
	retry->new_key.count = 1;
	retry->unsafe_indeterminate.count = 1;
	breaker->known = breaker->absent = true;
	breaker->outage_attempts = 20;
	findings_make(&result);
	is_int(result.finding_count, 4, "four rules apply");
	for (int s = 0; s < 4; s++)
		is_int(result.findings[s].severity, SEVERITY_CRITICAL - s, "%s comes as number %d", severity_name(SEVERITY_CRITICAL - s), s + 1);
	is_int(severity_of("high"), SEVERITY_HIGH, "severities have names");
	is_int(severity_of("grave"), SEVERITIES, "others are none");
	is_int(severity_of(""), SEVERITIES, "nor is an empty one");
}

static enum verdict judged(unsigned fail_on)
{
	fresh();
	retry->known = true;
	retry->unsafe_failed.count = 2;
	retry->unsafe_failed.witness = 3;
	result.fail_on = fail_on;
	findings_make(&result);
	verdict_judge(&result);
	return result.verdict;
}

static void gates(void)
{
	struct result_fault vacuous = {.name = "never"};

	is_int(judged(0), VERDICT_PASS, "a high finding fails no run by itself");
	is_int(judged(1 + SEVERITY_CRITICAL), VERDICT_PASS, "nor under --fail-on critical");
	is_int(judged(1 + SEVERITY_HIGH), VERDICT_FAIL, "but under --fail-on high");
	ok(result.reason_count == 1 && strstr(result.reasons[0], "unsafe-retry") && strstr(result.reasons[0], "front -> back"), "and is named as the reason");
	is_int(judged(1 + SEVERITY_INFO), VERDICT_FAIL, "and under --fail-on info");
	judged(1 + SEVERITY_HIGH);
	result.verdict = VERDICT_PASS;
	result.faults = &vacuous;
	result.fault_count = 1;
	verdict_judge(&result);
	is_int(result.verdict, VERDICT_FAIL, "a failed gate stands before a fault that never fired");
	result.verdict = VERDICT_PASS;
	result.model.exchange_count = 0;
	verdict_judge(&result);
	is_int(result.verdict, VERDICT_INCONCLUSIVE, "data that can not be trusted stand before a failed gate");
	result.faults = NULL;
	result.fault_count = 0;
}

static void load_schema(void)
{
	static char text[1 << 20];
	FILE *f = fopen(SCHEMA, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	cJSON *at = schema = cJSON_Parse(text);
	static const char *const path[] = {"properties", "findings", "items", "properties", "evidence", "properties"};

	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++)
		at = cJSON_GetObjectItemCaseSensitive(at, path[i]);
	schema_keys = at;
	if (f)
		fclose(f);
	ok(n && at, "the report's schema knows the keys of evidence (run this from the root of the tree)");
}

int main(void)
{
	size_t known = 0;

	load_schema();
	for (const cJSON *key = schema_keys ? schema_keys->child : NULL; key; key = key->next, known++)
		ok(finding_knows(key->string), "%s, which the schema has, is a key of evidence", key->string);
	ok(known > 30 && !finding_knows("no_such_key"), "and others are not");
	waits();
	amounts();
	repeats();
	timeouts();
	no_breaker();
	false_opens();
	slow_breakers();
	retries_around_a_breaker();
	metastable();
	drivers();
	shielded();
	effects();
	nothing();
	order();
	gates();
	forget();
	cJSON_Delete(schema);
	return tap_done();
}
