/* SPDX-License-Identifier: MIT */
/* The demos' graceful end: who is at work in each state, and that pauses and the wait for the last request end when they should. */
#include <pthread.h>
#include <unistd.h>

#include "demos/service/clock.h"
#include "demos/service/drain.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define LONG (30000 * MS)	/* a pause that must not last */
#define PATIENCE (3000 * MS)	/* of a check on a busy machine */

/* e, l: a request enters, leaves; b: it is asked to stop. */
static const struct { const char *sentence, *acts; unsigned in_flight; bool is_stopping; } stories[] = {
	{"at_first_nobody_is_at_work", "", 0, false},
	{"who_has_entered_is", "ee", 2, false},
	{"until_it_leaves", "eel", 1, false},
	{"stopping_sends_nobody_away", "eb", 1, true},
	{"who_enters_then_is_counted_as_well", "be", 1, true},
	{"and_all_may_leave", "ebell", 0, true},
	{"to_be_asked_twice_is_to_be_asked", "bb", 0, true},
};

static void check_story(size_t i)
{
	struct drain d;

	drain_init(&d);
	for (const char *act = stories[i].acts; *act; act++)
		(*act == 'e' ? drain_enter : *act == 'l' ? drain_leave : drain_begin)(&d);
	ok(drain_in_flight(&d) == stories[i].in_flight && drain_is_stopping(&d) == stories[i].is_stopping, "%s", stories[i].sentence);
	is_int(drain_wait(&d, 0), stories[i].in_flight, "and_the_wait_says_how_many_are_left");
	is_int(drain_pause(&d, 0), !stories[i].is_stopping, "and_a_pause_whether_to_go_on");
	drain_clear(&d);
}

static void *begin_soon(void *drain)
{
	usleep(20000);
	drain_begin(drain);
	return NULL;
}

static void *leave_soon(void *drain)
{
	usleep(20000);
	drain_leave(drain);
	usleep(20000);	/* who waits has seen that one is left */
	drain_leave(drain);
	return NULL;
}

static void check_waits(void)
{
	struct drain d;
	pthread_t other;
	uint64_t began_ns = clock_now_ns();

	drain_init(&d);
	ok(drain_pause(&d, 10 * MS) && clock_now_ns() - began_ns >= 10 * MS, "a_pause_lasts_as_long_as_it_was_told");
	pthread_create(&other, NULL, begin_soon, &d);
	began_ns = clock_now_ns();
	ok(!drain_pause(&d, LONG) && clock_now_ns() - began_ns < PATIENCE, "or_until_the_service_is_asked_to_stop");
	pthread_join(other, NULL);
	drain_enter(&d);
	drain_enter(&d);
	began_ns = clock_now_ns();
	ok(drain_wait(&d, 10 * MS) == 2 && clock_now_ns() - began_ns >= 10 * MS, "the_wait_for_the_last_request_ends_with_its_time");
	pthread_create(&other, NULL, leave_soon, &d);
	began_ns = clock_now_ns();
	ok(!drain_wait(&d, LONG) && clock_now_ns() - began_ns < PATIENCE, "or_with_the_last_request");
	pthread_join(other, NULL);
	drain_clear(&d);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(i);
	check_waits();
	return tap_done();
}
