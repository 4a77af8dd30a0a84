/* SPDX-License-Identifier: MIT */
/* Gates: what is read of their text, where they hold, and how they are decided, each bound from both sides. */
#include <string.h>

#include "analyzer/compare/gate.h"
#include "tests/lib/tap.h"

static void check_parsed(void)
{
	static const struct { const char *text; enum gate_metric metric; double bound; bool at_least, relative; const char *where; } cases[] = {
		{"amplification<=1.1x", GATE_AMPLIFICATION, 1.1, false, true, NULL},
		{"success>=99%", GATE_SUCCESS, 0.99, true, false, NULL},
		{"success>=100%", GATE_SUCCESS, 1, true, false, NULL},
		{"success<=1", GATE_SUCCESS, 1, false, false, NULL},
		{"success<=1.5x", GATE_SUCCESS, 1.5, false, true, NULL},
		{"shed_efficacy>=50%", GATE_SHED_EFFICACY, 0.5, true, false, NULL},
		{"p50_ms<=250", GATE_P50, 250, false, false, NULL},
		{"p95_ms<=.5", GATE_P95, 0.5, false, false, NULL},
		{"p99_ms<=250@a->b", GATE_P99, 250, false, false, "a->b"},
		{"p99_ms@a->b<=250", GATE_P99, 250, false, false, "a->b"},
		{"mttr_ms@a<=b<=9", GATE_MTTR, 9, false, false, "a<=b"},
		{"recovery_lag_ms<=2x@f", GATE_RECOVERY_LAG, 2, false, true, "f"},
		{"peak_attempts_per_s>=0", GATE_PEAK, 0, true, false, NULL},
		{"mttr_ms<=1234567890123456789012345678901", GATE_MTTR, 1234567890123456789012345678901.0, false, false, NULL},
	};
	char error[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t length = cases[i].where ? strlen(cases[i].where) : 0;
		struct gate g;

		ok(!gate_parse(&g, cases[i].text, error, sizeof(error)) && g.metric == cases[i].metric && g.bound == cases[i].bound &&
			g.at_least == cases[i].at_least && g.relative == cases[i].relative && !g.where == !cases[i].where && g.where_length == length &&
			(!length || !strncmp(g.where, cases[i].where, length)), "%s", cases[i].text);
		ok(g.metric == cases[i].metric && !strncmp(gate_metric_name(g.metric), cases[i].text, strlen(gate_metric_name(g.metric))), "its metric");
	}
}

static void check_refused(void)
{
	static const struct { const char *text, *why; } cases[] = {
		{"speed<=1x", "it begins with one of"}, {"p95<=1", "it begins with one of"}, {"p95_msx<=1", "it begins with one of"},
		{"success", "behind the metric stands"}, {"success=1", "behind the metric stands"}, {"success<1", "behind the metric stands"},
		{"success==>=1", "behind the metric stands"}, {"success<>=1", "behind the metric stands"},
		{"p95_ms<=", "stands a number"}, {"p95_ms<=.", "stands a number"}, {"p95_ms<=1.2.3", "stands a number"}, {"p95_ms<=-1", "stands a number"},
		{"p95_ms<=12345678901234567890123456789012", "stands a number"}, {"p95_ms<=99%", "a percentage bounds"},
		{"success>=1.01", "a share from 0 to 1"}, {"success>=101%", "a share from 0 to 1"}, {"success>=50%x", "only @edge-or-service"},
		{"p95_ms<=1xx", "only @edge-or-service"}, {"p95_ms<=1@", "behind @ stands"}, {"p95_ms@<=1", "behind @ stands"},
		{"p95_ms@a<=1@b", "names its place twice"},
	};
	char error[512];
	struct gate g;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(gate_parse(&g, cases[i].text, error, sizeof(error)) && strstr(error, cases[i].why), "%s: %s", cases[i].text, cases[i].why);
}

static void check_places(void)
{
	static const struct { const char *where, *place; bool concerns; } cases[] = {
		{"a->b", "a -> b", true}, {"a -> b", "a->b", true}, {" a", "a", true}, {"a", "a ", true}, {"a ", "a", true}, {"a", "ab", false},
		{"ab", "a", false}, {"a", "b", false}, {"a", "", false}, {"a b", "ab", true}, {"a", "  a", true}, {"ab", "ac", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(gate_concerns(&(struct gate){.where = cases[i].where, .where_length = strlen(cases[i].where)}, cases[i].place), cases[i].concerns,
		       "a gate at '%s' %s '%s'", cases[i].where, cases[i].concerns ? "concerns" : "does not concern", cases[i].place);
	ok(gate_concerns(&(struct gate){.where = "ab", .where_length = 1}, "a"), "its place may end before its text");
	ok(gate_concerns(&(struct gate){.where = NULL}, "a"), "without a place it concerns all");
}

static void check_decided(void)
{
	const struct metric around = {1, 0.8, 1.2, 9, "m", true, true}, far = {9, 9, 9, 9, "m", true, true}, point = {1, 1, 1, 9, "m", true, false};
	static const struct { double bound; bool at_least; enum gate_outcome outcome; } cases[] = {
		{1.2, false, GATE_PASS}, {1.1999, false, GATE_INCONCLUSIVE}, {0.8, false, GATE_INCONCLUSIVE}, {0.7999, false, GATE_REGRESS},
		{0.8, true, GATE_PASS}, {0.8001, true, GATE_INCONCLUSIVE}, {1.2, true, GATE_INCONCLUSIVE}, {1.2001, true, GATE_REGRESS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gate g = {.bound = cases[i].bound, .at_least = cases[i].at_least};

		is_int(gate_decide(&g, &around, &far), cases[i].outcome, "0.8 to 1.2 at %s %g", g.at_least ? "least" : "most", g.bound);
		g.relative = true;
		is_int(gate_decide(&g, &far, &around), cases[i].outcome, "and so the ratio");
		is_int(gate_decide(&g, &around, &point), GATE_INCONCLUSIVE, "which without an interval tells nothing");
	}
	is_str(gate_outcome_name(GATE_PASS), "pass", "pass");
	is_str(gate_outcome_name(GATE_INCONCLUSIVE), "inconclusive", "inconclusive");
	is_str(gate_outcome_name(GATE_REGRESS), "regress", "regress");
	ok(!gate_outcome_name(GATE_NONE), "none has no name");
}

int main(void)
{
	check_parsed();
	check_refused();
	check_places();
	check_decided();
	return tap_done();
}
