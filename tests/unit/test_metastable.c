/* SPDX-License-Identifier: MIT */
/*
 * Whether a system stays bad by itself (analyzer/measure/metastable.c), of seconds written down one by one: each bound from both sides. Before the fault
 * there were 20 requests a second, in 200; all were good.
 */
#include <math.h>
#include <stdlib.h>

#include "analyzer/measure/recovery.h"
#include "tests/lib/tap.h"

#define ZERO 10			/* the second in which the fault is over */
#define CLEAR_NS (100 * NS_PER_S)
#define MOST 80

/* Seconds by letter: how many requests, how many of them good. Capitals are bad. */
static const struct kind {
	char letter;
	unsigned n, ok;
} kinds[] = {
	{'B', 20, 0}, {'g', 20, 20}, {'L', 16, 0}, {'l', 16, 16}, {'K', 15, 0}, {'k', 15, 15}, {'H', 25, 0}, {'h', 25, 25}, {'X', 26, 0}, {'x', 26, 26},
	{'2', 2, 2}, {'e', 11, 11}, {'f', 12, 12}, {'j', 14, 14}, {'i', 13, 13}, {'-', 0, 0},
};

struct stage {
	struct result x;
	struct result_edge edge;
	struct measure m;
	struct timeline_episode episode;
	struct felt_second seconds[MOST];
	struct link_logical logicals[60];
	struct model_exchange exchanges[60];
	bool entry, struck;
	struct felt f;
};

/* From the second on in which the fault was over. */
static void set(struct stage *s, const char *after)
{
	*s = (struct stage){.entry = true, .struck = true, .episode = {.from_ns = CLEAR_NS - 5 * NS_PER_S, .to_ns = CLEAR_NS, .cleared = true}};
	s->edge.destination = MODEL_NONE;
	s->x = (struct result){.edges = &s->edge, .edge_count = 1};
	s->x.model.ended_ns = 1000 * NS_PER_S;
	s->x.model.exchanges = s->exchanges;
	s->m = (struct measure){.r = &s->x, .options = {.slo = NAN}, .to_ns = UINT64_MAX};
	s->m.link.logicals = s->logicals;
	s->f = (struct felt){.m = &s->m, .entry = &s->entry, .struck = &s->struck, .mu = 1, .base = 200, .load = 20, .attempts = 20, .episode = &s->episode,
			     .seconds = s->seconds, .count = ZERO + (long)strlen(after), .zero = ZERO, .until_ns = UINT64_MAX};
	for (long i = 0; i < s->f.count; i++) {
		char letter = i < ZERO ? 'B' : after[i - ZERO];
		const struct kind *k = kinds;

		while (k->letter != letter)
			k++;
		s->seconds[i] = (struct felt_second){.n = k->n, .ok = k->ok, .attempts = 3 * k->n, .firsts = k->n};
	}
}

/* well: the second of the recovery, from the fault's end; -1: none. tenths: attempts per first attempt, in tenths. */
static const struct story {
	const char *sentence, *after;
	long well;
	int tenths;
	bool sustained, confirmed;
} stories[] = {
	{"retries_of_half_as_much_again_keep_it_bad", "BBBBBBBBBBggggg", 10, 15, true, false},
	{"fewer_do_not", "BBBBBBBBBBggggg", 10, 14, false, false},
	{"to_the_end_of_the_run_too", "BBBBBBBBBB", -1, 15, true, false},
	{"250_requests_for_200_may_be_chance", "HHHHHHHHHHggggg", 10, 15, true, false},
	{"251_are_more", "HHHHHHHHHXggggg", 10, 15, false, false},
	{"of_a_time_that_goes_on_the_last_second_need_not_be_whole", "HHHHHHHHHHX", -1, 15, true, false},
	{"but_the_one_before_is", "HHHHHHHHHXB", -1, 15, false, false},
	{"in_no_time_nobody_asks_more", "ggggg", 0, 30, false, false},
	{"six_bad_seconds_of_ten_are_most_of_them", "BgBgBgBgBBggggg", 10, 15, true, false},
	{"five_are_not", "BgBgBgBgBgggggg", 10, 15, false, false},
	{"seconds_in_which_nobody_asked_do_not_count", "B-B-BgBg-Bggggg", 10, 15, true, false},
	{"the_last_second_counts_where_none_was_well", "BgBgB", -1, 15, true, false},

	/* dips: bad for five seconds, then little load, then good at the load of before */
	{"a_dip_of_three_seconds_lets_it_recover", "BBBBB222ggggg", 8, 10, false, true},
	{"one_of_two_does_not", "BBBBB22ggggg", 7, 10, false, false},
	{"at_seven_tenths_of_the_load_it_is_a_dip", "BBBBBjjjjjjjjjjggggg", 15, 10, false, true},
	{"at_more_it_is_none", "BBBBBkkkkkkkkkkggggg", 15, 10, false, false},
	{"three_seconds_of_34_requests_are_no_chance", "BBBBBeefggggg", 8, 10, false, true},
	{"of_35_they_may_be", "BBBBBeffggggg", 8, 10, false, false},
	{"four_bad_seconds_of_five_before_it_are_enough", "BBBBg222ggggg", 8, 10, false, true},
	{"three_are_not", "BBBgg222ggggg", 8, 10, false, false},
	{"four_seconds_in_all_are_too_few", "BBBB222ggggg", 7, 10, false, false},
	{"six_are_enough", "BBBBBB222ggggg", 9, 10, false, true},
	{"it_was_bad_at_four_fifths_of_the_load", "LLLLL222ggggg", 8, 10, false, true},
	{"not_at_less", "LLLLK222ggggg", 8, 10, false, false},
	{"or_at_five_fourths_of_it", "HHHHH222ggggg", 8, 10, false, true},
	{"and_not_at_more", "HHHHX222ggggg", 8, 10, false, false},
	{"it_is_good_at_four_fifths_of_the_load", "BBBBB222lllll", 8, 10, false, true},
	{"not_at_less_than_that", "BBBBB222llllk", 8, 10, false, false},
	{"or_at_five_fourths", "BBBBB222hhhhh", 8, 10, false, true},
	{"not_at_more_than_that", "BBBBB222hhhhx", 8, 10, false, false},
	{"one_more_second_may_pass_until_it_is", "BBBBB222Bggggg", 9, 10, false, true},
	{"not_two", "BBBBB222BBggggg", 10, 10, false, false},
	{"five_good_seconds_are_asked_for", "BBBBB222gggg", 8, 10, false, false},
	{"it_recovers_up_to_five_seconds_later", "BBBBB222ggggggggg", 13, 10, false, true},
	{"not_six", "BBBBB222ggggggggg", 14, 10, false, false},
	{"in_the_dip_it_may_recover", "BBBBB222ggggg", 5, 10, false, true},
	{"but_not_before", "BBBBB222ggggg", 4, 10, false, false},
	{"nor_when_it_never_recovers", "BBBBB222gggggB", -1, 10, false, false},
	{"a_second_dip_may_be_the_one", "222BBBBB222ggggg", 11, 10, false, true},
	{"and_one_just_behind_the_first", "BBBBB222BBBBB222ggggg", 16, 10, false, true},
};

static void check_stories(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *c = &stories[i];
		struct result_recovery r = {.load_amplification = c->tenths / 10.0};
		struct metastable got;
		struct stage s;

		set(&s, c->after);
		got = metastable_judge(&s.f, c->well < 0 ? -1 : ZERO + c->well, &r);
		if (!ok(got.sustained == c->sustained && got.confirmed == c->confirmed, "%s", c->sentence))
			printf("# sustained %d, confirmed %d\n", got.sustained, got.confirmed);
	}
}

/* Without retries, what is wasted keeps it bad as long as that goes on. */
static void check_waste(void)
{
	static const struct { double share; const char *after; long well; bool sustained; const char *sentence; } cases[] = {
		{0.3, "BBBBBBBBBB", -1, true, "three_tenths_of_lost_work_keep_it_bad"}, {0.29, "BBBBBBBBBB", -1, false, "less_does_not"},
		{0.3, "BBBBBBBBBBggggg", ZERO + 10, false, "nor_what_came_to_an_end"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result_recovery r = {.load_amplification = 1};
		struct stage s;

		set(&s, cases[i].after);
		s.edge.wasted_work = metric_plain(cases[i].share, 100, "");
		is_int(metastable_judge(&s.f, cases[i].well, &r).sustained, cases[i].sustained, "%s", cases[i].sentence);
		s.struck = false;
		is_int(metastable_judge(&s.f, cases[i].well, &r).sustained, false, "of_a_server_that_was_not_struck_nothing_is_said");
	}
}

/* Ten whole seconds: requests in work in the first three, and in the last. */
static void check_queue(void)
{
	static const struct { int first, last; bool ends, sustained; const char *sentence; } cases[] = {
		{5, 8, false, true, "a_queue_of_8_for_5_grows"}, {5, 7, false, false, "one_of_7_may_be_chance"},
		{0, 2, false, true, "one_of_2_for_none"}, {0, 1, false, false, "one_of_1_is_none"},
		{5, 8, true, false, "one_that_ends_before_does_not_grow"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result_recovery r = {.load_amplification = 1};
		struct stage s;
		size_t n = 0;

		set(&s, "BBBBBBBBBBB");
		for (int k = 0; k < cases[i].first; k++)
			s.logicals[n++] = (struct link_logical){.started_ns = CLEAR_NS - NS_PER_S, .ended_ns = CLEAR_NS + 3 * NS_PER_S};
		for (int k = 0; k < cases[i].last; k++)
			s.logicals[n++] = (struct link_logical){.started_ns = CLEAR_NS + 6 * NS_PER_S, .ended_ns = cases[i].ends ? CLEAR_NS + 8 * NS_PER_S : 0};
		s.m.link.count = n;
		s.m.chains.by_logical = (struct chains_group){.members = (uint32_t[]){0}, .begins = (size_t[62]){0}};
		is_int(metastable_judge(&s.f, -1, &r).sustained, cases[i].sustained, "%s", cases[i].sentence);
		s.entry = false;
		is_int(metastable_judge(&s.f, -1, &r).sustained, false, "of_what_users_did_not_ask_nothing_is_said");
	}
}

static void check_margin(void)
{
	struct result_recovery r = {.load_amplification = 3, .margin = NAN, .capacity_rps = NAN};
	struct stage s;

	set(&s, "BBBBBBBBBBggggg");
	for (size_t i = 0; i < 60; i++)		/* one each 200 ms, from a second before the end of the fault on */
		s.exchanges[i] = (struct model_exchange){.started_ns = CLEAR_NS - NS_PER_S + i * NS_PER_S / 5 - NS_PER_MS,
							 .ended_ns = CLEAR_NS - NS_PER_S + i * NS_PER_S / 5, .outcome = i % 2 ? MODEL_OK : MODEL_FAILED};
	s.x.model.exchange_count = 60;
	s.exchanges[20].synthetic = true;
	s.exchanges[21].outcome = MODEL_INDETERMINATE;
	s.exchanges[22].edge = MODEL_NONE;
	s.exchanges[23].ended_ns = 0;
	s.edge.retry = (struct policy_retry){.known = true, .max_attempts = 3};
	metastable_judge(&s.f, ZERO + 10, &r);
	ok(fabs(r.capacity_rps - 4.6) < 1e-9, "46_answers_in_ten_seconds_are_what_it_can_do");
	ok(fabs(r.margin - 4.6 / 60) < 1e-9, "against_20_requests_of_three_attempts");
	s.edge.retry.unbounded = true;
	metastable_judge(&s.f, ZERO + 10, &r);
	ok(isnan(r.margin), "without_an_end_of_attempts_there_is_no_margin");
	r.capacity_rps = NAN;
	set(&s, "BBBBggggg");
	metastable_judge(&s.f, ZERO + 4, &r);
	ok(isnan(r.capacity_rps), "four_seconds_are_too_few_to_tell");
	set(&s, "BBBBBggggg");
	metastable_judge(&s.f, ZERO + 5, &r);
	ok(r.capacity_rps == 0, "five_are_not");
}

static void check_load(void)
{
	struct result_recovery r;
	struct stage s;

	set(&s, "HHHHggggg");
	metastable_load(&s.f, ZERO + 4, &r);
	ok(fabs(r.load_ratio - 1.25) < 1e-9 && fabs(r.load_amplification - 3) < 1e-9, "the_load_is_that_up_to_the_recovery");
	metastable_load(&s.f, -1, &r);
	ok(fabs(r.load_ratio - 180.0 / 8 / 20) < 1e-9, "or_to_the_last_whole_second");
	metastable_load(&s.f, ZERO, &r);
	ok(isnan(r.load_ratio) && isnan(r.load_amplification), "in_no_time_there_is_none");
}

/* The longest attempt, and the longest time that a breaker is open. */
static void check_explained(void)
{
	struct result_recovery r = {.load_amplification = 1};
	struct stage s;

	set(&s, "BBBBBBBBBBggggg");
	s.exchanges[0] = (struct model_exchange){.started_ns = CLEAR_NS - NS_PER_S, .ended_ns = CLEAR_NS + 2 * NS_PER_S};
	s.exchanges[1] = (struct model_exchange){.started_ns = CLEAR_NS, .ended_ns = CLEAR_NS + 4 * NS_PER_S};
	s.exchanges[2] = (struct model_exchange){.started_ns = CLEAR_NS + 1, .ended_ns = CLEAR_NS + 50 * NS_PER_S};
	s.x.model.exchange_count = 3;
	s.edge.breaker = (struct policy_breaker){.known = true, .open_high_ms = 7000};
	ok(metastable_judge(&s.f, ZERO + 10, &r).explained_ms == 11000, "attempts_that_began_before_the_end_of_the_fault_and_breakers_explain_a_lag");
	s.edge.breaker.open_high_ms = NAN;
	s.exchanges[1].edge = MODEL_NONE;
	ok(metastable_judge(&s.f, ZERO + 10, &r).explained_ms == 3000, "as_far_as_they_are_known");
}

/* Two requests of two attempts, which waited for 5 s and for 6 s; the second began as the fault ended, or after it. */
static void check_waits(void)
{
	static const uint64_t at_ms[] = {90000, 91000, 96000, 97000, 100000, 100500, 106500, 107000};
	struct result_recovery r = {.load_amplification = 1};
	struct stage s;

	set(&s, "BBBBBBBBBBggggg");
	for (size_t i = 0; i < 4; i++)
		s.exchanges[i] = (struct model_exchange){.started_ns = at_ms[2 * i] * NS_PER_MS, .ended_ns = at_ms[2 * i + 1] * NS_PER_MS, .edge = MODEL_NONE};
	s.x.model.exchange_count = 4;
	s.logicals[0] = (struct link_logical){.started_ns = at_ms[0] * NS_PER_MS};
	s.logicals[1] = (struct link_logical){.started_ns = CLEAR_NS};
	s.m.link.count = 2;
	s.m.chains.by_logical = (struct chains_group){.members = (uint32_t[]){0, 1, 2, 3}, .begins = (size_t[]){0, 2, 4}};
	ok(metastable_judge(&s.f, ZERO + 10, &r).explained_ms == 6000, "a_wait_of_what_began_by_the_end_of_the_fault_explains_a_lag");
	s.logicals[1].started_ns++;
	ok(metastable_judge(&s.f, ZERO + 10, &r).explained_ms == 5000, "not_of_what_began_later");
	s.exchanges[0].ended_ns = 0;
	ok(metastable_judge(&s.f, ZERO + 10, &r).explained_ms == 0, "behind_what_did_not_end_there_was_none");
}

int main(void)
{
	check_waits();
	check_stories();
	check_waste();
	check_queue();
	check_margin();
	check_load();
	check_explained();
	return tap_done();
}
