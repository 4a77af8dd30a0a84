/* SPDX-License-Identifier: MIT */
/* The demos' backpressure, by table: who is worked on, who is shed, and that places are given back. */
#include "demos/service/backpressure.h"
#include "tests/lib/tap.h"

/* A script, one character an act: i somebody comes and is in · x ... is shed · l one of those in leaves */
static const struct story {
	const char *sentence;
	unsigned max_in_flight;
	const char *acts;
	unsigned in, shed;	/* at the end */
} stories[] = {
	{"nobody_is_there_at_first", 2, "", 0, 0},
	{"as_many_are_in_as_may_be", 3, "iii", 3, 0},
	{"the_next_is_shed", 2, "iix", 2, 1},
	{"who_was_shed_takes_no_place", 1, "ixxxl", 0, 3},
	{"a_place_left_can_be_taken", 1, "ilixli", 1, 1},
	{"without_a_limit_nobody_is_shed", 0, "iiiiiiiil", 7, 0},
};

static void play(const struct story *s)
{
	struct backpressure_policy policy = {s->max_in_flight, 1};
	struct backpressure b;
	size_t i;

	backpressure_init(&b, &policy);
	for (i = 0; s->acts[i]; i++)
		if (s->acts[i] == 'l')
			backpressure_leaves(&b);
		else if (backpressure_admits(&b) != (s->acts[i] == 'i'))
			break;
	if (!ok(!s->acts[i] && b.in == s->in && b.shed == s->shed, "%s", s->sentence))
		printf("# after %zu acts of \"%s\": %u in, %" PRIu64 " shed\n", i, s->acts, b.in, b.shed);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		play(&stories[i]);
	return tap_done();
}
