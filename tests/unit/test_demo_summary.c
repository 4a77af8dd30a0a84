/* SPDX-License-Identifier: MIT */
/* The load generator's summary: counts, nearest-rank percentiles, both faces. */
#include <cjson/cJSON.h>

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

/* 100 requests of 1..100 ms, the last two without an answer, in an order that is not theirs. */
static void fill(struct summary *s)
{
	summary_init(s, 100);
	for (unsigned i = 0; i < 100; i++) {
		unsigned ms = (i * 37) % 100 + 1;

		summary_add(s, ms == 100 ? LOAD_TIMEOUT : ms == 99 ? LOAD_ERROR : LOAD_ANSWERED, ms > 90 ? 503 : 200, ms * MS);
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
	ok(number(tree, "timeouts") == 1 && number(tree, "errors") == 1, "timeouts_and_errors_are_apart");
	ok(number(cJSON_GetObjectItem(tree, "statuses"), "503") == 8, "statuses_are_counted");
	ok(number(latency, "p50") == 50 && number(latency, "p95") == 95 && number(latency, "p99") == 99 && number(latency, "max") == 100,
	   "percentiles_are_of_the_nearest_rank");
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
	ok(strstr(text, "  503: 8 (8.0%)\n"), "the_distribution_has_shares");
	free(text);
	summary_clear(&s);
}

static void check_empty(void)
{
	struct summary s;
	char *text;

	summary_init(&s, 1);
	text = shown(&s, summary_json);
	ok(strstr(text, "\"requests\":0") && !strstr(text, "nan") && !strstr(text, "inf"), "nothing_is_no_nan");
	free(text);
	summary_add(&s, LOAD_ANSWERED, 200, MS);
	summary_add(&s, LOAD_ANSWERED, 200, MS);
	is_int(s.count, 1, "there_is_never_more_than_the_room");
	summary_clear(&s);
}

int main(void)
{
	check_json();
	check_text();
	check_empty();
	return tap_done();
}
