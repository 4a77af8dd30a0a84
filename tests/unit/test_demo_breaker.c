/* SPDX-License-Identifier: MIT */
/* The demos' circuit breaker, by table under a fake clock: every transition, and what must not be one. */
#include "demos/service/breaker.h"
#include "tests/lib/tap.h"

#define S 1000000000ull
#define AT_WORK_MAX 16

/*
 * A script, one character an act, and the state after each (c, o, h):
 *     .  a call goes out and ends well at once     a  a call goes out and stays     s, f, u  the oldest that stayed ends well, failed, unused
 *     !  ... and fails at once                     x  a call is refused             1-9      that many seconds go by
 */
struct story {
	const char *sentence;
	struct breaker_policy policy;
	const char *acts, *states;
};

#define OPENS_AT_3(permits_, close_after_) \
	{.consecutive = 3, .open_ns = 5 * S, .permits = (permits_), .close_after = (close_after_)}
#define THREE OPENS_AT_3(1, 1)
#define RATE(share, window_, min) \
	{.rate = (share), .window = (window_), .min_calls = (min), .open_ns = 5 * S, .permits = 1, .close_after = 1}

static const struct story stories[] = {
	{"closed_lets_all_out", THREE, "..a.!.a", "ccccccc"},
	{"three_failures_in_a_row_open_it", THREE, "!!!x", "ccoo"},
	{"a_success_between_begins_the_count_anew", THREE, "!!.!!.!!!", "cccccccco"},
	{"it_counts_calls_when_they_end_not_when_they_begin", THREE, "aaaaaafffx", "ccccccccoo"},
	{"open_refuses_until_the_time_is_over", THREE, "!!!4x", "ccooo"},
	{"time_alone_does_not_make_it_half_open", THREE, "!!!9", "ccoo"},
	{"the_first_call_after_the_time_makes_it_half_open", THREE, "!!!5a", "ccooh"},
	{"a_good_probe_closes_it", THREE, "!!!5as.", "ccoohcc"},
	{"a_bad_probe_opens_it_again", THREE, "!!!5afx", "ccoohoo"},
	{"for_the_whole_time_again", THREE, "!!!5!4x1a", "ccooooooh"},
	{"half_open_lets_no_more_out_than_permits", THREE, "!!!5axxsa", "ccoohhhcc"},
	{"three_permits_are_three_at_once", OPENS_AT_3(3, 3), "!!!5aaax", "ccoohhhh"},
	{"it_closes_after_as_many_successes_as_asked_for", OPENS_AT_3(3, 3), "!!!5aaasss", "ccoohhhhhc"},
	{"one_bad_probe_of_three_is_enough", OPENS_AT_3(3, 3), "!!!5aaassfx", "ccoohhhhhoo"},
	{"one_permit_can_be_used_twice", OPENS_AT_3(1, 2), "!!!5..", "ccoohc"},
	{"an_unused_probe_gives_its_permit_back_and_says_nothing", THREE, "!!!5auas", "ccoohhhc"},
	{"an_unused_call_is_no_failure_and_no_success", THREE, "!!au!x", "ccccoo"},
	{"a_closed_breaker_has_forgotten_old_failures", THREE, "!!!5.!!", "ccoocc" "c"},
	{"a_late_failure_does_not_lengthen_the_open_time", THREE, "aaaafff2f3a", "cccccco" "oo" "oh"},
	{"a_late_failure_is_no_bad_probe", THREE, "aaaafff5afs", "cccccco" "oh" "hc"},
	{"a_late_success_is_no_good_probe", THREE, "aaaafff5asf", "cccccco" "oh" "ho"},
	{"a_late_unused_call_frees_no_permit", THREE, "aaaafff5aux", "cccccco" "oh" "hh"},
	{"a_probe_of_an_earlier_half_open_time_is_late_too", OPENS_AT_3(2, 2), "!!!5aaf5as.", "ccoohho" "oh" "hh"},
	{"a_rate_needs_its_least_calls", RATE(0.6, 10, 10), "!!!!!!!!!", "ccccccccc"},
	{"a_rate_opens_it_at_the_least_calls", RATE(0.6, 10, 10), "!!!!!....!x", "ccccccccco" "o"},
	{"a_rate_below_does_not", RATE(0.6, 10, 10), "!!!!.....!", "cccccccccc"},
	{"a_call_that_went_well_does_not_open_it", RATE(0.6, 10, 10), "!!!!!!....", "cccccccccc"},
	{"least_calls_may_be_fewer_than_the_window", RATE(0.5, 10, 4), "!..!x", "cccoo"},
	{"the_window_slides", RATE(0.5, 4, 4), "!...!.!x", "ccccccoo"},
	{"what_has_left_the_window_does_not_count", RATE(0.75, 4, 4), "!!...!!", "ccccccc"},
	{"all_failures_at_a_rate_of_one", RATE(1, 3, 3), "!!.!!!", "ccccco"},
	{"a_new_spell_begins_with_an_empty_window", RATE(0.5, 4, 4), "!!!!5.!!!!", "ccco" "oc" "ccco"},
	{"either_of_two_rules_is_enough",
	 {.consecutive = 5, .rate = 0.6, .window = 10, .min_calls = 10, .open_ns = 5 * S, .permits = 1, .close_after = 1},
	 "!!!!!x", "ccccoo"},
};

struct player {
	struct breaker breaker;
	uint64_t now_ns, tickets[AT_WORK_MAX];
	unsigned first, last;
};

static void end_oldest(struct player *p, char act)
{
	uint64_t ticket = p->tickets[p->first++];

	if (act == 'u')
		breaker_unused(&p->breaker, ticket);
	else
		breaker_ended(&p->breaker, p->now_ns, ticket, act == 's');
}

/* One act; false when the breaker let out what it should have refused, or the other way round. */
static int play(struct player *p, char act)
{
	uint64_t ticket;

	if (act >= '1' && act <= '9') {
		p->now_ns += (uint64_t)(act - '0') * S;
		return 1;
	}
	if (strchr("sfu", act)) {
		end_oldest(p, act);
		return 1;
	}
	if (breaker_admits(&p->breaker, p->now_ns, &ticket) != (act != 'x'))
		return 0;
	if (act == 'a')
		p->tickets[p->last++] = ticket;
	else if (act != 'x')
		breaker_ended(&p->breaker, p->now_ns, ticket, act == '.');
	return 1;
}

static void check_story(const struct story *story)
{
	struct player p = {.now_ns = 7 * S};
	size_t i;

	breaker_init(&p.breaker, &story->policy);
	for (i = 0; story->acts[i]; i++)
		if (!play(&p, story->acts[i]) || *breaker_state_names[p.breaker.state] != story->states[i])
			break;
	if (!ok(!story->acts[i] && !story->states[i], "%s", story->sentence))
		printf("# act %zu of \"%s\": %s\n", i, story->acts, breaker_state_names[p.breaker.state]);
}

static void check_counts(void)
{
	struct breaker_policy policy = THREE;
	struct player p = {.now_ns = S};

	breaker_init(&p.breaker, &policy);
	for (const char *act = "!!!xx5!x5."; *act; act++)
		play(&p, *act);
	is_int(p.breaker.entered[BREAKER_OPEN], 2, "openings_are_counted");
	is_int(p.breaker.entered[BREAKER_HALF_OPEN], 2, "and_half_open_times");
	is_int(p.breaker.entered[BREAKER_CLOSED], 1, "and_closings");
	is_int(p.breaker.refused, 3, "and_calls_refused");
}

static void check_left(void)
{
	struct breaker_policy policy = THREE;
	struct player p = {.now_ns = S};

	breaker_init(&p.breaker, &policy);
	is_int(breaker_left_ns(&p.breaker, 0), 0, "a_closed_breaker_refuses_nothing");
	for (const char *act = "!!!2"; *act; act++)
		play(&p, *act);
	is_int(breaker_left_ns(&p.breaker, p.now_ns), 3 * S, "an_open_one_says_what_is_left");
	is_int(breaker_left_ns(&p.breaker, 0), 5 * S, "a_clock_that_went_back_makes_it_no_longer_than_the_policy");
	is_int(breaker_left_ns(&p.breaker, UINT64_MAX), 0, "and_it_ends");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_counts();
	check_left();
	return tap_done();
}
