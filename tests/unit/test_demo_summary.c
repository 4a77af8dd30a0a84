/* SPDX-License-Identifier: MIT */
/* The load generator's summary: counts, nearest-rank percentiles from the intended moment, the series by the second, all faces; and its time left. */
#include <cjson/cJSON.h>

#include "demos/load/progress.h"
#include "demos/load/summary.h"
#include "tests/lib/tap.h"

#define MS 1000000ull

static char *shown(struct summary *s, void (*show)(struct summary *s, FILE *out))
{
	size_t size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	show(s, out);
	fclose(out);
	return text;
}

static void add(struct summary *s, unsigned intended_ms, unsigned late_ms, unsigned latency_ms, enum load_end end, unsigned status)
{
	struct outcome o = {.intended_ns = intended_ms * MS, .late_ns = late_ms * MS, .latency_ns = latency_ms * MS, .end = (uint8_t)end,
			    .status = (uint16_t)status};

	if (summary_add(s, &o))
		ok(0, "there is memory");
}

/* 100 requests of 1..100 ms, the last three without an answer, in an order that is not theirs, 50 of them in each of two seconds. */
static void fill(struct summary *s)
{
	summary_init(s);
	for (unsigned i = 0; i < 100; i++) {
		unsigned ms = (i * 37) % 100 + 1;

		add(s, ms * 20 - 1, 0, ms, ms == 100 ? LOAD_TIMEOUT : ms == 99 ? LOAD_BROKEN : ms == 98 ? LOAD_CONNECT : LOAD_ANSWERED, ms > 90 ? 503 : 200);
	}
	s->elapsed_ns = 2000 * MS;
}

static double number(const cJSON *tree, const char *key)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, key));
}

static void check_json(void)
{
	struct summary s;
	char *text;
	cJSON *tree, *latency;

	fill(&s);
	text = shown(&s, summary_json);
	tree = cJSON_Parse(text);
	latency = cJSON_GetObjectItem(tree, "latency_ms");
	ok(tree, "it_is_json");
	ok(number(tree, "requests") == 100 && number(tree, "ok") == 90, "successes_are_counted");
	ok(number(tree, "timeouts") == 1 && number(tree, "errors") == 2, "timeouts_and_errors_are_apart");
	is_int(number(tree, "could_not_connect"), 1, "and so are those who could not connect");
	ok(number(cJSON_GetObjectItem(tree, "statuses"), "503") == 7, "statuses_are_counted");
	ok(number(latency, "p50") == 50 && number(latency, "p90") == 90 && number(latency, "p95") == 95 && number(latency, "p99") == 99 &&
	   number(latency, "max") == 100, "percentiles_are_of_the_nearest_rank");
	ok(number(latency, "mean") == 50.5 && number(tree, "requests_per_s") == 50, "mean_and_rate_are_right");
	cJSON_Delete(tree);
	free(text);
	summary_clear(&s);
}

static void check_text(void)
{
	struct summary s;
	char *text;

	fill(&s);
	text = shown(&s, summary_text);
	ok(strstr(text, "Successful:        90\nFailed:            9\nTimeout:           1\n"), "a_timeout_is_not_counted_as_failed_too");
	ok(strstr(text, "P95:      95.0 ms"), "percentiles_are_shown");
	ok(strstr(text, "  503: 7 (7.0%)\n"), "the_distribution_has_shares");
	ok(strstr(text, "  no answer: 2 (2.0%; 1 could not connect)\n"), "and_tells_who_got_no_answer");
	ok(!strstr(text, "Arrivals"), "a_closed_loop_has_no_arrivals");
	free(text);
	summary_clear(&s);
}

/* A server that stops for a second, at 10 requests a second: the sixth meets it, and those after it would have, had they begun in time. */
static void check_late(void)
{
	struct summary s;
	char *text;
	cJSON *tree;

	summary_init(&s);
	s.arrivals = "constant";
	s.rate = 10;
	s.in_flight_limit = 1;
	s.held_back = 9;
	for (unsigned i = 0; i < 20; i++) {
		unsigned late = i > 5 && i < 15 ? 1000 - 100 * (i - 5) : 0;

		add(&s, 100 * i, late, late + (i == 5 ? 1000 : 1), LOAD_ANSWERED, 200);
	}
	text = shown(&s, summary_json);
	tree = cJSON_Parse(text);
	is_int(number(cJSON_GetObjectItem(tree, "latency_ms"), "p95"), 901, "what_had_to_wait_shows_in_the_latency");
	is_int(number(cJSON_GetObjectItem(tree, "from_start_ms"), "p95"), 1, "and_is_left_out_when_it_counts_from_the_actual_start");
	ok(number(tree, "late") == 9 && number(tree, "late_max_ms") == 900, "late_starts_are_counted");
	cJSON_Delete(tree);
	free(text);
	text = shown(&s, summary_text);
	ok(strstr(text, "Late:      9 (45.00%) began more than 1 ms after they were to, by 900.0 ms at most\n"), "and_said");
	ok(strstr(text, "The limit of 1 in flight was reached: 9 had to wait, 0 of them until their time was over\n"), "and_so_is_the_limit");
	free(text);
	summary_clear(&s);
}

static void check_series(void)
{
	struct summary s;
	char *text;
	cJSON *tree, *series, *second;

	fill(&s);
	add(&s, 7500, 0, 3, LOAD_ANSWERED, 404);
	text = shown(&s, summary_json);
	tree = cJSON_Parse(text);
	series = cJSON_GetObjectItem(tree, "series");
	is_int(cJSON_GetArraySize(series), 3, "seconds_without_a_request_are_left_out");
	second = cJSON_GetArrayItem(series, 0);
	ok(number(second, "s") == 0 && number(second, "requests") == 50 && number(second, "ok") == 50, "the_first_second_went_well");
	ok(number(second, "p50_ms") == 25 && number(second, "p95_ms") == 48 && number(second, "max_ms") == 50, "with_latencies_of_its_own");
	second = cJSON_GetArrayItem(series, 1);
	ok(number(second, "s") == 1 && number(second, "ok") == 40 && number(second, "timeouts") == 1 && number(second, "errors") == 2, "the_second_did_not");
	second = cJSON_GetArrayItem(series, 2);
	ok(number(second, "s") == 7 && number(second, "requests") == 1 && number(second, "ok") == 0, "a_second_has_its_number");
	cJSON_Delete(tree);
	free(text);
	summary_clear(&s);
}

static void check_csv(void)
{
	struct summary s;
	struct outcome unsent = {.intended_ns = 7, .late_ns = 9, .latency_ns = 9, .end = LOAD_TIMEOUT, .is_unsent = true};
	struct outcome marked = {.intended_ns = 5, .latency_ns = 3, .end = LOAD_ANSWERED, .status = 200, .is_marked = true};
	char *text;

	summary_init(&s);
	ok(!summary_add(&s, &unsent) && !summary_add(&s, &marked), "two_requests");
	add(&s, 1, 0, 2, LOAD_BROKEN, 0);
	text = shown(&s, summary_csv);
	is_str(text, "intended_ns,late_ns,latency_ns,end,status,marked\n5,0,3,answered,200,1\n7,9,9,unsent,0,0\n1000000,0,2000000,broken,0,0\n",
	       "each_request_is_a_line_in_the_order_of_their_moments");
	ok(s.marked == 1 && s.unsent == 1 && s.ends[LOAD_TIMEOUT] == 1, "marks_and_who_was_not_sent_are_counted");
	free(text);
	summary_clear(&s);
}

static void check_empty(void)
{
	struct summary s;
	char *text;

	summary_init(&s);
	text = shown(&s, summary_json);
	ok(strstr(text, "\"requests\":0") && strstr(text, "\"series\":[]") && !strstr(text, "nan") && !strstr(text, "inf"), "nothing_is_no_nan");
	free(text);
	s.rate = 5;
	s.mark = "X";
	text = shown(&s, summary_text);
	ok(!strstr(text, "nan") && !strstr(text, "inf"), "nor_in_the_text");
	free(text);
	add(&s, 0, 0, 1, LOAD_ANSWERED, 600);
	add(&s, 0, 0, 1, LOAD_ANSWERED, 99);
	add(&s, 0, 0, 1, LOAD_ANSWERED, 599);
	ok(s.ends[LOAD_BROKEN] == 2 && s.statuses[599] == 1, "an_answer_without_a_status_is_none");
	for (unsigned i = 0; i < 5000; i++)
		add(&s, i, 0, i, LOAD_ANSWERED, 200);
	is_int(s.count, 5003, "it_grows");
	summary_clear(&s);
}

static void check_time_left(void)
{
	static const struct {
		const char *sentence;
		uint64_t requests, duration_ms, elapsed_ms, ended;
		double left_s;
	} table[] = {
		{"of_a_time_that_is_known", 0, 10000, 4000, 77, 6},
		{"which_does_not_go_below_zero", 0, 10000, 12000, 77, 0},
		{"of_a_count_by_the_rate_so_far", 1000, 0, 2000, 250, 6},
		{"not_before_there_is_one", 1000, 0, 2000, 0, -1},
		{"and_not_over_its_end", 1000, 0, 2000, 1000, 0},
		{"the_sooner_of_two_ends", 1000, 10000, 2000, 500, 2},
		{"the_other_one", 1000, 3000, 2000, 500, 1},
		{"none_is_known", 0, 0, 2000, 500, -1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct progress p;
		struct progress_now now = {.elapsed_ns = table[i].elapsed_ms * MS, .ended = table[i].ended};

		progress_init(&p, table[i].requests, table[i].duration_ms ? table[i].duration_ms * MS : UINT64_MAX);
		ok(progress_left_s(&p, &now) == table[i].left_s, "time_left: %s", table[i].sentence);
	}
}

int main(void)
{
	check_json();
	check_text();
	check_late();
	check_series();
	check_csv();
	check_empty();
	check_time_left();
	return tap_done();
}
