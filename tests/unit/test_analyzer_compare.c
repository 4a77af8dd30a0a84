/* SPDX-License-Identifier: MIT */
/* Runs before a change against runs after it: ratios, intervals, significance, gates. */
#include <errno.h>
#include "analyzer/compare.h"
#include "analyzer/gate.h"
#include "tests/unit/judge.h"

/* A run of n requests with `attempts` each (all but the last failing), every second one `longer` ms slower. */
static void make_run(struct runs *r, int port, int n, int attempts, double ms, double longer)
{
	char peer[32];

	snprintf(peer, sizeof(peer), "127.0.0.1:%d", port);
	runs_begin(r, 10000);
	runs_process(r, 1, "curl");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", peer);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < attempts; k++)
			runs_add(r, ATTEMPT(.tid = 100 + i, .status = k < attempts - 1 ? 503 : 200, .at_ms = 10 * i + k * 3,
					    .took_ms = ms + i % 2 * longer));
	runs_commit(r);
}

static void add(struct compare_side *side, const char *path)
{
	char error[512];

	if (compare_add(side, path, error, sizeof(error))) {
		printf("Bail out! %s\n", error);
		exit(1);
	}
}

static struct compare_row *row(struct compare *c, enum gate_metric metric, const char *where)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (c->rows[i].metric == metric && !strcmp(c->rows[i].where, where))
			return &c->rows[i];
	printf("Bail out! no %s at %s\n", gate_metric_name(metric), where);
	exit(1);
}

static struct gate gate(const char *text)
{
	char error[512];
	struct gate g;

	if (gate_parse(&g, text, error, sizeof(error))) {
		printf("Bail out! %s\n", error);
		exit(1);
	}
	return g;
}

static int decide(struct compare *c)
{
	char error[512] = "";
	int err = compare_run(c, error, sizeof(error));

	if (err)
		printf("# %s\n", error);
	return err;
}

static bool notes_say(const struct compare *c, const char *what)
{
	for (size_t i = 0; i < c->note_count; i++)
		if (strstr(c->notes[i], what))
			return true;
	return false;
}

static void exact_counts(void)
{
	struct gate gates[] = {gate("amplification<=1.10x"), gate("amplification<=3@curl->127.0.0.1:80"), gate("success>=50%")};
	struct compare c = {.gates = gates, .gate_count = 3};
	struct compare_row *a;
	struct runs base, fresh;

	make_run(&base, 80, 20, 1, 1, 0);
	make_run(&fresh, 80, 20, 3, 1, 0);
	add(&c.base, base.path);
	add(&c.fresh, fresh.path);
	is_int(decide(&c), 0, "two runs are compared");
	a = row(&c, GATE_AMPLIFICATION, "curl -> 127.0.0.1:80");
	NEAR(a->ratio.value, 3, "three attempts against one: 3 times");
	ok(a->ratio.bounded && a->ratio.low == 3 && a->ratio.high == 3, "exactly");
	is_int(a->significance, COMPARE_DIFFERS, "they differ");
	is_int(a->gate, GATE_REGRESS, "1.10x is missed, though 3 is met");
	is_int(row(&c, GATE_SUCCESS, "curl -> 127.0.0.1:80")->significance, COMPARE_SAME, "all requests succeeded in both");
	is_int(row(&c, GATE_SUCCESS, "curl -> 127.0.0.1:80")->gate, GATE_PASS, "which passes");
	is_int(c.verdict, VERDICT_FAIL, "one gate that regresses fails the comparison");
	is_int(c.reason_count, 1, "for one reason");
	ok(notes_say(&c, "between-run variance unknown"), "one run a side: the variance between runs is not known");
	compare_free(&c);
	runs_end(&base);
	runs_end(&fresh);
}

static void the_same_run_twice(void)
{
	struct gate gates[] = {gate("p50_ms<=1.5x"), gate("p99_ms<=1.5x")};
	struct compare c = {.gates = gates, .gate_count = 2};
	struct runs r;

	make_run(&r, 80, 100, 1, 1, 0.2);
	add(&c.base, r.path);
	add(&c.fresh, r.path);
	is_int(decide(&c), 0, "a run is compared with itself");
	for (size_t i = 0; i < c.row_count; i++)
		ok(c.rows[i].significance != COMPARE_DIFFERS, "%s does not differ from itself", gate_metric_name(c.rows[i].metric));
	is_int(row(&c, GATE_P50, "curl -> 127.0.0.1:80")->gate, GATE_PASS, "p50 of 100 has an interval, and it is narrow: pass");
	is_int(row(&c, GATE_P99, "curl -> 127.0.0.1:80")->gate, GATE_INCONCLUSIVE, "p99 of 100 has none (368 are needed)");
	ok(!row(&c, GATE_P99, "curl -> 127.0.0.1:80")->base.bounded, "neither for one side alone");
	is_int(c.verdict, VERDICT_INCONCLUSIVE, "an inconclusive gate makes the comparison so");
	compare_free(&c);
	runs_end(&r);
}

static void several_runs(void)
{
	struct runs base[4], fresh[4];
	struct compare c = {0}, few = {0};
	struct compare_row *p50;

	for (int i = 0; i < 4; i++) {
		make_run(&base[i], 80 + i, 20, 1, 1 + 0.01 * i, 0);	/* another port every time */
		make_run(&fresh[i], 90 + i, 20, 1, 2 + 0.01 * i, 0);
		add(&c.base, base[i].path);
		add(&c.fresh, fresh[i].path);
	}
	is_int(decide(&c), 0, "four runs a side are compared");
	p50 = row(&c, GATE_P50, "curl -> *");
	NEAR(p50->base.value, 1.015, "the median of 1.00, 1.01, 1.02 and 1.03");
	NEAR(p50->fresh.value, 2.015, "the median of 2.00 to 2.03");
	NEAR(p50->ratio.value, 2.015 / 1.015, "their ratio");
	ok(p50->ratio.bounded && p50->ratio.low > 1.9 && p50->ratio.high < 2.1, "with an interval between runs");
	is_int(p50->base.n, 4, "n counts runs");
	is_int(p50->significance, COMPARE_DIFFERS, "they differ");
	ok(!notes_say(&c, "variance unknown") && !notes_say(&c, "only in"), "nothing is left to note");
	compare_free(&c);

	for (int i = 0; i < 3; i++) {
		add(&few.base, base[0].path);
		add(&few.fresh, fresh[0].path);
	}
	is_int(decide(&few), 0, "three runs a side are compared");
	is_int(row(&few, GATE_P50, "curl -> *")->significance, COMPARE_UNKNOWN, "but nothing can be significant");
	is_int(row(&few, GATE_AMPLIFICATION, "curl -> *")->significance, COMPARE_SAME, "unless all runs count exactly the same");
	ok(notes_say(&few, "too few runs"), "which is noted");
	compare_free(&few);
	for (int i = 0; i < 4; i++) {
		runs_end(&base[i]);
		runs_end(&fresh[i]);
	}
}

static void what_only_one_side_has(void)
{
	struct gate gates[] = {gate("amplification<=2@curl->nowhere")};
	struct compare c = {.gates = gates, .gate_count = 1};
	struct runs base, fresh;

	make_run(&base, 80, 10, 1, 1, 0);
	make_run(&fresh, 80, 10, 1, 1, 0);
	fresh.db = NULL;
	sqlite3_open(fresh.path, &fresh.db);
	runs_sql(&fresh, "INSERT INTO connection(id, process_id, role, local, peer)"
			 " VALUES(7, 1, 'client', '127.0.0.1:4001', 'unix:/x');"
			 "INSERT INTO exchange(connection_id, process_id, role, status, started_ns, ended_ns, outcome)"
			 " VALUES(7, 1, 'client', 200, 1000000000000, 1000001000000, 'ok')");
	add(&c.base, base.path);
	add(&c.fresh, fresh.path);
	is_int(decide(&c), -EINVAL, "a gate on a place that is not there is refused");
	ok(notes_say(&c, "only in new: curl -> unix:/x"), "what only one side has is noted");
	compare_free(&c);
	runs_end(&base);
	runs_end(&fresh);
}

static void vacuous_runs(void)
{
	struct compare c = {0};
	struct runs base, fresh;

	make_run(&base, 80, 10, 1, 1, 0);
	make_run(&fresh, 80, 10, 1, 1, 0);
	sqlite3_open(fresh.path, &fresh.db);
	runs_fault(&fresh, 1, "never", "{}", 0, 0);
	add(&c.base, base.path);
	add(&c.fresh, fresh.path);
	is_int(decide(&c), 0, "a run whose fault never fired is compared");
	is_int(c.verdict, VERDICT_VACUOUS, "but the comparison is vacuous");
	compare_free(&c);
	runs_end(&base);
	runs_end(&fresh);
}

static void gates_are_parsed_to_the_last_character(void)
{
	static const char *const refused[] = {
		"", "amplification", "amplification<1x", "amplification<=", "amplification<=x", "amplification<=1.1y", "speed<=1x",
		"amplification<=1x@", "amplification<=99%", "success>=101%", "success>=2", "success=1", "p95_ms<=-5", "p95_ms<=1e999",
		"amplification <=1x", "p95_ms<=nan", "p95_ms<=0x10",
	};
	char error[512];
	struct gate g;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		is_int(gate_parse(&g, refused[i], error, sizeof(error)), -EINVAL, "'%s' is refused", refused[i]);
		ok(strstr(error, refused[i]), "by a sentence that quotes it");
	}
	g = gate("success>=99.5%@a -> b");
	ok(g.metric == GATE_SUCCESS && g.at_least && !g.relative, "success>=99.5%%@a -> b: at least, of new alone");
	NEAR(g.bound, 0.995, "a percentage is a share");
	ok(gate_concerns(&g, "a->b") && gate_concerns(&g, "a -> b") && !gate_concerns(&g, "a -> bc"),
	   "blanks do not count in a place");
	g = gate("p95_ms<=1.2x");
	ok(g.relative && gate_concerns(&g, "anything"), "without a place a gate concerns all");
}

static void gates_have_three_outcomes(void)
{
	const struct metric point = metric_plain(1, 9, "none");
	const struct metric around = {1, 0.8, 1.2, 9, "m", true, true};
	static const struct { const char *gate; enum gate_outcome outcome; } cases[] = {
		{"amplification<=1.3x", GATE_PASS}, {"amplification<=1.2x", GATE_PASS}, {"amplification<=1.1x", GATE_INCONCLUSIVE},
		{"amplification<=0.8x", GATE_INCONCLUSIVE}, {"amplification<=0.7x", GATE_REGRESS}, {"amplification>=0.7x", GATE_PASS},
		{"amplification>=1.1x", GATE_INCONCLUSIVE}, {"amplification>=1.3x", GATE_REGRESS},
	};
	struct gate g;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		g = gate(cases[i].gate);
		is_int(gate_decide(&g, &point, &around), cases[i].outcome, "%s for 0.8 to 1.2", cases[i].gate);
	}
	g = gate("amplification<=5");
	is_int(gate_decide(&g, &point, &around), GATE_INCONCLUSIVE, "without an interval nothing passes");
	is_int(gate_decide(&g, &around, &point), GATE_PASS, "a plain bound is for new alone");
}

int main(void)
{
	exact_counts();
	the_same_run_twice();
	several_runs();
	what_only_one_side_has();
	vacuous_runs();
	gates_are_parsed_to_the_last_character();
	gates_have_three_outcomes();
	return tap_done();
}
