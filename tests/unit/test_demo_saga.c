/* SPDX-License-Identifier: MIT */
/* The demos' saga, by table: every transition, what is undone and in which order, and going on after a crash. */
#include "demos/service/saga.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define ALL UINT64_MAX

/*
 * A script, one character an act, and where the saga stands after each, beginning with where it begins:
 *     .  done     x  refused     ?  unknown     !  the orchestrator dies and another takes up what was kept
 *     0..9 that action is next   A..J the undo of that step is next   + completed   - compensated   # stuck
 */
struct story {
	const char *sentence;
	struct saga_policy policy;
	const char *acts, *states;
};

#define SAGA(steps_, undoable_, tries_, undo_tries_) \
	{.steps = (steps_), .undoable = (undoable_), .tries = (tries_), .undo_tries = (undo_tries_), .base_ns = 100 * MS, .cap_ns = 1000 * MS}
#define FOUR SAGA(4, ALL, 2, 3)

static const struct story stories[] = {
	{"all_done_is_completed", FOUR, "....", "0123+"},
	{"one_step_is_enough", SAGA(1, ALL, 1, 1), ".", "0+"},
	{"the_first_refused_leaves_nothing_to_undo", FOUR, "x", "0-"},
	{"a_refused_action_is_not_undone_but_those_before_are_the_last_first", FOUR, "..x..", "012BA-"},
	{"the_last_step_refused_undoes_all_before", FOUR, "...x...", "0123CBA-"},
	{"an_unknown_end_is_asked_for_again", FOUR, ".?.", "0112"},
	{"... and_counted_for_its_step_only", FOUR, "?.?..?.", "0011233+"},
	{"given_up_it_is_undone_too", FOUR, ".??..", "011BA-"},
	{"one_try_is_the_first", SAGA(4, ALL, 1, 3), "..?...", "012CBA-"},
	{"the_first_given_up_is_undone", FOUR, "??.", "00A-"},
	{"refused_after_an_unknown_end_it_may_have_been_done", FOUR, ".?x..", "011BA-"},
	{"... but_not_when_the_unknown_end_was_another_steps", FOUR, "?.x.", "001A-"},
	{"a_step_without_undo_is_passed_over", SAGA(4, 1 | 4, 2, 3), "...x..", "0123CA-"},
	{"nothing_that_can_be_undone_is_compensated_at_once", SAGA(4, 0, 2, 3), "...x", "0123-"},
	{"a_given_up_action_without_undo_is_passed_over", SAGA(4, 1, 1, 3), ".?.", "01A-"},
	{"an_undo_is_asked_for_again_when_unknown", FOUR, ".x?.", "01AA-"},
	{"... and_when_refused", FOUR, ".xx.", "01AA-"},
	{"an_undo_that_fails_for_good_is_stuck", FOUR, ".x?x?", "01AAA#"},
	{"its_tries_are_its_own", FOUR, "..x??.??.", "012BBBAAA-"},
	{"and_not_those_of_the_action", SAGA(4, ALL, 3, 3), ".???..", "0111BA-"},
	{"zero_undo_tries_are_for_ever", SAGA(2, ALL, 1, 0), ".x????????.", "01AAAAAAAAA-"},
	{"after_a_crash_the_action_under_way_is_asked_for_again", FOUR, ".!...", "01123+"},
	{"... and_when_it_is_refused_then_it_may_have_been_done", FOUR, ".!x..", "011BA-"},
	{"... but_the_next_step_begins_without_doubt", FOUR, ".!.x..", "0112BA-"},
	{"a_crash_at_the_first_step_and_a_refusal", FOUR, "!x.", "00A-"},
	{"a_crash_is_no_try", FOUR, "!!!!....", "00000123+"},
	{"tries_survive_a_crash", FOUR, ".?!?..", "0111BA-"},
	{"after_a_crash_the_undo_under_way_is_asked_for_again", FOUR, "..x!.!.", "012BBAA-"},
	{"tries_of_an_undo_survive_a_crash", FOUR, ".x?" "?!?", "01AAAA#"},
};

static char standing(const struct saga *saga)
{
	static const char over[SAGA_STATES] = {[SAGA_COMPLETED] = '+', [SAGA_COMPENSATED] = '-', [SAGA_STUCK] = '#'};

	if (saga_is_over(saga))
		return over[saga->state];
	return (char)((saga->state == SAGA_RUNNING ? '0' : 'A') + (int)saga->step);
}

static bool play(struct saga *saga, char act)
{
	struct saga kept = *saga;

	if (saga_is_over(saga))
		return false;
	if (act == '!') {
		memset(saga, 0xff, sizeof(*saga));
		return saga_restore(saga, kept.policy, kept.state, kept.step, kept.tries);
	}
	saga_ended(saga, act == '.' ? SAGA_DONE : act == 'x' ? SAGA_REFUSED : SAGA_UNKNOWN, 0);
	return true;
}

static void check_story(const struct story *story)
{
	struct saga saga;
	size_t i = 0;

	saga_begin(&saga, &story->policy);
	while (standing(&saga) == story->states[i] && story->acts[i] && play(&saga, story->acts[i]))
		i++;
	if (!ok(!story->acts[i] && standing(&saga) == story->states[i] && !story->states[i + 1], "%s", story->sentence))
		printf("# after act %zu of \"%s\": %c\n", i, story->acts, standing(&saga));
}

/* Whatever ends come, nothing stays done or undone that must not: each action that may have been done is undone, or all are done. */
static void check_nothing_half_done(void)
{
	static const enum saga_end ends[] = {SAGA_DONE, SAGA_REFUSED, SAGA_UNKNOWN};
	static const struct saga_policy policy = SAGA(3, ALL, 2, 0);
	unsigned wrong = 0, over = 0;

	for (unsigned script = 0; script < 59049; script++) {	/* 3^10 */
		bool may_be_done[3] = {false};
		struct saga saga;
		unsigned left = script, acts = 0;

		for (saga_begin(&saga, &policy); !saga_is_over(&saga) && acts < 10; acts++, left /= 3) {
			enum saga_end end = ends[left % 3];
			bool is_action = saga.state == SAGA_RUNNING;

			if (is_action || end == SAGA_DONE)
				may_be_done[saga.step] = is_action && (end != SAGA_REFUSED || may_be_done[saga.step]);
			saga_ended(&saga, end, 0);
		}
		over += saga_is_over(&saga);
		for (unsigned k = 0; saga_is_over(&saga) && k < 3; k++)
			wrong += may_be_done[k] != (saga.state == SAGA_COMPLETED);
	}
	ok(over > 10000, "many_of_all_scripts_of_ten_acts_come_to_an_end");
	is_int(wrong, 0, "and_none_of_them_leaves_anything_half_done");
}

static void check_waits(void)
{
	static const struct saga_policy policy = SAGA(2, ALL, 9, 0);
	static const uint64_t waits[] = {100 * MS, 200 * MS, 400 * MS, 800 * MS, 1000 * MS, 1000 * MS};
	struct saga saga;
	unsigned right = 0;

	saga_begin(&saga, &policy);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		right += saga_ended(&saga, SAGA_UNKNOWN, 0) == waits[i];
	is_int(right, 6, "waits_double_up_to_the_cap");
	is_int(saga_ended(&saga, SAGA_DONE, 0), 0, "nothing_is_waited_for_after_a_success");
	is_int(saga_ended(&saga, SAGA_UNKNOWN, 0.5), 75 * MS, "and_the_next_step_begins_at_the_base_less_its_jitter");
	is_int(saga_ended(&saga, SAGA_REFUSED, 0), 0, "the_way_back_begins_at_once");
	for (unsigned i = 0; i < 5000; i++)
		saga_ended(&saga, SAGA_UNKNOWN, 0);
	is_int(saga_ended(&saga, SAGA_UNKNOWN, 0.75), 625 * MS, "jitter_takes_up_to_half");
}

static void check_kept(void)
{
	static const struct saga_policy policy = SAGA(3, 5, 2, 2);
	static const struct { enum saga_state state; unsigned step; bool fits; } kept[] = {
		{SAGA_RUNNING, 0, true}, {SAGA_RUNNING, 2, true}, {SAGA_RUNNING, 3, false}, {SAGA_COMPENSATING, 2, true},
		{SAGA_COMPENSATING, 1, false}, {SAGA_COMPENSATING, UINT32_MAX, false}, {SAGA_COMPLETED, 2, true}, {SAGA_STUCK, 0, true},
		{SAGA_STATES, 0, false}, {(enum saga_state)-1, 0, false},
	};
	unsigned right = 0;
	struct saga saga;

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		right += saga_restore(&saga, &policy, kept[i].state, kept[i].step, 0) == kept[i].fits;
	is_int(right, sizeof(kept) / sizeof(*kept), "what_was_kept_under_another_policy_is_not_taken_up");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_nothing_half_done();
	check_waits();
	check_kept();
	return tap_done();
}
