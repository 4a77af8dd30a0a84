/* SPDX-License-Identifier: MIT */
/* Crowds made by hand: which of their links stand, each bound from both sides. */
#include <math.h>
#include <stdlib.h>

#include "analyzer/link/crowd.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define ROWS 8
#define MAX 1200

/* n attempts from at_ms on, one every every_ms, each of took_ms (below 0: it never ends). */
struct row {
	unsigned n;
	double at_ms, every_ms, took_ms;
	char how;		/* '+' well, '-' failed */
	unsigned behind;	/* the row (from 1) whose k-th attempt the k-th of this one is joined to; 0: none */
	bool by_id;		/* and by more than time */
	bool alone;		/* it is in no flow */
};

static struct model_exchange exchanges[MAX];
static uint32_t before[MAX], after[MAX];
static bool by_id[MAX], alone[MAX];
static struct crowd of[2];
static struct model m = {.exchanges = exchanges};
static uint32_t apart;		/* an attempt that is joined to none but by id; MODEL_NONE */

static bool by_time(const void *arg, uint32_t i)
{
	return !by_id[i];
}

static bool joins(const void *arg, uint32_t a, uint32_t b)
{
	return a != apart;
}

static uint64_t flow(const void *arg, uint32_t i)
{
	return alone[i] ? 0 : 1 + exchanges[i].edge;
}

struct place {
	double at_ms;
	unsigned row, k;
};

static int by_start(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms) : x->row != y->row ? (int)x->row - (int)y->row : (int)x->k - (int)y->k;
}

static void add(const struct row *r, const struct place *p, uint32_t i)
{
	uint64_t at = NS_PER_S + (uint64_t)llround(p->at_ms * NS_PER_MS);

	exchanges[i] = (struct model_exchange){.started_ns = at, .ended_ns = r->took_ms < 0 ? 0 : at + (uint64_t)llround(r->took_ms * NS_PER_MS), .edge = 1,
					       .outcome = r->how == '+' ? MODEL_OK : MODEL_FAILED};
	before[i] = after[i] = MODEL_NONE;
	by_id[i] = r->by_id;
	alone[i] = r->alone;
}

static void lay_out(const struct row *rows)
{
	static struct place places[MAX];
	static uint32_t at[ROWS][MAX];
	uint32_t n = 0;

	for (unsigned r = 0; r < ROWS; r++)
		for (unsigned k = 0; k < rows[r].n; k++)
			places[n++] = (struct place){rows[r].at_ms + k * rows[r].every_ms, r, k};
	qsort(places, n, sizeof(*places), by_start);
	for (uint32_t i = 0; i < n; i++) {
		add(&rows[places[i].row], &places[i], i);
		at[places[i].row][places[i].k] = i;
	}
	for (uint32_t i = 0; i < n; i++)
		if (rows[places[i].row].behind) {
			before[i] = at[rows[places[i].row].behind - 1][places[i].k];
			after[before[i]] = i;
		}
	m.exchange_count = n;
	of[1] = (struct crowd){.accidental = NAN};
}

static int cut(void)
{
	struct crowds c = {.m = &m, .before = before, .after = after, .by_time = by_time, .joins = joins, .flow = flow, .of = of};

	return crowd_cut(&c);
}

/* Attempts that are joined to the one before. */
static unsigned joined(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < m.exchange_count; i++)
		n += before[i] != MODEL_NONE && after[before[i]] == i;
	return n;
}

/* Successes that overlap, 200 s apart: none is followed by anything within the longest wait. Failures, 200 s apart; what is begun 1 ms behind them. */
#define S(n) {n, 0, 200000, 200005, '+', 0, false, false}
#define F(n, row) {n, 100000000 * (row), 200000, 10, '-', 0, false, false}
#define AGAIN(n, row, ms, how) {n, 100000000 * (row) + 10 + (ms), 200000, -1, how, row, false, false}
#define OTHERS(n, row, ms) {n, 100000000 * (row) + 10 + (ms), 200000, -1, '+', row, true, false}
#define ROW(n, at, every, took, how, behind) {n, at, every, took, how, behind, false, false}

static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	unsigned joined, cut, most;	/* most 0: no crowd, or one that explains itself */
	unsigned accidental;		/* links in a thousand that are expected to be */
} stories[] = {
	/* what a crowd is */
	{"two_overlaps_and_a_link_are_a_crowd", {S(3), F(1, 1), ROW(1, 150000000, 0, -1, '+', 2)}, 0, 1, 2, 0},
	{"one_overlap_is_none", {S(2), F(1, 1), ROW(1, 150000000, 0, -1, '+', 2)}, 1, 0, 0, 0},
	{"two_of_299_are", {S(3), ROW(294, 50000000, 100, 50, '+', 0), F(1, 1), ROW(1, 150000000, 0, -1, '+', 3)}, 0, 1, 2, 0},
	{"of_300_they_are_not", {S(3), ROW(295, 50000000, 100, 50, '+', 0), F(1, 1), ROW(1, 150000000, 0, -1, '+', 3)}, 1, 0, 0, 0},
	{"begun_as_another_ended_is_no_overlap", {ROW(5, 0, 100, 100, '+', 0), F(1, 1), ROW(1, 150000000, 0, -1, '+', 2)}, 1, 0, 0, 0},
	{"what_is_in_no_flow_is_in_no_crowd", {{3, 0, 200000, 200005, '+', 0, false, true}, F(1, 1), ROW(1, 150000000, 0, -1, '+', 2)}, 1, 0, 0, 0},
	{"without_a_link_by_time_there_is_nothing_to_judge", {S(3), F(1, 2), OTHERS(1, 2, 1)}, 1, 0, 0, 0},

	/* waits that tell: of 15 successes none is followed so, p = 1/16 */
	{"waits_that_only_failures_are_followed_by_are_retries", {S(15), F(8, 2), AGAIN(8, 2, 1, '+')}, 8, 0, 8, 0},
	{"those_of_5_in_8_are", {S(15), F(5, 2), AGAIN(5, 2, 1, '+'), F(3, 4), OTHERS(3, 4, -1)}, 8, 0, 9, 40},
	{"those_of_5_in_9_are_not", {S(15), F(5, 2), AGAIN(5, 2, 1, '+'), F(4, 4), OTHERS(4, 4, -1)}, 4, 5, 10, 0},
	{"nor_are_those_of_5_in_8_where_p_is_1_in_15", {S(14), F(5, 2), AGAIN(5, 2, 1, '+'), F(3, 4), OTHERS(3, 4, -1)}, 3, 5, 9, 0},
	{"where_p_is_1_in_41_accidents_are_few_enough_for_10_in_30", {S(40), F(10, 2), AGAIN(10, 2, 1, '+'), F(20, 4), OTHERS(20, 4, -1)}, 30, 0, 31, 50},
	{"and_not_for_10_in_31", {S(40), F(10, 2), AGAIN(10, 2, 1, '+'), F(21, 4), OTHERS(21, 4, -1)}, 21, 10, 32, 0},
	{"a_success_that_is_followed_so_makes_p_2_in_16", {S(14), F(5, 2), AGAIN(5, 2, 1, '+'), F(3, 4), OTHERS(3, 4, -1),
							  ROW(1, 900000000, 0, 10, '+', 0), ROW(1, 900000011, 0, -1, '+', 0)}, 3, 5, 9, 0},
	{"two_waits_that_tell_are_both_retries", {S(31), F(8, 2), AGAIN(8, 2, 1, '+'), F(8, 4), AGAIN(8, 4, 100, '+')}, 16, 0, 16, 32},

	/* requests that failed in the end are alike: of two attempts */
	{"four_in_five_alike_are", {S(60), F(8, 2), AGAIN(8, 2, 1, '-'), F(2, 4)}, 8, 0, 9, 4},
	{"whichever_come_first", {S(60), F(2, 1), F(8, 3), AGAIN(8, 3, 1, '-')}, 8, 0, 8, 4},
	{"fewer_are_not", {S(60), F(7, 2), AGAIN(7, 2, 1, '-'), F(2, 4)}, 0, 7, 8, 0},
	{"all_of_one_attempt_are_not", {S(60), F(8, 2), AGAIN(8, 2, 1, '+'), F(1, 4)}, 0, 8, 9, 0},

	/* who began at once: ten that overlap, again 1 s later while nothing else is begun */
	{"nobody_began_later", {ROW(3, 0, 10, 60, '-', 0), ROW(2, 60, 40, 60, '-', 1)}, 2, 0, 0, 0},
	{"who_begins_as_the_first_ends_began_later", {ROW(4, 0, 20, 60, '-', 0), ROW(1, 90, 40, 60, '-', 1)}, 0, 1, 3, 0},
	{"before_it_he_did_not", {ROW(4, 0, 19.9, 60, '-', 0), ROW(1, 90, 40, 60, '-', 1)}, 1, 0, 0, 0},
	{"five_attempts_may_be_one_request", {ROW(3, 0, 10, 95, '-', 0), ROW(1, 100, 0, 20, '-', 1), ROW(1, 130, 0, 20, '-', 2), ROW(1, 160, 0, 20, '-', 3),
					      ROW(1, 190, 0, 20, '-', 4)}, 4, 0, 0, 0},
	{"six_may_be_a_loop", {ROW(3, 0, 10, 95, '-', 0), ROW(1, 100, 0, 20, '-', 1), ROW(1, 130, 0, 20, '-', 2), ROW(1, 160, 0, 20, '-', 3),
			       ROW(1, 190, 0, 20, '-', 4), ROW(1, 220, 0, 20, '-', 5)}, 0, 5, 3, 0},

	/* waves: two, three, five */
	{"as_many_as_failed_begin_again_after_a_pause", {ROW(3, 0, 10, 50, '-', 0), ROW(3, 500, 10, 50, '+', 0), ROW(1, 510.5, 0, 1, '+', 1)}, 0, 1, 3, 0},
	{"three_and_three_are_waves", {ROW(3, 0, 10, 50, '-', 0), ROW(2, 500, 10, 50, '+', 1), ROW(1, 520, 10, 50, '+', 0)}, 3, 0, 0, 0},
	{"three_and_two_are_not", {ROW(3, 0, 10, 50, '-', 0), ROW(1, 500, 10, 50, '+', 1), ROW(1, 510, 10, 50, '+', 0)}, 0, 1, 3, 0},
	{"nor_three_and_four", {ROW(3, 0, 10, 50, '-', 0), ROW(3, 500, 10, 50, '+', 1), ROW(1, 530, 10, 50, '+', 0)}, 0, 3, 4, 0},
	{"two_that_failed_of_three_are_two", {ROW(2, 0, 10, 50, '-', 0), ROW(1, 20, 10, 50, '+', 0), ROW(1, 500, 10, 50, '+', 1), ROW(1, 510, 10, 50, '+', 0)},
	 2, 0, 0, 0},
	{"one_that_failed_is_no_wave", {ROW(3, 0, 10, 50, '-', 0), ROW(1, 500, 10, 50, '-', 1), ROW(2, 510, 10, 50, '+', 0), ROW(1, 1000, 10, 50, '+', 0)},
	 0, 1, 3, 0},
	{"one_that_never_ended_has_not_failed", {ROW(2, 0, 10, 50, '-', 0), ROW(2, 20, 10, 50, '+', 0), ROW(1, 40, 10, -1, '-', 0),
						 ROW(1, 500, 10, 50, '+', 1), ROW(1, 510, 10, 50, '+', 0)}, 2, 0, 0, 0},
	{"a_pause_three_times_as_long_as_others_parts", {ROW(3, 0, 1, 10, '-', 0), ROW(3, 22, 1, 10, '-', 0), ROW(1, 64, 1, 10, '+', 1),
							ROW(5, 65, 1, 10, '+', 0)}, 6, 0, 0, 0},
	{"one_that_is_shorter_does_not", {ROW(3, 0, 1, 10, '-', 0), ROW(2, 22.1, 1, 10, '-', 0), ROW(1, 24, 1, 10, '-', 0), ROW(1, 64, 1, 10, '+', 1),
					  ROW(5, 65, 1, 10, '+', 0)}, 0, 1, 6, 0},
	{"five_waves_are_the_most", {ROW(2, 0, 10, 50, '-', 0), ROW(2, 500, 10, 50, '-', 1), ROW(2, 1000, 10, 50, '-', 0), ROW(2, 1500, 10, 50, '-', 0),
				     ROW(2, 2000, 10, 50, '+', 0)}, 8, 0, 0, 0},
	{"six_are_none", {ROW(2, 0, 10, 50, '-', 0), ROW(2, 500, 10, 50, '-', 1), ROW(2, 1000, 10, 50, '-', 0), ROW(2, 1500, 10, 50, '-', 0),
			  ROW(2, 2000, 10, 50, '-', 0), ROW(2, 2500, 10, 50, '+', 0)}, 0, 2, 2, 0},

	/* a failure waits while 31 others begin to */
	{"a_failure_waits_while_31_others_begin_to", {S(15), F(200, 2), AGAIN(200, 2, 100, '-'), ROW(1, 500000000, 0, 10, '-', 0),
						      ROW(31, 500000012, 0.1, 10, '-', 0), ROW(1, 500000110, 0, -1, '-', 0)}, 201, 0, 231, 10},
	{"and_is_given_up_when_32_do", {S(15), F(200, 2), AGAIN(200, 2, 100, '-'), ROW(1, 500000000, 0, 10, '-', 0),
					ROW(32, 500000012, 0.1, 10, '-', 0), ROW(1, 500000110, 0, -1, '-', 0)}, 200, 0, 232, 11},
};

static void check_stories(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		lay_out(s->rows);
		cut();
		if (!ok(joined() == s->joined && of[1].cut == s->cut && of[1].most == s->most &&
			(isnan(of[1].accidental) ? 0 : lround(1000 * of[1].accidental)) == s->accidental, "%s", s->sentence))
			printf("# joined %u, cut %u, most %u, accidental %g\n", joined(), (unsigned)of[1].cut, of[1].most, of[1].accidental);
	}
}

/* Of two failures that one start may go on from, the first ends 100 ms before it and the second 1 ms, or 0.2 ms before the first. */
static void check_taken(void)
{
	static const struct { const char *sentence; unsigned soon, late; double second_ms; bool joins_second; unsigned taken; } cases[] = {
		{"the_surest_wait_is_taken", 8, 6, 99, true, 2}, {"though_it_be_the_longer", 6, 8, 99, true, 1},
		{"of_waits_as_sure_the_shorter", 6, 8, 0.2, true, 2}, {"but_for_what_may_not_be_joined", 6, 8, 0.2, false, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct row rows[ROWS] = {S(99), F(cases[i].soon, 2), AGAIN(cases[i].soon, 2, 1, '-'), F(cases[i].late, 4),
					       AGAIN(cases[i].late, 4, 100, '-'), ROW(1, 700000000, 0, 10, '-', 0),
					       ROW(1, 700000000 + cases[i].second_ms, 0, 10, '-', 0), ROW(1, 700000110, 0, -1, '-', 0)};
		uint32_t last;

		lay_out(rows);
		last = (uint32_t)m.exchange_count - 1;
		apart = cases[i].joins_second ? MODEL_NONE : last - 1;
		cut();
		is_int(before[last], last - 3 + cases[i].taken, "%s", cases[i].sentence);
	}
	apart = MODEL_NONE;
}

/* A thread's calls, of which some begin before the one before them has ended. */
static void check_threads(void)
{
	static const struct { const char *sentence; uint32_t calls, overlaps; double early_ms; bool pipeline, server, unknown, busy; } cases[] = {
		{"a_thread_that_has_calls_in_flight_at_once_twice_is_busy", 100, 2, 1, false, false, false, true},
		{"once_may_be_chance", 100, 1, 1, false, false, false, false},
		{"so_may_two_of_300", 300, 2, 1, false, false, false, false},
		{"not_two_of_299", 299, 2, 1, false, false, false, true},
		{"a_call_that_begins_as_the_other_ends_is_not_at_once", 100, 9, 0, false, false, false, false},
		{"a_pipeline_is_of_one_caller", 100, 9, 1, true, false, false, false},
		{"requests_that_are_served_are_no_calls", 100, 9, 1, false, true, false, false},
		{"threads_that_are_not_known_say_nothing", 100, 9, 1, false, false, true, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool busy[3] = {false};

		for (uint32_t k = 0; k < cases[i].calls; k++) {
			uint64_t at = NS_PER_S + k * 10 * NS_PER_MS - (k && k <= cases[i].overlaps ? (uint64_t)(k * cases[i].early_ms * NS_PER_MS) : 0);

			exchanges[k] = (struct model_exchange){.started_ns = at, .ended_ns = at + 10 * NS_PER_MS, .process = 1, .tid = cases[i].unknown ? 0 : 7,
							       .connection = cases[i].pipeline ? 1 : k, .role = cases[i].server ? MODEL_SERVER : MODEL_CLIENT};
		}
		m.exchange_count = cases[i].calls;
		ok(!crowd_threads(&m, busy) && busy[1] == cases[i].busy && !busy[0] && !busy[2], "%s", cases[i].sentence);
	}
}

/* Calls as "tid process connection": which processes are busy. A long one, and short ones beside it. */
static void check_who_is_busy(void)
{
	static const struct { const char *sentence; uint32_t tid[4], process[4], connection[4]; double took_ms[4]; bool busy; } cases[] = {
		{"a_long_call_overlaps_all_that_begin_during_it", {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 2, 3, 4}, {100, 1, 1, 1}, true},
		{"also_those_behind_a_short_one_of_its_connection", {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 2, 3}, {100, 1, 1, 1}, true},
		{"not_a_pipeline_beside_it", {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 2, 1, 1}, {100, 1, 1, 1}, false},
		{"another_threads_do_not_count", {1, 2, 1, 2}, {0, 0, 0, 0}, {1, 2, 3, 4}, {100, 1, 1, 1}, false},
		{"nor_do_another_processes", {1, 1, 1, 1}, {0, 1, 0, 1}, {1, 2, 3, 4}, {100, 1, 1, 1}, false},
		{"nor_those_of_none", {1, 1, 1, 1}, {MODEL_NONE, MODEL_NONE, MODEL_NONE, MODEL_NONE}, {1, 2, 3, 4}, {100, 1, 1, 1}, false},
		{"the_longest_is_asked_for_its_connection", {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 2, 2, 2}, {10, 100, 1, 1}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool busy[2] = {false};

		for (uint32_t k = 0; k < 4; k++)
			exchanges[k] = (struct model_exchange){.started_ns = NS_PER_S + k * 5 * NS_PER_MS, .process = cases[i].process[k],
							       .ended_ns = NS_PER_S + (uint64_t)((5 * k + cases[i].took_ms[k]) * NS_PER_MS),
							       .tid = cases[i].tid[k], .connection = cases[i].connection[k], .role = MODEL_CLIENT};
		m.exchange_count = 4;
		ok(!crowd_threads(&m, busy) && busy[0] == cases[i].busy && !busy[1], "%s", cases[i].sentence);
	}
}

static int threads_again(void)
{
	bool busy[2];

	return crowd_threads(&m, busy);
}

static int cut_again(void)
{
	lay_out(stories[7].rows);
	return cut();
}

int main(void)
{
	apart = MODEL_NONE;
	check_stories();
	check_taken();
	check_threads();
	check_who_is_busy();
	ok(starved_says_so(threads_again) && starved_says_so(cut_again), "short_of_memory_it_says_so");
	return tap_done();
}
