/* SPDX-License-Identifier: MIT */
/* The demos' workers, by table under a fake clock: when each piece of work ends, who is refused, how long exponential times are. */
#include "demos/service/workers.h"

#include <math.h>

#include "tests/lib/tap.h"

#define MS 1000000ull
#define WORK_MAX 8
#define REFUSED 0

static const struct story {
	const char *sentence;
	struct workers_policy policy;
	struct {
		unsigned at_ms, take_ms, end_ms;	/* end_ms REFUSED: it is */
	} work[WORK_MAX];	/* ends with a take_ms of 0 */
	unsigned waiting;	/* when the last has come */
} stories[] = {
	{"one_worker_works_alone", {1, 9}, {{10, 5, 15}}, 0},
	{"who_comes_later_waits", {1, 9}, {{10, 5, 15}, {11, 5, 20}, {12, 1, 21}}, 2},
	{"who_comes_when_it_is_free_does_not", {1, 9}, {{10, 5, 15}, {15, 5, 20}}, 0},
	{"two_work_at_once", {2, 9}, {{10, 5, 15}, {10, 5, 15}, {10, 5, 20}}, 1},
	{"the_first_to_be_free_takes_the_next", {2, 9}, {{10, 9, 19}, {10, 2, 12}, {11, 3, 15}, {11, 3, 18}, {11, 1, 19}}, 3},
	{"the_order_is_that_of_arrival_not_of_length", {1, 9}, {{10, 50, 60}, {11, 50, 110}, {12, 1, 111}}, 2},
	{"without_a_queue_the_next_is_refused", {1, 0}, {{10, 5, 15}, {14, 5, REFUSED}, {15, 5, 20}}, 0},
	{"a_full_queue_refuses", {1, 2}, {{10, 5, 15}, {10, 5, 20}, {10, 5, 25}, {10, 5, REFUSED}}, 2},
	{"what_was_refused_takes_no_time", {1, 1}, {{10, 5, 15}, {10, 5, 20}, {10, 90, REFUSED}, {15, 5, 25}}, 1},
	{"a_queue_has_room_when_one_begins", {1, 2}, {{10, 5, 15}, {10, 5, 20}, {10, 5, 25}, {15, 5, 30}, {15, 5, REFUSED}, {21, 5, 35}}, 2},
	{"the_ring_goes_round", {1, 1}, {{1, 2, 3}, {1, 2, 5}, {3, 2, 7}, {5, 2, 9}, {7, 2, 11}, {9, 2, 13}, {9, 2, REFUSED}}, 1},
};

static void play(const struct story *s)
{
	struct workers w;
	unsigned refused = 0, i = 0;
	uint64_t now_ns = 0;

	if (workers_init(&w, &s->policy))
		exit(1);
	for (; i < WORK_MAX && s->work[i].take_ms; i++) {
		uint64_t end_ns = REFUSED;

		now_ns = s->work[i].at_ms * MS;
		refused += !workers_take(&w, now_ns, s->work[i].take_ms * MS, &end_ns);
		is_int(end_ns / MS, s->work[i].end_ms, "%s: work %u", s->sentence, i);
	}
	is_int(workers_waiting(&w, now_ns), s->waiting, "... and so many wait");
	ok(w.refused == refused && w.taken == i - refused, "... and all are counted");
	workers_clear(&w);
}

/* The mean, the median and the far end, over draws that cover [0,1) evenly. */
static void check_exponential(void)
{
	enum { DRAWS = 100000 };
	double sum = 0;

	for (unsigned i = 0; i < DRAWS; i++)
		sum += (double)workers_exponential_ns(30 * MS, (i + 0.5) / DRAWS);
	ok(fabs(sum / DRAWS / (30.0 * MS) - 1) < 0.001, "the_mean_is_as_asked");
	is_int(workers_exponential_ns(1000000, 0.5), 693147, "half_take_less_than_ln_2_of_it");
	is_int(workers_exponential_ns(30 * MS, 0), 0, "it_can_be_nothing");
	ok(workers_exponential_ns(MS, 1) == 45 * MS, "and_never_is_endless");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		play(&stories[i]);
	check_exponential();
	return tap_done();
}
