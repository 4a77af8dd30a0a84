/* SPDX-License-Identifier: MIT */
/* What a good second is, a bad one, and five that hold (analyzer/measure/felt.h): each bound from both sides. */
#include <math.h>
#include <stdlib.h>

#include "analyzer/measure/felt.h"
#include "tests/lib/tap.h"

#define ZERO 3			/* the second in which the fault is over */
#define CLEAR_NS (100 * NS_PER_S)
#define COUNT 20

static struct result x;
static struct measure m = {.r = &x};
static struct timeline_episode episode;
static struct felt_second seconds[COUNT];
static struct felt f;

static void set(double mu, uint64_t base, double slo)
{
	m.options.slo = slo;
	m.to_ns = UINT64_MAX;
	x.model.started_ns = 98 * NS_PER_S;
	x.model.ended_ns = 1000 * NS_PER_S;
	episode = (struct timeline_episode){.to_ns = CLEAR_NS};
	memset(seconds, 0, sizeof(seconds));
	f = (struct felt){.m = &m, .mu = mu, .base = base, .seconds = seconds, .count = COUNT, .zero = ZERO, .episode = &episode};
}

/* Of n requests in a second so many must be good for it to be, and with so many or fewer it is bad. */
static const struct {
	const char *sentence;
	double mu, slo;
	unsigned base, n, good, bad;
} shares[] = {
	{"of_a_baseline_without_failures_95_percent_are_good", 1, NAN, 200, 20, 19, 17},
	{"of_ten_thousand_three_sigma_less_than_all", 1, NAN, 200, 10000, 9971, 9959},
	{"where_four_in_five_are_good_95_percent_of_that", 0.8, NAN, 200, 20, 16, 11},
	{"of_ten_thousand_three_sigma_less_than_that", 0.8, NAN, 200, 10000, 7879, 7798},
	{"five_requests_make_a_baseline", 0.5, NAN, 5, 20, 10, 5},
	{"of_which_less_is_certain", 1, NAN, 5, 10000, 9876, 9853},
	{"four_do_not_95_percent_of_all_must_be_good", 0.5, NAN, 4, 20, 19, 17},
	{"what_was_asked_for_counts_more", 0.5, 0.99, 200, 20, 20, 18},
};

static void check_shares(void)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		bool is_right = true;

		set(shares[i].mu, shares[i].base, shares[i].slo);
		for (unsigned k = 0; k <= shares[i].n; k++) {
			seconds[0] = (struct felt_second){.n = shares[i].n, .ok = k};
			is_right &= felt_good(&f, 0) == (k >= shares[i].good) && felt_bad(&f, 0) == (k <= shares[i].bad);
		}
		ok(is_right, "%s", shares[i].sentence);
	}
	set(1, 200, NAN);
	ok(!felt_good(&f, 0) && !felt_bad(&f, 0), "a_second_in_which_nothing_was_asked_is_neither");
	f.least = 5;
	seconds[0] = (struct felt_second){.n = 4, .ok = 4};
	seconds[1] = (struct felt_second){.n = 5, .ok = 5};
	seconds[2] = (struct felt_second){.n = 4};
	ok(!felt_good(&f, 0) && felt_good(&f, 1) && felt_bad(&f, 2), "one_in_which_next_to_nothing_was_asked_can_be_bad_but_not_good");
}

/* Good requests of 20 in seconds from the fifth on; below 0: none were asked. */
static const struct {
	const char *sentence;
	int ok[5];
	bool holds;
} holds[] = {
	{"five_good_seconds_hold", {20, 20, 20, 20, 20}, true},
	{"98_of_100_are_enough", {20, 19, 20, 19, 20}, true},
	{"97_are_not", {20, 19, 20, 19, 19}, false},
	{"one_bad_second_breaks_it", {20, 20, 20, 20, 17}, false},
	{"as_does_the_first", {17, 20, 20, 20, 20}, false},
	{"seconds_of_nothing_do_not", {20, -1, -1, -1, -1}, true},
	{"nor_five_of_them", {-1, -1, -1, -1, -1}, true},
};

static void check_holds(void)
{
	for (size_t i = 0; i < sizeof(holds) / sizeof(*holds); i++) {
		set(1, 200, NAN);
		for (int k = 0; k < 5; k++)
			if (holds[i].ok[k] >= 0)
				seconds[5 + k] = (struct felt_second){.n = 20, .ok = (uint32_t)holds[i].ok[k]};
		seconds[4] = seconds[10] = (struct felt_second){.n = 20};
		is_int(felt_holds(&f, 5), holds[i].holds, "%s", holds[i].sentence);
	}
	set(1, 200, NAN);
	ok(felt_holds(&f, COUNT - 5) && !felt_holds(&f, COUNT - 4), "the_last_five_seconds_can_hold_but_not_the_last_four");
	x.model.ended_ns = CLEAR_NS + 5 * NS_PER_S;
	ok(felt_holds(&f, ZERO) && !felt_holds(&f, ZERO + 1), "until_the_run_ends");
	x.model.ended_ns--;
	ok(!felt_holds(&f, ZERO), "and_not_a_nanosecond_longer");
}

static void check_starts(void)
{
	set(1, 200, NAN);
	ok(felt_start(&f, ZERO) == CLEAR_NS && felt_start(&f, ZERO + 2) == CLEAR_NS + 2 * NS_PER_S, "seconds_count_from_the_end_of_the_fault");
	ok(felt_start(&f, ZERO - 1) == CLEAR_NS - NS_PER_S && felt_start(&f, 0) == 98 * NS_PER_S, "backwards_too_to_the_start_of_the_run");
	x.model.started_ns = 0;
	episode.to_ns = NS_PER_S;
	ok(felt_start(&f, ZERO - 1) == 0 && felt_start(&f, 0) == 0, "nothing_is_before_the_clock");
}

static void check_calm(void)
{
	set(1, 5, NAN);
	ok(felt_has_baseline(&f), "five_requests_are_a_baseline");
	f.base = 4;
	ok(!felt_has_baseline(&f), "four_are_none");
	f.calm_from_ns = 10;
	f.calm_to_ns = 20;
	ok(!felt_calm(&f, 9) && felt_calm(&f, 10) && felt_calm(&f, 19) && !felt_calm(&f, 20), "a_time_of_its_own_is_calm_from_its_start_to_its_end");
}

/* Other faults than the one that is there from 80 to 100 s; from when to when what one of them did was seen alone. Seconds; to 0: it never came. */
static const struct {
	const char *sentence;
	struct { double from, to; } others[3];
	double calm_from, calm_to;
} times[] = {
	{"a_fault_that_was_there_all_along_is_the_background", {{50, 150}}, 50, 80},
	{"without_one_there_is_none", {{50, 70}}, 0, 0},
	{"it_was_there_before", {{80, 150}}, 0, 0},
	{"and_after", {{50, 100}}, 0, 0},
	{"of_two_the_later_counts", {{50, 150}, {60, 140}}, 60, 80},
	{"whichever_comes_first", {{60, 140}, {50, 150}}, 60, 80},
	{"until_another_came", {{50, 150}, {70, 90}}, 50, 70},
	{"which_was_not_over", {{50, 150}, {40, 49}}, 50, 80},
	{"not_even_as_it_began", {{50, 150}, {40, 50}}, 0, 0},
	{"one_that_comes_with_the_fault_is_not_there_yet", {{50, 150}, {80, 90}}, 50, 80},
	{"nor_one_that_never_came", {{50, 150}, {60, 0}}, 50, 80},
	{"a_second_is_enough", {{50, 150}, {51, 60}}, 50, 51},
	{"less_is_not", {{50, 150}, {50.9, 60}}, 0, 0},
	{"of_several_the_first_ends_it", {{50, 150}, {70, 90}, {60, 90}}, 50, 60},
	{"in_whatever_order", {{50, 150}, {60, 90}, {70, 90}}, 50, 60},
};

static bool edge_flag[2] = {true, true};

static uint64_t at(double s)
{
	return (uint64_t)(s * 1000 + 0.5) * NS_PER_MS;
}

static void check_times(void)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct timeline_span spans[4] = {{0}};

		set(1, 200, NAN);
		f = (struct felt){.m = &m, .entry = edge_flag, .struck = edge_flag};
		episode = (struct timeline_episode){.from_ns = at(80), .to_ns = CLEAR_NS, .fault = 3};
		for (int k = 0; k < 3; k++)
			if (times[i].others[k].to > 0)
				spans[k] = (struct timeline_span){.from_ns = at(times[i].others[k].from), .to_ns = at(times[i].others[k].to), .hits = 1};
		spans[3] = (struct timeline_span){.from_ns = at(80), .to_ns = CLEAR_NS, .hits = 1};
		x.timeline.spans = spans;
		x.model.fault_count = 4;
		x.model.started_ns = 0;
		if (felt_episode(&f, &episode, at(130)))
			abort();
		if (!ok(f.asked_from_ns == at(times[i].calm_from) && f.asked_to_ns == at(times[i].calm_to), "%s", times[i].sentence))
			printf("# %g to %g\n", (double)f.asked_from_ns / 1e9, (double)f.asked_to_ns / 1e9);
		ok(f.zero == 21 && f.count == 51, "its_seconds_are_those_of_the_fault_and_thirty_after_it");
		free(f.seconds);
	}
	x.timeline.spans = NULL;
	x.model.fault_count = 0;
}

/* n requests that took 7 ms, and one that took nothing, all while the background was there alone. */
static void check_took(void)
{
	for (size_t n = 19; n <= 20; n++) {
		struct timeline_span spans[2] = {{.from_ns = at(50), .to_ns = at(150), .hits = 1}, {.from_ns = at(80), .to_ns = CLEAR_NS, .hits = 1}};
		struct link_logical list[21];

		set(1, 200, NAN);
		f = (struct felt){.m = &m, .entry = edge_flag, .struck = edge_flag};
		episode = (struct timeline_episode){.from_ns = at(80), .to_ns = CLEAR_NS, .fault = 1};
		for (size_t i = 0; i <= n; i++)
			list[i] = (struct link_logical){.started_ns = at(60) + i, .ended_ns = at(60) + i + (i < n ? 7 * NS_PER_MS : 0), .ok = i, .attempts = 2};
		x.timeline.spans = spans;
		x.model.fault_count = 2;
		m.link.logicals = list;
		m.link.count = n + 1;
		if (felt_episode(&f, &episode, at(130)))
			abort();
		ok(n == 19 ? isnan(f.took_ms) : f.took_ms == 7, "%s", n == 19 ? "of_19_requests_it_is_not_known_how_long_most_took" : "of_20_it_is");
		ok(f.base == n + 1 && f.mu == (double)n / (double)(n + 1), "all_count_but_the_first_which_failed_as_good");
		ok(fabs(f.load - (double)(n + 1) / 30) < 1e-9 && fabs(f.attempts - (double)(n + 1) / 15) < 1e-9, "in_thirty_seconds");
		free(f.seconds);
		m.link.count = 4;
		f = (struct felt){.m = &m, .entry = edge_flag, .struck = edge_flag};
		if (felt_episode(&f, &episode, at(130)))
			abort();
		ok(f.mu == 1 && isnan(f.load) && f.calm_to_ns == 0, "four_requests_are_no_baseline");
		free(f.seconds);
		m.link.count = 0;
	}
}

int main(void)
{
	check_times();
	check_took();
	check_shares();
	check_holds();
	check_starts();
	check_calm();
	return tap_done();
}
