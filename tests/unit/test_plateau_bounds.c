/* SPDX-License-Identifier: MIT */
/* Limits on calls in work, call by call: each bound of analyzer/infer/plateau.c from both sides. */
#include "analyzer/infer/plateau.h"

#include <math.h>
#include <stdlib.h>
#include "base/clock.h"
#include "tests/lib/tap.h"

#define ROWS 6
#define MOST 400

/* Calls: n of them, the first at that ms, each by_ms later than the one before. took 0: their end is not known. */
struct call_row {
	int n;
	double at, by, took;
};

/* Requests, in the same way: answered after took ms (0: never), with a call after so many (0: none). */
struct ask_row {
	int n;
	double at, by, took, calls;
	bool calls_at;		/* calls is when, and by how much later for each, not after how long */
};

#define TURNED_DOWN -1
#define DOWN TURNED_DOWN, false

static struct plateau_call calls[MOST];
static struct plateau_demand demands[MOST];
static size_t n, demand_count;

static uint64_t ns(double ms)
{
	return (uint64_t)llround((1000 + ms) * NS_PER_MS);
}

static int by_start(const void *a, const void *b)
{
	const struct plateau_call *x = a, *y = b;

	return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static int by_arrival(const void *a, const void *b)
{
	const struct plateau_demand *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Of arrays that end where they end, so that AddressSanitizer sees who goes on. */
static struct plateau find(bool can_wait)
{
	struct plateau_call *c = malloc(n * sizeof(*c) + 1);
	struct plateau_demand *d = malloc(demand_count * sizeof(*d) + 1);
	struct plateau p;

	if (!c || !d)
		abort();
	memcpy(c, calls, n * sizeof(*c));
	memcpy(d, demands, demand_count * sizeof(*d));
	if (plateau_find(&p, c, n, d, demand_count, can_wait))
		abort();
	free(c);
	free(d);
	return p;
}

static struct plateau look(const struct call_row *c, const struct ask_row *d, bool can_wait)
{
	n = demand_count = 0;
	for (int r = 0; r < ROWS; r++, c++)
		for (int i = 0; i < c->n; i++)
			calls[n++] = (struct plateau_call){ns(c->at + i * c->by), c->took > 0 ? ns(c->at + i * c->by + c->took) : 0};
	for (int r = 0; r < ROWS; r++, d++)
		for (int i = 0; i < d->n; i++) {
			double at = d->at + i * (d->calls_at ? 0 : d->by), call = d->calls_at ? d->calls + i * d->by : at + d->calls;

			demands[demand_count++] = (struct plateau_demand){ns(at), d->took > 0 ? ns(at + d->took) : 0, d->calls > 0 ? ns(call) : 0,
									  d->calls == TURNED_DOWN};
		}
	qsort(calls, n, sizeof(*calls), by_start);
	qsort(demands, demand_count, sizeof(*demands), by_arrival);
	return find(can_wait);
}

/* Of limits that are known: width; calls in work and waiting at once. */
static const struct story {
	const char *sentence;
	struct call_row calls[ROWS];
	struct ask_row asks[ROWS];
	bool known, waits;
	unsigned width;
	double offered;
} stories[] = {
	/* turned down, while a call is in work from 0 to 1000 ms */
	{"five_that_are_turned_down_show_a_limit", {{1, 0, 0, 1000}}, {{5, 100, 100, 1, DOWN}}, true, false, 1, 2},
	{"four_do_not", {{1, 0, 0, 1000}}, {{4, 100, 100, 1, DOWN}}, false, false, 0, 0},
	{"two_at_once_are_offered_beside_it", {{1, 0, 0, 1000}}, {{5, 100, 100, 101, DOWN}}, true, false, 1, 3},
	{"but_not_when_one_comes_as_the_other_goes", {{1, 0, 0, 1000}}, {{5, 100, 100, 100, DOWN}}, true, false, 1, 2},
	{"one_in_ten_may_be_turned_down_while_it_is_free", {{1, 0, 0, 1000}}, {{9, 100, 100, 1, DOWN}, {1, 1100, 0, 1, DOWN}}, true, false, 1, 2},
	{"but_not_one_in_nine", {{1, 0, 0, 1000}}, {{8, 100, 100, 1, DOWN}, {1, 1100, 0, 1, DOWN}}, false, false, 0, 0},
	{"who_is_never_answered_is_not_turned_down", {{1, 0, 0, 1000}}, {{5, 100, 100, 0, DOWN}}, false, false, 0, 0},
	{"full_at_the_end_of_it_is_enough", {{1, 200, 0, 1000}}, {{5, 100, 1, 100, DOWN}}, true, false, 1, 5},
	{"full_until_it_came_is_not", {{1, 0, 0, 1000}}, {{5, 1000, 1, 100, DOWN}}, false, false, 0, 0},
	{"full_for_a_moment_between_is_enough", {{1, 300, 0, 1}}, {{5, 100, 1, 500, DOWN}}, true, false, 1, 6},
	{"when_sixteen_calls_start_behind_it_it_is_not_seen", {{2, 0, 1, 1000}, {2, 2001, 1, 2}, {16, 2010, 1, 0.5}},
	 {{8, 100, 100, 1, DOWN}, {1, 2000, 0, 100, DOWN}}, false, false, 0, 0},
	{"when_fifteen_do_it_is", {{2, 0, 1, 1000}, {2, 2001, 1, 2}, {15, 2010, 1, 0.5}}, {{8, 100, 100, 1, DOWN}, {1, 2000, 0, 100, DOWN}},
	 true, false, 2, 1.5},
	{"a_call_whose_end_is_not_known_fills_nothing", {{1, 100, 0, 0}, {1, 300, 0, 1000}}, {{5, 150, 10, 1, DOWN}}, false, false, 0, 0},
	{"ten_places", {{10, 0, 1, 1000}}, {{5, 100, 100, 1, DOWN}}, true, false, 10, 1.1},
	{"nine_of_them_are_not_full", {{9, 0, 1, 1000}, {1, 600, 0, 100}}, {{5, 100, 100, 1, DOWN}}, false, false, 0, 0},

	/* who holds a place that no call is seen in: from 0 to 2000 ms, the call to 1000 only */
	{"half_may_be_turned_down_for_who_holds_a_place", {{1, 1, 0, 999}}, {{1, 0, 0, 2000, 1, false}, {5, 100, 100, 1, DOWN}, {5, 1100, 100, 1, DOWN}},
	 true, false, 1, 2},
	{"but_not_more", {{1, 1, 0, 999}}, {{1, 0, 0, 2000, 1, false}, {5, 100, 100, 1, DOWN}, {6, 1100, 100, 1, DOWN}}, false, false, 0, 0},
	{"who_has_given_it_back_holds_none", {{1, 1, 0, 999}}, {{1, 0, 0, 2000, 1, false}, {5, 100, 100, 1, DOWN}, {5, 2000, 100, 1, DOWN}},
	 false, false, 0, 0},
	{"who_takes_it_meanwhile_does", {{1, 3000, 0, 999}},
	 {{1, 2000, 0, 2000, 1000, false}, {5, 1990, 1, 10, DOWN}, {5, 3100, 100, 1, DOWN}}, true, false, 1, 5},
	{"who_takes_it_later_does_not", {{1, 3000, 0, 999}},
	 {{1, 2000, 0, 2000, 1000, false}, {5, 1989, 1, 6, DOWN}, {5, 3100, 100, 1, DOWN}}, false, false, 0, 0},
	{"without_a_call_none_is_held", {{1, 1, 0, 999}}, {{1, 0, 0, 2000, 0, false}, {5, 100, 100, 1, DOWN}, {5, 1100, 100, 1, DOWN}}, false, false, 0, 0},

	/* waiting: all come at once, and call one after the other */
	{"twenty_that_wait_for_the_next_place_show_a_limit", {{21, 0, 100, 100}}, {{20, 0, 100, 9000, 100, true}}, true, true, 1, 21},
	{"nineteen_do_not", {{20, 0, 100, 100}}, {{19, 0, 100, 9000, 100, true}}, false, true, 0, 0},
	{"who_calls_within_a_millisecond_did_not_wait", {{21, 0, 100, 100}}, {{19, 0, 100, 9000, 100, true}, {1, 500, 0, 1, 1, false}}, false, true, 0, 0},
	{"who_calls_later_did", {{21, 0, 100, 100}}, {{19, 0, 100, 9000, 100, true}, {1, 500, 0, 3, 1.1, false}}, true, true, 1, 20},
	{"of_one_place_it_holds_for_nine_tenths_of_the_time", {{21, 0, 104.9, 90}}, {{20, 0, 104.9, 9000, 104.9, true}}, true, true, 1, 21},
	{"and_not_for_less", {{21, 0, 105, 90}}, {{20, 0, 105, 9000, 105, true}}, false, true, 0, 0},
	{"whoever_comes_meanwhile", {{21, 0, 105, 90}}, {{20, 0, 105, 9000, 105, true}, {20, 93.5, 105, 9000, 50, false}}, false, true, 0, 0},
	{"of_two_for_85_percent", {{21, 0, 101, 90}, {1, 0, 0, 39.5}, {20, 50.5, 101, 90}}, {{20, 0, 101, 9000, 101, true}, {20, 0, 101, 9000, 50.5, true}},
	 true, true, 2, 21},

	/* which of the two tells */
	{"as_many_turned_down_as_wait_tell", {{1, 0, 0, 2200}, {1, 3000, 0, 10}}, {{6, 100, 10, 1, DOWN}, {6, 2100, 1, 1500, 300, false}}, true, false, 1, 2},
	{"fewer_do_not", {{1, 0, 0, 2200}, {1, 3000, 0, 10}}, {{6, 100, 10, 1, DOWN}, {7, 2100, 1, 1500, 300, false}}, false, true, 0, 0},
	{"but_twenty_always_do", {{1, 0, 0, 2200}, {1, 3000, 0, 10}}, {{20, 100, 10, 1, DOWN}, {21, 2100, 1, 1500, 300, false}}, true, false, 1, 2},
	{"nineteen_leave_it_to_those_that_wait", {{1, 0, 0, 2200}, {1, 3000, 0, 10}}, {{19, 100, 10, 1, DOWN}, {20, 2100, 1, 1500, 300, false}},
	 false, true, 0, 0},
};

static void check_stories(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *s = &stories[i];
		struct plateau p = look(s->calls, s->asks, true);

		if (!ok(p.known == s->known && p.waits == s->waits && !p.moving && (!p.known || (p.width == s->width && p.low == s->width &&
			p.high == s->width && fabs(p.offered - s->offered) < 1e-9)), "%s", s->sentence))
			printf("# known %d, waits %d, %u, offered %g, waited %d, down %d\n", p.known, p.waits, p.width, p.offered, (int)p.waited,
			       (int)p.turned_down);
	}
}

/* Places handed over: they are in groups, whose calls end together, so long before their next ones start. Each group in turn, every 100 ms, 20 times. */
static const struct {
	const char *sentence;
	int groups[9];
	double gap_ms;
	bool known;
} handovers[] = {
	{"of_nine_one_may_change_hands", {1, 1, 1, 1, 1, 1, 1, 1, 1}, 3, true},
	{"but_not_two_at_once", {2, 2, 2, 2, 1, false}, 3.9, false},
	{"of_ten_two_may", {2, 2, 2, 2, 2, false}, 4, true},
	{"but_not_three", {3, 3, 3, 1}, 5.2, false},
	{"of_eleven_two_may_as_well", {2, 2, 2, 2, 2, 1}, 3.5, true},
};

static void take_turns(const int *groups, double gap_ms)
{
	int count = 0;

	n = demand_count = 0;
	while (count < 9 && groups[count])
		count++;
	for (int round = 0; round <= 20; round++)
		for (int g = 0; g < count; g++)
			for (int k = 0; k < groups[g]; k++) {
				double turn = 100.0 * g / count, at = round ? 100 * round + turn : 0;

				calls[n++] = (struct plateau_call){ns(at), ns(100 * (round + 1) + turn - gap_ms)};
				if (round)
					demands[demand_count++] = (struct plateau_demand){ns(0), ns(9000), ns(at), false};
			}
	qsort(calls, n, sizeof(*calls), by_start);
}

static void check_handovers(void)
{
	for (size_t i = 0; i < sizeof(handovers) / sizeof(*handovers); i++) {
		take_turns(handovers[i].groups, handovers[i].gap_ms);
		is_int(find(true).known, handovers[i].known, "%s", handovers[i].sentence);
	}
}

/* What is usual, of requests at low load: one call is in work at 11 s, two at 12 s, the most at 10 s. */
static const struct {
	const char *sentence;
	struct ask_row asks[ROWS];
	double ms;
	int most;		/* 0: two */
} usuals[] = {
	{"twice_the_median_is_usual", {{5, 0, 50, 20, 3, false}}, 6, 0},
	{"of_four_nothing_is_known", {{4, 0, 50, 20, 3, false}}, 1, 0},
	{"at_least_a_millisecond", {{5, 0, 50, 20, 0.4, false}}, 1, 0},
	{"twice_the_median_where_it_is_more", {{5, 0, 50, 20, 0.6, false}}, 1.2, 0},
	{"the_median_is_the_third_of_five", {{2, 0, 50, 20, 3, false}, {1, 200, 0, 20, 4, false}, {2, 300, 50, 20, 9, false}}, 8, 0},
	{"the_fourth_of_six", {{3, 0, 50, 20, 3, false}, {1, 200, 0, 20, 4, false}, {2, 300, 50, 20, 9, false}}, 8, 0},
	{"who_comes_while_one_call_of_two_is_in_work_does_not_count", {{4, 0, 50, 20, 3, false}, {1, 11005, 0, 20, 3, false}}, 1, 0},
	{"while_one_of_three_is_he_does", {{4, 0, 50, 20, 3, false}, {1, 11005, 0, 20, 3, false}}, 6, 3},
	{"but_not_while_two_of_four_are", {{4, 0, 50, 20, 3, false}, {1, 12005, 0, 20, 3, false}}, 1, 4},
	{"nor_who_calls_as_he_comes", {{2, 0, 50, 20, 0, false}, {3, 300, 50, 20, 3, false}}, 1, 0},
};

static void check_usual(void)
{
	for (size_t i = 0; i < sizeof(usuals) / sizeof(*usuals); i++) {
		const struct call_row c[ROWS] = {{usuals[i].most ? usuals[i].most : 2, 10000, 1, 20}, {1, 11000, 0, 20}, {2, 12000, 0, 20}};

		is_int(look(c, usuals[i].asks, true).usual_ns, llround(usuals[i].ms * NS_PER_MS), "%s", usuals[i].sentence);
	}
}

/* Calls of 100 ms, one so much behind the other: two rows of them, then three, four and five. All but the first of a row wait, from a busy moment on. */
#define LANES(by) {{2, -99, 0, 100}, {40, 0, by, 100}, {40, 20, by, 100}, {30, 1040, by, 100}, {20, 2060, by, 100}, {10, 3080, by, 100}}
#define LANES_ASK(by) {{39, 0, by, 9000, by, true}, {39, 0, by, 9000, 20 + by, true}, {29, 0, by, 9000, 1040 + by, true}, \
	{19, 0, by, 9000, 2060 + by, true}, {9, 0, by, 9000, 3080 + by, true}}

/* A level that moves, in steps of a second; calls[] are its steps. */
static const struct {
	const char *sentence;
	struct call_row calls[ROWS];
	struct ask_row asks[ROWS];
	bool moving;
	unsigned low, high, width;
} moves[] = {
	{"from_4_to_7_in_forty_requests_it_moves", {{4, 0, 0, 9000}, {3, 1000, 1000, 5000}}, {{40, 10, 100, 1, DOWN}}, true, 4, 7, 7},
	{"in_39_that_cannot_be_told", {{4, 0, 0, 9000}, {3, 1000, 1000, 5000}}, {{39, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"from_4_to_6_may_be_chance", {{4, 0, 0, 9000}, {2, 1000, 1000, 5000}}, {{40, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"from_6_to_9_it_moves", {{6, 0, 0, 9000}, {3, 1000, 1000, 5000}}, {{40, 10, 100, 1, DOWN}}, true, 6, 9, 9},
	{"from_7_to_10_that_is_little", {{7, 0, 0, 9000}, {3, 1000, 1000, 5000}}, {{40, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"from_none_it_does_not", {{3, 1000, 1000, 5000}}, {{40, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"two_of_forty_may_be_lower", {{4, 20, 0, 9000}, {3, 1000, 1000, 5000}}, {{2, 0, 1, 1, DOWN}, {38, 210, 100, 1, DOWN}}, true, 4, 7, 7},
	{"three_may_not", {{4, 20, 0, 9000}, {3, 1000, 1000, 5000}}, {{3, 0, 1, 1, DOWN}, {37, 310, 100, 1, DOWN}}, false, 0, 0, 0},
	{"two_of_forty_may_be_higher", {{4, 0, 0, 9000}, {3, 1000, 1000, 5000}, {1, 3800, 0, 9000}}, {{40, 10, 100, 1, DOWN}}, true, 4, 7, 8},
	{"so_that_half_the_step_is_no_step", {{4, 0, 0, 9000}, {2, 1000, 1000, 5000}, {1, 3800, 0, 9000}}, {{40, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"three_jumps_in_forty_are_few", {{4, 0, 0, 9000}, {2, 1000, 0, 500}, {2, 2000, 0, 5000}, {1, 3000, 0, 5000}}, {{40, 10, 100, 1, DOWN}},
	 true, 4, 7, 7},
	{"four_are_many", {{4, 0, 0, 9000}, {2, 1000, 0, 500}, {2, 2000, 0, 500}, {3, 3000, 0, 5000}}, {{40, 10, 100, 1, DOWN}}, false, 0, 0, 0},
	{"who_begins_a_twentieth_of_a_call_behind_another_is_in_its_place", LANES(105), LANES_ASK(105), true, 2, 5, 5},
	{"and_not_later", LANES(105.1), LANES_ASK(105.1), false, 0, 0, 0},
};

static void check_moves(void)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
		struct plateau p = look(moves[i].calls, moves[i].asks, true);

		if (!ok(p.moving == moves[i].moving && p.known == p.moving &&
			(!p.moving || (p.low == moves[i].low && p.high == moves[i].high && p.width == moves[i].width)), "%s", moves[i].sentence))
			printf("# moving %d, from %u to %u, %u\n", p.moving, p.low, p.high, p.width);
	}
}

static void check_little(void)
{
	struct plateau p = look((struct call_row[ROWS]){{2, 0, 200, 1000}}, (struct ask_row[ROWS]){{9, 300, 100, 1, DOWN}}, true);

	ok(fabs(p.little - (700.0 + 801) / 801) < 1e-9, "the_average_is_of_the_time_from_the_first_request_to_the_last");
	p = look((struct call_row[ROWS]){{2, 300, 200, 500}}, (struct ask_row[ROWS]){{9, 100, 100, 1, DOWN}}, true);
	ok(fabs(p.little - (500.0 + 401) / 801) < 1e-9, "of_calls_only_what_lies_in_it");
	is_int(p.turned_down, 9, "all_were_turned_down");
	p = look((struct call_row[ROWS]){{1, 0, 0, 100}}, (struct ask_row[ROWS]){{0}}, true);
	ok(isnan(p.little) && isnan(p.offered) && !p.known, "without_requests_there_is_none");
}

int main(void)
{
	check_stories();
	check_handovers();
	check_usual();
	check_moves();
	check_little();
	return tap_done();
}
