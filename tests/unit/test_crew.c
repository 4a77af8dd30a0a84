/* SPDX-License-Identifier: MIT */
/* Attempts of an edge, process by process. */
#include <stdlib.h>

#include "analyzer/link/crew.h"
#include "analyzer/measure.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define MAX 40

static struct model_exchange exchanges[MAX];
static struct result r = {.model = {.exchanges = exchanges, .exchange_count = MAX}};
static struct measure m = {.r = &r};
static uint32_t rows[MAX];

/* The attempts of each part as letters, "|" between parts: row 0 is "a". Processes are digits. */
static const char *parts_of(const char *processes, struct crew *c)
{
	static char text[4 * MAX];
	size_t n = 0, at = 0;

	for (; processes[n]; n++) {
		exchanges[n].process = processes[n] == '-' ? MODEL_NONE : (uint32_t)(processes[n] - '0');
		rows[n] = (uint32_t)n;
	}
	if (crew_of(c, &m, (struct chains_span){rows, n}))
		return "short of memory";
	for (uint32_t i = 0; i < c->count; i++) {
		struct chains_span s = crew_part(c, i);

		if (i)
			text[at++] = '|';
		for (size_t k = 0; k < s.n; k++)
			text[at++] = (char)('a' + s.members[k]);
	}
	text[at] = '\0';
	return text;
}

static void check_parts(void)
{
	static const struct { const char *sentence, *processes, *parts; } cases[] = {
		{"nothing_has_no_part", "", ""}, {"one_process_is_one_part", "333", "abc"},
		{"parts_come_in_order_of_their_first_attempt", "4121", "a|bd|c"}, {"each_keeps_the_order_of_its_attempts", "12121221", "aceh|bdfg"},
		{"the_first_process_has_a_part_as_others", "0110", "ad|bc"}, {"attempts_of_no_process_are_a_part_too", "-1-", "ac|b"},
		{"as_many_as_there_are", "0123456789:;<=>?@ABC", "a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crew c;

		is_str(parts_of(cases[i].processes, &c), cases[i].parts, "%s", cases[i].sentence);
		crew_free(&c);
	}
}

static void check_process(void)
{
	struct chains_span s;
	struct crew c;

	parts_of("4121", &c);
	s = crew_process(&c, 1);
	ok(s.n == 2 && s.members[0] == 1 && s.members[1] == 3, "a_process_has_its_part");
	is_int((long long)crew_process(&c, 3).n, 0, "another_has_none");
	crew_free(&c);
}

static int again(void)
{
	struct crew c;
	int err = crew_of(&c, &m, (struct chains_span){rows, 20});

	crew_free(&c);
	return err;
}

int main(void)
{
	check_process();
	check_parts();
	ok(starved_says_so(again), "short_of_memory_it_says_so");
	return tap_done();
}
