/* SPDX-License-Identifier: MIT */
/* Which links are the client's own rhythm: chains made by hand, each bound from both sides. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/link/rhythm.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define ROWS 6
#define MAX 600
#define TOOK_MS 1

/*
 * n requests: the waits before the attempts after the first ("100x12": twelve times; "10+5x4": 10, 15, 20, 25), all of which failed; good: but for the last.
 * rest_ms behind each, and by_ms more each time.
 */
struct row {
	unsigned n;
	const char *waits;
	bool good;
	double rest_ms, by_ms;
	uint32_t edge;
};

static struct model_exchange exchanges[MAX];
static struct model_process process;
static struct model m = {.exchanges = exchanges, .processes = &process, .process_count = 1};
static uint32_t before[MAX], after[MAX];
static uint64_t polls[2], doubtful[2];
static struct rhythm_blind blind[2];
static uint64_t now;
static double long_ms;		/* what the attempts that fail take instead */

static bool by_time(const void *arg, uint32_t i)
{
	return true;
}

static uint64_t ns(double ms)
{
	return (uint64_t)llround(ms * NS_PER_MS);
}

/* An attempt now; joined: to the one before. */
static void attempt(const struct row *r, bool failed, bool joined)
{
	uint32_t i = (uint32_t)m.exchange_count++;

	exchanges[i] = (struct model_exchange){.started_ns = now, .ended_ns = now + ns(failed ? long_ms : TOOK_MS), .role = MODEL_CLIENT,
					       .edge = r->edge, .tid = 9, .target = 5, .outcome = failed ? MODEL_FAILED : MODEL_OK};
	before[i] = joined ? i - 1 : MODEL_NONE;
	after[i] = MODEL_NONE;
	if (joined)
		after[i - 1] = i;
	now = exchanges[i].ended_ns;
}

static void request(const struct row *r)
{
	const char *p = r->waits;
	char *end;

	attempt(r, *p || !r->good, false);
	while (*p) {
		double ms = strtod(p, &end), by = *end == '+' ? strtod(end + 1, &end) : 0;
		long times = *end == 'x' ? strtol(end + 1, &end, 10) : 1;

		p = *end ? end + 1 : end;
		for (long k = 0; k < times; k++) {
			now += ns(ms + (double)k * by);
			attempt(r, !r->good || *p || k + 1 < times, true);
		}
	}
}

static int cut(const struct row *rows)
{
	struct rhythm r = {.m = &m, .before = before, .after = after, .by_time = by_time, .polls = polls, .doubtful = doubtful, .blind = blind};

	now = NS_PER_S;
	m.exchange_count = 0;
	memset(polls, 0, sizeof(polls));
	memset(doubtful, 0, sizeof(doubtful));
	memset(blind, 0, sizeof(blind));
	for (const struct row *w = rows; w < rows + ROWS && w->n; w++)
		for (unsigned i = 0; i < w->n; i++) {
			request(w);
			now += ns(w->rest_ms + i * w->by_ms);
		}
	return rhythm_cut(&r);
}

static int joined(void)
{
	int n = 0;

	for (uint32_t i = 0; i < m.exchange_count; i++)
		n += before[i] != MODEL_NONE && after[before[i]] == i;
	return n;
}

#define BAD(n, waits) {n, waits, false, 5000, 0, 0}
#define GOOD(n, waits) {n, waits, true, 5000, 0, 0}
#define PACE(n, rest, by) {n, "", true, rest, by, 0}	/* requests that succeed at once */
#define WALK(n, waits, rest) {n, waits, false, rest, 0, 0}
#define MIX "200 50 90 300 70 250 60 180 75 220 55 95"

static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	int joined, polls, doubtful;
} stories[] = {
	/* drones */
	{"twelve_waits_alike_are_a_drone", {BAD(1, "100x12")}, 0, 12, 12},
	{"eleven_may_be_retries", {BAD(1, "100x11")}, 11, 0, 0},
	{"though_the_last_succeeded", {GOOD(1, "100x12")}, 0, 12, 12},
	{"a_wait_may_be_a_tenth_shorter", {GOOD(1, "90 100x11")}, 0, 12, 12},
	{"and_not_more", {GOOD(1, "89.9 100x11")}, 12, 0, 0},
	{"two_may_be_a_tenth_longer", {GOOD(1, "100x10 110x2")}, 0, 12, 12},
	{"not_more_either", {GOOD(1, "100x10 110.1x2")}, 12, 0, 0},
	{"one_may_be_late", {GOOD(1, "100x11 500")}, 0, 12, 12},
	{"of_thirty_three", {GOOD(1, "100x27 500x3")}, 0, 30, 30},
	{"but_not_four", {GOOD(1, "100x26 500x4")}, 30, 0, 0},
	{"of_29_but_two", {GOOD(1, "100x26 500x3")}, 29, 0, 0},
	{"short_waits_vary_by_5_ms", {GOOD(1, "25 30x11")}, 0, 12, 12},
	{"and_no_more", {GOOD(1, "24.9 30x11")}, 12, 0, 0},
	{"on_either_side", {GOOD(1, "30x10 35.1x2")}, 12, 0, 0},
	{"whose_number_is_usual_are_counted", {GOOD(3, "100x12")}, 36, 0, 0},
	{"of_two_none_is_usual", {GOOD(2, "100x12")}, 0, 24, 24},
	{"nor_is_half", {BAD(3, "100x12"), BAD(3, "100x13")}, 0, 75, 75},
	{"four_of_seven_are", {BAD(3, "100x13"), BAD(4, "100x12")}, 48, 39, 39},
	{"whichever_come_first", {BAD(2, "100x13"), BAD(4, "100x12"), BAD(1, "100x13")}, 48, 39, 39},

	/* without a wait */
	{"twelve_without_a_wait_are_a_loop", {GOOD(1, "1x6 20x6")}, 0, 12, 12},
	{"one_of_them_may_be_longer", {GOOD(1, "1x6 20x5 90")}, 0, 12, 12},
	{"not_two", {GOOD(1, "1x6 20x4 90x2")}, 12, 0, 0},
	{"but_of_twenty", {GOOD(1, "1x8 20x10 90x2")}, 0, 20, 20},
	{"eleven_are_none", {GOOD(1, "1x5 20x6")}, 11, 0, 0},
	{"longer_ones_are_waits", {GOOD(1, "1x6 20.1x6")}, 12, 0, 0},
	{"of_three_chains_five_are_enough", {GOOD(1, "1x2 19x3"), GOOD(1, "1x2 19x4"), GOOD(1, "1x2 19x5")}, 0, 18, 18},
	{"of_two_they_are_not", {GOOD(1, "1x2 19x3"), GOOD(1, "1x2 19x4")}, 11, 0, 0},
	{"nor_four_of_three", {GOOD(1, "1x2 19x2"), GOOD(1, "1x2 19x4"), GOOD(1, "1x2 19x5")}, 4, 13, 13},
	{"nor_where_a_number_is_usual", {GOOD(3, "1x2 19x3"), GOOD(1, "1x2 19x4")}, 21, 0, 0},

	/* waits of any length */
	{"thirteen_waits_of_any_length_wander", {BAD(1, MIX " 85")}, 0, 13, 13},
	{"twelve_do_not", {BAD(1, MIX)}, 12, 0, 0},
	{"nor_those_that_end_well", {GOOD(1, MIX " 85")}, 13, 0, 0},
	{"nor_where_the_first_three_grow", {BAD(1, "40 60 80 300 70 250 60 180 75 220 55 95 85")}, 13, 0, 0},
	{"up_to_what_is_usual", {BAD(1, "40 60 90 300 70 250 60 180 75 220 55 95 85")}, 0, 13, 13},
	{"by_a_fifth_each", {BAD(1, "40 48 80 300 70 250 60 180 75 220 55 95 85")}, 0, 13, 13},
	{"which_is_less", {BAD(1, "40 48.1 80 300 70 250 60 180 75 220 55 95 85")}, 13, 0, 0},
	{"nor_where_the_second_half_is_longer", {BAD(1, "50 51 200 53 54 55 300 301 302 303 304 305 52")}, 13, 0, 0},
	{"by_more_than_chance", {BAD(1, "50 51 200 53 54 55 300 301 302 303 304 20 52")}, 0, 13, 13},
	{"usual_or_not", {BAD(3, MIX " 85")}, 0, 39, 39},

	/* periods */
	{"waits_that_repeat_part_requests", {BAD(4, "100 200 3000 100 200 3000 100 200")}, 24, 0, 0},
	{"of_two_attempts_too", {BAD(4, "100 3000 100 3000 100 3000 100")}, 16, 0, 0},
	{"but_not_those_of_one_alone", {BAD(1, "100 200 3000 100 200")}, 5, 0, 0},
	{"nor_those_that_do_not_repeat", {BAD(4, "100 200 400 800 1600")}, 20, 0, 0},

	{"nor_those_of_which_there_is_only_one_repetition", {BAD(4, "100 200 400 800 3000 100 200 400")}, 32, 0, 0},
	{"two_of_five_attempts_each_are_one", {BAD(4, "100 200 400 800 3000 100 200 400 800")}, 32, 0, 0},
	{"twenty_better_by_BIC_than_none", {BAD(1, "100 100 142.5 110 95 142.5"), BAD(1, "105 100 142.5 90 107 142.5")}, 8, 0, 0},
	{"and_no_less", {BAD(1, "100 100 142.4 110 95 142.4"), BAD(1, "105 100 142.4 90 107 142.4")}, 12, 0, 0},
	{"twenty_better_of_three_chains", {BAD(2, "100 110 146.6 120 90 146.6"), BAD(1, "105 100 146.6 90 120 146.6")}, 12, 0, 0},
	{"and_no_less_of_these", {BAD(2, "100 110 146.4 120 90 146.4"), BAD(1, "105 100 146.4 90 120 146.4")}, 18, 0, 0},
	{"a_wait_that_is_alone_at_its_place_lies_as_far_off_as_from_all", {BAD(1, "100 130 222.6 110 95 222.6 105 115 222.6")}, 6, 0, 0},
	{"where_that_is_less_no_place_is_better", {BAD(1, "100 130 222.4 110 95 222.4 105 115 222.4")}, 9, 0, 0},

	/* at the client's pace */
	{"what_follows_at_its_pace_is_the_next", {PACE(20, 100, 0), WALK(5, "100 100", 100)}, 0, 10, 0},
	{"what_does_not_is_none", {PACE(20, 100, 0), WALK(5, "50 50", 100)}, 10, 0, 0},
	{"without_a_pause_it_may_be_either", {PACE(20, 1, 0), WALK(2, "1 1", 1)}, 0, 4, 4},
	{"who_has_no_steady_pace_is_asked_nothing", {PACE(6, 50, 100), GOOD(1, "100x12")}, 12, 0, 0},
	{"who_has_shown_too_few_steps_has_none", {PACE(4, 50, 1000), GOOD(1, "100x12")}, 0, 12, 12},
	{"who_does_not_care_goes_on", {PACE(22, 10, 10), BAD(1, "10+10x22")}, 0, 22, 0},

	/* once without a wait, then with one */
	{"a_first_retry_at_once_is_one", {PACE(30, 1, 0), WALK(3, "1 100", 1)}, 6, 0, 0},
	{"of_each_request", {PACE(30, 1, 0), WALK(5, "1 100", 1), WALK(1, "1 100 1 1", 1)}, 13, 1, 1},
	{"of_two_it_is_the_next_request", {PACE(30, 1, 0), WALK(2, "1 100", 1)}, 2, 2, 2},
	{"four_in_five_show_it", {PACE(30, 1, 0), WALK(4, "1 100", 1), WALK(1, "100 100", 1)}, 10, 0, 0},
	{"three_in_four_do_not", {PACE(30, 1, 0), WALK(3, "1 100", 1), WALK(1, "100 100", 1)}, 5, 3, 3},
	{"one_second_in_six_may_be_at_once", {PACE(30, 1, 0), WALK(5, "1 100", 1), WALK(1, "1 1", 1)}, 11, 1, 1},
	{"but_not_one_in_four", {PACE(30, 1, 0), WALK(3, "1 100", 1), WALK(1, "1 1", 1), WALK(5, "1", 1)}, 3, 10, 10},
};

static void check_stories(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		cut(s->rows);
		if (!ok(joined() == s->joined && (int)polls[0] == s->polls && (int)doubtful[0] == s->doubtful && !polls[1], "%s", s->sentence))
			printf("# joined %d, polls %d, doubtful %d\n", joined(), (int)polls[0], (int)doubtful[0]);
	}
}

/* Five waits alike, or more, of a process that lives on. */
static void check_life(void)
{
	static const struct { const char *sentence, *waits; double lives_ms; bool good; int polls; } cases[] = {
		{"who_waits_on_half_as_long_lives_on", "100x5", 50, false, 5}, {"who_does_not_may_have_been_ended", "100x5", 49.9, false, 0},
		{"four_waits_show_nothing", "100x4", 500, false, 0}, {"nor_does_who_succeeded", "100x5", 500, true, 0},
		{"one_of_six_may_be_late", "100x5 500", 50, false, 6}, {"of_five_none", "100x4 500", 50, false, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct row rows[ROWS] = {{1, cases[i].waits, cases[i].good, 0, 0, 0}};

		process.ended_ns = 0;
		cut(rows);
		process.ended_ns = now + ns(cases[i].lives_ms);
		cut(rows);
		is_int((int)polls[0], cases[i].polls, "%s", cases[i].sentence);
	}
	process.ended_ns = 0;
}

/* What is no longer seen, of whom. */
static void check_blind(void)
{
	cut((struct row[ROWS]){PACE(20, 100, 0), WALK(5, "95 105", 100)});
	ok(fabs(blind[0].low_ms - 95) < 1e-6 && fabs(blind[0].high_ms - 105) < 1e-6, "waits_between_those_that_were_taken_are_not_seen");
	cut((struct row[ROWS]){PACE(20, 100, 0), WALK(5, "105 95", 100)});
	ok(fabs(blind[0].low_ms - 95) < 1e-6 && fabs(blind[0].high_ms - 105) < 1e-6, "in_whatever_order");
	cut((struct row[ROWS]){PACE(20, 1, 0), WALK(5, "3 5", 1)});
	ok(blind[0].low_ms == 0 && fabs(blind[0].high_ms - 5) < 1e-6, "without_a_pause_all_up_to_the_longest");
	long_ms = 99;	/* every 100 ms by a clock */
	cut((struct row[ROWS]){PACE(20, 99, 0), WALK(1, "0.9", 1), WALK(5, "1.1", 1)});
	ok(fabs(blind[0].low_ms - 0.9) < 1e-6 && fabs(blind[0].high_ms - 1.1) < 1e-6, "of_a_clock_what_is_left_of_its_step");
	long_ms = TOOK_MS;
	cut((struct row[ROWS]){BAD(1, "100x12"), {1, "100 200 400", false, 0, 0, 1}, {1, "100x13", false, 0, 0, 1}});
	ok(blind[0].high_ms == 0 && polls[0] == 12 && polls[1] == 13 && joined() == 3, "each_edge_by_itself");
	cut((struct row[ROWS]){BAD(4, "100 200 400 800 3000 100 200 400"), {1, "100x13", false, 0, 0, 1}});
	ok(joined() == 32 && polls[1] == 13, "how_long_they_are_too");
}

static int again(void)
{
	return cut((struct row[ROWS]){PACE(20, 100, 0), WALK(3, "100 100", 100), {1, "100x12", false, 0, 0, 1}});
}

int main(void)
{
	long_ms = TOOK_MS;
	check_stories();
	check_life();
	check_blind();
	ok(starved_says_so(again), "short_of_memory_it_says_so");
	return tap_done();
}
