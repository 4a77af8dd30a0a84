/* SPDX-License-Identifier: MIT */
/* W3C trace context in the demo service: kept when it is valid, begun anew when not, a new span for each attempt. */
#include "demos/service/trace_context.h"
#include "tests/lib/tap.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static const struct {
	const char *traceparent;
	int kept;
	const char *sentence;
} table[] = {
	{"00-" TRACE "-" SPAN "-01", 1, "a_valid_trace_is_kept"},
	{"00-" TRACE "-" SPAN "-00", 1, "an_unsampled_trace_is_kept"},
	{"cc-" TRACE "-" SPAN "-01", 1, "a_later_version_is_kept"},
	{"cc-" TRACE "-" SPAN "-01-more", 1, "a_later_version_may_be_longer"},
	{"00-" TRACE "-" SPAN "-01-more", 0, "version_00_may_not_be_longer"},
	{"ff-" TRACE "-" SPAN "-01", 0, "version_ff_is_invalid"},
	{"00-00000000000000000000000000000000-" SPAN "-01", 0, "a_trace_of_zeros_is_invalid"},
	{"00-" TRACE "-0000000000000000-01", 0, "a_span_of_zeros_is_invalid"},
	{"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", 0, "capitals_are_invalid"},
	{"00-" TRACE "-" SPAN, 0, "a_short_one_is_invalid"},
	{"", 0, "an_empty_one_is_invalid"},
	{NULL, 0, "without_one_a_trace_begins"},
};

static void check_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct trace_context c;

		trace_context_read(&c, table[i].traceparent, "vendor=1");
		ok((strcmp(c.trace_id, TRACE) == 0) == table[i].kept && strspn(c.trace_id, "0123456789abcdef") == 32 && !c.trace_id[32],
		   "%s", table[i].sentence);
		ok(!strcmp(c.state, table[i].kept ? "vendor=1" : ""), "%s_and_its_state_goes_with_it", table[i].sentence);
	}
}

static void check_attempts(void)
{
	char first[TRACEPARENT_SIZE], second[TRACEPARENT_SIZE];
	struct trace_context c, again;

	trace_context_read(&c, "00-" TRACE "-" SPAN "-00", NULL);
	trace_context_attempt(&c, first);
	trace_context_attempt(&c, second);
	ok(!strncmp(first, "00-" TRACE "-", 36) && !strcmp(first + 52, "-00"), "an_attempt_carries_the_trace_and_its_flags");
	ok(strncmp(first + 36, SPAN, 16) && strcmp(first, second), "each_attempt_is_a_span_of_its_own");
	trace_context_read(&again, first, NULL);
	is_str(again.trace_id, TRACE, "the_next_service_accepts_what_is_sent");
}

static void check_state(void)
{
	char state[TRACESTATE_SIZE + 1];
	struct trace_context c;

	memset(state, 'a', sizeof(state));
	state[TRACESTATE_SIZE - 1] = '\0';
	trace_context_read(&c, "00-" TRACE "-" SPAN "-01", state);
	is_int(strlen(c.state), TRACESTATE_SIZE - 1, "512_characters_of_state_are_passed_on");
	state[TRACESTATE_SIZE - 1] = 'a';
	state[TRACESTATE_SIZE] = '\0';
	trace_context_read(&c, "00-" TRACE "-" SPAN "-01", state);
	is_str(c.state, "", "a_longer_one_is_dropped_whole");
}

int main(void)
{
	check_table();
	check_attempts();
	check_state();
	return tap_done();
}
