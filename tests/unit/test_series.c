/* SPDX-License-Identifier: MIT */
/* What charts are made of: an edge in steps of time, requests as waterfalls, and JSON that can not leave its element. */
#include <string.h>
#include "analyzer/face/page.h"
#include "analyzer/measure.h"
#include "base/clock.h"
#include "tests/unit/judge.h"

static const struct analyze_options charts = {.slo = NAN, .from_s = NAN, .to_s = NAN, .charts = true};

static void steps_suit_the_run(void)
{
	static const struct { double duration_s; size_t points; double step_s; } cases[] = {
		{0, 2000, 0.1}, {1, 2000, 0.1}, {5, 2000, 0.1}, {6, 2000, 0.2}, {11, 2000, 0.5}, {26, 2000, 1}, {60, 2000, 1}, {2000, 2000, 1},
		{2001, 2000, 2}, {86400, 2000, 50}, {100, 50, 2}, {1e9, 2000, 5e5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		NEAR((double)series_step_ns((uint64_t)(cases[i].duration_s * 1e9), cases[i].points) / 1e9, cases[i].step_s,
		     "a run of %g s in at most %zu points has steps of %g s", cases[i].duration_s, cases[i].points, cases[i].step_s);
	ok(series_step_ns(UINT64_MAX, 2000) >= UINT64_MAX / 2000, "centuries fit too");
}

/* Second 10: a request of 3 attempts (500, 500, 200) and one of 1 attempt (500); second 12: one that lasts to second 14, one that stays open. */
static void an_edge_second_by_second(void)
{
	struct runs r;
	struct result x;
	const struct series *s;

	judge_client(&r, 60000);
	for (int k = 0; k < 3; k++)
		runs_add(&r, ATTEMPT(.status = k < 2 ? 500 : 200, .at_ms = 10100 + 300 * k, .took_ms = 10 * (k + 1)));
	runs_add(&r, ATTEMPT(.tid = 10, .status = 500, .at_ms = 10115, .took_ms = 100));
	runs_add(&r, ATTEMPT(.tid = 11, .status = 200, .at_ms = 12000, .took_ms = 2500));
	runs_add(&r, ATTEMPT(.tid = 12, .outcome = "indeterminate", .at_ms = 12500, .took_ms = -1));
	runs_add(&r, ATTEMPT(.tid = 13, .status = 200, .at_ms = 14500, .took_ms = 500));
	runs_add(&r, ATTEMPT(.tid = 13, .status = 200, .at_ms = 15000, .took_ms = 1000));
	runs_add(&r, ATTEMPT(.tid = 14, .status = 200, .at_ms = 60000, .took_ms = 0));
	judge(&r, &x, &charts);
	s = &judge_edge(&x, "curl", "127.0.0.1:80")->series;
	is_int(s->count, 60, "60 steps");
	NEAR(s->step_s, 1, "of a second");
	is_int(s->points[9].attempts, 0, "nothing in second 9");
	ok(isnan(s->points[9].p50_ms), "and no latency");
	is_int(s->points[10].attempts, 4, "4 attempts in second 10");
	is_int(s->points[10].logical, 2, "of 2 requests");
	is_int(s->points[10].good, 1, "one of which succeeded");
	is_int(s->points[10].failed, 1, "and one did not");
	NEAR(s->points[10].p50_ms, 20, "the median of 10, 20, 30 and 100 ms is the second");
	NEAR(s->points[10].p95_ms, 100, "p95 the longest");
	is_int(s->points[10].in_flight, 1, "the first had ended when the fourth began: never two at once");
	is_int(s->points[12].in_flight, 2, "two are open in second 12");
	is_int(s->points[12].failed, 1, "the open one did not succeed");
	NEAR(s->points[12].p99_ms, 2500, "and has no duration yet");
	is_int(s->points[13].attempts, 0, "nothing starts in second 13");
	is_int(s->points[13].in_flight, 2, "but two are open");
	is_int(s->points[14].in_flight, 2, "one ends as another starts: still two");
	is_int(s->points[15].in_flight, 2, "again");
	is_int(s->points[30].in_flight, 1, "what never ended is open for ever");
	is_int(s->points[14].good * 10 + s->points[14].failed, 10, "what starts in second 14 is good");
	is_int(s->points[59].attempts, 1, "an attempt at the very end is in the last step");
	ok(!s->points[10].open && !s->points[10].shed, "no breaker, nothing shed");
	judge_end(&r, &x);

	judge_client(&r, 60000);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 10, .took_ms = 1));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	ok(!judge_edge(&x, "curl", "127.0.0.1:80")->series.points && !x.exemplar_count, "who asks for no charts pays for none");
	judge_end(&r, &x);
}

static void steps_with_times_of_a_damaged_file(void)
{
	struct runs r;
	struct result x;
	const struct series *s;

	judge_client(&r, 1000);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = -5000, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 500, .took_ms = 1e15));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 1e12, .took_ms = 1));
	for (int i = 0; i < 5; i++)
		runs_add(&r, ATTEMPT(.tid = 20 + i, .status = 200, .at_ms = 700, .took_ms = 0));
	judge(&r, &x, &charts);
	s = &judge_edge(&x, "curl", "127.0.0.1:80")->series;
	is_int(s->count, 10, "a second has ten steps");
	is_int(s->points[5].attempts + s->points[7].attempts, 6, "what is outside of the run is in none");
	is_int(s->points[9].in_flight, 1, "five that took no time leave one open");
	judge_end(&r, &x);
}

/* What breaker.c has found, marked on the steps: the steps of analyze() by hand. */
static void a_breaker_is_open(void)
{
	static const struct policy_open spans[] = {
		{1000500000000, 1002100000000, 0}, {1004000000000, 1004000000000, 0}, {1009500000000, UINT64_MAX, 0}, {0, 7, 0},
	};
	struct runs r;
	struct result x = {0};
	struct measure m = {.r = &x, .options = charts, .to_ns = UINT64_MAX};
	char error[512], open[61] = "";

	judge_client(&r, 12000);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 10, .took_ms = 1));
	runs_commit(&r);
	ok(!model_load(&x.model, r.path, error, sizeof(error)) && !graph_build(&m.graph, &x.model) && !link_build(&m.link, &x.model, &m.graph) &&
	   !chains_build(&m.chains, &m) && !timeline_build(&x.timeline, &x.model) && !measure_edges(&m), "a run of 12 s is read");
	x.edges[0].breaker = (struct policy_breaker){.known = true, .opens = 3, .spans = malloc(sizeof(spans)), .span_count = 4};
	memcpy(x.edges[0].breaker.spans, spans, sizeof(spans));
	is_int(measure_series(&m), 0, "its edge is laid out");
	for (size_t i = 0; i < x.edges[0].series.count && i < 60; i++)
		strcat(open, x.edges[0].series.points[i].open ? "o" : ".");
	is_str(open, ".oooo..............ooooo", "open for some of a step is open; never for no time; to the end of the run");
	graph_free(&m.graph);
	link_free(&m.link);
	chains_free(&m.chains);
	judge_end(&r, &x);
}

/* load (not recorded) -> front -> back -> store: a slow request at 5 s, a good one at 9 s, then under the fault one that fails, one saved by a retry. */
static void begin_chain(struct runs *r)
{
	runs_begin(r, 40000);
	runs_process(r, 1, "front");
	runs_process(r, 2, "back");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_connection(r, 4, 2, "client", "127.0.0.1:4001", "127.0.0.1:82");
	runs_fault(r, 1, "outage", "{\"from\":\"10s\",\"for\":\"10s\",\"status\":503}", 5, 5);
}

/* One inbound request with `attempts` calls of which the last succeeds or not; each good one has a call of its own behind it. */
static void add_request(struct runs *r, double at, int attempts, int ok, double took, const char *path)
{
	int inbound = runs_add(r, (struct runs_exchange){.connection = 2, .tid = 7, .role = "server", .method = "POST", .path = path,
							 .status = ok ? 200 : 502, .at_ms = at, .took_ms = took});

	for (int k = 0; k < attempts; k++) {
		int good = ok && k == attempts - 1;
		int id = runs_add(r, ATTEMPT(.tid = 7, .method = "POST", .path = "/charge", .status = good ? 200 : 503,
					     .at_ms = at + 1 + 10 * k, .took_ms = 8, .synthetic = !good, .parent = inbound));
		int far;

		if (!good) {
			runs_inject(r, 1, id, at + 1.5 + 10 * k, "status", -1, -1);
			continue;
		}
		far = runs_add(r, (struct runs_exchange){.connection = 3, .process = 2, .tid = 8, .role = "server", .method = "POST",
							 .path = "/charge", .status = 200, .at_ms = at + 2 + 10 * k, .took_ms = 6});
		runs_add(r, (struct runs_exchange){.connection = 4, .process = 2, .tid = 8, .status = 200, .at_ms = at + 3 + 10 * k,
						   .took_ms = 2, .parent = far});
	}
}

/* A request of a user each 100 ms that normally makes a call; from 12.0 to 13.9 s, under the fault, 20 make none. */
static void shed_second_by_second(void)
{
	struct runs r;
	struct result x;
	const struct result_edge *e;
	uint64_t shed = 0;

	begin_chain(&r);
	for (int i = 0; i < 400; i++) {
		double at = 100 * i;

		if (at >= 12000 && at < 14000)
			runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 7, .role = "server", .method = "POST", .path = "/order",
							    .status = 503, .at_ms = at, .took_ms = 1});
		else
			add_request(&r, at, 1, at < 11000 || at >= 14000, 20, "/order");
	}
	judge(&r, &x, &charts);
	e = judge_edge(&x, "front", "back");
	is_int(e->demand - e->whole.logical, 20, "20 calls were shed");
	is_int(e->series.points[12].shed * 100 + e->series.points[13].shed, 1010, "ten in second 12, ten in second 13");
	for (size_t i = 0; i < e->series.count; i++)
		shed += e->series.points[i].shed;
	is_int(shed, 20, "and none else");
	judge_end(&r, &x);
}

static const struct exemplar *exemplar_of(const struct result *x, enum exemplar_kind kind)
{
	for (size_t i = 0; i < x->exemplar_count; i++)
		if (x->exemplars[i].kinds & 1u << kind)
			return &x->exemplars[i];
	printf("Bail out! no request that is %s\n", exemplar_kind_name(kind));
	exit(1);
}

static void requests_worth_a_look(void)
{
	struct runs r;
	struct result x;
	const struct exemplar *e;

	begin_chain(&r);
	add_request(&r, 5000, 1, 1, 900, "/slow");
	add_request(&r, 9000, 1, 1, 12, "/fast");
	add_request(&r, 12000, 3, 0, 60, "/fails");
	add_request(&r, 13000, 2, 1, 60, "/saved");
	add_request(&r, 14000, 4, 0, 60, "/fails-too");
	add_request(&r, 30000, 1, 1, 12, "/after");
	judge(&r, &x, &charts);
	is_int(x.exemplar_count, 5, "five requests are shown");

	e = exemplar_of(&x, EXEMPLAR_SLOWEST);
	is_str(e->request, "POST /slow", "the slowest, with its path");
	NEAR(e->at_s, 5, "at 5 s of the run");
	is_int(e->count, 3, "three calls: front, back, store");
	is_int(e->attempts[0].depth * 100 + e->attempts[1].depth * 10 + e->attempts[2].depth, 12, "each below the one that caused it");
	NEAR(e->attempts[0].to_ms, 900, "it took 900 ms");
	NEAR(e->attempts[1].from_ms, 1, "the call to back began after 1 ms");
	NEAR(e->attempts[2].to_ms, 5, "that to the store ended after 5");
	is_str(x.edges[e->attempts[2].edge].server, "127.0.0.1:82", "and went there");

	e = exemplar_of(&x, EXEMPLAR_FIRST_FAILED);
	is_str(e->request, "POST /fails", "the first failed one of a user");
	is_int(e->count, 4, "with its three attempts, that never reached back");
	is_int(e->attempts[1].status, 503, "answered 503");
	ok(e->attempts[1].synthetic, "by the fault");

	e = exemplar_of(&x, EXEMPLAR_RECOVERED);
	is_int(e->count, 3, "one was saved: two attempts and what the good one caused");
	is_int(e->attempts[0].outcome, MODEL_FAILED, "the first failed");
	is_int(e->attempts[1].outcome, MODEL_OK, "the second did not");
	is_int(e->attempts[2].depth, 1, "the call of the second is below it");

	e = exemplar_of(&x, EXEMPLAR_MOST_ATTEMPTS);
	is_int(e->count, 4, "the most attempts are four");
	is_str(e->request, "POST /charge", "of front to back");
	is_str(exemplar_of(&x, EXEMPLAR_BASELINE)->request, "POST /fast", "the last one before the fault is the usual one");
	judge_end(&r, &x);
}

static void one_request_is_shown_once(void)
{
	struct runs r;
	struct result x;

	judge_client(&r, 40000);
	for (int k = 0; k < 200; k++)
		runs_add(&r, ATTEMPT(.status = k < 199 ? 500 : 200, .at_ms = 1000 + 10 * k, .took_ms = 1, .key = 77));
	judge(&r, &x, &charts);
	is_int(x.exemplar_count, 1, "a single request");
	is_int(x.exemplars[0].kinds, 1 << EXEMPLAR_SLOWEST | 1 << EXEMPLAR_MOST_ATTEMPTS | 1 << EXEMPLAR_RECOVERED,
	       "is the slowest, has the most attempts and was saved");
	is_int(x.exemplars[0].count, EXEMPLAR_ATTEMPTS_MAX, "100 of its attempts are shown");
	is_int(x.exemplars[0].left_out, 100, "and the others are counted");
	judge_end(&r, &x);

	judge_client(&r, 40000);
	judge(&r, &x, &charts);
	is_int(x.exemplar_count, 0, "an empty run has none");
	judge_end(&r, &x);
}

static void json_stays_in_its_element(void)
{
	static const struct { const char *in, *out; } cases[] = {
		{"", ""}, {"{\"a\":1}", "{\"a\":1}"}, {"\"</script><!--\"", "\"\\u003c/script\\u003e\\u003c!--\""}, {"\"a&b\"", "\"a\\u0026b\""},
		{"\"\xe2\x80\xa8\xe2\x80\xa9\"", "\"\\u2028\\u2029\""}, {"\"\xe2\x82\xac\"", "\"\xe2\x82\xac\""}, {"\"\xe2\x80\"", "\"\xe2\x80\""},
		{"\"\xe2", "\"\xe2"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		is_int(page_write_escaped(cases[i].in, out), 0, "case %zu is written", i);
		fclose(out);
		is_str(text, cases[i].out, "as it should be");
		free(text);
	}
}

int main(void)
{
	steps_suit_the_run();
	an_edge_second_by_second();
	steps_with_times_of_a_damaged_file();
	a_breaker_is_open();
	shed_second_by_second();
	requests_worth_a_look();
	one_request_is_shown_once();
	json_stays_in_its_element();
	return tap_done();
}
