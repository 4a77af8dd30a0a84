/* SPDX-License-Identifier: MIT */
/* The demos' event sourcing, by table: which event may follow, and what events add up to. */
#include "demos/service/events.h"
#include "tests/lib/tap.h"

static const struct {
	const char *sentence;
	struct events_last last;
	int64_t seen;
	const char *after;	/* JSON; NULL any */
	enum events_verdict verdict;
} judged[] = {
	{"the_first_event_of_a_stream", {0, NULL}, 0, NULL, EVENTS_FOLLOWS},
	{"whatever_version_it_is", {7, "Paid"}, EVENTS_ANY, NULL, EVENTS_FOLLOWS},
	{"the_version_that_was_seen", {7, "Paid"}, 7, NULL, EVENTS_FOLLOWS},
	{"somebody_was_faster", {8, "Paid"}, 7, NULL, EVENTS_CONFLICT},
	{"a_version_that_is_not_there_yet_leaves_no_gap", {7, "Paid"}, 8, NULL, EVENTS_CONFLICT},
	{"a_stream_that_must_not_exist_does", {1, "Placed"}, 0, NULL, EVENTS_CONFLICT},
	{"a_stream_that_must_exist_does_not", {0, NULL}, 1, NULL, EVENTS_CONFLICT},
	{"it_follows_what_it_may", {2, "Paid"}, 2, "[\"Placed\",\"Paid\"]", EVENTS_FOLLOWS},
	{"it_does_not_follow_anything_else", {2, "Shipped"}, 2, "[\"Placed\",\"Paid\"]", EVENTS_OUT_OF_PLACE},
	{"types_are_compared_whole", {2, "Pai"}, 2, "[\"Paid\"]", EVENTS_OUT_OF_PLACE},
	{"an_empty_text_is_the_empty_stream", {0, NULL}, EVENTS_ANY, "[\"\"]", EVENTS_FOLLOWS},
	{"which_is_not_meant_otherwise", {0, NULL}, EVENTS_ANY, "[\"Placed\"]", EVENTS_OUT_OF_PLACE},
	{"nor_is_a_stream_with_events_empty", {1, "Placed"}, EVENTS_ANY, "[\"\"]", EVENTS_OUT_OF_PLACE},
	{"an_empty_list_lets_nothing_follow", {0, NULL}, EVENTS_ANY, "[]", EVENTS_OUT_OF_PLACE},
	{"who_saw_another_version_is_told_of_that_first", {3, "Shipped"}, 2, "[\"Paid\"]", EVENTS_CONFLICT},
};

/* What is not RFC 7396's appendix A is that the state may be none. */
static const struct {
	const char *state, *data, *folded;
} folds[] = {
	{NULL, "{\"a\":1}", "{\"a\":1}"},
	{NULL, "{\"a\":null}", "{}"},
	{NULL, "{}", "{}"},
	{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
	{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
	{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
	{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
	{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
	{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
	{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
	{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
	{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
	{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
	{"{\"a\":\"foo\"}", "null", "null"},
	{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
	{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
	{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
	{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	{"{\"A\":1}", "{\"a\":2}", "{\"A\":1,\"a\":2}"},
};

static void check_judge(void)
{
	for (size_t i = 0; i < sizeof(judged) / sizeof(*judged); i++) {
		cJSON *after = judged[i].after ? cJSON_Parse(judged[i].after) : NULL;

		is_int(events_judge(&judged[i].last, judged[i].seen, after), judged[i].verdict, "%s", judged[i].sentence);
		cJSON_Delete(after);
	}
}

static void check_folds(void)
{
	for (size_t i = 0; i < sizeof(folds) / sizeof(*folds); i++) {
		cJSON *data = cJSON_Parse(folds[i].data);
		cJSON *folded = events_fold(folds[i].state ? cJSON_Parse(folds[i].state) : NULL, data);
		char *text = folded ? cJSON_PrintUnformatted(folded) : NULL;

		is_str(text, folds[i].folded, "%s and then %s", folds[i].state ? folds[i].state : "nothing", folds[i].data);
		free(text);
		cJSON_Delete(folded);
		cJSON_Delete(data);
	}
}

int main(void)
{
	check_judge();
	check_folds();
	return tap_done();
}
