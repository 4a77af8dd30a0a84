/* SPDX-License-Identifier: MIT */
/* The demos' bulkhead, by table under a fake clock: who is in, who waits, who is refused, and in which order places go out. */
#include "demos/service/bulkhead.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define WAITERS_MAX 16

/*
 * A script, one character an act:
 *     i  somebody comes and is in      w  ... has to wait      x  ... is refused      l  one of those in leaves
 *     I  the longest waiting asks again and is in      W  ... still waits      X  ... is refused      1-9  so many times 100 ms go by
 */
static const struct story {
	const char *sentence;
	struct bulkhead_policy policy;
	const char *acts;
	unsigned in, waiting, refused;	/* at the end */
} stories[] = {
	{"as_many_are_in_as_it_is_wide", {.width = 3}, "iii", 3, 0, 0},
	{"without_a_queue_the_next_is_refused", {.width = 2}, "iixx", 2, 0, 2},
	{"a_place_left_can_be_taken", {.width = 1}, "ilixli", 1, 0, 1},
	{"with_a_queue_the_next_waits", {1, 2, 500 * MS}, "iww", 1, 2, 0},
	{"a_full_queue_refuses", {1, 2, 500 * MS}, "iwwx", 1, 2, 1},
	{"who_waits_is_in_when_a_place_is_left", {1, 2, 500 * MS}, "iwWlI", 1, 0, 0},
	{"the_longest_waiting_is_in_first", {1, 3, 500 * MS}, "iwwlIW", 1, 1, 0},
	{"nobody_overtakes_who_waits", {1, 1, 500 * MS}, "iwlwIW", 1, 1, 0},
	{"a_wait_ends_with_its_time", {1, 2, 500 * MS}, "iw4W1X", 1, 0, 1},
	{"each_has_a_wait_of_its_own", {1, 2, 500 * MS}, "iw3w2XW3X", 1, 0, 2},
	{"who_was_let_in_in_time_may_ask_late", {1, 2, 500 * MS}, "iwl9I", 1, 0, 0},
	{"who_gave_up_leaves_the_queue_to_others", {1, 2, 500 * MS}, "iw2w3XwlIW", 1, 1, 1},
	{"an_empty_one_has_no_places_taken", {2, 1, 500 * MS}, "iiwlIll", 0, 0, 0},
};

struct player {
	struct bulkhead bulkhead;
	struct bulkhead_waiter waiters[WAITERS_MAX];
	unsigned first, last;
	uint64_t now_ns;
};

static int play(struct player *p, char act)
{
	static const char come[] = "iwx", again[] = "IWX";	/* in the order of the answers */
	enum bulkhead_answer answer;

	if (act >= '1' && act <= '9')
		return p->now_ns += (uint64_t)(act - '0') * 100 * MS, 1;
	if (act == 'l')
		return bulkhead_leave(&p->bulkhead), 1;
	if (strchr(come, act)) {
		answer = bulkhead_enter(&p->bulkhead, p->now_ns, &p->waiters[p->last]);
		p->last += answer == BULKHEAD_WAIT;
		return come[answer] == act;
	}
	answer = bulkhead_again(&p->bulkhead, p->now_ns, &p->waiters[p->first]);
	p->first += answer != BULKHEAD_WAIT;
	return again[answer] == act;
}

static void check_story(const struct story *s)
{
	struct player p = {.now_ns = 7 * MS};
	size_t i;

	bulkhead_init(&p.bulkhead, &s->policy);
	for (i = 0; s->acts[i]; i++)
		if (!play(&p, s->acts[i]) || p.bulkhead.in > s->policy.width)
			break;
	if (!ok(!s->acts[i] && p.bulkhead.in == s->in && p.bulkhead.waiting == s->waiting && p.bulkhead.refused == s->refused, "%s", s->sentence))
		printf("# after %zu acts of \"%s\": %u in, %u wait, %" PRIu64 " refused\n", i, s->acts, p.bulkhead.in, p.bulkhead.waiting,
		       p.bulkhead.refused);
}

/* Who gives up in the middle of the queue takes nobody along. */
static void check_middle(void)
{
	struct bulkhead_policy policy = {1, 3, 500 * MS};
	struct bulkhead_waiter in, w[3];
	struct bulkhead b;

	bulkhead_init(&b, &policy);
	bulkhead_enter(&b, 0, &in);
	for (unsigned i = 0; i < 3; i++)
		bulkhead_enter(&b, 0, &w[i]);
	w[1].until_ns = 1;
	is_int(bulkhead_again(&b, 2, &w[1]), BULKHEAD_FULL, "a_wait_can_be_made_shorter");
	bulkhead_leave(&b);
	bulkhead_leave(&b);
	ok(bulkhead_again(&b, 3, &w[0]) == BULKHEAD_IN && bulkhead_again(&b, 3, &w[2]) == BULKHEAD_IN, "those_before_and_behind_are_let_in");
	is_int(b.waiting, 0, "and_nobody_waits");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_middle();
	return tap_done();
}
