/* SPDX-License-Identifier: MIT */
/* The verdict and its reasons, from figures made by hand, each bound from both sides; and what a finding keeps of its evidence. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/result.h"
#include "tests/lib/tap.h"

static struct finding findings[4];
static struct result_fault faults[2];
static struct result_loss losses[2];
static struct result_edge *edges;	/* exactly two, so that AddressSanitizer sees what is read behind them */

static struct result healthy(void)
{
	return (struct result){.model = {.exchange_count = 1000}, .slo = NAN, .findings = findings, .faults = faults, .losses = losses, .edges = edges};
}

/* The reasons, "; " between them. */
static const char *judged(struct result *r)
{
	static char text[2048];

	*text = '\0';
	if (verdict_judge(r))
		abort();
	for (size_t i = 0; i < r->reason_count; i++) {
		strcat(strcat(text, i ? "; " : ""), r->reasons[i]);
		free(r->reasons[i]);
	}
	free(r->reasons);
	r->reasons = NULL;
	r->reason_count = 0;
	return text;
}

static void check_data(void)
{
	static const struct { size_t exchanges; uint64_t lost[2]; enum verdict verdict; const char *reasons; } cases[] = {
		{1, {0, 0}, VERDICT_PASS, ""}, {0, {0, 0}, VERDICT_INCONCLUSIVE, "no exchange was recorded"}, {999, {1, 0}, VERDICT_PASS, ""},
		{998, {1, 0}, VERDICT_INCONCLUSIVE, "more than 0.1 % of the events were lost"}, {1998, {1, 1}, VERDICT_PASS, ""},
		{1997, {1, 1}, VERDICT_INCONCLUSIVE, "more than 0.1 % of the events were lost"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result r = healthy();

		r.model.exchange_count = cases[i].exchanges;
		r.loss_count = 2;
		losses[0].count = cases[i].lost[0];
		losses[1].count = cases[i].lost[1];
		is_str(judged(&r), cases[i].reasons, "%d exchanges, %d lost: the reason", (int)cases[i].exchanges, (int)(cases[i].lost[0] + cases[i].lost[1]));
		is_int(r.verdict, cases[i].verdict, "and the verdict");
	}
}

static void check_findings(void)
{
	static const struct { unsigned fail_on; size_t count; enum severity severity[3]; const char *code[3], *reasons; } cases[] = {
		{0, 1, {SEVERITY_CRITICAL}, {"a"}, ""},
		{1 + SEVERITY_HIGH, 1, {SEVERITY_MEDIUM}, {"a"}, ""},
		{1 + SEVERITY_HIGH, 1, {SEVERITY_HIGH}, {"a"}, "high finding a at x"},
		{1 + SEVERITY_HIGH, 2, {SEVERITY_CRITICAL, SEVERITY_HIGH}, {"a", "a"}, "critical finding a at x; high finding a at x"},
		{1 + SEVERITY_INFO, 3, {SEVERITY_HIGH, SEVERITY_HIGH, SEVERITY_HIGH}, {"a", "a", "b"}, "2 high findings a, one at x; high finding b at x"},
		{1 + SEVERITY_INFO, 3, {SEVERITY_HIGH, SEVERITY_HIGH, SEVERITY_HIGH}, {"b", "a", "a"}, "high finding b at x; 2 high findings a, one at x"},
		{1 + SEVERITY_INFO, 3, {SEVERITY_INFO, SEVERITY_INFO, SEVERITY_INFO}, {"a", "a", "a"}, "3 info findings a, one at x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result r = healthy();

		r.fail_on = cases[i].fail_on;
		r.finding_count = cases[i].count;
		for (size_t k = 0; k < cases[i].count; k++)
			findings[k] = (struct finding){.code = cases[i].code[k], .severity = cases[i].severity[k], .where = (char *)"x"};
		is_str(judged(&r), cases[i].reasons, "findings %d: the reasons", (int)i);
		is_int(r.verdict, *cases[i].reasons ? VERDICT_FAIL : VERDICT_PASS, "and the verdict");
	}
}

static void check_faults(void)
{
	static const struct { uint64_t matched, fired; bool watch_only; const char *reasons; } cases[] = {
		{9, 1, false, ""}, {9, 0, true, ""}, {0, 0, false, "fault f never fired: nothing matched it"},
		{1, 0, false, "fault f never fired: it matched 1 exchanges but hit none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result r = healthy();

		r.fault_count = 2;
		faults[0] = (struct result_fault){.name = "g", .fired = 1};
		faults[1] = (struct result_fault){.name = "f", .matched = cases[i].matched, .fired = cases[i].fired, .watch_only = cases[i].watch_only};
		is_str(judged(&r), cases[i].reasons, "faults %d: the reasons", (int)i);
		is_int(r.verdict, *cases[i].reasons ? VERDICT_VACUOUS : VERDICT_PASS, "and the verdict");
	}
}

static void check_objective(void)
{
	static const struct { double slo, success; bool root, known; const char *reasons; } cases[] = {
		{0.99, 0.99, true, true, ""}, {0.99, 0.98, false, true, ""}, {0.99, 0.98, true, false, ""}, {NAN, 0.1, true, true, ""},
		{0.99, 0.98, true, true, "a -> b: 98.00 % of 50 requests succeeded, 99 % are asked for"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result r = healthy();

		r.slo = cases[i].slo;
		r.edge_count = 2;
		edges[0] = (struct result_edge){.client = "a", .server = "c", .destination = MODEL_NONE};
		edges[1] = (struct result_edge){.client = "a", .server = "b", .destination = MODEL_NONE, .root = cases[i].root,
						.whole = {.linked = true, .success = {.value = cases[i].success, .n = 50, .known = cases[i].known}}};
		is_str(judged(&r), cases[i].reasons, "%g of %g: the reasons", cases[i].success, cases[i].slo);
		is_int(r.verdict, *cases[i].reasons ? VERDICT_FAIL : VERDICT_PASS, "and the verdict");
	}
}

/* The strongest stands, and all are named. */
static void check_order(void)
{
	struct result r = healthy();

	faults[0] = (struct result_fault){.name = "f"};
	findings[0] = (struct finding){.code = "a", .severity = SEVERITY_HIGH, .where = (char *)"x"};
	r.fault_count = r.finding_count = r.fail_on = 1;
	is_str(judged(&r), "high finding a at x; fault f never fired: nothing matched it", "both reasons");
	is_int(r.verdict, VERDICT_FAIL, "a finding stands before a fault that never fired");
	r.verdict = VERDICT_PASS;
	r.model.exchange_count = 0;
	judged(&r);
	is_int(r.verdict, VERDICT_INCONCLUSIVE, "what can not be trusted before both");
}

static void check_evidence(void)
{
	struct finding f = {.severity = SEVERITY_HIGH}, doubtful = {.doubtful = true};

	finding_shows(&f, "count", NAN);
	finding_shows(&f, "count", INFINITY);
	is_int((long long)f.evidence_count, 0, "what is not known is no evidence");
	for (int i = 0; i < 9; i++)
		finding_shows(&f, "count", i);
	ok(f.evidence_count == 8 && f.evidence[0].value == 0 && f.evidence[7].value == 7 && f.witness == 0, "eight figures are kept");
	finding_says(&f, "%d", 5);
	finding_says(&doubtful, "%d", 5);
	is_str(f.message, "5", "a message");
	is_str(doubtful.message, "probably 5", "a doubtful one");
	ok(finding_knows("amplification") && finding_knows("yield") && finding_knows("herd_index") && !finding_knows("yields"), "keys are known");
	ok(severity_of("info") == SEVERITY_INFO && severity_of("critical") == SEVERITY_CRITICAL && severity_of("grave") == SEVERITIES, "severities too");
	finding_free(&f);
	finding_free(&doubtful);
	ok(!f.message && !f.evidence_count && !f.severity, "nothing is left of it");
}

int main(void)
{
	edges = calloc(2, sizeof(*edges));
	check_data();
	check_findings();
	check_faults();
	check_objective();
	check_order();
	check_evidence();
	free(edges);
	return tap_done();
}
