/* SPDX-License-Identifier: MIT */
/* Runs before a change against runs after it: ratios, intervals, significance, gates. */
#include <errno.h>
#include "analyzer/compare/compare.h"
#include "analyzer/compare/gate.h"
#include "analyzer/stats/stats.h"
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
	NEAR(p50->ratio.value, sqrt(2.02 / 1.02 * 2.01 / 1.01), "of 16 ratios between runs the middle two are 2.02/1.02 and 2.01/1.01");
	is_str(p50->ratio.method, "Hodges-Lehmann", "as Hodges and Lehmann estimate it");
	NEAR(p50->p, 2.0 / 70, "all of new above all of base: 2 of 70 ways");
	NEAR(p50->a12, 1, "a run of new is always above one of base");
	ok(!p50->base.bounded, "the median of four runs has no interval of 95 %%");
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

static void medians_of_six(void)
{
	struct gate gates[] = {gate("p50_ms<=1.06"), gate("p50_ms<=1.04"), gate("p50_ms<=0.5")};
	struct compare c = {.gates = gates, .gate_count = 3};
	struct runs r[6];
	struct compare_row *p50;

	for (int i = 0; i < 6; i++) {
		make_run(&r[i], 80, 20, 1, 1 + 0.01 * i, 0);
		add(&c.base, r[i].path);
		add(&c.fresh, r[i].path);
	}
	is_int(decide(&c), 0, "six runs are compared with themselves");
	p50 = row(&c, GATE_P50, "curl -> 127.0.0.1:80");
	ok(p50->fresh.bounded, "the median of six has an interval");
	NEAR(p50->fresh.low, 1.00, "from the least");
	NEAR(p50->fresh.high, 1.05, "to the largest");
	ok(p50->p > 0.9, "the two sides do not differ");
	is_int(c.tests[0].outcome, GATE_PASS, "all of it is below 1.06 ms");
	is_int(c.tests[1].outcome, GATE_INCONCLUSIVE, "1.04 ms lies in it");
	is_int(c.tests[2].outcome, GATE_REGRESS, "0.5 ms is below all of it");
	NEAR(c.tests[2].p, 1.0 / 64, "six of six above: 1 of 64");
	NEAR(c.tests[2].adjusted, 3.0 / 64, "times three, as three gates were declared");
	compare_free(&c);
	for (int i = 0; i < 6; i++)
		runs_end(&r[i]);
}

static void many_gates_miss_by_chance(void)
{
	struct gate gates[] = {gate("p50_ms<=0.5"), gate("p50_ms<=0.6"), gate("p50_ms<=0.7"), gate("p50_ms<=0.8")};
	struct compare all = {.gates = gates, .gate_count = 4}, three = {.gates = gates, .gate_count = 3};
	struct runs r[6];

	for (int i = 0; i < 6; i++) {
		make_run(&r[i], 80, 20, 1, 1 + 0.01 * i, 0);
		add(&three.base, r[i].path);
		add(&three.fresh, r[i].path);
		add(&all.base, r[i].path);
		add(&all.fresh, r[i].path);
	}
	is_int(decide(&three), 0, "three gates are missed by six of six runs");
	is_int(three.tests[0].outcome, GATE_REGRESS, "which is rare enough");
	is_int(three.verdict, VERDICT_FAIL, "and fails");
	is_int(decide(&all), 0, "four gates are missed so");
	ok(all.tests[0].chance && all.tests[0].outcome == GATE_INCONCLUSIVE, "of four, each as rare as 1 in 64, one may be chance");
	is_int(all.verdict, VERDICT_INCONCLUSIVE, "which fails nothing");
	compare_free(&three);
	compare_free(&all);
	for (int i = 0; i < 6; i++)
		runs_end(&r[i]);
}

static void set_run(struct runs *r, const char *started, int seed)
{
	sqlite3_open(r->path, &r->db);
	runs_sql(r, "UPDATE run SET value=%Q WHERE key='started'; UPDATE run SET value=%d WHERE key='seed'", started, seed);
	sqlite3_close(r->db);
	r->db = NULL;
}

/* Runs differ from seed to seed far more than by the change: pairs show what two samples can not. */
static void pairs_by_seed(void)
{
	static const double seeds[] = {1, 2, 4, 8, 16, 32};
	struct compare c = {0}, apart = {0};
	struct compare_row *p50;
	struct runs base[6], fresh[6];

	for (int i = 0; i < 6; i++) {
		char at[32];

		make_run(&base[i], 80, 20, 1, seeds[i], 0);
		make_run(&fresh[i], 80, 20, 1, seeds[i] * (1.2 + 0.01 * i), 0);
		snprintf(at, sizeof(at), "2026-01-02T03:%02d:00.000Z", 2 * i);
		set_run(&base[i], at, i);
		snprintf(at, sizeof(at), "2026-01-02T03:%02d:00.000Z", 2 * i + 1);
		set_run(&fresh[i], at, i);
		add(&c.base, base[i].path);
		add(&apart.base, base[i].path);
	}
	for (int i = 6; i-- > 0;)
		add(&c.fresh, fresh[i].path);
	is_int(decide(&c), 0, "six seeds, each with and without the change, given in any order");
	ok(c.paired && notes_say(&c, "paired by their seeds"), "are paired");
	p50 = row(&c, GATE_P50, "curl -> 127.0.0.1:80");
	is_str(p50->ratio.method, "signed ranks", "and compared by signed ranks");
	ok(p50->ratio.low > 1.19 && p50->ratio.high < 1.26, "the ratio is 1.20 to 1.25 in each pair");
	is_int(p50->significance, COMPARE_DIFFERS, "which is no chance");
	ok(!notes_say(&c, "alternate"), "they were made in turns");
	compare_free(&c);

	for (int i = 0; i < 6; i++) {
		set_run(&fresh[i], "2026-01-02T05:00:00.000Z", 1);
		add(&apart.fresh, fresh[i].path);
	}
	is_int(decide(&apart), 0, "the same without seeds that pair, all of new after base");
	ok(!apart.paired, "is not paired");
	is_int(row(&apart, GATE_P50, "curl -> 127.0.0.1:80")->significance, COMPARE_SAME, "and drowns in what runs differ by anyway");
	ok(notes_say(&apart, "do not alternate"), "and is told to make them in turns");
	compare_free(&apart);
	for (int i = 0; i < 6; i++) {
		runs_end(&base[i]);
		runs_end(&fresh[i]);
	}
}

/* Latency that goes up and down by the second: 2,000 requests say no more than some 20 seconds do. */
static void neighbours_are_alike(void)
{
	struct compare c = {0};
	struct runs r[2];
	double wide[2];

	for (int alike = 0; alike < 2; alike++) {
		struct stats_random random = {9};

		runs_begin(&r[alike], 30000);
		runs_process(&r[alike], 1, "curl");
		runs_connection(&r[alike], 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:80");
		for (int i = 0, level = 0; i < 2000; i++) {
			if (!alike || i % 100 == 0)
				level = (int)(stats_uniform(&random) * 1000);
			runs_add(&r[alike], ATTEMPT(.status = 200, .at_ms = 12 * i, .took_ms = 1 + level * 0.01));
		}
		runs_commit(&r[alike]);
		add(alike ? &c.fresh : &c.base, r[alike].path);
	}
	is_int(decide(&c), 0, "2000 independent latencies against 20 levels of 100");
	wide[0] = row(&c, GATE_P50, "curl -> 127.0.0.1:80")->base.high - row(&c, GATE_P50, "curl -> 127.0.0.1:80")->base.low;
	wide[1] = row(&c, GATE_P50, "curl -> 127.0.0.1:80")->fresh.high - row(&c, GATE_P50, "curl -> 127.0.0.1:80")->fresh.low;
	ok(wide[0] < 1, "the median of the independent ones is known to 1 ms of 10 (%.2f)", wide[0]);
	ok(wide[1] > 3 * wide[0], "that of levels to less than a third of that (%.2f)", wide[1]);
	compare_free(&c);
	runs_end(&r[0]);
	runs_end(&r[1]);
}

/* An outage that users feel to the end of the run, against one that ends. */
static void recoveries_that_were_not_seen(void)
{
	struct gate gates[] = {gate("mttr_ms<=10000"), gate("mttr_ms<=40000")};
	struct compare c = {.gates = gates, .gate_count = 2};
	struct runs r[2];
	struct compare_row *mttr;

	for (int never = 0; never < 2; never++) {
		judge_client(&r[never], 60000);
		runs_fault(&r[never], 1, "outage", "{\"from\":\"20s\",\"for\":\"10s\",\"status\":503}", 100, 100);
		for (int i = 0; i < 600; i++) {
			bool hit = i >= 200 && i < 300, bad = hit || (never && i >= 300);
			int id = runs_add(&r[never], ATTEMPT(.tid = 100 + i, .status = bad ? 503 : 200, .at_ms = 100 * i, .took_ms = 1, .synthetic = hit));

			if (hit)
				runs_inject(&r[never], 1, id, 100 * i + 0.5, "status", -1, -1);
		}
		runs_commit(&r[never]);
		add(never ? &c.fresh : &c.base, r[never].path);
	}
	is_int(decide(&c), 0, "a recovery against none");
	mttr = row(&c, GATE_MTTR, "outage");
	ok(mttr->base.known && !mttr->fresh.known, "one time to recovery is known, the other is not");
	ok(mttr->fresh.bounded && mttr->fresh.low > 35000 && isinf(mttr->fresh.high), "but was more than 35 s");
	is_int(c.tests[0].outcome, GATE_REGRESS, "so 10 s are missed");
	is_int(c.tests[1].outcome, GATE_INCONCLUSIVE, "and whether 40 s are, nobody knows");
	compare_free(&c);
	runs_end(&r[0]);
	runs_end(&r[1]);
}

/* An outage that is switched on three times in a run: its recoveries are one figure. */
static void one_fault_three_times(void)
{
	struct compare c = {0};
	struct compare_row *row_of;
	struct runs r;

	judge_client(&r, 120000);
	runs_fault(&r, 1, "outage", "{\"status\":503}", 150, 150);
	for (int k = 0; k < 3; k++) {
		runs_mark(&r, 20000 + 30000 * k, "fault on outage");
		runs_mark(&r, 25000 + 30000 * k, "fault off outage");
	}
	for (int i = 0; i < 1200; i++) {
		int since = i >= 200 ? (i - 200) % 300 : 300;
		bool hit = i < 1100 && since < 50, bad = hit || (i < 1100 && since < 50 + 10 * (1 + (i - 200) / 300));
		int id = runs_add(&r, ATTEMPT(.tid = 100 + i, .status = bad ? 503 : 200, .at_ms = 100 * i, .took_ms = 1, .synthetic = hit));

		if (hit)
			runs_inject(&r, 1, id, 100 * i + 0.5, "status", -1, -1);
	}
	runs_commit(&r);
	add(&c.base, r.path);
	add(&c.fresh, r.path);
	is_int(decide(&c), 0, "a run in which a fault came on three times is compared with itself");
	is_int((int)c.base.runs[0].recovery_count, 3, "it has three recoveries");
	row_of = row(&c, GATE_MTTR, "outage");
	is_int((int)row_of->base.n, 3, "which are one figure");
	is_str(row_of->base.method, "Kaplan-Meier median", "by Kaplan and Meier");
	ok(row_of->base.value > 6500 && row_of->base.value < 7500, "the middle one of 6, 7 and 8 s");
	NEAR(row(&c, GATE_RECOVERY_LAG, "outage")->base.value, 2000, "2 s after the fault had gone");
	compare_free(&c);
	runs_end(&r);
}

/* The same program twice, 200 times: four runs a side, whose level differs from run to run. */
static void false_alarms(void)
{
	enum { TRIALS = 200, RUNS = 4 };
	struct gate gates[] = {gate("p50_ms<=1x"), gate("p95_ms<=1x"), gate("amplification<=1x")};
	struct stats_random random = {4711};
	int alarms = 0, differing = 0, rows = 0;

	for (int t = 0; t < TRIALS; t++) {
		struct compare c = {.gates = gates, .gate_count = 3};
		struct runs r[2 * RUNS];

		for (int i = 0; i < 2 * RUNS; i++) {
			double level = 5 * exp(0.2 * stats_normal(&random));

			judge_client(&r[i], 10000);
			for (int q = 0; q < 25; q++) {
				int attempts = 1 + (stats_uniform(&random) < 0.3) + (stats_uniform(&random) < 0.2);
				bool well = stats_uniform(&random) < 0.9;

				for (int k = 0; k < attempts; k++)
					runs_add(&r[i], ATTEMPT(.tid = 100 + q, .status = k == attempts - 1 && well ? 200 : 503, .at_ms = 200 * q + 50 * k,
								.took_ms = level * exp(0.5 * stats_normal(&random))));
			}
			runs_commit(&r[i]);
			add(i % 2 ? &c.fresh : &c.base, r[i].path);
		}
		decide(&c);
		alarms += c.verdict == VERDICT_FAIL;
		for (size_t k = 0; k < c.row_count; k++) {
			differing += c.rows[k].significance == COMPARE_DIFFERS;
			rows += c.rows[k].significance != COMPARE_UNKNOWN;
		}
		compare_free(&c);
		for (int i = 0; i < 2 * RUNS; i++)
			runs_end(&r[i]);
	}
	ok(alarms <= TRIALS / 20, "three gates without any margin on the same program: %d of %d raise a false alarm", alarms, TRIALS);
	ok(differing <= rows / 20, "%d of %d figures are said to differ", differing, rows);
	ok(rows > 3 * TRIALS, "which were judged");
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
	medians_of_six();
	many_gates_miss_by_chance();
	pairs_by_seed();
	neighbours_are_alike();
	recoveries_that_were_not_seen();
	one_fault_three_times();
	false_alarms();
	what_only_one_side_has();
	vacuous_runs();
	gates_are_parsed_to_the_last_character();
	gates_have_three_outcomes();
	return tap_done();
}
